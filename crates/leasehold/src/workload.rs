//! Kubernetes objects that hold a pod: where the pod's template is in each kind, and the pod that the cluster will
//! make of it. Only the shape of objects is known here; annotations are the injection's business.

use leasehold_inject::{Code, Finding, vocabulary};
use serde_json::{Map, Value, json};

use crate::namespace::{OURS, STOCK};

/// Kinds with a pod template, and where it is. Anything else passes through unchanged.
const KINDS: [(&str, &str); 8] = [
    ("Deployment", "/spec/template"),
    ("StatefulSet", "/spec/template"),
    ("DaemonSet", "/spec/template"),
    ("ReplicaSet", "/spec/template"),
    ("ReplicationController", "/spec/template"),
    ("Job", "/spec/template"),
    ("PodTemplate", "/template"),
    ("CronJob", "/spec/jobTemplate/spec/template"),
];

/// Where an object keeps its pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holder {
    /// The object is the pod.
    Pod,
    /// The object has a template at this JSON pointer.
    Template(&'static str),
}

impl Holder {
    /// Where an object keeps its pod; none for kinds without one.
    #[must_use]
    pub fn of(object: &Value) -> Option<Self> {
        let kind = object.get("kind")?.as_str()?;
        let group = object
            .get("apiVersion")?
            .as_str()?
            .rsplit_once('/')
            .map_or("", |(group, _)| group);
        if !matches!(group, "" | "apps" | "batch") {
            return None;
        }
        if kind == "Pod" {
            return Some(Self::Pod);
        }
        KINDS
            .iter()
            .find(|(name, _)| *name == kind)
            .map(|(_, pointer)| Self::Template(pointer))
    }

    /// The JSON pointer of the pod within the object.
    #[must_use]
    pub const fn pointer(self) -> &'static str {
        match self {
            Self::Pod => "",
            Self::Template(pointer) => pointer,
        }
    }

    /// The pod as its controller would send it to the API server.
    #[must_use]
    pub fn pod(self, object: &Value) -> Value {
        let template = object.pointer(self.pointer()).unwrap_or(&Value::Null);
        if self == Self::Pod {
            return template.clone();
        }
        let mut pod = Map::new();
        pod.insert("apiVersion".to_owned(), json!("v1"));
        pod.insert("kind".to_owned(), json!("Pod"));
        for field in ["metadata", "spec"] {
            if let Some(value) = template.get(field) {
                pod.insert(field.to_owned(), value.clone());
            }
        }
        Value::Object(pod)
    }

    /// Puts a pod back to where it came from.
    pub fn put(self, object: &mut Value, pod: Value) {
        let Some(place) = object.pointer_mut(self.pointer()) else {
            return;
        };
        match (self, place, pod) {
            (Self::Template(_), Value::Object(template), Value::Object(mut pod)) => {
                for field in ["metadata", "spec"] {
                    if let Some(value) = pod.shift_remove(field) {
                        template.insert(field.to_owned(), value);
                    }
                }
            }
            (_, place, pod) => *place = pod,
        }
    }
}

/// Findings about annotations that stand on the workload and not on its pod template, where they do nothing.
#[must_use]
pub fn misplaced(object: &Value, holder: Holder) -> Vec<Finding> {
    let Holder::Template(pointer) = holder else {
        return Vec::new();
    };
    let annotations = object
        .pointer("/metadata/annotations")
        .and_then(Value::as_object);
    let kind = object
        .get("kind")
        .and_then(Value::as_str)
        .unwrap_or("object");
    let path = pointer.trim_start_matches('/').replace('/', ".");
    annotations
        .into_iter()
        .flat_map(Map::keys)
        .filter(|name| {
            [STOCK, OURS]
                .iter()
                .chain(&vocabulary::ALIASES)
                .any(|prefix| name.starts_with(prefix))
        })
        .map(|name| {
            let text = format!(
                "it is on the {kind}, not on its pod template, and does nothing there; write it to \
                 {path}.metadata.annotations"
            );
            Finding::warning(Code::WrongObject, text).about(name)
        })
        .collect()
}

