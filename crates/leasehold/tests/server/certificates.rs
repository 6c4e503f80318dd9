//! Self-made certificates with several real processes against an API server that enforces resource versions, rights and
//! the ownership of fields.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use leasehold_testkit::cluster::{Cluster, Grant, TokenSpec};
use leasehold_testkit::net::Identity;
use leasehold_testkit::scratch::Scratch;
use leasehold_testkit::wait;
use rustix::process::Signal;
use serde::Deserialize as _;
use serde_json::{Value, json};

use crate::support::{DEADLINE, Webhook, get, post, review, write_identity};

const NAMESPACE: &str = "vault";
/// As the chart names the configurations of a release in that namespace.
const NAME: &str = "vault-leasehold";
const SECRET: &str = "leasehold-tls";
const ADMISSION: &str = "admissionregistration.k8s.io";

/// The rights that the chart gives and no more, as it renders them.
fn account(cluster: &Cluster) -> String {
    let rendered = include_str!("../../../../tests/chart/snapshots/default.yaml");
    let mut granted = 0;
    for document in serde_yaml::Deserializer::from_str(rendered) {
        let object = Value::deserialize(document).unwrap();
        let namespace = match object["kind"].as_str() {
            Some("Role") => Some(NAMESPACE.to_owned()),
            Some("ClusterRole") => None,
            _ => continue,
        };
        for rule in object["rules"].as_array().unwrap() {
            let texts = |key: &str| -> Vec<String> {
                let texts = rule[key].as_array().into_iter().flatten();
                texts.map(|t| t.as_str().unwrap().to_owned()).collect()
            };
            let grant = Grant {
                groups: texts("apiGroups"),
                resources: texts("resources"),
                names: texts("resourceNames"),
                verbs: texts("verbs"),
                namespace: namespace.clone(),
            };
            cluster.grant(NAMESPACE, NAME, grant);
            granted += 1;
        }
    }
    assert!(granted > 5, "the chart grants {granted} rights");
    cluster.mint(&TokenSpec::new(NAMESPACE, NAME, &[]).expiring_after(3_600))
}

fn configuration(kind: &str, webhooks: &[&str]) -> Value {
    let webhooks: Vec<Value> = webhooks
        .iter()
        .map(|name| {
            json!({
                "name": name, "admissionReviewVersions": ["v1"], "sideEffects": "None",
                "clientConfig": {"service": {"name": NAME, "namespace": NAMESPACE, "path": "/mutate"}},
            })
        })
        .collect();
    json!({
        "apiVersion": format!("{ADMISSION}/v1"), "kind": kind, "metadata": {"name": NAME}, "webhooks": webhooks,
    })
}

/// A cluster with the objects that the chart renders: an empty Secret and configurations without bundles.
fn cluster() -> Cluster {
    let cluster = Cluster::start();
    cluster.namespace(NAMESPACE, &json!({}));
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": SECRET}});
    cluster.put("", "v1", "secrets", Some(NAMESPACE), &secret);
    let mutating = configuration(
        "MutatingWebhookConfiguration",
        &["pods.leasehold.dev", "namespaces.leasehold.dev"],
    );
    cluster.put(
        ADMISSION,
        "v1",
        "mutatingwebhookconfigurations",
        None,
        &mutating,
    );
    let validating = configuration(
        "ValidatingWebhookConfiguration",
        &["workloads.leasehold.dev"],
    );
    cluster.put(
        ADMISSION,
        "v1",
        "validatingwebhookconfigurations",
        None,
        &validating,
    );
    cluster
}

fn start(cluster: &Cluster, scratch: &Scratch, token: &str, name: &str, more: &[&str]) -> Webhook {
    let mut flags = vec![
        format!("--kubeconfig={}", cluster.kubeconfig(token).display()),
        format!("--tls-auto={NAME}"),
        format!("--tls-auto-validating={NAME}"),
        "--tls-auto-hosts=leasehold.vault.svc,127.0.0.1".to_owned(),
        "--shutdown-delay=0s".to_owned(),
        "--log-level=debug".to_owned(),
    ];
    flags.extend(more.iter().map(|flag| (*flag).to_owned()));
    Webhook::start(
        scratch,
        name,
        &flags,
        &[("NAMESPACE", NAMESPACE), ("POD_NAME", name)],
    )
}

