//! From what is asked for and what the pod has to what is added: volumes, mounts, containers.

mod agent_config;
mod container;
mod env;
mod memory;
mod native;
mod refusals;
mod volumes;

use serde::Serialize;
use serde_json::Value;

use crate::finding::{Code, Finding};
use crate::go::quantity::Quantity;
use crate::lax_patch::LaxPatch;
use crate::pod::{Container, Pod};
use crate::read_back::read_back;
use crate::report::{Report, Stage};
use crate::review::Injected;
use crate::settings::{Flavour, KubeVersion};
use crate::spec::{Placement, Spec};
use crate::vocabulary::{Annotation, container as names};
use crate::written::{self, Mount, Resources, Volume};

pub(crate) use volumes::{HOME, SECRETS_VOLUME};

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
pub(crate) struct Plan<'s> {
    /// Volumes, as they are added.
    pub(crate) volumes: Vec<Volume<'s>>,
    /// Mounts for the application's containers.
    pub(crate) mounts: Vec<Mount<'s>>,
    /// The container that goes among the init containers, and where.
    pub(crate) init: Option<(Agent<'s>, usize)>,
    /// The container that goes among the containers.
    pub(crate) sidecar: Option<Agent<'s>>,
    /// Which containers that makes.
    pub(crate) injected: Injected,
    /// What was asked for.
    pub(crate) spec: &'s Spec<'s>,
}

/// A container of the agent's.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Agent<'s> {
    /// As it was planned.
    Planned(Box<written::Container<'s>>),
    /// As an annotation's patch has made it.
    Patched(Value),
}

impl<'s> Plan<'s> {
    /// Plans what to add. Whether the pod must be denied is in the report afterwards.
    pub(crate) fn make(
        spec: &'s Spec<'s>,
        pod: &'s Pod<'_>,
        version: KubeVersion,
        report: &mut Report,
    ) -> Self {
        let (roles, injected): (&[Role], _) = match spec.agent.placement {
            Placement::Native(_) => (&[Role::Native], Injected::Native),
            Placement::Pair => (&[Role::Init, Role::Sidecar], Injected::InitAndSidecar),
            Placement::InitOnly => (&[Role::Init], Injected::InitOnly),
            Placement::SidecarOnly => (&[Role::Sidecar], Injected::SidecarOnly),
        };
        let mut init = None;
        let mut sidecar = None;
        for role in roles {
            let mounts = volumes::agent_mounts(*role, spec, pod);
            // What is found about its place belongs into its log, so it is found before.
            let place = match role {
                Role::Native => native::place(spec, pod, &native::patched(&mounts, spec), report),
                Role::Init if spec.agent.init_first == Some(true) => 0,
                Role::Init | Role::Sidecar => pod.init_containers().len(),
            };
            let Some(container) = finished(*role, spec, pod, mounts, version, report) else {
                continue;
            };
            match role {
                Role::Native | Role::Init => init = Some((container, place)),
                Role::Sidecar => sidecar = Some(container),
            }
        }
        Self {
            volumes: volumes::added(spec, pod),
            mounts: volumes::application_mounts(spec, pod),
            init,
            sidecar,
            injected,
            spec,
        }
    }
}

/// The mounts that an earlier injection gave the application, told from the agent's container.
///
/// A patch may have moved or added some in the agent alone: where the application mounts a volume, its
/// paths are the right ones.
pub(crate) fn mounts_of_injected<'p>(pod: &'p Pod<'_>) -> Vec<Mount<'p>> {
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
        .map(|(name, path)| Mount::writable(name, path))
        .collect()
}

/// The finished container: made, given its amounts, patched, read back.
fn finished<'s>(
    role: Role,
    spec: &'s Spec<'_>,
    pod: &'s Pod<'_>,
    mounts: Vec<Mount<'s>>,
    version: KubeVersion,
    report: &mut Report,
) -> Option<Agent<'s>> {
    let mut container = container::build(role, spec, pod, mounts, version, report)?;
    container.resources = resources(role, spec, report);
    let (patch, annotation) = match role {
        Role::Init => (&spec.container.patches.init, &names::INIT_JSON_PATCH),
        Role::Native | Role::Sidecar => (&spec.container.patches.sidecar, &names::JSON_PATCH),
    };
    let Some(patch) = patch.as_ref().filter(|patch| !patch.is_empty()) else {
        return Some(Agent::Planned(Box::new(container)));
    };
    apply(patch, annotation, &container, spec.agent.flavour, report).map(Agent::Patched)
}

fn apply(
    patch: &LaxPatch,
    annotation: &'static Annotation,
    planned: &written::Container<'_>,
    flavour: Flavour,
    report: &mut Report,
) -> Option<Value> {
    let name = annotation.full_name();
    let mut container = serde_json::to_value(planned)
        .expect("a container is made of texts and numbers with texts as keys, which JSON has");
    let mut lax = Vec::new();
    let applied = patch.apply(&mut container, &mut |what| lax.push(what));
    for what in lax {
        let text = format!("{what}; the standard (RFC 6902) does not allow that");
        report.note(Finding::info(Code::LaxPatch, text).about(&name));
    }
    let result = applied.and_then(|()| read_back(container));
    match result {
        Ok((container, dropped)) => {
            if container.get("name").and_then(Value::as_str) != Some(planned.name) {
                let text = format!(
                    "it renames the container {}, by which an injected pod is known",
                    planned.name
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
fn resources(role: Role, spec: &Spec<'_>, report: &mut Report) -> Resources {
    let mut resources = Resources::default();
    let mut read: Vec<(&str, &str, Quantity)> = Vec::new();
    for amount in &spec.container.amounts {
        let default = default_amount(amount.list, amount.resource, spec);
        let text = amount.given.map_or(default, |given| given.value.to_owned());
        if text.is_empty() {
            continue;
        }
        match (Quantity::parse(&text), amount.given) {
            (Ok(quantity), _) => {
                let list = if amount.list == "limits" {
                    &mut resources.limits
                } else {
                    &mut resources.requests
                };
                list.add(amount.resource, quantity.text.clone());
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
    resources
}
