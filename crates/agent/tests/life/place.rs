//! What the tests share: a server with a login, a folder for the agent's files, and the running agent.

use std::{
    fs,
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

use leasehold_testkit::{OpenBao, Postgres, openbao, process, scratch::Scratch, wait};
use rustix::process::Signal;
use serde_json::json;

pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// A server with an approle login and a folder for the agent's files.
pub(crate) struct Place {
    pub(crate) bao: OpenBao,
    pub(crate) folder: Scratch,
}

/// A running agent, killed when it is dropped.
pub(crate) struct Agent(pub(crate) Child);

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Place {
    /// The role's tokens live for `ttl` and at most for `max`.
    pub(crate) fn new(ttl: &str, max: &str) -> Self {
        Self::on(OpenBao::start(), ttl, max)
    }

    /// The same on this server.
    pub(crate) fn on(bao: OpenBao, ttl: &str, max: &str) -> Self {
        Self::within(bao, "", ttl, max)
    }

    /// The same in a new namespace of the server, named with a slash at its end.
    pub(crate) fn in_namespace(namespace: &str) -> Self {
        let bao = OpenBao::start();
        let name = namespace.trim_end_matches('/');
        bao.write(&format!("sys/namespaces/{name}"), &json!({}));
        Self::within(bao, namespace, "1h", "24h")
    }

    fn within(bao: OpenBao, namespace: &str, ttl: &str, max: &str) -> Self {
        let folder = Scratch::new("agent");
        let inside = |path: &str| format!("{namespace}{path}");
        let rules = r#"path "*" { capabilities = ["create", "read", "update", "list"] }"#;
        bao.write(&inside("sys/policies/acl/app"), &json!({ "policy": rules }));
        bao.write(&inside("sys/auth/approle"), &json!({"type": "approle"}));
        bao.write(
            &inside("auth/approle/role/app"),
            &json!({"token_policies": "app", "token_ttl": ttl, "token_max_ttl": max}),
        );
        let role = bao.read(&inside("auth/approle/role/app/role-id"));
        let secret = bao.write(&inside("auth/approle/role/app/secret-id"), &json!({}));
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

    /// The same, with a secret whose `k` has this value, and tokens that outlive the test.
    pub(crate) fn with_secret(value: &str) -> Self {
        let place = Self::new("1h", "24h");
        place.secret(value);
        place
    }

    /// The same on a server that can be sealed and keeps what it has over a restart.
    pub(crate) fn on_disk() -> Self {
        let bao = OpenBao::start_with(openbao::Settings {
            storage: openbao::Storage::Disk,
            ..openbao::Settings::default()
        });
        bao.write(
            "sys/mounts/secret",
            &json!({"type": "kv", "options": {"version": "2"}}),
        );
        let place = Self::on(bao, "1h", "24h");
        wait::until_true("the new mount takes writes", DEADLINE, || {
            let body = json!({"data": {"k": "one"}});
            let answer = place.bao.request("PUT", "secret/data/app", Some(&body));
            answer.status < 300
        });
        place
    }

    /// Writes the secret.
    pub(crate) fn secret(&self, value: &str) {
        self.bao
            .write("secret/data/app", &json!({"data": {"k": value}}));
    }

    /// Gives the server a database whose users live for `ttl` and at most for `max`.
    pub(crate) fn database(&self, postgres: &Postgres, ttl: &str, max: &str) {
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
        self.database_role(ttl, max);
    }

    /// Makes the role of the database's users, or changes it.
    pub(crate) fn database_role(&self, ttl: &str, max: &str) {
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

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// A configuration with this rest, written to a file of this name.
    pub(crate) fn configure(&self, name: &str, rest: &str) {
        self.configure_for(&self.bao.address(), name, rest);
    }

    /// The same for a server at another address.
    pub(crate) fn configure_for(&self, address: &str, name: &str, rest: &str) {
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
            rest = rest.replace("FOLDER", &folder.to_string()),
        );
        fs::write(self.path(name), text).unwrap();
    }

    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = process::guarded(env!("CARGO_BIN_EXE_leasehold-agent"));
        command
            .args(words)
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", self.folder.path());
        command
    }

    /// Starts an agent with this rest of a configuration.
    pub(crate) fn run_with(&self, rest: &str) -> Agent {
        self.configure("config.hcl", rest);
        self.start("config.hcl")
    }

    pub(crate) fn start(&self, configuration: &str) -> Agent {
        self.start_with(configuration, &[])
    }

    /// Starts an agent with these variables in its environment.
    pub(crate) fn start_with(&self, configuration: &str, variables: &[(&str, &str)]) -> Agent {
        let config = self.path(configuration).display().to_string();
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(self.path("log"))
            .unwrap();
        let mut command = self.command(&["run", "--config", &config]);
        command
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        Agent(process::spawn(command).unwrap())
    }

    pub(crate) fn run(&self, words: &[&str]) -> Output {
        self.command(words).stdin(Stdio::null()).output().unwrap()
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    pub(crate) fn file(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.path(name)).ok()
    }

    pub(crate) fn await_file(&self, name: &str) -> String {
        wait::within(DEADLINE, || self.file(name))
            .unwrap_or_else(|| panic!("`{name}` did not come; the log:\n{}", self.log()))
    }

    /// Waits until the log says this.
    #[track_caller]
    pub(crate) fn await_log(&self, words: &str) {
        let said = wait::within(DEADLINE, || self.log().contains(words).then_some(()));
        assert!(
            said.is_some(),
            "the log does not say `{words}`:\n{}",
            self.log()
        );
    }

    pub(crate) fn requests(&self, path: &str) -> usize {
        let requests = self.bao.audited_requests();
        requests.iter().filter(|(_, asked)| asked == path).count()
    }
}

impl Agent {
    pub(crate) fn signal(&self, signal: Signal) {
        process::send(self.0.id(), signal).unwrap();
    }

    /// Ends it by a signal, in order.
    #[track_caller]
    pub(crate) fn stop(&mut self) {
        self.signal(Signal::TERM);
        assert_eq!(self.ends(), 0);
    }

    pub(crate) fn ends(&mut self) -> i32 {
        let status = wait::until("the agent ends", DEADLINE, || self.0.try_wait().unwrap());
        process::exit_code(status)
    }
}

/// A template with a database login.
pub(crate) const DATABASE: &str = r#"
    template {
      contents = "{{ with secret \"database/creds/app\" }}{{ .Data.username }} {{ .Data.password }}{{ end }}"
      destination = "FOLDER/db"
      perms = "0600"
    }
"#;

/// A template with the secret.
pub(crate) const APP: &str = r#"
    template {
      contents = "{{ with secret \"secret/data/app\" }}{{ .Data.data.k }}{{ end }}"
      destination = "FOLDER/app"
    }
"#;

/// Secrets without a lease are read again each second.
pub(crate) const EVERY_SECOND: &str = "template_config { static_secret_render_interval = \"1s\" }";

/// The agent is a native sidecar that keeps its state.
pub(crate) const NATIVE: &str = "leasehold { mode = \"native\" state_dir = \"FOLDER/state\" }";

/// User and password out of the database's file.
pub(crate) fn credentials(text: &str) -> (String, String) {
    let (user, password) = text.split_once(' ').unwrap();
    (user.to_owned(), password.to_owned())
}
