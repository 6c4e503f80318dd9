//! A real OpenBao and a real PostgreSQL in one pod, reached through the API server's proxy.
//!
//! The server has TLS, keeps its data in the pod's own volume, and can be stopped and started inside of
//! the pod: its container is a shell that starts it again when it may.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::{Context, Result, bail};
use http::Method;
use leasehold_testkit::net::Identity;
use serde_json::{Value, json};

use crate::api::Api;
use crate::options::Images;
use crate::stage::{self, LABEL, NAME, SOON, name, until};

/// Where the servers are.
pub(crate) const NAMESPACE: &str = "leasehold-e2e-vault";
/// The account that reviews tokens.
const ACCOUNT: &str = "vault";
const PASSWORD: &str = "e2e-superuser";

const BAO: &str = r#"
storage "raft" { path = "/data/raft" node_id = "one" performance_multiplier = 1 }
listener "tcp" { address = "0.0.0.0:8200" tls_cert_file = "/config/server.pem" tls_key_file = "/config/server.key" }
audit "file" "log" { options { file_path = "/data/audit.log" log_raw = "true" } }
api_addr = "https://127.0.0.1:8200"
cluster_addr = "https://127.0.0.1:8201"
disable_mlock = true
"#;

/// Starts the server whenever `/data/stopped` is not there.
const KEEP_STARTED: &str = "mkdir -p /data/raft; \
    trap 'kill $(cat /data/pid); exit 0' TERM; \
    while :; do \
      if [ ! -e /data/stopped ]; then \
        bao server -config=/config/bao.hcl & echo $! > /data/pid; wait $!; \
      fi; sleep 0.2; \
    done";

/// What OpenBao answered.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
}

/// The two servers.
pub(crate) struct Server {
    api: Arc<Api>,
    /// What agents are given as the server's address.
    pub(crate) address: String,
    /// Where PostgreSQL is, for applications.
    pub(crate) host: String,
    /// The authority of the server's certificate, PEM.
    pub(crate) ca: String,
    pod: String,
    root_token: String,
    unseal_key: String,
}

