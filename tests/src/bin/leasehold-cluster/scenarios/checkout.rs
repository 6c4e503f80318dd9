//! A service with database credentials of its own: logs in with the token that its Deployment projects,
//! gets a user that no other pod has, and takes it along when it leaves.

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::report::Seen;
use crate::stage::{SOON, Stage, container, name};
use crate::workload::{WAIT, database_template, value_of};

const MOUNT: &str = "kubernetes-eks-prod-cin";
const CREDENTIALS: &str = "database/creds/checkout-ro";

pub(crate) fn run(stage: &Stage, seen: &mut Seen) -> Result<()> {
    let namespace = stage.make_namespace("checkout", &["checkout-sa", "other-sa"])?;
    let server = &stage.server;
    server.database("checkout-ro", "1h", "24h")?;
    server.kubernetes_auth(MOUNT)?;
    server.policy(
        "checkout",
        &format!("path \"{CREDENTIALS}\" {{ capabilities = [\"read\"] }}"),
    )?;
    server.write(
        &format!("auth/{MOUNT}/role/checkout"),
        &json!({
            "bound_service_account_names": "checkout-sa", "bound_service_account_namespaces": namespace,
            "audience": "vault", "token_policies": "checkout", "token_ttl": "1h",
        }),
    )?;
    let mut workload = checkout(stage, &namespace, "checkout", "checkout-sa");
    workload["spec"]["replicas"] = json!(2);
    stage.api.create(&workload)?;
    let pods = stage.running(&namespace, "checkout", 2)?;

    admitted(seen, &pods[0])?;
    let mut users = Vec::new();
    for pod in &pods {
        let file = stage.file(pod, "/vault/secrets/db.env")?;
        let (user, password) = (value_of(&file, "DB_USER"), value_of(&file, "DB_PASS"));
        if let Err(error) = server.log_in(&user, &password) {
            bail!("PostgreSQL refused the user of {}: {error}", name(pod));
        }
        let first = stage.api.logs(&namespace, name(pod), "app", false)?;
        if value_of(&first, "DB_USER") != user {
            bail!(
                "the application of {} did not find its file at its first step: {first}",
                name(pod)
            );
        }
        let said = stage
            .api
            .logs(&namespace, name(pod), "vault-agent", false)?;
        if said.contains(&password) {
            bail!("the log of {}'s agent holds the password", name(pod));
        }
        users.push(user);
    }
    users.sort();
    let alive = server.users("checkout-ro")?;
    seen.require(
        users == alive && users[0] != users[1],
        "each pod has a database user of its own that PostgreSQL lets in",
        format!(
            "{} users for 2 pods, {} leases",
            alive.len(),
            server.leases(&format!("{CREDENTIALS}/"))?
        ),
    )?;
    let ran = stage.exec(
        &pods[0],
        "app",
        &["stat", "-c", "%a", "/vault/secrets/db.env"],
    )?;
    seen.require(
        ran.output.trim() == "644",
        "the file has the mode of the established agent",
        ran.output.trim(),
    )?;

    let mine = value_of(&stage.file(&pods[0], "/vault/secrets/db.env")?, "DB_USER");
    let started = std::time::Instant::now();
    stage.api.delete("Deployment", &namespace, "checkout")?;
    stage.until("the users are gone with their pods", SOON, || {
        Ok(server.users("checkout-ro")?.is_empty().then_some(()))
    })?;
    if server.log_in(&mine, "x").is_ok() {
        bail!("the database still lets {mine} in");
    }
    seen.held(
        "users and leases go with their pods",
        format!(
            "{:.1} s after the Deployment was deleted",
            started.elapsed().as_secs_f64()
        ),
    );
    refusals(stage, seen, &namespace)
}

