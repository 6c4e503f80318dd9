//! The agent's containers: resources, ids, revocation, mounts and patches.

use crate::finding::{Code, Finding};
use crate::go::{number, quantity::Quantity};
use crate::lax_patch::LaxPatch;
use crate::layers::{Given, Origin};
use crate::pod::Pod;
use crate::report::Stage;
use crate::review::Review;
use crate::settings::Flavour;
use crate::spec::{Agent, Reader};
use crate::vocabulary::{Annotation, Default, Kind, container as names, ours};

/// The annotation by which OpenShift tells a namespace's user ids.
const OPENSHIFT_UID_RANGE: &str = "openshift.io/sa.scc.uid-range";
/// The user and group of the established agent's image.
const DEFAULT_USER: &str = "100";
const DEFAULT_GROUP: &str = "1000";

/// The agent's user and group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ids {
    /// These.
    Fixed {
        /// The user id.
        user: i64,
        /// The group id.
        group: i64,
    },
    /// What the platform gives.
    Platform,
}

/// Whether and how the token is revoked at the end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Revocation {
    /// What annotation or flag say; none when neither says anything.
    pub(crate) asked: Option<bool>,
    /// Seconds before it.
    pub(crate) grace_seconds: u64,
}

/// The patches of the two containers.
#[derive(Clone, Debug)]
pub(crate) struct Patches {
    /// Of the sidecar.
    pub(crate) sidecar: Option<LaxPatch>,
    /// Of the init container.
    pub(crate) init: Option<LaxPatch>,
}

/// Which of the six amounts, with its annotation.
#[derive(Clone, Debug)]
pub(crate) struct Amount<'a> {
    /// `limits` or `requests`.
    pub(crate) list: &'static str,
    /// `cpu`, `memory` or `ephemeral-storage`.
    pub(crate) resource: &'static str,
    /// What was given: none where neither an annotation nor a flag says anything.
    pub(crate) given: Option<Given<'a>>,
    /// The annotation.
    pub(crate) annotation: &'static Annotation,
}

/// The agent's containers.
#[derive(Debug)]
pub(crate) struct Container<'a> {
    /// Requests and limits, in the order in which they are checked.
    pub(crate) amounts: Vec<Amount<'a>>,
    /// User and group; none without any security context.
    pub(crate) ids: Option<Ids>,
    /// What the pod's field is set to, if anything.
    pub(crate) share_process_namespace: Option<bool>,
    /// The token's revocation.
    pub(crate) revocation: Revocation,
    /// A ConfigMap with the agent's whole configuration.
    pub(crate) configmap: Option<&'a str>,
    /// A Secret mounted beside.
    pub(crate) extra_secret: Option<&'a str>,
    /// The container whose mounts are copied.
    pub(crate) copy_mounts: Option<&'a str>,
    /// The two patches.
    pub(crate) patches: Patches,
    /// The agent's log level; empty for the agent's own.
    pub(crate) log_level: &'a str,
    /// The agent's log format; empty for the agent's own.
    pub(crate) log_format: &'a str,
    /// The size limit of each volume for secrets.
    pub(crate) secrets_size: Quantity,
}

impl Patches {
    /// Reads both, used or not, in the established order.
    pub(crate) fn read(reader: &mut Reader<'_, '_>) -> Self {
        let sidecar = read_patch(reader, &names::JSON_PATCH);
        let init = read_patch(reader, &names::INIT_JSON_PATCH);
        Self { sidecar, init }
    }

    /// Whether one container can take both.
    pub(crate) fn are_equal(&self) -> bool {
        let is_empty = |patch: &Option<LaxPatch>| patch.as_ref().is_none_or(LaxPatch::is_empty);
        match (is_empty(&self.sidecar), is_empty(&self.init)) {
            (true, true) => true,
            (false, false) => self.sidecar == self.init,
            _ => false,
        }
    }
}

