//! A service with database credentials of its own: logs in with an audience-scoped token, gets a
//! user that no other pod has, and takes it along when it leaves.

use std::time::Duration;

use leasehold_e2e::Scene;
use leasehold_e2e::scene::{SOON, WAIT, deployment, value_of};
use leasehold_testkit::cluster::TokenSpec;
use leasehold_testkit::pod::Phase;
use leasehold_testkit::wait;
use serde_json::{Value, json};

const MOUNT: &str = "kubernetes-eks-prod-cin";
const TEMPLATE: &str = "{{ with secret \"database/creds/checkout-ro\" -}}\n\
                        DB_USER={{ .Data.username }}\nDB_PASS={{ .Data.password }}\n{{ end }}";

fn scene() -> Scene {
    let scene = Scene::new().with_database("checkout-ro", "1h", "24h");
    scene.kubernetes_auth(MOUNT);
    scene.bao.policy(
        "checkout",
        "path \"database/creds/checkout-ro\" { capabilities = [\"read\"] }",
    );
    role(&scene, &json!({}));
    scene
}

/// Writes the role, with some of its fields otherwise.
fn role(scene: &Scene, fields: &Value) {
    let mut role = json!({
        "bound_service_account_names": "checkout-sa",
        "bound_service_account_namespaces": "payments",
        "audience": "vault", "token_policies": "checkout", "token_ttl": "1h",
    });
    for (name, value) in fields.as_object().unwrap() {
        role[name] = value.clone();
    }
    scene
        .bao
        .write(&format!("auth/{MOUNT}/role/checkout"), &role);
}

/// The Deployment as its owner wrote it: it brings its own projected token.
fn checkout(script: &str) -> Value {
    let mut workload = deployment(
        "payments",
        "checkout-sa",
        script,
        &json!({
            "vault.hashicorp.com/agent-inject": "true",
            "vault.hashicorp.com/role": "checkout",
            "vault.hashicorp.com/auth-path": format!("auth/{MOUNT}"),
            "vault.hashicorp.com/agent-inject-secret-db.env": "database/creds/checkout-ro",
            "vault.hashicorp.com/agent-inject-template-db.env": TEMPLATE,
        }),
    );
    let spec = &mut workload["spec"]["template"]["spec"];
    spec["volumes"] = json!([{"name": "vault-token", "projected": {"sources": [
        {"serviceAccountToken": {"path": "token", "audience": "vault", "expirationSeconds": 600}},
    ]}}]);
    spec["containers"][0]["volumeMounts"] =
        json!([{"name": "vault-token", "mountPath": "/var/run/secrets/vault", "readOnly": true}]);
    workload
}

#[test]
fn each_pod_has_a_database_user_of_its_own_that_goes_when_it_goes() {
    let scene = scene();
    let workload = checkout(&format!("cat /vault/secrets/db.env; {WAIT}"));
    let one = scene.run(&workload);
    let other = scene.run(&workload);
    let mut users = Vec::new();
    for pod in [&one, &other] {
        pod.wait_running("app", SOON);
        let file = pod
            .read("app", "/vault/secrets/db.env")
            .expect("the app finds its file");
        let (user, password) = (
            value_of(&file, "DB_USER").unwrap(),
            value_of(&file, "DB_PASS").unwrap(),
        );
        assert_eq!(scene.postgres().log_in(&user, &password), Ok(()));
        wait::until_true("the app read its file at its first step", SOON, || {
            pod.logs("app").contains(&user)
        });
        let said = pod.logs("vault-agent");
        assert!(
            !said.contains(&password),
            "the agent's log holds the password"
        );
        users.push(user);
    }
    users.sort();
    assert_eq!(scene.postgres().users(), users, "two pods, two users");
    assert_eq!(scene.leases("database/creds/checkout-ro/"), 2);

    let mine = value_of(
        &one.read("app", "/vault/secrets/db.env").unwrap(),
        "DB_USER",
    )
    .unwrap();
    let ended = one.delete(None, SOON);
    assert_eq!(ended.phase, Phase::Deleted);
    let left: Vec<String> = users.into_iter().filter(|user| *user != mine).collect();
    wait::until_true(
        "the first pod's user is gone and the other's is not",
        SOON,
        || scene.postgres().users() == left,
    );
    assert_eq!(scene.leases("database/creds/checkout-ro/"), 1);
    let agent = ended.container("vault-agent");
    let took = agent.last_exit.unwrap() - agent.asked_to_stop.unwrap();
    assert!(
        took < Duration::from_secs(3),
        "leaving took {took:?}\n{}",
        one.story()
    );
    assert_eq!(agent.exits, [0], "{}", one.story());
}

