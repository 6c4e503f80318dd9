//! While the injector is away, no pod that asks for injection runs without an agent, and every other pod runs.

use std::time::Duration;

use anyhow::{Result, bail};
use serde_json::{Value, json};

use crate::helm::{CLUSTER_NAME, RELEASE};
use crate::report::Seen;
use crate::stage::{NAME, SOON, Stage};
use crate::workload::WAIT;

pub(crate) fn run(stage: &Stage, seen: &mut Seen) -> Result<()> {
    let check = "while the injector is away a pod that asks is denied by the guard";
    if stage.cluster.version < (1, 30) {
        seen.skipped(
            check,
            "Kubernetes before 1.30 has no ValidatingAdmissionPolicy",
        );
        return Ok(());
    }
    let namespace = stage.make_namespace("guard", &["app"])?;
    let asks =
        json!({"vault.hashicorp.com/agent-inject": "true", "vault.hashicorp.com/role": "app"});
    let naked = stage.pod(&namespace, "asks", "app", WAIT, &asks);
    let bare = stage.pod(&namespace, "bare", "app", WAIT, &json!({}));
    scale(stage, 0)?;
    let result = while_away(stage, seen, check, &naked, &bare);
    scale(stage, 2)?;
    result?;
    // The webhook is called again as soon as a pod stands behind it.
    stage.until("a pod that asks is injected again", SOON, || {
        let answer = stage.api.dry_create(&naked)?;
        Ok((answer.body["spec"]["initContainers"][0]["name"] == "vault-agent").then_some(()))
    })?;
    seen.held("with the injector back it is injected", CLUSTER_NAME);
    let mut forged = naked.clone();
    forged["metadata"]["annotations"]["vault.hashicorp.com/agent-inject-status"] =
        json!("injected");
    let answer = stage.api.dry_create(&forged)?;
    let through =
        answer.is_fine() && answer.body["spec"]["initContainers"][0]["name"] != "vault-agent";
    seen.require(
        !through,
        "an annotation that says `injected` lets no naked pod through",
        answer.message().chars().take(160).collect::<String>(),
    )
}

fn while_away(
    stage: &Stage,
    seen: &mut Seen,
    check: &str,
    naked: &Value,
    bare: &Value,
) -> Result<()> {
    // Addresses of ended pods are forgotten a moment later.
    let denied = stage.until("the webhook no longer answers", SOON, || {
        let answer = stage.api.dry_create(naked)?;
        Ok((!answer.is_fine()).then_some(answer))
    })?;
    let told = denied.message();
    if !told.contains("no agent was injected") {
        bail!("the pod was refused, but not by the guard: {told}");
    }
    seen.held(check, told);
    let answer = stage.api.dry_create(bare)?;
    seen.require(
        answer.is_fine(),
        "and one that does not ask is admitted",
        format!("{}", answer.status),
    )
}

/// Sets the injector's replicas and waits until they are there.
pub(crate) fn scale(stage: &Stage, replicas: u64) -> Result<()> {
    stage.api.patch(
        "Deployment",
        NAME,
        RELEASE,
        &json!({"spec": {"replicas": replicas}}),
    )?;
    stage.until("the injector is scaled", Duration::from_secs(180), || {
        let deployment = stage.api.get("Deployment", NAME, RELEASE)?;
        let ready = deployment["status"]["readyReplicas"].as_u64().unwrap_or(0);
        let all = deployment["status"]["replicas"].as_u64().unwrap_or(0);
        Ok((ready == replicas && all == replicas).then_some(()))
    })
}
