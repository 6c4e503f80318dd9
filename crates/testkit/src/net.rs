//! Ports for servers that cannot be asked to choose one, and certificates for 127.0.0.1.

use std::fs::File;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};

/// First port that is tried. The range lies below those that the system hands out by itself, so no
/// outgoing connection takes a port between its choice and its use.
const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;

/// A port of 127.0.0.1 that no other test of this machine's user takes while this value lives.
#[derive(Debug)]
pub struct Port {
    number: u16,
    /// Locked for as long as the port is ours; other test processes look at it.
    _lock: File,
}

impl Port {
    /// Finds a port where nothing listens and which no other test holds.
    pub fn reserve() -> Self {
        static NEXT: AtomicU16 = AtomicU16::new(0);
        let start = (std::process::id().wrapping_mul(37) % u32::from(COUNT)) as u16;
        let folder = std::env::temp_dir().join("leasehold-ports");
        // Another user's folder of that name is not ours to lock in.
        let folder = match std::fs::create_dir_all(&folder) {
            Ok(()) if File::create(folder.join("probe")).is_ok() => folder,
            _ => {
                let own = std::env::temp_dir().join(format!(
                    "leasehold-ports-{}",
                    rustix::process::getuid().as_raw()
                ));
                std::fs::create_dir_all(&own).expect("the temporary folder can be written");
                own
            }
        };
        for _ in 0..COUNT {
            let step = NEXT.fetch_add(1, Ordering::Relaxed) % COUNT;
            let number = FIRST + (start + step) % COUNT;
            let Ok(lock) = File::create(folder.join(number.to_string())) else {
                continue;
            };
            if lock.try_lock().is_err() {
                continue;
            }
            if TcpListener::bind((Ipv4Addr::LOCALHOST, number)).is_ok() {
                return Self {
                    number,
                    _lock: lock,
                };
            }
        }
        panic!(
            "no free port between {FIRST} and {} on 127.0.0.1",
            FIRST + COUNT
        )
    }

    /// The port's number.
    pub fn number(&self) -> u16 {
        self.number
    }
}

/// A certificate authority made for one test, and a server certificate it signed for 127.0.0.1,
/// `localhost` and the names given.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The authority's certificate, PEM.
    pub ca: String,
    /// The server's certificate, PEM.
    pub certificate: String,
    /// The server's private key, PEM (PKCS 8).
    pub key: String,
}

impl Identity {
    /// Makes both, with fresh keys. `title` becomes the authority's common name.
    pub fn new(title: &str, names: &[&str]) -> Self {
        let mut ca = CertificateParams::default();
        ca.distinguished_name.push(DnType::CommonName, title);
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let ca_key = KeyPair::generate().expect("a key can be made");
        let ca_certificate = ca
            .self_signed(&ca_key)
            .expect("the parameters are complete");

        let mut server = CertificateParams::new(
            names
                .iter()
                .map(ToString::to_string)
                .chain(["localhost".to_owned()])
                .collect::<Vec<_>>(),
        )
        .expect("the names are valid");
        server.distinguished_name.push(DnType::CommonName, "server");
        server
            .subject_alt_names
            .push(SanType::IpAddress(Ipv4Addr::LOCALHOST.into()));
        server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyPair::generate().expect("a key can be made");
        let issuer = Issuer::from_params(&ca, &ca_key);
        let certificate = server
            .signed_by(&key, &issuer)
            .expect("the parameters are complete");
        Self {
            ca: ca_certificate.pem(),
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        }
    }
}
