//! The `listener` blocks: where the agent answers applications.

use crate::reading::{Block, Unknown};
use crate::writing::Object;

/// Address of a TCP listener that names none.
pub const DEFAULT_TCP_ADDRESS: &str = "127.0.0.1:8200";

/// One `listener` block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// Where it listens.
    pub endpoint: Endpoint,
    /// What it answers.
    pub role: ListenerRole,
    /// Whether a request without `X-Vault-Request: true` is refused.
    pub require_request_header: bool,
    /// How it speaks TLS; `None` for plain text.
    pub tls: Option<ListenerTls>,
    /// Whether `POST /agent/v1/quit` ends the agent.
    pub enable_quit: bool,
}

/// Where a listener listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// A TCP address, `host:port`.
    Tcp(String),
    /// A Unix socket.
    Unix(UnixSocket),
}

/// A Unix socket with its mode and owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnixSocket {
    /// The socket's path.
    pub path: String,
    /// Mode and owner, if they are to be set: all three or none.
    pub owner: Option<SocketOwner>,
}

/// Mode and owner of a Unix socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SocketOwner {
    /// Permission bits.
    pub mode: u32,
    /// User by name or number.
    pub user: String,
    /// Group by name or number.
    pub group: String,
}

/// What a listener answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListenerRole {
    /// Everything.
    Default,
    /// Only metrics.
    MetricsOnly,
}

/// TLS of a listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenerTls {
    /// File with the certificate chain.
    pub cert_file: String,
    /// File with the key.
    pub key_file: String,
    /// Lowest protocol version, such as `tls12`.
    pub min_version: Option<String>,
    /// Highest protocol version.
    pub max_version: Option<String>,
    /// Names of cipher suites, as Go spells them.
    pub cipher_suites: Vec<String>,
    /// Whether a client must show a certificate.
    pub client_certificates: ClientCertificates,
    /// File with the certificates that sign clients' certificates.
    pub client_ca_file: Option<String>,
}

/// What is asked of a client's certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientCertificates {
    /// Asked for, and used where there is one.
    Requested,
    /// Demanded and verified.
    Required,
    /// Not asked for.
    Off,
}

impl Listener {
    pub(crate) const KEYS: &[&str] = &[
        "type",
        "address",
        "role",
        "require_request_header",
        "tls_disable",
        "tls_cert_file",
        "tls_key_file",
        "tls_min_version",
        "tls_max_version",
        "tls_cipher_suites",
        "tls_require_and_verify_client_cert",
        "tls_client_ca_file",
        "tls_disable_client_certs",
        "socket_mode",
        "socket_user",
        "socket_group",
        "agent_api",
    ];

    pub(crate) fn read(block: &Block<'_>) -> Option<Self> {
        let kind = block
            .text("type")
            .or_else(|| block.label().map(str::to_owned))
            .unwrap_or_default()
            .to_ascii_lowercase();
        let endpoint = match kind.as_str() {
            "tcp" => Some(Endpoint::Tcp(
                block
                    .text("address")
                    .unwrap_or_else(|| DEFAULT_TCP_ADDRESS.to_owned()),
            )),
            "unix" => UnixSocket::read(block).map(Endpoint::Unix),
            other => {
                let found = if other.is_empty() {
                    "is missing".to_owned()
                } else {
                    format!("is `{}`", other.escape_debug())
                };
                block.refuse("type", format!("{found}; accepted are tcp and unix"));
                None
            }
        };
        let role = block.choice(
            "role",
            &[
                ("default", ListenerRole::Default),
                ("metrics_only", ListenerRole::MetricsOnly),
            ],
        );
        let require_request_header = block.flag("require_request_header").unwrap_or_default();
        let enable_quit = block.block("agent_api").is_some_and(|api| {
            let enabled = api.flag("enable_quit").unwrap_or_default();
            api.finish(Unknown::Warned);
            enabled
        });
        let tls = ListenerTls::read(block, kind == "unix");
        block.finish(Unknown::Warned);
        Some(Self {
            endpoint: endpoint?,
            role: role.unwrap_or(ListenerRole::Default),
            require_request_header,
            tls: tls?,
            enable_quit,
        })
    }

