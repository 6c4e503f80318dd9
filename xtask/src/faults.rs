//! `cargo xtask faults`: runs the tests that `docs/reliability.md` names, and checks for `tidy` that each of them
//! exists. The table is the list: a promise without a test cannot stand in it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::{testing, tools, workspace};

const TABLE: &str = "docs/reliability.md";

/// Where tests of one name in the table are, and how they are run.
struct Place {
    /// The word before a test's name.
    word: &'static str,
    /// The folder of their sources.
    folder: &'static str,
    /// What `cargo test` needs to find them.
    arguments: &'static [&'static str],
}

const PLACES: &[Place] = &[
    Place {
        word: "core",
        folder: "crates/agent/src",
        arguments: &["--package", "leasehold-agent", "--lib"],
    },
    Place {
        word: "life",
        folder: "crates/agent/tests/life",
        arguments: &["--package", "leasehold-agent", "--test", "life"],
    },
    Place {
        word: "vault",
        folder: "crates/vault/tests",
        arguments: &["--package", "leasehold-vault", "--tests"],
    },
    Place {
        word: "e2e",
        folder: "tests/e2e",
        arguments: &["--package", "leasehold-e2e", "--test", "e2e"],
    },
];

/// Runs every test of the table.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    if let Some(argument) = arguments.first() {
        bail!("unknown argument `{argument}`; none is accepted");
    }
    let root = workspace::root();
    let missing = missing(&root)?;
    if !missing.is_empty() {
        bail!(
            "{TABLE} names tests that do not exist: {}",
            missing.join(", ")
        );
    }
    tools::ensure(tools::Wanted::Servers)?;
    // The scenarios start both programs.
    workspace::run(&mut workspace::cargo(&["build", "--workspace", "--bins"]))?;
    let named = named(&root)?;
    for place in PLACES {
        let Some(tests) = named.get(place.word) else {
            continue;
        };
        eprintln!("faults: {} tests of `{}`", tests.len(), place.word);
        let mut words: Vec<String> = place.arguments.iter().map(ToString::to_string).collect();
        words.push("--".to_owned());
        words.extend(tests.iter().cloned());
        testing::run(&words)?;
    }
    Ok(())
}

/// The tests that the table names and that no source declares, for `tidy`.
pub(crate) fn missing(root: &Path) -> Result<Vec<String>> {
    let mut missing = Vec::new();
    for (word, tests) in named(root)? {
        let Some(place) = PLACES.iter().find(|place| place.word == word) else {
            missing.push(format!("{word} (no such place)"));
            continue;
        };
        let mut sources = String::new();
        read_all(&root.join(place.folder), &mut sources)?;
        for test in tests {
            if !sources.contains(&format!("fn {test}(")) {
                missing.push(format!("{word} {test}"));
            }
        }
    }
    Ok(missing)
}

/// The tests of the table, by the word before them.
fn named(root: &Path) -> Result<BTreeMap<String, Vec<String>>> {
    let path = root.join(TABLE);
    let text =
        fs::read_to_string(&path).with_context(|| format!("failed to read {}", path.display()))?;
    Ok(names(&text))
}

/// In the last column stands `place` and then names between backticks; a place holds until the next.
fn names(text: &str) -> BTreeMap<String, Vec<String>> {
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let rows = text
        .lines()
        .filter(|line| line.starts_with("| ") && line.matches('|').count() == 4);
    for row in rows {
        let Some(column) = row.trim_end_matches(['|', ' ']).rsplit('|').next() else {
            continue;
        };
        let mut word = String::new();
        for (at, part) in column.split('`').enumerate() {
            if at % 2 == 0 {
                if let Some(said) = part
                    .split([' ', ','])
                    .rfind(|said| PLACES.iter().any(|place| place.word == *said))
                {
                    word = said.to_owned();
                }
            } else {
                let tests = found.entry(word.clone()).or_default();
                if !tests.iter().any(|known| known == part) {
                    tests.push(part.to_owned());
                }
            }
        }
    }
    found
}

fn read_all(folder: &Path, sources: &mut String) -> Result<()> {
    let entries =
        fs::read_dir(folder).with_context(|| format!("failed to list {}", folder.display()))?;
    for entry in entries {
        let path = entry.context("failed to list a folder")?.path();
        if path.is_dir() {
            read_all(&path, sources)?;
        } else if path.extension().is_some_and(|kind| kind == "rs") {
            let text = fs::read_to_string(&path);
            sources.push_str(&text.with_context(|| format!("failed to read {}", path.display()))?);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_places_and_names_out_of_the_last_column() {
        let text = "\
| fault | promise | held by |
|---|---|---|
| a `b` | c | core `one`, `two`, life `three` |
| d | e | e2e `one`; core `one` |
";
        let found = names(text);
        let of = |word: &str| found.get(word).cloned().unwrap_or_default();
        assert_eq!(of("core"), ["one", "two"]);
        assert_eq!(of("life"), ["three"]);
        assert_eq!(of("e2e"), ["one"]);
        assert_eq!(found.len(), 3);
    }

    #[test]
    fn a_test_that_does_not_exist_is_told() {
        assert!(missing(&workspace::root()).unwrap().is_empty());
    }
}
