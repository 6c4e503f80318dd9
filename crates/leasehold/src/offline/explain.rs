//! `leasehold explain`: what would be injected into the pods of manifests, and where each value comes from.

use std::io::{Read, Write};

use leasehold_inject::{Explained, KubeVersion, Origin, Outcome, Review, Settings};
use serde::Serialize;
use serde_json::Value;

use crate::exit::Exit;
use crate::flags::{self, Parsed};
use crate::manifests::{self, Document};
use crate::offline::inject::tell_denial;
use crate::offline::objects::{self, NamespaceDefaults, Told};
use crate::offline::source;
use crate::settings::Address;
use crate::templates::Templates;
use crate::workload::{self, Holder};

/// Explains every pod of the sources. A pod that would be denied ends the command with [`Exit::Failed`].
#[must_use]
pub fn run(parsed: &Parsed, input: &mut dyn Read, output: &mut dyn Write) -> Exit {
    match explain(parsed, input, output) {
        Ok(exit) => exit,
        Err(error) => super::complain(error.as_ref()),
    }
}

fn explain(
    parsed: &Parsed,
    input: &mut dyn Read,
    output: &mut dyn Write,
) -> Result<Exit, Box<dyn std::error::Error>> {
    let (settings, kube_version) = super::settings(parsed, Address::Assumed)?;
    let mut explainer = Explainer {
        parsed,
        settings,
        kube_version,
        defaults: NamespaceDefaults::read(parsed)?,
    };
    let mut files = Vec::new();
    for name in source::names(parsed)? {
        let source = source::read(&name, input)?;
        let documents =
            manifests::read(&source.text).map_err(|error| format!("`{name}`: {error}"))?;
        documents
            .iter()
            .for_each(|document| explainer.defaults.learn(document));
        files.push((name, documents));
    }
    let mut pages = Vec::new();
    for (file, documents) in &files {
        for document in documents {
            for place in objects::places(&document.value) {
                pages.extend(explainer.object(file, document, &place.pointer)?);
            }
        }
    }
    if parsed.text("o") == "json" {
        serde_json::to_writer_pretty(&mut *output, &pages)?;
        output.write_all(b"\n")?;
    } else {
        if pages.is_empty() {
            writeln!(output, "no object with a pod")?;
        }
        for page in &pages {
            page.write(output)?;
        }
    }
    output.flush()?;
    let denied = pages.iter().any(|page| page.outcome == "denied");
    Ok(if denied { Exit::Failed } else { Exit::Done })
}

/// What is said about one object.
#[derive(Serialize)]
struct Page {
    file: String,
    line: usize,
    object: String,
    /// `injected`, `denied` or `unchanged`.
    outcome: &'static str,
    /// Which containers, the denial, or why nothing is done.
    detail: String,
    adds: Vec<Added>,
    settings: Vec<Setting>,
    findings: Vec<Told>,
}

/// Something that the pod has afterwards.
#[derive(Serialize)]
struct Added {
    what: &'static str,
    name: String,
    detail: String,
}

/// One value and where it comes from.
#[derive(Serialize)]
struct Setting {
    annotation: String,
    value: String,
    from: String,
    #[serde(skip)]
    is_default: bool,
}

struct Explainer<'a> {
    parsed: &'a Parsed,
    settings: Settings,
    kube_version: KubeVersion,
    defaults: NamespaceDefaults,
}

