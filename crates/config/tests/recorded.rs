//! Configurations that the established injector wrote: each is read, and written again as it was.

#![cfg(test)]

use std::path::Path;

use leasehold_config::{
    Telemetry, TelemetryKey, TelemetryKind, TelemetryValue, load, parse, to_json, written,
};
use serde_json::Value;

/// Cases whose configuration no agent accepts, with the key at fault.
const REFUSED: &[(&str, &str)] = &[
    ("auth-backoff-forms", "auto_auth.method.max_backoff"),
    ("auth-type-unknown", "auto_auth.method.type"),
    ("connections-odd", "disable_keep_alives"),
    ("secret-perms-malformed", "template.perms"),
];

#[expect(
    clippy::disallowed_methods,
    reason = "the recordings are files; the crate itself opens none"
)]
fn recorded() -> Vec<(String, Value)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/inject");
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let case: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        if let Some(configs) = case
            .pointer("/result/agent_config")
            .and_then(Value::as_object)
        {
            for config in configs.values().filter(|config| config.is_object()) {
                found.push((name.clone(), config.clone()));
            }
        }
    }
    assert!(
        found.len() > 100,
        "only {} configurations were found",
        found.len()
    );
    found
}

#[test]
fn what_the_established_injector_writes_is_read_or_refused_with_the_key() {
    for (name, config) in recorded() {
        let expected = REFUSED.iter().find(|(case, _)| *case == name);
        match (parse(&name, &config.to_string()), expected) {
            (Ok(_), None) => {}
            (Err(error), Some((_, key))) => {
                assert!(error.findings().iter().any(|f| f.key == *key), "{error}");
            }
            (Ok(_), Some((_, key))) => panic!("{name}: `{key}` was not refused"),
            (Err(error), None) => panic!("{name}: {error}"),
        }
    }
}

#[test]
fn what_was_read_is_written_with_the_same_meaning() {
    for (name, config) in recorded() {
        let Ok(parsed) = load([(name.as_str(), config.to_string().as_str())]) else {
            continue;
        };
        let again = parse(&name, &to_json(&parsed.config)).unwrap();
        assert_eq!(again.config, parsed.config, "{name}");
    }
}

#[test]
fn a_document_is_written_as_it_was_recorded_key_for_key() {
    for (name, config) in recorded() {
        let text = document(&config).to_json();
        let written: Value = serde_json::from_str(&text).unwrap();
        // Compared as text as well, for the order of the keys.
        assert_eq!(written.to_string(), config.to_string(), "{name}");
    }
}

/// The document that says what a recorded configuration says.
fn document(config: &Value) -> written::Document {
    let text = |path: &str| at(config, path);
    let flag = |path: &str| config.pointer(path).and_then(Value::as_bool) == Some(true);
    written::Document {
        method: written::Method {
            kind: text("/auto_auth/method/type"),
            mount_path: text("/auto_auth/method/mount_path"),
            min_backoff: text("/auto_auth/method/min_backoff"),
            max_backoff: text("/auto_auth/method/max_backoff"),
            namespace: text("/auto_auth/method/namespace"),
            config: members(config.pointer("/auto_auth/method/config"))
                .map(|(key, value)| (key.clone(), value.as_str().unwrap().to_owned()))
                .collect(),
            exit_on_err: flag("/auto_auth/method/exit_on_err"),
        },
        sink_paths: items(config.pointer("/auto_auth/sink"))
            .map(|sink| at(sink, "/config/path"))
            .collect(),
        exit_after_auth: flag("/exit_after_auth"),
        pid_file: text("/pid_file"),
        vault: written::Vault {
            address: text("/vault/address"),
            ca_cert: text("/vault/ca_cert"),
            ca_path: text("/vault/ca_path"),
            tls_skip_verify: flag("/vault/tls_skip_verify"),
            client_cert: text("/vault/client_cert"),
            client_key: text("/vault/client_key"),
            tls_server_name: text("/vault/tls_server_name"),
        },
        templates: items(config.get("template"))
            .map(|template| written::Template {
                destination: at(template, "/destination"),
                contents: at(template, "/contents"),
                left_delimiter: at(template, "/left_delimiter"),
                right_delimiter: at(template, "/right_delimiter"),
                command: at(template, "/command"),
                source: at(template, "/source"),
                perms: at(template, "/perms"),
                error_on_missing_key: template.get("error_on_missing_key").is_some(),
            })
            .collect(),
        listener: items(config.get("listener"))
            .map(|listener| written::Listener {
                address: at(listener, "/address"),
                enable_quit: listener.get("agent_api").is_some(),
                require_request_header: false,
            })
            .next(),
        cache: config.get("cache").map(|cache| written::Cache {
            use_auto_auth_token: at(cache, "/use_auto_auth_token"),
            persist: cache.get("persist").map(|persist| written::Persist {
                path: at(persist, "/path"),
                exit_on_err: persist.get("exit_on_err").is_some(),
            }),
        }),
        template_config: written::TemplateConfig {
            exit_on_retry_failure: flag("/template_config/exit_on_retry_failure"),
            static_secret_render_interval: text("/template_config/static_secret_render_interval"),
            max_connections_per_host: config
                .pointer("/template_config/max_connections_per_host")
                .and_then(Value::as_i64)
                .unwrap_or_default(),
            lease_renewal_threshold: config
                .pointer("/template_config/lease_renewal_threshold")
                .and_then(Value::as_f64)
                .unwrap_or_default(),
        },
        disable_idle_connections: words(config.get("disable_idle_connections")),
        disable_keep_alives: words(config.get("disable_keep_alives")),
        telemetry: config.get("telemetry").map(|telemetry| {
            members(Some(telemetry))
                .map(|(name, value)| telemetry_setting(name, value))
                .collect::<Vec<_>>()
        }),
        leasehold: None,
    }
}

fn telemetry_setting(name: &str, value: &Value) -> (TelemetryKey, TelemetryValue) {
    let key = TelemetryKey::from_name(name).unwrap();
    let value = match key.kind() {
        TelemetryKind::Text => TelemetryValue::Text(value.as_str().unwrap().to_owned()),
        TelemetryKind::Whole => TelemetryValue::Whole(value.as_i64().unwrap()),
        TelemetryKind::Switch => TelemetryValue::Switch(value.as_bool().unwrap()),
        TelemetryKind::List => TelemetryValue::List(words(Some(value))),
    };
    (key, value)
}

fn at(value: &Value, path: &str) -> String {
    let text = value.pointer(path).and_then(Value::as_str);
    text.unwrap_or_default().to_owned()
}

fn items(value: Option<&Value>) -> impl Iterator<Item = &Value> {
    value.and_then(Value::as_array).into_iter().flatten()
}

fn members(value: Option<&Value>) -> impl Iterator<Item = (&String, &Value)> {
    value.and_then(Value::as_object).into_iter().flatten()
}

fn words(value: Option<&Value>) -> Vec<String> {
    items(value)
        .map(|word| word.as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn an_empty_telemetry_block_reads_as_one() {
    let config = parse("a", r#"{"telemetry":{}}"#).unwrap().config;
    assert_eq!(config.telemetry, Some(Telemetry::default()));
}
