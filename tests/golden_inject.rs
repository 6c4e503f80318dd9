//! Every recorded pod through `leasehold review` with the compatible settings: the program, its
//! flags, its variables and the wire format, where `crates/inject` compares the rules alone.
//!
//! A case must be equal, or be listed in `golden/inject/DIFFERENCES.md` with its reason.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use leasehold_e2e::injector::decoded_patch;
use leasehold_testkit::{admission, tools};
use serde_json::{Map, Value, json};

/// With these flags the answers are those of the established injector.
const COMPATIBLE: [&str; 3] = [
    "--agent-flavour=vault",
    "--agent-mode=pair",
    "--token-source=pod",
];

/// The first words of a denial tell its stage; what follows may be a reader's own.
const STAGES: [&str; 6] = [
    "error checking if should inject agent: ",
    "error with request namespace: ",
    "error adding default annotations: ",
    "error creating new agent sidecar: ",
    "error validating agent configuration: ",
    "error creating patch for agent: ",
];

#[test]
fn pods_are_answered_as_recorded() {
    let listed = listed_differences();
    let mut equal = 0;
    let mut wrong = Vec::new();
    let mut differing = BTreeSet::new();
    let cases = cases();
    for (name, case) in &cases {
        match compare(case) {
            Ok(()) => equal += 1,
            Err(_) if listed.contains(name) => {
                differing.insert(name.clone());
            }
            Err(difference) => wrong.push(format!("{name}: {difference}")),
        }
    }
    println!(
        "pods: {equal} of {} equal, {} differ for a listed reason",
        cases.len(),
        differing.len()
    );
    for difference in &wrong {
        println!("    {difference}");
    }
    assert!(
        wrong.is_empty(),
        "{} cases are neither equal nor listed",
        wrong.len()
    );
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/inject")
}

fn cases() -> Vec<(String, Value)> {
    let mut cases = Vec::new();
    for entry in fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        if path
            .extension()
            .is_some_and(|extension| extension == "json")
        {
            let case: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
            if case.get("pod").is_some() {
                cases.push((path.file_stem().unwrap().to_str().unwrap().to_owned(), case));
            }
        }
    }
    cases.sort_by(|one, other| one.0.cmp(&other.0));
    assert!(cases.len() > 200, "only {} cases were found", cases.len());
    cases
}

/// The names in the lines that begin with "Cases:".
fn listed_differences() -> BTreeSet<String> {
    let text = fs::read_to_string(folder().join("DIFFERENCES.md")).unwrap_or_default();
    text.lines()
        .filter(|line| line.starts_with("Cases:"))
        .flat_map(|line| line.split('`').skip(1).step_by(2))
        .map(str::to_owned)
        .collect()
}

