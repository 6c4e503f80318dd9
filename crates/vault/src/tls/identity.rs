//! The certificate that we show and its key, read anew each time they are asked for.

use std::fs;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use zeroize::Zeroizing;

use super::{TlsError, roots};
use crate::settings::{ClientPair, PemSource};

pub(super) type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

pub(super) fn load(pair: &ClientPair) -> Result<Identity, TlsError> {
    let (bytes, place) = read(&pair.certificate, "the client certificate")?;
    let chain = roots::certificates(&bytes, &place)?;
    if chain.is_empty() {
        return Err(TlsError::NoCertificate { place });
    }
    let (bytes, place) = read(&pair.key, "the client key")?;
    let key = PrivateKeyDer::from_pem_slice(&bytes).map_err(|error| match error {
        rustls::pki_types::pem::Error::NoItemsFound => TlsError::NoKey { place },
        other => TlsError::BadPem {
            place,
            reason: other.to_string(),
        },
    })?;
    Ok((chain, key))
}

fn read(source: &PemSource, what: &'static str) -> Result<(Zeroizing<Vec<u8>>, String), TlsError> {
    match source {
        PemSource::Text(text) => Ok((
            Zeroizing::new(text.expose().as_bytes().to_vec()),
            format!("the text given for {what}"),
        )),
        PemSource::File(path) => {
            let bytes = fs::read(path).map_err(|source| TlsError::Read {
                what,
                path: path.clone(),
                source,
            })?;
            Ok((
                Zeroizing::new(bytes),
                format!("{what} file `{}`", path.display()),
            ))
        }
    }
}
