//! The TLS side of the listener: protocol versions and cipher suites from the flags, and the certificate that is in
//! use, which can be changed at any moment. Where certificates come from is for `files` and `authority`.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use rustls::crypto::CryptoProvider;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ServerConfig, SupportedProtocolVersion};

use crate::flags::go::quoted;
use crate::server::client_authority::ClientAuthority;

/// The certificate in use; every new handshake takes the newest.
#[derive(Default)]
pub struct Serving(RwLock<Option<Arc<CertifiedKey>>>);

impl Serving {
    /// Takes a certificate into use. Connections that exist keep the one they began with.
    pub fn replace(&self, certificate: CertifiedKey) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(certificate));
    }

    /// Whether there is a certificate yet.
    #[must_use]
    pub fn is_there(&self) -> bool {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .is_some()
    }
}

impl ResolvesServerCert for Serving {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl fmt::Debug for Serving {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Serving")
            .field("is_there", &self.is_there())
            .finish_non_exhaustive()
    }
}

/// What the flags say about the protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Protocol {
    only_tls13: bool,
    /// Suites of TLS 1.2 to allow; none means all that are safe.
    suites: Option<Vec<&'static str>>,
    /// Settings that were accepted and have no effect, as sentences for the log.
    pub without_effect: Vec<String>,
}

/// Why the TLS flags cannot be used. The first line is what the established injector says.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A version that does not exist.
    #[error(
        "Failed to configure TLS: invalid or unsupported TLS version {}\n--tls-min-version accepts tls12 and tls13",
        quoted(.0)
    )]
    Version(String),
    /// A cipher suite that does not exist.
    #[error(
        "Failed to configure TLS: failed to parse TLS cipher suites list {}: unsupported cipher {}",
        quoted(.list),
        quoted(.name)
    )]
    Suite {
        /// The whole list.
        list: String,
        /// The name in it that is not known.
        name: String,
    },
    /// The library refuses the combination.
    #[error("Failed to configure TLS: the versions and cipher suites do not go together")]
    Library(#[source] rustls::Error),
}

/// Reads `--tls-min-version` and `--tls-cipher-suites`.
///
/// # Errors
/// Names that neither Go nor we know.
pub fn protocol(min_version: &str, cipher_suites: &str) -> Result<Protocol, TlsError> {
    let mut without_effect = Vec::new();
    let only_tls13 = match min_version {
        "tls13" => true,
        "tls12" | "" => false,
        "tls10" | "tls11" => {
            without_effect.push(format!(
                "--tls-min-version={min_version}: versions before TLS 1.2 are not spoken, tls12 is used"
            ));
            false
        }
        other => return Err(TlsError::Version(other.to_owned())),
    };
    let mut suites = Vec::new();
    for name in cipher_suites.split(',').filter(|name| !name.is_empty()) {
        let name = name.trim();
        if let Some((_, ours)) = SAFE_SUITES.iter().find(|(known, _)| *known == name) {
            suites.push(*ours);
        } else if SUITES_WITHOUT_EFFECT.contains(&name) {
            without_effect.push(format!(
                "--tls-cipher-suites: {name} is left out, since it is either always on (TLS 1.3) or not safe"
            ));
        } else {
            return Err(TlsError::Suite {
                list: cipher_suites.to_owned(),
                name: name.to_owned(),
            });
        }
    }
    Ok(Protocol {
        only_tls13,
        suites: (!cipher_suites.is_empty()).then_some(suites),
        without_effect,
    })
}

