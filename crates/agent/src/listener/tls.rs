//! TLS on a listener: its certificate and key, and whose client certificates it accepts. The files are looked at
//! anew for each connection, since who rotates them swaps a link and tells nobody; read they are only when they
//! have changed.

use std::{cell::RefCell, fs, os::unix::fs::MetadataExt, sync::Arc};

use leasehold_config::{ClientCertificates, ListenerTls};
use rustls::{
    RootCertStore, ServerConfig, SupportedProtocolVersion,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::WebPkiClientVerifier,
    version::{TLS12, TLS13},
};
use tokio_rustls::TlsAcceptor;
use zeroize::Zeroizing;

use crate::{log::Log, sentence};

const MODULE: &str = "agent.apiproxy";

/// Why a listener cannot speak TLS.
#[derive(Debug, thiserror::Error)]
pub enum ListenerTlsError {
    /// A file cannot be read.
    #[error("failed to read {what} `{path}`")]
    Read {
        /// What is in it.
        what: &'static str,
        /// The file.
        path: String,
        /// Why not.
        source: std::io::Error,
    },
    /// A file does not hold what it should.
    #[error("{what} `{path}` cannot be used: {why}")]
    Pem {
        /// What should be in it.
        what: &'static str,
        /// The file.
        path: String,
        /// What is wrong.
        why: String,
    },
    /// Client certificates are to be verified, and nothing says by what.
    #[error(
        "`tls_require_and_verify_client_cert` needs `tls_client_ca_file`, the certificates that sign those of clients"
    )]
    NoClientAuthority,
    /// A protocol version that does not exist.
    #[error("`{key}` is `{found}`; accepted are tls10, tls11, tls12 and tls13")]
    Version {
        /// The key.
        key: &'static str,
        /// Its value.
        found: String,
    },
    /// Nothing is left to speak.
    #[error(
        "`tls_min_version`, `tls_max_version` and `tls_cipher_suites` leave nothing to speak: this agent speaks TLS 1.2 and 1.3"
    )]
    NothingLeft,
    /// Certificate and key do not fit, or are of a kind that is not known.
    #[error("certificate `{certificate}` and its key cannot be used")]
    Pair {
        /// The certificate's file.
        certificate: String,
        /// What the TLS library says.
        source: rustls::Error,
    },
}

/// The present certificate of a listener.
pub(super) struct Identity {
    rules: ListenerTls,
    present: RefCell<Present>,
}

struct Present {
    /// What the files looked like when they were last read, whether or not that went well.
    seen: Vec<Look>,
    acceptor: TlsAcceptor,
}

/// Tells a file from the one that was there before: number, size, and time of change to the nanosecond.
type Look = Option<(u64, u64, i64, i64)>;

impl Identity {
    /// Reads the files.
    pub(super) fn load(rules: &ListenerTls) -> Result<Self, ListenerTlsError> {
        let seen = look(rules);
        let acceptor = acceptor(rules)?;
        Ok(Self {
            rules: rules.clone(),
            present: RefCell::new(Present { seen, acceptor }),
        })
    }

    /// What the next connection is met with.
    pub(super) fn acceptor(&self, log: &Log) -> TlsAcceptor {
        let seen = look(&self.rules);
        let mut present = self.present.borrow_mut();
        if seen != present.seen {
            present.seen = seen;
            match acceptor(&self.rules) {
                Ok(acceptor) => {
                    present.acceptor = acceptor;
                    log.info(
                        MODULE,
                        "the listener's certificate has changed and was read anew",
                    );
                }
                Err(error) => log.warn(
                    MODULE,
                    format!(
                        "the listener's old certificate stays in use: {}",
                        sentence::chain(&error)
                    ),
                ),
            }
        }
        present.acceptor.clone()
    }
}

