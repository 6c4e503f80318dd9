//! Making certificates: an authority that may sign for the webhook's own names only, and the short-lived serving
//! certificates that it signs. Time enters as an argument; keys come from the cryptography library's randomness.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use jiff::Timestamp;
use rcgen::string::Ia5String;
use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, GeneralSubtree, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    NameConstraints, PublicKeyData, SanType, date_time_ymd,
};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::CertifiedKey;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// Certificates begin this much in the past, since clocks of a cluster differ.
const BACKDATED: Duration = Duration::from_secs(300);

/// A private key as PEM text: it cannot be printed and is wiped when it is dropped.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KeyPem(Zeroizing<String>);

impl fmt::Debug for KeyPem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// A certificate authority with its key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Authority {
    /// Its common name; every authority has one of its own.
    pub name: String,
    /// Its certificate, PEM.
    pub certificate: String,
    /// Its key.
    pub key: KeyPem,
    /// Names and addresses it may sign for.
    pub hosts: Vec<String>,
    /// When it was made.
    pub made: Timestamp,
    /// When it ends.
    pub ends: Timestamp,
}

/// Why a certificate cannot be made or used.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// The library refuses.
    #[error("failed to make a certificate for {hosts}")]
    Make {
        /// The names it was for.
        hosts: String,
        /// The reason.
        #[source]
        source: rcgen::Error,
    },
    /// A name that no certificate can hold.
    #[error("`{0}` is no DNS name that a certificate can hold")]
    Host(String),
    /// The TLS library refuses what was made.
    #[error("the certificate that was made cannot be served")]
    Serve(#[source] rustls::Error),
    /// The certificate of an authority is damaged, or its key belongs to another one.
    #[error("the authority `{0}` is damaged: its certificate and key do not fit")]
    Damaged(String),
}

impl Authority {
    /// Makes an authority for these names.
    ///
    /// # Errors
    /// A name that no certificate can hold.
    pub fn make(
        hosts: &[String],
        now: Timestamp,
        lifetime: Duration,
    ) -> Result<Self, CertificateError> {
        let name = format!("leasehold webhook authority {now}");
        let failed = |source| CertificateError::Make {
            hosts: hosts.join(", "),
            source,
        };
        let key = KeyPair::generate().map_err(failed)?;
        let ends = now + lifetime;
        let mut params = parameters(&name);
        set_validity(&mut params, now - BACKDATED, ends);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![
            KeyUsagePurpose::KeyCertSign,
            KeyUsagePurpose::DigitalSignature,
        ];
        if !hosts.is_empty() {
            params.name_constraints = Some(NameConstraints {
                permitted_subtrees: hosts.iter().map(|host| subtree(host)).collect(),
                excluded_subtrees: Vec::new(),
            });
        }
        let certificate = params.self_signed(&key).map_err(failed)?;
        Ok(Self {
            name,
            certificate: certificate.pem(),
            key: KeyPem(Zeroizing::new(key.serialize_pem())),
            hosts: hosts.to_vec(),
            made: now,
            ends,
        })
    }

    /// Whether it may sign for all of these names.
    #[must_use]
    pub fn covers(&self, hosts: &[String]) -> bool {
        self.hosts.is_empty() || hosts.iter().all(|host| self.hosts.contains(host))
    }

    /// Checks that certificate and key belong together: both may have been edited by hand.
    ///
    /// # Errors
    /// When they do not.
    pub fn check(&self) -> Result<(), CertificateError> {
        let damaged = || CertificateError::Damaged(self.name.clone());
        let key = KeyPair::from_pem(&self.key.0).map_err(|_| damaged())?;
        let (_, pem) =
            x509_parser::pem::parse_x509_pem(self.certificate.as_bytes()).map_err(|_| damaged())?;
        let certificate = pem.parse_x509().map_err(|_| damaged())?;
        if certificate.public_key().raw == key.subject_public_key_info()
            && certificate.validity().not_after.timestamp() == self.ends.as_second()
            && certificate.is_ca()
        {
            return Ok(());
        }
        Err(damaged())
    }

    /// Signs a serving certificate with a key of its own. It ends no later than the authority.
    ///
    /// # Errors
    /// A damaged authority, or a name that no certificate can hold.
    pub fn sign(
        &self,
        hosts: &[String],
        now: Timestamp,
        lifetime: Duration,
    ) -> Result<Signed, CertificateError> {
        let failed = |source| CertificateError::Make {
            hosts: hosts.join(", "),
            source,
        };
        let ends = (now + lifetime).min(self.ends);
        let mut params = parameters(hosts.first().map_or("leasehold webhook", String::as_str));
        set_validity(&mut params, now - BACKDATED, ends);
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        for host in hosts {
            params.subject_alt_names.push(match host.parse::<IpAddr>() {
                Ok(address) => SanType::IpAddress(address),
                Err(_) => SanType::DnsName(
                    Ia5String::try_from(host.as_str())
                        .map_err(|_| CertificateError::Host(host.clone()))?,
                ),
            });
        }
        let key = KeyPair::generate().map_err(failed)?;
        let mut own = parameters(&self.name);
        own.key_usages = vec![
            KeyUsagePurpose::KeyCertSign,
            KeyUsagePurpose::DigitalSignature,
        ];
        let issuer_key = KeyPair::from_pem(&self.key.0).map_err(failed)?;
        let issuer = Issuer::new(own, issuer_key);
        let certificate = params.signed_by(&key, &issuer).map_err(failed)?;
        let der = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = rustls::crypto::ring::default_provider();
        let certified = CertifiedKey::from_der(vec![certificate.der().clone()], der, &provider)
            .map_err(CertificateError::Serve)?;
        Ok(Signed {
            certificate: certified,
            made: now,
            ends,
        })
    }
}

