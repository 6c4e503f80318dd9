//! Manifests: YAML or JSON text in, objects with the lines of their annotations out, and back to YAML. This is the only
//! module that knows YAML. Scalars are read as Kubernetes reads them (YAML 1.1: an unquoted `yes` is a boolean).

pub mod scalar;
pub mod write;

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, Span};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

/// One document of a file.
#[derive(Debug)]
pub struct Document {
    /// What it holds.
    pub value: Value,
    /// Line of its first key, from 1.
    pub line: usize,
    /// Lines of keys that findings point to, by JSON pointer.
    lines: HashMap<String, usize>,
    /// Keys that a mapping has twice, by JSON pointer, with the line of the second.
    pub duplicates: Vec<(String, usize)>,
}

/// Why a text is no manifest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {message}")]
pub struct ManifestError {
    /// Line of the fault, from 1.
    pub line: usize,
    /// Column of the fault, from 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
}

/// Mappings and lists within each other beyond this are refused: no manifest is that deep, and recursion elsewhere is
/// bounded by it.
const DEPTH: usize = 120;

/// Values that aliases may copy, so that a small text cannot become a huge object.
const COPIES: usize = 100_000;

impl Document {
    /// The line of the key at a JSON pointer, or of the nearest object above it whose line is known.
    #[must_use]
    pub fn line_of(&self, pointer: &str) -> usize {
        let mut pointer = pointer;
        loop {
            if let Some(line) = self.lines.get(pointer) {
                return *line;
            }
            match pointer.rfind('/') {
                Some(end) => pointer = &pointer[..end],
                None => return self.line,
            }
        }
    }
}

/// Reads every document of a text; empty documents are left out. A text of JSON may hold several values one after
/// the other, as `kubectl` takes them.
///
/// # Errors
/// The first fault, with its place.
pub fn read(text: &str) -> Result<Vec<Document>, ManifestError> {
    read_yaml(text).or_else(|fault| read_json(text).ok_or(fault))
}

fn read_yaml(text: &str) -> Result<Vec<Document>, ManifestError> {
    let mut builder = Builder::default();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| ManifestError {
            line: error.marker().line(),
            column: error.marker().col() + 1,
            message: error.info().to_owned(),
        })?;
        builder.take(event, span)?;
    }
    Ok(builder.documents)
}

/// The values of a text of JSON that is no YAML: there are several, or tabs indent them, and then their lines are not
/// known. None where it is no JSON either.
fn read_json(text: &str) -> Option<Vec<Document>> {
    let mut documents = Vec::new();
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<&RawValue>();
    let (mut above, mut counted) = (0, 0);
    while let Some(value) = values.next() {
        let value = value.ok()?.get();
        let start = values.byte_offset().checked_sub(value.len())?;
        above += text.get(counted..start)?.matches('\n').count();
        counted = start;
        match read_yaml(value) {
            Ok(read) => documents.extend(read.into_iter().map(|document| document.below(above))),
            Err(_) => documents.push(Document {
                value: serde_json::from_str(value).ok()?,
                line: above + 1,
                lines: HashMap::new(),
                duplicates: Vec::new(),
            }),
        }
    }
    Some(documents)
}

impl Document {
    /// The same document so many lines further down.
    fn below(mut self, lines: usize) -> Self {
        self.line += lines;
        self.lines.values_mut().for_each(|line| *line += lines);
        self.duplicates
            .iter_mut()
            .for_each(|(_, line)| *line += lines);
        self
    }
}

#[derive(Default)]
struct Builder {
    documents: Vec<Document>,
    open: Vec<Open>,
    anchors: HashMap<usize, Value>,
    copies: usize,
    pointer: String,
    line: usize,
    lines: HashMap<String, usize>,
    duplicates: Vec<(String, usize)>,
}

/// A mapping or list that is not at its end.
struct Open {
    anchor: usize,
    /// Length of the pointer of what is open.
    pointer: usize,
    kind: OpenKind,
}

enum OpenKind {
    Mapping {
        map: Map<String, Value>,
        key: Option<String>,
        merged: Vec<Value>,
    },
    List(Vec<Value>),
}

