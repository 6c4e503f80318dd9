//! What the chart renders, compared with what it rendered when it was last looked at.
//!
//! `UPDATE_SNAPSHOTS=1 cargo test -p leasehold-e2e --test chart` writes the files anew.

use std::collections::BTreeMap;
use std::fs;

use leasehold_testkit::tools;
use serde_json::Value;

use crate::helm::{KUBERNETES, VALUES, choosing, rendered, rendered_by_helm_4, rendered_text};

#[test]
fn the_rendered_manifests_are_the_kept_ones() {
    let folder = tools::workspace().join("tests/chart/snapshots");
    for values in VALUES {
        let name = if values.is_empty() { "default" } else { values };
        let file = folder.join(format!("{name}.yaml"));
        let text = rendered_text(KUBERNETES, &choosing(values));
        if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
            fs::write(&file, &text).expect("the snapshot can be written");
        }
        let kept = fs::read_to_string(&file).unwrap_or_default();
        let different = text
            .lines()
            .zip(kept.lines())
            .position(|(ours, kept)| ours != kept);
        assert!(
            text == kept,
            "{} differs from what is rendered, first in line {:?}; look at the difference, then set \
             UPDATE_SNAPSHOTS=1",
            file.display(),
            different.map(|line| line + 1)
        );
    }
}

#[test]
fn helm_4_renders_the_same_objects() {
    for values in VALUES {
        let by_name = |objects: Vec<Value>| -> BTreeMap<String, Value> {
            let name = |o: &Value| format!("{} {}", o["kind"], o["metadata"]["name"]);
            objects.into_iter().map(|o| (name(&o), o)).collect()
        };
        let three = by_name(rendered(KUBERNETES, &choosing(values)));
        let four = by_name(rendered_by_helm_4(values));
        let kinds = |objects: &BTreeMap<String, Value>| objects.keys().cloned().collect::<Vec<_>>();
        assert_eq!(kinds(&three), kinds(&four), "{values}");
        assert_eq!(three, four, "{values}");
    }
}

#[test]
fn two_renderings_are_the_same_text() {
    let arguments = choosing("everything");
    assert_eq!(
        rendered_text(KUBERNETES, &arguments),
        rendered_text(KUBERNETES, &arguments)
    );
}
