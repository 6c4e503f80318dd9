//! Which field manager owns which field, as server-side apply tracks it.
//!
//! Lists of objects that the API merges by a key are followed into; every other list is one value.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

/// One step from a value to a part of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    Field(String),
    /// The item of a keyed list whose key has this value.
    Item(&'static str, String),
}

type Path = Vec<Step>;

/// The fields of one object by manager and operation (`Apply` or `Update`).
#[derive(Debug, Clone, Default)]
pub(super) struct Owners(BTreeMap<(String, &'static str), BTreeSet<Path>>);

/// A field that somebody else owns with another value.
pub(super) struct Conflict {
    pub(super) manager: String,
    pub(super) field: String,
}

/// What to do with fields that somebody else owns.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Force {
    Yes,
    No,
}

impl Owners {
    /// Applies `body` to `live` for `manager`; all conflicts are returned when there are any.
    pub(super) fn apply(
        &mut self,
        live: &mut Value,
        body: &Value,
        manager: &str,
        force: Force,
    ) -> Result<(), Vec<Conflict>> {
        let wanted = leaves(body);
        let mut conflicts = Vec::new();
        for path in &wanted {
            if find(live, path) == find(body, path) {
                continue;
            }
            for ((other, operation), owned) in &self.0 {
                let own = other == manager && *operation == "Apply";
                if !own && owned.contains(path) {
                    conflicts.push(Conflict {
                        manager: other.clone(),
                        field: written(path),
                    });
                }
            }
        }
        if !conflicts.is_empty() && force == Force::No {
            return Err(conflicts);
        }
        let key = (manager.to_owned(), "Apply");
        let before = self.0.remove(&key).unwrap_or_default();
        for path in &wanted {
            if find(live, path) != find(body, path) {
                self.disown(path);
            }
        }
        for path in before.difference(&wanted) {
            let owned_by_others = self.0.values().any(|owned| owned.contains(path));
            if !owned_by_others {
                remove(live, path);
            }
        }
        merge(live, body);
        self.0.insert(key, wanted);
        Ok(())
    }

    /// Notes what a write other than an apply changed.
    pub(super) fn update(&mut self, before: &Value, after: &Value, manager: &str) {
        let mut changed = BTreeSet::new();
        for path in leaves(after) {
            if find(before, &path) != find(after, &path) {
                self.disown(&path);
                changed.insert(path);
            }
        }
        for owned in self.0.values_mut() {
            owned.retain(|path| find(after, path).is_some());
        }
        if !changed.is_empty() {
            self.0
                .entry((manager.to_owned(), "Update"))
                .or_default()
                .extend(changed);
        }
        self.0.retain(|_, owned| !owned.is_empty());
    }

    /// `metadata.managedFields`.
    pub(super) fn managed_fields(&self, api_version: &str, time: &str) -> Value {
        let entries = self.0.iter().map(|((manager, operation), owned)| {
            let mut fields = json!({});
            for path in owned {
                let mut at = &mut fields;
                for step in path {
                    let name = match step {
                        Step::Field(name) => format!("f:{name}"),
                        Step::Item(key, value) => format!("k:{}", json!({*key: value})),
                    };
                    at = &mut at[name];
                    if at.is_null() {
                        *at = json!({});
                    }
                }
            }
            json!({
                "manager": manager, "operation": operation, "apiVersion": api_version,
                "time": time, "fieldsType": "FieldsV1", "fieldsV1": fields,
            })
        });
        Value::Array(entries.collect())
    }

    fn disown(&mut self, path: &Path) {
        for owned in self.0.values_mut() {
            owned.remove(path);
        }
        self.0.retain(|_, owned| !owned.is_empty());
    }
}

/// The key by which a list is merged, if it is one that is.
fn list_key(field: &str) -> Option<&'static str> {
    match field {
        "webhooks" | "matchConditions" | "validations" | "variables" => Some("name"),
        "ownerReferences" => Some("uid"),
        _ => None,
    }
}

/// The paths of all values that have no parts of their own, without what identifies the object.
fn leaves(object: &Value) -> BTreeSet<Path> {
    let mut found = BTreeSet::new();
    collect(object, &mut Vec::new(), &mut found);
    let metadata = |name: &str| vec![Step::Field("metadata".into()), Step::Field(name.into())];
    for field in ["apiVersion", "kind"] {
        found.remove(&vec![Step::Field(field.into())]);
    }
    for field in [
        "name",
        "namespace",
        "uid",
        "resourceVersion",
        "generation",
        "creationTimestamp",
    ] {
        found.remove(&metadata(field));
    }
    found.retain(|path| !path.starts_with(&metadata("managedFields")));
    found
}

fn collect(value: &Value, path: &mut Path, found: &mut BTreeSet<Path>) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (name, part) in fields {
                path.push(Step::Field(name.clone()));
                match (list_key(name), part) {
                    (Some(key), Value::Array(items)) => {
                        for item in items {
                            let value = item[key].as_str().unwrap_or_default().to_owned();
                            path.push(Step::Item(key, value));
                            collect(item, path, found);
                            path.pop();
                        }
                    }
                    _ => collect(part, path, found),
                }
                path.pop();
            }
        }
        _ => {
            found.insert(path.clone());
        }
    }
}

fn find<'a>(value: &'a Value, path: &[Step]) -> Option<&'a Value> {
    path.iter().try_fold(value, |value, step| match step {
        Step::Field(name) => value.get(name),
        Step::Item(key, wanted) => value.as_array()?.iter().find(|item| item[*key] == *wanted),
    })
}

fn remove(value: &mut Value, path: &[Step]) {
    let Some((last, parents)) = path.split_last() else {
        return;
    };
    let mut at = value;
    for step in parents {
        let next = match step {
            Step::Field(name) => at.get_mut(name),
            Step::Item(key, wanted) => at
                .as_array_mut()
                .and_then(|items| items.iter_mut().find(|item| item[*key] == *wanted)),
        };
        match next {
            Some(next) => at = next,
            None => return,
        }
    }
    if let (Step::Field(name), Some(fields)) = (last, at.as_object_mut()) {
        fields.shift_remove(name);
    }
}

/// Puts what `body` says into `live`, following keyed lists.
fn merge(live: &mut Value, body: &Value) {
    let Value::Object(wanted) = body else {
        *live = body.clone();
        return;
    };
    if !live.is_object() {
        *live = Value::Object(Map::new());
    }
    for (name, value) in wanted {
        match (list_key(name), value) {
            (Some(key), Value::Array(items)) => {
                if !live[name].is_array() {
                    live[name] = json!([]);
                }
                for item in items {
                    let Some(list) = live[name].as_array_mut() else {
                        continue;
                    };
                    match list.iter_mut().find(|known| known[key] == item[key]) {
                        Some(known) => merge(known, item),
                        None => list.push(item.clone()),
                    }
                }
            }
            _ => merge(&mut live[name], value),
        }
    }
}

fn written(path: &[Step]) -> String {
    path.iter()
        .map(|step| match step {
            Step::Field(name) => format!(".{name}"),
            Step::Item(key, value) => format!("[{key}={value:?}]"),
        })
        .collect()
}
