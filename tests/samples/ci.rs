//! The CI samples: the command of their step, run by a shell as the runner would, with a token of a scripted issuer.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Output;
use std::time::{Duration, Instant};

use leasehold_e2e::Scene;
use leasehold_e2e::scripts::programs;
use leasehold_testkit::cluster::TokenSpec;
use leasehold_testkit::scratch::Scratch;
use serde::Deserialize as _;
use serde_json::{Value, json};

use crate::sample::{prepare, shell, text};

const SUBJECT: &str = "system:serviceaccount:ci:shop-main";

/// A server prepared for jobs of this subject, and the token of a job of the one above.
fn scene(subject: &str) -> (Scene, String) {
    let scene = Scene::new();
    let (issuer, authority) = (scene.cluster.address(), scene.cluster.ca_file());
    let variables = [
        ("ISSUER", issuer.as_str()),
        ("ISSUER_CA", authority.to_str().unwrap()),
        ("SUBJECT", subject),
    ];
    prepare("ci", &scene.bao, &variables);
    let token = scene
        .cluster
        .mint(&TokenSpec::new("ci", "shop-main", &["vault"]));
    (scene, token)
}

/// The runner's service for identity tokens: answers one request for the audience `vault`.
fn token_service(token: String) -> (String, std::thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let serving = std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let lines = BufReader::new(&stream).lines().map(Result::unwrap);
        let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
        let body = json!({"count": 1, "value": token}).to_string();
        write!(
            &stream,
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        head.join("\n")
    });
    (format!("http://{address}/token?api-version=2"), serving)
}

/// The script of the step of the workflow that reads the secrets.
fn workflow_step() -> String {
    let text = text("ci/github-actions.yaml");
    let workflow = Value::deserialize(serde_yaml::Deserializer::from_str(&text)).unwrap();
    assert_eq!(workflow["permissions"]["id-token"], "write");
    let step = &workflow["jobs"]["deploy"]["steps"][0];
    step["run"].as_str().unwrap().to_owned()
}

fn run_workflow(scene: &Scene, token: &str, scratch: &Scratch) -> (Output, String) {
    let (url, service) = token_service(token.to_owned());
    let address = scene.bao.address();
    let temporary = scratch.path().display().to_string();
    let output = shell(
        &workflow_step(),
        scratch.path(),
        &programs(scratch),
        &[
            ("VAULT_ADDR", &address),
            ("RUNNER_TEMP", &temporary),
            ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "runner"),
            ("ACTIONS_ID_TOKEN_REQUEST_URL", &url),
        ],
    );
    (output, service.join().unwrap())
}

#[track_caller]
fn has_the_secret(output: &Output, file: &Path) {
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert_eq!(fs::read_to_string(file).unwrap(), "TOKEN=change-me");
    assert_eq!(
        fs::metadata(file).unwrap().permissions().mode() & 0o777,
        0o600
    );
    assert!(
        !said.contains("change-me"),
        "the secret is in the log: {said}"
    );
}

#[test]
fn the_workflow_reads_its_secret_in_one_step() {
    let (scene, token) = scene(SUBJECT);
    let scratch = Scratch::new("ci");
    let (output, asked) = run_workflow(&scene, &token, &scratch);
    assert!(
        asked.contains("&audience=vault") && asked.contains("Bearer runner"),
        "{asked}"
    );
    has_the_secret(&output, &scratch.join("deploy.env"));
}

#[test]
fn a_workflow_of_another_branch_ends_at_once_with_words_and_without_a_file() {
    let (scene, token) = scene("system:serviceaccount:ci:another");
    let scratch = Scratch::new("ci");
    let begun = Instant::now();
    let (output, _) = run_workflow(&scene, &token, &scratch);
    assert!(!output.status.success());
    assert!(
        begun.elapsed() < Duration::from_secs(20),
        "{:?}",
        begun.elapsed()
    );
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("auth/ci"), "{said}");
    assert!(!scratch.join("deploy.env").exists());
}

#[test]
fn the_pipeline_reads_its_secret_in_one_step() {
    let (scene, token) = scene(SUBJECT);
    let pipeline = text("ci/Jenkinsfile");
    // In Groovy's text with three quotes only the backslash is special.
    let step = pipeline
        .split("sh '''")
        .nth(1)
        .unwrap()
        .split("'''")
        .next()
        .unwrap();
    let step = step.replace("\\\\", "\\");
    let scratch = Scratch::new("ci");
    let file = scratch.join("jwt");
    fs::write(&file, &token).unwrap();
    let (address, jwt) = (scene.bao.address(), file.display().to_string());
    let variables = [("VAULT_ADDR", address.as_str()), ("JWT", jwt.as_str())];
    let output = shell(&step, scratch.path(), &programs(&scratch), &variables);
    has_the_secret(&output, &scratch.join("deploy.env"));
    assert!(file.exists(), "the credential's file belongs to Jenkins");
}
