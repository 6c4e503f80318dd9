//! Annotations and values that the guides name exist.

use std::collections::BTreeSet;

use crate::guide::Guide;

/// The names in back quotes that open the rows of a table.
fn rows(text: &str) -> BTreeSet<&str> {
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.filter_map(|row| row.split_once('`').map(|(name, _)| name))
        .collect()
}

/// The words of a text that begin so.
fn words<'a>(text: &'a str, prefix: &'a str) -> impl Iterator<Item = &'a str> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    text.split(move |c| !is_part(c))
        .filter(move |word| word.starts_with(prefix) && word.len() > prefix.len())
        .map(|word| word.trim_end_matches(['.', '-', '/']))
}

#[test]
fn every_annotation_that_a_guide_names_exists() {
    let reference = Guide::open("docs/reference/annotations.md").text;
    let known = rows(&reference);
    let mut seen = BTreeSet::new();
    for guide in Guide::all() {
        for prefix in ["vault.hashicorp.com/", "leasehold.dev/"] {
            for word in words(&guide.text, prefix) {
                let exists = known.iter().any(|name| {
                    // `…-<name>` stands for every name, and `[-<name>]` for none or any.
                    let (stem, open) = match name.split_once(['<', '[']) {
                        Some((stem, _)) => (stem.trim_end_matches('-'), true),
                        None => (*name, false),
                    };
                    word == stem || open && word.starts_with(stem)
                });
                assert!(exists, "{}: {word}", guide.name);
                seen.insert(word.to_owned());
            }
        }
    }
    assert!(seen.len() > 20, "{} annotations", seen.len());
}

#[test]
fn every_value_of_the_chart_that_a_guide_names_exists() {
    let reference = Guide::open("charts/leasehold/README.md").text;
    let known = rows(&reference);
    let mut seen = BTreeSet::new();
    for guide in Guide::all() {
        for section in ["injector.", "global.", "migration."] {
            for word in words(&guide.text, section) {
                // A section is meant by its beginning, and what is below a map is the user's.
                let exists = known
                    .iter()
                    .any(|name| name.starts_with(word) || word.starts_with(&format!("{name}.")));
                let is_section = word.starts_with("injector.resources.");
                assert!(exists || is_section, "{}: {word}", guide.name);
                seen.insert(word.to_owned());
            }
        }
    }
    assert!(seen.len() > 20, "{} values", seen.len());
}
