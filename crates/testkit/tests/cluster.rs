//! The scripted API server: what Vault, a kubelet and the webhook see of it.

use std::io::{BufRead, BufReader};
use std::sync::Arc;
use std::time::Duration;

use leasehold_testkit::cluster::{Grant, TokenSpec};
use leasehold_testkit::{Cluster, OpenBao};
use serde_json::{Value, json};

const CONFIGURATIONS: &str = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations";

/// One request with a token; status and body.
fn call(
    cluster: &Cluster,
    token: &str,
    method: &str,
    path: &str,
    content_type: &str,
    body: Option<&Value>,
) -> (u16, Value) {
    let mut response = send(cluster, token, method, path, content_type, body);
    let text = response
        .body_mut()
        .read_to_string()
        .expect("the answer is text");
    (
        response.status().as_u16(),
        serde_json::from_str(&text).unwrap_or(Value::String(text)),
    )
}

fn send(
    cluster: &Cluster,
    token: &str,
    method: &str,
    path: &str,
    content_type: &str,
    body: Option<&Value>,
) -> ureq::http::Response<ureq::Body> {
    use ureq::tls::{Certificate, RootCerts, TlsConfig};
    let ca = Certificate::from_pem(cluster.ca().as_bytes()).expect("the CA is PEM");
    let tls = TlsConfig::builder()
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .root_certs(RootCerts::new_with_certs(&[ca]))
        .build();
    let agent = ureq::Agent::config_builder()
        .tls_config(tls)
        .http_status_as_error(false)
        .proxy(None)
        .timeout_global(Some(Duration::from_secs(20)))
        .build()
        .new_agent();
    let request = ureq::http::Request::builder()
        .method(method)
        .uri(format!("{}{path}", cluster.address()))
        .header("Authorization", format!("Bearer {token}"))
        .header("Content-Type", content_type);
    let body = body.map(Value::to_string).unwrap_or_default();
    agent
        .run(request.body(body).expect("the request is complete"))
        .expect("the server answers")
}

fn admin(cluster: &Cluster, method: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
    call(
        cluster,
        cluster.admin_token(),
        method,
        path,
        "application/json",
        body,
    )
}

fn review(cluster: &Cluster, token: &str, audiences: &[&str]) -> Value {
    let body = json!({"spec": {"token": token, "audiences": audiences}});
    let path = "/apis/authentication.k8s.io/v1/tokenreviews";
    let (status, answer) = admin(cluster, "POST", path, Some(&body));
    assert_eq!(status, 201);
    answer["status"].clone()
}

#[test]
fn a_token_review_tells_who_sent_it_and_for_which_audience() {
    let cluster = Cluster::start();
    let spec = TokenSpec::new("payments", "checkout-sa", &["vault", "other"]).bound_to_pod("one");
    let status = review(&cluster, &cluster.mint(&spec), &["vault", "more"]);
    assert_eq!(status["authenticated"], true);
    assert_eq!(
        status["user"]["username"],
        "system:serviceaccount:payments:checkout-sa"
    );
    assert_eq!(
        status["user"]["extra"]["authentication.kubernetes.io/pod-name"],
        json!(["one"])
    );
    assert_eq!(status["audiences"], json!(["vault"]));
}

