//! JSON patches in the dialect that the established injector accepts.
//!
//! It is laxer than RFC 6902, and patches that people wrote rely on it: negative indices count
//! from a list's end, `replace` of a missing key adds it, `add` without a value and `copy` of a
//! missing key write null, `test` for null passes on a missing key.

use serde_json::{Map, Value};

use crate::go::{json, quote};

/// A list of operations that was read, not yet checked.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LaxPatch {
    operations: Vec<Map<String, Value>>,
}

impl LaxPatch {
    /// Reads a JSON list of objects, or `null` for an empty list.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let list = match json::parse(text)? {
            Value::Null => Vec::new(),
            Value::Array(list) => list,
            other => {
                return Err(format!(
                    "json: cannot unmarshal {} into Go value of type jsonpatch.Patch",
                    json::kind(&other)
                ));
            }
        };
        let operations = list
            .into_iter()
            .map(|operation| match operation {
                Value::Object(map) => Ok(map),
                Value::Null => Ok(Map::new()),
                other => Err(format!(
                    "json: cannot unmarshal {} into Go value of type jsonpatch.Operation",
                    json::kind(&other)
                )),
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { operations })
    }

    /// Whether it changes nothing.
    pub(crate) fn is_empty(&self) -> bool {
        self.operations.is_empty()
    }

    /// The image that it gives the container, if it does.
    pub(crate) fn image(&self) -> Option<&str> {
        self.operations
            .iter()
            .rev()
            .filter(|operation| matches!(text_of(operation, "op"), "add" | "replace"))
            .find(|operation| text_of(operation, "path") == "/image")
            .map(|operation| text_of(operation, "value"))
            .filter(|image| !image.is_empty())
    }

    /// Whether an operation is about the container's arguments.
    pub(crate) fn touches_args(&self) -> bool {
        !self.only("/args").is_empty()
    }

    /// The operations about one field of the document and what is in it.
    pub(crate) fn only(&self, field: &str) -> Self {
        let is_about = |operation: &&Map<String, Value>| {
            text_of(operation, "path")
                .strip_prefix(field)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        Self {
            operations: self.operations.iter().filter(is_about).cloned().collect(),
        }
    }

    /// Applies all operations, or says in the established words which one fails. `lax` is told
    /// of each place where only this dialect goes on.
    pub(crate) fn apply(
        &self,
        document: &mut Value,
        lax: &mut dyn FnMut(String),
    ) -> Result<(), String> {
        for operation in &self.operations {
            let op = text_of(operation, "op");
            let result = match op {
                "add" => add(document, operation, lax),
                "remove" => remove(document, operation, lax),
                "replace" => replace(document, operation, lax),
                "move" => r#move(document, operation, lax),
                "copy" => copy(document, operation, lax),
                "test" => test(document, operation, lax),
                "" if !operation.get("op").is_some_and(Value::is_string) => {
                    Err("Unexpected kind: unknown".to_owned())
                }
                other => Err(format!("Unexpected kind: {other}")),
            };
            result.map_err(|words| format!("failed to apply JSON patch: {words}"))?;
        }
        Ok(())
    }
}

type Lax<'a> = &'a mut dyn FnMut(String);

/// How the established words for something missing end.
const MISSING: &str = "missing value";

fn text_of<'a>(operation: &'a Map<String, Value>, key: &str) -> &'a str {
    operation
        .get(key)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// A path of an operation, or why it has none.
fn path_of<'a>(operation: &'a Map<String, Value>, key: &str) -> Result<&'a str, String> {
    let op = text_of(operation, "op");
    match operation.get(key) {
        Some(Value::String(path)) => Ok(path),
        // These three keep the reason to themselves.
        _ if key == "path" && matches!(op, "add" | "remove" | "copy") => {
            Err(format!("{op} operation failed to decode path: {MISSING}"))
        }
        None | Some(Value::Null) => {
            let comma = if key == "from" { "," } else { "" };
            Err(format!(
                "{op} operation failed to decode {key}: operation{comma} missing {key} field: \
                 {MISSING}"
            ))
        }
        Some(other) => Err(format!(
            "{op} operation failed to decode {key}: json: cannot unmarshal {} into Go value of \
             type string",
            json::kind(other)
        )),
    }
}

fn add(document: &mut Value, operation: &Map<String, Value>, lax: Lax<'_>) -> Result<(), String> {
    let path = path_of(operation, "path")?;
    let value = match operation.get("value") {
        Some(value) => value.clone(),
        None => {
            lax(format!("`add` of {path} has no value and writes null"));
            Value::Null
        }
    };
    let Some((parent, key)) = parent_of(document, path, lax) else {
        return Err(format!(
            "add operation does not apply: doc is missing path: \"{path}\": {MISSING}"
        ));
    };
    insert(parent, key, value, lax).map_err(|why| format!("error in add for path: '{path}': {why}"))
}

