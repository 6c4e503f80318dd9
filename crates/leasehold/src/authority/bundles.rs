//! The caBundles of all webhook configurations of one injector: what was last seen of them, and writing the ones that
//! differ. Reading and writing a single one is for `bundle`.

use std::time::Duration;

use super::bundle::{self, Kind, Others};
use super::request::{StepError, within};
use crate::server::options::Webhooks;

/// Shortest time between two writes of one bundle, should another program insist on a different one.
pub const BETWEEN_WRITES: Duration = Duration::from_secs(1);

/// The bundles of the webhook configurations.
#[derive(Debug)]
pub struct Bundles {
    configurations: Vec<(Kind, String, bundle::Seen)>,
    others: Others,
    written: Option<tokio::time::Instant>,
}

impl Bundles {
    /// The configurations that have a name.
    #[must_use]
    pub fn new(webhooks: Webhooks, others: Others) -> Self {
        let named = [
            (Kind::Mutating, webhooks.mutating),
            (Kind::Validating, webhooks.validating),
        ];
        let configurations = named
            .into_iter()
            .filter(|(_, name)| !name.is_empty())
            .map(|(kind, name)| (kind, name, bundle::Seen::Nothing))
            .collect();
        Self {
            configurations,
            others,
            written: None,
        }
    }

    /// A watch brought news of one.
    pub fn saw(&mut self, kind: Kind, seen: &bundle::Seen) {
        for (have, _, state) in &mut self.configurations {
            if *have == kind {
                *state = seen.clone();
            }
        }
    }

    /// Forgets what was seen, so that the next look reads it.
    pub fn forget(&mut self) {
        for (_, _, state) in &mut self.configurations {
            *state = bundle::Seen::Nothing;
        }
    }

    /// Reads those of which nothing is known.
    pub(super) async fn refresh(&mut self, client: &kube::Client) -> Result<(), StepError> {
        for (kind, name, state) in &mut self.configurations {
            if *state == bundle::Seen::Nothing {
                *state = within(
                    "read the webhook configuration",
                    bundle::read(client, *kind, name),
                )
                .await?;
            }
        }
        Ok(())
    }

    /// Whether all of them have this bundle.
    #[must_use]
    pub fn have(&self, bundle: &[u8]) -> bool {
        self.configurations
            .iter()
            .all(|(_, _, state)| state.has(bundle, self.others))
    }

    /// What another program may be serving under.
    #[must_use]
    pub fn last_certificate(&self) -> Option<String> {
        self.configurations
            .iter()
            .find_map(|(_, _, state)| state.last_certificate())
    }

    /// Writes the bundle where it is missing, at most once in [`BETWEEN_WRITES`].
    pub(super) async fn write(
        &mut self,
        client: &kube::Client,
        bundle: &[u8],
    ) -> Result<(), StepError> {
        if self.have(bundle) {
            return Ok(());
        }
        if self
            .written
            .is_some_and(|written| written.elapsed() < BETWEEN_WRITES)
        {
            return Ok(());
        }
        for (kind, name, state) in &mut self.configurations {
            if state.has(bundle, self.others) {
                continue;
            }
            let bundle::Seen::Webhooks(webhooks) = &*state else {
                continue;
            };
            let writing = bundle::write(client, *kind, name, webhooks, bundle);
            *state = within("write the caBundle of the webhook configuration", writing).await?;
            tracing::info!(configuration = %name, ?kind, "the caBundle was written");
        }
        self.written = Some(tokio::time::Instant::now());
        Ok(())
    }
}
