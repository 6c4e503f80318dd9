//! Child processes that cannot outlive this one.
//!
//! The kernel sends a child its parent-death signal when the *thread* that started it ends, so all
//! children are started by one thread that lives as long as the process; `setpriv` arms the signal.
//! Thus servers and pods are gone after a panic, an interrupt or a kill, with nobody cleaning up.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Mutex, OnceLock};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal};

use crate::wait;

/// A running server: its output goes to a log file, and it is killed when dropped.
#[derive(Debug)]
pub struct Server {
    title: String,
    child: Child,
    log: PathBuf,
}

impl Server {
    /// Starts `command`, which [`guarded`] should have made, with both outputs appended to `log`.
    pub fn start(title: &str, mut command: Command, log: &Path) -> Self {
        let file = File::options()
            .create(true)
            .append(true)
            .open(log)
            .expect("the log file lies in a folder of our own");
        let copy = file.try_clone().expect("a file handle can be doubled");
        command.stdin(Stdio::null()).stdout(file).stderr(copy);
        let child =
            spawn(command).unwrap_or_else(|error| panic!("{title} could not be started: {error}"));
        Self {
            title: title.to_owned(),
            child,
            log: log.to_path_buf(),
        }
    }

    /// The process's id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The most memory that the process has ever had resident, in bytes.
    pub fn peak_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id()))
            .expect("the process runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kibibytes =
            line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok());
        kibibytes.expect("the kernel tells the peak of a process in kB") * 1024
    }

    /// Waits until `ready` holds. Panics with the log's end when the server ended or the deadline
    /// passed.
    #[track_caller]
    pub fn await_ready(&mut self, deadline: Duration, mut ready: impl FnMut() -> bool) {
        let mut ended = None;
        let outcome = wait::within(deadline, || {
            if ready() {
                return Some(true);
            }
            ended = self.child.try_wait().ok().flatten();
            ended.is_some().then_some(false)
        });
        if outcome == Some(true) {
            return;
        }
        let reason = match ended {
            Some(status) => format!("it ended with {status}"),
            None => format!("{deadline:?} passed"),
        };
        panic!(
            "{} did not become ready: {reason}; its log ends:\n{}",
            self.title,
            self.log_end()
        );
    }

    /// Asks the server to end, kills it when it has not within the deadline, and gives its status.
    pub fn stop(&mut self, signal: Signal, deadline: Duration) -> Option<ExitStatus> {
        let _ = send(self.child.id(), signal);
        let ended = wait::within(deadline, || self.child.try_wait().ok().flatten());
        if ended.is_none() {
            let _ = self.child.kill();
            return self.child.wait().ok();
        }
        ended
    }

    /// The last lines of its output.
    pub fn log_end(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A command that dies with this process where `setpriv` is there to arrange it.
pub fn guarded(program: impl AsRef<OsStr>) -> Command {
    match setpriv() {
        Some(setpriv) => {
            let mut command = Command::new(setpriv);
            command.args(["--pdeathsig", "KILL", "--"]).arg(program);
            command
        }
        None => Command::new(program),
    }
}

/// Starts a command on the thread that never ends.
pub fn spawn(command: Command) -> io::Result<Child> {
    type Request = (Command, Sender<io::Result<Child>>);
    static STARTER: OnceLock<Mutex<Sender<Request>>> = OnceLock::new();
    let starter = STARTER.get_or_init(|| {
        let (sender, requests) = channel::<Request>();
        thread::Builder::new()
            .name("process starter".to_owned())
            .spawn(move || {
                for (mut command, reply) in requests {
                    let _ = reply.send(command.spawn());
                }
            })
            .expect("the system can start a thread");
        Mutex::new(sender)
    });
    let (reply, answer) = channel();
    let sent = starter
        .lock()
        .map_err(|_| io::Error::other("the process starter is gone"))?
        .send((command, reply));
    sent.map_err(|_| io::Error::other("the process starter is gone"))?;
    answer
        .recv()
        .map_err(|_| io::Error::other("the process starter is gone"))?
}

/// Sends a signal to a process by its id.
pub fn send(process: u32, signal: Signal) -> io::Result<()> {
    let pid = i32::try_from(process)
        .ok()
        .and_then(Pid::from_raw)
        .ok_or_else(|| io::Error::other(format!("{process} is no process id")))?;
    rustix::process::kill_process(pid, signal).map_err(io::Error::from)
}

/// The exit code as a shell and a kubelet tell it: 128 + N after signal N.
pub fn exit_code(status: ExitStatus) -> i32 {
    status
        .code()
        .unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
}

/// Whether this process may do everything.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Where `setpriv` of util-linux is, if it can arm the parent-death signal.
pub fn setpriv() -> Option<&'static Path> {
    static FOUND: OnceLock<Option<PathBuf>> = OnceLock::new();
    FOUND
        .get_or_init(|| {
            let path = on_path("setpriv")?;
            let works = Command::new(&path)
                .args(["--pdeathsig", "KILL", "--", "true"])
                .stderr(Stdio::null())
                .status()
                .is_ok_and(|status| status.success());
            works.then_some(path)
        })
        .as_deref()
}

/// Looks a program up on PATH and in the folders for administrators, which PATH may lack.
pub fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/usr/bin", "/sbin", "/bin"].map(PathBuf::from))
        .map(|folder| folder.join(program))
        .find(|candidate| candidate.is_file())
}
