//! Beside the established injector: a pod that both see is injected by the one that sees it first, and
//! by that one alone.
//!
//! The established injector is stood in for by its recordings: what it makes of a pod is the recorded
//! pod, and what it leaves alone is what its recorded rule says, a pod whose
//! `vault.hashicorp.com/agent-inject-status` is `injected`.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test reads the recordings, and what is wrong with them ends it"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use leasehold_inject::{
    KubeVersion, Outcome, Review, Settings, SkipReason, Unasked, Unchecked, review,
};
use serde_json::Value;

const STATUS: &str = "/metadata/annotations/vault.hashicorp.com~1agent-inject-status";

/// Recorded pods with what the established injector made of them, where it injected them.
fn recorded() -> Vec<(String, Value, Value)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/inject");
    let mut cases = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let case: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        let Some(patched) = case.pointer("/result/patched") else {
            continue;
        };
        // Some recorded pods say themselves that they are injected.
        if case["pod"].pointer(STATUS).is_none() {
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            cases.push((name, case["pod"].clone(), patched.clone()));
        }
    }
    assert!(cases.len() > 100, "only {} recordings", cases.len());
    cases
}

/// What we answer about a pod of a namespace whose label asks for injection.
fn ours(pod: &Value) -> Outcome {
    let namespace = BTreeMap::new();
    let question = Review {
        pod: &pod.to_string(),
        kind: "Pod",
        operation: "CREATE",
        namespace: "shop",
        dry_run: false,
        namespace_defaults: &namespace,
        kube_version: KubeVersion::NEWEST,
        unasked: Unasked::Inject,
    };
    let settings = Settings {
        vault_address: "https://vault.vault.svc:8200".to_owned(),
        ..Settings::default()
    };
    review(&question, &settings, &Unchecked)
}

/// What the established injector does with a pod: nothing where its rule says that it is injected.
fn established(pod: &Value, recorded: &Value) -> Value {
    if pod.pointer(STATUS).and_then(Value::as_str) == Some("injected") {
        pod.clone()
    } else {
        recorded.clone()
    }
}

/// The agent's containers of a pod, by list and name.
fn agents(pod: &Value) -> Vec<(&'static str, String)> {
    let mut agents = Vec::new();
    for list in ["initContainers", "containers"] {
        for container in pod["spec"][list].as_array().into_iter().flatten() {
            let name = container["name"].as_str().unwrap_or_default();
            let configured = container["env"].as_array().into_iter().flatten();
            // A pod may have a container with such a name; an agent has its configuration, too.
            let is_agent = name.starts_with("vault-agent")
                && configured
                    .map(|variable| &variable["name"])
                    .any(|name| name == "VAULT_CONFIG" || name == "VAULT_LOG_LEVEL");
            if is_agent {
                agents.push((list, name.to_owned()));
            }
        }
    }
    agents
}

#[test]
fn a_pod_that_the_established_injector_saw_first_is_not_injected_again() {
    for (name, pod, recorded) in recorded() {
        let first = established(&pod, &recorded);
        let before = agents(&first);
        match ours(&first) {
            Outcome::Unchanged {
                reason: SkipReason::AlreadyInjected,
                ..
            } => {}
            // Containers that were left out may get mounts, and nothing else.
            Outcome::Patched { patch, .. } => {
                let mut after = first.clone();
                json_patch::patch(&mut after, &patch.operations()).unwrap();
                assert_eq!(agents(&after), before, "{name}");
                assert_eq!(after["spec"]["volumes"], first["spec"]["volumes"], "{name}");
            }
            other => assert!(
                matches!(other, Outcome::Unchanged { .. }),
                "{name}: {other:?}"
            ),
        }
    }
}

#[test]
fn a_pod_that_we_saw_first_is_left_alone_by_the_established_injector_and_by_us() {
    let mut injected = 0;
    for (name, pod, recorded) in recorded() {
        let Outcome::Patched { patch, .. } = ours(&pod) else {
            continue;
        };
        injected += 1;
        let mut first = pod.clone();
        json_patch::patch(&mut first, &patch.operations()).unwrap();
        let second = established(&first, &recorded);
        assert_eq!(
            second, first,
            "{name}: the established injector sees its own mark"
        );
        let agents = agents(&second);
        assert!(!agents.is_empty(), "{name}");
        let mut once = agents.clone();
        once.dedup();
        assert_eq!(once, agents, "{name}: an agent is there twice");
        // Called again, as `reinvocationPolicy: IfNeeded` does.
        assert!(
            matches!(ours(&second), Outcome::Unchanged { .. }),
            "{name}: {:?}",
            ours(&second)
        );
    }
    assert!(injected > 100, "only {injected} pods");
}

#[test]
fn without_the_label_a_pod_that_does_not_ask_is_left_to_nobody() {
    let pod =
        serde_json::json!({"metadata": {"name": "web"}, "spec": {"containers": [{"name": "app"}]}});
    let namespace = BTreeMap::new();
    let question = Review {
        pod: &pod.to_string(),
        kind: "Pod",
        operation: "CREATE",
        namespace: "shop",
        dry_run: false,
        namespace_defaults: &namespace,
        kube_version: KubeVersion::NEWEST,
        unasked: Unasked::Leave,
    };
    assert!(matches!(
        review(&question, &Settings::default(), &Unchecked),
        Outcome::Unchanged {
            reason: SkipReason::NotRequested,
            ..
        }
    ));
}
