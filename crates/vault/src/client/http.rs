//! What requests go out with: the HTTP client over TLS, and the files that it was made from.

use std::os::unix::fs::MetadataExt as _;
use std::time::{Duration, SystemTime};

use crate::address::Address;
use crate::error::SetupError;
use crate::proxy::ProxyRule;
use crate::settings::{Connections, PemSource, Roots, Settings, TlsSettings, Verification};
use crate::tls;

/// How long connecting may take, TLS included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// How long an unused connection is kept.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);

/// What requests go out with, and what it was made from.
pub(super) struct Http {
    pub(super) client: reqwest::Client,
    pub(super) tls: TlsSettings,
    /// The files of the certificates as they were, to be told from what rotation puts in their place.
    pub(super) stamps: Vec<Stamp>,
}

impl Http {
    /// Reads all files anew.
    ///
    /// # Errors
    /// Roots, client certificate or proxies cannot be used.
    pub(super) fn build(settings: &Settings, tls: TlsSettings) -> Result<Self, SetupError> {
        // The stamps come first: what changes while the files are read is noticed the next time.
        let stamps = stamps(&tls);
        Ok(Self {
            client: build(settings, &tls)?,
            tls,
            stamps,
        })
    }
}

/// What tells a file from the one that was in its place; absent when there is none.
pub(super) type Stamp = Option<(SystemTime, u64, u64)>;

/// The files of roots and client certificate as they are now.
pub(super) fn stamps(tls: &TlsSettings) -> Vec<Stamp> {
    let pair = tls
        .client
        .iter()
        .flat_map(|pair| [&pair.certificate, &pair.key]);
    let pair = pair.filter_map(|source| match source {
        PemSource::File(path) => Some(path),
        PemSource::Text(_) => None,
    });
    let roots = match &tls.roots {
        Roots::File(path) | Roots::Folder(path) => Some(path),
        Roots::System | Roots::Text(_) => None,
    };
    pair.chain(roots)
        .map(|path| {
            let found = std::fs::metadata(path).ok()?;
            Some((found.modified().ok()?, found.ino(), found.len()))
        })
        .collect()
}

fn build(settings: &Settings, tls: &TlsSettings) -> Result<reqwest::Client, SetupError> {
    let address = || settings.address.to_string();
    let rule = ProxyRule::new(&settings.proxy).map_err(|source| SetupError::Proxy {
        address: address(),
        source,
    })?;
    let mut builder = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(settings.user_agent.as_str())
        .connect_timeout(CONNECT_TIMEOUT.min(settings.timeout))
        .pool_idle_timeout(IDLE_TIMEOUT)
        .pool_max_idle_per_host(match settings.connections {
            Connections::Kept => 1,
            Connections::Closed => 0,
        })
        .no_proxy();
    // A plain server may redirect to one with TLS, so the roots are needed then as well;
    // the system's are only read for a server that needs them.
    let needs_tls = settings.address.is_tls() || has_tls_settings(tls);
    if needs_tls {
        let config = tls::client_config(tls).map_err(|source| SetupError::Tls {
            address: address(),
            source,
        })?;
        builder = builder.tls_backend_preconfigured(config);
    } else {
        builder = builder.tls_backend_preconfigured(tls::refusing_config());
    }
    if let Address::Unix(path) = &settings.address {
        builder = builder.unix_socket(path.clone());
    } else if !rule.is_empty() {
        builder = builder.proxy(reqwest::Proxy::custom(move |url| {
            rule.proxy_for(url).cloned()
        }));
    }
    builder.build().map_err(|source| SetupError::Http {
        address: address(),
        source,
    })
}

fn has_tls_settings(tls: &TlsSettings) -> bool {
    tls.client.is_some()
        || tls.verification == Verification::Skipped
        || !matches!(tls.roots, Roots::System)
}
