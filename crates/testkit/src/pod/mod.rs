//! A pod runner that does with a patched pod what a kubelet does.
//!
//! Volumes (memory-backed ones as tmpfs with their size limit, projected tokens with audience, mode
//! and rotation), init containers in order, native sidecars with `postStart` and startup probes,
//! users and groups, read-only roots, restart policy with a short back-off, termination order and
//! grace, termination messages, logs and `exec`. The network is this machine's own, so `127.0.0.1`
//! in a container reaches the servers of the test; images are described in `image`.
//!
//! As root everything is as in a cluster. Without root it runs in a user namespace, and
//! [`Pod::limits`] says which assertions cannot be made.

mod container;
mod image;
mod leaving;
mod manifest;
mod probing;
mod sandbox;
mod volume;
mod worker;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;

use crate::cluster::Cluster;
use crate::process;
use crate::scratch::Scratch;

use self::container::{log_path, message_path};
use self::manifest::Manifest;
use self::sandbox::{Powers, Sandbox, quote};
use self::volume::{Source, Volume};
use self::worker::{Event, Worker};

pub use self::manifest::Kind;

/// How a pod is run where a cluster's own way is too slow for tests.
#[derive(Debug, Clone)]
pub struct Options {
    /// First and longest pause before a restart. A kubelet has 10 s and 5 min.
    pub back_off: (Duration, Duration),
    /// Upper limit of a token's life. A cluster has none below ten minutes; with less, the rotation
    /// at four fifths of it can be watched.
    pub token_lifetime: Option<Duration>,
    /// Variables that all containers get, as those of a cluster's services.
    pub service_env: Vec<(String, String)>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            back_off: (Duration::from_millis(200), Duration::from_secs(2)),
            token_lifetime: None,
            service_env: Vec::new(),
        }
    }
}

/// Where a pod is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// No application container runs yet.
    Pending,
    /// An application container was started.
    Running,
    /// All application containers ended with 0 and will not be restarted.
    Succeeded,
    /// A container ended otherwise and will not be restarted.
    Failed,
    /// It was deleted, and all its containers have ended.
    Deleted,
}

/// What a container does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Not started, and why.
    Waiting {
        /// One word, such as `PodInitializing`.
        reason: String,
        /// A sentence, or nothing.
        message: String,
    },
    /// Its process runs.
    Running,
    /// Its process ended; a restart makes it `Running` again.
    Terminated {
        /// Exit code, 128 + N after signal N.
        code: i32,
    },
}

/// What is known of a container.
#[derive(Debug, Clone)]
pub struct ContainerStatus {
    /// Its name.
    pub name: String,
    /// Init container, sidecar or application.
    pub kind: Kind,
    /// What it does now.
    pub state: State,
    /// How often it was started.
    pub starts: u32,
    /// Its hook and startup probe went well.
    pub started: bool,
    /// It runs, and its readiness probe, if any, went well.
    pub ready: bool,
    /// Exit codes of all runs that ended.
    pub exits: Vec<i32>,
    /// How often its `postStart` hook failed.
    pub hook_failures: u32,
    /// The termination message of the last run that ended.
    pub message: String,
    /// When it was started first.
    pub first_start: Option<Instant>,
    /// When its last run ended.
    pub last_exit: Option<Instant>,
    /// When it was first sent SIGTERM.
    pub asked_to_stop: Option<Instant>,
    /// Its main process as this machine sees it, or 0.
    pub main_process: u32,
}

impl ContainerStatus {
    /// Whether its process runs.
    pub fn is_running(&self) -> bool {
        self.state == State::Running
    }
}

/// What is known of a pod.
#[derive(Debug, Clone)]
pub struct Status {
    /// Where it is in its life.
    pub phase: Phase,
    /// Init containers first, in their order.
    pub containers: Vec<ContainerStatus>,
    /// What happened, with seconds since the start.
    pub events: Vec<String>,
    /// When it was created.
    pub created: Instant,
    /// When everything had ended after a deletion.
    pub deleted_at: Option<Instant>,
    /// The container whose `postStart` hook runs.
    hooked: Option<String>,
    /// Counts the changes.
    changes: u64,
}

