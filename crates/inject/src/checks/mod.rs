//! What is noticed about the whole, beyond single values: unknown names, locked annotations, names
//! that are taken, templates that cannot be parsed, paths that do not fit their engine.

mod exposure;
mod names;
mod paths;
mod token;

use crate::finding::{Code, Finding};
use crate::layers::{Layers, Origin, Resolved};
use crate::plan::{HOME, INIT, SIDECAR};
use crate::pod::Pod;
use crate::report::{Report, Stage};
use crate::review::Review;
use crate::settings::{Flavour, Settings, Strictness};
use crate::spec::{Placement, Secret, Source, Spec};
use crate::template_check::{TemplateCheck, TemplateText};
use crate::vocabulary::{self, container, ours, secrets, switch, telemetry, vault};

/// Runs every check.
pub(crate) fn run(
    spec: &Spec<'_>,
    review: &Review<'_>,
    pod: &Pod<'_>,
    layers: &Layers<'_>,
    settings: &Settings,
    templates: &dyn TemplateCheck,
    report: &mut Report,
) {
    deny_platform(spec, pod, review, report);
    let annotations = layers.resolved();
    deny_locked(annotations, settings, report);
    deny_taken_names(spec, pod, report);
    deny_own_folder(spec, report);
    note_native(spec, layers, report);
    note_without_effect(spec, report);
    check_templates(spec, settings, templates, report);
    names::note_unknown(annotations, settings, report);
    names::note_orphans(annotations, &spec.secrets, report);
    paths::note(&spec.secrets, report);
    exposure::note(annotations, report);
    token::note(spec, pod, report);
}

/// What the node or the API server would refuse, or what another process of the node could reach.
fn deny_platform(spec: &Spec<'_>, pod: &Pod<'_>, review: &Review<'_>, report: &mut Report) {
    if pod.is_windows() {
        let text = "the pod is for Windows nodes, and there is no agent for Windows: remove the \
                    annotation";
        let finding = Finding::error(Code::Platform, text).about(switch::AGENT_INJECT.full_name());
        report.deny(Stage::Validate, "there is no agent for Windows", finding);
    }
    if review.kind != "Pod" && !review.kind.is_empty() {
        let text = format!(
            "the object is a {}, and only pods are injected: put the annotations into its pod \
             template (spec.template.metadata.annotations)",
            review.kind
        );
        let finding =
            Finding::error(Code::WrongObject, text).about(switch::AGENT_INJECT.full_name());
        report.deny(Stage::Validate, "the object is no pod", finding);
    }
    let listens = spec.listener.cache || spec.listener.quit;
    if pod.host_network() && listens && !spec.agent.allow_listener {
        let text = format!(
            "the pod is on the host's network, where every process of the node can reach the \
             agent's listener and use its token; set {} to true if that is meant",
            ours::ALLOW_LISTENER.full_name()
        );
        let annotation = if spec.listener.cache {
            &telemetry::CACHE_ENABLE
        } else {
            &telemetry::ENABLE_QUIT
        };
        // The established agent is known to run like this; ours is not yet.
        if spec.agent.flavour == Flavour::Leasehold {
            let finding = Finding::error(Code::Security, text).about(annotation.full_name());
            report.deny(Stage::Validate, "a listener on the host's network", finding);
        } else {
            report.note(Finding::warning(Code::Security, text).about(annotation.full_name()));
        }
    }
}

