//! One admission review in, one outcome out: the crate's front door.

use std::collections::BTreeMap;

use crate::checks;
use crate::finding::{Code, Finding};
use crate::go;
use crate::layers::Layers;
use crate::patch::{self, Patch};
use crate::plan::{self, Plan};
use crate::pod::{Container, NoPod, Pod};
use crate::report::{Report, Stage};
use crate::settings::{Flavour, KubeVersion, Settings};
use crate::spec::{Containers, Spec};
use crate::template_check::TemplateCheck;
use crate::vocabulary::switch;

/// What an admission request says, and what is known about its namespace and cluster.
#[derive(Clone, Copy, Debug)]
pub struct Review<'a> {
    /// The object's JSON text as it came; empty when the request had none.
    pub pod: &'a str,
    /// `request.kind.kind`, such as `Pod`.
    pub kind: &'a str,
    /// `request.operation`, such as `CREATE`.
    pub operation: &'a str,
    /// `request.namespace`; empty when the request names none.
    pub namespace: &'a str,
    /// `request.dryRun`; nothing is decided by it.
    pub dry_run: bool,
    /// The Namespace's annotations. Those of the injector are defaults for its pods, and
    /// `openshift.io/sa.scc.uid-range` decides about fixed user ids.
    pub namespace_defaults: &'a BTreeMap<String, String>,
    /// The API server's version.
    pub kube_version: KubeVersion,
    /// What happens to a pod that says nothing: it is injected where its namespace's label asks.
    pub unasked: Unasked,
}

/// Why a pod is left as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SkipReason {
    /// It does not ask for injection.
    NotRequested,
    /// It says that it must not be injected.
    SwitchedOff,
    /// It already runs.
    NotPending,
    /// It has been injected already.
    AlreadyInjected,
    /// It is being changed, when containers can no longer be added.
    Update,
    /// It mirrors a file on its node, which no injection changes.
    MirrorPod,
}

impl SkipReason {
    /// A stable word for metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotRequested => "not_requested",
            Self::SwitchedOff => "switched_off",
            Self::NotPending => "not_pending",
            Self::AlreadyInjected => "already_injected",
            Self::Update => "update",
            Self::MirrorPod => "mirror_pod",
        }
    }
}

/// Which containers a patch adds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Injected {
    /// An init container and a sidecar.
    InitAndSidecar,
    /// An init container alone.
    InitOnly,
    /// A sidecar alone.
    SidecarOnly,
    /// One native sidecar.
    Native,
    /// No container: only mounts for containers that came after an earlier injection.
    Nothing,
}

impl Injected {
    /// A stable word for metrics; the first three are the established ones.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InitAndSidecar => "init_and_sidecar",
            Self::InitOnly => "init_only",
            Self::SidecarOnly => "sidecar_only",
            Self::Native => "native",
            Self::Nothing => "none",
        }
    }
}

/// The answer to a review.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Allowed as it is.
    Unchanged {
        /// Why nothing is to be done.
        reason: SkipReason,
        /// What was noticed all the same.
        findings: Vec<Finding>,
    },
    /// Refused.
    Denied {
        /// The whole message for the person who reads it, all errors in it.
        message: String,
        /// Every finding, errors included.
        findings: Vec<Finding>,
    },
    /// Allowed with a patch.
    Patched {
        /// The operations, against the object as it came.
        patch: Patch,
        /// Which containers it adds.
        injected: Injected,
        /// What was noticed.
        findings: Vec<Finding>,
    },
}

impl Outcome {
    /// What was noticed, whatever the answer.
    pub fn findings(&self) -> &[Finding] {
        match self {
            Self::Unchanged { findings, .. }
            | Self::Denied { findings, .. }
            | Self::Patched { findings, .. } => findings,
        }
    }
}

/// What happens to a pod that has no `agent-inject` annotation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Unasked {
    /// It is left alone.
    #[default]
    Leave,
    /// It is injected, since its namespace asks for that.
    Inject,
}

/// Namespaces whose pods are never injected.
const SYSTEM_NAMESPACES: [&str; 2] = ["kube-system", "kube-public"];

