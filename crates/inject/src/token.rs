//! The service account token that the agent logs in with: which volume, mounted where.

use std::collections::{BTreeMap, BTreeSet};

use crate::finding::{Code, Finding};
use crate::go::quote;
use crate::pod::{Mount, Pod, Volume};
use crate::report::Stage;
use crate::settings::TokenSource;
use crate::spec::{Agent, Reader};
use crate::vocabulary::{login, ours};
use crate::written::{self, ProjectedSource, VolumeSource};

/// Where the API server mounts a pod's default token. A mount of ours at this very path keeps it
/// from putting that token into our container when it completes the patched pod.
pub(crate) const DEFAULT_MOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// Where the established injector mounts a named volume that no container mounts.
const NAMED_MOUNT: &str = "/var/run/secrets/vault.hashicorp.com/serviceaccount";
/// What the paths of a cloud's web identity have in them.
pub(crate) const WEB_IDENTITY: &str = "eks.amazonaws.com";
/// The volume that we add.
pub(crate) const OUR_VOLUME: &str = "leasehold-token";
/// The longest time that a token of somebody else's projection may live to be taken over, in
/// seconds. The pod's default token lives a little longer, on purpose.
const LONGEST: i64 = 3600;
/// The API server's default for a projection that names no time, in seconds.
const API_DEFAULT: i64 = 3600;

/// The token's volume and mount.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Token<'a> {
    /// The volume's name.
    pub(crate) volume: String,
    /// Where the agent mounts it.
    pub(crate) mount_path: String,
    /// The token's file, absolute.
    pub(crate) file: String,
    /// The volume, where the pod does not have it yet.
    pub(crate) added: Option<written::Volume<'a>>,
    /// The files of further tokens in the same volume, by their audience.
    pub(crate) further: BTreeMap<String, String>,
    /// Whether it is a short-lived token for one audience, which may be used for any method.
    pub(crate) is_scoped: bool,
}

/// Finds or makes the token's volume. None denies the pod; the reason is in the report.
pub(crate) fn find<'a>(
    reader: &mut Reader<'_, 'a>,
    pod: &'a Pod<'_>,
    agent: &Agent<'a>,
) -> Option<Token<'a>> {
    let named = reader.optional_text(&login::TOKEN_VOLUME);
    match agent.token.source {
        TokenSource::Pod => match named {
            Some(name) => named_volume(reader, pod, name),
            None => mounted_token(reader, pod),
        },
        TokenSource::Projected => match named {
            Some(name) => named_volume(reader, pod, name).map(at_default_mount),
            None => {
                let audiences = reader
                    .layers()
                    .family(&ours::SECRET_AUDIENCE)
                    .map(|(_, given)| given.value)
                    .filter(|audience| *audience != agent.token.audience)
                    .collect();
                Some(projected(pod, agent, &audiences))
            }
        },
    }
}

/// The same volume at the path that keeps the default token away.
fn at_default_mount(token: Token<'_>) -> Token<'_> {
    let inside = token
        .file
        .strip_prefix(&token.mount_path)
        .unwrap_or(&token.file);
    Token {
        mount_path: DEFAULT_MOUNT.to_owned(),
        file: crate::go::join_path(DEFAULT_MOUNT, inside),
        is_scoped: true,
        ..token
    }
}

fn named_volume<'a>(
    reader: &mut Reader<'_, 'a>,
    pod: &'a Pod<'_>,
    name: &str,
) -> Option<Token<'a>> {
    let mount = pod
        .containers()
        .iter()
        .flat_map(|c| c.mounts())
        .find(|m| m.name() == name);
    let volume = pod.volume(name);
    let deny = |reader: &mut Reader<'_, 'a>, recorded: String, text: String| {
        let finding = Finding::error(Code::Token, text).about(login::TOKEN_VOLUME.full_name());
        reader.report.deny(Stage::Parse, &recorded, finding);
        None
    };
    let Some(volume) = volume else {
        return match mount {
            Some(_) => deny(
                reader,
                format!(
                    "failed to find volume {} in Pod {} volumes",
                    quote(name),
                    quote(pod.name())
                ),
                format!("a container mounts {name}, but spec.volumes has no such volume"),
            ),
            None => deny(
                reader,
                format!("failed to find service account volume {}", quote(name)),
                format!(
                    "spec.volumes has no volume {name}; it has {}",
                    list(pod.volumes().iter().map(Volume::name))
                ),
            ),
        };
    };
    let Some(projection) = volume.tokens().find(|token| !token.path().is_empty()) else {
        return deny(
            reader,
            format!(
                "failed to find tokenPath for projected volume {}",
                quote(name)
            ),
            format!("{name} is no projected volume with a serviceAccountToken source"),
        );
    };
    let mount_path = mount.map_or(NAMED_MOUNT, Mount::path);
    Some(Token {
        volume: name.to_owned(),
        mount_path: mount_path.to_owned(),
        file: crate::go::join_path(mount_path, projection.path()),
        added: None,
        further: BTreeMap::new(),
        is_scoped: !projection.audience().is_empty(),
    })
}

