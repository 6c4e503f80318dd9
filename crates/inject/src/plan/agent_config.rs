//! The agent's configuration as it goes into `VAULT_CONFIG`.
//!
//! Values are written as the annotations have them: the established agent reads its own spellings
//! of durations and modes, and what it refuses it refuses with its own words. What `config` cannot
//! read of the result becomes a finding.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use leasehold_config::written::{self, Document};
use leasehold_config::{Leasehold, MethodConfig, MethodKind};

use crate::finding::{Code, Finding};
use crate::plan::volumes::{HOME, STATE_DIR, hands_over, persists_cache};
use crate::plan::{Role, refusals};
use crate::pod::Pod;
use crate::report::{Report, Stage};
use crate::settings::{Flavour, TokenSource};
use crate::spec::{Further, Placement, Secret, Source, Spec};
use crate::vocabulary::secrets as names;

/// The longest text that the kernel takes as one variable, with name and end.
const LONGEST_VARIABLE: usize = 128 * 1024;
/// What stands around the value in that text: `VAULT_CONFIG=` and the byte that ends it.
const AROUND: usize = "VAULT_CONFIG=".len() + 1;

/// The configuration in base64, or none where it cannot be written, which is reported.
pub(super) fn encoded(
    role: Role,
    spec: &Spec<'_>,
    pod: &Pod<'_>,
    report: &mut Report,
) -> Option<String> {
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
    let text = document(role, spec, pod, report).to_json();
    let encoded = STANDARD.encode(&text);
    if encoded.len() + AROUND > LONGEST_VARIABLE {
        deny_length(encoded.len(), spec, report);
        return None;
    }
    // One of a pair is enough, and Vault's agent has words of its own.
    let is_second = role == Role::Sidecar && spec.agent.placement == Placement::Pair;
    if spec.agent.flavour == Flavour::Leasehold && !is_second && !is_plain(spec) {
        refusals::note(&text, report);
    }
    Some(encoded)
}

fn document(role: Role, spec: &Spec<'_>, pod: &Pod<'_>, report: &Report) -> Document {
    let (listener, cache) = listener(role, spec, pod);
    let mut sink_paths = vec![format!("{HOME}/.vault-token")];
    if spec.secrets.inject_token {
        sink_paths.push(crate::go::join_path(&spec.secrets.volume_path, "token"));
    }
    let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    let server = &spec.server;
    Document {
        method: method(spec),
        sink_paths,
        exit_after_auth: role == Role::Init,
        pid_file: format!("{HOME}/.pid"),
        vault: written::Vault {
            address: server.address.to_owned(),
            ca_cert: server.ca_cert.to_owned(),
            ca_path: server.ca_path.to_owned(),
            tls_skip_verify: server.tls_skip_verify,
            client_cert: server.client_cert.to_owned(),
            client_key: server.client_key.to_owned(),
            tls_server_name: server.tls_server_name.to_owned(),
        },
        templates: spec.secrets.list.iter().map(template).collect(),
        listener,
        cache,
        template_config: written::TemplateConfig {
            exit_on_retry_failure: spec.engine.exit_on_retry_failure,
            static_secret_render_interval: spec.engine.render_interval.to_owned(),
            max_connections_per_host: spec.engine.max_connections,
            lease_renewal_threshold: spec.engine.lease_renewal_threshold,
        },
        disable_idle_connections: owned(&spec.listener.disable_idle_connections),
        disable_keep_alives: owned(&spec.listener.disable_keep_alives),
        telemetry: spec.listener.telemetry.clone(),
        leasehold: (spec.agent.flavour == Flavour::Leasehold).then(|| ours(role, spec, report)),
    }
}

fn method(spec: &Spec<'_>) -> written::Method {
    let login = &spec.login;
    written::Method {
        kind: login.method.to_owned(),
        mount_path: login.mount_path.to_owned(),
        min_backoff: login.backoff.min.to_owned(),
        max_backoff: login.backoff.max.to_owned(),
        namespace: spec.server.namespace.to_owned(),
        config: method_config(spec),
        exit_on_err: login.exit_on_err,
    }
}