/// The bundle that every webhook of both configurations has; none while they differ or have none.
fn bundle(cluster: &Cluster) -> Option<String> {
    let mut bundles = Vec::new();
    for resource in [
        "mutatingwebhookconfigurations",
        "validatingwebhookconfigurations",
    ] {
        let configuration = cluster.get(ADMISSION, resource, None, NAME)?;
        for webhook in configuration["webhooks"].as_array()? {
            bundles.push(webhook["clientConfig"]["caBundle"].as_str()?.to_owned());
        }
    }
    bundles.dedup();
    match bundles.as_slice() {
        [one] => String::from_utf8(STANDARD.decode(one).ok()?).ok(),
        _ => None,
    }
}

/// What an API server trusts when it calls the webhook for pods.
fn trusted(cluster: &Cluster) -> String {
    let configuration = cluster
        .get(ADMISSION, "mutatingwebhookconfigurations", None, NAME)
        .unwrap();
    let bundle = configuration["webhooks"][0]["clientConfig"]["caBundle"]
        .as_str()
        .unwrap_or_default();
    String::from_utf8(STANDARD.decode(bundle).unwrap()).unwrap()
}

/// Writes something else into the bundle of one webhook, as somebody's hand would.
fn edit_bundle(cluster: &Cluster, index: usize) {
    let resource = "mutatingwebhookconfigurations";
    let mut edited = cluster.get(ADMISSION, resource, None, NAME).unwrap();
    edited["webhooks"][index]["clientConfig"]["caBundle"] = json!(STANDARD.encode("edited"));
    cluster.put(ADMISSION, "v1", resource, None, &edited);
}

fn is_served(webhook: &Webhook, cluster: &Cluster) -> bool {
    bundle(cluster).is_some_and(|roots| {
        get(&webhook.url("/health/ready"), &roots).is_ok_and(|(status, _)| status == 204)
    })
}

fn stored_authority(cluster: &Cluster) -> Option<String> {
    let secret = cluster.get("", "secrets", Some(NAMESPACE), SECRET)?;
    Some(secret["data"]["authority.json"].as_str()?.to_owned())
}

#[test]
fn three_replicas_born_at_once_agree_on_one_authority_and_heal() {
    let (cluster, scratch) = (cluster(), Scratch::new("certificates"));
    let token = account(&cluster);
    let mut replicas: Vec<Webhook> = ["a", "b", "c"]
        .iter()
        .map(|name| start(&cluster, &scratch, &token, name, &[]))
        .collect();
    for replica in &mut replicas {
        replica.await_ready(|| bundle(&cluster).unwrap_or_default());
    }
    let roots = bundle(&cluster).unwrap();
    assert_eq!(
        roots.matches("BEGIN CERTIFICATE").count(),
        1,
        "one authority for all"
    );

    // Only the bundles are ours; everything else stays with whoever rendered it.
    let configuration = cluster
        .get(ADMISSION, "mutatingwebhookconfigurations", None, NAME)
        .unwrap();
    let managers = configuration["metadata"]["managedFields"]
        .as_array()
        .unwrap();
    let ours = managers
        .iter()
        .find(|entry| entry["manager"] == "leasehold")
        .unwrap();
    assert_eq!(ours["operation"], "Apply");
    for webhook in ours["fieldsV1"]["f:webhooks"].as_object().unwrap().values() {
        assert_eq!(webhook["f:clientConfig"], json!({"f:caBundle": {}}));
        assert!(webhook.get("f:sideEffects").is_none(), "{webhook}");
    }

    // Nothing was asked for that the chart's role does not allow.
    let refused: Vec<_> = cluster
        .requests()
        .into_iter()
        .filter(|request| request.status == 403)
        .collect();
    assert!(refused.is_empty(), "{refused:?}");

    // An edited bundle comes back.
    edit_bundle(&cluster, 1);
    wait::until_true("the bundle is back", DEADLINE, || {
        bundle(&cluster).as_deref() == Some(roots.as_str())
    });

    // A deleted Secret is replaced, and every replica serves under what is in it then.
    let before = stored_authority(&cluster).unwrap();
    cluster.delete("", "secrets", Some(NAMESPACE), SECRET);
    wait::until_true("another authority is stored", DEADLINE, || {
        stored_authority(&cluster).is_some_and(|after| after != before)
    });
    for replica in &replicas {
        wait::until_true("every replica serves under it", DEADLINE, || {
            is_served(replica, &cluster)
        });
    }

    // A replica that is gone does not matter to the others.
    let status = replicas
        .remove(0)
        .process
        .stop(Signal::TERM, DEADLINE)
        .unwrap();
    assert!(status.success());
    assert!(replicas.iter().all(|replica| is_served(replica, &cluster)));
}

