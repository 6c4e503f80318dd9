//! How many reads are under way at once: one after the other over one connection, a further one beside a slow one,
//! and never more than the settings allow.

use std::num::NonZeroUsize;
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

/// How long a read waits for the one before it.
const TURN: Duration = Duration::from_secs(1);

/// The reads of one connection.
pub(super) struct Reads {
    /// Held by a read, so that reads share one connection.
    line: Semaphore,
    /// Each of those under way holds one of these.
    places: Semaphore,
}

/// The turn to read, given back when it is dropped.
pub struct Turn<'a> {
    /// Without it where it was not waited for any longer.
    _first_in_line: Option<SemaphorePermit<'a>>,
    _place: Option<SemaphorePermit<'a>>,
}

impl Reads {
    pub(super) fn new(at_once: NonZeroUsize) -> Self {
        Self {
            line: Semaphore::new(1),
            places: Semaphore::new(at_once.get().min(Semaphore::MAX_PERMITS)),
        }
    }

    pub(super) async fn turn(&self) -> Turn<'_> {
        let first = timeout(TURN, self.line.acquire()).await;
        Turn {
            _first_in_line: first.ok().and_then(Result::ok),
            // Neither is ever closed.
            _place: self.places.acquire().await.ok(),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    fn reads(at_once: usize) -> Reads {
        Reads::new(NonZeroUsize::new(at_once).unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn a_read_waits_a_moment_for_the_one_before_it() {
        let reads = reads(2);
        let begun = Instant::now();
        let first = reads.turn().await;
        assert_eq!(begun.elapsed(), Duration::ZERO);
        let second = reads.turn().await;
        assert_eq!(begun.elapsed(), TURN);
        // There is no third place.
        let third = timeout(Duration::from_secs(60), reads.turn()).await;
        assert!(third.is_err());
        drop(first);
        let begun = Instant::now();
        let third = reads.turn().await;
        assert_eq!(
            begun.elapsed(),
            Duration::ZERO,
            "its turn came with its place"
        );
        drop((second, third));
    }

    #[tokio::test(start_paused = true)]
    async fn where_one_is_allowed_none_goes_beside_a_slow_one() {
        let reads = reads(1);
        let slow = reads.turn().await;
        let second = timeout(Duration::from_secs(60), reads.turn()).await;
        assert!(second.is_err());
        drop(slow);
        reads.turn().await;
    }
}
