//! Every change of the objects that certificates depend on, each watched by its name, so that the right to that one name
//! is enough.

use std::fmt::Debug;

use futures_util::StreamExt as _;
use futures_util::stream::{self, BoxStream};
use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingWebhookConfiguration,
};
use k8s_openapi::api::core::v1::Secret;
use kube::Resource;
use kube::api::Api;
use kube_runtime::{WatchStreamExt as _, watcher};
use serde::de::DeserializeOwned;

use super::bundle::{self, Kind};
use super::secret;
use crate::cluster::client::Cluster;
use crate::server::options::{Sharing, Webhooks};

/// What a watch brought.
pub(super) enum Event {
    Secret(secret::Seen),
    Bundle(Kind, bundle::Seen),
    /// A watch failed and tries again: what it should have brought is read at the next look.
    Failed(&'static str, String),
}

/// Every change of the Secret, where one is shared, and of the configurations that have a name. Never ends.
pub(super) fn watches(
    cluster: &Cluster,
    sharing: &Sharing,
    webhooks: &Webhooks,
) -> BoxStream<'static, Event> {
    let mut streams: Vec<BoxStream<'static, Event>> = vec![stream::pending().boxed()];
    if let Sharing::Secret { secret: name, .. } = sharing {
        let api: Api<Secret> = Api::namespaced(cluster.client.clone(), &cluster.namespace);
        streams.push(watch(api, name, "the Secret of the authority", |secret| {
            let seen = secret.map_or(secret::Seen::Absent, |secret| {
                secret::Seen::There(Box::new(secret))
            });
            Event::Secret(seen)
        }));
    }
    if !webhooks.mutating.is_empty() {
        let api: Api<MutatingWebhookConfiguration> = Api::all(cluster.client.clone());
        let what = "the mutating webhook configuration";
        streams.push(watch(api, &webhooks.mutating, what, |seen| {
            let seen = seen
                .as_ref()
                .map_or(bundle::Seen::Absent, bundle::of_mutating);
            Event::Bundle(Kind::Mutating, seen)
        }));
    }
    if !webhooks.validating.is_empty() {
        let api: Api<ValidatingWebhookConfiguration> = Api::all(cluster.client.clone());
        let what = "the validating webhook configuration";
        streams.push(watch(api, &webhooks.validating, what, |seen| {
            let seen = seen
                .as_ref()
                .map_or(bundle::Seen::Absent, bundle::of_validating);
            Event::Bundle(Kind::Validating, seen)
        }));
    }
    stream::select_all(streams).boxed()
}

/// Every change of the one object of a name; `seen` says what the object means, or its absence.
fn watch<K>(
    api: Api<K>,
    name: &str,
    what: &'static str,
    seen: impl Fn(Option<K>) -> Event + Send + 'static,
) -> BoxStream<'static, Event>
where
    K: Resource + Clone + Debug + DeserializeOwned + Send + 'static,
{
    let named = watcher::Config::default().fields(&format!("metadata.name={name}"));
    watcher(api, named)
        .default_backoff()
        .filter_map(move |event| {
            let event = match event {
                Ok(watcher::Event::Apply(object) | watcher::Event::InitApply(object)) => {
                    Some(seen(Some(object)))
                }
                Ok(watcher::Event::Delete(_)) => Some(seen(None)),
                // Whether the object is there is read by the keeper itself when it does not know.
                Ok(watcher::Event::Init | watcher::Event::InitDone) => None,
                Err(error) => Some(Event::Failed(what, crate::chain(&error))),
            };
            std::future::ready(event)
        })
        .boxed()
}
