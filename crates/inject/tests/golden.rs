//! The recorded pods of the established injector, through `review`, with the settings that ask for
//! its behaviour.
//!
//! A case must be equal, or be listed with its reason in `tests/golden/inject/DIFFERENCES.md`.

#![expect(
    clippy::disallowed_methods,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test reads the recordings, and what is wrong with them ends it"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use leasehold_inject::{
    DefaultTemplate, Flavour, KubeVersion, Mode, Outcome, Review, Settings, TokenSource, Unasked,
    Unchecked, review,
};
use serde_json::Value;

/// How many cases are equal. It may only rise.
const FLOOR: usize = 258;

/// What the words of a denial before a reader's own begin with.
const STAGES: [&str; 6] = [
    "error checking if should inject agent: ",
    "error with request namespace: ",
    "error adding default annotations: ",
    "error creating new agent sidecar: ",
    "error validating agent configuration: ",
    "error creating patch for agent: ",
];

#[test]
fn recorded_pods_are_answered_as_recorded_or_listed_as_different() {
    let folder = folder();
    let listed = listed_differences(&folder);
    let mut equal = 0;
    let mut total = 0;
    let mut unlisted = Vec::new();
    let mut differing = BTreeSet::new();
    for (name, case) in cases(&folder) {
        total += 1;
        match compare(&case) {
            Ok(()) => equal += 1,
            Err(why) => {
                differing.insert(name.clone());
                if !listed.contains(&name) {
                    unlisted.push(format!("{name}: {why}"));
                }
            }
        }
    }
    println!("{equal} of {total} recorded pods equal");
    println!(
        "different and listed: {:?}",
        differing.intersection(&listed).collect::<Vec<_>>()
    );
    for line in &unlisted {
        println!("NOT EQUAL {line}");
    }
    assert!(
        unlisted.is_empty(),
        "{} cases are neither equal nor listed",
        unlisted.len()
    );
    assert!(equal >= FLOOR, "{equal} equal cases, {FLOOR} before");
    let known: BTreeSet<String> = cases(&folder).into_iter().map(|(name, _)| name).collect();
    let stale: Vec<_> = listed
        .iter()
        .filter(|n| known.contains(*n) && !differing.contains(*n))
        .collect();
    assert!(
        stale.is_empty(),
        "listed as different, but equal: {stale:?}"
    );
}

/// Recorded pods that are injected, and that are denied with our own agent, whose own folder is not
/// for secrets.
const DENIED_BY_OURS: [&str; 1] = ["secret-file-traversal"];

/// Recorded pods whose values no agent can read; with our own that is a warning.
const UNREADABLE: [&str; 2] = ["auth-backoff-forms", "auth-type-unknown"];

#[test]
fn pods_that_work_with_the_established_agent_work_with_ours() {
    let folder = folder();
    let listed = listed_differences(&folder);
    let mut wrong = Vec::new();
    for (name, case) in cases(&folder) {
        if case["result"].get("patched").is_none() || listed.contains(&name) {
            continue;
        }
        let settings = Settings {
            agent_flavour: None,
            agent_mode: Mode::Auto,
            token_source: TokenSource::Projected,
            vault_image: None,
            ..settings(&case)
        };
        let outcome = answer(&case, &settings);
        let expected = DENIED_BY_OURS.contains(&name.as_str());
        match outcome {
            Outcome::Patched {
                patch, findings, ..
            } if !expected => {
                let mut pod = case["pod"].clone();
                json_patch::patch(&mut pod, &patch.operations()).unwrap();
                let refused = findings.iter().find(|f| f.text.contains("will refuse"));
                if refused.is_some() != UNREADABLE.contains(&name.as_str()) {
                    wrong.push(format!("{name}: {refused:?}"));
                }
            }
            Outcome::Denied { .. } if expected => {}
            Outcome::Denied { message, .. } => wrong.push(format!("{name}: {message}")),
            other => wrong.push(format!("{name}: {other:?}")),
        }
    }
    for line in &wrong {
        println!("OURS {line}");
    }
    assert!(wrong.is_empty(), "{} pods", wrong.len());
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/inject")
}

fn cases(folder: &Path) -> Vec<(String, Value)> {
    let mut cases: Vec<(String, Value)> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "json"))
        .map(|path| {
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            let case = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
            (name, case)
        })
        .filter(|(_, case): &(String, Value)| case.get("pod").is_some())
        .collect();
    cases.sort_by(|a, b| a.0.cmp(&b.0));
    assert!(
        cases.len() > 200,
        "only {} cases in {}",
        cases.len(),
        folder.display()
    );
    cases
}

