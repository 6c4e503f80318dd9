//! Headers, sizes, purity and the manners of tests, read line by line from the sources.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::Finding;

/// A file with more product lines than this is to be split.
const MOST_LINES: usize = 600;

/// Folders whose code knows no clock, file, environment, network or runtime.
const PURE: &[&str] = &[
    "crates/config/src",
    "crates/template/src",
    "crates/inject/src",
    "crates/agent/src/core",
];

/// What a pure folder must not name.
const IMPURE: &[&str] = &[
    "std::fs",
    "std::env",
    "std::net",
    "std::process",
    "std::thread",
    "SystemTime::now",
    "Instant::now",
    "Timestamp::now",
    "Zoned::now",
    "tokio::",
    "rand::",
];

/// Folders of packages that forbid clock and files by a `clippy.toml` of their own as well.
const PURE_PACKAGES: &[&str] = &["crates/config", "crates/template", "crates/inject"];

/// Reads every file of the repository and tells what is not as promised.
pub(super) fn check(root: &Path) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    let mut files = Vec::new();
    collect(root, &mut files)?;
    files.sort();
    for path in files {
        let name = path
            .strip_prefix(root)
            .unwrap_or(&path)
            .to_string_lossy()
            .into_owned();
        let bytes =
            fs::read(&path).with_context(|| format!("failed to read {}", path.display()))?;
        // Pictures and the like are nobody's prose.
        let Ok(text) = String::from_utf8(bytes) else {
            continue;
        };
        check_text(&name, &text, &mut findings);
        if name.ends_with(".rs") {
            check_source(&name, &text, &mut findings);
        } else if name.ends_with("/Cargo.toml") {
            check_manifest(&name, &text, &mut findings);
        }
    }
    for package in PURE_PACKAGES {
        let name = format!("{package}/clippy.toml");
        let text = fs::read_to_string(root.join(&name)).unwrap_or_default();
        for needed in [
            "SystemTime::now",
            "Instant::now",
            "std::env::var",
            "std::fs::",
        ] {
            if !text.contains(needed) {
                findings.push(finding(
                    &name,
                    None,
                    format!("must forbid `{needed}`, for the package is pure"),
                ));
            }
        }
    }
    Ok(findings)
}

/// What holds for every text file: no path of the machine that it was written on.
fn check_text(name: &str, text: &str, findings: &mut Vec<Finding>) {
    // Put together here so that this file does not hold what it looks for.
    let paths = [["/wo", "rk/"].concat(), ["/ro", "ot/"].concat()];
    for (at, line) in text.lines().enumerate() {
        for path in &paths {
            let named = line.match_indices(path.as_str()).any(|(start, _)| {
                // Part of a longer path, such as a folder of an image, is something else.
                let before = line.get(..start).and_then(|s| s.chars().next_back());
                !before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | '}'))
            });
            if named && !name.starts_with("tests/golden/") {
                findings.push(finding(
                    name,
                    Some(at + 1),
                    format!("names the machine path `{path}`"),
                ));
            }
        }
    }
}

/// Versions live in the root manifest only, and the lints apply everywhere.
fn check_manifest(name: &str, text: &str, findings: &mut Vec<Finding>) {
    if !text.contains("[lints]\nworkspace = true") {
        findings.push(finding(
            name,
            None,
            "must take the lints of the workspace: `[lints] workspace = true`".to_owned(),
        ));
    }
    let mut in_dependencies = false;
    for (at, line) in text.lines().enumerate() {
        if line.starts_with('[') {
            in_dependencies = line.trim_end_matches(']').ends_with("dependencies");
        } else if in_dependencies
            && line.contains('=')
            && !line.trim_start().starts_with('#')
            && !line.contains("workspace = true")
        {
            findings.push(finding(
                name,
                Some(at + 1),
                "names a dependency that is not `workspace = true`".to_owned(),
            ));
        }
    }
}

