//! Which pods the webhook and the guard look at: the rendered expressions, evaluated.

use cel::{Context, Program, Value as CelValue};
use serde_json::{Value, json};

use crate::helm::{KUBERNETES, only, rendered};

/// Evaluates an expression on an object, as an API server does: an error counts as one.
fn evaluate(expression: &str, object: &Value) -> Result<bool, String> {
    let program = Program::compile(expression).map_err(|error| error.to_string())?;
    let mut context = Context::default();
    let object = cel::to_value(object).map_err(|error| error.to_string())?;
    context.add_variable_from_value("object", object);
    match program
        .execute(&context)
        .map_err(|error| error.to_string())?
    {
        CelValue::Bool(answer) => Ok(answer),
        other => Err(format!("{other:?} is no truth value")),
    }
}

fn condition(webhook: &Value) -> &str {
    webhook["matchConditions"][0]["expression"]
        .as_str()
        .unwrap()
}

fn pod(metadata: &Value, init: &[&str], containers: &[&str]) -> Value {
    let named =
        |names: &[&str]| -> Vec<Value> { names.iter().map(|name| json!({"name": name})).collect() };
    // An API server reads objects through their types, in which null and absent are the same.
    let mut metadata = metadata.clone();
    if metadata["annotations"].is_null() {
        metadata.as_object_mut().unwrap().remove("annotations");
    }
    let mut spec = json!({"containers": named(containers)});
    if !init.is_empty() {
        spec["initContainers"] = json!(named(init));
    }
    json!({"metadata": metadata, "spec": spec})
}

fn asking(value: &str) -> Value {
    json!({"annotations": {"vault.hashicorp.com/agent-inject": value}})
}

#[test]
fn only_pods_with_the_annotation_reach_the_webhook_and_no_pod_makes_the_condition_fail() {
    let objects = rendered(KUBERNETES, &[]);
    let webhooks = only(&objects, "MutatingWebhookConfiguration")["webhooks"]
        .as_array()
        .unwrap();
    for (metadata, asks) in [
        (json!({}), false),
        (json!({"annotations": null}), false),
        (json!({"annotations": {}}), false),
        (json!({"annotations": {"other": "x"}}), false),
        (asking("true"), true),
        (asking("false"), true),
        (asking(""), true),
        (
            json!({"annotations": {"openbao.org/agent-inject": "true"}}),
            true,
        ),
    ] {
        let pod = pod(&metadata, &[], &["app"]);
        assert_eq!(evaluate(condition(&webhooks[0]), &pod), Ok(asks), "{pod}");
        // In namespaces with the label the other entry takes the rest, so that no pod is asked about twice.
        assert_eq!(evaluate(condition(&webhooks[1]), &pod), Ok(!asks), "{pod}");
    }
}

#[test]
fn the_guard_denies_exactly_the_pods_that_ask_and_were_not_injected() {
    let objects = rendered(KUBERNETES, &[]);
    let policy = &only(&objects, "ValidatingAdmissionPolicy")["spec"];
    let applies = policy["matchConditions"][0]["expression"].as_str().unwrap();
    let allows = policy["validations"][0]["expression"].as_str().unwrap();
    let denied = |pod: &Value| -> Result<bool, String> {
        Ok(evaluate(applies, pod)? && !evaluate(allows, pod)?)
    };
    for value in ["1", "t", "T", "TRUE", "true", "True"] {
        for (init, containers, expected) in [
            (&[] as &[&str], &["app"] as &[&str], true),
            (&["migrate"], &["app"], true),
            (&["vault-agent"], &["app"], false),
            (&["vault-agent-init"], &["app"], false),
            (&[], &["app", "vault-agent"], false),
        ] {
            let pod = pod(&asking(value), init, containers);
            assert_eq!(denied(&pod), Ok(expected), "{pod}");
        }
    }
    for metadata in [
        json!({}),
        json!({"annotations": null}),
        json!({"annotations": {}}),
        asking("false"),
        asking("0"),
        asking("maybe"),
        // What anybody can write does not count.
        json!({"annotations": {"vault.hashicorp.com/agent-inject-status": "injected"}}),
    ] {
        assert_eq!(
            denied(&pod(&metadata, &[], &["app"])),
            Ok(false),
            "{metadata}"
        );
    }
    let claims = json!({"annotations": {
        "vault.hashicorp.com/agent-inject": "true", "vault.hashicorp.com/agent-inject-status": "injected"}});
    assert_eq!(denied(&pod(&claims, &[], &["app"])), Ok(true));
}

#[test]
fn warnings_go_to_authors_and_not_to_controllers() {
    let objects = rendered(KUBERNETES, &[]);
    let webhook = &only(&objects, "ValidatingWebhookConfiguration")["webhooks"][0];
    assert_eq!(webhook["failurePolicy"], "Ignore");
    let owned = json!({"metadata": {"ownerReferences": [{"kind": "Deployment"}]}});
    assert_eq!(evaluate(condition(webhook), &owned), Ok(false));
    assert_eq!(
        evaluate(condition(webhook), &json!({"metadata": {}})),
        Ok(true)
    );
}

#[test]
fn the_injectors_own_pods_and_the_systems_namespaces_are_left_alone() {
    let objects = rendered(KUBERNETES, &[]);
    let webhooks = &only(&objects, "MutatingWebhookConfiguration")["webhooks"];
    let guard = &only(&objects, "ValidatingAdmissionPolicy")["spec"]["matchConstraints"];
    for rules in [&webhooks[0], &webhooks[1], guard] {
        let names = &rules["namespaceSelector"]["matchExpressions"][0];
        assert_eq!(names["operator"], "NotIn");
        let excluded = names["values"].as_array().unwrap();
        assert!(
            excluded.contains(&json!("kube-system")) && excluded.contains(&json!("kube-public"))
        );
        let own = &rules["objectSelector"]["matchExpressions"][0];
        assert_eq!(
            (&own["key"], &own["operator"]),
            (&json!("leasehold.dev/part"), &json!("NotIn"))
        );
    }
    let labels = &only(&objects, "Deployment")["spec"]["template"]["metadata"]["labels"];
    assert_eq!(labels["leasehold.dev/part"], "injector");
}

#[test]
fn policies_and_conditions_are_rendered_for_the_versions_that_have_them() {
    for (kubernetes, conditions, guard) in [
        ("1.27.0", false, false),
        ("1.28.0", true, false),
        ("1.29.9", true, false),
        ("1.30.0", true, true),
        ("1.36.0", true, true),
    ] {
        let objects = rendered(kubernetes, &[]);
        let webhook = &only(&objects, "MutatingWebhookConfiguration")["webhooks"][0];
        assert_eq!(
            webhook.get("matchConditions").is_some(),
            conditions,
            "{kubernetes}"
        );
        assert_eq!(webhook["failurePolicy"], "Ignore");
        let found = objects
            .iter()
            .any(|o| o["kind"] == "ValidatingAdmissionPolicy");
        assert_eq!(found, guard, "{kubernetes}");
    }
}
