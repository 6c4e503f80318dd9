//! The built program against a real server and a real database: login, rendering, renewal, replacement,
//! adoption after a kill, hand-over, revocation.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by a panic")]

use std::{
    fs,
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

use leasehold_testkit::{OpenBao, Postgres, process, scratch::Scratch, wait};
use rustix::process::Signal;
use serde_json::json;

const DEADLINE: Duration = Duration::from_secs(30);

/// A server with an approle login and a folder for the agent's files.
struct Place {
    bao: OpenBao,
    folder: Scratch,
}

/// A running agent, killed when it is dropped.
struct Agent(Child);

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Place {
    /// The role's tokens live for `ttl` and at most for `max`.
    fn new(ttl: &str, max: &str) -> Self {
        let bao = OpenBao::start();
        let folder = Scratch::new("agent");
        bao.policy(
            "app",
            r#"path "*" { capabilities = ["create", "read", "update", "list"] }"#,
        );
        bao.write("sys/auth/approle", &json!({"type": "approle"}));
        bao.write(
            "auth/approle/role/app",
            &json!({"token_policies": "app", "token_ttl": ttl, "token_max_ttl": max}),
        );
        let role = bao.read("auth/approle/role/app/role-id");
        let secret = bao.write("auth/approle/role/app/secret-id", &json!({}));
        let text = |value: &serde_json::Value, key: &str| {
            let found = value
                .pointer(&format!("/data/{key}"))
                .or_else(|| value.get(key));
            found
                .and_then(serde_json::Value::as_str)
                .unwrap()
                .to_owned()
        };
        fs::write(folder.join("role"), text(&role, "role_id")).unwrap();
        fs::write(folder.join("secret"), text(&secret, "secret_id")).unwrap();
        Self { bao, folder }
    }

    fn database(&self, postgres: &Postgres, ttl: &str, max: &str) {
        self.bao
            .write("sys/mounts/database", &json!({"type": "database"}));
        self.bao.write(
            "database/config/shop",
            &json!({
                "plugin_name": "postgresql-database-plugin",
                "connection_url": postgres.connection_url(),
                "username": postgres.superuser().0,
                "password": postgres.superuser().1,
                "allowed_roles": "*",
            }),
        );
        self.bao.write(
            "database/roles/app",
            &json!({
                "db_name": "shop",
                "creation_statements":
                    "CREATE ROLE \"{{name}}\" WITH LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}';",
                "default_ttl": ttl,
                "max_ttl": max,
            }),
        );
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// A configuration with this rest, written to a file of this name.
    fn configure(&self, name: &str, rest: &str) {
        let folder = self.folder.path().display();
        let text = format!(
            r#"
            vault {{ address = "{address}" }}
            auto_auth {{
              method "approle" {{
                min_backoff = "200ms"
                max_backoff = "1s"
                config = {{
                  role_id_file_path = "{folder}/role"
                  secret_id_file_path = "{folder}/secret"
                  remove_secret_id_file_after_reading = false
                }}
              }}
              sink "file" {{ config = {{ path = "{folder}/token" }} }}
            }}
            {rest}
            "#,
            address = self.bao.address(),
            rest = rest.replace("FOLDER", &folder.to_string()),
        );
        fs::write(self.path(name), text).unwrap();
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = process::guarded(env!("CARGO_BIN_EXE_leasehold-agent"));
        command
            .args(words)
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", self.folder.path());
        command
    }

    fn start(&self, configuration: &str) -> Agent {
        let config = self.path(configuration).display().to_string();
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(self.path("log"))
            .unwrap();
        let mut command = self.command(&["run", "--config", &config]);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        Agent(process::spawn(command).unwrap())
    }

    fn run(&self, words: &[&str]) -> Output {
        self.command(words).stdin(Stdio::null()).output().unwrap()
    }

    fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    fn file(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.path(name)).ok()
    }

    fn await_file(&self, name: &str) -> String {
        wait::within(DEADLINE, || self.file(name))
            .unwrap_or_else(|| panic!("`{name}` did not come; the log:\n{}", self.log()))
    }

    fn requests(&self, path: &str) -> usize {
        let requests = self.bao.audited_requests();
        requests.iter().filter(|(_, asked)| asked == path).count()
    }
}

impl Agent {
    fn signal(&self, signal: Signal) {
        process::send(self.0.id(), signal).unwrap();
    }

    fn ends(&mut self) -> i32 {
        let status = wait::until("the agent ends", DEADLINE, || self.0.try_wait().unwrap());
        process::exit_code(status)
    }
}

const DATABASE: &str = r#"
    template {
      contents = "{{ with secret \"database/creds/app\" }}{{ .Data.username }} {{ .Data.password }}{{ end }}"
      destination = "FOLDER/db"
      perms = "0600"
    }
"#;

fn credentials(text: &str) -> (String, String) {
    let (user, password) = text.split_once(' ').unwrap();
    (user.to_owned(), password.to_owned())
}

#[test]
fn keeps_a_database_login_alive_replaces_it_in_time_and_revokes_it_at_the_end() {
    let place = Place::new("1h", "24h");
    let postgres = Postgres::start();
    place.database(&postgres, "4s", "10s");
    place.configure(
        "config.hcl",
        &format!("{DATABASE} leasehold {{ mode = \"native\" state_dir = \"FOLDER/state\" }}"),
    );
    let mut agent = place.start("config.hcl");
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
    agent.signal(Signal::TERM);
    assert_eq!(agent.ends(), 0);
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
    place.configure(
        "config.hcl",
        &format!("{DATABASE} leasehold {{ mode = \"native\" state_dir = \"FOLDER/state\" }}"),
    );
    let mut agent = place.start("config.hcl");
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
    again.signal(Signal::TERM);
    assert_eq!(again.ends(), 0);
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
    sidecar.signal(Signal::TERM);
    assert_eq!(sidecar.ends(), 0);
    assert_eq!(place.requests("auth/approle/login"), 1);
    assert_eq!(place.requests("database/creds/app"), 1);
    postgres
        .log_in(&user, &password)
        .expect("a pair leaves its leases to their TTLs");
}

#[test]
fn logs_in_anew_before_the_tokens_maximum_and_the_secrets_never_break() {
    let place = Place::new("6s", "9s");
    let postgres = Postgres::start();
    place.database(&postgres, "1h", "24h");
    place.configure("config.hcl", DATABASE);
    let _agent = place.start("config.hcl");
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
    let place = Place::new("1h", "24h");
    place
        .bao
        .write("secret/data/app", &json!({"data": {"k": "one"}}));
    place.configure(
        "config.hcl",
        r#"template {
             contents = "{{ with secret \"secret/data/app\" }}{{ .Data.data.k }}{{ end }}"
             destination = "FOLDER/app"
           }
           template_config { static_secret_render_interval = "1s" }"#,
    );
    let _agent = place.start("config.hcl");
    assert_eq!(place.await_file("app"), "one");
    let token = place.await_file("token");
    place
        .bao
        .write("auth/token/revoke", &json!({"token": token}));
    place
        .bao
        .write("secret/data/app", &json!({"data": {"k": "two"}}));
    wait::until_true("the new value comes", DEADLINE, || {
        place.file("app").as_deref() == Some("two")
    });
    assert_eq!(place.requests("auth/approle/login"), 2, "{}", place.log());
}

