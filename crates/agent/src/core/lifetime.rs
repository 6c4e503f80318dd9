//! How long an answer of the server is good for, and when to renew or replace it. All fractions and
//! leads of the agent stand here; what to do at those moments is said elsewhere.

use std::time::Duration;

use crate::core::{
    chance::{Chance, between},
    moment::Moment,
};

/// Renewals happen around two thirds of a lease, this much spread to either side.
const RENEWAL_SPREAD: f64 = 0.05;
/// Old and new credentials overlap by a tenth of the lifetime, within these limits.
const OVERLAP_FLOOR: Duration = Duration::from_secs(2);
const OVERLAP_CEILING: Duration = Duration::from_secs(300);
/// The width of the band, to either side of the threshold, in which answers without renewal are read again.
const REREAD_SPREAD: f64 = 0.05;
/// Nothing is asked for more often than this, whatever lifetime the server gives.
const SHORTEST_LIFE: Duration = Duration::from_secs(1);
/// The server rounds to seconds, so a renewal that comes back this much shorter is not yet a capped one.
const ROUNDING: Duration = Duration::from_millis(1100);

/// What the server said about the lifetime of an answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Facts {
    /// Whether there is a lease to renew or revoke.
    pub leased: bool,
    /// Whether that lease may be renewed.
    pub renewable: bool,
    /// `lease_duration` of the answer or of its `auth`; zero when there is none.
    pub duration: Duration,
    /// The rest of the life of a certificate that came without a lease.
    pub certificate: Option<Duration>,
    /// `secret_id_ttl` of an approle secret id.
    pub secret_id_ttl: Option<Duration>,
    /// `ttl` of a secret that the server itself rotates (`rotation_period` is set).
    pub rotates_in: Option<Duration>,
    /// Whether the question was a write, which is not repeated for the sake of freshness.
    pub written: bool,
}

/// When an answer has to be looked after.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lifetime {
    /// A lease that is renewed until the server no longer extends it.
    Renewable(Duration),
    /// Good for this long; replaced before.
    Ends {
        /// From now to its end.
        after: Duration,
        /// Whether it dies with the token that asked for it.
        with_token: bool,
    },
    /// Read again at the interval of static secrets.
    Polled,
    /// Read again after exactly this time, which is when the server changes it.
    ChangesIn(Duration),
    /// Good for as long as the agent runs.
    Kept,
}

impl Lifetime {
    /// The lifetime that follows from what the server said.
    #[must_use]
    pub const fn of(facts: &Facts) -> Self {
        if facts.leased {
            return if facts.renewable {
                Self::Renewable(facts.duration)
            } else if facts.duration.is_zero() {
                Self::Kept
            } else {
                Self::Ends {
                    after: facts.duration,
                    with_token: true,
                }
            };
        }
        if let Some(rest) = facts.certificate {
            Self::Ends {
                after: rest,
                with_token: false,
            }
        } else if let Some(ttl) = facts.secret_id_ttl {
            Self::Ends {
                after: ttl.saturating_add(SHORTEST_LIFE),
                with_token: false,
            }
        } else if let Some(ttl) = facts.rotates_in {
            Self::ChangesIn(ttl.saturating_add(SHORTEST_LIFE))
        } else if !facts.duration.is_zero() {
            Self::Ends {
                after: facts.duration,
                with_token: false,
            }
        } else if facts.written {
            Self::Kept
        } else {
            Self::Polled
        }
    }
}

/// How long before the end of something that lives `granted` its replacement is asked for: one and a quarter to
/// one and three quarters times the promised overlap of a tenth of the lifetime (at least 2 s, at most 5 min), so
/// that a slow answer does not eat into it, and not all of a fleet ask at once. Never more than half of what is
/// `left`.
pub fn lead(granted: Duration, left: Duration, chance: &mut dyn Chance) -> Duration {
    let overlap = (granted / 10).clamp(OVERLAP_FLOOR, OVERLAP_CEILING);
    between(chance, overlap + overlap / 4, overlap + overlap * 3 / 4).min(left / 2)
}

/// When to renew a lease that begins now: around two thirds of it.
pub fn renewal(now: Moment, lease: Duration, chance: &mut dyn Chance) -> Moment {
    let two_thirds = lease.mul_f64(2.0 / 3.0);
    now + between(
        chance,
        two_thirds.mul_f64(1.0 - RENEWAL_SPREAD),
        two_thirds.mul_f64(1.0 + RENEWAL_SPREAD),
    )
    .max(SHORTEST_LIFE.min(lease))
}

/// When to replace something that cannot be renewed: at the threshold (a fraction, spread by five points to
/// either side), and early enough for old and new to overlap.
pub fn replacement(now: Moment, life: Duration, threshold: f64, chance: &mut dyn Chance) -> Moment {
    let low = (threshold - REREAD_SPREAD).clamp(0.0, 1.0);
    let high = (threshold + REREAD_SPREAD).clamp(0.0, 1.0);
    let at_threshold = between(chance, life.mul_f64(low), life.mul_f64(high));
    now + at_threshold
        .min(life - lead(life, life, chance))
        .max(SHORTEST_LIFE)
}

