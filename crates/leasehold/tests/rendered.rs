//! The offline commands on what Helm and kustomize write: which lines are named, and what comes out again.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};

use leasehold_testkit::scratch::Scratch;
use leasehold_testkit::tools;
use serde_json::Value;

/// Runs a command of the program on a text; exit code, output, errors.
fn run(command: &str, input: &str) -> (i32, String, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_leasehold"))
        .env_clear()
        .args([
            command,
            "--vault-address=http://vault.vault.svc:8200",
            "-f",
            "-",
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdin.take().unwrap().write_all(input.as_bytes()));
    let ended = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        ended.status.code().unwrap(),
        text(ended.stdout),
        text(ended.stderr),
    )
}

/// The lines that `lint` names for an annotation that does not exist, and those on which it is written.
fn check_lines(text: &str, annotation: &str) {
    let (_, output, _) = run("lint", text);
    let told: Vec<usize> = output
        .lines()
        .filter(|line| line.contains(&format!("{annotation}: there is no such annotation")))
        .map(|line| line.split(':').nth(1).unwrap().parse().unwrap())
        .collect();
    let written: Vec<usize> = text
        .lines()
        .enumerate()
        .filter(|(_, line)| line.contains(annotation))
        .map(|(index, _)| index + 1)
        .collect();
    assert!(
        !written.is_empty() && told == written,
        "{written:?}: {output}\n{text}"
    );
}

/// Every object comes out again; those with a pod have an agent, and a second run changes nothing.
fn check_injected(text: &str, pods: usize) {
    let objects = |text: &str| -> Vec<Value> {
        let documents = leasehold::manifests::read(text).unwrap();
        documents
            .into_iter()
            .map(|document| document.value)
            .collect()
    };
    let (code, output, errors) = run("inject", text);
    assert_eq!(code, 0, "{errors}");
    assert_eq!(objects(&output).len(), objects(text).len(), "{output}");
    assert_eq!(
        output.matches("name: vault-agent\n").count(),
        pods,
        "{output}"
    );
    assert_eq!(objects(&run("inject", &output).1), objects(&output));
}

const CHART: &str = "apiVersion: v2\nname: shop\nversion: 0.1.0\n";

const TEMPLATES: &str = r#"{{- range .Values.pods }}
---
# {{ .name }}: a comment of the chart's author
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ $.Release.Name }}-{{ .name }}
spec:
  selector:
    matchLabels: {app: {{ .name }}}
  template:
    metadata:
      labels: {app: {{ .name }}}
      annotations:
        vault.hashicorp.com/agent-inject: "true"
        vault.hashicorp.com/role: {{ .name | quote }}
        vault.hashicorp.com/agent-inject-secret-db: database/creds/{{ .name }}
        vault.hashicorp.com/agent-inject-template-db: |
          {{ `{{ with secret "database/creds/x" }}` }}
          URL=postgres://{{ `{{ .Data.username }}` }}
          {{ `{{ end }}` }}
        vault.hashicorp.com/agent-injekt-token: "true"
    spec:
      containers:
      - name: app
        image: shop/{{ .name }}:1
{{- end }}
---
{{- if .Values.nothing }}
kind: ConfigMap
{{- end }}
---
apiVersion: v1
kind: Service
metadata: {name: shop}
spec: {ports: [{port: 80}]}
"#;

fn chart() -> Scratch {
    let folder = Scratch::new("chart");
    fs::create_dir_all(folder.join("templates")).unwrap();
    fs::write(folder.join("Chart.yaml"), CHART).unwrap();
    fs::write(
        folder.join("values.yaml"),
        "pods: [{name: web}, {name: worker}]\nnothing: false\n",
    )
    .unwrap();
    fs::write(folder.join("templates/all.yaml"), TEMPLATES).unwrap();
    folder
}