impl Revocation {
    /// Reads switch and grace; the latter is checked in any case.
    pub(crate) fn read(reader: &mut Reader<'_, '_>, pod: &Pod<'_>) -> Self {
        let asked = match reader.given(&names::REVOKE_ON_SHUTDOWN) {
            Some(_) => reader.optional_boolean(&names::REVOKE_ON_SHUTDOWN),
            None => reader.settings.revoke_on_shutdown,
        };
        let grace_seconds = match reader.given(&names::REVOKE_GRACE) {
            None => 5,
            Some(given) => number::unsigned(given.value).unwrap_or_else(|words| {
                reader
                    .report
                    .deny_value(Stage::Parse, &words, given, Kind::Unsigned);
                5
            }),
        };
        let limit = pod.grace_seconds();
        if asked == Some(true) && i64::try_from(grace_seconds).unwrap_or(i64::MAX) >= limit {
            let text = format!(
                "{grace_seconds} seconds are not below the pod's terminationGracePeriodSeconds of \
                 {limit}, so the agent is killed before it revokes its token"
            );
            reader.warn(Code::SuspiciousValue, &names::REVOKE_GRACE, text);
        }
        Self {
            asked,
            grace_seconds,
        }
    }
}

impl<'a> Container<'a> {
    /// Reads the containers' annotations.
    pub(crate) fn read(
        reader: &mut Reader<'_, 'a>,
        pod: &'a Pod<'_>,
        review: &Review<'a>,
        agent: &Agent<'a>,
        patches: Patches,
        revocation: Revocation,
    ) -> Self {
        let user_and_group = read_ids(reader, pod, review, agent);
        let share_process_namespace = read_share_process_namespace(reader, pod);
        let ids = read_security_context(reader, agent).then_some(user_and_group);
        let copy_mounts = reader.optional_text(&names::COPY_VOLUME_MOUNTS);
        if let Some(name) = copy_mounts
            && !pod.all_containers().any(|c| c.name() == name)
        {
            let text = format!("the pod has no container called {name}, so no mount is copied");
            reader.warn(Code::NoEffect, &names::COPY_VOLUME_MOUNTS, text);
        }
        let log_level = reader.text(&names::LOG_LEVEL, "info");
        let log_format = reader.text(&names::LOG_FORMAT, "standard");
        let known = [
            "trace", "debug", "info", "notice", "warn", "warning", "err", "error", "",
        ];
        if !known.contains(&log_level.trim().to_lowercase().as_str()) {
            let text = format!("{log_level} is no log level, so the agent will not start");
            reader.warn(Code::SuspiciousValue, &names::LOG_LEVEL, text);
        }
        if !matches!(log_format, "standard" | "json" | "") {
            let text = format!("{log_format} is neither standard nor json");
            reader.warn(Code::SuspiciousValue, &names::LOG_FORMAT, text);
        }
        Self {
            amounts: read_amounts(reader),
            ids,
            share_process_namespace,
            revocation,
            configmap: reader.optional_text(&names::CONFIGMAP),
            extra_secret: reader.optional_text(&names::EXTRA_SECRET),
            copy_mounts,
            patches,
            log_level,
            log_format,
            secrets_size: read_secrets_size(reader),
        }
    }
}

fn read_patch(reader: &mut Reader<'_, '_>, annotation: &'static Annotation) -> Option<LaxPatch> {
    let given = reader.given(annotation).filter(|g| !g.value.is_empty())?;
    match LaxPatch::parse(given.value) {
        Ok(patch) => Some(patch),
        Err(words) => {
            let recorded = format!(
                "error parsing JSON patch for annotation {}: {words}",
                annotation.full_name()
            );
            reader
                .report
                .deny_value(Stage::Defaults, &recorded, given, Kind::JsonPatch);
            None
        }
    }
}

