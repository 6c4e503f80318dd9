//! Runs Helm on the chart.

use std::path::PathBuf;
use std::process::{Command, Output};

use leasehold_testkit::tools;
use serde::Deserialize as _;
use serde_json::Value;

/// The values files that are kept with the chart; an empty name means the chart's defaults.
pub(crate) const VALUES: [&str; 5] = [
    "",
    "everything",
    "vault-helm",
    "cert-manager",
    "given-certificate",
];

/// A version of Kubernetes that has everything the chart can use.
pub(crate) const KUBERNETES: &str = "1.33.0";

pub(crate) fn chart() -> PathBuf {
    tools::workspace().join("charts/leasehold")
}

/// Arguments that choose one of the values files.
pub(crate) fn choosing(values: &str) -> Vec<String> {
    if values.is_empty() {
        return Vec::new();
    }
    let file = chart().join(format!("ci/{values}-values.yaml"));
    vec!["--values".to_owned(), file.display().to_string()]
}

/// Runs `helm template` of Helm 3.
pub(crate) fn template(kubernetes: &str, arguments: &[String]) -> Output {
    let helm = tools::helm3().expect("Helm 3 is there: run `cargo xtask tools`");
    Command::new(helm)
        .args(["template", "leasehold"])
        .arg(chart())
        .args(["--namespace", "vault", "--kube-version", kubernetes])
        .args(arguments)
        .output()
        .expect("Helm can be started")
}

/// What Helm 3 renders, as text.
pub(crate) fn rendered_text(kubernetes: &str, arguments: &[String]) -> String {
    let output = template(kubernetes, arguments);
    assert!(
        output.status.success(),
        "helm template failed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("manifests are UTF-8")
}

/// What Helm 3 renders, as objects.
pub(crate) fn rendered(kubernetes: &str, arguments: &[String]) -> Vec<Value> {
    parse(&rendered_text(kubernetes, arguments))
}

/// What Helm 4 renders, as objects.
pub(crate) fn rendered_by_helm_4(values: &str) -> Vec<Value> {
    let script = r#"
import sys
from helm_python import Chart, values_from_yaml
values = values_from_yaml(open(sys.argv[2]).read()) if len(sys.argv) > 2 else {}
with Chart.load(sys.argv[1]) as chart:
    chart.validate_schema(values)
    for path, text in sorted(chart.render(values, name="leasehold", namespace="vault").items()):
        if path.endswith(".yaml"):
            print("---")
            print(text)
"#;
    let mut command = Command::new(tools::python_with_helm4());
    command.args(["-c", script]).arg(chart());
    command.args(choosing(values).get(1));
    let output = command.output().expect("Python can be started");
    assert!(
        output.status.success(),
        "Helm 4 failed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    parse(&String::from_utf8(output.stdout).expect("manifests are UTF-8"))
}

/// Reads the documents of a manifest; empty ones are left out.
pub(crate) fn parse(text: &str) -> Vec<Value> {
    serde_yaml::Deserializer::from_str(text)
        .map(|document| Value::deserialize(document).expect("manifests are YAML"))
        .filter(|document| !document.is_null())
        .collect()
}

/// The only object of a kind.
pub(crate) fn only<'a>(objects: &'a [Value], kind: &str) -> &'a Value {
    let found: Vec<&Value> = objects.iter().filter(|o| o["kind"] == kind).collect();
    match found.as_slice() {
        [one] => one,
        others => panic!("{} objects of kind {kind}", others.len()),
    }
}
