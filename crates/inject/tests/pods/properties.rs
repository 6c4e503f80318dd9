//! What holds for any pod with any annotations.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Pod;
use leasehold_inject::{
    Flavour, KubeVersion, Mode, Outcome, Review, Settings, Severity, TokenSource, Unasked,
    Unchecked, review, vocabulary,
};
use proptest::prelude::*;
use proptest::sample::select;
use serde::Deserialize as _;
use serde_json::{Map, Value, json};

/// Values that some annotation accepts, and some that none does.
const VALUES: [&str; 44] = [
    "",
    "true",
    "false",
    "T",
    "0",
    "1",
    "maybe",
    " ",
    "web",
    "kv/data/a",
    "secret/x",
    "a\" \"b=c",
    "/vault/secrets",
    "/vault/secrets/",
    "/etc/x",
    "rel/path",
    "../../home/vault/x",
    "0400",
    "rw-",
    "5s",
    "1h2m",
    "-3s",
    "2d",
    "64Mi",
    "0.5",
    "-1",
    "Gi",
    "1e3",
    "128MB",
    "100",
    "-7",
    "NaN",
    "0.7",
    "app",
    "app, init",
    "nope",
    "null",
    "[]",
    "{}",
    r#"[{"op":"replace","path":"/image","value":"x"}]"#,
    r#"[{"op":"remove","path":"/env/-1"}]"#,
    r#"[{"op":"add","path":"/volumeMounts/-","value":{"name":"v","mountPath":"/v"}}]"#,
    "{{ with secret \"kv/data/a\" }}{{ .Data.x }}{{ end }}",
    "https://vault.example.com",
];

fn names() -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for annotation in vocabulary::all() {
        names.push(annotation.full_name());
        if annotation.family != vocabulary::Family::Single {
            for suffix in ["db", "DB", "file-x", "x", "path", "role"] {
                names.push(format!("{}-{suffix}", annotation.full_name()));
            }
        }
    }
    names.push("openbao.org/role".to_owned());
    names.push("vault.hashicorp.com/agent-injekt".to_owned());
    names.push("other.example.com/x".to_owned());
    names
}

fn annotations() -> impl Strategy<Value = Value> {
    let value = prop_oneof![
        8 => select(&VALUES[..]).prop_map(str::to_owned),
        1 => ".{0,40}",
    ];
    proptest::collection::btree_map(select(names()), value, 0..12).prop_flat_map(|map| {
        let map: Map<String, Value> = map.into_iter().map(|(k, v)| (k, v.into())).collect();
        (Just(map), any::<bool>(), any::<bool>()).prop_map(|(mut map, inject, role)| {
            if inject {
                map.insert("vault.hashicorp.com/agent-inject".into(), "true".into());
            }
            if role {
                map.insert("vault.hashicorp.com/role".into(), "web".into());
            }
            Value::Object(map)
        })
    })
}

fn mount() -> impl Strategy<Value = Value> {
    let names: &[&str] = &["token", "v", "own", "vault-secrets"];
    let paths: &[&str] = &[
        "/var/run/secrets/kubernetes.io/serviceaccount",
        "/v",
        "/vault/secrets",
        "/etc/gcp/serviceaccount-key",
        "/var/run/secrets/eks.amazonaws.com/serviceaccount",
    ];
    (select(names), select(paths), any::<bool>()).prop_map(|(name, path, read_only)| {
        json!({ "name": name, "mountPath": path, "readOnly": read_only, "fieldOfTomorrow": [1] })
    })
}

fn container(names: &'static [&'static str]) -> impl Strategy<Value = Value> {
    let mounts = prop_oneof![
        1 => Just(Value::Null),
        1 => Just(json!([])),
        4 => proptest::collection::vec(mount(), 0..3).prop_map(Value::from),
    ];
    let context = prop_oneof![
        Just(Value::Null),
        (0_i64..3).prop_map(|user| json!({ "runAsUser": user })),
    ];
    (select(names), mounts, context, any::<bool>()).prop_map(|(name, mounts, context, always)| {
        let mut map = Map::new();
        map.insert("name".into(), name.into());
        map.insert("image".into(), "example/x:1".into());
        map.insert(
            "fieldOfTomorrow".into(),
            json!({ "deep": [1, { "a": null }] }),
        );
        for (key, value) in [("volumeMounts", mounts), ("securityContext", context)] {
            if !value.is_null() {
                map.insert(key.into(), value);
            }
        }
        if always && name != "app" {
            map.insert("restartPolicy".into(), "Always".into());
        }
        Value::Object(map)
    })
}