#[test]
fn runs_the_command_of_a_changed_file_once_and_not_for_the_same_content() {
    let place = Place::new("1h", "24h");
    place
        .bao
        .write("secret/data/app", &json!({"data": {"k": "one"}}));
    place.configure(
        "config.hcl",
        r#"template {
             contents = "{{ with secret \"secret/data/app\" }}{{ .Data.data.k }}{{ end }}"
             destination = "FOLDER/app"
             command = "echo ran >> FOLDER/ran"
           }
           template_config { static_secret_render_interval = "1s" }"#,
    );
    let _agent = place.start("config.hcl");
    wait::until_true("the command has run", DEADLINE, || {
        place.file("ran").as_deref() == Some("ran\n")
    });
    let reads = place.requests("secret/data/app");
    wait::until_true("the secret is read again", DEADLINE, || {
        place.requests("secret/data/app") >= reads + 2
    });
    assert_eq!(place.file("ran").as_deref(), Some("ran\n"));
    place
        .bao
        .write("secret/data/app", &json!({"data": {"k": "two"}}));
    wait::until_true("the command has run again", DEADLINE, || {
        place.file("ran").as_deref() == Some("ran\nran\n")
    });
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
    agent.signal(Signal::TERM);
    assert_eq!(agent.ends(), 0);
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
    agent.signal(Signal::TERM);
    assert_eq!(agent.ends(), 0);
}

