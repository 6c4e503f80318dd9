//! `cargo xtask deny`: licences, banned packages, sources and yanked versions, by `deny.toml`.
//!
//! The checks are made here, on what `cargo metadata` tells, so that they need nothing installed
//! and no network. What they cannot know is which versions have known vulnerabilities: that is
//! left to `cargo-deny`, which reads the same file, where somebody has it.

mod licence;
mod yanked;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::workspace;

/// The parts of `deny.toml` that are checked here.
#[derive(Debug, serde::Deserialize)]
struct Rules {
    graph: Graph,
    licenses: Licences,
    bans: Bans,
    sources: Sources,
}

#[derive(Debug, serde::Deserialize)]
struct Graph {
    targets: Vec<String>,
}

#[derive(Debug, serde::Deserialize)]
struct Licences {
    allow: Vec<String>,
    /// Packages with a licence of their own that is accepted for them alone.
    #[serde(default)]
    exceptions: Vec<Exception>,
}

#[derive(Debug, serde::Deserialize)]
struct Exception {
    #[serde(rename = "crate")]
    package: String,
    allow: Vec<String>,
}

#[derive(Debug, serde::Deserialize)]
struct Bans {
    deny: Vec<Ban>,
}

#[derive(Debug, serde::Deserialize)]
struct Ban {
    #[serde(rename = "crate")]
    package: String,
    reason: String,
    /// Packages that may use it all the same.
    #[serde(default)]
    wrappers: Vec<String>,
}

#[derive(Debug, serde::Deserialize)]
struct Sources {
    #[serde(rename = "allow-registry")]
    allow_registry: Vec<String>,
    #[serde(rename = "allow-git", default)]
    allow_git: Vec<String>,
}

/// Checks the dependency tree and tells every finding.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    if let Some(argument) = arguments.first() {
        bail!("unknown argument `{argument}`; none is accepted");
    }
    let path = workspace::root().join("deny.toml");
    let text =
        fs::read_to_string(&path).with_context(|| format!("failed to read {}", path.display()))?;
    let rules: Rules =
        toml::from_str(&text).with_context(|| format!("failed to read {}", path.display()))?;
    let mut findings = BTreeSet::new();
    let mut count = BTreeSet::new();
    for target in &rules.graph.targets {
        let mut command = workspace::cargo(&["metadata", "--format-version", "1"]);
        let json = workspace::output(command.args(["--filter-platform", target]))?;
        let metadata: Value =
            serde_json::from_slice(&json).context("failed to read what cargo metadata wrote")?;
        let tree = Tree::read(&metadata);
        tree.check(&rules, &mut findings);
        findings.extend(yanked::check(&tree.versions())?);
        count.extend(tree.versions());
    }
    for finding in &findings {
        eprintln!("deny: {finding}");
    }
    if !findings.is_empty() {
        bail!("deny has {} findings, told above", findings.len());
    }
    eprintln!(
        "deny: licences, bans, sources and yanked versions of {} packages hold",
        count.len()
    );
    look_up_advisories()
}

/// What a target's dependency tree is made of; development dependencies belong to it.
struct Tree<'a> {
    packages: Vec<&'a Value>,
    /// Who names a package.
    users: BTreeMap<&'a str, BTreeSet<&'a str>>,
}

impl<'a> Tree<'a> {
    fn read(metadata: &'a Value) -> Self {
        let nodes = list(&metadata["resolve"]["nodes"]);
        let reached: BTreeSet<&str> = nodes.clone().map(|node| text(&node["id"])).collect();
        let packages: Vec<&Value> = list(&metadata["packages"])
            .filter(|package| reached.contains(text(&package["id"])))
            .collect();
        let names: BTreeMap<&str, &str> = packages
            .iter()
            .map(|package| (text(&package["id"]), text(&package["name"])))
            .collect();
        let mut users: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for node in nodes {
            let user = names.get(text(&node["id"])).copied().unwrap_or_default();
            for used in list(&node["dependencies"]) {
                let used = names.get(text(used)).copied().unwrap_or_default();
                users.entry(used).or_default().insert(user);
            }
        }
        Self { packages, users }
    }

    fn versions(&self) -> BTreeSet<(String, String)> {
        self.packages
            .iter()
            .filter(|package| !package["source"].is_null())
            .map(|package| {
                (
                    text(&package["name"]).to_owned(),
                    text(&package["version"]).to_owned(),
                )
            })
            .collect()
    }

    fn check(&self, rules: &Rules, findings: &mut BTreeSet<String>) {
        for package in &self.packages {
            let name = text(&package["name"]);
            let shown = format!("{name} {}", text(&package["version"]));
            self.check_ban(name, &shown, rules, findings);
            // The workspace's own packages have no source.
            let Some(source) = package["source"].as_str() else {
                continue;
            };
            check_source(source, &shown, rules, findings);
            check_licence(package, &shown, rules, findings);
        }
    }

