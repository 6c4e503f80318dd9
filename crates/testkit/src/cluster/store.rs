//! The objects that the API server keeps: resource versions, conflicts and the log behind watches.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::apply::{Force, Owners};
use super::token::{random_text, uuid};

/// Where an object lies: `GROUP/RESOURCE` (the core group is empty), namespace, name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    resource: String,
    namespace: Option<String>,
    name: String,
}

struct Kept {
    object: Value,
    owners: Owners,
}

/// Something that happened to an object, as a watch tells it.
#[derive(Clone)]
pub(super) struct Event {
    pub(super) version: u64,
    pub(super) kind: &'static str,
    pub(super) resource: String,
    pub(super) namespace: Option<String>,
    pub(super) object: Value,
}

/// Whether a write is kept or only tried.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Write {
    Keep,
    DryRun,
}

/// Why a write was refused; becomes a `Status` object.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) code: u16,
    pub(super) reason: &'static str,
    pub(super) message: String,
    pub(super) causes: Value,
}

impl Refusal {
    pub(super) fn new(code: u16, reason: &'static str, message: String) -> Self {
        Self {
            code,
            reason,
            message,
            causes: Value::Null,
        }
    }
}

/// Which object of which kind a request is about.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) group: String,
    pub(super) version: String,
    pub(super) resource: String,
    pub(super) namespace: Option<String>,
    pub(super) name: Option<String>,
}

impl Place {
    pub(super) fn group_resource(&self) -> String {
        format!("{}/{}", self.group, self.resource)
    }

    pub(super) fn api_version(&self) -> String {
        match self.group.as_str() {
            "" => self.version.clone(),
            group => format!("{group}/{}", self.version),
        }
    }

    fn key(&self, name: &str) -> Key {
        Key {
            resource: self.group_resource(),
            namespace: self.namespace.clone(),
            name: name.to_owned(),
        }
    }

    /// The resource as error messages write it.
    fn title(&self) -> String {
        match self.group.as_str() {
            "" => self.resource.clone(),
            group => format!("{}.{group}", self.resource),
        }
    }

    pub(super) fn not_found(&self, name: &str) -> Refusal {
        Refusal::new(
            404,
            "NotFound",
            format!("{} \"{name}\" not found", self.title()),
        )
    }
}

/// All objects.
pub(super) struct Store {
    objects: BTreeMap<Key, Kept>,
    version: u64,
    log: Vec<Event>,
}

impl Store {
    pub(super) fn new() -> Self {
        Self {
            objects: BTreeMap::new(),
            version: 1000,
            log: Vec::new(),
        }
    }

    pub(super) fn version(&self) -> u64 {
        self.version
    }

    /// What happened after a version.
    pub(super) fn events_after(&self, version: u64) -> impl Iterator<Item = &Event> {
        self.log.iter().filter(move |event| event.version > version)
    }

    pub(super) fn get(
        &self,
        resource: &str,
        namespace: Option<&str>,
        name: &str,
    ) -> Option<&Value> {
        let key = Key {
            resource: resource.to_owned(),
            namespace: namespace.map(str::to_owned),
            name: name.to_owned(),
        };
        self.objects.get(&key).map(|kept| &kept.object)
    }

    /// All objects of a resource, in one namespace or in all.
    pub(super) fn list(&self, resource: &str, namespace: Option<&str>) -> Vec<Value> {
        self.objects
            .iter()
            .filter(|(key, _)| key.resource == resource)
            .filter(|(key, _)| namespace.is_none() || key.namespace.as_deref() == namespace)
            .map(|(_, kept)| kept.object.clone())
            .collect()
    }

    pub(super) fn create(
        &mut self,
        place: &Place,
        mut object: Value,
        manager: &str,
        write: Write,
    ) -> Result<Value, Refusal> {
        let metadata = &mut object["metadata"];
        if metadata["name"].as_str().unwrap_or_default().is_empty() {
            match metadata["generateName"].as_str() {
                Some(prefix) => metadata["name"] = json!(format!("{prefix}{}", random_text(5))),
                None => {
                    return Err(Refusal::new(
                        422,
                        "Invalid",
                        "metadata.name: Required value: name or generateName is required".into(),
                    ));
                }
            }
        }
        let name = metadata["name"].as_str().unwrap_or_default().to_owned();
        if let Some(namespace) = &place.namespace
            && self.get("/namespaces", None, namespace).is_none()
        {
            return Err(Refusal::new(
                404,
                "NotFound",
                format!("namespaces \"{namespace}\" not found"),
            ));
        }
        let key = place.key(&name);
        if self.objects.contains_key(&key) {
            return Err(Refusal::new(
                409,
                "AlreadyExists",
                format!("{} \"{name}\" already exists", place.title()),
            ));
        }
        let mut owners = Owners::default();
        owners.update(&json!({}), &object, manager);
        complete_new(&mut object, place);
        self.keep(key, "ADDED", object, owners, place, write)
    }