fn method_config(spec: &Spec<'_>) -> MethodConfig {
    let mut config: BTreeMap<&str, &str> = spec
        .login
        .config
        .iter()
        .map(|(key, value)| (key.as_str(), *value))
        .collect();
    if let Some(token) = &spec.token {
        // A jwt login without a path would fail; the agent's own token is what it wants.
        let ours = spec.agent.token.source == TokenSource::Projected;
        if spec.login.method == "jwt" && ours && !config.contains_key("path") {
            config.insert("path", &token.file);
            config.entry("remove_jwt_after_reading").or_insert("false");
        }
        config.entry("token_path").or_insert(&token.file);
    }
    config
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

fn template(secret: &Secret<'_>) -> written::Template {
    let (contents, source) = match &secret.source {
        Source::Contents(contents) => (contents.to_string(), String::new()),
        Source::File(file) => (String::new(), (*file).to_owned()),
    };
    written::Template {
        destination: secret.destination.clone(),
        contents,
        left_delimiter: secret.left_delimiter.to_owned(),
        right_delimiter: secret.right_delimiter.to_owned(),
        command: secret.command.to_owned(),
        source,
        perms: secret.perms.to_owned(),
        error_on_missing_key: secret.error_on_missing_key,
    }
}

fn listener(
    role: Role,
    spec: &Spec<'_>,
    pod: &Pod<'_>,
) -> (Option<written::Listener>, Option<written::Cache>) {
    let asked = &spec.listener;
    let caches = asked.cache
        && !spec.agent.pre_populates_only()
        && (persists_cache(spec) || role != Role::Init);
    if !caches && !asked.quit {
        return (None, None);
    }
    let listener = written::Listener {
        address: format!("127.0.0.1:{}", asked.port),
        enable_quit: asked.quit,
        // On the host's network any program of the node can call; a browser's page cannot set it.
        require_request_header: spec.agent.flavour == Flavour::Leasehold && pod.host_network(),
    };
    let persist = (caches && persists_cache(spec)).then(|| written::Persist {
        path: "/vault/agent-cache".to_owned(),
        exit_on_err: asked.cache_exit_on_err,
    });
    let token = if caches { asked.cache_token } else { "" };
    let cache = written::Cache {
        use_auto_auth_token: token.to_owned(),
        persist,
    };
    (Some(listener), Some(cache))
}

/// What only our agent reads.
fn ours(role: Role, spec: &Spec<'_>, report: &Report) -> Leasehold {
    let by_itself = matches!(spec.agent.placement, Placement::Native(_));
    let revoke = role != Role::Init && spec.container.revocation.asked.unwrap_or(by_itself);
    Leasehold {
        mode: Some(match role {
            Role::Native => leasehold_config::Mode::Native,
            Role::Init => leasehold_config::Mode::Init,
            Role::Sidecar => leasehold_config::Mode::Sidecar,
        }),
        state_dir: (hands_over(spec) || role != Role::Init).then(|| STATE_DIR.to_owned()),
        revoke_on_exit: Some(revoke),
        revoke_after_handover: spec.agent.revoke_after_handover,
        login_spread: Some(Duration::from_secs(spec.agent.login_spread_seconds))
            .filter(|spread| !spread.is_zero()),
        findings: report.summary(),
        logins: spec
            .further
            .iter()
            .filter_map(|further| further_login(further, spec))
            .collect(),
        template_logins: spec
            .further
            .iter()
            .flat_map(|login| {
                login
                    .destinations
                    .iter()
                    .map(|d| (d.clone(), login.name.clone()))
            })
            .collect(),
        notify: spec.notify.clone(),
    }
}

/// A login beside the first: what it has of its own, and the rest as the first has it. None for a
/// method that our agent does not know, which its reader tells of the first login.
fn further_login(further: &Further<'_>, spec: &Spec<'_>) -> Option<leasehold_config::Login> {
    let (own, login, server) = (&further.own, &spec.login, &spec.server);
    let (_, kind) = MethodKind::ALL
        .into_iter()
        .find(|(word, _)| word.eq_ignore_ascii_case(login.method))?;
    let mut config = method_config(spec);
    if let Some(role) = own.role {
        config.set("role", role);
    }
    let file = own
        .audience
        .and_then(|audience| spec.token.as_ref()?.further.get(audience))
        .map(String::as_str);
    if let (Some(file), Some(token)) = (file, &spec.token) {
        config.set("token_path", file);
        if config.get("path") == Some(token.file.as_str()) {
            config.set("path", file);
        }
    }
    let text = |value: &str| (!value.is_empty()).then(|| value.to_owned());
    let namespace = own.namespace.unwrap_or(server.namespace);
    let pause = |value| leasehold_config::duration::parse(value).filter(|pause| !pause.is_zero());
    Some(leasehold_config::Login {
        name: further.name.clone(),
        method: leasehold_config::Method {
            kind,
            mount_path: own
                .auth_path
                .unwrap_or(login.mount_path)
                .trim_matches('/')
                .to_owned(),
            namespace: text(namespace.trim_matches('/')),
            wrap_ttl: None,
            min_backoff: pause(login.backoff.min),
            max_backoff: pause(login.backoff.max),
            exit_on_err: login.exit_on_err,
            config,
        },
        vault: leasehold_config::Server {
            address: own.service.map(str::to_owned),
            ca_cert: text(server.ca_cert),
            ca_path: text(server.ca_path),
            client_cert: text(server.client_cert),
            client_key: text(server.client_key),
            tls_server_name: text(server.tls_server_name).filter(|_| own.service.is_none()),
            tls_skip_verify: server.tls_skip_verify,
            ..leasehold_config::Server::default()
        },
    })
}

/// Whether nothing but texts, paths and known words went into the configuration, so that its reader
/// cannot object, or objects only to what [`refusals`] leaves to the annotation's own check. Most pods
/// are like that, and are spared the reading.
fn is_plain(spec: &Spec<'_>) -> bool {
    let (login, engine, listener) = (&spec.login, &spec.engine, &spec.listener);
    matches!(login.method, "kubernetes" | "jwt")
        && login.config.keys().all(|key| key == "role")
        && login.backoff.max.is_empty()
        && spec.server.address.starts_with("http")
        && spec.server.client_cert.is_empty() == spec.server.client_key.is_empty()
        && engine.max_connections == 0
        && !listener.cache
        && !listener.quit
        && listener.telemetry.is_none()
        && spec.further.is_empty()
        && spec
            .secrets
            .list
            .iter()
            .all(|secret| secret.command.is_empty() && secret.destination.starts_with('/'))
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
    let mut finding = Finding::error(Code::TooLarge, text);
    if let Some((_, name)) = sizes.first() {
        finding = finding.about(format!("{}-{name}", names::TEMPLATE.full_name()));
    }
    report.deny(Stage::Patch, recorded, finding);
}
