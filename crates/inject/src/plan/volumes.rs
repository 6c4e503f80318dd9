//! Volumes that are added, and the mounts of the application and the agents.

use std::borrow::Cow;

use serde_json::Value;

use crate::plan::{Role, memory};
use crate::pod::{self, Pod};
use crate::settings::Flavour;
use crate::spec::{Placement, Spec};
use crate::token::WEB_IDENTITY;
use crate::written::{Mount, Volume, VolumeSource};

/// The folder of the agent's own files.
pub(crate) const HOME: &str = "/home/vault";
/// The folder in which our agent keeps what a restart adopts.
pub(crate) const STATE_DIR: &str = "/home/vault/.leasehold";
/// The shared volume for secrets.
pub(crate) const SECRETS_VOLUME: &str = "vault-secrets";
/// The volume by which an init container hands over to its sidecar.
pub(crate) const STATE_VOLUME: &str = "leasehold-state";

/// Everything that is added to the pod's volumes.
pub(super) fn added<'s>(spec: &'s Spec<'_>, pod: &Pod<'_>) -> Vec<Volume<'s>> {
    let ours = spec.agent.flavour == Flavour::Leasehold;
    let home_size = ours.then_some(memory::HOME_SIZE);
    let secrets_size = ours.then_some(spec.container.secrets_size.text.as_str());

    let homes: &[&str] = match spec.agent.placement {
        Placement::Pair => &["home-init", "home-sidecar"],
        Placement::InitOnly => &["home-init"],
        Placement::Native(_) | Placement::SidecarOnly => &["home-sidecar"],
    };
    let mut volumes: Vec<Volume<'s>> = homes
        .iter()
        .map(|name| in_memory(*name, home_size))
        .collect();
    if hands_over(spec) {
        volumes.push(in_memory(STATE_VOLUME, home_size));
    }
    volumes.extend(spec.token.as_ref().and_then(|token| token.added.clone()));
    volumes.push(in_memory(SECRETS_VOLUME, secrets_size));
    for index in 0..spec.secrets.custom_paths.len() {
        volumes.push(in_memory(custom_volume(index), secrets_size));
    }
    let mut from = |name: &'static str, source: VolumeSource<'s>| {
        let name = name.into();
        volumes.push(Volume { name, source });
    };
    if let Some(name) = spec.container.configmap {
        from("vault-config", VolumeSource::ConfigMap { name });
    }
    if let Some(secret_name) = spec.container.extra_secret {
        from("extra-secrets", VolumeSource::Secret { secret_name });
    }
    let secret_name = spec.server.tls_secret;
    if !secret_name.is_empty() {
        from("vault-tls-secrets", VolumeSource::Secret { secret_name });
    }
    if persists_cache(spec) {
        volumes.push(in_memory("vault-agent-cache", home_size));
    }
    // A volume that is there already, from an earlier round, is not added again.
    volumes.retain(|volume| pod.volume(&volume.name).is_none());
    volumes
}

/// The mounts of the volumes for secrets. Where a copied mount stands at a secrets' path, the agent
/// writes into that volume, and everybody else mounts it too.
pub(super) fn application_mounts<'s>(spec: &'s Spec<'_>, pod: &Pod<'_>) -> Vec<Mount<'s>> {
    let copies = spec
        .container
        .copy_mounts
        .map(|name| copied(pod, name))
        .unwrap_or_default();
    established_mounts(spec)
        .map(|mount| {
            let copy = copies.iter().find(|copy| copy.path() == mount.path());
            copy.cloned().unwrap_or(mount)
        })
        .collect()
}

fn established_mounts<'s>(spec: &'s Spec<'_>) -> impl Iterator<Item = Mount<'s>> {
    let names = std::iter::once(Cow::Borrowed(SECRETS_VOLUME))
        .chain((0..spec.secrets.custom_paths.len()).map(|index| custom_volume(index).into()));
    names
        .zip(spec.secrets.volume_paths())
        .map(|(name, path)| Mount::writable(name, path))
}

/// The mounts of one of the agent's containers, in the established order.
pub(super) fn agent_mounts<'s>(role: Role, spec: &'s Spec<'_>, pod: &'s Pod<'_>) -> Vec<Mount<'s>> {
    let mut mounts: Vec<Mount<'s>> = Vec::with_capacity(8);
    let home = match role {
        Role::Init => Mount::writable("home-init", HOME),
        Role::Native | Role::Sidecar => Mount::writable("home-sidecar", HOME),
    };
    let token = spec
        .token
        .as_ref()
        .map(|token| Mount::read_only(&token.volume, &token.mount_path));
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
        mounts.push(Mount::writable(STATE_VOLUME, STATE_DIR));
    }
    if let Some(mount) = aws_mount(spec, pod) {
        mounts.push(Mount::read_only(mount.name(), mount.path()));
    }
    mounts.extend(established_mounts(spec));
    if spec.container.extra_secret.is_some() {
        mounts.push(Mount::read_only("extra-secrets", "/vault/custom"));
    }
    if let Some(name) = spec.container.copy_mounts {
        mounts.extend(copied(pod, name));
    }
    if spec.container.configmap.is_some() {
        mounts.push(Mount::read_only("vault-config", "/vault/configs"));
    }
    if !spec.server.tls_secret.is_empty() {
        mounts.push(Mount::read_only("vault-tls-secrets", "/vault/tls"));
    }
    if persists_cache(spec) {
        mounts.push(Mount::writable("vault-agent-cache", "/vault/agent-cache"));
    }
    without_double_paths(mounts, spec.container.copy_mounts.is_some())
}

/// The web identity mount that the aws method needs beside the token.
fn aws_mount<'p>(spec: &Spec<'_>, pod: &'p Pod<'_>) -> Option<&'p pod::Mount<'p>> {
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

fn in_memory<'s>(name: impl Into<Cow<'s, str>>, size: Option<&'s str>) -> Volume<'s> {
    Volume {
        name: name.into(),
        source: VolumeSource::EmptyDir {
            medium: "Memory",
            size_limit: size,
        },
    }
}

/// The mounts of the containers with a name, as they are written, without those of tokens.
fn copied(pod: &Pod<'_>, name: &str) -> Vec<Mount<'static>> {
    pod.mounts_as_written(name)
        .into_iter()
        .map(|mut mount| {
            mount.retain(|_, value| !matches!(value, Value::Null | Value::Bool(false)));
            Mount::AsWritten(mount)
        })
        .filter(|mount| !mount.path().to_lowercase().contains("serviceaccount"))
        .collect()
}

/// Leaves out what the API server refuses: two mounts at one path. A copied mount beats ours at
/// the secrets' path, as it is the volume that the application reads; the token's mount beats all.
fn without_double_paths(mounts: Vec<Mount<'_>>, has_copies: bool) -> Vec<Mount<'_>> {
    let mut kept: Vec<Mount<'_>> = Vec::with_capacity(mounts.len());
    for mount in mounts {
        let Some(earlier) = kept.iter_mut().find(|k| k.path() == mount.path()) else {
            kept.push(mount);
            continue;
        };
        if has_copies && earlier.name().starts_with(SECRETS_VOLUME) {
            *earlier = mount;
        }
    }
    kept
}