/// Name of the volume that stands for the one which the API server adds with a random name.
const DEFAULT_TOKEN_VOLUME: &str = "kube-api-access-leasehold";
/// Where the API server mounts the default token.
const DEFAULT_TOKEN_PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// Adds what the API server's ServiceAccount plugin adds to a pod before webhooks see it, so that a template is judged
/// as its pods will be.
pub fn add_default_token(pod: &mut Value) {
    let Some(spec) = pod.get_mut("spec").and_then(Value::as_object_mut) else {
        return;
    };
    if spec.get("automountServiceAccountToken") == Some(&Value::Bool(false)) {
        return;
    }
    let mut mounted = false;
    for list in ["initContainers", "containers"] {
        let containers = spec.get_mut(list).and_then(Value::as_array_mut);
        for container in containers
            .into_iter()
            .flatten()
            .filter_map(Value::as_object_mut)
        {
            let mounts = container.entry("volumeMounts").or_insert_with(|| json!([]));
            let Some(mounts) = mounts.as_array_mut() else {
                continue;
            };
            if mounts
                .iter()
                .any(|mount| mount.get("mountPath") == Some(&json!(DEFAULT_TOKEN_PATH)))
            {
                continue;
            }
            mounts.push(json!({"name": DEFAULT_TOKEN_VOLUME, "readOnly": true, "mountPath": DEFAULT_TOKEN_PATH}));
            mounted = true;
        }
    }
    if !mounted {
        return;
    }
    let volumes = spec.entry("volumes").or_insert_with(|| json!([]));
    if let Some(volumes) = volumes.as_array_mut() {
        volumes.push(json!({"name": DEFAULT_TOKEN_VOLUME, "projected": {"sources": [
            {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
            {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        ]}}));
    }
}

/// Takes away what [`add_default_token`] added; the API server adds its own to every container, ours included.
pub fn remove_default_token(pod: &mut Value) {
    let Some(spec) = pod.get_mut("spec").and_then(Value::as_object_mut) else {
        return;
    };
    let named =
        |item: &Value| item.get("name").and_then(Value::as_str) == Some(DEFAULT_TOKEN_VOLUME);
    for list in ["initContainers", "containers"] {
        let containers = spec.get_mut(list).and_then(Value::as_array_mut);
        for container in containers
            .into_iter()
            .flatten()
            .filter_map(Value::as_object_mut)
        {
            remove_from(container, "volumeMounts", named);
        }
    }
    remove_from(spec, "volumes", named);
}

fn remove_from(object: &mut Map<String, Value>, list: &str, unwanted: impl Fn(&Value) -> bool) {
    let Some(items) = object.get_mut(list).and_then(Value::as_array_mut) else {
        return;
    };
    let before = items.len();
    items.retain(|item| !unwanted(item));
    if items.is_empty() && before > 0 {
        object.shift_remove(list);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_gives_its_pod_and_takes_it_back() {
        let template = json!({"metadata": {"labels": {"a": "b"}}, "spec": {"containers": []}});
        for (kind, pointer) in KINDS {
            let mut object = json!({"apiVersion": "apps/v1", "kind": kind});
            let mut place = &mut object;
            for part in pointer.trim_start_matches('/').split('/') {
                place = place
                    .as_object_mut()
                    .unwrap()
                    .entry(part)
                    .or_insert(json!({}));
            }
            *place = template.clone();
            let holder = Holder::of(&object).unwrap();
            let mut pod = holder.pod(&object);
            assert_eq!(pod["kind"], "Pod");
            pod["spec"]["hostNetwork"] = json!(true);
            holder.put(&mut object, pod);
            assert_eq!(
                object.pointer(pointer).unwrap()["spec"]["hostNetwork"],
                true,
                "{kind}"
            );
            assert!(
                object.pointer(pointer).unwrap().get("kind").is_none(),
                "{kind}"
            );
        }
    }

    #[test]
    fn kinds_without_a_pod_and_foreign_groups_have_none() {
        for (version, kind) in [("v1", "ConfigMap"), ("argoproj.io/v1alpha1", "Deployment")] {
            assert_eq!(
                Holder::of(&json!({"apiVersion": version, "kind": kind})),
                None
            );
        }
        assert_eq!(Holder::of(&json!([])), None);
        assert_eq!(Holder::of(&json!({"kind": 7, "apiVersion": "v1"})), None);
    }

    #[test]
    fn the_default_token_goes_without_a_trace() {
        let before = json!({"spec": {
            "containers": [{"name": "a"}, {"name": "b", "volumeMounts": [{"name": "x", "mountPath": "/x"}]}],
            "initContainers": [{"name": "c"}]
        }});
        let mut pod = before.clone();
        add_default_token(&mut pod);
        assert_eq!(pod["spec"]["volumes"][0]["name"], DEFAULT_TOKEN_VOLUME);
        assert_eq!(
            pod["spec"]["containers"][1]["volumeMounts"][1]["mountPath"],
            DEFAULT_TOKEN_PATH
        );
        remove_default_token(&mut pod);
        assert_eq!(pod, before);
    }

    #[test]
    fn no_token_is_added_where_the_pod_wants_none_or_has_one() {
        for pod in [
            json!({"spec": {"automountServiceAccountToken": false, "containers": [{"name": "a"}]}}),
            json!({"spec": {"containers": [{"volumeMounts": [{"name": "t", "mountPath": DEFAULT_TOKEN_PATH}]}]}}),
        ] {
            let mut same = pod.clone();
            add_default_token(&mut same);
            assert_eq!(same, pod);
        }
    }

    #[test]
    fn annotations_on_the_workload_itself_are_found() {
        let object = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"annotations": {
            "vault.hashicorp.com/agent-inject": "true", "example.com/x": "y"
        }}, "spec": {"template": {}}});
        let findings = misplaced(&object, Holder::of(&object).unwrap());
        assert_eq!(findings.len(), 1);
        let text = findings[0].to_string();
        assert!(
            text.starts_with("vault.hashicorp.com/agent-inject: it is on the Deployment"),
            "{text}"
        );
        assert!(
            text.contains("spec.template.metadata.annotations"),
            "{text}"
        );
    }
}
