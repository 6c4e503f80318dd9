//! Where the native sidecar stands among the init containers.
//!
//! It stands first, so that the others can read secrets. But the kubelet starts nothing behind it
//! before its gate opens, so what the agent itself waits for must stand before it.

use std::borrow::Cow;

use serde_json::{Value, json};

use crate::finding::{Code, Finding};
use crate::pod::{Container, Pod};
use crate::report::Report;
use crate::spec::{Placement, Spec};
use crate::vocabulary::{login, switch};
use crate::written::Mount;

/// Init containers without which nothing reaches the network, or is meant to.
const NETWORK: [&str; 6] = [
    "istio-init",
    "istio-validation",
    "istio-proxy",
    "linkerd-init",
    "linkerd-network-validator",
    "linkerd-proxy",
];

/// The index among the init containers of a sidecar with these mounts.
pub(super) fn place(
    spec: &Spec<'_>,
    pod: &Pod<'_>,
    agents: &[Mount<'_>],
    report: &mut Report,
) -> usize {
    let others = pod.init_containers();
    if spec.agent.init_first == Some(false) {
        return others.len();
    }
    let volumes = login_volumes(spec, agents);
    let writes = |other: &Container<'_>| {
        other
            .mounts()
            .iter()
            .any(|mount| volumes.iter().any(|name| name == mount.name()))
    };
    note_late_writers(spec, pod, &volumes, report);
    let needed = others
        .iter()
        .rposition(|other| NETWORK.contains(&other.name()) || writes(other));
    let place = needed.map_or(0, |index| index + 1);
    if let Some(other) = place.checked_sub(1).and_then(|index| others.get(index))
        && spec.agent.init_first == Some(true)
    {
        let text = format!(
            "the agent stands behind the init container {}, which it needs itself",
            other.name()
        );
        report.note(Finding::warning(Code::Conflict, text).about(switch::INIT_FIRST.full_name()));
    }
    place
}

/// The sidecar's mounts, with those that its patch adds.
pub(super) fn patched<'m, 's>(mounts: &'m [Mount<'s>], spec: &Spec<'_>) -> Cow<'m, [Mount<'s>]> {
    let Some(patch) = spec.container.patches.sidecar.as_ref() else {
        return Cow::Borrowed(mounts);
    };
    // The patch may count on fields that are not here; then its failure is told where it is applied.
    let mut container = json!({ "volumeMounts": mounts });
    let applied = patch
        .only("/volumeMounts")
        .apply(&mut container, &mut |_| {});
    match (applied, container.get_mut("volumeMounts").map(Value::take)) {
        (Ok(()), Some(Value::Array(patched))) => patched
            .into_iter()
            .filter_map(|mount| match mount {
                Value::Object(fields) => Some(Mount::AsWritten(fields)),
                _ => None,
            })
            .collect(),
        _ => Cow::Borrowed(mounts),
    }
}

/// The volumes of the sidecar that hold a file which the login reads, but the token's own.
fn login_volumes(spec: &Spec<'_>, mounts: &[Mount<'_>]) -> Vec<String> {
    let files: Vec<&str> = spec
        .login
        .config
        .iter()
        .filter(|(key, _)| key.ends_with("path"))
        .map(|(_, value)| *value)
        .collect();
    mounts
        .iter()
        .filter_map(|mount| {
            let (name, path) = (mount.name(), mount.path());
            if name.is_empty() || path.is_empty() {
                return None;
            }
            let path = path.trim_end_matches('/');
            let holds = files.iter().any(|file| {
                file.strip_prefix(path)
                    .is_some_and(|rest| rest.starts_with('/'))
            });
            (holds && spec.token.as_ref().is_none_or(|token| token.volume != name))
                .then(|| name.to_owned())
        })
        .collect()
}

/// A file that only an application writes is never there in time.
fn note_late_writers(spec: &Spec<'_>, pod: &Pod<'_>, volumes: &[String], report: &mut Report) {
    if spec.agent.placement == Placement::Native(None) {
        return;
    }
    let mounts = |container: &Container<'_>, name: &String| {
        container.mounts().iter().any(|mount| mount.name() == name)
    };
    for volume in volumes {
        let early = pod.init_containers().iter().any(|c| mounts(c, volume));
        let late = pod.containers().iter().find(|c| mounts(c, volume));
        if let (false, Some(writer)) = (early, late) {
            let text = format!(
                "the login reads a file in the volume {volume}; if the container {} writes it, it \
                 comes too late, since containers start only after the agent has logged in: write \
                 it in an init container or native sidecar",
                writer.name()
            );
            report.note(
                Finding::warning(Code::Token, text)
                    .about(format!("{}-path", login::AUTH_CONFIG.full_name())),
            );
        }
    }
}
