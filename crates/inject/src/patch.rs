//! The operations that bring a plan into the pod as it came.
//!
//! They only add. What the pod has stays as it is written, fields unknown to us included, and
//! volumes and mounts that are there already are not added again.

use std::fmt;

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::finding::{Code, Finding};
use crate::plan::{Agent, INIT, Plan, SIDECAR};
use crate::pod::{Container, Pod};
use crate::report::{Report, Stage};
use crate::settings::Flavour;
use crate::spec::Containers;
use crate::vocabulary::{ours, secrets, switch};
use crate::written::Mount;

/// The operations that change a pod as it came, written as the JSON of RFC 6902.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Patch {
    json: Vec<u8>,
}

impl Patch {
    /// The JSON list of the operations.
    pub fn into_json(self) -> Vec<u8> {
        self.json
    }

    /// The operations, for those who apply them.
    pub fn operations(&self) -> json_patch::Patch {
        serde_json::from_slice(&self.json).expect("what was written here as operations is read so")
    }
}

/// No operation.
impl Default for Patch {
    fn default() -> Self {
        Operations::new().finish()
    }
}

impl fmt::Display for Patch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.json))
    }
}

/// Builds the patch. `findings` is the text for the pod's annotation; empty for none.
pub(crate) fn build(plan: &Plan<'_>, pod: &Pod<'_>, findings: &str, report: &mut Report) -> Patch {
    let mut operations = Operations::new();
    operations.append("/spec/volumes", !pod.volumes().is_empty(), &plan.volumes);

    for (index, container) in pod.containers().iter().enumerate() {
        if is_chosen(&plan.spec.agent.containers, container.name()) {
            let list = format!("/spec/containers/{index}/volumeMounts");
            mount_into(&mut operations, &list, container, &plan.mounts, report);
        }
    }
    if let Some((agent, place)) = &plan.init {
        for (index, container) in pod.init_containers().iter().enumerate() {
            if container.name() != INIT && container.name() != SIDECAR {
                let list = format!("/spec/initContainers/{index}/volumeMounts");
                mount_into(&mut operations, &list, container, &plan.mounts, report);
            }
        }
        if *place == 0 && plan.spec.agent.flavour == Flavour::Vault {
            write_out_resources(&mut operations, pod);
        }
        insert_init(&mut operations, pod, agent, *place);
    }
    if let Some(shared) = plan.spec.container.share_process_namespace {
        operations.add("/spec/shareProcessNamespace", &shared);
    }
    if let Some(agent) = &plan.sidecar {
        let is_there = !pod.containers().is_empty();
        operations.append("/spec/containers", is_there, &[agent]);
    }
    annotate(&mut operations, pod, findings);
    operations.finish()
}

