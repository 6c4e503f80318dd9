//! JSON patches in the dialect that the established injector accepts.
//!
//! It is laxer than RFC 6902, and patches that people wrote rely on it: negative indices count
//! from a list's end, `replace` of a missing key adds it, `add` without a value and `copy` of a
//! missing key write null, `test` for null passes on a missing key.

use serde_json::{Map, Value};

use crate::go::json;

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
        self.operations
            .iter()
            .map(|operation| text_of(operation, "path"))
            .any(|path| path == "/args" || path.starts_with("/args/"))
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
                "" => Err("Unexpected kind: unknown".to_owned()),
                other => Err(format!("Unexpected kind: {other}")),
            };
            result.map_err(|words| format!("failed to apply JSON patch: {words}"))?;
        }
        Ok(())
    }
}

type Lax<'a> = &'a mut dyn FnMut(String);

fn text_of<'a>(operation: &'a Map<String, Value>, key: &str) -> &'a str {
    operation
        .get(key)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

fn path_of<'a>(operation: &'a Map<String, Value>, key: &str) -> Result<&'a str, String> {
    operation.get(key).and_then(Value::as_str).ok_or_else(|| {
        format!(
            "operation {:?} lacks {key}: missing value",
            text_of(operation, "op")
        )
    })
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
    insert(document, path, value, "add", lax)
}

fn remove(
    document: &mut Value,
    operation: &Map<String, Value>,
    lax: Lax<'_>,
) -> Result<(), String> {
    let path = path_of(operation, "path")?;
    take(document, path, "remove", lax).map(|_| ())
}

fn replace(
    document: &mut Value,
    operation: &Map<String, Value>,
    lax: Lax<'_>,
) -> Result<(), String> {
    let path = path_of(operation, "path")?;
    let value = operation.get("value").cloned().unwrap_or(Value::Null);
    if path.is_empty() {
        *document = value;
        return Ok(());
    }
    let (parent, key) = parent_of(document, path, "replace", lax)?;
    match parent {
        Value::Object(map) => {
            if !map.contains_key(&key) {
                lax(format!("`replace` of {path}, which is not there, adds it"));
            }
            map.insert(key, value);
        }
        Value::Array(list) => {
            let index = index_of(&key, list.len(), lax)
                .filter(|index| *index < list.len())
                .ok_or_else(|| missing("replace", path, &key))?;
            if let Some(place) = list.get_mut(index) {
                *place = value;
            }
        }
        _ => return Err(missing("replace", path, &key)),
    }
    Ok(())
}

fn r#move(
    document: &mut Value,
    operation: &Map<String, Value>,
    lax: Lax<'_>,
) -> Result<(), String> {
    let from = path_of(operation, "from")?;
    let path = path_of(operation, "path")?;
    let value = take(document, from, "move", lax)?;
    insert(document, path, value, "move", lax)
}

fn copy(document: &mut Value, operation: &Map<String, Value>, lax: Lax<'_>) -> Result<(), String> {
    let from = path_of(operation, "from")?;
    let path = path_of(operation, "path")?;
    let value = match look_up(document, from, "copy", lax)? {
        Some(value) => value,
        None => {
            lax(format!("`copy` of {from}, which is not there, writes null"));
            Value::Null
        }
    };
    insert(document, path, value, "copy", lax)
}

fn test(document: &mut Value, operation: &Map<String, Value>, lax: Lax<'_>) -> Result<(), String> {
    let path = path_of(operation, "path")?;
    let wanted = operation.get("value").unwrap_or(&Value::Null);
    let found = look_up(document, path, "test", lax)?;
    let equal = match &found {
        Some(value) => value == wanted,
        None => {
            if wanted.is_null() {
                lax(format!(
                    "`test` for null of {path}, which is not there, passes"
                ));
            }
            wanted.is_null()
        }
    };
    if equal {
        Ok(())
    } else {
        Err(format!("testing value {path} failed: test failed"))
    }
}

