//! A server, a clock and a disk made of data, for tests of the whole machine: minutes and days pass in
//! milliseconds, and each credential that the server gives out is counted.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use crate::core::{
    chance::Spread,
    failure::{Failure, FailureKind},
    lifetime::Lifetime,
    machine::{Machine, Settings},
    message::{Action, Change, Event, Leave, Level, Line},
    moment::Moment,
    rendering::{CommandId, DependencyId, RenderOutcome, TemplateId},
    token::{Generation, Grant},
};

mod setup;

pub(crate) use self::setup::Setup;

/// How the simulated server behaves at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    Well,
    Away,
    Sealed,
    /// Too many requests, with the pause that is asked for.
    Busy(Option<Duration>),
}

/// What a dependency is on the simulated server.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    /// Credentials with a lease of this length and this maximum.
    Leased { ttl: u64, max: u64 },
    /// A certificate that lives this long.
    Certificate { ttl: u64 },
    /// Something static; its value is changed by the test.
    Static,
    /// Nothing is there.
    Missing,
}

/// A credential that the server gave out.
#[derive(Debug, Clone)]
pub(crate) struct Credential {
    pub(crate) dependency: DependencyId,
    pub(crate) made: Moment,
    pub(crate) ends: Moment,
    pub(crate) last: Moment,
    pub(crate) renewals: u32,
    pub(crate) token: Generation,
}

#[derive(Debug, Clone)]
pub(crate) struct IssuedToken {
    pub(crate) made: Moment,
    pub(crate) ends: Moment,
    pub(crate) last: Moment,
    pub(crate) renewals: u32,
}

pub(crate) struct Server {
    pub(crate) mood: Mood,
    pub(crate) token_ttl: u64,
    pub(crate) token_max: u64,
    pub(crate) may_renew_leases: bool,
    pub(crate) may_renew_tokens: bool,
    pub(crate) may_look_up: bool,
    pub(crate) kinds: BTreeMap<DependencyId, Kind>,
    pub(crate) values: BTreeMap<DependencyId, u64>,
    pub(crate) credentials: Vec<Credential>,
    pub(crate) tokens: Vec<IssuedToken>,
    pub(crate) requests: BTreeMap<&'static str, u64>,
}

pub(crate) struct World {
    pub(crate) machine: Machine,
    pub(crate) now: Moment,
    pub(crate) server: Server,
    pub(crate) latency: Duration,
    pub(crate) uses: Vec<Vec<DependencyId>>,
    snapshot: BTreeMap<DependencyId, u64>,
    pub(crate) files: BTreeMap<TemplateId, Vec<u64>>,
    pub(crate) writes: Vec<(Moment, TemplateId)>,
    pub(crate) commands: Vec<(Moment, CommandId)>,
    pub(crate) left: Option<Leave>,
    pub(crate) revoked: BTreeSet<Generation>,
    pub(crate) logins_tried: Vec<Moment>,
    /// What was said at level info or above.
    pub(crate) said: Vec<Line>,
    queue: BTreeMap<(Moment, u64), Event>,
    sequence: u64,
}

pub(crate) const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

pub(crate) fn at(count: u64) -> Moment {
    Moment::after_start(seconds(count))
}

impl World {
    fn new(
        settings: Settings,
        uses: Vec<Vec<DependencyId>>,
        kinds: impl IntoIterator<Item = (DependencyId, Kind)>,
        seed: u64,
    ) -> Self {
        Self {
            machine: Machine::new(settings, Box::new(Spread::seeded(seed))),
            now: at(1000),
            server: Server {
                mood: Mood::Well,
                token_ttl: 3600,
                token_max: 86_400,
                may_renew_leases: true,
                may_renew_tokens: true,
                may_look_up: true,
                kinds: kinds.into_iter().collect(),
                values: BTreeMap::new(),
                credentials: Vec::new(),
                tokens: Vec::new(),
                requests: BTreeMap::new(),
            },
            latency: Duration::from_millis(5),
            uses,
            snapshot: BTreeMap::new(),
            files: BTreeMap::new(),
            writes: Vec::new(),
            commands: Vec::new(),
            left: None,
            revoked: BTreeSet::new(),
            logins_tried: Vec::new(),
            said: Vec::new(),
            queue: BTreeMap::new(),
            sequence: 0,
        }
    }

