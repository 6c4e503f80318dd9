//! From login to revocation: renewal, replacement, adoption after a kill, hand-over, a server that is away.

use std::fs;

use leasehold_testkit::{Postgres, wait};
use rustix::process::Signal;
use serde_json::json;

use crate::place::{APP, DATABASE, DEADLINE, EVERY_SECOND, NATIVE, Place, credentials};

#[test]
fn keeps_a_database_login_alive_replaces_it_in_time_and_revokes_it_at_the_end() {
    let place = Place::new("1h", "24h");
    let postgres = Postgres::start();
    place.database(&postgres, "4s", "10s");
    let mut agent = place.run_with(&format!("{DATABASE} {NATIVE}"));
    let first = place.await_file("db");
    wait::until_true("the login is replaced", DEADLINE, || {
        let now = place.file("db").unwrap();
        let (user, password) = credentials(&now);
        postgres.log_in(&user, &password).unwrap_or_else(|error| {
            panic!(
                "the file's credentials do not work: {error}; the log:\n{}",
                place.log()
            )
        });
        assert!(
            postgres
                .users()
                .iter()
                .filter(|user| user.starts_with("v-"))
                .count()
                <= 2
        );
        now != first
    });
    assert!(place.requests("sys/leases/renew") >= 1);
    assert_eq!(place.requests("auth/approle/login"), 1);
    agent.stop();
    wait::until_true("the database users are gone", DEADLINE, || {
        !postgres.users().iter().any(|user| user.starts_with("v-"))
    });
    assert!(
        !place.log().contains(&credentials(&first).1),
        "no secret is in the log"
    );
}

#[test]
fn adopts_token_and_leases_after_a_kill() {
    let place = Place::new("1h", "24h");
    let postgres = Postgres::start();
    place.database(&postgres, "60s", "1h");
    let mut agent = place.run_with(&format!("{DATABASE} {NATIVE}"));
    let first = place.await_file("db");
    place.await_file("state/ready");
    wait::until_true("the state is kept", DEADLINE, || {
        place
            .file("state/state.json")
            .is_some_and(|text| text.contains("database/creds/app"))
    });
    agent.signal(Signal::KILL);
    assert_eq!(agent.ends(), 128 + 9);
    let wait = place.run(&[
        "wait",
        "--timeout",
        "0s",
        "--config",
        &place.path("config.hcl").display().to_string(),
    ]);
    assert!(
        wait.status.success(),
        "files of an earlier run are in place"
    );

    let mut again = place.start("config.hcl");
    wait::until_true("the token is looked up", DEADLINE, || {
        place
            .log()
            .contains("continuing with the token of an earlier run")
    });
    again.stop();
    assert_eq!(place.file("db").unwrap(), first);
    assert_eq!(place.requests("auth/approle/login"), 1);
    assert_eq!(place.requests("database/creds/app"), 1);
    wait::until_true(
        "the user is revoked with the adopted token",
        DEADLINE,
        || !postgres.users().iter().any(|user| user.starts_with("v-")),
    );
}

#[test]
fn a_first_login_that_is_put_off_is_told_obeys_a_signal_and_is_spared_to_who_adopts() {
    let place = Place::with_secret("one");
    let native = |spread: &str| NATIVE.replace("mode", &format!("{spread} mode"));
    let spread = native("login_spread = \"100h\"");
    place.configure("spread.hcl", &format!("{APP} {spread}"));
    let mut agent = place.start("spread.hcl");
    place.await_log("at a random moment within 360000s (`login_spread`)");
    let told = |words: &[&str]| {
        let config = place.path("spread.hcl").display().to_string();
        let output = place.run(&[words, &["--config", &config]].concat());
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    };
    place.await_file("state/status.json");
    let status = told(&["status"]);
    assert!(status.contains("no token, first login in "), "{status}");
    let waited = told(&["wait", "--timeout", "0s"]);
    assert!(waited.contains("the first login comes in "), "{waited}");
    agent.stop();
    assert_eq!(place.requests("auth/approle/login"), 0);

    place.configure("at-once.hcl", &format!("{APP} {NATIVE}"));
    let mut agent = place.start("at-once.hcl");
    place.await_file("app");
    place.await_file("state/ready");
    agent.signal(Signal::KILL);
    assert_eq!(agent.ends(), 128 + 9);
    let _adopting = place.start("spread.hcl");
    place.await_log("continuing with the token of an earlier run");
    assert_eq!(place.requests("auth/approle/login"), 1);
}

