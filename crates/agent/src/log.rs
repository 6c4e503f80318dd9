//! The log in the two established formats, on stderr and, where asked for, in a file. What is said is decided by
//! those who say it; nothing here knows a secret.

use std::{
    cell::{Cell, RefCell},
    fmt::Write as _,
    io::Write as _,
    path::Path,
    rc::Rc,
    time::{Duration, SystemTime},
};

use crate::{
    clock,
    core::message::{Level, Line},
};

mod file;

use self::file::LogFile;
pub use self::file::{DEFAULT_AGE, Rotation};

/// How lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// `2026-01-01T00:00:00.000Z [INFO]  agent.auth.handler: authenticating`
    #[default]
    Standard,
    /// One JSON object in a line.
    Json,
}

/// Where the log goes besides a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Stream {
    /// stderr, the usual one.
    #[default]
    Stderr,
    /// stdout (`-combine-logs`).
    Stdout,
}

/// The log. Clones write to the same place.
#[derive(Clone)]
pub struct Log(Rc<Sink>);

struct Sink {
    level: Cell<Level>,
    format: Format,
    stream: Stream,
    file: RefCell<Option<LogFile>>,
}

impl Log {
    /// A log that says everything from `level` on.
    #[must_use]
    pub fn new(level: Level, format: Format, stream: Stream) -> Self {
        let file = RefCell::new(None);
        Self(Rc::new(Sink {
            level: Cell::new(level),
            format,
            stream,
            file,
        }))
    }

    /// Copies every line to the end of a file from now on; a path ending in `/` gets a file `agent.log`.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub fn copy_to(&self, path: &Path, rotation: Rotation) -> std::io::Result<()> {
        let file = LogFile::open(path, rotation, clock::now())?;
        *self.0.file.borrow_mut() = Some(file);
        Ok(())
    }

    /// From which level on lines are said, after a reload of the configuration.
    pub fn set_level(&self, level: Level) {
        self.0.level.set(level);
    }

    /// Says one line.
    pub fn say(&self, line: &Line) {
        if line.level < self.0.level.get() {
            return;
        }
        let now = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        let text = match self.0.format {
            Format::Standard => standard(now, line),
            Format::Json => json(now, line),
        };
        // A log that cannot be written is no reason to stop keeping secrets alive.
        let _ = match self.0.stream {
            Stream::Stderr => std::io::stderr().lock().write_all(text.as_bytes()),
            Stream::Stdout => std::io::stdout().lock().write_all(text.as_bytes()),
        };
        if let Some(file) = self.0.file.borrow_mut().as_mut() {
            file.add(text.as_bytes(), clock::now(), now);
        }
    }

    /// Says something at level info.
    pub fn info(&self, module: &'static str, message: impl Into<String>) {
        self.say(&Line::new(Level::Info, module, message));
    }

    /// Says something at level warn.
    pub fn warn(&self, module: &'static str, message: impl Into<String>) {
        self.say(&Line::new(Level::Warn, module, message));
    }

    /// Says something at level error.
    pub fn error(&self, module: &'static str, message: impl Into<String>) {
        self.say(&Line::new(Level::Error, module, message));
    }

    /// Says something at level debug.
    pub fn debug(&self, module: &'static str, message: impl Into<String>) {
        self.say(&Line::new(Level::Debug, module, message));
    }
}

/// Reads a level as the established agent does: any case, with its synonyms.
#[must_use]
pub fn level(text: &str) -> Option<Level> {
    match text.trim().to_ascii_lowercase().as_str() {
        "trace" => Some(Level::Trace),
        "debug" => Some(Level::Debug),
        "info" | "notice" | "" => Some(Level::Info),
        "warn" | "warning" => Some(Level::Warn),
        "err" | "error" => Some(Level::Error),
        _ => None,
    }
}

/// Reads a format; empty means the standard one.
#[must_use]
pub fn format(text: &str) -> Option<Format> {
    match text.trim().to_ascii_lowercase().as_str() {
        "" | "standard" => Some(Format::Standard),
        "json" => Some(Format::Json),
        _ => None,
    }
}

fn standard(now: Duration, line: &Line) -> String {
    let level = match line.level {
        Level::Trace => "[TRACE]",
        Level::Debug => "[DEBUG]",
        Level::Info => "[INFO] ",
        Level::Warn => "[WARN] ",
        Level::Error => "[ERROR]",
    };
    let mut text = format!("{} {level} {}: ", timestamp(now, 3), line.module);
    let mut lines = line.message.trim_end().lines();
    text.push_str(lines.next().unwrap_or_default());
    let rest: Vec<&str> = lines.collect();
    let mut colon = ":";
    let mut blocks = String::new();
    for (name, value) in &line.fields {
        if value.contains('\n') {
            let _ = write!(blocks, "\n  {name}=");
            for part in value.lines() {
                let _ = write!(blocks, "\n  | {part}");
            }
        } else if value.is_empty() || value.contains([' ', '"', '=']) {
            let _ = write!(text, "{colon} {name}=\"{}\"", value.replace('"', "\\\""));
            colon = "";
        } else {
            let _ = write!(text, "{colon} {name}={value}");
            colon = "";
        }
    }
    text.push_str(&blocks);
    for part in rest {
        let _ = write!(text, "\n  | {part}");
    }
    text.push('\n');
    text
}

