//! A program under measurement, watched through `/proc`.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::Contender;

/// A running program; it is killed when this is dropped.
pub(super) struct Running {
    child: Child,
    name: String,
    started: Instant,
}

/// The memory of a program, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Memory {
    pub(super) resident: u64,
    /// What this process alone has written, and a further one on the node would take again. Pages
    /// of the program itself are shared by all of its processes, so none of them is counted, be the
    /// process the only one or not: a program that was built just now counts as dirty until the
    /// system has written it to the disk, which says nothing about memory.
    pub(super) private: u64,
}

impl Running {
    /// Starts a contender with further arguments. Its output goes to a file.
    pub(super) fn start(contender: &Contender, arguments: &[String], log: &Path) -> Result<Self> {
        let file =
            fs::File::create(log).with_context(|| format!("failed to write {}", log.display()))?;
        let second = file.try_clone().context("failed to open the log twice")?;
        let words: Vec<&String> = contender
            .wrapper
            .iter()
            .chain(&contender.command)
            .chain(arguments)
            .collect();
        let (program, rest) = words.split_first().context("a contender has a command")?;
        let mut command = Command::new(program);
        command
            .args(rest)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", log.parent().unwrap_or(Path::new("/")))
            .envs(
                contender
                    .environment
                    .iter()
                    .map(|(name, value)| (name, value)),
            )
            .stdin(Stdio::null())
            .stdout(file)
            .stderr(second);
        let started = Instant::now();
        let child = command
            .spawn()
            .with_context(|| format!("failed to start {}", contender.command.join(" ")))?;
        Ok(Self {
            child,
            name: contender.name.clone(),
            started,
        })
    }

    /// Waits until something holds; returns the time since the start, in milliseconds.
    pub(super) fn until(
        &mut self,
        what: &str,
        deadline: Duration,
        mut holds: impl FnMut() -> bool,
    ) -> Result<f64> {
        loop {
            if holds() {
                return Ok(self.started.elapsed().as_secs_f64() * 1000.0);
            }
            if let Some(status) = self
                .child
                .try_wait()
                .context("failed to look at a program")?
            {
                bail!("{} ended with {status} before {what}", self.name);
            }
            if self.started.elapsed() > deadline {
                bail!(
                    "{} did not reach this within {deadline:?}: {what}",
                    self.name
                );
            }
            thread::sleep(Duration::from_micros(100));
        }
    }

    /// Waits until the program has ended well; returns the time since the start, in milliseconds.
    pub(super) fn ended(&mut self, deadline: Duration) -> Result<f64> {
        loop {
            let status = self
                .child
                .try_wait()
                .context("failed to look at a program")?;
            match status {
                Some(status) if status.success() => {
                    return Ok(self.started.elapsed().as_secs_f64() * 1000.0);
                }
                Some(status) => bail!("{} ended with {status}", self.name),
                None if self.started.elapsed() > deadline => {
                    bail!("{} did not end within {deadline:?}", self.name)
                }
                None => thread::sleep(Duration::from_micros(100)),
            }
        }
    }

    /// The processor time that all threads used, in milliseconds.
    pub(super) fn cpu(&self) -> Result<f64> {
        let mut nanos = 0;
        for text in self.threads("schedstat")? {
            nanos += text
                .split_whitespace()
                .next()
                .and_then(|field| field.parse::<u64>().ok())
                .unwrap_or_default();
        }
        Ok(nanos as f64 / 1e6)
    }

    /// How often all threads went to sleep, and so were woken.
    pub(super) fn switches(&self) -> Result<u64> {
        let statuses = self.threads("status")?;
        let counts = statuses
            .iter()
            .flat_map(|status| status.lines())
            .filter_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))
            .filter_map(|count| count.trim().parse::<u64>().ok());
        Ok(counts.sum())
    }

    pub(super) fn memory(&self) -> Result<Memory> {
        let path = format!("/proc/{}/smaps_rollup", self.child.id());
        let text = fs::read_to_string(&path).with_context(|| format!("failed to read {path}"))?;
        Ok(Memory {
            resident: kibibytes(&text, "Rss:"),
            private: kibibytes(&text, "Anonymous:"),
        })
    }

    fn threads(&self, file: &str) -> Result<Vec<String>> {
        let folder = format!("/proc/{}/task", self.child.id());
        let entries = fs::read_dir(&folder).with_context(|| format!("failed to list {folder}"))?;
        // A thread that ended in between is no error.
        Ok(entries
            .flatten()
            .filter_map(|entry| fs::read_to_string(entry.path().join(file)).ok())
            .collect())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The sum of a field's lines, in bytes.
fn kibibytes(text: &str, field: &str) -> u64 {
    text.lines()
        .filter_map(|line| line.strip_prefix(field))
        .filter_map(|rest| rest.trim().strip_suffix("kB"))
        .filter_map(|number| number.trim().parse::<u64>().ok())
        .sum::<u64>()
        * 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_proc_are_read_in_bytes() {
        let text = "Rss:                1234 kB\nPrivate_Dirty:         4 kB\n";
        assert_eq!(kibibytes(text, "Rss:"), 1234 * 1024);
        assert_eq!(kibibytes(text, "Private_Dirty:"), 4096);
        assert_eq!(kibibytes(text, "Swap:"), 0);
    }

    #[test]
    fn a_running_program_is_watched_and_ended() {
        let folder = std::env::temp_dir();
        let log = folder.join(format!("xtask-process-{}", std::process::id()));
        let contender = Contender::read("sleep=sleep 100").unwrap();
        let mut running = Running::start(&contender, &[], &log).unwrap();
        let id = running.child.id();
        running
            .until("memory is there", Duration::from_secs(10), || {
                Path::new(&format!("/proc/{id}/smaps_rollup")).exists()
            })
            .unwrap();
        assert!(running.memory().unwrap().resident > 0);
        assert!(running.cpu().is_ok() && running.switches().is_ok());
        drop(running);
        assert!(!Path::new(&format!("/proc/{id}")).exists());
        let _ = fs::remove_file(log);
    }
}
