//! TLS as people have it, against handshakes of real keys and certificates.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails where its stage cannot be set"
)]

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex};

use leasehold_testkit::scratch::Scratch;
use leasehold_vault::{
    Client, ClientPair, Error, PemSource, Request, Roots, Settings, TlsSettings, Verification,
};
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertifiedIssuer, IsCa, KeyPair,
    KeyUsagePurpose, SanType,
};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}";

/// A server with one certificate.
struct Server {
    port: u16,
    /// The serial numbers of the client certificates that were shown, where one is wanted.
    clients: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Server {
    async fn start(
        certificate: &Certificate,
        key: &KeyPair,
        clients: Option<&Certificate>,
    ) -> Self {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap();
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(root) => {
                let mut store = RootCertStore::empty();
                store.add(root.der().clone()).unwrap();
                builder.with_client_cert_verifier(
                    WebPkiClientVerifier::builder_with_provider(Arc::new(store), provider)
                        .build()
                        .unwrap(),
                )
            }
        };
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = builder
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let shown = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&shown);
        let acceptor = TlsAcceptor::from(Arc::new(config));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let Ok(mut stream) = acceptor.accept(stream).await else {
                    continue;
                };
                if let Some(chain) = stream.get_ref().1.peer_certificates() {
                    log.lock().unwrap().push(chain[0].to_vec());
                }
                let _ = stream.read(&mut [0; 4096]).await;
                let _ = stream.write_all(ANSWER).await;
                let _ = stream.shutdown().await;
            }
        });
        Self {
            port,
            clients: shown,
        }
    }

    async fn ask(&self, host: &str, tls: TlsSettings) -> Result<(), Error> {
        let address = format!("https://{host}:{}", self.port);
        let mut settings = Settings::new(address.parse().unwrap());
        settings.tls = tls;
        let client = Client::new(settings).unwrap();
        client.call(&Request::get("sys/health")).await.map(drop)
    }

    async fn refusal(&self, host: &str, tls: TlsSettings) -> String {
        self.ask(host, tls).await.unwrap_err().to_string()
    }
}

fn params(names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    CertificateParams::new(names).unwrap()
}

fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut authority = params(&[]);
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap()
}

fn roots(certificate: &Certificate) -> TlsSettings {
    TlsSettings {
        roots: Roots::Text(certificate.pem()),
        ..TlsSettings::default()
    }
}

#[tokio::test]
async fn a_self_signed_certificate_marked_as_authority_is_accepted_when_it_is_a_root() {
    let mut own = params(&["localhost"]);
    own.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let certificate = own.self_signed(&key).unwrap();
    let server = Server::start(&certificate, &key, None).await;
    server.ask("localhost", roots(&certificate)).await.unwrap();

    let error = server.refusal("127.0.0.1", roots(&certificate)).await;
    assert!(
        error.contains("certificate is not accepted: it is for another name"),
        "{error}"
    );
    let error = server
        .refusal("localhost", roots(authority().as_ref()))
        .await;
    assert!(
        error.ends_with("marked as an authority and is not itself among the trusted roots"),
        "{error}"
    );
}

#[tokio::test]
async fn a_trusted_certificate_out_of_its_time_is_refused() {
    for (until, from, why) in [
        ((2001, 1, 1), (2000, 1, 1), "it has expired"),
        ((2090, 1, 1), (2080, 1, 1), "it is not valid yet"),
    ] {
        for is_ca in [IsCa::NoCa, IsCa::Ca(BasicConstraints::Unconstrained)] {
            let mut own = params(&["localhost"]);
            own.is_ca = is_ca;
            own.not_before = rcgen::date_time_ymd(from.0, from.1, from.2);
            own.not_after = rcgen::date_time_ymd(until.0, until.1, until.2);
            let key = KeyPair::generate().unwrap();
            let certificate = own.self_signed(&key).unwrap();
            let server = Server::start(&certificate, &key, None).await;
            let error = server.refusal("localhost", roots(&certificate)).await;
            assert!(error.ends_with(why), "{error}");
        }
    }
}

