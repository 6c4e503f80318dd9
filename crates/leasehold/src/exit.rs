//! The exit codes of `leasehold`, in one place; `--help` prints the same table.
//! What the numbers mean to a command is said there, not here.

use std::process::ExitCode;

/// How the program ended, as the shell and the kubelet see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Everything that was asked for was done: for `lint` no error was found, for `inject` and `review` no pod
    /// was denied, for `serve` the connections were drained after a signal.
    Done,
    /// A pod was denied, `lint` found an error, a setting or a file cannot be used, or the server failed.
    Failed,
    /// A second signal cut the draining of connections short.
    Aborted,
    /// No command or an unknown one was given.
    Usage,
}

impl Exit {
    /// Every exit code with the sentence that `--help` prints for it.
    pub const TABLE: [(Self, &'static str); 4] = [
        (
            Self::Done,
            "done; nothing was denied and no error was found",
        ),
        (
            Self::Failed,
            "a pod was denied, lint found an error, or a setting, file or the server failed",
        ),
        (
            Self::Aborted,
            "a second signal cut the draining of connections short",
        ),
        (Self::Usage, "no command or an unknown one"),
    ];

    /// The number that the process ends with.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Aborted => 3,
            Self::Usage => 127,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