fn look(rules: &ListenerTls) -> Vec<Look> {
    [
        Some(&rules.cert_file),
        Some(&rules.key_file),
        rules.client_ca_file.as_ref(),
    ]
    .into_iter()
    .flatten()
    .map(|path| {
        let meta = fs::metadata(path).ok()?;
        Some((meta.ino(), meta.size(), meta.mtime(), meta.mtime_nsec()))
    })
    .collect()
}

fn acceptor(rules: &ListenerTls) -> Result<TlsAcceptor, ListenerTlsError> {
    let provider = Arc::new(provider(rules)?);
    let chain = certificates("the certificate file", &rules.cert_file)?;
    let key = read("the key file", &rules.key_file)?;
    let key = PrivateKeyDer::from_pem_slice(&key).map_err(|error| ListenerTlsError::Pem {
        what: "the key file",
        path: rules.key_file.clone(),
        why: error.to_string(),
    })?;
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&versions(rules)?)
        .map_err(|_| ListenerTlsError::NothingLeft)?;
    let builder = match rules.client_certificates {
        // What is only requested was never looked at, so it need not be requested.
        ClientCertificates::Requested | ClientCertificates::Off => builder.with_no_client_auth(),
        ClientCertificates::Required => {
            let path = rules
                .client_ca_file
                .as_deref()
                .ok_or(ListenerTlsError::NoClientAuthority)?;
            let what = "the clients' authority file";
            let unusable = |why: String| ListenerTlsError::Pem {
                what,
                path: path.to_owned(),
                why,
            };
            let mut roots = RootCertStore::empty();
            for certificate in certificates(what, path)? {
                roots
                    .add(certificate)
                    .map_err(|error| unusable(error.to_string()))?;
            }
            let verifier =
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
                    .build()
                    .map_err(|error| unusable(error.to_string()))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let config = builder
        .with_single_cert(chain, key)
        .map_err(|source| ListenerTlsError::Pair {
            certificate: rules.cert_file.clone(),
            source,
        })?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// The suites for TLS 1.2 may be chosen by their names; those of 1.3 may not, as in the established agent.
fn provider(rules: &ListenerTls) -> Result<CryptoProvider, ListenerTlsError> {
    let mut provider = rustls::crypto::ring::default_provider();
    if rules.cipher_suites.is_empty() {
        return Ok(provider);
    }
    provider.cipher_suites.retain(|suite| {
        let name = format!("{:?}", suite.suite());
        suite.tls13().is_some() || rules.cipher_suites.contains(&name)
    });
    let only_old = max(rules)? == 2;
    if only_old && provider.cipher_suites.iter().all(|s| s.tls13().is_some()) {
        return Err(ListenerTlsError::NothingLeft);
    }
    Ok(provider)
}

fn versions(
    rules: &ListenerTls,
) -> Result<Vec<&'static SupportedProtocolVersion>, ListenerTlsError> {
    let min = version("tls_min_version", rules.min_version.as_deref(), 2)?;
    let max = max(rules)?;
    let versions: Vec<_> = [(2, &TLS12), (3, &TLS13)]
        .into_iter()
        .filter(|(number, _)| (min..=max).contains(number))
        .map(|(_, version)| version)
        .collect();
    if versions.is_empty() {
        return Err(ListenerTlsError::NothingLeft);
    }
    Ok(versions)
}

fn max(rules: &ListenerTls) -> Result<u8, ListenerTlsError> {
    version("tls_max_version", rules.max_version.as_deref(), 3)
}

fn version(key: &'static str, text: Option<&str>, default: u8) -> Result<u8, ListenerTlsError> {
    match text {
        None | Some("") => Ok(default),
        Some("tls10") => Ok(0),
        Some("tls11") => Ok(1),
        Some("tls12") => Ok(2),
        Some("tls13") => Ok(3),
        Some(other) => Err(ListenerTlsError::Version {
            key,
            found: other.escape_debug().to_string(),
        }),
    }
}

fn certificates(
    what: &'static str,
    path: &str,
) -> Result<Vec<CertificateDer<'static>>, ListenerTlsError> {
    let unusable = |why: String| ListenerTlsError::Pem {
        what,
        path: path.to_owned(),
        why,
    };
    let text = read(what, path)?;
    let found: Vec<_> = CertificateDer::pem_slice_iter(&text)
        .collect::<Result<_, _>>()
        .map_err(|error| unusable(error.to_string()))?;
    if found.is_empty() {
        return Err(unusable("it holds no certificate".to_owned()));
    }
    Ok(found)
}