    pub(crate) fn start(&mut self) {
        self.feed(Event::Start);
    }

    pub(crate) fn feed(&mut self, event: Event) {
        let actions = self.machine.on(event, self.now);
        for action in actions {
            self.perform(action);
        }
    }

    /// The next moment at which something happens.
    pub(crate) fn next(&self) -> Option<Moment> {
        let queued = self.queue.keys().next().map(|&(at, _)| at);
        queued.into_iter().chain(self.machine.wakes()).min()
    }

    /// Lets the world go on until then; the closure looks at it after each step.
    pub(crate) fn run_until(&mut self, end: Moment, mut look: impl FnMut(&Self)) {
        let mut steps_here = 0;
        while let Some(next) = self
            .next()
            .filter(|&next| next <= end && self.left.is_none())
        {
            steps_here = if next > self.now { 0 } else { steps_here + 1 };
            assert!(
                steps_here < 1000,
                "the machine turns on the spot at {:?}",
                self.now
            );
            self.now = self.now.max(next);
            let queued = self
                .queue
                .first_entry()
                .filter(|entry| entry.key().0 <= self.now);
            let event = queued.map_or(Event::Tick, |entry| entry.remove());
            self.feed(event);
            look(self);
        }
        self.now = end.max(self.now);
    }

    /// Takes the one step that is due at this moment.
    pub(crate) fn step_to(&mut self, next: Moment) {
        self.now = self.now.max(next);
        let queued = self
            .queue
            .first_entry()
            .filter(|entry| entry.key().0 <= self.now);
        let event = queued.map_or(Event::Tick, |entry| entry.remove());
        self.feed(event);
    }

    pub(crate) fn run_for(&mut self, time: u64) {
        self.run_until(self.now + seconds(time), |_| {});
    }

    /// The credential that a file holds for a dependency.
    pub(crate) fn in_file(
        &self,
        template: TemplateId,
        dependency: DependencyId,
    ) -> Option<&Credential> {
        let place = self
            .uses
            .get(template)?
            .iter()
            .position(|&id| id == dependency)?;
        let value = *self.files.get(&template)?.get(place)?;
        self.server.credentials.get(usize::try_from(value).ok()?)
    }

    pub(crate) fn credentials_of(&self, dependency: DependencyId) -> Vec<&Credential> {
        self.server
            .credentials
            .iter()
            .filter(|one| one.dependency == dependency)
            .collect()
    }

    pub(crate) fn alive(&self, dependency: DependencyId) -> usize {
        self.credentials_of(dependency)
            .iter()
            .filter(|one| one.ends > self.now)
            .count()
    }

    fn later(&mut self, event: Event) {
        self.sequence += 1;
        self.queue
            .insert((self.now + self.latency, self.sequence), event);
    }

    fn count(&mut self, request: &'static str) {
        *self.server.requests.entry(request).or_default() += 1;
    }