/// When to read a static secret again: the interval times the threshold's band.
pub fn poll(now: Moment, interval: Duration, threshold: f64, chance: &mut dyn Chance) -> Moment {
    let low = (threshold - REREAD_SPREAD).clamp(0.0, 1.0);
    let high = (threshold + REREAD_SPREAD).clamp(0.0, 1.0);
    now + between(chance, interval.mul_f64(low), interval.mul_f64(high)).max(SHORTEST_LIFE)
}

/// Whether a renewal shows that the lease has met its maximum: it came back shorter than it was granted.
#[must_use]
pub fn is_capped(granted: Duration, renewed: Duration) -> bool {
    renewed + ROUNDING.min(granted / 10) < granted
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::chance::Always;

    const fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    #[test]
    fn tells_lifetimes_apart_by_what_the_server_said() {
        let none = Facts::default();
        let check = |facts: Facts, expected: Lifetime| {
            assert_eq!(Lifetime::of(&facts), expected, "{facts:?}");
        };
        check(none, Lifetime::Polled);
        check(
            Facts {
                written: true,
                ..none
            },
            Lifetime::Kept,
        );
        check(
            Facts {
                leased: true,
                renewable: true,
                duration: seconds(10),
                ..none
            },
            Lifetime::Renewable(seconds(10)),
        );
        check(
            Facts {
                leased: true,
                duration: seconds(10),
                ..none
            },
            Lifetime::Ends {
                after: seconds(10),
                with_token: true,
            },
        );
        check(
            Facts {
                duration: seconds(2_764_800),
                ..none
            },
            Lifetime::Ends {
                after: seconds(2_764_800),
                with_token: false,
            },
        );
        check(
            Facts {
                certificate: Some(seconds(20)),
                written: true,
                ..none
            },
            Lifetime::Ends {
                after: seconds(20),
                with_token: false,
            },
        );
        check(
            Facts {
                secret_id_ttl: Some(seconds(60)),
                written: true,
                ..none
            },
            Lifetime::Ends {
                after: seconds(61),
                with_token: false,
            },
        );
        check(
            Facts {
                rotates_in: Some(seconds(5)),
                ..none
            },
            Lifetime::ChangesIn(seconds(6)),
        );
    }

    #[test]
    fn renews_at_two_thirds_of_the_lease_with_jitter() {
        let now = Moment::after_start(seconds(100));
        let at = |fraction| now.until(renewal(now, seconds(30), &mut Always(fraction)));
        assert_eq!(at(0.0), seconds(19));
        assert_eq!(at(0.5), seconds(20));
        assert_eq!(at(1.0), seconds(21));
    }

    #[test]
    fn leads_by_at_least_the_promised_overlap() {
        for (granted, overlap) in [(10, 2), (20, 2), (60, 6), (3600, 300), (86_400, 300)] {
            let lead = lead(seconds(granted), seconds(granted), &mut Always(0.0));
            assert!(lead >= seconds(overlap), "{granted} s: {lead:?}");
            assert!(lead <= seconds(granted) / 2, "{granted} s: {lead:?}");
        }
    }

    #[test]
    fn leads_by_no_more_than_half_of_what_is_left() {
        assert_eq!(
            lead(seconds(3600), seconds(4), &mut Always(0.5)),
            seconds(2)
        );
        assert_eq!(
            lead(seconds(1), seconds(1), &mut Always(0.5)),
            Duration::from_millis(500)
        );
    }

    #[test]
    fn replaces_what_cannot_be_renewed_in_the_band_and_before_the_overlap() {
        let now = Moment::default();
        let at =
            |life, fraction| now.until(replacement(now, seconds(life), 0.9, &mut Always(fraction)));
        assert_eq!(at(1000, 0.0), seconds(850));
        assert_eq!(
            at(1000, 1.0),
            seconds(825),
            "175 s of lead come before 95 %"
        );
        assert_eq!(at(100_000, 1.0), seconds(95_000));
        assert_eq!(at(20, 1.0), Duration::from_millis(16_500));
        assert_eq!(at(0, 1.0), seconds(1), "never at once");
    }

    #[test]
    fn polls_static_secrets_in_the_band() {
        let now = Moment::default();
        let at = |fraction| now.until(poll(now, seconds(300), 0.9, &mut Always(fraction)));
        assert_eq!(at(0.0), seconds(255));
        assert_eq!(at(1.0), seconds(285));
    }

    #[test]
    fn notices_a_renewal_that_met_the_maximum() {
        assert!(is_capped(seconds(10), seconds(3)));
        assert!(is_capped(seconds(10), Duration::from_millis(8_900)));
        assert!(!is_capped(seconds(10), seconds(10)));
        assert!(!is_capped(seconds(3600), seconds(3599)));
        assert!(!is_capped(seconds(10), seconds(20)));
    }
}
