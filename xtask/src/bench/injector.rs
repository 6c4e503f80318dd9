//! The injector's budgets: processor time for a review, the slowest answers, memory, and the time
//! from start to ready.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::{Value, json};

use super::cluster::Cluster;
use super::http::Connection;
use super::process::Running;
use super::report::{Budget, Line, Report};
use super::{Contender, Options, median};
use crate::workspace;

/// Each pod of the mix is reviewed so often while it is measured.
const ROUNDS: usize = 25;

/// A folder for one measurement, removed afterwards.
pub(super) struct Folder {
    pub(super) path: PathBuf,
}

impl Folder {
    pub(super) fn make(name: &str) -> Result<Self> {
        let path = workspace::root()
            .join("target/bench")
            .join(format!("{name}-{}", std::process::id()));
        fs::create_dir_all(&path)
            .with_context(|| format!("failed to make the folder {}", path.display()))?;
        Ok(Self { path })
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}

#[derive(Debug, Clone, Copy)]
struct Figures {
    cpu: f64,
    p50: f64,
    p99: f64,
    resident: f64,
    ready: f64,
    binary: f64,
}

/// The established injector, recorded on a machine with two cores; what was not recorded is no
/// number.
const RECORDED: Figures = Figures {
    cpu: 606.0,
    p50: f64::NAN,
    p99: f64::NAN,
    resident: 42.0,
    ready: 276.0,
    binary: f64::NAN,
};

/// A connection that speaks TLS.
type Tls = Connection<StreamOwned<ClientConnection, TcpStream>>;

/// Measures ours, and the peer where one is named.
pub(super) fn measure(options: &Options) -> Result<Report> {
    let folder = Folder::make("injector")?;
    let cluster = Cluster::start(&folder.path)?;
    let ours = match &options.ours {
        Some(ours) => ours.clone(),
        None => {
            crate::image::program::build("leasehold", "release")?;
            let path = crate::image::program::path("leasehold", "release");
            Contender::new(
                "leasehold",
                vec![path.display().to_string(), "serve".to_owned()],
            )
        }
    };
    if options.peer.is_none() {
        eprintln!(
            "bench: no peer is named (--peer 'NAME=COMMAND agent-inject'); the table compares with \
             figures of vault-k8s 1.7.6 that were recorded on another machine with two cores"
        );
    }
    let reviews = reviews()?;
    let client = Client::make(&folder.path)?;
    let a = contend(&ours, options, &reviews, &client, &folder.path)?;
    let b = match &options.peer {
        Some(peer) => {
            let peer = cluster.around(peer);
            contend(&peer, options, &reviews, &client, &folder.path)?
        }
        None => RECORDED,
    };
    let line = |name, unit, pick: fn(&Figures) -> f64, budget| Line {
        name,
        unit,
        ours: pick(&a),
        peer: Some(pick(&b)).filter(|figure| figure.is_finite()),
        budget,
    };
    Ok(Report {
        title: format!(
            "injector: {} different pods, {ROUNDS} times each",
            reviews.len()
        ),
        ours: ours.name,
        peer: Some(
            options
                .peer
                .as_ref()
                .map_or_else(|| "(recorded)".to_owned(), |peer| peer.name.clone()),
        ),
        lines: vec![
            line(
                "processor time for a review",
                "µs",
                |f| f.cpu,
                Budget::Share(12.0),
            ),
            line(
                "half of the answers within",
                "µs",
                |f| f.p50,
                Budget::Share(8.0),
            ),
            line(
                "99 of 100 answers within",
                "µs",
                |f| f.p99,
                Budget::Share(8.0),
            ),
            line("resident", "MiB", |f| f.resident, Budget::Share(4.0)),
            line("start to ready", "ms", |f| f.ready, Budget::Share(15.0)),
            line(
                "size of the program",
                "MiB",
                |f| f.binary,
                Budget::Most(20.0),
            ),
        ],
    })
}

fn contend(
    contender: &Contender,
    options: &Options,
    reviews: &[Vec<u8>],
    client: &Client,
    folder: &Path,
) -> Result<Figures> {
    eprintln!("bench: {} ({} starts)", contender.name, options.runs);
    let mut starts = Vec::new();
    let mut last = None;
    for _ in 0..options.runs {
        drop(last.take());
        let address = TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .context("failed to find a free port")?;
        let arguments = [
            format!("-listen={address}"),
            "-vault-address=https://vault.vault.svc:8200".to_owned(),
            format!("-tls-cert-file={}", client.certificate.display()),
            format!("-tls-key-file={}", client.key.display()),
            "-log-level=error".to_owned(),
        ];
        let mut running = Running::start(contender, &arguments, &folder.join("log"))?;
        starts.push(running.until("it is ready", Duration::from_secs(20), || {
            client.is_ready(address)
        })?);
        last = Some((running, address));
    }
    let (running, address) = last.context("at least one start")?;
    let mut connection = client.connect(address)?;
    let mut ask = |body: &[u8]| -> Result<()> {
        let headers = [("Content-Type", "application/json")];
        let answer = connection.send("POST", "/mutate?timeout=10s", &headers, body)?;
        if answer.status != 200 {
            bail!(
                "{} answered a review with {}",
                contender.name,
                answer.status
            );
        }
        Ok(())
    };
    // The first round warms caches up, and is a check that all are answered.
    for review in reviews {
        ask(review)?;
    }
    let mut times = Vec::new();
    let before = running.cpu()?;
    for _ in 0..ROUNDS {
        for review in reviews {
            let started = Instant::now();
            ask(review)?;
            times.push(started.elapsed().as_secs_f64() * 1e6);
        }
    }
    let cpu = (running.cpu()? - before) * 1000.0 / times.len() as f64;
    let memory = running.memory()?;
    times.sort_by(f64::total_cmp);
    let at = |share: f64| {
        let index = (times.len() as f64 * share) as usize;
        times.get(index).copied().unwrap_or(f64::NAN)
    };
    let program = contender.program()?;
    let binary = fs::metadata(program)
        .with_context(|| format!("failed to look at {program}"))?
        .len();
    Ok(Figures {
        cpu,
        p50: at(0.5),
        p99: at(0.99),
        resident: memory.resident as f64 / (1024.0 * 1024.0),
        ready: median(starts),
        binary: binary as f64 / (1024.0 * 1024.0),
    })
}

/// The mix: every recorded pod, whatever becomes of it.
fn reviews() -> Result<Vec<Vec<u8>>> {
    let folder = workspace::root().join("tests/golden/inject");
    let entries =
        fs::read_dir(&folder).with_context(|| format!("failed to list {}", folder.display()))?;
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    let mut reviews = Vec::new();
    for path in paths
        .iter()
        .filter(|p| p.extension().is_some_and(|e| e == "json"))
    {
        let text = fs::read(path).with_context(|| format!("failed to read {}", path.display()))?;
        let case: Value = serde_json::from_slice(&text)
            .with_context(|| format!("failed to read {}", path.display()))?;
        if !case["pod"].is_object() {
            continue;
        }
        let review = json!({
            "apiVersion": "admission.k8s.io/v1",
            "kind": "AdmissionReview",
            "request": {
                "uid": format!("00000000-0000-0000-0000-{:012}", reviews.len()),
                "kind": {"group": "", "version": "v1", "kind": "Pod"},
                "resource": {"group": "", "version": "v1", "resource": "pods"},
                "namespace": case["request"]["namespace"],
                "operation": "CREATE",
                "userInfo": {"username": "system:serviceaccount:kube-system:replicaset-controller"},
                "object": case["pod"],
                "oldObject": null,
                "dryRun": false,
            },
        });
        reviews.push(review.to_string().into_bytes());
    }
    if reviews.is_empty() {
        bail!("{} holds no recorded pod", folder.display());
    }
    Ok(reviews)
}

/// The API server's side of the connection, and the certificate that the webhook serves.
struct Client {
    certificate: PathBuf,
    key: PathBuf,
    config: Arc<ClientConfig>,
}

impl Client {
    fn make(folder: &Path) -> Result<Self> {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()])
            .context("failed to make a certificate")?;
        let (certificate, key) = (folder.join("tls.crt"), folder.join("tls.key"));
        fs::write(&certificate, made.cert.pem())
            .and_then(|()| fs::write(&key, made.signing_key.serialize_pem()))
            .with_context(|| format!("failed to write to {}", folder.display()))?;
        let mut roots = RootCertStore::empty();
        roots
            .add(made.cert.der().clone())
            .context("failed to trust the certificate")?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .context("failed to set up TLS")?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self {
            certificate,
            key,
            config: Arc::new(config),
        })
    }

    fn connect(&self, address: SocketAddr) -> Result<Tls> {
        let stream = TcpStream::connect(address).context("failed to connect to the webhook")?;
        stream
            .set_nodelay(true)
            .and_then(|()| stream.set_read_timeout(Some(Duration::from_secs(10))))
            .context("failed to set up the connection")?;
        let name = ServerName::try_from("localhost").context("a name")?;
        let session = ClientConnection::new(Arc::clone(&self.config), name)
            .context("failed to set up TLS")?;
        Ok(Connection::new(StreamOwned::new(session, stream)))
    }

    fn is_ready(&self, address: SocketAddr) -> bool {
        self.connect(address)
            .and_then(|mut connection| connection.send("GET", "/health/ready", &[], b""))
            .is_ok_and(|answer| answer.status / 100 == 2)
    }
}