fn volume() -> impl Strategy<Value = Value> {
    let audience = select(&["", "vault", "other"][..]);
    let name = select(&["token", "v", "own", "vault-secrets", "home-init"][..]);
    (name, audience, any::<bool>(), 600_i64..8000).prop_map(|(name, audience, plain, seconds)| {
        if plain {
            return json!({ "name": name, "emptyDir": {} });
        }
        json!({ "name": name, "projected": { "sources": [{ "serviceAccountToken": {
            "audience": audience, "expirationSeconds": seconds, "path": "token",
        } }] } })
    })
}

fn pods() -> impl Strategy<Value = Value> {
    let containers = proptest::collection::vec(container(&["app", "proxy", "log"]), 0..4);
    let inits = proptest::collection::vec(
        container(&["init", "istio-proxy", "vault-agent-init", "vault-agent"]),
        0..3,
    );
    let volumes = proptest::option::of(proptest::collection::vec(volume(), 0..4));
    (
        annotations(),
        containers,
        inits,
        volumes,
        any::<(bool, bool)>(),
    )
        .prop_map(
            |(annotations, containers, inits, volumes, (host_network, tomorrow))| {
                let mut spec = Map::new();
                spec.insert("containers".into(), containers.into());
                if !inits.is_empty() {
                    spec.insert("initContainers".into(), inits.into());
                }
                if let Some(volumes) = volumes {
                    spec.insert("volumes".into(), volumes.into());
                }
                spec.insert("hostNetwork".into(), host_network.into());
                if tomorrow {
                    spec.insert("fieldOfTomorrow".into(), json!({ "x": 1 }));
                }
                json!({
                    "apiVersion": "v1",
                    "kind": "Pod",
                    "metadata": { "name": "p", "annotations": annotations },
                    "spec": spec,
                })
            },
        )
}

fn settings() -> impl Strategy<Value = (Settings, u32)> {
    let flavour = select(&[None, Some(Flavour::Vault), Some(Flavour::Leasehold)][..]);
    let mode = select(&[Mode::Auto, Mode::Native, Mode::Pair][..]);
    let source = select(&[TokenSource::Projected, TokenSource::Pod][..]);
    (flavour, mode, source, 27_u32..37).prop_map(|(flavour, mode, source, minor)| {
        let settings = Settings {
            vault_address: "https://vault.vault.svc:8200".to_owned(),
            agent_flavour: flavour,
            agent_mode: mode,
            token_source: source,
            ..Settings::default()
        };
        (settings, minor)
    })
}

fn answer(pod: &Value, settings: &Settings, minor: u32) -> Outcome {
    let namespace = BTreeMap::new();
    let question = Review {
        pod: &pod.to_string(),
        kind: "Pod",
        operation: "CREATE",
        namespace: "shop",
        dry_run: false,
        namespace_defaults: &namespace,
        kube_version: KubeVersion { major: 1, minor },
        unasked: Unasked::Leave,
    };
    review(&question, settings, &Unchecked)
}

/// Whether everything in the first value is in the second, lists in their order with more between.
fn survives(before: &Value, after: &Value) -> bool {
    match (before, after) {
        (Value::Object(a), Value::Object(b)) => a
            .iter()
            .all(|(key, value)| b.get(key).is_some_and(|other| survives(value, other))),
        (Value::Array(a), Value::Array(b)) => {
            let mut rest = b.iter();
            a.iter()
                .all(|value| rest.any(|other| survives(value, other)))
        }
        (Value::Null, _) => true,
        _ => before == after,
    }
}

fn list<'p>(pod: &'p Value, list: &str) -> impl Iterator<Item = &'p Value> {
    pod["spec"][list].as_array().into_iter().flatten()
}

