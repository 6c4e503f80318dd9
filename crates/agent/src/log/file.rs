//! The copy of the log in a file: opened, put aside when it is large or old enough, and the oldest removed.

use std::{
    ffi::{OsStr, OsString},
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
    time::Duration,
};

use crate::core::moment::Moment;

/// The age at which a file is put aside when nothing names one.
pub const DEFAULT_AGE: Duration = Duration::from_secs(24 * 60 * 60);
/// The name of the file in a folder.
const NAME: &str = "agent.log";

/// When the file is put aside, and how many stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rotation {
    /// The size that it does not go beyond, if there is a limit.
    pub bytes: Option<u64>,
    /// The age that it does not go beyond.
    pub age: Duration,
    /// How many of those that were put aside stay; all of them unless it says so.
    pub kept: Option<usize>,
}

impl Default for Rotation {
    fn default() -> Self {
        Self {
            bytes: None,
            age: DEFAULT_AGE,
            kept: None,
        }
    }
}

/// The file in use.
pub(super) struct LogFile {
    path: PathBuf,
    rotation: Rotation,
    file: File,
    size: u64,
    opened: Moment,
}

impl LogFile {
    /// Opens the file and goes on at its end; a path ending in `/` is a folder for it.
    pub(super) fn open(path: &Path, rotation: Rotation, now: Moment) -> io::Result<Self> {
        let path = if path.as_os_str().as_encoded_bytes().ends_with(b"/") {
            path.join(NAME)
        } else {
            path.to_owned()
        };
        let (file, size) = append_to(&path)?;
        Ok(Self {
            path,
            rotation,
            file,
            size,
            opened: now,
        })
    }

    /// Adds a line. The one in use is put aside first where it would grow too large or is too old; where that
    /// fails the line goes into it all the same.
    pub(super) fn add(&mut self, line: &[u8], now: Moment, since_1970: Duration) {
        let length = u64::try_from(line.len()).unwrap_or(u64::MAX);
        let limit = self.rotation.bytes;
        let too_large = limit.is_some_and(|limit| self.size.saturating_add(length) > limit);
        let too_old = self.opened.until(now) >= self.rotation.age;
        if self.size > 0 && (too_large || too_old) {
            let _ = self.put_aside(now, since_1970);
        }
        if self.file.write_all(line).is_ok() {
            self.size = self.size.saturating_add(length);
        }
    }

    fn put_aside(&mut self, now: Moment, since_1970: Duration) -> io::Result<()> {
        // Also where it fails it is not tried again with each line.
        self.opened = now;
        let mut aside = self.begin();
        aside.push(since_1970.as_nanos().to_string());
        aside.push(self.end());
        fs::rename(&self.path, self.path.with_file_name(aside))?;
        (self.file, self.size) = append_to(&self.path)?;
        if let Some(kept) = self.rotation.kept {
            self.remove_all_but(kept)?;
        }
        Ok(())
    }

    fn remove_all_but(&self, kept: usize) -> io::Result<()> {
        let folder = self.path.parent().unwrap_or_else(|| Path::new(""));
        let folder = if folder.as_os_str().is_empty() {
            Path::new(".")
        } else {
            folder
        };
        let (begin, end) = (self.begin(), self.end());
        let mut aside = Vec::new();
        for entry in fs::read_dir(folder)? {
            let name = entry?.file_name();
            if let Some(at) = moment_in(&name, &begin, &end) {
                aside.push((at, name));
            }
        }
        aside.sort();
        let surplus = aside.len().saturating_sub(kept);
        for (_, name) in aside.into_iter().take(surplus) {
            fs::remove_file(folder.join(name))?;
        }
        Ok(())
    }

    /// What names of files that were put aside begin with: `agent-`.
    fn begin(&self) -> OsString {
        let mut name = self.path.file_stem().unwrap_or_default().to_owned();
        name.push("-");
        name
    }

    /// What they end with: `.log`.
    fn end(&self) -> OsString {
        let mut name = OsString::from(".");
        name.push(self.path.extension().unwrap_or_else(|| OsStr::new("log")));
        name
    }
}

