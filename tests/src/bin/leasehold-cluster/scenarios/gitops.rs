//! What Argo CD and Flux do: apply the rendered chart, let the injector run, and look whether applying it again
//! would change anything.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::helm::Helm;
use crate::report::Seen;
use crate::stage::{self, LABEL, NAME, Stage, name, namespace_of};

/// Under which name Argo CD applies.
const MANAGER: &str = "argocd-controller";

pub(crate) fn run(stage: &Stage, helm: &Helm, seen: &mut Seen) -> Result<()> {
    let namespace = Stage::namespace("gitops");
    stage::make_namespace(&stage.api, &namespace)?;
    let values = json!({"injector": {
        "autoscaling": {"enabled": true},
        "networkPolicy": {"enabled": true},
        // By value, since whoever renders without a cluster knows no capabilities.
        "guard": {"enabled": stage.cluster.version >= (1, 30)},
        // Nobody's pods: the release of the other scenarios injects ours.
        "webhook": {"namespaceSelector": {"matchLabels": {LABEL: "gitops"}}},
    }});
    let render = || {
        helm.render(
            &stage.options.chart,
            &namespace,
            stage.cluster.version,
            &values,
        )
    };
    let objects = render()?;
    seen.require(
        objects == render()?,
        "rendering twice gives the same",
        format!("{} objects", objects.len()),
    )?;
    let deployment = only(&objects, "Deployment")?;
    seen.require(
        deployment["spec"]["replicas"].is_null(),
        "with the autoscaler on the Deployment names no replicas",
        name(deployment),
    )?;
    for object in &objects {
        let answer = stage.api.apply(object, MANAGER, false)?;
        if !answer.is_fine() {
            bail!(
                "applying {} was refused: {}",
                title(object),
                answer.message()
            );
        }
    }
    let result = settled(stage, &namespace, &objects).and_then(|()| {
        let changed = drift(stage, &objects, MANAGER)?;
        seen.require(
            changed.is_empty(),
            "a second server-side apply, as Argo CD's, changes nothing",
            if changed.is_empty() {
                format!("{} of {} objects unchanged", objects.len(), objects.len())
            } else {
                changed.join("; ")
            },
        )?;
        for object in &objects {
            stage.api.apply(object, MANAGER, false)?;
        }
        settled(stage, &namespace, &objects).context("after the second apply")
    });
    for object in objects.iter().rev() {
        stage.api.delete(
            object["kind"].as_str().unwrap_or_default(),
            namespace_of(object),
            name(object),
        )?;
    }
    result?;
    seen.held(
        "applied again for good, the bundle and the authority are still there",
        MANAGER,
    );

    // Flux installs with Helm, and looks for drift by a dry run of the release's objects.
    let released = helm.render(
        &stage.options.chart,
        NAME,
        stage.cluster.version,
        &json!({}),
    )?;
    let changed = drift(stage, &released, "helm-controller")?;
    seen.require(
        changed.is_empty(),
        "a dry run over the installed release, as Flux's, changes nothing",
        if changed.is_empty() {
            format!("{} of {} objects unchanged", released.len(), released.len())
        } else {
            changed.join("; ")
        },
    )
}

/// Waits until the injector has written what it writes.
fn settled(stage: &Stage, namespace: &str, objects: &[Value]) -> Result<()> {
    let (deployment, hook, secret) = (
        only(objects, "Deployment")?,
        only(objects, "MutatingWebhookConfiguration")?,
        only(objects, "Secret")?,
    );
    stage
        .until(
            "the applied injector is ready, and authority and bundle are written",
            Duration::from_secs(180),
            || {
                let status =
                    stage.api.get("Deployment", namespace, name(deployment))?["status"].clone();
                let hook = stage
                    .api
                    .get("MutatingWebhookConfiguration", "", name(hook))?;
                let secret = stage.api.get("Secret", namespace, name(secret))?;
                let bundle = hook["webhooks"][0]["clientConfig"]["caBundle"]
                    .as_str()
                    .unwrap_or_default()
                    .len();
                let done = status["readyReplicas"].as_u64().unwrap_or(0) > 0
                    && status["readyReplicas"] == status["replicas"]
                    && bundle > 0
                    && secret["data"]
                        .as_object()
                        .is_some_and(|data| !data.is_empty());
                Ok(done.then_some(()))
            },
        )
        .with_context(|| stage.story(namespace))
}

/// The objects that applying would change, with the fields.
fn drift(stage: &Stage, objects: &[Value], manager: &str) -> Result<Vec<String>> {
    let mut changed = Vec::new();
    for object in objects {
        let kind = object["kind"].as_str().unwrap_or_default();
        let live = stage.api.get(kind, namespace_of(object), name(object))?;
        let answer = stage.api.apply(object, manager, true)?;
        if !answer.is_fine() {
            changed.push(format!("{}: {}", title(object), answer.message()));
            continue;
        }
        let mut fields = Vec::new();
        differences("", &live, &answer.body, &mut fields);
        if !fields.is_empty() {
            changed.push(format!("{}: {}", title(object), fields.join(", ")));
        }
    }
    Ok(changed)
}

/// Where two objects differ, apart from what the API server itself counts and others report.
fn differences(path: &str, one: &Value, other: &Value, found: &mut Vec<String>) {
    if [
        "/metadata/managedFields",
        "/metadata/resourceVersion",
        "/status",
    ]
    .contains(&path)
    {
        return;
    }
    match (one, other) {
        (Value::Object(one), Value::Object(other)) => {
            let mut names: Vec<&String> = one.keys().chain(other.keys()).collect();
            names.sort();
            names.dedup();
            for name in names {
                let (left, right) = (one.get(name), other.get(name));
                let path = format!("{path}/{name}");
                differences(
                    &path,
                    left.unwrap_or(&Value::Null),
                    right.unwrap_or(&Value::Null),
                    found,
                );
            }
        }
        (one, other) if one == other => {}
        _ => found.push(path.to_owned()),
    }
}

fn only<'a>(objects: &'a [Value], kind: &str) -> Result<&'a Value> {
    objects
        .iter()
        .find(|object| object["kind"] == kind)
        .with_context(|| format!("the chart renders no {kind}"))
}

fn title(object: &Value) -> String {
    format!(
        "{} {}",
        object["kind"].as_str().unwrap_or_default(),
        name(object)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_named_by_their_fields() {
        let mut found = Vec::new();
        let one =
            json!({"metadata": {"name": "a", "resourceVersion": "1"}, "spec": {"a": 1, "b": [1]}});
        let other =
            json!({"metadata": {"name": "a", "resourceVersion": "2"}, "spec": {"a": 2, "c": 1}});
        differences("", &one, &other, &mut found);
        assert_eq!(found, ["/spec/a", "/spec/b", "/spec/c"]);
    }
}
