//! A real OpenBao server.
//!
//! [`OpenBao::start`] gives the development server: unsealed, in memory, plain HTTP, root token
//! `root`. [`Settings`] gives the others: with TLS, and with data on disk that survive a stop and a
//! seal. Every request is written to an audit log, which [`OpenBao::audit`] reads.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::net::{Identity, Port};
use crate::process::{Server, guarded};
use crate::scratch::Scratch;
use crate::{tools, wait};

const DEADLINE: Duration = Duration::from_secs(30);

/// Where the server keeps its data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Storage {
    /// In memory; starts unsealed, root token `root`, kv version 2 at `secret/`.
    #[default]
    Development,
    /// In its folder; initialised and unsealed at the first start, sealed after a restart.
    Disk,
}

/// What is spoken on the port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Transport {
    /// `http://`
    #[default]
    Plain,
    /// `https://` with a certificate of an authority made for this server.
    Tls,
}

/// How to start a server.
#[derive(Debug, Clone, Copy, Default)]
pub struct Settings {
    /// Where data are kept.
    pub storage: Storage,
    /// What is spoken.
    pub transport: Transport,
}

/// A running server. Dropping it ends the server and removes its data.
#[derive(Debug)]
pub struct OpenBao {
    settings: Settings,
    port: Port,
    identity: Identity,
    root_token: String,
    unseal_key: Option<String>,
    server: Option<Server>,
    agent: ureq::Agent,
    // Last, so that the server is gone before its folder.
    scratch: Scratch,
}

/// What the server answered to one request.
#[derive(Debug, Clone)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// The body, or null where there is none.
    pub body: Value,
}

impl OpenBao {
    /// Starts a development server.
    pub fn start() -> Self {
        Self::start_with(Settings::default())
    }

    /// Starts a server and waits until it is unsealed and active.
    pub fn start_with(settings: Settings) -> Self {
        let scratch = Scratch::new("bao");
        let identity = Identity::new("leasehold test server CA", &["vault.test"]);
        let agent = client(&identity);
        let mut bao = Self {
            settings,
            port: Port::reserve(),
            identity,
            root_token: "root".to_owned(),
            unseal_key: None,
            server: None,
            agent,
            scratch,
        };
        bao.write_files();
        bao.start_again();
        if settings.storage == Storage::Disk {
            let answer = bao.must(
                "PUT",
                "sys/init",
                &json!({"secret_shares": 1, "secret_threshold": 1}),
            );
            bao.unseal_key = text(&answer["keys"][0]);
            bao.root_token = text(&answer["root_token"]).expect("a new server gives a root token");
            bao.unseal();
        }
        bao
    }

    /// The address as `VAULT_ADDR` wants it.
    pub fn address(&self) -> String {
        let scheme = match self.settings.transport {
            Transport::Plain => "http",
            Transport::Tls => "https",
        };
        format!("{scheme}://127.0.0.1:{}", self.port.number())
    }

    /// The TCP port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// The root token.
    pub fn root_token(&self) -> &str {
        &self.root_token
    }

    /// The certificate authority of a server with TLS, PEM.
    pub fn ca(&self) -> &str {
        &self.identity.ca
    }

    /// A file with the certificate authority.
    pub fn ca_file(&self) -> PathBuf {
        self.scratch.join("ca.pem")
    }

    /// Sends one request with the root token and gives the answer whatever it is. `path` is what
    /// follows `/v1/`.
    pub fn request(&self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        self.request_as(&self.root_token, method, path, body)
    }

    /// Sends one request with another token; an empty one sends none.
    #[track_caller]
    pub fn request_as(
        &self,
        token: &str,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Answer {
        let body = body.map(Value::to_string);
        self.try_request(token, method, path, body.as_deref())
            .unwrap_or_else(|error| panic!("{method} {path} got no answer: {error}"))
    }

    /// Sends a body byte for byte. Errors are those of the connection.
    pub fn try_request(
        &self,
        token: &str,
        method: &str,
        path: &str,
        body: Option<&str>,
    ) -> Result<Answer, ureq::Error> {
        let mut request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("{}/v1/{path}", self.address()));
        if !token.is_empty() {
            request = request.header("X-Vault-Token", token);
        }
        let mut response = match body {
            Some(body) => self.agent.run(request.body(body.to_owned())?)?,
            None => self.agent.run(request.body(())?)?,
        };
        let status = response.status().as_u16();
        let text = response.body_mut().read_to_string()?;
        let body = match serde_json::from_str(&text) {
            Ok(body) => body,
            Err(_) if text.is_empty() => Value::Null,
            Err(_) => Value::String(text),
        };
        Ok(Answer { status, body })
    }

