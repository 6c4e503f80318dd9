//! The real server that agents are measured against: OpenBao in memory, with ten secrets, one
//! certificate with a lease, and a login.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::Contender;
use super::http::Connection;
use super::process::Running;

const TOKEN: &str = "root";

/// How many secrets of the kv engine there are.
pub(super) const SECRETS: usize = 10;

/// The server, set up.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    pub(super) role_id: PathBuf,
    pub(super) secret_id: PathBuf,
    _running: Running,
}

impl Server {
    /// Starts the program of that path and sets it up; files go to the folder.
    pub(super) fn start(bao: &Path, folder: &Path) -> Result<Self> {
        // The port is free at this moment; the server has no way to choose and tell one.
        let address = TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .context("failed to find a free port")?;
        let contender = Contender::new(
            "the server",
            vec![
                bao.display().to_string(),
                "server".to_owned(),
                "-dev".to_owned(),
            ],
        );
        let arguments = [
            format!("-dev-root-token-id={TOKEN}"),
            format!("-dev-listen-address={address}"),
            "-dev-no-store-token".to_owned(),
        ];
        let mut running = Running::start(&contender, &arguments, &folder.join("server.log"))?;
        running.until("it answers", Duration::from_secs(30), || {
            call(address, "GET", "/v1/sys/health", None).is_ok()
        })?;
        let mut server = Self {
            address,
            role_id: folder.join("role-id"),
            secret_id: folder.join("secret-id"),
            _running: running,
        };
        server.set_up()?;
        Ok(server)
    }

    fn set_up(&mut self) -> Result<()> {
        let put = |path: &str, body: Value| call(self.address, "POST", path, Some(&body));
        for index in 0..SECRETS {
            put(
                &format!("/v1/secret/data/app-{index}"),
                json!({"data": {"user": "someone", "password": format!("p-{index}")}}),
            )?;
        }
        put("/v1/sys/mounts/pki", json!({"type": "pki"}))?;
        put(
            "/v1/pki/root/generate/internal",
            json!({"common_name": "bench", "key_type": "ec", "ttl": "700h"}),
        )?;
        put(
            "/v1/pki/roles/web",
            json!({"allow_any_name": true, "generate_lease": true, "key_type": "ec", "max_ttl": "600h", "ttl": "500h"}),
        )?;
        put(
            "/v1/sys/policies/acl/app",
            json!({"policy": "path \"secret/*\" { capabilities = [\"read\"] }\n\
                              path \"pki/issue/*\" { capabilities = [\"create\", \"update\"] }"}),
        )?;
        put("/v1/sys/auth/approle", json!({"type": "approle"}))?;
        put(
            "/v1/auth/approle/role/app",
            json!({"token_policies": ["app"], "token_ttl": "1h", "token_max_ttl": "24h"}),
        )?;
        let role = call(
            self.address,
            "GET",
            "/v1/auth/approle/role/app/role-id",
            None,
        )?;
        let secret = put("/v1/auth/approle/role/app/secret-id", json!({}))?;
        for (path, answer, key) in [
            (&self.role_id, role, "role_id"),
            (&self.secret_id, secret, "secret_id"),
        ] {
            let text = answer["data"][key]
                .as_str()
                .with_context(|| format!("the server's answer has no {key}"))?;
            fs::write(path, text).with_context(|| format!("failed to write {}", path.display()))?;
        }
        Ok(())
    }
}

fn call(address: SocketAddr, method: &str, path: &str, body: Option<&Value>) -> Result<Value> {
    let stream = TcpStream::connect(address).context("failed to connect to the server")?;
    let body = body.map_or_else(Vec::new, |body| body.to_string().into_bytes());
    let answer = Connection::new(stream).send(method, path, &[("X-Vault-Token", TOKEN)], &body)?;
    if answer.status >= 300 {
        bail!(
            "the server refused {method} {path} with {}: {}",
            answer.status,
            String::from_utf8_lossy(&answer.body)
        );
    }
    if answer.body.is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_slice(&answer.body)
        .with_context(|| format!("the server's answer to {method} {path} is not JSON"))
}
