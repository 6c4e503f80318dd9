//! The block `auto_auth.method`: which login, where it is mounted, its pauses and its own settings.

use std::fmt;
use std::time::Duration;

use crate::method_kind::MethodKind;
use crate::reading::{Block, Unknown};
use crate::writing::Object;

/// First pause after a failed login when the method names none.
pub const DEFAULT_MIN_BACKOFF: Duration = Duration::from_secs(1);

/// Longest pause after a failed login when the method names none.
pub const DEFAULT_MAX_BACKOFF: Duration = Duration::from_secs(300);

/// The block `auto_auth.method`.
#[derive(Debug, Clone, PartialEq)]
pub struct Method {
    /// Which login it is.
    pub kind: MethodKind,
    /// Where the login is mounted, without a slash at the end: `auth/kubernetes`.
    pub mount_path: String,
    /// The namespace of the login and of templates, without slashes around it, unless flag or
    /// environment set another.
    pub namespace: Option<String>,
    /// Asks for a wrapped token that lives this long.
    pub wrap_ttl: Option<Duration>,
    /// First pause after a failed login, if given ([`DEFAULT_MIN_BACKOFF`] else); it also is the
    /// first pause of template retries if given.
    pub min_backoff: Option<Duration>,
    /// Longest pause after a failed login, if given ([`DEFAULT_MAX_BACKOFF`] else); it also is
    /// the longest pause of template retries if given.
    pub max_backoff: Option<Duration>,
    /// A failed login ends the agent.
    pub exit_on_err: bool,
    /// The method's own settings.
    pub config: MethodConfig,
}

impl Method {
    /// The first pause after a failed login.
    #[must_use]
    pub fn first_backoff(&self) -> Duration {
        self.min_backoff.unwrap_or(DEFAULT_MIN_BACKOFF)
    }

    /// The longest pause after a failed login.
    #[must_use]
    pub fn longest_backoff(&self) -> Duration {
        self.max_backoff.unwrap_or(DEFAULT_MAX_BACKOFF)
    }
}

/// The settings of a login method, in order. Some are secrets, so `Debug` shows only the keys.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct MethodConfig(Vec<(String, String)>);

impl MethodConfig {
    /// The value of a key; `None` when it is absent or empty.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(name, _)| name == key)
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }

    /// Sets a key; an existing one keeps its place.
    pub fn set(&mut self, key: impl Into<String>, value: impl Into<String>) {
        let (key, value) = (key.into(), value.into());
        match self.0.iter_mut().find(|(name, _)| *name == key) {
            Some((_, old)) => *old = value,
            None => self.0.push((key, value)),
        }
    }

    /// The settings sorted by key.
    pub(crate) fn sorted(&self) -> Vec<(String, String)> {
        let mut settings = self.0.clone();
        settings.sort();
        settings
    }

    /// The settings in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(k, v)| (k.as_str(), v.as_str()))
    }
}

impl FromIterator<(String, String)> for MethodConfig {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(pairs: I) -> Self {
        let mut config = Self::default();
        for (key, value) in pairs {
            config.set(key, value);
        }
        config
    }
}

impl fmt::Debug for MethodConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map()
            .entries(self.0.iter().map(|(key, _)| (key, "…")))
            .finish()
    }
}

impl Method {
    /// Reads the one `method` block of a block around it.
    pub(crate) fn read_from(outer: &Block<'_>) -> Option<Self> {
        match outer.labelled_block("method", METHOD_KEYS) {
            Some(method) => Self::read(&method),
            None => {
                if !outer.has("method") {
                    outer.refuse("method", "is missing; exactly one such block is needed");
                }
                None
            }
        }
    }

    fn read(block: &Block<'_>) -> Option<Self> {
        let kind = match (block.has("type"), block.label()) {
            (false, Some(label)) => {
                let kind = MethodKind::ALL
                    .iter()
                    .find(|(name, _)| name.eq_ignore_ascii_case(label));
                if kind.is_none() {
                    block.refuse(
                        "type",
                        format!(
                            "is `{}`; accepted are {}",
                            label.escape_debug(),
                            method_names()
                        ),
                    );
                }
                kind.map(|(_, kind)| *kind)
            }
            (true, _) => block.choice("type", &MethodKind::ALL),
            (false, None) => {
                block.refuse(
                    "type",
                    format!("is missing; accepted are {}", method_names()),
                );
                None
            }
        };
        let mount_path = block
            .text("mount_path")
            .map(|path| path.trim_end_matches('/').to_owned());
        let namespace = block
            .text("namespace")
            .map(|namespace| namespace.trim_matches('/').to_owned())
            .filter(|namespace| !namespace.is_empty());
        let config: MethodConfig = block.map("config").into_iter().collect();
        let read = (
            block.duration("wrap_ttl"),
            block.duration("min_backoff"),
            block.duration("max_backoff"),
            block.flag("exit_on_err").unwrap_or_default(),
        );
        block.finish(Unknown::Warned);
        let kind = kind?;
        for (key, _) in config.iter() {
            // The established injector writes these two whatever the method is.
            let everywhere = matches!(key, "token_path" | "role");
            if !everywhere && !kind.required().contains(&key) && !kind.optional().contains(&key) {
                block.warn(
                    "config",
                    format!(
                        "has the key `{}`, which the method `{}` does not know and ignores",
                        key.escape_debug(),
                        kind.name()
                    ),
                );
            }
        }
        let (wrap_ttl, min_backoff, max_backoff, exit_on_err) = read;
        Some(Self {
            kind,
            mount_path: mount_path.unwrap_or_else(|| format!("auth/{}", kind.name())),
            namespace,
            wrap_ttl: wrap_ttl.filter(|ttl| !ttl.is_zero()),
            min_backoff: min_backoff.filter(|pause| !pause.is_zero()),
            max_backoff: max_backoff.filter(|pause| !pause.is_zero()),
            exit_on_err,
            config,
        })
    }

    pub(crate) fn write(&self) -> Object {
        let mut object = Object::default();
        object.text("type", self.kind.name());
        object.some_text("mount_path", Some(&self.mount_path));
        object.duration("min_backoff", self.min_backoff);
        object.duration("max_backoff", self.max_backoff);
        object.some_text("namespace", self.namespace.as_deref());
        object.map("config", &self.config.0);
        object.flag("exit_on_err", self.exit_on_err);
        object.duration("wrap_ttl", self.wrap_ttl);
        object
    }
}

const METHOD_KEYS: &[&str] = &[
    "type",
    "mount_path",
    "namespace",
    "wrap_ttl",
    "min_backoff",
    "max_backoff",
    "exit_on_err",
    "config",
];

fn method_names() -> String {
    let names: Vec<_> = MethodKind::ALL.iter().map(|(name, _)| *name).collect();
    names.join(", ")
}
