//! Running the commands that follow a changed file: with their environment, their time limit, and no process
//! left behind. Which command is due is decided in `core`.

use std::{cell::RefCell, collections::BTreeSet, process::Stdio, rc::Rc, time::Duration};

use leasehold_config::{ChangeCommand, Command, CommandEnvironment, Signal};
use rustix::process::{Pid, kill_process_group};

use crate::{
    core::failure::{Failure, FailureKind},
    environment::Environment,
    host,
};

/// The processes that this program has started and waits for; everything else that ends as a child of the first
/// process of a container was inherited.
#[derive(Debug, Clone, Default)]
pub struct Children(Rc<RefCell<BTreeSet<i32>>>);

/// Takes a process out of the list when it is dropped.
pub struct Known(Children, i32);

impl Children {
    /// Whether somebody here waits for this process.
    #[must_use]
    pub fn has(&self, pid: i32) -> bool {
        self.0.borrow().contains(&pid)
    }

    /// Notes a process until the returned value is dropped.
    #[must_use]
    pub fn add(&self, pid: Option<u32>) -> Known {
        let pid = pid
            .and_then(|pid| i32::try_from(pid).ok())
            .unwrap_or_default();
        self.0.borrow_mut().insert(pid);
        Known(self.clone(), pid)
    }
}

impl Drop for Known {
    fn drop(&mut self) {
        self.0.0.borrow_mut().remove(&self.1);
    }
}

/// Runs a command to its end.
///
/// # Errors
/// It cannot be started, fails, or does not end in time; then it and what it started are killed.
pub async fn run(
    change: &ChangeCommand,
    environment: &Environment,
    children: &Children,
) -> Result<(), Failure> {
    let shown = shown(&change.command);
    let failed = |why: String| Failure::new(FailureKind::Local, format!("command `{shown}` {why}"));
    let mut command = prepared(&change.command, &change.environment, environment);
    command
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .process_group(0);
    let mut child = command
        .spawn()
        .map_err(|error| failed(format!("cannot be started: {error}")))?;
    let group = child
        .id()
        .and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
    let _known = children.add(child.id());
    let limit = if change.timeout.is_zero() {
        Duration::MAX
    } else {
        change.timeout
    };
    if let Ok(ended) = tokio::time::timeout(limit, child.wait()).await {
        let status = ended.map_err(|error| failed(format!("cannot be waited for: {error}")))?;
        return if status.success() {
            Ok(())
        } else {
            Err(failed(format!("ended with {}", host::in_words(status))))
        };
    }
    signal_group(group, change.kill_signal);
    if tokio::time::timeout(change.kill_timeout, child.wait())
        .await
        .is_err()
    {
        signal_group(
            group,
            Signal::from_name("KILL").unwrap_or(Signal::TERMINATE),
        );
        let _ = child.wait().await;
    }
    Err(failed(format!(
        "did not end within {limit:?} and was stopped"
    )))
}

/// A command ready to be started.
#[must_use]
pub fn prepared(
    command: &Command,
    rules: &CommandEnvironment,
    environment: &Environment,
) -> tokio::process::Command {
    let (program, arguments): (&str, Vec<&str>) = match command {
        Command::Shell(line) => ("sh", vec!["-c", line.as_str()]),
        Command::Program(words) => match words.split_first() {
            Some((program, arguments)) => (
                program.as_str(),
                arguments.iter().map(String::as_str).collect(),
            ),
            None => ("true", Vec::new()),
        },
    };
    let mut prepared = tokio::process::Command::new(program);
    prepared
        .args(arguments)
        .env_clear()
        .envs(passed_on(rules, environment));
    prepared
}

/// The variables that a command gets.
fn passed_on(rules: &CommandEnvironment, environment: &Environment) -> Vec<(String, String)> {
    let mut passed: Vec<(String, String)> = if rules.pristine {
        Vec::new()
    } else {
        environment
            .iter()
            .filter(|(name, _)| {
                let denied = rules.denylist.iter().any(|pattern| matches(pattern, name));
                let allowed = rules.allowlist.is_empty()
                    || rules.allowlist.iter().any(|pattern| matches(pattern, name));
                allowed && !denied
            })
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    };
    for pair in &rules.custom {
        if let Some((name, value)) = pair.split_once('=') {
            passed.push((name.to_owned(), value.to_owned()));
        }
    }
    passed
}