#[test]
fn an_authority_that_expired_while_nobody_ran_is_replaced_at_once() {
    let (cluster, scratch) = (cluster(), Scratch::new("certificates"));
    let token = account(&cluster);
    let short = [
        "--tls-auto-ca-lifetime=3s",
        "--tls-auto-serving-lifetime=2s",
    ];
    let mut old = start(&cluster, &scratch, &token, "old", &short);
    old.await_ready(|| bundle(&cluster).unwrap_or_default());
    drop(old);
    let before = stored_authority(&cluster).unwrap();
    let state: Value = serde_json::from_slice(&STANDARD.decode(&before).unwrap()).unwrap();
    let ends: jiff::Timestamp = state["signing"]["ends"].as_str().unwrap().parse().unwrap();
    wait::until_true("it has expired", DEADLINE, || jiff::Timestamp::now() > ends);
    // Nor does it matter that the one who rotated last cannot give its turn back.
    put_lease(&cluster, 3_600);

    let mut replicas: Vec<Webhook> = ["a", "b"]
        .iter()
        .map(|name| start(&cluster, &scratch, &token, name, &[]))
        .collect();
    for replica in &mut replicas {
        replica.await_ready(|| trusted(&cluster));
    }
    assert_ne!(stored_authority(&cluster).unwrap(), before);
}

/// A Lease whose holder is gone, as after the loss of a node.
fn put_lease(cluster: &Cluster, seconds: i32) {
    let now = jiff::Timestamp::now();
    let lease = json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": SECRET},
        "spec": {
            "holderIdentity": "gone_1", "leaseDurationSeconds": seconds,
            "acquireTime": now.to_string(), "renewTime": now.to_string(),
        },
    });
    cluster.put(
        "coordination.k8s.io",
        "v1",
        "leases",
        Some(NAMESPACE),
        &lease,
    );
}

#[test]
fn a_replica_that_was_killed_while_it_was_its_turn_delays_the_rotation_by_its_lease_only() {
    let (cluster, scratch) = (cluster(), Scratch::new("certificates"));
    let token = account(&cluster);
    let mut old = start(&cluster, &scratch, &token, "old", &[]);
    old.await_ready(|| trusted(&cluster));
    let before = stored_authority(&cluster).unwrap();
    // Another name of the Service makes a rotation due; one who is gone has the turn.
    put_lease(&cluster, 4);
    let more = [
        "--tls-auto-hosts=leasehold.vault.svc,127.0.0.1,another.vault.svc",
        "--tls-auto-settle=1s",
    ];
    let mut new = start(&cluster, &scratch, &token, "new", &more);
    new.await_ready(|| trusted(&cluster));
    assert_ne!(stored_authority(&cluster).unwrap(), before);
    let lease = cluster
        .get("coordination.k8s.io", "leases", Some(NAMESPACE), SECRET)
        .unwrap();
    // So that it goes when the Secret goes.
    let secret = cluster.get("", "secrets", Some(NAMESPACE), SECRET).unwrap();
    let owner = &lease["metadata"]["ownerReferences"][0];
    assert_eq!(owner["uid"], secret["metadata"]["uid"]);
    assert!(owner["uid"].is_string(), "{owner}");
    let holder = lease["spec"]["holderIdentity"].as_str().unwrap().to_owned();
    assert!(holder.starts_with("new_"), "{holder}");
}