impl Server {
    /// Starts both, and initialises and unseals OpenBao.
    pub(crate) fn start(
        api: &Arc<Api>,
        images: &Images,
        names: bool,
        stop: &AtomicBool,
    ) -> Result<Self> {
        stage::make_namespace(api, NAMESPACE)?;
        api.create(&json!({
            "apiVersion": "v1", "kind": "ServiceAccount",
            "metadata": {"name": ACCOUNT, "namespace": NAMESPACE},
        }))?;
        // What the kubernetes login needs: the server asks the API server about tokens.
        api.create(&json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
            "metadata": {"name": format!("{NAME}-reviewer"), "labels": {LABEL: "yes"}},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole",
                        "name": "system:auth-delegator"},
            "subjects": [{"kind": "ServiceAccount", "name": ACCOUNT, "namespace": NAMESPACE}],
        }))?;
        let service = api.create(&json!({
            "apiVersion": "v1", "kind": "Service",
            "metadata": {"name": "vault", "namespace": NAMESPACE},
            "spec": {
                "selector": {"app": "vault"},
                "ports": [{"name": "vault", "port": 8200}, {"name": "postgres", "port": 5432},
                          {"name": "keys", "port": 8100}],
                // A sealed server must be reachable, to be unsealed.
                "publishNotReadyAddresses": true,
            },
        }))?;
        let ip = service.body["spec"]["clusterIP"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        let dns = format!("vault.{NAMESPACE}.svc");
        let identity = Identity::new("leasehold end-to-end server CA", &[&dns, &ip]);
        let host = if names {
            dns
        } else if ip.contains(':') {
            format!("[{ip}]")
        } else {
            ip
        };
        let keys = api.raw("/openid/v1/jwks")?;
        if !keys.is_fine() {
            bail!(
                "the API server gives no keys of its tokens at /openid/v1/jwks: {}",
                keys.message()
            );
        }
        api.create(&json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": "config", "namespace": NAMESPACE},
            "stringData": {
                "bao.hcl": BAO, "server.pem": identity.certificate, "server.key": identity.key,
                "jwks": keys.body.to_string(),
            },
        }))?;
        api.create(&deployment(&images.server))?;
        let pod = until(stop, "the pod of OpenBao and PostgreSQL runs", SOON, || {
            let pods = api.list("Pod", NAMESPACE, "app=vault")?;
            let ready = pods.into_iter().find(|pod| {
                ["bao", "postgres", "keys"]
                    .iter()
                    .all(|one| !stage::container(pod, one)["state"]["running"].is_null())
            });
            Ok(ready.map(|pod| name(&pod).to_owned()))
        })
        .with_context(|| format!("the image {} may not be on the node", images.server))?;
        let mut server = Self {
            api: Arc::clone(api),
            address: format!("https://{host}:8200"),
            host,
            ca: identity.ca,
            pod,
            root_token: String::new(),
            unseal_key: String::new(),
        };
        until(
            stop,
            "OpenBao answers through the API server's proxy",
            SOON,
            || {
                let answer = server.request("GET", "sys/seal-status", &Value::Null)?;
                Ok((answer.status == 200).then_some(()))
            },
        )?;
        let made = server.must(
            "PUT",
            "sys/init",
            &json!({"secret_shares": 1, "secret_threshold": 1}),
        )?;
        server.unseal_key = made["keys"][0].as_str().unwrap_or_default().to_owned();
        server.root_token = made["root_token"].as_str().unwrap_or_default().to_owned();
        server.unseal(stop)?;
        until(stop, "PostgreSQL takes connections", SOON, || {
            Ok(server.sql("SELECT 1").ok().map(|_| ()))
        })?;
        Ok(server)
    }

    /// Sends one request as root and gives whatever is answered.
    pub(crate) fn request(&self, method: &str, path: &str, body: &Value) -> Result<Answer> {
        let (method, query) = match method {
            "LIST" => (Method::GET, "?list=true"),
            other => (Method::from_bytes(other.as_bytes())?, ""),
        };
        let path = format!(
            "/api/v1/namespaces/{NAMESPACE}/pods/https:{}:8200/proxy/v1/{path}{query}",
            self.pod
        );
        let body = if body.is_null() {
            Vec::new()
        } else {
            body.to_string().into_bytes()
        };
        let headers = [
            ("Content-Type", "application/json"),
            ("X-Vault-Token", self.root_token.as_str()),
        ];
        let headers = if self.root_token.is_empty() {
            &headers[..1]
        } else {
            &headers[..]
        };
        let answer = self.api.call(&method, &path, headers, body)?;
        Ok(Answer {
            status: answer.status,
            body: answer.body,
        })
    }

    /// Sends a request that must succeed.
    pub(crate) fn must(&self, method: &str, path: &str, body: &Value) -> Result<Value> {
        let answer = self.request(method, path, body)?;
        if !(200..300).contains(&answer.status) {
            bail!(
                "OpenBao refused {method} {path} with {}: {}",
                answer.status,
                answer.body
            );
        }
        Ok(answer.body)
    }

    /// Writes as root.
    pub(crate) fn write(&self, path: &str, body: &Value) -> Result<()> {
        self.must("PUT", path, body).map(|_| ())
    }

    /// Makes a policy.
    pub(crate) fn policy(&self, name: &str, rules: &str) -> Result<()> {
        self.write(
            &format!("sys/policies/acl/{name}"),
            &json!({"policy": rules}),
        )
    }

    /// Turns an engine on.
    pub(crate) fn mount(&self, path: &str, body: &Value) -> Result<()> {
        self.must("POST", &format!("sys/mounts/{path}"), body)
            .map(|_| ())
    }

    /// Turns the kubernetes login on; the server reviews tokens with its own pod's account.
    pub(crate) fn kubernetes_auth(&self, mount: &str) -> Result<()> {
        self.must(
            "POST",
            &format!("sys/auth/{mount}"),
            &json!({"type": "kubernetes"}),
        )?;
        let host = self.exec("bao", &["sh", "-c", "case $KUBERNETES_SERVICE_HOST in *:*) h=[$KUBERNETES_SERVICE_HOST];; *) h=$KUBERNETES_SERVICE_HOST;; esac; echo https://$h:$KUBERNETES_SERVICE_PORT"])?;
        self.write(
            &format!("auth/{mount}/config"),
            &json!({"kubernetes_host": host.trim()}),
        )
    }

    /// Turns the jwt login on, with the cluster's own keys.
    ///
    /// The keys come from beside the server: fetching them from an API server without a token needs a
    /// right that a cluster of somebody else's should not be asked for.
    pub(crate) fn jwt_auth(&self, mount: &str, default_role: &str) -> Result<()> {
        self.must(
            "POST",
            &format!("sys/auth/{mount}"),
            &json!({"type": "jwt"}),
        )?;
        self.write(
            &format!("auth/{mount}/config"),
            &json!({"jwks_url": "http://127.0.0.1:8100/jwks", "default_role": default_role}),
        )
    }

    /// A database role of these lifetimes; the engine is made with the first.
    pub(crate) fn database(&self, role: &str, ttl: &str, max_ttl: &str) -> Result<()> {
        self.write(
            &format!("database/roles/{role}"),
            &json!({
                "db_name": "app", "default_ttl": ttl, "max_ttl": max_ttl,
                "creation_statements":
                    "CREATE ROLE \"{{name}}\" LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}';",
                "renew_statements": "ALTER ROLE \"{{name}}\" VALID UNTIL '{{expiration}}';",
                "revocation_statements":
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{{name}}'; \
                     DROP ROLE IF EXISTS \"{{name}}\";",
            }),
        )
    }

    /// What every scenario with a database needs.
    pub(crate) fn database_engine(&self) -> Result<()> {
        self.mount("database", &json!({"type": "database"}))?;
        self.write(
            "database/config/app",
            &json!({
                "plugin_name": "postgresql-database-plugin", "allowed_roles": "*",
                "connection_url": "postgresql://{{username}}:{{password}}@127.0.0.1:5432/postgres?sslmode=disable",
                "username": "postgres", "password": PASSWORD,
            }),
        )
    }

    /// The database users that a role's leases made, in order.
    pub(crate) fn users(&self, role: &str) -> Result<Vec<String>> {
        let rows = self.sql(
            "SELECT rolname FROM pg_roles WHERE rolcanlogin AND rolname <> 'postgres' ORDER BY 1",
        )?;
        // OpenBao names users v-LOGIN-ROLE-RANDOM-TIME, with eight letters of the role.
        let role: String = role.chars().take(8).collect();
        let mine = rows
            .lines()
            .filter(|line| line.contains(&format!("-{role}-")));
        Ok(mine.map(str::to_owned).collect())
    }

    /// How many leases are kept below a path.
    pub(crate) fn leases(&self, path: &str) -> Result<usize> {
        let answer = self.request("LIST", &format!("sys/leases/lookup/{path}"), &Value::Null)?;
        Ok(answer.body["data"]["keys"].as_array().map_or(0, Vec::len))
    }

    /// Tries to log in to PostgreSQL.
    pub(crate) fn log_in(&self, user: &str, password: &str) -> Result<(), String> {
        let url = format!("postgresql://{user}:{password}@127.0.0.1:5432/postgres");
        let ran = self.api.exec(
            NAMESPACE,
            &self.pod,
            "postgres",
            &["psql", "-At", "-c", "SELECT 1", &url],
        );
        match ran {
            Ok(ran) if ran.worked => Ok(()),
            Ok(ran) => Err(ran.errors.replace(password, "…")),
            Err(error) => Err(format!("{error:#}")),
        }
    }

    /// The audit log's lines that hold a text.
    pub(crate) fn audit(&self, text: &str) -> Result<Vec<Value>> {
        let lines = self.exec(
            "bao",
            &["sh", "-c", "grep -F -- \"$0\" /data/audit.log; true", text],
        )?;
        Ok(lines
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect())
    }

    /// Ends the server's process; it stays away until [`Self::come_back`].
    pub(crate) fn go_away(&self) -> Result<()> {
        self.exec(
            "bao",
            &["sh", "-c", "touch /data/stopped && kill $(cat /data/pid)"],
        )
        .map(|_| ())
    }

    /// Lets the server start again, and unseals it.
    pub(crate) fn come_back(&self, stop: &AtomicBool) -> Result<()> {
        self.exec("bao", &["rm", "-f", "/data/stopped"])?;
        until(stop, "OpenBao answers again", SOON, || {
            let answer = self.request("GET", "sys/seal-status", &Value::Null)?;
            Ok((answer.status == 200).then_some(()))
        })?;
        self.unseal(stop)
    }

    /// Seals the server.
    pub(crate) fn seal(&self) -> Result<()> {
        self.must("PUT", "sys/seal", &Value::Null).map(|_| ())
    }

    /// Unseals the server and waits until it is active.
    pub(crate) fn unseal(&self, stop: &AtomicBool) -> Result<()> {
        self.must("PUT", "sys/unseal", &json!({"key": self.unseal_key}))?;
        until(stop, "OpenBao is active", SOON, || {
            let answer = self.request("GET", "sys/health", &Value::Null)?;
            Ok((answer.status == 200).then_some(()))
        })
    }

    fn sql(&self, statement: &str) -> Result<String> {
        self.exec(
            "postgres",
            &[
                "psql", "-h", "/tmp", "-U", "postgres", "-At", "-c", statement,
            ],
        )
    }

    fn exec(&self, container: &str, command: &[&str]) -> Result<String> {
        let ran = self.api.exec(NAMESPACE, &self.pod, container, command)?;
        if !ran.worked {
            bail!(
                "{command:?} failed in the server's pod: {}",
                ran.errors.trim()
            );
        }
        Ok(ran.output)
    }
}

