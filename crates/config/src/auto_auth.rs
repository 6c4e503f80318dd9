//! The `auto_auth` block: how the agent logs in, and where it puts the token.

use std::fmt;
use std::time::Duration;

use crate::reading::{Block, Unknown};
use crate::writing::Object;

/// First pause after a failed login when the method names none.
pub const DEFAULT_MIN_BACKOFF: Duration = Duration::from_secs(1);
/// Longest pause after a failed login when the method names none.
pub const DEFAULT_MAX_BACKOFF: Duration = Duration::from_secs(300);
/// Mode of a token file when the sink names none.
pub const DEFAULT_SINK_MODE: u32 = 0o640;

/// The block `auto_auth`.
#[derive(Debug, Clone, PartialEq)]
pub struct AutoAuth {
    /// How to log in.
    pub method: Method,
    /// Where each new token goes, in order.
    pub sinks: Vec<Sink>,
    /// Log in anew when the credentials that the method watches change.
    pub enable_reauth_on_new_credentials: bool,
}

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

/// The login methods that a configuration can name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MethodKind {
    /// `alicloud`
    AliCloud,
    /// `approle`
    AppRole,
    /// `aws`
    Aws,
    /// `azure`
    Azure,
    /// `cert`
    Cert,
    /// `cf`
    CloudFoundry,
    /// `gcp`
    Gcp,
    /// `jwt`
    Jwt,
    /// `kerberos`
    Kerberos,
    /// `kubernetes`
    Kubernetes,
    /// `ldap`
    Ldap,
    /// `oci`
    Oci,
    /// `token_file`
    TokenFile,
    /// `userpass`
    Userpass,
}

impl MethodKind {
    /// Every method with the word that names it.
    pub const ALL: [(&str, Self); 14] = [
        ("kubernetes", Self::Kubernetes),
        ("jwt", Self::Jwt),
        ("approle", Self::AppRole),
        ("cert", Self::Cert),
        ("token_file", Self::TokenFile),
        ("userpass", Self::Userpass),
        ("ldap", Self::Ldap),
        ("aws", Self::Aws),
        ("azure", Self::Azure),
        ("gcp", Self::Gcp),
        ("alicloud", Self::AliCloud),
        ("cf", Self::CloudFoundry),
        ("oci", Self::Oci),
        ("kerberos", Self::Kerberos),
    ];

