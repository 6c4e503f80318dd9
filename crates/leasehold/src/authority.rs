//! Self-made certificates without a leader in the path: replicas share an authority through a Secret, each signs its own
//! short-lived serving certificate, and all of them keep the caBundle of the webhook configurations. This module is the
//! driver: it watches, asks `rotation` what is due, and does it. Every step may be taken by any replica at any time, and
//! taking it twice does no harm.

pub mod bundle;
pub mod certificate;
pub mod lease;
pub mod rotation;
pub mod secret;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::{self, BoxStream};
use jiff::Timestamp;
use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingWebhookConfiguration,
};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Secret;
use kube::api::Api;
use kube_runtime::{WatchStreamExt as _, watcher};

use crate::authority::bundle::{Kind, Others};
use crate::authority::certificate::{Authority, CertificateError, Signed};
use crate::authority::rotation::{Lengths, Retired, Step, Stored, Trusted};
use crate::cluster::client::Cluster;
use crate::server::metrics::Metrics;
use crate::server::options::{FileBundle, Plan, Sharing, Webhooks};
use crate::server::readiness::Readiness;
use crate::server::tls::Serving;

/// What readiness waits for until a certificate is served that the API server trusts.
pub const CONDITION: &str = "a serving certificate in the webhook's caBundle";

/// Longest time without looking at everything again, whatever the watches say.
const LOOK_AGAIN: Duration = Duration::from_secs(3_600);
/// Pause after a step that failed, doubled up to the second.
const PAUSES: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(15));
/// Shortest time between two writes of one bundle, should another program insist on a different one.
const BETWEEN_WRITES: Duration = Duration::from_secs(1);
/// How long one request to the API server may take.
const REQUEST: Duration = Duration::from_secs(10);

/// Who this replica is, in the Lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity(pub String);

/// What a watch brought.
enum Event {
    Secret(secret::Seen),
    Bundle(Kind, bundle::Seen),
    /// A watch failed and tries again: what it should have brought is read at the next look.
    Failed(&'static str, String),
}

/// A step that failed.
#[derive(Debug, thiserror::Error)]
enum StepError {
    #[error("failed to {doing}")]
    Api {
        doing: &'static str,
        #[source]
        source: kube::Error,
    },
    #[error("failed to {0}: the API server did not answer in time")]
    Slow(&'static str),
    #[error(transparent)]
    Certificate(#[from] CertificateError),
}

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

/// Keeps the bundle right that a file holds, for certificates that somebody else makes.
pub async fn keep_file_bundle(bundle: FileBundle, client: kube::Client) {
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
        // The first authority is not worth waiting for: whoever stores it first wins.
        if self.stored.is_some()
            && lease::take(&self.leases, lease, &self.identity.0, now).await == lease::Turn::Theirs
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

/// The bundles of the webhook configurations.
struct Bundles {
    configurations: Vec<(Kind, String, bundle::Seen)>,
    others: Others,
    written: Option<tokio::time::Instant>,
}

impl Bundles {
    fn new(webhooks: Webhooks, others: Others) -> Self {
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

    fn saw(&mut self, kind: Kind, seen: &bundle::Seen) {
        for (have, _, state) in &mut self.configurations {
            if *have == kind {
                *state = seen.clone();
            }
        }
    }

    fn forget(&mut self) {
        for (_, _, state) in &mut self.configurations {
            *state = bundle::Seen::Nothing;
        }
    }

    async fn refresh(&mut self, client: &kube::Client) -> Result<(), StepError> {
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

    fn have(&self, bundle: &[u8]) -> bool {
        self.configurations
            .iter()
            .all(|(_, _, state)| state.has(bundle, self.others))
    }

    fn last_certificate(&self) -> Option<String> {
        self.configurations
            .iter()
            .find_map(|(_, _, state)| state.last_certificate())
    }

    async fn write(&mut self, client: &kube::Client, bundle: &[u8]) -> Result<(), StepError> {
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

fn others(sharing: &Sharing) -> Others {
    match sharing {
        Sharing::Alone => Others::Tolerated,
        Sharing::Secret { .. } => Others::Refused,
    }
}

async fn within<T>(
    doing: &'static str,
    request: impl Future<Output = Result<T, kube::Error>>,
) -> Result<T, StepError> {
    match tokio::time::timeout(REQUEST, request).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(source)) => Err(StepError::Api { doing, source }),
        Err(_) => Err(StepError::Slow(doing)),
    }
}

fn until_then(now: Timestamp, then: Timestamp) -> Duration {
    // A second more, since certificates count whole ones.
    Duration::try_from(then.duration_since(now)).unwrap_or_default() + Duration::from_millis(100)
}

/// Every change of the objects that matter, each watched by its name.
fn watches(cluster: &Cluster, sharing: &Sharing, webhooks: &Webhooks) -> BoxStream<'static, Event> {
    let named = |name: &str| watcher::Config::default().fields(&format!("metadata.name={name}"));
    let client = || cluster.client.clone();
    let mut streams: Vec<BoxStream<'static, Event>> = vec![stream::pending().boxed()];
    if let Sharing::Secret { secret: name, .. } = sharing {
        let api: Api<Secret> = Api::namespaced(client(), &cluster.namespace);
        let events = watcher(api, named(name)).default_backoff();
        streams.push(
            events
                .filter_map(|event| {
                    let seen = object(
                        event,
                        "the Secret of the authority",
                        |secret: Option<Secret>| {
                            Event::Secret(secret.map_or(secret::Seen::Absent, |secret| {
                                secret::Seen::There(Box::new(secret))
                            }))
                        },
                    );
                    async { seen }
                })
                .boxed(),
        );
    }
    if !webhooks.mutating.is_empty() {
        let api: Api<MutatingWebhookConfiguration> = Api::all(client());
        let events = watcher(api, named(&webhooks.mutating)).default_backoff();
        streams.push(
            events
                .filter_map(|event| {
                    let seen = object(
                        event,
                        "the mutating webhook configuration",
                        |configuration| {
                            let seen = configuration
                                .as_ref()
                                .map_or(bundle::Seen::Absent, bundle::of_mutating);
                            Event::Bundle(Kind::Mutating, seen)
                        },
                    );
                    async { seen }
                })
                .boxed(),
        );
    }
    if !webhooks.validating.is_empty() {
        let api: Api<ValidatingWebhookConfiguration> = Api::all(client());
        let events = watcher(api, named(&webhooks.validating)).default_backoff();
        streams.push(
            events
                .filter_map(|event| {
                    let seen = object(
                        event,
                        "the validating webhook configuration",
                        |configuration| {
                            let seen = configuration
                                .as_ref()
                                .map_or(bundle::Seen::Absent, bundle::of_validating);
                            Event::Bundle(Kind::Validating, seen)
                        },
                    );
                    async { seen }
                })
                .boxed(),
        );
    }
    stream::select_all(streams).boxed()
}

/// What one event of a watch means; lists of a single name bring the object or nothing.
fn object<K>(
    event: Result<watcher::Event<K>, watcher::Error>,
    what: &'static str,
    seen: impl FnOnce(Option<K>) -> Event,
) -> Option<Event> {
    match event {
        Ok(watcher::Event::Apply(object) | watcher::Event::InitApply(object)) => {
            Some(seen(Some(object)))
        }
        Ok(watcher::Event::Delete(_)) => Some(seen(None)),
        // Whether the object is there is read by the keeper itself when it does not know.
        Ok(watcher::Event::Init | watcher::Event::InitDone) => None,
        Err(error) => Some(Event::Failed(what, crate::chain(&error))),
    }
}
