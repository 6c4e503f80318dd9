//! Every stanza and key of Vault Agent's configuration: each is either followed, or named in a warning that
//! `run` logs and `check-config` prints, or refused. None is passed over in silence.

use leasehold_agent::{check, connection::ConnectionFlags, environment::Environment};

/// What becomes of a key.
#[derive(Debug, Clone, Copy)]
enum Becomes {
    /// It is followed.
    Followed,
    /// It has no effect, and a warning with these words says so.
    Named(&'static str),
    /// The configuration is refused with these words.
    Refused(&'static str),
}
use Becomes::{Followed, Named, Refused};

/// A configuration with nothing special, into which a row puts its key at one place.
fn text(block: &str, keys: &str) -> String {
    let at = |place: &str| if place == block { keys } else { "" };
    let login = match block {
        // Rows about a method bring their own.
        "method" => keys.to_owned(),
        _ => format!(
            r#"method "kubernetes" {{ config = {{ role = "web" }} {} }}"#,
            at("auth_method")
        ),
    };
    let exec = match block {
        "supervised" => format!(
            "exec {{ command = [\"app\"] {keys} }} env_template \"A\" {{ contents = \"x\" }}"
        ),
        "env_template" => format!("exec {{ command = [\"app\"] }} env_template \"A\" {{ {keys} }}"),
        _ => String::new(),
    };
    let template = match exec.is_empty() {
        false => String::new(),
        true => format!(
            "template {{ {} destination = \"/t\" {} exec {{ command = [\"true\"] {} }} }}",
            if keys.starts_with("source") {
                ""
            } else {
                "contents = \"x\""
            },
            at("template"),
            at("exec")
        ),
    };
    format!(
        r#"
        {top}
        vault {{ address = "http://127.0.0.1:8200" {vault} }}
        auto_auth {{ {login} sink "file" {{ {sink} config = {{ path = "/tok" {sink_config} }} }} {auto_auth} }}
        {template} {exec}
        template_config {{ {template_config} }}
        listener "tcp" {{ address = "127.0.0.1:0" tls_disable = true {listener} }}
        listener "unix" {{ address = "/run/x.sock" tls_disable = true {socket} }}
        cache {{ {cache} }}
        telemetry {{ {telemetry} }}
        {tls}
        {api_proxy}
        "#,
        top = at("top"),
        vault = if block == "vault_address" {
            ""
        } else {
            at("vault")
        },
        sink = at("sink"),
        sink_config = at("sink_config"),
        auto_auth = at("auto_auth"),
        template_config = at("template_config"),
        listener = at("listener"),
        socket = at("socket"),
        cache = at("cache"),
        telemetry = at("telemetry"),
        tls = match block {
            "tls" => format!("listener \"tcp\" {{ {keys} }}"),
            _ => String::new(),
        },
        api_proxy = match block {
            "api_proxy" => format!("api_proxy {{ {keys} }}"),
            _ => String::new(),
        },
    )
}

/// What is said about a configuration: its warnings, or why it is refused.
fn said(text: &str, environment: &Environment) -> Result<Vec<String>, String> {
    let parsed = leasehold_config::load([("agent.hcl", text)]).map_err(|e| e.to_string())?;
    let checked = check::check(&parsed, &ConnectionFlags::default(), environment)
        .map_err(|error| error.to_string())?;
    match checked.errors.first() {
        Some(error) => Err(error.clone()),
        None => Ok(checked.warnings),
    }
}

fn holds(expected: Becomes, said: &Result<Vec<String>, String>) -> bool {
    match (expected, said) {
        (Followed, Ok(warnings)) => warnings.is_empty(),
        (Named(words), Ok(warnings)) => warnings.len() == 1 && warnings[0].contains(words),
        (Refused(words), Err(error)) => error.contains(words),
        _ => false,
    }
}

/// Place, key with a value, and what becomes of it.
const KEYS: &[(&str, &str, Becomes)] = &[
    ("top", r#"pid_file = "/p""#, Followed),
    ("top", "exit_after_auth = true", Followed),
    ("top", r#"log_level = "debug""#, Followed),
    ("top", r#"log_format = "json""#, Followed),
    ("top", r#"log_file = "/l""#, Followed),
    ("top", "log_rotate_bytes = 1", Followed),
    ("top", r#"log_rotate_duration = "1h""#, Followed),
    ("top", "log_rotate_max_files = 2", Followed),
    (
        "top",
        r#"disable_idle_connections = ["auto-auth", "caching", "templating"]"#,
        Followed,
    ),
    (
        "top",
        r#"disable_keep_alives = ["auto-auth", "proxying", "templating"]"#,
        Followed,
    ),
    (
        "top",
        r#"disable_idle_connections = ["templating"]"#,
        Named("`disable_idle_connections`"),
    ),
    (
        "top",
        r#"disable_keep_alives = ["auto-auth"]"#,
        Named("`disable_keep_alives`"),
    ),
    (
        "top",
        r#"disable_keep_alives = ["all"]"#,
        Refused("disable_keep_alives"),
    ),
    ("top", r#"cluster_name = "c""#, Named("cluster_name")),
    ("top", "disable_mlock = true", Named("disable_mlock")),
    (
        "top",
        "default_max_request_duration = 9",
        Named("default_max_request_duration"),
    ),
    ("top", "bogus = 1", Named("bogus")),
    ("vault", r#"ca_cert = "/c""#, Followed),
    ("vault", r#"ca_path = "/c""#, Followed),
    ("vault", r#"client_cert = "/c" client_key = "/k""#, Followed),
    ("vault", r#"client_cert = "/c""#, Refused("client_key")),
    ("vault", r#"tls_server_name = "n""#, Followed),
    ("vault", "tls_skip_verify = true", Followed),
    ("vault", r#"namespace = "n""#, Followed),
    ("vault", "retry { num_retries = 3 }", Followed),
    ("vault", "retry { bogus = 3 }", Named("bogus")),
    ("vault", "bogus = 3", Named("bogus")),
    (
        "auto_auth",
        "enable_reauth_on_new_credentials = false",
        Followed,
    ),
    (
        "auto_auth",
        "enable_reauth_on_new_credentials = true",
        Named("`kubernetes` reads its credentials at each login"),
    ),
    ("auto_auth", "bogus = 1", Named("bogus")),
    ("auth_method", r#"mount_path = "auth/k""#, Followed),
    ("auth_method", r#"namespace = "n""#, Followed),
    ("auth_method", "wrap_ttl = 60", Followed),
    ("auth_method", "min_backoff = 2", Followed),
    ("auth_method", "max_backoff = 60", Followed),
    ("auth_method", "exit_on_err = true", Followed),
    ("auth_method", "bogus = true", Named("bogus")),
    (
        "method",
        r#"method "kubernetes" { config = { role = "r" token_path = "/t" } }"#,
        Followed,
    ),
    (
        "method",
        r#"method "kubernetes" { config = { role = "r" bogus = "/t" } }"#,
        Named("bogus"),
    ),
    (
        "method",
        r#"method "jwt" { config = { path = "/j" role = "r" remove_jwt_after_reading = false
        remove_jwt_follows_symlinks = true jwt_read_period = "1m" } }"#,
        Followed,
    ),
    (
        "method",
        r#"method "approle" { config = { role_id_file_path = "/r" secret_id_file_path = "/s"
        remove_secret_id_file_after_reading = false secret_id_response_wrapping_path = "auth/a" } }"#,
        Followed,
    ),
    (
        "method",
        r#"method "cert" { config = { name = "n" ca_cert = "/c" client_cert = "/c" client_key = "/k"
        reload = true } }"#,
        Followed,
    ),
    (
        "method",
        r#"method "token_file" { config = { token_file_path = "/t" } }"#,
        Followed,
    ),
    (
        "method",
        r#"method "ldap" { config = { username = "u" password_file_path = "/p"
        remove_password_after_reading = false remove_password_follows_symlinks = true password_read_period = 60 } }"#,
        Followed,
    ),
    (
        "method",
        r#"method "userpass" { config = { username = "u" password_file_path = "/p" } }"#,
        Followed,
    ),
    (
        "method",
        r#"method "aws" { config = { type = "iam" role = "r" access_key = "a" secret_key = "s"
        session_token = "t" region = "eu-west-1" header_value = "h" credential_poll_interval = 90 } }"#,
        Followed,
    ),
    (
        "method",
        r#"method "aws" { config = { type = "iam" role = "r" nonce = "n" } }"#,
        Named("`nonce`"),
    ),
    (
        "method",
        r#"method "gcp" { config = { type = "gce" role = "r" service_account = "s" } }"#,
        Followed,
    ),
    (
        "method",
        r#"method "gcp" { config = { type = "gce" role = "r" project = "p" } }"#,
        Named("`project`"),
    ),
    (
        "method",
        r#"method "gcp" { config = { type = "gce" role = "r" credentials = "c" } }"#,
        Named("`credentials`"),
    ),
    (
        "method",
        r#"method "gcp" { config = { type = "gce" role = "r" jwt_exp = 9 } }"#,
        Named("`jwt_exp`"),
    ),
    (
        "method",
        r#"method "azure" { config = { role = "r" resource = "x" client_id = "c" scope = "s"
        authenticate_from_environment = true } }"#,
        Followed,
    ),
    (
        "method",
        r#"method "azure" { config = { role = "r" resource = "x" object_id = "o" } }"#,
        Followed,
    ),
    (
        "method",
        r#"method "aws" { config = { type = "ec2" role = "r" } }"#,
        Refused("`aws` of type `ec2`"),
    ),
    (
        "method",
        r#"method "gcp" { config = { type = "iam" role = "r" } }"#,
        Refused("`gcp` of type `iam`"),
    ),
    (
        "method",
        r#"method "alicloud" { config = { role = "r" region = "x" } }"#,
        Refused("`alicloud`"),
    ),
    (
        "method",
        r#"method "cf" { config = { role = "r" } }"#,
        Refused("`cf`"),
    ),
    (
        "method",
        r#"method "oci" { config = { type = "apikey" role = "r" } }"#,
        Refused("`oci`"),
    ),
    (
        "method",
        r#"method "kerberos" { config = { username = "u" service = "s" realm = "r" keytab_path = "/k"
        krb5conf_path = "/c" disable_fast_negotiation = true } }"#,
        Refused("`kerberos`"),
    ),
    ("method", r#"method "bogus" { }"#, Refused("bogus")),
    ("sink", "wrap_ttl = 60", Followed),
    (
        "sink",
        r#"dh_type = "curve25519" dh_path = "/k" derive_key = true aad = "a""#,
        Followed,
    ),
    (
        "sink",
        r#"dh_type = "curve25519" dh_path = "/k" aad_env_var = "A""#,
        Followed,
    ),
    ("sink", "bogus = 1", Named("bogus")),
    ("sink_config", "mode = 0600", Followed),
    ("sink_config", "uid = 1", Followed),
    ("sink_config", "gid = 1", Followed),
    ("sink_config", "bogus = 1", Named("bogus")),
    ("template", "create_dest_dirs = false", Followed),
    ("template", r#"perms = "0600""#, Followed),
    ("template", r#"user = "u" group = "g""#, Followed),
    ("template", "uid = 1 gid = 1", Followed),
    ("template", "backup = true", Followed),
    (
        "template",
        r#"left_delimiter = "[[" right_delimiter = "]]""#,
        Followed,
    ),
    ("template", "error_on_missing_key = true", Followed),
    ("template", "error_fatal = false", Followed),
    (
        "template",
        r#"command = "true" command_timeout = "5s""#,
        Followed,
    ),
    ("template", r#"wait { min = "1s" max = "2s" }"#, Followed),
    ("template", r#"wait = "1s:2s""#, Followed),
    ("template", r#"function_denylist = ["env"]"#, Followed),
    ("template", r#"function_blacklist = ["env"]"#, Followed),
    ("template", r#"sandbox_path = "/s""#, Followed),
    ("template", "bogus = 1", Refused("bogus")),
    ("exec", "timeout = 5", Followed),
    ("exec", r#"kill_signal = "SIGTERM""#, Followed),
    ("exec", r#"kill_timeout = "3s""#, Followed),
    ("exec", r#"splay = "3s""#, Followed),
    ("exec", "enabled = false", Followed),
    (
        "exec",
        r#"env { pristine = true custom = ["A=b"] allowlist = ["P"] denylist = ["V"] }"#,
        Followed,
    ),
    (
        "exec",
        r#"reload_signal = "SIGHUP""#,
        Named("`exec.reload_signal`"),
    ),
    ("exec", "bogus = 1", Refused("bogus")),
    (
        "supervised",
        r#"restart_on_secret_changes = "never""#,
        Followed,
    ),
    ("supervised", r#"restart_stop_signal = "SIGINT""#, Followed),
    (
        "supervised",
        r#"child_process_stdout = "/o" child_process_stderr = "/e""#,
        Followed,
    ),
    ("supervised", "bogus = 1", Refused("bogus")),
    (
        "env_template",
        r#"contents = "x" error_on_missing_key = true error_fatal = false"#,
        Followed,
    ),
    (
        "env_template",
        r#"contents = "x" left_delimiter = "[[" right_delimiter = "]]""#,
        Followed,
    ),
    (
        "env_template",
        r#"contents = "x" function_denylist = ["env"]"#,
        Followed,
    ),
    (
        "env_template",
        r#"contents = "x" bogus = 1"#,
        Refused("bogus"),
    ),
    ("template_config", "exit_on_retry_failure = true", Followed),
    (
        "template_config",
        r#"static_secret_render_interval = "1m""#,
        Followed,
    ),
    ("template_config", "lease_renewal_threshold = 0.7", Followed),
    ("template_config", "max_connections_per_host = 3", Followed),
    ("template_config", "bogus = 3", Named("bogus")),
    ("listener", r#"role = "metrics_only""#, Followed),
    ("listener", "require_request_header = true", Followed),
    ("listener", "agent_api { enable_quit = true }", Followed),
    ("listener", "agent_api { bogus = true }", Named("bogus")),
    (
        "listener",
        r#"cluster_address = "x""#,
        Named("cluster_address"),
    ),
    (
        "tls",
        r#"tls_cert_file = "/c" tls_key_file = "/k" tls_min_version = "tls12" tls_max_version = "tls13""#,
        Followed,
    ),
    (
        "tls",
        r#"tls_cert_file = "/c" tls_key_file = "/k" tls_client_ca_file = "/a"
           tls_require_and_verify_client_cert = true"#,
        Followed,
    ),
    (
        "tls",
        r#"tls_cert_file = "/c" tls_key_file = "/k" tls_disable_client_certs = true
           tls_cipher_suites = "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256""#,
        Followed,
    ),
    ("tls", r#"tls_cert_file = "/c""#, Refused("tls_key_file")),
    (
        "socket",
        r#"socket_mode = "660" socket_user = "1" socket_group = "1""#,
        Followed,
    ),
    ("cache", "use_auto_auth_token = true", Followed),
    ("cache", r#"use_auto_auth_token = "force""#, Followed),
    (
        "cache",
        r#"persist "kubernetes" { path = "/c" keep_after_import = true }"#,
        Followed,
    ),
    (
        "cache",
        r#"persist "kubernetes" { path = "/c" exit_on_err = true }"#,
        Named("`exit_on_err`"),
    ),
    (
        "cache",
        r#"persist "kubernetes" { path = "/c" service_account_token_file = "/s" }"#,
        Named("`service_account_token_file`"),
    ),
    ("cache", r#"enforce_consistency = "never""#, Followed),
    (
        "cache",
        r#"enforce_consistency = "always""#,
        Named("`enforce_consistency`"),
    ),
    (
        "cache",
        r#"when_inconsistent = "retry""#,
        Named("`when_inconsistent`"),
    ),
    (
        "cache",
        "cache_static_secrets = true",
        Named("cache_static_secrets"),
    ),
    (
        "cache",
        "disable_caching_dynamic_secrets = true",
        Named("disable_caching_dynamic_secrets"),
    ),
    (
        "cache",
        "static_secret_token_capability_refresh_interval = 5",
        Named("static_secret_token_capability_refresh_interval"),
    ),
    ("cache", "bogus = true", Named("bogus")),
    ("api_proxy", "use_auto_auth_token = true", Followed),
    ("api_proxy", r#"use_auto_auth_token = "force""#, Followed),
    (
        "api_proxy",
        r#"enforce_consistency = "always""#,
        Named("`enforce_consistency`"),
    ),
    (
        "api_proxy",
        r#"when_inconsistent = "forward""#,
        Named("`when_inconsistent`"),
    ),
    (
        "api_proxy",
        "prepend_configured_namespace = true",
        Named("prepend_configured_namespace"),
    ),
    ("api_proxy", "bogus = true", Named("bogus")),
    (
        "telemetry",
        r#"prometheus_retention_time = "24h""#,
        Followed,
    ),
    ("telemetry", "disable_hostname = true", Followed),
    ("telemetry", "bogus = 1", Named("bogus")),
];

#[test]
fn each_key_is_followed_or_named() {
    let failed: Vec<String> = KEYS
        .iter()
        .filter_map(|(block, keys, expected)| {
            let said = said(&text(block, keys), &Environment::default());
            (!holds(*expected, &said))
                .then(|| format!("{block}: {keys}: {expected:?}, not {said:?}"))
        })
        .collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[test]
fn each_further_key_of_telemetry_is_named() {
    for key in leasehold_config::TelemetryKey::ALL {
        let value = match key.kind() {
            leasehold_config::TelemetryKind::Text => "\"1m\"",
            leasehold_config::TelemetryKind::Whole => "1",
            leasehold_config::TelemetryKind::Switch => "true",
            leasehold_config::TelemetryKind::List => "[\"+a\"]",
        };
        let said = said(
            &text("telemetry", &format!("{} = {value}", key.name())),
            &Environment::default(),
        );
        let expected = match key.name() {
            "prometheus_retention_time" | "disable_hostname" => Followed,
            name => Named(name),
        };
        assert!(holds(expected, &said), "{}: {said:?}", key.name());
    }
}

#[test]
fn each_variable_is_followed_or_named() {
    for (name, value, expected) in [
        ("VAULT_ADDR", "http://127.0.0.1:1", Followed),
        ("VAULT_CACERT", "/c", Followed),
        ("VAULT_CACERT_BYTES", "x", Followed),
        ("VAULT_CAPATH", "/c", Followed),
        ("VAULT_CLIENT_CERT", "/c", Refused("both halves")),
        ("VAULT_CLIENT_CERT_BYTES", "x", Refused("both halves")),
        ("VAULT_CLIENT_KEY_BYTES", "x", Refused("both halves")),
        ("VAULT_CLIENT_TIMEOUT", "5s", Followed),
        (
            "VAULT_CLIENT_TIMEOUT",
            "soon",
            Refused("VAULT_CLIENT_TIMEOUT"),
        ),
        ("VAULT_NAMESPACE", "n", Followed),
        ("VAULT_SKIP_VERIFY", "false", Followed),
        ("VAULT_SKIP_VERIFY", "perhaps", Refused("VAULT_SKIP_VERIFY")),
        ("VAULT_TLS_SERVER_NAME", "n", Followed),
        ("VAULT_DISABLE_REDIRECTS", "1", Followed),
        ("VAULT_HTTP_PROXY", "http://p:1", Followed),
        ("VAULT_PROXY_ADDR", "http://p:1", Followed),
        ("VAULT_RATE_LIMIT", "5:10", Followed),
        ("VAULT_RATE_LIMIT", "often", Refused("VAULT_RATE_LIMIT")),
        (
            "VAULT_AGENT_DISABLE_IDLE_CONNECTIONS",
            "auto-auth,caching,templating",
            Followed,
        ),
        (
            "VAULT_AGENT_DISABLE_KEEP_ALIVES",
            "templating",
            Named("`disable_keep_alives`"),
        ),
        ("VAULT_LOG_LEVEL", "debug", Followed),
        ("VAULT_LOG_FORMAT", "json", Followed),
        ("VAULT_MAX_RETRIES", "5", Followed),
        ("VAULT_MAX_RETRIES", "-1", Refused("VAULT_MAX_RETRIES")),
        ("VAULT_SRV_LOOKUP", "1", Followed),
        ("VAULT_SRV_LOOKUP", "perhaps", Refused("VAULT_SRV_LOOKUP")),
        ("VAULT_TOKEN", "t", Named("VAULT_TOKEN")),
        ("BAO_ADDR", "http://127.0.0.1:1", Followed),
    ] {
        let environment = Environment::default().with(name, value);
        let said = said(&text("", ""), &environment);
        assert!(holds(expected, &said), "{name}={value}: {said:?}");
    }
}

#[test]
fn closed_connections_are_closed_for_all_and_by_variable_first() {
    let closed = |keys: &str, environment: &Environment| {
        let parsed = leasehold_config::load([("agent.hcl", text("top", keys).as_str())]).unwrap();
        let plan =
            leasehold_agent::plan::plan(&parsed.config, &ConnectionFlags::default(), environment);
        plan.unwrap().logins[0].connection.connections == leasehold_vault::Connections::Closed
    };
    let none = Environment::default();
    assert!(!closed("", &none));
    assert!(closed(
        r#"disable_idle_connections = ["templating"]"#,
        &none
    ));
    assert!(closed(r#"disable_keep_alives = ["auto-auth"]"#, &none));
    let named = none
        .clone()
        .with("VAULT_AGENT_DISABLE_KEEP_ALIVES", "templating");
    assert!(closed("", &named));
    let emptied = none.with("VAULT_AGENT_DISABLE_KEEP_ALIVES", "");
    assert!(!closed(r#"disable_keep_alives = ["auto-auth"]"#, &emptied));
}
