//! What the API server does with a pod besides calling webhooks: workloads become pods, and the
//! ServiceAccount plugin mounts the default token.
//!
//! The plugin runs before webhooks and once more after one that changed the pod, so whoever adds a
//! container without a mount at the token's usual place gets the default token there.

use serde_json::{Value, json};

use crate::cluster::Objects;

/// Where the plugin mounts the default token.
const TOKEN_PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// The pod that a controller would create from a workload (Deployment, StatefulSet, DaemonSet,
/// ReplicaSet, Job, CronJob), or the pod itself. `suffix` makes its name its own.
pub fn pod_of(workload: &Value, suffix: &str) -> Value {
    let template = match workload["kind"].as_str() {
        Some("Pod") => return workload.clone(),
        Some("CronJob") => &workload["spec"]["jobTemplate"]["spec"]["template"],
        _ => &workload["spec"]["template"],
    };
    let name = workload["metadata"]["name"].as_str().unwrap_or("workload");
    let mut metadata = template["metadata"].clone();
    metadata["name"] = json!(format!("{name}-{suffix}"));
    metadata["namespace"] = match &workload["metadata"]["namespace"] {
        Value::Null => json!("default"),
        namespace => namespace.clone(),
    };
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]})
}

/// What the ServiceAccount plugin does: names the account, and mounts its token into each container
/// that has no mount at the usual path, unless that is turned off.
pub fn service_account_plugin(pod: &mut Value) {
    let spec = &mut pod["spec"];
    if spec["serviceAccountName"].is_null() {
        spec["serviceAccountName"] = json!("default");
    }
    if spec["automountServiceAccountToken"] == false {
        return;
    }
    let volumes = spec["volumes"].as_array().cloned().unwrap_or_default();
    let existing = volumes
        .iter()
        .filter_map(|volume| volume["name"].as_str())
        .find(|name| name.starts_with("kube-api-access-"))
        .map(str::to_owned);
    let name = existing
        .clone()
        .unwrap_or_else(|| "kube-api-access-x7k2p".to_owned());
    let mut mounted = false;
    for list in ["initContainers", "containers"] {
        for container in spec[list].as_array_mut().into_iter().flatten() {
            if container["volumeMounts"].is_null() {
                container["volumeMounts"] = json!([]);
            }
            let Some(mounts) = container["volumeMounts"].as_array_mut() else {
                continue;
            };
            if mounts.iter().any(|mount| mount["mountPath"] == TOKEN_PATH) {
                continue;
            }
            mounts.push(json!({"name": name, "readOnly": true, "mountPath": TOKEN_PATH}));
            mounted = true;
        }
    }
    if !mounted || existing.is_some() {
        return;
    }
    if spec["volumes"].is_null() {
        spec["volumes"] = json!([]);
    }
    if let Some(volumes) = spec["volumes"].as_array_mut() {
        volumes.push(
            json!({"name": name, "projected": {"defaultMode": 420, "sources": [
                {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
                {"configMap": {
                    "name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}],
                }},
                {"downwardAPI": {"items": [{
                    "path": "namespace",
                    "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"},
                }]}},
            ]}}),
        );
    }
}

/// The AdmissionReview that the API server sends when a controller creates a pod.
pub fn review_of(pod: &Value) -> Value {
    json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "b0a2c8de-3a52-4c5f-8a54-7f5c3f6d8f01",
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "resource": {"group": "", "version": "v1", "resource": "pods"},
            "requestKind": {"group": "", "version": "v1", "kind": "Pod"},
            "requestResource": {"group": "", "version": "v1", "resource": "pods"},
            "name": pod["metadata"]["name"], "namespace": pod["metadata"]["namespace"],
            "operation": "CREATE",
            "userInfo": {
                "username": "system:serviceaccount:kube-system:replicaset-controller",
                "groups": ["system:serviceaccounts", "system:authenticated"],
            },
            "object": pod, "oldObject": null, "dryRun": false,
            "options": {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1"},
        },
    })
}

/// Makes the namespace and the account of a pod, with the certificate that every namespace has.
pub fn prepare(objects: &Objects, pod: &Value, ca: &str) {
    let namespace = pod["metadata"]["namespace"].as_str().unwrap_or("default");
    let account = pod["spec"]["serviceAccountName"]
        .as_str()
        .unwrap_or("default");
    objects.service_account(namespace, account);
    objects.put(
        "",
        "v1",
        "configmaps",
        Some(namespace),
        &json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": "kube-root-ca.crt"}, "data": {"ca.crt": ca},
        }),
    );
}