fn compare(case: &Value) -> Result<(), String> {
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
    let recorded = &case["result"];
    if let Some(message) = recorded["denied"].as_str() {
        if response["allowed"] != false {
            return Err(format!("admitted, recorded a denial: {message}"));
        }
        return compare_denial(
            response["status"]["message"].as_str().unwrap_or_default(),
            message,
        );
    }
    if response["allowed"] != true {
        return Err(format!("denied: {}", response["status"]["message"]));
    }
    let patch = decoded_patch(&response);
    if recorded["unchanged"] == true {
        return if patch.is_null() {
            Ok(())
        } else {
            Err("patched, recorded unchanged".into())
        };
    }
    let mut pod = case["pod"].clone();
    let operations: json_patch::Patch =
        serde_json::from_value(patch).map_err(|error| error.to_string())?;
    json_patch::patch(&mut pod, &operations).map_err(|error| error.to_string())?;
    // Ours to add, and told in its own reference.
    if let Some(annotations) = pod["metadata"]["annotations"].as_object_mut() {
        annotations.shift_remove("leasehold.dev/findings");
    }
    let mut wanted = recorded["patched"].clone();
    let mut configs = take_configs(&mut pod);
    take_configs(&mut wanted);
    let mut recorded_configs = recorded["agent_config"].clone();
    if recorded_configs.is_null() {
        recorded_configs = json!({});
    }
    for varying in case["order_varies"].as_array().into_iter().flatten() {
        for (configs, pod) in [
            (&mut configs, &mut pod),
            (&mut recorded_configs, &mut wanted),
        ] {
            put_in_order(varying.as_str().unwrap(), configs, pod);
        }
    }
    first_difference("pod", &pod, &wanted)?;
    first_difference("agent_config", &configs, &recorded_configs)
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

fn compare_denial(message: &str, recorded: &str) -> Result<(), String> {
    let stage = |text: &str| STAGES.iter().position(|stage| text.starts_with(stage));
    let readers = [
        "json:",
        "strconv.",
        "invalid character",
        "end of JSON",
        "unmarshal",
    ];
    let by_reader = readers.iter().any(|words| recorded.contains(words));
    if message.starts_with(recorded) || (by_reader && stage(message) == stage(recorded)) {
        return Ok(());
    }
    Err(format!("denied with {message:?}, recorded {recorded:?}"))
}

/// Takes the agents' configurations out of a pod, decoded, by the container's part.
fn take_configs(pod: &mut Value) -> Value {
    let mut configs = Map::new();
    for (list, container, part) in [
        ("initContainers", "vault-agent-init", "init"),
        ("containers", "vault-agent", "sidecar"),
    ] {
        let containers = pod["spec"][list].as_array_mut().into_iter().flatten();
        for one in containers.filter(|one| one["name"] == container) {
            for variable in one["env"].as_array_mut().into_iter().flatten() {
                if variable["name"] != "VAULT_CONFIG" {
                    continue;
                }
                let decoded = STANDARD.decode(variable["value"].as_str().unwrap_or_default());
                let decoded = decoded.unwrap_or_default();
                let config = serde_json::from_slice(&decoded).unwrap_or(Value::Null);
                configs.insert(part.to_owned(), config);
                variable["value"] = json!("(decoded)");
            }
        }
    }
    Value::Object(configs)
}

/// Puts what the recorded program shuffles into the order of the recording.
fn put_in_order(what: &str, configs: &mut Value, pod: &mut Value) {
    match what {
        "template" => {
            for part in ["init", "sidecar"] {
                if let Some(templates) = configs[part]["template"].as_array_mut() {
                    templates.sort_by_key(|one| one["destination"].to_string());
                }
            }
        }
        "AWS_env" => {
            for list in ["initContainers", "containers"] {
                for one in pod["spec"][list].as_array_mut().into_iter().flatten() {
                    let Some(env) = one["env"].as_array_mut() else {
                        continue;
                    };
                    let is_aws = |one: &Value| {
                        one["name"]
                            .as_str()
                            .is_some_and(|name| name.starts_with("AWS_"))
                    };
                    let mut aws: Vec<Value> =
                        env.iter().filter(|one| is_aws(one)).cloned().collect();
                    aws.sort_by_key(|one| one["name"].to_string());
                    let mut aws = aws.into_iter();
                    for slot in env.iter_mut().filter(|one| is_aws(one)) {
                        *slot = aws.next().unwrap_or_default();
                    }
                }
            }
        }
        // Which custom path has which number: ours are numbered in the order of the paths, as
        // recorded.
        _ => {}
    }
}

fn first_difference(path: &str, ours: &Value, recorded: &Value) -> Result<(), String> {
    match (ours, recorded) {
        (Value::Object(one), Value::Object(other)) => {
            for (key, value) in other {
                let inner = one
                    .get(key)
                    .ok_or_else(|| format!("{path}.{key} is missing"))?;
                first_difference(&format!("{path}.{key}"), inner, value)?;
            }
            match one.keys().find(|key| !other.contains_key(*key)) {
                Some(extra) => Err(format!("{path}.{extra} is too much: {}", one[extra])),
                None => Ok(()),
            }
        }
        (Value::Array(one), Value::Array(other)) => {
            if one.len() != other.len() {
                return Err(format!(
                    "{path} has {} items, recorded {}",
                    one.len(),
                    other.len()
                ));
            }
            for (index, (left, right)) in one.iter().zip(other).enumerate() {
                first_difference(&format!("{path}[{index}]"), left, right)?;
            }
            Ok(())
        }
        _ if ours == recorded => Ok(()),
        _ => Err(format!("{path} is {ours}, recorded {recorded}")),
    }
}
