//! Certificates that never bite: the authority is replaced while admissions go on, and what somebody deletes or
//! edits heals by itself.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use leasehold_testkit::wait;
use serde_json::{Value, json};

use crate::helm::{CLUSTER_NAME, RELEASE};
use crate::report::Seen;
use crate::stage::{NAME, SOON, Stage, every};
use crate::workload::WAIT;

/// How often a pod is admitted.
const PACE: Duration = Duration::from_millis(200);
/// Longer than anything that is waited for meanwhile.
const LONGEST: Duration = Duration::from_secs(3600);

pub(crate) fn run(stage: &Stage, seen: &mut Seen) -> Result<()> {
    let namespace = stage.make_namespace("certificates", &["app"])?;
    let first = bundle(stage)?;
    seen.require(
        !first.is_empty()
            && all_equal(&webhooks(stage, "MutatingWebhookConfiguration")?)
            && webhooks(stage, "ValidatingWebhookConfiguration")?.first() == Some(&first),
        "two replicas agree on one authority, which both webhook configurations trust",
        format!("{} bytes of caBundle", first.len()),
    )?;

    let secret = secret_name(stage)?;
    let (tries, took) = steadily(stage, &namespace, || {
        let uid = stage.api.get("Secret", NAME, &secret)?["metadata"]["uid"].clone();
        let started = Instant::now();
        stage.api.delete("Secret", NAME, &secret)?;
        stage.until("another Secret is there, with an authority", SOON, || {
            let found = stage.api.find("Secret", NAME, &secret)?;
            Ok(found.filter(|found| {
                found["metadata"]["uid"] != uid
                    && found["data"]
                        .as_object()
                        .is_some_and(|data| !data.is_empty())
            }))
        })?;
        let took = started.elapsed();
        // Replicas that serve what was in the Secret before would show now.
        every(&stage.stop, PACE, Duration::from_secs(5), || Ok(()))?;
        Ok(took)
    })?;
    seen.held(
        "a deleted Secret comes back, and no admission fails meanwhile",
        format!("{:.1} s; {tries} pods injected", took.as_secs_f64()),
    );

    let started = Instant::now();
    let found = stage
        .api
        .get("MutatingWebhookConfiguration", "", CLUSTER_NAME)?;
    let mut hooks = found["webhooks"].clone();
    for hook in hooks.as_array_mut().into_iter().flatten() {
        hook["clientConfig"]["caBundle"] = json!("");
    }
    stage.api.patch(
        "MutatingWebhookConfiguration",
        "",
        CLUSTER_NAME,
        &json!({"webhooks": hooks}),
    )?;
    stage.until("the edited caBundle is right again", SOON, || {
        let answer = stage.api.dry_create(&asks(stage, &namespace))?;
        Ok((!bundle(stage)?.is_empty() && is_injected(&answer.body)).then_some(()))
    })?;
    seen.held(
        "an emptied caBundle is written again",
        format!("{:.1} s", started.elapsed().as_secs_f64()),
    );
    rotation(stage, seen, &namespace)
}

/// A short-lived authority is replaced by the next, while pods are admitted all the time.
fn rotation(stage: &Stage, seen: &mut Seen, namespace: &str) -> Result<()> {
    let before = bundle(stage)?;
    let deployment = stage.api.get("Deployment", NAME, RELEASE)?;
    let (injector, variables) = environment(&deployment)?;
    let mut short = variables.clone();
    for (name, value) in [
        ("AGENT_INJECT_TLS_AUTO_CA_LIFETIME", "60s"),
        ("AGENT_INJECT_TLS_AUTO_SERVING_LIFETIME", "20s"),
    ] {
        set(&mut short, name, value);
    }
    let (tries, changes) = steadily(stage, namespace, || {
        set_environment(stage, &injector, &short)?;
        // The running authority still has its year: a new one is made in its place.
        stage.api.delete("Secret", NAME, &secret_name(stage)?)?;
        let mut bundles = vec![before.clone()];
        stage.until(
            "the bundle has changed four times",
            Duration::from_secs(240),
            || {
                let now = bundle(stage)?;
                if bundles.last() != Some(&now) {
                    bundles.push(now);
                }
                Ok((bundles.len() > 4).then_some(()))
            },
        )?;
        let changes = bundles.len() - 1;
        set_environment(stage, &injector, &variables)?;
        Ok(changes)
    })?;
    seen.held(
        "an authority of 60 s is replaced again and again, through two rollouts, and no admission fails",
        format!("{changes} changes of the bundle, {tries} pods injected, 0 failed"),
    );
    Ok(())
}

