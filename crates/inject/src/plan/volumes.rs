//! Volumes that are added, and the mounts of the application and the agents.

use serde_json::{Value, json};

use crate::plan::{Role, memory};
use crate::pod::{Mount, Pod};
use crate::settings::Flavour;
use crate::spec::{Placement, Spec};
use crate::token::WEB_IDENTITY;

/// The folder of the agent's own files.
pub(crate) const HOME: &str = "/home/vault";
/// The folder in which our agent keeps what a restart adopts.
pub(crate) const STATE_DIR: &str = "/home/vault/.leasehold";
/// The shared volume for secrets.
pub(crate) const SECRETS_VOLUME: &str = "vault-secrets";
/// The volume by which an init container hands over to its sidecar.
pub(crate) const STATE_VOLUME: &str = "leasehold-state";

/// Volumes that belong together.
#[derive(Debug)]
pub(crate) struct Group(pub(crate) Vec<Value>);

/// Everything that is added to the pod's volumes.
pub(super) fn groups(spec: &Spec<'_>, pod: &Pod<'_>) -> Vec<Group> {
    let ours = spec.agent.flavour == Flavour::Leasehold;
    let home_size = ours.then(|| format!("{}Mi", memory::HOME_MIB));
    let secrets_size = ours.then(|| spec.container.secrets_size.text.clone());
    let mut groups = Vec::new();

    let homes: &[&str] = match spec.agent.placement {
        Placement::Pair => &["home-init", "home-sidecar"],
        Placement::InitOnly => &["home-init"],
        Placement::Native(_) | Placement::SidecarOnly => &["home-sidecar"],
    };
    groups.push(Group(
        homes
            .iter()
            .map(|name| memory_volume(name, home_size.as_deref()))
            .collect(),
    ));
    if hands_over(spec) {
        groups.push(Group(vec![memory_volume(
            STATE_VOLUME,
            home_size.as_deref(),
        )]));
    }
    if let Some(added) = spec.token.as_ref().and_then(|token| token.added.clone()) {
        groups.push(Group(vec![added]));
    }
    let mut secrets = vec![memory_volume(SECRETS_VOLUME, secrets_size.as_deref())];
    for index in 0..spec.secrets.custom_paths.len() {
        secrets.push(memory_volume(
            &custom_volume(index),
            secrets_size.as_deref(),
        ));
    }
    groups.push(Group(secrets));
    if let Some(name) = spec.container.configmap {
        groups.push(Group(vec![
            json!({ "name": "vault-config", "configMap": { "name": name } }),
        ]));
    }
    if let Some(name) = spec.container.extra_secret {
        groups.push(Group(vec![
            json!({ "name": "extra-secrets", "secret": { "secretName": name } }),
        ]));
    }
    if !spec.server.tls_secret.is_empty() {
        let name = spec.server.tls_secret;
        groups.push(Group(vec![
            json!({ "name": "vault-tls-secrets", "secret": { "secretName": name } }),
        ]));
    }
    if persists_cache(spec) {
        groups.push(Group(vec![memory_volume(
            "vault-agent-cache",
            home_size.as_deref(),
        )]));
    }
    // A volume that is there already, from an earlier round, is not added again.
    for group in &mut groups {
        group.0.retain(|volume| {
            volume
                .get("name")
                .and_then(Value::as_str)
                .is_none_or(|name| pod.volume(name).is_none())
        });
    }
    groups
}

/// The mounts of the volumes for secrets. Where a copied mount stands at a secrets' path, the agent
/// writes into that volume, and everybody else mounts it too.
pub(super) fn application_mounts(spec: &Spec<'_>, object: &Value) -> Vec<Value> {
    let copies = spec
        .container
        .copy_mounts
        .map(|name| copied(object, name))
        .unwrap_or_default();
    established_mounts(spec)
        .into_iter()
        .map(|mount| {
            let copy = copies
                .iter()
                .find(|copy| mount_path(copy) == mount_path(&mount));
            copy.cloned().unwrap_or(mount)
        })
        .collect()
}

fn established_mounts(spec: &Spec<'_>) -> Vec<Value> {
    let names = std::iter::once(SECRETS_VOLUME.to_owned())
        .chain((0..spec.secrets.custom_paths.len()).map(custom_volume));
    names
        .zip(spec.secrets.volume_paths())
        .map(|(name, path)| json!({ "name": name, "mountPath": path }))
        .collect()
}

