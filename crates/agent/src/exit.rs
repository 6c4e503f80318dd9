//! The exit codes of `leasehold-agent`.

use std::process::ExitCode;

/// How a run of the program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitStatus {
    /// 0: done; or ended by SIGTERM, SIGINT or `/agent/v1/quit`, at any time.
    Done,
    /// 1: the command line, the configuration, a login, a template or a file is at fault, or `wait` met its
    /// deadline. A sentence on stderr says which.
    Failed,
    /// The status of the supervised process, which ended by itself.
    Child(u8),
}

impl From<ExitStatus> for ExitCode {
    fn from(status: ExitStatus) -> Self {
        match status {
            ExitStatus::Done => Self::SUCCESS,
            ExitStatus::Failed => Self::from(1),
            ExitStatus::Child(status) => Self::from(status),
        }
    }
}