    /// The word that names it in a configuration.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL
            .iter()
            .find(|(_, kind)| *kind == self)
            .map_or("", |(name, _)| name)
    }

    /// The keys of `config` without which the method cannot log in.
    pub(crate) fn required(self) -> &'static [&'static str] {
        match self {
            Self::Kubernetes => &["role"],
            // Without a role the mount's default role is used.
            Self::Jwt => &["path"],
            Self::AppRole => &["role_id_file_path"],
            Self::TokenFile => &["token_file_path"],
            Self::Ldap | Self::Userpass => &["username", "password_file_path"],
            Self::Aws | Self::Oci => &["type", "role"],
            Self::Gcp => &["type", "role"],
            Self::Azure => &["role", "resource"],
            Self::AliCloud => &["role", "region"],
            Self::CloudFoundry => &["role"],
            Self::Kerberos => &[
                "username",
                "service",
                "realm",
                "keytab_path",
                "krb5conf_path",
            ],
            Self::Cert => &[],
        }
    }

    /// The keys of `config` that may be there besides.
    pub(crate) fn optional(self) -> &'static [&'static str] {
        match self {
            Self::Kubernetes => &["token_path"],
            Self::Jwt => &[
                "role",
                "remove_jwt_after_reading",
                "remove_jwt_follows_symlinks",
                "jwt_read_period",
            ],
            Self::AppRole => &[
                "secret_id_file_path",
                "remove_secret_id_file_after_reading",
                "secret_id_response_wrapping_path",
            ],
            Self::Cert => &["name", "ca_cert", "client_cert", "client_key", "reload"],
            Self::TokenFile => &[],
            Self::Ldap | Self::Userpass => &[
                "remove_password_after_reading",
                "remove_password_follows_symlinks",
                "password_read_period",
            ],
            Self::Aws => &[
                "access_key",
                "secret_key",
                "session_token",
                "region",
                "header_value",
                "nonce",
                "credential_poll_interval",
            ],
            Self::Gcp => &["credentials", "service_account", "project", "jwt_exp"],
            Self::Azure => &[
                "object_id",
                "client_id",
                "scope",
                "authenticate_from_environment",
            ],
            Self::AliCloud => &[
                "access_key",
                "access_secret",
                "access_token",
                "role_arn",
                "role_session_name",
                "role_session_expiration",
                "role_name",
                "private_key",
                "public_key_id",
                "session_expiration",
                "credential_poll_interval",
            ],
            Self::CloudFoundry => &[],
            Self::Oci => &["credential_poll_interval"],
            Self::Kerberos => &["disable_fast_negotiation"],
        }
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

/// One token file: the block `auto_auth.sink` of type `file`, the only one there is.
#[derive(Debug, Clone, PartialEq)]
pub struct Sink {
    /// The file's path.
    pub path: String,
    /// The file's permission bits, before the umask.
    pub mode: u32,
    /// The file's owner, if it is to be changed.
    pub uid: Option<u32>,
    /// The file's group, if it is to be changed.
    pub gid: Option<u32>,
    /// Writes the token wrapped, with this time to live.
    pub wrap_ttl: Option<Duration>,
    /// Writes the token encrypted to a peer's key.
    pub encryption: Option<SinkEncryption>,
}

/// How a token file is encrypted: X25519 with a peer's key, then AES-256-GCM.
#[derive(Debug, Clone, PartialEq)]
pub struct SinkEncryption {
    /// The file with the peer's public key.
    pub peer_key_path: String,
    /// Whether the shared secret goes through HKDF-SHA256 before it is the key.
    pub derive_key: bool,
    /// What is authenticated with the text.
    pub aad: Option<String>,
    /// The environment variable that holds what is authenticated, in place of `aad`.
    pub aad_env_var: Option<String>,
}

impl AutoAuth {
    pub(crate) fn read(block: &Block<'_>) -> Option<Self> {
        let method = Method::read_from(block);
        let sinks = block
            .labelled_blocks("sink", SINK_KEYS)
            .iter()
            .filter_map(Sink::read)
            .collect();
        let enable_reauth_on_new_credentials = block
            .flag("enable_reauth_on_new_credentials")
            .unwrap_or_default();
        block.finish(Unknown::Warned);
        Some(Self {
            method: method?,
            sinks,
            enable_reauth_on_new_credentials,
        })
    }

    pub(crate) fn write(&self) -> Object {
        let mut object = Object::default();
        object.object("method", Some(self.method.write()));
        object.objects("sink", self.sinks.iter().map(Sink::write));
        object.flag(
            "enable_reauth_on_new_credentials",
            self.enable_reauth_on_new_credentials,
        );
        object
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

impl Sink {
    fn read(block: &Block<'_>) -> Option<Self> {
        let kind = block
            .text("type")
            .or_else(|| block.label().map(str::to_owned));
        match kind.as_deref() {
            Some(kind) if kind.eq_ignore_ascii_case("file") => {}
            Some(other) => block.refuse(
                "type",
                format!("is `{}`; accepted is file", other.escape_debug()),
            ),
            None => block.refuse("type", "is missing; accepted is file"),
        }
        let config = block.block("config");
        let sink = Self {
            path: config
                .as_ref()
                .and_then(|c| c.text("path"))
                .unwrap_or_default(),
            mode: config
                .as_ref()
                .and_then(|c| c.mode("mode"))
                .unwrap_or(DEFAULT_SINK_MODE),
            uid: config.as_ref().and_then(|c| c.id("uid")),
            gid: config.as_ref().and_then(|c| c.id("gid")),
            wrap_ttl: block.duration("wrap_ttl").filter(|ttl| !ttl.is_zero()),
            encryption: SinkEncryption::read(block),
        };
        if let Some(config) = &config {
            config.finish(Unknown::Warned);
        }
        block.finish(Unknown::Warned);
        if sink.path.is_empty() {
            block.refuse("config.path", "is missing; the path of a file is needed");
            return None;
        }
        Some(sink)
    }

    fn write(&self) -> Object {
        let mut object = Object::default();
        object.text("type", "file");
        let mut config = Object::default();
        config.text("path", &self.path);
        // A sink's mode is a number, unlike a template's.
        config.number(
            "mode",
            (self.mode != DEFAULT_SINK_MODE).then_some(self.mode),
        );
        config.number("uid", self.uid);
        config.number("gid", self.gid);
        object.object("config", Some(config));
        object.duration("wrap_ttl", self.wrap_ttl);
        if let Some(encryption) = &self.encryption {
            object.text("dh_type", "curve25519");
            object.text("dh_path", &encryption.peer_key_path);
            object.flag("derive_key", encryption.derive_key);
            object.some_text("aad", encryption.aad.as_deref());
            object.some_text("aad_env_var", encryption.aad_env_var.as_deref());
        }
        object
    }
}

impl SinkEncryption {
    fn read(block: &Block<'_>) -> Option<Self> {
        let kind = block.choice("dh_type", &[("curve25519", ())]);
        let path = block.text("dh_path");
        let derive_key = block.flag("derive_key").unwrap_or_default();
        let aad = block.text("aad");
        let aad_env_var = block.text("aad_env_var");
        match (kind, path) {
            (Some(()), Some(peer_key_path)) => Some(Self {
                peer_key_path,
                derive_key,
                aad,
                aad_env_var,
            }),
            (Some(()), None) => {
                block.refuse("dh_path", "is missing; it goes together with `dh_type`");
                None
            }
            (None, Some(_)) => {
                if !block.has("dh_type") {
                    block.refuse("dh_type", "is missing; it goes together with `dh_path`");
                }
                None
            }
            (None, None) => {
                if derive_key || aad.is_some() || aad_env_var.is_some() {
                    block.refuse(
                        "dh_type",
                        "is missing; `derive_key`, `aad` and `aad_env_var` need an encrypted sink",
                    );
                }
                None
            }
        }
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

const SINK_KEYS: &[&str] = &[
    "type",
    "config",
    "wrap_ttl",
    "dh_type",
    "dh_path",
    "derive_key",
    "aad",
    "aad_env_var",
];

fn method_names() -> String {
    let names: Vec<_> = MethodKind::ALL.iter().map(|(name, _)| *name).collect();
    names.join(", ")
}
