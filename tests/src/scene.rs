//! A real server, a real database and a scripted cluster, set up as in the guides.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use leasehold_testkit::openbao::Settings;
use leasehold_testkit::pod::Options;
use leasehold_testkit::{Cluster, OpenBao, Pod, Postgres, admission};
use serde_json::{Value, json};

use crate::injector::{Admission, admit};

/// Long enough for anything that should happen soon, on a machine with other work.
pub const SOON: Duration = Duration::from_secs(60);

/// The parts around the two binaries.
#[derive(Debug)]
pub struct Scene {
    /// The cluster's API server.
    pub cluster: Cluster,
    /// Vault's stand-in.
    pub bao: OpenBao,
    /// The database, where a scenario needs one.
    pub postgres: Option<Postgres>,
    /// Flags that the injector gets besides the address.
    pub flags: Vec<String>,
}

impl Scene {
    /// A development server and a cluster.
    pub fn new() -> Self {
        Self::with(Settings::default())
    }

    /// A server of another kind and a cluster.
    pub fn with(settings: Settings) -> Self {
        let bao = OpenBao::start_with(settings);
        Self {
            cluster: Cluster::start(),
            bao,
            postgres: None,
            flags: Vec::new(),
        }
    }

    /// Adds a database with the secrets engine `database/` and a role of these lifetimes.
    #[must_use]
    pub fn with_database(mut self, role: &str, ttl: &str, max_ttl: &str) -> Self {
        let postgres = Postgres::start();
        let (superuser, password) = postgres.superuser();
        self.bao
            .must("POST", "sys/mounts/database", &json!({"type": "database"}));
        self.bao.write(
            "database/config/app",
            &json!({
                "plugin_name": "postgresql-database-plugin", "allowed_roles": "*",
                "connection_url": postgres.connection_url(),
                "username": superuser, "password": password,
            }),
        );
        self.bao.write(
            &format!("database/roles/{role}"),
            &json!({
                "db_name": "app", "default_ttl": ttl, "max_ttl": max_ttl,
                "creation_statements":
                    "CREATE ROLE \"{{name}}\" LOGIN PASSWORD '{{password}}' \
                     VALID UNTIL '{{expiration}}';",
                "renew_statements":
                    "ALTER ROLE \"{{name}}\" VALID UNTIL '{{expiration}}';",
                "revocation_statements":
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                     WHERE usename = '{{name}}'; DROP ROLE IF EXISTS \"{{name}}\";",
            }),
        );
        self.postgres = Some(postgres);
        self
    }

    /// The database; panics in a scene without one.
    pub fn postgres(&self) -> &Postgres {
        self.postgres
            .as_ref()
            .expect("the scene was made with a database")
    }

    /// Turns kubernetes auth on at a mount, with a reviewer of its own.
    pub fn kubernetes_auth(&self, mount: &str) {
        self.bao.must(
            "POST",
            &format!("sys/auth/{mount}"),
            &json!({"type": "kubernetes"}),
        );
        self.configure_kubernetes_auth(mount, &self.cluster.reviewer("vault", "reviewer"));
    }

    /// Names the reviewer's token of a mount.
    pub fn configure_kubernetes_auth(&self, mount: &str, reviewer: &str) {
        self.bao.write(
            &format!("auth/{mount}/config"),
            &json!({
                "kubernetes_host": self.cluster.address(),
                "kubernetes_ca_cert": self.cluster.ca(),
                "token_reviewer_jwt": reviewer,
                "disable_local_ca_jwt": true,
            }),
        );
    }

    /// A pod of a workload, with a name of its own, its account and namespace made.
    pub fn pod_of(&self, workload: &Value) -> Value {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let pod = admission::pod_of(workload, &format!("7c9d5b6f8d-{number:05}"));
        admission::prepare(&self.cluster, &pod, self.cluster.ca());
        pod
    }

    /// The flags for `leasehold review` in this scene.
    pub fn injector_flags(&self) -> Vec<String> {
        let mut flags = vec![format!("--vault-address={}", self.bao.address())];
        flags.extend(self.flags.iter().cloned());
        flags
    }

    /// Takes a pod of a workload through admission.
    #[track_caller]
    pub fn admit(&self, workload: &Value) -> Admission {
        admit(&self.pod_of(workload), &self.injector_flags())
    }

    /// Admits and runs a pod of a workload.
    #[track_caller]
    pub fn run(&self, workload: &Value) -> Pod {
        self.run_with(workload, Options::default())
    }

    /// Admits and runs a pod of a workload in another way.
    #[track_caller]
    pub fn run_with(&self, workload: &Value, options: Options) -> Pod {
        Pod::start(&self.cluster, &self.admit(workload).admitted(), options)
    }

    /// How many leases the server keeps below a path such as `database/creds/ROLE/`.
    pub fn leases(&self, path: &str) -> usize {
        self.bao.list(&format!("sys/leases/lookup/{path}")).len()
    }

    /// The requests of the audit log whose path begins so, with the operation.
    pub fn requests_to(&self, path: &str) -> Vec<String> {
        let all = self.bao.audited_requests();
        let found = all.into_iter().filter(|(_, to)| to.starts_with(path));
        found
            .map(|(operation, to)| format!("{operation} {to}"))
            .collect()
    }
}

impl Default for Scene {
    fn default() -> Self {
        Self::new()
    }
}

/// A shell that waits until its pod ends.
pub const WAIT: &str = "trap 'exit 0' TERM; while :; do sleep 0.1; done";

/// A Deployment of one container with these annotations on its pods.
pub fn deployment(namespace: &str, account: &str, script: &str, annotations: &Value) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "app", "namespace": namespace},
        "spec": {
            "selector": {"matchLabels": {"app": "app"}},
            "template": {
                "metadata": {"labels": {"app": "app"}, "annotations": annotations},
                "spec": {
                    "serviceAccountName": account,
                    "terminationGracePeriodSeconds": 10,
                    "containers": [{
                        "name": "app", "image": "busybox",
                        "command": ["/bin/sh", "-c", script],
                    }],
                },
            },
        },
    })
}

/// The values of `NAME=value` lines.
pub fn value_of(text: &str, name: &str) -> Option<String> {
    text.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
        .map(|value| value.trim().to_owned())
}
