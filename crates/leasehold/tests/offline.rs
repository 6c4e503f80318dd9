//! The offline commands as a shell sees them: what is printed where, and how they end.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use leasehold_testkit::scratch::Scratch;
use serde_json::{Value, json};

struct Ended {
    code: i32,
    output: String,
    errors: String,
}

fn run(words: &[&str], input: &str) -> Ended {
    let mut child = Command::new(env!("CARGO_BIN_EXE_leasehold"))
        .env_clear()
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that ends before it has read everything is no fault of the test.
    drop(child.stdin.take().unwrap().write_all(input.as_bytes()));
    let output = child.wait_with_output().unwrap();
    Ended {
        code: output.status.code().unwrap(),
        output: String::from_utf8(output.stdout).unwrap(),
        errors: String::from_utf8(output.stderr).unwrap(),
    }
}

const ADDRESS: &str = "--vault-address=http://vault.vault.svc:8200";

const DEPLOYMENT: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  namespace: shop
spec:
  template:
    metadata:
      annotations:
        vault.hashicorp.com/agent-inject: \"true\"
        vault.hashicorp.com/role: web
        vault.hashicorp.com/agent-inject-secret-db.env: database/creds/web
    spec:
      containers:
      - name: app
        image: web:1
        env:
        - {name: SWITCH, value: \"on\"}
";

fn documents(text: &str) -> Vec<Value> {
    leasehold::manifests::read(text)
        .unwrap()
        .into_iter()
        .map(|document| document.value)
        .collect()
}

#[test]
fn every_kind_with_a_pod_is_injected_and_everything_else_passes_unchanged() {
    let pod = &documents(DEPLOYMENT)[0]["spec"]["template"];
    let of = |version: &str, kind: &str, spec: Value| json!({"apiVersion": version, "kind": kind, "metadata": {"name": "x"}, "spec": spec});
    let template = json!({"template": pod});
    let mut objects: Vec<Value> = ["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet"]
        .iter()
        .map(|kind| of("apps/v1", kind, template.clone()))
        .collect();
    objects.push(of("batch/v1", "Job", template.clone()));
    objects.push(of(
        "batch/v1",
        "CronJob",
        json!({"schedule": "@daily", "jobTemplate": {"spec": template}}),
    ));
    let bare = json!({"apiVersion": "v1", "kind": "Pod", "metadata": pod["metadata"], "spec": pod["spec"]});
    objects.push(bare);
    let config = json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"yes": "on", "n": "1e3", "text": "a\nb\n"}});
    let custom =
        json!({"apiVersion": "example.com/v1", "kind": "Deployment", "spec": {"template": pod}});
    let mut everything = objects.clone();
    everything.extend([config.clone(), custom.clone()]);
    let list = json!({"apiVersion": "v1", "kind": "List", "items": everything});
    let ended = run(&["inject", ADDRESS, "-f", "-"], &list.to_string());
    assert_eq!(ended.code, 0, "{}", ended.errors);
    let injected = documents(&ended.output).remove(0);
    let items = injected["items"].as_array().unwrap();
    for (before, after) in objects.iter().zip(items) {
        let pod = match before["kind"].as_str().unwrap() {
            "Pod" => after,
            "CronJob" => &after["spec"]["jobTemplate"]["spec"]["template"],
            _ => &after["spec"]["template"],
        };
        assert_eq!(
            pod["spec"]["initContainers"][0]["name"], "vault-agent",
            "{}",
            before["kind"]
        );
        assert_eq!(pod["spec"]["containers"][0]["env"][0]["value"], "on");
        let text = pod["spec"].to_string();
        assert!(
            !text.contains("kube-api-access"),
            "the API server adds its own: {text}"
        );
    }
    assert_eq!(items[7], config);
    assert_eq!(items[8], custom);
}

