//! What a connection to a server needs to know, gathered by the caller from its
//! flags, environment and configuration.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use crate::address::Address;
use crate::pace::RateLimit;
use crate::proxy::ProxySettings;

/// The pause after which a request without an answer is given up, unless told otherwise.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);

/// The largest answer that is read, unless told otherwise, in bytes.
pub const DEFAULT_ANSWER_LIMIT: usize = 32 * 1024 * 1024;

/// How many reads may be under way at once, unless told otherwise.
pub const DEFAULT_READS_AT_ONCE: NonZeroUsize = NonZeroUsize::new(10).unwrap();

/// Everything about a connection; `Settings::new` gives the defaults.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where the server is.
    pub address: Address,
    /// The namespace of every request that names none; sent with one slash at its end.
    pub namespace: Option<String>,
    /// How the server is known and what we show to it.
    pub tls: TlsSettings,
    /// The ways around or through proxies.
    pub proxy: ProxySettings,
    /// The longest time that one request may take, its answer's body included.
    pub timeout: Duration,
    /// Larger answers are refused, in bytes.
    pub answer_limit: usize,
    /// Whether a redirect is followed.
    pub redirects: Redirects,
    /// The file with the machine's nameservers, where the server's place is to be looked up by its SRV record
    /// (`VAULT_SRV_LOOKUP`). That is done only for an address with a name and without a port.
    pub service_lookup: Option<PathBuf>,
    /// What becomes of a connection after its answer.
    pub connections: Connections,
    /// How many reads may be under way at once.
    pub reads_at_once: NonZeroUsize,
    /// How many requests may leave in a second (`VAULT_RATE_LIMIT`).
    pub rate_limit: Option<RateLimit>,
    /// The `User-Agent` header.
    pub user_agent: String,
}

/// How many redirects are followed; never one from `https` to `http`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Redirects {
    /// One 301, 302 or 307, with method, headers and body.
    #[default]
    One,
    /// None (`VAULT_DISABLE_REDIRECTS`).
    None,
}

/// What becomes of a connection after its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Connections {
    /// Kept for the next request.
    #[default]
    Kept,
    /// Closed (`disable_keep_alives`, `disable_idle_connections`).
    Closed,
}

/// How the server is known and what we show to it.
#[derive(Debug, Clone, Default)]
pub struct TlsSettings {
    /// Where trusted roots come from.
    pub roots: Roots,
    /// The certificate that we show, and its key.
    pub client: Option<ClientPair>,
    /// The name to ask for and to find in the certificate, in place of the address's host.
    pub server_name: Option<String>,
    /// Whether the server's certificate is looked at.
    pub verification: Verification,
}

/// Where trusted roots come from. Of several settings people give, a file wins over
/// text, text over a folder, and any of them over the system's roots: see
/// [`Roots::choose`].
#[derive(Debug, Clone, Default)]
pub enum Roots {
    /// The system's own bundle.
    #[default]
    System,
    /// A file of PEM certificates (`VAULT_CACERT`).
    File(PathBuf),
    /// The PEM text itself (`VAULT_CACERT_BYTES`).
    Text(String),
    /// A folder of such files (`VAULT_CAPATH`).
    Folder(PathBuf),
}

/// Whether the server's certificate is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Verification {
    /// It must be valid, for our name, from a trusted root.
    #[default]
    Full,
    /// Any server will do (`tls_skip_verify`).
    Skipped,
}

/// A certificate chain and its private key, as PEM.
#[derive(Debug, Clone)]
pub struct ClientPair {
    /// The chain, our own certificate first.
    pub certificate: PemSource,
    /// The private key.
    pub key: PemSource,
}

/// Where a PEM text is.
#[derive(Clone)]
pub enum PemSource {
    /// In a file, read again whenever a client is built or refreshed.
    File(PathBuf),
    /// Given (`VAULT_CLIENT_CERT_BYTES`, `VAULT_CLIENT_KEY_BYTES`).
    Text(crate::token::SecretText),
}

impl Settings {
    /// The defaults for a server.
    #[must_use]
    pub fn new(address: Address) -> Self {
        Self {
            address,
            namespace: None,
            tls: TlsSettings::default(),
            proxy: ProxySettings::default(),
            timeout: DEFAULT_TIMEOUT,
            answer_limit: DEFAULT_ANSWER_LIMIT,
            redirects: Redirects::default(),
            service_lookup: None,
            connections: Connections::default(),
            reads_at_once: DEFAULT_READS_AT_ONCE,
            rate_limit: None,
            user_agent: concat!("leasehold/", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }
}

impl Roots {
    /// The one source that counts when people give several; empty texts count as not given.
    #[must_use]
    pub fn choose(file: Option<&str>, text: Option<&str>, folder: Option<&str>) -> Self {
        let given = |value: Option<&str>| value.filter(|v| !v.is_empty()).map(str::to_owned);
        if let Some(file) = given(file) {
            Self::File(file.into())
        } else if let Some(text) = given(text) {
            Self::Text(text)
        } else if let Some(folder) = given(folder) {
            Self::Folder(folder.into())
        } else {
            Self::System
        }
    }
}

impl std::fmt::Debug for PemSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
            Self::Text(text) => f.debug_tuple("Text").field(text).finish(),
        }
    }
}
