//! Telling the application: which commands, signals and requests are due after files have changed, one at a time,
//! each once for all changes that come close together. How an application is told is the driver's business.

use std::{collections::BTreeMap, time::Duration};

use crate::core::{
    backoff::Backoff,
    chance::{Chance, between},
    failure::Failure,
    moment::Moment,
    rendering::CommandId,
    telling::{News, Telling},
};

/// What fails is tried again this often before it waits for the next change.
const TRIES: u32 = 5;
/// What is due waits this long for files that are about to change, and then no longer: a read that hangs must not
/// keep the application from hearing of a file that is in place.
const PATIENCE: Duration = Duration::from_secs(5);

/// When one of them is due after a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Changes within this time are one.
    pub settle: Duration,
    /// A random pause of at most this long comes on top.
    pub splay: Duration,
    /// Whether it also follows the writing of a file that was not there before.
    pub first: First,
}

/// Whether the application is told of a file that was not there before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum First {
    /// It is, as commands always were.
    Told,
    /// It is not: what runs already has found no such file, and what starts finds the new one.
    Passed,
}

/// Whether files are about to change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Files {
    /// Nothing is being read or rendered.
    Settled,
    /// Something is.
    Moving,
}

/// What is due, running or waiting to be tried again.
#[derive(Debug, Clone)]
pub(crate) struct Commands {
    paces: Vec<Pace>,
    due: BTreeMap<CommandId, Moment>,
    running: Option<CommandId>,
    outcomes: BTreeMap<CommandId, Outcome>,
}

/// How it went so far.
#[derive(Debug, Clone)]
pub(crate) struct Outcome {
    trouble: Backoff,
    told: u64,
    failed: u64,
    failure: Option<Failure>,
    telling: Telling,
}

/// What follows a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AfterFailure {
    /// It is tried again after this pause.
    TriedAgain(Duration),
    /// It is not tried again before its file changes.
    GivenUp,
}

impl Outcome {
    const fn new() -> Self {
        Self {
            trouble: Backoff::new(Duration::from_secs(1), Duration::from_secs(300)),
            told: 0,
            failed: 0,
            failure: None,
            telling: Telling::new(),
        }
    }

    /// How often it succeeded.
    pub(crate) const fn told(&self) -> u64 {
        self.told
    }

    /// How often it failed.
    pub(crate) const fn failed(&self) -> u64 {
        self.failed
    }

    /// Its last failure, unless it has succeeded since.
    pub(crate) const fn failure(&self) -> Option<&Failure> {
        self.failure.as_ref()
    }
}

impl Commands {
    pub(crate) const fn new(paces: Vec<Pace>) -> Self {
        Self {
            paces,
            due: BTreeMap::new(),
            running: None,
            outcomes: BTreeMap::new(),
        }
    }

    /// A file of this one has changed. What is due already stays due when it is; what waits to be tried again is
    /// tried with the change.
    pub(crate) fn want(&mut self, now: Moment, command: CommandId, chance: &mut dyn Chance) {
        let pause = self.paces.get(command).map_or(Duration::ZERO, |pace| {
            pace.settle + between(chance, Duration::ZERO, pace.splay)
        });
        self.want_at(now + pause, command);
    }

    /// The same before everything was rendered once, when nobody is to be spared and an init container is waited
    /// for.
    pub(crate) fn want_now(&mut self, now: Moment, command: CommandId) {
        self.want_at(now, command);
    }

    fn want_at(&mut self, at: Moment, command: CommandId) {
        self.due
            .entry(command)
            .and_modify(|due| *due = at.min(*due))
            .or_insert(at);
        if let Some(outcome) = self.outcomes.get_mut(&command) {
            outcome.trouble.reset();
        }
    }

    /// Whether this one follows the writing of a file that was not there before.
    pub(crate) fn follows_first(&self, command: CommandId) -> bool {
        self.paces
            .get(command)
            .is_none_or(|pace| pace.first == First::Told)
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.due.is_empty() && self.running.is_none()
    }

    pub(crate) fn wakes(&self, files: Files) -> Option<Moment> {
        if self.running.is_some() {
            return None;
        }
        self.due.values().min().map(|&at| at + files.patience())
    }

    /// The next one to begin, in the order of the templates; taken as begun.
    pub(crate) fn take_due(&mut self, now: Moment, files: Files) -> Option<CommandId> {
        if self.running.is_some() {
            return None;
        }
        let (&next, _) = self
            .due
            .iter()
            .find(|(_, at)| **at + files.patience() <= now)?;
        self.due.remove(&next);
        self.running = Some(next);
        Some(next)
    }

    /// It succeeded; where it had failed, how long and with what, for a line that says so.
    pub(crate) fn succeeded(&mut self, now: Moment, command: CommandId) -> Option<String> {
        if self.running != Some(command) {
            return None;
        }
        self.running = None;
        let outcome = self.outcome(command);
        outcome.trouble.reset();
        outcome.told += 1;
        outcome.failure = None;
        outcome.telling.over(now)
    }

    /// Whether this failure is another one than it had before.
    pub(crate) fn news(&mut self, now: Moment, command: CommandId, failure: &Failure) -> News {
        self.outcome(command).telling.failed(now, &failure.text)
    }