#[test]
fn hands_token_and_leases_from_init_to_sidecar_without_fetching_twice() {
    let place = Place::new("1h", "24h");
    let postgres = Postgres::start();
    place.database(&postgres, "60s", "1h");
    let stanza =
        |mode: &str| format!("leasehold {{ mode = \"{mode}\" state_dir = \"FOLDER/state\" }}");
    place.configure(
        "init.hcl",
        &format!("exit_after_auth = true {DATABASE} {}", stanza("init")),
    );
    place.configure("sidecar.hcl", &format!("{DATABASE} {}", stanza("sidecar")));
    let mut init = place.start("init.hcl");
    assert_eq!(init.ends(), 0, "{}", place.log());
    let first = place.file("db").unwrap();
    let (user, password) = credentials(&first);
    postgres.log_in(&user, &password).unwrap();

    let mut sidecar = place.start("sidecar.hcl");
    wait::until_true("the sidecar goes on", DEADLINE, || {
        place
            .log()
            .contains("continuing with the token of an earlier run")
    });
    sidecar.stop();
    assert_eq!(place.requests("auth/approle/login"), 1);
    assert_eq!(place.requests("database/creds/app"), 1);
    postgres
        .log_in(&user, &password)
        .expect("a pair leaves its leases to their TTLs");
}

#[test]
fn without_a_state_folder_the_one_of_the_persisted_cache_hands_over() {
    let place = Place::with_secret("one");
    let cache = r#"
        cache { persist "kubernetes" { path = "FOLDER/cache" } }
        log_file = "FOLDER/agent.log" log_rotate_bytes = 400 log_rotate_max_files = 1
    "#;
    place.configure("init.hcl", &format!("exit_after_auth = true {APP} {cache}"));
    place.configure("sidecar.hcl", &format!("{APP} {cache}"));
    let mut init = place.start("init.hcl");
    assert_eq!(init.ends(), 0, "{}", place.log());
    let reads = place.requests("secret/data/app");
    let mut sidecar = place.start("sidecar.hcl");
    place.await_log("continuing with the token of an earlier run");
    sidecar.stop();
    assert_eq!(place.requests("auth/approle/login"), 1);
    assert_eq!(
        place.requests("secret/data/app"),
        reads,
        "nothing is read anew"
    );
    assert!(!place.log().contains("has no effect"), "{}", place.log());

    let logs = fs::read_dir(place.folder.path()).unwrap();
    let names = logs.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
    let aside = names.filter(|name| name.starts_with("agent-") && name.ends_with(".log"));
    assert_eq!(aside.count(), 1, "one that was put aside stays");
    let last = place.file("agent.log").unwrap();
    assert!(last.len() <= 400 && place.log().ends_with(&last), "{last}");
}

#[test]
fn logs_in_anew_before_the_tokens_maximum_and_the_secrets_never_break() {
    let place = Place::new("6s", "9s");
    let postgres = Postgres::start();
    place.database(&postgres, "1h", "24h");
    let _agent = place.run_with(DATABASE);
    place.await_file("db");
    wait::until_true("the third login", DEADLINE, || {
        let (user, password) = credentials(&place.file("db").unwrap());
        postgres.log_in(&user, &password).unwrap_or_else(|error| {
            panic!(
                "the file's credentials do not work: {error}; the log:\n{}",
                place.log()
            )
        });
        place.requests("auth/approle/login") >= 3
    });
    assert!(
        place.log().contains("renewed auth token"),
        "{}",
        place.log()
    );
}

#[test]
fn notices_a_revoked_token_by_itself() {
    let place = Place::with_secret("one");
    let _agent = place.run_with(&format!("{APP} {EVERY_SECOND}"));
    assert_eq!(place.await_file("app"), "one");
    let token = place.await_file("token");
    place
        .bao
        .write("auth/token/revoke", &json!({"token": token}));
    place.secret("two");
    wait::until_true("the new value comes", DEADLINE, || {
        place.file("app").as_deref() == Some("two")
    });
    assert_eq!(place.requests("auth/approle/login"), 2, "{}", place.log());
}

#[test]
fn a_missing_secret_ends_the_agent_with_status_1_and_words_when_told_so() {
    let place = Place::new("1h", "24h");
    place.configure(
        "config.hcl",
        r#"template {
             contents = "{{ with secret \"secret/data/none\" }}{{ .Data.data.k }}{{ end }}"
             destination = "FOLDER/app"
           }
           template_config { exit_on_retry_failure = true }"#,
    );
    let text = place.file("config.hcl").unwrap();
    let text = text.replacen("vault {", "vault { retry { num_retries = -1 } ", 1);
    fs::write(place.path("config.hcl"), text).unwrap();
    let mut agent = place.start("config.hcl");
    assert_eq!(agent.ends(), 1);
    assert!(
        place.log().contains("no secret exists at secret/data/none"),
        "{}",
        place.log()
    );
    assert_eq!(place.file("app"), None, "no partial file");
}

