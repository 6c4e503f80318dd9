//! What configurations are read as, in both spellings, and what is said about bad ones.

use std::time::Duration;

use leasehold_config::{
    ChangeCommand, Command, Endpoint, ListenerRole, MethodKind, Mode, Part, Persist, Restart,
    Signal, TemplateSource, UseAutoAuthToken, Wait, load, merge, parse, to_json,
};

const HCL: &str = include_str!("data/everything.hcl");
const JSON: &str = include_str!("data/everything.json");

#[test]
fn every_key_is_read() {
    let parsed = parse("everything.hcl", HCL).unwrap();
    assert_eq!(parsed.warnings, []);
    let config = parsed.config;
    let auto_auth = config.auto_auth.unwrap();
    let method = &auto_auth.method;
    assert_eq!(method.kind, MethodKind::Kubernetes);
    assert_eq!(method.mount_path, "auth/k8s-prod");
    assert_eq!(method.namespace.as_deref(), Some("team-a/shop"));
    assert_eq!(method.min_backoff, Some(Duration::from_millis(500)));
    assert_eq!(method.max_backoff, Some(Duration::from_secs(180)));
    assert!(method.exit_on_err);
    assert_eq!(method.config.get("role"), Some("web"));
    assert_eq!(method.config.get("token_path"), Some("/var/run/token"));
    assert!(auto_auth.enable_reauth_on_new_credentials);
    let [plain, sealed] = auto_auth.sinks.as_slice() else {
        panic!("two sinks");
    };
    assert_eq!(
        (plain.path.as_str(), plain.mode),
        ("/home/vault/.vault-token", 0o640)
    );
    assert_eq!(
        (sealed.mode, sealed.uid, sealed.gid),
        (0o600, Some(100), Some(1000))
    );
    assert_eq!(sealed.wrap_ttl, Some(Duration::from_secs(300)));
    let encryption = sealed.encryption.as_ref().unwrap();
    assert_eq!(encryption.peer_key_path, "/keys/peer");
    assert!(encryption.derive_key);
    assert_eq!(encryption.aad.as_deref(), Some("more"));

    assert!(config.exit_after_auth);
    assert_eq!(config.pid_file.as_deref(), Some("/home/vault/.pid"));
    assert_eq!(config.vault.address.as_deref(), Some("https://vault:8200"));
    assert!(config.vault.tls_skip_verify);
    assert_eq!(config.vault.num_retries, 0);

    let [first, second] = config.templates.as_slice() else {
        panic!("two templates");
    };
    assert_eq!(
        first.source,
        TemplateSource::Inline("{{ with secret \"kv/data/a\" }}${x}{{ end }}\n".to_owned())
    );
    assert_eq!(first.perms, Some(0o600));
    assert_eq!(first.user.as_deref(), Some("app"));
    assert_eq!(first.group.as_deref(), Some("1000"));
    assert!(first.backup && !first.create_dest_dirs && !first.error_fatal);
    assert!(first.language.error_on_missing_key);
    assert_eq!(first.language.left_delimiter, "{{");
    assert_eq!(first.language.function_denylist, ["plugin", "env"]);
    assert_eq!(first.language.sandbox_path.as_deref(), Some("/sandbox"));
    let command = first.command.as_ref().unwrap();
    assert_eq!(command.command, Command::Shell("kill -HUP 1".to_owned()));
    assert_eq!(command.timeout, Duration::from_secs(5));
    assert_eq!(
        first.wait,
        Some(Wait {
            min: Duration::from_secs(2),
            max: Duration::from_secs(8)
        })
    );
    assert_eq!(second.source, TemplateSource::File("/t.ctmpl".to_owned()));
    assert_eq!(second.perms, Some(0o440));
    assert_eq!(second.language.left_delimiter, "[[");
    let ChangeCommand {
        command,
        timeout,
        environment,
        kill_signal,
        kill_timeout,
        reload_signal,
        splay,
    } = second.command.clone().unwrap();
    assert_eq!(
        command,
        Command::Program(vec![
            "nginx".to_owned(),
            "-s".to_owned(),
            "reload now".to_owned()
        ])
    );
    assert_eq!(timeout, Duration::from_secs(20));
    assert!(environment.pristine);
    assert_eq!(environment.custom, ["A=b,c"]);
    assert_eq!(environment.allowlist, ["PATH"]);
    assert_eq!(environment.denylist, ["VAULT_*"]);
    assert_eq!(kill_signal, Signal::TERMINATE);
    assert_eq!(kill_timeout, Duration::from_secs(3));
    assert_eq!(reload_signal.map(Signal::name), Some("SIGHUP"));
    assert_eq!(splay, Duration::from_secs(1));

    let [variable] = config.env_templates.as_slice() else {
        panic!("one variable");
    };
    assert_eq!(variable.name, "DB_PASS");
    let exec = config.exec.unwrap();
    assert_eq!(exec.restart_on_secret_changes, Restart::Never);
    assert_eq!(exec.restart_stop_signal.name(), "SIGUSR1");

    let [tcp, socket] = config.listeners.as_slice() else {
        panic!("two listeners");
    };
    assert_eq!(tcp.endpoint, Endpoint::Tcp("127.0.0.1:8100".to_owned()));
    assert!(tcp.enable_quit && tcp.require_request_header && tcp.tls.is_none());
    assert_eq!(tcp.role, ListenerRole::Default);
    let Endpoint::Unix(unix) = &socket.endpoint else {
        panic!("a socket");
    };
    assert_eq!(unix.owner.as_ref().map(|owner| owner.mode), Some(0o660));
    assert_eq!(socket.role, ListenerRole::MetricsOnly);

    let cache = config.cache.unwrap();
    assert_eq!(cache.use_auto_auth_token, UseAutoAuthToken::WhenMissing);
    assert_eq!(
        cache.persist,
        Some(Persist {
            path: "/vault/agent-cache".to_owned(),
            keep_after_import: true,
            exit_on_err: true,
            service_account_token_file: Some("/sa".to_owned()),
        })
    );
    assert_eq!(
        config.api_proxy.unwrap().use_auto_auth_token,
        UseAutoAuthToken::Force
    );
    assert!(config.template_config.exit_on_retry_failure);
    assert_eq!(
        config.template_config.static_secret_render_interval,
        Duration::from_secs(90)
    );
    assert_eq!(config.template_config.max_connections_per_host, 25);
    assert!((config.template_config.lease_renewal_threshold - 0.75).abs() < f64::EPSILON);
    assert_eq!(
        config.disable_idle_connections,
        [Part::AutoAuth, Part::Proxying, Part::Templating]
    );
    assert_eq!(config.disable_keep_alives, [Part::Templating]);
    let telemetry = config.telemetry.unwrap();
    assert_eq!(
        telemetry.prometheus_retention(),
        Some(Duration::from_secs(30))
    );
    assert!(telemetry.disable_hostname());
    assert_eq!(config.log.rotate_bytes, Some(4096));
    let leasehold = config.leasehold.unwrap();
    assert_eq!(leasehold.mode, Some(Mode::Native));
    assert_eq!(leasehold.revoke_on_exit, Some(false));
    assert_eq!(leasehold.login_spread, Some(Duration::from_secs(60)));
    assert_eq!(leasehold.findings, ["first, with a comma", "second"]);
    assert_eq!(leasehold.logins[0].name, "other");
    assert_eq!(leasehold.logins[0].method.kind, MethodKind::Jwt);
    assert_eq!(
        leasehold.template_logins,
        [("/vault/secrets/b".to_owned(), "other".to_owned())]
    );
}

