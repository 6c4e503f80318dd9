//! The authority of clients' certificates: read from a file at the start and again whenever the file changes, so that an
//! API server's new certificate needs no restart here. The way files change is `files`' business.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};

use crate::server::files::{self, FileError};

/// Why the authority cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// The file.
    #[error(transparent)]
    File(#[from] FileError),
    /// The library refuses its certificates.
    #[error("the certificates of --tls-client-ca-file cannot be used")]
    Verifier(#[source] rustls::server::VerifierBuilderError),
}

/// Verifies clients by the certificates that the file holds now.
#[derive(Debug)]
pub struct ClientAuthority {
    file: PathBuf,
    provider: Arc<CryptoProvider>,
    current: RwLock<Arc<dyn ClientCertVerifier>>,
}

impl ClientAuthority {
    /// Reads the file.
    ///
    /// # Errors
    /// When it cannot be read or holds no usable certificate.
    pub fn read(file: PathBuf) -> Result<Self, AuthorityError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let current = RwLock::new(verifier(&file, &provider)?);
        Ok(Self {
            file,
            provider,
            current,
        })
    }

    /// Takes every new version of the file into use; one that cannot be used is logged once, and the one before stays.
    /// Never returns.
    pub async fn watch(self: Arc<Self>) {
        let mut changes = files::Changes::of(vec![self.file.clone()]);
        loop {
            changes.next().await;
            match verifier(&self.file, &self.provider) {
                Ok(verifier) => {
                    *self.current.write().unwrap_or_else(PoisonError::into_inner) = verifier;
                    tracing::info!(file = %self.file.display(), "the authority of clients was read again");
                }
                Err(error) => tracing::warn!(
                    error = %crate::chain(&error),
                    "the changed authority of clients cannot be used; the one before stays"
                ),
            }
        }
    }

    fn current(&self) -> Arc<dyn ClientCertVerifier> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }
}

fn verifier(
    file: &std::path::Path,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, AuthorityError> {
    let roots = Arc::new(files::roots(file)?);
    WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(provider))
        // The kubelet's probes have no certificate; the router refuses reviews without one.
        .allow_unauthenticated()
        .build()
        .map_err(AuthorityError::Verifier)
}

impl ClientCertVerifier for ClientAuthority {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        // A hint that may be out of date is worse than none: clients then show the certificate that they have.
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.current()
            .verify_client_cert(end_entity, intermediates, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.current()
            .verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.current()
            .verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.current().supported_verify_schemes()
    }
}
