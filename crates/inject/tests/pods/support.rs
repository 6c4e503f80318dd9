//! Pods to review, and what becomes of them.

#![expect(
    clippy::panic,
    reason = "a test helper that gets another answer than it was asked for ends the test"
)]

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use leasehold_inject::{
    Finding, Injected, KubeVersion, Outcome, Review, Settings, TemplateCheck, Unasked, Unchecked,
    review,
};
use serde_json::{Map, Value, json};

/// A request about one pod, with what tests change about it.
pub(crate) struct Request {
    pub(crate) pod: Value,
    pub(crate) kind: &'static str,
    pub(crate) operation: &'static str,
    pub(crate) namespace: &'static str,
    pub(crate) namespace_annotations: BTreeMap<String, String>,
    pub(crate) kube_version: KubeVersion,
    pub(crate) unasked: Unasked,
    pub(crate) settings: Settings,
}

/// A pod with one container and these annotations, which may leave out their prefix.
pub(crate) fn pod(annotations: &[(&str, &str)]) -> Value {
    let annotations: Map<String, Value> = annotations
        .iter()
        .map(|(name, value)| {
            let name = if name.contains('/') {
                (*name).to_owned()
            } else {
                format!("vault.hashicorp.com/{name}")
            };
            (name, Value::from(*value))
        })
        .collect();
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": { "generateName": "web-", "annotations": annotations },
        "spec": { "containers": [{ "name": "app", "image": "example/web:1" }] },
    })
}

/// The annotations that nearly every test wants.
pub(crate) const USUAL: [(&str, &str); 3] = [
    ("agent-inject", "true"),
    ("role", "web"),
    ("agent-inject-secret-db", "database/creds/web"),
];

impl Request {
    pub(crate) fn new(pod: Value) -> Self {
        Self {
            pod,
            kind: "Pod",
            operation: "CREATE",
            namespace: "shop",
            namespace_annotations: BTreeMap::new(),
            kube_version: KubeVersion::NEWEST,
            unasked: Unasked::Leave,
            settings: Settings {
                vault_address: "https://vault.vault.svc:8200".to_owned(),
                ..Settings::default()
            },
        }
    }

    /// The usual annotations and these.
    pub(crate) fn with(annotations: &[(&str, &str)]) -> Self {
        Self::new(pod(&[&USUAL, annotations].concat()))
    }

    pub(crate) fn settings(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(&mut self.settings);
        self
    }

    pub(crate) fn spec(mut self, field: &str, value: Value) -> Self {
        self.pod["spec"][field] = value;
        self
    }

    pub(crate) fn answer(&self) -> Outcome {
        self.answer_checked(&Unchecked)
    }

    pub(crate) fn answer_checked(&self, templates: &dyn TemplateCheck) -> Outcome {
        let question = Review {
            pod: &self.pod.to_string(),
            kind: self.kind,
            operation: self.operation,
            namespace: self.namespace,
            dry_run: false,
            namespace_defaults: &self.namespace_annotations,
            kube_version: self.kube_version,
            unasked: self.unasked,
        };
        review(&question, &self.settings, templates)
    }

    /// The patched pod.
    pub(crate) fn patched(&self) -> Patched {
        match self.answer() {
            Outcome::Patched {
                patch,
                injected,
                findings,
            } => {
                let mut pod = self.pod.clone();
                if let Err(error) = json_patch::patch(&mut pod, &patch.operations()) {
                    panic!("the patch does not apply: {error}\n{patch}");
                }
                Patched {
                    pod,
                    injected,
                    findings,
                }
            }
            other => panic!("not patched: {other:?}"),
        }
    }

    /// The message of the denial.
    pub(crate) fn denied(&self) -> String {
        match self.answer() {
            Outcome::Denied { message, .. } => message,
            other => panic!("not denied: {other:?}"),
        }
    }
}

/// A pod after its patch.
pub(crate) struct Patched {
    pub(crate) pod: Value,
    pub(crate) injected: Injected,
    pub(crate) findings: Vec<Finding>,
}

impl Patched {
    pub(crate) fn container(&self, list: &str, name: &str) -> &Value {
        let containers = self.pod["spec"][list]
            .as_array()
            .map_or(&[][..], Vec::as_slice);
        match containers.iter().find(|c| c["name"] == name) {
            Some(container) => container,
            None => panic!("no {name} in {list}: {containers:?}"),
        }
    }

    pub(crate) fn agent(&self) -> &Value {
        self.container("initContainers", "vault-agent")
    }

    pub(crate) fn names(&self, list: &str) -> Vec<String> {
        self.pod["spec"][list]
            .as_array()
            .into_iter()
            .flatten()
            .map(|entry| entry["name"].as_str().unwrap_or_default().to_owned())
            .collect()
    }

    pub(crate) fn volume(&self, name: &str) -> Option<&Value> {
        self.pod["spec"]["volumes"]
            .as_array()?
            .iter()
            .find(|v| v["name"] == name)
    }

    pub(crate) fn has_finding(&self, words: &str) -> bool {
        self.findings
            .iter()
            .any(|finding| finding.to_string().contains(words))
    }
}

/// The mounts of a container as pairs of volume and path.
pub(crate) fn mounts(container: &Value) -> Vec<(&str, &str)> {
    container["volumeMounts"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|m| {
            (
                m["name"].as_str().unwrap_or_default(),
                m["mountPath"].as_str().unwrap_or_default(),
            )
        })
        .collect()
}

/// The agent's configuration in a container.
pub(crate) fn config(container: &Value) -> Value {
    let encoded = container["env"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|variable| variable["name"] == "VAULT_CONFIG")
        .and_then(|variable| variable["value"].as_str())
        .unwrap_or_default();
    let decoded = STANDARD.decode(encoded).unwrap_or_default();
    serde_json::from_slice(&decoded).unwrap_or_default()
}
