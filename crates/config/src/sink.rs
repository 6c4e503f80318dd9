//! The block `auto_auth.sink`: a file that each new token goes to, plain, wrapped or encrypted.

use std::time::Duration;

use crate::reading::{Block, Unknown};
use crate::writing::Object;

/// Mode of a token file when the sink names none.
pub const DEFAULT_SINK_MODE: u32 = 0o640;

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

impl Sink {
    pub(crate) fn read(block: &Block<'_>) -> Option<Self> {
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

    pub(crate) fn write(&self) -> Object {
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

pub(crate) const SINK_KEYS: &[&str] = &[
    "type",
    "config",
    "wrap_ttl",
    "dh_type",
    "dh_path",
    "derive_key",
    "aad",
    "aad_env_var",
];
