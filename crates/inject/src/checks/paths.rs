//! Paths of secrets and what templates take from them: the traps of KV version 2.
//!
//! Nothing here knows the server's mounts, so only what the texts themselves contradict is told.

use crate::finding::{Code, Finding};
use crate::report::Report;
use crate::spec::{Secret, Secrets, Source};
use crate::vocabulary::secrets as names;

/// Second parts of a path that only engines of credentials and certificates have.
const ISSUING: [&str; 7] = [
    "creds",
    "static-creds",
    "issue",
    "sign",
    "sts",
    "roleset",
    "key",
];
/// Mounts that are KV version 2 in a server that was set up as its manual says.
const USUAL_KV: [&str; 5] = ["secret", "kv", "kv2", "kv-v2", "kvv2"];
/// Parts that stand after a KV version 2 mount.
const KV_PARTS: [&str; 5] = ["data", "metadata", "delete", "undelete", "destroy"];

/// Notes paths and templates that do not fit each other.
pub(super) fn note(secrets: &Secrets<'_>, report: &mut Report) {
    for secret in &secrets.list {
        note_path(secret, report);
        if let Source::Contents(contents) = &secret.source
            && !secret.by_default_template
        {
            note_template(secret, contents, report);
        }
    }
}

fn note_path(secret: &Secret<'_>, report: &mut Report) {
    let path = secret.path.trim_matches('/');
    let key = || format!("{}-{}", names::SECRET.full_name(), secret.raw_name);
    if path.contains('"') {
        let text = "the quotes in it add arguments to the default template's call; a template of \
                    your own says that more plainly";
        report.note(Finding::info(Code::SecretPath, text).about(key()));
    }
    let is_blank = path.chars().any(char::is_whitespace) && !path.contains('"');
    if is_blank {
        let text = format!("the path {:?} has blanks in it", secret.path);
        report.note(Finding::warning(Code::SecretPath, text).about(key()));
    }
    let mut parts = path.split('/');
    let (mount, second) = (
        parts.next().unwrap_or_default(),
        parts.next().unwrap_or_default(),
    );
    if USUAL_KV.contains(&mount) && !second.is_empty() && !KV_PARTS.contains(&second) {
        let rest = path.strip_prefix(mount).unwrap_or_default();
        let text = format!(
            "if {mount} is a KV version 2 engine, its policies know this secret as {mount}/data\
             {rest}; write that, or the server answers with permission denied"
        );
        report.note(Finding::info(Code::SecretPath, text).about(key()));
    }
    if second == "data" && secret.by_default_template {
        let text = "the default template writes the fields `data` and `metadata` of a KV version 2 \
                    secret; name the fields in a template, as in {{ .Data.data.password }}";
        report.note(Finding::info(Code::Template, text).about(key()));
    }
}

fn note_template(secret: &Secret<'_>, contents: &str, report: &mut Report) {
    let paths = paths_in(contents);
    let key = || format!("{}-{}", names::TEMPLATE.full_name(), secret.raw_name);
    let second = |path: &str| path.trim_matches('/').split('/').nth(1).map(str::to_owned);
    let has_data = |path: &&&str| second(path).as_deref() == Some("data");
    let issues = |path: &&&str| second(path).is_some_and(|part| ISSUING.contains(&part.as_str()));
    if paths.is_empty() {
        return;
    }
    let fields = fields_of_data(contents);
    let direct = fields
        .iter()
        .find(|field| !matches!(**field, "data" | "metadata"));
    if let (Some(field), true) = (direct, paths.iter().filter(has_data).count() == paths.len()) {
        let text = format!(
            "it reads the KV version 2 path {} and takes .Data.{field} from it, which is empty; \
             write .Data.data.{field}",
            paths.first().copied().unwrap_or_default()
        );
        report.note(Finding::warning(Code::Template, text).about(key()));
    }
    let nested = fields.contains(&"data");
    if nested && paths.iter().filter(issues).count() == paths.len() {
        let text = format!(
            "it takes .Data.data from {}, which is no KV version 2 path; write .Data",
            paths.first().copied().unwrap_or_default()
        );
        report.note(Finding::warning(Code::Template, text).about(key()));
    }
}

/// The paths that a template reads, as far as they are written out.
fn paths_in(contents: &str) -> Vec<&str> {
    let mut found = Vec::new();
    for call in ["secret \"", "secret `"] {
        let mut rest = contents;
        while let Some(at) = rest.find(call) {
            rest = &rest[at + call.len()..];
            let end = rest.find(['"', '`']).unwrap_or(rest.len());
            found.push(&rest[..end]);
        }
    }
    found
}

/// The names that follow `.Data.` in a template.
fn fields_of_data(contents: &str) -> Vec<&str> {
    contents
        .split(".Data.")
        .skip(1)
        .filter_map(|rest| {
            let end = rest
                .find(|c: char| !c.is_alphanumeric() && c != '_')
                .unwrap_or(rest.len());
            rest.get(..end).filter(|field| !field.is_empty())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_fields_are_found_in_a_template() {
        let template = "{{ with secret \"kv/data/a\" }}{{ .Data.data.x }}{{ .Data.lease }}{{ end }}\
                        {{ secret `b/c` }}";
        assert_eq!(paths_in(template), ["kv/data/a", "b/c"]);
        assert_eq!(fields_of_data(template), ["data", "lease"]);
    }
}