    pub(crate) fn failed(
        &mut self,
        now: Moment,
        command: CommandId,
        failure: &Failure,
        chance: &mut dyn Chance,
    ) -> AfterFailure {
        self.running = None;
        let outcome = self.outcome(command);
        outcome.failed += 1;
        outcome.failure = Some(failure.clone());
        let pause = outcome.trouble.pause(chance, None);
        if outcome.trouble.steps() >= TRIES {
            outcome.trouble.reset();
            return AfterFailure::GivenUp;
        }
        self.want_again(now + pause, command);
        AfterFailure::TriedAgain(pause)
    }

    /// It failed and is left at that: nobody waits for a second try.
    pub(crate) fn left_failed(&mut self, command: CommandId, failure: &Failure) {
        self.running = None;
        let outcome = self.outcome(command);
        outcome.failed += 1;
        outcome.failure = Some(failure.clone());
    }

    /// How each of those went that have run.
    pub(crate) fn outcomes(&self) -> impl Iterator<Item = (CommandId, &Outcome)> {
        self.outcomes.iter().map(|(&id, outcome)| (id, outcome))
    }

    fn want_again(&mut self, at: Moment, command: CommandId) {
        // A change that came meanwhile is due earlier or later; one run does for both.
        self.due
            .entry(command)
            .and_modify(|due| *due = at.max(*due))
            .or_insert(at);
    }

    fn outcome(&mut self, command: CommandId) -> &mut Outcome {
        self.outcomes.entry(command).or_insert_with(Outcome::new)
    }
}

impl Files {
    const fn patience(self) -> Duration {
        match self {
            Self::Settled => Duration::ZERO,
            Self::Moving => PATIENCE,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::{chance::Always, failure::FailureKind};

    const PACE: Pace = Pace {
        settle: Duration::from_millis(500),
        splay: Duration::from_secs(10),
        first: First::Told,
    };

    fn at(milliseconds: u64) -> Moment {
        Moment::after_start(Duration::from_millis(milliseconds))
    }

    fn failure() -> Failure {
        Failure::new(FailureKind::Local, "no process is called `nginx`")
    }

    #[test]
    fn changes_close_together_are_told_once_and_splay_comes_on_top() {
        let mut commands = Commands::new(vec![PACE]);
        let half = &mut Always(0.5);
        commands.want(at(0), 0, half);
        commands.want(at(400), 0, half);
        assert_eq!(commands.wakes(Files::Settled), Some(at(5500)));
        assert_eq!(commands.take_due(at(5499), Files::Settled), None);
        assert_eq!(commands.take_due(at(5500), Files::Settled), Some(0));
        commands.succeeded(at(1000), 0);
        assert!(commands.is_idle());
        // A change after it has begun is a further one.
        commands.want(at(6000), 0, half);
        assert_eq!(commands.take_due(at(11_500), Files::Settled), Some(0));
        commands.want(at(11_600), 0, half);
        commands.succeeded(at(1000), 0);
        assert_eq!(commands.wakes(Files::Settled), Some(at(17_100)));
    }

    #[test]
    fn waits_for_files_that_are_about_to_change_but_not_for_a_read_that_hangs() {
        let mut commands = Commands::new(Vec::new());
        commands.want_now(at(0), 0);
        assert_eq!(commands.take_due(at(4999), Files::Moving), None);
        assert_eq!(commands.wakes(Files::Moving), Some(at(5000)));
        assert_eq!(commands.take_due(at(5000), Files::Moving), Some(0));
    }

    #[test]
    fn what_fails_is_tried_again_by_its_own_clock_and_in_nobodys_way() {
        let mut commands = Commands::new(Vec::new());
        let late = &mut Always(0.999_999);
        commands.want_now(at(0), 0);
        commands.want_now(at(0), 1);
        assert_eq!(commands.take_due(at(0), Files::Settled), Some(0));
        assert!(matches!(
            commands.failed(at(0), 0, &failure(), late),
            AfterFailure::TriedAgain(_)
        ));
        assert_eq!(commands.take_due(at(0), Files::Settled), Some(1));
        assert!(matches!(
            commands.failed(at(0), 1, &failure(), late),
            AfterFailure::TriedAgain(_)
        ));
        // Both come again.
        assert_eq!(commands.take_due(at(1000), Files::Settled), Some(0));
        commands.succeeded(at(1000), 0);
        assert_eq!(commands.take_due(at(1000), Files::Settled), Some(1));
        commands.succeeded(at(1000), 1);
        assert!(commands.is_idle());
        let counted: Vec<_> = commands
            .outcomes()
            .map(|(id, outcome)| (id, outcome.told(), outcome.failed(), outcome.failure()))
            .collect();
        assert_eq!(counted, [(0, 1, 1, None), (1, 1, 1, None)]);
    }

    #[test]
    fn gives_up_after_five_tries_until_the_next_change() {
        let mut commands = Commands::new(Vec::new());
        let late = &mut Always(0.5);
        let mut now = at(0);
        let mut tries = 0;
        commands.want_now(now, 0);
        while let Some(wakes) = commands.wakes(Files::Settled) {
            now = wakes;
            assert_eq!(commands.take_due(now, Files::Settled), Some(0));
            tries += 1;
            commands.failed(now, 0, &failure(), late);
        }
        assert_eq!(tries, 5);
        assert!(commands.is_idle());
        assert!(
            commands
                .outcomes()
                .all(|(_, outcome)| outcome.failure().is_some())
        );
        commands.want_now(now, 0);
        assert!(!commands.is_idle());
    }
}
