//! Reads a patched container back as the API server would: unknown fields and nulls vanish, values
//! of a wrong type are refused, quantities are written canonically.

use k8s_openapi::api::core::v1::Container;
use serde::Deserialize as _;
use serde_json::{Map, Value};

use crate::go::{json, quantity::Quantity};

/// The container as it will be, and the names of the fields that a container does not have.
pub(crate) fn read_back(mut patched: Value) -> Result<(Value, Vec<String>), String> {
    let Some(map) = patched.as_object_mut() else {
        return Err(format!(
            "json: cannot unmarshal {} into Go value of type v1.Container",
            json::kind(&patched)
        ));
    };
    without_nulls(map);
    write_amounts(map)?;
    map.entry("name").or_insert_with(|| "".into());
    let typed = Container::deserialize(&patched).map_err(|error| {
        format!("json: cannot unmarshal the value of a container's field: {error}")
    })?;
    let mut known = serde_json::to_value(&typed)
        .map_err(|error| format!("json: cannot marshal the container: {error}"))?;
    let dropped = match (&patched, &known) {
        (Value::Object(before), Value::Object(after)) => before
            .keys()
            .filter(|key| !after.contains_key(*key))
            .cloned()
            .collect(),
        _ => Vec::new(),
    };
    if let Some(map) = known.as_object_mut() {
        without_zeros(map);
        map.entry("resources").or_insert_with(|| Map::new().into());
    }
    Ok((known, dropped))
}

/// Nulls count as absent, in lists' objects too.
fn without_nulls(map: &mut Map<String, Value>) {
    map.retain(|_, value| !value.is_null());
    for value in map.values_mut() {
        match value {
            Value::Object(inner) => without_nulls(inner),
            Value::Array(list) => {
                list.iter_mut()
                    .filter_map(Value::as_object_mut)
                    .for_each(without_nulls);
            }
            _ => {}
        }
    }
}

/// Amounts may be numbers, and are written canonically.
fn write_amounts(container: &mut Map<String, Value>) -> Result<(), String> {
    let Some(Value::Object(resources)) = container.get_mut("resources") else {
        return Ok(());
    };
    for list in ["limits", "requests"] {
        let Some(Value::Object(amounts)) = resources.get_mut(list) else {
            continue;
        };
        for amount in amounts.values_mut() {
            let text = match &*amount {
                Value::String(text) => text.trim().to_owned(),
                Value::Number(number) => number.to_string(),
                other => {
                    return Err(format!(
                        "json: cannot unmarshal {} into Go value of type resource.Quantity",
                        json::kind(other)
                    ));
                }
            };
            // An empty text is an amount that was never set.
            let text = if text.is_empty() {
                "0".to_owned()
            } else {
                text
            };
            *amount = Quantity::parse(&text)?.text.into();
        }
    }
    Ok(())
}

/// Leaves out what says nothing, as the established types do when they are written.
fn without_zeros(container: &mut Map<String, Value>) {
    let says_nothing = |value: &Value| match value {
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Bool(flag) => !flag,
        _ => false,
    };
    container.retain(|key, value| key == "name" || !says_nothing(value));
    for (list, keep) in [
        ("env", "name"),
        ("volumeMounts", "mountPath"),
        ("ports", "name"),
    ] {
        let Some(Value::Array(entries)) = container.get_mut(list) else {
            continue;
        };
        for entry in entries.iter_mut().filter_map(Value::as_object_mut) {
            entry.retain(|key, value| key == keep || key == "name" || !says_nothing(value));
        }
    }
    for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if let Some(Value::Object(fields)) = container.get_mut(probe) {
            fields.retain(|_, value| value.as_i64() != Some(0));
        }
    }
    if let Some(Value::Object(resources)) = container.get_mut("resources") {
        resources.retain(|_, value| {
            !value.as_object().is_some_and(Map::is_empty) && !says_nothing(value)
        });
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn unknown_fields_and_nulls_vanish_and_resources_stay() {
        let patched = json!({
            "name": "a", "colour": "blue", "workingDir": null, "tty": true,
            "env": [{"name": "X", "value": ""}], "args": [],
        });
        let (container, dropped) = read_back(patched).unwrap();
        assert_eq!(
            container,
            json!({"name": "a", "tty": true, "env": [{"name": "X"}], "resources": {}})
        );
        assert_eq!(dropped, ["colour"]);
    }

    #[test]
    fn amounts_are_written_canonically_and_may_be_numbers() {
        let patched = json!({"name": "a", "resources": {"limits": {"cpu": 1, "memory": "1024Mi"}}});
        let (container, _) = read_back(patched).unwrap();
        assert_eq!(
            container["resources"]["limits"],
            json!({"cpu": "1", "memory": "1Gi"})
        );
    }

    #[test]
    fn wrong_types_are_refused() {
        for patched in [
            json!({"name": "a", "image": 7}),
            json!({"name": "a", "env": {"X": "1"}}),
            json!({"name": "a", "resources": {"limits": {"cpu": []}}}),
            json!([]),
        ] {
            assert!(
                read_back(patched.clone()).is_err_and(|e| e.starts_with("json: ")),
                "{patched}"
            );
        }
    }
}