#[test]
fn a_token_review_refuses_with_the_real_servers_reasons() {
    let cluster = Cluster::start();
    let spec = TokenSpec::new("payments", "checkout-sa", &["vault"]);
    let check = |token: &str, audiences: &[&str], reason: &str| {
        let status = review(&cluster, token, audiences);
        assert!(status["authenticated"].is_null(), "{status}");
        assert!(
            status["error"].as_str().unwrap().contains(reason),
            "{status}"
        );
    };
    check(
        &cluster.mint(&spec),
        &[],
        "is invalid for the target audiences",
    );
    check(
        &cluster.mint(&spec),
        &["database"],
        "is invalid for the target audiences",
    );
    check("no-token", &["vault"], "invalid bearer token");
    let other = Cluster::start();
    check(&other.mint(&spec), &["vault"], "invalid bearer token");
    check(
        &cluster.mint(&spec.clone().expiring_after(-5)),
        &["vault"],
        "has expired",
    );
    let bound = cluster.mint(&spec.clone().bound_to_pod("gone"));
    assert_eq!(review(&cluster, &bound, &["vault"])["authenticated"], true);
    cluster.delete("", "pods", Some("payments"), "gone");
    check(&bound, &["vault"], "pods \"gone\" not found");
    let orphan = cluster.mint(&spec);
    cluster.delete("", "serviceaccounts", Some("payments"), "checkout-sa");
    check(&orphan, &["vault"], "not found");
    cluster.service_account("payments", "checkout-sa");
    check(&orphan, &["vault"], "does not match claim");
}

#[test]
fn vault_logs_a_pod_in_through_token_review_and_through_discovery() {
    let cluster = Cluster::start();
    let bao = OpenBao::start();
    bao.must(
        "POST",
        "sys/auth/kubernetes",
        &json!({"type": "kubernetes"}),
    );
    bao.write(
        "auth/kubernetes/config",
        &json!({
            "kubernetes_host": cluster.address(),
            "kubernetes_ca_cert": cluster.ca(),
            "token_reviewer_jwt": cluster.reviewer("vault", "vault"),
            "disable_local_ca_jwt": true,
        }),
    );
    bao.write(
        "auth/kubernetes/role/checkout",
        &json!({
            "bound_service_account_names": "checkout-sa",
            "bound_service_account_namespaces": "payments",
            "audience": "vault",
        }),
    );
    let login = |token: String| {
        let body = json!({"role": "checkout", "jwt": token});
        bao.request_as("", "PUT", "auth/kubernetes/login", Some(&body))
    };
    let spec = TokenSpec::new("payments", "checkout-sa", &["vault"]);
    let answer = login(cluster.mint(&spec));
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(
        answer.body["auth"]["metadata"]["service_account_namespace"],
        "payments"
    );
    let refused = login(cluster.mint(&TokenSpec::new("payments", "checkout-sa", &["other"])));
    assert!(
        refused
            .body
            .to_string()
            .contains("invalid audience (aud) claim"),
        "{}",
        refused.body
    );
    let refused = login(cluster.mint(&TokenSpec::new("other", "checkout-sa", &["vault"])));
    assert!(
        refused
            .body
            .to_string()
            .contains("namespace not authorized"),
        "{}",
        refused.body
    );
    assert_eq!(
        login(cluster.mint(&spec.clone().expiring_after(-5))).status,
        403
    );

    bao.must("POST", "sys/auth/jwt", &json!({"type": "jwt"}));
    bao.write(
        "auth/jwt/config",
        &json!({"oidc_discovery_url": cluster.address(), "oidc_discovery_ca_pem": cluster.ca()}),
    );
    bao.write(
        "auth/jwt/role/dev",
        &json!({
            "role_type": "jwt", "user_claim": "sub", "bound_audiences": "vault",
            "bound_subject": "system:serviceaccount:payments:checkout-sa",
        }),
    );
    let body = json!({"role": "dev", "jwt": cluster.mint(&spec)});
    let answer = bao.request_as("", "PUT", "auth/jwt/login", Some(&body));
    assert_eq!(answer.status, 200, "{}", answer.body);
}

