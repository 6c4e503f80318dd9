//! Sending a signal to the processes of a program, found by its name among those that the kernel shows. They are
//! those of the whole pod where its containers share their process namespace, and else the agent's own.

use std::{collections::BTreeMap, fs, io, os::unix::fs::MetadataExt, path::Path};

use leasehold_config::ProcessSignal;
use rustix::{
    io::Errno,
    process::{Pid, Signal, kill_process},
};

/// The kernel keeps so many bytes of a program's name.
const SHORT_NAME: usize = 15;

/// Why nobody got the signal.
#[derive(Debug, thiserror::Error)]
pub(super) enum SignalError {
    /// The kernel shows no processes.
    #[error("the processes in `{0}` cannot be listed")]
    Unlisted(String, #[source] io::Error),
    /// No process has the name.
    #[error("no process has this name among the {seen} that the agent sees{hint}")]
    NoProcess {
        /// How many were looked at.
        seen: usize,
        /// Why they may be too few.
        hint: &'static str,
    },
    /// The kernel knows no such signal.
    #[error("the kernel knows no such signal")]
    NoSignal,
    /// The process is another user's.
    #[error(
        "process {pid} belongs to user {owner}, which user {ours}, the agent's, may not signal: let both run as one user, as the annotation vault.hashicorp.com/agent-run-as-same-user does"
    )]
    Forbidden {
        /// The process.
        pid: i32,
        /// Its user.
        owner: u32,
        /// The agent's user.
        ours: u32,
    },
    /// Anything else that the kernel says.
    #[error("process {pid} cannot be signalled: {source}")]
    Refused {
        /// The process.
        pid: i32,
        /// Why.
        source: Errno,
    },
}

struct Process {
    pid: i32,
    parent: i32,
    owner: u32,
}

/// Sends the signal to each process of the name whose parent has another name: what a server started itself is
/// left to the server. Returns how many got it.
pub(super) fn send(processes: &Path, wanted: &ProcessSignal) -> Result<usize, SignalError> {
    let signal = Signal::from_named_raw(wanted.signal.number()).ok_or(SignalError::NoSignal)?;
    let own = i32::try_from(std::process::id()).unwrap_or_default();
    let (seen, found) = named(processes, &wanted.process, own)?;
    if found.is_empty() {
        let hint = if own == 1 {
            "; it is the first process of its container, so the pod's containers do not share their process namespace: set `shareProcessNamespace: true`, as the annotation vault.hashicorp.com/agent-share-process-namespace does"
        } else {
            ""
        };
        return Err(SignalError::NoProcess { seen, hint });
    }
    let mut told = 0;
    for process in found
        .values()
        .filter(|process| !found.contains_key(&process.parent))
    {
        let Some(pid) = Pid::from_raw(process.pid) else {
            continue;
        };
        match kill_process(pid, signal) {
            Ok(()) => told += 1,
            // It has ended since it was seen.
            Err(Errno::SRCH) => {}
            Err(Errno::PERM) => {
                return Err(SignalError::Forbidden {
                    pid: process.pid,
                    owner: process.owner,
                    ours: rustix::process::geteuid().as_raw(),
                });
            }
            Err(source) => {
                let pid = process.pid;
                return Err(SignalError::Refused { pid, source });
            }
        }
    }
    if told == 0 {
        return Err(SignalError::NoProcess { seen, hint: "" });
    }
    Ok(told)
}

