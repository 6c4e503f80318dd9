//! Waiting for a stated condition with a deadline, the only way in which tests wait.

use std::thread;
use std::time::{Duration, Instant};

/// Asks `condition` every few milliseconds until it gives a value, and panics with `what` when the
/// deadline passes first.
#[track_caller]
pub fn until<T>(what: &str, deadline: Duration, condition: impl FnMut() -> Option<T>) -> T {
    match within(deadline, condition) {
        Some(value) => value,
        None => panic!("waited {deadline:?} in vain: {what}"),
    }
}

/// As [`until`], for conditions that hold or do not.
#[track_caller]
pub fn until_true(what: &str, deadline: Duration, mut condition: impl FnMut() -> bool) {
    until(what, deadline, || condition().then_some(()));
}

/// Asks `condition` until it gives a value, or gives up at the deadline.
pub fn within<T>(deadline: Duration, condition: impl FnMut() -> Option<T>) -> Option<T> {
    within_asking(Duration::from_millis(50), deadline, condition)
}

/// As [`within`], for conditions that cost something: between two questions at most `longest` passes.
pub fn within_asking<T>(
    longest: Duration,
    deadline: Duration,
    mut condition: impl FnMut() -> Option<T>,
) -> Option<T> {
    let started = Instant::now();
    let mut pause = Duration::from_millis(2);
    loop {
        if let Some(value) = condition() {
            return Some(value);
        }
        if started.elapsed() >= deadline {
            return None;
        }
        thread::sleep(pause);
        pause = (pause * 2).min(longest);
    }
}

/// Does something at a fixed pace for a time: for promises that must hold at every moment.
pub fn every(pace: Duration, time: Duration, mut act: impl FnMut()) {
    let ended: Result<(), std::convert::Infallible> = try_every(pace, time, || {
        act();
        Ok(())
    });
    match ended {
        Ok(()) => {}
    }
}

/// As [`every`], and ends at the first error.
pub fn try_every<E>(
    pace: Duration,
    time: Duration,
    mut act: impl FnMut() -> Result<(), E>,
) -> Result<(), E> {
    let started = Instant::now();
    let mut next = started;
    while started.elapsed() < time {
        act()?;
        next += pace;
        thread::sleep(next.saturating_duration_since(Instant::now()));
    }
    Ok(())
}