fn read_ids<'a>(
    reader: &mut Reader<'_, 'a>,
    pod: &'a Pod<'_>,
    review: &Review<'a>,
    agent: &Agent<'a>,
) -> Ids {
    let settings = reader.settings;
    let flag = |value: &'a Option<String>, default: &'static str| -> &'a str {
        value
            .as_deref()
            .filter(|v| !v.is_empty())
            .unwrap_or(default)
    };
    let mut user = reader.integer(
        &names::RUN_AS_USER,
        flag(&settings.run_as_user, DEFAULT_USER),
    );
    let mut group = reader.integer(
        &names::RUN_AS_GROUP,
        flag(&settings.run_as_group, DEFAULT_GROUP),
    );
    for (annotation, id, default) in [
        (&names::RUN_AS_USER, &mut user, DEFAULT_USER),
        (&names::RUN_AS_GROUP, &mut group, DEFAULT_GROUP),
    ] {
        if !reader.given(annotation).is_some_and(|g| g.value.is_empty()) {
            continue;
        }
        let text = match agent.flavour {
            Flavour::Vault => "the empty value means 0, which is root: write a number",
            Flavour::Leasehold => {
                *id = default.parse().unwrap_or(1000);
                "the empty value is ignored; remove the annotation or write a number"
            }
        };
        reader.warn(Code::Security, annotation, text);
    }
    let mut same_user = false;
    if reader.boolean(&names::RUN_AS_SAME_USER, settings.run_as_same_user) {
        same_user = true;
        match user_of_first_container(pod) {
            Ok(id) => user = id,
            Err(words) => {
                let text = "it needs `securityContext.runAsUser`, above 0, on the pod's first \
                            container (the pod's own securityContext does not count)";
                let finding = Finding::error(Code::MissingValue, text)
                    .about(names::RUN_AS_SAME_USER.full_name());
                reader.report.deny(Stage::Parse, words, finding);
            }
        }
    }
    let chosen = same_user
        || [&names::RUN_AS_USER, &names::RUN_AS_GROUP]
            .iter()
            .any(|a| reader.given(a).is_some())
        || settings.run_as_user.as_ref().is_some_and(|v| !v.is_empty());
    let by_platform = review.namespace_defaults.contains_key(OPENSHIFT_UID_RANGE);
    if agent.flavour == Flavour::Leasehold && by_platform && !chosen {
        return Ids::Platform;
    }
    Ids::Fixed { user, group }
}

