//! The life of the agent's own token: login, renewal, replacement before its end, and the suspicion that it
//! has been revoked. Which secrets hang on a token is the business of `secrets`.

use std::time::Duration;

use crate::core::{
    backoff::Backoff,
    chance::Chance,
    failure::Failure,
    lifetime::{is_capped, lead, renewal},
    moment::Moment,
};

/// A read that answers 403 asks for a look at the token, but not more often than this.
const CHECK_PAUSE: Duration = Duration::from_secs(30);

/// Counts logins. A secret remembers by which it was read.
pub type Generation = u32;

/// What a login, a renewal or a look-up says about the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grant {
    /// The lifetime that the token was made with; `None` for one without an end.
    pub granted: Option<Duration>,
    /// What is left of it.
    pub left: Option<Duration>,
    /// Whether the token may be renewed.
    pub renewable: bool,
}

impl Grant {
    /// A token that begins now.
    #[must_use]
    pub const fn fresh(ttl: Option<Duration>, renewable: bool) -> Self {
        Self {
            granted: ttl,
            left: ttl,
            renewable,
        }
    }
}

/// What the token needs now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenTodo {
    /// Log in.
    LogIn,
    /// Renew the token of this login.
    Renew(Generation),
    /// Ask the server whether the token of this login is still good.
    Check(Generation),
}

/// What made the token suspect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Suspicion {
    /// A read was refused.
    Read,
    /// The renewal of a lease was refused, which may just be a missing right.
    LeaseRenewal,
    /// Its own renewal was refused, which may just be a missing right.
    OwnRenewal,
}

/// What a look at the token brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The token is good.
    Alive,
    /// The token is gone; a new login is under way.
    Gone,
    /// The look-up was refused as the renewal was: the token may be gone, or may do neither. A read tells.
    Unproven,
    /// The server gave no answer; nothing is known.
    Unknown,
}