impl Builder {
    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), ManifestError> {
        let fault = |message: &str| ManifestError {
            line: span.start.line(),
            column: span.start.col() + 1,
            message: message.to_owned(),
        };
        match event {
            Event::DocumentStart(_) => {
                self.pointer.clear();
                self.anchors.clear();
                self.copies = 0;
                self.line = 0;
                self.lines.clear();
                self.duplicates.clear();
            }
            Event::MappingStart(anchor, _) | Event::SequenceStart(anchor, _) => {
                if self.open.len() >= DEPTH {
                    return Err(fault("mappings and lists are nested too deeply"));
                }
                self.begin(span.start.line());
                let kind = if matches!(event, Event::MappingStart(..)) {
                    OpenKind::Mapping {
                        map: Map::new(),
                        key: None,
                        merged: Vec::new(),
                    }
                } else {
                    OpenKind::List(Vec::new())
                };
                self.open.push(Open {
                    anchor,
                    pointer: self.pointer.len(),
                    kind,
                });
            }
            Event::MappingEnd | Event::SequenceEnd => {
                let Some(open) = self.open.pop() else {
                    return Ok(());
                };
                self.pointer.truncate(open.pointer);
                let value = match open.kind {
                    OpenKind::List(items) => Value::Array(items),
                    OpenKind::Mapping { map, merged, .. } => Value::Object(merge(map, merged)),
                };
                self.place(value, open.anchor, span.start.line());
            }
            Event::Scalar(text, style, anchor, tag) => {
                let line = span.start.line();
                let wants_key = matches!(
                    self.open.last(),
                    Some(Open {
                        kind: OpenKind::Mapping { key: None, .. },
                        ..
                    })
                );
                let is_text =
                    tag.is_some_and(|tag| tag.is_yaml_core_schema() && tag.suffix == "str");
                if wants_key {
                    let merge = style == ScalarStyle::Plain && text == "<<";
                    self.key(
                        if merge {
                            "<<".to_owned()
                        } else {
                            text.into_owned()
                        },
                        line,
                    );
                    return Ok(());
                }
                let value = if style == ScalarStyle::Plain && !is_text {
                    scalar::resolve(&text)
                } else {
                    Value::String(text.into_owned())
                };
                self.begin(line);
                self.place(value, anchor, line);
            }
            Event::Alias(anchor) => {
                let value = self
                    .anchors
                    .get(&anchor)
                    .cloned()
                    .ok_or_else(|| fault("an alias stands before its anchor"))?;
                self.copies += size(&value);
                if self.copies > COPIES {
                    return Err(fault("aliases copy more than a manifest can mean"));
                }
                let line = span.start.line();
                if let Some(Open {
                    kind:
                        OpenKind::Mapping {
                            key: key @ None, ..
                        },
                    ..
                }) = self.open.last_mut()
                {
                    *key = Some(
                        value
                            .as_str()
                            .map_or_else(|| value.to_string(), str::to_owned),
                    );
                    return Ok(());
                }
                self.begin(line);
                self.place(value, 0, line);
            }
            Event::DocumentEnd | Event::StreamStart | Event::StreamEnd | Event::Nothing => {}
        }
        Ok(())
    }

    /// A key was read; its value follows.
    fn key(&mut self, name: String, line: usize) {
        let Some(open) = self.open.last_mut() else {
            return;
        };
        let OpenKind::Mapping { map, key, .. } = &mut open.kind else {
            return;
        };
        self.pointer.truncate(open.pointer);
        self.pointer.push('/');
        for letter in name.chars() {
            match letter {
                '~' => self.pointer.push_str("~0"),
                '/' => self.pointer.push_str("~1"),
                other => self.pointer.push(other),
            }
        }
        let within = &self.pointer[..open.pointer];
        if within.ends_with("/annotations") || matches!(name.as_str(), "metadata" | "kind") {
            self.lines.insert(self.pointer.clone(), line);
        }
        if map.contains_key(&name) {
            self.duplicates.push((self.pointer.clone(), line));
        }
        if self.line == 0 {
            self.line = line;
        }
        *key = Some(name);
    }

    /// A value begins: in a list it gets its index into the pointer.
    fn begin(&mut self, line: usize) {
        if let Some(Open {
            pointer,
            kind: OpenKind::List(items),
            ..
        }) = self.open.last()
        {
            let index = items.len();
            self.pointer.truncate(*pointer);
            let list_of_objects = self.pointer.ends_with("/items") || self.pointer.is_empty();
            self.pointer.push('/');
            self.pointer.push_str(&index.to_string());
            if list_of_objects {
                self.lines.insert(self.pointer.clone(), line);
            }
        }
    }

    /// A value is complete: it goes to the mapping, list or document that it belongs to.
    fn place(&mut self, value: Value, anchor: usize, line: usize) {
        if anchor > 0 {
            self.anchors.insert(anchor, value.clone());
        }
        match self.open.last_mut() {
            Some(Open {
                kind: OpenKind::List(items),
                ..
            }) => items.push(value),
            Some(Open {
                kind: OpenKind::Mapping { map, key, merged },
                ..
            }) => match key.take() {
                Some(name) if name == "<<" => merged.push(value),
                Some(name) => {
                    map.insert(name, value);
                }
                // A mapping or list as a key: no manifest has one, and JSON could not hold it.
                None => *key = Some(value.to_string()),
            },
            None if value.is_null() => {}
            None => {
                if self.line == 0 {
                    self.line = line;
                }
                self.documents.push(Document {
                    value,
                    line: self.line,
                    lines: std::mem::take(&mut self.lines),
                    duplicates: std::mem::take(&mut self.duplicates),
                });
            }
        }
    }
}

/// Adds what `<<` brings: keys that are not there yet, earlier ones first.
fn merge(mut map: Map<String, Value>, merged: Vec<Value>) -> Map<String, Value> {
    for value in merged {
        let sources = match value {
            Value::Array(items) => items,
            other => vec![other],
        };
        for source in sources {
            if let Value::Object(source) = source {
                for (key, value) in source {
                    map.entry(key).or_insert(value);
                }
            }
        }
    }
    map
}

fn size(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(size).sum::<usize>(),
        Value::Object(map) => 1 + map.values().map(size).sum::<usize>(),
        _ => 1,
    }
}

#[cfg(test)]
mod tests;