fn user_of_first_container(pod: &Pod<'_>) -> Result<i64, &'static str> {
    let first = pod
        .containers()
        .first()
        .ok_or("No containers found in Pod Spec")?;
    let context = first
        .security_context()
        .ok_or("No SecurityContext found for Container 0")?;
    match context.run_as_user {
        None => Err("RunAsUser is nil for Container 0's SecurityContext"),
        Some(0) => Err("container not allowed to run as root"),
        Some(id) => Ok(id),
    }
}

fn read_share_process_namespace(reader: &mut Reader<'_, '_>, pod: &Pod<'_>) -> Option<bool> {
    let annotation = &names::SHARE_PROCESS_NAMESPACE;
    let given = reader.given(annotation)?;
    match crate::go::boolean(given.value) {
        Err(words) => {
            let recorded = format!(
                "invalid value {} for annotation \"{}\", err={words}",
                given.value,
                annotation.full_name()
            );
            reader
                .report
                .deny_value(Stage::Parse, &recorded, given, Kind::Boolean);
            None
        }
        Ok(true) if pod.share_process_namespace() == Some(false) => {
            let finding = Finding::error(
                Code::Conflict,
                "the pod says `shareProcessNamespace: false`; remove one of the two",
            )
            .about(given.key);
            reader.report.deny(
                Stage::Parse,
                "shareProcessNamespace explicitly disabled on the pod, refusing to enable it",
                finding,
            );
            None
        }
        Ok(value) => Some(value),
    }
}

/// Whether the agents get a security context.
fn read_security_context(reader: &mut Reader<'_, '_>, agent: &Agent<'_>) -> bool {
    let by_flag = reader.settings.set_security_context;
    if reader.given(&names::SET_SECURITY_CONTEXT).is_some() || by_flag {
        return reader.boolean(&names::SET_SECURITY_CONTEXT, by_flag);
    }
    let ids = [
        &names::RUN_AS_USER,
        &names::RUN_AS_GROUP,
        &names::RUN_AS_SAME_USER,
    ];
    let Some(annotation) = ids.into_iter().find(|a| reader.given(a).is_some()) else {
        return false;
    };
    let text = "the platform has switched the agent's security context off, and this annotation \
                switches it on again";
    reader.warn(Code::Security, annotation, text);
    // Ours does not take "no" for an answer that was not asked for.
    let only_a_refusal = agent.flavour == Flavour::Leasehold
        && ids[..2].iter().all(|a| reader.given(a).is_none())
        && !reader.boolean(&names::RUN_AS_SAME_USER, false);
    !only_a_refusal
}

fn read_amounts<'a>(reader: &mut Reader<'_, 'a>) -> Vec<Amount<'a>> {
    let flags = &reader.settings.resources;
    let table: [(
        &'static str,
        &'static str,
        &'static Annotation,
        &'a Option<String>,
    ); 6] = [
        ("limits", "cpu", &names::LIMITS_CPU, &flags.limits_cpu),
        (
            "limits",
            "memory",
            &names::LIMITS_MEMORY,
            &flags.limits_memory,
        ),
        (
            "limits",
            "ephemeral-storage",
            &names::LIMITS_EPHEMERAL,
            &flags.limits_ephemeral,
        ),
        ("requests", "cpu", &names::REQUESTS_CPU, &flags.requests_cpu),
        (
            "requests",
            "memory",
            &names::REQUESTS_MEMORY,
            &flags.requests_memory,
        ),
        (
            "requests",
            "ephemeral-storage",
            &names::REQUESTS_EPHEMERAL,
            &flags.requests_ephemeral,
        ),
    ];
    table
        .into_iter()
        .map(|(list, resource, annotation, flag)| {
            let given = reader.given(annotation).or_else(|| {
                let value = flag.as_deref()?;
                let Default::Flag { flag, .. } = annotation.default else {
                    return None;
                };
                Some(Given {
                    key: flag,
                    value,
                    origin: Origin::Injector,
                })
            });
            if let Some(given) = given
                && given.origin != Origin::Injector
            {
                note_amount(reader, given, annotation);
            }
            Amount {
                list,
                resource,
                given,
                annotation,
            }
        })
        .collect()
}

fn note_amount(reader: &mut Reader<'_, '_>, given: Given<'_>, annotation: &'static Annotation) {
    let default = match annotation.default {
        Default::Flag { default, .. } => default,
        _ => "",
    };
    let text = if given.value.is_empty() {
        if default.is_empty() {
            return;
        }
        "the empty value takes away the default, so the container has none; a quota may refuse \
         that"
            .to_owned()
    } else if !given.value.bytes().any(|b| b.is_ascii_digit()) {
        format!("{} has no digits and counts as 0", given.value)
    } else if given.value.starts_with('-') {
        format!("{} is negative, which the API server refuses", given.value)
    } else {
        return;
    };
    reader.warn(Code::SuspiciousValue, annotation, text);
}

fn read_secrets_size(reader: &mut Reader<'_, '_>) -> Quantity {
    let default = Quantity {
        text: "16Mi".to_owned(),
        nanos: 16 * 1024 * 1024 * 1_000_000_000,
    };
    let Some(given) = reader.given(&ours::SECRETS_SIZE) else {
        return default;
    };
    match Quantity::parse(given.value) {
        Ok(size) if size.nanos > 0 => size,
        Ok(_) => {
            reader.report.deny_value(
                Stage::Validate,
                "a size must be above zero",
                given,
                Kind::Quantity,
            );
            default
        }
        Err(words) => {
            reader
                .report
                .deny_value(Stage::Validate, &words, given, Kind::Quantity);
            default
        }
    }
}
