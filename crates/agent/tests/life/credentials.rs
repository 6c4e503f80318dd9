//! Credentials that come late, change, or are worth little: token files that rotate, tokens that cannot be
//! renewed or used often, roles and mounts that vanish, rights that are missing.

use std::{
    fs,
    os::unix::fs::symlink,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use leasehold_testkit::{Postgres, wait};
use serde_json::json;

use crate::between::{Between, Reaction};
use crate::place::{APP, DATABASE, DEADLINE, EVERY_SECOND, Place, credentials};

impl Place {
    /// Changes what the role's tokens are like.
    fn role(&self, settings: &serde_json::Value) {
        self.bao.write("auth/approle/role/app", settings);
    }

    /// The database's users that the server made, now.
    fn made(postgres: &Postgres) -> usize {
        let users = postgres.users();
        users.iter().filter(|user| user.starts_with("v-")).count()
    }

    fn works(&self, postgres: &Postgres) {
        let (user, password) = credentials(&self.file("db").unwrap());
        postgres.log_in(&user, &password).unwrap_or_else(|error| {
            panic!(
                "the file's login does not work: {error}; the log:\n{}",
                self.log()
            )
        });
    }
}

#[test]
fn a_token_file_may_be_absent_empty_and_replaced_by_a_link() {
    let place = Place::with_secret("one");
    let folder = place.folder.path().display().to_string();
    let config = format!(
        r#"vault {{ address = "{}" }}
           auto_auth {{
             method "token_file" {{ min_backoff = "200ms" max_backoff = "1s"
               config = {{ token_file_path = "{folder}/mounted/token" }} }}
             sink "file" {{ config = {{ path = "{folder}/token" }} }}
           }}
           {EVERY_SECOND} {}"#,
        place.bao.address(),
        APP.replace("FOLDER", &folder),
    );
    fs::write(place.path("config.hcl"), config).unwrap();
    let mut agent = place.start("config.hcl");
    wait::until_true("the absent file is reported", DEADLINE, || {
        place.log().contains("failed to read the token from")
    });
    fs::create_dir(place.path("mounted")).unwrap();
    fs::write(place.path("mounted/token"), "").unwrap();
    wait::until_true("the empty file is reported", DEADLINE, || {
        place.log().contains("the token is empty")
    });
    // As a kubelet does it: a dated folder, and a link that is renamed over the one before.
    let swap = |dated: &str, token: &str| {
        fs::create_dir(place.path(&format!("mounted/{dated}"))).unwrap();
        fs::write(
            place.path(&format!("mounted/{dated}/token")),
            format!("{token}\n"),
        )
        .unwrap();
        symlink(dated, place.path("mounted/..next")).unwrap();
        fs::rename(place.path("mounted/..next"), place.path("mounted/..data")).unwrap();
    };
    let short = place.bao.write(
        "auth/token/create",
        &json!({"policies": ["app"], "ttl": "8s", "explicit_max_ttl": "8s"}),
    );
    let short = short["auth"]["client_token"].as_str().unwrap().to_owned();
    swap("..first", &short);
    fs::remove_file(place.path("mounted/token")).unwrap();
    symlink("..data/token", place.path("mounted/token")).unwrap();
    assert_eq!(place.await_file("token"), short);
    assert_eq!(place.await_file("app"), "one");

    let next = place.bao.token(&["app"], "1h");
    swap("..second", &next);
    wait::until_true(
        "the next token is used before the end of the first",
        DEADLINE,
        || place.file("token").as_deref() == Some(next.as_str()),
    );
    place.secret("two");
    wait::until_true("it reads", DEADLINE, || {
        place.file("app").as_deref() == Some("two")
    });
    assert!(agent.0.try_wait().unwrap().is_none());
}

#[test]
fn batch_tokens_are_replaced_before_their_end_and_never_renewed() {
    let place = Place::with_secret("one");
    place.role(&json!({
        "token_policies": "app", "token_type": "batch", "token_ttl": "6s", "token_max_ttl": "6s",
    }));
    let _agent = place.run_with(&format!("{APP} {EVERY_SECOND}"));
    assert_eq!(place.await_file("app"), "one");
    wait::until_true("the third token", DEADLINE, || {
        place.requests("auth/approle/login") >= 3
    });
    place.secret("two");
    wait::until_true("it reads", DEADLINE, || {
        place.file("app").as_deref() == Some("two")
    });
    assert_eq!(place.requests("auth/token/renew-self"), 0);
    assert!(
        !place.log().contains("permission denied"),
        "{}",
        place.log()
    );
}

#[test]
fn a_token_of_few_uses_is_replaced_when_they_are_eaten() {
    let place = Place::with_secret("one");
    place.role(&json!({
        "token_policies": "app", "token_num_uses": 3, "token_ttl": "1h", "token_max_ttl": "1h",
    }));
    let mut agent = place.run_with(&format!("{APP} {EVERY_SECOND}"));
    assert_eq!(place.await_file("app"), "one");
    for value in ["two", "three"] {
        let before = place.requests("auth/approle/login");
        wait::until_true("another login", DEADLINE, || {
            place.requests("auth/approle/login") > before
        });
        place.secret(value);
        wait::until_true("the new value", DEADLINE, || {
            place.file("app").as_deref() == Some(value)
        });
    }
    assert!(agent.0.try_wait().unwrap().is_none());
}

#[test]
fn a_deleted_role_leaves_file_and_agent_and_is_mended_without_a_restart() {
    let place = Place::new("1h", "24h");
    let postgres = Postgres::start();
    place.database(&postgres, "4s", "8s");
    let mut agent = place.run_with(&format!(
        "{DATABASE} template_config {{ exit_on_retry_failure = true }}"
    ));
    let first = place.await_file("db");
    place.bao.must("DELETE", "database/roles/app", &json!({}));
    wait::until_true("the refusal is in the log, in words", DEADLINE, || {
        place.log().contains("unknown role: app")
    });
    assert_eq!(place.file("db").as_deref(), Some(first.as_str()));
    assert!(agent.0.try_wait().unwrap().is_none(), "{}", place.log());
    place.database_role("60s", "1h");
    wait::until_true("a new login is there", DEADLINE, || {
        place.file("db").is_some_and(|now| now != first)
    });
    place.works(&postgres);
    assert!(Place::made(&postgres) <= 2);
}

#[test]
fn a_disabled_mount_leaves_file_and_agent_and_is_mended_without_a_restart() {
    let place = Place::new("1h", "24h");
    let postgres = Postgres::start();
    place.database(&postgres, "4s", "8s");
    let mut agent = place.run_with(DATABASE);
    let first = place.await_file("db");
    place.bao.must("DELETE", "sys/mounts/database", &json!({}));
    wait::until_true("the refusal is in the log", DEADLINE, || {
        place.log().contains("database/creds/app")
    });
    assert_eq!(place.file("db").as_deref(), Some(first.as_str()));
    assert!(agent.0.try_wait().unwrap().is_none(), "{}", place.log());
    place.database(&postgres, "60s", "1h");
    wait::until_true("a new login is there", DEADLINE, || {
        place.file("db").is_some_and(|now| now != first)
    });
    place.works(&postgres);
}

#[test]
fn without_the_right_to_renew_each_login_is_used_to_its_end_and_replaced_in_time() {
    let place = Place::new("1h", "24h");
    let postgres = Postgres::start();
    place.database(&postgres, "5s", "1h");
    place.bao.policy(
        "reader",
        r#"path "database/creds/app" { capabilities = ["read"] }"#,
    );
    place.role(&json!({
        "token_policies": "reader", "token_no_default_policy": true, "token_ttl": "1h",
    }));
    let _agent = place.run_with(DATABASE);
    let mut seen = vec![place.await_file("db")];
    wait::until_true("the fourth login of the database", DEADLINE, || {
        place.works(&postgres);
        assert!(Place::made(&postgres) <= 2, "{}", place.log());
        let now = place.file("db").unwrap();
        if seen.last() != Some(&now) {
            seen.push(now);
        }
        seen.len() >= 4
    });
    assert_eq!(place.requests("auth/approle/login"), 1, "{}", place.log());
    assert!(place.requests("database/creds/app") <= 5);
}

#[test]
fn what_was_fetched_is_revoked_when_a_template_ends_the_agent() {
    let place = Place::new("1h", "24h");
    let postgres = Postgres::start();
    place.database(&postgres, "60s", "1h");
    place.secret("one");
    let mut agent = place.run_with(&format!(
            r#"{DATABASE}
               template {{
                 contents = "{{{{ with secret \"secret/data/app\" }}}}{{{{ .Data.data.k | toInt }}}}{{{{ fail }}}}{{{{ end }}}}"
                 error_on_missing_key = true
                 destination = "FOLDER/broken"
               }}
               template_config {{ exit_on_retry_failure = true }}
               leasehold {{ mode = "native" revoke_on_exit = true }}"#
        ));
    assert_eq!(agent.ends(), 1, "{}", place.log());
    assert_eq!(place.file("broken"), None);
    wait::until_true("the database's users are gone", DEADLINE, || {
        Place::made(&postgres) == 0
    });
}

#[test]
fn an_end_without_a_server_keeps_its_deadline() {
    let mut place = Place::with_secret("one");
    let mut agent = place.run_with(&format!(
        "{APP} leasehold {{ mode = \"native\" revoke_on_exit = true }}"
    ));
    place.await_file("app");
    place.bao.stop();
    // Something that takes connections and never answers stands in the server's place.
    let listener = std::net::TcpListener::bind(("127.0.0.1", place.bao.port())).unwrap();
    let begun = std::time::Instant::now();
    agent.stop();
    assert!(begun.elapsed().as_millis() < 2500, "{:?}", begun.elapsed());
    assert!(
        place.log().contains("did not revoke the token in time"),
        "{}",
        place.log()
    );
    drop(listener);
}

#[test]
fn new_credentials_of_the_container_cause_a_new_login_by_aws() {
    let place = Place::with_secret("one");
    let between = Between::new(place.bao.port());
    let tokens = [
        place.bao.token(&["app"], "1h"),
        place.bao.token(&["app"], "1h"),
    ];
    let given = Arc::new(AtomicUsize::new(0));
    let (now, shown) = (Arc::clone(&given), tokens.clone());
    between.rule(move |line| {
        let now = now.load(Ordering::Relaxed);
        let body = match line {
            "GET /credentials" => json!({
                "AccessKeyId": format!("ASIA{now}"), "SecretAccessKey": "hidden", "Token": "t",
                "Expiration": "1999-01-01T00:00:00Z",
            }),
            "PUT /v1/auth/aws/login" => json!({"auth": {
                "client_token": shown[now], "lease_duration": 3600, "renewable": true,
            }}),
            _ => return Reaction::Pass,
        };
        Reaction::Answer(200, String::new(), body.to_string().into_bytes())
    });
    let folder = place.folder.path().display().to_string();
    let config = format!(
        r#"vault {{ address = "{}" }}
           auto_auth {{
             enable_reauth_on_new_credentials = true
             method "aws" {{ config = {{ type = "iam" role = "web" credential_poll_interval = 3 }} }}
             sink "file" {{ config = {{ path = "{folder}/token" }} }}
           }}
           {}"#,
        between.address(),
        APP.replace("FOLDER", &folder),
    );
    fs::write(place.path("config.hcl"), config).unwrap();
    let endpoint = format!("{}/credentials", between.address());
    let variables = [("AWS_CONTAINER_CREDENTIALS_FULL_URI", endpoint.as_str())];
    let _agent = place.start_with("config.hcl", &variables);
    assert_eq!(place.await_file("app"), "one");
    assert_eq!(place.await_file("token"), tokens[0]);
    given.store(1, Ordering::Relaxed);
    wait::until_true("the second login", DEADLINE, || {
        place.file("token").as_deref() == Some(tokens[1].as_str())
    });
    assert!(!place.log().contains("hidden"), "{}", place.log());
}
