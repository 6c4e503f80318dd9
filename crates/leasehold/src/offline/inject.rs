//! `leasehold inject`: manifests in, manifests out as they will be admitted. Objects without a pod pass unchanged.

use std::io::{Read, Write};

use json_patch::Patch;
use leasehold_inject::{KubeVersion, Outcome, Review, Settings, Severity};
use serde_json::{Value, json};

use crate::exit::Exit;
use crate::flags::Parsed;
use crate::manifests::{self, Document};
use crate::offline::objects::{self, NamespaceDefaults, Told};
use crate::offline::source;
use crate::settings::Address;
use crate::templates::Templates;
use crate::workload::{self, Holder};

/// Injects every pod of the sources. Findings go to standard error. When a pod is denied nothing is written, so that a
/// pipeline does not apply half of its manifests.
#[must_use]
pub fn run(parsed: &Parsed, input: &mut dyn Read, output: &mut dyn Write) -> Exit {
    match inject(parsed, input, output, &mut std::io::stderr()) {
        Ok(exit) => exit,
        Err(error) => super::complain(error.as_ref()),
    }
}

fn inject(
    parsed: &Parsed,
    input: &mut dyn Read,
    output: &mut dyn Write,
    messages: &mut dyn Write,
) -> Result<Exit, Box<dyn std::error::Error>> {
    let (settings, kube_version) = super::settings(parsed, Address::Required)?;
    let mut defaults = NamespaceDefaults::read(parsed)?;
    let mut files = Vec::new();
    for name in source::names(parsed)? {
        let source = source::read(&name, input)?;
        let documents =
            manifests::read(&source.text).map_err(|error| format!("`{name}`: {error}"))?;
        documents
            .iter()
            .for_each(|document| defaults.learn(document));
        files.push((name, documents));
    }
    let run = Run {
        parsed,
        settings,
        kube_version,
        defaults,
    };
    let mut denied = false;
    let mut results = Vec::new();
    for (file, documents) in files {
        for mut document in documents {
            let mut patches = Vec::new();
            for place in objects::places(&document.value) {
                let done = run.object(&file, &document, &place.pointer)?;
                for told in &done.told {
                    writeln!(messages, "{told}")?;
                }
                denied |= done.denied;
                if let Some((object, patch)) = done.changed {
                    patches.push((objects::name_of(&object, run.namespace_of(&object)), patch));
                    if let Some(target) = document.value.pointer_mut(&place.pointer) {
                        *target = object;
                    }
                }
            }
            results.push((document.value, patches));
        }
    }
    if denied {
        return Ok(Exit::Failed);
    }
    write(output, parsed.text("o"), results)?;
    Ok(Exit::Done)
}

struct Run<'a> {
    parsed: &'a Parsed,
    settings: Settings,
    kube_version: KubeVersion,
    defaults: NamespaceDefaults,
}

#[derive(Default)]
struct Done {
    told: Vec<Told>,
    denied: bool,
    changed: Option<(Value, Patch)>,
}

impl Run<'_> {
    fn namespace_of<'b>(&'b self, object: &'b Value) -> &'b str {
        objects::namespace_of(object, self.parsed.text("namespace"))
    }

    fn object(
        &self,
        file: &str,
        document: &Document,
        pointer: &str,
    ) -> Result<Done, Box<dyn std::error::Error>> {
        let Some(object) = document.value.pointer(pointer) else {
            return Ok(Done::default());
        };
        let Some(holder) = Holder::of(object) else {
            return Ok(Done::default());
        };
        let namespace = self.namespace_of(object);
        let name = objects::name_of(object, namespace);
        let mut pod = holder.pod(object);
        if holder != Holder::Pod {
            workload::add_default_token(&mut pod);
        }
        let facts = self.defaults.of(namespace);
        let outcome = leasehold_inject::review(
            &Review {
                pod: &pod.to_string(),
                kind: "Pod",
                operation: "CREATE",
                namespace,
                dry_run: false,
                namespace_defaults: &facts.annotations,
                unasked: facts.unasked,
                kube_version: self.kube_version,
            },
            &self.settings,
            &Templates,
        );
        let mut done = Done::default();
        let on_object = format!("{pointer}/metadata/annotations");
        let on_pod = format!("{pointer}{}/metadata/annotations", holder.pointer());
        done.told.extend(
            workload::misplaced(object, holder)
                .into_iter()
                .map(|finding| Told::new(file, document, &name, &on_object, finding)),
        );
        let findings = match outcome {
            Outcome::Unchanged { findings, .. } => findings,
            Outcome::Denied { message, findings } => {
                done.denied = true;
                tell_denial(&message, findings)
            }
            Outcome::Patched {
                patch, findings, ..
            } => {
                done.changed = Some(changed(object, holder, pod, patch.operations())?);
                findings
            }
        };
        done.told.extend(
            findings
                .into_iter()
                .map(|finding| Told::new(file, document, &name, &on_pod, finding)),
        );
        Ok(done)
    }
}

/// The findings of a denial, its message among them if no error says the same.
pub(super) fn tell_denial(
    message: &str,
    mut findings: Vec<leasehold_inject::Finding>,
) -> Vec<leasehold_inject::Finding> {
    let told = findings
        .iter()
        .any(|finding| finding.severity == Severity::Error && message.contains(&finding.text));
    if !told {
        findings.insert(
            0,
            leasehold_inject::Finding::error(leasehold_inject::Code::InvalidValue, message),
        );
    }
    findings
}

/// The object with its pod patched, and the patch against the object as it was.
fn changed(
    object: &Value,
    holder: Holder,
    mut pod: Value,
    patch: Patch,
) -> Result<(Value, Patch), Box<dyn std::error::Error>> {
    json_patch::patch(&mut pod, &patch)
        .map_err(|error| format!("the patch does not apply: {error}"))?;
    if holder == Holder::Pod {
        return Ok((pod, patch));
    }
    workload::remove_default_token(&mut pod);
    let mut patched = object.clone();
    holder.put(&mut patched, pod);
    let patch = json_patch::diff(object, &patched);
    Ok((patched, patch))
}

type Injected = (Value, Vec<(String, Patch)>);

fn write(
    output: &mut dyn Write,
    format: &str,
    results: Vec<Injected>,
) -> Result<(), Box<dyn std::error::Error>> {
    match format {
        "patch" => {
            let mut patches: Vec<(String, Patch)> = results
                .into_iter()
                .flat_map(|(_, patches)| patches)
                .collect();
            let value = if patches.len() == 1 {
                serde_json::to_value(patches.remove(0).1)?
            } else {
                patches
                    .into_iter()
                    .map(|(object, patch)| json!({"object": object, "patch": patch}))
                    .collect()
            };
            serde_json::to_writer_pretty(&mut *output, &value)?;
            output.write_all(b"\n")?;
        }
        "json" => {
            let mut values: Vec<Value> = results.into_iter().map(|(value, _)| value).collect();
            let value = if values.len() == 1 {
                values.remove(0)
            } else {
                json!({"apiVersion": "v1", "kind": "List", "items": values})
            };
            serde_json::to_writer_pretty(&mut *output, &value)?;
            output.write_all(b"\n")?;
        }
        _ => {
            for (index, (value, _)) in results.into_iter().enumerate() {
                if index > 0 {
                    output.write_all(b"---\n")?;
                }
                output.write_all(manifests::write::document(&value).as_bytes())?;
            }
        }
    }
    output.flush()?;
    Ok(())
}
