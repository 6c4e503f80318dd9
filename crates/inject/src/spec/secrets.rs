//! The secrets: which there are, how each is rendered, and where its file goes.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use crate::finding::{Code, Finding};
use crate::go;
use crate::layers::{Given, is_alias};
use crate::report::Stage;
use crate::review::Review;
use crate::settings::DefaultTemplate;
use crate::spec::{OwnLogin, Reader};
use crate::vocabulary::{secrets as names, switch};

/// Where the secrets volume is when nobody says.
const VOLUME_PATH: &str = "/vault/secrets";
/// The same for pods that are annotated for OpenBao's injector.
const OPENBAO_VOLUME_PATH: &str = "/openbao/secrets";

/// What a secret is rendered from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source<'a> {
    /// A template in an annotation, or the default template for a path.
    Contents(Cow<'a, str>),
    /// A template in a file of the agent's container.
    File(&'a str),
}

/// One secret.
#[derive(Clone, Debug)]
pub(crate) struct Secret<'a> {
    /// The name as the annotations have it.
    pub(crate) raw_name: String,
    /// The path in the server; may be empty when there is a template.
    pub(crate) path: &'a str,
    /// What it is rendered from.
    pub(crate) source: Source<'a>,
    /// Whether the source is the default template.
    pub(crate) by_default_template: bool,
    /// Where the volume of its file is mounted.
    pub(crate) volume_path: Cow<'a, str>,
    /// The file.
    pub(crate) destination: String,
    /// The file's mode as written; empty for the agent's default.
    pub(crate) perms: &'a str,
    /// A command to run after a change; empty for none.
    pub(crate) command: &'a str,
    /// What opens an action.
    pub(crate) left_delimiter: &'a str,
    /// What closes an action.
    pub(crate) right_delimiter: &'a str,
    /// Whether a missing key is an error.
    pub(crate) error_on_missing_key: bool,
    /// What its login has of its own.
    pub(crate) login: OwnLogin<'a>,
}

/// All secrets of a pod and the volumes they need.
#[derive(Debug)]
pub(crate) struct Secrets<'a> {
    /// The secrets, in the order of their destinations.
    pub(crate) list: Vec<Secret<'a>>,
    /// Where the shared volume is mounted.
    pub(crate) volume_path: Cow<'a, str>,
    /// Where each further volume is mounted, in order.
    pub(crate) custom_paths: Vec<String>,
    /// Whether the token goes into the shared volume too.
    pub(crate) inject_token: bool,
}

impl<'a> Secrets<'a> {
    /// Reads the secrets, all but the default template, whose turn comes later.
    pub(crate) fn read(reader: &mut Reader<'_, 'a>, _review: &Review<'a>) -> Self {
        let volume_path = read_volume_path(reader);
        let preserve_case = reader
            .given(&names::PRESERVE_CASE)
            .map(|given| lenient_boolean(reader, given))
            .unwrap_or_default();
        let mut list: Vec<Secret<'a>> = secret_names(reader)
            .into_iter()
            .map(|name| read_secret(reader, name, &volume_path, preserve_case))
            .collect();
        list.sort_by(|a, b| {
            a.destination
                .cmp(&b.destination)
                .then_with(|| a.raw_name.cmp(&b.raw_name))
        });
        note_shared_destinations(reader, &list);

        // Compared as cleaned paths: with a slash at the end it is the same folder.
        let global = go::clean_path(&volume_path);
        let custom: BTreeMap<String, String> = list
            .iter()
            .filter(|s| !s.volume_path.is_empty() && go::clean_path(&s.volume_path) != global)
            .map(|s| (go::clean_path(&s.volume_path), s.volume_path.to_string()))
            .rev()
            .collect();
        let mut custom_paths: Vec<String> = custom.into_values().collect();
        custom_paths.sort();
        Self {
            list,
            volume_path,
            custom_paths,
            inject_token: false,
        }
    }

    /// Reads the default template and the token switch, and fills in the former.
    pub(crate) fn read_rest(mut self, reader: &mut Reader<'_, 'a>) -> Self {
        let template = read_default_template(reader);
        for secret in self.list.iter_mut().filter(|s| s.by_default_template) {
            secret.source = Source::Contents(Cow::Owned(template_for(template, secret.path)));
        }
        self.list.sort_by(|a, b| {
            let key = |secret: &Secret<'a>| match &secret.source {
                Source::Contents(text) => text.to_string(),
                Source::File(file) => (*file).to_owned(),
            };
            a.destination
                .cmp(&b.destination)
                .then_with(|| key(a).cmp(&key(b)))
        });
        self.inject_token = reader.boolean(&names::INJECT_TOKEN, false);
        self
    }

    /// Where every volume for secrets is mounted, the shared one first.
    pub(crate) fn volume_paths(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.volume_path.as_ref())
            .chain(self.custom_paths.iter().map(String::as_str))
    }
}