/// The longest pause between two looks at a condition.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

impl Status {
    /// One container's part. Panics when there is none of that name.
    #[track_caller]
    pub fn container(&self, name: &str) -> &ContainerStatus {
        self.containers
            .iter()
            .find(|one| one.name == name)
            .unwrap_or_else(|| panic!("the pod has no container called {name:?}"))
    }
}

/// What the worker tells everybody.
struct Shared {
    status: Mutex<Status>,
    changed: Condvar,
}

impl Shared {
    fn update(&self, change: impl FnOnce(&mut Status)) {
        let mut status = self
            .status
            .lock()
            .expect("no thread panics while it holds the status");
        change(&mut status);
        status.changes += 1;
        self.changed.notify_all();
    }
}

/// A running pod. Dropping it kills its processes and removes its volumes.
pub struct Pod {
    manifest: Manifest,
    shared: Arc<Shared>,
    sender: Sender<Event>,
    worker: Option<JoinHandle<()>>,
    sandbox: Arc<Sandbox>,
    memory: BTreeMap<String, bool>,
    // Last: the sandbox's mounts are in it.
    scratch: Scratch,
}

impl Pod {
    /// Runs a pod as the API server would have kept it. Panics where it would be refused.
    #[track_caller]
    pub fn start(cluster: &Cluster, pod: &Value, options: Options) -> Self {
        match Self::try_start(cluster, pod, options) {
            Ok(pod) => pod,
            Err(error) => panic!("the pod was refused: {error}"),
        }
    }

    /// Runs a pod, or says why the API server or the kubelet would not.
    pub fn try_start(cluster: &Cluster, pod: &Value, options: Options) -> Result<Self, String> {
        let powers = Powers::find();
        for limit in powers.limits() {
            eprintln!("pod runner, without root: {limit}");
        }
        let objects = cluster.objects();
        let mut manifest = Manifest::read(pod)?;
        objects.service_account(&manifest.namespace, &manifest.service_account);
        manifest.object = objects.put("", "v1", "pods", Some(&manifest.namespace), pod);

        let scratch = Scratch::new("pod");
        let folder = scratch.path().to_path_buf();
        let mut volumes = Vec::new();
        let mut mounts = String::new();
        let mut memory = BTreeMap::new();
        for declared in &manifest.volumes {
            let mut volume = Volume::read(declared)?;
            let path = folder.join("volumes").join(&volume.name);
            volume.fill(&path, &manifest, &objects, options.token_lifetime, powers)?;
            memory.insert(
                volume.name.clone(),
                matches!(volume.source, Source::Memory { .. }),
            );
            if let Source::Memory { size } = volume.source {
                let size = size.map(|size| format!(",size={size}")).unwrap_or_default();
                let path = quote(&path.display().to_string());
                let _ = writeln!(mounts, "mount -t tmpfs -o mode=0777{size} volume {path}");
                if let Some(group) = manifest.fs_group.filter(|_| powers == Powers::Root) {
                    let _ = writeln!(mounts, "chown :{group} {path} && chmod 2777 {path}");
                }
            }
            volumes.push(volume);
        }
        let sandbox = Arc::new(Sandbox::start(
            &folder,
            powers,
            manifest.shared_processes,
            &mounts,
        )?);
        for one in &manifest.containers {
            let _ = fs::write(log_path(&folder, &one.name), "");
            let _ = fs::write(message_path(&folder, &one.name), "");
        }
        let shared = Arc::new(Shared {
            status: Mutex::new(Status {
                phase: Phase::Pending,
                containers: manifest
                    .containers
                    .iter()
                    .map(ContainerStatus::new)
                    .collect(),
                events: Vec::new(),
                created: Instant::now(),
                deleted_at: None,
                hooked: None,
                changes: 0,
            }),
            changed: Condvar::new(),
        });
        let (sender, events) = channel();
        let worker = Worker::new(
            manifest.clone(),
            objects,
            options,
            folder,
            Arc::clone(&sandbox),
            volumes,
            Arc::clone(&shared),
            sender.clone(),
            events,
        );
        let worker = std::thread::Builder::new()
            .name("pod worker".to_owned())
            .spawn(move || worker.run())
            .map_err(|error| format!("the pod worker could not be started: {error}"))?;
        Ok(Self {
            manifest,
            shared,
            sender,
            worker: Some(worker),
            sandbox,
            memory,
            scratch,
        })
    }

