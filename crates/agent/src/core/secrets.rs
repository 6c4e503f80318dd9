//! The schedule of one thing that templates ask for: first read, renewals of its lease, replacement before its
//! end, and tries after failures. Values are not here: only when to ask.

use std::time::Duration;

use crate::core::{
    backoff::Backoff,
    chance::Chance,
    failure::{Failure, FailureKind},
    lifetime::{Lifetime, is_capped, lead, poll, renewal, replacement},
    moment::Moment,
    telling::Telling,
    token::Generation,
};

/// What holds for all secrets of one agent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SecretRules {
    /// Pause between two reads of something without a lifetime.
    pub static_interval: Duration,
    /// The fraction of its life at which something without renewal is read again.
    pub threshold: f64,
    /// How often a refused read is tried again before it counts as final.
    pub retries: u32,
    /// About the first pause after a failed read.
    pub first_pause: Duration,
    /// The longest such pause.
    pub largest_pause: Duration,
}

/// What a secret needs now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretTodo {
    /// Ask the server for it, with the token of this login.
    Fetch(Generation),
    /// Renew its lease, with the token of this login.
    RenewLease(Generation),
}

/// What a failed read leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setback {
    /// Which failure in a row this was, from 1.
    pub attempt: u32,
    /// The pause before the next try.
    pub pause: Duration,
    /// Whether the server has now refused more often than `retries` allows.
    pub exhausted: bool,
}

/// What a renewal of a lease led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RenewalOutcome {
    /// The lease goes on; it is renewed again.
    Extended,
    /// The lease has met its maximum; it is replaced before its end.
    Capped,
    /// The renewal failed for now and is tried again.
    TriedAgain,
    /// The server does not renew it; it is used to its end and replaced before.
    LeftToItsEnd,
    /// The lease is gone; a new one is asked for, at most one in each back-off step.
    Lost {
        /// The pause before the new one is asked for.
        pause: Duration,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Resting,
    FetchAt(Moment),
    Fetching,
    Renewing,
}

#[derive(Debug, Clone)]
struct Held {
    generation: Generation,
    granted: Duration,
    ends: Option<Moment>,
    with_token: bool,
    renew_at: Option<Moment>,
    renewal_refused: bool,
    trouble: Backoff,
}

/// The schedule of one secret, list, certificate or file.
#[derive(Debug, Clone)]
pub struct Secret {
    phase: Phase,
    held: Option<Held>,
    failures: Backoff,
    refusals: u32,
    lost: Backoff,
    last_failure: Option<Failure>,
    /// What was said of reads that failed.
    pub(crate) reading: Telling,
    /// What was said of renewals that failed. A lease that may not be renewed is replaced all the time, so that a
    /// read which succeeds does not end this.
    pub(crate) renewing: Telling,
}

impl Secret {
    /// Something that has just been asked for the first time: its read is due at once.
    #[must_use]
    pub const fn wanted(now: Moment, rules: &SecretRules) -> Self {
        Self {
            phase: Phase::FetchAt(now),
            held: None,
            failures: Backoff::new(rules.first_pause, rules.largest_pause),
            refusals: 0,
            lost: Backoff::new(Duration::from_secs(1), Duration::from_secs(300)),
            last_failure: None,
            reading: Telling::new(),
            renewing: Telling::new(),
        }
    }

    /// Takes over an answer of an earlier run that ends at `ends`.
    pub fn adopted(
        now: Moment,
        generation: Generation,
        lifetime: Lifetime,
        ends: Option<Moment>,
        rules: &SecretRules,
        chance: &mut dyn Chance,
    ) -> Self {
        let mut secret = Self::wanted(now, rules);
        secret.fetched(now, generation, lifetime, rules, chance);
        let (Some(held), Some(ends)) = (&mut secret.held, ends) else {
            return secret;
        };
        // The life began earlier than now: everything planned moves forward by what has already passed.
        let elapsed = ends.until(now + held.granted);
        let elapsed = held.granted.min(elapsed);
        held.ends = Some(ends);
        let earlier = |at: Moment| now + now.until(at).saturating_sub(elapsed);
        held.renew_at = held.renew_at.map(earlier);
        if let Phase::FetchAt(at) = secret.phase {
            secret.phase = Phase::FetchAt(earlier(at));
        }
        secret
    }

