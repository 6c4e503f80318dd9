//! One role for several accounts and namespaces; who reads what is decided by a templated policy on
//! the account that logged in.

use leasehold_e2e::Scene;
use leasehold_e2e::scene::{SOON, WAIT, deployment};
use serde_json::{Value, json};

fn scene() -> Scene {
    let scene = Scene::new();
    scene.kubernetes_auth("kubernetes");
    let mounts = scene.bao.read("sys/auth");
    let accessor = mounts["data"]["kubernetes/"]["accessor"].as_str().unwrap();
    let own =
        format!("{{{{identity.entity.aliases.{accessor}.metadata.service_account_namespace}}}}");
    scene.bao.policy(
        "grade-api",
        &format!("path \"secret/data/{own}/*\" {{ capabilities = [\"read\"] }}"),
    );
    for namespace in ["school-a", "school-b"] {
        scene.bao.write(
            &format!("secret/data/{namespace}/db"),
            &json!({"data": {"owner": namespace}}),
        );
    }
    scene.bao.write(
        "auth/kubernetes/role/grade-api",
        &json!({
            "bound_service_account_names": "grade-api,grade-worker",
            "bound_service_account_namespaces": "school-a,school-b",
            "alias_name_source": "serviceaccount_uid",
            "audience": "vault", "token_policies": "grade-api", "token_ttl": "1h",
        }),
    );
    scene
}

/// A pod that mounts no token of its own.
fn app(namespace: &str, account: &str, path: &str) -> Value {
    let mut workload = deployment(
        namespace,
        account,
        WAIT,
        &json!({
            "vault.hashicorp.com/agent-inject": "true",
            "vault.hashicorp.com/role": "grade-api",
            "vault.hashicorp.com/agent-inject-secret-db": path,
            "vault.hashicorp.com/agent-inject-template-db":
                format!("{{{{ with secret \"{path}\" }}}}{{{{ .Data.data.owner }}}}{{{{ end }}}}"),
        }),
    );
    workload["spec"]["template"]["spec"]["automountServiceAccountToken"] = json!(false);
    workload
}

#[test]
fn each_namespace_reads_its_own_tree_with_one_role() {
    let scene = scene();
    for (namespace, account) in [
        ("school-a", "grade-api"),
        ("school-a", "grade-worker"),
        ("school-b", "grade-api"),
    ] {
        let pod = scene.run(&app(
            namespace,
            account,
            &format!("secret/data/{namespace}/db"),
        ));
        pod.wait_running("app", SOON);
        assert_eq!(
            pod.read("app", "/vault/secrets/db").as_deref(),
            Some(namespace)
        );
        let token = pod.exec("app", &["test", "-e", "/var/run/secrets/kubernetes.io"]);
        assert!(
            !token.status.success(),
            "automount is off, so the app has no token"
        );
    }
    // The alias is the account's UID: one entity each.
    assert_eq!(scene.bao.list("identity/entity/id").len(), 3);
}

#[test]
fn another_namespaces_tree_is_refused() {
    let scene = scene();
    let pod = scene.run(&app("school-a", "grade-api", "secret/data/school-b/db"));
    pod.wait_until("the agent tells the refusal", SOON, |_| {
        let said = pod.logs("vault-agent");
        said.contains("secret/data/school-b/db") && said.contains("permission denied")
    });
    assert_eq!(pod.status().container("app").starts, 0);
    assert_eq!(pod.read("app", "/vault/secrets/db"), None);
}

#[test]
fn an_account_that_the_role_does_not_name_is_refused() {
    let scene = scene();
    let pod = scene.run(&app("school-a", "janitor", "secret/data/school-a/db"));
    pod.wait_until("the agent tells the refusal", SOON, |_| {
        let said = pod.logs("vault-agent");
        said.contains("service account name not authorized") && said.contains("janitor")
    });
}