    /// Sends one request with the root token and panics unless it succeeds.
    #[track_caller]
    pub fn must(&self, method: &str, path: &str, body: &Value) -> Value {
        let answer = self.request(method, path, Some(body));
        assert!(
            (200..300).contains(&answer.status),
            "{method} {path} was refused with {}: {}",
            answer.status,
            answer.body
        );
        answer.body
    }

    /// Writes with the root token: mounts, roles, policies, secrets.
    #[track_caller]
    pub fn write(&self, path: &str, body: &Value) -> Value {
        self.must("PUT", path, body)
    }

    /// Reads with the root token.
    #[track_caller]
    pub fn read(&self, path: &str) -> Value {
        let answer = self.request("GET", path, None);
        assert_eq!(
            answer.status, 200,
            "GET {path} was refused: {}",
            answer.body
        );
        answer.body
    }

    /// The keys below a path, none when there is nothing.
    pub fn list(&self, path: &str) -> Vec<String> {
        let answer = self.request("LIST", path, None);
        let keys = answer.body["data"]["keys"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        keys.iter().filter_map(text).collect()
    }

    /// Makes a policy from HCL text.
    #[track_caller]
    pub fn policy(&self, name: &str, rules: &str) {
        self.write(
            &format!("sys/policies/acl/{name}"),
            &json!({"policy": rules}),
        );
    }

    /// Makes a token with the policies and time to live given.
    #[track_caller]
    pub fn token(&self, policies: &[&str], ttl: &str) -> String {
        let answer = self.must(
            "POST",
            "auth/token/create",
            &json!({"policies": policies, "ttl": ttl}),
        );
        text(&answer["auth"]["client_token"]).expect("a created token is told")
    }

    /// Whether the server answers and is neither sealed nor standing by.
    pub fn is_active(&self) -> bool {
        self.try_request("", "GET", "sys/health", None)
            .is_ok_and(|answer| answer.status == 200)
    }

    /// Seals the server.
    #[track_caller]
    pub fn seal(&self) {
        let answer = self.request("PUT", "sys/seal", None);
        assert_eq!(
            answer.status, 204,
            "the server refused to be sealed: {}",
            answer.body
        );
    }

    /// Unseals a server with storage on disk and waits until it is active.
    #[track_caller]
    pub fn unseal(&self) {
        let key = self
            .unseal_key
            .as_ref()
            .expect("only a server on disk can be unsealed");
        self.must("PUT", "sys/unseal", &json!({"key": key}));
        wait::until_true("the server is active after unsealing", DEADLINE, || {
            self.is_active()
        });
    }

    /// Ends the process. Nothing listens on its port until [`OpenBao::start_again`].
    pub fn stop(&mut self) {
        if let Some(mut server) = self.server.take() {
            server.stop(Signal::TERM, Duration::from_secs(10));
        }
    }

    /// Starts the process again on the same port with the same data, as sealed as that leaves it.
    #[track_caller]
    pub fn start_again(&mut self) {
        let mut command = guarded(tools::bao());
        command
            .arg("server")
            .arg("-config")
            .arg(self.scratch.join("server.hcl"));
        if self.settings.storage == Storage::Development {
            command.args(["-dev", "-dev-no-store-token", "-dev-root-token-id=root"]);
            match self.settings.transport {
                Transport::Plain => {
                    command.arg(format!(
                        "-dev-listen-address=127.0.0.1:{}",
                        self.port.number()
                    ));
                }
                // The listener with our certificate is in the configuration; the one that
                // development mode adds gets a port that nobody uses.
                Transport::Tls => {
                    command.arg("-dev-listen-address=127.0.0.1:0");
                }
            }
        }
        self.clean_environment(&mut command);
        let mut server = Server::start("OpenBao", command, &self.scratch.join("server.log"));
        let wanted: &[u16] = match self.settings.storage {
            Storage::Development => &[200],
            // Not initialised, sealed.
            Storage::Disk => &[200, 429, 501, 503],
        };
        server.await_ready(DEADLINE, || {
            self.try_request("", "GET", "sys/health", None)
                .is_ok_and(|answer| wanted.contains(&answer.status))
        });
        self.server = Some(server);
    }

    /// Every line of the audit log so far, requests and responses.
    pub fn audit(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.scratch.join("audit.log")).unwrap_or_default();
        text.lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect()
    }