    /// Whether an answer has come.
    #[must_use]
    pub const fn is_there(&self) -> bool {
        self.held.is_some()
    }

    /// Whether the first try of a read is on its way, so that rendering should wait for it.
    #[must_use]
    pub fn is_in_flight(&self) -> bool {
        self.phase == Phase::Fetching && self.failures.steps() == 0
    }

    /// The last failure, until the next success.
    #[must_use]
    pub const fn last_failure(&self) -> Option<&Failure> {
        self.last_failure.as_ref()
    }

    /// The end of the answer in use, where it has one.
    #[must_use]
    pub fn ends(&self) -> Option<Moment> {
        self.held.as_ref()?.ends
    }

    /// The login by which the answer in use was read.
    #[must_use]
    pub fn generation(&self) -> Option<Generation> {
        self.held.as_ref().map(|held| held.generation)
    }

    /// Whether nothing of it would be lost with the token of any login but this one.
    #[must_use]
    pub fn hangs_on(&self, token: Generation) -> bool {
        self.held
            .as_ref()
            .is_some_and(|held| !held.with_token || held.generation == token)
    }

    /// The next moment at which something is due.
    #[must_use]
    pub fn wakes(&self) -> Option<Moment> {
        let fetch = match self.phase {
            Phase::FetchAt(at) => Some(at),
            Phase::Resting => None,
            Phase::Fetching | Phase::Renewing => return None,
        };
        let renew = self.held.as_ref().and_then(|held| held.renew_at);
        fetch.into_iter().chain(renew).min()
    }

    /// What is due now. What it returns is taken as begun.
    pub fn due(&mut self, now: Moment, token: Generation) -> Option<SecretTodo> {
        match self.phase {
            Phase::FetchAt(at) if at <= now => {
                self.phase = Phase::Fetching;
                Some(SecretTodo::Fetch(token))
            }
            Phase::Resting => {
                let held = self.held.as_mut()?;
                let due = held.renew_at.is_some_and(|at| at <= now);
                if !due {
                    return None;
                }
                held.renew_at = None;
                self.phase = Phase::Renewing;
                Some(SecretTodo::RenewLease(token))
            }
            _ => None,
        }
    }

    /// A read brought an answer.
    pub fn fetched(
        &mut self,
        now: Moment,
        generation: Generation,
        lifetime: Lifetime,
        rules: &SecretRules,
        chance: &mut dyn Chance,
    ) {
        self.failures.reset();
        self.refusals = 0;
        self.last_failure = None;
        self.phase = Phase::Resting;
        let (granted, with_token) = match lifetime {
            Lifetime::Renewable(lease) => (lease, true),
            Lifetime::Ends { after, with_token } => (after, with_token),
            Lifetime::Polled | Lifetime::ChangesIn(_) | Lifetime::Kept => (Duration::ZERO, false),
        };
        let mut held = Held {
            generation,
            granted,
            ends: (!granted.is_zero()).then(|| now + granted),
            with_token,
            renew_at: None,
            renewal_refused: false,
            trouble: Backoff::new(
                (granted / 20).clamp(Duration::from_millis(500), Duration::from_secs(10)),
                Duration::from_secs(300),
            ),
        };
        match lifetime {
            Lifetime::Renewable(lease) => held.renew_at = Some(renewal(now, lease, chance)),
            Lifetime::Ends { after, .. } => {
                self.phase = Phase::FetchAt(replacement(now, after, rules.threshold, chance));
            }
            Lifetime::Polled => {
                let at = poll(now, rules.static_interval, rules.threshold, chance);
                self.phase = Phase::FetchAt(at);
            }
            Lifetime::ChangesIn(time) => self.phase = Phase::FetchAt(now + time),
            Lifetime::Kept => {}
        }
        self.held = Some(held);
    }

