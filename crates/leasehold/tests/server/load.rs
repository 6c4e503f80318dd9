//! The server under load and among clients that mean harm or are broken: real processes, real TLS.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use hyper::body::Bytes;
use leasehold_testkit::net::Identity;
use leasehold_testkit::process::exit_code;
use leasehold_testkit::scratch::Scratch;
use leasehold_testkit::wait;
use rustix::process::Signal;
use rustls::pki_types::ServerName;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::support::{DEADLINE, Webhook, get, http, post, review};

/// The chart's memory limit. What a test leaves of it is what the limit has to spare.
const MEMORY_LIMIT: u64 = 128 << 20;

/// The runtime of the clients.
pub(crate) fn clients() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

/// A review of a pod that asks for a secret.
pub(crate) fn annotated(uid: &str) -> Value {
    let annotations = json!({
        "vault.hashicorp.com/agent-inject": "true",
        "vault.hashicorp.com/role": "web",
        "vault.hashicorp.com/agent-inject-secret-db": "database/creds/web",
        "vault.hashicorp.com/agent-inject-template-db":
            "{{ with secret \"database/creds/web\" }}{{ .Data.username }}{{ end }}",
    });
    review(uid, "shop", &annotated_with(annotations))
}

/// A pod's annotations with some weight, as other tools leave it there.
fn annotated_with(mut annotations: Value) -> Value {
    annotations["kubectl.kubernetes.io/last-applied-configuration"] = json!("x".repeat(4_096));
    annotations
}

fn answers_a_review(webhook: &Webhook, identity: &Identity) {
    let begun = Instant::now();
    let answer = post(&webhook.url("/mutate"), &identity.ca, &annotated("u")).unwrap();
    assert_eq!(answer.0, 200, "{answer:?}");
    // Far below the ten seconds after which an API server gives up.
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "{:?}",
        begun.elapsed()
    );
}

#[test]
fn thousands_of_connections_without_a_request_keep_nobody_out() {
    let scratch = Scratch::new("load");
    let identity = Identity::new("files", &[]);
    let webhook = Webhook::start_ready_with_files(&scratch, &identity, "webhook", &[]);
    let port = webhook.port.number();

    // TCP without TLS.
    let silent: Vec<TcpStream> = (0..3_000).map(|_| http::open(port).unwrap()).collect();
    answers_a_review(&webhook, &identity);

    // TLS without a request, half of them promising HTTP/2.
    let both = [
        http::tls(&identity.ca, &["h2"]),
        http::tls(&identity.ca, &[]),
    ];
    let runtime = clients();
    let encrypted = runtime.block_on(async {
        let mut encrypted = Vec::new();
        for index in 0..1_200 {
            encrypted.push(http::encrypted(port, &both[index % 2]).await);
        }
        encrypted
    });
    assert!(encrypted.iter().filter(|stream| stream.is_ok()).count() > 1_000);
    answers_a_review(&webhook, &identity);

    let files = std::fs::read_dir(format!("/proc/{}/fd", webhook.process.id())).unwrap();
    let files = files.count();
    assert!(files < 1_000, "{files} files are open");
    let peak = webhook.process.peak_memory();
    println!("peak with 4,200 connections: {} KiB", peak / 1024);
    assert!(peak < MEMORY_LIMIT / 2, "{peak} bytes");
    drop((silent, encrypted));
}

#[test]
fn a_burst_of_ten_thousand_reviews_is_answered_within_the_memory_limit() {
    // Three API servers, each with as many requests under way as it has by its defaults
    // (`--max-mutating-requests-inflight`).
    const SERVERS: usize = 3;
    const UNDER_WAY: usize = 200;
    const REVIEWS: usize = 10_000;
    let scratch = Scratch::new("load");
    let identity = Identity::new("files", &[]);
    let webhook = Webhook::start_ready_with_files(&scratch, &identity, "webhook", &[]);
    let tls = http::tls(&identity.ca, &["h2"]);
    let port = webhook.port.number();
    let next = Arc::new(AtomicUsize::new(0));
    let answered: usize = clients().block_on(async {
        let mut tasks = JoinSet::new();
        for _ in 0..SERVERS {
            let sender = http::http2(port, &tls).await.unwrap();
            for _ in 0..UNDER_WAY {
                let (mut sender, next) = (sender.clone(), Arc::clone(&next));
                tasks.spawn(async move {
                    let mut answered = 0;
                    loop {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        if number >= REVIEWS {
                            return answered;
                        }
                        let uid = format!("u-{number}");
                        let body = Bytes::from(annotated(&uid).to_string());
                        let answer = sender.send_request(http::post("/mutate", body)).await;
                        let (status, body) = http::read(answer.unwrap()).await.unwrap();
                        let text = String::from_utf8_lossy(&body);
                        assert_eq!(status, 200, "{text}");
                        assert!(text.contains(&format!("\"{uid}\"")) && text.contains("JSONPatch"));
                        answered += 1;
                    }
                });
            }
        }
        tasks.join_all().await.into_iter().sum()
    });
    assert_eq!(answered, REVIEWS);
    let peak = webhook.process.peak_memory();
    println!("peak with 10,000 reviews: {} KiB", peak / 1024);
    assert!(peak < MEMORY_LIMIT / 2, "{peak} bytes");
}

