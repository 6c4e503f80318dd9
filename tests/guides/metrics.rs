//! The metrics that the guide, the dashboard and the alerts name are those that the server has.

use std::collections::BTreeSet;

use leasehold_testkit::tools;

use crate::guide::Guide;

fn read(path: &str) -> String {
    std::fs::read_to_string(tools::workspace().join(path)).unwrap()
}

/// Words of a text that look like names of our metrics, without a histogram's endings.
fn named(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words
        .filter(|word| {
            word.starts_with("vault_agent_injector_")
                || word.starts_with("leasehold_") && word.len() > "leasehold_".len()
        })
        .map(|word| {
            let endings = ["_bucket", "_sum", "_count"];
            let bare = endings.iter().find_map(|end| word.strip_suffix(end));
            bare.unwrap_or(word).to_owned()
        })
        .collect()
}

#[test]
fn the_guide_lists_exactly_the_metrics_that_are_registered() {
    let source = read("crates/leasehold/src/server/metrics.rs");
    let product = source.split("#[cfg(test)]").next().unwrap();
    let registered: BTreeSet<String> = product
        .split('"')
        .skip(1)
        .step_by(2)
        .flat_map(named)
        .collect();
    let guide = Guide::open("docs/observability.md");
    let table: String = guide
        .text
        .lines()
        .filter(|line| line.starts_with('|'))
        .collect();
    assert_eq!(named(&table), registered);
}

#[test]
fn dashboard_and_alerts_ask_for_metrics_that_exist() {
    let guide = named(&Guide::open("docs/observability.md").text);
    for file in [
        "charts/leasehold/files/dashboard.json",
        "charts/leasehold/templates/monitoring.yaml",
    ] {
        let asked = named(&read(file));
        assert!(!asked.is_empty(), "{file}");
        let unknown: Vec<_> = asked.difference(&guide).collect();
        assert!(unknown.is_empty(), "{file} asks for {unknown:?}");
    }
}