#[tokio::test]
async fn keys_of_all_kinds_that_the_provider_knows_work() {
    for algorithm in [
        &rcgen::PKCS_ECDSA_P256_SHA256,
        &rcgen::PKCS_ECDSA_P384_SHA384,
        &rcgen::PKCS_ED25519,
    ] {
        let authority = authority();
        let key = KeyPair::generate_for(algorithm).unwrap();
        let certificate = params(&["localhost"]).signed_by(&key, &authority).unwrap();
        let server = Server::start(&certificate, &key, None).await;
        server
            .ask("localhost", roots(authority.as_ref()))
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn addresses_are_names_too_and_a_given_name_wins() {
    let authority = authority();
    let key = KeyPair::generate().unwrap();
    let mut with_address = params(&["vault.internal"]);
    let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
    with_address
        .subject_alt_names
        .push(SanType::IpAddress(address));
    let certificate = with_address.signed_by(&key, &authority).unwrap();
    let server = Server::start(&certificate, &key, None).await;
    server
        .ask("127.0.0.1", roots(authority.as_ref()))
        .await
        .unwrap();

    let error = server.refusal("localhost", roots(authority.as_ref())).await;
    assert!(
        error.contains("it is not for `localhost` but for "),
        "{error}"
    );
    assert!(error.contains("vault.internal"), "{error}");
    let mut named = roots(authority.as_ref());
    named.server_name = Some("vault.internal".to_owned());
    server.ask("localhost", named).await.unwrap();
}

#[tokio::test]
async fn an_unknown_issuer_is_refused_unless_verification_is_skipped() {
    let authority = authority();
    let key = KeyPair::generate().unwrap();
    let certificate = params(&["localhost"]).signed_by(&key, &authority).unwrap();
    let server = Server::start(&certificate, &key, None).await;
    let error = server.refusal("localhost", TlsSettings::default()).await;
    assert!(
        error.ends_with("its issuer is not among the trusted roots"),
        "{error}"
    );
    let skipped = TlsSettings {
        verification: Verification::Skipped,
        ..TlsSettings::default()
    };
    server.ask("127.0.0.1", skipped).await.unwrap();
}

#[tokio::test]
async fn roots_come_from_files_and_folders_too() {
    let authority = authority();
    let key = KeyPair::generate().unwrap();
    let certificate = params(&["localhost"]).signed_by(&key, &authority).unwrap();
    let server = Server::start(&certificate, &key, None).await;
    let folder = Scratch::new("roots");
    fs::create_dir(folder.join("..dated")).unwrap();
    fs::write(folder.join("..dated/ca.crt"), authority.pem()).unwrap();
    std::os::unix::fs::symlink("..dated/ca.crt", folder.join("ca.crt")).unwrap();
    fs::write(folder.join("tls.key"), key.serialize_pem()).unwrap();
    for roots in [
        Roots::Folder(folder.path().to_owned()),
        Roots::File(folder.join("ca.crt")),
    ] {
        let tls = TlsSettings {
            roots,
            ..TlsSettings::default()
        };
        server.ask("localhost", tls).await.unwrap();
    }
}

#[tokio::test]
async fn a_client_certificate_is_shown_and_read_anew_when_it_rotates() {
    let authority = authority();
    let key = KeyPair::generate().unwrap();
    let certificate = params(&["localhost"]).signed_by(&key, &authority).unwrap();
    let server = Server::start(&certificate, &key, Some(authority.as_ref())).await;
    let error = server.refusal("localhost", roots(authority.as_ref())).await;
    assert!(
        error.contains("wants a client certificate") || error.contains("closed before"),
        "{error}"
    );

    let folder = Scratch::new("pair");
    let issue = || {
        let key = KeyPair::generate().unwrap();
        let certificate = params(&["client"]).signed_by(&key, &authority).unwrap();
        fs::write(folder.join("tls.crt"), certificate.pem()).unwrap();
        fs::write(folder.join("tls.key"), key.serialize_pem()).unwrap();
        certificate.der().to_vec()
    };
    let first = issue();
    let mut settings = Settings::new(
        format!("https://localhost:{}", server.port)
            .parse()
            .unwrap(),
    );
    settings.tls = roots(authority.as_ref());
    settings.tls.client = Some(ClientPair {
        certificate: PemSource::File(folder.join("tls.crt")),
        key: PemSource::File(folder.join("tls.key")),
    });
    let client = Client::new(settings).unwrap();
    client.call(&Request::get("a")).await.unwrap();
    let second = issue();
    client.call(&Request::get("a")).await.unwrap();
    assert_eq!(*server.clients.lock().unwrap(), [first, second]);

    // A half-written pair leaves the old one at work.
    fs::write(folder.join("tls.key"), "-----BEGIN").unwrap();
    let error = client.trust(client.tls()).unwrap_err();
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(cause.contains("tls.key"), "{cause}");
    client.call(&Request::get("a")).await.unwrap();
    // Once it is whole it counts.
    let third = issue();
    client.call(&Request::get("a")).await.unwrap();
    assert_eq!(server.clients.lock().unwrap().last(), Some(&third));
}

#[tokio::test]
async fn settings_that_cannot_work_are_named() {
    let folder = Scratch::new("bad");
    fs::write(folder.join("empty.pem"), "no certificate here").unwrap();
    let pair = |certificate: &str, key: &str| ClientPair {
        certificate: PemSource::Text(certificate.to_owned().into()),
        key: PemSource::Text(key.to_owned().into()),
    };
    let own_key = KeyPair::generate().unwrap();
    let own = params(&["client"]).self_signed(&own_key).unwrap().pem();
    let other_key = KeyPair::generate().unwrap().serialize_pem();
    let cases = [
        (
            TlsSettings {
                roots: Roots::File(folder.join("none.pem")),
                ..TlsSettings::default()
            },
            "failed to read CA certificates from `",
        ),
        (
            TlsSettings {
                roots: Roots::File(folder.join("empty.pem")),
                ..TlsSettings::default()
            },
            "empty.pem` holds no PEM certificate",
        ),
        (
            TlsSettings {
                roots: Roots::Folder(folder.path().to_owned()),
                ..TlsSettings::default()
            },
            "holds no PEM certificate",
        ),
        (
            TlsSettings {
                server_name: Some("not a name".to_owned()),
                ..TlsSettings::default()
            },
            "`not a name` is neither",
        ),
        (
            TlsSettings {
                client: Some(pair(&own, "nothing")),
                ..TlsSettings::default()
            },
            "the client key holds no PEM private key",
        ),
        (
            TlsSettings {
                client: Some(pair(&own, &other_key)),
                ..TlsSettings::default()
            },
            "the client certificate and its key cannot be used",
        ),
    ];
    for (tls, part) in cases {
        let mut settings = Settings::new("https://vault:8200".parse().unwrap());
        settings.tls = tls;
        let error = Client::new(settings).unwrap_err();
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert!(cause.contains(part), "{part} is not in: {cause}");
    }
}

#[tokio::test]
async fn a_server_without_tls_is_told() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let answer = b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent a plain request";
        let _ = stream.write_all(answer).await;
    });
    let server = Server {
        port,
        clients: Arc::default(),
    };
    let error = server.refusal("localhost", TlsSettings::default()).await;
    assert!(error.contains("does not speak TLS on this port"), "{error}");
}
