//! What Namespaces say about the pods in them, kept in memory by a watch: their annotations are defaults, a label asks for
//! injection. A namespace that the watch has not brought yet is asked for, within half a second.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use futures_util::StreamExt as _;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Api, PartialObjectMeta};
use kube::core::ObjectMeta;
use kube_runtime::{WatchStreamExt as _, watcher};

use crate::namespace::NamespaceFacts;
use crate::server::readiness::Readiness;

/// What readiness waits for until the first list is there.
pub const CONDITION: &str = "the first list of namespaces";

/// How long a single namespace may be asked for.
const LOOKUP: Duration = Duration::from_millis(500);

/// A namespace's annotations are not known.
#[derive(Debug, thiserror::Error)]
pub enum LookupError {
    /// The API server said something else than the namespace.
    #[error(
        "the annotations of the namespace {name} could not be read; try again in a few seconds"
    )]
    Failed {
        /// The namespace.
        name: String,
        /// The reason.
        #[source]
        source: kube::Error,
    },
    /// It said nothing in time.
    #[error(
        "the annotations of the namespace {name} could not be read: the API server did not answer within 500 ms; try \
         again in a few seconds"
    )]
    Slow {
        /// The namespace.
        name: String,
    },
}

/// The namespaces in memory. Clones share them.
#[derive(Clone)]
pub struct Namespaces {
    known: Arc<RwLock<HashMap<String, Arc<NamespaceFacts>>>>,
    /// Most namespaces say nothing, and share this.
    nothing: Arc<NamespaceFacts>,
    api: Option<Api<PartialObjectMeta<Namespace>>>,
}

impl std::fmt::Debug for Namespaces {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Namespaces")
            .field("watched", &self.api.is_some())
            .finish_non_exhaustive()
    }
}

impl Namespaces {
    /// Namespaces without defaults: nothing is watched.
    #[must_use]
    pub fn without_defaults() -> Self {
        Self {
            known: Arc::default(),
            nothing: Arc::default(),
            api: None,
        }
    }

    /// Namespaces of the cluster; [`Namespaces::watch`] must run.
    #[must_use]
    pub fn of(client: kube::Client) -> Self {
        Self {
            api: Some(Api::all(client)),
            ..Self::without_defaults()
        }
    }

    /// What a namespace says.
    ///
    /// # Errors
    /// When it is not in memory and the API server does not tell.
    pub async fn facts(&self, name: &str) -> Result<Arc<NamespaceFacts>, LookupError> {
        let Some(api) = self.api.as_ref().filter(|_| !name.is_empty()) else {
            return Ok(Arc::clone(&self.nothing));
        };
        let known = self
            .known
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(name)
            .cloned();
        if let Some(facts) = known {
            return Ok(facts);
        }
        let asked = tokio::time::timeout(LOOKUP, api.get_metadata(name)).await;
        match asked {
            Ok(Ok(namespace)) => {
                let facts = self.keep(namespace.metadata);
                self.insert(name.to_owned(), Arc::clone(&facts));
                Ok(facts)
            }
            Ok(Err(source)) => Err(LookupError::Failed {
                name: name.to_owned(),
                source,
            }),
            Err(_) => Err(LookupError::Slow {
                name: name.to_owned(),
            }),
        }
    }

    /// Keeps the memory up to date. Never returns while there is something to watch.
    pub async fn watch(self, readiness: Readiness) {
        let Some(api) = self.api.clone() else { return };
        let config = watcher::Config::default().any_semantic();
        let events = watcher(api, config).default_backoff();
        let mut events = std::pin::pin!(events);
        let mut fresh: HashMap<String, Arc<NamespaceFacts>> = HashMap::new();
        while let Some(event) = events.next().await {
            match event {
                Ok(watcher::Event::Init) => fresh.clear(),
                Ok(watcher::Event::InitApply(namespace)) => {
                    if let Some(name) = namespace.metadata.name.clone() {
                        fresh.insert(name, self.keep(namespace.metadata));
                    }
                }
                Ok(watcher::Event::InitDone) => {
                    *self.known.write().unwrap_or_else(PoisonError::into_inner) =
                        std::mem::take(&mut fresh);
                    readiness.met(CONDITION);
                }
                Ok(watcher::Event::Apply(namespace)) => {
                    if let Some(name) = namespace.metadata.name.clone() {
                        self.insert(name, self.keep(namespace.metadata));
                    }
                }
                Ok(watcher::Event::Delete(namespace)) => {
                    if let Some(name) = namespace.metadata.name {
                        self.known
                            .write()
                            .unwrap_or_else(PoisonError::into_inner)
                            .remove(&name);
                    }
                }
                Err(error) => tracing::warn!(
                    error = %crate::chain(&error), "failed to watch namespaces; trying again, what is known stays"
                ),
            }
        }
    }

    fn keep(&self, metadata: ObjectMeta) -> Arc<NamespaceFacts> {
        let labels = metadata.labels.unwrap_or_default();
        let facts = NamespaceFacts::of(metadata.annotations.unwrap_or_default(), &labels);
        if facts == *self.nothing {
            Arc::clone(&self.nothing)
        } else {
            Arc::new(facts)
        }
    }

    fn insert(&self, name: String, facts: Arc<NamespaceFacts>) {
        self.known
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(name, facts);
    }
}