    pub(crate) fn write(&self) -> Object {
        let mut object = Object::default();
        match &self.endpoint {
            Endpoint::Tcp(address) => {
                object.text("type", "tcp");
                object.text("address", address);
            }
            Endpoint::Unix(socket) => {
                object.text("type", "unix");
                object.text("address", &socket.path);
                if let Some(owner) = &socket.owner {
                    object.mode("socket_mode", Some(owner.mode));
                    object.text("socket_user", &owner.user);
                    object.text("socket_group", &owner.group);
                }
            }
        }
        match &self.tls {
            None => object.put("tls_disable", "true"),
            Some(tls) => tls.write(&mut object),
        }
        if self.enable_quit {
            let mut api = Object::default();
            api.flag("enable_quit", true);
            object.object("agent_api", Some(api));
        }
        if self.role == ListenerRole::MetricsOnly {
            object.text("role", "metrics_only");
        }
        object.flag("require_request_header", self.require_request_header);
        object
    }
}

impl UnixSocket {
    fn read(block: &Block<'_>) -> Option<Self> {
        let path = block.text("address");
        if path.is_none() {
            block.refuse("address", "is missing; the path of a socket is needed");
        }
        let owner = match (
            block.mode("socket_mode"),
            block.text("socket_user"),
            block.text("socket_group"),
        ) {
            (None, None, None) => None,
            (Some(mode), Some(user), Some(group)) => Some(SocketOwner { mode, user, group }),
            _ => {
                block.refuse(
                    "socket_mode",
                    "stands without all of `socket_mode`, `socket_user` and `socket_group`; \
                     accepted are all three or none",
                );
                None
            }
        };
        Some(Self { path: path?, owner })
    }
}

impl ListenerTls {
    /// `None` after an error, `Some(None)` for plain text.
    fn read(block: &Block<'_>, is_socket: bool) -> Option<Option<Self>> {
        let disabled = block.flag("tls_disable").unwrap_or_default();
        let cert_file = block.text("tls_cert_file");
        let key_file = block.text("tls_key_file");
        let min_version = block.text("tls_min_version");
        let max_version = block.text("tls_max_version");
        let cipher_suites = block.texts("tls_cipher_suites");
        let required = block.flag("tls_require_and_verify_client_cert") == Some(true);
        let off = block.flag("tls_disable_client_certs") == Some(true);
        let client_ca_file = block.text("tls_client_ca_file");
        let client_certificates = match (required, off) {
            (true, true) => {
                block.refuse(
                    "tls_disable_client_certs",
                    "stands beside `tls_require_and_verify_client_cert`; only one is accepted",
                );
                return None;
            }
            (true, false) => ClientCertificates::Required,
            (false, true) => ClientCertificates::Off,
            (false, false) => ClientCertificates::Requested,
        };
        if disabled {
            return Some(None);
        }
        match (cert_file, key_file) {
            (Some(cert_file), Some(key_file)) => Some(Some(Self {
                cert_file,
                key_file,
                min_version,
                max_version,
                cipher_suites,
                client_certificates,
                client_ca_file,
            })),
            (None, None) if is_socket => Some(None),
            (cert_file, _) => {
                let missing = if cert_file.is_none() {
                    "tls_cert_file"
                } else {
                    "tls_key_file"
                };
                block.refuse(
                    missing,
                    "is missing; TLS needs `tls_cert_file` and `tls_key_file`, \
                     plain text needs `tls_disable = true`",
                );
                None
            }
        }
    }

    fn write(&self, object: &mut Object) {
        object.text("tls_cert_file", &self.cert_file);
        object.text("tls_key_file", &self.key_file);
        object.some_text("tls_min_version", self.min_version.as_deref());
        object.some_text("tls_max_version", self.max_version.as_deref());
        object.texts("tls_cipher_suites", &self.cipher_suites);
        match self.client_certificates {
            ClientCertificates::Requested => {}
            ClientCertificates::Required => object.flag("tls_require_and_verify_client_cert", true),
            ClientCertificates::Off => object.flag("tls_disable_client_certs", true),
        }
        object.some_text("tls_client_ca_file", self.client_ca_file.as_deref());
    }
}
