//! Telling an application that a file has changed: by a command, a signal to a process, or a request to a port of
//! the pod. When that is due, and how often it is tried, is decided in `core`; how a command is run is the business
//! of `process`.

mod request;
mod signal;

use std::{path::Path, time::Duration};

use leasehold_config::{ChangeCommand, LocalRequest, ProcessSignal};

use crate::{
    core::failure::{Failure, FailureKind},
    environment::Environment,
    process::{self, Children},
};

/// Where the kernel shows the processes.
const PROCESSES: &str = "/proc";

/// One way to tell an application.
#[derive(Debug, Clone, PartialEq)]
pub enum Notice {
    /// A command is run.
    Command(ChangeCommand),
    /// A process gets a signal.
    Signal(ProcessSignal),
    /// A port of the pod gets a request.
    Request {
        /// Which.
        request: LocalRequest,
        /// How long the answer may take.
        timeout: Duration,
    },
}

impl Notice {
    /// What it is, for people. Of a command only the program: its arguments may be anybody's business.
    #[must_use]
    pub fn shown(&self) -> String {
        match self {
            Self::Command(change) => format!("command `{}`", process::shown(&change.command)),
            Self::Signal(signal) => format!("signal `{signal}`"),
            Self::Request { request, .. } => format!("request `{request}`"),
        }
    }

    /// The kind in one word, for metrics.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Command(_) => "command",
            Self::Signal(_) => "signal",
            Self::Request { .. } => "request",
        }
    }

    /// Tells the application; what came of it, in words.
    ///
    /// # Errors
    /// The command failed, no process has the name or it may not be signalled, or the answer is no success.
    pub async fn give(
        &self,
        environment: &Environment,
        children: &Children,
    ) -> Result<String, Failure> {
        let failed =
            |why: String| Failure::new(FailureKind::Local, format!("{} {why}", self.shown()));
        match self {
            Self::Command(change) => {
                process::run(change, environment, children).await?;
                Ok(format!("{} has run", self.shown()))
            }
            Self::Signal(signal) => {
                let count = signal::send(Path::new(PROCESSES), signal)
                    .map_err(|error| failed(format!("failed: {error}")))?;
                let processes = if count == 1 { "process" } else { "processes" };
                Ok(format!("{} was sent to {count} {processes}", self.shown()))
            }
            Self::Request { request, timeout } => {
                let status = request::send(request, *timeout)
                    .await
                    .map_err(|error| failed(format!("failed: {error}")))?;
                Ok(format!("{} was answered with {status}", self.shown()))
            }
        }
    }
}