#[test]
fn what_helm_3_renders_is_linted_by_line_and_injected() {
    let folder = chart();
    let helm = tools::helm3().expect("Helm 3 is there: run `cargo xtask tools`");
    let output = Command::new(helm)
        .args(["template", "release"])
        .arg(folder.path())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("# Source: shop/templates/all.yaml"), "{text}");
    check_lines(&text, "vault.hashicorp.com/agent-injekt-token");
    check_injected(&text, 2);
}

#[test]
fn what_helm_4_renders_is_linted_by_line_and_injected() {
    let folder = chart();
    let script = "import sys\n\
        from helm_python import Chart\n\
        with Chart.load(sys.argv[1]) as chart:\n\
        \x20   for text in chart.render({}, name='release', namespace='shop').values():\n\
        \x20       print('---')\n\
        \x20       print(text)\n";
    let output = Command::new(tools::python_with_helm4())
        .args(["-c", script])
        .arg(folder.path())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("kind: Service"), "{text}");
    check_lines(&text, "vault.hashicorp.com/agent-injekt-token");
    check_injected(&text, 2);
}

/// As kustomize 5.5 writes it: keys in order, no comments, long texts as blocks.
const KUSTOMIZED: &str = r#"apiVersion: v1
kind: Service
metadata:
  name: prod-shop
  namespace: shop
spec:
  ports:
  - port: 80
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: prod-web
  namespace: shop
spec:
  selector:
    matchLabels:
      app: web
  template:
    metadata:
      annotations:
        vault.hashicorp.com/agent-inject: "true"
        vault.hashicorp.com/agent-inject-secret-db: database/creds/web
        vault.hashicorp.com/agent-inject-template-db: |
          {{ with secret "database/creds/web" }}
          URL=postgres://{{ .Data.username }}
          {{ end }}
        vault.hashicorp.com/agent-injekt-token: "true"
        vault.hashicorp.com/role: web
      labels:
        app: web
    spec:
      containers:
      - image: shop/web:1
        name: app
---
apiVersion: batch/v1
kind: CronJob
metadata:
  name: prod-report
  namespace: shop
spec:
  jobTemplate:
    spec:
      template:
        metadata:
          annotations:
            vault.hashicorp.com/agent-inject: "true"
            vault.hashicorp.com/agent-inject-secret-db: database/creds/report
            vault.hashicorp.com/agent-injekt-token: "true"
            vault.hashicorp.com/role: report
        spec:
          containers:
          - image: shop/report:1
            name: app
          restartPolicy: Never
  schedule: '* * * * *'
"#;

#[test]
fn what_kustomize_renders_is_linted_by_line_and_injected() {
    check_lines(KUSTOMIZED, "vault.hashicorp.com/agent-injekt-token");
    check_injected(KUSTOMIZED, 2);
    check_lines(
        &KUSTOMIZED.replace('\n', "\r\n"),
        "vault.hashicorp.com/agent-injekt-token",
    );
}

#[test]
fn documents_begun_and_ended_in_odd_ways_keep_their_lines() {
    let pod = "kind: Pod\napiVersion: v1\nmetadata:\n  name: x\n  annotations:\n    \
               vault.hashicorp.com/agent-inject: \"true\"\n    vault.hashicorp.com/role: x\n    \
               vault.hashicorp.com/agent-injekt-token: x # here\nspec:\n  containers: [{name: a, image: b}]\n";
    let item = pod.replace("kind", "- kind").replace("\n", "\n  ");
    let text = format!(
        "# first\n\n--- # trailing words\n# only a comment\n---\n{pod}--- !!map\n{pod}...\n# between\n---\n\n---\nnull\n\
         --- {{kind: ConfigMap, apiVersion: v1, metadata: {{name: c}}}}\n---\nkind: List\napiVersion: v1\nitems:\n{item}\n"
    );
    check_lines(&text, "vault.hashicorp.com/agent-injekt-token");
    check_lines(
        &format!("\u{feff}{pod}"),
        "vault.hashicorp.com/agent-injekt-token",
    );
    check_injected(&text, 3);
}