fn remove(
    document: &mut Value,
    operation: &Map<String, Value>,
    lax: Lax<'_>,
) -> Result<(), String> {
    let path = path_of(operation, "path")?;
    let Some((parent, key)) = parent_of(document, path, lax) else {
        return Err(format!(
            "remove operation does not apply: doc is missing path: \"{path}\": {MISSING}"
        ));
    };
    take(parent, &key, lax)
        .map(drop)
        .map_err(|why| format!("error in remove for path: '{path}': {why}"))
}

fn replace(
    document: &mut Value,
    operation: &Map<String, Value>,
    lax: Lax<'_>,
) -> Result<(), String> {
    let path = path_of(operation, "path")?;
    let value = operation.get("value").cloned().unwrap_or(Value::Null);
    if path.is_empty() {
        if !value.is_object() && !value.is_array() {
            return Err("replace operation value must be object or array".to_owned());
        }
        *document = value;
        return Ok(());
    }
    let Some((parent, key)) = parent_of(document, path, lax) else {
        return Err(format!(
            "replace operation does not apply: doc is missing path: {path}: {MISSING}"
        ));
    };
    match parent {
        Parent::Object(map) => {
            if !map.contains_key(&key) {
                lax(format!("`replace` of {path}, which is not there, adds it"));
            }
            map.insert(key, value);
        }
        Parent::List(list) => {
            let place = index_of(&key, list.len(), lax).ok();
            let Some(place) = place.and_then(|index| list.get_mut(index)) else {
                return Err(format!(
                    "replace operation does not apply: doc is missing key: {path}: {MISSING}"
                ));
            };
            *place = value;
        }
    }
    Ok(())
}

fn r#move(
    document: &mut Value,
    operation: &Map<String, Value>,
    lax: Lax<'_>,
) -> Result<(), String> {
    let from = path_of(operation, "from")?;
    let Some((parent, key)) = parent_of(document, from, lax) else {
        return Err(format!(
            "move operation does not apply: doc is missing from path: {from}: {MISSING}"
        ));
    };
    let value =
        take(parent, &key, lax).map_err(|why| format!("error in move for path: '{key}': {why}"))?;
    let path = path_of(operation, "path")?;
    let Some((parent, key)) = parent_of(document, path, lax) else {
        return Err(format!(
            "move operation does not apply: doc is missing destination path: {path}: {MISSING}"
        ));
    };
    insert(parent, key, value, lax)
        .map_err(|why| format!("error in move for path: '{path}': {why}"))
}

fn copy(document: &mut Value, operation: &Map<String, Value>, lax: Lax<'_>) -> Result<(), String> {
    let from = path_of(operation, "from")?;
    let Some((parent, key)) = parent_of(document, from, lax) else {
        return Err(format!(
            "copy operation does not apply: doc is missing from path: {from}: {MISSING}"
        ));
    };
    let found = look_up(parent, &key, lax)
        .map_err(|why| format!("error in copy for from: '{from}': {why}"))?;
    let value = found.cloned().unwrap_or_else(|| {
        lax(format!("`copy` of {from}, which is not there, writes null"));
        Value::Null
    });
    let path = path_of(operation, "path")?;
    let Some((parent, key)) = parent_of(document, path, lax) else {
        return Err(format!(
            "copy operation does not apply: doc is missing destination path: {path}: {MISSING}"
        ));
    };
    insert(parent, key, value, lax)
        .map_err(|why| format!("error while adding value during copy: {why}"))
}

fn test(document: &mut Value, operation: &Map<String, Value>, lax: Lax<'_>) -> Result<(), String> {
    let path = path_of(operation, "path")?;
    let wanted = operation.get("value").unwrap_or(&Value::Null);
    let found = if path.is_empty() {
        Some(&*document)
    } else {
        let Some((parent, key)) = parent_of(document, path, lax) else {
            return Err(format!(
                "test operation does not apply: is missing path: {path}: {MISSING}"
            ));
        };
        look_up(parent, &key, lax)
            .map_err(|why| format!("error in test for path: '{path}': {why}"))?
    };
    if found.is_none() && wanted.is_null() {
        lax(format!(
            "`test` for null of {path}, which is not there, passes"
        ));
    }
    if found.unwrap_or(&Value::Null) == wanted {
        Ok(())
    } else {
        Err(format!("testing value {path} failed: test failed"))
    }
}

