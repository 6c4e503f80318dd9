//! The agent's containers of either flavour, before amounts and patches.

use std::borrow::Cow;

use crate::plan::{INIT, Role, SIDECAR, agent_config, env};
use crate::pod::Pod;
use crate::report::Report;
use crate::settings::{Flavour, Gate, KubeVersion};
use crate::spec::{Ids, Placement, Spec};
use crate::written::{
    Capabilities, Container, Handler, Lifecycle, Mount, Probe, Resources, SeccompProfile,
    SecurityContext,
};

/// Our agent's program in its image.
const PROGRAM: &str = "/usr/local/bin/leasehold-agent";
/// From this API server on, a hook can sleep by itself.
const SLEEPING_HOOKS: KubeVersion = KubeVersion {
    major: 1,
    minor: 30,
};

/// Builds a container, or none where its configuration cannot be written, which is reported.
pub(super) fn build<'s>(
    role: Role,
    spec: &'s Spec<'_>,
    pod: &'s Pod<'_>,
    mounts: Vec<Mount<'s>>,
    version: KubeVersion,
    report: &mut Report,
) -> Option<Container<'s>> {
    let config = match spec.container.configmap {
        Some(_) => None,
        None => Some(agent_config::encoded(role, spec, pod, report)?),
    };
    let (command, args) = match spec.agent.flavour {
        Flavour::Vault => (
            vec!["/bin/sh", "-ec"],
            Some([established_script(role, config.is_none())]),
        ),
        Flavour::Leasehold if config.is_none() => {
            (vec![PROGRAM, "run", "--config", config_file(role)], None)
        }
        Flavour::Leasehold => (vec![PROGRAM, "run"], None),
    };
    Some(Container {
        name: if role == Role::Init { INIT } else { SIDECAR },
        image: &spec.agent.image,
        command,
        args,
        env: env::variables(spec, pod, config),
        resources: Resources::default(),
        restart_policy: (role == Role::Native).then_some("Always"),
        volume_mounts: mounts,
        lifecycle: match spec.agent.flavour {
            Flavour::Vault if role == Role::Sidecar => Some(established_lifecycle(spec)),
            Flavour::Vault => None,
            Flavour::Leasehold => our_lifecycle(role, spec, version),
        },
        startup_probe: startup_probe(role, spec),
        security_context: security_context(spec),
    })
}

fn config_file(role: Role) -> &'static str {
    match role {
        Role::Init => "/vault/configs/config-init.hcl",
        Role::Native | Role::Sidecar => "/vault/configs/config.hcl",
    }
}

/// The script that the established injector gives the shell.
fn established_script(role: Role, has_configmap: bool) -> Cow<'static, str> {
    if has_configmap {
        return Cow::Owned(format!(
            "touch /home/vault/.vault-token && vault agent -config={}",
            config_file(role)
        ));
    }
    Cow::Borrowed(
        "echo ${VAULT_CONFIG?} | base64 -d > /home/vault/config.json && vault agent \
         -config=/home/vault/config.json",
    )
}

/// The established hook that revokes the token, with what the server needs to be reached.
fn established_lifecycle(spec: &Spec<'_>) -> Lifecycle {
    if spec.container.revocation.asked != Some(true) {
        return Lifecycle::default();
    }
    let server = &spec.server;
    let mut flags = format!("-address={}", server.address);
    for (flag, value) in [
        ("ca-cert", server.ca_cert),
        ("ca-path", server.ca_path),
        ("client-cert", server.client_cert),
        ("client-key", server.client_key),
        ("tls-server-name", server.tls_server_name),
        ("namespace", server.namespace),
    ] {
        if !value.is_empty() {
            flags.push_str(&format!(" -{flag}={value}"));
        }
    }
    if server.tls_skip_verify {
        flags.push_str(" -tls-skip-verify");
    }
    let grace = spec.container.revocation.grace_seconds;
    let script = format!("/bin/sleep {grace} && /bin/vault token revoke {flags} -self");
    let command = vec!["/bin/sh".into(), "-c".into(), script.into()];
    Lifecycle {
        pre_stop: Some(Handler::Exec { command }),
        ..Lifecycle::default()
    }
}

/// The hook that is the gate of a native sidecar, or the pause of a pair's sidecar before it revokes.
fn our_lifecycle(role: Role, spec: &Spec<'_>, version: KubeVersion) -> Option<Lifecycle> {
    match (role, spec.agent.placement) {
        (Role::Native, Placement::Native(Some(Gate::Hook))) => Some(Lifecycle {
            post_start: Some(waiting(spec.agent.wait_seconds)),
            ..Lifecycle::default()
        }),
        (Role::Sidecar, _) if spec.container.revocation.asked == Some(true) => {
            let seconds = spec.container.revocation.grace_seconds;
            (seconds > 0 && version >= SLEEPING_HOOKS).then(|| Lifecycle {
                pre_stop: Some(Handler::Sleep { seconds }),
                ..Lifecycle::default()
            })
        }
        _ => None,
    }
}

/// The probe that is the gate of a native sidecar.
fn startup_probe(role: Role, spec: &Spec<'_>) -> Option<Probe> {
    let by_probe = spec.agent.placement == Placement::Native(Some(Gate::Probe));
    (role == Role::Native && by_probe).then(|| Probe {
        handler: waiting(0),
        period_seconds: 1,
        failure_threshold: spec.agent.wait_seconds.max(1),
    })
}

/// Waits until the files are there, at most so long.
fn waiting(seconds: u64) -> Handler {
    let timeout = format!("{seconds}s");
    Handler::Exec {
        command: vec![
            PROGRAM.into(),
            "wait".into(),
            "--timeout".into(),
            timeout.into(),
        ],
    }
}

fn security_context(spec: &Spec<'_>) -> Option<SecurityContext> {
    let ours = spec.agent.flavour == Flavour::Leasehold;
    let (user, group) = match spec.container.ids? {
        Ids::Fixed { user, group } => (Some(user), Some(group)),
        Ids::Platform => (None, None),
    };
    Some(SecurityContext {
        capabilities: Capabilities { drop: ["ALL"] },
        run_as_user: user,
        run_as_group: group,
        // The group of root is not root.
        run_as_non_root: user != Some(0) && (ours || group != Some(0)),
        read_only_root_filesystem: true,
        allow_privilege_escalation: false,
        seccomp_profile: ours.then_some(SeccompProfile {
            kind: "RuntimeDefault",
        }),
    })
}