#[test]
fn a_patch_applies_to_the_manifest_it_was_made_for() {
    for flags in [
        &["--token-source=projected"][..],
        &["--token-source=pod", "--agent-mode=pair"],
    ] {
        let mut words = vec!["inject", ADDRESS, "-f", "-"];
        words.extend(flags);
        let whole = run(&[&words[..], &["-o", "json"]].concat(), DEPLOYMENT);
        let patch = run(&[&words[..], &["-o", "patch"]].concat(), DEPLOYMENT);
        assert_eq!((whole.code, patch.code), (0, 0), "{}", whole.errors);
        let mut object = documents(DEPLOYMENT).remove(0);
        let patch: json_patch::Patch = serde_json::from_str(&patch.output).unwrap();
        json_patch::patch(&mut object, &patch).unwrap();
        assert_eq!(
            object,
            serde_json::from_str::<Value>(&whole.output).unwrap()
        );
    }
}

#[test]
fn a_denied_pod_writes_nothing_and_says_why_with_its_place() {
    let text = format!(
        "apiVersion: v1\nkind: ConfigMap\n---\n{}",
        DEPLOYMENT.replace("role: web", "tls-skip-verify: maybe")
    );
    let ended = run(&["inject", ADDRESS, "-f", "-"], &text);
    assert_eq!((ended.code, ended.output.as_str()), (1, ""));
    assert!(
        ended
            .errors
            .contains("-:14: error: Deployment shop/web: vault.hashicorp.com/tls-skip-verify"),
        "{}",
        ended.errors
    );
}

#[test]
fn a_namespace_among_the_manifests_or_in_its_own_file_gives_defaults() {
    let scratch = Scratch::new("offline");
    let without_role = DEPLOYMENT.replace("        vault.hashicorp.com/role: web\n", "");
    let namespace = "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: shop\n  annotations:\n    \
                     vault.hashicorp.com/role: from-namespace\n";
    let file = scratch.join("namespace.yaml");
    std::fs::write(&file, namespace).unwrap();
    assert_eq!(run(&["inject", ADDRESS, "-f", "-"], &without_role).code, 1);
    let from_file = format!("--namespace-manifest={}", file.display());
    assert_eq!(
        run(&["inject", ADDRESS, "-f", "-", &from_file], &without_role).code,
        0
    );
    let together = format!("{without_role}---\n{namespace}");
    assert_eq!(run(&["inject", ADDRESS, "-f", "-"], &together).code, 0);
    let explained = run(&["explain", "-f", "-", &from_file], &without_role);
    assert!(
        explained.output.contains(
            "vault.hashicorp.com/role = from-namespace\n        annotation of the namespace"
        ),
        "{}",
        explained.output
    );
}

