//! The agent's containers of either flavour, before amounts and patches.

use serde_json::{Map, Value, json};

use crate::plan::{INIT, Role, SIDECAR, agent_config, env, volumes};
use crate::pod::Pod;
use crate::report::Report;
use crate::review::Review;
use crate::settings::{Flavour, Gate, KubeVersion};
use crate::spec::{Ids, Placement, Spec};

/// Our agent's program in its image.
const PROGRAM: &str = "/usr/local/bin/leasehold-agent";
/// From this API server on, a hook can sleep by itself.
const SLEEPING_HOOKS: KubeVersion = KubeVersion {
    major: 1,
    minor: 30,
};

/// Builds a container, or none where its configuration cannot be written, which is reported.
pub(super) fn build(
    role: Role,
    spec: &Spec<'_>,
    pod: &Pod<'_>,
    review: &Review<'_>,
    report: &mut Report,
) -> Option<Value> {
    let config = match spec.container.configmap {
        Some(_) => None,
        None => Some(agent_config::encoded(role, spec, pod, report)?),
    };
    let mut map = Map::new();
    map.insert(
        "name".into(),
        if role == Role::Init { INIT } else { SIDECAR }.into(),
    );
    map.insert("image".into(), spec.agent.image.as_str().into());
    match spec.agent.flavour {
        Flavour::Vault => {
            map.insert("command".into(), json!(["/bin/sh", "-ec"]));
            map.insert(
                "args".into(),
                json!([established_script(role, config.is_none())]),
            );
        }
        Flavour::Leasehold => {
            let mut command = vec![PROGRAM, "run"];
            if config.is_none() {
                command.extend(["--config", config_file(role)]);
            }
            map.insert("command".into(), json!(command));
        }
    }
    map.insert(
        "env".into(),
        env::variables(spec, pod, config.as_deref()).into(),
    );
    map.insert("resources".into(), json!({}));
    if role == Role::Native {
        map.insert("restartPolicy".into(), "Always".into());
    }
    let mounts = volumes::agent_mounts(role, spec, pod, review.pod);
    map.insert("volumeMounts".into(), mounts.into());
    match spec.agent.flavour {
        Flavour::Vault if role == Role::Sidecar => {
            map.insert("lifecycle".into(), established_lifecycle(spec));
        }
        Flavour::Vault => {}
        Flavour::Leasehold => insert_lifecycle(&mut map, role, spec, review.kube_version),
    }
    if let Some(context) = security_context(spec) {
        map.insert("securityContext".into(), context);
    }
    Some(Value::Object(map))
}

fn config_file(role: Role) -> &'static str {
    match role {
        Role::Init => "/vault/configs/config-init.hcl",
        Role::Native | Role::Sidecar => "/vault/configs/config.hcl",
    }
}

/// The script that the established injector gives the shell.
fn established_script(role: Role, has_configmap: bool) -> String {
    if has_configmap {
        return format!(
            "touch /home/vault/.vault-token && vault agent -config={}",
            config_file(role)
        );
    }
    "echo ${VAULT_CONFIG?} | base64 -d > /home/vault/config.json && vault agent \
     -config=/home/vault/config.json"
        .to_owned()
}

/// The established hook that revokes the token, with what the server needs to be reached.
fn established_lifecycle(spec: &Spec<'_>) -> Value {
    if spec.container.revocation.asked != Some(true) {
        return json!({});
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
    json!({ "preStop": { "exec": { "command": ["/bin/sh", "-c", script] } } })
}

/// The gate of a native sidecar, and the pause of a pair's sidecar before it revokes.
fn insert_lifecycle(
    map: &mut Map<String, Value>,
    role: Role,
    spec: &Spec<'_>,
    version: KubeVersion,
) {
    let seconds = spec.agent.wait_seconds;
    match (role, spec.agent.placement) {
        (Role::Native, Placement::Native(Some(Gate::Hook))) => {
            let command = json!([PROGRAM, "wait", "--timeout", format!("{seconds}s")]);
            map.insert(
                "lifecycle".into(),
                json!({ "postStart": { "exec": { "command": command } } }),
            );
        }
        (Role::Native, Placement::Native(Some(Gate::Probe))) => {
            let probe = json!({
                "exec": { "command": [PROGRAM, "wait", "--timeout", "0s"] },
                "periodSeconds": 1,
                "failureThreshold": seconds.max(1),
            });
            map.insert("startupProbe".into(), probe);
        }
        (Role::Sidecar, _) if spec.container.revocation.asked == Some(true) => {
            let grace = spec.container.revocation.grace_seconds;
            if grace > 0 && version >= SLEEPING_HOOKS {
                map.insert(
                    "lifecycle".into(),
                    json!({ "preStop": { "sleep": { "seconds": grace } } }),
                );
            }
        }
        _ => {}
    }
}

fn security_context(spec: &Spec<'_>) -> Option<Value> {
    let ids = spec.container.ids?;
    let ours = spec.agent.flavour == Flavour::Leasehold;
    let mut map = Map::new();
    map.insert("capabilities".into(), json!({ "drop": ["ALL"] }));
    match ids {
        Ids::Fixed { user, group } => {
            map.insert("runAsUser".into(), user.into());
            map.insert("runAsGroup".into(), group.into());
            // The group of root is not root.
            let non_root = user != 0 && (ours || group != 0);
            map.insert("runAsNonRoot".into(), non_root.into());
        }
        Ids::Platform => {
            map.insert("runAsNonRoot".into(), true.into());
        }
    }
    map.insert("readOnlyRootFilesystem".into(), true.into());
    map.insert("allowPrivilegeEscalation".into(), false.into());
    if ours {
        map.insert("seccompProfile".into(), json!({ "type": "RuntimeDefault" }));
    }
    Some(map.into())
}
