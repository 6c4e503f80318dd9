//! The reference page of the annotations, made from their tables.

use std::fmt::Write as _;

use crate::vocabulary::{self, ALIASES, Annotation, Default, Kind, Topic};

/// The page `docs/reference/annotations.md` as Markdown.
pub fn markdown() -> String {
    let mut page = String::from(
        "# Annotations\n\n\
         Made from the tables of the program. `LEASEHOLD_REWRITE=1 cargo test -p leasehold-inject --test reference` rewrites it.\n\n\
         Annotations stand on the pod, that is in a workload's pod template. The same names on the \
         Namespace are defaults for its pods, all but `vault.hashicorp.com/agent-inject` itself. \
         Below both stand the injector's flags.\n\n",
    );
    let aliases: Vec<String> = ALIASES.iter().map(|alias| format!("`{alias}`")).collect();
    let _ = writeln!(
        page,
        "`vault.hashicorp.com/` may also be written {}. `<name>` is the name of a secret, case \
         included; `<key>` a key of the agent's configuration.\n",
        aliases.join(" or ")
    );
    let mut topic = None;
    for annotation in vocabulary::all() {
        if topic != Some(annotation.topic) {
            topic = Some(annotation.topic);
            let _ = writeln!(
                page,
                "## {}\n\n| annotation | value | default | since | |\n|---|---|---|---|---|",
                title(annotation.topic)
            );
        }
        let _ = writeln!(page, "{}", row(annotation));
        if is_last_of_topic(annotation) {
            page.push('\n');
        }
    }
    page.push_str(VALUES);
    page
}

const VALUES: &str = "## Values\n\n\
    - **boolean**: exactly `1 t T TRUE true True 0 f F FALSE false False`; empty is false.\n\
    - **integer**: decimal, with an optional sign; empty is 0.\n\
    - **unsigned**: decimal digits only.\n\
    - **duration**: numbers with the units `ns us µs ms s m h`, such as `1m30s`, or `0`.\n\
    - **quantity**: as in Kubernetes, written in its canonical form.\n\
    - **JSON patch**: a list of RFC 6902 operations. Accepted besides, with a finding: negative \
    indices, `replace` of a missing key, `add` without a value, `copy` of a missing key, `test` for \
    null of a missing key.\n\n\
    An annotation that is present and empty keeps its empty value: it takes away a default, which \
    is noted as a finding.\n";

fn row(annotation: &Annotation) -> String {
    let value = match annotation.kind {
        Kind::Boolean => "boolean".to_owned(),
        Kind::Integer => "integer".to_owned(),
        Kind::Unsigned => "unsigned".to_owned(),
        Kind::Float => "number".to_owned(),
        Kind::Duration => "duration".to_owned(),
        Kind::Quantity => "quantity".to_owned(),
        Kind::JsonPatch => "JSON patch".to_owned(),
        Kind::CommaList => "comma list".to_owned(),
        Kind::FileMode => "octal mode".to_owned(),
        Kind::Path => "path".to_owned(),
        Kind::JsonOrText => "JSON or text".to_owned(),
        Kind::Choice(words) => words
            .iter()
            .map(|word| format!("`{word}`"))
            .collect::<Vec<_>>()
            .join(", "),
        Kind::Signal => "signal and program".to_owned(),
        Kind::LocalRequest => "request".to_owned(),
        Kind::Text => "text".to_owned(),
        Kind::Written => "written by the injector".to_owned(),
    };
    let default = match annotation.default {
        Default::Absent => "–".to_owned(),
        Default::Value(value) => format!("`{value}`"),
        Default::Flag { flag, default: "" } => format!("`--{flag}`"),
        Default::Flag { flag, default } => format!("`--{flag}` (`{default}`)"),
        Default::Described(words) => words.to_owned(),
    };
    format!(
        "| `{}` | {value} | {} | {} | {} |",
        annotation.shape(),
        cell(&default),
        annotation.since,
        cell(annotation.doc)
    )
}

/// A text within a table's cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

fn is_last_of_topic(annotation: &Annotation) -> bool {
    vocabulary::all()
        .filter(|other| other.topic == annotation.topic)
        .last()
        .is_some_and(|last| last == annotation)
}

fn title(topic: Topic) -> &'static str {
    match topic {
        Topic::Switch => "Whether and where to inject",
        Topic::Secrets => "Secrets, templates and files",
        Topic::Vault => "The server and the connection",
        Topic::Login => "Logging in",
        Topic::Container => "The agent's containers",
        Topic::Telemetry => "Cache, listener, template engine and telemetry",
        Topic::Ours => "Only in this injector",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_annotation_has_a_row_and_every_topic_a_heading() {
        let page = markdown();
        for annotation in vocabulary::all() {
            assert!(
                page.contains(&format!("| `{}` |", annotation.shape())),
                "{annotation:?}"
            );
        }
        assert_eq!(page.matches("\n## ").count(), 8);
    }
}
