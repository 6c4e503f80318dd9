//! The objects of a manifest, Lists taken apart, and what is said about them: which object, in which namespace, on
//! which line.

use std::collections::{BTreeMap, HashMap};

use leasehold_inject::{Code, Finding, Severity, TemplateFault};
use serde::Serialize;
use serde_json::Value;

use crate::flags::Parsed;
use crate::manifests::{self, Document};
use crate::namespace::NamespaceFacts;
use crate::offline::source::{self, SourceError};

/// One object within a document.
#[derive(Debug)]
pub struct Place {
    /// JSON pointer of the object within the document; empty when it is the document.
    pub pointer: String,
}

/// Every object of a document: itself, or the items of a List.
#[must_use]
pub fn places(document: &Value) -> Vec<Place> {
    let mut places = Vec::new();
    descend(document, &mut String::new(), &mut places);
    places
}

fn descend(value: &Value, pointer: &mut String, places: &mut Vec<Place>) {
    let is_list = value
        .get("kind")
        .and_then(Value::as_str)
        .is_some_and(|kind| kind.ends_with("List"));
    match value.get("items").and_then(Value::as_array) {
        Some(items) if is_list => {
            let length = pointer.len();
            for (index, item) in items.iter().enumerate() {
                pointer.push_str("/items/");
                pointer.push_str(&index.to_string());
                descend(item, pointer, places);
                pointer.truncate(length);
            }
        }
        _ => places.push(Place {
            pointer: pointer.clone(),
        }),
    }
}

/// `Deployment shop/web`, as messages name an object.
#[must_use]
pub fn name_of(object: &Value, namespace: &str) -> String {
    let kind = object
        .get("kind")
        .and_then(Value::as_str)
        .unwrap_or("object");
    let metadata = object.get("metadata");
    let field = |name: &str| {
        metadata
            .and_then(|metadata| metadata.get(name))
            .and_then(Value::as_str)
    };
    let name = field("name")
        .map(str::to_owned)
        .or_else(|| field("generateName").map(|prefix| format!("{prefix}*")))
        .unwrap_or_else(|| "(without a name)".to_owned());
    format!("{kind} {namespace}/{name}")
}

/// The namespace of an object: its own, the one on the command line, or `default`.
#[must_use]
pub fn namespace_of<'a>(object: &'a Value, given: &'a str) -> &'a str {
    object
        .pointer("/metadata/namespace")
        .and_then(Value::as_str)
        .filter(|namespace| !namespace.is_empty())
        .unwrap_or(if given.is_empty() { "default" } else { given })
}

/// What the Namespaces say that are known offline.
#[derive(Debug, Default)]
pub struct NamespaceDefaults {
    known: HashMap<String, NamespaceFacts>,
    nothing: NamespaceFacts,
}

/// Why the file with Namespaces cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum NamespaceError {
    /// It cannot be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// It is no manifest.
    #[error("failed to read the Namespace manifest `{path}`")]
    Manifest {
        /// The file.
        path: String,
        /// The fault.
        #[source]
        source: manifests::ManifestError,
    },
    /// It holds no Namespace.
    #[error("`{0}` holds no object of kind Namespace")]
    Without(String),
}

impl NamespaceDefaults {
    /// Reads `--namespace-manifest`, if given.
    ///
    /// # Errors
    /// When the file cannot be used.
    pub fn read(parsed: &Parsed) -> Result<Self, NamespaceError> {
        let mut defaults = Self::default();
        let path = parsed.text("namespace-manifest");
        if path.is_empty() {
            return Ok(defaults);
        }
        let source = source::read(path, &mut std::io::empty())?;
        let documents =
            manifests::read(&source.text).map_err(|source| NamespaceError::Manifest {
                path: path.to_owned(),
                source,
            })?;
        for document in &documents {
            defaults.learn(document);
        }
        if defaults.known.is_empty() {
            return Err(NamespaceError::Without(path.to_owned()));
        }
        Ok(defaults)
    }