#[test]
fn the_pod_logs_in_once_with_the_audience_it_was_given() {
    let scene = scene();
    let pod = scene.run(&checkout(WAIT));
    pod.wait_running("app", SOON);
    assert_eq!(scene.requests_to(&format!("auth/{MOUNT}/login")).len(), 1);
    assert_eq!(scene.requests_to("database/creds/checkout-ro").len(), 1);
    let container = pod.status().container("vault-agent").clone();
    assert_eq!(
        (container.starts, container.hook_failures),
        (1, 0),
        "{}",
        pod.story()
    );
    if pod.limits().is_empty() {
        let id = pod.exec(
            "app",
            &["sh", "-c", "grep Uid /proc/$(pgrep -n sleep)/status; true"],
        );
        assert!(id.status.success());
    }
}

/// Runs a pod that cannot log in, and gives what its agent says.
fn refusal(scene: &Scene, workload: &Value, server_text: &str) -> String {
    let pod = scene.run(workload);
    pod.wait_until("the agent tells the server's words", SOON, |_| {
        pod.logs("vault-agent").contains(server_text)
    });
    let said = pod.logs("vault-agent");
    assert!(
        !pod.status().container("app").is_running(),
        "the app was not let in"
    );
    // What kubectl describe shows.
    let status = pod.wait_until("the agent is restarted by its hook", SOON, |status| {
        !status.container("vault-agent").exits.is_empty()
    });
    let message = &status.container("vault-agent").message;
    assert!(
        message.contains(server_text),
        "the termination message is {message:?}"
    );
    said
}

fn contains_all(said: &str, words: &[&str]) {
    for word in words {
        assert!(said.contains(word), "{word:?} is not in:\n{said}");
    }
}

#[test]
fn a_refused_audience_is_told_with_the_one_that_the_role_wants() {
    let scene = scene();
    role(&scene, &json!({"audience": "vault-prod"}));
    let said = refusal(&scene, &checkout(WAIT), "invalid audience (aud) claim");
    contains_all(
        &said,
        &[
            "payments",
            "checkout-sa",
            "checkout",
            MOUNT,
            "vault",
            "audience",
        ],
    );
}

#[test]
fn a_refused_namespace_is_told_with_the_pods_own() {
    let scene = scene();
    role(
        &scene,
        &json!({"bound_service_account_namespaces": "billing"}),
    );
    let said = refusal(&scene, &checkout(WAIT), "namespace not authorized");
    contains_all(&said, &["payments", "checkout-sa", "checkout", MOUNT]);
}

#[test]
fn a_refused_account_is_told_with_the_pods_own() {
    let scene = scene();
    role(
        &scene,
        &json!({"bound_service_account_names": "billing-sa"}),
    );
    let said = refusal(
        &scene,
        &checkout(WAIT),
        "service account name not authorized",
    );
    contains_all(&said, &["payments", "checkout-sa", "checkout", MOUNT]);
}

#[test]
fn a_role_that_does_not_exist_is_told_by_its_name() {
    let scene = scene();
    let mut workload = checkout(WAIT);
    workload["spec"]["template"]["metadata"]["annotations"]["vault.hashicorp.com/role"] =
        json!("chekout");
    let said = refusal(&scene, &workload, "invalid role name");
    contains_all(&said, &["chekout", MOUNT, "payments", "checkout-sa"]);
}

#[test]
fn a_bare_refusal_is_explained_by_the_reviewer() {
    let scene = scene();
    let spec = TokenSpec::new("vault", "reviewer", &[]).expiring_after(-10);
    scene.configure_kubernetes_auth(MOUNT, &scene.cluster.mint(&spec));
    let said = refusal(&scene, &checkout(WAIT), "permission denied");
    contains_all(&said, &["reviewer", "payments", "checkout-sa", MOUNT]);
}

#[test]
fn a_policy_for_a_kv_2_path_without_data_is_answered_with_the_path_that_it_needs() {
    let scene = scene();
    scene.bao.must(
        "POST",
        "sys/mounts/kv",
        &json!({"type": "kv", "options": {"version": "2"}}),
    );
    scene
        .bao
        .write("kv/data/app", &json!({"data": {"key": "value"}}));
    scene
        .bao
        .policy("checkout", "path \"kv/app\" { capabilities = [\"read\"] }");
    let workload = deployment(
        "payments",
        "checkout-sa",
        WAIT,
        &json!({
            "vault.hashicorp.com/agent-inject": "true",
            "vault.hashicorp.com/role": "checkout",
            "vault.hashicorp.com/auth-path": format!("auth/{MOUNT}"),
            "vault.hashicorp.com/agent-inject-secret-app": "kv/app",
        }),
    );
    let pod = scene.run(&workload);
    pod.wait_until("the agent tells the path", SOON, |_| {
        let said = pod.logs("vault-agent");
        said.contains("kv/data/app") && said.contains("polic")
    });
}
