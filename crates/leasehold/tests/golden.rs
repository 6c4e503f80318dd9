//! The recorded HTTP exchanges and start-ups of the established injector, answered by ours. Where we differ,
//! `tests/golden/inject/DIFFERENCES.md` says why, and the cases named here are checked for what we do instead.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::body::Body;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http_body_util::BodyExt as _;
use hyper::Request;
use leasehold::cluster::namespaces::Namespaces;
use leasehold::flags::{self, Program};
use leasehold::server::metrics::Metrics;
use leasehold::server::readiness::Readiness;
use leasehold::server::router::{Clients, Service, body_memory, router};
use leasehold::settings::{self, Address};
use leasehold::webhook::Webhook;
use leasehold_inject::KubeVersion;
use serde_json::{Value, json};
use tower::ServiceExt as _;

/// HTTP cases that we answer otherwise on purpose: the exchange, its status, and a part of its body.
const HTTP_DIFFERENCES: [(&str, usize, u16, &str); 4] = [
    (
        "http-content-type-charset",
        0,
        200,
        "\"patchType\":\"JSONPatch\"",
    ),
    ("http-other-paths", 1, 200, "\"leasehold\""),
    (
        "http-review-no-request",
        0,
        400,
        "the body has no \"request\"",
    ),
    ("http-review-wrong-version", 0, 400, "admission.k8s.io/v2"),
];

/// Start-ups whose texts are ours: exit code and a part of what is printed.
const STARTUP_DIFFERENCES: [(&str, &str); 3] = [
    ("startup-no-command", "Usage: leasehold COMMAND"),
    (
        "startup-unknown-flag",
        "flag provided but not defined: -share-process-namespace",
    ),
    (
        "startup-version",
        concat!("leasehold ", env!("CARGO_PKG_VERSION")),
    ),
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/inject")
}

fn cases(prefix: &str) -> Vec<Value> {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.file_name()
                .unwrap()
                .to_string_lossy()
                .starts_with(prefix)
        })
        .collect();
    paths.sort();
    assert!(!paths.is_empty(), "no case begins with {prefix}");
    paths
        .iter()
        .map(|path| serde_json::from_slice(&fs::read(path).unwrap()).unwrap())
        .collect()
}

/// The server as the recording's flags start it, with the settings that ask for the recorded patches.
fn server(case: &Value) -> Router {
    let mut words = vec![
        "--agent-flavour=vault".to_owned(),
        "--agent-mode=pair".to_owned(),
        "--token-source=pod".to_owned(),
    ];
    for (name, value) in case["injector"].as_object().unwrap() {
        let value = value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned);
        words.push(format!("-{name}={value}"));
    }
    let parsed = flags::parse(Program::AgentInject, &words, &|_| None).unwrap();
    let metrics = Arc::new(Metrics::new().unwrap());
    let kube_version = Arc::new(OnceLock::from(KubeVersion::NEWEST));
    let service = Service {
        webhook: Webhook {
            settings: settings::injection(&parsed, Address::Required).unwrap(),
            namespaces: Namespaces::without_defaults(),
            kube_version,
            metrics: Arc::clone(&metrics),
        },
        readiness: Readiness::new(Arc::clone(&metrics)),
        metrics,
        clients: Clients::Anyone,
        memory: body_memory(),
    };
    router(Arc::new(service), parsed.text("telemetry-path"))
}

struct Answer {
    status: u16,
    content_type: String,
    body: String,
}

async fn ask(server: &Router, request: &Value) -> Answer {
    let mut builder = Request::builder()
        .method(request["method"].as_str().unwrap())
        .uri(request["path"].as_str().unwrap());
    if let Some(content_type) = request["content_type"].as_str() {
        builder = builder.header("content-type", content_type);
    }
    let body = request["body"].as_str().unwrap_or_default().to_owned();
    let response = server
        .clone()
        .oneshot(builder.body(Body::from(body)).unwrap())
        .await
        .unwrap();
    let content_type = response
        .headers()
        .get("content-type")
        .map(|value| value.to_str().unwrap().to_owned())
        .unwrap_or_default();
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    Answer {
        status,
        content_type,
        body: String::from_utf8(body.to_vec()).unwrap(),
    }
}

/// The answer with the patched object in place of the patch, without what we add: warnings, audit annotations, and the
/// code and reason of a denial. Says what is wrong with the additions.
fn comparable(request: &Value, body: &str) -> Value {
    let Ok(mut answer) = serde_json::from_str::<Value>(body) else {
        return json!(body);
    };
    let Some(response) = answer.get_mut("response").and_then(Value::as_object_mut) else {
        return answer;
    };
    response.remove("warnings");
    response.remove("auditAnnotations");
    if let Some(status) = response.get_mut("status").and_then(Value::as_object_mut)
        && let Some(code) = status.remove("code")
    {
        assert_eq!(code, 403);
        assert_eq!(status.remove("reason"), Some(json!("Forbidden")));
        assert_eq!(status.remove("status"), Some(json!("Failure")));
    }
    if let Some(patch) = response.remove("patch") {
        let patch = STANDARD.decode(patch.as_str().unwrap()).unwrap();
        let patch: json_patch::Patch = serde_json::from_slice(&patch).unwrap();
        let question: Value = serde_json::from_str(request["body"].as_str().unwrap()).unwrap();
        let mut object = question["request"]["object"].clone();
        json_patch::patch(&mut object, &patch).unwrap();
        decode_configuration(&mut object);
        response.insert("patched".to_owned(), object);
    }
    answer
}

