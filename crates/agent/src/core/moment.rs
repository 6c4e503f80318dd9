//! A point in time as the core knows it. Where the time comes from is the driver's business.

use std::{
    ops::{Add, Sub},
    time::Duration,
};

/// A point in time, counted from the start of the machine and going on while it sleeps, so that a
/// changed wall clock moves no renewal and a suspended machine is noticed on waking.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(Duration);

impl Moment {
    /// The moment that lies this long after the start of the machine.
    #[must_use]
    pub const fn after_start(age: Duration) -> Self {
        Self(age)
    }

    /// How long after the start of the machine this moment lies.
    #[must_use]
    pub const fn since_start(self) -> Duration {
        self.0
    }

    /// The time left until `later`; zero when that has passed.
    #[must_use]
    pub const fn until(self, later: Self) -> Duration {
        later.0.saturating_sub(self.0)
    }
}

impl Add<Duration> for Moment {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration))
    }
}

impl Sub<Duration> for Moment {
    type Output = Self;

    fn sub(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(duration))
    }
}
