//! The operations that bring a plan into the pod as it came.
//!
//! They only add. What the pod has stays as it is written, fields unknown to us included, and
//! volumes and mounts that are there already are not added again.

use json_patch::jsonptr::PointerBuf;
use json_patch::{AddOperation, Patch, PatchOperation};
use serde_json::{Map, Value, json};

use crate::finding::{Code, Finding};
use crate::plan::{INIT, Plan, SIDECAR, mount_path};
use crate::pod::{Container, Pod};
use crate::report::{Report, Stage};
use crate::settings::Flavour;
use crate::spec::Containers;
use crate::vocabulary::{ours, secrets, switch};

/// Builds the patch. `findings` is the text for the pod's annotation; empty for none.
pub(crate) fn build(
    plan: Plan<'_>,
    pod: &Pod<'_>,
    object: &Value,
    findings: &str,
    report: &mut Report,
) -> Patch {
    let mut operations = Operations::default();
    let volumes: Vec<Value> = plan.volumes.into_iter().flat_map(|group| group.0).collect();
    operations.append("/spec/volumes", !pod.volumes().is_empty(), volumes);

    for (index, container) in pod.containers().iter().enumerate() {
        if is_chosen(&plan.spec.agent.containers, container.name()) {
            let list = format!("/spec/containers/{index}/volumeMounts");
            mount_into(&mut operations, &list, container, &plan.mounts, report);
        }
    }
    if let Some((agent, place)) = plan.init {
        for (index, container) in pod.init_containers().iter().enumerate() {
            if container.name() != INIT && container.name() != SIDECAR {
                let list = format!("/spec/initContainers/{index}/volumeMounts");
                mount_into(&mut operations, &list, container, &plan.mounts, report);
            }
        }
        if place == 0 && plan.spec.agent.flavour == Flavour::Vault {
            write_out_resources(&mut operations, object);
        }
        insert_init(&mut operations, pod, agent, place);
    }
    if let Some(shared) = plan.share_process_namespace {
        operations.add("/spec/shareProcessNamespace", shared.into());
    }
    if let Some(agent) = plan.sidecar {
        operations.append(
            "/spec/containers",
            !pod.containers().is_empty(),
            vec![agent],
        );
    }
    annotate(&mut operations, object, findings);
    Patch(operations.0)
}

/// Mounts for containers that came after an earlier injection, with the volumes of that.
pub(crate) fn complete(
    pod: &Pod<'_>,
    mounts: &[Value],
    chosen: &Containers<'_>,
    report: &mut Report,
) -> Patch {
    let mut operations = Operations::default();
    for (index, container) in pod.containers().iter().enumerate() {
        if container.name() != SIDECAR && is_chosen(chosen, container.name()) {
            let list = format!("/spec/containers/{index}/volumeMounts");
            mount_into(&mut operations, &list, container, mounts, report);
        }
    }
    Patch(operations.0)
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
    mounts: &[Value],
    report: &mut Report,
) {
    let mut missing = Vec::new();
    for mount in mounts {
        let path = mount_path(mount);
        let name = mount
            .get("name")
            .and_then(Value::as_str)
            .unwrap_or_default();
        match container.mounts().iter().find(|own| own.path() == path) {
            None => missing.push(mount.clone()),
            Some(own) if own.name() == name => {}
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
    operations.append(list, container.has_mounts(), missing);
}

/// The established injector writes the other init containers anew when it goes before them, and
/// thereby writes out an empty `resources`.
fn write_out_resources(operations: &mut Operations, object: &Value) {
    let list = object
        .pointer("/spec/initContainers")
        .and_then(Value::as_array);
    for (index, container) in list.into_iter().flatten().enumerate() {
        if container.get("resources").is_none_or(Value::is_null) {
            operations.add(
                &format!("/spec/initContainers/{index}/resources"),
                json!({}),
            );
        }
    }
}

fn insert_init(operations: &mut Operations, pod: &Pod<'_>, agent: Value, place: usize) {
    let count = pod.init_containers().len();
    if count == 0 {
        operations.add("/spec/initContainers", Value::Array(vec![agent]));
    } else if place >= count {
        operations.add("/spec/initContainers/-", agent);
    } else {
        operations.add(&format!("/spec/initContainers/{place}"), agent);
    }
}

fn annotate(operations: &mut Operations, object: &Value, findings: &str) {
    let mut annotations = vec![(switch::STATUS.full_name(), "injected")];
    if !findings.is_empty() {
        annotations.push((ours::FINDINGS.full_name(), findings));
    }
    let has = |pointer: &str| object.pointer(pointer).is_some_and(Value::is_object);
    if has("/metadata/annotations") {
        for (name, value) in annotations {
            let path = format!(
                "/metadata/annotations/{}",
                name.replace('~', "~0").replace('/', "~1")
            );
            operations.add(&path, value.into());
        }
        return;
    }
    let map: Map<String, Value> = annotations
        .into_iter()
        .map(|(name, value)| (name, value.into()))
        .collect();
    if has("/metadata") {
        operations.add("/metadata/annotations", map.into());
    } else {
        operations.add("/metadata", json!({ "annotations": map }));
    }
}

#[derive(Default)]
struct Operations(Vec<PatchOperation>);

impl Operations {
    fn add(&mut self, path: &str, value: Value) {
        let path = PointerBuf::parse(path)
            .expect("the paths are written here from constants, indices and escaped names");
        self.0
            .push(PatchOperation::Add(AddOperation { path, value }));
    }

    /// Appends to a list, or makes the list where there is none to append to.
    fn append(&mut self, list: &str, is_there: bool, values: Vec<Value>) {
        if values.is_empty() {
            return;
        }
        if !is_there {
            self.add(list, values.into());
            return;
        }
        for value in values {
            self.add(&format!("{list}/-"), value);
        }
    }
}
