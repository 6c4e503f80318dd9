//! Rules that hold with the settings which ask for the established injector's answers, one by one:
//! what the recorded pods show only together, or not at all.

use leasehold_inject::{Flavour, Mode, TokenSource};
use serde_json::{Value, json};

use crate::support::{Request, config};

/// A pod that mounts its default token, as one arrives at the webhook.
fn compatible(annotations: &[(&str, &str)]) -> Request {
    let mut request = Request::with(annotations).settings(|settings| {
        settings.agent_flavour = Some(Flavour::Vault);
        settings.agent_mode = Mode::Pair;
        settings.token_source = TokenSource::Pod;
    });
    request.pod["spec"] = json!({
        "containers": [{
            "name": "app",
            "image": "example/web:1",
            "volumeMounts": [{
                "name": "kube-api-access",
                "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount",
            }],
        }],
        "volumes": [{ "name": "kube-api-access", "projected": { "sources": [] } }],
    });
    request
}

fn sidecar_config(annotations: &[(&str, &str)]) -> Value {
    let patched = compatible(annotations).patched();
    config(patched.container("containers", "vault-agent"))
}

#[test]
fn a_name_that_ends_with_its_dash_names_no_secret() {
    for name in ["agent-inject-secret-", "agent-inject-template-"] {
        let request = compatible(&[(name, "kv/data/x")]);
        let patched = request.patched();
        let config = config(patched.container("containers", "vault-agent"));
        assert_eq!(
            config["template"].as_array().map(Vec::len),
            Some(1),
            "{name}"
        );
        assert!(
            patched.has_finding(&format!("{name}: there is no such annotation")),
            "{:?}",
            patched.findings
        );
    }
}

#[test]
fn telemetry_keys_may_have_capitals_and_whole_numbers_an_exponent() {
    let config = sidecar_config(&[
        ("agent-telemetry-STATSD-Address", "127.0.0.1:8125"),
        ("agent-telemetry-maximum-gauge-cardinality", "1e2"),
    ]);
    assert_eq!(
        config["telemetry"],
        json!({ "maximum_gauge_cardinality": 100, "statsd_address": "127.0.0.1:8125" })
    );
}

#[test]
fn underscores_in_a_threshold_stand_between_digits() {
    let config = sidecar_config(&[("template-lease-renewal-threshold", "0.7_5")]);
    assert_eq!(config["template_config"]["lease_renewal_threshold"], 0.75);
}

#[test]
fn the_name_of_a_volume_that_is_not_there_is_quoted() {
    let denied = compatible(&[("agent-service-account-token-volume-name", "a\"b\\c")]).denied();
    assert!(
        denied.starts_with(
            "error creating new agent sidecar: failed to find service account volume \
             \"a\\\"b\\\\c\""
        ),
        "{denied}"
    );
}

#[test]
fn a_token_mount_without_a_volumes_name_is_denied() {
    let mut request = compatible(&[]);
    request.pod["spec"]["containers"][0]["volumeMounts"][0]["name"] = "".into();
    let denied = request.denied();
    assert!(
        denied.starts_with(
            "error validating agent configuration: no service account token volume name, mount \
             path or token path found"
        ),
        "{denied}"
    );
}

#[test]
fn a_patch_of_the_whole_container_is_denied_for_adding_and_kept_for_replacing() {
    let add = [(
        "agent-json-patch",
        r#"[{"op":"add","path":"","value":{"name":"x"}}]"#,
    )];
    let denied = compatible(&add).denied();
    assert!(denied.contains("doc is missing path: \"\""), "{denied}");
    let replace = [(
        "agent-json-patch",
        r#"[{"op":"replace","path":"","value":{"name":"x"}}]"#,
    )];
    let patched = compatible(&replace).patched();
    assert_eq!(patched.names("containers"), ["app", "x"]);
}
