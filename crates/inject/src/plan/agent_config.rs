//! The agent's configuration as it goes into `VAULT_CONFIG`.
//!
//! Values are written as the annotations have them: the established agent reads its own spellings
//! of durations and modes, and what it refuses it refuses with its own words. What `config` cannot
//! read of the result becomes a finding.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use crate::finding::{Code, Finding};
use crate::plan::Role;
use crate::plan::volumes::{HOME, STATE_DIR, hands_over, persists_cache};
use crate::report::{Report, Stage};
use crate::settings::{Flavour, TokenSource};
use crate::spec::{Placement, Secret, Source, Spec};
use crate::vocabulary::secrets as names;

/// The longest text that the kernel takes as one variable, with name and end.
const LONGEST_VARIABLE: usize = 128 * 1024;
/// What stands around the value in that text: `VAULT_CONFIG=` and the byte that ends it.
const AROUND: usize = "VAULT_CONFIG=".len() + 1;

/// The configuration in base64, or none where it cannot be written, which is reported.
pub(super) fn encoded(role: Role, spec: &Spec<'_>, report: &mut Report) -> Option<String> {
    let threshold = spec.engine.lease_renewal_threshold;
    if !threshold.is_finite() {
        let shown = if threshold.is_nan() {
            "NaN"
        } else if threshold > 0.0 {
            "+Inf"
        } else {
            "-Inf"
        };
        let finding = Finding::error(
            Code::InvalidValue,
            format!("{shown} cannot be written as JSON; write a number between 0 and 1"),
        )
        .about(crate::vocabulary::telemetry::LEASE_RENEWAL_THRESHOLD.full_name());
        report.deny(
            Stage::Patch,
            &format!("json: unsupported value: {shown}"),
            finding,
        );
        return None;
    }
    let text = Value::Object(document(role, spec, report)).to_string();
    let encoded = STANDARD.encode(text);
    if encoded.len() + AROUND > LONGEST_VARIABLE {
        deny_length(encoded.len(), spec, report);
        return None;
    }
    Some(encoded)
}

fn document(role: Role, spec: &Spec<'_>, report: &mut Report) -> Map<String, Value> {
    let mut root = Map::new();
    root.insert("auto_auth".into(), auto_auth(spec));
    root.insert("exit_after_auth".into(), (role == Role::Init).into());
    root.insert("pid_file".into(), format!("{HOME}/.pid").into());
    root.insert("vault".into(), server(spec));
    let templates: Vec<Value> = spec.secrets.list.iter().map(template).collect();
    if !templates.is_empty() {
        root.insert("template".into(), templates.into());
    }
    insert_listener(&mut root, role, spec);
    root.insert("template_config".into(), template_config(spec));
    for (key, words) in [
        (
            "disable_idle_connections",
            &spec.listener.disable_idle_connections,
        ),
        ("disable_keep_alives", &spec.listener.disable_keep_alives),
    ] {
        if !words.is_empty() {
            root.insert(key.into(), json!(words));
        }
    }
    if let Some(telemetry) = &spec.listener.telemetry {
        root.insert("telemetry".into(), telemetry.clone().into());
    }
    if spec.agent.flavour == Flavour::Leasehold {
        root.insert("leasehold".into(), ours(role, spec, report));
    }
    root
}

fn auto_auth(spec: &Spec<'_>) -> Value {
    let login = &spec.login;
    let mut method = Map::new();
    method.insert("type".into(), login.method.into());
    insert_text(&mut method, "mount_path", login.mount_path);
    insert_text(&mut method, "min_backoff", login.backoff.min);
    insert_text(&mut method, "max_backoff", login.backoff.max);
    insert_text(&mut method, "namespace", spec.server.namespace);
    method.insert("config".into(), method_config(spec));
    if login.exit_on_err {
        method.insert("exit_on_err".into(), true.into());
    }
    let mut sinks = vec![sink(&format!("{HOME}/.vault-token"))];
    if spec.secrets.inject_token {
        sinks.push(sink(&crate::go::join_path(
            &spec.secrets.volume_path,
            "token",
        )));
    }
    json!({ "method": method, "sink": sinks })
}

/// The method's own keys, sorted.
fn method_config(spec: &Spec<'_>) -> Value {
    let mut config: BTreeMap<&str, &str> = spec
        .login
        .config
        .iter()
        .map(|(key, value)| (key.as_str(), *value))
        .collect();
    let Some(token) = &spec.token else {
        return json!(config);
    };
    let ours = spec.agent.token.source == TokenSource::Projected;
    // A jwt login without a path would fail; the agent's own token is what it wants.
    if spec.login.method == "jwt" && ours && !config.contains_key("path") {
        config.insert("path", &token.file);
        config.entry("remove_jwt_after_reading").or_insert("false");
    }
    config.entry("token_path").or_insert(&token.file);
    json!(config)
}

fn sink(path: &str) -> Value {
    json!({ "type": "file", "config": { "path": path } })
}

fn server(spec: &Spec<'_>) -> Value {
    let server = &spec.server;
    let mut map = Map::new();
    map.insert("address".into(), server.address.into());
    insert_text(&mut map, "ca_cert", server.ca_cert);
    insert_text(&mut map, "ca_path", server.ca_path);
    if server.tls_skip_verify {
        map.insert("tls_skip_verify".into(), true.into());
    }
    insert_text(&mut map, "client_cert", server.client_cert);
    insert_text(&mut map, "client_key", server.client_key);
    insert_text(&mut map, "tls_server_name", server.tls_server_name);
    map.into()
}