/// The listener's configuration over the certificate in use.
///
/// # Errors
/// When the library refuses what the flags ask for.
pub fn server_config(
    protocol: &Protocol,
    serving: Arc<Serving>,
    client_authority: Option<Arc<ClientAuthority>>,
) -> Result<ServerConfig, TlsError> {
    let mut provider = rustls::crypto::ring::default_provider();
    if let Some(allowed) = &protocol.suites {
        provider.cipher_suites.retain(|suite| {
            suite.tls13().is_some()
                || suite
                    .suite()
                    .as_str()
                    .is_some_and(|name| allowed.contains(&name))
        });
    }
    let has_tls12 = provider
        .cipher_suites
        .iter()
        .any(|suite| suite.tls13().is_none());
    let versions: &[&SupportedProtocolVersion] = if protocol.only_tls13 || !has_tls12 {
        &[&rustls::version::TLS13]
    } else {
        &[&rustls::version::TLS13, &rustls::version::TLS12]
    };
    let provider: Arc<CryptoProvider> = Arc::new(provider);
    let builder = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .map_err(TlsError::Library)?;
    let builder = match client_authority {
        None => builder.with_no_client_auth(),
        Some(authority) => builder.with_client_cert_verifier(authority),
    };
    let mut config = builder.with_cert_resolver(serving);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    // A webhook's clients are few and keep their connections; tickets would only keep keys around.
    config.send_tls13_tickets = 0;
    Ok(config)
}

/// Go's names of the suites that are spoken, and the names that the library gives them.
const SAFE_SUITES: [(&str, &str); 8] = [
    (
        "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
        "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    ),
    (
        "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
        "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    ),
    (
        "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
        "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
    ),
    (
        "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305",
        "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
    ),
    (
        "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
        "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    ),
    (
        "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
        "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    ),
    (
        "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
        "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
    ),
    (
        "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305",
        "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
    ),
];

/// Go's names of suites that are accepted without effect.
const SUITES_WITHOUT_EFFECT: [&str; 17] = [
    "TLS_AES_128_GCM_SHA256",
    "TLS_AES_256_GCM_SHA384",
    "TLS_CHACHA20_POLY1305_SHA256",
    "TLS_RSA_WITH_RC4_128_SHA",
    "TLS_RSA_WITH_3DES_EDE_CBC_SHA",
    "TLS_RSA_WITH_AES_128_CBC_SHA",
    "TLS_RSA_WITH_AES_256_CBC_SHA",
    "TLS_RSA_WITH_AES_128_CBC_SHA256",
    "TLS_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_ECDSA_WITH_RC4_128_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn build(min_version: &str, suites: &str) -> ServerConfig {
        server_config(
            &protocol(min_version, suites).unwrap(),
            Arc::new(Serving::default()),
            None,
        )
        .unwrap()
    }

    #[test]
    fn old_versions_and_unsafe_suites_are_accepted_with_a_sentence() {
        let protocol = protocol(
            "tls10",
            "TLS_RSA_WITH_AES_128_CBC_SHA,TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
        )
        .unwrap();
        assert_eq!(protocol.without_effect.len(), 2);
        assert_eq!(
            protocol.suites,
            Some(vec!["TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"])
        );
    }

    #[test]
    fn names_that_nobody_knows_stop_the_start_in_the_known_words() {
        let message =
            |version: &str, suites: &str| protocol(version, suites).unwrap_err().to_string();
        assert!(
            message("ssl3", "").starts_with(
                "Failed to configure TLS: invalid or unsupported TLS version \"ssl3\""
            ),
        );
        assert_eq!(
            message("tls12", "TLS_AES_128_GCM_SHA256,NOPE"),
            "Failed to configure TLS: failed to parse TLS cipher suites list \"TLS_AES_128_GCM_SHA256,NOPE\": \
             unsupported cipher \"NOPE\""
        );
    }

    #[test]
    fn every_safe_suite_is_known_to_the_library() {
        let have: Vec<&str> = rustls::crypto::ring::default_provider()
            .cipher_suites
            .iter()
            .filter_map(|suite| suite.suite().as_str())
            .collect();
        for (_, name) in SAFE_SUITES {
            assert!(have.contains(&name), "{name} is not among {have:?}");
        }
    }

    #[test]
    fn a_list_of_unsafe_suites_alone_leaves_tls_13() {
        let _config = build("tls12", "TLS_RSA_WITH_RC4_128_SHA");
        let _config = build("tls13", "");
    }
}
