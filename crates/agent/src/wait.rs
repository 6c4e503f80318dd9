//! `leasehold-agent wait`: holds a container's start back until everything is rendered, and says in words why
//! not when its time is up. It runs beside the agent, as the `postStart` hook of the agent's container.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::inotify,
};

use crate::{clock, state::StateFolder, status::Status};

/// What is waited for.
#[derive(Debug, Clone)]
pub enum Awaited {
    /// The agent's own note in its state folder.
    State(StateFolder),
    /// These files, where the agent keeps no state.
    Files(Vec<PathBuf>),
}

/// The files did not come in time.
#[derive(Debug, thiserror::Error)]
#[error("not everything is rendered after {waited:?}: {why}")]
pub struct WaitError {
    waited: Duration,
    why: String,
}

impl Awaited {
    fn is_there(&self) -> bool {
        match self {
            Self::State(state) => state.is_ready(),
            Self::Files(files) => files.iter().all(|file| file.exists()),
        }
    }

    fn folders(&self) -> Vec<PathBuf> {
        let parents = |path: &Path| path.parent().map(Path::to_owned);
        match self {
            Self::State(state) => [Some(state.path().to_owned()), parents(state.path())]
                .into_iter()
                .flatten()
                .collect(),
            Self::Files(files) => files.iter().filter_map(|file| parents(file)).collect(),
        }
    }

    fn why_not(&self) -> String {
        match self {
            Self::State(state) => {
                let status = state.status().ok();
                let status = status.and_then(|text| serde_json::from_str::<Status>(&text).ok());
                status.map_or_else(
                    || "the agent has not begun its work yet".to_owned(),
                    |status| status.awaits(clock::now()),
                )
            }
            Self::Files(files) => {
                let missing: Vec<String> = files
                    .iter()
                    .filter(|file| !file.exists())
                    .map(|file| format!("`{}`", file.display()))
                    .collect();
                format!("missing are {}", missing.join(", "))
            }
        }
    }
}

/// Waits until everything is in place; at once when it is.
///
/// # Errors
/// The time is up; the text says what stands in the way.
pub fn wait(awaited: &Awaited, limit: Duration) -> Result<(), WaitError> {
    let begun = Instant::now();
    while !awaited.is_there() {
        let left = limit.saturating_sub(begun.elapsed());
        if left.is_zero() {
            return Err(WaitError {
                waited: limit,
                why: awaited.why_not(),
            });
        }
        // The watch is made before the second look, so that nothing comes unseen in between.
        let watch = watch(&awaited.folders());
        if awaited.is_there() {
            break;
        }
        // A folder that is not there yet cannot be watched; then a short pause does.
        let pause = if watch.is_some() {
            left
        } else {
            left.min(Duration::from_millis(20))
        };
        let time = Timespec {
            tv_sec: i64::try_from(pause.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(pause.subsec_nanos()),
        };
        let mut events: Vec<PollFd<'_>> = watch
            .iter()
            .map(|watch| PollFd::new(watch, PollFlags::IN))
            .collect();
        let _ = poll(&mut events, Some(&time));
    }
    Ok(())
}

fn watch(folders: &[PathBuf]) -> Option<rustix::fd::OwnedFd> {
    let watch =
        inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK).ok()?;
    let flags = inotify::WatchFlags::CREATE | inotify::WatchFlags::MOVED_TO;
    let watched = folders
        .iter()
        .filter(|folder| inotify::add_watch(&watch, folder.as_path(), flags).is_ok());
    (watched.count() == folders.len()).then_some(watch)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn returns_at_once_when_everything_is_in_place() {
        let folder = tempfile::tempdir().unwrap();
        let state = StateFolder::new(folder.path().join("state"));
        state.set_ready().unwrap();
        wait(&Awaited::State(state), Duration::ZERO).unwrap();
    }

    #[test]
    fn notices_the_file_when_it_comes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("db.env");
        let (there, begun) = (path.clone(), Instant::now());
        let writer = std::thread::spawn(move || {
            std::fs::write(&there, "x").unwrap();
        });
        wait(&Awaited::Files(vec![path]), Duration::from_secs(30)).unwrap();
        writer.join().unwrap();
        assert!(begun.elapsed() < Duration::from_secs(20));
    }

    #[test]
    fn says_at_the_deadline_what_is_missing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("db.env");
        let error = wait(
            &Awaited::Files(vec![path.clone()]),
            Duration::from_millis(10),
        )
        .unwrap_err();
        assert!(
            error
                .to_string()
                .contains(&format!("missing are `{}`", path.display())),
            "{error}"
        );
        let state = StateFolder::new(folder.path().join("state"));
        let error = wait(&Awaited::State(state), Duration::from_millis(50)).unwrap_err();
        assert!(error.to_string().contains("has not begun"), "{error}");
    }
}