impl Explainer<'_> {
    fn object(
        &self,
        file: &str,
        document: &Document,
        pointer: &str,
    ) -> Result<Option<Page>, Box<dyn std::error::Error>> {
        let Some(object) = document.value.pointer(pointer) else {
            return Ok(None);
        };
        let Some(holder) = Holder::of(object) else {
            return Ok(None);
        };
        let namespace = objects::namespace_of(object, self.parsed.text("namespace"));
        let name = objects::name_of(object, namespace);
        let on_pod = format!("{pointer}{}/metadata/annotations", holder.pointer());
        let mut pod = holder.pod(object);
        workload::add_default_token(&mut pod);
        let facts = self.defaults.of(namespace);
        let text = pod.to_string();
        let review = Review {
            pod: &text,
            kind: "Pod",
            operation: "CREATE",
            namespace,
            dry_run: true,
            namespace_defaults: &facts.annotations,
            unasked: facts.unasked,
            kube_version: self.kube_version,
        };
        let (outcome, detail, adds, findings) =
            match leasehold_inject::review(&review, &self.settings, &Templates) {
                Outcome::Unchanged { reason, findings } => (
                    "unchanged",
                    reason.as_str().replace('_', " "),
                    Vec::new(),
                    findings,
                ),
                Outcome::Denied { message, findings } => {
                    let findings = tell_denial(&message, findings);
                    ("denied", message, Vec::new(), findings)
                }
                Outcome::Patched {
                    patch,
                    injected,
                    findings,
                } => {
                    let mut after = pod.clone();
                    json_patch::patch(&mut after, &patch.operations())
                        .map_err(|error| format!("the patch does not apply: {error}"))?;
                    (
                        "injected",
                        injected.as_str().replace('_', " "),
                        added(&pod, &after),
                        findings,
                    )
                }
            };
        let settings = if outcome == "unchanged" {
            Vec::new()
        } else {
            leasehold_inject::explain(&review, &self.settings)
                .into_iter()
                .map(|explained| self.setting(document, &on_pod, explained))
                .collect()
        };
        let mut told: Vec<Told> = workload::misplaced(object, holder)
            .into_iter()
            .map(|finding| {
                let on_object = format!("{pointer}/metadata/annotations");
                Told::new(file, document, &name, &on_object, finding)
            })
            .collect();
        told.extend(
            findings
                .into_iter()
                .map(|finding| Told::new(file, document, &name, &on_pod, finding)),
        );
        Ok(Some(Page {
            file: file.to_owned(),
            line: document.line_of(&format!("{pointer}/kind")),
            object: name,
            outcome,
            detail,
            adds,
            settings,
            findings: told,
        }))
    }

    /// The value with its origin told more exactly: the line, or the variable that beat the flag.
    fn setting(&self, document: &Document, on_pod: &str, explained: Explained) -> Setting {
        let from = match explained.origin {
            Origin::Pod => {
                let escaped = explained.annotation.replace('~', "~0").replace('/', "~1");
                format!(
                    "{}, line {}",
                    explained.from,
                    document.line_of(&format!("{on_pod}/{escaped}"))
                )
            }
            Origin::Namespace => explained.from,
            Origin::Injector => {
                let variable = explained.from.strip_prefix("flag --").and_then(|flag| {
                    match self.parsed.origin(flag) {
                        flags::Origin::Variable(variable) => Some(format!("variable {variable}")),
                        flags::Origin::Default | flags::Origin::Flag => None,
                    }
                });
                variable.unwrap_or(explained.from)
            }
        };
        Setting {
            annotation: explained.annotation,
            value: explained.value,
            is_default: explained.origin == Origin::Injector && from.contains("default"),
            from,
        }
    }
}

/// What is in the pod afterwards and was not before.
fn added(before: &Value, after: &Value) -> Vec<Added> {
    let mut adds = Vec::new();
    for (list, what) in [
        ("initContainers", "init container"),
        ("containers", "container"),
    ] {
        for container in new_items(before, after, list) {
            let image = container
                .get("image")
                .and_then(Value::as_str)
                .unwrap_or_default();
            let native = container.get("restartPolicy").and_then(Value::as_str) == Some("Always");
            let what = if native { "native sidecar" } else { what };
            adds.push(Added {
                what,
                name: name(container),
                detail: image.to_owned(),
            });
        }
    }
    for volume in new_items(before, after, "volumes") {
        let kinds = volume.as_object().into_iter().flat_map(|map| map.keys());
        let kind = kinds
            .filter(|key| *key != "name")
            .cloned()
            .collect::<Vec<_>>()
            .join(" ");
        adds.push(Added {
            what: "volume",
            name: name(volume),
            detail: kind,
        });
    }
    for list in ["initContainers", "containers"] {
        for container in items(after, list) {
            let Some(old) =
                items(before, list).find(|old| old.get("name") == container.get("name"))
            else {
                continue;
            };
            for mount in items_of(container, "volumeMounts") {
                if !items_of(old, "volumeMounts").any(|known| known == mount) {
                    let path = mount
                        .get("mountPath")
                        .and_then(Value::as_str)
                        .unwrap_or_default();
                    adds.push(Added {
                        what: "mount",
                        name: path.to_owned(),
                        detail: format!("in {}", name(container)),
                    });
                }
            }
        }
    }
    adds
}

