//! Beside the established injector: the selectors of the guide divide the namespaces between the two webhooks.
//! That a pod which both see is injected once is tested where pods are reviewed.

use std::fs;

use leasehold_testkit::tools;
use serde_json::{Value, json};

use crate::helm::{KUBERNETES, only, rendered};

/// The selectors of the guide: the old release's first, then the new one's.
fn selectors() -> [String; 2] {
    let guide = fs::read_to_string(tools::workspace().join("docs/migrate.md")).unwrap();
    let found: Vec<String> = guide
        .lines()
        .filter_map(|line| {
            let (_, selector) = line.split_once("injector.webhook.namespaceSelector=")?;
            Some(selector.trim_end_matches(['\'', ' ', '\\']).to_owned())
        })
        .collect();
    found.try_into().expect("the guide names two selectors")
}

/// Whether a label selector takes these labels, as an API server decides it.
fn takes(selector: &Value, labels: &Value) -> bool {
    let label = |key: &str| labels.get(key).and_then(Value::as_str);
    let named = selector["matchLabels"].as_object().into_iter().flatten();
    let expressions = selector["matchExpressions"]
        .as_array()
        .into_iter()
        .flatten();
    named
        .map(|(key, value)| label(key) == value.as_str())
        .chain(expressions.map(|expression| {
            let key = expression["key"].as_str().unwrap();
            let values = expression["values"].as_array().into_iter().flatten();
            let among = values
                .filter_map(Value::as_str)
                .any(|value| label(key) == Some(value));
            match expression["operator"].as_str().unwrap() {
                "In" => among,
                "NotIn" => !among,
                "Exists" => label(key).is_some(),
                "DoesNotExist" => label(key).is_none(),
                other => panic!("no selector has the operator {other}"),
            }
        }))
        .all(|holds| holds)
}

#[test]
fn each_namespace_belongs_to_one_of_the_two_and_the_label_decides() {
    let [old, new] = selectors();
    let old: Value = serde_json::from_str(&old).unwrap();
    let arguments = [
        "--set-json".to_owned(),
        format!("injector.webhook.namespaceSelector={new}"),
    ];
    let objects = rendered(KUBERNETES, &arguments);
    let webhooks = only(&objects, "MutatingWebhookConfiguration")["webhooks"]
        .as_array()
        .unwrap();
    let ours = |labels: &Value| {
        let mut taken = webhooks
            .iter()
            .map(|webhook| takes(&webhook["namespaceSelector"], labels));
        (taken.next().unwrap(), taken.any(|taken| taken))
    };
    let namespace = |labels: Value| {
        let mut all = json!({"kubernetes.io/metadata.name": "payments"});
        for (key, value) in labels.as_object().unwrap() {
            all[key] = value.clone();
        }
        all
    };
    // Before the label, with it, and after it was taken off or given another value.
    for (labels, is_ours) in [
        (json!({}), false),
        (json!({"injector": "leasehold"}), true),
        (json!({"injector": "vault-k8s"}), false),
        (json!({"leasehold.dev/inject": "enabled"}), false),
    ] {
        let labels = namespace(labels);
        assert_eq!(takes(&old, &labels), !is_ours, "{labels}");
        assert_eq!(ours(&labels), (is_ours, false), "{labels}");
    }
    let whole = namespace(json!({"injector": "leasehold", "leasehold.dev/inject": "enabled"}));
    assert_eq!(
        (takes(&old, &whole), ours(&whole)),
        (false, (true, true)),
        "pods that do not ask for themselves are ours as well"
    );
}
