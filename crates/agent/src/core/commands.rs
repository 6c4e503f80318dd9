//! Telling the application: which commands are due after files have changed, one at a time, each distinct
//! command once for all changes of a pass. How a command is run is the driver's business.

use std::{collections::BTreeSet, time::Duration};

use crate::core::{backoff::Backoff, chance::Chance, moment::Moment, rendering::CommandId};

/// A failing command is tried again this often before it waits for the next change.
const TRIES: u32 = 5;

/// The commands that are due, running or waiting to be tried again.
#[derive(Debug, Clone)]
pub(crate) struct Commands {
    due: BTreeSet<CommandId>,
    running: Option<CommandId>,
    again: Option<(CommandId, Moment)>,
    trouble: Backoff,
}

/// What follows a failed command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AfterFailure {
    /// It is tried again after this pause.
    TriedAgain(Duration),
    /// It is not tried again before its file changes.
    GivenUp,
}

impl Commands {
    pub(crate) const fn new() -> Self {
        Self {
            due: BTreeSet::new(),
            running: None,
            again: None,
            trouble: Backoff::new(Duration::from_secs(1), Duration::from_secs(300)),
        }
    }

    /// A file of this command has changed.
    pub(crate) fn want(&mut self, command: CommandId) {
        self.due.insert(command);
        if self.again.is_some_and(|(failed, _)| failed == command) {
            self.again = None;
        }
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.due.is_empty() && self.running.is_none() && self.again.is_none()
    }

    pub(crate) fn wakes(&self) -> Option<Moment> {
        self.again
            .filter(|_| self.running.is_none())
            .map(|(_, at)| at)
    }

    /// The next command to run, in the order of the templates; taken as begun.
    pub(crate) fn take_due(&mut self, now: Moment) -> Option<CommandId> {
        if self.running.is_some() {
            return None;
        }
        if let Some((command, at)) = self.again
            && at <= now
        {
            self.again = None;
            self.due.insert(command);
        }
        let next = self.due.pop_first()?;
        self.running = Some(next);
        Some(next)
    }

    pub(crate) fn succeeded(&mut self, command: CommandId) {
        if self.running == Some(command) {
            self.running = None;
            self.trouble.reset();
        }
    }

    pub(crate) fn failed(
        &mut self,
        now: Moment,
        command: CommandId,
        chance: &mut dyn Chance,
    ) -> AfterFailure {
        self.running = None;
        let pause = self.trouble.pause(chance, None);
        if self.trouble.steps() >= TRIES {
            self.trouble.reset();
            return AfterFailure::GivenUp;
        }
        self.again = Some((command, now + pause));
        AfterFailure::TriedAgain(pause)
    }
}
