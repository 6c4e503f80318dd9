//! The life of a release: its own test, the upgrade from the chart before, and the end without remains.

use std::path::Path;

use anyhow::{Context, Result, bail};
use serde_json::json;

use super::certificates::{await_webhooks, steadily, webhooks};
use crate::api::{CLUSTER_WIDE, NAMESPACED};
use crate::helm::{Helm, RELEASE};
use crate::report::Seen;
use crate::stage::{NAME, SOON, Stage, name, statuses};
use crate::workload::WAIT;

/// `helm test`, and the notes.
pub(crate) fn test(stage: &Stage, helm: &Helm, seen: &mut Seen) -> Result<()> {
    let said = helm.test()?;
    let line = said.lines().find(|line| line.contains("Phase:"));
    seen.require(
        said.contains("Succeeded"),
        "`helm test` reaches the webhook through its Service",
        line.unwrap_or_default().trim(),
    )?;
    let notes = helm.notes()?;
    let wanted = [
        stage.server.address.as_str(),
        "helm test",
        "rollout status",
        "audience=vault",
    ];
    let missing: Vec<&str> = wanted
        .into_iter()
        .filter(|word| !notes.contains(word))
        .collect();
    seen.require(
        missing.is_empty(),
        "the notes say where secrets come from and what to do next",
        format!("missing: {missing:?}"),
    )
}

/// From the chart before to this one, while pods are admitted.
pub(crate) fn upgrade(stage: &Stage, helm: &Helm, seen: &mut Seen) -> Result<()> {
    let Some((previous, title)) = &stage.options.previous_chart else {
        seen.skipped("an upgrade from the chart before", "none was given");
        return Ok(());
    };
    let namespace = stage.make_namespace("upgrade", &["app"])?;
    helm.uninstall()?;
    helm.install(previous)
        .with_context(|| format!("failed to install {title}"))?;
    await_webhooks(stage)?;
    let before = webhooks(stage, "MutatingWebhookConfiguration")?;
    let (tries, ()) = steadily(stage, &namespace, || upgrade_to(helm, &stage.options.chart))?;
    seen.held(
        "an upgrade from the chart before loses no admission",
        format!("{title}; {tries} pods injected, 0 failed"),
    );
    let after = webhooks(stage, "MutatingWebhookConfiguration")?;
    seen.require(
        before.first() == after.first() && after.iter().all(|bundle| !bundle.is_empty()),
        "the authority and the caBundle survive it",
        format!("{} webhooks, {} before", after.len(), before.len()),
    )
}

fn upgrade_to(helm: &Helm, chart: &Path) -> Result<()> {
    helm.install(chart).map(|_| ())
}

/// The end of a release: nothing stays, and nothing that ran is disturbed.
pub(crate) fn uninstall(stage: &Stage, helm: &Helm, seen: &mut Seen) -> Result<()> {
    let namespace = stage.make_namespace("uninstall", &["app"])?;
    let asks = json!({
        "vault.hashicorp.com/agent-inject": "true", "vault.hashicorp.com/role": "app",
        "vault.hashicorp.com/agent-pre-populate": "false",
    });
    stage
        .api
        .create(&stage.deployment(&namespace, "survivor", "app", WAIT, &asks))?;
    let pod = stage.running(&namespace, "survivor", 1)?.remove(0);
    helm.uninstall()?;
    // What belongs to what was deleted is collected a moment later.
    let looked = stage.until("nothing of the release is left", SOON, || {
        let remains = remains(stage)?;
        if remains.is_empty() {
            return Ok(Some(CLUSTER_WIDE.len() + NAMESPACED.len()));
        }
        bail!("there is still {}", remains.join(", "))
    })?;
    seen.held(
        "an uninstalled release leaves nothing",
        format!("looked at {looked} kinds"),
    );
    let pod = stage.api.get("Pod", &namespace, name(&pod))?;
    let running = statuses(&pod).all(|status| !status["state"]["running"].is_null());
    seen.require(
        running,
        "a pod that was injected before runs on",
        name(&pod),
    )?;
    let answer = stage.until("a pod is admitted without injector and guard", SOON, || {
        let answer = stage
            .api
            .dry_create(&stage.pod(&namespace, "later", "app", WAIT, &asks))?;
        Ok(answer.is_fine().then_some(answer))
    })?;
    seen.require(
        answer.body["spec"]["initContainers"].is_null(),
        "afterwards pods are admitted unchanged",
        format!("{}", answer.status),
    )
}

/// What is left of the release.
fn remains(stage: &Stage) -> Result<Vec<String>> {
    let mut remains = Vec::new();
    for kind in CLUSTER_WIDE {
        let found = stage.api.list(kind, "", "")?;
        let ours = found.iter().filter(|object| {
            let release = &object["metadata"]["annotations"]["meta.helm.sh/release-name"];
            let namespace = &object["metadata"]["annotations"]["meta.helm.sh/release-namespace"];
            name(object).starts_with(&format!("{NAME}-{RELEASE}"))
                || (*release == RELEASE && *namespace == NAME)
        });
        remains.extend(ours.map(|object| format!("{kind} {}", name(object))));
    }
    for kind in NAMESPACED {
        let found = stage.api.list(kind, NAME, "")?;
        // What every namespace has.
        let ours = found.iter().filter(|object| {
            !["kube-root-ca.crt", "default", "openshift-service-ca.crt"].contains(&name(object))
                && object["metadata"]["deletionTimestamp"].is_null()
        });
        remains.extend(ours.map(|object| format!("{kind} {}", name(object))));
    }
    Ok(remains)
}
