//! Both ends of TLS: a client with a certificate of its own, for listeners that ask for one, and servers whose
//! certificates are not as they should be.

use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use leasehold_testkit::net::Identity;
use rcgen::{CertificateParams, KeyPair};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, StreamOwned,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

use crate::{
    between::{answer_of, request},
    listening::exchange,
};

/// A certificate and its key.
#[derive(Clone)]
pub(crate) struct Shown {
    chain: Vec<CertificateDer<'static>>,
    key: Arc<PrivateKeyDer<'static>>,
}

/// What a client of this authority shows.
pub(crate) fn client_certificate(identity: &Identity) -> Shown {
    let certificate = CertificateDer::from_pem_slice(identity.certificate.as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).unwrap();
    Shown {
        chain: vec![certificate],
        key: Arc::new(key),
    }
}

/// One request over TLS; none when the server does not go along.
pub(crate) fn ask(
    port: u16,
    ca: &str,
    shown: Option<Shown>,
    line: &str,
) -> Option<(u16, String, String)> {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(ca.as_bytes()).unwrap())
        .unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let config = match shown {
        None => builder.with_no_client_auth(),
        Some(shown) => builder
            .with_client_auth_cert(shown.chain, shown.key.clone_key())
            .unwrap(),
    };
    let name = "localhost".try_into().unwrap();
    let connection = ClientConnection::new(Arc::new(config), name).unwrap();
    let stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    exchange(StreamOwned::new(connection, stream), line)
}

/// A certificate for 127.0.0.1 that has expired, and is its own authority.
pub(crate) fn expired() -> Identity {
    self_signed("127.0.0.1", |certificate| {
        certificate.not_before = rcgen::date_time_ymd(2019, 1, 1);
        certificate.not_after = rcgen::date_time_ymd(2020, 1, 1);
    })
}

/// A certificate for another name than the one that the server is reached by.
pub(crate) fn for_another_name() -> Identity {
    self_signed("vault.example", |_| {})
}

fn self_signed(name: &str, change: impl FnOnce(&mut CertificateParams)) -> Identity {
    let mut parameters = CertificateParams::new(vec![name.to_owned()]).unwrap();
    change(&mut parameters);
    let key = KeyPair::generate().unwrap();
    let certificate = parameters.self_signed(&key).unwrap().pem();
    Identity {
        ca: certificate.clone(),
        certificate,
        key: key.serialize_pem(),
    }
}

/// Stands before the real server and shows a certificate that can be another one from one connection to the next;
/// each answer ends with its connection.
pub(crate) struct Front {
    port: u16,
    shown: Arc<Mutex<Arc<ServerConfig>>>,
}

impl Front {
    /// Shows this certificate before the server on this port.
    pub(crate) fn new(identity: &Identity, upstream: u16) -> Self {
        let door = TcpListener::bind("127.0.0.1:0").unwrap();
        let front = Self {
            port: door.local_addr().unwrap().port(),
            shown: Arc::new(Mutex::new(showing(identity))),
        };
        let shown = Arc::clone(&front.shown);
        thread::spawn(move || {
            for stream in door.incoming().flatten() {
                let config = Arc::clone(&shown.lock().unwrap());
                // A client that does not accept the certificate goes away in the middle.
                thread::spawn(move || relay(stream, config, upstream).unwrap_or_default());
            }
        });
        front
    }

    pub(crate) fn address(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }

    /// Shows this certificate from the next connection on.
    pub(crate) fn show(&self, identity: &Identity) {
        *self.shown.lock().unwrap() = showing(identity);
    }
}

fn relay(stream: TcpStream, config: Arc<ServerConfig>, upstream: u16) -> std::io::Result<()> {
    let connection = ServerConnection::new(config).unwrap();
    let mut stream = StreamOwned::new(connection, stream);
    if let Some((head, body)) = request(&mut stream, &mut Vec::new())? {
        stream.write_all(&answer_of(upstream, &head, &body)?)?;
        stream.conn.send_close_notify();
        stream.flush()?;
    }
    Ok(())
}

/// A server that shows this certificate and says nothing; its port.
pub(crate) fn serve(identity: &Identity) -> u16 {
    serve_answering(identity, String::new())
}

/// A server that shows this certificate and answers every request so; its port.
pub(crate) fn serve_answering(identity: &Identity, answer: String) -> u16 {
    let config = showing(identity);
    let door = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = door.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in door.incoming().flatten() {
            let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
            let answer = answer.clone();
            thread::spawn(move || {
                let mut stream = StreamOwned::new(connection, stream);
                // A client that does not accept the certificate goes away in the middle.
                while stream.read(&mut [0; 8192]).is_ok_and(|read| read > 0) {
                    let _ = stream.write_all(answer.as_bytes());
                }
            });
        }
    });
    port
}

fn showing(identity: &Identity) -> Arc<ServerConfig> {
    let shown = client_certificate(identity);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(shown.chain, shown.key.clone_key());
    Arc::new(config.unwrap())
}