/// A container without what an injection may change about it.
fn without_mounts(container: &Value) -> Value {
    let mut container = container.clone();
    if let Some(map) = container.as_object_mut() {
        map.shift_remove("volumeMounts");
        if map.get("resources") == Some(&json!({})) {
            map.shift_remove("resources");
        }
    }
    container
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn a_patch_applies_keeps_what_was_there_and_is_final(
        (pod, (settings, minor)) in (pods(), settings())
    ) {
        let Outcome::Patched { patch, .. } = answer(&pod, &settings, minor) else {
            return Ok(());
        };
        let mut patched = pod.clone();
        prop_assert!(json_patch::patch(&mut patched, &patch.operations()).is_ok(), "{patch}");

        let annotation = &pod["metadata"]["annotations"]["vault.hashicorp.com/agent-inject-status"];
        let mut expected = pod.clone();
        if !annotation.is_null() {
            expected["metadata"]["annotations"]["vault.hashicorp.com/agent-inject-status"] =
                "injected".into();
        }
        expected["metadata"]["annotations"]
            .as_object_mut()
            .expect("the strategy makes annotations")
            .shift_remove("leasehold.dev/findings");
        prop_assert!(survives(&expected, &patched), "{pod}\n{patched}");

        for name in ["containers", "initContainers"] {
            for before in list(&pod, name) {
                let same = list(&patched, name).any(|c| without_mounts(c) == without_mounts(before));
                prop_assert!(same, "{before} in {patched}");
            }
        }
        if Pod::deserialize(&pod).is_ok() {
            let parsed = Pod::deserialize(&patched);
            prop_assert!(parsed.is_ok(), "{parsed:?} of {patched}");
        }
        match answer(&patched, &settings, minor) {
            Outcome::Unchanged { .. } => {}
            other => prop_assert!(false, "a second admission answers {other:?} to {patched}"),
        }
    }

    #[test]
    fn containers_that_are_not_chosen_do_not_change(
        (pod, (settings, minor)) in (pods(), settings())
    ) {
        let mut pod = pod;
        let annotations = &mut pod["metadata"]["annotations"];
        annotations["vault.hashicorp.com/agent-inject"] = "true".into();
        annotations["vault.hashicorp.com/role"] = "web".into();
        annotations["vault.hashicorp.com/agent-inject-containers"] = "app".into();
        let Outcome::Patched { patch, .. } = answer(&pod, &settings, minor) else {
            return Ok(());
        };
        let mut patched = pod.clone();
        prop_assert!(json_patch::patch(&mut patched, &patch.operations()).is_ok(), "{patch}");
        let others = |pod: &Value| -> Vec<Value> {
            let agents = ["app", "vault-agent"];
            list(pod, "containers").filter(|c| !agents.iter().any(|n| c["name"] == *n)).cloned().collect()
        };
        prop_assert_eq!(others(&pod), others(&patched));
    }

    #[test]
    fn no_mount_path_is_doubled_by_us(
        (pod, (settings, minor)) in (pods(), settings())
    ) {
        let Outcome::Patched { patch, .. } = answer(&pod, &settings, minor) else {
            return Ok(());
        };
        let mut patched = pod.clone();
        prop_assert!(json_patch::patch(&mut patched, &patch.operations()).is_ok(), "{patch}");
        let patches = ["agent-json-patch", "agent-init-json-patch"];
        if patches.iter().any(|p| !pod["metadata"]["annotations"][format!("vault.hashicorp.com/{p}")].is_null()) {
            return Ok(());
        }
        for (name, agent) in [("containers", "vault-agent"), ("initContainers", "vault-agent-init"), ("initContainers", "vault-agent")] {
            // One of the pod's own may have the name that another placement's agent has, and mounts of its own choice.
            let is_ours = |c: &&Value| c["name"] == agent && !list(&pod, name).any(|own| own["name"] == agent);
            for container in list(&patched, name).filter(is_ours) {
                let mut paths: Vec<&str> = crate::support::mounts(container).into_iter().map(|m| m.1).collect();
                let count = paths.len();
                paths.sort_unstable();
                paths.dedup();
                prop_assert_eq!(count, paths.len(), "{}", container);
            }
        }
        let mut volumes: Vec<&str> = list(&patched, "volumes").filter_map(|v| v["name"].as_str()).collect();
        let given: Vec<&str> = list(&pod, "volumes").filter_map(|v| v["name"].as_str()).collect();
        volumes.drain(..given.len());
        for volume in volumes {
            prop_assert!(!given.contains(&volume), "{volume} twice");
        }
    }

    #[test]
    fn without_a_warning_the_agent_reads_its_configuration(
        (pod, (settings, minor)) in (pods(), settings())
    ) {
        let Outcome::Patched { patch, findings, .. } = answer(&pod, &settings, minor) else {
            return Ok(());
        };
        if findings.iter().any(|finding| finding.severity == Severity::Warning) {
            return Ok(());
        }
        let mut patched = pod;
        prop_assert!(json_patch::patch(&mut patched, &patch.operations()).is_ok(), "{patch}");
        for name in ["containers", "initContainers"] {
            for container in list(&patched, name) {
                let config = crate::support::config(container);
                if config.get("leasehold").is_none() {
                    continue;
                }
                let read = leasehold_config::load([("VAULT_CONFIG", config.to_string().as_str())]);
                prop_assert!(read.is_ok(), "{:?} of {}", read.err(), config);
            }
        }
    }

    #[test]
    fn no_object_makes_it_panic(object in json_values(), unasked in any::<bool>()) {
        let namespace = BTreeMap::new();
        let question = Review {
            pod: &object.to_string(),
            kind: "Pod",
            operation: "CREATE",
            namespace: "shop",
            dry_run: true,
            namespace_defaults: &namespace,
            kube_version: KubeVersion::NEWEST,
            unasked: if unasked { Unasked::Inject } else { Unasked::Leave },
        };
        if let Outcome::Patched { patch, .. } = review(&question, &Settings::default(), &Unchecked) {
            let mut patched = object.clone();
            prop_assert!(json_patch::patch(&mut patched, &patch.operations()).is_ok(), "{patch} to {object}");
        }
    }

    #[test]
    fn any_text_as_a_patch_is_applied_or_refused(
        operations in proptest::collection::vec(operation(), 0..5)
    ) {
        let text = Value::from(operations).to_string();
        let request = crate::support::Request::with(&[
            ("agent-json-patch", &text),
            ("agent-init-json-patch", &text),
        ]);
        match request.answer() {
            Outcome::Patched { patch, .. } => {
                let mut patched = request.pod;
                prop_assert!(json_patch::patch(&mut patched, &patch.operations()).is_ok());
                prop_assert!(Pod::deserialize(&patched).is_ok(), "{patched}");
            }
            Outcome::Denied { message, .. } => prop_assert!(
                message.starts_with("error creating patch for agent: "), "{}", message
            ),
            other => prop_assert!(false, "{:?}", other),
        }
    }
}