/// The default template for a path, which goes between its quotes as it is.
fn template_for(template: DefaultTemplate, path: &str) -> String {
    let body = match template {
        DefaultTemplate::Map => "{{ range $k, $v := .Data }}{{ $k }}: {{ $v }}\n{{ end }}",
        DefaultTemplate::Json => "{{ .Data | toJSON }}\n",
    };
    format!("{{{{ with secret \"{path}\" }}}}{body}{{{{ end }}}}")
}

fn read_volume_path<'a>(reader: &mut Reader<'_, 'a>) -> Cow<'a, str> {
    let by_alias = reader
        .given(&switch::AGENT_INJECT)
        .is_some_and(|g| is_alias(g.key));
    let default = if by_alias {
        OPENBAO_VOLUME_PATH
    } else {
        VOLUME_PATH
    };
    match reader.given(&names::VOLUME_PATH) {
        None => Cow::Borrowed(default),
        Some(given) if given.value.trim().is_empty() => {
            reader.report.note(
                Finding::warning(
                    Code::SuspiciousValue,
                    format!("it is empty, so the secrets go to {default}; remove the annotation"),
                )
                .about(given.key),
            );
            Cow::Borrowed(default)
        }
        Some(given) => {
            note_relative(reader, given);
            Cow::Borrowed(given.value)
        }
    }
}

/// A mount path that the API server takes and the container runtime does not.
fn note_relative(reader: &mut Reader<'_, '_>, given: Given<'_>) {
    if !given.value.starts_with('/') {
        let text = format!(
            "{} is no absolute path: write /{}",
            given.value, given.value
        );
        reader
            .report
            .note(Finding::warning(Code::SuspiciousValue, text).about(given.key));
    }
}

/// The names of all secrets: those with a path, a template or a template file that is not blank.
fn secret_names(reader: &Reader<'_, '_>) -> BTreeSet<String> {
    let layers = reader.layers();
    let mut found = BTreeSet::new();
    for (name, given) in layers.family(&names::SECRET) {
        if !given.value.trim().is_empty() {
            found.insert(name.to_owned());
        }
    }
    for (name, given) in layers.family(&names::TEMPLATE) {
        if given.value.trim().is_empty() {
            continue;
        }
        // `agent-inject-template-file-x` is the template file of `x`, unless there is a secret
        // called `file-x`, whose template it then is.
        match name.strip_prefix("file-") {
            Some(of_file) if !of_file.is_empty() && !belongs_to_file_name(reader, name) => {
                found.insert(of_file.to_owned());
            }
            _ => {
                found.insert(name.to_owned());
            }
        }
    }
    // An annotation that ends with its dash names no secret.
    found.remove("");
    found
}

/// Whether a secret with this name, which begins with `file-`, exists in its own right.
fn belongs_to_file_name(reader: &Reader<'_, '_>, name: &str) -> bool {
    reader
        .layers()
        .get_for(&names::SECRET, name)
        .is_some_and(|g| !g.value.trim().is_empty())
}