fn read(what: &'static str, path: &str) -> Result<Zeroizing<Vec<u8>>, ListenerTlsError> {
    fs::read(path)
        .map(Zeroizing::new)
        .map_err(|source| ListenerTlsError::Read {
            what,
            path: path.to_owned(),
            source,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(change: impl FnOnce(&mut ListenerTls)) -> (tempfile::TempDir, ListenerTls) {
        let folder = tempfile::tempdir().unwrap();
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        fs::write(path("crt"), made.cert.pem()).unwrap();
        fs::write(path("key"), made.signing_key.serialize_pem()).unwrap();
        let mut rules = ListenerTls {
            cert_file: path("crt"),
            key_file: path("key"),
            min_version: None,
            max_version: None,
            cipher_suites: Vec::new(),
            client_certificates: ClientCertificates::Requested,
            client_ca_file: None,
        };
        change(&mut rules);
        (folder, rules)
    }

    #[test]
    fn says_what_cannot_be_used_and_what_is_accepted() {
        let check = |change: fn(&mut ListenerTls), words: Option<&str>| {
            let (_folder, rules) = rules(change);
            match (acceptor(&rules), words) {
                (Ok(_), None) => {}
                (Err(error), Some(words)) => {
                    assert!(sentence::chain(&error).contains(words), "{error}");
                }
                (Ok(_), Some(words)) => panic!("accepted in place of: {words}"),
                (Err(error), None) => panic!("{}", sentence::chain(&error)),
            }
        };
        check(|_| {}, None);
        check(|rules| rules.min_version = Some("tls10".to_owned()), None);
        check(
            |rules| {
                rules.cipher_suites = vec!["TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256".to_owned()];
            },
            None,
        );
        check(
            |rules| rules.min_version = Some("1.2".to_owned()),
            Some("accepted are tls10, tls11, tls12 and tls13"),
        );
        check(
            |rules| rules.max_version = Some("tls11".to_owned()),
            Some("leave nothing to speak"),
        );
        check(
            |rules| rules.client_certificates = ClientCertificates::Required,
            Some("needs `tls_client_ca_file`"),
        );
        check(
            |rules| rules.key_file = "/no/such".to_owned(),
            Some("failed to read the key file `/no/such`"),
        );
        check(
            |rules| rules.key_file = rules.cert_file.clone(),
            Some("the key file"),
        );
    }

    #[test]
    fn a_changed_certificate_is_read_anew_and_a_broken_one_is_not_used() {
        let (_folder, rules) = rules(|_| {});
        let identity = Identity::load(&rules).unwrap();
        let log = crate::log::Log::new(
            crate::core::message::Level::Error,
            crate::log::Format::Standard,
            crate::log::Stream::Stderr,
        );
        let config = |identity: &Identity| Arc::clone(identity.acceptor(&log).config());
        let first = config(&identity);
        assert!(Arc::ptr_eq(&first, &config(&identity)));
        let made = rcgen::generate_simple_self_signed(["other".to_owned()]).unwrap();
        fs::write(&rules.cert_file, made.cert.pem()).unwrap();
        assert!(
            Arc::ptr_eq(&first, &config(&identity)),
            "the certificate does not fit the key yet"
        );
        fs::write(&rules.key_file, made.signing_key.serialize_pem()).unwrap();
        assert!(!Arc::ptr_eq(&first, &config(&identity)));
    }
}
