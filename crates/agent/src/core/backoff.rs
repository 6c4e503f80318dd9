//! Pauses between tries: growing, jittered, and longer when the server asks for it.

use std::time::Duration;

use crate::core::chance::{Chance, between};

/// The pauses of one thing that is tried again.
#[derive(Debug, Clone)]
pub struct Backoff {
    growth: Growth,
    steps: u32,
}

/// How pauses grow.
#[derive(Debug, Clone)]
enum Growth {
    /// From about `first` on, each twice the one before, up to `largest`.
    Doubling { first: Duration, largest: Duration },
    /// The first between `low` and `high`, the second between twice these, and so on.
    Linear { low: Duration, high: Duration },
}

impl Backoff {
    /// Pauses that begin at about `first`, double, and never exceed `largest`.
    #[must_use]
    pub const fn new(first: Duration, largest: Duration) -> Self {
        Self {
            growth: Growth::Doubling { first, largest },
            steps: 0,
        }
    }

    /// Pauses that are by `low` to `high` longer each time.
    #[must_use]
    pub const fn linear(low: Duration, high: Duration) -> Self {
        Self {
            growth: Growth::Linear { low, high },
            steps: 0,
        }
    }

    /// How many pauses were made since the start or the last success.
    #[must_use]
    pub const fn steps(&self) -> u32 {
        self.steps
    }

    /// The next pause: spread, so that agents which failed together do not come back together; a doubling one evenly
    /// below the doubled one, yet never less than a quarter of it. At least `asked`, the server's `Retry-After`.
    pub fn pause(&mut self, chance: &mut dyn Chance, asked: Option<Duration>) -> Duration {
        let (low, high) = match self.growth {
            Growth::Doubling { first, largest } => {
                let doubled = first.saturating_mul(2_u32.saturating_pow(self.steps.min(31)));
                let ceiling = doubled.min(largest);
                ((first / 2).max(ceiling / 4).min(ceiling), ceiling)
            }
            Growth::Linear { low, high } => {
                let number = self.steps.saturating_add(1);
                (low.saturating_mul(number), high.saturating_mul(number))
            }
        };
        self.steps = self.steps.saturating_add(1);
        let pause = between(chance, low, high);
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
    fn grows_by_as_much_each_time_where_told_so() {
        let check = |fraction, expected: [u64; 4]| {
            let (low, high) = (Duration::from_millis(1000), Duration::from_millis(1500));
            let mut backoff = Backoff::linear(low, high);
            let pauses = [(); 4].map(|()| backoff.pause(&mut Always(fraction), None));
            assert_eq!(pauses, expected.map(Duration::from_millis));
        };
        check(0.0, [1000, 2000, 3000, 4000]);
        check(1.0, [1500, 3000, 4500, 6000]);
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
