//! The top-level `log_*` keys.

use std::time::Duration;

use crate::reading::Block;
use crate::writing::Object;

/// What the file says about the log. Flags and the environment come before it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Log {
    /// The lowest level that is written.
    pub level: Option<LogLevel>,
    /// The form of a line.
    pub format: Option<LogFormat>,
    /// A file that gets a copy.
    pub file: Option<String>,
    /// The size in bytes at which the file is rotated.
    pub rotate_bytes: Option<u64>,
    /// The age at which the file is rotated.
    pub rotate_duration: Option<Duration>,
    /// How many old files stay; −1 for none.
    pub rotate_max_files: Option<i64>,
}

/// The levels of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// Everything.
    Trace,
    /// For finding faults.
    Debug,
    /// What happens.
    Info,
    /// What should not happen.
    Warn,
    /// What went wrong.
    Error,
}

/// The form of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// Text.
    Standard,
    /// One JSON object for each line.
    Json,
}

impl LogLevel {
    /// Every word that is accepted, the usual one of each level first.
    pub const WORDS: [(&str, Self); 8] = [
        ("trace", Self::Trace),
        ("debug", Self::Debug),
        ("info", Self::Info),
        ("warn", Self::Warn),
        ("error", Self::Error),
        ("notice", Self::Info),
        ("warning", Self::Warn),
        ("err", Self::Error),
    ];

    /// The level of a word, in any case, with blanks around it.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::WORDS
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(word.trim()))
            .map(|(_, level)| *level)
    }

    /// The usual word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Trace => "trace",
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

impl LogFormat {
    /// Every word that is accepted.
    pub const WORDS: [(&str, Self); 2] = [("standard", Self::Standard), ("json", Self::Json)];

    /// The format of a word, in any case, with blanks around it.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::WORDS
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(word.trim()))
            .map(|(_, format)| *format)
    }

    /// The word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Json => "json",
        }
    }
}

impl Log {
    pub(crate) fn read(root: &Block<'_>) -> Self {
        Self {
            level: root.choice("log_level", &LogLevel::WORDS),
            format: root.choice("log_format", &LogFormat::WORDS),
            file: root.text("log_file"),
            rotate_bytes: root
                .whole("log_rotate_bytes", 0, i64::MAX)
                .and_then(|n| u64::try_from(n).ok())
                .filter(|n| *n > 0),
            rotate_duration: root
                .duration("log_rotate_duration")
                .filter(|age| !age.is_zero()),
            rotate_max_files: root
                .whole("log_rotate_max_files", -1, i64::MAX)
                .filter(|n| *n != 0),
        }
    }

    /// Takes what `later` says, and keeps the rest.
    pub(crate) fn merge(&mut self, later: Self) {
        self.level = later.level.or(self.level);
        self.format = later.format.or(self.format);
        self.file = later.file.or(self.file.take());
        self.rotate_bytes = later.rotate_bytes.or(self.rotate_bytes);
        self.rotate_duration = later.rotate_duration.or(self.rotate_duration);
        self.rotate_max_files = later.rotate_max_files.or(self.rotate_max_files);
    }

    pub(crate) fn write(&self, object: &mut Object) {
        object.some_text("log_level", self.level.map(LogLevel::name));
        object.some_text("log_format", self.format.map(LogFormat::name));
        object.some_text("log_file", self.file.as_deref());
        object.number("log_rotate_bytes", self.rotate_bytes);
        object.duration("log_rotate_duration", self.rotate_duration);
        object.number("log_rotate_max_files", self.rotate_max_files);
    }
}