    /// Replaces an object; a resource version that is not the current one is a conflict.
    pub(super) fn replace(
        &mut self,
        place: &Place,
        name: &str,
        mut object: Value,
        manager: &str,
        write: Write,
    ) -> Result<Value, Refusal> {
        let key = place.key(name);
        let kept = self
            .objects
            .get(&key)
            .ok_or_else(|| place.not_found(name))?;
        let current = &kept.object["metadata"];
        match object["metadata"]["resourceVersion"].as_str() {
            None | Some("") if place.resource == "leases" => {
                return Err(Refusal::new(
                    422,
                    "Invalid",
                    format!(
                        "{} \"{name}\" is invalid: metadata.resourceVersion: Invalid value: 0x0: \
                         must be specified for an update",
                        place.title()
                    ),
                ));
            }
            Some(version) if !version.is_empty() && current["resourceVersion"] != version => {
                return Err(Refusal::new(
                    409,
                    "Conflict",
                    format!(
                        "Operation cannot be fulfilled on {} \"{name}\": the object has been \
                         modified; please apply your changes to the latest version and try again",
                        place.title()
                    ),
                ));
            }
            _ => {}
        }
        for field in [
            "uid",
            "creationTimestamp",
            "resourceVersion",
            "generation",
            "managedFields",
        ] {
            match current.get(field) {
                Some(value) => object["metadata"][field] = value.clone(),
                None => drop(
                    object["metadata"]
                        .as_object_mut()
                        .map(|map| map.shift_remove(field)),
                ),
            }
        }
        fill_defaults(&mut object, place);
        if object == kept.object {
            return Ok(object);
        }
        let mut owners = kept.owners.clone();
        owners.update(&kept.object, &object, manager);
        self.keep(key, "MODIFIED", object, owners, place, write)
    }

    /// Server-side apply; makes the object when it is not there.
    pub(super) fn apply(
        &mut self,
        place: &Place,
        name: &str,
        body: &Value,
        manager: &str,
        force: Force,
        write: Write,
    ) -> Result<Value, Refusal> {
        let key = place.key(name);
        let existing = self
            .objects
            .get(&key)
            .map(|kept| (kept.object.clone(), kept.owners.clone()));
        let is_new = existing.is_none();
        let (before, mut owners) = existing.unwrap_or_else(|| (json!({}), Owners::default()));
        let mut live = before.clone();
        if is_new {
            live["apiVersion"] = json!(place.api_version());
            live["metadata"] = json!({"name": name});
        }
        owners
            .apply(&mut live, body, manager, force)
            .map_err(|conflicts| {
                let causes = conflicts.iter().map(|conflict| {
                    json!({
                        "reason": "FieldManagerConflict",
                        "message": format!("conflict with {:?}", conflict.manager),
                        "field": conflict.field,
                    })
                });
                let fields: Vec<&str> = conflicts.iter().map(|one| one.field.as_str()).collect();
                Refusal {
                    code: 409,
                    reason: "Conflict",
                    message: format!(
                        "Apply failed with {} conflicts: conflicts with {:?}: {}",
                        conflicts.len(),
                        conflicts
                            .first()
                            .map(|one| one.manager.as_str())
                            .unwrap_or_default(),
                        fields.join(", ")
                    ),
                    causes: Value::Array(causes.collect()),
                }
            })?;
        if is_new {
            complete_new(&mut live, place);
            return self.keep(key, "ADDED", live, owners, place, write);
        }
        fill_defaults(&mut live, place);
        let managed = owners.managed_fields(&place.api_version(), "");
        let same_owners =
            without_times(&before["metadata"]["managedFields"]) == without_times(&managed);
        if live == before && same_owners {
            return Ok(live);
        }
        self.keep(key, "MODIFIED", live, owners, place, write)
    }