#[test]
fn a_damaged_secret_is_replaced_and_what_else_is_in_it_stays() {
    let (cluster, scratch) = (cluster(), Scratch::new("certificates"));
    let token = account(&cluster);
    let mut webhook = start(&cluster, &scratch, &token, "a", &[]);
    webhook.await_ready(|| trusted(&cluster));
    let mut secret = cluster.get("", "secrets", Some(NAMESPACE), SECRET).unwrap();
    let damaged = STANDARD.encode("{\"signing\":");
    secret["data"]["authority.json"] = json!(damaged);
    secret["data"]["note"] = json!("aGVsbG8=");
    cluster.put("", "v1", "secrets", Some(NAMESPACE), &secret);
    wait::until_true("another authority is stored and served", DEADLINE, || {
        stored_authority(&cluster).is_some_and(|stored| stored != damaged)
            && is_served(&webhook, &cluster)
    });
    let secret = cluster.get("", "secrets", Some(NAMESPACE), SECRET).unwrap();
    assert_eq!(secret["data"]["note"], "aGVsbG8=");
}

#[test]
fn the_authority_of_given_files_is_kept_in_the_configuration_and_follows_its_file() {
    let (cluster, scratch) = (cluster(), Scratch::new("certificates"));
    let token = account(&cluster);
    let (first, second) = (Identity::new("first", &[]), Identity::new("second", &[]));
    let (certificate, key) = write_identity(scratch.path(), &first);
    let authority = scratch.join("ca.crt");
    std::fs::write(&authority, &first.ca).unwrap();
    let files = [
        format!("--tls-cert-file={}", certificate.display()),
        format!("--tls-key-file={}", key.display()),
        format!("--tls-ca-cert-file={}", authority.display()),
    ];
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    let mut webhook = start(&cluster, &scratch, &token, "a", &files);
    webhook.await_ready(|| first.ca.clone());
    let has = |authority: &str| bundle(&cluster).as_deref() == Some(authority);
    wait::until_true("the bundle is written", DEADLINE, || has(&first.ca));

    edit_bundle(&cluster, 0);
    wait::until_true("the edited bundle is back", DEADLINE, || has(&first.ca));

    write_identity(scratch.path(), &second);
    std::fs::write(&authority, &second.ca).unwrap();
    wait::until_true("certificate and bundle have followed", DEADLINE, || {
        has(&second.ca) && is_served(&webhook, &cluster)
    });
}