/// Admits a pod every 200 ms while `during` runs; each must be injected.
pub(crate) fn steadily<T>(
    stage: &Stage,
    namespace: &str,
    during: impl FnOnce() -> Result<T>,
) -> Result<(usize, T)> {
    let (ended, tries) = (AtomicBool::new(false), AtomicUsize::new(0));
    let pod = asks(stage, namespace);
    thread::scope(|scope| {
        let admitting = scope.spawn(|| {
            let admitted = wait::try_every(PACE, LONGEST, || {
                if ended.load(Ordering::Relaxed) {
                    return Err(None);
                }
                let answer = stage.api.dry_create(&pod).map_err(Some)?;
                if !is_injected(&answer.body) {
                    return Err(Some(anyhow!(
                        "admission {} failed with {}: {}",
                        tries.load(Ordering::Relaxed) + 1,
                        answer.status,
                        answer.message()
                    )));
                }
                tries.fetch_add(1, Ordering::Relaxed);
                Ok(())
            });
            // No error is how it ends.
            admitted.err().flatten()
        });
        let result = during();
        ended.store(true, Ordering::Relaxed);
        let failed = admitting
            .join()
            .map_err(|_| anyhow!("the thread that admits panicked"))?;
        if let Some(failed) = failed {
            return Err(failed);
        }
        Ok((tries.load(Ordering::Relaxed), result?))
    })
}

/// Waits until the API server calls both webhooks: what it knows of them is a moment old.
pub(crate) fn await_webhooks(stage: &Stage) -> Result<()> {
    let typo = json!({
        "vault.hashicorp.com/agent-inject": "true", "vault.hashicorp.com/rolle": "app",
    });
    let deployment = stage.deployment(NAME, "typo", "default", WAIT, &typo);
    let mut pod = asks(stage, NAME);
    pod["spec"]["serviceAccountName"] = json!("default");
    stage.until("the API server calls both webhooks", SOON, || {
        let injected = is_injected(&stage.api.dry_create(&pod)?.body);
        let warned = !stage.api.dry_create(&deployment)?.warnings.is_empty();
        Ok((injected && warned).then_some(()))
    })
}

fn asks(stage: &Stage, namespace: &str) -> Value {
    let annotations = json!({
        "vault.hashicorp.com/agent-inject": "true", "vault.hashicorp.com/role": "app",
        "vault.hashicorp.com/agent-inject-secret-db": "secret/data/db",
    });
    stage.pod(namespace, "steady", "app", WAIT, &annotations)
}

fn is_injected(pod: &Value) -> bool {
    pod["spec"]["initContainers"][0]["name"] == "vault-agent"
}

/// The bundle of the webhook that injects.
fn bundle(stage: &Stage) -> Result<String> {
    Ok(webhooks(stage, "MutatingWebhookConfiguration")?
        .into_iter()
        .next()
        .unwrap_or_default())
}

/// The bundles of a configuration's webhooks.
pub(crate) fn webhooks(stage: &Stage, kind: &str) -> Result<Vec<String>> {
    let found = stage.api.get(kind, "", CLUSTER_NAME)?;
    let hooks = found["webhooks"].as_array().cloned().unwrap_or_default();
    let bundles = hooks.iter().map(|hook| {
        hook["clientConfig"]["caBundle"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    });
    Ok(bundles.collect())
}

fn all_equal(list: &[String]) -> bool {
    list.windows(2).all(|pair| pair[0] == pair[1])
}

/// The Secret of the release's authority.
fn secret_name(stage: &Stage) -> Result<String> {
    let deployment = stage.api.get("Deployment", NAME, RELEASE)?;
    let (_, variables) = environment(&deployment)?;
    let name = variables
        .iter()
        .find(|one| one["name"] == "AGENT_INJECT_TLS_AUTO_SECRET");
    let name = name
        .and_then(|one| one["value"].as_str())
        .context("the injector is told its Secret's name")?;
    Ok(name.to_owned())
}

/// The name of the injector's container, and its variables.
fn environment(deployment: &Value) -> Result<(String, Vec<Value>)> {
    let container = &deployment["spec"]["template"]["spec"]["containers"][0];
    let variables = container["env"]
        .as_array()
        .cloned()
        .context("the injector has variables")?;
    Ok((
        container["name"].as_str().unwrap_or_default().to_owned(),
        variables,
    ))
}

fn set(variables: &mut Vec<Value>, name: &str, value: &str) {
    variables.retain(|one| one["name"] != name);
    variables.push(json!({"name": name, "value": value}));
}

/// Changes the injector's variables and waits for the rollout.
fn set_environment(stage: &Stage, container: &str, variables: &[Value]) -> Result<()> {
    let mut deployment = stage.api.get("Deployment", NAME, RELEASE)?;
    let containers = &mut deployment["spec"]["template"]["spec"]["containers"];
    for found in containers.as_array_mut().into_iter().flatten() {
        if found["name"] == container {
            found["env"] = json!(variables);
        }
    }
    let containers = containers.clone();
    let patch = json!({"spec": {"template": {"spec": {"containers": containers}}}});
    stage.api.patch("Deployment", NAME, RELEASE, &patch)?;
    stage.until(
        "the injector is rolled out",
        Duration::from_secs(180),
        || {
            let now = stage.api.get("Deployment", NAME, RELEASE)?;
            let wanted = now["spec"]["replicas"].as_u64();
            let status = &now["status"];
            // A replica that is leaving still does its part for the authority, by the settings it
            // began with.
            let labels = "leasehold.dev/part=injector";
            let pods = stage.api.list("Pod", NAME, labels)?;
            let done = status["observedGeneration"] == now["metadata"]["generation"]
                && status["updatedReplicas"].as_u64() == wanted
                && status["readyReplicas"].as_u64() == wanted
                && Some(pods.len() as u64) == wanted;
            Ok(done.then_some(()))
        },
    )
}