fn append_to(path: &Path) -> io::Result<(File, u64)> {
    let file = OpenOptions::new().create(true).append(true).open(path)?;
    let size = file.metadata()?.len();
    Ok((file, size))
}

/// The moment between beginning and end of a name; none where the file is somebody else's.
fn moment_in(name: &OsStr, begin: &OsStr, end: &OsStr) -> Option<u128> {
    let name = name.to_str()?;
    let moment = name.strip_prefix(begin.to_str()?)?;
    let moment = moment.strip_suffix(end.to_str()?)?;
    let digits = moment.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| moment.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3600;

    fn at(seconds: u64) -> Moment {
        Moment::after_start(Duration::from_secs(seconds))
    }

    /// Adds a line in each of these seconds and gives what lies in the folder then, oldest first.
    fn after(rotation: Rotation, seconds: &[u64]) -> Vec<(String, String)> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("agent.log");
        fs::write(folder.path().join("agent-notes.log"), "mine").unwrap();
        let mut file = LogFile::open(&path, rotation, at(0)).unwrap();
        for &second in seconds {
            let line = format!("line {second}\n");
            file.add(line.as_bytes(), at(second), Duration::from_secs(second));
        }
        let mut found: Vec<(String, String)> = fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap())
            .map(|entry| {
                let name = entry.file_name().to_string_lossy().into_owned();
                (name, fs::read_to_string(entry.path()).unwrap())
            })
            .collect();
        found.sort();
        assert!(found.iter().any(|(name, _)| name == "agent-notes.log"));
        found.retain(|(name, _)| name != "agent-notes.log");
        found
    }

    fn names(found: &[(String, String)]) -> Vec<&str> {
        found.iter().map(|(name, _)| name.as_str()).collect()
    }

    #[test]
    fn a_file_is_put_aside_before_it_grows_beyond_its_size() {
        let rotation = Rotation {
            bytes: Some(14),
            ..Rotation::default()
        };
        let found = after(rotation, &[1, 2, 3]);
        assert_eq!(names(&found), ["agent-3000000000.log", "agent.log"]);
        assert_eq!(found[0].1, "line 1\nline 2\n");
        assert_eq!(found[1].1, "line 3\n");
    }

    #[test]
    fn a_file_is_put_aside_after_a_day_unless_told_otherwise() {
        let found = after(Rotation::default(), &[1, 23 * HOUR, 24 * HOUR]);
        assert_eq!(names(&found), ["agent-86400000000000.log", "agent.log"]);
        assert_eq!(found[1].1, "line 86400\n");
        let hourly = Rotation {
            age: Duration::from_secs(HOUR),
            ..Rotation::default()
        };
        assert_eq!(after(hourly, &[1, HOUR, HOUR + 1, 2 * HOUR]).len(), 3);
    }

    #[test]
    fn of_those_put_aside_the_newest_stay() {
        let kept = |kept| Rotation {
            bytes: Some(1),
            kept,
            ..Rotation::default()
        };
        assert_eq!(after(kept(None), &[1, 2, 3, 4]).len(), 4);
        assert_eq!(
            names(&after(kept(Some(2)), &[8, 9, 10, 11, 12])),
            [
                "agent-11000000000.log",
                "agent-12000000000.log",
                "agent.log"
            ]
        );
        assert_eq!(names(&after(kept(Some(0)), &[1, 2, 3])), ["agent.log"]);
    }

    #[test]
    fn what_an_earlier_run_wrote_counts_and_a_folder_gets_a_name() {
        let folder = tempfile::tempdir().unwrap();
        let inside = PathBuf::from(format!("{}/", folder.path().display()));
        let rotation = Rotation {
            bytes: Some(14),
            ..Rotation::default()
        };
        for second in [1, 2, 3] {
            let mut file = LogFile::open(&inside, rotation, at(second)).unwrap();
            file.add(b"a line\n", at(second), Duration::from_secs(second));
        }
        let count = fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(count, 2);
        let newest = fs::read_to_string(folder.path().join(NAME)).unwrap();
        assert_eq!(newest, "a line\n");
    }
}
