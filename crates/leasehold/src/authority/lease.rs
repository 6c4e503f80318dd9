//! The Lease that lets one replica at a time rotate the authority. It only spares the others work: what is stored stays
//! right without it, since the Secret is written by optimistic concurrency.

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, OwnerReference};
use kube::api::{Api, PostParams};
use kube::core::ObjectMeta;

/// How long a holder that says nothing keeps the Lease, in seconds.
const DURATION: i32 = 15;

/// Whether this replica may rotate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// It may.
    Ours,
    /// Another one is at it.
    Theirs,
}

/// Takes the Lease if it is free or ours. It belongs to `owner`, the Secret: nobody else would take it away when the
/// release is uninstalled.
///
/// Without the right to Leases every replica may rotate.
pub async fn take(
    api: &Api<Lease>,
    name: &str,
    holder: &str,
    owner: Option<OwnerReference>,
    now: Timestamp,
) -> Turn {
    match attempt(api, name, holder, owner, now).await {
        Ok(turn) => turn,
        Err(kube::Error::Api(status)) if status.code == 409 => Turn::Theirs,
        Err(error) => {
            tracing::debug!(error = %crate::chain(&error), "the Lease cannot be used; going on without it");
            Turn::Ours
        }
    }
}

async fn attempt(
    api: &Api<Lease>,
    name: &str,
    holder: &str,
    owner: Option<OwnerReference>,
    now: Timestamp,
) -> Result<Turn, kube::Error> {
    let parameters = PostParams::default();
    let Some(mut lease) = api.get_opt(name).await? else {
        let lease = Lease {
            metadata: ObjectMeta {
                name: Some(name.to_owned()),
                owner_references: owner.map(|owner| vec![owner]),
                ..ObjectMeta::default()
            },
            spec: Some(held(LeaseSpec::default(), holder, now)),
        };
        api.create(&parameters, &lease).await?;
        return Ok(Turn::Ours);
    };
    let spec = lease.spec.take().unwrap_or_default();
    if is_held_by_another(&spec, holder, now) {
        return Ok(Turn::Theirs);
    }
    lease.spec = Some(held(spec, holder, now));
    if let Some(owner) = owner {
        lease.metadata.owner_references = Some(vec![owner]);
    }
    api.replace(name, &parameters, &lease).await?;
    Ok(Turn::Ours)
}

fn is_held_by_another(spec: &LeaseSpec, holder: &str, now: Timestamp) -> bool {
    let other = spec
        .holder_identity
        .as_deref()
        .is_some_and(|have| !have.is_empty() && have != holder);
    let seconds = i64::from(spec.lease_duration_seconds.unwrap_or(DURATION));
    let until = spec
        .renew_time
        .as_ref()
        .map(|time| time.0.as_second().saturating_add(seconds));
    other && until.is_some_and(|until| until > now.as_second())
}

fn held(mut spec: LeaseSpec, holder: &str, now: Timestamp) -> LeaseSpec {
    if spec.holder_identity.as_deref() != Some(holder) {
        spec.acquire_time = Some(MicroTime(now));
        spec.lease_transitions = Some(spec.lease_transitions.unwrap_or_default().saturating_add(1));
    }
    spec.holder_identity = Some(holder.to_owned());
    spec.lease_duration_seconds = Some(DURATION);
    spec.renew_time = Some(MicroTime(now));
    spec
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_lease_is_held_until_its_holder_was_silent_for_its_duration() {
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let spec = held(LeaseSpec::default(), "a", now);
        assert!(is_held_by_another(
            &spec,
            "b",
            now + Duration::from_secs(14)
        ));
        assert!(!is_held_by_another(
            &spec,
            "b",
            now + Duration::from_secs(15)
        ));
        assert!(!is_held_by_another(&spec, "a", now));
        assert!(!is_held_by_another(&LeaseSpec::default(), "b", now));
    }

    #[test]
    fn taking_over_counts_as_a_transition_and_renewing_does_not() {
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let first = held(LeaseSpec::default(), "a", now);
        let renewed = held(first.clone(), "a", now + Duration::from_secs(5));
        assert_eq!(renewed.lease_transitions, first.lease_transitions);
        let taken = held(renewed, "b", now + Duration::from_secs(60));
        assert_eq!(taken.lease_transitions, Some(2));
    }
}
