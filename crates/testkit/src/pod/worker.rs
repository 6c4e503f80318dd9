//! The pod worker: one thread that does to the containers what a kubelet's would.
//!
//! It works one thing at a time as the kubelet does: while a `postStart` hook runs nothing else of
//! the pod is started, restarted or deleted.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::{ExitStatus, Output};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use crate::cluster::Objects;
use crate::process::exit_code;

use super::container::{self, Run, Setting, log_path, message_path};
use super::manifest::{Container, Handler, Kind, Manifest, RestartPolicy};
use super::sandbox::Sandbox;
use super::volume::{Source, Volume};
use super::{ContainerStatus, Options, Phase, Shared, State};

/// What the worker is told.
pub(super) enum Event {
    Exited {
        index: usize,
        run: u32,
        status: Option<ExitStatus>,
    },
    Hooked {
        index: usize,
        run: u32,
        outcome: Result<(), String>,
    },
    PreStopped {
        index: usize,
        run: u32,
    },
    Probed {
        index: usize,
        run: u32,
        probe: Probed,
        outcome: Result<(), String>,
    },
    RotateTokens(Sender<Result<(), String>>),
    Delete {
        grace: Option<Duration>,
    },
    End,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Probed {
    Startup,
    Liveness,
    Readiness,
}

/// What the worker knows of one container.
#[derive(Default)]
pub(super) struct Life {
    /// Counts the starts; events of earlier runs are stale.
    pub(super) run: u32,
    pub(super) running: bool,
    pub(super) main: u32,
    pub(super) env: Vec<(String, String)>,
    pub(super) not_before: Option<Instant>,
    pub(super) back_off: Duration,
    /// Ended and not to be started again.
    pub(super) finished: Option<i32>,
    /// What comes after it in the order may go on.
    pub(super) passed: bool,
    pub(super) failures: u32,
    pub(super) probing: bool,
    pub(super) next_probe: Option<Instant>,
    pub(super) started: bool,
    pub(super) leaving: Leaving,
}

/// How far a container's end has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Leaving {
    #[default]
    No,
    Hook {
        kill_at: Instant,
    },
    Signalled {
        kill_at: Instant,
    },
}

pub(super) struct Worker {
    pub(super) manifest: Manifest,
    pub(super) objects: Objects,
    pub(super) options: Options,
    pub(super) folder: PathBuf,
    pub(super) sandbox: Arc<Sandbox>,
    pub(super) volumes: Vec<Volume>,
    pub(super) shared: Arc<Shared>,
    pub(super) sender: Sender<Event>,
    pub(super) events: Receiver<Event>,
    pub(super) lives: Vec<Life>,
    /// The container whose hook is running.
    pub(super) hooked: Option<usize>,
    /// Until when everything is to have ended.
    pub(super) deleting: Option<Instant>,
    /// The end of a pod that came to its own: sidecars leave with this grace.
    pub(super) ending: Option<Instant>,
    pub(super) init_failed: bool,
}