fn deployment(image: &str) -> Value {
    let start_postgres = format!(
        "cd /tmp && echo {PASSWORD} > p && initdb -D d -U postgres --auth-local=trust \
         --auth-host=scram-sha-256 --pwfile=p --locale=C >/dev/null \
         && echo 'host all all all scram-sha-256' >> d/pg_hba.conf && exec postgres -D d -k /tmp -h 0.0.0.0 \
         -c fsync=off -c shared_buffers=16MB -c max_connections=100"
    );
    let container = |name: &str, command: &str, more: Value| {
        let mut container = json!({
            "name": name, "image": image, "imagePullPolicy": "IfNotPresent",
            "command": ["/bin/sh", "-c", command],
        });
        for (field, value) in more.as_object().into_iter().flatten() {
            container[field] = value.clone();
        }
        container
    };
    let data = json!({"name": "data", "mountPath": "/data"});
    let config = json!({"name": "config", "mountPath": "/config", "readOnly": true});
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "vault", "namespace": NAMESPACE},
        "spec": {
            "selector": {"matchLabels": {"app": "vault"}},
            "strategy": {"type": "Recreate"},
            "template": {
                "metadata": {"labels": {"app": "vault"}},
                "spec": {
                    "serviceAccountName": ACCOUNT,
                    "terminationGracePeriodSeconds": 2,
                    "securityContext": {
                        "runAsUser": 100, "runAsGroup": 1000, "fsGroup": 1000, "runAsNonRoot": true,
                        "seccompProfile": {"type": "RuntimeDefault"},
                    },
                    "containers": [
                        container("bao", KEEP_STARTED, json!({
                            "env": [{"name": "HOME", "value": "/tmp"}],
                            "volumeMounts": [data, config],
                        })),
                        container("postgres", &start_postgres, json!({})),
                        // The cluster's public keys, for the jwt login.
                        container("keys", "exec busybox httpd -f -p 127.0.0.1:8100 -h /config", json!({
                            "volumeMounts": [{"name": "keys", "mountPath": "/config", "readOnly": true}],
                        })),
                    ],
                    "volumes": [
                        {"name": "data", "emptyDir": {}},
                        {"name": "config", "secret": {"secretName": "config"}},
                        {"name": "keys", "secret": {"secretName": "config",
                                                     "items": [{"key": "jwks", "path": "jwks"}]}},
                    ],
                },
            },
        },
    })
}
