//! Pauses between tries: doubling, bounded, jittered, and longer when the server asks for it.

use std::time::Duration;

use crate::core::chance::{Chance, between};

/// The pauses of one thing that is tried again.
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    largest: Duration,
    steps: u32,
}

impl Backoff {
    /// Pauses that begin at about `first`, double, and never exceed `largest`.
    #[must_use]
    pub const fn new(first: Duration, largest: Duration) -> Self {
        Self {
            first,
            largest,
            steps: 0,
        }
    }

    /// How many pauses were made since the start or the last success.
    #[must_use]
    pub const fn steps(&self) -> u32 {
        self.steps
    }

    /// The next pause: evenly spread below the doubled one, so that agents which failed together do not come
    /// back together, yet never less than a quarter of it; at least `asked`, the server's `Retry-After`.
    pub fn pause(&mut self, chance: &mut dyn Chance, asked: Option<Duration>) -> Duration {
        let doubled = self
            .first
            .saturating_mul(2_u32.saturating_pow(self.steps.min(31)));
        let ceiling = doubled.min(self.largest);
        self.steps = self.steps.saturating_add(1);
        let pause = between(
            chance,
            (self.first / 2).max(ceiling / 4).min(ceiling),
            ceiling,
        );
        match asked {
            // What the server asks for is a floor. Everybody was told the same, so it is spread too.
            Some(asked) if asked > pause => asked + between(chance, Duration::ZERO, asked),
            _ => pause,
        }
    }

    /// Forgets the failures, after a success.
    pub const fn reset(&mut self) {
        self.steps = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::chance::Always;

    fn pauses(fraction: f64, count: usize) -> Vec<u128> {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(10));
        (0..count)
            .map(|_| backoff.pause(&mut Always(fraction), None).as_millis())
            .collect()
    }

    #[test]
    fn doubles_up_to_the_largest_pause() {
        assert_eq!(pauses(1.0, 6), [1000, 2000, 4000, 8000, 10_000, 10_000]);
    }

    #[test]
    fn spreads_down_to_a_quarter() {
        assert_eq!(pauses(0.0, 6), [500, 500, 1000, 2000, 2500, 2500]);
    }

    #[test]
    fn honours_what_the_server_asks_for() {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(10));
        let asked = Some(Duration::from_secs(40));
        assert_eq!(
            backoff.pause(&mut Always(0.0), asked),
            Duration::from_secs(40)
        );
        assert_eq!(
            backoff.pause(&mut Always(1.0), asked),
            Duration::from_secs(80)
        );
    }

    #[test]
    fn begins_anew_after_a_success() {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(10));
        backoff.pause(&mut Always(1.0), None);
        backoff.pause(&mut Always(1.0), None);
        backoff.reset();
        assert_eq!(
            backoff.pause(&mut Always(1.0), None),
            Duration::from_secs(1)
        );
    }
}
