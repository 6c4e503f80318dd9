//! Serving certificates from files that somebody else keeps: read once at the start, and again whenever a file
//! changes, including the kubelet's way of changing mounted files, where a symbolic link above them is swapped.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use zeroize::Zeroizing;

use crate::server::metrics::Metrics;
use crate::server::tls::Serving;

/// Why a certificate or key from a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The file cannot be read.
    #[error("failed to read {what} from `{}`", .path.display())]
    Read {
        /// What the file should hold.
        what: &'static str,
        /// Its path.
        path: PathBuf,
        /// The reason.
        #[source]
        source: io::Error,
    },
    /// The file holds nothing of the kind.
    #[error("`{}` holds no {what} in PEM form", .path.display())]
    Empty {
        /// What the file should hold.
        what: &'static str,
        /// Its path.
        path: PathBuf,
    },
    /// Something in the file is damaged.
    #[error("`{}` holds a damaged {what}", .path.display())]
    Pem {
        /// What the file should hold.
        what: &'static str,
        /// Its path.
        path: PathBuf,
        /// The reason.
        #[source]
        source: rustls::pki_types::pem::Error,
    },
    /// The certificate is no certificate.
    #[error("the first certificate of `{}` cannot be parsed", .0.display())]
    Certificate(PathBuf),
    /// An authority's certificate is refused.
    #[error("a certificate of `{}` cannot be an authority", .path.display())]
    Authority {
        /// Its path.
        path: PathBuf,
        /// The reason.
        #[source]
        source: rustls::Error,
    },
    /// Key and certificate do not belong together, or the key's kind is not known.
    #[error("the key of `{}` does not fit the certificate of `{}`", .key.display(), .certificate.display())]
    Mismatch {
        /// Path of the certificate.
        certificate: PathBuf,
        /// Path of the key.
        key: PathBuf,
        /// The reason.
        #[source]
        source: rustls::Error,
    },
}

/// The two files of a serving certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFiles {
    /// Certificate and chain, PEM.
    pub certificate: PathBuf,
    /// Its key, PEM.
    pub key: PathBuf,
}

/// A certificate that was read, and when it ends.
#[derive(Debug)]
pub struct Loaded {
    /// Ready for the listener.
    pub certificate: CertifiedKey,
    /// Its end as a Unix time.
    pub end: i64,
}

impl CertificateFiles {
    /// Reads both files.
    ///
    /// # Errors
    /// When one cannot be read, holds nothing usable, or they do not belong together.
    pub fn load(&self) -> Result<Loaded, FileError> {
        let chain = certificates(&self.certificate)?;
        let end = chain
            .first()
            .and_then(|first| x509_parser::parse_x509_certificate(first).ok())
            .map(|(_, certificate)| certificate.validity().not_after.timestamp())
            .ok_or_else(|| FileError::Certificate(self.certificate.clone()))?;
        let text = Zeroizing::new(read(&self.key, "key")?);
        let key = PrivateKeyDer::from_pem_slice(&text).map_err(|source| match source {
            rustls::pki_types::pem::Error::NoItemsFound => FileError::Empty {
                what: "key",
                path: self.key.clone(),
            },
            source => FileError::Pem {
                what: "key",
                path: self.key.clone(),
                source,
            },
        })?;
        let provider = rustls::crypto::ring::default_provider();
        let certificate = CertifiedKey::from_der(chain, key, &provider).map_err(|source| {
            FileError::Mismatch {
                certificate: self.certificate.clone(),
                key: self.key.clone(),
                source,
            }
        })?;
        Ok(Loaded { certificate, end })
    }

    /// Takes every new version of the files into use. A version that cannot be used is logged once, and the one
    /// before stays. Never returns.
    pub async fn watch(self, serving: Arc<Serving>, metrics: Arc<Metrics>) {
        let mut changes = Changes::of(vec![self.certificate.clone(), self.key.clone()]);
        loop {
            changes.next().await;
            match self.load() {
                Ok(loaded) => {
                    serving.replace(loaded.certificate);
                    metrics.certificate("serving", loaded.end);
                    tracing::info!(
                        certificate = %self.certificate.display(),
                        ends = %crate::server::unix_time(loaded.end),
                        "the serving certificate was read again"
                    );
                }
                Err(error) => tracing::warn!(
                    error = %crate::chain(&error),
                    "the changed serving certificate cannot be used; the one before stays"
                ),
            }
        }
    }
}

/// The changes of files, links above them included.
#[derive(Debug)]
pub struct Changes {
    paths: Vec<PathBuf>,
    seen: Vec<Option<Fingerprint>>,
    ticks: tokio::time::Interval,
}

