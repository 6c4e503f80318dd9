//! The `cache` and `api_proxy` blocks: what the agent does with requests of applications.

use crate::reading::{Block, Unknown};
use crate::writing::Object;

/// The block `cache`; its presence alone turns the lease cache on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cache {
    /// Whose token a request carries on.
    pub use_auto_auth_token: UseAutoAuthToken,
    /// Keeps the cache in a file, for the next container.
    pub persist: Option<Persist>,
    /// What is asked of a server that replicates.
    pub consistency: Consistency,
}

/// The block `api_proxy`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ApiProxy {
    /// Whose token a request carries on.
    pub use_auto_auth_token: UseAutoAuthToken,
    /// What is asked of a server that replicates.
    pub consistency: Consistency,
}

/// Whose token a request carries on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum UseAutoAuthToken {
    /// Its own.
    #[default]
    No,
    /// The agent's, when it has none.
    WhenMissing,
    /// The agent's, always.
    Force,
}

/// The block `cache.persist`, of type `kubernetes`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Persist {
    /// The folder of the file.
    pub path: String,
    /// Whether the file stays after it was read.
    pub keep_after_import: bool,
    /// Whether a file that cannot be read ends the agent.
    pub exit_on_err: bool,
    /// The service account's token, which seals the file.
    pub service_account_token_file: Option<String>,
}

/// What is asked of a server that replicates.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Consistency {
    /// Whether a request asks for state at least as new as the last write.
    pub enforce: bool,
    /// What the server does when it is behind.
    pub when_inconsistent: Option<WhenInconsistent>,
}

/// What the server does when it is behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenInconsistent {
    /// It refuses.
    Fail,
    /// The agent tries again.
    Retry,
    /// It asks the active node.
    Forward,
}

impl Cache {
    pub(crate) fn read(block: &Block<'_>) -> Self {
        let cache = Self {
            use_auto_auth_token: UseAutoAuthToken::read(block),
            persist: block
                .labelled_block("persist", PERSIST_KEYS)
                .and_then(|persist| Persist::read(&persist)),
            consistency: Consistency::read(block),
        };
        block.without_effect(
            &[
                "cache_static_secrets",
                "disable_caching_dynamic_secrets",
                "static_secret_token_capability_refresh_interval",
                "static_secret_token_capability_refresh_behavior",
            ],
            "it belongs to Vault Proxy",
        );
        block.finish(Unknown::Warned);
        cache
    }

    pub(crate) fn write(&self) -> Object {
        let mut object = Object::default();
        self.use_auto_auth_token.write(&mut object);
        object.object("persist", self.persist.as_ref().map(Persist::write));
        self.consistency.write(&mut object);
        object
    }
}

impl ApiProxy {
    pub(crate) fn read(block: &Block<'_>) -> Self {
        let proxy = Self {
            use_auto_auth_token: UseAutoAuthToken::read(block),
            consistency: Consistency::read(block),
        };
        block.without_effect(
            &["prepend_configured_namespace"],
            "it belongs to Vault Proxy",
        );
        block.finish(Unknown::Warned);
        proxy
    }

    pub(crate) fn write(&self) -> Object {
        let mut object = Object::default();
        self.use_auto_auth_token.write(&mut object);
        self.consistency.write(&mut object);
        object
    }
}

impl UseAutoAuthToken {
    /// A boolean, a boolean as a text, or `force`.
    fn read(block: &Block<'_>) -> Self {
        const CHOICES: [(&str, UseAutoAuthToken); 9] = [
            ("false", UseAutoAuthToken::No),
            ("true", UseAutoAuthToken::WhenMissing),
            ("force", UseAutoAuthToken::Force),
            ("0", UseAutoAuthToken::No),
            ("1", UseAutoAuthToken::WhenMissing),
            ("f", UseAutoAuthToken::No),
            ("t", UseAutoAuthToken::WhenMissing),
            ("no", UseAutoAuthToken::No),
            ("yes", UseAutoAuthToken::WhenMissing),
        ];
        block
            .choice("use_auto_auth_token", &CHOICES)
            .unwrap_or_default()
    }

    fn write(self, object: &mut Object) {
        match self {
            Self::No => {}
            Self::WhenMissing => object.text("use_auto_auth_token", "true"),
            Self::Force => object.text("use_auto_auth_token", "force"),
        }
    }
}

impl Persist {
    fn read(block: &Block<'_>) -> Option<Self> {
        let kind = block
            .text("type")
            .or_else(|| block.label().map(str::to_owned));
        let kind_known = kind
            .as_deref()
            .is_some_and(|kind| kind.eq_ignore_ascii_case("kubernetes"));
        if !kind_known {
            let found = match &kind {
                None => "is missing".to_owned(),
                Some(kind) => format!("is `{}`", kind.escape_debug()),
            };
            block.refuse("type", format!("{found}; accepted is kubernetes"));
        }
        let path = block.text("path");
        if path.is_none() {
            block.refuse("path", "is missing; the path of a folder is needed");
        }
        let keep_after_import = block.flag("keep_after_import").unwrap_or_default();
        let exit_on_err = block.flag("exit_on_err").unwrap_or_default();
        let service_account_token_file = block.text("service_account_token_file");
        block.finish(Unknown::Warned);
        Some(Self {
            path: path?,
            keep_after_import,
            exit_on_err,
            service_account_token_file,
        })
    }

    fn write(&self) -> Object {
        let mut object = Object::default();
        object.text("type", "kubernetes");
        object.text("path", &self.path);
        object.flag("keep_after_import", self.keep_after_import);
        object.flag("exit_on_err", self.exit_on_err);
        object.some_text(
            "service_account_token_file",
            self.service_account_token_file.as_deref(),
        );
        object
    }
}

impl Consistency {
    fn read(block: &Block<'_>) -> Self {
        Self {
            enforce: block
                .choice("enforce_consistency", &[("never", false), ("always", true)])
                .unwrap_or_default(),
            when_inconsistent: block.choice(
                "when_inconsistent",
                &[
                    ("fail", WhenInconsistent::Fail),
                    ("retry", WhenInconsistent::Retry),
                    ("forward", WhenInconsistent::Forward),
                ],
            ),
        }
    }

    fn write(self, object: &mut Object) {
        if self.enforce {
            object.text("enforce_consistency", "always");
        }
        let word = self.when_inconsistent.map(|what| match what {
            WhenInconsistent::Fail => "fail",
            WhenInconsistent::Retry => "retry",
            WhenInconsistent::Forward => "forward",
        });
        object.some_text("when_inconsistent", word);
    }
}

const PERSIST_KEYS: &[&str] = &[
    "type",
    "path",
    "keep_after_import",
    "exit_on_err",
    "service_account_token_file",
];
