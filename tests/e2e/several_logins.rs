//! One agent that logs in several times: with another role, mount, audience or server for some secrets.

use leasehold_e2e::Scene;
use leasehold_e2e::scene::{SOON, WAIT, deployment};
use leasehold_testkit::openbao::{Settings, Transport};
use leasehold_testkit::{OpenBao, wait};
use serde_json::{Value, json};

/// A role that a service account `shop` may take with a token of this audience, and that reads one path of kv.
fn role(bao: &OpenBao, mount: &str, name: &str, audience: &str) {
    bao.write(
        &format!("secret/data/{name}"),
        &json!({"data": {"is": name}}),
    );
    bao.policy(
        name,
        &format!("path \"secret/data/{name}\" {{ capabilities = [\"read\"] }}"),
    );
    bao.write(
        &format!("auth/{mount}/role/{name}"),
        &json!({
            "bound_service_account_names": "shop", "bound_service_account_namespaces": "shop",
            "audience": audience, "token_policies": name, "token_ttl": "1h",
        }),
    );
}

fn shop(annotations: &Value) -> Value {
    let mut all = json!({
        "vault.hashicorp.com/agent-inject": "true",
        "vault.hashicorp.com/role": "orders",
        "vault.hashicorp.com/agent-inject-secret-orders": "secret/data/orders",
        "vault.hashicorp.com/agent-inject-template-orders": read("orders"),
        "vault.hashicorp.com/agent-inject-secret-bills": "secret/data/bills",
        "vault.hashicorp.com/agent-inject-template-bills": read("bills"),
    });
    for (name, value) in annotations.as_object().unwrap() {
        all[name] = value.clone();
    }
    deployment("shop", "shop", WAIT, &all)
}

fn read(name: &str) -> String {
    format!("{{{{ with secret \"secret/data/{name}\" }}}}{{{{ .Data.data.is }}}}{{{{ end }}}}")
}

#[test]
fn each_login_has_its_own_role_mount_and_audience_and_ends_with_the_pod() {
    let scene = Scene::new();
    scene.kubernetes_auth("kubernetes");
    scene.kubernetes_auth("billing");
    role(&scene.bao, "kubernetes", "orders", "vault");
    role(&scene.bao, "billing", "bills", "billing.example.com");
    let pod = scene.run(&shop(&json!({
        "leasehold.dev/role-bills": "bills",
        "leasehold.dev/auth-path-bills": "auth/billing",
        "leasehold.dev/audience-bills": "billing.example.com",
    })));
    pod.wait_running("app", SOON);
    for name in ["orders", "bills"] {
        let file = pod.read("app", &format!("/vault/secrets/{name}"));
        assert_eq!(file.as_deref(), Some(name), "{}", pod.story());
    }
    // Neither policy covers the other's path and neither mount takes the other's audience, so each read was made with
    // the token of its own login.
    assert_eq!(scene.requests_to("auth/kubernetes/login").len(), 1);
    assert_eq!(scene.requests_to("auth/billing/login").len(), 1);

    let tokens = || scene.bao.list("auth/token/accessors").len();
    assert_eq!(tokens(), 3, "one of each login, and the root's");
    pod.delete(None, SOON);
    wait::until_true("both tokens are revoked", SOON, || tokens() == 1);
}

#[test]
fn a_second_server_is_trusted_by_the_authorities_that_the_pod_has() {
    let settings = Settings {
        transport: Transport::Tls,
        ..Settings::default()
    };
    let mut scene = Scene::with(settings);
    scene.kubernetes_auth("kubernetes");
    role(&scene.bao, "kubernetes", "orders", "vault");
    let second = OpenBao::start_with(settings);
    second.must(
        "POST",
        "sys/auth/kubernetes",
        &json!({"type": "kubernetes"}),
    );
    second.write(
        "auth/kubernetes/config",
        &json!({
            "kubernetes_host": scene.cluster.address(),
            "kubernetes_ca_cert": scene.cluster.ca(),
            "token_reviewer_jwt": scene.cluster.reviewer("vault", "reviewer"),
            "disable_local_ca_jwt": true,
        }),
    );
    role(&second, "kubernetes", "bills", "billing.example.com");
    scene.flags.push(format!(
        "--vault-cacert-bytes={}{}",
        scene.bao.ca(),
        second.ca()
    ));
    let pod = scene.run(&shop(&json!({
        "leasehold.dev/role-bills": "bills",
        "leasehold.dev/service-bills": second.address(),
        "leasehold.dev/audience-bills": "billing.example.com",
    })));
    pod.wait_running("app", SOON);
    for name in ["orders", "bills"] {
        let file = pod.read("app", &format!("/vault/secrets/{name}"));
        assert_eq!(file.as_deref(), Some(name), "{}", pod.story());
    }
    let logins = |bao: &OpenBao| {
        let all = bao.audited_requests();
        all.iter()
            .filter(|(_, path)| path == "auth/kubernetes/login")
            .count()
    };
    assert_eq!((logins(&scene.bao), logins(&second)), (1, 1));
}

#[test]
fn a_login_that_fails_is_told_by_the_secret_that_wants_it() {
    let scene = Scene::new();
    scene.kubernetes_auth("kubernetes");
    role(&scene.bao, "kubernetes", "orders", "vault");
    role(&scene.bao, "kubernetes", "bills", "billing.example.com");
    // Without an audience of its own the second login has a token that its role does not take.
    let pod = scene.run(&shop(&json!({"leasehold.dev/role-bills": "bills"})));
    pod.wait_until("the agent tells the refused login", SOON, |_| {
        let said = pod.logs("vault-agent");
        said.contains("bills") && said.contains("403")
    });
    assert_eq!(pod.status().container("app").starts, 0, "{}", pod.story());
}