#[test]
fn wait_says_at_its_deadline_what_stands_in_the_way() {
    let place = Place::new("1h", "24h");
    place.configure(
        "config.hcl",
        r#"template {
             contents = "{{ with secret \"secret/data/none\" }}{{ .Data.data.k }}{{ end }}"
             destination = "FOLDER/app"
           }
           leasehold { mode = "native" state_dir = "FOLDER/state" }"#,
    );
    let config = place.path("config.hcl").display().to_string();
    let mut agent = place.start("config.hcl");
    wait::until_true("the read fails", DEADLINE, || {
        place.log().contains("no secret exists")
    });
    let waited = place.run(&["wait", "--timeout", "200ms", "--config", &config]);
    let words = String::from_utf8_lossy(&waited.stderr).into_owned();
    assert_eq!(waited.status.code(), Some(1));
    assert!(
        words.contains("no secret exists at secret/data/none"),
        "{words}"
    );
    let status = place.run(&["status", "-o", "json", "--config", &config]);
    assert_eq!(status.status.code(), Some(1));
    let status: serde_json::Value = serde_json::from_slice(&status.stdout).unwrap();
    assert_eq!(status["logins"][0]["error"]["class"], "refused");

    place
        .bao
        .write("secret/data/none", &json!({"data": {"k": "here"}}));
    let waited = place.run(&["wait", "--timeout", "30s", "--config", &config]);
    assert!(waited.status.success(), "{}", place.log());
    assert_eq!(place.file("app").as_deref(), Some("here"));
    agent.stop();
}

#[test]
fn ends_with_status_0_on_a_signal_before_any_login() {
    let mut place = Place::new("1h", "24h");
    place.configure("config.hcl", DATABASE);
    place.bao.stop();
    let mut agent = place.start("config.hcl");
    wait::until_true("a login fails", DEADLINE, || {
        place.log().contains("error authenticating")
    });
    agent.stop();
}

#[test]
fn keeps_its_files_and_stays_while_the_server_is_away() {
    let mut place = Place::with_secret("one");
    let mut agent = place.run_with(
        r#"template {
             contents = "{{ with secret \"secret/data/app\" }}{{ .Data.data.k }}{{ end }}"
             destination = "FOLDER/app"
           }
           template_config { static_secret_render_interval = "1s" exit_on_retry_failure = true }"#,
    );
    assert_eq!(place.await_file("app"), "one");
    place.bao.stop();
    wait::until_true("reads fail", DEADLINE, || place.log().contains("no answer"));
    assert_eq!(place.file("app").as_deref(), Some("one"), "files stay");
    assert!(agent.0.try_wait().unwrap().is_none(), "the agent stays");
}

#[test]
fn asks_once_for_each_distinct_thing_until_everything_is_rendered() {
    let place = Place::new("1h", "24h");
    let mut templates = String::new();
    place.bao.write(
        "sys/mounts/kv",
        &json!({"type": "kv", "options": {"version": "2"}}),
    );
    for number in 0..5 {
        wait::until_true("the new mount takes writes", DEADLINE, || {
            let body = json!({"data": {"k": "v"}});
            place
                .bao
                .request("PUT", &format!("kv/data/{number}"), Some(&body))
                .status
                < 300
        });
        templates.push_str(&format!(
            "template {{ contents = \"{{{{ with secret \\\"kv/{number}\\\" }}}}{{{{ .Data.data.k }}}}{{{{ end }}}}\" destination = \"FOLDER/{number}\" }}\n"
        ));
    }
    place.configure(
        "config.hcl",
        &format!("{templates} leasehold {{ state_dir = \"FOLDER/state\" }}"),
    );
    let before = place.bao.audited_requests().len();
    let _agent = place.start("config.hcl");
    place.await_file("state/ready");
    let requests = place.bao.audited_requests();
    let asked: Vec<_> = requests[before..]
        .iter()
        .map(|(_, path)| path.as_str())
        .collect();
    assert_eq!(
        asked.len(),
        1 + 1 + 5,
        "one login, one look-up, one read each: {asked:?}"
    );
}
