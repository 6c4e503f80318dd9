//! Clients that take their time, against limits short enough for a test: each stage of a connection has its end.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::any;
use leasehold::server::connection::{Connections, Limits};
use leasehold::server::tls::{self, Serving};
use leasehold_testkit::net::Identity;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::load::clients;
use crate::support::{DEADLINE, http};

/// A listener in this process.
struct Server {
    port: u16,
    identity: Identity,
    stop: watch::Sender<bool>,
    running: JoinHandle<usize>,
}

impl Server {
    async fn start(limits: Limits) -> Self {
        let identity = Identity::new("slow", &[]);
        let serving = Arc::new(Serving::default());
        let chain = CertificateDer::from_pem_slice(identity.certificate.as_bytes()).unwrap();
        let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).unwrap();
        let provider = rustls::crypto::ring::default_provider();
        serving.replace(CertifiedKey::from_der(vec![chain], key, &provider).unwrap());
        let protocol = tls::protocol("tls12", "").unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (stop, stopped) = watch::channel(false);
        let connections = Connections {
            listener,
            tls: Arc::new(tls::server_config(&protocol, serving, None).unwrap()),
            router: Router::new().route("/", any(async || "answered")),
            limits,
        };
        let running = tokio::spawn(connections.run(stopped, DEADLINE));
        Self {
            port,
            identity,
            stop,
            running,
        }
    }
}

/// Limits that nothing in a test meets by chance, but for those that the test is about.
fn limits() -> Limits {
    Limits {
        connections: 100,
        handshake: DEADLINE * 10,
        request_head: DEADLINE * 10,
    }
}

/// Waits until the server ends a connection, and says what it sent before.
async fn ended(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut received = Vec::new();
    let reading = stream.read_to_end(&mut received);
    // An end without farewell is one, too.
    drop(
        tokio::time::timeout(DEADLINE, reading)
            .await
            .expect("the server ends the connection"),
    );
    String::from_utf8_lossy(&received).into_owned()
}

#[test]
fn a_handshake_that_does_not_go_on_is_ended() {
    clients().block_on(async {
        let handshake = Duration::from_millis(200);
        let server = Server::start(Limits {
            handshake,
            ..limits()
        })
        .await;
        let mut silent = TcpStream::connect(("127.0.0.1", server.port))
            .await
            .unwrap();
        // The beginning of a greeting, as of a client that went away in the middle of it.
        silent.write_all(&[22, 3, 1, 2, 0, 1]).await.unwrap();
        ended(&mut silent).await;
    });
}

#[test]
fn a_head_that_comes_byte_by_byte_is_not_waited_for() {
    clients().block_on(async {
        let request_head = Duration::from_millis(500);
        let server = Server::start(Limits {
            request_head,
            ..limits()
        })
        .await;
        let tls = http::tls(&server.identity.ca, &[]);
        let mut slow = http::encrypted(server.port, &tls).await.unwrap();
        let begun = Instant::now();
        let mut ticks = tokio::time::interval(Duration::from_millis(20));
        let mut head = b"GET / HTTP/1.1\r\nhost: x\r\nx: "
            .iter()
            .chain(b"y".iter().cycle());
        loop {
            ticks.tick().await;
            let byte = *head.next().unwrap();
            if slow.write_all(&[byte]).await.is_err() || slow.flush().await.is_err() {
                break;
            }
            assert!(begun.elapsed() < DEADLINE, "the server still reads");
        }
    });
}

#[test]
fn a_client_that_promises_http_2_and_never_begins_is_ended() {
    clients().block_on(async {
        let request_head = Duration::from_millis(200);
        let server = Server::start(Limits {
            request_head,
            ..limits()
        })
        .await;
        let tls = http::tls(&server.identity.ca, &["h2"]);
        let mut silent = http::encrypted(server.port, &tls).await.unwrap();
        ended(&mut silent).await;
    });
}

#[test]
fn who_comes_when_all_places_are_taken_by_silent_clients_is_served() {
    clients().block_on(async {
        let server = Server::start(Limits {
            connections: 3,
            ..limits()
        })
        .await;
        let tls = http::tls(&server.identity.ca, &["h2"]);
        let mut silent = Vec::new();
        for _ in 0..3 {
            silent.push(http::encrypted(server.port, &tls).await.unwrap());
        }
        let mut sender = http::http2(server.port, &tls).await.unwrap();
        let request = || http::post("/", hyper::body::Bytes::new());
        let answer = sender.send_request(request()).await.unwrap();
        assert_eq!(answer.status(), 200);
        ended(&mut silent[0]).await;
        // Later ones push out other silent ones, and not the one that is used.
        for _ in 0..5 {
            silent.push(http::encrypted(server.port, &tls).await.unwrap());
        }
        let answer = sender.send_request(request()).await.unwrap();
        assert_eq!(answer.status(), 200);
    });
}

#[test]
fn at_the_end_silent_connections_are_not_waited_for_and_a_fresh_one_is_answered() {
    clients().block_on(async {
        let server = Server::start(limits()).await;
        let tls = [&["h2"] as &[&str], &[]].map(|p| http::tls(&server.identity.ca, p));
        let _silent = http::encrypted(server.port, &tls[0]).await.unwrap();
        let mut fresh = http::encrypted(server.port, &tls[1]).await.unwrap();
        server.stop.send(true).unwrap();
        fresh
            .write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
            .await
            .unwrap();
        let answer = ended(&mut fresh).await;
        assert!(answer.ends_with("answered"), "{answer}");
        let cut = tokio::time::timeout(DEADLINE, server.running).await;
        assert_eq!(cut.expect("it ends before its deadline").unwrap(), 0);
    });
}
