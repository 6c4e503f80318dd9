//! Links between files, and from alerts to their sections.

use std::collections::BTreeSet;
use std::path::Path;

use leasehold_testkit::tools;

use crate::guide::Guide;

/// The targets of a text's links, without those to other sites.
fn targets(text: &str) -> Vec<&str> {
    let targets = text.split("](").skip(1);
    let targets = targets.filter_map(|rest| rest.split_once(')').map(|(target, _)| target));
    targets
        .filter(|target| !target.contains("://") && !target.contains(' '))
        .collect()
}

#[test]
fn every_link_leads_to_a_file_and_a_heading_that_exist() {
    let root = tools::workspace();
    let mut checked = 0;
    for guide in Guide::all() {
        let folder = Path::new(&guide.name).parent().unwrap();
        for target in targets(&guide.text) {
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let name = match file {
                "" => guide.name.clone(),
                file => folder.join(file).display().to_string(),
            };
            assert!(root.join(&name).exists(), "{}: {target}", guide.name);
            if !anchor.is_empty() {
                let anchors = Guide::open(&name).anchors();
                assert!(
                    anchors.iter().any(|a| a == anchor),
                    "{}: {target}",
                    guide.name
                );
            }
            checked += 1;
        }
    }
    assert!(checked > 30, "{checked} links");
}

#[test]
fn the_readme_links_every_guide() {
    let readme = Guide::open("README.md");
    let linked: BTreeSet<&str> = targets(&readme.text).into_iter().collect();
    for guide in Guide::all() {
        let name = guide.name.as_str();
        assert!(
            name == "README.md" || linked.contains(name),
            "{name} is not linked"
        );
    }
}

#[test]
fn every_alert_has_a_section_under_the_address_that_it_names() {
    let rules =
        std::fs::read_to_string(tools::workspace().join("tests/chart/snapshots/everything.yaml"))
            .unwrap();
    let after = |key: &'static str| {
        rules
            .lines()
            .filter_map(move |line| line.trim().strip_prefix(key))
            .map(str::trim)
    };
    let alerts = after("- alert:").count();
    let runbooks: Vec<&str> = after("runbook_url:").collect();
    assert!(alerts >= 5);
    assert_eq!(alerts, runbooks.len(), "each alert names its runbook");
    for runbook in runbooks {
        let (file, anchor) = runbook.split_once('#').unwrap();
        let name = file.split_once("/main/").unwrap().1;
        let anchors = Guide::open(name).anchors();
        assert!(anchors.iter().any(|a| a == anchor), "{runbook}");
    }
}
