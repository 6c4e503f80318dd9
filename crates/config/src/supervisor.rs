//! The `exec` block: the process that the agent starts with secrets in its environment.

use crate::command::Command;
use crate::reading::{Block, Unknown};
use crate::signal::Signal;
use crate::writing::Object;

/// The block `exec`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exec {
    /// What is run.
    pub command: Command,
    /// Whether a changed secret restarts it.
    pub restart_on_secret_changes: Restart,
    /// The signal that asks it to end.
    pub restart_stop_signal: Signal,
    /// The file that its standard output goes to, in place of the agent's.
    pub child_process_stdout: Option<String>,
    /// The file that its standard error goes to, in place of the agent's.
    pub child_process_stderr: Option<String>,
}

/// Whether a changed secret restarts the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Restart {
    /// Each time.
    Always,
    /// Never.
    Never,
}

impl Exec {
    pub(crate) fn read(block: &Block<'_>) -> Option<Self> {
        let had_command = block.has("command");
        let command = Command::read(block, "command");
        if command.is_none() && !had_command {
            block.refuse(
                "command",
                "is missing; a program with its arguments is needed",
            );
        } else if command.is_none() {
            block.refuse(
                "command",
                "is empty; a program with its arguments is needed",
            );
        }
        let restart = block.choice(
            "restart_on_secret_changes",
            &[("always", Restart::Always), ("never", Restart::Never)],
        );
        let signal = Signal::read(block, "restart_stop_signal");
        let child_process_stdout = block.text("child_process_stdout");
        let child_process_stderr = block.text("child_process_stderr");
        block.finish(Unknown::Refused);
        Some(Self {
            command: command?,
            restart_on_secret_changes: restart.unwrap_or(Restart::Always),
            restart_stop_signal: signal.unwrap_or(Signal::TERMINATE),
            child_process_stdout,
            child_process_stderr,
        })
    }

    pub(crate) fn write(&self) -> Object {
        let mut object = Object::default();
        object.put("command", self.command.write());
        if self.restart_on_secret_changes == Restart::Never {
            object.text("restart_on_secret_changes", "never");
        }
        if self.restart_stop_signal != Signal::TERMINATE {
            object.text("restart_stop_signal", self.restart_stop_signal.name());
        }
        object.some_text("child_process_stdout", self.child_process_stdout.as_deref());
        object.some_text("child_process_stderr", self.child_process_stderr.as_deref());
        object
    }
}
