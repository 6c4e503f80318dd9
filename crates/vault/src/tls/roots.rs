//! Trusted roots, from a file, a text, a folder or the system.

use std::fs;
use std::path::{Path, PathBuf};

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::TlsError;
use crate::settings::Roots;

/// How deep a folder of certificates is read.
const FOLDER_DEPTH: usize = 8;

/// The roots, both as the verifier wants them and as they are.
pub(super) struct Loaded {
    pub(super) store: RootCertStore,
    /// Only those that somebody configured: a server may show one of them as its own.
    pub(super) certificates: Vec<CertificateDer<'static>>,
    pub(super) place: String,
}

pub(super) fn load(roots: &Roots) -> Result<Loaded, TlsError> {
    let (certificates, place) = match roots {
        Roots::System => return Ok(system()),
        Roots::Text(text) => {
            let place = "the given CA text".to_owned();
            (certificates(text.as_bytes(), &place)?, place)
        }
        Roots::File(path) => {
            let place = format!("the CA file `{}`", path.display());
            let bytes = fs::read(path).map_err(|source| TlsError::Read {
                what: "CA certificates",
                path: path.clone(),
                source,
            })?;
            (certificates(&bytes, &place)?, place)
        }
        Roots::Folder(path) => {
            let place = format!("the CA folder `{}`", path.display());
            let mut found = Vec::new();
            for file in files_in(path, FOLDER_DEPTH)? {
                // Folders of certificates hold other things as well, keys for example.
                let Ok(bytes) = fs::read(&file) else { continue };
                if let Ok(more) = certificates(&bytes, &place) {
                    found.extend(more);
                }
            }
            (found, place)
        }
    };
    if certificates.is_empty() {
        return Err(TlsError::NoCertificate { place });
    }
    let mut store = RootCertStore::empty();
    let (usable, _) = store.add_parsable_certificates(certificates.iter().cloned());
    if usable == 0 {
        return Err(TlsError::BadRoots {
            place,
            reason: "none of its certificates can be parsed".to_owned(),
        });
    }
    Ok(Loaded {
        store,
        certificates,
        place,
    })
}

/// The system's roots. A machine without any gives an empty store, which refuses every
/// server with a sentence about its issuer; that is better than not starting.
fn system() -> Loaded {
    let mut store = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    store.add_parsable_certificates(found.certs);
    Loaded {
        store,
        certificates: Vec::new(),
        place: "the system".to_owned(),
    }
}

pub(super) fn certificates(
    pem: &[u8],
    place: &str,
) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    CertificateDer::pem_slice_iter(pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| TlsError::BadPem {
            place: place.to_owned(),
            reason: error.to_string(),
        })
}

/// All files beneath a folder, in a fixed order. A mounted ConfigMap shows each file
/// twice (through its dated folder as well); a root that is there twice does no harm.
fn files_in(folder: &Path, depth: usize) -> Result<Vec<PathBuf>, TlsError> {
    let read = |source| TlsError::Read {
        what: "CA certificates",
        path: folder.to_owned(),
        source,
    };
    let mut entries = fs::read_dir(folder)
        .map_err(read)?
        .collect::<Result<Vec<_>, _>>()
        .map_err(read)?;
    entries.sort_by_key(fs::DirEntry::file_name);
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.path();
        let Ok(kind) = entry.file_type() else {
            continue;
        };
        if kind.is_dir() {
            if depth > 0 {
                files.extend(files_in(&path, depth - 1)?);
            }
        } else if path.is_file() {
            files.push(path);
        }
    }
    Ok(files)
}
