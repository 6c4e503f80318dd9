//! Signals by name, as configurations write them.

use crate::reading::Block;

/// A Linux signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Signal(i32);

impl Signal {
    /// SIGINT
    pub const INTERRUPT: Self = Self(2);
    /// SIGTERM
    pub const TERMINATE: Self = Self(15);

    /// Every signal with a name; x86-64 and arm64 agree on the numbers.
    pub(crate) const ALL: [(&str, Self); 31] = [
        ("SIGHUP", Self(1)),
        ("SIGINT", Self(2)),
        ("SIGQUIT", Self(3)),
        ("SIGILL", Self(4)),
        ("SIGTRAP", Self(5)),
        ("SIGABRT", Self(6)),
        ("SIGBUS", Self(7)),
        ("SIGFPE", Self(8)),
        ("SIGKILL", Self(9)),
        ("SIGUSR1", Self(10)),
        ("SIGSEGV", Self(11)),
        ("SIGUSR2", Self(12)),
        ("SIGPIPE", Self(13)),
        ("SIGALRM", Self(14)),
        ("SIGTERM", Self(15)),
        ("SIGSTKFLT", Self(16)),
        ("SIGCHLD", Self(17)),
        ("SIGCONT", Self(18)),
        ("SIGSTOP", Self(19)),
        ("SIGTSTP", Self(20)),
        ("SIGTTIN", Self(21)),
        ("SIGTTOU", Self(22)),
        ("SIGURG", Self(23)),
        ("SIGXCPU", Self(24)),
        ("SIGXFSZ", Self(25)),
        ("SIGVTALRM", Self(26)),
        ("SIGPROF", Self(27)),
        ("SIGWINCH", Self(28)),
        ("SIGIO", Self(29)),
        ("SIGPWR", Self(30)),
        ("SIGSYS", Self(31)),
    ];

    /// The signal of a name, with or without `SIG`, in any case.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        let upper = name.trim().to_ascii_uppercase();
        let bare = upper.strip_prefix("SIG").unwrap_or(&upper);
        Self::ALL
            .iter()
            .find(|(known, _)| known.strip_prefix("SIG") == Some(bare))
            .map(|(_, signal)| *signal)
    }

    /// The kernel's number.
    #[must_use]
    pub fn number(self) -> i32 {
        self.0
    }

    /// The name, such as `SIGTERM`.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL
            .iter()
            .find(|(_, signal)| *signal == self)
            .map_or("SIGTERM", |(name, _)| name)
    }

    pub(crate) fn read(block: &Block<'_>, key: &str) -> Option<Self> {
        let text = block.text(key)?;
        let signal = Self::from_name(&text);
        if signal.is_none() {
            block.refuse(
                key,
                format!(
                    "is `{}`; accepted is the name of a signal such as SIGHUP, SIGINT, SIGTERM, \
                     SIGUSR1",
                    text.escape_debug()
                ),
            );
        }
        signal
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_are_found_by_name_in_any_spelling() {
        for (name, number) in [("SIGHUP", 1), ("term", 15), ("sigusr1", 10), (" INT ", 2)] {
            assert_eq!(Signal::from_name(name).map(Signal::number), Some(number));
        }
        assert_eq!(Signal::from_name("SIGNOPE"), None);
        assert_eq!(Signal::from_name(""), None);
    }
}
