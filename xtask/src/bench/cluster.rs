//! The part of a cluster that the established injector wants before it starts: the address of an
//! API server, and a service account's files at their fixed place.
//!
//! The API server here knows no object: its one list, of webhook configurations, is empty, since the
//! established injector serves no certificate before it has read it; everything else is answered with
//! 404. The files are mounted in a mount namespace of the program alone, which needs root.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use anyhow::{Context, Result};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::Contender;

/// An API server without objects. Its threads end with the program.
pub(super) struct Cluster {
    address: SocketAddr,
    /// What is mounted as the service account's folder.
    account: PathBuf,
}

/// Enters the account's folder and becomes the program that follows.
const ENTER: &str = "mount -t tmpfs none /run && \
    mkdir -p /run/secrets/kubernetes.io/serviceaccount && \
    cp \"$0\"/* /run/secrets/kubernetes.io/serviceaccount/ && \
    exec \"$@\"";

impl Cluster {
    pub(super) fn start(folder: &Path) -> Result<Self> {
        let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()])
            .context("failed to make a certificate")?;
        let account = folder.join("account");
        fs::create_dir_all(&account)
            .and_then(|()| fs::write(account.join("ca.crt"), made.cert.pem()))
            .and_then(|()| fs::write(account.join("token"), "token"))
            .and_then(|()| fs::write(account.join("namespace"), "default"))
            .with_context(|| format!("failed to write to {}", account.display()))?;
        let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .context("failed to set up TLS")?
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], PrivateKeyDer::Pkcs8(key))
            .context("failed to set up TLS")?;
        let config = Arc::new(config);
        let listener = TcpListener::bind("127.0.0.1:0").context("failed to listen")?;
        let address = listener
            .local_addr()
            .context("failed to learn an address")?;
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let config = Arc::clone(&config);
                thread::spawn(move || {
                    if let Ok(session) = ServerConnection::new(config) {
                        let _ = answer(StreamOwned::new(session, stream));
                    }
                });
            }
        });
        Ok(Self { address, account })
    }

    /// The contender inside of the cluster.
    pub(super) fn around(&self, contender: &Contender) -> Contender {
        let mut inside = contender.clone();
        let account = self.account.display().to_string();
        inside.wrapper = ["unshare", "--mount", "sh", "-c", ENTER, account.as_str()]
            .map(str::to_owned)
            .to_vec();
        inside.environment = vec![
            (
                "KUBERNETES_SERVICE_HOST".to_owned(),
                self.address.ip().to_string(),
            ),
            (
                "KUBERNETES_SERVICE_PORT".to_owned(),
                self.address.port().to_string(),
            ),
        ];
        inside
    }
}

/// Answers each request as an API server without objects does.
fn answer(stream: StreamOwned<ServerConnection, TcpStream>) -> std::io::Result<()> {
    const NOTHING: &str =
        r#"{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"NotFound","code":404}"#;
    const EMPTY: &str = r#"{"kind":"MutatingWebhookConfigurationList","apiVersion":"admissionregistration.k8s.io/v1","metadata":{"resourceVersion":"1"},"items":[]}"#;
    let mut stream = BufReader::new(stream);
    loop {
        let mut length = 0_u64;
        let mut request = String::new();
        if stream.read_line(&mut request)? == 0 {
            return Ok(());
        }
        let lists =
            request.contains("/mutatingwebhookconfigurations") && !request.contains("watch=");
        let (status, body) = if lists {
            ("200 OK", EMPTY)
        } else {
            ("404 Not Found", NOTHING)
        };
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let line = line.trim().to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap_or_default();
            }
        }
        std::io::copy(&mut (&mut stream).take(length), &mut std::io::sink())?;
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        let socket = stream.get_mut();
        socket.write_all(head.as_bytes())?;
        socket.write_all(body.as_bytes())?;
        socket.flush()?;
    }
}
