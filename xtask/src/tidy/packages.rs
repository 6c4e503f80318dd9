//! Dependency directions, from what `cargo metadata` tells.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::Finding;

/// What one package may and may not depend on.
struct Rule {
    package: &'static str,
    /// Packages of ours that it may use.
    ours: &'static [&'static str],
    /// Packages of ours that its tests may use besides.
    tests: &'static [&'static str],
    /// Packages of ours that it may have as options, which no usual build turns on.
    options: &'static [&'static str],
    /// Outside packages that must not be reached, not even through others.
    never: &'static [&'static str],
    /// Outside packages that it must not name itself.
    not_direct: &'static [&'static str],
}

const PURE: &[&str] = &[
    "async-std",
    "chrono",
    "hyper",
    "mio",
    "reqwest",
    "rustls",
    "smol",
    "socket2",
    "time",
    "tokio",
];

const RULES: &[Rule] = &[
    Rule {
        package: "leasehold-config",
        ours: &[],
        tests: &[],
        options: &[],
        never: PURE,
        not_direct: &["jiff", "k8s-openapi", "rand", "getrandom", "rustix"],
    },
    Rule {
        package: "leasehold-template",
        ours: &[],
        tests: &[],
        options: &[],
        never: PURE,
        not_direct: &["k8s-openapi", "kube", "rand", "getrandom", "rustix"],
    },
    Rule {
        package: "leasehold-inject",
        ours: &["leasehold-config"],
        tests: &["leasehold-testkit"],
        options: &[],
        never: PURE,
        not_direct: &["kube", "rand", "getrandom", "rustix"],
    },
    Rule {
        package: "leasehold-vault",
        ours: &[],
        tests: &["leasehold-testkit"],
        options: &[],
        never: &["k8s-openapi", "kube", "axum"],
        not_direct: &[],
    },
    Rule {
        package: "leasehold-agent",
        ours: &["leasehold-config", "leasehold-template", "leasehold-vault"],
        tests: &["leasehold-testkit"],
        options: &[],
        never: &["k8s-openapi", "kube", "axum"],
        not_direct: &["serde_yaml", "serde_norway", "serde_yaml_ng", "serde_yml"],
    },
    Rule {
        package: "leasehold",
        ours: &["leasehold-config", "leasehold-inject", "leasehold-template"],
        tests: &["leasehold-testkit"],
        options: &[],
        never: &[],
        not_direct: &[],
    },
    Rule {
        package: "leasehold-testkit",
        ours: &[],
        tests: &[],
        options: &[],
        never: &[],
        not_direct: &[],
    },
    Rule {
        package: "leasehold-e2e",
        ours: &["leasehold-testkit"],
        tests: &["leasehold-testkit"],
        // The fuzzing program calls the parsers themselves.
        options: &[
            "leasehold",
            "leasehold-config",
            "leasehold-inject",
            "leasehold-template",
        ],
        never: &[],
        not_direct: &[],
    },
    Rule {
        package: "xtask",
        ours: &[],
        tests: &[],
        options: &[],
        never: &[],
        not_direct: &[],
    },
];

/// Outside packages that nobody may use, for there is one stack of each kind.
pub(super) fn check(metadata: &Value) -> Vec<Finding> {
    let mut findings = Vec::new();
    let members = members(metadata);
    for (name, package) in &members {
        let Some(rule) = RULES.iter().find(|rule| rule.package == *name) else {
            findings.push(finding(
                name,
                "is a package that the table of dependencies does not know; give it a row"
                    .to_owned(),
            ));
            continue;
        };
        check_direct(rule, package, &members, &mut findings);
        check_reachable(rule, metadata, package, &mut findings);
    }
    for rule in RULES {
        if !members.contains_key(rule.package) {
            findings.push(finding(
                rule.package,
                "is in the table of dependencies and not in the workspace".to_owned(),
            ));
        }
    }
    findings
}

fn check_direct(
    rule: &Rule,
    package: &Value,
    members: &BTreeMap<&str, &Value>,
    findings: &mut Vec<Finding>,
) {
    for dependency in list(package, "dependencies") {
        let name = text(dependency, "name");
        let for_tests = text(dependency, "kind") == "dev";
        let is_option = dependency["optional"] == true;
        let known = rule.ours.contains(&name)
            || (for_tests && rule.tests.contains(&name))
            || (is_option && rule.options.contains(&name));
        if members.contains_key(name) && !known {
            let accepted = if rule.ours.is_empty() {
                "no package of ours".to_owned()
            } else {
                rule.ours.join(", ")
            };
            findings.push(finding(
                rule.package,
                format!("depends on `{name}`; accepted: {accepted}"),
            ));
        }
        if !for_tests && rule.not_direct.contains(&name) {
            findings.push(finding(
                rule.package,
                format!("depends on `{name}`, which is not its business"),
            ));
        }
    }
}

