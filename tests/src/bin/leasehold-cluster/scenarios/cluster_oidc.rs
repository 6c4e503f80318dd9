//! JWT auth with the tokens that the cluster signs, checked by its own public keys.

use anyhow::Result;
use serde_json::{Value, json};

use crate::report::Seen;
use crate::stage::{Stage, container};
use crate::workload::WAIT;

const MOUNT: &str = "jwt-dev";
const READ: &str = "{{ with secret \"kvv2/data/app\" }}{{ .Data.data.key }}{{ end }}";

pub(crate) fn run(stage: &Stage, seen: &mut Seen) -> Result<()> {
    let namespace = stage.make_namespace("dev", &["app", "other"])?;
    let server = &stage.server;
    server.mount("kvv2", &json!({"type": "kv", "options": {"version": "2"}}))?;
    stage.until("the new mount takes a secret", crate::stage::SOON, || {
        let answer = server.request("PUT", "kvv2/data/app", &json!({"data": {"key": "value"}}))?;
        Ok((answer.status == 200).then_some(()))
    })?;
    server.policy(
        "dev",
        "path \"kvv2/data/app\" { capabilities = [\"read\"] }",
    )?;
    server.jwt_auth(MOUNT, "dev")?;
    server.write(
        &format!("auth/{MOUNT}/role/dev"),
        &json!({
            "role_type": "jwt", "user_claim": "sub", "bound_audiences": "vault-dev",
            "bound_subject": format!("system:serviceaccount:{namespace}:app"),
            "token_policies": "dev", "token_ttl": "1h",
        }),
    )?;
    stage
        .api
        .create(&app(stage, &namespace, "reads", "app", READ))?;
    stage
        .api
        .create(&app(stage, &namespace, "stranger", "other", READ))?;
    let write = "{{ with secret \"kvv2/data/other\" \"data=x\" }}{{ .Data.version }}{{ end }}";
    stage
        .api
        .create(&app(stage, &namespace, "writes", "app", write))?;

    let pods = stage.running(&namespace, "reads", 1)?;
    let file = stage.file(&pods[0], "/vault/secrets/app")?;
    seen.require(
        file == "value",
        "a token of an audience of its own logs in, with the mount's default role",
        format!("the file holds {file:?}"),
    )?;
    let sources = token_sources(&pods[0]);
    seen.require(
        sources
            .iter()
            .any(|source| source["serviceAccountToken"]["audience"] == "vault-dev"),
        "the admitted pod projects a token of the audience that the annotation names",
        format!("{} projected token", sources.len()),
    )?;
    stage.agent_says(&namespace, "stranger", &[MOUNT, "sub", "other"])?;
    seen.held(
        "another subject is refused in words",
        "the agent names mount, claim and account",
    );
    stage.agent_says(&namespace, "writes", &["kvv2/data/other", "403"])?;
    let started = stage.pods(&namespace, "writes")?;
    seen.require(
        started
            .iter()
            .all(|pod| container(pod, "app")["started"] != true),
        "a write to another path is refused, and the application does not start",
        "403",
    )
}

fn token_sources(pod: &Value) -> Vec<Value> {
    let volumes = pod["spec"]["volumes"].as_array().into_iter().flatten();
    volumes
        .flat_map(|volume| {
            volume["projected"]["sources"]
                .as_array()
                .cloned()
                .unwrap_or_default()
        })
        .filter(|source| !source["serviceAccountToken"]["audience"].is_null())
        .collect()
}

fn app(stage: &Stage, namespace: &str, name: &str, account: &str, template: &str) -> Value {
    stage.deployment(
        namespace,
        name,
        account,
        WAIT,
        &json!({
            "vault.hashicorp.com/agent-inject": "true",
            "vault.hashicorp.com/auth-type": "jwt",
            "vault.hashicorp.com/auth-path": format!("auth/{MOUNT}"),
            "leasehold.dev/token-audience": "vault-dev",
            "vault.hashicorp.com/agent-inject-secret-app": "kvv2/data/app",
            "vault.hashicorp.com/agent-inject-template-app": template,
        }),
    )
}
