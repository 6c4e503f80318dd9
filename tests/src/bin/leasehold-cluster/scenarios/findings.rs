//! What the injector noticed reaches the person who applies, the pod, and the agent's log; what cannot work is
//! denied; and pods that ask for nothing are left alone.

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::report::Seen;
use crate::stage::{SOON, Stage, name};
use crate::workload::WAIT;

const TYPO: &str = "vault.hashicorp.com/agent-inject-secrets-db";

pub(crate) fn run(stage: &Stage, seen: &mut Seen) -> Result<()> {
    let namespace = stage.make_namespace("findings", &["app"])?;
    let asks = json!({
        "vault.hashicorp.com/agent-inject": "true", "vault.hashicorp.com/role": "app",
        TYPO: "secret/data/db",
    });
    let answer = stage
        .api
        .create(&stage.deployment(&namespace, "typo", "app", WAIT, &asks))?;
    let told = answer
        .warnings
        .iter()
        .find(|warning| warning.contains(TYPO));
    seen.held(
        "who applies a Deployment is warned of an annotation that does not exist",
        told.with_context(|| format!("no warning names {TYPO}: {:?}", answer.warnings))?,
    );
    let pod = stage.until("a pod of the Deployment is admitted", SOON, || {
        Ok(stage.pods(&namespace, "typo")?.into_iter().next())
    })?;
    let found = pod["metadata"]["annotations"]["leasehold.dev/findings"]
        .as_str()
        .unwrap_or_default();
    seen.require(found.contains(TYPO), "the pod carries the finding", found)?;
    let said = stage.agent_says(&namespace, "typo", &[TYPO])?;
    let line = said
        .lines()
        .position(|line| line.contains(TYPO))
        .unwrap_or_default()
        + 1;
    seen.require(
        line <= 5,
        "the agent's first lines tell it",
        format!("line {line}"),
    )?;
    stage.api.delete("Deployment", &namespace, "typo")?;

    let mut misplaced = stage.deployment(&namespace, "misplaced", "app", WAIT, &json!({}));
    misplaced["metadata"]["annotations"] = asks.clone();
    let answer = stage.api.dry_create(&misplaced)?;
    let told = answer
        .warnings
        .iter()
        .find(|warning| warning.contains("template"));
    seen.held(
        "annotations on the Deployment in place of its pods are noticed",
        told.with_context(|| format!("no warning says so: {:?}", answer.warnings))?,
    );

    for (workload, kind) in [
        (stage.job(&namespace, "one", "app", WAIT, &asks), "Job"),
        (
            stage.deployment(&namespace, "two", "app", WAIT, &asks),
            "Deployment",
        ),
    ] {
        let answer = stage.api.dry_create(&workload)?;
        if !answer.is_fine() || answer.warnings.is_empty() {
            bail!(
                "a {kind} was answered with {} and {:?}",
                answer.status,
                answer.warnings
            );
        }
    }

    let wrong = json!({
        "vault.hashicorp.com/agent-inject": "true", "vault.hashicorp.com/role": "app",
        "vault.hashicorp.com/agent-limits-cpu": "much",
    });
    let answer = stage
        .api
        .dry_create(&stage.pod(&namespace, "wrong", "app", WAIT, &wrong))?;
    seen.require(
        !answer.is_fine()
            && answer
                .message()
                .contains("vault.hashicorp.com/agent-limits-cpu"),
        "a pod whose annotation cannot be read is denied by its name",
        answer.message(),
    )?;
    conditions(stage, seen, &namespace)
}

/// The expressions of webhooks and guard on pods that ask for nothing, in every way of not asking.
fn conditions(stage: &Stage, seen: &mut Seen, namespace: &str) -> Result<()> {
    let mut bare = stage.pod(namespace, "bare", "app", WAIT, &json!({}));
    let mut shapes = Vec::new();
    for annotations in [
        None,
        Some(Value::Null),
        Some(json!({})),
        Some(json!({"other": "true"})),
        Some(json!({"vault.hashicorp.com/agent-inject": "false"})),
        Some(json!({"vault.hashicorp.com/agent-inject": ""})),
    ] {
        match annotations {
            Some(annotations) => bare["metadata"]["annotations"] = annotations,
            None => {
                bare["metadata"]
                    .as_object_mut()
                    .map(|metadata| metadata.remove("annotations"));
            }
        }
        shapes.push(bare.clone());
    }
    for shape in &shapes {
        let answer = stage.api.dry_create(shape)?;
        let annotations = &shape["metadata"]["annotations"];
        if !answer.is_fine() {
            bail!(
                "a pod with the annotations {annotations} was refused: {}",
                answer.message()
            );
        }
        if !answer.body["spec"]["initContainers"].is_null() {
            bail!(
                "a pod with the annotations {annotations} was injected: {}",
                name(&answer.body)
            );
        }
    }
    seen.held(
        "pods without, with null, empty, other and false annotations pass unchanged",
        format!("{} of {}", shapes.len(), shapes.len()),
    );
    for truth in ["1", "t", "T", "TRUE", "true", "True"] {
        let asks =
            json!({"vault.hashicorp.com/agent-inject": truth, "vault.hashicorp.com/role": "app"});
        let answer = stage
            .api
            .dry_create(&stage.pod(namespace, "asks", "app", WAIT, &asks))?;
        if answer.body["spec"]["initContainers"][0]["name"] != "vault-agent" {
            bail!(
                "a pod with agent-inject {truth:?} was not injected: {}",
                answer.message()
            );
        }
    }
    seen.held("every way to write a true annotation is injected", "6 of 6");
    Ok(())
}