/// A serving certificate that was signed.
#[derive(Debug)]
pub struct Signed {
    /// Ready for the listener.
    pub certificate: CertifiedKey,
    /// When it was made.
    pub made: Timestamp,
    /// When it ends.
    pub ends: Timestamp,
}

fn parameters(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

fn subtree(host: &str) -> GeneralSubtree {
    match host.parse::<IpAddr>() {
        Ok(address @ IpAddr::V4(_)) => {
            GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(address, 32))
        }
        Ok(address @ IpAddr::V6(_)) => {
            GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(address, 128))
        }
        // A constraint on a name holds for what is below it too; a wildcard is its parent.
        Err(_) => GeneralSubtree::DnsName(host.trim_start_matches("*.").to_owned()),
    }
}

/// Sets from when to when a certificate is valid. The library's type of time belongs to a crate that is otherwise not
/// used, so its values are made by addition and never named.
fn set_validity(params: &mut CertificateParams, from: Timestamp, to: Timestamp) {
    let seconds =
        |time: Timestamp| Duration::from_secs(u64::try_from(time.as_second()).unwrap_or_default());
    params.not_before = date_time_ymd(1970, 1, 1) + seconds(from);
    params.not_after = date_time_ymd(1970, 1, 1) + seconds(to);
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rustls::RootCertStore;
    use rustls::client::WebPkiServerVerifier;
    use rustls::client::danger::ServerCertVerifier;
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, ServerName, UnixTime};

    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    fn now() -> Timestamp {
        "2026-11-22T06:00:00Z".parse().unwrap()
    }

    fn hosts(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    /// What a client that trusts only the authority says about a certificate for a name at a time.
    fn verify(
        authority: &Authority,
        signed: &Signed,
        name: &str,
        at: Timestamp,
    ) -> Result<(), rustls::Error> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(authority.certificate.as_bytes()).unwrap())?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
            .build()
            .unwrap();
        let at = UnixTime::since_unix_epoch(Duration::from_secs(at.as_second().unsigned_abs()));
        let name = ServerName::try_from(name.to_owned()).unwrap();
        verifier
            .verify_server_cert(signed.certificate.end_entity_cert()?, &[], &name, &[], at)
            .map(drop)
    }

    #[test]
    fn a_client_that_trusts_the_authority_trusts_what_it_signs() {
        let hosts = hosts(&["leasehold.vault.svc", "10.0.0.7", "fd00::1"]);
        let authority = Authority::make(&hosts, now(), DAY * 365).unwrap();
        let signed = authority.sign(&hosts, now(), DAY).unwrap();
        for name in ["leasehold.vault.svc", "10.0.0.7", "fd00::1"] {
            assert_eq!(verify(&authority, &signed, name, now()), Ok(()), "{name}");
        }
        assert!(verify(&authority, &signed, "other.vault.svc", now()).is_err());
        assert!(verify(&authority, &signed, "leasehold.vault.svc", now() + DAY * 2).is_err());
        assert_eq!(authority.check().map_err(|error| error.to_string()), Ok(()));
    }

    #[test]
    fn the_authority_cannot_sign_for_anybody_else() {
        let authority = Authority::make(&hosts(&["leasehold.vault.svc"]), now(), DAY).unwrap();
        let stolen = authority
            .sign(&hosts(&["kubernetes.default.svc"]), now(), DAY)
            .unwrap();
        assert!(verify(&authority, &stolen, "kubernetes.default.svc", now()).is_err());
        assert!(!authority.covers(&hosts(&["kubernetes.default.svc"])));
    }

    #[test]
    fn a_serving_certificate_ends_no_later_than_its_authority() {
        let hosts = hosts(&["a.b.svc"]);
        let authority = Authority::make(&hosts, now(), DAY).unwrap();
        let signed = authority.sign(&hosts, now() + DAY / 2, DAY).unwrap();
        assert_eq!(signed.ends, authority.ends);
    }

    #[test]
    fn an_authority_with_anothers_key_is_damaged() {
        let hosts = hosts(&["a.b.svc"]);
        let mut authority = Authority::make(&hosts, now(), DAY).unwrap();
        authority.key = Authority::make(&hosts, now(), DAY).unwrap().key;
        assert!(authority.check().is_err());
        authority.certificate = "nonsense".to_owned();
        assert!(authority.check().is_err());
    }

    #[test]
    fn a_key_cannot_be_printed() {
        let authority = Authority::make(&[], now(), DAY).unwrap();
        assert!(
            !format!("{authority:?}").contains("PRIVATE"),
            "{authority:?}"
        );
    }
}
