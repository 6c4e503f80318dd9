//! Pods at admission: the review as bytes, arbitrary annotations, and patches that users write. A patch of
//! ours applies, gives a pod, keeps what the pod had, and a second admission leaves that pod alone.

use std::{collections::BTreeMap, sync::OnceLock};

use k8s_openapi::api::core::v1::Pod;
use leasehold::{admission, templates::Templates};
use leasehold_inject::{
    KubeVersion, Outcome, Review, Settings, Unasked, review as decide, vocabulary,
};
use serde_json::{Map, Value, json};

/// The body of a request to the webhook.
pub(crate) fn review(input: &[u8]) {
    match admission::read(input) {
        Err(error) => drop((error.to_string(), error.status())),
        Ok(question) => {
            let request = &question.request;
            let outcome = outcome(request.object(), &request.operation);
            let verdict = admission::Verdict::of(outcome);
            verdict.answer(&question).expect("an answer is JSON");
        }
    }
}

/// Annotations of a pod: `name=value` with zero bytes between. A name without a prefix gets the established
/// one, and one that is a number means the annotation at that place in the vocabulary.
pub(crate) fn annotations(input: &[u8]) {
    let mut annotations = Map::new();
    for part in String::from_utf8_lossy(input).split('\0') {
        let (name, value) = part.split_once('=').unwrap_or((part, "true"));
        annotations.insert(full_name(name), value.into());
    }
    admitted(annotations);
}

/// Patches of the agents' containers, as an annotation holds them: one for the sidecar and, behind a zero byte,
/// one for the init container.
pub(crate) fn json_patch(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let (sidecar, init) = text.split_once('\0').unwrap_or((&text, "[]"));
    let mut annotations = Map::new();
    annotations.insert(full_name("agent-json-patch"), sidecar.into());
    annotations.insert(full_name("agent-init-json-patch"), init.into());
    admitted(annotations);
}

fn full_name(name: &str) -> String {
    let known = |at: usize| vocabulary::all().nth(at % vocabulary::all().count());
    match name.parse::<usize>().ok().and_then(known) {
        Some(annotation) => annotation.full_name(),
        None if name.contains('/') => name.to_owned(),
        None => format!("vault.hashicorp.com/{name}"),
    }
}

/// Reviews a pod that asks for injection with these annotations besides.
fn admitted(mut annotations: Map<String, Value>) {
    let asked = "vault.hashicorp.com/agent-inject";
    annotations.entry(asked).or_insert_with(|| "true".into());
    annotations
        .entry("vault.hashicorp.com/role")
        .or_insert_with(|| "web".into());
    let pod = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"generateName": "web-", "annotations": annotations},
        "spec": {
            "serviceAccountName": "web",
            "containers": [
                {"name": "app", "image": "app:1", "volumeMounts": [{
                    "name": "kube-api-access-x", "readOnly": true,
                    "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount",
                }]},
                {"name": "other", "image": "other:1", "newerThanOurTypes": {"kept": true}},
            ],
            "volumes": [{"name": "kube-api-access-x", "projected": {"sources": [
                {"serviceAccountToken": {"path": "token", "expirationSeconds": 3607}},
            ]}}],
        },
    });
    let Outcome::Patched { patch, .. } = outcome(&pod.to_string(), "CREATE") else {
        return;
    };
    let mut patched = pod.clone();
    json_patch::patch(&mut patched, &patch.operations()).expect("our patch applies");
    if let Err(error) = serde_json::from_value::<Pod>(patched.clone()) {
        panic!("what was patched is no pod: {error}\n{patched:#}");
    }
    kept(&pod["spec"]["containers"], &patched["spec"]["containers"]);
    match outcome(&patched.to_string(), "CREATE") {
        Outcome::Unchanged { .. } => {}
        Outcome::Denied { message, .. } => panic!("the injected pod is denied: {message}"),
        Outcome::Patched { patch, .. } => panic!("a second admission changes the pod: {patch}"),
    }
}

/// Containers of the user keep all they have; only mounts are added, and a hook where there was none.
fn kept(before: &Value, after: &Value) {
    for container in before.as_array().into_iter().flatten() {
        let name = &container["name"];
        let found = after
            .as_array()
            .into_iter()
            .flatten()
            .find(|found| found["name"] == *name);
        let found = found.unwrap_or_else(|| panic!("container {name} is gone"));
        for (field, value) in container.as_object().into_iter().flatten() {
            let now = &found[field.as_str()];
            let is_kept = match (field.as_str(), value, now) {
                ("volumeMounts", Value::Array(old), Value::Array(new)) => new.starts_with(old),
                _ => now == value,
            };
            assert!(is_kept, "{field} of {name} was {value} and is {now}");
        }
    }
}

fn outcome(pod: &str, operation: &str) -> Outcome {
    static SETTINGS: OnceLock<Settings> = OnceLock::new();
    let settings = SETTINGS.get_or_init(|| Settings {
        vault_address: "https://vault.example:8200".to_owned(),
        ..Settings::default()
    });
    let asked = Review {
        pod,
        kind: "Pod",
        operation,
        namespace: "shop",
        dry_run: false,
        namespace_defaults: &BTreeMap::new(),
        kube_version: KubeVersion::NEWEST,
        unasked: Unasked::default(),
    };
    decide(&asked, settings, &Templates)
}
