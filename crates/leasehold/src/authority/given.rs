//! The caBundle for certificates that somebody else makes: it is read from a file and kept in the webhook configurations.

use std::time::Duration;

use futures_util::StreamExt as _;

use super::PAUSES;
use super::bundle::Others;
use super::bundles::Bundles;
use super::watching::{Event, watches};
use crate::cluster::client::Cluster;
use crate::server::options::{FileBundle, Sharing};

/// Keeps the bundle right that a file holds, for certificates that somebody else makes.
pub async fn keep(bundle: FileBundle, client: kube::Client) {
    let cluster = Cluster {
        client,
        namespace: String::new(),
    };
    let mut events = watches(&cluster, &Sharing::Alone, &bundle.webhooks);
    let mut bundles = Bundles::new(bundle.webhooks.clone(), Others::Refused);
    let mut pause = PAUSES.0;
    loop {
        let wait = match file_bundle(&bundle, &cluster, &mut bundles).await {
            Ok(()) => {
                pause = PAUSES.0;
                // The file may change without an event.
                Duration::from_secs(10)
            }
            Err(error) => {
                tracing::warn!(%error, "the caBundle is not as it should be; trying again");
                pause = (pause * 2).min(PAUSES.1);
                pause
            }
        };
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            event = events.next() => match event {
                Some(Event::Bundle(kind, seen)) => bundles.saw(kind, &seen),
                Some(_) => {}
                None => return,
            },
        }
    }
}

async fn file_bundle(
    bundle: &FileBundle,
    cluster: &Cluster,
    bundles: &mut Bundles,
) -> Result<(), String> {
    crate::server::files::certificates(&bundle.file).map_err(|error| crate::chain(&error))?;
    let text = crate::server::files::read(&bundle.file, "certificate")
        .map_err(|error| crate::chain(&error))?;
    bundles
        .refresh(&cluster.client)
        .await
        .map_err(|error| crate::chain(&error))?;
    bundles
        .write(&cluster.client, &text)
        .await
        .map_err(|error| crate::chain(&error))
}