#[test]
fn a_rotation_under_load_loses_no_admission() {
    let (cluster, scratch) = (cluster(), Scratch::new("certificates"));
    let token = account(&cluster);
    let lifetimes = [
        "--tls-auto-ca-lifetime=9s",
        "--tls-auto-serving-lifetime=3s",
        "--tls-auto-settle=1s",
    ];
    let mut replicas: Vec<Webhook> = ["a", "b", "c"]
        .iter()
        .map(|name| start(&cluster, &scratch, &token, name, &lifetimes))
        .collect();
    for replica in &mut replicas {
        replica.await_ready(|| bundle(&cluster).unwrap_or_default());
    }
    let asked = review("u", "default", &json!({}));
    let first = stored_authority(&cluster).unwrap();
    let over = AtomicBool::new(false);
    let (answered, failures) = std::thread::scope(|scope| {
        let load = scope.spawn(|| {
            let (mut answered, mut failures) = (0_u32, Vec::new());
            while !over.load(Ordering::Relaxed) {
                for replica in &replicas {
                    // An API server knows the bundle as it was a moment ago.
                    let roots = trusted(&cluster);
                    match post(&replica.url("/mutate"), &roots, &asked) {
                        Ok((200, _)) => answered += 1,
                        other => failures.push(format!("{other:?}")),
                    }
                }
            }
            (answered, failures)
        });
        let mut seen = vec![first];
        let begun = Instant::now();
        wait::until_true("two rotations", Duration::from_secs(60), || {
            let now = stored_authority(&cluster).unwrap_or_default();
            if !seen.contains(&now) {
                seen.push(now);
            }
            // Each rotation is stored three times: prepared, promoted, and without the old one.
            seen.len() > 6 && begun.elapsed() > Duration::from_secs(10)
        });
        over.store(true, Ordering::Relaxed);
        load.join().unwrap()
    });
    assert!(answered > 100, "{answered} reviews are no load");
    assert!(
        failures.is_empty(),
        "{} of {} failed: {:?}",
        failures.len(),
        answered,
        failures.first()
    );
}

#[test]
fn namespace_defaults_are_served_from_memory_and_a_new_namespace_is_asked_for() {
    let (cluster, scratch) = (cluster(), Scratch::new("certificates"));
    let token = account(&cluster);
    cluster.namespace(
        "shop",
        &json!({"annotations": {"vault.hashicorp.com/role": "from-the-namespace"}}),
    );
    let mut webhook = start(&cluster, &scratch, &token, "a", &[]);
    webhook.await_ready(|| bundle(&cluster).unwrap_or_default());
    let roots = bundle(&cluster).unwrap();
    let ask = |namespace: &str| {
        let asked = review(
            "u",
            namespace,
            &json!({"vault.hashicorp.com/agent-inject": "true"}),
        );
        post(&webhook.url("/mutate"), &roots, &asked).unwrap().1["response"].clone()
    };
    let patched = ask("shop");
    let patch = STANDARD.decode(patched["patch"].as_str().unwrap()).unwrap();
    assert!(patched["allowed"] == true && !patch.is_empty());

    // A namespace that asks for injection by its label, made a moment ago.
    cluster.namespace("fresh", &json!({
        "labels": {"leasehold.dev/inject": "enabled"}, "annotations": {"vault.hashicorp.com/role": "r"},
    }));
    let asked = review("u", "fresh", &json!({}));
    let answer = post(&webhook.url("/mutate"), &roots, &asked).unwrap().1;
    assert_eq!(answer["response"]["patchType"], "JSONPatch", "{answer}");

    // A namespace that nobody can tell anything about.
    cluster.fail_next("/api/v1/namespaces/unknown", 500, 1);
    let denied = ask("unknown");
    assert_eq!(denied["allowed"], false);
    let message = denied["status"]["message"].as_str().unwrap();
    assert!(
        message.contains("namespace unknown") && message.contains("try again"),
        "{message}"
    );

    // A pod that does not ask for injection is let through all the same.
    let asked = review("u", "unknown-too", &json!({}));
    let answer = post(&webhook.url("/mutate"), &roots, &asked).unwrap().1;
    assert_eq!(answer["response"]["allowed"], true, "{answer}");
}