/// The value at a path; none when its last key is missing from an object.
fn look_up(
    document: &mut Value,
    path: &str,
    op: &str,
    lax: Lax<'_>,
) -> Result<Option<Value>, String> {
    if path.is_empty() {
        return Ok(Some(document.clone()));
    }
    let (parent, key) = parent_of(document, path, op, lax)?;
    match parent {
        Value::Object(map) => Ok(map.get(&key).cloned()),
        Value::Array(list) => {
            let index = index_of(&key, list.len(), lax);
            match index.and_then(|index| list.get(index)) {
                Some(value) => Ok(Some(value.clone())),
                None => Err(missing(op, path, &key)),
            }
        }
        _ => Err(missing(op, path, &key)),
    }
}

fn take(document: &mut Value, path: &str, op: &str, lax: Lax<'_>) -> Result<Value, String> {
    let (parent, key) = parent_of(document, path, op, lax)?;
    match parent {
        Value::Object(map) => map
            .shift_remove(&key)
            .ok_or_else(|| missing(op, path, &key)),
        Value::Array(list) => match index_of(&key, list.len(), lax) {
            Some(index) if index < list.len() => Ok(list.remove(index)),
            _ => Err(missing(op, path, &key)),
        },
        _ => Err(missing(op, path, &key)),
    }
}

fn insert(
    document: &mut Value,
    path: &str,
    value: Value,
    op: &str,
    lax: Lax<'_>,
) -> Result<(), String> {
    if path.is_empty() {
        *document = value;
        return Ok(());
    }
    let (parent, key) = parent_of(document, path, op, lax)?;
    match parent {
        Value::Object(map) => {
            map.insert(key, value);
            Ok(())
        }
        Value::Array(list) if key == "-" => {
            list.push(value);
            Ok(())
        }
        Value::Array(list) => {
            // A place is counted from the end of the list as it will be.
            match index_of(&key, list.len() + 1, lax) {
                Some(index) if index <= list.len() => {
                    list.insert(index, value);
                    Ok(())
                }
                _ => Err(missing(op, path, &key)),
            }
        }
        _ => Err(missing(op, path, &key)),
    }
}

/// The object or list that holds a path's last part, and that part without its escapes.
fn parent_of<'d>(
    document: &'d mut Value,
    path: &str,
    op: &str,
    lax: Lax<'_>,
) -> Result<(&'d mut Value, String), String> {
    let Some(rest) = path.strip_prefix('/') else {
        return Err(missing(op, path, path));
    };
    let mut parts: Vec<String> = rest
        .split('/')
        .map(|part| part.replace("~1", "/").replace("~0", "~"))
        .collect();
    let last = parts.pop().unwrap_or_default();
    let mut place = document;
    for part in &parts {
        let next = match place {
            Value::Object(map) => map.get_mut(part),
            Value::Array(list) => {
                let length = list.len();
                index_of(part, length, lax).and_then(|index| list.get_mut(index))
            }
            _ => None,
        };
        place = next.ok_or_else(|| missing(op, path, part))?;
    }
    Ok((place, last))
}

/// A list's index in text; negative ones count from the end.
fn index_of(text: &str, length: usize, lax: Lax<'_>) -> Option<usize> {
    let number: i64 = text.parse().ok()?;
    if number >= 0 {
        return usize::try_from(number).ok();
    }
    lax(format!(
        "the negative index {text} counts from the list's end"
    ));
    usize::try_from(i64::try_from(length).ok()? + number).ok()
}

fn missing(op: &str, path: &str, key: &str) -> String {
    match op {
        "remove" => format!(
            "error in remove for path: '{path}': Unable to remove nonexistent key: {key}: missing \
             value"
        ),
        "replace" => {
            format!("replace operation does not apply: doc is missing key: {path}: missing value")
        }
        _ => {
            format!("{op} operation does not apply: doc is missing path: \"{path}\": missing value")
        }
    }
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
                "doc is missing path",
            ),
            (
                r#"[{"op":"replace","path":"/l/-9","value":2}]"#,
                "doc is missing key",
            ),
            (r#"[{"op":"remove"}]"#, "lacks path"),
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