    /// Keeps the Namespaces of a document. Those of `--namespace-manifest` win over those among the manifests.
    pub fn learn(&mut self, document: &Document) {
        for place in places(&document.value) {
            let Some(object) = document.value.pointer(&place.pointer) else {
                continue;
            };
            let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str);
            if text("/kind") != Some("Namespace") || text("/apiVersion") != Some("v1") {
                continue;
            }
            let Some(name) = text("/metadata/name") else {
                continue;
            };
            let texts = |pointer: &str| -> BTreeMap<String, String> {
                let map = object.pointer(pointer).and_then(Value::as_object);
                map.into_iter()
                    .flatten()
                    .filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
                    .collect()
            };
            let facts =
                NamespaceFacts::of(texts("/metadata/annotations"), &texts("/metadata/labels"));
            self.known.entry(name.to_owned()).or_insert(facts);
        }
    }

    /// What a namespace says.
    #[must_use]
    pub fn of(&self, namespace: &str) -> &NamespaceFacts {
        self.known.get(namespace).unwrap_or(&self.nothing)
    }
}

/// A finding with its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Told {
    /// File, or `-`.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Which object.
    pub object: String,
    /// How bad it is.
    pub severity: Severity,
    /// Which kind of finding.
    pub code: Code,
    /// The annotation's full name, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub annotation: Option<String>,
    /// What was found and what to write.
    pub message: String,
    /// Where in its value a template is wrong, and what would be possible.
    #[serde(rename = "template", skip_serializing_if = "Option::is_none")]
    pub place: Option<Box<TemplateFault>>,
}

impl Told {
    /// A finding about the object at `pointer`, whose annotations are below `annotations`.
    #[must_use]
    pub fn new(
        file: &str,
        document: &Document,
        object: &str,
        annotations: &str,
        finding: Finding,
    ) -> Self {
        let pointer = match &finding.annotation {
            Some(name) => {
                let escaped = name.replace('~', "~0").replace('/', "~1");
                format!("{annotations}/{escaped}")
            }
            None => annotations.to_owned(),
        };
        Self {
            file: file.to_owned(),
            line: document.line_of(&pointer),
            object: object.to_owned(),
            severity: finding.severity,
            code: finding.code,
            annotation: finding.annotation,
            message: finding.text,
            place: finding.place,
        }
    }

    /// The finding alone, its annotation's full name in front.
    fn finding(&self) -> Finding {
        let finding = Finding::info(self.code, self.message.as_str());
        match &self.annotation {
            Some(name) => finding.about(name),
            None => finding,
        }
    }
}

impl std::fmt::Display for Told {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let severity = match self.severity {
            Severity::Info => "note",
            Severity::Warning => "warning",
            Severity::Error => "error",
        };
        write!(f, "{}:{}: {severity}: ", self.file, self.line)?;
        if !self.object.is_empty() {
            write!(f, "{}: ", self.object)?;
        }
        write!(f, "{}", self.finding())?;
        // The template's line with a caret, and what would be possible.
        let picture = self.place.iter().flat_map(|fault| fault.picture.lines());
        picture
            .into_iter()
            .try_for_each(|line| write!(f, "\n    {line}"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn lists_are_taken_apart_however_deep() {
        let document = json!({"kind": "List", "items": [
            {"kind": "Pod"}, {"kind": "DeploymentList", "items": [{"kind": "Deployment"}]}
        ]});
        let pointers: Vec<String> = places(&document)
            .into_iter()
            .map(|place| place.pointer)
            .collect();
        assert_eq!(pointers, ["/items/0", "/items/1/items/0"]);
        assert_eq!(places(&json!({"kind": "Pod", "items": []}))[0].pointer, "");
    }

    #[test]
    fn objects_are_named_as_people_look_for_them() {
        let object =
            json!({"kind": "Pod", "metadata": {"generateName": "web-", "namespace": "shop"}});
        let namespace = namespace_of(&object, "other");
        assert_eq!(name_of(&object, namespace), "Pod shop/web-*");
        assert_eq!(namespace_of(&json!({}), ""), "default");
    }
}