impl Worker {
    #[expect(
        clippy::too_many_arguments,
        reason = "each is one part of the pod, made once"
    )]
    pub(super) fn new(
        manifest: Manifest,
        objects: Objects,
        options: Options,
        folder: PathBuf,
        sandbox: Arc<Sandbox>,
        volumes: Vec<Volume>,
        shared: Arc<Shared>,
        sender: Sender<Event>,
        events: Receiver<Event>,
    ) -> Self {
        let lives = manifest
            .containers
            .iter()
            .map(|_| Life::default())
            .collect();
        Self {
            manifest,
            objects,
            options,
            folder,
            sandbox,
            volumes,
            shared,
            sender,
            events,
            lives,
            hooked: None,
            deleting: None,
            ending: None,
            init_failed: false,
        }
    }

    /// Works until the pod's owner lets go of it.
    pub(super) fn run(mut self) {
        loop {
            self.advance();
            let event = match self.pause() {
                None => self
                    .events
                    .recv()
                    .map_err(|_| RecvTimeoutError::Disconnected),
                Some(pause) => self.events.recv_timeout(pause),
            };
            match event {
                Ok(Event::End) | Err(RecvTimeoutError::Disconnected) => return,
                Ok(event) => self.apply(event),
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    /// How long nothing happens unless something is told.
    fn pause(&self) -> Option<Duration> {
        let now = Instant::now();
        let mut times: Vec<Instant> = Vec::new();
        for life in &self.lives {
            times.extend(life.not_before.filter(|_| !life.running));
            if !life.probing {
                times.extend(life.next_probe);
            }
            match life.leaving {
                Leaving::No => {}
                Leaving::Hook { kill_at } | Leaving::Signalled { kill_at } => times.push(kill_at),
            }
        }
        times.extend(self.deleting.filter(|end| *end > now));
        times.extend(self.ending.filter(|end| *end > now));
        let rotation = self.volumes.iter().filter_map(Volume::next_rotation).min();
        if let Some(rotation) = rotation {
            let pause = rotation
                .duration_since(SystemTime::now())
                .unwrap_or_default();
            times.push(now + pause);
        }
        let next = times.into_iter().min()?;
        Some(
            next.saturating_duration_since(now)
                .max(Duration::from_millis(5)),
        )
    }

    fn apply(&mut self, event: Event) {
        match event {
            Event::Exited { index, run, status } => self.exited(index, run, status),
            Event::Hooked {
                index,
                run,
                outcome,
            } => self.post_started(index, run, outcome),
            Event::PreStopped { index, run } => {
                let life = &mut self.lives[index];
                if life.run == run
                    && let Leaving::Hook { kill_at } = life.leaving
                {
                    self.signal(index, kill_at);
                }
            }
            Event::Probed {
                index,
                run,
                probe,
                outcome,
            } => self.probed(index, run, probe, outcome),
            Event::RotateTokens(done) => {
                self.volumes.iter_mut().for_each(Volume::expire_tokens);
                let _ = done.send(self.refill());
            }
            Event::Delete { grace } => {
                if self.deleting.is_none() {
                    let grace = grace.unwrap_or(self.manifest.grace);
                    self.tell(format!("Killing the pod, grace {grace:?}"));
                    self.deleting = Some(Instant::now() + grace);
                }
            }
            Event::End => {}
        }
    }

    /// Starts, restarts, probes and ends whatever it is time for.
    fn advance(&mut self) {
        let due = self
            .volumes
            .iter()
            .filter_map(Volume::next_rotation)
            .any(|rotation| rotation <= SystemTime::now());
        if due && let Err(error) = self.refill() {
            self.tell(format!("FailedMount: {error}"));
        }
        self.kill_overdue();
        if self.hooked.is_some() {
            return;
        }
        if self.deleting.is_some() {
            self.leave();
            return;
        }
        if self.ending.is_some() || self.init_failed || self.apps_are_done() {
            self.end_by_itself();
            return;
        }
        self.start_probes();
        for index in 0..self.lives.len() {
            let kind = self.manifest.containers[index].kind;
            let life = &self.lives[index];
            let startable = !life.running
                && life.finished.is_none()
                && life.not_before.is_none_or(|time| time <= Instant::now());
            match kind {
                Kind::Init if life.finished == Some(0) => {}
                Kind::Init => {
                    if startable {
                        self.start(index);
                    }
                    return;
                }
                Kind::Sidecar => {
                    if startable {
                        self.start(index);
                    }
                    if self.hooked.is_some() || !self.lives[index].passed {
                        return;
                    }
                }
                Kind::App => {
                    if startable {
                        self.start(index);
                    }
                    if self.hooked.is_some() {
                        return;
                    }
                }
            }
        }
    }

    fn apps_are_done(&self) -> bool {
        self.each(Kind::App)
            .all(|index| self.lives[index].finished.is_some())
    }

    pub(super) fn each(&self, kind: Kind) -> impl DoubleEndedIterator<Item = usize> + use<> {
        let kinds: Vec<Kind> = self
            .manifest
            .containers
            .iter()
            .map(|one| one.kind)
            .collect();
        (0..kinds.len()).filter(move |index| kinds[*index] == kind)
    }

    fn start(&mut self, index: usize) {
        let one = self.manifest.containers[index].clone();
        let mut volumes = BTreeMap::new();
        for volume in &self.volumes {
            let path = match &volume.source {
                Source::Host(path) => path.clone(),
                _ => self.folder.join("volumes").join(&volume.name),
            };
            volumes.insert(volume.name.clone(), path);
        }
        let setting = Setting {
            folder: &self.folder,
            sandbox: &self.sandbox,
            manifest: &self.manifest,
            objects: &self.objects,
            volumes: &volumes,
            service_env: &self.options.service_env,
        };
        let outcome = container::start(&setting, &one);
        let life = &mut self.lives[index];
        life.run += 1;
        life.failures = 0;
        life.started = false;
        life.leaving = Leaving::No;
        let run_number = life.run;
        let Run {
            mut child,
            main,
            env,
        } = match outcome {
            Ok(run) => run,
            Err(error) => {
                life.not_before = Some(Instant::now() + self.options.back_off.1);
                self.tell(format!("Error: container {}: {error}", one.name));
                self.set_state(
                    index,
                    State::Waiting {
                        reason: "CreateContainerConfigError".into(),
                        message: error,
                    },
                );
                return;
            }
        };
        life.running = true;
        life.main = main;
        life.env = env;
        life.not_before = None;
        let sender = self.sender.clone();
        thread::spawn(move || {
            let status = child.wait().ok();
            let _ = sender.send(Event::Exited {
                index,
                run: run_number,
                status,
            });
        });
        self.shared.update(|status| {
            let own = &mut status.containers[index];
            own.state = State::Running;
            own.main_process = main;
            own.starts += 1;
            own.first_start.get_or_insert_with(Instant::now);
        });
        self.tell(format!("Started container {}", one.name));
        if let Some(hook) = one.post_start.clone() {
            self.hooked = Some(index);
            self.shared
                .update(|status| status.hooked = Some(one.name.clone()));
            let sender = self.sender.clone();
            self.in_container(index, hook, None, move |outcome| {
                let _ = sender.send(Event::Hooked {
                    index,
                    run: run_number,
                    outcome,
                });
            });
        } else {
            self.began(index);
        }
    }

    /// A container runs and its hook, if any, went well.
    fn began(&mut self, index: usize) {
        let one = &self.manifest.containers[index];
        let (startup, readiness) = (one.startup.clone(), one.readiness.is_some());
        let life = &mut self.lives[index];
        match startup {
            Some(probe) => life.next_probe = Some(Instant::now() + probe.delay),
            None => self.is_started(index),
        }
        if !readiness {
            self.shared
                .update(|status| status.containers[index].ready = true);
        }
    }

    pub(super) fn is_started(&mut self, index: usize) {
        let one = &self.manifest.containers[index];
        let next = one.liveness.as_ref().or(one.readiness.as_ref());
        let next = next.map(|probe| Instant::now() + probe.delay);
        let life = &mut self.lives[index];
        life.started = true;
        life.passed = true;
        life.next_probe = next;
        life.failures = 0;
        self.shared
            .update(|status| status.containers[index].started = true);
    }

    fn post_started(&mut self, index: usize, run: u32, outcome: Result<(), String>) {
        self.hooked = None;
        self.shared.update(|status| status.hooked = None);
        if self.lives[index].run != run {
            return;
        }
        let name = self.manifest.containers[index].name.clone();
        match outcome {
            Ok(()) if self.lives[index].running => self.began(index),
            Ok(()) => {}
            Err(error) => {
                self.tell(format!("FailedPostStartHook: container {name}: {error}"));
                self.shared.update(|status| {
                    status.containers[index].hook_failures += 1;
                });
                if self.lives[index].running {
                    let kill_at = Instant::now() + self.manifest.grace;
                    self.signal(index, kill_at);
                }
            }
        }
    }

    fn exited(&mut self, index: usize, run: u32, status: Option<ExitStatus>) {
        if self.lives[index].run != run {
            return;
        }
        let one = &self.manifest.containers[index];
        let (name, kind) = (one.name.clone(), one.kind);
        let code = status.map_or(137, exit_code);
        let message = self.termination_message(one, code);
        let life = &mut self.lives[index];
        life.running = false;
        life.next_probe = None;
        life.leaving = Leaving::No;
        life.back_off = match life.back_off {
            Duration::ZERO => self.options.back_off.0,
            last => (last * 2).min(self.options.back_off.1),
        };
        life.not_before = Some(Instant::now() + life.back_off);
        let leaving = self.deleting.is_some() || self.ending.is_some();
        let again = match (kind, self.manifest.restart_policy) {
            _ if leaving => false,
            (Kind::Sidecar, _) => true,
            (Kind::Init, RestartPolicy::Never) => false,
            (Kind::Init, _) => code != 0,
            (Kind::App, RestartPolicy::Always) => true,
            (Kind::App, RestartPolicy::OnFailure) => code != 0,
            (Kind::App, RestartPolicy::Never) => false,
        };
        if !again {
            life.finished = Some(code);
            life.not_before = None;
            if kind == Kind::Init && code != 0 && !leaving {
                self.init_failed = true;
            }
        }
        self.tell(format!("Container {name} ended with {code}"));
        self.shared.update(|status| {
            let own = &mut status.containers[index];
            own.exits.push(code);
            own.message = message;
            own.ready = false;
            own.started = false;
            own.main_process = 0;
            own.last_exit = Some(Instant::now());
            own.state = State::Terminated { code };
        });
    }

    /// What the container left at its termination message path, or the log's end.
    fn termination_message(&self, one: &Container, code: i32) -> String {
        let bytes = fs::read(message_path(&self.folder, &one.name)).unwrap_or_default();
        if !bytes.is_empty() {
            let end = bytes.len().min(4096);
            return String::from_utf8_lossy(&bytes[..end]).into_owned();
        }
        if !one.message_from_logs || code == 0 {
            return String::new();
        }
        let log = fs::read(log_path(&self.folder, &one.name)).unwrap_or_default();
        let log = String::from_utf8_lossy(&log[log.len().saturating_sub(2048)..]).into_owned();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(80)..].join("\n")
    }

    /// Does what a hook or probe says on a thread of its own.
    pub(super) fn in_container(
        &self,
        index: usize,
        handler: Handler,
        timeout: Option<Duration>,
        done: impl FnOnce(Result<(), String>) + Send + 'static,
    ) {
        let sandbox = Arc::clone(&self.sandbox);
        let one = self.manifest.containers[index].clone();
        let (main, env) = (self.lives[index].main, self.lives[index].env.clone());
        thread::spawn(move || {
            let execute =
                |command: &[String], timeout: Option<Duration>| -> Result<Output, String> {
                    container::exec(&sandbox, &one, &env, main, command, timeout)
                };
            done(container::handle(&handler, timeout, execute));
        });
    }

    /// Writes all volumes that the kubelet writes; the content of others is left alone.
    fn refill(&mut self) -> Result<(), String> {
        for volume in &mut self.volumes {
            if matches!(volume.source, Source::Written(_)) {
                let folder = self.folder.join("volumes").join(&volume.name);
                let lifetime = self.options.token_lifetime;
                let powers = self.sandbox.powers;
                volume.fill(&folder, &self.manifest, &self.objects, lifetime, powers)?;
            }
        }
        Ok(())
    }

    fn set_state(&self, index: usize, state: State) {
        self.shared
            .update(|status| status.containers[index].state = state);
    }

    pub(super) fn tell(&self, what: impl std::fmt::Display) {
        self.shared.update(|status| {
            let time = status.created.elapsed();
            status
                .events
                .push(format!("{:>8.3} {what}", time.as_secs_f64()));
            if status.phase == Phase::Pending
                && status
                    .containers
                    .iter()
                    .any(|one| one.kind == Kind::App && one.is_running())
            {
                status.phase = Phase::Running;
            }
        });
    }
}

impl ContainerStatus {
    pub(super) fn new(one: &Container) -> Self {
        Self {
            name: one.name.clone(),
            kind: one.kind,
            state: State::Waiting {
                reason: "PodInitializing".into(),
                message: String::new(),
            },
            starts: 0,
            started: false,
            ready: false,
            exits: Vec::new(),
            hook_failures: 0,
            message: String::new(),
            first_start: None,
            last_exit: None,
            asked_to_stop: None,
            main_process: 0,
        }
    }
}