fn read_secret<'a>(
    reader: &mut Reader<'_, 'a>,
    name: String,
    volume_path: &Cow<'a, str>,
    preserve_case: bool,
) -> Secret<'a> {
    let layers = reader.layers();
    let text = |annotation| layers.get_for(annotation, &name).map_or("", |g| g.value);
    let path = text(&names::SECRET);
    let inline = text(&names::TEMPLATE);
    let file_template = match layers.get_for(&names::TEMPLATE_FILE, &name) {
        Some(given) if !belongs_to_file_name(reader, &format!("file-{name}")) => given.value,
        _ => "",
    };
    let (source, by_default_template) = if !inline.is_empty() {
        (Source::Contents(Cow::Borrowed(inline)), false)
    } else if !file_template.is_empty() {
        (Source::File(file_template), false)
    } else {
        (Source::Contents(Cow::Borrowed("")), true)
    };
    let preserve_case = layers
        .get_for(&names::PRESERVE_CASE, &name)
        .map_or(preserve_case, |given| lenient_boolean(reader, given));
    let file_name = if preserve_case {
        name.clone()
    } else {
        name.to_lowercase()
    };
    let own_path = layers.get_for(&names::VOLUME_PATH, &name);
    let base = match own_path {
        Some(given) if !given.value.trim().is_empty() => {
            // The global spelling where both name one folder.
            if go::clean_path(given.value) == go::clean_path(volume_path) {
                volume_path.clone()
            } else {
                note_relative(reader, given);
                Cow::Borrowed(given.value)
            }
        }
        _ => volume_path.clone(),
    };
    let file = text(&names::FILE);
    let destination = if file.is_empty() {
        format!("{base}/{file_name}")
    } else {
        go::join_path(&base, file)
    };
    let or = |value: &'a str, default: &'static str| if value.is_empty() { default } else { value };
    let secret = Secret {
        path,
        source,
        by_default_template,
        volume_path: base,
        destination,
        perms: text(&names::PERMS),
        command: text(&names::COMMAND),
        left_delimiter: or(text(&names::LEFT_DELIMITER), "{{"),
        right_delimiter: or(text(&names::RIGHT_DELIMITER), "}}"),
        error_on_missing_key: layers
            .get_for(&names::ERROR_ON_MISSING_KEY, &name)
            .and_then(|given| reader.boolean_of(given))
            .unwrap_or_default(),
        login: OwnLogin::read(reader, &name),
        raw_name: name,
    };
    note_traversal(reader, &secret);
    if !secret.perms.is_empty() && go::perms::octal(secret.perms).is_none() {
        let text = format!(
            "{} is no file mode, so the agent fails; write octal digits such as 0640",
            go::quote(secret.perms)
        );
        let key = format!("{}-{}", names::PERMS.full_name(), secret.raw_name);
        reader
            .report
            .note(Finding::warning(Code::SuspiciousValue, text).about(key));
    }
    secret
}

/// A boolean whose bad values have always counted as false: they do, and are told.
fn lenient_boolean(reader: &mut Reader<'_, '_>, given: Given<'_>) -> bool {
    go::boolean(given.value).unwrap_or_else(|_| {
        reader.report.note(
            Finding::warning(
                Code::SuspiciousValue,
                format!(
                    "{} is no boolean and counts as false; write true",
                    go::quote(given.value)
                ),
            )
            .about(given.key),
        );
        false
    })
}

fn read_default_template(reader: &mut Reader<'_, '_>) -> DefaultTemplate {
    let Some(given) = reader.given(&names::DEFAULT_TEMPLATE) else {
        return reader.settings.default_template;
    };
    match given.value.to_lowercase().as_str() {
        "map" => DefaultTemplate::Map,
        "json" => DefaultTemplate::Json,
        other => {
            let recorded = format!("invalid default template type: {other}");
            reader
                .report
                .deny_value(Stage::Parse, &recorded, given, names::DEFAULT_TEMPLATE.kind);
            DefaultTemplate::Map
        }
    }
}

/// Two secrets in one file: the last one rendered wins.
fn note_shared_destinations(reader: &mut Reader<'_, '_>, list: &[Secret<'_>]) {
    for (first, second) in list.iter().zip(list.iter().skip(1)) {
        if first.destination == second.destination {
            let text = format!(
                "the secrets {} and {} are both written to {}, so one overwrites the other; set \
                 {}-{}",
                first.raw_name,
                second.raw_name,
                first.destination,
                names::FILE.full_name(),
                second.raw_name
            );
            let key = format!("{}-{}", names::SECRET.full_name(), second.raw_name);
            reader
                .report
                .note(Finding::warning(Code::Conflict, text).about(key));
        }
    }
}

/// A file that climbs out of its volume.
fn note_traversal(reader: &mut Reader<'_, '_>, secret: &Secret<'_>) {
    let base = go::clean_path(&secret.volume_path);
    let inside = base == "/"
        || go::clean_path(&secret.destination)
            .strip_prefix(base.as_str())
            .is_some_and(|rest| rest.starts_with('/'));
    if !inside {
        let text = format!(
            "the file {} is outside of the secrets volume {base}; write a name without `..`",
            secret.destination
        );
        let key = format!("{}-{}", names::FILE.full_name(), secret.raw_name);
        reader
            .report
            .note(Finding::warning(Code::Security, text).about(key));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_templates_are_the_established_ones() {
        assert_eq!(
            template_for(DefaultTemplate::Map, "kv/a"),
            "{{ with secret \"kv/a\" }}{{ range $k, $v := .Data }}{{ $k }}: {{ $v }}\n{{ end \
             }}{{ end }}"
        );
        assert_eq!(
            template_for(DefaultTemplate::Json, "pki/issue/x\" \"ttl=1h"),
            "{{ with secret \"pki/issue/x\" \"ttl=1h\" }}{{ .Data | toJSON }}\n{{ end }}"
        );
    }
}