/// Annotations that only the platform may set.
fn deny_locked(annotations: &[Resolved<'_>], settings: &Settings, report: &mut Report) {
    for Resolved {
        annotation,
        name,
        given,
        ..
    } in annotations
    {
        // A lock covers the name with whatever may follow it, and under either prefix: a secret's
        // own server is a server, too.
        let declared = annotation.map_or(*name, |(found, _)| found.name);
        let is_locked = settings.locked_annotations.iter().any(|locked| {
            let locked = locked.trim();
            [*name, declared, given.key].contains(&locked)
        });
        if is_locked && given.origin == Origin::Pod {
            let text = "the platform has locked this annotation, so pods may not set it: remove it";
            let finding = Finding::error(Code::Locked, text).about(given.key);
            report.deny(Stage::Validate, "an annotation is locked", finding);
        }
    }
}

/// Containers of the pod's own that have the names of those that are added.
fn deny_taken_names(spec: &Spec<'_>, pod: &Pod<'_>, report: &mut Report) {
    let added: &[&str] = match spec.agent.placement {
        Placement::Pair => &[INIT, SIDECAR],
        Placement::InitOnly => &[INIT],
        Placement::Native(_) | Placement::SidecarOnly => &[SIDECAR],
    };
    for container in pod.all_containers().filter(|c| added.contains(&c.name())) {
        let text = format!(
            "the pod has a container of its own called {}, the name that the agent gets: call it \
             something else",
            container.name()
        );
        let finding = Finding::error(Code::NameTaken, text).about(switch::AGENT_INJECT.full_name());
        report.deny(Stage::Validate, "a container's name is taken", finding);
    }
}

/// Files in the folder where the agent keeps its own, such as its token.
fn deny_own_folder(spec: &Spec<'_>, report: &mut Report) {
    if spec.agent.flavour != Flavour::Leasehold {
        return;
    }
    for secret in &spec.secrets.list {
        let destination = crate::go::clean_path(&secret.destination);
        if destination
            .strip_prefix(HOME)
            .is_some_and(|rest| rest.starts_with('/'))
        {
            let text = format!(
                "the file {destination} is in the agent's own folder {HOME}; write a name without \
                 `..`"
            );
            let key = format!("{}-{}", secrets::FILE.full_name(), secret.raw_name);
            report.deny(
                Stage::Validate,
                "a file is in the agent's own folder",
                Finding::error(Code::Security, text).about(key),
            );
        }
    }
}

/// Settings that the chosen containers have no use for.
fn note_without_effect(spec: &Spec<'_>, report: &mut Report) {
    let mut note = |annotation: &vocabulary::Annotation, text: &str| {
        report.note(Finding::warning(Code::NoEffect, text).about(annotation.full_name()));
    };
    if spec.listener.cache && spec.agent.placement == Placement::InitOnly {
        note(
            &telemetry::CACHE_ENABLE,
            "only an init container runs, so there is nobody to serve a cache",
        );
    }
    if spec.container.configmap.is_some()
        && spec.agent.flavour == Flavour::Vault
        && !spec.server.namespace.is_empty()
    {
        note(
            &vault::NAMESPACE,
            "with a ConfigMap the namespace is not passed on; write it into the configuration",
        );
    }
}

/// Annotations for a pair that the native sidecar has no use for.
fn note_native(spec: &Spec<'_>, layers: &Layers<'_>, report: &mut Report) {
    if !matches!(spec.agent.placement, Placement::Native(_)) {
        return;
    }
    let mut note = |annotation: &vocabulary::Annotation, text: &str| {
        if let Some(given) = layers
            .get(annotation)
            .filter(|given| given.origin == Origin::Pod)
        {
            report.note(Finding::info(Code::NoEffect, text).about(given.key));
        }
    };
    if spec.listener.quit {
        note(
            &telemetry::ENABLE_QUIT,
            "a native sidecar ends by itself after the application, so a Job need not ask it to",
        );
    }
    note(
        &container::REVOKE_GRACE,
        "a native sidecar ends after the application, so nothing is waited for before revocation",
    );
}

/// Whether a secret's template is the default one around a path that says nothing to a template's reader, so that
/// it parses as it does for any other such path.
fn is_plain_default(secret: &Secret<'_>) -> bool {
    let is_plain =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'-' | b'_' | b'.');
    secret.by_default_template
        && (secret.left_delimiter, secret.right_delimiter) == ("{{", "}}")
        && secret.path.bytes().all(is_plain)
}

fn check_templates(
    spec: &Spec<'_>,
    settings: &Settings,
    templates: &dyn TemplateCheck,
    report: &mut Report,
) {
    for secret in &spec.secrets.list {
        let Source::Contents(contents) = &secret.source else {
            continue;
        };
        if is_plain_default(secret) {
            continue;
        }
        let text = TemplateText {
            destination: &secret.destination,
            contents,
            left_delimiter: secret.left_delimiter,
            right_delimiter: secret.right_delimiter,
        };
        let Err(fault) = templates.check(text) else {
            continue;
        };
        let annotation = if secret.by_default_template {
            &secrets::SECRET
        } else {
            &secrets::TEMPLATE
        };
        let key = format!("{}-{}", annotation.full_name(), secret.raw_name);
        let text = format!("the template does not parse: {}", fault.sentence);
        match settings.strictness {
            Strictness::Lenient => {
                report.note(Finding::warning(Code::Template, text).about(key).at(fault));
            }
            Strictness::Strict => report.deny(
                Stage::Validate,
                "a template does not parse",
                Finding::error(Code::Template, text).about(key).at(fault),
            ),
        }
    }
}