/// Decides about one object.
///
/// Anything may be in the object: what is no pod is denied with a message, never with a panic.
pub fn review(review: &Review<'_>, settings: &Settings, templates: &dyn TemplateCheck) -> Outcome {
    let mut report = Report::default();
    let pod = match Pod::read(review.pod) {
        Ok(pod) => pod,
        Err(NoPod { words, annotation }) => {
            let finding = match annotation {
                None => {
                    let text = "the object cannot be read as a pod: send a Pod whose fields have \
                                the types that Kubernetes gives them";
                    Finding::error(Code::WrongObject, text).about(switch::AGENT_INJECT.full_name())
                }
                Some(name) => {
                    let text = "its value is no text, and annotations are texts: put it between \
                                quotes";
                    Finding::error(Code::InvalidValue, text).about(name)
                }
            };
            report.deny(Stage::Read, &words, finding);
            return denied(report);
        }
    };
    let namespace = review
        .namespace_defaults
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_str()));
    let mut layers = Layers::new(pod.annotations(), namespace);
    if let Some(outcome) = decide(review, &pod, &layers, settings, &mut report) {
        return outcome;
    }
    layers
        .take_findings()
        .into_iter()
        .for_each(|finding| report.note(finding));

    let spec = Spec::read(review, settings, &pod, &layers, &mut report);
    checks::run(
        &spec,
        review,
        &pod,
        &layers,
        settings,
        templates,
        &mut report,
    );
    let plan = Plan::make(&spec, &pod, review.kube_version, &mut report);
    if report.is_denied() {
        return denied(report);
    }
    let injected = plan.injected;
    // The established patch has no findings in it, and the compatible settings ask for that one.
    let summary = match settings.agent_flavour {
        Some(Flavour::Vault) => String::new(),
        _ => report.summary().join("\n"),
    };
    let patch = patch::build(&plan, &pod, &summary, &mut report);
    if report.is_denied() {
        return denied(report);
    }
    let (_, findings) = report.finish();
    Outcome::Patched {
        patch,
        injected,
        findings,
    }
}

/// The answer where none of the annotations but the switch matter, if it is one of those.
fn decide(
    review: &Review<'_>,
    pod: &Pod<'_>,
    layers: &Layers<'_>,
    settings: &Settings,
    report: &mut Report,
) -> Option<Outcome> {
    let unchanged = |reason, report: &mut Report| {
        let (_, findings) = std::mem::take(report).finish();
        Some(Outcome::Unchanged { reason, findings })
    };
    let asked = match (layers.get(&switch::AGENT_INJECT), review.unasked) {
        (None, Unasked::Leave) => return unchanged(SkipReason::NotRequested, report),
        (None, Unasked::Inject) => true,
        (Some(given), _) => match go::boolean(given.value) {
            Ok(asked) => asked,
            Err(words) => {
                report.deny_value(Stage::Switch, &words, given, switch::AGENT_INJECT.kind);
                return Some(denied(std::mem::take(report)));
            }
        },
    };
    if !asked {
        return unchanged(SkipReason::SwitchedOff, report);
    }
    if !matches!(pod.phase(), "" | "Pending") {
        return unchanged(SkipReason::NotPending, report);
    }
    let marked = layers
        .get(&switch::STATUS)
        .is_some_and(|given| given.value == "injected");
    if marked || pod.all_containers().any(is_our_agent) {
        return Some(complete(pod, layers, settings, std::mem::take(report)));
    }
    if SYSTEM_NAMESPACES.contains(&review.namespace) {
        let recorded = format!("cannot inject into system namespaces: {}", review.namespace);
        let text = format!(
            "the namespace {} belongs to Kubernetes itself, so its pods are not injected: remove the \
             annotation, or run the pod in another namespace",
            review.namespace
        );
        let finding = Finding::error(Code::Platform, text).about(switch::AGENT_INJECT.full_name());
        report.deny(Stage::Namespace, &recorded, finding);
        return Some(denied(std::mem::take(report)));
    }
    if pod.is_mirror() {
        let text = "the pod is a mirror of a file on its node, which no injection changes";
        report.note(Finding::warning(Code::Platform, text).about(switch::AGENT_INJECT.full_name()));
        return unchanged(SkipReason::MirrorPod, report);
    }
    if review.operation == "UPDATE" {
        report.note(
            Finding::warning(
                Code::NoEffect,
                "a pod that exists can get no containers; create it anew",
            )
            .about(switch::AGENT_INJECT.full_name()),
        );
        return unchanged(SkipReason::Update, report);
    }
    None
}

/// Whether a container is one that an injector has added.
fn is_our_agent(container: &Container<'_>) -> bool {
    matches!(container.name(), plan::SIDECAR | plan::INIT)
        && container
            .mounts()
            .iter()
            .any(|m| matches!(m.name(), "home-init" | "home-sidecar"))
}

/// A pod that was injected already: nothing, or mounts for containers that came later.
fn complete(
    pod: &Pod<'_>,
    layers: &Layers<'_>,
    settings: &Settings,
    mut report: Report,
) -> Outcome {
    let mounts = match settings.agent_flavour {
        Some(Flavour::Vault) => Vec::new(),
        _ => plan::mounts_of_injected(pod),
    };
    let chosen = match layers.get(&switch::CONTAINERS) {
        None => Containers::All,
        Some(given) => Containers::Named(given.value.split(',').map(str::trim).collect()),
    };
    let patch = patch::complete(pod, &mounts, &chosen, &mut report);
    // Whatever is in the way was there when the pod was injected, or is the newcomer's own choice.
    let Some(patch) = patch.filter(|_| !report.is_denied()) else {
        return Outcome::Unchanged {
            reason: SkipReason::AlreadyInjected,
            findings: Vec::new(),
        };
    };
    let (_, findings) = report.finish();
    Outcome::Patched {
        patch,
        injected: Injected::Nothing,
        findings,
    }
}

fn denied(report: Report) -> Outcome {
    let (message, findings) = report.finish();
    Outcome::Denied {
        message: message.unwrap_or_default(),
        findings,
    }
}
