//! `leasehold lint`: findings about the annotations and templates of manifests, with file and line.

use std::io::{self, IsTerminal as _, Read, Write};

use leasehold_inject::{Code, Finding, KubeVersion, Outcome, Review, Settings, Severity};
use serde_json::{Value, json};

use crate::exit::Exit;
use crate::flags::Parsed;
use crate::manifests::{self, Document};
use crate::offline::inject::tell_denial;
use crate::offline::objects::{self, NamespaceDefaults, Told};
use crate::offline::source;
use crate::settings::Address;
use crate::templates::Templates;
use crate::workload::{self, Holder};

/// Looks at every pod of the sources. Errors end the command with [`Exit::Failed`], under `--strict` warnings too.
#[must_use]
pub fn run(parsed: &Parsed, input: &mut dyn Read, output: &mut dyn Write) -> Exit {
    match lint(parsed, input, output) {
        Ok(exit) => exit,
        Err(error) => super::complain(error.as_ref()),
    }
}

fn lint(
    parsed: &Parsed,
    input: &mut dyn Read,
    output: &mut dyn Write,
) -> Result<Exit, Box<dyn std::error::Error>> {
    let (settings, kube_version) = super::settings(parsed, Address::Assumed)?;
    let names = source::names(parsed)?;
    let mut progress = Progress::new(names.len());
    let mut linter = Linter {
        namespace: parsed.text("namespace").to_owned(),
        settings,
        kube_version,
        defaults: NamespaceDefaults::read(parsed)?,
        told: Vec::new(),
        objects: 0,
    };
    for name in &names {
        let source = source::read(name, input)?;
        linter.file(name, &source.text);
        progress.step();
    }
    progress.done();
    let count = |severity| {
        linter
            .told
            .iter()
            .filter(|told| told.severity == severity)
            .count()
    };
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    if parsed.text("o") == "json" {
        let report = json!({
            "files": names.len(), "objects": linter.objects, "errors": errors, "warnings": warnings,
            "findings": linter.told,
        });
        serde_json::to_writer_pretty(&mut *output, &report)?;
        output.write_all(b"\n")?;
    } else {
        for told in &linter.told {
            writeln!(output, "{told}")?;
        }
        writeln!(
            output,
            "{} files, {} objects with a pod: {errors} errors, {warnings} warnings",
            names.len(),
            linter.objects
        )?;
    }
    output.flush()?;
    let failed = errors > 0 || (parsed.switch("strict") && warnings > 0);
    Ok(if failed { Exit::Failed } else { Exit::Done })
}

struct Linter {
    namespace: String,
    settings: Settings,
    kube_version: KubeVersion,
    defaults: NamespaceDefaults,
    told: Vec<Told>,
    objects: usize,
}

impl Linter {
    fn file(&mut self, name: &str, text: &str) {
        let documents = match manifests::read(text) {
            Ok(documents) => documents,
            Err(error) => {
                let hint = if text.contains("{{") {
                    "; a chart's templates are rendered first: helm template … | leasehold lint -f -"
                } else {
                    ""
                };
                self.told.push(Told {
                    file: name.to_owned(),
                    line: error.line,
                    object: String::new(),
                    severity: Severity::Error,
                    code: Code::InvalidValue,
                    annotation: None,
                    message: format!(
                        "the file cannot be read as YAML: column {}: {}{hint}",
                        error.column, error.message
                    ),
                    place: None,
                });
                return;
            }
        };
        documents
            .iter()
            .for_each(|document| self.defaults.learn(document));
        for document in &documents {
            for place in objects::places(&document.value) {
                self.object(name, document, &place.pointer);
            }
        }
    }

