//! The bill of materials of a program, in the CycloneDX form.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::program;
use crate::workspace;

/// What a program is made of.
pub(super) struct Bill {
    name: String,
    version: String,
    components: Vec<Value>,
    /// Which component uses which.
    uses: BTreeMap<String, BTreeSet<String>>,
    root: String,
}

impl Bill {
    /// The bill of a package of the workspace: all that is linked into it for a target.
    pub(super) fn of(package: &str, target: &str) -> Result<Self> {
        let mut command = workspace::cargo(&["metadata", "--format-version", "1"]);
        let json = workspace::output(command.args(["--filter-platform", target]))?;
        let metadata: Value =
            serde_json::from_slice(&json).context("failed to read what cargo metadata wrote")?;
        let mut bill = Self::read(&metadata, package)?;
        if let Some((major, minor)) = program::c_library() {
            bill.components.push(json!({
                "type": "library",
                "bom-ref": "glibc",
                "name": "glibc",
                "version": format!("{major}.{minor}"),
                "licenses": [{"license": {"id": "LGPL-2.1-or-later"}}],
            }));
        }
        Ok(bill)
    }

    fn read(metadata: &Value, package: &str) -> Result<Self> {
        let packages: BTreeMap<&str, &Value> = list(&metadata["packages"])
            .map(|package| (text(&package["id"]), package))
            .collect();
        let nodes: BTreeMap<&str, &Value> = list(&metadata["resolve"]["nodes"])
            .map(|node| (text(&node["id"]), node))
            .collect();
        let root = packages
            .values()
            .find(|found| found["name"] == package && found["source"].is_null())
            .with_context(|| format!("there is no package `{package}` in the workspace"))?;
        let mut uses: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let mut open = vec![text(&root["id"])];
        let mut seen = BTreeSet::from([text(&root["id"])]);
        while let Some(id) = open.pop() {
            let Some(node) = nodes.get(id) else { continue };
            let used = list(&node["deps"]).filter(|dependency| {
                // What builds and tests it is not in it.
                list(&dependency["dep_kinds"]).any(|kind| kind["kind"].is_null())
            });
            let mut below = BTreeSet::new();
            for dependency in used {
                let id = text(&dependency["pkg"]);
                below.insert(reference(packages.get(id).copied()));
                if seen.insert(id) {
                    open.push(id);
                }
            }
            uses.insert(reference(packages.get(id).copied()), below);
        }
        let mut components: Vec<Value> = seen
            .iter()
            .filter(|id| **id != text(&root["id"]))
            .filter_map(|id| packages.get(id))
            .map(|package| component(package))
            .collect();
        components.sort_by_key(|component| text(&component["bom-ref"]).to_owned());
        Ok(Self {
            name: package.to_owned(),
            version: text(&root["version"]).to_owned(),
            components,
            uses,
            root: reference(Some(root)),
        })
    }

    /// Adds a program that lies beside.
    pub(super) fn add_program(&mut self, name: &str, version: &str, licence: &str) {
        self.components.push(json!({
            "type": "application",
            "bom-ref": name,
            "name": name,
            "version": version,
            "licenses": [{"license": {"id": licence}}],
        }));
    }

    /// The bill as JSON. It has neither serial number nor time, or no two images would be equal.
    pub(super) fn to_json(&self) -> Result<Vec<u8>> {
        let dependencies: Vec<Value> = self
            .uses
            .iter()
            .map(|(user, used)| json!({"ref": user, "dependsOn": used}))
            .collect();
        serde_json::to_vec(&json!({
            "bomFormat": "CycloneDX",
            "specVersion": "1.5",
            "version": 1,
            "metadata": {
                "component": {
                    "type": "application",
                    "bom-ref": self.root,
                    "name": self.name,
                    "version": self.version,
                    "licenses": [{"expression": "Apache-2.0"}],
                },
            },
            "components": self.components,
            "dependencies": dependencies,
        }))
        .context("failed to write the bill of materials")
    }
}

fn component(package: &Value) -> Value {
    let mut component = json!({
        "type": "library",
        "bom-ref": reference(Some(package)),
        "name": package["name"],
        "version": package["version"],
    });
    if let Some(licence) = package["license"].as_str() {
        component["licenses"] = json!([{"expression": licence.replace('/', " OR ")}]);
    }
    if !package["source"].is_null() {
        component["purl"] = json!(reference(Some(package)));
    }
    component
}

/// A package's name in the bill: its package URL.
fn reference(package: Option<&Value>) -> String {
    package.map_or_else(String::new, |package| {
        format!(
            "pkg:cargo/{}@{}",
            text(&package["name"]),
            text(&package["version"])
        )
    })
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_linked_is_in_the_bill_and_what_only_tests_is_not() {
        let metadata = json!({
            "packages": [
                {"id": "a", "name": "ours", "version": "1.0.0", "source": null},
                {"id": "b", "name": "serde", "version": "1.2.3", "source": "r", "license": "MIT/Apache-2.0"},
                {"id": "c", "name": "proptest", "version": "1.0.0", "source": "r"},
            ],
            "resolve": {"nodes": [
                {"id": "a", "deps": [
                    {"pkg": "b", "dep_kinds": [{"kind": null}]},
                    {"pkg": "c", "dep_kinds": [{"kind": "dev"}]},
                ]},
                {"id": "b", "deps": []},
                {"id": "c", "deps": []},
            ]},
        });
        let bill = Bill::read(&metadata, "ours").unwrap();
        let json: Value = serde_json::from_slice(&bill.to_json().unwrap()).unwrap();
        assert_eq!(json["components"].as_array().unwrap().len(), 1);
        assert_eq!(json["components"][0]["purl"], "pkg:cargo/serde@1.2.3");
        assert_eq!(
            json["components"][0]["licenses"][0]["expression"],
            "MIT OR Apache-2.0"
        );
        assert_eq!(
            json["dependencies"][0],
            json!({"ref": "pkg:cargo/ours@1.0.0", "dependsOn": ["pkg:cargo/serde@1.2.3"]})
        );
        assert!(Bill::read(&metadata, "theirs").is_err());
    }
}
