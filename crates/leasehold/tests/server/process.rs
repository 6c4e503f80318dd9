//! The server as a process: real TLS, certificate files that change, the ways to end.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::symlink;
use std::process::Command;

use leasehold_testkit::net::Identity;
use leasehold_testkit::process::{self, exit_code};
use leasehold_testkit::scratch::Scratch;
use leasehold_testkit::wait;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
};
use rustix::process::Signal;
use rustls::pki_types::ServerName;
use serde_json::json;

use crate::support::{
    ClientIdentity, DEADLINE, Webhook, get, http, post, post_as, review, write_identity,
};

fn with_files(scratch: &Scratch, identity: &Identity, more: &[&str]) -> Webhook {
    Webhook::start_ready_with_files(scratch, identity, "webhook", more)
}

#[test]
fn a_review_is_answered_over_tls_and_counted() {
    let scratch = Scratch::new("process");
    let identity = Identity::new("files", &[]);
    let webhook = with_files(&scratch, &identity, &["--shutdown-delay=0s"]);
    let asked = review(
        "u-1",
        "shop",
        &json!({
            "vault.hashicorp.com/agent-inject": "true", "vault.hashicorp.com/role": "web",
        }),
    );
    let (status, answer) = post(&webhook.url("/mutate"), &identity.ca, &asked).unwrap();
    assert_eq!(status, 200);
    assert_eq!(answer["response"]["uid"], "u-1");
    assert_eq!(answer["response"]["patchType"], "JSONPatch", "{answer}");
    let (_, text) = get(&webhook.url("/metrics"), &identity.ca).unwrap();
    assert!(
        text.contains("leasehold_reviews_total{endpoint=\"mutate\",outcome=\"patched\"} 1"),
        "{text}"
    );
}

/// A certificate authority for clients, and one client that it knows.
fn clients(title: &str) -> (String, ClientIdentity) {
    let mut authority = CertificateParams::default();
    authority.distinguished_name.push(DnType::CommonName, title);
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority_key = KeyPair::generate().unwrap();
    let certificate = authority.self_signed(&authority_key).unwrap().pem();
    let mut client = CertificateParams::default();
    client
        .distinguished_name
        .push(DnType::CommonName, "kube-apiserver");
    client.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let key = KeyPair::generate().unwrap();
    let issuer = Issuer::from_params(&authority, &authority_key);
    let signed = client.signed_by(&key, &issuer).unwrap();
    let identity = ClientIdentity {
        certificate: signed.pem(),
        key: key.serialize_pem(),
    };
    (certificate, identity)
}

#[test]
fn with_an_authority_for_clients_only_its_clients_are_answered_and_probes_still_are() {
    let scratch = Scratch::new("process");
    let identity = Identity::new("files", &[]);
    let (authority, known) = clients("clients");
    let (others, stranger) = clients("others");
    std::fs::write(scratch.join("clients.crt"), authority).unwrap();
    let flag = format!(
        "--tls-client-ca-file={}",
        scratch.join("clients.crt").display()
    );
    // That it gets ready at all shows that a probe, which has no certificate, is answered.
    let webhook = with_files(&scratch, &identity, &["--shutdown-delay=0s", &flag]);
    let asked = review("u-3", "shop", &json!({}));
    let url = webhook.url("/mutate");

    let (status, answer) = post_as(Some(&known), &url, &identity.ca, &asked).unwrap();
    assert_eq!((status, &answer["response"]["uid"]), (200, &json!("u-3")));

    let (status, answer) = post(&url, &identity.ca, &asked).unwrap();
    assert_eq!(status, 403, "{answer}");
    let (status, _) = post(&webhook.url("/validate"), &identity.ca, &asked).unwrap();
    assert_eq!(status, 403);

    // The certificate of another authority ends the handshake, until that one is the one.
    assert!(post_as(Some(&stranger), &url, &identity.ca, &asked).is_err());
    std::fs::write(scratch.join("clients.crt"), others).unwrap();
    wait::until_true("the new authority's client is answered", DEADLINE, || {
        post_as(Some(&stranger), &url, &identity.ca, &asked).is_ok_and(|(status, _)| status == 200)
    });
    assert!(post_as(Some(&known), &url, &identity.ca, &asked).is_err());
}

