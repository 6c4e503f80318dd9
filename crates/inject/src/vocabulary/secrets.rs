//! Secrets, templates and the files they become.

use crate::vocabulary::{Annotation, Default, Family, Kind, Topic, vault_annotation};

const fn declare(
    name: &'static str,
    kind: Kind,
    default: Default,
    doc: &'static str,
) -> Annotation {
    vault_annotation(Topic::Secrets, name, kind, default, doc)
}

/// `agent-inject-secret-<name>`
pub static SECRET: Annotation = declare(
    "agent-inject-secret",
    Kind::Text,
    Default::Absent,
    "The path of the secret, as the API has it (a KV version 2 engine wants `data/` after its \
     mount). It goes between quotes into the default template, so `path\" \"key=value` adds \
     arguments.",
)
.family(Family::Secret);
/// `agent-inject-template-<name>`
pub static TEMPLATE: Annotation = declare(
    "agent-inject-template",
    Kind::Text,
    Default::Described("the default template, given a path"),
    "The template that renders the secret. It wins over a template file.",
)
.family(Family::Secret);
/// `agent-inject-template-file-<name>`
pub static TEMPLATE_FILE: Annotation = declare(
    "agent-inject-template-file",
    Kind::Path,
    Default::Absent,
    "A file in the agent's container that holds the template.",
)
.family(Family::Secret);
/// `agent-inject-default-template`
pub static DEFAULT_TEMPLATE: Annotation = declare(
    "agent-inject-default-template",
    Kind::Choice(&["map", "json"]),
    Default::Flag {
        flag: "default-template",
        default: "map",
    },
    "The template of secrets that have only a path: `map` writes a `key: value` line for each \
     field, `json` the whole data. Capitals do not matter.",
);
/// `agent-inject-file-<name>`
pub static FILE: Annotation = declare(
    "agent-inject-file",
    Kind::Path,
    Default::Described("`<name>`"),
    "The file's name below the secrets volume; folders are allowed.",
)
.family(Family::Secret);
/// `agent-inject-perms-<name>`
pub static PERMS: Annotation = declare(
    "agent-inject-perms",
    Kind::FileMode,
    Default::Described("0644"),
    "The file's mode.",
)
.family(Family::Secret);
/// `agent-inject-command-<name>`
pub static COMMAND: Annotation = declare(
    "agent-inject-command",
    Kind::Text,
    Default::Absent,
    "A command that the agent runs after the file has changed.",
)
.family(Family::Secret);
/// `agent-template-left-delim-<name>`
pub static LEFT_DELIMITER: Annotation = declare(
    "agent-template-left-delim",
    Kind::Text,
    Default::Value("{{"),
    "What opens an action in the template.",
)
.family(Family::Secret);
/// `agent-template-right-delim-<name>`
pub static RIGHT_DELIMITER: Annotation = declare(
    "agent-template-right-delim",
    Kind::Text,
    Default::Value("}}"),
    "What closes an action in the template.",
)
.family(Family::Secret);
/// `error-on-missing-key-<name>`
pub static ERROR_ON_MISSING_KEY: Annotation = declare(
    "error-on-missing-key",
    Kind::Boolean,
    Default::Value("false"),
    "Whether a key that the secret does not have is an error instead of the text `<no value>`.",
)
.family(Family::Secret);
/// `secret-volume-path` and `secret-volume-path-<name>`
pub static VOLUME_PATH: Annotation = declare(
    "secret-volume-path",
    Kind::Path,
    Default::Value("/vault/secrets"),
    "Where the secrets volume is mounted; with a secret's name, where that secret's own volume is \
     mounted.",
)
.family(Family::SingleOrSecret);
/// `preserve-secret-case` and `preserve-secret-case-<name>`
pub static PRESERVE_CASE: Annotation = declare(
    "preserve-secret-case",
    Kind::Boolean,
    Default::Value("false"),
    "Whether a file keeps the capitals of its secret's name.",
)
.family(Family::SingleOrSecret);
/// `agent-inject-token`
pub static INJECT_TOKEN: Annotation = declare(
    "agent-inject-token",
    Kind::Boolean,
    Default::Value("false"),
    "Also writes the agent's token to the file `token` in the secrets volume.",
);

/// The annotations of this topic.
pub static ALL: &[&Annotation] = &[
    &SECRET,
    &TEMPLATE,
    &TEMPLATE_FILE,
    &DEFAULT_TEMPLATE,
    &FILE,
    &PERMS,
    &COMMAND,
    &LEFT_DELIMITER,
    &RIGHT_DELIMITER,
    &ERROR_ON_MISSING_KEY,
    &VOLUME_PATH,
    &PRESERVE_CASE,
    &INJECT_TOKEN,
];