/// The mount of a service account token that the pod's containers have, told by its path.
fn mounted_token<'a>(reader: &mut Reader<'_, 'a>, pod: &'a Pod<'_>) -> Option<Token<'a>> {
    let mounts: Vec<&Mount<'_>> = pod
        .containers()
        .iter()
        .flat_map(|c| c.mounts())
        .filter(|mount| mount.path().contains("serviceaccount"))
        .collect();
    let own = mounts.iter().find(|mount| is_token(pod, mount));
    let Some(mount) = own.or(mounts.first()) else {
        let finding = Finding::error(
            Code::Token,
            "no container mounts a service account token (automountServiceAccountToken may be \
             false): name a projected volume of the pod that has one, or let the injector project \
             one of its own with leasehold.dev/token-source: projected",
        )
        .about(login::TOKEN_VOLUME.full_name());
        reader.report.deny(
            Stage::Parse,
            "failed to find service account volume mount",
            finding,
        );
        return None;
    };
    if own.is_none() {
        let text = format!(
            "the volume {} at {} is taken for the service account token because of its path, \
             though it may be something else; name the token's volume here",
            mount.name(),
            mount.path()
        );
        reader.warn(Code::Token, &login::TOKEN_VOLUME, text);
    }
    Some(Token {
        volume: mount.name().to_owned(),
        mount_path: mount.path().to_owned(),
        file: crate::go::join_path(mount.path(), "token"),
        added: None,
        further: BTreeMap::new(),
        is_scoped: false,
    })
}

/// Whether a mount holds a service account token that is meant for logging in: the default one, or
/// one that the pod projects under the default one's name, but for a cloud's web identity.
fn is_token(pod: &Pod<'_>, mount: &Mount<'_>) -> bool {
    if mount.path().trim_end_matches('/') == DEFAULT_MOUNT {
        return true;
    }
    !mount.path().contains(WEB_IDENTITY)
        && pod
            .volume(mount.name())
            .is_some_and(|volume| volume.tokens().any(|token| token.path() == "token"))
}

/// The pod's own projection if exactly one fits, else one that we add, with a token for each
/// further audience.
fn projected<'a>(pod: &Pod<'_>, agent: &Agent<'a>, audiences: &BTreeSet<&'a str>) -> Token<'a> {
    let fitting: Vec<(&Volume<'_>, &str)> = pod
        .volumes()
        .iter()
        .flat_map(|volume| volume.tokens().map(move |token| (volume, token)))
        .filter(|(_, token)| {
            token.audience() == agent.token.audience
                && !token.path().is_empty()
                && token.expiration_seconds.unwrap_or(API_DEFAULT) <= LONGEST
        })
        .map(|(volume, token)| (volume, token.path()))
        .collect();
    if let [(volume, path)] = fitting.as_slice()
        && audiences.is_empty()
        && agent_can_read(pod, volume)
    {
        return Token {
            volume: volume.name().to_owned(),
            mount_path: DEFAULT_MOUNT.to_owned(),
            file: crate::go::join_path(DEFAULT_MOUNT, path),
            added: None,
            further: BTreeMap::new(),
            is_scoped: true,
        };
    }
    let file = |number: usize| match number {
        0 => "token".to_owned(),
        number => format!("token-{number}"),
    };
    let wanted: Vec<(&'a str, String)> = std::iter::once(agent.token.audience)
        .chain(audiences.iter().copied())
        .enumerate()
        .map(|(number, audience)| (audience, file(number)))
        .collect();
    let further = wanted
        .iter()
        .skip(1)
        .map(|(audience, file)| ((*audience).to_owned(), format!("{DEFAULT_MOUNT}/{file}")))
        .collect();
    Token {
        volume: OUR_VOLUME.to_owned(),
        mount_path: DEFAULT_MOUNT.to_owned(),
        file: format!("{DEFAULT_MOUNT}/token"),
        added: Some(projection(wanted, agent.token.expiration)),
        further,
        is_scoped: true,
    }
}

/// Whether the kubelet will give the token's file a mode that lets the agent read it: its owner's
/// alone where all containers have one user, the file system group's where the pod names one, and
/// else the projection's own mode.
fn agent_can_read(pod: &Pod<'_>, volume: &Volume<'_>) -> bool {
    let context = pod.security_context();
    if context.fs_group.is_some() {
        return true;
    }
    let mode = volume
        .projected
        .as_ref()
        .and_then(|p| p.default_mode)
        .unwrap_or(0o644);
    let mut users = pod.all_containers().map(|c| {
        c.security_context()
            .and_then(|s| s.run_as_user)
            .or(context.run_as_user)
    });
    let first = users.next().flatten();
    let one_user = first.is_some() && users.all(|user| user == first);
    mode & 0o004 != 0 || (one_user && mode & 0o400 != 0)
}

/// The projected volume of our own, with a token for each audience.
fn projection(wanted: Vec<(&str, String)>, expiration_seconds: u64) -> written::Volume<'_> {
    let sources = wanted
        .into_iter()
        .map(|(audience, path)| ProjectedSource::ServiceAccountToken {
            audience,
            expiration_seconds,
            path,
        })
        .collect();
    written::Volume {
        name: OUR_VOLUME.into(),
        source: VolumeSource::Projected {
            sources,
            default_mode: 0o644,
        },
    }
}

fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.collect();
    if names.is_empty() {
        "none".to_owned()
    } else {
        names.join(", ")
    }
}