/// Mounts for containers that came after an earlier injection, with the volumes of that; none where
/// nothing is missing.
pub(crate) fn complete(
    pod: &Pod<'_>,
    mounts: &[Mount<'_>],
    chosen: &Containers<'_>,
    report: &mut Report,
) -> Option<Patch> {
    let mut operations = Operations::new();
    for (index, container) in pod.containers().iter().enumerate() {
        if container.name() != SIDECAR && is_chosen(chosen, container.name()) {
            let list = format!("/spec/containers/{index}/volumeMounts");
            mount_into(&mut operations, &list, container, mounts, report);
        }
    }
    (!operations.is_empty()).then(|| operations.finish())
}

fn is_chosen(containers: &Containers<'_>, name: &str) -> bool {
    match containers {
        Containers::All => true,
        Containers::Named(names) => names.contains(&name),
    }
}

/// Adds the mounts that a container lacks. One that has another volume at a secrets' path cannot
/// get the secrets: that is an error, as the API server would refuse two mounts at one path.
fn mount_into(
    operations: &mut Operations,
    list: &str,
    container: &Container<'_>,
    mounts: &[Mount<'_>],
    report: &mut Report,
) {
    let mut missing = Vec::new();
    for mount in mounts {
        let path = mount.path();
        match container.mounts().iter().find(|own| own.path() == path) {
            None => missing.push(mount),
            Some(own) if own.name() == mount.name() => {}
            Some(own) => {
                let text = format!(
                    "the container {} already mounts the volume {} at {path}, where the secrets \
                     go: choose another path",
                    container.name(),
                    own.name()
                );
                let finding =
                    Finding::error(Code::NameTaken, text).about(secrets::VOLUME_PATH.full_name());
                report.deny(Stage::Patch, "a mount path is taken", finding);
            }
        }
    }
    operations.append(list, container.has_mounts(), &missing);
}

/// The established injector writes the other init containers anew when it goes before them, and
/// thereby writes out an empty `resources`.
fn write_out_resources(operations: &mut Operations, pod: &Pod<'_>) {
    for (index, container) in pod.init_containers().iter().enumerate() {
        if !container.has_resources() {
            operations.add(
                &format!("/spec/initContainers/{index}/resources"),
                &json!({}),
            );
        }
    }
}

fn insert_init(operations: &mut Operations, pod: &Pod<'_>, agent: &Agent<'_>, place: usize) {
    let count = pod.init_containers().len();
    if count == 0 {
        operations.add("/spec/initContainers", &[agent]);
    } else if place >= count {
        operations.add("/spec/initContainers/-", agent);
    } else {
        operations.add(&format!("/spec/initContainers/{place}"), agent);
    }
}

fn annotate(operations: &mut Operations, pod: &Pod<'_>, findings: &str) {
    let mut annotations = vec![(switch::STATUS.full_name(), "injected")];
    if !findings.is_empty() {
        annotations.push((ours::FINDINGS.full_name(), findings));
    }
    if pod.has_annotations() {
        for (name, value) in annotations {
            let path = format!(
                "/metadata/annotations/{}",
                name.replace('~', "~0").replace('/', "~1")
            );
            operations.add(&path, value);
        }
        return;
    }
    let map: Map<String, Value> = annotations
        .into_iter()
        .map(|(name, value)| (name, value.into()))
        .collect();
    if pod.has_metadata() {
        operations.add("/metadata/annotations", &map);
    } else {
        operations.add("/metadata", &json!({ "annotations": map }));
    }
}

/// The bytes that most patches fit into.
const USUAL_LENGTH: usize = 4096;

/// A list of operations that is being written.
struct Operations {
    /// The JSON so far, each operation with what separates it from the one before.
    json: Vec<u8>,
}

/// The operation that adds a value, or puts it in the place of the one that is there.
#[derive(Serialize)]
struct Add<'a, T: ?Sized> {
    op: &'static str,
    path: &'a str,
    value: &'a T,
}

impl Operations {
    fn new() -> Self {
        Self {
            json: Vec::with_capacity(USUAL_LENGTH),
        }
    }

    fn add<T: Serialize + ?Sized>(&mut self, path: &str, value: &T) {
        self.json.push(if self.is_empty() { b'[' } else { b',' });
        let operation = Add {
            op: "add",
            path,
            value,
        };
        serde_json::to_writer(&mut self.json, &operation)
            .expect("what is added has texts as keys, and memory takes all that is written");
    }

    /// Appends to a list, or makes the list where there is none to append to.
    fn append<T: Serialize>(&mut self, list: &str, is_there: bool, values: &[T]) {
        if values.is_empty() {
            return;
        }
        if !is_there {
            self.add(list, values);
            return;
        }
        let end = format!("{list}/-");
        for value in values {
            self.add(&end, value);
        }
    }

    fn is_empty(&self) -> bool {
        self.json.is_empty()
    }

    fn finish(mut self) -> Patch {
        if self.is_empty() {
            self.json.push(b'[');
        }
        self.json.push(b']');
        Patch { json: self.json }
    }
}