/// The mounts of one of the agent's containers, in the established order.
pub(super) fn agent_mounts(
    role: Role,
    spec: &Spec<'_>,
    pod: &Pod<'_>,
    object: &Value,
) -> Vec<Value> {
    let mut mounts: Vec<Value> = Vec::new();
    let home = match role {
        Role::Init => json!({ "name": "home-init", "mountPath": HOME }),
        Role::Native | Role::Sidecar => json!({ "name": "home-sidecar", "mountPath": HOME }),
    };
    let token = spec
        .token
        .as_ref()
        .map(|token| read_only(&token.volume, &token.mount_path));
    match role {
        Role::Init => {
            mounts.push(home);
            mounts.extend(token);
        }
        Role::Native | Role::Sidecar => {
            mounts.extend(token);
            mounts.push(home);
        }
    }
    if hands_over(spec) {
        mounts.push(json!({ "name": STATE_VOLUME, "mountPath": STATE_DIR }));
    }
    if let Some(mount) = aws_mount(spec, pod) {
        mounts.push(read_only(mount.name(), mount.path()));
    }
    mounts.extend(established_mounts(spec));
    if spec.container.extra_secret.is_some() {
        mounts.push(read_only("extra-secrets", "/vault/custom"));
    }
    if let Some(name) = spec.container.copy_mounts {
        mounts.extend(copied(object, name));
    }
    if spec.container.configmap.is_some() {
        mounts.push(read_only("vault-config", "/vault/configs"));
    }
    if !spec.server.tls_secret.is_empty() {
        mounts.push(read_only("vault-tls-secrets", "/vault/tls"));
    }
    if persists_cache(spec) {
        mounts.push(json!({ "name": "vault-agent-cache", "mountPath": "/vault/agent-cache" }));
    }
    without_double_paths(mounts, spec.container.copy_mounts.is_some())
}

/// The web identity mount that the aws method needs beside the token.
fn aws_mount<'p, 'a>(spec: &Spec<'_>, pod: &'p Pod<'a>) -> Option<&'p Mount<'a>> {
    if spec.login.method != "aws" {
        return None;
    }
    pod.containers()
        .iter()
        .flat_map(|c| c.mounts())
        .find(|mount| mount.path().contains(WEB_IDENTITY))
}

/// Whether both containers share a persistent cache.
pub(super) fn persists_cache(spec: &Spec<'_>) -> bool {
    spec.listener.cache
        && spec.agent.pre_populates()
        && !spec.agent.pre_populates_only()
        && !matches!(spec.agent.placement, Placement::Native(_))
}

/// Whether an init container of ours hands its token and leases to a sidecar of ours.
pub(super) fn hands_over(spec: &Spec<'_>) -> bool {
    spec.agent.flavour == Flavour::Leasehold && spec.agent.placement == Placement::Pair
}

fn custom_volume(index: usize) -> String {
    format!("{SECRETS_VOLUME}-custom-{index}")
}

fn memory_volume(name: &str, size: Option<&str>) -> Value {
    match size {
        None => json!({ "name": name, "emptyDir": { "medium": "Memory" } }),
        Some(size) => {
            json!({ "name": name, "emptyDir": { "medium": "Memory", "sizeLimit": size } })
        }
    }
}

fn read_only(name: &str, path: &str) -> Value {
    json!({ "name": name, "readOnly": true, "mountPath": path })
}

/// The mounts of the containers with a name, as they are written, without those of tokens.
pub(crate) fn copied(object: &Value, name: &str) -> Vec<Value> {
    ["/spec/containers", "/spec/initContainers"]
        .into_iter()
        .filter_map(|list| object.pointer(list)?.as_array())
        .flatten()
        .filter(|container| container.get("name").and_then(Value::as_str) == Some(name))
        .filter_map(|container| container.get("volumeMounts")?.as_array())
        .flatten()
        .filter(|mount| !mount_path(mount).to_lowercase().contains("serviceaccount"))
        .map(|mount| {
            let mut mount = mount.clone();
            if let Some(map) = mount.as_object_mut() {
                map.retain(|_, value| !matches!(value, Value::Null | Value::Bool(false)));
            }
            mount
        })
        .collect()
}

/// The path of a mount as it is written.
pub(crate) fn mount_path(mount: &Value) -> &str {
    mount
        .get("mountPath")
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// Leaves out what the API server refuses: two mounts at one path. A copied mount beats ours at
/// the secrets' path, as it is the volume that the application reads; the token's mount beats all.
fn without_double_paths(mounts: Vec<Value>, has_copies: bool) -> Vec<Value> {
    let mut kept: Vec<Value> = Vec::with_capacity(mounts.len());
    for mount in mounts {
        let Some(earlier) = kept
            .iter()
            .position(|k| mount_path(k) == mount_path(&mount))
        else {
            kept.push(mount);
            continue;
        };
        let is_secrets = kept
            .get(earlier)
            .and_then(|k| k.get("name"))
            .and_then(Value::as_str)
            .is_some_and(|name| name.starts_with(SECRETS_VOLUME));
        if has_copies
            && is_secrets
            && let Some(place) = kept.get_mut(earlier)
        {
            *place = mount;
        }
    }
    kept
}