    pub(super) fn delete(
        &mut self,
        place: &Place,
        name: &str,
        preconditions: &Value,
    ) -> Result<Value, Refusal> {
        let key = place.key(name);
        let kept = self
            .objects
            .get(&key)
            .ok_or_else(|| place.not_found(name))?;
        for field in ["uid", "resourceVersion"] {
            let wanted = &preconditions[field];
            if !wanted.is_null() && kept.object["metadata"][field] != *wanted {
                return Err(Refusal::new(
                    409,
                    "Conflict",
                    format!("Precondition failed: {field} in precondition: {wanted}"),
                ));
            }
        }
        let mut object = kept.object.clone();
        self.objects.remove(&key);
        self.version += 1;
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        self.log.push(Event {
            version: self.version,
            kind: "DELETED",
            resource: key.resource,
            namespace: key.namespace,
            object: object.clone(),
        });
        Ok(object)
    }

    fn keep(
        &mut self,
        key: Key,
        kind: &'static str,
        mut object: Value,
        owners: Owners,
        place: &Place,
        write: Write,
    ) -> Result<Value, Refusal> {
        let version = self.version + 1;
        let time = jiff::Timestamp::now()
            .strftime("%Y-%m-%dT%H:%M:%SZ")
            .to_string();
        object["metadata"]["resourceVersion"] = json!(version.to_string());
        object["metadata"]["managedFields"] = owners.managed_fields(&place.api_version(), &time);
        if write == Write::DryRun {
            return Ok(object);
        }
        self.version = version;
        self.log.push(Event {
            version,
            kind,
            resource: key.resource.clone(),
            namespace: key.namespace.clone(),
            object: object.clone(),
        });
        self.objects.insert(
            key,
            Kept {
                object: object.clone(),
                owners,
            },
        );
        Ok(object)
    }
}

fn complete_new(object: &mut Value, place: &Place) {
    if object["kind"].as_str().unwrap_or_default().is_empty() {
        object["kind"] = json!(super::route::kind_of(&place.resource));
    }
    if object["apiVersion"].as_str().unwrap_or_default().is_empty() {
        object["apiVersion"] = json!(place.api_version());
    }
    let metadata = &mut object["metadata"];
    if let Some(namespace) = &place.namespace {
        metadata["namespace"] = json!(namespace);
    }
    metadata["uid"] = json!(uuid());
    metadata["creationTimestamp"] = json!(
        jiff::Timestamp::now()
            .strftime("%Y-%m-%dT%H:%M:%SZ")
            .to_string()
    );
    fill_defaults(object, place);
}

/// What the API server adds to kinds of which leasehold writes only a part.
fn fill_defaults(object: &mut Value, place: &Place) {
    if place.resource == "secrets" {
        if let Some(plain) = object
            .as_object_mut()
            .and_then(|map| map.shift_remove("stringData"))
        {
            use base64::Engine;
            for (name, value) in plain.as_object().into_iter().flatten() {
                let text = value.as_str().unwrap_or_default();
                object["data"][name] =
                    json!(base64::engine::general_purpose::STANDARD.encode(text));
            }
        }
        if object["type"].is_null() {
            object["type"] = json!("Opaque");
        }
    }
    if !place.resource.ends_with("webhookconfigurations") {
        return;
    }
    let mutating = place.resource.starts_with("mutating");
    for webhook in object["webhooks"].as_array_mut().into_iter().flatten() {
        let mut default = |name: &str, value: Value| {
            if webhook[name].is_null() {
                webhook[name] = value;
            }
        };
        default("failurePolicy", json!("Fail"));
        default("matchPolicy", json!("Equivalent"));
        default("namespaceSelector", json!({}));
        default("objectSelector", json!({}));
        default("timeoutSeconds", json!(10));
        if mutating {
            default("reinvocationPolicy", json!("Never"));
        }
        let service = &mut webhook["clientConfig"]["service"];
        if service.is_object() && service["port"].is_null() {
            service["port"] = json!(443);
        }
        for rule in webhook["rules"].as_array_mut().into_iter().flatten() {
            if rule["scope"].is_null() {
                rule["scope"] = json!("*");
            }
        }
    }
}

fn without_times(managed: &Value) -> Value {
    let mut managed = managed.clone();
    for entry in managed.as_array_mut().into_iter().flatten() {
        entry["time"] = Value::Null;
    }
    managed
}