fn template(secret: &Secret<'_>) -> Value {
    let mut map = Map::new();
    map.insert("destination".into(), secret.destination.as_str().into());
    if let Source::Contents(contents) = &secret.source {
        insert_text(&mut map, "contents", contents);
    }
    map.insert("left_delimiter".into(), secret.left_delimiter.into());
    map.insert("right_delimiter".into(), secret.right_delimiter.into());
    insert_text(&mut map, "command", secret.command);
    if let Source::File(file) = &secret.source {
        insert_text(&mut map, "source", file);
    }
    insert_text(&mut map, "perms", secret.perms);
    if secret.error_on_missing_key {
        map.insert("error_on_missing_key".into(), true.into());
    }
    map.into()
}

fn insert_listener(root: &mut Map<String, Value>, role: Role, spec: &Spec<'_>) {
    let listener = &spec.listener;
    let caches = listener.cache
        && !spec.agent.pre_populates_only()
        && (persists_cache(spec) || role != Role::Init);
    if !caches && !listener.quit {
        return;
    }
    let mut entry = json!({
        "type": "tcp",
        "address": format!("127.0.0.1:{}", listener.port),
        "tls_disable": true,
    });
    if let (true, Some(map)) = (listener.quit, entry.as_object_mut()) {
        map.insert("agent_api".into(), json!({ "enable_quit": true }));
    }
    root.insert("listener".into(), json!([entry]));
    let mut cache = Map::new();
    if caches {
        insert_text(&mut cache, "use_auto_auth_token", listener.cache_token);
        if persists_cache(spec) {
            let mut persist = json!({ "type": "kubernetes", "path": "/vault/agent-cache" });
            if let (true, Some(map)) = (listener.cache_exit_on_err, persist.as_object_mut()) {
                map.insert("exit_on_err".into(), true.into());
            }
            cache.insert("persist".into(), persist);
        }
    }
    root.insert("cache".into(), cache.into());
}

fn template_config(spec: &Spec<'_>) -> Value {
    let engine = &spec.engine;
    let mut map = Map::new();
    map.insert(
        "exit_on_retry_failure".into(),
        engine.exit_on_retry_failure.into(),
    );
    insert_text(
        &mut map,
        "static_secret_render_interval",
        engine.render_interval,
    );
    if engine.max_connections != 0 {
        map.insert(
            "max_connections_per_host".into(),
            engine.max_connections.into(),
        );
    }
    let threshold = engine.lease_renewal_threshold;
    if threshold != 0.0 {
        let number = if threshold.fract() == 0.0 && threshold.abs() < 1e15 {
            Value::from(threshold as i64)
        } else {
            Value::from(threshold)
        };
        map.insert("lease_renewal_threshold".into(), number);
    }
    map.into()
}

/// What only our agent reads.
fn ours(role: Role, spec: &Spec<'_>, report: &Report) -> Value {
    let mode = match role {
        Role::Native => "native",
        Role::Init => "init",
        Role::Sidecar => "sidecar",
    };
    let mut map = Map::new();
    map.insert("mode".into(), mode.into());
    if hands_over(spec) || role != Role::Init {
        map.insert("state_dir".into(), STATE_DIR.into());
    }
    let by_itself = matches!(spec.agent.placement, Placement::Native(_));
    let revoke = role != Role::Init && spec.container.revocation.asked.unwrap_or(by_itself);
    map.insert("revoke_on_exit".into(), revoke.into());
    if spec.agent.revoke_after_handover {
        map.insert("revoke_after_handover".into(), true.into());
    }
    let findings = report.summary();
    if !findings.is_empty() {
        map.insert("findings".into(), json!(findings));
    }
    map.into()
}

fn deny_length(length: usize, spec: &Spec<'_>, report: &mut Report) {
    let mut sizes: Vec<(usize, &str)> = spec
        .secrets
        .list
        .iter()
        .map(|secret| match &secret.source {
            Source::Contents(text) => (text.len(), secret.raw_name.as_str()),
            Source::File(_) => (0, secret.raw_name.as_str()),
        })
        .collect();
    sizes.sort_by(|a, b| b.cmp(a));
    let largest: Vec<String> = sizes
        .iter()
        .take(3)
        .map(|(size, name)| format!("{}-{name} ({size} bytes)", names::TEMPLATE.full_name()))
        .collect();
    let text = format!(
        "the agent's configuration takes {length} bytes as VAULT_CONFIG, and a variable may have \
         {}; the largest templates are {}; put them into files and name these with {}-<name>",
        LONGEST_VARIABLE - AROUND,
        largest.join(", "),
        names::TEMPLATE_FILE.full_name()
    );
    let recorded = "the agent's configuration is too large";
    report.deny(Stage::Patch, recorded, Finding::error(Code::TooLarge, text));
}

fn insert_text(map: &mut Map<String, Value>, key: &str, value: &str) {
    if !value.is_empty() {
        map.insert(key.to_owned(), value.into());
    }
}