fn write(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

#[test]
fn lint_tells_file_line_and_annotation_and_ends_by_what_it_found() {
    let scratch = Scratch::new("offline");
    write(scratch.path(), "good.yaml", DEPLOYMENT);
    let folder = scratch.path().to_str().unwrap().to_owned();
    let clean = run(&["lint", "-f", &folder], "");
    assert_eq!(clean.code, 0, "{}", clean.output);
    assert!(
        clean
            .output
            .ends_with("1 files, 1 objects with a pod: 0 errors, 0 warnings\n"),
        "{}",
        clean.output
    );

    let misplaced = DEPLOYMENT.replace(
        "  name: web\n",
        "  name: web\n  annotations: {vault.hashicorp.com/role: x}\n",
    );
    write(scratch.path(), "sub/misplaced.yml", &misplaced);
    let warned = run(&["lint", &folder], "");
    assert_eq!(warned.code, 0, "{}", warned.output);
    assert!(
        warned
            .output
            .contains("misplaced.yml:5: warning: Deployment shop/web: vault.hashicorp.com/role"),
        "{}",
        warned.output
    );
    assert_eq!(run(&["lint", "--strict", &folder], "").code, 1);

    let unquoted = DEPLOYMENT.replace("\"true\"", "true");
    write(scratch.path(), "unquoted.json.yaml", &unquoted);
    let failed = run(&["lint", "-o", "json", "-f", &folder], "");
    assert_eq!(failed.code, 1);
    let report: Value = serde_json::from_str(&failed.output).unwrap();
    let finding = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .find(|finding| finding["severity"] == "error")
        .unwrap();
    assert_eq!(finding["line"], 10);
    assert_eq!(finding["annotation"], "vault.hashicorp.com/agent-inject");
    assert!(
        finding["message"]
            .as_str()
            .unwrap()
            .contains("in quotes: \"true\""),
        "{finding}"
    );
}

#[test]
fn lint_shows_where_a_template_is_wrong_and_what_would_be_possible() {
    let manifest = DEPLOYMENT.replace(
        "        vault.hashicorp.com/role: web\n",
        "        vault.hashicorp.com/role: web\n        vault.hashicorp.com/agent-inject-template-db.env: |\n          user\n          {{ secrret \"database/creds/web\" }}\n",
    );
    let text = run(&["lint", "-f", "-"], &manifest);
    assert!(
        text.output
            .contains("vault.hashicorp.com/agent-inject-template-db.env: the template does not parse: line 2, column 4"),
        "{}",
        text.output
    );
    let picture = "    2 | {{ secrret \"database/creds/web\" }}\n      |    ^\n";
    assert!(text.output.contains(picture), "{}", text.output);

    let json = run(&["lint", "-o", "json", "-f", "-"], &manifest);
    let report: Value = serde_json::from_str(&json.output).unwrap();
    let findings = report["findings"].as_array().unwrap();
    let finding = findings
        .iter()
        .find(|finding| finding["code"] == "template")
        .unwrap();
    let template = &finding["template"];
    assert_eq!(
        (&template["line"], &template["column"]),
        (&json!(2), &json!(4))
    );
    assert_eq!(template["excerpt"], "{{ secrret \"database/creds/web\" }}");
    assert!(
        template["hints"][0].as_str().unwrap().contains("`secret`"),
        "{template}"
    );

    // At admission there is one line.
    let review = json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {"uid": "u", "namespace": "shop", "operation": "CREATE", "kind": {"kind": "Pod"}, "object": {
            "metadata": {"annotations": {
                "vault.hashicorp.com/agent-inject": "true", "vault.hashicorp.com/role": "web",
                "vault.hashicorp.com/agent-inject-template-db": "user\n{{ secrret }}",
            }},
            "spec": {"containers": [{"name": "app"}]},
        }},
    });
    let answer = run(&["review", ADDRESS], &review.to_string());
    let answer: Value = serde_json::from_str(&answer.output).unwrap();
    let warnings = answer["response"]["warnings"].as_array().unwrap();
    let told = warnings.iter().filter_map(Value::as_str);
    let told: Vec<&str> = told.filter(|w| w.contains("does not parse")).collect();
    assert!(
        told.iter()
            .any(|w| w.starts_with("vault.hashicorp.com/agent-inject-template-db: ")),
        "{answer}"
    );
    assert!(!told.iter().any(|w| w.contains('^')), "{told:?}");
}

#[test]
fn every_finding_begins_with_the_full_name_of_its_annotation() {
    let manifest = DEPLOYMENT.replace(
        "        vault.hashicorp.com/role: web\n",
        "        vault.hashicorp.com/rol: web\n        vault.hashicorp.com/agent-inject-secret-DB.ENV: kv/x\n        vault.hashicorp.com/agent-inject-status: injectd\n",
    );
    let ended = run(&["lint", "-f", "-"], &manifest);
    let findings: Vec<&str> = ended
        .output
        .lines()
        .filter_map(|line| line.split_once("Deployment shop/web: "))
        .map(|(_, finding)| finding)
        .collect();
    assert!(findings.len() >= 2, "{}", ended.output);
    for finding in findings {
        assert!(finding.starts_with("vault.hashicorp.com/"), "{finding}");
    }
}

#[test]
fn a_file_that_is_no_yaml_is_a_finding_with_a_hint_for_charts() {
    let ended = run(
        &["lint", "-f", "-"],
        "kind: Pod\nmetadata:\n  name: {{ .Values.name }}\n  {{- if .x }}\n",
    );
    assert_eq!(ended.code, 1);
    assert!(
        ended.output.starts_with("-:") && ended.output.contains("helm template"),
        "{}",
        ended.output
    );
}