    /// A read failed. What was read before stays in use.
    pub fn fetch_failed(
        &mut self,
        now: Moment,
        failure: Failure,
        rules: &SecretRules,
        chance: &mut dyn Chance,
    ) -> Setback {
        let pause = self.failures.pause(chance, failure.retry_after());
        self.phase = Phase::FetchAt(now + pause);
        if failure.is_definite() {
            self.refusals = self.refusals.saturating_add(1);
        }
        self.last_failure = Some(failure);
        Setback {
            attempt: self.failures.steps(),
            pause,
            exhausted: self.refusals > rules.retries,
        }
    }

    /// A renewal of the lease ended; on success with the new duration and whether it may be renewed again.
    pub fn renewed(
        &mut self,
        now: Moment,
        answer: Result<(Duration, bool), &Failure>,
        chance: &mut dyn Chance,
    ) -> RenewalOutcome {
        if self.phase != Phase::Renewing {
            return RenewalOutcome::TriedAgain;
        }
        self.phase = Phase::Resting;
        let Some(held) = &mut self.held else {
            return RenewalOutcome::TriedAgain;
        };
        match answer {
            Ok((left, renewable)) => {
                held.trouble.reset();
                self.lost.reset();
                held.ends = Some(now + left);
                if is_capped(held.granted, left) || !renewable {
                    let at = now + (left - lead(held.granted, left, chance));
                    self.phase = Phase::FetchAt(at);
                    RenewalOutcome::Capped
                } else {
                    held.granted = left;
                    held.renew_at = Some(renewal(now, left, chance));
                    RenewalOutcome::Extended
                }
            }
            Err(failure) => {
                let ends = held.ends.unwrap_or(now);
                let last = (ends - lead(held.granted, held.granted, chance)).max(now);
                if is_lost(failure) {
                    let pause = self.lost.pause(chance, None);
                    self.phase = Phase::FetchAt(now + pause);
                    return RenewalOutcome::Lost { pause };
                }
                let retry = now + held.trouble.pause(chance, failure.retry_after());
                held.renewal_refused = failure.is_forbidden();
                if failure.is_definite() || retry >= last {
                    self.phase = Phase::FetchAt(last);
                    RenewalOutcome::LeftToItsEnd
                } else {
                    held.renew_at = Some(retry);
                    RenewalOutcome::TriedAgain
                }
            }
        }
    }

    /// Nobody knows whether the token is still good: what could not be renewed with it is asked for anew, which
    /// tells, and comes early enough when the token is good.
    pub fn token_unproven(&mut self, now: Moment) {
        let refused = self.held.as_ref().is_some_and(|held| held.renewal_refused);
        if refused && matches!(self.phase, Phase::FetchAt(_)) {
            self.phase = Phase::FetchAt(now);
        }
    }

    /// A new token is in use. What dies with its old token is asked for anew; everything else keeps its plan.
    /// Reads that wait after a failure are tried at once, since the server has just answered.
    pub fn token_changed(&mut self, now: Moment, token: Generation) {
        let hangs_on_old = self
            .held
            .as_ref()
            .is_some_and(|held| held.with_token && held.generation != token);
        let waits_after_failure = self.failures.steps() > 0;
        if (hangs_on_old || waits_after_failure)
            && matches!(
                self.phase,
                Phase::Resting | Phase::FetchAt(_) | Phase::Renewing
            )
        {
            if let Some(held) = &mut self.held {
                held.renew_at = None;
            }
            self.phase = Phase::FetchAt(now);
        }
    }
}

/// Whether the server's refusal means that the lease no longer exists, rather than that it may not be renewed.
fn is_lost(failure: &Failure) -> bool {
    match failure.kind {
        FailureKind::Definite(403) => false,
        FailureKind::Definite(_) => !failure.text.contains("not renewable"),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