/// The processes of a name, by their number, and how many there are of any name; never the agent itself.
fn named(
    processes: &Path,
    name: &str,
    own: i32,
) -> Result<(usize, BTreeMap<i32, Process>), SignalError> {
    let unlisted = |error| SignalError::Unlisted(processes.display().to_string(), error);
    let mut seen = 0;
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(processes).map_err(unlisted)?.flatten() {
        let number = entry.file_name();
        let Some(pid) = number.to_str().and_then(|text| text.parse::<i32>().ok()) else {
            continue;
        };
        // A process may end at any moment; then it is none.
        let folder = entry.path();
        let Some((short, parent)) = fs::read_to_string(folder.join("stat"))
            .ok()
            .and_then(|text| alive(&text))
        else {
            continue;
        };
        seen += 1;
        if pid == own || !goes_by(name, &short, &folder) {
            continue;
        }
        let owner = fs::metadata(&folder)
            .map(|meta| meta.uid())
            .unwrap_or_default();
        found.insert(pid, Process { pid, parent, owner });
    }
    Ok((seen, found))
}

/// Short name and parent out of a process's `stat`; none for one that has ended and is not buried yet.
fn alive(stat: &str) -> Option<(String, i32)> {
    // The name stands between brackets and may hold brackets and blanks itself.
    let (_, rest) = stat.split_once('(')?;
    let (name, rest) = rest.rsplit_once(')')?;
    let mut fields = rest.split_whitespace();
    let state = fields.next()?;
    let parent = fields.next()?.parse().ok()?;
    (!matches!(state, "Z" | "X" | "x")).then(|| (name.to_owned(), parent))
}

/// Whether a process goes by a name: its short name, or the program in its first argument. Servers write their
/// state there, as in `nginx: master process`, and what follows the name does not count.
fn goes_by(name: &str, short: &str, folder: &Path) -> bool {
    if short == name {
        return true;
    }
    let may_be_cut = short.len() == SHORT_NAME && name.starts_with(short);
    let line = fs::read(folder.join("cmdline")).unwrap_or_default();
    let first = line.split(|&byte| byte == 0).next().unwrap_or_default();
    let first = String::from_utf8_lossy(first);
    let program = first.split([' ', ':']).next().unwrap_or_default();
    let program = program.rsplit('/').next().unwrap_or_default();
    program == name || (may_be_cut && program.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Shown(tempfile::TempDir);

    impl Shown {
        fn process(&self, pid: i32, stat: &str, line: &str) {
            let folder = self.0.path().join(pid.to_string());
            fs::create_dir(&folder).unwrap();
            fs::write(folder.join("stat"), format!("{pid} {stat} 1 1 0 -1")).unwrap();
            fs::write(folder.join("cmdline"), line).unwrap();
        }

        fn named(&self, name: &str) -> Vec<i32> {
            let (_, found) = named(self.0.path(), name, 9).unwrap();
            found.into_keys().collect()
        }
    }

    #[test]
    fn finds_processes_by_the_name_of_their_program() {
        let shown = Shown(tempfile::tempdir().unwrap());
        shown.process(1, "(pause) S 0", "/pause\0");
        shown.process(7, "(nginx) S 1", "nginx: master process nginx -g x\0");
        shown.process(8, "(nginx) S 7", "nginx: worker process\0");
        shown.process(9, "(nginx) S 1", "this agent\0");
        shown.process(10, "(nginx) Z 1", "");
        shown.process(
            11,
            "(exec) (y) S 1",
            "/usr/lib/a-long-name-of-a-server\0--x\0",
        );
        shown.process(12, "(a-long-name-of-) S 1", "");
        fs::write(shown.0.path().join("uptime"), "1").unwrap();
        assert_eq!(shown.named("nginx"), [7, 8]);
        assert_eq!(shown.named("a-long-name-of-a-server"), [11, 12]);
        assert_eq!(shown.named("pause"), [1]);
        assert!(shown.named("ngin").is_empty());
    }

    #[test]
    fn says_how_many_it_has_seen_when_none_has_the_name() {
        let shown = Shown(tempfile::tempdir().unwrap());
        shown.process(1, "(pause) S 0", "/pause\0");
        let wanted = ProcessSignal::parse("HUP nginx").unwrap();
        let error = send(shown.0.path(), &wanted).unwrap_err().to_string();
        assert_eq!(
            error,
            "no process has this name among the 1 that the agent sees"
        );
    }
}
