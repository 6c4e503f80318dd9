//! The agent as a program: signals first, then configuration, then one loop that waits for reports, alarms and
//! signals, and at the end an orderly leaving. Decisions are made in `core`, one login's work in `session`.

use std::{cell::RefCell, collections::BTreeMap, path::Path, process::ExitCode, rc::Rc};

use leasehold_vault::TlsSettings;
use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use tokio::sync::mpsc::{self, UnboundedReceiver};

use crate::{
    clock::{self, Alarm},
    core::{
        chance::Spread,
        machine::Rule,
        message::{Event, Leave, Stop},
    },
    environment::Environment,
    exit::ExitStatus,
    listener::{self, Caching, Desk, ListenerError, ProxyRules, Shared},
    log::Log,
    plan::Plan,
    process::Children,
    sentence,
    session::{Context, Report, Session, SessionError},
    state::{self, StateFolder},
    status::Status,
    supervisor::{Supervised, Supervisor},
    volume::{self, Placing},
};

mod credentials;
mod leaving;
mod signals;

use self::credentials::CredentialsWatch;
pub use self::{leaving::last_words, signals::Signals};

const AGENT: &str = "agent";

/// Why the agent cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// A login.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// The file with the number of the process.
    #[error("failed to write the pid file")]
    PidFile(#[source] volume::VolumeError),
    /// A listener.
    #[error(transparent)]
    Listener(#[from] ListenerError),
    /// The kernel gives no timer or signal.
    #[error("failed to prepare the event loop")]
    System(#[from] std::io::Error),
}

enum Happening {
    Report(usize, Box<Report>),
    Alarm,
    Stop,
    Reload,
    Quit,
    ChildEnded,
    Nothing,
}

/// What a configuration that was read anew says about the certificates of each login's connection, by the
/// login's name. Level and files of the log are the reader's business.
pub type Reloaded = BTreeMap<String, TlsSettings>;

/// Keeps the memory of this process out of core dumps and away from other processes of the same user. Called
/// before the first secret is read.
pub fn keep_memory_private() {
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
}

/// Runs the agent to its end.
///
/// # Errors
/// It cannot begin: a login's settings, a sink, the pid file.
pub async fn run(
    plan: Plan,
    environment: Environment,
    log: Log,
    mut signals: Signals,
    mut reload: impl FnMut(&Log) -> Option<Reloaded>,
) -> Result<ExitStatus, AgentError> {
    let (reports, mut incoming) = mpsc::unbounded_channel();
    let state = plan.state_folder.clone().map(StateFolder::new);
    let boot = state::boot();
    let children = Children::default();
    let mut sessions = Vec::new();
    for (number, login) in plan.logins.into_iter().enumerate() {
        let context = Context {
            reports: reports.clone(),
            number,
            log: log.clone(),
            environment: command_environment(&environment, &login.connection),
            state: state.clone(),
            boot: boot.clone(),
            children: children.clone(),
        };
        sessions.push(Session::new(
            login,
            context,
            Box::new(Spread::seeded(seed())),
        )?);
    }
    let supervisor = plan.exec.map(|exec| {
        Supervisor::new(Supervised {
            exec,
            environment: environment.clone(),
            reports: reports.clone(),
            sessions: sessions.len(),
            log: log.clone(),
            children: children.clone(),
        })
    });
    if let (Some(supervisor), Some(first)) = (&supervisor, sessions.first_mut()) {
        first.supervise(supervisor.clone());
    }
    let shared = Rc::new(RefCell::new(Shared::default()));
    if let Some(first) = sessions.first() {
        let desk = Rc::new(Desk::new(
            first.client().clone(),
            ProxyRules {
                use_token: plan.use_token,
                caching: plan.caching,
                retries: plan.proxy_retries,
            },
            Rc::clone(&shared),
            reports.clone(),
            sessions.len(),
            log.clone(),
            seed(),
        ));
        if plan.caching == Caching::On {
            tokio::task::spawn_local(Rc::clone(&desk).keep());
        }
        for listener in &plan.listeners {
            listener::open(listener, Rc::clone(&desk)).await?;
        }
    }
    let listens = if plan.listeners.is_empty() {
        Rule::Off
    } else {
        Rule::On
    };
    let pid_file = plan.pid_file.as_deref();
    if let Some(path) = pid_file {
        write_pid(path).map_err(AgentError::PidFile)?;
    }
    let mut agent = Agent {
        sessions,
        state,
        log,
        alarm: Alarm::new()?,
        shown: String::new(),
        ready: false,
        hands_over: plan.hands_over,
        is_first_process: rustix::process::getpid().is_init(),
        children,
        credentials: Vec::new(),
        shared,
        listens,
        supervisor,
    };
    let leave = agent.work(&mut incoming, &mut signals, &mut reload).await?;
    let status = agent.end(&leave, &mut signals).await;
    if let Some(path) = pid_file {
        let _ = std::fs::remove_file(path);
    }
    Ok(status)
}

struct Agent {
    sessions: Vec<Session>,
    state: Option<StateFolder>,
    log: Log,
    alarm: Alarm,
    shown: String,
    ready: bool,
    hands_over: Rule,
    is_first_process: bool,
    children: Children,
    credentials: Vec<CredentialsWatch>,
    shared: Rc<RefCell<Shared>>,
    listens: Rule,
    supervisor: Option<Supervisor>,
}

impl Agent {
    async fn work(
        &mut self,
        incoming: &mut UnboundedReceiver<(usize, Report)>,
        signals: &mut Signals,
        reload: &mut impl FnMut(&Log) -> Option<Reloaded>,
    ) -> Result<Leave, AgentError> {
        for (number, session) in self.sessions.iter_mut().enumerate() {
            self.credentials
                .extend(CredentialsWatch::of(number, session));
            session.start();
        }
        loop {
            self.settle();
            if let Some(leave) = self.leaving() {
                return Ok(leave);
            }
            let looks = self.credentials.iter().map(|watch| watch.look);
            let wakes = self
                .sessions
                .iter()
                .filter_map(Session::wakes)
                .chain(looks)
                .min();
            self.alarm.set(wakes)?;
            let happening = tokio::select! {
                Some((session, report)) = incoming.recv() => Happening::Report(session, Box::new(report)),
                rung = self.alarm.rings() => { rung?; Happening::Alarm }
                happening = signals.next() => happening,
            };
            match happening {
                Happening::Report(number, report) => {
                    if let Some(session) = self.sessions.get_mut(number) {
                        session.report(*report);
                    }
                }
                Happening::Alarm => {
                    self.look_at_credentials();
                    let now = clock::now();
                    for session in &mut self.sessions {
                        if session.wakes().is_some_and(|at| at <= now) {
                            session.take(Event::Tick);
                        }
                    }
                }
                Happening::Stop => {
                    self.log
                        .info(AGENT, "shutdown triggered, stopping the agent");
                    for session in &mut self.sessions {
                        session.take(Event::Stop(Stop::Signal));
                    }
                }
                Happening::Reload => {
                    self.log.info(AGENT, "reload triggered");
                    let reloaded = reload(&self.log).unwrap_or_default();
                    for session in &self.sessions {
                        let client = session.client();
                        let tls = reloaded.get(session.name()).cloned();
                        if let Err(error) = client.trust(tls.unwrap_or_else(|| client.tls())) {
                            let text = format!(
                                "the old certificates stay in use: {}",
                                sentence::chain(&error)
                            );
                            self.log.warn(AGENT, text);
                        }
                    }
                }
                Happening::Quit => std::process::exit(2),
                Happening::ChildEnded => self.reap(),
                Happening::Nothing => {}
            }
        }
    }

    /// What follows from the state of all logins together.
    fn settle(&mut self) {
        if !self.ready && self.sessions.iter().all(Session::is_ready) {
            self.ready = true;
            self.log.info(AGENT, "everything is in place");
            if let Some(state) = &self.state
                && let Err(error) = state.set_ready()
            {
                self.log.warn(AGENT, sentence::chain(&error));
            }
        }
        if self.state.is_none() && self.listens == Rule::Off {
            return;
        }
        let status = Status {
            ready: self.ready,
            pid: std::process::id(),
            logins: self.sessions.iter().map(Session::status).collect(),
        };
        let text = serde_json::to_string(&status).unwrap_or_default();
        if self.listens == Rule::On {
            let mut shared = self.shared.borrow_mut();
            shared.token = self.sessions.first().and_then(Session::token).cloned();
            shared.status = Some(status);
        }
        if let Some(state) = &self.state
            && text != self.shown
        {
            if let Err(error) = state.set_status(&text) {
                self.log.debug(AGENT, sentence::chain(&error));
            }
            self.shown = text;
        }
    }

    /// How to end, when a login wants to: at once for a failure or a signal, and when all are done for init.
    fn leaving(&self) -> Option<Leave> {
        let wishes: Vec<&Leave> = self.sessions.iter().filter_map(Session::leave).collect();
        let failed = wishes.iter().find(|leave| leave.status != 0);
        if let Some(failed) = failed {
            return Some((*failed).clone());
        }
        (wishes.len() == self.sessions.len())
            .then(|| wishes.first().map(|leave| (*leave).clone()))?
    }

    /// As the first process of a container the agent inherits orphans, and nobody else would bury them.
    fn reap(&self) {
        if !self.is_first_process {
            return;
        }
        use rustix::process::{Pid, WaitOptions, waitpid};
        for pid in children_of_this_process() {
            // Our own children are waited for by those who started them.
            if !self.children.has(pid) {
                let _ = waitpid(Pid::from_raw(pid), WaitOptions::NOHANG);
            }
        }
    }
}

impl From<AgentError> for ExitCode {
    fn from(_: AgentError) -> Self {
        ExitStatus::Failed.into()
    }
}

/// The numbers of all children, as the kernel lists them by thread.
fn children_of_this_process() -> Vec<i32> {
    let Ok(threads) = std::fs::read_dir("/proc/self/task") else {
        return Vec::new();
    };
    threads
        .filter_map(|thread| std::fs::read_to_string(thread.ok()?.path().join("children")).ok())
        .flat_map(|text| {
            text.split_whitespace()
                .filter_map(|pid| pid.parse().ok())
                .collect::<Vec<_>>()
        })
        .collect()
}

fn write_pid(path: &Path) -> Result<(), volume::VolumeError> {
    let placing = Placing {
        mode: Some(0o600),
        ..Placing::default()
    };
    volume::place(path, std::process::id().to_string().as_bytes(), &placing).map(|_| ())
}

/// The environment of commands: the agent's own and where the server is, as the established agent adds it.
fn command_environment(
    environment: &Environment,
    connection: &leasehold_vault::Settings,
) -> Environment {
    environment
        .clone()
        .with("VAULT_ADDR", &connection.address.to_string())
}

fn seed() -> u64 {
    let mut bytes = [0; 8];
    let _ = rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty());
    u64::from_ne_bytes(bytes)
}