#[test]
fn only_an_account_that_was_granted_it_may_review_tokens() {
    let cluster = Cluster::start();
    let plain = cluster.mint(&TokenSpec::new("vault", "plain", &[]));
    let scoped = cluster.mint(&TokenSpec::new("vault", "plain", &["vault"]));
    let body = json!({"spec": {"token": "x"}});
    let path = "/apis/authentication.k8s.io/v1/tokenreviews";
    let json_type = "application/json";
    assert_eq!(
        call(&cluster, &plain, "POST", path, json_type, Some(&body)).0,
        403
    );
    assert_eq!(
        call(&cluster, &scoped, "POST", path, json_type, Some(&body)).0,
        401
    );
    let reviewer = cluster.reviewer("vault", "reviewer");
    assert_eq!(
        call(&cluster, &reviewer, "POST", path, json_type, Some(&body)).0,
        201
    );
}

#[test]
fn a_stale_resource_version_is_a_conflict() {
    let cluster = Cluster::start();
    let path = "/api/v1/namespaces/default/secrets";
    let secret = json!({"metadata": {"name": "ca"}, "stringData": {"key": "one"}});
    let (status, first) = admin(&cluster, "POST", path, Some(&secret));
    assert_eq!((status, &first["data"]["key"]), (201, &json!("b25l")));
    assert_eq!(
        admin(&cluster, "POST", path, Some(&secret)).1["reason"],
        "AlreadyExists"
    );
    let path = format!("{path}/ca");
    let mut changed = first.clone();
    changed["data"]["key"] = json!("dHdv");
    let (status, second) = admin(&cluster, "PUT", &path, Some(&changed));
    assert_eq!(status, 200);
    assert_ne!(
        first["metadata"]["resourceVersion"],
        second["metadata"]["resourceVersion"]
    );
    let (status, refusal) = admin(&cluster, "PUT", &path, Some(&changed));
    assert_eq!((status, &refusal["reason"]), (409, &json!("Conflict")));
    let (_, same) = admin(&cluster, "PUT", &path, Some(&second));
    assert_eq!(
        same["metadata"]["resourceVersion"],
        second["metadata"]["resourceVersion"]
    );
    let missing = admin(
        &cluster,
        "GET",
        "/api/v1/namespaces/default/secrets/none",
        None,
    );
    assert_eq!(missing.1["message"], "secrets \"none\" not found");
}

#[test]
fn server_side_apply_keeps_each_managers_fields() {
    let cluster = Cluster::start();
    let apply = |manager: &str, force: bool, body: &Value| {
        let path = format!("{CONFIGURATIONS}/hook?fieldManager={manager}&force={force}");
        let kind = "application/apply-patch+yaml";
        call(
            &cluster,
            cluster.admin_token(),
            "PATCH",
            &path,
            kind,
            Some(body),
        )
    };
    let head = |webhook: Value| {
        json!({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration",
            "metadata": {"name": "hook"}, "webhooks": [webhook],
        })
    };
    let chart = head(json!({
        "name": "a.leasehold.dev", "sideEffects": "None",
        "clientConfig": {"service": {"name": "leasehold", "namespace": "default"}},
    }));
    let (status, made) = apply("helm", false, &chart);
    assert_eq!(status, 200, "{made}");
    assert_eq!(made["webhooks"][0]["timeoutSeconds"], 10);

    let bundle =
        |text: &str| head(json!({"name": "a.leasehold.dev", "clientConfig": {"caBundle": text}}));
    let (status, with_bundle) = apply("leasehold", false, &bundle("b25l"));
    assert_eq!(status, 200, "{with_bundle}");
    assert_eq!(
        with_bundle["webhooks"][0]["clientConfig"]["caBundle"],
        "b25l"
    );
    assert_eq!(
        with_bundle["webhooks"][0]["clientConfig"]["service"]["name"],
        "leasehold"
    );

    let (_, again) = apply("helm", false, &chart);
    assert_eq!(
        again["metadata"]["resourceVersion"],
        with_bundle["metadata"]["resourceVersion"]
    );

    let (status, refusal) = apply("intruder", false, &bundle("dHdv"));
    assert_eq!((status, &refusal["reason"]), (409, &json!("Conflict")));
    assert_eq!(
        refusal["details"]["causes"][0]["field"],
        ".webhooks[name=\"a.leasehold.dev\"].clientConfig.caBundle"
    );
    let (_, forced) = apply("intruder", true, &bundle("dHdv"));
    assert_eq!(forced["webhooks"][0]["clientConfig"]["caBundle"], "dHdv");

    let (_, without) = apply("intruder", false, &head(json!({"name": "a.leasehold.dev"})));
    assert!(
        without["webhooks"][0]["clientConfig"]["caBundle"].is_null(),
        "{without}"
    );
}

