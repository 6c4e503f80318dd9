//! Saying a failure once: loud when it is new or another, quiet while it stays the same, and a line when it is
//! over. What the line looks like is up to those who say it.

use std::time::Duration;

use crate::core::{message::Level, moment::Moment};

/// What was said of one thing that is tried again and again.
#[derive(Debug, Clone, Default)]
pub struct Telling(Option<Told>);

#[derive(Debug, Clone)]
struct Told {
    text: String,
    since: Moment,
    tries: u32,
}

/// Whether a failure was said before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News {
    /// It is the first, or another one than before.
    New,
    /// It was said, and nothing has changed.
    Same,
}

impl News {
    /// The level to say it at, where news are said at this one.
    #[must_use]
    pub const fn level(self, news: Level) -> Level {
        match self {
            Self::New => news,
            Self::Same => Level::Debug,
        }
    }
}

impl Telling {
    /// Nothing has failed.
    #[must_use]
    pub const fn new() -> Self {
        Self(None)
    }

    /// It failed with this text.
    pub fn failed(&mut self, now: Moment, text: &str) -> News {
        let Some(told) = &mut self.0 else {
            self.0 = Some(Told {
                text: text.to_owned(),
                since: now,
                tries: 1,
            });
            return News::New;
        };
        told.tries = told.tries.saturating_add(1);
        if told.text == text {
            return News::Same;
        }
        text.clone_into(&mut told.text);
        News::New
    }

    /// It succeeded: how long it had failed and with what last, for a line that says so; none where it had not.
    pub fn over(&mut self, now: Moment) -> Option<String> {
        let told = self.0.take()?;
        let tries = match told.tries {
            1 => "1 failed try".to_owned(),
            tries => format!("{tries} failed tries"),
        };
        let time = seconds(told.since.until(now));
        let first = told.text.lines().next().unwrap_or_default();
        Some(format!("after {tries} in {time}: {first}"))
    }
}

/// A duration as the established agent writes it: `1.61s`.
pub(crate) fn seconds(duration: Duration) -> String {
    if duration < Duration::from_secs(1) {
        format!("{}ms", duration.as_millis())
    } else {
        let text = format!("{:.2}", duration.as_secs_f64());
        format!("{}s", text.trim_end_matches('0').trim_end_matches('.'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milliseconds: u64) -> Moment {
        Moment::after_start(Duration::from_millis(milliseconds))
    }

    #[test]
    fn a_failure_is_news_when_it_comes_and_when_it_changes() {
        let mut telling = Telling::new();
        let mut news = |second, text: &str| telling.failed(at(second), text);
        assert_eq!(news(0, "refused"), News::New);
        assert_eq!(news(1, "refused"), News::Same);
        assert_eq!(news(2, "sealed"), News::New);
        assert_eq!(news(3, "sealed"), News::Same);
        assert_eq!(news(4, "refused"), News::New);
    }

    #[test]
    fn what_is_over_is_said_once_with_how_long_it_was() {
        let mut telling = Telling::new();
        assert_eq!(telling.over(at(0)), None);
        telling.failed(at(1000), "refused");
        telling.failed(at(2000), "sealed");
        let said = telling.over(at(3500));
        assert_eq!(
            said.as_deref(),
            Some("after 2 failed tries in 2.5s: sealed")
        );
        assert_eq!(telling.over(at(3600)), None);
        assert_eq!(telling.failed(at(4000), "sealed"), News::New);
        let said = telling.over(at(4200));
        assert_eq!(said.as_deref(), Some("after 1 failed try in 200ms: sealed"));
    }
}