    /// The requests of the audit log as `(operation, path)`, in order.
    pub fn audited_requests(&self) -> Vec<(String, String)> {
        self.audit()
            .iter()
            .filter(|line| line["type"] == "request")
            .filter_map(|line| {
                Some((
                    text(&line["request"]["operation"])?,
                    text(&line["request"]["path"])?,
                ))
            })
            .collect()
    }

    /// The end of what the server wrote to its log.
    pub fn log_end(&self) -> String {
        self.server
            .as_ref()
            .map(Server::log_end)
            .unwrap_or_default()
    }

    /// A command of the OpenBao program that talks to this server as root.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(tools::bao());
        command.args(arguments);
        self.clean_environment(&mut command);
        command
            .env("BAO_ADDR", self.address())
            .env("BAO_TOKEN", &self.root_token);
        command.env("BAO_CACERT", self.ca_file());
        command
    }

    fn clean_environment(&self, command: &mut Command) {
        command.env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("HOME", self.scratch.path());
    }

    fn write_files(&self) {
        let folder = self.scratch.path().display().to_string();
        let port = self.port.number();
        let mut lines = vec![format!(
            "audit \"file\" \"log\" {{\n  options {{\n    file_path = \"{folder}/audit.log\"\n    \
             log_raw = \"true\"\n  }}\n}}"
        )];
        let tls = match self.settings.transport {
            Transport::Plain => "tls_disable = true".to_owned(),
            Transport::Tls => format!(
                "tls_cert_file = \"{folder}/server.pem\"\n  tls_key_file = \"{folder}/server.key\""
            ),
        };
        let address = self.address();
        let own_listener =
            self.settings.storage == Storage::Disk || self.settings.transport == Transport::Tls;
        if own_listener {
            lines.push(format!(
                "listener \"tcp\" {{\n  address = \"127.0.0.1:{port}\"\n  {tls}\n}}\n\
                 api_addr = \"{address}\""
            ));
        }
        if self.settings.storage == Storage::Disk {
            fs::create_dir_all(self.scratch.join("data")).expect("our own folder can be written");
            lines.push(format!(
                "storage \"raft\" {{\n  path = \"{folder}/data\"\n  node_id = \"one\"\n  \
                 performance_multiplier = 1\n}}\ncluster_addr = \"https://127.0.0.1:0\""
            ));
        }
        for (name, content) in [
            ("server.hcl", lines.join("\n") + "\n"),
            ("ca.pem", self.identity.ca.clone()),
            ("server.pem", self.identity.certificate.clone()),
            ("server.key", self.identity.key.clone()),
        ] {
            fs::write(self.scratch.join(name), content).expect("our own folder can be written");
        }
    }
}

/// A client that trusts the authority given, never goes through a proxy and takes any status for an
/// answer.
pub(crate) fn client(identity: &Identity) -> ureq::Agent {
    use ureq::tls::{Certificate, RootCerts, TlsConfig, TlsProvider};
    let ca = Certificate::from_pem(identity.ca.as_bytes()).expect("our own certificate is PEM");
    let tls = TlsConfig::builder()
        .provider(TlsProvider::Rustls)
        .unversioned_rustls_crypto_provider(std::sync::Arc::new(
            rustls::crypto::ring::default_provider(),
        ))
        .root_certs(RootCerts::new_with_certs(&[ca]))
        .build();
    ureq::Agent::config_builder()
        .tls_config(tls)
        .proxy(None)
        .http_status_as_error(false)
        .allow_non_standard_methods(true)
        .timeout_global(Some(Duration::from_secs(30)))
        .build()
        .new_agent()
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}