    fn object(&mut self, file: &str, document: &Document, pointer: &str) {
        let Some(object) = document.value.pointer(pointer) else {
            return;
        };
        let Some(holder) = Holder::of(object) else {
            return;
        };
        self.objects += 1;
        let namespace = objects::namespace_of(object, &self.namespace);
        let name = objects::name_of(object, namespace);
        let on_object = format!("{pointer}/metadata/annotations");
        let on_pod = format!("{pointer}{}/metadata/annotations", holder.pointer());
        let mut pod = holder.pod(object);
        let mut findings = not_texts(&mut pod);
        findings.extend(duplicates(document, &on_pod));
        workload::add_default_token(&mut pod);
        let facts = self.defaults.of(namespace);
        let outcome = leasehold_inject::review(
            &Review {
                pod: &pod.to_string(),
                kind: "Pod",
                operation: "CREATE",
                namespace,
                dry_run: true,
                namespace_defaults: &facts.annotations,
                unasked: facts.unasked,
                kube_version: self.kube_version,
            },
            &self.settings,
            &Templates,
        );
        findings.extend(match outcome {
            Outcome::Unchanged { findings, .. } | Outcome::Patched { findings, .. } => findings,
            Outcome::Denied { message, findings } => tell_denial(&message, findings),
        });
        let misplaced = workload::misplaced(object, holder)
            .into_iter()
            .map(|finding| (&on_object, finding));
        let told = misplaced.chain(findings.into_iter().map(|finding| (&on_pod, finding)));
        self.told.extend(
            told.map(|(annotations, finding)| {
                Told::new(file, document, &name, annotations, finding)
            }),
        );
    }
}

/// Annotations whose value is no text: the API server refuses them. They are made texts for the other checks.
fn not_texts(pod: &mut Value) -> Vec<Finding> {
    let Some(annotations) = pod
        .pointer_mut("/metadata/annotations")
        .and_then(Value::as_object_mut)
    else {
        return Vec::new();
    };
    let mut findings = Vec::new();
    for (name, value) in annotations {
        let kind = match value {
            Value::String(_) => continue,
            Value::Bool(_) => "a boolean",
            Value::Number(_) => "a number",
            Value::Null => "nothing",
            Value::Array(_) => "a list",
            Value::Object(_) => "a mapping",
        };
        let text = value.to_string();
        let advice = match value {
            Value::Bool(_) | Value::Number(_) => format!("; write it in quotes: \"{text}\""),
            _ => String::new(),
        };
        let message = format!("its value is {kind} in YAML, and annotations must be texts{advice}");
        findings.push(Finding::error(Code::InvalidValue, message).about(name));
        *value = Value::String(if value.is_null() { String::new() } else { text });
    }
    findings
}

fn duplicates(document: &Document, annotations: &str) -> Vec<Finding> {
    document
        .duplicates
        .iter()
        .filter_map(|(pointer, line)| {
            let name = pointer.strip_prefix(annotations)?.strip_prefix('/')?;
            let name = name.replace("~1", "/").replace("~0", "~");
            let text = format!(
                "it is written twice, the second time on line {line}, and only the last counts"
            );
            Some(Finding::warning(Code::Conflict, text).about(name))
        })
        .collect()
}

/// A line on the terminal while many files are read.
struct Progress {
    all: usize,
    read: usize,
    shown: bool,
}

impl Progress {
    fn new(all: usize) -> Self {
        Self {
            all,
            read: 0,
            shown: false,
        }
    }

    fn step(&mut self) {
        self.read += 1;
        if self.read.is_multiple_of(1_000) && io::stderr().is_terminal() {
            self.shown = true;
            self.show(&format!("\r{} of {} files", self.read, self.all));
        }
    }

    fn done(&self) {
        if self.shown {
            self.show("\r                              \r");
        }
    }

    fn show(&self, text: &str) {
        // Progress is a courtesy: a terminal that is gone does not matter.
        drop(io::stderr().write_all(text.as_bytes()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn annotations_that_are_no_texts_are_errors_and_still_checked() {
        let mut pod =
            json!({"metadata": {"annotations": {"a": true, "b": "x", "c": 5, "d": null}}});
        let findings = not_texts(&mut pod);
        let names: Vec<_> = findings
            .iter()
            .filter_map(|finding| finding.annotation.as_deref())
            .collect();
        assert_eq!(names, ["a", "c", "d"]);
        assert!(
            findings[0].text.contains("\"true\""),
            "{}",
            findings[0].text
        );
        assert_eq!(
            pod["metadata"]["annotations"],
            json!({"a": "true", "b": "x", "c": "5", "d": ""})
        );
    }
}
