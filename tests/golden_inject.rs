//! Every recorded pod through `leasehold review` with the compatible settings: the program, its
//! flags, its variables and the wire format, where `crates/inject` compares the rules alone.
//!
//! A case must be equal, or be listed in `golden/inject/DIFFERENCES.md` with its reason.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

use std::io::Write;
use std::process::{Command, Stdio};

use leasehold_e2e::injector::decoded_patch;
use leasehold_testkit::recorded::{Answer, Recordings};
use leasehold_testkit::{admission, tools};
use serde_json::Value;

/// With these flags the answers are those of the established injector.
const COMPATIBLE: [&str; 3] = [
    "--agent-flavour=vault",
    "--agent-mode=pair",
    "--token-source=pod",
];

#[test]
fn pods_are_answered_as_recorded() {
    let recordings = Recordings::read();
    let equal = recordings.compare(reviewed);
    println!("pods: {equal} of {} equal", recordings.cases.len());
}

/// What the program answers to a recorded pod.
fn reviewed(case: &Value) -> Result<Answer, String> {
    let mut review = admission::review_of(&case["pod"]);
    let request = &mut review["request"];
    for field in ["operation", "namespace", "dryRun"] {
        request[field] = case["request"][field].clone();
    }
    let mut command = Command::new(tools::product("leasehold"));
    command.arg("review").args(COMPATIBLE).env_clear();
    for (flag, value) in case["injector"].as_object().into_iter().flatten() {
        command.arg(format!("--{flag}={}", value.as_str().unwrap()));
    }
    for (name, value) in case["injector_env"].as_object().into_iter().flatten() {
        command.env(name, value.as_str().unwrap());
    }
    let response = answer(command, &review)?["response"].clone();
    if response["allowed"] != true {
        let message = response["status"]["message"].as_str().unwrap_or_default();
        return Ok(Answer::Denied(message.to_owned()));
    }
    let patch = decoded_patch(&response);
    if patch.is_null() {
        return Ok(Answer::Unchanged);
    }
    let mut pod = case["pod"].clone();
    let operations: json_patch::Patch =
        serde_json::from_value(patch).map_err(|error| error.to_string())?;
    json_patch::patch(&mut pod, &operations).map_err(|error| error.to_string())?;
    Ok(Answer::Patched(pod))
}

fn answer(mut command: Command, review: &Value) -> Result<Value, String> {
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| error.to_string())?;
    let mut stdin = child.stdin.take().unwrap();
    let _ = stdin.write_all(review.to_string().as_bytes());
    drop(stdin);
    let output = child
        .wait_with_output()
        .map_err(|error| error.to_string())?;
    serde_json::from_slice(&output.stdout)
        .map_err(|_| format!("no answer: {}", String::from_utf8_lossy(&output.stderr)))
}