    fn perform(&mut self, action: Action) {
        match action {
            Action::LogIn => {
                self.count("login");
                self.logins_tried.push(self.now);
                let event = self
                    .log_in()
                    .map_or_else(Event::LoginFailed, Event::LoggedIn);
                self.later(event);
            }
            Action::RenewToken(generation) => {
                self.count("renew-self");
                let answer = self.renew_token(generation);
                self.later(Event::TokenRenewed(generation, answer));
            }
            Action::CheckToken(generation) => {
                self.count("lookup-self");
                let answer = self.look_up(generation);
                self.later(Event::TokenChecked(generation, answer));
            }
            Action::RevokeToken(generation) => {
                self.count("revoke-self");
                self.revoke(generation);
            }
            Action::Fetch(dependency, generation) => {
                self.count("read");
                let event = self.fetch(dependency, generation);
                self.later(event);
            }
            Action::RenewLease(dependency, generation) => {
                self.count("renew");
                let answer = self.renew_lease(dependency, generation);
                self.later(Event::LeaseRenewed {
                    dependency,
                    generation,
                    answer,
                });
            }
            Action::Forget(dependency) => {
                self.snapshot.remove(&dependency);
            }
            Action::Render(template) => self.render(template),
            Action::WriteSinks(generation) => self.later(Event::SinksWritten(generation)),
            Action::Run(command) => {
                self.commands.push((self.now, command));
                self.later(Event::CommandEnded(command, Ok(())));
            }
            Action::Ready | Action::Save => {}
            Action::Log(line) if line.level >= Level::Info => self.said.push(line),
            Action::Log(_) => {}
            Action::Leave(leave) => {
                for &generation in &leave.revoke {
                    self.revoke(generation);
                }
                self.left = Some(leave);
            }
        }
    }

    fn answers(&self) -> Result<(), Failure> {
        match self.server.mood {
            Mood::Well => Ok(()),
            Mood::Away => Err(Failure::new(FailureKind::NoAnswer, "connection refused")),
            Mood::Busy(asked) => Err(Failure::new(
                FailureKind::RateLimited(asked),
                "too many requests",
            )),
            Mood::Sealed => Err(Failure::new(FailureKind::Sealed, "the server is sealed")),
        }
    }

    fn token_at(&self, generation: Generation) -> Result<usize, Failure> {
        self.answers()?;
        let index = (generation as usize).wrapping_sub(1);
        let alive = self
            .server
            .tokens
            .get(index)
            .is_some_and(|token| token.ends > self.now);
        alive.then_some(index).ok_or_else(forbidden)
    }

    fn log_in(&mut self) -> Result<Grant, Failure> {
        self.answers()?;
        let ttl = seconds(self.server.token_ttl);
        self.server.tokens.push(IssuedToken {
            made: self.now,
            ends: self.now + ttl,
            last: self.now + seconds(self.server.token_max),
            renewals: 0,
        });
        Ok(Grant::fresh(Some(ttl), true))
    }

    fn renew_token(&mut self, generation: Generation) -> Result<Grant, Failure> {
        let index = self.token_at(generation)?;
        if !self.server.may_renew_tokens {
            return Err(forbidden());
        }
        let ends = self.now + seconds(self.server.token_ttl);
        let token = &mut self.server.tokens[index];
        token.ends = ends.min(token.last);
        token.renewals += 1;
        Ok(Grant::fresh(Some(self.now.until(token.ends)), true))
    }

    fn look_up(&self, generation: Generation) -> Result<Grant, Failure> {
        let index = self.token_at(generation)?;
        if !self.server.may_look_up {
            return Err(forbidden());
        }
        let token = &self.server.tokens[index];
        Ok(Grant {
            granted: Some(seconds(self.server.token_ttl)),
            left: Some(self.now.until(token.ends)),
            renewable: true,
        })
    }

    pub(crate) fn revoke(&mut self, generation: Generation) {
        self.revoked.insert(generation);
        let now = self.now;
        if let Some(token) = self
            .server
            .tokens
            .get_mut((generation as usize).wrapping_sub(1))
        {
            token.ends = token.ends.min(now);
        }
        for one in self
            .server
            .credentials
            .iter_mut()
            .filter(|one| one.token == generation)
        {
            if one.last != Moment::default() {
                one.ends = one.ends.min(now);
            }
        }
    }

