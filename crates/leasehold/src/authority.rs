//! Self-made certificates without a leader in the path: replicas share an authority through a Secret, each signs its own
//! short-lived serving certificate, and all of them keep the caBundle of the webhook configurations. This module is the
//! driver: it asks `rotation` what is due and does it, woken by `watching`. Every step may be taken by any replica at any
//! time, and taking it twice does no harm.

pub mod bundle;
pub mod bundles;
pub mod certificate;
pub mod given;
pub mod lease;
mod request;
pub mod rotation;
pub mod secret;
mod watching;

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Secret;
use kube::api::Api;

use crate::authority::bundle::Others;
use crate::authority::bundles::{BETWEEN_WRITES, Bundles};
use crate::authority::certificate::{Authority, Signed};
use crate::authority::request::{StepError, within};
use crate::authority::rotation::{Lengths, Retired, Step, Stored, Trusted};
use crate::authority::watching::{Event, watches};
use crate::cluster::client::Cluster;
use crate::server::metrics::Metrics;
use crate::server::options::{Plan, Sharing};
use crate::server::readiness::Readiness;
use crate::server::tls::Serving;

/// What readiness waits for until a certificate is served that the API server trusts.
pub const CONDITION: &str = "a serving certificate in the webhook's caBundle";

/// Longest time without looking at everything again, whatever the watches say.
const LOOK_AGAIN: Duration = Duration::from_secs(3_600);
/// Pause after a step that failed, doubled up to the second.
const PAUSES: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(15));

/// Who this replica is, in the Lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity(pub String);

/// Keeps certificates and bundle right for as long as the server runs.
pub async fn keep(
    plan: Plan,
    cluster: Cluster,
    identity: Identity,
    serving: Arc<Serving>,
    metrics: Arc<Metrics>,
    readiness: Readiness,
) {
    let mut events = watches(&cluster, &plan.sharing, &plan.webhooks);
    let mut keeper = Keeper::new(plan, cluster, identity, serving, metrics, readiness);
    let mut pause = PAUSES.0;
    loop {
        let wait = match keeper.step(Timestamp::now()).await {
            Ok(wait) => {
                pause = PAUSES.0;
                wait.min(LOOK_AGAIN)
            }
            Err(error) => {
                tracing::warn!(error = %crate::chain(&error), "the certificates are not as they should be; trying again");
                keeper.look_again();
                let wait = pause;
                pause = (pause * 2).min(PAUSES.1);
                wait
            }
        };
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            event = events.next() => match event {
                Some(event) => keeper.on(event),
                None => return,
            },
        }
    }
}

struct Keeper {
    plan: Plan,
    lengths: Lengths,
    cluster: Cluster,
    identity: Identity,
    serving: Arc<Serving>,
    metrics: Arc<Metrics>,
    readiness: Readiness,
    secrets: Api<Secret>,
    leases: Api<Lease>,
    secret: secret::Seen,
    /// What is shared, as read from the Secret or, alone, kept here.
    stored: Option<Stored>,
    bundles: Bundles,
    /// The certificate that is served, and which authority signed it.
    served: Option<(Signed, String)>,
}

impl Keeper {
    fn new(
        plan: Plan,
        cluster: Cluster,
        identity: Identity,
        serving: Arc<Serving>,
        metrics: Arc<Metrics>,
        readiness: Readiness,
    ) -> Self {
        let lengths = Lengths {
            authority: plan.authority_lifetime,
            serving: plan.serving_lifetime,
            settle: plan.settle,
        };
        Self {
            lengths,
            secrets: Api::namespaced(cluster.client.clone(), &cluster.namespace),
            leases: Api::namespaced(cluster.client.clone(), &cluster.namespace),
            secret: secret::Seen::Nothing,
            stored: None,
            bundles: Bundles::new(plan.webhooks.clone(), others(&plan.sharing)),
            served: None,
            plan,
            cluster,
            identity,
            serving,
            metrics,
            readiness,
        }
    }

    fn on(&mut self, event: Event) {
        match event {
            Event::Secret(seen) => self.saw_secret(seen),
            Event::Bundle(kind, seen) => self.bundles.saw(kind, &seen),
            Event::Failed(what, error) => {
                tracing::warn!(%error, "failed to watch {what}; trying again");
                self.look_again();
            }
        }
    }

    /// Forgets what was seen, so that the next step reads it.
    fn look_again(&mut self) {
        self.secret = secret::Seen::Nothing;
        self.bundles.forget();
    }

    fn saw_secret(&mut self, seen: secret::Seen) {
        self.stored = seen.stored();
        self.secret = seen;
    }

    async fn read_secret(&mut self) -> Result<(), StepError> {
        if let Sharing::Secret { secret: name, .. } = &self.plan.sharing {
            let reading = secret::read(&self.secrets, name);
            let seen = within("read the Secret of the authority", reading).await?;
            self.saw_secret(seen);
        }
        Ok(())
    }

    /// Alone, the replica before or after us in a rolling update is known only by what it wrote to the bundle; it
    /// stays trusted for one serving lifetime.
    fn trust_others(&mut self, now: Timestamp) {
        let (Sharing::Alone, Some(stored)) = (&self.plan.sharing, &mut self.stored) else {
            return;
        };
        if let Some(certificate) = self.bundles.last_certificate()
            && !stored.bundle().contains(certificate.trim())
        {
            let until = now + self.lengths.serving;
            stored.retired.push(Retired { certificate, until });
        }
    }