/// What can hold the last part of a path.
enum Parent<'d> {
    Object(&'d mut Map<String, Value>),
    List(&'d mut Vec<Value>),
}

/// The value under a path's last part; none when it is missing from an object.
fn look_up<'d>(parent: Parent<'d>, key: &str, lax: Lax<'_>) -> Result<Option<&'d Value>, String> {
    match parent {
        Parent::Object(map) => Ok(map.get(key)),
        Parent::List(list) => {
            let index = index_of(key, list.len(), lax)?;
            Ok(list.get(index))
        }
    }
}

fn take(parent: Parent<'_>, key: &str, lax: Lax<'_>) -> Result<Value, String> {
    match parent {
        Parent::Object(map) => map
            .shift_remove(key)
            .ok_or_else(|| format!("Unable to remove nonexistent key: {key}: {MISSING}")),
        Parent::List(list) => {
            let index = index_of(key, list.len(), lax)?;
            Ok(list.remove(index))
        }
    }
}

fn insert(parent: Parent<'_>, key: String, value: Value, lax: Lax<'_>) -> Result<(), String> {
    match parent {
        Parent::Object(map) => {
            map.insert(key, value);
        }
        Parent::List(list) if key == "-" => list.push(value),
        Parent::List(list) => {
            if key.parse::<i64>().is_err() {
                return Err(format!(
                    "value was not a proper array index: '{key}': {}",
                    no_index(&key)
                ));
            }
            // A place is counted from the end of the list as it will be.
            let length = list.len() + 1;
            let index = index_of(&key, length, lax)?;
            list.insert(index, value);
        }
    }
    Ok(())
}

/// The object or list that holds a path's last part, and that part without its escapes. What
/// stands before the first slash does not count.
fn parent_of<'d>(
    document: &'d mut Value,
    path: &str,
    lax: Lax<'_>,
) -> Option<(Parent<'d>, String)> {
    let (_, rest) = path.split_once('/')?;
    let mut parts: Vec<String> = rest
        .split('/')
        .map(|part| part.replace("~1", "/").replace("~0", "~"))
        .collect();
    let last = parts.pop()?;
    let mut place = document;
    for part in &parts {
        place = match place {
            Value::Object(map) => map.get_mut(part)?,
            Value::Array(list) => {
                let index = index_of(part, list.len(), lax).ok()?;
                list.get_mut(index)?
            }
            _ => return None,
        };
    }
    match place {
        Value::Object(map) => Some((Parent::Object(map), last)),
        Value::Array(list) => Some((Parent::List(list), last)),
        _ => None,
    }
}

/// A list's index in text, below its `length`; negative ones count from its end.
fn index_of(text: &str, length: usize, lax: Lax<'_>) -> Result<usize, String> {
    let number: i64 = text.parse().map_err(|_| no_index(text))?;
    let counted = if number < 0 {
        lax(format!(
            "the negative index {text} counts from the list's end"
        ));
        i64::try_from(length).unwrap_or(i64::MAX) + number
    } else {
        number
    };
    usize::try_from(counted)
        .ok()
        .filter(|index| *index < length)
        .ok_or_else(|| {
            format!("Unable to access invalid index: {number}: invalid index referenced")
        })
}

