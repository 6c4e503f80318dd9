//! A token that a service of the pod's own writes, late and again and again.

use std::time::Duration;

use leasehold_e2e::Scene;
use leasehold_e2e::scene::{SOON, WAIT, deployment};
use leasehold_testkit::cluster::TokenSpec;
use leasehold_testkit::openbao::{Settings, Storage, Transport};
use leasehold_testkit::pod::{Options, Pod};
use leasehold_testkit::wait;
use serde_json::{Value, json};

fn scene() -> Scene {
    let settings = Settings {
        storage: Storage::Development,
        transport: Transport::Tls,
    };
    let scene = Scene::with(settings);
    scene.bao.write("secret/data/app", &json!({"data": {}}));
    scene.bao.must(
        "POST",
        "sys/mounts/kv",
        &json!({"type": "kv", "options": {"version": "1"}}),
    );
    scene
        .bao
        .write("kv/app", &json!({"some-password": "correct horse"}));
    scene
        .bao
        .policy("app", "path \"kv/app\" { capabilities = [\"read\"] }");
    scene
        .bao
        .must("POST", "sys/auth/jwt", &json!({"type": "jwt"}));
    scene.bao.write(
        "auth/jwt/config",
        &json!({
            "oidc_discovery_url": scene.cluster.address(),
            "oidc_discovery_ca_pem": scene.cluster.ca(),
        }),
    );
    scene.bao.write(
        "auth/jwt/role/app",
        &json!({
            "role_type": "jwt", "user_claim": "sub", "bound_audiences": "third-party",
            "token_policies": "app", "token_ttl": "8s", "token_max_ttl": "15s",
        }),
    );
    scene
}

/// Writes the token after three seconds, and a fresh name of it every two seconds.
const WRITER: &str = "trap 'exit 0' TERM; sleep 3; while :; do \
                      cat /source/token > /tokens/.new && mv /tokens/.new /tokens/token.jwt; \
                      sleep 2; done";

enum Writer {
    Sidecar,
    App,
}

fn workload(writer: &Writer) -> Value {
    let mount = json!([{
        "op": "add", "path": "/volumeMounts/-",
        "value": {"name": "tokens", "mountPath": "/tokens", "readOnly": true},
    }])
    .to_string();
    let mut workload = deployment(
        "default",
        "app",
        WAIT,
        &json!({
            "vault.hashicorp.com/agent-inject": "true",
            "vault.hashicorp.com/role": "app",
            "vault.hashicorp.com/auth-type": "jwt",
            "vault.hashicorp.com/auth-path": "auth/jwt",
            "vault.hashicorp.com/auth-config-path": "/tokens/token.jwt",
            "vault.hashicorp.com/tls-skip-verify": "true",
            "vault.hashicorp.com/secret-volume-path": "/app/secrets",
            "vault.hashicorp.com/agent-json-patch": mount,
            "vault.hashicorp.com/agent-init-json-patch": mount,
            "vault.hashicorp.com/agent-inject-secret-pass": "kv/app",
            "vault.hashicorp.com/agent-inject-template-pass":
                "{{ with secret \"kv/app\" }}{{ index .Data \"some-password\" }}{{ end }}",
        }),
    );
    let spec = &mut workload["spec"]["template"]["spec"];
    spec["volumes"] = json!([
        {"name": "tokens", "emptyDir": {"medium": "Memory"}},
        {"name": "source", "secret": {"secretName": "third-party"}},
    ]);
    let mut container = json!({
        "name": "token-writer", "image": "busybox", "command": ["/bin/sh", "-c", WRITER],
        "volumeMounts": [
            {"name": "tokens", "mountPath": "/tokens"}, {"name": "source", "mountPath": "/source"},
        ],
    });
    match writer {
        Writer::Sidecar => {
            container["restartPolicy"] = json!("Always");
            spec["initContainers"] = json!([container]);
        }
        Writer::App => spec["containers"].as_array_mut().unwrap().push(container),
    }
    workload
}

/// The token that the third party hands out, for longer than the test.
fn hand_out(scene: &Scene) {
    let spec = TokenSpec::new("default", "app", &["third-party"]);
    let token = scene.cluster.mint(&spec);
    scene.cluster.put(
        "",
        "v1",
        "secrets",
        Some("default"),
        &json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "third-party"},
            "stringData": {"token": token},
        }),
    );
}

#[test]
fn a_token_written_late_by_a_sidecar_before_ours_is_awaited_and_followed() {
    let scene = scene();
    hand_out(&scene);
    let pod = scene.run(&workload(&Writer::Sidecar));
    pod.wait_running("app", SOON);
    let file = || pod.read("app", "/app/secrets/pass");
    assert_eq!(file().as_deref(), Some("correct horse"));
    let names: Vec<String> = pod
        .status()
        .containers
        .iter()
        .map(|one| one.name.clone())
        .collect();
    assert_eq!(
        names,
        ["token-writer", "vault-agent", "app"],
        "the writer comes first"
    );
    // Past the login token's max TTL: a second login with the file as it is then.
    wait::every(Duration::from_millis(500), Duration::from_secs(20), || {
        assert!(
            pod.read("app", "/app/secrets/pass").is_some(),
            "{}",
            pod.story()
        );
    });
    assert!(
        scene.requests_to("auth/jwt/login").len() >= 2,
        "{}",
        pod.story()
    );
    let token = pod.exec("token-writer", &["test", "-s", "/tokens/token.jwt"]);
    assert!(
        token.status.success(),
        "the token is never deleted from a read-only mount"
    );
    let agent = pod.status().container("vault-agent").clone();
    assert_eq!(agent.starts, 1, "{}", pod.story());
    let complaints = pod.logs("vault-agent").matches("token.jwt").count();
    assert!(
        complaints < 10,
        "it complains {complaints} times\n{}",
        pod.story()
    );
}

#[test]
fn a_token_written_by_an_app_container_cannot_come_in_time_and_that_is_said() {
    let scene = scene();
    hand_out(&scene);
    let admission = scene.admit(&workload(&Writer::App));
    let pod = admission.pod.expect("it is warned about, not denied");
    let found = pod["metadata"]["annotations"]["leasehold.dev/findings"].to_string();
    let told = admission.warnings.join("\n") + &found;
    for word in [
        "vault.hashicorp.com/auth-config-path",
        "token-writer",
        "too late",
    ] {
        assert!(
            told.contains(word),
            "{word:?} is not in the findings: {told}"
        );
    }
    let pod = Pod::start(&scene.cluster, &pod, Options::default());
    let status = pod.wait_until("the hook gives up at its deadline", SOON, |status| {
        status.container("vault-agent").hook_failures >= 1
    });
    assert_eq!(status.container("app").starts, 0);
    pod.wait_until(
        "the log says who would have to write the file",
        SOON,
        |_| {
            let said = pod.logs("vault-agent");
            said.contains("/tokens/token.jwt") && said.contains("token-writer")
        },
    );
}