/// The rights and objects of the established chart, which knows nothing of ours.
fn stock_cluster(replicas: usize) -> (Cluster, String) {
    let cluster = Cluster::start();
    cluster.namespace(NAMESPACE, &json!({}));
    let stock = configuration("MutatingWebhookConfiguration", &["vault.hashicorp.com"]);
    cluster.put(
        ADMISSION,
        "v1",
        "mutatingwebhookconfigurations",
        None,
        &stock,
    );
    let grant = |groups: &str, resources: &[&str], verbs: &[&str], namespace: Option<&str>| {
        let texts = |list: &[&str]| {
            list.iter()
                .map(|text| (*text).to_owned())
                .collect::<Vec<_>>()
        };
        let grant = Grant {
            groups: vec![groups.to_owned()],
            resources: texts(resources),
            names: Vec::new(),
            verbs: texts(verbs),
            namespace: namespace.map(str::to_owned),
        };
        cluster.grant(NAMESPACE, NAME, grant);
    };
    grant(
        ADMISSION,
        &["mutatingwebhookconfigurations"],
        &["get", "list", "watch", "patch"],
        None,
    );
    if replicas > 1 {
        let verbs = ["create", "get", "watch", "list", "update"];
        grant("", &["secrets", "configmaps"], &verbs, Some(NAMESPACE));
        grant("", &["pods"], &["get", "patch", "delete"], Some(NAMESPACE));
    }
    let token = cluster.mint(&TokenSpec::new(NAMESPACE, NAME, &[]).expiring_after(3_600));
    (cluster, token)
}

/// The established chart's variables for a pod.
fn stock_variables(replicas: usize) -> Vec<(&'static str, &'static str)> {
    let mut variables = vec![
        ("NAMESPACE", NAMESPACE),
        ("AGENT_INJECT_TLS_AUTO", NAME),
        (
            "AGENT_INJECT_TLS_AUTO_HOSTS",
            "leasehold.vault.svc,127.0.0.1",
        ),
        ("AGENT_INJECT_LOG_LEVEL", "info"),
        ("AGENT_INJECT_LOG_FORMAT", "standard"),
    ];
    if replicas > 1 {
        variables.push(("AGENT_INJECT_USE_LEADER_ELECTOR", "true"));
    }
    variables
}

#[test]
fn the_established_charts_rights_are_enough_with_one_replica_and_with_several() {
    for replicas in [1, 2] {
        let (cluster, scratch) = (stock_cluster(replicas), Scratch::new("stock"));
        let (cluster, token) = cluster;
        let flags = [
            format!("--kubeconfig={}", cluster.kubeconfig(&token).display()),
            "--shutdown-delay=0s".to_owned(),
        ];
        let variables = stock_variables(replicas);
        let mut webhooks: Vec<Webhook> = (0..replicas)
            .map(|index| {
                let name = format!("replica-{index}");
                Webhook::start_as("agent-inject", &scratch, &name, &flags, &variables)
            })
            .collect();
        for webhook in &mut webhooks {
            webhook.await_ready(|| trusted(&cluster));
            let asked = review("u", "shop", &json!({}));
            let (status, _) = post(&webhook.url("/mutate"), &trusted(&cluster), &asked).unwrap();
            assert_eq!(status, 200);
        }
        let authorities = trusted(&cluster).matches("BEGIN CERTIFICATE").count();
        assert_eq!(
            authorities, 1,
            "{replicas} replicas serve under one authority"
        );
    }
}

#[test]
fn a_new_start_alone_keeps_the_certificate_before_trusted() {
    let (cluster, token) = stock_cluster(1);
    let scratch = Scratch::new("stock");
    let flags = [
        format!("--kubeconfig={}", cluster.kubeconfig(&token).display()),
        "--shutdown-delay=0s".to_owned(),
    ];
    let start = |name: &str| {
        let mut webhook =
            Webhook::start_as("agent-inject", &scratch, name, &flags, &stock_variables(1));
        webhook.await_ready(|| trusted(&cluster));
        webhook
    };
    let old = start("old");
    let before = trusted(&cluster);
    // As in a rolling update, where the old one serves until the new one is ready and then ends.
    let watching = old.url("/health/ready");
    let mut new = Webhook::start_as("agent-inject", &scratch, "new", &flags, &stock_variables(1));
    wait::until_true("the bundle has changed", DEADLINE, || {
        trusted(&cluster) != before
    });
    assert!(
        get(&watching, &trusted(&cluster)).is_ok(),
        "the old one is still trusted"
    );
    drop(old);
    new.await_ready(|| trusted(&cluster));
    assert!(
        trusted(&cluster).contains(before.trim()),
        "the authority before is in the bundle"
    );
}