#[test]
fn hcl_and_json_of_one_configuration_read_equal() {
    let hcl = parse("everything.hcl", HCL).unwrap().config;
    let json = parse("everything.json", JSON).unwrap();
    assert_eq!(json.warnings, []);
    assert_eq!(json.config, hcl);
}

#[test]
fn what_is_written_reads_back_as_it_was() {
    let config = parse("everything.hcl", HCL).unwrap().config;
    let written = to_json(&config);
    assert!(!written.contains('\n'));
    assert_eq!(parse("written", &written).unwrap().config, config);
}

#[test]
fn json_may_nest_blocks_in_lists_or_under_their_labels() {
    let flat = r#"{"auto_auth":{"method":{"type":"jwt","config":{"path":"/p"}},
        "sink":[{"type":"file","config":{"path":"/a"}}]},
        "listener":[{"type":"tcp","address":"x:1","tls_disable":true}],
        "env_template":[{"name":"A","contents":"x"},{"name":"B","contents":"y"}]}"#;
    let nested = r#"{"auto_auth":[{"method":[{"jwt":[{"config":[{"path":"/p"}]}]}],
        "sink":{"file":{"config":{"path":"/a"}}}}],
        "listener":{"tcp":{"address":"x:1","tls_disable":"true"}},
        "env_template":{"A":{"contents":"x"},"B":[{"contents":"y"}]}}"#;
    assert_eq!(
        parse("flat", flat).unwrap().config,
        parse("nested", nested).unwrap().config
    );
}