    /// What cannot be asserted on this machine, in sentences.
    pub fn limits(&self) -> &'static [&'static str] {
        self.sandbox.powers.limits()
    }

    /// What is known now.
    pub fn status(&self) -> Status {
        self.shared
            .status
            .lock()
            .expect("no thread panics while it holds the status")
            .clone()
    }

    /// Waits until `condition` holds; panics with all that happened when the deadline passes.
    #[track_caller]
    pub fn wait_until(
        &self,
        what: &str,
        deadline: Duration,
        condition: impl Fn(&Status) -> bool,
    ) -> Status {
        let end = Instant::now() + deadline;
        loop {
            // Asked without the lock: a condition may look at logs and files, and at us.
            let status = self.status();
            if condition(&status) {
                return status;
            }
            if Instant::now() >= end {
                panic!("waited {deadline:?} in vain: {what}\n{}", self.story());
            }
            let known = status.changes;
            let guard = self
                .shared
                .status
                .lock()
                .expect("no thread panics while it holds the status");
            // Files and logs change without a word, so it never rests for long.
            let _unused = self
                .shared
                .changed
                .wait_timeout_while(guard, LOOK_AGAIN, |status| status.changes == known)
                .expect("no thread panics while it holds the status");
        }
    }

    /// Waits until a container's process runs.
    #[track_caller]
    pub fn wait_running(&self, container: &str, deadline: Duration) -> Status {
        self.wait_until(
            &format!("the container {container} runs"),
            deadline,
            |status| status.container(container).is_running(),
        )
    }

    /// Waits until the pod came to its own end.
    #[track_caller]
    pub fn wait_ended(&self, deadline: Duration) -> Status {
        self.wait_until("the pod has ended", deadline, |status| {
            !matches!(status.phase, Phase::Pending | Phase::Running)
        })
    }

    /// Deletes the pod as `kubectl delete` does, and waits until everything has ended. `None` takes
    /// the pod's own grace.
    #[track_caller]
    pub fn delete(&self, grace: Option<Duration>, deadline: Duration) -> Status {
        let _ = self.sender.send(Event::Delete { grace });
        self.wait_until("the deleted pod is gone", deadline, |status| {
            status.deleted_at.is_some()
        })
    }

    /// Asks for the pod's deletion and returns at once.
    pub fn begin_delete(&self, grace: Option<Duration>) {
        let _ = self.sender.send(Event::Delete { grace });
    }

    /// Replaces all projected tokens now, as the kubelet does at four fifths of their life.
    #[track_caller]
    pub fn rotate_tokens(&self) {
        let (sender, done) = channel();
        let _ = self.sender.send(Event::RotateTokens(sender));
        match done.recv() {
            Ok(Ok(())) => {}
            other => panic!("the tokens could not be replaced: {other:?}"),
        }
    }

    /// Sends a signal to a container's main process.
    #[track_caller]
    pub fn signal(&self, container: &str, signal: Signal) {
        let main = self.status().container(container).main_process;
        assert_ne!(main, 0, "the container {container} does not run");
        process::send(main, signal).expect("an own process can be signalled");
    }

    /// Runs a command in a container, as `kubectl exec`.
    #[track_caller]
    pub fn exec(&self, container: &str, command: &[&str]) -> Output {
        let main = self.status().container(container).main_process;
        assert_ne!(main, 0, "the container {container} does not run");
        let one = self
            .manifest
            .containers
            .iter()
            .find(|one| one.name == container)
            .expect("a container with a status is in the manifest");
        let words: Vec<String> = command.iter().map(ToString::to_string).collect();
        let env = read_environment(main);
        container::exec(&self.sandbox, one, &env, main, &words, None)
            .unwrap_or_else(|error| panic!("exec in {container}: {error}"))
    }

    /// Everything that a container wrote, all its runs.
    pub fn logs(&self, container: &str) -> String {
        let bytes = fs::read(log_path(self.scratch.path(), container)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The logs as `kubectl logs` gives them: refused while the container's first start is held up
    /// by its own `postStart` hook.
    pub fn kubectl_logs(&self, container: &str) -> Result<String, String> {
        let status = self.status();
        let own = status.container(container);
        let never_seen =
            own.starts == 0 || (own.starts == 1 && status.hooked.as_deref() == Some(container));
        if never_seen {
            return Err(format!(
                "container \"{container}\" in pod \"{}\" is waiting to start: PodInitializing",
                self.manifest.name
            ));
        }
        Ok(self.logs(container))
    }

    /// Where a path of a container is for this process. The path must lie in one of its volumes,
    /// which can be read whether the container runs or not.
    #[track_caller]
    pub fn path(&self, container: &str, path: &str) -> PathBuf {
        let one = self
            .manifest
            .containers
            .iter()
            .find(|one| one.name == container)
            .unwrap_or_else(|| panic!("the pod has no container called {container:?}"));
        let mount = one
            .mounts
            .iter()
            .filter(|mount| Path::new(path).starts_with(&mount.path))
            .max_by_key(|mount| mount.path.len())
            .unwrap_or_else(|| panic!("{path} of {container} is in none of its volumes"));
        let rest = Path::new(path)
            .strip_prefix(&mount.path)
            .unwrap_or(Path::new(""));
        let mut inside = self.scratch.join("volumes").join(&mount.volume);
        if !mount.sub_path.is_empty() {
            inside.push(&mount.sub_path);
        }
        if !rest.as_os_str().is_empty() {
            inside.push(rest);
        }
        if self.memory.get(&mount.volume) == Some(&true) {
            return self.sandbox.path(&inside);
        }
        inside
    }

    /// The text of a file in one of a container's volumes, if it is there.
    #[track_caller]
    pub fn read(&self, container: &str, path: &str) -> Option<String> {
        let bytes = fs::read(self.path(container, path)).ok()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Everything that happened and was written, for a failing test's message.
    pub fn story(&self) -> String {
        let status = self.status();
        let mut story = format!("pod {}, {:?}\n", self.manifest.name, status.phase);
        for event in &status.events {
            let _ = writeln!(story, "{event}");
        }
        for one in &status.containers {
            let _ = writeln!(
                story,
                "--- {} {:?}, exits {:?}",
                one.name, one.state, one.exits
            );
            let log = self.logs(&one.name);
            let lines: Vec<&str> = log.lines().collect();
            for line in &lines[lines.len().saturating_sub(40)..] {
                let _ = writeln!(story, "    {line}");
            }
        }
        story
    }
}

impl Drop for Pod {
    fn drop(&mut self) {
        let _ = self.sender.send(Event::End);
        if let Some(worker) = self.worker.take() {
            let _ = worker.join();
        }
        // The sandbox's end takes all processes and mounts with it; a waiter or hook thread may
        // still hold it, so its process is told now.
        self.sandbox.end();
    }
}

/// The environment that a process was started with.
fn read_environment(process: u32) -> Vec<(String, String)> {
    let bytes = fs::read(format!("/proc/{process}/environ")).unwrap_or_default();
    bytes
        .split(|byte| *byte == 0)
        .filter_map(|pair| {
            let pair = String::from_utf8_lossy(pair);
            let (name, value) = pair.split_once('=')?;
            Some((name.to_owned(), value.to_owned()))
        })
        .collect()
}
