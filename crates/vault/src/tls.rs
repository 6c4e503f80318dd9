//! TLS as people have it: roots from where they put them, a client certificate, and a
//! server certificate that may be its own root.
//!
//! Signatures with P-521 keys, which the cryptographic provider lacks, are checked by `p521`.

mod identity;
mod names;
mod p521;
mod roots;
mod verifier;

use std::path::PathBuf;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::client::WebPkiServerVerifier;
use rustls::crypto::CryptoProvider;

use crate::error::NoAnswer;
use crate::settings::{TlsSettings, Verification};

pub(crate) use verifier::Verifier;

/// Roots or a client certificate that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file or folder cannot be read.
    #[error("failed to read {what} from `{}`", path.display())]
    Read {
        /// What was to be read.
        what: &'static str,
        /// From where.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// There is no certificate where there must be one.
    #[error("{place} holds no PEM certificate (`-----BEGIN CERTIFICATE-----`)")]
    NoCertificate {
        /// The file, folder or setting.
        place: String,
    },
    /// There is no private key where there must be one.
    #[error("{place} holds no PEM private key (PKCS#8, PKCS#1 or SEC1)")]
    NoKey {
        /// The file or setting.
        place: String,
    },
    /// A PEM block is broken.
    #[error("{place} holds a PEM block that cannot be read: {reason}")]
    BadPem {
        /// The file or setting.
        place: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The client certificate and its key do not work.
    #[error("the client certificate and its key cannot be used: {reason}")]
    BadPair {
        /// What the TLS library says.
        reason: String,
    },
    /// The server's name setting is neither a DNS name nor an address.
    #[error("the TLS server name `{name}` is neither a DNS name nor an IP address")]
    BadName {
        /// The setting.
        name: String,
    },
    /// The verifier cannot be built.
    #[error("the roots from {place} cannot be used: {reason}")]
    BadRoots {
        /// Where they are from.
        place: String,
        /// What the TLS library says.
        reason: String,
    },
}

/// Builds the TLS side of a connection, reading all files anew.
pub(crate) fn client_config(settings: &TlsSettings) -> Result<ClientConfig, TlsError> {
    let provider = Arc::new(provider());
    let verifier = Arc::new(verifier(settings, &provider)?);
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| TlsError::BadPair {
            reason: error.to_string(),
        })?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    match &settings.client {
        None => Ok(builder.with_no_client_auth()),
        Some(pair) => {
            let (chain, key) = identity::load(pair)?;
            builder
                .with_client_auth_cert(chain, key)
                .map_err(|error| TlsError::BadPair {
                    reason: error.to_string(),
                })
        }
    }
}

/// ring, and the one kind of key that it lacks.
fn provider() -> CryptoProvider {
    CryptoProvider {
        signature_verification_algorithms: *p521::ALGORITHMS,
        ..rustls::crypto::ring::default_provider()
    }
}

fn verifier(settings: &TlsSettings, provider: &Arc<CryptoProvider>) -> Result<Verifier, TlsError> {
    let name = settings
        .server_name
        .as_deref()
        .filter(|name| !name.is_empty())
        .map(names::parse)
        .transpose()?;
    if settings.verification == Verification::Skipped {
        return Ok(Verifier::accepting_all(provider));
    }
    let roots = roots::load(&settings.roots)?;
    let inner =
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots.store), Arc::clone(provider))
            .build()
            .map_err(|error| TlsError::BadRoots {
                place: roots.place,
                reason: error.to_string(),
            })?;
    Ok(Verifier::checking(
        inner,
        Arc::clone(provider),
        roots.certificates,
        name,
    ))
}

fn is_authority_itself(error: &Arc<dyn std::error::Error + Send + Sync>) -> bool {
    matches!(
        error.downcast_ref::<webpki::Error>(),
        Some(webpki::Error::CaUsedAsEndEntity)
    )
}

/// Why a handshake failed, in words.
pub(crate) fn explain(error: &rustls::Error) -> NoAnswer {
    use rustls::{AlertDescription, CertificateError, Error};
    match error {
        Error::InvalidCertificate(reason) => {
            let why = match reason {
                CertificateError::UnknownIssuer => {
                    "its issuer is not among the trusted roots".to_owned()
                }
                CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                    "it has expired".to_owned()
                }
                CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                    "it is not valid yet".to_owned()
                }
                CertificateError::NotValidForNameContext {
                    expected,
                    presented,
                } => format!(
                    "it is not for `{}` but for {}",
                    expected.to_str(),
                    presented.join(", ")
                ),
                CertificateError::NotValidForName => "it is for another name".to_owned(),
                CertificateError::BadSignature => "its signature is wrong".to_owned(),
                // One that is has been accepted before.
                CertificateError::Other(other) if is_authority_itself(&other.0) => {
                    "it is marked as an authority and is not itself among the trusted roots"
                        .to_owned()
                }
                other => other.to_string(),
            };
            NoAnswer::Certificate(why)
        }
        Error::AlertReceived(alert) => NoAnswer::Tls(match alert {
            AlertDescription::BadCertificate
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA
            | AlertDescription::CertificateExpired => {
                format!("the server does not accept our certificate ({alert:?})")
            }
            AlertDescription::CertificateRequired => {
                "the server wants a client certificate".to_owned()
            }
            AlertDescription::UnrecognisedName => {
                "the server does not know the name it was asked for".to_owned()
            }
            other => format!("the server answered {other:?}"),
        }),
        Error::InvalidMessage(_) => {
            NoAnswer::Tls("the server does not speak TLS on this port".to_owned())
        }
        other => NoAnswer::Tls(other.to_string()),
    }
}

/// For a server without TLS: should it redirect to one with TLS, no root is known. It
/// keeps the HTTP client from reading the system's roots for nothing.
pub(crate) fn refusing_config() -> ClientConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider has suites for the default versions");
    builder
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth()
}
