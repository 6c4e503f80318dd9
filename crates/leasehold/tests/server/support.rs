//! A running `leasehold serve` and a client that trusts what a test tells it to.

pub(crate) mod http;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use leasehold_testkit::net::{Identity, Port};
use leasehold_testkit::process::Server;
use leasehold_testkit::scratch::Scratch;
use serde_json::{Value, json};

/// How long a condition of a test may take to come true.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// A server process of ours.
pub(crate) struct Webhook {
    /// The process.
    pub(crate) process: Server,
    /// Where it listens.
    pub(crate) port: Port,
}

impl Webhook {
    /// Starts `leasehold COMMAND` on a port of its own; `ready` is not awaited.
    pub(crate) fn start(
        scratch: &Scratch,
        name: &str,
        flags: &[String],
        variables: &[(&str, &str)],
    ) -> Self {
        Self::start_as("serve", scratch, name, flags, variables)
    }

    /// Starts the server under one of its two names.
    pub(crate) fn start_as(
        program: &str,
        scratch: &Scratch,
        name: &str,
        flags: &[String],
        variables: &[(&str, &str)],
    ) -> Self {
        let port = Port::reserve();
        let mut command = Command::new(env!("CARGO_BIN_EXE_leasehold"));
        command
            .env_clear()
            .arg(program)
            .arg("--vault-address=http://vault.vault.svc:8200")
            .arg(format!("--listen=127.0.0.1:{}", port.number()))
            .args(flags)
            .envs(variables.iter().copied());
        let process = Server::start(name, command, &scratch.join(format!("{name}.log")));
        Self { process, port }
    }

    /// Starts `leasehold serve` with an identity's certificate and metrics, and waits until it is ready.
    pub(crate) fn start_ready_with_files(
        scratch: &Scratch,
        identity: &Identity,
        name: &str,
        more: &[&str],
    ) -> Self {
        let (certificate, key) = write_identity(scratch.path(), identity);
        let mut flags = vec![
            format!("--tls-cert-file={}", certificate.display()),
            format!("--tls-key-file={}", key.display()),
            "--telemetry-path=/metrics".to_owned(),
        ];
        flags.extend(more.iter().map(|flag| (*flag).to_owned()));
        let mut webhook = Self::start(scratch, name, &flags, &[]);
        webhook.await_ready(|| identity.ca.clone());
        webhook
    }

    /// The address of a path.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("https://127.0.0.1:{}{path}", self.port.number())
    }

    /// Waits until the server says that it is ready, trusting what `roots` gives.
    pub(crate) fn await_ready(&mut self, roots: impl Fn() -> String) {
        let url = self.url("/health/ready");
        self.process.await_ready(DEADLINE, || {
            get(&url, &roots()).is_ok_and(|(status, _)| status == 204)
        });
    }
}

/// Certificate files of an identity, written to a folder.
pub(crate) fn write_identity(folder: &Path, identity: &Identity) -> (PathBuf, PathBuf) {
    let (certificate, key) = (folder.join("tls.crt"), folder.join("tls.key"));
    std::fs::write(&certificate, &identity.certificate).expect("the folder is the test's own");
    std::fs::write(&key, &identity.key).expect("the folder is the test's own");
    (certificate, key)
}

/// A client's certificate with its key, both in PEM.
pub(crate) struct ClientIdentity {
    /// The certificate.
    pub(crate) certificate: String,
    /// Its key.
    pub(crate) key: String,
}

/// A client that trusts the certificates of a PEM text. Every call is a connection of its own.
pub(crate) fn client(roots: &str) -> ureq::Agent {
    client_with(roots, None)
}

/// The same, with a certificate of its own.
pub(crate) fn client_with(roots: &str, own: Option<&ClientIdentity>) -> ureq::Agent {
    use ureq::tls::{
        Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig, parse_pem,
    };
    let own = own.map(|own| {
        let certificate = Certificate::from_pem(own.certificate.as_bytes())
            .expect("the certificate was made by the test");
        let key = PrivateKey::from_pem(own.key.as_bytes()).expect("the key was made by the test");
        ClientCert::new_with_certs(&[certificate], key)
    });
    let certificates: Vec<_> = parse_pem(roots.as_bytes())
        .filter_map(Result::ok)
        .filter_map(|item| match item {
            PemItem::Certificate(certificate) => Some(certificate),
            _ => None,
        })
        .collect();
    let tls = TlsConfig::builder()
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .root_certs(RootCerts::new_with_certs(&certificates))
        .client_cert(own)
        .build();
    ureq::Agent::config_builder()
        .tls_config(tls)
        .http_status_as_error(false)
        .proxy(None)
        .timeout_global(Some(Duration::from_secs(10)))
        .build()
        .new_agent()
}

/// One GET: status and body.
pub(crate) fn get(url: &str, roots: &str) -> Result<(u16, String), ureq::Error> {
    let mut response = client(roots).get(url).call()?;
    Ok((
        response.status().as_u16(),
        response.body_mut().read_to_string()?,
    ))
}

/// One POST of JSON: status and the answer, which is a text when it is no JSON.
pub(crate) fn post(url: &str, roots: &str, body: &Value) -> Result<(u16, Value), ureq::Error> {
    post_as(None, url, roots, body)
}

/// The same, with a certificate of the client's own.
pub(crate) fn post_as(
    own: Option<&ClientIdentity>,
    url: &str,
    roots: &str,
    body: &Value,
) -> Result<(u16, Value), ureq::Error> {
    let mut response = client_with(roots, own)
        .post(url)
        .header("content-type", "application/json")
        .send(body.to_string())?;
    let text = response.body_mut().read_to_string()?;
    let answer = serde_json::from_str(&text).unwrap_or(Value::String(text));
    Ok((response.status().as_u16(), answer))
}

/// A review of an annotated pod.
pub(crate) fn review(uid: &str, namespace: &str, annotations: &Value) -> Value {
    json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": uid, "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "namespace": namespace, "operation": "CREATE", "dryRun": false,
            "object": {
                "apiVersion": "v1", "kind": "Pod",
                "metadata": {"generateName": "web-", "annotations": annotations},
                "spec": {"serviceAccountName": "web", "containers": [{"name": "app", "image": "web:1"}]}
            }
        }
    })
}