fn new_items<'a>(
    before: &'a Value,
    after: &'a Value,
    list: &'static str,
) -> impl Iterator<Item = &'a Value> {
    items(after, list)
        .filter(move |item| !items(before, list).any(|old| old.get("name") == item.get("name")))
}

fn items<'a>(pod: &'a Value, list: &str) -> impl Iterator<Item = &'a Value> {
    pod.get("spec")
        .into_iter()
        .flat_map(move |spec| items_of(spec, list).collect::<Vec<_>>())
}

fn items_of<'a>(object: &'a Value, list: &str) -> impl Iterator<Item = &'a Value> {
    object
        .get(list)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}

fn name(object: &Value) -> String {
    object
        .get("name")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned()
}

impl Page {
    fn write(&self, output: &mut dyn Write) -> std::io::Result<()> {
        writeln!(output, "{} ({}:{})", self.object, self.file, self.line)?;
        writeln!(output, "  {}: {}", self.outcome, self.detail)?;
        if !self.adds.is_empty() {
            writeln!(output, "  adds")?;
            for added in &self.adds {
                writeln!(
                    output,
                    "    {:<16}{:<40} {}",
                    added.what, added.name, added.detail
                )?;
            }
        }
        for (title, defaults) in [("set", false), ("defaults", true)] {
            let mut settings = self
                .settings
                .iter()
                .filter(|setting| setting.is_default == defaults)
                .peekable();
            if settings.peek().is_some() {
                writeln!(output, "  {title}")?;
            }
            for setting in settings {
                let value = first_line(&setting.value);
                writeln!(output, "    {} = {value}", setting.annotation)?;
                writeln!(output, "        {}", setting.from)?;
            }
        }
        if !self.findings.is_empty() {
            writeln!(output, "  findings")?;
            for told in &self.findings {
                writeln!(output, "    {told}")?;
            }
        }
        writeln!(output)
    }
}

/// A value that fits a line; templates are long.
fn first_line(value: &str) -> String {
    let line = value.lines().next().unwrap_or_default();
    let short: String = line.chars().take(100).collect();
    if short.len() < value.trim_end().len() {
        format!("{short} …")
    } else {
        short
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_was_added_is_told_and_what_was_there_is_not() {
        let before = json!({"spec": {"containers": [{"name": "app"}], "volumes": [{"name": "v", "emptyDir": {}}]}});
        let after = json!({"spec": {
            "initContainers": [{"name": "agent", "image": "i:1", "restartPolicy": "Always"}],
            "containers": [{"name": "app", "volumeMounts": [{"name": "s", "mountPath": "/vault/secrets"}]}],
            "volumes": [{"name": "v", "emptyDir": {}}, {"name": "s", "emptyDir": {"medium": "Memory"}}],
        }});
        let lines: Vec<String> = added(&before, &after)
            .iter()
            .map(|added| format!("{} {} {}", added.what, added.name, added.detail))
            .collect();
        assert_eq!(
            lines,
            [
                "native sidecar agent i:1",
                "volume s emptyDir",
                "mount /vault/secrets in app"
            ]
        );
    }

    #[test]
    fn long_values_are_cut_to_their_first_line() {
        assert_eq!(first_line("a\nb"), "a …");
        assert_eq!(first_line("a\n"), "a");
        assert_eq!(
            first_line(&"é".repeat(101)),
            format!("{} …", "é".repeat(100))
        );
    }
}