fn check_source(name: &str, text: &str, findings: &mut Vec<Finding>) {
    if !text.starts_with("//! ") {
        findings.push(finding(
            name,
            Some(1),
            "must open with `//!` and a sentence that says what it is".to_owned(),
        ));
    }
    let product = product_lines(name, text);
    let code = product
        .iter()
        .filter(|line| !line.trim().is_empty())
        .count();
    if code > MOST_LINES {
        findings.push(finding(
            name,
            None,
            format!("has {code} product lines; split it before {MOST_LINES}"),
        ));
    }
    let pure = PURE.iter().any(|folder| name.starts_with(folder));
    let support = name.starts_with("crates/testkit/") || name.starts_with("xtask/");
    let paused = text.contains("start_paused") || text.contains("time::pause()");
    for (at, line) in text.lines().enumerate() {
        let number = Some(at + 1);
        let code = without_comment(line);
        let is_test = at >= product.len();
        if pure && !is_test {
            for word in IMPURE.iter().filter(|word| code.contains(*word)) {
                findings.push(finding(
                    name,
                    number,
                    format!("names `{word}`; the folder is pure, so it must enter as an argument"),
                ));
            }
        }
        if is_attribute(code, "ignore") {
            findings.push(finding(
                name,
                number,
                "ignores a test; a test runs or is not there".to_owned(),
            ));
        }
        for word in ["todo!(", "unimplemented!("] {
            if calls(code, word) {
                findings.push(finding(name, number, format!("leaves a `{word})`")));
            }
        }
        if is_test && !support {
            let sleeps = calls(code, "thread::sleep(") || (calls(code, "time::sleep(") && !paused);
            if sleeps {
                findings.push(finding(
                    name,
                    number,
                    "sleeps in a test; wait for a stated condition with a deadline, or pause time"
                        .to_owned(),
                ));
            }
        }
    }
}

/// The lines before the tests of a file; none of a file that is all tests.
fn product_lines<'a>(name: &str, text: &'a str) -> Vec<&'a str> {
    let file = name.rsplit('/').next().unwrap_or(name);
    let in_tests = file == "tests.rs" || name.contains("/tests/") || name.starts_with("tests/");
    let lines: Vec<&str> = text.lines().collect();
    if in_tests {
        return Vec::new();
    }
    let tests = lines.windows(2).position(|pair| {
        pair[0].trim() == "#[cfg(test)]" && pair[1].trim_start().starts_with("mod ")
    });
    let end = tests.unwrap_or(lines.len());
    lines.into_iter().take(end).collect()
}

fn without_comment(line: &str) -> &str {
    let end = line.find("//").unwrap_or(line.len());
    line.get(..end).unwrap_or(line)
}

/// Whether a line has an attribute, and not a text that shows one.
fn is_attribute(code: &str, name: &str) -> bool {
    let attribute = code.trim_start();
    attribute
        .strip_prefix("#[")
        .and_then(|rest| rest.strip_prefix(name))
        .is_some_and(|rest| rest.starts_with([']', ' ', '=']))
}

/// Whether a line calls something, and not a text that names it.
fn calls(code: &str, call: &str) -> bool {
    code.match_indices(call).any(|(at, _)| {
        let quotes = code
            .get(..at)
            .map_or(0, |before| before.matches('"').count());
        quotes.is_multiple_of(2)
    })
}

/// Every file of the repository, without what is built or belongs to git.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let entries =
        fs::read_dir(folder).with_context(|| format!("failed to list {}", folder.display()))?;
    for entry in entries {
        let entry = entry.with_context(|| format!("failed to list {}", folder.display()))?;
        let name = entry.file_name();
        if name == ".git" || name == "target" || name == "Cargo.lock" {
            continue;
        }
        let kind = entry
            .file_type()
            .with_context(|| format!("failed to look at {}", entry.path().display()))?;
        if kind.is_dir() {
            collect(&entry.path(), files)?;
        } else if kind.is_file() {
            files.push(entry.path());
        }
    }
    Ok(())
}