#[test]
fn defaults_are_vaults() {
    let text = r#"auto_auth { method "KUBERNETES" { mount_path = "auth/k8s/" config { role = "r" } } }
        template { contents = "x" destination = "/d" perms = "" command = "reload" }
        listener "tcp" { tls_disable = 1 }"#;
    let config = load([("a.hcl", text)]).unwrap().config;
    let method = config.auto_auth.unwrap().method;
    assert_eq!(method.mount_path, "auth/k8s");
    assert_eq!(method.first_backoff(), Duration::from_secs(1));
    assert_eq!(method.longest_backoff(), Duration::from_secs(300));
    assert_eq!(config.vault.num_retries, 12);
    let template = &config.templates[0];
    assert!(template.create_dest_dirs && template.error_fatal);
    assert_eq!(template.perms, None);
    let command = template.command.as_ref().unwrap();
    assert_eq!(command.command, Command::Program(vec!["reload".to_owned()]));
    assert_eq!(command.timeout, Duration::from_secs(30));
    assert_eq!(
        config.listeners[0].endpoint,
        Endpoint::Tcp("127.0.0.1:8200".to_owned())
    );
    assert_eq!(
        config.template_config.static_secret_render_interval,
        Duration::from_secs(300)
    );
}

#[test]
fn unknown_keys_are_fatal_in_templates_and_warnings_elsewhere() {
    let error = parse(
        "a.hcl",
        "template {\n contents = \"x\"\n destination = \"/d\"\n bogus = 1\n}",
    )
    .unwrap_err();
    assert_eq!(
        error.to_string(),
        "invalid configuration: `a.hcl`, line 4: `template.bogus` is not a key that is known here"
    );
    let parsed = parse(
        "a.hcl",
        "bogus = 1\nvault {\n addres = \"x\"\n}\ndisable_mlock = true",
    )
    .unwrap();
    let warnings: Vec<_> = parsed.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings,
        [
            "`a.hcl`, line 3: `vault.addres` is not a key that is known here and is ignored",
            "`a.hcl`, line 5: `disable_mlock` has no effect: it belongs to the server",
            "`a.hcl`, line 1: `bogus` is not a key that is known here and is ignored",
        ]
    );
}

