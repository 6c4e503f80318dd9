//! A token that a container of the pod's own writes, late and again and again.

use std::time::Duration;

use anyhow::{Result, bail};
use serde_json::{Value, json};

use crate::report::Seen;
use crate::stage::{Stage, container, every, name};
use crate::workload::WAIT;

const MOUNT: &str = "jwt-third-party";
const PASSWORD: &str = "correct horse";

/// Writes the token after three seconds, and a fresh file of it every two seconds.
const WRITER: &str = "trap 'exit 0' TERM; sleep 3; while :; do \
    cat /source/token > /tokens/.new && mv /tokens/.new /tokens/token.jwt; sleep 2; done";

pub(crate) fn run(stage: &Stage, seen: &mut Seen) -> Result<()> {
    let namespace = stage.make_namespace("third-party", &["app"])?;
    let server = &stage.server;
    server.mount(
        "kv-third",
        &json!({"type": "kv", "options": {"version": "1"}}),
    )?;
    server.write("kv-third/app", &json!({"some-password": PASSWORD}))?;
    server.policy(
        "third",
        "path \"kv-third/app\" { capabilities = [\"read\"] }",
    )?;
    server.jwt_auth(MOUNT, "app")?;
    server.write(
        &format!("auth/{MOUNT}/role/app"),
        &json!({
            "role_type": "jwt", "user_claim": "sub", "bound_audiences": "third-party",
            "token_policies": "third", "token_ttl": "8s", "token_max_ttl": "15s",
        }),
    )?;
    stage
        .api
        .create(&workload(stage, &namespace, "sidecar", "initContainers"))?;
    stage
        .api
        .create(&workload(stage, &namespace, "beside", "containers"))?;

    let pod = stage.running(&namespace, "sidecar", 1)?.remove(0);
    let order = pod["spec"]["initContainers"]
        .as_array()
        .into_iter()
        .flatten();
    let order: Vec<&str> = order.filter_map(|one| one["name"].as_str()).collect();
    seen.require(
        order == ["token-writer", "vault-agent"],
        "the sidecar that writes the token stays before the agent",
        order.join(", "),
    )?;
    let file = stage.file(&pod, "/app/secrets/pass")?;
    seen.require(
        file == PASSWORD,
        "a token that comes after 3 s is awaited",
        "the file is rendered in its own folder",
    )?;
    // Past the login token's max TTL: a second login with the file as it is then.
    let mut reads = 0;
    every(
        &stage.stop,
        Duration::from_secs(1),
        Duration::from_secs(22),
        || {
            reads += 1;
            stage.file(&pod, "/app/secrets/pass").map(|_| ())
        },
    )?;
    let logins = server.audit(&format!("\"path\":\"auth/{MOUNT}/login\""))?;
    let logins = logins
        .iter()
        .filter(|line| line["type"] == "request")
        .count();
    seen.require(
        logins >= 2,
        "the token is read anew for each login, past the login's longest life",
        format!("{logins} logins, {reads} reads of the file, none failed"),
    )?;
    let token = stage.exec(&pod, "token-writer", &["test", "-s", "/tokens/token.jwt"])?;
    let pod = stage.api.get("Pod", &namespace, name(&pod))?;
    seen.require(
        token.worked && container(&pod, "vault-agent")["restartCount"] == 0,
        "the token is never deleted from a read-only mount, and the agent runs on",
        "0 restarts",
    )?;

    let said = stage.agent_says(&namespace, "beside", &["/tokens/token.jwt", "token-writer"])?;
    let pods = stage.pods(&namespace, "beside")?;
    let found = pods
        .first()
        .map(|pod| pod["metadata"]["annotations"]["leasehold.dev/findings"].to_string());
    let found = found.unwrap_or_default();
    if !found.contains("too late") {
        bail!("the findings do not say that the token comes too late: {found}\n{said}");
    }
    seen.held(
        "a token that an application container writes cannot come in time, and that is said",
        "on the pod and in the log",
    );
    Ok(())
}

/// The writer is a native sidecar before ours, or a container beside the application.
fn workload(stage: &Stage, namespace: &str, app: &str, place: &str) -> Value {
    let mount = json!([{
        "op": "add", "path": "/volumeMounts/-",
        "value": {"name": "tokens", "mountPath": "/tokens", "readOnly": true},
    }])
    .to_string();
    let mut workload = stage.deployment(
        namespace,
        app,
        "app",
        WAIT,
        &json!({
            "vault.hashicorp.com/agent-inject": "true",
            "vault.hashicorp.com/role": "app",
            "vault.hashicorp.com/auth-type": "jwt",
            "vault.hashicorp.com/auth-path": format!("auth/{MOUNT}"),
            "vault.hashicorp.com/auth-config-path": "/tokens/token.jwt",
            "vault.hashicorp.com/tls-skip-verify": "true",
            "vault.hashicorp.com/secret-volume-path": "/app/secrets",
            "vault.hashicorp.com/agent-json-patch": mount,
            "vault.hashicorp.com/agent-init-json-patch": mount,
            "vault.hashicorp.com/agent-inject-secret-pass": "kv-third/app",
            "vault.hashicorp.com/agent-inject-template-pass":
                "{{ with secret \"kv-third/app\" }}{{ index .Data \"some-password\" }}{{ end }}",
        }),
    );
    let mut writer = json!({
        "name": "token-writer", "image": stage.options.images.shell, "imagePullPolicy": "IfNotPresent",
        "command": ["/bin/sh", "-c", WRITER],
        "volumeMounts": [{"name": "tokens", "mountPath": "/tokens"},
                         {"name": "source", "mountPath": "/source", "readOnly": true}],
    });
    if place == "initContainers" {
        writer["restartPolicy"] = json!("Always");
    }
    let spec = &mut workload["spec"]["template"]["spec"];
    spec["volumes"] = json!([
        {"name": "tokens", "emptyDir": {"medium": "Memory"}},
        // The third party is the cluster itself: a token of another audience, which only the writer has.
        {"name": "source", "projected": {"sources": [{"serviceAccountToken":
            {"path": "token", "audience": "third-party", "expirationSeconds": 600}}]}},
    ]);
    match spec[place].as_array_mut() {
        Some(list) => list.push(writer),
        None => spec[place] = json!([writer]),
    }
    workload
}
