//! Whether the server may be sent reviews: every named condition is met and it is not about to end.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use crate::server::metrics::Metrics;

/// What the server still waits for. Clones share it.
#[derive(Debug, Clone)]
pub struct Readiness {
    state: Arc<Mutex<State>>,
    metrics: Arc<Metrics>,
}

#[derive(Debug, Default)]
struct State {
    waiting: BTreeSet<&'static str>,
    ending: bool,
}

impl Readiness {
    /// Ready until somebody waits for something.
    #[must_use]
    pub fn new(metrics: Arc<Metrics>) -> Self {
        let readiness = Self {
            state: Arc::default(),
            metrics,
        };
        readiness.publish();
        readiness
    }

    /// Not ready until [`Readiness::met`] is called with the same words.
    pub fn wait_for(&self, condition: &'static str) {
        self.state().waiting.insert(condition);
        self.publish();
    }

    /// The condition is met.
    pub fn met(&self, condition: &'static str) {
        if self.state().waiting.remove(condition) {
            tracing::debug!(condition, "no longer waiting");
        }
        self.publish();
    }

    /// Not ready any more, for good.
    pub fn end(&self) {
        self.state().ending = true;
        self.publish();
    }

    /// What keeps the server from being ready, as a sentence; none when it is.
    #[must_use]
    pub fn obstacle(&self) -> Option<String> {
        let state = self.state();
        if state.ending {
            return Some("the server is about to end".to_owned());
        }
        if state.waiting.is_empty() {
            return None;
        }
        let waiting: Vec<&str> = state.waiting.iter().copied().collect();
        Some(format!("waiting for {}", waiting.join(" and ")))
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn publish(&self) {
        self.metrics.ready(self.obstacle().is_none());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_ready_when_every_condition_is_met_and_until_the_end() {
        let readiness = Readiness::new(Arc::new(Metrics::new().unwrap()));
        assert_eq!(readiness.obstacle(), None);
        readiness.wait_for("a");
        readiness.wait_for("b");
        readiness.met("a");
        assert_eq!(readiness.obstacle().as_deref(), Some("waiting for b"));
        readiness.met("b");
        assert_eq!(readiness.obstacle(), None);
        readiness.end();
        assert_eq!(
            readiness.obstacle().as_deref(),
            Some("the server is about to end")
        );
    }
}