#[test]
fn an_authority_for_clients_that_cannot_be_read_stops_the_start() {
    let scratch = Scratch::new("process");
    let identity = Identity::new("files", &[]);
    let (certificate, key) = write_identity(scratch.path(), &identity);
    std::fs::write(scratch.join("clients.crt"), "no certificate").unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_leasehold"))
        .env_clear()
        .args(["serve", "--vault-address=http://v", "--listen=127.0.0.1:1"])
        .arg(format!("--tls-cert-file={}", certificate.display()))
        .arg(format!("--tls-key-file={}", key.display()))
        .arg(format!(
            "--tls-client-ca-file={}",
            scratch.join("clients.crt").display()
        ))
        .output()
        .unwrap();
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        message.contains("clients.crt` holds no certificate"),
        "{message}"
    );
}

#[test]
fn a_workload_is_let_through_with_warnings() {
    let scratch = Scratch::new("process");
    let identity = Identity::new("files", &[]);
    let webhook = with_files(&scratch, &identity, &["--shutdown-delay=0s"]);
    let mut asked = review("u-2", "shop", &json!({}));
    asked["request"]["kind"] = json!({"group": "apps", "version": "v1", "kind": "Deployment"});
    asked["request"]["object"] = json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web", "annotations": {"vault.hashicorp.com/agent-inject": "true"}},
        "spec": {"template": {
            "metadata": {"annotations": {"vault.hashicorp.com/agent-inject": "true"}},
            "spec": {"containers": [{"name": "app", "image": "web:1"}]},
        }},
    });
    let (status, answer) = post(&webhook.url("/validate"), &identity.ca, &asked).unwrap();
    assert_eq!(status, 200);
    assert_eq!(answer["response"]["allowed"], true);
    let warnings = answer["response"]["warnings"].to_string();
    assert!(
        warnings.contains("it is on the Deployment, not on its pod template"),
        "{warnings}"
    );
    assert!(
        warnings.contains("the pods of this Deployment will be denied"),
        "{warnings}"
    );
    assert!(warnings.contains("vault.hashicorp.com/role"), "{warnings}");
}

#[test]
fn changed_certificate_files_are_served_without_a_restart() {
    let scratch = Scratch::new("process");
    let (first, second) = (Identity::new("first", &[]), Identity::new("second", &[]));
    // As the kubelet mounts a Secret: files are links through `..data`, which is swapped.
    for (version, identity) in [("..1", &first), ("..2", &second)] {
        let folder = scratch.join(version);
        std::fs::create_dir(&folder).unwrap();
        write_identity(&folder, identity);
    }
    symlink("..1", scratch.join("..data")).unwrap();
    for name in ["tls.crt", "tls.key"] {
        symlink(format!("..data/{name}"), scratch.join(name)).unwrap();
    }
    let flags = [
        format!("--tls-cert-file={}", scratch.join("tls.crt").display()),
        format!("--tls-key-file={}", scratch.join("tls.key").display()),
    ];
    let mut webhook = Webhook::start(&scratch, "webhook", &flags, &[]);
    webhook.await_ready(|| first.ca.clone());
    assert!(get(&webhook.url("/health/ready"), &second.ca).is_err());
    symlink("..2", scratch.join("..next")).unwrap();
    std::fs::rename(scratch.join("..next"), scratch.join("..data")).unwrap();
    wait::until_true("the second certificate is served", DEADLINE, || {
        get(&webhook.url("/health/ready"), &second.ca).is_ok_and(|(status, _)| status == 204)
    });
}

#[test]
fn files_that_cannot_be_used_stop_the_start_and_later_ones_do_not_stop_the_service() {
    let scratch = Scratch::new("process");
    let identity = Identity::new("files", &[]);
    let webhook = with_files(&scratch, &identity, &[]);
    std::fs::write(scratch.join("tls.crt"), "no certificate").unwrap();
    wait::until_true("the fault is logged", DEADLINE, || {
        webhook.process.log_end().contains("the one before stays")
    });
    assert!(get(&webhook.url("/health/ready"), &identity.ca).is_ok());
    let output = Command::new(env!("CARGO_BIN_EXE_leasehold"))
        .env_clear()
        .args(["serve", "--vault-address=http://v", "--listen=127.0.0.1:1"])
        .arg(format!(
            "--tls-cert-file={}",
            scratch.join("tls.crt").display()
        ))
        .arg(format!(
            "--tls-key-file={}",
            scratch.join("tls.key").display()
        ))
        .output()
        .unwrap();
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        message.contains("tls.crt` holds no certificate"),
        "{message}"
    );
}