/// The names in the lines that begin with "Cases:".
fn listed_differences(folder: &Path) -> BTreeSet<String> {
    let text = std::fs::read_to_string(folder.join("DIFFERENCES.md")).unwrap_or_default();
    text.lines()
        .filter(|line| line.starts_with("Cases:"))
        .flat_map(|line| line.split('`').skip(1).step_by(2))
        .map(str::to_owned)
        .collect()
}

fn answer(case: &Value, settings: &Settings) -> Outcome {
    let text = |pointer: &str| {
        case.pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let kind = case
        .pointer("/pod/kind")
        .and_then(Value::as_str)
        .unwrap_or("Pod");
    let namespace_defaults = BTreeMap::new();
    let question = Review {
        pod: &case["pod"].to_string(),
        kind,
        operation: text("/request/operation"),
        namespace: text("/request/namespace"),
        dry_run: case.pointer("/request/dryRun") == Some(&Value::Bool(true)),
        namespace_defaults: &namespace_defaults,
        kube_version: KubeVersion::NEWEST,
        unasked: Unasked::Leave,
    };
    review(&question, settings, &Unchecked)
}

fn compare(case: &Value) -> Result<(), String> {
    let outcome = answer(case, &settings(case));
    let want = &case["result"];
    match (
        outcome,
        want.get("denied").and_then(Value::as_str),
        want.get("patched"),
    ) {
        (Outcome::Denied { message, .. }, Some(recorded), _) => compare_denial(&message, recorded),
        (Outcome::Unchanged { .. }, None, None) => {
            assert_eq!(
                want.get("unchanged"),
                Some(&Value::Bool(true)),
                "a result is one of three"
            );
            Ok(())
        }
        (Outcome::Patched { patch, .. }, None, Some(recorded)) => {
            let mut pod = case["pod"].clone();
            json_patch::patch(&mut pod, &patch.operations())
                .map_err(|e| format!("the patch fails: {e}"))?;
            let mut recorded = recorded.clone();
            let configs = decode_configs(&mut pod);
            decode_configs(&mut recorded);
            first_difference("pod", &pod, &recorded)?;
            let no_config = Value::Object(serde_json::Map::new());
            let agent_config = want.get("agent_config").unwrap_or(&no_config);
            first_difference("agent_config", &configs, agent_config)
        }
        (Outcome::Denied { message, .. }, ..) => Err(format!("denied: {message}")),
        (outcome, ..) => Err(format!("answered {outcome:?}").chars().take(300).collect()),
    }
}

fn compare_denial(message: &str, recorded: &str) -> Result<(), String> {
    let stage = |text: &str| STAGES.iter().position(|stage| text.starts_with(stage));
    let by_reader = [
        "json:",
        "strconv.",
        "invalid character",
        "end of JSON",
        "unmarshal",
    ]
    .iter()
    .any(|words| recorded.contains(words));
    let same = message.starts_with(recorded) || (by_reader && stage(message) == stage(recorded));
    if same {
        Ok(())
    } else {
        Err(format!("denied with {message:?}, recorded {recorded:?}"))
    }
}

/// Takes the agents' configurations out of a pod, decoded, by the container's part.
fn decode_configs(pod: &mut Value) -> Value {
    let mut configs = serde_json::Map::new();
    for (list, container, part) in [
        ("/spec/initContainers", "vault-agent-init", "init"),
        ("/spec/containers", "vault-agent", "sidecar"),
    ] {
        let Some(containers) = pod.pointer_mut(list).and_then(Value::as_array_mut) else {
            continue;
        };
        for entry in containers.iter_mut().filter(|c| c["name"] == container) {
            let Some(env) = entry.get_mut("env").and_then(Value::as_array_mut) else {
                continue;
            };
            for variable in env.iter_mut().filter(|v| v["name"] == "VAULT_CONFIG") {
                let decoded = STANDARD
                    .decode(variable["value"].as_str().unwrap())
                    .unwrap();
                configs.insert(part.into(), serde_json::from_slice(&decoded).unwrap());
                variable["value"] = "(decoded)".into();
            }
        }
    }
    Value::Object(configs)
}

fn first_difference(path: &str, ours: &Value, recorded: &Value) -> Result<(), String> {
    match (ours, recorded) {
        (Value::Object(a), Value::Object(b)) => {
            for (key, value) in b {
                let inner = a
                    .get(key)
                    .ok_or_else(|| format!("{path}.{key} is missing"))?;
                first_difference(&format!("{path}.{key}"), inner, value)?;
            }
            match a.keys().find(|key| !b.contains_key(*key)) {
                Some(extra) => Err(format!("{path}.{extra} is too much: {}", a[extra])),
                None => Ok(()),
            }
        }
        (Value::Array(a), Value::Array(b)) => {
            for (index, (x, y)) in a.iter().zip(b).enumerate() {
                first_difference(&format!("{path}[{index}]"), x, y)?;
            }
            if a.len() == b.len() {
                Ok(())
            } else {
                Err(format!(
                    "{path} has {} entries, recorded {}",
                    a.len(),
                    b.len()
                ))
            }
        }
        _ if ours == recorded => Ok(()),
        _ => Err(format!("{path} is {ours}, recorded {recorded}")),
    }
}

/// The recorded flags and variables as settings.
fn settings(case: &Value) -> Settings {
    let mut settings = Settings {
        agent_flavour: Some(Flavour::Vault),
        agent_mode: Mode::Pair,
        token_source: TokenSource::Pod,
        ..Settings::default()
    };
    let texts = |key: &str| -> BTreeMap<String, String> {
        let map = case
            .get(key)
            .and_then(Value::as_object)
            .cloned()
            .unwrap_or_default();
        map.into_iter()
            .map(|(k, v)| (k, v.as_str().unwrap().to_owned()))
            .collect()
    };
    for (flag, value) in texts("injector") {
        set(&mut settings, &flag, &value);
    }
    let env = texts("injector_env");
    for (name, value) in env.iter().filter(|(_, value)| !value.is_empty()) {
        let bare = name.strip_prefix("AGENT_INJECT_").unwrap();
        if bare.starts_with("AGENT_INJECT_") || env.contains_key(&format!("AGENT_INJECT_{name}")) {
            continue;
        }
        set(&mut settings, &flag_of(bare), value);
    }
    for (name, value) in &env {
        if let Some(bare) = name.strip_prefix("AGENT_INJECT_AGENT_INJECT_") {
            set(&mut settings, &flag_of(bare), value);
        }
    }
    settings
}

fn flag_of(variable: &str) -> String {
    match variable {
        "VAULT_ADDR" => "vault-address".to_owned(),
        "PROXY_ADDR" => "proxy-address".to_owned(),
        "MEM_REQUEST" => "memory-request".to_owned(),
        "MEM_LIMIT" => "memory-limit".to_owned(),
        "EPHEMERAL_REQUEST" => "ephemeral-storage-request".to_owned(),
        "EPHEMERAL_LIMIT" => "ephemeral-storage-limit".to_owned(),
        other => other.to_lowercase().replace('_', "-"),
    }
}

fn set(settings: &mut Settings, flag: &str, value: &str) {
    let flag_is = |value: &str| matches!(value, "1" | "t" | "T" | "TRUE" | "true" | "True");
    let text = value.to_owned();
    let resources = &mut settings.resources;
    match flag {
        "vault-address" => settings.vault_address = text,
        "vault-image" => settings.vault_image = Some(text),
        "vault-auth-type" => settings.vault_auth_type = text,
        "vault-auth-path" => settings.vault_auth_path = text,
        "vault-namespace" => settings.vault_namespace = text,
        "vault-cacert-bytes" => settings.vault_cacert_bytes = text,
        "proxy-address" => settings.proxy_address = text,
        "revoke-on-shutdown" => settings.revoke_on_shutdown = Some(flag_is(value)),
        "run-as-user" => settings.run_as_user = Some(text),
        "run-as-group" => settings.run_as_group = Some(text),
        "run-as-same-user" => settings.run_as_same_user = flag_is(value),
        "set-security-context" => settings.set_security_context = flag_is(value),
        "default-template" => {
            settings.default_template = if value == "json" {
                DefaultTemplate::Json
            } else {
                DefaultTemplate::Map
            };
        }
        "cpu-limit" => resources.limits_cpu = Some(text),
        "memory-limit" => resources.limits_memory = Some(text),
        "ephemeral-storage-limit" => resources.limits_ephemeral = Some(text),
        "cpu-request" => resources.requests_cpu = Some(text),
        "memory-request" => resources.requests_memory = Some(text),
        "ephemeral-storage-request" => resources.requests_ephemeral = Some(text),
        "auth-min-backoff" => settings.auth_min_backoff = text,
        "auth-max-backoff" => settings.auth_max_backoff = text,
        "disable-idle-connections" => settings.disable_idle_connections = text,
        "disable-keep-alives" => settings.disable_keep_alives = text,
        "template-config-exit-on-retry-failure" => {
            settings.template_exit_on_retry_failure = flag_is(value);
        }
        "template-static-secret-render-interval" => {
            settings.template_static_secret_render_interval = text;
        }
        "template-max-connections-per-host" => {
            settings.template_max_connections_per_host = value.parse().unwrap();
        }
        "template-lease-renewal-threshold" => {
            settings.template_lease_renewal_threshold = value.parse().unwrap();
        }
        other => panic!("no setting for the flag {other}"),
    }
}