#[test]
fn keeps_its_files_and_stays_while_the_server_is_away() {
    let mut place = Place::new("1h", "24h");
    place
        .bao
        .write("secret/data/app", &json!({"data": {"k": "one"}}));
    place.configure(
        "config.hcl",
        r#"template {
             contents = "{{ with secret \"secret/data/app\" }}{{ .Data.data.k }}{{ end }}"
             destination = "FOLDER/app"
           }
           template_config { static_secret_render_interval = "1s" exit_on_retry_failure = true }"#,
    );
    let mut agent = place.start("config.hcl");
    assert_eq!(place.await_file("app"), "one");
    place.bao.stop();
    wait::until_true("reads fail", DEADLINE, || place.log().contains("no answer"));
    assert_eq!(place.file("app").as_deref(), Some("one"), "files stay");
    assert!(agent.0.try_wait().unwrap().is_none(), "the agent stays");
}

#[test]
fn revokes_the_token_of_a_sink_as_a_pre_stop_hook_does() {
    let place = Place::new("1h", "24h");
    let token = place.bao.token(&["app"], "1h");
    fs::write(place.path(".vault-token"), &token).unwrap();
    let address = format!("-address={}", place.bao.address());
    let revoked = place.run(&["token", "revoke", &address, "-self"]);
    assert!(revoked.status.success(), "{revoked:?}");
    let again = place.run(&["token", "revoke", &address, "-self"]);
    assert_eq!(again.status.code(), Some(1));
}

