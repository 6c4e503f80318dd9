//! The values of the established chart: its whole values file is taken as it is, and each key of it still does something
//! or is known to have nothing left to do.

use std::thread;

use serde_json::{Map, Value, json};

use crate::helm::{KUBERNETES, only, parse, rendered_text};

/// Keys that are read by nothing here, with the reason.
const WITHOUT_EFFECT: [(&str, &str); 4] = [
    (
        "global.psp.enable",
        "Kubernetes has no pod security policies since 1.25",
    ),
    ("global.psp.annotations", "the same"),
    (
        "global.serverTelemetry.prometheusOperator",
        "it is about the server; injector.metrics.serviceMonitor is about the injector",
    ),
    (
        "injector.leaderElector.enabled",
        "replicas share one authority without a leader",
    ),
];

/// Keys that count only beside another value: the deprecated twin of a newer key which wins where it has a value, as it
/// does there; the files of a given Secret; the tag of an image that can run here.
const BESIDE: [(&str, &str, &str); 6] = [
    (
        "injector.failurePolicy",
        "injector.webhook.failurePolicy",
        "",
    ),
    (
        "injector.objectSelector",
        "injector.webhook.objectSelector",
        "",
    ),
    (
        "injector.certs.caBundle",
        "injector.certs.secretName",
        "given",
    ),
    (
        "injector.certs.certName",
        "injector.certs.secretName",
        "given",
    ),
    (
        "injector.certs.keyName",
        "injector.certs.secretName",
        "given",
    ),
    (
        "injector.image.tag",
        "injector.image.repository",
        "registry.example/leasehold",
    ),
];

struct Key {
    name: &'static str,
    default: Value,
    other: Value,
}

fn keys() -> Vec<Key> {
    let lines = include_str!("vault-helm-values.tsv").lines();
    let keys = lines.filter(|line| !line.starts_with('#')).map(|line| {
        let mut columns = line.split('\t');
        let mut next = || columns.next().expect("a line has three columns");
        let name = next();
        let mut json = || serde_json::from_str(next()).expect("a value is JSON");
        Key {
            name,
            default: json(),
            other: json(),
        }
    });
    keys.collect()
}

fn put(values: &mut Value, name: &str, value: &Value) {
    let mut place = values;
    for part in name.split('.') {
        let map = place.as_object_mut().expect("sections are maps");
        place = map.entry(part).or_insert_with(|| json!({}));
    }
    *place = value.clone();
}

/// The whole values file, as somebody has it who copied it from the established chart.
fn whole(keys: &[Key]) -> Value {
    let mut values = Value::Object(Map::new());
    for key in keys.iter().filter(|key| !key.default.is_null()) {
        put(&mut values, key.name, &key.default);
    }
    values
}

fn render(name: &str, values: &Value) -> String {
    let scratch = leasehold_testkit::scratch::Scratch::new("values");
    let file = scratch.join(format!("{name}.json"));
    std::fs::write(&file, values.to_string()).expect("the folder is ours");
    rendered_text(
        KUBERNETES,
        &["--values".to_owned(), file.display().to_string()],
    )
}

#[test]
fn the_whole_values_file_is_taken_and_its_defaults_mean_what_they_meant() {
    let objects = parse(&render("whole", &whole(&keys())));
    let deployment = &only(&objects, "Deployment")["spec"];
    assert_eq!(deployment["replicas"], 1);
    let container = &deployment["template"]["spec"]["containers"][0];
    assert_eq!(container["readinessProbe"]["initialDelaySeconds"], 5);
    let env = container["env"].as_array().unwrap();
    let value = |name: &str| {
        let found = env.iter().find(|variable| variable["name"] == name);
        found.and_then(|variable| variable["value"].as_str())
    };
    for (name, expected) in [
        ("AGENT_INJECT_VAULT_IMAGE", "hashicorp/vault:2.0.4"),
        ("AGENT_INJECT_VAULT_AUTH_PATH", "auth/kubernetes"),
        ("AGENT_INJECT_CPU_LIMIT", "500m"),
        ("AGENT_INJECT_MEM_REQUEST", "64Mi"),
        ("AGENT_INJECT_REVOKE_ON_SHUTDOWN", "false"),
        ("AGENT_INJECT_DEFAULT_TEMPLATE", "map"),
    ] {
        assert_eq!(value(name), Some(expected), "{name}");
    }
    let webhook = &only(&objects, "MutatingWebhookConfiguration")["webhooks"][0];
    assert_eq!(webhook["timeoutSeconds"], 30);
    assert_eq!(webhook["failurePolicy"], "Ignore");
}

#[test]
fn each_value_of_the_established_chart_does_something() {
    let keys = keys();
    // In four threads: each rendering is a process that mostly waits.
    let idle: Vec<&str> = thread::scope(|scope| {
        let lanes: Vec<_> = (0..4)
            .map(|lane| {
                let keys = &keys;
                scope.spawn(move || {
                    let mine = keys.iter().skip(lane).step_by(4);
                    mine.filter(|key| is_idle(key, keys))
                        .map(|key| key.name)
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        lanes
            .into_iter()
            .flat_map(|lane| lane.join().unwrap())
            .collect()
    });
    let mut idle = idle;
    idle.sort_unstable();
    let mut known: Vec<&str> = WITHOUT_EFFECT.iter().map(|(name, _)| *name).collect();
    known.sort_unstable();
    assert_eq!(idle, known);
}

/// Whether changing a value changes nothing that is rendered.
fn is_idle(key: &Key, keys: &[Key]) -> bool {
    let mut values = whole(keys);
    for (_, other, value) in BESIDE.iter().filter(|(name, ..)| *name == key.name) {
        put(&mut values, other, &json!(value));
    }
    let before = render(key.name, &values);
    put(&mut values, key.name, &key.other);
    before == render(key.name, &values)
}

#[test]
fn the_newer_of_two_twins_wins() {
    let mut values = whole(&keys());
    put(
        &mut values,
        "injector.webhook.failurePolicy",
        &json!("Fail"),
    );
    let objects = parse(&render("twins", &values));
    let webhook = &only(&objects, "MutatingWebhookConfiguration")["webhooks"][0];
    assert_eq!(webhook["failurePolicy"], "Fail");
}
