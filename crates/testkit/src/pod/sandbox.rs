//! The namespaces that a pod's containers live in, and what of it this machine allows.
//!
//! A sandbox is one sleeping process with a mount and a process namespace of its own. All mounts of
//! the pod are made inside, all its processes are descendants inside, so killing that one process
//! undoes everything; and it dies with us.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use crate::process::{self, guarded, is_root, on_path, spawn};
use crate::wait;

/// What this machine lets us do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Powers {
    /// Real users, owners and modes.
    Root,
    /// Namespaces of an unprivileged user: mounts are real, all users are ourselves.
    UserNamespace,
}

impl Powers {
    /// Finds out once by trying. Panics where neither works.
    pub(super) fn find() -> Self {
        static FOUND: OnceLock<Option<Powers>> = OnceLock::new();
        let found = FOUND.get_or_init(|| {
            let works = |arguments: &[&str]| {
                Command::new("unshare")
                    .args(arguments)
                    .args([
                        "--mount", "--pid", "--fork", "--", "mount", "-t", "tmpfs", "x", "/tmp",
                    ])
                    .stderr(Stdio::null())
                    .status()
                    .is_ok_and(|status| status.success())
            };
            if is_root() && works(&[]) {
                return Some(Powers::Root);
            }
            works(&["--user", "--map-root-user"]).then_some(Powers::UserNamespace)
        });
        found.unwrap_or_else(|| {
            panic!(
                "pods cannot be run on this machine: neither root nor user namespaces are \
                 available to `unshare --mount --pid` of util-linux"
            )
        })
    }

    /// What cannot be asserted with these powers.
    pub(super) fn limits(self) -> &'static [&'static str] {
        match self {
            Self::Root => &[],
            Self::UserNamespace => &[
                "containers do not run under their runAsUser and runAsGroup",
                "owners and groups of files, and who may read them, are not as in a cluster",
                "capabilities are those of a user namespace",
            ],
        }
    }
}

/// The sleeping process and its namespaces.
#[derive(Debug)]
pub(super) struct Sandbox {
    child: Child,
    /// The process inside, as this process sees it.
    init: u32,
    pub(super) powers: Powers,
    pub(super) shared_processes: bool,
}

impl Sandbox {
    /// Starts it and runs the mount commands given in it.
    pub(super) fn start(
        folder: &Path,
        powers: Powers,
        shared_processes: bool,
        mounts: &str,
    ) -> Result<Self, String> {
        let ready = folder.join("sandbox-ready");
        let script = folder.join("sandbox.sh");
        let text = format!(
            "set -e\nexport PATH=/usr/sbin:/usr/bin:/sbin:/bin\nmount -t proc proc /proc\n\
             {mounts}: > {}\nexec sleep infinity\n",
            quote(&ready.display().to_string())
        );
        let problem = |error: std::io::Error| format!("the pod's sandbox: {error}");
        fs::write(&script, text).map_err(problem)?;
        let log = fs::File::create(folder.join("sandbox.log")).map_err(problem)?;
        let mut command = guarded(tool("unshare"));
        if powers == Powers::UserNamespace {
            command.args(["--user", "--map-root-user"]);
        }
        command.args(["--mount", "--propagation", "private", "--pid", "--fork"]);
        command
            .args(["--kill-child=KILL", "--", "/bin/sh"])
            .arg(&script);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        let mut child = spawn(command).map_err(problem)?;
        let up = wait::within(Duration::from_secs(20), || {
            if ready.exists() {
                return Some(true);
            }
            child.try_wait().ok().flatten().map(|_| false)
        });
        let init = child_of(child.id());
        match (up, init) {
            (Some(true), Some(init)) => Ok(Self {
                child,
                init,
                powers,
                shared_processes,
            }),
            _ => {
                let _ = child.kill();
                let _ = child.wait();
                let log = fs::read_to_string(folder.join("sandbox.log")).unwrap_or_default();
                Err(format!("the pod's sandbox did not start: {log}"))
            }
        }
    }

    /// A command that runs in the sandbox's namespaces.
    pub(super) fn enter(&self) -> Command {
        let mut command = guarded(tool("nsenter"));
        command.arg("--target").arg(self.init.to_string());
        if self.powers == Powers::UserNamespace {
            command.args(["--user", "--preserve-credentials"]);
        }
        command.args(["--mount", "--pid", "--"]);
        command
    }

    /// A command that runs beside a container's main process, in its root.
    pub(super) fn enter_container(&self, process: u32) -> Command {
        let mut command = guarded(tool("nsenter"));
        command.arg("--target").arg(process.to_string());
        if self.powers == Powers::UserNamespace {
            command.args(["--user", "--preserve-credentials"]);
        }
        command.args(["--mount", "--pid", "--root", "--"]);
        command
    }

    /// Kills everything inside.
    pub(super) fn end(&self) {
        let _ = process::send(self.init, rustix::process::Signal::KILL);
    }

    /// A path as the sandbox sees it, for reading from outside.
    pub(super) fn path(&self, inside: &Path) -> PathBuf {
        let inside = inside.strip_prefix("/").unwrap_or(inside);
        Path::new("/proc")
            .join(self.init.to_string())
            .join("root")
            .join(inside)
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.end();
        let _ = self.child.wait();
    }
}

/// The single child of a process.
pub(super) fn child_of(process: u32) -> Option<u32> {
    let path = format!("/proc/{process}/task/{process}/children");
    match fs::read_to_string(path) {
        Ok(children) => children.split_whitespace().next()?.parse().ok(),
        Err(_) => None,
    }
}

/// Where a program of util-linux or coreutils is.
pub(super) fn tool(name: &str) -> PathBuf {
    on_path(name).unwrap_or_else(|| panic!("`{name}` was not found; util-linux brings it"))
}

/// Quotes a word for a shell.
pub(super) fn quote(word: &str) -> String {
    format!("'{}'", word.replace('\'', "'\\''"))
}