fn operation() -> impl Strategy<Value = Value> {
    let op = select(&["add", "remove", "replace", "move", "copy", "test", "merge"][..]);
    let paths: &[&str] = &[
        "",
        "/",
        "/name",
        "/image",
        "/env",
        "/env/0",
        "/env/-",
        "/env/-1",
        "/env/-99",
        "/env/7",
        "/env/0/value",
        "/resources/limits/cpu",
        "/resources",
        "/volumeMounts/0/mountPath",
        "/no/such",
        "/a~1b",
        "no-slash",
        "/securityContext/runAsUser",
    ];
    let value = prop_oneof![
        Just(Value::Null),
        Just(json!("x")),
        Just(json!(1)),
        Just(json!([])),
        Just(json!({})),
        Just(json!({ "name": "A", "value": "b" })),
    ];
    (
        op,
        select(paths),
        select(paths),
        proptest::option::of(value),
    )
        .prop_map(|(op, path, from, value)| {
            let mut map = Map::new();
            map.insert("op".into(), op.into());
            map.insert("path".into(), path.into());
            map.insert("from".into(), from.into());
            if let Some(value) = value {
                map.insert("value".into(), value);
            }
            Value::Object(map)
        })
}

/// Any JSON, with the words of a pod in it more often than by chance.
fn json_values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        select(&VALUES[..]).prop_map(Value::from),
    ];
    let words: &[&str] = &[
        "metadata",
        "annotations",
        "spec",
        "containers",
        "initContainers",
        "volumes",
        "name",
        "volumeMounts",
        "mountPath",
        "env",
        "projected",
        "sources",
        "serviceAccountToken",
        "status",
        "phase",
        "securityContext",
        "vault.hashicorp.com/agent-inject",
        "vault.hashicorp.com/role",
    ];
    leaf.prop_recursive(6, 48, 6, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map(select(words), inner, 0..6).prop_map(|map| {
                Value::Object(map.into_iter().map(|(k, v)| (k.to_owned(), v)).collect())
            }),
        ]
    })
}
