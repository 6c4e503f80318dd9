//! How many requests a second may leave, for those who set `VAULT_RATE_LIMIT`.

use std::str::FromStr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// A number of requests a second, and how many may leave at once after a silence.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RateLimit {
    per_second: f64,
    burst: f64,
}

/// A text that is no rate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is not a rate of requests (accepted: RATE or RATE:BURST, as in 10 or 2.5:20, both above 0)"
)]
pub struct RateLimitError {
    text: String,
}

/// The state of a limit: when the next request may leave if none of the burst were left.
#[derive(Debug)]
pub(crate) struct Pace {
    limit: Option<RateLimit>,
    free_at: Mutex<Option<Instant>>,
}

impl Pace {
    pub(crate) fn new(limit: Option<RateLimit>) -> Self {
        Self {
            limit,
            free_at: Mutex::new(None),
        }
    }

    /// Waits until a request may leave.
    pub(crate) async fn wait(&self) {
        if let Some(pause) = self.take(Instant::now()) {
            tokio::time::sleep(pause).await;
        }
    }

    /// Books the next place, and tells how far away it is. A place is booked even when the caller gives up
    /// waiting: then one request less leaves than might have.
    fn take(&self, now: Instant) -> Option<Duration> {
        let limit = self.limit?;
        let gap = Duration::from_secs_f64(1.0 / limit.per_second);
        let ahead = gap.mul_f64(limit.burst - 1.0);
        let mut free_at = self.free_at.lock().unwrap_or_else(PoisonError::into_inner);
        let earliest = now.checked_sub(ahead).unwrap_or(now);
        let place = free_at.map_or(earliest, |free_at| free_at.max(earliest));
        *free_at = Some(place + gap);
        // After a silence the places lie in the past, as many as the burst allows.
        place
            .checked_duration_since(now)
            .filter(|pause| !pause.is_zero())
    }
}

impl FromStr for RateLimit {
    type Err = RateLimitError;

    fn from_str(text: &str) -> Result<Self, RateLimitError> {
        let (rate, burst) = match text.trim().split_once(':') {
            Some((rate, burst)) => (rate, Some(burst)),
            None => (text.trim(), None),
        };
        let number = |text: &str| {
            let number: Option<f64> = text.trim().parse().ok();
            number.filter(|number| number.is_finite() && *number >= 0.001)
        };
        let refuse = || RateLimitError {
            text: text.to_owned(),
        };
        let per_second = number(rate).ok_or_else(refuse)?;
        let burst = match burst {
            Some(burst) => number(burst).ok_or_else(refuse)?,
            None => per_second,
        };
        Ok(Self {
            per_second,
            burst: burst.trunc().max(1.0),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_rates_as_the_variable_has_them() {
        let read = |text: &str| text.parse::<RateLimit>().ok();
        let limit = |per_second, burst| Some(RateLimit { per_second, burst });
        assert_eq!(read("10"), limit(10.0, 10.0));
        assert_eq!(read("2.5:20"), limit(2.5, 20.0));
        assert_eq!(read("0.5"), limit(0.5, 1.0));
        for wrong in ["", "fast", "0", "-1", "1:", "1:0", "NaN", "1e-99"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn lets_the_burst_go_at_once_and_the_rest_at_the_rate() {
        let pace = Pace::new("2:3".parse().ok());
        let start = Instant::now() + Duration::from_secs(60);
        let take = |after: u64| {
            let pause = pace.take(start + Duration::from_millis(after));
            pause.unwrap_or_default().as_millis()
        };
        assert_eq!(
            [take(0), take(0), take(0), take(0), take(0)],
            [0, 0, 0, 500, 1000]
        );
        // After a silence the burst is whole again, and no larger.
        assert_eq!(
            [take(60_000), take(60_000), take(60_000), take(60_000)],
            [0, 0, 0, 500]
        );
        assert!(Pace::new(None).take(start).is_none());
    }
}
