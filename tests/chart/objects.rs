//! Whether an API server would take what is rendered, and what must not be in it.

use k8s_openapi::api::{
    admissionregistration::v1 as admission, apps::v1 as apps, autoscaling::v2 as autoscaling,
    core::v1 as core, networking::v1 as networking, policy::v1 as policy, rbac::v1 as rbac,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::helm::{KUBERNETES, VALUES, choosing, only, rendered};

/// Reads an object as its type and writes it again: a field that the type does not know is lost on the
/// way, as an API server would refuse it.
fn through<T: DeserializeOwned + Serialize>(object: &Value) -> Value {
    let typed: T = serde_json::from_value(object.clone()).unwrap_or_else(|error| {
        panic!("{} {}: {error}", object["kind"], object["metadata"]["name"])
    });
    serde_json::to_value(typed).unwrap()
}

/// The paths that are in `given` and not in `kept`. Empty lists and maps may vanish.
fn lost(given: &Value, kept: &Value, path: &str, found: &mut Vec<String>) {
    match (given, kept) {
        (Value::Object(given), _) => {
            for (key, value) in given {
                lost(value, &kept[key.as_str()], &format!("{path}.{key}"), found);
            }
        }
        (Value::Array(given), _) => {
            for (index, value) in given.iter().enumerate() {
                lost(value, &kept[index], &format!("{path}[{index}]"), found);
            }
        }
        (given, kept) if given != kept => found.push(path.to_owned()),
        _ => {}
    }
}

#[test]
fn every_object_is_one_that_an_api_server_knows() {
    for values in VALUES {
        for object in rendered(KUBERNETES, &choosing(values)) {
            let kind = object["kind"].as_str().unwrap();
            let kept = match kind {
                "ClusterRole" => through::<rbac::ClusterRole>(&object),
                "ClusterRoleBinding" => through::<rbac::ClusterRoleBinding>(&object),
                "ConfigMap" => through::<core::ConfigMap>(&object),
                "Deployment" => through::<apps::Deployment>(&object),
                "HorizontalPodAutoscaler" => {
                    through::<autoscaling::HorizontalPodAutoscaler>(&object)
                }
                "MutatingWebhookConfiguration" => {
                    through::<admission::MutatingWebhookConfiguration>(&object)
                }
                "NetworkPolicy" => through::<networking::NetworkPolicy>(&object),
                "Pod" => through::<core::Pod>(&object),
                "PodDisruptionBudget" => through::<policy::PodDisruptionBudget>(&object),
                "Role" => through::<rbac::Role>(&object),
                "RoleBinding" => through::<rbac::RoleBinding>(&object),
                "Secret" => through::<core::Secret>(&object),
                "Service" => through::<core::Service>(&object),
                "ServiceAccount" => through::<core::ServiceAccount>(&object),
                "ValidatingAdmissionPolicy" => {
                    through::<admission::ValidatingAdmissionPolicy>(&object)
                }
                "ValidatingAdmissionPolicyBinding" => {
                    through::<admission::ValidatingAdmissionPolicyBinding>(&object)
                }
                "ValidatingWebhookConfiguration" => {
                    through::<admission::ValidatingWebhookConfiguration>(&object)
                }
                // Types of other projects.
                "Certificate" | "Issuer" | "PrometheusRule" | "ServiceMonitor" => continue,
                other => panic!("a {other} is rendered, which nothing here checks"),
            };
            let mut found = Vec::new();
            lost(&object, &kept, kind, &mut found);
            assert_eq!(found, [] as [&str; 0], "{values}: unknown fields");
        }
    }
}

#[test]
fn nothing_is_rendered_that_a_controller_changes() {
    let objects = rendered(KUBERNETES, &[]);
    for kind in [
        "MutatingWebhookConfiguration",
        "ValidatingWebhookConfiguration",
    ] {
        for webhook in only(&objects, kind)["webhooks"].as_array().unwrap() {
            assert_eq!(webhook["clientConfig"].get("caBundle"), None, "{kind}");
        }
    }
    let secret = only(&objects, "Secret");
    assert!(secret.get("data").is_none() && secret.get("stringData").is_none());

    let scaled = rendered(KUBERNETES, &choosing("everything"));
    assert_eq!(only(&scaled, "Deployment")["spec"].get("replicas"), None);
}

#[test]
fn a_certificate_that_is_given_is_mounted_and_its_authority_rendered() {
    let objects = rendered(KUBERNETES, &choosing("given-certificate"));
    assert!(objects.iter().all(|object| object["kind"] != "Secret"));
    let pod = &only(&objects, "Deployment")["spec"]["template"]["spec"];
    assert_eq!(pod["volumes"][0]["secret"]["secretName"], "given-tls");
    let env = pod["containers"][0]["env"].as_array().unwrap();
    let value = |name: &str| env.iter().find(|e| e["name"] == name).map(|e| &e["value"]);
    assert_eq!(
        value("AGENT_INJECT_TLS_CERT_FILE").unwrap(),
        "/etc/leasehold/tls/cert.pem"
    );
    assert_eq!(value("AGENT_INJECT_TLS_AUTO"), None);
    let hooks = only(&objects, "MutatingWebhookConfiguration");
    assert_eq!(
        hooks["webhooks"][0]["clientConfig"]["caBundle"],
        "LS0tLS1CRUdJTg=="
    );
}

#[test]
fn an_authority_for_clients_is_mounted_where_the_server_looks_for_it() {
    for (kind, field) in [("configMap", "configMapName"), ("secret", "secretName")] {
        let set = format!(
            "injector.clientAuthority.{field}=clients,injector.clientAuthority.key=api.crt"
        );
        let objects = rendered(KUBERNETES, &["--set".to_owned(), set]);
        let pod = &only(&objects, "Deployment")["spec"]["template"]["spec"];
        let volume = &pod["volumes"][0][kind];
        assert!(
            volume["name"] == "clients" || volume["secretName"] == "clients",
            "{volume}"
        );
        let container = &pod["containers"][0];
        assert_eq!(
            container["volumeMounts"][0]["mountPath"],
            "/etc/leasehold/clients"
        );
        let env = container["env"].as_array().unwrap();
        let file = env
            .iter()
            .find(|e| e["name"] == "AGENT_INJECT_TLS_CLIENT_CA_FILE")
            .unwrap();
        assert_eq!(file["value"], "/etc/leasehold/clients/api.crt");
    }
}

#[test]
fn variables_have_one_value_each_and_the_users_wins() {
    for values in VALUES {
        let objects = rendered(KUBERNETES, &choosing(values));
        let pod = &only(&objects, "Deployment")["spec"]["template"]["spec"];
        let env = pod["containers"][0]["env"].as_array().unwrap();
        let mut names: Vec<&str> = env.iter().map(|e| e["name"].as_str().unwrap()).collect();
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!(count, names.len(), "{values}");
        if values == "everything" {
            let level = env
                .iter()
                .find(|e| e["name"] == "AGENT_INJECT_LOG_LEVEL")
                .unwrap();
            assert_eq!(level["value"], "debug");
        }
    }
}

#[test]
fn nothing_is_rendered_when_the_injector_is_switched_off() {
    for off in ["global.enabled=false", "injector.enabled=false"] {
        let arguments = ["--set".to_owned(), off.to_owned()];
        assert_eq!(rendered(KUBERNETES, &arguments), [] as [Value; 0], "{off}");
    }
    let arguments = ["--set", "global.enabled=false,injector.enabled=true"].map(str::to_owned);
    assert!(!rendered(KUBERNETES, &arguments).is_empty());
}