    fn fetch(&mut self, dependency: DependencyId, generation: Generation) -> Event {
        let answer = self
            .token_at(generation)
            .and_then(|_| self.make(dependency, generation));
        match answer {
            Ok((value, lifetime)) => {
                let before = self.snapshot.insert(dependency, value);
                let change = if before == Some(value) {
                    Change::Same
                } else {
                    Change::New
                };
                Event::Fetched {
                    dependency,
                    generation,
                    lifetime,
                    change,
                }
            }
            Err(failure) => Event::FetchFailed {
                dependency,
                generation,
                failure,
            },
        }
    }

    fn make(
        &mut self,
        dependency: DependencyId,
        token: Generation,
    ) -> Result<(u64, Lifetime), Failure> {
        let now = self.now;
        let kind = self
            .server
            .kinds
            .get(&dependency)
            .copied()
            .unwrap_or(Kind::Missing);
        let (ends, last, lifetime) = match kind {
            Kind::Static => {
                let value = self.server.values.get(&dependency).copied().unwrap_or(1);
                return Ok((1_000_000 + value, Lifetime::Polled));
            }
            Kind::Missing => {
                return Err(Failure::new(
                    FailureKind::Definite(404),
                    "no secret exists at x",
                ));
            }
            Kind::Leased { ttl, max } => {
                let ends = now + seconds(ttl);
                (ends, now + seconds(max), Lifetime::Renewable(seconds(ttl)))
            }
            Kind::Certificate { ttl } => {
                let lifetime = Lifetime::Ends {
                    after: seconds(ttl),
                    with_token: false,
                };
                (now + seconds(ttl), Moment::default(), lifetime)
            }
        };
        let credential = Credential {
            dependency,
            made: now,
            ends,
            last,
            renewals: 0,
            token,
        };
        self.server.credentials.push(credential);
        Ok((self.server.credentials.len() as u64 - 1, lifetime))
    }

    fn renew_lease(
        &mut self,
        dependency: DependencyId,
        generation: Generation,
    ) -> Result<(Duration, bool), Failure> {
        self.token_at(generation)?;
        if !self.server.may_renew_leases {
            return Err(forbidden());
        }
        let now = self.now;
        let Some(Kind::Leased { ttl, .. }) = self.server.kinds.get(&dependency).copied() else {
            return Err(Failure::new(FailureKind::Definite(400), "lease not found"));
        };
        let held = self.snapshot.get(&dependency).copied().unwrap_or(u64::MAX);
        let credential = self
            .server
            .credentials
            .get_mut(usize::try_from(held).unwrap_or(usize::MAX))
            .filter(|one| one.ends > now)
            .ok_or_else(|| Failure::new(FailureKind::Definite(400), "lease not found"))?;
        credential.ends = (now + seconds(ttl)).min(credential.last);
        credential.renewals += 1;
        Ok((now.until(credential.ends), true))
    }

    fn render(&mut self, template: TemplateId) {
        let asked = self.uses.get(template).cloned().unwrap_or_default();
        let (there, missing): (Vec<_>, Vec<_>) = asked
            .iter()
            .copied()
            .partition(|id| self.snapshot.contains_key(id));
        let outcome = if missing.is_empty() {
            let content: Vec<u64> = asked.iter().map(|id| self.snapshot[id]).collect();
            if self.files.get(&template) == Some(&content) {
                RenderOutcome::Unchanged
            } else {
                self.files.insert(template, content);
                self.writes.push((self.now, template));
                RenderOutcome::Written
            }
        } else {
            RenderOutcome::Incomplete
        };
        // Rendering takes no time, but its event comes after the actions of this turn.
        self.sequence += 1;
        let event = Event::Rendered {
            template,
            uses: there.into_iter().collect(),
            missing: missing.into_iter().collect(),
            outcome,
        };
        self.queue.insert((self.now, self.sequence), event);
    }
}

fn forbidden() -> Failure {
    Failure::new(FailureKind::Definite(403), "permission denied")
}
