//! Short-lived applications: a Job and a CronJob end by themselves and nothing of them stays on the server;
//! a pair goes on running as it always did.

use std::time::Duration;

use anyhow::{Result, bail};
use serde_json::{Value, json};

use crate::report::Seen;
use crate::stage::{SOON, Stage, container, every, name};
use crate::workload::database_template;

const MOUNT: &str = "kubernetes-batch";
const CREDENTIALS: &str = "database/creds/report";

pub(crate) fn run(stage: &Stage, seen: &mut Seen) -> Result<()> {
    let namespace = stage.make_namespace("batch", &["report"])?;
    let server = &stage.server;
    server.database("report", "1h", "24h")?;
    server.kubernetes_auth(MOUNT)?;
    server.policy(
        "report",
        &format!("path \"{CREDENTIALS}\" {{ capabilities = [\"read\"] }}"),
    )?;
    server.write(
        &format!("auth/{MOUNT}/role/report"),
        &json!({
            "bound_service_account_names": "report", "bound_service_account_namespaces": namespace,
            "audience": "vault", "token_policies": "report", "token_ttl": "1h",
        }),
    )?;
    // Its first Job comes with the next minute, while the others run.
    let nightly = job(
        stage,
        &namespace,
        "nightly",
        "cat /vault/secrets/db",
        &json!({}),
    );
    stage.api.create(&json!({
        "apiVersion": "batch/v1", "kind": "CronJob",
        "metadata": {"name": "nightly", "namespace": namespace},
        "spec": {"schedule": "* * * * *", "concurrencyPolicy": "Forbid",
                 "jobTemplate": {"spec": nightly["spec"]}},
    }))?;

    stage.api.create(&job(
        stage,
        &namespace,
        "once",
        "cat /vault/secrets/db",
        &json!({}),
    ))?;
    let pod = ended(stage, &namespace, "once")?;
    let said = stage.api.logs(&namespace, name(&pod), "app", false)?;
    seen.require(
        pod["status"]["phase"] == "Succeeded" && said.contains("DB_USER="),
        "a Job with a native sidecar reads its file and completes",
        format!("phase {}", pod["status"]["phase"]),
    )?;
    let exit = &container(&pod, "vault-agent")["state"]["terminated"]["exitCode"];
    seen.require(
        *exit == 0,
        "its agent ends well",
        format!("exit code {exit}"),
    )?;

    stage.api.create(&job(
        stage,
        &namespace,
        "fails",
        "test -s /vault/secrets/db && exit 7",
        &json!({}),
    ))?;
    let pod = ended(stage, &namespace, "fails")?;
    let exit = &container(&pod, "app")["state"]["terminated"]["exitCode"];
    seen.require(
        *exit == 7,
        "a failing Job fails with its application's code",
        format!("exit code {exit}"),
    )?;

    let only = json!({"vault.hashicorp.com/agent-pre-populate-only": "true"});
    stage.api.create(&job(
        stage,
        &namespace,
        "only-init",
        "cat /vault/secrets/db",
        &only,
    ))?;
    let pod = ended(stage, &namespace, "only-init")?;
    let containers = pod["spec"]["initContainers"].as_array().map_or(0, Vec::len);
    seen.require(
        pod["status"]["phase"] == "Succeeded" && containers == 1,
        "with pre-populate-only the pod has one init container and completes",
        format!(
            "init container {}",
            pod["spec"]["initContainers"][0]["name"]
        ),
    )?;

    // The CronJob's pods have the label as well.
    let made = stage.until(
        "the CronJob's first Job has completed",
        Duration::from_secs(150),
        || {
            let pods = stage.api.list("Pod", &namespace, "app=nightly")?;
            Ok(pods
                .into_iter()
                .find(|pod| pod["status"]["phase"] == "Succeeded"))
        },
    )?;
    let said = stage.api.logs(&namespace, name(&made), "app", false)?;
    if !said.contains("DB_USER=") {
        bail!("the CronJob's pod did not read its file: {said}");
    }
    stage.api.delete("CronJob", &namespace, "nightly")?;
    seen.held("a CronJob's Job reads its file and completes", name(&made));

    let kept = stage.until("only the user of the init container is left", SOON, || {
        let users = server.users("report")?;
        Ok((users.len() <= 1).then_some(users))
    })?;
    seen.held(
        "the leases of Job, failed Job and CronJob are revoked; an init container alone keeps its own",
        format!("{} user left", kept.len()),
    );
    pair(stage, seen, &namespace)
}

fn pair(stage: &Stage, seen: &mut Seen, namespace: &str) -> Result<()> {
    let before = stage.server.users("report")?.len();
    let as_pair = json!({"leasehold.dev/agent-mode": "pair"});
    stage.api.create(&job(
        stage,
        namespace,
        "pair",
        "cat /vault/secrets/db",
        &as_pair,
    ))?;
    let pod = stage.until("the application of the pair has ended", SOON, || {
        let pods = stage.pods(namespace, "pair")?;
        Ok(pods.into_iter().find(|pod| {
            container(pod, "app")["state"]["terminated"]["exitCode"] == 0
                && !container(pod, "vault-agent")["state"]["running"].is_null()
        }))
    })?;
    every(
        &stage.stop,
        Duration::from_secs(1),
        Duration::from_secs(4),
        || {
            let pod = stage.api.get("Pod", namespace, name(&pod))?;
            if pod["status"]["phase"] != "Running" {
                bail!("the pair's pod ended by itself: {}", pod["status"]["phase"]);
            }
            Ok(())
        },
    )?;
    let users = stage.server.users("report")?.len();
    seen.require(
        users == before + 1,
        "as a pair the sidecar keeps the pod running, and takes over what the init container fetched",
        format!("{} credentials for two containers", users - before),
    )?;
    stage.api.delete("Job", namespace, "pair")
}

fn ended(stage: &Stage, namespace: &str, app: &str) -> Result<Value> {
    stage
        .until(&format!("the pod of {namespace}/{app} ends"), SOON, || {
            let pods = stage.api.list("Pod", namespace, &format!("app={app}"))?;
            Ok(pods.into_iter().find(|pod| {
                ["Succeeded", "Failed"]
                    .iter()
                    .any(|end| pod["status"]["phase"] == *end)
            }))
        })
        .map_err(|error| error.context(stage.story(namespace)))
}

fn job(stage: &Stage, namespace: &str, name: &str, script: &str, annotations: &Value) -> Value {
    let mut all = json!({
        "vault.hashicorp.com/agent-inject": "true",
        "vault.hashicorp.com/role": "report",
        "vault.hashicorp.com/auth-path": format!("auth/{MOUNT}"),
        "vault.hashicorp.com/agent-inject-secret-db": CREDENTIALS,
        "vault.hashicorp.com/agent-inject-template-db": database_template(CREDENTIALS),
    });
    for (name, value) in annotations.as_object().into_iter().flatten() {
        all[name] = value.clone();
    }
    stage.job(namespace, name, "report", script, &all)
}