/// Whether a name fits a pattern in which `*` stands for any run of characters and `?` for one.
fn matches(pattern: &str, name: &str) -> bool {
    let (mut pattern, mut name) = (pattern.as_bytes(), name.as_bytes());
    let mut last_star: Option<(&[u8], &[u8])> = None;
    loop {
        match (pattern.split_first(), name.split_first()) {
            (Some((b'*', rest)), _) => {
                last_star = Some((rest, name));
                pattern = rest;
            }
            (Some((&p, rest)), Some((&n, after))) if p == b'?' || p == n => {
                (pattern, name) = (rest, after);
            }
            (None, None) => return true,
            _ => {
                // Let the last star take one character more.
                let Some((rest, taken)) = last_star else {
                    return false;
                };
                let Some((_, after)) = taken.split_first() else {
                    return false;
                };
                last_star = Some((rest, after));
                (pattern, name) = (rest, after);
            }
        }
    }
}

/// The command for a log line: the program's name, or the beginning of the shell's line.
#[must_use]
pub fn shown(command: &Command) -> String {
    match command {
        Command::Shell(line) => line.chars().take(60).collect(),
        Command::Program(words) => words.first().cloned().unwrap_or_default(),
    }
}

/// Sends a signal to a command and all that it started.
pub fn signal_group(group: Option<Pid>, signal: Signal) {
    let signal = rustix::process::Signal::from_named_raw(signal.number());
    if let (Some(group), Some(signal)) = (group, signal) {
        let _ = kill_process_group(group, signal);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(command: Command, timeout: Duration) -> ChangeCommand {
        ChangeCommand {
            command,
            timeout,
            environment: CommandEnvironment::default(),
            kill_signal: Signal::INTERRUPT,
            kill_timeout: Duration::from_secs(5),
            reload_signal: None,
            splay: Duration::ZERO,
        }
    }

    fn shell(line: &str, timeout: u64) -> Result<(), Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let change = change(
            Command::Shell(line.to_owned()),
            Duration::from_secs(timeout),
        );
        let environment = Environment::from_process();
        runtime.block_on(run(&change, &environment, &Children::default()))
    }

    #[test]
    fn tells_how_a_command_ended() {
        assert_eq!(shell("exit 0", 30), Ok(()));
        assert_eq!(
            shell("exit 3", 30).unwrap_err().text,
            "command `exit 3` ended with exit status 3"
        );
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let missing = change(
            Command::Program(vec!["/no/such".to_owned()]),
            Duration::ZERO,
        );
        let error = runtime
            .block_on(run(&missing, &Environment::default(), &Children::default()))
            .unwrap_err();
        assert!(
            error.text.contains("`/no/such` cannot be started"),
            "{error}"
        );
    }

    #[test]
    fn stops_a_command_that_takes_too_long_with_all_that_it_started() {
        let begun = std::time::Instant::now();
        let error = shell("sleep 60 & sleep 60", 1).unwrap_err();
        assert!(error.text.contains("did not end within 1s"), "{error}");
        assert!(begun.elapsed() < Duration::from_secs(10));
    }

    #[test]
    fn filters_the_environment_of_a_command() {
        let environment: Environment = [("A_1", "x"), ("A_2", "y"), ("B", "z")]
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let names = |rules: &CommandEnvironment| {
            let passed = passed_on(rules, &environment);
            passed.into_iter().map(|(name, _)| name).collect::<Vec<_>>()
        };
        let list = |texts: &[&str]| {
            texts
                .iter()
                .map(|&text| text.to_owned())
                .collect::<Vec<_>>()
        };
        let mut rules = CommandEnvironment::default();
        assert_eq!(names(&rules), ["A_1", "A_2", "B"]);
        rules.allowlist = list(&["A_*"]);
        rules.denylist = list(&["*_2"]);
        rules.custom = list(&["C=c"]);
        assert_eq!(names(&rules), ["A_1", "C"]);
        rules.pristine = true;
        assert_eq!(names(&rules), ["C"]);
    }

    #[test]
    fn patterns_match_whole_names() {
        for (pattern, name, expected) in [
            ("*", "", true),
            ("A*C", "ABBC", true),
            ("A*C", "ABBD", false),
            ("?B", "AB", true),
            ("B", "AB", false),
            ("*B*", "ABA", true),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }
}
