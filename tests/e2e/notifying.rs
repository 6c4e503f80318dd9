//! An application that reloads its files on a signal hears of each change, from an agent in a container of its own.

use leasehold_e2e::Scene;
use leasehold_e2e::scene::{SOON, deployment};
use leasehold_testkit::wait;
use serde_json::{Value, json};

/// A server of a name of its own that notes each SIGUSR1, which nobody ignores who starts tests, as `nohup` does SIGHUP.
const SERVER: &str = "ln -s /bin/sh /tmp/server; exec /tmp/server -c '\
    trap \"echo heard\" USR1; trap \"exit 0\" TERM; echo listening; \
    while :; do sleep 0.1; done'";

fn secret(scene: &Scene, value: &str) {
    scene
        .bao
        .write("secret/data/app", &json!({"data": {"k": value}}));
}

fn workload() -> Value {
    let mut workload = deployment(
        "default",
        "app",
        SERVER,
        &json!({
            "vault.hashicorp.com/agent-inject": "true",
            "vault.hashicorp.com/role": "app",
            "vault.hashicorp.com/agent-share-process-namespace": "true",
            "vault.hashicorp.com/agent-run-as-same-user": "true",
            "vault.hashicorp.com/template-static-secret-render-interval": "1s",
            "vault.hashicorp.com/agent-inject-secret-app": "secret/data/app",
            "vault.hashicorp.com/agent-inject-template-app":
                "{{ with secret \"secret/data/app\" }}{{ .Data.data.k }}{{ end }}",
            "leasehold.dev/notify-signal": "SIGUSR1 server",
        }),
    );
    let container = "/spec/template/spec/containers/0";
    let container = workload
        .pointer_mut(container)
        .expect("a Deployment has a container");
    container["securityContext"] = json!({"runAsUser": 1000, "runAsGroup": 1000});
    workload
}

#[test]
fn a_server_in_another_container_is_signalled_by_its_name_after_a_change() {
    let scene = Scene::new();
    scene.kubernetes_auth("kubernetes");
    scene.bao.policy(
        "app",
        "path \"secret/data/app\" { capabilities = [\"read\"] }",
    );
    scene.bao.write(
        "auth/kubernetes/role/app",
        &json!({
            "bound_service_account_names": "app", "bound_service_account_namespaces": "default",
            "audience": "vault", "token_policies": "app", "token_ttl": "1h",
        }),
    );
    secret(&scene, "one");
    let pod = scene.run(&workload());
    pod.wait_running("app", SOON);
    let file = || pod.read("app", "/vault/secrets/app");
    let said = |word: &str| pod.logs("app").contains(word);
    wait::until_true("the server listens for signals", SOON, || said("listening"));
    assert_eq!(file().as_deref(), Some("one"));
    assert!(!said("heard"), "it has started with this file");
    secret(&scene, "two");
    let heard = wait::within(SOON, || said("heard").then_some(()));
    assert!(heard.is_some(), "{}", pod.story());
    assert_eq!(file().as_deref(), Some("two"));
}
