//! What one rendering carries through every call: the world outside, the data, what was asked for,
//! and what may still be spent.

use std::{any::Any, collections::BTreeSet};

use crate::{
    dependency::Dependency,
    go::Failure,
    host::Host,
    options::{Limits, Options},
    snapshot::{Answer, Snapshot},
};

/// The state of one rendering, handed to every function.
pub struct Context<'r> {
    host: &'r mut dyn Host,
    snapshot: &'r Snapshot,
    options: &'r Options,
    used: BTreeSet<Dependency>,
    missing: BTreeSet<Dependency>,
    memory: Option<Box<dyn Any>>,
    steps: u64,
    bytes: u64,
}

impl<'r> Context<'r> {
    /// A rendering that begins.
    pub fn new(options: &'r Options, snapshot: &'r Snapshot, host: &'r mut dyn Host) -> Self {
        Self {
            host,
            snapshot,
            options,
            used: BTreeSet::new(),
            missing: BTreeSet::new(),
            memory: None,
            steps: 0,
            bytes: 0,
        }
    }

    /// The way to clock, chance, environment, files and commands.
    pub fn host(&mut self) -> &mut dyn Host {
        self.host
    }

    /// The template's options: sandbox, destination, limits.
    pub fn options(&self) -> &'r Options {
        self.options
    }

    /// The answer to a dependency, which is noted as used; noted as missing when there is none yet.
    pub fn ask(&mut self, dependency: Dependency) -> Option<&'r Answer> {
        let answer = self.snapshot.get(&dependency);
        if answer.is_none() {
            self.missing.insert(dependency.clone());
        }
        self.used.insert(dependency);
        answer
    }

    /// What functions keep for the length of this rendering (scratch, compiled expressions).
    pub fn memory<T: Any + Default>(&mut self) -> &mut T {
        if !self.memory.as_ref().is_some_and(|kept| kept.is::<T>()) {
            self.memory = Some(Box::new(T::default()));
        }
        self.memory
            .as_mut()
            .and_then(|kept| kept.downcast_mut())
            .expect("the memory was just made of this type")
    }

    /// Counts work against the limit: a function calls it before a loop of that many rounds.
    ///
    /// # Errors
    /// When the template has done more than its limit allows.
    pub fn spend(&mut self, steps: u64) -> Result<(), Failure> {
        self.steps = self.steps.saturating_add(steps);
        let limit = self.limits().steps;
        if self.steps > limit {
            return Err(Failure::new(format!(
                "template took more than {limit} steps"
            )));
        }
        Ok(())
    }

    /// Counts memory against the limit: a function calls it before it makes something whose size
    /// an argument decides (`sprig_repeat`, padding, `sprig_until`).
    ///
    /// # Errors
    /// When the template has made more than its limit allows.
    pub fn reserve(&mut self, bytes: usize) -> Result<(), Failure> {
        self.bytes = self.bytes.saturating_add(bytes as u64);
        let limit = self.limits().memory;
        if self.bytes > limit {
            return Err(Failure::new(format!(
                "template made more than {limit} bytes of values"
            )));
        }
        Ok(())
    }

    /// The limits in force.
    pub fn limits(&self) -> &'r Limits {
        &self.options.limits
    }

    /// Ends the rendering: all that was asked for, and what of it had no answer.
    pub fn into_dependencies(self) -> (Vec<Dependency>, Vec<Dependency>) {
        (
            self.used.into_iter().collect(),
            self.missing.into_iter().collect(),
        )
    }
}
