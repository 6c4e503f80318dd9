//! From what is asked for and what the pod has to what is added: volumes, mounts, containers.

mod agent_config;
mod container;
mod env;
mod memory;
mod native;
mod refusals;
mod volumes;

use serde_json::{Value, json};

use crate::finding::{Code, Finding};
use crate::go::quantity::Quantity;
use crate::lax_patch::LaxPatch;
use crate::pod::{Container, Pod};
use crate::read_back::read_back;
use crate::report::{Report, Stage};
use crate::review::{Injected, Review};
use crate::settings::Flavour;
use crate::spec::{Placement, Spec};
use crate::vocabulary::{Annotation, container as names};

pub(crate) use volumes::{Group, HOME, SECRETS_VOLUME, mount_path};

/// The sidecar's name, native or not.
pub(crate) const SIDECAR: &str = "vault-agent";
/// The init container's name.
pub(crate) const INIT: &str = "vault-agent-init";

/// Which of the agent's containers is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// The one native sidecar.
    Native,
    /// The init container of a pair, or alone.
    Init,
    /// The sidecar of a pair, or alone.
    Sidecar,
}

/// What is added to the pod.
#[derive(Debug)]
pub(crate) struct Plan<'a> {
    /// Volumes, in groups as they are added.
    pub(crate) volumes: Vec<Group>,
    /// Mounts for the application's containers.
    pub(crate) mounts: Vec<Value>,
    /// The container that goes among the init containers, and where.
    pub(crate) init: Option<(Value, usize)>,
    /// The container that goes among the containers.
    pub(crate) sidecar: Option<Value>,
    /// `shareProcessNamespace`, where it is to be set.
    pub(crate) share_process_namespace: Option<bool>,
    /// Which containers that makes.
    pub(crate) injected: Injected,
    /// What was asked for.
    pub(crate) spec: Spec<'a>,
}

impl<'a> Plan<'a> {
    /// Plans what to add. Whether the pod must be denied is in the report afterwards.
    pub(crate) fn make(
        spec: Spec<'a>,
        pod: &Pod<'a>,
        review: &Review<'a>,
        report: &mut Report,
    ) -> Self {
        let roles: &[Role] = match spec.agent.placement {
            Placement::Native(_) => &[Role::Native],
            Placement::Pair => &[Role::Init, Role::Sidecar],
            Placement::InitOnly => &[Role::Init],
            Placement::SidecarOnly => &[Role::Sidecar],
        };
        let mut init = None;
        let mut sidecar = None;
        for role in roles {
            // What is found about its place belongs into its log, so it is found before.
            let place = (*role == Role::Native)
                .then(|| native::place(&spec, pod, &native::mounts(&spec, pod, review), report));
            let Some(container) = finished(*role, &spec, pod, review, report) else {
                continue;
            };
            match role {
                Role::Native => init = Some((container, place.unwrap_or_default())),
                Role::Init => {
                    let first = spec.agent.init_first == Some(true);
                    let place = if first {
                        0
                    } else {
                        pod.init_containers().len()
                    };
                    init = Some((container, place));
                }
                Role::Sidecar => sidecar = Some(container),
            }
        }
        let injected = match spec.agent.placement {
            Placement::Native(_) => Injected::Native,
            Placement::Pair => Injected::InitAndSidecar,
            Placement::InitOnly => Injected::InitOnly,
            Placement::SidecarOnly => Injected::SidecarOnly,
        };
        Self {
            volumes: volumes::groups(&spec, pod),
            mounts: volumes::application_mounts(&spec, review.pod),
            init,
            sidecar,
            share_process_namespace: spec.container.share_process_namespace,
            injected,
            spec,
        }
    }
}

/// The mounts that an earlier injection gave the application, told from the agent's container.
///
/// A patch may have moved or added some in the agent alone: where the application mounts a volume, its
/// paths are the right ones.
pub(crate) fn mounts_of_injected(pod: &Pod<'_>) -> Vec<Value> {
    let is_agent = |container: &&Container<'_>| matches!(container.name(), SIDECAR | INIT);
    let in_application: Vec<_> = pod
        .all_containers()
        .filter(|container| !is_agent(container))
        .flat_map(|container| container.mounts())
        .map(|mount| (mount.name(), mount.path()))
        .collect();
    pod.all_containers()
        .find(is_agent)
        .map(|agent| agent.mounts())
        .unwrap_or_default()
        .iter()
        .filter(|mount| mount.name().starts_with(SECRETS_VOLUME) && !mount.is_read_only())
        .map(|mount| (mount.name(), mount.path()))
        .filter(|mount| {
            in_application.contains(mount)
                || !in_application.iter().any(|(name, _)| *name == mount.0)
        })
        .map(|(name, path)| json!({ "name": name, "mountPath": path }))
        .collect()
}

