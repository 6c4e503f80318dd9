//! The recorded pods of the established injector, through `review`, with the settings that ask for
//! its behaviour.
//!
//! A case must be equal, or be listed with its reason in `tests/golden/inject/DIFFERENCES.md`.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test reads the recordings, and what is wrong with them ends it"
)]

use std::collections::BTreeMap;

use leasehold_inject::{
    DefaultTemplate, Flavour, KubeVersion, Mode, Outcome, Review, Settings, TokenSource, Unasked,
    Unchecked, review,
};
use leasehold_testkit::recorded::{Answer, Recordings};
use serde_json::Value;

/// How many cases are equal. It may only rise.
const FLOOR: usize = 258;

#[test]
fn recorded_pods_are_answered_as_recorded_or_listed_as_different() {
    let recordings = Recordings::read();
    let equal = recordings.compare(|case| {
        Ok(match answer(case, &settings(case)) {
            Outcome::Denied { message, .. } => Answer::Denied(message),
            Outcome::Unchanged { .. } => Answer::Unchanged,
            Outcome::Patched { patch, .. } => {
                let mut pod = case["pod"].clone();
                json_patch::patch(&mut pod, &patch.operations())
                    .map_err(|error| format!("the patch fails: {error}"))?;
                Answer::Patched(pod)
            }
        })
    });
    println!("{equal} of {} recorded pods equal", recordings.cases.len());
    assert!(equal >= FLOOR, "{equal} equal cases, {FLOOR} before");
}

/// Recorded pods that are injected, and that are denied with our own agent, whose own folder is not
/// for secrets.
const DENIED_BY_OURS: [&str; 1] = ["secret-file-traversal"];

/// Recorded pods whose values no agent can read; with our own that is a warning.
const UNREADABLE: [&str; 2] = ["auth-backoff-forms", "auth-type-unknown"];

#[test]
fn pods_that_work_with_the_established_agent_work_with_ours() {
    let Recordings { cases, listed } = Recordings::read();
    let mut wrong = Vec::new();
    for (name, case) in cases {
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
