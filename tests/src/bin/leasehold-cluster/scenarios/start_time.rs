//! How much later an application starts when its pod is injected: plain, native and pair, by turns.
//!
//! The application writes its node's uptime as its first step, and the API server's answer to the pod's
//! creation is the beginning. All pods run on one node, so that the offset of the two clocks is the same for
//! all, and the differences count; a container's status has whole seconds only.

use std::time::Instant;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::report::Seen;
use crate::stage::{SOON, Stage};

const MOUNT: &str = "kubernetes-start";
/// What is promised for the native sidecar, in seconds after a plain pod.
const PROMISED: f64 = 0.25;
const KINDS: [&str; 3] = ["plain", "native", "pair"];

pub(crate) fn run(stage: &Stage, seen: &mut Seen) -> Result<()> {
    let namespace = stage.make_namespace("start", &["app"])?;
    let server = &stage.server;
    server.mount(
        "kv-start",
        &json!({"type": "kv", "options": {"version": "1"}}),
    )?;
    server.write("kv-start/app", &json!({"key": "value"}))?;
    server.kubernetes_auth(MOUNT)?;
    server.policy(
        "start",
        "path \"kv-start/app\" { capabilities = [\"read\"] }",
    )?;
    server.write(
        &format!("auth/{MOUNT}/role/app"),
        &json!({
            "bound_service_account_names": "app", "bound_service_account_namespaces": namespace,
            "audience": "vault", "token_policies": "start", "token_ttl": "1h",
        }),
    )?;
    let clock = Instant::now();
    let mut times: Vec<Vec<f64>> = vec![Vec::new(); KINDS.len()];
    // The first of each is not counted: the node unpacks and caches.
    for run in 0..=stage.options.runs {
        for (kind, times) in KINDS.iter().zip(&mut times) {
            let time = one(stage, &namespace, kind, clock)?;
            if run > 0 {
                times.push(time);
            }
        }
    }
    let medians: Vec<f64> = times.iter().map(|times| median(times)).collect();
    let [plain, native, pair] = medians[..] else {
        return Ok(());
    };
    let spread = |times: &[f64]| {
        let mut sorted: Vec<f64> = times.iter().map(|time| time - plain).collect();
        sorted.sort_by(f64::total_cmp);
        format!(
            "{:+.2} to {:+.2}",
            sorted.first().unwrap_or(&0.0),
            sorted.last().unwrap_or(&0.0)
        )
    };
    seen.held(
        "the application of a pair starts after that of a plain pod",
        format!(
            "{:+.2} s (median of {}; {} s)",
            pair - plain,
            stage.options.runs,
            spread(&times[2])
        ),
    );
    seen.held(
        "the spread of plain pods around their median",
        format!("{} s", spread(&times[0])),
    );
    seen.measured(
        native - plain <= PROMISED,
        "the application of a native pod starts at most 0.25 s after that of a plain one",
        format!(
            "{:+.2} s (median of {}; {} s)",
            native - plain,
            stage.options.runs,
            spread(&times[1])
        ),
    );
    Ok(())
}

/// The node's uptime at the application's first step, less this machine's clock at the creation.
fn one(stage: &Stage, namespace: &str, kind: &str, clock: Instant) -> Result<f64> {
    let annotations = match kind {
        "plain" => json!({}),
        mode => json!({
            "vault.hashicorp.com/agent-inject": "true", "vault.hashicorp.com/role": "app",
            "vault.hashicorp.com/auth-path": format!("auth/{MOUNT}"),
            "leasehold.dev/agent-mode": mode,
            "vault.hashicorp.com/agent-inject-secret-app": "kv-start/app",
        }),
    };
    let script =
        "read up rest < /proc/uptime; echo up $up; trap 'exit 0' TERM; while :; do sleep 0.2; done";
    let mut pod = stage.pod(namespace, kind, "app", script, &annotations);
    pod["spec"]["nodeSelector"] = json!({"kubernetes.io/hostname": hostname(stage)?});
    pod["spec"]["terminationGracePeriodSeconds"] = json!(1);
    let created = clock.elapsed().as_secs_f64();
    stage.api.create(&pod)?;
    let up = stage.until("the application has told its time", SOON, || {
        let said = stage.api.logs(namespace, kind, "app", false)?;
        Ok(said.strip_prefix("up ").map(|up| up.trim().to_owned()))
    })?;
    let up: f64 = up.parse().with_context(|| format!("{up:?} is no uptime"))?;
    stage.api.delete("Pod", namespace, kind)?;
    stage.until("the pod is gone", SOON, || {
        Ok(stage
            .api
            .find("Pod", namespace, kind)?
            .is_none()
            .then_some(()))
    })?;
    Ok(up - created)
}

fn hostname(stage: &Stage) -> Result<Value> {
    let node = stage.api.get("Node", "", &stage.cluster.node)?;
    Ok(node["metadata"]["labels"]["kubernetes.io/hostname"].clone())
}

fn median(times: &[f64]) -> f64 {
    let mut sorted = times.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}
