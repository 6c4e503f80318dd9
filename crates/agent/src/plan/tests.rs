//! What becomes of configurations, in tables.

use super::*;
use crate::core::rendering::Severity;

fn read(text: &str) -> Result<Plan, PlanError> {
    let parsed = leasehold_config::load([("test.hcl", text)]).unwrap();
    plan(
        &parsed.config,
        &ConnectionFlags::default(),
        &Environment::default(),
    )
}

const LOGIN: &str = r#"
    vault { address = "http://127.0.0.1:8200" }
    auto_auth { method "kubernetes" { config = { role = "checkout" } } }
"#;

fn with(rest: &str) -> Result<Plan, PlanError> {
    let template = r#"template { contents = "x" destination = "/tmp/x" command = "true" }
        template { contents = "y" destination = "/tmp/y" command = "true" error_fatal = false }"#;
    read(&format!("{LOGIN}{template}{rest}"))
}

#[test]
fn templates_with_the_same_command_share_it() {
    let plan = with("").unwrap();
    let login = &plan.logins[0];
    assert_eq!(login.notices.len(), 1);
    let rules: Vec<_> = login
        .settings
        .templates
        .iter()
        .map(|rules| (rules.severity, rules.commands.clone()))
        .collect();
    assert_eq!(
        rules,
        [(Severity::Fatal, vec![0]), (Severity::Logged, vec![0])]
    );
}

#[test]
fn whom_to_tell_is_said_per_file_and_equal_notices_are_one() {
    let plan = with(
        r#"leasehold {
             notify "/tmp/x" { signal = "HUP nginx" splay = "5s" timeout = "2s" }
             notify "/tmp/y" { signal = "SIGHUP nginx" request = "http://localhost:1/r" }
           }"#,
    )
    .unwrap();
    let login = &plan.logins[0];
    let shown: Vec<_> = login.notices.iter().map(Notice::shown).collect();
    assert_eq!(
        shown,
        [
            "command `true`",
            "signal `SIGHUP nginx`",
            "command `true`",
            "request `POST http://localhost:1/r`"
        ],
        "the first command has a limit of its own"
    );
    let told: Vec<_> = login
        .settings
        .templates
        .iter()
        .map(|rules| rules.commands.clone())
        .collect();
    assert_eq!(told, [vec![0, 1], vec![2, 1, 3]]);
    let splays: Vec<_> = login
        .settings
        .commands
        .iter()
        .map(|pace| pace.splay.as_secs())
        .collect();
    assert_eq!(splays, [5, 5, 0, 0]);
}

#[test]
fn revokes_at_the_end_by_mode_unless_told() {
    let check = |rest: &str, expected: Rule| {
        let plan = with(rest).unwrap();
        assert_eq!(plan.logins[0].settings.revoke_on_exit, expected, "{rest}");
    };
    check("", Rule::Off);
    check(r#"leasehold { mode = "native" }"#, Rule::On);
    check(
        r#"leasehold { mode = "native" revoke_on_exit = false }"#,
        Rule::Off,
    );
    check(r#"leasehold { mode = "sidecar" }"#, Rule::Off);
    check(
        r#"leasehold { mode = "sidecar" revoke_on_exit = true }"#,
        Rule::On,
    );
    check(
        r#"exit_after_auth = true leasehold { mode = "init" revoke_on_exit = true }"#,
        Rule::Off,
    );
}

#[test]
fn reads_pause_by_their_own_rule_unless_the_method_names_pauses() {
    let plain = with("").unwrap().logins[0].settings.secrets;
    assert_eq!(
        (plain.first_pause, plain.largest_pause),
        (FIRST_READ_PAUSE, LARGEST_READ_PAUSE)
    );
    let text = r#"vault { address = "http://127.0.0.1:8200" retry { num_retries = -1 } }
        auto_auth { method "kubernetes" { min_backoff = "2s" max_backoff = "3s" config = { role = "r" } } }
        template { contents = "x" destination = "/tmp/x" }"#;
    let named = read(text).unwrap().logins[0].settings.secrets;
    assert_eq!(named.first_pause, Duration::from_secs(2));
    assert_eq!(named.largest_pause, Duration::from_secs(3));
    assert_eq!(named.retries, 0);
}

#[test]
fn a_method_of_the_other_agent_is_refused_in_words() {
    let text = r#"auto_auth { method "kerberos" { config = { username = "a" service = "b"
        realm = "c" keytab_path = "/d" krb5conf_path = "/e" } } }
        template { contents = "x" destination = "/tmp/x" }"#;
    let error = read(text).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("`kerberos` is not one of this agent's: it needs Vault's own agent"),
        "{error}"
    );
}
