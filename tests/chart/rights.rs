//! What the injector's service account may do: no more than the server needs, each by name.

use serde_json::Value;

use crate::helm::{KUBERNETES, choosing, only, rendered};

fn rules<'a>(objects: &'a [Value], kind: &str) -> &'a [Value] {
    let rules = only(objects, kind).get("rules").and_then(Value::as_array);
    rules.map_or(&[], Vec::as_slice)
}

fn verbs(rule: &Value) -> Vec<&str> {
    let verbs = rule["verbs"].as_array().unwrap();
    verbs.iter().map(|verb| verb.as_str().unwrap()).collect()
}

#[test]
fn the_whole_cluster_shows_it_namespaces_and_two_named_objects() {
    let objects = rendered(KUBERNETES, &[]);
    for rule in rules(&objects, "ClusterRole") {
        let resource = rule["resources"][0].as_str().unwrap();
        match resource {
            "namespaces" => assert_eq!(verbs(rule), ["get", "list", "watch"]),
            "mutatingwebhookconfigurations" | "validatingwebhookconfigurations" => {
                assert_eq!(
                    rule["resourceNames"],
                    serde_json::json!(["vault-leasehold"])
                );
                assert_eq!(verbs(rule), ["get", "list", "watch", "patch"]);
            }
            other => panic!("a right on {other} of the whole cluster"),
        }
    }
}

#[test]
fn in_its_namespace_only_creating_is_without_a_name() {
    let objects = rendered(KUBERNETES, &[]);
    for rule in rules(&objects, "Role") {
        if rule.get("resourceNames").is_none() {
            assert_eq!(verbs(rule), ["create"], "{rule}");
        } else {
            assert_eq!(rule["resourceNames"], serde_json::json!(["leasehold-tls"]));
        }
    }
}

#[test]
fn with_a_certificate_from_outside_nothing_is_written() {
    for values in ["given-certificate", "cert-manager"] {
        let objects = rendered(KUBERNETES, &choosing(values));
        assert!(
            objects.iter().all(|object| object["kind"] != "Role"),
            "{values}"
        );
        for rule in rules(&objects, "ClusterRole") {
            assert_eq!(
                rule["resources"],
                serde_json::json!(["namespaces"]),
                "{values}"
            );
        }
    }
}
