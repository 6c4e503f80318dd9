//! JWT auth against the cluster's own OIDC discovery, with its own certificate authority.

use leasehold_e2e::Scene;
use leasehold_e2e::scene::{SOON, WAIT, deployment};
use serde_json::{Value, json};

fn scene() -> Scene {
    let scene = Scene::new();
    scene.bao.must(
        "POST",
        "sys/mounts/kvv2",
        &json!({"type": "kv", "options": {"version": "2"}}),
    );
    scene
        .bao
        .write("kvv2/data/app", &json!({"data": {"key": "value"}}));
    scene.bao.policy(
        "dev",
        "path \"kvv2/data/app\" { capabilities = [\"read\"] }",
    );
    scene
        .bao
        .must("POST", "sys/auth/jwt-dev", &json!({"type": "jwt"}));
    scene.bao.write(
        "auth/jwt-dev/config",
        &json!({
            "oidc_discovery_url": scene.cluster.address(),
            "oidc_discovery_ca_pem": scene.cluster.ca(),
            "default_role": "dev",
        }),
    );
    scene.bao.write(
        "auth/jwt-dev/role/dev",
        &json!({
            "role_type": "jwt", "user_claim": "sub", "bound_audiences": "vault-dev",
            "bound_subject": "system:serviceaccount:dev:app", "token_policies": "dev",
            "token_ttl": "1h",
        }),
    );
    scene
}

fn app(account: &str, template: &str) -> Value {
    deployment(
        "dev",
        account,
        WAIT,
        &json!({
            "vault.hashicorp.com/agent-inject": "true",
            "vault.hashicorp.com/auth-type": "jwt",
            "vault.hashicorp.com/auth-path": "auth/jwt-dev",
            "leasehold.dev/token-audience": "vault-dev",
            "vault.hashicorp.com/agent-inject-secret-app": "kvv2/data/app",
            "vault.hashicorp.com/agent-inject-template-app": template,
        }),
    )
}

const READ: &str = "{{ with secret \"kvv2/data/app\" }}{{ .Data.data.key }}{{ end }}";

#[test]
fn without_a_role_the_mounts_default_role_is_used() {
    let scene = scene();
    let pod = scene.run(&app("app", READ));
    pod.wait_running("app", SOON);
    assert_eq!(
        pod.read("app", "/vault/secrets/app").as_deref(),
        Some("value")
    );
    // The rotated token logs in as well: the agent reads the file anew each time.
    pod.rotate_tokens();
    assert!(pod.status().container("vault-agent").is_running());
}

#[test]
fn another_subject_is_refused_in_words() {
    let scene = scene();
    let pod = scene.run(&app("other", READ));
    pod.wait_until("the agent tells the refusal", SOON, |_| {
        let said = pod.logs("vault-agent");
        said.contains("auth/jwt-dev") && said.contains("sub") && said.contains("other")
    });
    assert_eq!(pod.status().container("app").starts, 0);
}

#[test]
fn a_write_to_another_path_is_refused() {
    let scene = scene();
    let write = "{{ with secret \"kvv2/data/other\" \"data=x\" }}{{ .Data.version }}{{ end }}";
    let pod = scene.run(&app("app", write));
    pod.wait_until("the agent tells the refusal", SOON, |_| {
        let said = pod.logs("vault-agent");
        said.contains("kvv2/data/other") && said.contains("403")
    });
    assert_eq!(pod.status().container("app").starts, 0);
}

#[test]
fn keys_out_of_the_servers_reach_are_told_in_words() {
    let mut scene = scene();
    let pod = scene.admit(&app("app", READ)).admitted();
    let pod = leasehold_testkit::Pod::start(&scene.cluster, &pod, Default::default());
    // Whoever logged in before has the keys in the server's memory.
    pod.wait_running("app", SOON);
    drop(pod);
    let admitted = scene.admit(&app("app", READ)).admitted();
    scene.cluster.stop();
    scene.bao.write(
        "auth/jwt-dev/role/touch",
        &json!({"role_type": "jwt", "user_claim": "sub",
        "bound_audiences": "x"}),
    );
    scene.bao.must(
        "POST",
        "sys/plugins/reload/backend",
        &json!({"mounts": "auth/jwt-dev/"}),
    );
    let pod = leasehold_testkit::Pod::start(&scene.cluster, &admitted, Default::default());
    pod.wait_until("the agent tells why", SOON, |_| {
        let said = pod.logs("vault-agent");
        said.contains("auth/jwt-dev") && said.contains("refused")
    });
}