    /// Brings everything one round nearer to how it should be. Says when the next round is due.
    async fn step(&mut self, now: Timestamp) -> Result<Duration, StepError> {
        if matches!(self.secret, secret::Seen::Nothing) {
            self.read_secret().await?;
        }
        self.bundles.refresh(&self.cluster.client).await?;
        if self
            .stored
            .as_ref()
            .is_some_and(|stored| !self.bundles.have(stored.bundle().as_bytes()))
        {
            // Another replica may have stored something newer and written its bundle already: the events of the two
            // objects come in any order, and writing back what is stale would take its certificate away.
            self.read_secret().await?;
            self.trust_others(now);
        }
        // Several steps may be due at once, each ending in a state that asks for the next.
        let mut wait = Duration::ZERO;
        for _ in 0..4 {
            let trusted = match &self.stored {
                Some(stored) if self.bundles.have(stored.bundle().as_bytes()) => Trusted::Yes,
                _ => Trusted::NotYet,
            };
            let step = rotation::due(
                self.stored.as_ref(),
                trusted,
                &self.plan.hosts,
                &self.lengths,
                now,
            );
            match step {
                Step::Wait(until) => {
                    wait = until_then(now, until);
                    break;
                }
                step => {
                    if let Some(busy) = self.take_step(step, now).await? {
                        wait = busy;
                        break;
                    }
                }
            }
        }
        let Some(stored) = self.stored.clone() else {
            return Ok(wait);
        };
        self.bundles
            .write(&self.cluster.client, stored.bundle().as_bytes())
            .await?;
        if self.bundles.have(stored.bundle().as_bytes()) {
            let renew = self.serve(&stored, now)?;
            wait = wait.min(renew);
        } else {
            wait = wait.min(BETWEEN_WRITES);
        }
        Ok(wait)
    }

    /// Takes one step of the rotation. Says how long to wait when another replica is at it.
    async fn take_step(
        &mut self,
        step: Step,
        now: Timestamp,
    ) -> Result<Option<Duration>, StepError> {
        let hosts = &self.plan.hosts;
        let next = match (step, &self.stored) {
            (Step::Wait(_), _) => return Ok(None),
            (Step::Store(stored), _) => *stored,
            (Step::Prepare, Some(stored)) => {
                stored.with_next(Authority::make(hosts, now, self.lengths.authority)?, now)
            }
            (Step::Prepare | Step::Create, _) => {
                let authority = Authority::make(hosts, now, self.lengths.authority)?;
                Stored::first(
                    authority,
                    self.bundles.last_certificate().into_iter().collect(),
                    &self.lengths,
                    now,
                )
            }
        };
        let Sharing::Secret {
            secret: name,
            lease,
        } = &self.plan.sharing
        else {
            tracing::info!(authority = %next.signing.name, "the webhook's authority has changed");
            self.stored = Some(next);
            return Ok(None);
        };
        // Without an authority that can sign there is nothing to wait for: whoever stores one first wins.
        let can_sign =
            |stored: &Stored| stored.signing.check().is_ok() && stored.signing.ends > now;
        let owner = self.secret.owner();
        if self.stored.as_ref().is_some_and(can_sign)
            && lease::take(&self.leases, lease, &self.identity.0, owner, now).await
                == lease::Turn::Theirs
        {
            return Ok(Some(Duration::from_secs(5)));
        }
        let written = within(
            "store the authority in its Secret",
            secret::write(&self.secrets, name, &self.secret, &next),
        )
        .await?;
        match written {
            secret::Written::Done(seen) => {
                tracing::info!(authority = %next.signing.name, "the webhook's authority was stored for every replica");
                self.saw_secret(seen);
            }
            secret::Written::Conflict => {
                tracing::debug!("another replica stored an authority before; adopting it");
                self.read_secret().await?;
            }
        }
        Ok(None)
    }

    /// Serves under the signing authority, with a new certificate when half of the old one's life is over. Says when
    /// that will be.
    fn serve(&mut self, stored: &Stored, now: Timestamp) -> Result<Duration, StepError> {
        let renew_at = |signed: &Signed| {
            let life = signed.ends.duration_since(signed.made);
            signed.made + Duration::from_secs(u64::try_from(life.as_secs()).unwrap_or_default()) / 2
        };
        if let Some((signed, authority)) = &self.served
            && *authority == stored.signing.certificate
            && renew_at(signed) > now
        {
            return Ok(until_then(now, renew_at(signed)));
        }
        if !stored.signing.covers(&self.plan.hosts) {
            // A certificate for other names would be refused; the next authority is on its way.
            return Ok(Duration::from_secs(1));
        }
        let signed = stored
            .signing
            .sign(&self.plan.hosts, now, self.lengths.serving)?;
        self.serving.replace(signed.certificate.clone());
        self.metrics.certificate("serving", signed.ends.as_second());
        self.metrics
            .certificate("authority", stored.signing.ends.as_second());
        tracing::info!(authority = %stored.signing.name, ends = %signed.ends, "a new serving certificate is in use");
        let wait = until_then(now, renew_at(&signed));
        self.served = Some((signed, stored.signing.certificate.clone()));
        self.readiness.met(CONDITION);
        Ok(wait)
    }
}

fn others(sharing: &Sharing) -> Others {
    match sharing {
        Sharing::Alone => Others::Tolerated,
        Sharing::Secret { .. } => Others::Refused,
    }
}

fn until_then(now: Timestamp, then: Timestamp) -> Duration {
    // A second more, since certificates count whole ones.
    Duration::try_from(then.duration_since(now)).unwrap_or_default() + Duration::from_millis(100)
}
