//! Whether an application's request is sent to the server once more, and after what pause: as the established agent's
//! client does it, since applications were written for that. What may pass is tried again, for no longer than the
//! application would have waited for one answer. How a request is sent is the business of `delivery`.

use std::time::Duration;

use leasehold_vault::{Error, Failure, NoAnswer, OpenAnswer};
use tokio::time::Instant;

use crate::core::{backoff::Backoff, chance::Chance};

/// How much longer each pause is than the one before, at least and at most.
const STEP: (Duration, Duration) = (Duration::from_millis(1000), Duration::from_millis(1500));

/// The tries of one request.
pub(super) struct Tries {
    left: u32,
    pauses: Backoff,
    ends: Instant,
}

/// What a try brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Brought {
    /// What another try would bring as well.
    Lasting,
    /// What may pass by itself; with the pause that the server asks for.
    Passing(Option<Duration>),
}

impl Tries {
    /// So many tries after the first one, none of which begins or lasts beyond `limit` from now on.
    pub(super) fn new(retries: u32, limit: Duration) -> Self {
        Self {
            left: retries,
            pauses: Backoff::linear(STEP.0, STEP.1),
            ends: Instant::now() + limit,
        }
    }

    /// How long a try may last.
    pub(super) fn limit(&self) -> Duration {
        self.ends.saturating_duration_since(Instant::now())
    }

    /// The pause before the next try; none when what came is to be passed on.
    pub(super) fn pause(&mut self, brought: Brought, chance: &mut dyn Chance) -> Option<Duration> {
        let Brought::Passing(asked) = brought else {
            return None;
        };
        self.left = self.left.checked_sub(1)?;
        let pause = self.pauses.pause(chance, asked);
        // Who would only wait to be told that the time is over is told at once what the server said.
        (pause < self.limit()).then_some(pause)
    }
}

impl Brought {
    /// Reads what a try of a request for this path brought.
    pub(super) fn by(path: &str, answered: &Result<OpenAnswer, Error>) -> Self {
        // The statuses of this one tell the server's state, to somebody who wants to know it now.
        if path == "sys/health" {
            return Self::Lasting;
        }
        match answered {
            Ok(answer) => Self::status(answer.status, answer.retry_after()),
            Err(error) => match &error.failure {
                // A certificate does not become another one, and what could not even be sent has no source.
                Failure::NoAnswer {
                    why: NoAnswer::Certificate(_),
                    ..
                }
                | Failure::NoAnswer { source: None, .. } => Self::Lasting,
                Failure::NoAnswer { .. } => Self::Passing(None),
                _ => Self::Lasting,
            },
        }
    }

    const fn status(status: u16, asked: Option<Duration>) -> Self {
        match status {
            501 => Self::Lasting,
            412 | 429 | 500.. => Self::Passing(asked),
            _ => Self::Lasting,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::chance::Always;

    const MINUTE: Duration = Duration::from_secs(60);

    /// The pauses, in milliseconds, of a request whose every try brings this at once.
    async fn pauses(retries: u32, limit: Duration, brought: Brought, fraction: f64) -> Vec<u128> {
        let mut tries = Tries::new(retries, limit);
        let mut pauses = Vec::new();
        while let Some(pause) = tries.pause(brought, &mut Always(fraction)) {
            tokio::time::sleep(pause).await;
            pauses.push(pause.as_millis());
        }
        pauses
    }

    #[test]
    fn only_what_may_pass_is_tried_again() {
        for status in [200, 204, 307, 400, 403, 404, 405, 472, 501] {
            assert_eq!(Brought::status(status, None), Brought::Lasting, "{status}");
        }
        let asked = Some(Duration::from_secs(7));
        for status in [412, 429, 500, 502, 503, 504] {
            let brought = Brought::status(status, asked);
            assert_eq!(brought, Brought::Passing(asked), "{status}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_grow_and_end_with_the_tries_or_the_time() {
        let passing = Brought::Passing(None);
        assert_eq!(pauses(2, MINUTE, passing, 0.0).await, [1000, 2000]);
        assert_eq!(pauses(2, MINUTE, passing, 1.0).await, [1500, 3000]);
        assert_eq!(pauses(0, MINUTE, passing, 0.5).await, [0; 0]);
        assert_eq!(pauses(12, MINUTE, Brought::Lasting, 0.5).await, [0; 0]);
        let within: Vec<u128> = pauses(12, MINUTE, passing, 0.0).await;
        assert_eq!(within.len(), 10, "1 + 2 + … + 10 s are within the minute");
        assert!(
            pauses(12, Duration::from_secs(1), passing, 0.0)
                .await
                .is_empty()
        );
    }

    #[tokio::test(start_paused = true)]
    async fn the_server_decides_the_pause_where_it_fits_into_the_time() {
        let asked = |seconds| Brought::Passing(Some(Duration::from_secs(seconds)));
        assert_eq!(pauses(1, MINUTE, asked(20), 0.0).await, [20_000]);
        assert_eq!(pauses(2, MINUTE, asked(1), 0.0).await, [1000, 2000]);
        assert!(pauses(1, MINUTE, asked(90), 0.0).await.is_empty());
    }
}
