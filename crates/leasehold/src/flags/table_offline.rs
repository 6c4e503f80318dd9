//! The flags that only the offline commands have: which files, which format.

use super::{Default, Flag, Kind, Scope};

/// Declared in the order of the reference page.
pub(super) const FLAGS: &[Flag] = &[
    offline(
        "f",
        Kind::Repeated,
        "",
        "Manifest file, folder (read with its subfolders: .yaml, .yml, .json) or - for standard input. May be repeated; \
         words after the flags count as well.",
    ),
    offline(
        "o",
        Kind::Choice(&["text", "json", "yaml", "patch"]),
        "",
        "Output format. inject: yaml (default), json or patch; lint and explain: text (default) or json.",
    ),
    offline(
        "namespace",
        Kind::Text,
        "",
        "Namespace of manifests that name none. Empty means default.",
    ),
    offline(
        "namespace-manifest",
        Kind::Text,
        "",
        "File with the Namespace (or several) whose annotations are the defaults of its pods.",
    ),
];

const fn offline(name: &'static str, kind: Kind, default: &'static str, doc: &'static str) -> Flag {
    Flag {
        name,
        kind,
        default: Default::Always(default),
        variable: None,
        scope: Scope::Offline,
        since: "0.1.0",
        doc,
    }
}