fn no_index(text: &str) -> String {
    format!("strconv.Atoi: parsing {}: invalid syntax", quote(text))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(patch: &str, document: Value, want: Result<(Value, usize), &str>) {
        let mut document = document;
        let mut lax = 0;
        let result =
            LaxPatch::parse(patch).and_then(|patch| patch.apply(&mut document, &mut |_| lax += 1));
        match want {
            Ok((value, times)) => {
                assert_eq!(result, Ok(()), "{patch}");
                assert_eq!(document, value, "{patch}");
                assert_eq!(lax, times, "{patch}");
            }
            Err(words) => {
                let error = result.unwrap_err();
                assert!(error.contains(words), "{patch}: {error}");
            }
        }
    }

    #[test]
    fn the_standards_operations_do_as_the_standard_says() {
        check(
            r#"[{"op":"add","path":"/a/-","value":3},{"op":"add","path":"/a/0","value":0}]"#,
            json!({"a": [1, 2]}),
            Ok((json!({"a": [0, 1, 2, 3]}), 0)),
        );
        check(
            r#"[{"op":"move","from":"/a","path":"/b"},{"op":"copy","from":"/b","path":"/c"}]"#,
            json!({"a": 1}),
            Ok((json!({"b": 1, "c": 1}), 0)),
        );
        check(
            r#"[{"op":"remove","path":"/a~1b"},{"op":"test","path":"/c~0d","value":2}]"#,
            json!({"a/b": 1, "c~d": 2}),
            Ok((json!({"c~d": 2}), 0)),
        );
    }

    #[test]
    fn what_only_this_dialect_accepts_works_and_is_told() {
        check(
            r#"[{"op":"replace","path":"/a/-1","value":9}]"#,
            json!({"a": [1, 2]}),
            Ok((json!({"a": [1, 9]}), 1)),
        );
        check(
            r#"[{"op":"add","path":"/a/-1","value":9}]"#,
            json!({"a": [1, 2]}),
            Ok((json!({"a": [1, 2, 9]}), 1)),
        );
        check(
            r#"[{"op":"replace","path":"/new","value":1}]"#,
            json!({}),
            Ok((json!({"new": 1}), 1)),
        );
        check(
            r#"[{"op":"add","path":"/x"}]"#,
            json!({}),
            Ok((json!({"x": null}), 1)),
        );
        check(
            r#"[{"op":"copy","from":"/no","path":"/x"}]"#,
            json!({}),
            Ok((json!({"x": null}), 1)),
        );
        check(
            r#"[{"op":"test","path":"/no","value":null}]"#,
            json!({}),
            Ok((json!({}), 1)),
        );
        check(
            r#"[{"op":"add","path":"ignored/x","value":1}]"#,
            json!({}),
            Ok((json!({"x": 1}), 0)),
        );
        check("null", json!({"a": 1}), Ok((json!({"a": 1}), 0)));
    }

    #[test]
    fn what_cannot_be_applied_is_told() {
        for (patch, words) in [
            (
                r#"[{"op":"remove","path":"/no"}]"#,
                "Unable to remove nonexistent key: no",
            ),
            (
                r#"[{"op":"merge","path":"/a","value":1}]"#,
                "Unexpected kind: merge",
            ),
            (r#"[{"path":"/a","value":1}]"#, "Unexpected kind: unknown"),
            (
                r#"[{"op":"test","path":"/a","value":2}]"#,
                "testing value /a failed",
            ),
            (
                r#"[{"op":"add","path":"/b/c","value":2}]"#,
                "doc is missing path",
            ),
            (
                r#"[{"op":"add","path":"/l/7","value":2}]"#,
                "error in add for path: '/l/7': Unable to access invalid index: 7: invalid index \
                 referenced",
            ),
            (
                r#"[{"op":"remove","path":"/l/7"}]"#,
                "error in remove for path: '/l/7': Unable to access invalid index: 7",
            ),
            (
                r#"[{"op":"add","path":"/l/x","value":2}]"#,
                "value was not a proper array index: 'x': strconv.Atoi: parsing \"x\": invalid",
            ),
            (
                r#"[{"op":"move","from":"/no","path":"/x"}]"#,
                "error in move for path: 'no': Unable to remove nonexistent key: no: missing",
            ),
            (
                r#"[{"op":"copy","from":"/no/no","path":"/x"}]"#,
                "copy operation does not apply: doc is missing from path: /no/no: missing value",
            ),
            (
                r#"[{"op":"move","from":"/a","path":"/no/no"}]"#,
                "doc is missing destination path: /no/no: missing value",
            ),
            (
                r#"[{"op":"test","path":"/no/no","value":1}]"#,
                "test operation does not apply: is missing path: /no/no: missing value",
            ),
            (
                r#"[{"op":"add","path":"","value":{}}]"#,
                "add operation does not apply: doc is missing path: \"\": missing value",
            ),
            (
                r#"[{"op":"replace","path":"","value":"x"}]"#,
                "replace operation value must be object or array",
            ),
            (
                r#"[{"op":"test","path":"/l/3","value":1}]"#,
                "error in test for path: '/l/3': Unable to access invalid index: 3",
            ),
            (
                r#"[{"op":"move","path":"/x"}]"#,
                "move operation failed to decode from: operation, missing from field",
            ),
            (
                r#"[{"op":"test","path":7}]"#,
                "test operation failed to decode path: json: cannot unmarshal number",
            ),
            (
                r#"[{"op":"replace","path":"/l/-9","value":2}]"#,
                "doc is missing key",
            ),
            (
                r#"[{"op":"remove"}]"#,
                "remove operation failed to decode path: missing value",
            ),
            (
                r#"{"op":"remove"}"#,
                "cannot unmarshal object into Go value of type jsonpatch.Patch",
            ),
            ("[1]", "cannot unmarshal number"),
            ("[", "unexpected end of JSON input"),
        ] {
            check(patch, json!({"a": 1, "l": [1]}), Err(words));
        }
    }
}
