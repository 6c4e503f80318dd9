//! The process that the agent starts with secrets in its environment: started when everything is rendered,
//! restarted when a secret changes, stopped with the agent. When it ends by itself, so does the agent.

use std::{
    collections::BTreeMap,
    fs::File,
    os::unix::process::ExitStatusExt,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use leasehold_config::{CommandEnvironment, Exec, Restart, Signal};
use rustix::process::Pid;
use tokio::{
    process::Child,
    sync::{
        mpsc::{self, UnboundedReceiver, UnboundedSender},
        oneshot,
    },
};
use zeroize::Zeroizing;

use crate::{
    core::message::{Event, Stop},
    environment::Environment,
    log::Log,
    process::{self, Children},
    session::Report,
};

const MODULE: &str = "agent.exec.server";
/// Several changes close together restart the process once.
const QUIET_TIME: Duration = Duration::from_secs(2);
/// How long the process may take to end before it is killed.
const STOP_TIME: Duration = Duration::from_secs(30);

/// The rendered variables.
pub type Variables = BTreeMap<String, Zeroizing<String>>;

/// The handle to the process. Clones speak to the same one.
#[derive(Clone)]
pub struct Supervisor(UnboundedSender<Order>);

/// What the process is started with.
pub struct Supervised {
    /// What the configuration says.
    pub exec: Exec,
    /// The environment besides the rendered variables.
    pub environment: Environment,
    /// Where the end of the process is told.
    pub reports: UnboundedSender<(usize, Report)>,
    /// How many sessions have to hear of it.
    pub sessions: usize,
    /// The log.
    pub log: Log,
    /// The processes that are waited for.
    pub children: Children,
}

enum Order {
    Run(Variables),
    Stop(oneshot::Sender<()>),
}

struct Running {
    child: Child,
    group: Option<Pid>,
    _known: process::Known,
}

impl Supervisor {
    /// A supervisor without a process yet.
    #[must_use]
    pub fn new(supervised: Supervised) -> Self {
        let (orders, incoming) = mpsc::unbounded_channel();
        tokio::task::spawn_local(supervise(supervised, incoming));
        Self(orders)
    }

    /// The variables are complete, or have changed.
    pub fn run(&self, variables: Variables) {
        // The supervisor ends only with the agent.
        let _ = self.0.send(Order::Run(variables));
    }

    /// Stops the process and waits for its end.
    pub async fn stop(&self) {
        let (done, stopped) = oneshot::channel();
        if self.0.send(Order::Stop(done)).is_ok() {
            let _ = stopped.await;
        }
    }
}

async fn supervise(supervised: Supervised, mut orders: UnboundedReceiver<Order>) {
    let mut running: Option<Running> = None;
    loop {
        let order = match &mut running {
            None => orders.recv().await,
            Some(current) => tokio::select! {
                order = orders.recv() => order,
                ended = current.child.wait() => {
                    let status = ended.as_ref().map_or(1, |ended| exit_code(*ended));
                    supervised.log.info(MODULE, format!("the process ended by itself with status {status}"));
                    tell_end(&supervised, status);
                    running = None;
                    continue;
                }
            },
        };
        match order {
            None => return,
            Some(Order::Stop(done)) => {
                stop(&supervised, running.take()).await;
                let _ = done.send(());
            }
            Some(Order::Run(mut variables)) => {
                if running.is_some() {
                    if supervised.exec.restart_on_secret_changes == Restart::Never {
                        continue;
                    }
                    match settled(&mut orders, &mut variables).await {
                        None => {}
                        Some(done) => {
                            stop(&supervised, running.take()).await;
                            let _ = done.send(());
                            continue;
                        }
                    }
                    stop(&supervised, running.take()).await;
                }
                running = start(&supervised, &variables);
            }
        }
    }
}

fn tell_end(supervised: &Supervised, status: u8) {
    for session in 0..supervised.sessions {
        let event = Event::Stop(Stop::Child(status));
        // Nobody listens any more when the agent is leaving.
        let _ = supervised.reports.send((session, Report::Event(event)));
    }
}

/// Waits until the variables have been quiet for a while; a wish to stop ends the wait.
async fn settled(
    orders: &mut UnboundedReceiver<Order>,
    variables: &mut Variables,
) -> Option<oneshot::Sender<()>> {
    while let Ok(Some(order)) = tokio::time::timeout(QUIET_TIME, orders.recv()).await {
        match order {
            Order::Run(newer) => *variables = newer,
            Order::Stop(done) => return Some(done),
        }
    }
    None
}

fn start(supervised: &Supervised, variables: &Variables) -> Option<Running> {
    let exec = &supervised.exec;
    let rules = CommandEnvironment::default();
    let mut command = process::prepared(&exec.command, &rules, &supervised.environment);
    command.envs(
        variables
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str())),
    );
    command.kill_on_drop(true).process_group(0);
    for (path, is_error) in [
        (&exec.child_process_stdout, false),
        (&exec.child_process_stderr, true),
    ] {
        let Some(path) = path else {
            continue;
        };
        match File::options().create(true).append(true).open(path) {
            Ok(file) if is_error => {
                command.stderr(Stdio::from(file));
            }
            Ok(file) => {
                command.stdout(Stdio::from(file));
            }
            Err(error) => {
                let text = format!("`{path}` cannot be opened for the process's output: {error}");
                supervised.log.warn(MODULE, text);
            }
        }
    }
    match command.spawn() {
        Ok(child) => {
            let id = child.id();
            supervised.log.info(MODULE, "started the process");
            let group = id.and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
            Some(Running {
                child,
                group,
                _known: supervised.children.add(id),
            })
        }
        Err(error) => {
            supervised
                .log
                .error(MODULE, format!("the process cannot be started: {error}"));
            tell_end(supervised, 1);
            None
        }
    }
}

async fn stop(supervised: &Supervised, running: Option<Running>) {
    let Some(mut running) = running else {
        return;
    };
    process::signal_group(running.group, supervised.exec.restart_stop_signal);
    if tokio::time::timeout(STOP_TIME, running.child.wait())
        .await
        .is_err()
    {
        supervised
            .log
            .warn(MODULE, "the process did not end in time and is killed");
        process::signal_group(
            running.group,
            Signal::from_name("KILL").unwrap_or(Signal::TERMINATE),
        );
        let _ = running.child.wait().await;
    }
}

/// The status of a process as a shell tells it.
fn exit_code(status: ExitStatus) -> u8 {
    let code = status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}