/// `VAULT_CONFIG` is base64 of JSON whose spelling does not matter.
fn decode_configuration(value: &mut Value) {
    match value {
        Value::Object(map) if map.get("name") == Some(&json!("VAULT_CONFIG")) => {
            let text = map["value"].as_str().unwrap().to_owned();
            map["value"] = serde_json::from_slice(&STANDARD.decode(text).unwrap()).unwrap();
        }
        Value::Object(map) => map.values_mut().for_each(decode_configuration),
        Value::Array(items) => items.iter_mut().for_each(decode_configuration),
        _ => {}
    }
}

/// The established series, without those that depend on time.
fn series(text: &str) -> Vec<&str> {
    text.lines()
        .filter(|line| line.contains("vault_agent_injector_"))
        .filter(|line| !line.contains("_bucket{") && !line.contains("_sum "))
        .collect()
}

fn compare(path: &str, request: &Value, recorded: &Value, answer: &Answer) -> Result<(), String> {
    let wrong = |what: &str, recorded: &str, ours: &str| {
        Err(format!("{what}: recorded {recorded}, ours {ours}"))
    };
    let text = recorded["body"].as_str().unwrap_or_default();
    if recorded["status"] != json!(answer.status) {
        return wrong(
            "status",
            &recorded["status"].to_string(),
            &answer.status.to_string(),
        );
    }
    let is_review = path == "/mutate" && answer.status == 200;
    let content_type = if is_review {
        "application/json"
    } else {
        recorded["content_type"].as_str().unwrap()
    };
    if content_type != answer.content_type {
        return wrong("content type", content_type, &answer.content_type);
    }
    if path == "/metrics" && answer.status == 200 {
        return if series(text) == series(&answer.body) {
            Ok(())
        } else {
            wrong("series", text, &answer.body)
        };
    }
    let reader = "json parse error: ";
    if let (Some((before, _)), Some((ours, _))) =
        (text.split_once(reader), answer.body.split_once(reader))
    {
        // What follows belongs to the reader of JSON.
        return if before == ours {
            Ok(())
        } else {
            wrong("stage", before, ours)
        };
    }
    let expected = comparable(request, text);
    let mut ours = comparable(request, &answer.body);
    // Our sentences about what to write follow the recorded words.
    let message = "/response/status/message";
    if let (Some(Value::String(words)), Some(Value::String(more))) =
        (expected.pointer(message), ours.pointer_mut(message))
        && more.starts_with(words.as_str())
    {
        more.truncate(words.len());
    }
    if expected == ours {
        Ok(())
    } else {
        wrong("body", &expected.to_string(), &ours.to_string())
    }
}

#[tokio::test]
async fn http_exchanges_are_answered_as_recorded_or_better() {
    let mut faults = BTreeMap::new();
    let mut count = 0;
    for case in cases("http-") {
        let name = case["name"].as_str().unwrap();
        let server = server(&case);
        for (index, exchange) in case["exchanges"].as_array().unwrap().iter().enumerate() {
            count += 1;
            let request = &exchange["request"];
            let path = request["path"].as_str().unwrap();
            let answer = ask(&server, request).await;
            let difference = HTTP_DIFFERENCES
                .iter()
                .find(|(case, at, ..)| *case == name && *at == index);
            let result = match difference {
                Some((_, _, status, part))
                    if answer.status == *status && answer.body.contains(part) =>
                {
                    Ok(())
                }
                Some(_) => Err(format!(
                    "ours has changed: {} {}",
                    answer.status, answer.body
                )),
                None => compare(path, request, &exchange["answer"], &answer),
            };
            if let Err(fault) = result {
                faults.insert(format!("{name} #{index} {path}"), fault);
            }
        }
    }
    println!(
        "{} of {count} exchanges as recorded or as listed",
        count - faults.len()
    );
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn start_ups_end_as_recorded() {
    let mut faults = BTreeMap::new();
    let cases = cases("startup-");
    for case in &cases {
        let name = case["name"].as_str().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_leasehold"));
        command.env_clear().stdin(Stdio::null());
        for word in case["args"].as_array().unwrap() {
            command.arg(word.as_str().unwrap());
        }
        for (variable, value) in case["env"].as_object().unwrap() {
            command.env(variable, value.as_str().unwrap());
        }
        if case["in_cluster"] == true {
            command
                .env("KUBERNETES_SERVICE_HOST", "127.0.0.1")
                .env("KUBERNETES_SERVICE_PORT", "1");
        }
        let output = command.output().unwrap();
        let printed = format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        let recorded = &case["result"];
        let expected = match STARTUP_DIFFERENCES.iter().find(|(case, _)| *case == name) {
            Some((_, part)) => printed.contains(part),
            // Our sentences about what to write follow the recorded words.
            None => printed.starts_with(recorded["stderr"].as_str().unwrap()),
        };
        if !expected || recorded["exit"] != json!(output.status.code()) {
            faults.insert(
                name.to_owned(),
                format!("exit {:?}: {printed}", output.status.code()),
            );
        }
    }
    println!(
        "{} of {} start-ups as recorded or as listed",
        cases.len() - faults.len(),
        cases.len()
    );
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn every_difference_is_explained() {
    let text = fs::read_to_string(folder().join("DIFFERENCES.md")).unwrap();
    let names = HTTP_DIFFERENCES
        .iter()
        .map(|(name, ..)| *name)
        .chain(STARTUP_DIFFERENCES.iter().map(|(name, _)| *name));
    for name in names {
        assert!(text.contains(name), "{name} is not in DIFFERENCES.md");
    }
}