fn finding(place: &str, line: Option<usize>, problem: String) -> Finding {
    Finding {
        place: place.to_owned(),
        line,
        problem,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(name: &str, text: &str) -> Vec<String> {
        let mut findings = Vec::new();
        check_source(name, text, &mut findings);
        findings.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_file_opens_with_what_it_is() {
        assert_eq!(source("a.rs", "//! What it is.\n"), [""; 0]);
        assert_eq!(source("a.rs", "use std::fmt;\n").len(), 1);
    }

    #[test]
    fn a_pure_folder_names_no_clock_outside_of_tests_and_comments() {
        let name = "crates/agent/src/core/token.rs";
        let test = "#[cfg(test)]\nmod tests {\n use std::fs;\n}\n";
        assert_eq!(
            source(name, &format!("//! x\n// SystemTime\n{test}")),
            [""; 0]
        );
        let found = source(name, "//! x\nlet now = SystemTime::now();\n");
        assert_eq!(
            found,
            [
                "crates/agent/src/core/token.rs:2: names `SystemTime::now`; the folder is pure, so it \
                 must enter as an argument"
            ]
        );
        assert_eq!(
            source("crates/agent/src/files.rs", "//! x\nuse std::fs;\n"),
            [""; 0]
        );
    }

    #[test]
    fn only_product_lines_count_for_a_files_size() {
        let long = "let a = 1;\n".repeat(700);
        assert_eq!(
            source("crates/a/src/b.rs", &format!("//! x\n{long}")).len(),
            1
        );
        assert_eq!(
            source("crates/a/src/b/tests.rs", &format!("//! x\n{long}")),
            [""; 0]
        );
        let tests = format!("//! x\n#[cfg(test)]\nmod tests {{\n{long}}}\n");
        assert_eq!(source("crates/a/src/b.rs", &tests), [""; 0]);
    }

    #[test]
    fn tests_neither_sleep_nor_rest() {
        let name = "crates/a/tests/b.rs";
        let sleep = "//! x\nstd::thread::sleep(PAUSE);\n";
        assert_eq!(source(name, sleep).len(), 1);
        assert_eq!(source("crates/testkit/src/wait.rs", sleep), [""; 0]);
        let waits = "//! x\ntokio::time::sleep(PAUSE).await;\n";
        assert_eq!(source(name, waits).len(), 1);
        let paused = format!("{waits}#[tokio::test(start_paused = true)]\n");
        assert_eq!(source(name, &paused), [""; 0]);
        assert_eq!(source(name, "//! x\n#[ignore]\nfn a() {}\n").len(), 1);
        assert_eq!(
            source(name, "//! x\ntodo!()\nlet a = \"todo!()\";\n").len(),
            1
        );
    }

    #[test]
    fn machine_paths_are_found_and_longer_paths_are_not() {
        let check = |line: &str| {
            let mut findings = Vec::new();
            check_text("README.md", line, &mut findings);
            findings.len()
        };
        let path = ["/wo", "rk/main"].concat();
        assert_eq!(check(&format!("see {path}")), 1);
        assert_eq!(check(&format!("see image{path}")), 0);
        assert_eq!(check("see /home/vault"), 0);
    }

    #[test]
    fn manifests_take_versions_and_lints_from_the_root() {
        let check = |text: &str| {
            let mut findings = Vec::new();
            check_manifest("a/Cargo.toml", text, &mut findings);
            findings.len()
        };
        let lints = "[lints]\nworkspace = true\n";
        let good = format!("{lints}[dependencies]\nserde.workspace = true\n");
        assert_eq!(check(&good), 0);
        assert_eq!(
            check(&format!("{lints}[dev-dependencies]\nserde = \"1\"\n")),
            1
        );
        assert_eq!(check("[dependencies]\n"), 1);
    }
}