#[test]
fn wrong_command_lines_and_configurations_end_with_status_1_and_a_sentence() {
    let place = Place::new("1h", "24h");
    fs::write(place.path("broken.hcl"), "auto_auth {").unwrap();
    let broken = place.path("broken.hcl").display().to_string();
    for (words, part) in [
        (vec!["run"], "there is no configuration"),
        (vec!["run", "--config", broken.as_str()], "broken.hcl"),
        (vec!["run", "--config", "/no/such.hcl"], "/no/such.hcl"),
        (
            vec!["agent", "-bogus"],
            "flag provided but not defined: -bogus",
        ),
        (vec!["bogus"], "`bogus` is no command"),
        (vec!["render"], "no template is given"),
        (vec!["check-config", broken.as_str()], "broken.hcl"),
    ] {
        let output = place.run(&words);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{words:?}");
        assert!(said.contains(part), "{words:?}: {said}");
        assert!(output.stdout.is_empty(), "{words:?}");
    }
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

/// One request to the agent's listener; status, head and body.
fn ask(port: u16, request: &str) -> Option<(u16, String, String)> {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).ok()?;
    let (first, rest) = request.split_once("\r\n").unwrap_or((request, ""));
    let text = format!("{first} HTTP/1.1\r\nHost: agent\r\nConnection: close\r\n{rest}\r\n\r\n");
    stream.write_all(text.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some((status, head.to_owned(), body.to_owned()))
}

#[test]
fn answers_applications_with_its_own_token_keeps_leases_and_ends_when_asked() {
    let place = Place::new("1h", "24h");
    let postgres = Postgres::start();
    place.database(&postgres, "60s", "1h");
    place
        .bao
        .write("secret/data/app", &json!({"data": {"k": "one"}}));
    let port = leasehold_testkit::net::Port::reserve();
    let number = port.number();
    place.configure(
        "config.hcl",
        &format!(
            "cache {{ use_auto_auth_token = true }}
             listener \"tcp\" {{
               address = \"127.0.0.1:{number}\" tls_disable = true require_request_header = true
               agent_api {{ enable_quit = true }}
             }}
             leasehold {{ mode = \"native\" }} {DATABASE}"
        ),
    );
    let mut agent = place.start("config.hcl");
    place.await_file("db");
    let with_header = |line: &str| format!("{line}\r\nX-Vault-Request: true");

    let (status, _, body) = ask(number, "GET /v1/secret/data/app").unwrap();
    assert_eq!(status, 412, "{body}");
    let (status, head, body) = ask(number, &with_header("GET /v1/secret/data/app")).unwrap();
    assert_eq!(status, 200, "{body}");
    assert!(
        head.contains("X-Cache: MISS") && body.contains("\"one\""),
        "{head}\n{body}"
    );
    let (status, _, body) = ask(number, &with_header("GET /v1/secret/data/none")).unwrap();
    assert_eq!(status, 404, "{body}");

    let lease = || ask(number, &with_header("GET /v1/database/creds/app")).unwrap();
    let (first, second) = (lease(), lease());
    assert!(
        first.1.contains("X-Cache: MISS") && second.1.contains("X-Cache: HIT"),
        "{}",
        second.1
    );
    assert_eq!(first.2, second.2, "equal requests share a lease");
    let clear = "POST /agent/v1/cache-clear\r\nX-Vault-Request: true\r\nContent-Length: 14\r\n\r\n{\"type\":\"all\"}";
    let (status, ..) = ask(number, clear.trim_end()).unwrap();
    assert_eq!(status, 200);
    assert!(lease().1.contains("X-Cache: MISS"), "cleared");

    let (status, _, body) = ask(number, "GET /agent/v1/metrics?format=prometheus").unwrap();
    assert_eq!(status, 200);
    assert!(body.contains("leasehold_agent_ready 1"), "{body}");
    assert!(!body.contains("database"), "no path is a label: {body}");

    assert_eq!(
        ask(number, &with_header("GET /agent/v1/quit")).unwrap().0,
        405
    );
    assert_eq!(
        ask(number, &with_header("POST /agent/v1/quit")).unwrap().0,
        200
    );
    assert_eq!(agent.ends(), 0);
    wait::until_true("the users are revoked", DEADLINE, || {
        !postgres.users().iter().any(|user| user.starts_with("v-"))
    });
}

#[test]
fn supervises_a_process_with_secrets_in_its_environment() {
    let place = Place::new("1h", "24h");
    place
        .bao
        .write("secret/data/app", &json!({"data": {"k": "one"}}));
    place.configure(
        "config.hcl",
        r#"env_template "SECRET_K" {
             contents = "{{ with secret \"secret/data/app\" }}{{ .Data.data.k }}{{ end }}"
           }
           exec {
             command = ["sh", "-c", "echo $SECRET_K >> FOLDER/seen; while [ ! -e FOLDER/end ]; do sleep 0.1; done; exit 5"]
           }
           template_config { static_secret_render_interval = "1s" }"#,
    );
    let mut agent = place.start("config.hcl");
    wait::until_true("the process has started", DEADLINE, || {
        place.file("seen").as_deref() == Some("one\n")
    });
    place
        .bao
        .write("secret/data/app", &json!({"data": {"k": "two"}}));
    wait::until_true("the process was restarted", DEADLINE, || {
        place.file("seen").as_deref() == Some("one\ntwo\n")
    });
    fs::write(place.path("end"), "").unwrap();
    assert_eq!(
        agent.ends(),
        5,
        "the agent ends with the status of its process: {}",
        place.log()
    );
}