fn json(now: Duration, line: &Line) -> String {
    let level = match line.level {
        Level::Trace => "trace",
        Level::Debug => "debug",
        Level::Info => "info",
        Level::Warn => "warn",
        Level::Error => "error",
    };
    let mut object = serde_json::Map::new();
    object.insert("@level".to_owned(), level.into());
    object.insert("@message".to_owned(), line.message.as_str().into());
    object.insert("@module".to_owned(), line.module.into());
    object.insert("@timestamp".to_owned(), timestamp(now, 6).into());
    for (name, value) in &line.fields {
        object.insert((*name).to_owned(), value.as_str().into());
    }
    format!("{}\n", serde_json::Value::Object(object))
}

/// A point in time since 1970 as RFC 3339 in UTC.
#[must_use]
pub fn timestamp(since_1970: Duration, digits: usize) -> String {
    let seconds = since_1970.as_secs();
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil(days);
    let fraction = format!("{:09}", since_1970.subsec_nanos());
    let fraction = fraction.get(..digits).unwrap_or_default();
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    let dot = if digits == 0 { "" } else { "." };
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{dot}{fraction}Z")
}

/// A point in time since 1970 as HTTP has it: `Sun, 06 Nov 1994 08:49:37 GMT`.
#[must_use]
pub fn http_date(since_1970: Duration) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let named = |names: &[&'static str], number: u64| {
        let number = usize::try_from(number).unwrap_or_default();
        names.get(number).copied().unwrap_or_default()
    };
    let seconds = since_1970.as_secs();
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil(days);
    format!(
        "{}, {day:02} {} {year:04} {:02}:{:02}:{:02} GMT",
        named(&DAYS, days % 7),
        named(&MONTHS, month - 1),
        rest / 3600,
        rest / 60 % 60,
        rest % 60
    )
}

/// Year, month and day of a day counted from 1970 (the well-known reckoning in eras of 400 years).
const fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = year_of_era + era * 400 + if month <= 2 { 1 } else { 0 };
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::new(1_767_225_600, 123_456_789);

    #[test]
    fn writes_the_established_line() {
        let line = Line::new(Level::Info, "agent.auth.handler", "authenticating");
        assert_eq!(
            standard(NOW, &line),
            "2026-01-01T00:00:00.123Z [INFO]  agent.auth.handler: authenticating\n"
        );
        let line = Line::new(Level::Error, "agent.auth.handler", "error authenticating")
            .with("error", "connection refused")
            .with("backoff", "1.61s");
        assert_eq!(
            standard(NOW, &line),
            "2026-01-01T00:00:00.123Z [ERROR] agent.auth.handler: error authenticating: error=\"connection refused\" backoff=1.61s\n"
        );
    }

    #[test]
    fn indents_texts_of_several_lines() {
        let line = Line::new(Level::Warn, "agent", "first\nsecond").with("error", "a\nb");
        assert_eq!(
            standard(NOW, &line),
            "2026-01-01T00:00:00.123Z [WARN]  agent: first\n  error=\n  | a\n  | b\n  | second\n"
        );
    }

    #[test]
    fn writes_json_with_one_key_per_value() {
        let line = Line::new(Level::Debug, "agent", "said \"so\"").with("mode", "416");
        assert_eq!(
            json(NOW, &line),
            "{\"@level\":\"debug\",\"@message\":\"said \\\"so\\\"\",\"@module\":\"agent\",\"@timestamp\":\"2026-01-01T00:00:00.123456Z\",\"mode\":\"416\"}\n"
        );
    }

    #[test]
    fn writes_dates_as_http_has_them() {
        assert_eq!(
            http_date(Duration::from_secs(784_111_777)),
            "Sun, 06 Nov 1994 08:49:37 GMT"
        );
    }

    #[test]
    fn reckons_dates_as_the_calendar_does() {
        for (days, expected) in [
            (0, (1970, 1, 1)),
            (59, (1970, 3, 1)),
            (11_016, (2000, 2, 29)),
            (20_454, (2026, 1, 1)),
            (47_540, (2100, 2, 28)),
            (47_541, (2100, 3, 1)),
        ] {
            assert_eq!(civil(days), expected, "{days}");
        }
    }

    #[test]
    fn reads_levels_in_any_case_with_their_synonyms() {
        for (text, expected) in [
            ("INFO", Some(Level::Info)),
            ("notice", Some(Level::Info)),
            ("Warning", Some(Level::Warn)),
            ("err", Some(Level::Error)),
            ("loud", None),
        ] {
            assert_eq!(level(text), expected, "{text}");
        }
    }
}