/// What the API server stored, not what the patch said.
fn admitted(seen: &mut Seen, pod: &Value) -> Result<()> {
    let first = &pod["spec"]["initContainers"][0];
    let native = first["name"] == "vault-agent" && first["restartPolicy"] == "Always";
    seen.require(
        native && first["lifecycle"]["postStart"]["exec"].is_object(),
        "the admitted pod has one native sidecar, first, with a hook",
        format!("init containers: {}", names(&pod["spec"]["initContainers"])),
    )?;
    let mounts = first["volumeMounts"]
        .as_array()
        .context("the agent has mounts")?;
    let at = "/var/run/secrets/kubernetes.io/serviceaccount";
    let tokens: Vec<&Value> = mounts.iter().filter(|one| one["mountPath"] == at).collect();
    seen.require(
        tokens.len() == 1 && tokens[0]["name"] == "vault-token",
        "the agent's token is the one that the pod projects, and the API server added no other",
        format!(
            "mounted at {at}: {}",
            tokens.first().map_or(&Value::Null, |one| &one["name"])
        ),
    )?;
    let volumes = pod["spec"]["volumes"]
        .as_array()
        .context("the pod has volumes")?;
    let memory = volumes
        .iter()
        .any(|one| one["emptyDir"]["medium"] == "Memory");
    seen.require(
        memory,
        "secrets lie in memory",
        names(&pod["spec"]["volumes"]),
    )?;
    let agent = container(pod, "vault-agent");
    seen.require(
        agent["ready"] == true && agent["restartCount"] == 0,
        "the agent started once",
        format!("image {}", agent["image"]),
    )
}

/// Each refusal in words, in the log and where `kubectl describe` shows it.
fn refusals(stage: &Stage, seen: &mut Seen, namespace: &str) -> Result<()> {
    stage.server.write(
        &format!("auth/{MOUNT}/role/elsewhere"),
        &json!({
            "bound_service_account_names": "*", "bound_service_account_namespaces": "billing",
            "audience": "vault", "token_policies": "checkout",
        }),
    )?;
    stage.server.write(
        &format!("auth/{MOUNT}/role/prod"),
        &json!({
            "bound_service_account_names": "*", "bound_service_account_namespaces": namespace,
            "audience": "vault-prod", "token_policies": "checkout",
        }),
    )?;
    for (title, account, role, server_text) in [
        (
            "audience",
            "checkout-sa",
            "prod",
            "invalid audience (aud) claim",
        ),
        (
            "namespace",
            "checkout-sa",
            "elsewhere",
            "namespace not authorized",
        ),
        (
            "account",
            "other-sa",
            "checkout",
            "service account name not authorized",
        ),
        ("role", "checkout-sa", "chekout", "invalid role name"),
    ] {
        let app = format!("refused-{title}");
        let mut workload = checkout(stage, namespace, &app, account);
        workload["spec"]["template"]["metadata"]["annotations"]["vault.hashicorp.com/role"] =
            json!(role);
        stage.api.create(&workload)?;
        stage.agent_says(namespace, &app, &[server_text, account, role, MOUNT])?;
        if title == "audience" {
            let message = stage.until("the refusal is the termination message", SOON, || {
                let pods = stage.pods(namespace, &app)?;
                Ok(pods.iter().find_map(|pod| {
                    let status = container(pod, "vault-agent");
                    ["state", "lastState"].iter().find_map(|state| {
                        let message = status[*state]["terminated"]["message"].as_str()?;
                        message.contains(server_text).then(|| message.to_owned())
                    })
                }))
            })?;
            seen.held("a refusal is the termination message", message);
        }
        stage.api.delete("Deployment", namespace, &app)?;
    }
    seen.held(
        "refusals of audience, namespace, account and role are told with the server's words, account, role and mount",
        "4 of 4",
    );
    Ok(())
}

/// The Deployment as its owner wrote it: it brings its own projected token and names it nowhere.
fn checkout(stage: &Stage, namespace: &str, app: &str, account: &str) -> Value {
    let script = format!("cat /vault/secrets/db.env; {WAIT}");
    let mut workload = stage.deployment(
        namespace,
        app,
        account,
        &script,
        &json!({
            "vault.hashicorp.com/agent-inject": "true",
            "vault.hashicorp.com/role": "checkout",
            "vault.hashicorp.com/auth-path": format!("auth/{MOUNT}"),
            "vault.hashicorp.com/agent-inject-secret-db.env": CREDENTIALS,
            "vault.hashicorp.com/agent-inject-template-db.env": database_template(CREDENTIALS),
        }),
    );
    let spec = &mut workload["spec"]["template"]["spec"];
    spec["volumes"] = json!([{"name": "vault-token", "projected": {"sources": [
        {"serviceAccountToken": {"path": "token", "audience": "vault", "expirationSeconds": 600}},
    ]}}]);
    spec["containers"][0]["volumeMounts"] =
        json!([{"name": "vault-token", "mountPath": "/var/run/secrets/vault", "readOnly": true}]);
    workload
}

fn names(list: &Value) -> String {
    let names = list.as_array().into_iter().flatten();
    let names: Vec<&str> = names.filter_map(|one| one["name"].as_str()).collect();
    names.join(", ")
}