/// A TLS connection over which a request is written in pieces.
struct Slow {
    session: rustls::ClientConnection,
    socket: TcpStream,
}

impl Slow {
    fn connect(webhook: &Webhook, roots: &str) -> Self {
        let name = ServerName::try_from("localhost").unwrap();
        let session = rustls::ClientConnection::new(http::tls(roots, &[]), name).unwrap();
        let socket = http::open(webhook.port.number()).unwrap();
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        Self { session, socket }
    }

    fn send(&mut self, text: &str) {
        let mut stream = rustls::Stream::new(&mut self.session, &mut self.socket);
        stream.write_all(text.as_bytes()).unwrap();
        stream.flush().unwrap();
    }

    fn receive(&mut self) -> String {
        let mut text = Vec::new();
        let mut stream = rustls::Stream::new(&mut self.session, &mut self.socket);
        // The server may close without a farewell; what came before counts.
        drop(stream.read_to_end(&mut text));
        String::from_utf8_lossy(&text).into_owned()
    }
}

#[test]
fn a_review_under_way_is_answered_after_sigterm_and_readiness_falls_before() {
    let scratch = Scratch::new("process");
    let identity = Identity::new("files", &[]);
    let mut webhook = with_files(&scratch, &identity, &["--shutdown-delay=1s"]);
    let body = review("u-3", "shop", &json!({})).to_string();
    let mut slow = Slow::connect(&webhook, &identity.ca);
    let (begin, end) = body.split_at(body.len() / 2);
    slow.send(&format!(
        "POST /mutate HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: \
         {}\r\n\r\n{begin}",
        body.len()
    ));
    let url = webhook.url("/health/ready");
    let roots = identity.ca;
    let rest = end.to_owned();
    let client = std::thread::spawn(move || {
        wait::until_true(
            "readiness falls while connections are still taken",
            DEADLINE,
            || {
                get(&url, &roots)
                    .is_ok_and(|(status, body)| status == 503 && body.contains("about to end"))
            },
        );
        wait::until_true("no connection is taken any more", DEADLINE, || {
            get(&url, &roots).is_err()
        });
        slow.send(&rest);
        slow.receive()
    });
    let status = webhook.process.stop(Signal::TERM, DEADLINE).unwrap();
    let answer = client.join().unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.contains("u-3"),
        "{answer}"
    );
    assert_eq!(exit_code(status), 0);
}

#[test]
fn a_second_signal_aborts() {
    let scratch = Scratch::new("process");
    let identity = Identity::new("files", &[]);
    let (certificate, key) = write_identity(scratch.path(), &identity);
    let log = scratch.join("log");
    let mut command = Command::new(env!("CARGO_BIN_EXE_leasehold"));
    command
        .env_clear()
        .args([
            "serve",
            "--vault-address=http://v",
            "--listen=127.0.0.1:0",
            "--shutdown-delay=60s",
        ])
        .arg(format!("--tls-cert-file={}", certificate.display()))
        .arg(format!("--tls-key-file={}", key.display()))
        .stderr(std::fs::File::create(&log).unwrap());
    let mut child = process::spawn(command).unwrap();
    let logged = |words: &str| {
        wait::until_true(words, DEADLINE, || {
            std::fs::read_to_string(&log).unwrap().contains(words)
        });
    };
    logged("listening");
    process::send(child.id(), Signal::INT).unwrap();
    logged("no longer ready");
    process::send(child.id(), Signal::TERM).unwrap();
    assert_eq!(process::exit_code(child.wait().unwrap()), 3);
}

#[test]
fn a_body_over_the_limit_is_refused() {
    let scratch = Scratch::new("process");
    let identity = Identity::new("files", &[]);
    let webhook = with_files(&scratch, &identity, &[]);
    let huge = json!({"request": {"uid": "u", "object": {"x": "y".repeat(9 << 20)}}});
    match post(&webhook.url("/mutate"), &identity.ca, &huge) {
        Ok((status, answer)) => assert_eq!(status, 413, "{answer}"),
        // The server may close before the client has sent everything.
        Err(error) => assert!(!matches!(error, ureq::Error::Timeout(_)), "{error}"),
    }
    assert!(get(&webhook.url("/health/live"), &identity.ca).is_ok());
}