    fn check_ban(&self, name: &str, shown: &str, rules: &Rules, findings: &mut BTreeSet<String>) {
        let Some(ban) = rules.bans.deny.iter().find(|ban| ban.package == name) else {
            return;
        };
        let users = self.users.get(name).cloned().unwrap_or_default();
        let others: Vec<_> = users
            .into_iter()
            .filter(|user| !ban.wrappers.iter().any(|wrapper| wrapper == user))
            .collect();
        if !others.is_empty() {
            findings.insert(format!(
                "{shown} is banned ({}); it is used by {}",
                ban.reason,
                others.join(", ")
            ));
        }
    }
}

fn check_source(source: &str, shown: &str, rules: &Rules, findings: &mut BTreeSet<String>) {
    let known = match (
        source.strip_prefix("registry+"),
        source.strip_prefix("sparse+"),
        source.strip_prefix("git+"),
    ) {
        // Cargo names the registry of crates.io by its old address, however it is reached.
        (Some(registry), _, _) | (_, Some(registry), _) => {
            rules.sources.allow_registry.iter().any(|r| r == registry)
        }
        (_, _, Some(git)) => {
            let address = git.split(['?', '#']).next().unwrap_or(git);
            rules.sources.allow_git.iter().any(|g| g == address)
        }
        _ => false,
    };
    if !known {
        findings.insert(format!(
            "{shown} comes from {source}, which deny.toml does not allow"
        ));
    }
}

fn check_licence(package: &Value, shown: &str, rules: &Rules, findings: &mut BTreeSet<String>) {
    let Some(expression) = package["license"].as_str() else {
        findings.insert(format!(
            "{shown} names no licence; look at its source and add an exception to deny.toml"
        ));
        return;
    };
    let name = text(&package["name"]);
    let exceptions = rules.licenses.exceptions.iter();
    let further = exceptions
        .filter(|exception| exception.package == name)
        .flat_map(|exception| &exception.allow);
    let allowed: Vec<&str> = rules
        .licenses
        .allow
        .iter()
        .chain(further)
        .map(String::as_str)
        .collect();
    match licence::accepted(expression, &allowed) {
        Ok(true) => {}
        Ok(false) => {
            findings.insert(format!(
                "{shown} has the licence `{expression}`, which deny.toml does not allow"
            ));
        }
        Err(problem) => {
            findings.insert(format!(
                "{shown} has the licence `{expression}`, which cannot be read: {problem}"
            ));
        }
    }
}

/// Known vulnerabilities, where `cargo-deny` is there and reaches its database.
fn look_up_advisories() -> Result<()> {
    let mut version = Command::new("cargo-deny");
    let there = version
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !there {
        eprintln!(
            "deny: NOT checked: known vulnerabilities (cargo-deny is not on PATH; \
             `cargo install --locked cargo-deny` brings it)"
        );
        return Ok(());
    }
    let fetched = workspace::cargo(&["deny", "fetch", "db"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !fetched {
        eprintln!("deny: NOT checked: known vulnerabilities (their database was out of reach)");
        return Ok(());
    }
    workspace::run(&mut workspace::cargo(&["deny", "check", "advisories"]))?;
    eprintln!("deny: no version has a known vulnerability");
    Ok(())
}

fn list(value: &Value) -> impl Iterator<Item = &Value> + Clone {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rules() -> Rules {
        toml::from_str(
            r#"
            graph = { targets = [] }
            licenses = { allow = ["MIT"], exceptions = [{ crate = "odd", allow = ["ISC"] }] }
            bans = { deny = [{ crate = "openssl", reason = "rustls", wrappers = ["allowed"] }] }
            sources = { allow-registry = ["https://github.com/rust-lang/crates.io-index"] }
            "#,
        )
        .unwrap()
    }

    fn check(name: &str, license: Option<&str>, source: &str, user: &str) -> Vec<String> {
        let metadata = json!({
            "packages": [
                {"id": "1", "name": name, "version": "1.0.0", "license": license, "source": source},
                {"id": "2", "name": user, "version": "1.0.0", "source": null},
            ],
            "resolve": {"nodes": [
                {"id": "1", "dependencies": []},
                {"id": "2", "dependencies": ["1"]},
            ]},
        });
        let mut findings = BTreeSet::new();
        Tree::read(&metadata).check(&rules(), &mut findings);
        findings.into_iter().collect()
    }

    const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";

    #[test]
    fn a_good_package_is_no_finding() {
        assert_eq!(
            check("serde", Some("MIT OR Apache-2.0"), CRATES_IO, "ours"),
            [""; 0]
        );
        assert_eq!(check("odd", Some("ISC"), CRATES_IO, "ours"), [""; 0]);
    }

    #[test]
    fn bans_licences_and_sources_are_told_with_the_reason() {
        let found = check("openssl", Some("MIT"), CRATES_IO, "ours");
        assert_eq!(
            found,
            ["openssl 1.0.0 is banned (rustls); it is used by ours"]
        );
        assert_eq!(check("openssl", Some("MIT"), CRATES_IO, "allowed"), [""; 0]);
        assert!(check("a", Some("GPL-3.0"), CRATES_IO, "ours")[0].contains("`GPL-3.0`"));
        assert!(check("a", None, CRATES_IO, "ours")[0].contains("names no licence"));
        assert!(
            check("a", Some("MIT"), "git+https://example.com/a#1", "ours")[0]
                .contains("comes from")
        );
    }
}
