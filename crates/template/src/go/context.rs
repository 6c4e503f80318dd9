//! What one rendering carries through every call: the world outside, the data, what was asked for,
//! and what may still be spent.

use std::{any::Any, collections::BTreeSet};

use crate::{
    dependency::Dependency,
    go::{Failure, Functions, Text, Trees, Value, execute, quote},
    host::Host,
    options::{Limits, Options},
    snapshot::{Answer, Snapshot},
};

/// The state of one rendering, handed to every function.
pub struct Context<'r> {
    host: &'r mut dyn Host,
    snapshot: &'r Snapshot,
    options: &'r Options,
    functions: &'r dyn Functions,
    trees: &'r Trees,
    used: BTreeSet<Dependency>,
    missing: BTreeSet<Dependency>,
    memory: Option<Box<dyn Any>>,
    steps: u64,
    bytes: u64,
    templates: u32,
    levels: u32,
}

/// As deep as blocks, parentheses and templates together may nest while running: what the stack of
/// a thread of 2 MiB holds.
const DEEPEST: u32 = 500;

impl<'r> Context<'r> {
    /// A rendering that begins.
    pub(crate) fn new(
        options: &'r Options,
        functions: &'r dyn Functions,
        trees: &'r Trees,
        snapshot: &'r Snapshot,
        host: &'r mut dyn Host,
    ) -> Self {
        Self {
            host,
            snapshot,
            options,
            functions,
            trees,
            used: BTreeSet::new(),
            missing: BTreeSet::new(),
            memory: None,
            steps: 0,
            bytes: 0,
            templates: 0,
            levels: 0,
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
        if self.may_spend(steps) {
            return Ok(());
        }
        let limit = self.limits().steps;
        Err(Failure::new(format!(
            "template took more than {limit} steps"
        )))
    }

    /// Counts work; false when that is more than the limit allows.
    #[inline]
    pub(crate) fn may_spend(&mut self, steps: u64) -> bool {
        self.steps = self.steps.saturating_add(steps);
        self.steps <= self.options.limits.steps
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

    /// The text of a template of the same source, run on a value.
    ///
    /// # Errors
    /// When there is no such template, or it fails, in Go's words.
    pub fn execute_template(&mut self, name: &[u8], dot: Value) -> Result<Text, Failure> {
        let trees = self.trees;
        let tree = std::str::from_utf8(name)
            .ok()
            .and_then(|name| trees.get(name));
        let Some(tree) = tree else {
            let name = quote(name);
            let message = format!("template: no template {name} associated with template \"\"");
            return Err(Failure::new(message));
        };
        // The way through a function takes as much of the stack as eight other levels.
        for _ in 0..8 {
            self.descend()?;
        }
        if !self.enter_template() {
            let limit = self.limits().depth;
            return Err(Failure::new(format!(
                "exceeded maximum template depth ({limit})"
            )));
        }
        let mut output = Vec::new();
        let executed = execute(self, trees, tree, dot, &mut output);
        self.leave_template();
        self.levels = self.levels.saturating_sub(8);
        executed.map_err(|error| Failure::new(error.text))?;
        self.reserve(output.len())?;
        Ok(output.into())
    }

    pub(crate) fn functions(&self) -> &'r dyn Functions {
        self.functions
    }

    #[inline]
    pub(crate) fn descend(&mut self) -> Result<(), Failure> {
        self.levels += 1;
        if self.levels > DEEPEST {
            return Err(Failure::new(format!(
                "template nests more than {DEEPEST} levels deep"
            )));
        }
        Ok(())
    }

    pub(crate) fn ascend(&mut self) {
        self.levels = self.levels.saturating_sub(1);
    }

    /// Whether one more template inside templates is allowed.
    pub(crate) fn enter_template(&mut self) -> bool {
        self.templates += 1;
        self.templates <= self.limits().depth
    }

    pub(crate) fn leave_template(&mut self) {
        self.templates = self.templates.saturating_sub(1);
    }

    /// Ends the rendering: all that was asked for, and what of it had no answer.
    pub fn into_dependencies(self) -> (Vec<Dependency>, Vec<Dependency>) {
        (
            self.used.into_iter().collect(),
            self.missing.into_iter().collect(),
        )
    }
}
