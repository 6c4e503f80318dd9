//! Ports for servers that cannot be asked to choose one, and certificates for 127.0.0.1.

use std::fs::File;
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU16, Ordering};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};

/// First port that is tried. The range lies below those that the system hands out by itself, so no
/// outgoing connection takes a port between its choice and its use.
const FIRST: u16 = 20_000;
const PAIRS: u16 = 6_000;

/// A port of 127.0.0.1, and the one after it, that no other test of this machine's user takes while
/// this value lives. A pair, since OpenBao talks to its cluster on the port after its own.
#[derive(Debug)]
pub struct Port {
    number: u16,
    /// Locked for as long as the ports are ours; other test processes look at them.
    _locks: [File; 2],
}

impl Port {
    /// Finds a pair of ports where nothing listens and which no other test holds.
    pub fn reserve() -> Self {
        static NEXT: AtomicU16 = AtomicU16::new(0);
        let folder = lock_folder();
        let start = (std::process::id().wrapping_mul(37) % u32::from(PAIRS)) as u16;
        for _ in 0..PAIRS {
            let step = NEXT.fetch_add(1, Ordering::Relaxed) % PAIRS;
            let number = FIRST + 2 * ((start + step) % PAIRS);
            let take = |number: u16| {
                let lock = File::create(folder.join(number.to_string())).ok()?;
                lock.try_lock().ok()?;
                TcpListener::bind((Ipv4Addr::LOCALHOST, number)).ok()?;
                Some(lock)
            };
            if let (Some(own), Some(next)) = (take(number), take(number + 1)) {
                return Self {
                    number,
                    _locks: [own, next],
                };
            }
        }
        panic!(
            "no free pair of ports between {FIRST} and {} on 127.0.0.1",
            FIRST + 2 * PAIRS
        )
    }

    /// The first port's number.
    pub fn number(&self) -> u16 {
        self.number
    }
}

/// Where the files are that stand for ports in use.
fn lock_folder() -> PathBuf {
    let shared = std::env::temp_dir().join("leasehold-ports");
    if std::fs::create_dir_all(&shared).is_ok() && File::create(shared.join("probe")).is_ok() {
        return shared;
    }
    // Another user's folder of that name is not ours to lock in.
    let user = rustix::process::getuid().as_raw();
    let own = std::env::temp_dir().join(format!("leasehold-ports-{user}"));
    std::fs::create_dir_all(&own).expect("the temporary folder can be written");
    own
}

/// A certificate authority made for one test, and a certificate it signed for 127.0.0.1, `localhost`
/// and the names given, which servers and clients may show.
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
        server.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
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
