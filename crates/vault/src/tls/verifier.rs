//! The check of a server's certificate.
//!
//! The usual check is left to webpki. One more certificate is accepted: one that is, byte
//! for byte, among the configured roots. Self-signed servers show the very certificate
//! that their users trust, often marked as an authority, which webpki refuses in a
//! server. Name and validity are checked all the same.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, Error, SignatureScheme};

use self::validity::Validity;

mod validity;

/// The check of a server's certificate.
#[derive(Debug)]
pub(crate) enum Verifier {
    /// Any certificate will do.
    AcceptingAll { schemes: Vec<SignatureScheme> },
    /// The certificate must be good.
    Checking {
        inner: Arc<WebPkiServerVerifier>,
        provider: Arc<CryptoProvider>,
        pinned: Vec<CertificateDer<'static>>,
        name: Option<ServerName<'static>>,
    },
}

impl Verifier {
    pub(super) fn accepting_all(provider: &CryptoProvider) -> Self {
        let mut schemes = provider
            .signature_verification_algorithms
            .supported_schemes();
        // Nothing is verified, so what the provider cannot verify does not matter.
        schemes.push(SignatureScheme::RSA_PKCS1_SHA1);
        Self::AcceptingAll { schemes }
    }

    pub(super) fn checking(
        inner: Arc<WebPkiServerVerifier>,
        provider: Arc<CryptoProvider>,
        pinned: Vec<CertificateDer<'static>>,
        name: Option<ServerName<'static>>,
    ) -> Self {
        Self::Checking {
            inner,
            provider,
            pinned,
            name,
        }
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Self::Checking {
            inner,
            pinned,
            name,
            ..
        } = self
        else {
            return Ok(ServerCertVerified::assertion());
        };
        let server_name = name.as_ref().unwrap_or(server_name);
        let refusal = match inner.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        ) {
            Ok(verified) => return Ok(verified),
            Err(error) => error,
        };
        if !pinned.iter().any(|root| root == end_entity) {
            return Err(refusal);
        }
        check_pinned(end_entity, server_name, now)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        match self {
            Self::AcceptingAll { .. } => Ok(HandshakeSignatureValid::assertion()),
            Self::Checking { provider, .. } => verify_tls12_signature(
                message,
                cert,
                dss,
                &provider.signature_verification_algorithms,
            ),
        }
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        match self {
            Self::AcceptingAll { .. } => Ok(HandshakeSignatureValid::assertion()),
            Self::Checking { provider, .. } => verify_tls13_signature(
                message,
                cert,
                dss,
                &provider.signature_verification_algorithms,
            ),
        }
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        match self {
            Self::AcceptingAll { schemes } => schemes.clone(),
            Self::Checking { inner, .. } => inner.supported_verify_schemes(),
        }
    }
}

/// Name and validity of a certificate that is trusted by itself.
fn check_pinned(
    certificate: &CertificateDer<'_>,
    name: &ServerName<'_>,
    now: UnixTime,
) -> Result<(), Error> {
    let malformed = || Error::InvalidCertificate(CertificateError::BadEncoding);
    let parsed = webpki::EndEntityCert::try_from(certificate).map_err(|_| malformed())?;
    parsed
        .verify_is_valid_for_subject_name(name)
        .map_err(|_| Error::InvalidCertificate(CertificateError::NotValidForName))?;
    let validity = Validity::of(certificate).ok_or_else(malformed)?;
    if now.as_secs() < validity.from {
        return Err(Error::InvalidCertificate(CertificateError::NotValidYet));
    }
    if now.as_secs() > validity.until {
        return Err(Error::InvalidCertificate(CertificateError::Expired));
    }
    Ok(())
}