#[test]
fn all_bad_values_are_told_at_once_with_what_is_accepted() {
    let text = r#"
auto_auth {
  method "telepathy" { min_backoff = "soon" exit_on_err = "maybe" }
  sink "file" {}
}
template { contents = "x" source = "/y" destination = "/d" perms = "rw-r-----" }
template_config { lease_renewal_threshold = 1.5 }
disable_keep_alives = ["everything", ""]
log_level = "loud"
"#;
    let findings = parse("a.hcl", text).unwrap_err().findings();
    let told: Vec<_> = findings.iter().map(ToString::to_string).collect();
    for (line, key, part) in [
        (
            3,
            "auto_auth.method.type",
            "is `telepathy`; accepted are kubernetes, jwt,",
        ),
        (
            3,
            "auto_auth.method.min_backoff",
            "is `soon`; accepted is a number of seconds",
        ),
        (
            3,
            "auto_auth.method.exit_on_err",
            "is `maybe`; accepted is true or false",
        ),
        (4, "auto_auth.sink.config.path", "is missing"),
        (6, "template", "has both `contents` and `source`"),
        (
            6,
            "template.perms",
            "is `rw-r-----`; accepted is an octal text",
        ),
        (7, "template_config.lease_renewal_threshold", "is `1.5`"),
        (
            8,
            "disable_keep_alives",
            "has the word `everything`; accepted are auto-auth",
        ),
        (9, "log_level", "is `loud`; accepted are trace, debug"),
    ] {
        let start = format!("`a.hcl`, line {line}: `{key}` ");
        assert!(
            told.iter()
                .any(|t| t.starts_with(&start) && t.contains(part)),
            "{start}{part}\n{told:#?}"
        );
    }
    assert_eq!(told.len(), 9, "{told:#?}");
}

#[test]
fn syntax_errors_name_file_and_line() {
    for (text, message) in [
        (
            "vault {\n address = x\n}",
            "failed to read the configuration `a.conf`, line 2: expected a value, found the bare \
             word `x`; texts stand in double quotes",
        ),
        (
            "{\"vault\":\n{\"address\" 1}}",
            "failed to read the configuration `a.conf`, line 2: expected `:` after the key \
             `address`, found `1`",
        ),
        (
            "{} x",
            "failed to read the configuration `a.conf`, line 1: expected the end of the file \
             after the JSON object, found `x`",
        ),
    ] {
        assert_eq!(parse("a.conf", text).unwrap_err().to_string(), message);
    }
}

#[test]
fn several_files_are_joined_as_vault_does() {
    let first = parse(
        "a.hcl",
        r#"pid_file = "/a" vault { address = "https://a" ca_cert = "/ca" } log_level = "debug"
           template { contents = "1" destination = "/1" } template_config { exit_on_retry_failure = true }
           disable_keep_alives = ["templating"]"#,
    )
    .unwrap();
    let second = parse(
        "b.json",
        r#"{"vault":{"address":"https://b"},"template":[{"contents":"2","destination":"/2"}],"exit_after_auth":true,"log_format":"json"}"#,
    )
    .unwrap();
    let config = merge(vec![first, second]).config;
    assert_eq!(config.pid_file.as_deref(), Some("/a"));
    assert_eq!(config.vault.address.as_deref(), Some("https://b"));
    assert_eq!(
        config.vault.ca_cert, None,
        "a single block is replaced whole"
    );
    assert_eq!(config.templates.len(), 2);
    assert!(config.exit_after_auth && config.template_config.exit_on_retry_failure);
    assert_eq!(config.disable_keep_alives, [Part::Templating]);
    assert!(config.log.level.is_some() && config.log.format.is_some());
}

#[test]
fn secrets_of_a_login_are_not_in_debug_texts() {
    let text = r#"auto_auth { method "aws" { config { type = "iam" role = "r" secret_key = "s3cr3t" } } }"#;
    let config = parse("a.hcl", text).unwrap().config;
    let shown = format!("{config:?}");
    assert!(shown.contains("secret_key") && !shown.contains("s3cr3t"));
}

#[test]
fn a_key_unknown_to_the_method_is_a_warning_but_what_every_injector_writes_is_not() {
    let text = r#"{"auto_auth":{"method":{"type":"cert","config":{"token_path":"/t","role":"r","naem":"x"}}}}"#;
    let warnings = parse("a", text).unwrap().warnings;
    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].problem.contains("`naem`"));
}