#[test]
fn explain_shows_what_is_added_and_where_values_come_from() {
    let ended = run(
        &["explain", "--vault-auth-path=auth/other", "-f", "-"],
        DEPLOYMENT,
    );
    assert_eq!(ended.code, 0, "{}", ended.output);
    for part in [
        "Deployment shop/web (-:2)\n  injected: native\n",
        "native sidecar  vault-agent",
        "mount           /vault/secrets",
        "vault.hashicorp.com/role = web\n        annotation of the pod, line 11\n",
        "vault.hashicorp.com/auth-path = auth/other\n        flag --vault-auth-path\n",
    ] {
        assert!(
            ended.output.contains(part),
            "{part} is not in\n{}",
            ended.output
        );
    }
    let json = run(&["explain", "-o", "json", "-f", "-"], DEPLOYMENT);
    let pages: Value = serde_json::from_str(&json.output).unwrap();
    assert_eq!(pages[0]["outcome"], "injected");
}

#[test]
fn a_review_is_answered_on_standard_output_and_a_denial_ends_with_one() {
    let review = |annotations: Value| {
        json!({"request": {"uid": "u", "kind": {"kind": "Pod"}, "namespace": "shop", "operation": "CREATE", "object": {
            "metadata": {"annotations": annotations}, "spec": {"containers": [{"name": "app", "image": "web:1"}]},
        }}})
        .to_string()
    };
    let allowed = run(&["review", ADDRESS], &review(json!({})));
    assert_eq!(allowed.code, 0, "{}", allowed.errors);
    let answer: Value = serde_json::from_str(&allowed.output).unwrap();
    assert_eq!(answer["response"]["allowed"], true);
    let denied = run(
        &["review", ADDRESS],
        &review(json!({"vault.hashicorp.com/agent-inject": "perhaps"})),
    );
    assert_eq!(denied.code, 1);
    let answer: Value = serde_json::from_str(&denied.output).unwrap();
    assert_eq!(answer["response"]["status"]["code"], 403);
    let nonsense = run(&["review", ADDRESS], "{}");
    assert_eq!((nonsense.code, nonsense.output.as_str()), (1, ""));
    assert!(
        nonsense.errors.contains("has no \"request\""),
        "{}",
        nonsense.errors
    );
}

#[test]
fn a_thousand_manifests_are_read_within_seconds() {
    let scratch = Scratch::new("offline");
    for index in 0..1_000 {
        write(
            scratch.path(),
            &format!("{}/{index}.yaml", index % 10),
            DEPLOYMENT,
        );
    }
    let begun = std::time::Instant::now();
    let ended = run(&["lint", "-f", scratch.path().to_str().unwrap()], "");
    assert!(
        ended
            .output
            .ends_with("1000 files, 1000 objects with a pod: 0 errors, 0 warnings\n"),
        "{}",
        ended.output
    );
    // Unoptimized, and beside other tests; the optimized program reads ten thousand in this time.
    assert!(
        begun.elapsed() < std::time::Duration::from_secs(10),
        "{:?}",
        begun.elapsed()
    );
}

#[test]
fn the_reference_of_flags_is_what_the_table_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/flags.md");
    let page = leasehold::flags::reference::markdown();
    if std::env::var_os("LEASEHOLD_REWRITE").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &page).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == page,
        "docs/reference/flags.md is not what the table says: run the tests with LEASEHOLD_REWRITE=1"
    );
}

#[test]
fn help_of_every_command_goes_to_standard_output() {
    for command in [
        "serve",
        "agent-inject",
        "review",
        "inject",
        "lint",
        "explain",
    ] {
        let ended = run(&[command, "--help"], "");
        assert_eq!((ended.code, ended.errors.as_str()), (0, ""), "{command}");
        assert!(ended.output.contains("--vault-address"), "{command}");
    }
    let unknown = run(&["injekt"], "");
    assert_eq!((unknown.code, unknown.output.as_str()), (127, ""));
    assert!(
        unknown.errors.contains("unknown command \"injekt\""),
        "{}",
        unknown.errors
    );
}