impl Changes {
    /// The changes from now on.
    #[must_use]
    pub fn of(paths: Vec<PathBuf>) -> Self {
        let mut ticks = tokio::time::interval(POLL);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        Self {
            seen: fingerprints(&paths),
            paths,
            ticks,
        }
    }

    /// Returns when one of the files has changed.
    pub async fn next(&mut self) {
        loop {
            self.ticks.tick().await;
            let now = fingerprints(&self.paths);
            if now != self.seen {
                self.seen = now;
                return;
            }
        }
    }
}

fn fingerprints(paths: &[PathBuf]) -> Vec<Option<Fingerprint>> {
    paths.iter().map(|path| Fingerprint::of(path)).collect()
}

/// Reads the certificates of an authority, for the webhook's caBundle.
///
/// # Errors
/// When the file cannot be read or holds no certificate.
pub fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, FileError> {
    let text = read(path, "certificate")?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let certificates = certificates.map_err(|source| FileError::Pem {
        what: "certificate",
        path: path.to_owned(),
        source,
    })?;
    if certificates.is_empty() {
        return Err(FileError::Empty {
            what: "certificate",
            path: path.to_owned(),
        });
    }
    Ok(certificates)
}

/// Reads an authority as the root of trust for clients.
///
/// # Errors
/// When the file cannot be read or a certificate in it is refused.
pub fn roots(path: &Path) -> Result<RootCertStore, FileError> {
    let mut store = RootCertStore::empty();
    for certificate in certificates(path)? {
        store
            .add(certificate)
            .map_err(|source| FileError::Authority {
                path: path.to_owned(),
                source,
            })?;
    }
    Ok(store)
}

/// The text of a file with certificates.
///
/// # Errors
/// When the file cannot be read.
pub fn read(path: &Path, what: &'static str) -> Result<Vec<u8>, FileError> {
    fs::read(path).map_err(|source| FileError::Read {
        what,
        path: path.to_owned(),
        source,
    })
}

/// Asking the file system for two files' identity costs microseconds and sees every kind of change, also on file
/// systems that send no events.
const POLL: Duration = Duration::from_secs(1);

/// Tells versions of a file apart; links are followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Fingerprint {
    device: u64,
    inode: u64,
    size: u64,
    changed: (i64, i64),
}

impl Fingerprint {
    fn of(path: &Path) -> Option<Self> {
        let metadata = fs::metadata(path).ok()?;
        Some(Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write_pair(folder: &Path) -> CertificateFiles {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let files = CertificateFiles {
            certificate: folder.join("tls.crt"),
            key: folder.join("tls.key"),
        };
        fs::write(&files.certificate, made.cert.pem()).unwrap();
        fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
        files
    }

    #[test]
    fn a_pair_that_belongs_together_is_read_with_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let loaded = write_pair(folder.path()).load().unwrap();
        assert!(loaded.end > 1_700_000_000);
    }

    #[test]
    fn what_cannot_be_used_is_refused_with_the_files_name() {
        let folder = tempfile::tempdir().unwrap();
        let other = tempfile::tempdir().unwrap();
        let good = write_pair(folder.path());
        let foreign = write_pair(other.path());
        let check = |files: &CertificateFiles, part: &str| {
            let message = files.load().unwrap_err().to_string();
            assert!(message.contains(part), "{message}");
        };
        check(
            &CertificateFiles {
                key: foreign.key,
                ..good.clone()
            },
            "does not fit",
        );
        check(
            &CertificateFiles {
                key: "/none".into(),
                ..good.clone()
            },
            "`/none`",
        );
        check(
            &CertificateFiles {
                key: good.certificate.clone(),
                ..good.clone()
            },
            "holds no key",
        );
        check(
            &CertificateFiles {
                certificate: good.key.clone(),
                ..good
            },
            "holds no certificate",
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_swapped_link_above_the_files_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        for version in ["..1", "..2"] {
            fs::create_dir(folder.path().join(version)).unwrap();
            write_pair(&folder.path().join(version));
        }
        let data = folder.path().join("..data");
        std::os::unix::fs::symlink("..1", &data).unwrap();
        let files = CertificateFiles {
            certificate: data.join("tls.crt"),
            key: data.join("tls.key"),
        };
        let serving = Arc::new(Serving::default());
        let metrics = Arc::new(Metrics::new().unwrap());
        let watch = tokio::spawn(files.watch(Arc::clone(&serving), metrics));
        tokio::time::advance(POLL * 3).await;
        assert!(!serving.is_there());
        let next = folder.path().join("..next");
        std::os::unix::fs::symlink("..2", &next).unwrap();
        fs::rename(&next, &data).unwrap();
        for _ in 0..100 {
            tokio::time::advance(POLL).await;
            tokio::task::yield_now().await;
        }
        assert!(serving.is_there());
        watch.abort();
    }
}