#[test]
fn a_review_is_answered_alike_over_http_1_and_http_2() {
    let scratch = Scratch::new("load");
    let identity = Identity::new("files", &[]);
    let webhook = Webhook::start_ready_with_files(&scratch, &identity, "webhook", &[]);
    let asked = annotated("u-1");
    let (status, over_1) = post(&webhook.url("/mutate"), &identity.ca, &asked).unwrap();
    let tls = http::tls(&identity.ca, &["h2", "http/1.1"]);
    let (status_2, over_2) = clients().block_on(async {
        let mut sender = http::http2(webhook.port.number(), &tls).await.unwrap();
        let body = Bytes::from(asked.to_string());
        let answer = sender
            .send_request(http::post("/mutate", body))
            .await
            .unwrap();
        http::read(answer).await.unwrap()
    });
    assert_eq!((status, status_2), (200, 200));
    let over_2: Value = serde_json::from_slice(&over_2).unwrap();
    assert_eq!(over_1, over_2);
}

/// One connection over which a test writes bytes as it likes.
struct Raw {
    session: rustls::ClientConnection,
    socket: TcpStream,
}

impl Raw {
    fn connect(webhook: &Webhook, identity: &Identity) -> Self {
        let name = ServerName::try_from("localhost").unwrap();
        let session = rustls::ClientConnection::new(http::tls(&identity.ca, &[]), name).unwrap();
        let socket = http::open(webhook.port.number()).unwrap();
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        Self { session, socket }
    }

    /// Writes as much as the server takes and reads until it ends the connection.
    fn ask(mut self, bytes: &[u8]) -> String {
        let mut stream = rustls::Stream::new(&mut self.session, &mut self.socket);
        // A server that refuses need not read to the end.
        drop(stream.write_all(bytes).and_then(|()| stream.flush()));
        let mut answer = Vec::new();
        drop(stream.read_to_end(&mut answer));
        String::from_utf8_lossy(&answer).into_owned()
    }
}

#[test]
fn what_is_no_review_is_refused_and_the_next_one_is_answered() {
    let scratch = Scratch::new("load");
    let identity = Identity::new("files", &[]);
    let webhook = Webhook::start_ready_with_files(&scratch, &identity, "webhook", &[]);
    let posted = |headers: &str, body: &str| {
        format!(
            "POST /mutate HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}content-length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let json = "content-type: application/json\r\n";
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    for (what, bytes, expected) in [
        (
            "no HTTP",
            "\u{16}\u{3}\u{1}nonsense\r\n\r\n".to_owned(),
            "HTTP/1.1 400",
        ),
        (
            "an unknown version",
            "GET / HTTP/9.9\r\n\r\n".to_owned(),
            "HTTP/1.1 400",
        ),
        (
            "a head without end",
            format!(
                "GET / HTTP/1.1\r\nhost: x\r\nx: {}\r\n",
                "y".repeat(100_000)
            ),
            "HTTP/1.1 431",
        ),
        ("no content type", posted("", "{}"), "HTTP/1.1 400"),
        ("no JSON", posted(json, "{"), "HTTP/1.1 500"),
        ("no review", posted(json, "{}"), "HTTP/1.1 400"),
        ("no UTF-8", posted(json, "\"\u{1}\u{2}"), "HTTP/1.1 500"),
        ("too deep", posted(json, &deep), "HTTP/1.1 500"),
        (
            "two lengths",
            posted(&format!("{json}content-length: 1\r\n"), "{}"),
            "HTTP/1.1 400",
        ),
        (
            "broken chunks",
            format!(
                "POST /mutate HTTP/1.1\r\nhost: x\r\n{json}transfer-encoding: chunked\r\n\r\nzz\r\n"
            ),
            "HTTP/1.1 400",
        ),
        (
            "another path",
            "GET /etc HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".to_owned(),
            "HTTP/1.1 404",
        ),
    ] {
        let answer = Raw::connect(&webhook, &identity).ask(bytes.as_bytes());
        assert!(answer.starts_with(expected), "{what}: {answer:.200}");
    }
    answers_a_review(&webhook, &identity);
    let log = webhook.process.log_end();
    assert!(!log.contains("panicked"), "{log}");
}

#[test]
fn a_review_that_never_ends_does_not_hold_up_the_end_beyond_its_deadline() {
    let scratch = Scratch::new("load");
    let identity = Identity::new("files", &[]);
    let flags = ["--shutdown-delay=0s", "--shutdown-timeout=1s"];
    let mut webhook = Webhook::start_ready_with_files(&scratch, &identity, "webhook", &flags);
    let mut raw = Raw::connect(&webhook, &identity);
    let head = "POST /mutate HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{";
    rustls::Stream::new(&mut raw.session, &mut raw.socket)
        .write_all(head.as_bytes())
        .unwrap();
    wait::until_true("the review is under way", DEADLINE, || {
        get(&webhook.url("/metrics"), &identity.ca)
            .is_ok_and(|(_, text)| text.contains("vault_agent_injector_request_queue_length 1"))
    });
    let begun = Instant::now();
    let status = webhook.process.stop(Signal::TERM, DEADLINE).unwrap();
    assert_eq!(exit_code(status), 0);
    assert!(begun.elapsed() < Duration::from_secs(10));
    let log = webhook.process.log_end();
    assert!(log.contains("connections were cut"), "{log}");
}
