//! The annotated applications: admitted, run, and their files read.

use std::process::Command;

use leasehold_e2e::Scene;
use leasehold_e2e::scene::SOON;
use leasehold_testkit::cluster::TokenSpec;
use leasehold_testkit::tools;
use serde_json::json;

use crate::sample::{prepare, runnable};

#[test]
fn nothing_is_to_be_said_about_the_samples() {
    let output = Command::new(tools::product("leasehold"))
        .args(["lint", "--strict", "-f"])
        .arg(tools::workspace().join("manifests/samples"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    assert!(
        said.contains("4 objects with a pod: 0 errors, 0 warnings"),
        "{said}"
    );
}

#[test]
fn database_gives_each_pod_a_login() {
    let scene = Scene::new().with_database("checkout-ro", "1h", "24h");
    scene.kubernetes_auth("kubernetes");
    prepare("database", &scene.bao, &[]);
    let pod = scene.run(&runnable("database"));
    pod.wait_running("app", SOON);
    pod.wait_until("the application has read its file", SOON, |_| {
        pod.logs("app").contains("connecting as v-")
    });
    assert_eq!(scene.leases("database/creds/checkout-ro/"), 1);
}

#[test]
fn tls_gives_a_certificate_with_its_key() {
    let scene = Scene::new();
    scene.kubernetes_auth("kubernetes");
    prepare("tls", &scene.bao, &[]);
    let pod = scene.run(&runnable("tls"));
    pod.wait_running("nginx", SOON);
    let file = pod.read("nginx", "/vault/secrets/tls.pem").unwrap();
    assert_eq!(
        file.matches("BEGIN CERTIFICATE").count(),
        2,
        "its own and the authority's"
    );
    assert_eq!(
        file.matches("PRIVATE KEY-----").count(),
        2,
        "a beginning and an end"
    );
}

#[test]
fn oidc_logs_in_without_a_reviewer() {
    let scene = Scene::new();
    let (issuer, authority) = (scene.cluster.address(), scene.cluster.ca_file());
    let variables = [
        ("ISSUER", issuer.as_str()),
        ("ISSUER_CA", authority.to_str().unwrap()),
    ];
    prepare("oidc", &scene.bao, &variables);
    let pod = scene.run(&runnable("oidc"));
    pod.wait_running("app", SOON);
    let file = pod.read("app", "/vault/secrets/config");
    assert_eq!(
        file.as_deref(),
        Some("api_key = change-me\n"),
        "{}",
        pod.story()
    );
}

#[test]
fn third_party_token_logs_in_with_what_a_sidecar_writes() {
    let scene = Scene::new();
    let (issuer, authority) = (scene.cluster.address(), scene.cluster.ca_file());
    let variables = [
        ("ISSUER", issuer.as_str()),
        ("ISSUER_CA", authority.to_str().unwrap()),
    ];
    prepare("third-party-token", &scene.bao, &variables);
    // The service that fetches tokens is the user's own: here it copies one.
    let token = scene
        .cluster
        .mint(&TokenSpec::new("finance", "ledger", &["ledger"]));
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "source"}, "stringData": {"token": token},
    });
    scene
        .cluster
        .put("", "v1", "secrets", Some("finance"), &secret);
    let mut workload = runnable("third-party-token");
    let spec = &mut workload["spec"]["template"]["spec"];
    let volumes = spec["volumes"].as_array_mut().unwrap();
    volumes.push(json!({"name": "source", "secret": {"secretName": "source"}}));
    let fetcher = &mut spec["initContainers"][0];
    fetcher["image"] = json!("busybox");
    let copy = format!(
        "cat /source/token > /tokens/.new; mv /tokens/.new /tokens/token.jwt; {}",
        leasehold_e2e::scene::WAIT
    );
    fetcher["command"] = json!(["/bin/sh", "-c", copy]);
    let mounts = fetcher["volumeMounts"].as_array_mut().unwrap();
    mounts.push(json!({"name": "source", "mountPath": "/source"}));
    let pod = scene.run(&workload);
    pod.wait_running("app", SOON);
    let file = pod.read("app", "/vault/secrets/ledger");
    assert_eq!(file.as_deref(), Some("change-me\n"), "{}", pod.story());
}
