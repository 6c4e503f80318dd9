//! When a template is rendered: at the start, when something it used has changed, and again after a failure.
//! What the text is and how it reaches the disk is not decided here.

use std::{collections::BTreeSet, time::Duration};

use crate::core::{
    backoff::Backoff, chance::Chance, failure::Failure, moment::Moment, telling::Telling,
};

/// Names one thing that templates ask for. The driver knows which.
pub type DependencyId = u32;
/// Names a template: its place in the configuration.
pub type TemplateId = usize;
/// Names one command, signal or request out of the distinct ones in the configuration.
pub type CommandId = usize;

/// Whether a template's failure counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// `error_fatal = true`, the default: nothing is complete without this template.
    Fatal,
    /// `error_fatal = false`: its failures are logged, and the others go on.
    Logged,
}

/// What holds for one template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateRules {
    /// Whether a failure counts.
    pub severity: Severity,
    /// Whom to tell after the file has changed.
    pub commands: Vec<CommandId>,
    /// After the first rendering, wait for this long without a change, and at most for that long.
    pub wait: Option<(Duration, Duration)>,
}

/// What a rendering led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RenderOutcome {
    /// Something is missing; nothing was written.
    Incomplete,
    /// The file has this content already.
    Unchanged,
    /// The file was not there and was written.
    Created,
    /// The file was there and has new content.
    Written,
    /// The template failed, or its file could not be written.
    Failed(Failure),
}

/// The state of one template.
#[derive(Debug, Clone)]
pub(crate) struct Template {
    pub(crate) rules: TemplateRules,
    pub(crate) uses: BTreeSet<DependencyId>,
    pub(crate) missing: BTreeSet<DependencyId>,
    due: Option<Moment>,
    changed_since: Option<Moment>,
    rendering: bool,
    rendered: bool,
    failed: Option<Failure>,
    trouble: Backoff,
    /// What was said of renderings that failed.
    pub(crate) telling: Telling,
}

impl Template {
    pub(crate) fn new(rules: TemplateRules) -> Self {
        Self {
            rules,
            uses: BTreeSet::new(),
            missing: BTreeSet::new(),
            due: Some(Moment::default()),
            changed_since: None,
            rendering: false,
            rendered: false,
            failed: None,
            trouble: Backoff::new(Duration::from_secs(1), Duration::from_secs(300)),
            telling: Telling::new(),
        }
    }

    /// Whether this template is no longer in the way of completeness.
    pub(crate) fn is_settled(&self) -> bool {
        self.rendered || (self.rules.severity == Severity::Logged && self.failed.is_some())
    }

    pub(crate) const fn is_rendered(&self) -> bool {
        self.rendered
    }

    pub(crate) const fn is_rendering(&self) -> bool {
        self.rendering
    }

    pub(crate) const fn failure(&self) -> Option<&Failure> {
        self.failed.as_ref()
    }

    pub(crate) const fn wakes(&self) -> Option<Moment> {
        self.due
    }

    pub(crate) fn asks_for(&self, dependency: DependencyId) -> bool {
        self.uses.contains(&dependency) || self.missing.contains(&dependency)
    }

    /// Something it asked for has come or changed.
    pub(crate) fn changed(&mut self, now: Moment, after_first: bool) {
        let at = match self.rules.wait {
            Some((quiet, longest)) if after_first && self.rendered => {
                let since = *self.changed_since.get_or_insert(now);
                (now + quiet).min(since + longest)
            }
            _ => now,
        };
        // A template that waits after a failure has new data, so it is tried without waiting.
        self.due = Some(at);
    }

    /// Whether to render now; what returns true is taken as begun.
    pub(crate) fn take_due(&mut self, now: Moment) -> bool {
        if self.rendering || self.due.is_none_or(|at| at > now) {
            return false;
        }
        self.due = None;
        self.changed_since = None;
        self.rendering = true;
        true
    }

    /// A rendering ended; returns the pause before the next try where it failed.
    pub(crate) fn rendered(
        &mut self,
        now: Moment,
        outcome: &RenderOutcome,
        chance: &mut dyn Chance,
    ) -> Option<Duration> {
        self.rendering = false;
        match outcome {
            RenderOutcome::Incomplete => None,
            RenderOutcome::Unchanged | RenderOutcome::Created | RenderOutcome::Written => {
                self.rendered = true;
                self.failed = None;
                self.trouble.reset();
                None
            }
            RenderOutcome::Failed(failure) => {
                self.failed = Some(failure.clone());
                let pause = self.trouble.pause(chance, None);
                if self.due.is_none() {
                    self.due = Some(now + pause);
                }
                Some(pause)
            }
        }
    }
}
