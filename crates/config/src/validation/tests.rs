//! Each rule that concerns several blocks, broken once.

use crate::load;

const LOGIN: &str = r#"auto_auth { method "kubernetes" { config = { role = "web" } } }"#;

fn problems(text: &str) -> Vec<String> {
    match load([("agent.hcl", text)]) {
        Ok(_) => Vec::new(),
        Err(error) => error.findings().iter().map(ToString::to_string).collect(),
    }
}

#[track_caller]
fn check(text: &str, expected: &str) {
    let problems = problems(text);
    assert!(
        problems.len() == 1 && problems[0].contains(expected),
        "{text}\n{problems:#?}"
    );
}

#[test]
fn a_complete_configuration_breaks_no_rule() {
    let none: Vec<String> = Vec::new();
    let template = "\ntemplate { contents = \"x\" destination = \"/a\" }";
    assert_eq!(problems(&format!("{LOGIN}{template}")), none);
    let listener = "listener \"tcp\" { tls_disable = true }\n";
    assert_eq!(problems(&format!("{listener} cache {{}}")), none);
    assert_eq!(
        problems(&format!(
            "{LOGIN} {listener} api_proxy {{ use_auto_auth_token = \"force\" }}"
        )),
        none
    );
}

#[test]
fn a_configuration_must_have_something_to_do() {
    check("pid_file = \"/x\"", "at least one is needed");
    check(LOGIN, "nothing to log in for");
    check("cache {}", "`cache` needs a `listener` or a `template`");
    check(
        &format!("{LOGIN} template {{ contents=\"x\" destination=\"/a\" }} api_proxy {{}}"),
        "`api_proxy` needs a `listener`",
    );
}

#[test]
fn login_settings_must_fit_together() {
    let method = |inside: &str| {
        format!(
            "auto_auth {{\n method \"kubernetes\" {{\n {inside}\n config = {{ role = \"web\" }} }}\n\
             sink \"file\" {{ config = {{ path = \"/t\" }} }} }}"
        )
    };
    check(
        &method("min_backoff = \"10m\""),
        "`agent.hcl`, line 2: `auto_auth.method.min_backoff` is 10m, which is not below \
         `max_backoff`, 5m",
    );
    check(
        &method("wrap_ttl = \"1m\"").replace(
            "sink",
            "sink \"file\" { config = { path = \"/u\" } }\n sink",
        ),
        "exactly one `sink`",
    );
    check(
        &method("").replace("role", "rolle"),
        "`auto_auth.method.config.role` is missing; the method `kubernetes` needs it",
    );
    check(
        &format!(
            "{} listener \"tcp\" {{ tls_disable = true }} cache {{ use_auto_auth_token = true }}",
            method("wrap_ttl = 60")
        ),
        "the token is wrapped",
    );
}

#[test]
fn the_agents_token_needs_one_place_and_a_login() {
    let rest = "listener \"tcp\" { tls_disable = true }\n cache { use_auto_auth_token = true }";
    check(rest, "`cache.use_auto_auth_token` needs `auto_auth`");
    check(
        &format!("{LOGIN} {rest} api_proxy {{ use_auto_auth_token = true }}"),
        "only one is accepted",
    );
}

#[test]
fn supervisor_blocks_come_together_and_alone() {
    let variable = "env_template \"A\" { contents = \"x\" }";
    let exec = "exec { command = [\"app\"] }";
    check(
        &format!("{LOGIN} {variable}"),
        "`env_template` needs `exec`",
    );
    check(
        &format!(
            "{LOGIN} {exec} listener \"tcp\" {{ tls_disable=true }} cache {{ use_auto_auth_token=true }}"
        ),
        "`exec` needs an `env_template`",
    );
    check(
        &format!("{LOGIN} {variable} {exec} template {{ contents=\"x\" destination=\"/a\" }}"),
        "`template` cannot stand beside",
    );
    check(
        &format!("{LOGIN} {variable} {variable} {exec}"),
        "names the variable `A` twice",
    );
}

#[test]
fn a_client_certificate_needs_its_key() {
    let sink = "template { contents=\"x\" destination=\"/a\" }";
    check(
        &format!("{LOGIN} {sink}\nvault {{ client_cert = \"/c\" }}"),
        "line 2: `vault.client_cert` needs `client_key`",
    );
}

#[test]
fn further_logins_are_whole_and_referred_to_by_name() {
    let file = |ours: &str| {
        format!("{LOGIN} template {{ contents=\"x\" destination=\"/a\" }}\nleasehold {{ {ours} }}")
    };
    let login = "logins \"b\" { method \"jwt\" { config { path = \"/p\" } } }";
    let pair = "template_logins = { \"/a\" = \"b\" }";
    assert_eq!(problems(&file(&format!("{login} {pair}"))), [""; 0]);
    check(&file(pair), "the login `b`, which is not in `logins`");
    check(&file(&format!("{login} {login}")), "the name `b` twice");
    check(
        &file(&format!("{login} template_logins = {{ \"/c\" = \"b\" }}")),
        "`/c`, which no template has",
    );
    check(
        &file(&login.replace("path", "role")),
        "line 2: `leasehold.logins.method.config.path` is missing",
    );
}

#[test]
fn whom_to_tell_belongs_to_a_template() {
    let file = |notify: &str| {
        format!(
            "{LOGIN} template {{ contents=\"x\" destination=\"/a\" }}\nleasehold {{ {notify} }}"
        )
    };
    assert_eq!(
        problems(&file(
            "notify \"/a\" { signal = \"HUP nginx\" splay = \"5s\" }"
        )),
        [""; 0]
    );
    check(
        &file("notify \"/b\" { signal = \"HUP nginx\" }"),
        "`/b`, which no template has",
    );
    check(
        &file("notify \"/a\" { request = \"http://vault:8200/\" }"),
        "has a host that is not the pod itself; accepted is a method and an address",
    );
    check(
        &file("notify \"/a\" { splay = \"1h\" }"),
        "`leasehold.notify.splay` is longer than five minutes",
    );
}