/// Pauses of the login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoginPauses {
    /// About the first pause.
    pub first: Duration,
    /// No pause is longer, save when the server asks for it.
    pub largest: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Login {
    Idle,
    /// The first one, which keeps away from those of other agents.
    FirstAt(Moment),
    At(Moment),
    Running,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Plan {
    /// Taken over from an earlier run and not yet looked up.
    Unverified,
    Forever,
    RenewAt(Moment),
    Renewing,
    ReplaceAt(Moment),
    /// The replacement was asked for; nothing more is done for this token.
    LeftToItsEnd,
}

#[derive(Debug, Clone)]
struct Held {
    generation: Generation,
    granted: Duration,
    ends: Option<Moment>,
    plan: Plan,
    trouble: Backoff,
    check: Check,
    suspicion: Suspicion,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Check {
    NotBefore(Moment),
    At(Moment),
    Running,
    Gone,
}

/// The agent's token, from its first login on.
#[derive(Debug, Clone)]
pub struct TokenKeeper {
    held: Option<Held>,
    login: Login,
    failed_logins: Backoff,
    /// Counts tokens that were lost before their time, so that these cause no storm of logins.
    lost: Backoff,
    /// The last token was never renewed and could not be looked up: it seems that these tokens may do neither.
    mute: bool,
    last_generation: Generation,
}

impl TokenKeeper {
    /// No token yet; the first login is due at once.
    #[must_use]
    pub const fn new(pauses: LoginPauses) -> Self {
        Self {
            held: None,
            login: Login::At(Moment::after_start(Duration::ZERO)),
            failed_logins: Backoff::new(pauses.first, pauses.largest),
            lost: Backoff::new(pauses.first, pauses.largest),
            mute: false,
            last_generation: 0,
        }
    }

    /// Puts the first login off until then.
    pub const fn log_in_first_at(&mut self, at: Moment) {
        self.login = Login::FirstAt(at);
    }

    /// When the first login comes, while it is put off.
    #[must_use]
    pub const fn first_login(&self) -> Option<Moment> {
        match self.login {
            Login::FirstAt(at) => Some(at),
            Login::Idle | Login::At(_) | Login::Running => None,
        }
    }

    /// Takes over the token of an earlier run, which is looked up before it is trusted.
    pub fn adopt(&mut self, now: Moment, generation: Generation) {
        self.last_generation = generation;
        self.login = Login::Idle;
        self.held = Some(Held {
            generation,
            granted: Duration::ZERO,
            ends: None,
            plan: Plan::Unverified,
            trouble: Backoff::new(Duration::from_secs(1), Duration::from_secs(60)),
            check: Check::At(now),
            suspicion: Suspicion::Read,
        });
    }

    /// The login whose token may be used for reads; `None` before the first, while an adopted token has not
    /// been looked up, and after the token was found to be gone.
    #[must_use]
    pub fn usable(&self) -> Option<Generation> {
        let held = self.held.as_ref()?;
        (held.plan != Plan::Unverified && held.check != Check::Gone).then_some(held.generation)
    }

    /// The login whose token is held, be it usable or not; `None` before the first.
    #[must_use]
    pub fn generation(&self) -> Option<Generation> {
        self.held.as_ref().map(|held| held.generation)
    }

    /// When the token in use ends; `None` when there is none or it has no end.
    #[must_use]
    pub fn ends(&self) -> Option<Moment> {
        self.held.as_ref()?.ends
    }

    /// When the next call for the token is due.
    #[must_use]
    pub fn next_renewal(&self) -> Option<Moment> {
        match self.held.as_ref()?.plan {
            Plan::RenewAt(at) | Plan::ReplaceAt(at) => Some(at),
            _ => None,
        }
    }

    /// The next moment at which something is due; `None` when only an event can change anything.
    #[must_use]
    pub fn wakes(&self) -> Option<Moment> {
        let login = match self.login {
            Login::At(at) | Login::FirstAt(at) => Some(at),
            Login::Idle | Login::Running => None,
        };
        let check = match self.held.as_ref().map(|held| held.check) {
            Some(Check::At(at)) => Some(at),
            _ => None,
        };
        login
            .into_iter()
            .chain(check)
            .chain(self.next_renewal())
            .min()
    }

    /// What is due now; call until it says `None`. What it returns is taken as begun.
    pub fn due(&mut self, now: Moment) -> Option<TokenTodo> {
        if let Some(held) = &mut self.held {
            if matches!(held.check, Check::At(at) if at <= now) {
                held.check = Check::Running;
                return Some(TokenTodo::Check(held.generation));
            }
            match held.plan {
                Plan::RenewAt(at) if at <= now => {
                    held.plan = Plan::Renewing;
                    return Some(TokenTodo::Renew(held.generation));
                }
                Plan::ReplaceAt(at) if at <= now => {
                    held.plan = Plan::LeftToItsEnd;
                    self.lost.reset();
                    self.want_login(now);
                }
                _ => {}
            }
        }
        match self.login {
            Login::At(at) | Login::FirstAt(at) if at <= now => {
                self.login = Login::Running;
                Some(TokenTodo::LogIn)
            }
            _ => None,
        }
    }

    /// A login succeeded; returns its number.
    pub fn logged_in(&mut self, now: Moment, grant: Grant, chance: &mut dyn Chance) -> Generation {
        self.failed_logins.reset();
        self.login = Login::Idle;
        self.last_generation = self.last_generation.saturating_add(1);
        let generation = self.last_generation;
        self.held = Some(held(generation, now, grant, chance));
        generation
    }

    /// A login failed; returns the pause before the next.
    pub fn login_failed(
        &mut self,
        now: Moment,
        failure: &Failure,
        chance: &mut dyn Chance,
    ) -> Duration {
        let pause = self.failed_logins.pause(chance, failure.retry_after());
        self.login = Login::At(now + pause);
        pause
    }

    /// How many logins in a row have failed.
    #[must_use]
    pub const fn failed_logins(&self) -> u32 {
        self.failed_logins.steps()
    }

    /// The credentials for the login have changed, or somebody asks for a new login: it is due now, unless the
    /// first one is still to come, which uses the new credentials anyway.
    pub fn log_in_again(&mut self, now: Moment) {
        if !matches!(self.login, Login::Running | Login::FirstAt(_)) {
            self.login = Login::At(now);
        }
    }

    /// A renewal ended.
    pub fn renewed(
        &mut self,
        now: Moment,
        generation: Generation,
        answer: Result<Grant, &Failure>,
        chance: &mut dyn Chance,
    ) {
        let Some(held) = self
            .held
            .as_mut()
            .filter(|held| held.generation == generation)
        else {
            return;
        };
        if held.plan != Plan::Renewing {
            return;
        }
        match answer {
            Ok(grant) => {
                held.trouble.reset();
                self.mute = false;
                self.lost.reset();
                let Some(left) = grant.left else {
                    held.ends = None;
                    held.plan = Plan::Forever;
                    return;
                };
                held.ends = Some(now + left);
                held.plan = if is_capped(held.granted, left) || !grant.renewable {
                    Plan::ReplaceAt(now + (left - lead(held.granted, left, chance)))
                } else {
                    held.granted = left;
                    Plan::RenewAt(renewal(now, left, chance))
                };
            }
            Err(failure) => {
                let ends = held.ends.unwrap_or(now);
                let last = (ends - lead(held.granted, held.granted, chance)).max(now);
                let retry = now + held.trouble.pause(chance, failure.retry_after());
                if failure.is_definite() {
                    // The server will say the same again. The token may well be good, only not renewable.
                    held.plan = Plan::ReplaceAt(last);
                    held.check = Check::At(now);
                    held.suspicion = Suspicion::OwnRenewal;
                } else if retry < last {
                    held.plan = Plan::RenewAt(retry);
                } else {
                    held.plan = Plan::ReplaceAt(last);
                }
            }
        }
    }

    /// A call with this token was answered by 403: either it is not allowed to do that, or it is gone.
    pub fn suspect(&mut self, now: Moment, generation: Generation, suspicion: Suspicion) {
        if let Some(held) = self
            .held
            .as_mut()
            .filter(|held| held.generation == generation)
            && matches!(held.check, Check::NotBefore(from) if from <= now)
        {
            held.check = Check::At(now);
            held.suspicion = suspicion;
        }
    }

    /// A look at the token ended.
    pub fn checked(
        &mut self,
        now: Moment,
        generation: Generation,
        answer: Result<Grant, &Failure>,
        chance: &mut dyn Chance,
    ) -> Verdict {
        let Some(held) = self
            .held
            .as_mut()
            .filter(|held| held.generation == generation)
        else {
            return Verdict::Unknown;
        };
        held.check = Check::NotBefore(now + CHECK_PAUSE);
        match answer {
            Ok(grant) => {
                if held.plan == Plan::Unverified {
                    *held = self::held(generation, now, grant, chance);
                    held.check = Check::NotBefore(now + CHECK_PAUSE);
                }
                Verdict::Alive
            }
            Err(failure) if failure.is_definite() && held.suspicion != Suspicion::Read => {
                // A refused read would prove more, so the next one may ask at once.
                held.check = Check::NotBefore(now);
                if held.suspicion == Suspicion::OwnRenewal && !self.mute {
                    self.mute = true;
                    self.want_login(now);
                }
                Verdict::Unproven
            }
            Err(failure) if failure.is_definite() => {
                held.plan = Plan::LeftToItsEnd;
                held.check = Check::Gone;
                if self.login == Login::Idle {
                    // The first loss is made good at once; a token that is lost again and again is not.
                    let pause = self.lost.pause(chance, None);
                    let pause = if self.lost.steps() == 1 {
                        Duration::ZERO
                    } else {
                        pause
                    };
                    self.login = Login::At(now + pause);
                }
                Verdict::Gone
            }
            Err(failure) => {
                held.check = Check::At(now + held.trouble.pause(chance, failure.retry_after()));
                Verdict::Unknown
            }
        }
    }

    fn want_login(&mut self, now: Moment) {
        if self.login == Login::Idle {
            self.login = Login::At(now);
        }
    }
}

fn held(generation: Generation, now: Moment, grant: Grant, chance: &mut dyn Chance) -> Held {
    let left = grant.left.unwrap_or_default();
    let granted = grant.granted.unwrap_or(left).max(left);
    let plan = match grant.left {
        None => Plan::Forever,
        Some(left) if grant.renewable => {
            // An adopted token may already be past its two thirds.
            let planned = renewal(now, granted, chance);
            let elapsed = granted.saturating_sub(left);
            Plan::RenewAt(now + now.until(planned).saturating_sub(elapsed))
        }
        Some(left) => Plan::ReplaceAt(now + (left - lead(granted, left, chance))),
    };
    Held {
        generation,
        granted,
        ends: grant.left.map(|left| now + left),
        plan,
        trouble: Backoff::new(
            (granted / 20).clamp(Duration::from_millis(500), Duration::from_secs(10)),
            Duration::from_secs(300),
        ),
        check: Check::NotBefore(now),
        suspicion: Suspicion::Read,
    }
}

#[cfg(test)]
mod tests;