/// The finished container: made, given its amounts, patched, read back.
fn finished(
    role: Role,
    spec: &Spec<'_>,
    pod: &Pod<'_>,
    review: &Review<'_>,
    report: &mut Report,
) -> Option<Value> {
    let mut container = container::build(role, spec, pod, review, report)?;
    let resources = resources(role, spec, report);
    if let Some(map) = container.as_object_mut() {
        map.insert("resources".to_owned(), resources);
    }
    let (patch, annotation) = match role {
        Role::Init => (&spec.container.patches.init, &names::INIT_JSON_PATCH),
        Role::Native | Role::Sidecar => (&spec.container.patches.sidecar, &names::JSON_PATCH),
    };
    let Some(patch) = patch.as_ref().filter(|patch| !patch.is_empty()) else {
        return Some(container);
    };
    apply(patch, annotation, container, spec.agent.flavour, report)
}

fn apply(
    patch: &LaxPatch,
    annotation: &'static Annotation,
    mut container: Value,
    flavour: Flavour,
    report: &mut Report,
) -> Option<Value> {
    let name = annotation.full_name();
    let given_name = container
        .get("name")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned();
    let mut lax = Vec::new();
    let applied = patch.apply(&mut container, &mut |what| lax.push(what));
    for what in lax {
        let text = format!("{what}; the standard (RFC 6902) does not allow that");
        report.note(Finding::info(Code::LaxPatch, text).about(&name));
    }
    let result = applied.and_then(|()| read_back(container));
    match result {
        Ok((container, dropped)) => {
            if container.get("name").and_then(Value::as_str) != Some(given_name.as_str()) {
                let text = format!(
                    "it renames the container {given_name}, by which an injected pod is known"
                );
                report.note(Finding::warning(Code::NameTaken, text).about(&name));
            }
            if !dropped.is_empty() {
                let text = format!(
                    "a container has no field {}, which is left out",
                    dropped.join(", ")
                );
                report.note(Finding::warning(Code::NoEffect, text).about(&name));
            }
            Some(container)
        }
        Err(words) => {
            let mut text = format!("the patch does not fit the agent's container: {words}");
            if flavour == Flavour::Leasehold && patch.touches_args() {
                text.push_str(&format!(
                    "; this agent is started without a shell and has no args: take them out of the \
                     patch, or set {} to vault, which has the script that the patch is for",
                    crate::vocabulary::ours::FLAVOUR.full_name()
                ));
            }
            let finding = Finding::error(Code::InvalidValue, text).about(name);
            report.deny(Stage::Patch, &words, finding);
            None
        }
    }
}

/// What a container gets where neither an annotation nor a flag names an amount; empty for none.
pub(crate) fn default_amount(list: &str, resource: &str, spec: &Spec<'_>) -> String {
    match spec.agent.flavour {
        Flavour::Vault => memory::established_default(list, resource),
        Flavour::Leasehold => memory::our_default(list, resource, spec),
    }
}

/// Requests and limits, written canonically.
fn resources(role: Role, spec: &Spec<'_>, report: &mut Report) -> Value {
    let mut limits = serde_json::Map::new();
    let mut requests = serde_json::Map::new();
    let mut read: Vec<(&str, &str, Quantity)> = Vec::new();
    for amount in &spec.container.amounts {
        let default = default_amount(amount.list, amount.resource, spec);
        let text = amount.given.map_or(default, |given| given.value.to_owned());
        if text.is_empty() {
            continue;
        }
        match (Quantity::parse(&text), amount.given) {
            (Ok(quantity), _) => {
                let map = if amount.list == "limits" {
                    &mut limits
                } else {
                    &mut requests
                };
                map.insert(amount.resource.to_owned(), quantity.text.clone().into());
                read.push((amount.list, amount.resource, quantity));
            }
            (Err(words), Some(given)) if given.origin == crate::layers::Origin::Injector => {
                report.deny_flag(
                    Stage::Patch,
                    &words,
                    given.key,
                    given.value,
                    amount.annotation.kind,
                );
            }
            (Err(words), Some(given)) => {
                report.deny_value(Stage::Patch, &words, given, amount.annotation.kind);
            }
            (Err(words), None) => report.deny(
                Stage::Patch,
                &words,
                Finding::error(
                    Code::InvalidValue,
                    format!("the default {text} is no amount"),
                ),
            ),
        }
    }
    for (list, resource, request) in &read {
        let limit = read
            .iter()
            .find(|(l, r, _)| *l == "limits" && r == resource);
        if let ("requests", Some((_, _, limit))) = (*list, limit)
            && request.nanos > limit.nanos
        {
            let text = format!(
                "the agent's request of {} {resource} is above its limit of {}, which the API \
                 server refuses",
                request.text, limit.text
            );
            let finding = Finding::warning(Code::SuspiciousValue, text);
            let annotation = (spec.container.amounts.iter())
                .find(|amount| amount.list == *list && amount.resource == *resource)
                .map(|amount| amount.annotation.full_name());
            report.note(match annotation {
                Some(name) => finding.about(name),
                None => finding,
            });
        }
    }
    if role == Role::Native || role == Role::Sidecar {
        memory::note_small_limit(spec, &read, report);
    }
    let mut resources = serde_json::Map::new();
    for (key, map) in [("limits", limits), ("requests", requests)] {
        if !map.is_empty() {
            resources.insert(key.to_owned(), map.into());
        }
    }
    resources.into()
}
