//! `leasehold serve`: from flags to a running webhook, and from a signal to its end. The parts are in the modules
//! below; this one starts them in the right order and ends them together.

pub mod client_authority;
pub mod connection;
pub mod files;
pub mod metrics;
pub mod options;
pub mod places;
pub mod readiness;
pub mod router;
pub mod signals;
pub mod tls;

use std::sync::{Arc, OnceLock};

use leasehold_inject::Mode;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::authority;
use crate::cluster::client::{Access, Cluster, ClusterError};
use crate::cluster::namespaces::{self, Namespaces};
use crate::cluster::version;
use crate::exit::Exit;
use crate::flags::{Parsed, Program};
use crate::log;
use crate::server::client_authority::{AuthorityError, ClientAuthority};
use crate::server::connection::{Connections, Limits, ListenError};
use crate::server::files::FileError;
use crate::server::metrics::Metrics;
use crate::server::options::{Certificates, Options, OptionsError};
use crate::server::readiness::Readiness;
use crate::server::router::{Clients, Service};
use crate::server::signals::Signals;
use crate::server::tls::{Serving, TlsError};
use crate::settings::{self, Address, SettingsError};
use crate::webhook::Webhook;

/// Why the server does not start, or ended without being asked to.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The settings of the injection.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The settings of the server.
    #[error(transparent)]
    Options(#[from] OptionsError),
    /// The way to the API server.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// The log level.
    #[error(transparent)]
    Level(#[from] log::UnknownLevel),
    /// The TLS flags.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The certificate files.
    #[error("Failed to configure TLS: the files cannot be used")]
    Files(#[from] FileError),
    /// The authority of clients.
    #[error("Failed to configure TLS: the authority of clients cannot be used")]
    Clients(#[from] AuthorityError),
    /// The port.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The signals of the process.
    #[error("failed to install the handlers of SIGTERM and SIGINT")]
    Signals(#[source] std::io::Error),
    /// The metrics' registry.
    #[error("failed to register the metrics")]
    Metrics(#[from] prometheus::Error),
    /// A part that runs as long as the server ended.
    #[error("{0} ended, and the server cannot go on without it")]
    PartEnded(&'static str),
}

/// Runs the webhook until a signal ends it.
///
/// # Errors
/// In the order of the established injector: address, default template, cluster, log level, TLS, listener.
pub async fn run(
    parsed: &Parsed,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<Exit, ServeError> {
    let mut signals = Signals::install().map_err(ServeError::Signals)?;
    let settings = settings::injection(parsed, Address::Required)?;
    let given_version = settings::kube_version(parsed)?;
    let options = Options::read(parsed)?;
    let access = access(parsed, &options, environment)?;
    log::start(
        log::level(parsed.text("log-level"))?,
        parsed.text("log-format"),
    );
    let protocol = tls::protocol(&options.tls_min_version, &options.tls_cipher_suites)?;
    for sentence in &protocol.without_effect {
        tracing::warn!("{sentence}");
    }
    let cluster = match access {
        Some(access) => Some(access.connect(environment("NAMESPACE")).await?),
        None => {
            tracing::warn!("not in a cluster: annotations of Namespaces are not read");
            None
        }
    };
    for sentence in settings::doubtful(&settings) {
        tracing::warn!("{sentence}");
    }
    let metrics = Arc::new(Metrics::new()?);
    let readiness = Readiness::new(Arc::clone(&metrics));
    let serving = Arc::new(Serving::default());
    let client_authority = match &options.client_authority {
        Some(path) => Some(Arc::new(ClientAuthority::read(path.clone())?)),
        None => None,
    };
    let clients = if client_authority.is_some() {
        Clients::Verified
    } else {
        Clients::Anyone
    };
    let tls = tls::server_config(&protocol, Arc::clone(&serving), client_authority.clone())?;

    let mut parts = Parts::default();
    if let Some(authority) = client_authority {
        parts.forever("the watch of the clients' authority", authority.watch());
    }
    let kube_version = Arc::new(OnceLock::new());
    match (given_version, &cluster) {
        (Some(version), _) => drop(kube_version.set(version)),
        (None, Some(cluster)) if settings.agent_mode == Mode::Auto => {
            readiness.wait_for(version::CONDITION);
            let learn = version::learn(
                cluster.client.clone(),
                Arc::clone(&kube_version),
                readiness.clone(),
            );
            parts.tasks.spawn(async move {
                learn.await;
                Ended::AsMeant
            });
        }
        (None, _) => {}
    }
    let namespaces = match &cluster {
        Some(cluster) if options.namespace_defaults => {
            let namespaces = Namespaces::of(cluster.client.clone());
            readiness.wait_for(namespaces::CONDITION);
            parts.forever(
                "the watch of namespaces",
                namespaces.clone().watch(readiness.clone()),
            );
            namespaces
        }
        _ => Namespaces::without_defaults(),
    };
    let identity = identity(environment);
    certificates(
        &options,
        cluster.as_ref(),
        identity,
        &serving,
        &metrics,
        &readiness,
        &mut parts,
    )?;

    let listener = connection::listen(&options.listen).await?;
    let address = listener
        .local_addr()
        .map(|address| address.to_string())
        .unwrap_or_default();
    let service = Arc::new(Service {
        webhook: Webhook {
            settings,
            namespaces,
            kube_version,
            metrics: Arc::clone(&metrics),
        },
        readiness: readiness.clone(),
        metrics,
        clients,
        memory: router::body_memory(),
    });
    let router = router::router(service, &options.telemetry_path);
    let (stop, stopped) = watch::channel(false);
    let connections = Connections {
        listener,
        tls: Arc::new(tls),
        router,
        limits: Limits::default(),
    };
    let served = tokio::spawn(connections.run(stopped, options.shutdown_timeout));
    tracing::info!(%address, version = env!("CARGO_PKG_VERSION"), "listening");

    tokio::select! {
        name = signals.next() => tracing::info!(signal = name, "asked to end; no longer ready"),
        part = parts.unexpected_end() => return Err(ServeError::PartEnded(part)),
    }
    readiness.end();
    tokio::select! {
        () = tokio::time::sleep(options.shutdown_delay) => {}
        name = signals.next() => return Ok(aborted(name)),
    }
    if stop.send(true).is_err() {
        return Err(ServeError::PartEnded("the listener"));
    }
    tokio::select! {
        cut = served => match cut {
            Ok(0) => tracing::info!("every connection has ended; good-bye"),
            Ok(cut) => tracing::warn!(cut, "connections were cut at --shutdown-timeout"),
            Err(_) => return Err(ServeError::PartEnded("the listener")),
        },
        name = signals.next() => return Ok(aborted(name)),
    }
    parts.tasks.shutdown().await;
    Ok(Exit::Done)
}

/// The name of this replica among others: the pod's, or the process's.
fn identity(environment: &dyn Fn(&str) -> Option<String>) -> authority::Identity {
    let name = ["POD_NAME", "HOSTNAME"]
        .into_iter()
        .find_map(environment)
        .unwrap_or_default();
    authority::Identity(format!("{name}_{}", std::process::id()))
}

/// A Unix time as people read it.
#[must_use]
pub fn unix_time(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds)
        .map_or_else(|_| seconds.to_string(), |time| time.to_string())
}

fn aborted(signal: &str) -> Exit {
    tracing::warn!(
        signal,
        "asked to end a second time: the shutdown is aborted"
    );
    Exit::Aborted
}

/// The tasks that run beside the listener.
#[derive(Default)]
struct Parts {
    tasks: JoinSet<Ended>,
}

enum Ended {
    AsMeant,
    Unexpectedly(&'static str),
}

impl Parts {
    fn forever(&mut self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(async move {
            task.await;
            Ended::Unexpectedly(name)
        });
    }

    /// Returns only when a part has ended that should not.
    async fn unexpected_end(&mut self) -> &'static str {
        loop {
            match self.tasks.join_next().await {
                Some(Ok(Ended::AsMeant)) => {}
                Some(Ok(Ended::Unexpectedly(name))) => return name,
                Some(Err(_)) => return "a part that failed (its panic is in the log)",
                None => std::future::pending().await,
            }
        }
    }
}

/// How to reach the API server; none where nothing is asked of it.
fn access(
    parsed: &Parsed,
    options: &Options,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<Option<Access>, ClusterError> {
    match Access::tell(&options.kubeconfig, environment) {
        // With certificates from files only Namespaces would be read, and outside a cluster there are none.
        Err(ClusterError::Outside)
            if parsed.program() == Program::Serve
                && matches!(
                    options.certificates,
                    Certificates::Files { bundle: None, .. }
                ) =>
        {
            Ok(None)
        }
        told => told.map(Some),
    }
}

fn certificates(
    options: &Options,
    cluster: Option<&Cluster>,
    identity: authority::Identity,
    serving: &Arc<Serving>,
    metrics: &Arc<Metrics>,
    readiness: &Readiness,
    parts: &mut Parts,
) -> Result<(), ServeError> {
    match &options.certificates {
        Certificates::Files { files, bundle } => {
            let loaded = files.load()?;
            serving.replace(loaded.certificate);
            metrics.certificate("serving", loaded.end);
            parts.forever(
                "the watch of the certificate files",
                files
                    .clone()
                    .watch(Arc::clone(serving), Arc::clone(metrics)),
            );
            if let (Some(bundle), Some(cluster)) = (bundle, cluster) {
                files::certificates(&bundle.file)?;
                parts.forever(
                    "the upkeep of the caBundle",
                    authority::given::keep(bundle.clone(), cluster.client.clone()),
                );
            }
        }
        Certificates::SelfMade(plan) => {
            if let Some(cluster) = cluster {
                readiness.wait_for(authority::CONDITION);
                parts.forever(
                    "the upkeep of the certificates",
                    authority::keep(
                        plan.clone(),
                        cluster.clone(),
                        identity,
                        Arc::clone(serving),
                        Arc::clone(metrics),
                        readiness.clone(),
                    ),
                );
            }
        }
    }
    Ok(())
}