#[test]
fn a_watch_tells_what_happens_to_the_selected_object_only() {
    let cluster = Cluster::start();
    let secret =
        |name: &str, value: &str| json!({"metadata": {"name": name}, "stringData": {"key": value}});
    cluster.put("", "v1", "secrets", Some("default"), &secret("ca", "one"));
    let (_, list) = admin(&cluster, "GET", "/api/v1/namespaces/default/secrets", None);
    let version = list["metadata"]["resourceVersion"].as_str().unwrap();
    let path = format!(
        "/api/v1/namespaces/default/secrets?watch=true&resourceVersion={version}\
         &fieldSelector=metadata.name%3Dca"
    );
    let response = send(
        &cluster,
        cluster.admin_token(),
        "GET",
        &path,
        "application/json",
        None,
    );
    cluster.put("", "v1", "secrets", Some("default"), &secret("other", "x"));
    cluster.put("", "v1", "secrets", Some("default"), &secret("ca", "two"));
    cluster.delete("", "secrets", Some("default"), "ca");
    let lines: Vec<Value> = BufReader::new(response.into_body().into_reader())
        .lines()
        .take(2)
        .map(|line| serde_json::from_str(&line.unwrap()).unwrap())
        .collect();
    assert_eq!(lines[0]["type"], "MODIFIED");
    assert_eq!(lines[0]["object"]["data"]["key"], "dHdv");
    assert_eq!(lines[1]["type"], "DELETED");
}

#[test]
fn a_grant_by_name_covers_that_object_and_a_watch_that_selects_it() {
    let cluster = Cluster::start();
    let text = |words: &[&str]| words.iter().map(ToString::to_string).collect::<Vec<_>>();
    cluster.grant(
        "default",
        "leasehold",
        Grant {
            groups: text(&[""]),
            resources: text(&["secrets"]),
            names: text(&["ca"]),
            verbs: text(&["get", "list", "watch"]),
            namespace: Some("default".to_owned()),
        },
    );
    cluster.put(
        "",
        "v1",
        "secrets",
        Some("default"),
        &json!({"metadata": {"name": "ca"}}),
    );
    let token = cluster.mint(&TokenSpec::new("default", "leasehold", &[]));
    let get = |path: &str| call(&cluster, &token, "GET", path, "application/json", None);
    assert_eq!(get("/api/v1/namespaces/default/secrets/ca").0, 200);
    assert_eq!(
        get("/api/v1/namespaces/default/secrets?fieldSelector=metadata.name%3Dca").0,
        200
    );
    let (status, refusal) = get("/api/v1/namespaces/default/secrets");
    assert_eq!(status, 403);
    assert_eq!(
        refusal["message"],
        "secrets is forbidden: User \"system:serviceaccount:default:leasehold\" cannot list \
         resource \"secrets\" in API group \"\" in the namespace \"default\""
    );
    assert_eq!(cluster.requests().last().unwrap().status, 403);
}

#[test]
fn a_stopped_server_comes_back_with_its_objects_and_keys() {
    let mut cluster = Cluster::start();
    let token = cluster.mint(&TokenSpec::new("default", "app", &["vault"]));
    cluster.stop();
    assert!(std::net::TcpStream::connect(("127.0.0.1", cluster.port())).is_err());
    cluster.start_again();
    assert_eq!(review(&cluster, &token, &["vault"])["authenticated"], true);
}
