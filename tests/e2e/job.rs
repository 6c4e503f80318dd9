//! A short-lived application: its pod ends by itself, and nothing of it stays on the server.

use std::time::Duration;

use leasehold_e2e::Scene;
use leasehold_e2e::scene::{SOON, deployment};
use leasehold_testkit::pod::Phase;
use leasehold_testkit::wait;
use serde_json::{Value, json};

fn scene() -> Scene {
    let scene = Scene::new().with_database("report", "1h", "24h");
    scene.kubernetes_auth("kubernetes");
    scene.bao.policy(
        "report",
        "path \"database/creds/report\" { capabilities = [\"read\"] }",
    );
    scene.bao.write(
        "auth/kubernetes/role/report",
        &json!({
            "bound_service_account_names": "report", "bound_service_account_namespaces": "batch",
            "audience": "vault", "token_policies": "report", "token_ttl": "1h",
        }),
    );
    scene
}

fn job(script: &str, annotations: &Value) -> Value {
    let mut all = json!({
        "vault.hashicorp.com/agent-inject": "true",
        "vault.hashicorp.com/role": "report",
        "vault.hashicorp.com/agent-inject-secret-db": "database/creds/report",
    });
    for (name, value) in annotations.as_object().unwrap() {
        all[name] = value.clone();
    }
    let mut workload = deployment("batch", "report", script, &all);
    workload["kind"] = json!("Job");
    workload["apiVersion"] = json!("batch/v1");
    workload["spec"]["template"]["spec"]["restartPolicy"] = json!("Never");
    workload
}

#[test]
fn a_native_sidecar_lets_the_pod_end_and_revokes_its_lease() {
    let scene = scene();
    let pod = scene.run(&job("cat /vault/secrets/db", &json!({})));
    let status = pod.wait_ended(SOON);
    assert_eq!(status.phase, Phase::Succeeded, "{}", pod.story());
    assert!(pod.logs("app").contains("username: "), "{}", pod.story());
    assert_eq!(status.container("vault-agent").exits, [0]);
    wait::until_true("the user is gone", SOON, || {
        scene.postgres().users().is_empty()
    });
    assert_eq!(scene.leases("database/creds/report/"), 0);
}

#[test]
fn a_failing_job_fails_and_its_lease_is_revoked_as_well() {
    let scene = scene();
    let pod = scene.run(&job("test -s /vault/secrets/db && exit 7", &json!({})));
    let status = pod.wait_ended(SOON);
    assert_eq!(status.phase, Phase::Failed, "{}", pod.story());
    assert_eq!(status.container("app").exits, [7]);
    wait::until_true("the user is gone", SOON, || {
        scene.postgres().users().is_empty()
    });
}

#[test]
fn as_a_pair_the_sidecar_keeps_the_pod_running_as_it_always_did() {
    let mut scene = scene();
    scene.flags.push("--agent-mode=pair".to_owned());
    let pod = scene.run(&job("cat /vault/secrets/db", &json!({})));
    pod.wait_until("the app has ended", SOON, |status| {
        status.container("app").exits == [0] && status.container("vault-agent").is_running()
    });
    assert_eq!(pod.status().container("vault-agent-init").exits, [0]);
    wait::every(Duration::from_millis(200), Duration::from_secs(3), || {
        let status = pod.status();
        assert_eq!(status.phase, Phase::Running, "{}", pod.story());
        assert!(
            status.container("vault-agent").is_running(),
            "{}",
            pod.story()
        );
    });
    assert_eq!(
        scene.requests_to("database/creds/report").len(),
        1,
        "the sidecar takes over what the init container fetched"
    );
    pod.delete(None, SOON);
    assert_eq!(
        scene.postgres().users().len(),
        1,
        "a pair revokes only when it is told to"
    );
}

#[test]
fn with_pre_populate_only_the_pod_ends_and_keeps_its_lease() {
    let scene = scene();
    let annotations = json!({"vault.hashicorp.com/agent-pre-populate-only": "true"});
    let pod = scene.run(&job("cat /vault/secrets/db", &annotations));
    let status = pod.wait_ended(SOON);
    assert_eq!(status.phase, Phase::Succeeded, "{}", pod.story());
    assert_eq!(scene.postgres().users().len(), 1);
}