fn check_reachable(rule: &Rule, metadata: &Value, package: &Value, findings: &mut Vec<Finding>) {
    if rule.never.is_empty() {
        return;
    }
    let names: BTreeMap<&str, &str> = list(metadata, "packages")
        .map(|package| (text(package, "id"), text(package, "name")))
        .collect();
    let nodes: BTreeMap<&str, &Value> = metadata
        .pointer("/resolve/nodes")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .map(|node| (text(node, "id"), node))
        .collect();
    let start = text(package, "id");
    let mut seen = BTreeSet::from([start]);
    let mut paths = vec![vec![start]];
    while let Some(path) = paths.pop() {
        let Some(node) = path.last().and_then(|id| nodes.get(id)) else {
            continue;
        };
        for dependency in list(node, "deps") {
            let normal = list(dependency, "dep_kinds").any(|kind| kind["kind"].is_null());
            let id = text(dependency, "pkg");
            if !normal || !seen.insert(id) {
                continue;
            }
            let mut longer = path.clone();
            longer.push(id);
            let name = names.get(id).copied().unwrap_or_default();
            if rule.never.contains(&name) {
                let way: Vec<_> = longer
                    .iter()
                    .filter_map(|id| names.get(id).copied())
                    .collect();
                findings.push(finding(
                    rule.package,
                    format!(
                        "reaches `{name}`, which it must never use: {}",
                        way.join(" → ")
                    ),
                ));
            }
            paths.push(longer);
        }
    }
}

fn members(metadata: &Value) -> BTreeMap<&str, &Value> {
    let ids: BTreeSet<&str> = list(metadata, "workspace_members")
        .filter_map(Value::as_str)
        .collect();
    list(metadata, "packages")
        .filter(|package| ids.contains(text(package, "id")))
        .map(|package| (text(package, "name"), package))
        .collect()
}

fn finding(package: &str, problem: String) -> Finding {
    Finding {
        place: package.to_owned(),
        line: None,
        problem,
    }
}

fn list<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    value[key].as_array().into_iter().flatten()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn workspace(extra: &Value) -> Vec<String> {
        let mut packages: Vec<Value> = RULES
            .iter()
            .map(|rule| json!({"name": rule.package, "id": rule.package, "dependencies": []}))
            .collect();
        packages.push(json!({"name": "tokio", "id": "tokio", "dependencies": []}));
        packages.push(json!({"name": "between", "id": "between", "dependencies": []}));
        let ids: Vec<_> = RULES.iter().map(|rule| rule.package).collect();
        for package in &mut packages {
            if package["name"] == extra["package"] {
                package["dependencies"] = extra["dependencies"].clone();
            }
        }
        let metadata = json!({
            "packages": packages,
            "workspace_members": ids,
            "resolve": {"nodes": extra["nodes"]},
        });
        check(&metadata).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_direction_against_the_table_is_a_finding() {
        let found = workspace(&json!({
            "package": "leasehold-template",
            "dependencies": [{"name": "leasehold-vault", "kind": null}],
        }));
        assert_eq!(
            found,
            ["leasehold-template: depends on `leasehold-vault`; accepted: no package of ours"]
        );
    }

    #[test]
    fn test_support_is_for_tests_only() {
        let with = |kind: Value| {
            workspace(&json!({
                "package": "leasehold-vault",
                "dependencies": [{"name": "leasehold-testkit", "kind": kind}],
            }))
        };
        assert_eq!(with(json!("dev")), [""; 0]);
        assert_eq!(with(Value::Null).len(), 1);
    }

    #[test]
    fn what_a_pure_package_reaches_through_others_is_a_finding_with_its_way() {
        let nodes = |kind: Value| {
            json!([
                {"id": "leasehold-config", "deps": [{"pkg": "between", "dep_kinds": [{"kind": null}]}]},
                {"id": "between", "deps": [{"pkg": "tokio", "dep_kinds": [{"kind": kind}]}]},
                {"id": "tokio", "deps": []},
            ])
        };
        let found = workspace(&json!({"nodes": nodes(Value::Null)}));
        assert_eq!(
            found,
            [
                "leasehold-config: reaches `tokio`, which it must never use: \
                 leasehold-config → between → tokio"
            ]
        );
        assert_eq!(workspace(&json!({"nodes": nodes(json!("dev"))})), [""; 0]);
    }
}
