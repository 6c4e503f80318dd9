//! A scripted Kubernetes API server: TLS with an authority of its own, and what leasehold and Vault
//! ask of it.
//!
//! - TokenReview as the real server answers it (audiences, bound pod, expiry, unknown tokens), OIDC
//!   discovery and key set, TokenRequest, and `Cluster::mint` as a kubelet would ask for tokens.
//! - Objects of any kind with resource versions, conflicts, watches with field selectors, and
//!   server-side apply with field ownership.
//! - Authorization by [`Grant`]s: an account may do nothing until it was granted.
//!
//! It keeps no schema: a malformed object is accepted. Admission webhooks are not called.

mod apply;
mod http;
mod review;
mod route;
mod store;
mod token;
mod watching;

use std::ops::Deref;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;

use serde_json::{Value, json};
use tokio::sync::{oneshot, watch};

use crate::net::{Identity, Port};
use crate::scratch::Scratch;

use self::store::{Place, Store, Write};
use self::token::{Bound, Signer};

pub use self::token::TokenSpec;

/// A running API server. Dropping it ends the server.
pub struct Cluster {
    objects: Objects,
    identity: Identity,
    port: Port,
    running: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
    scratch: Scratch,
}

/// The server's objects and tokens, with all rights; also reachable while it does not listen.
#[derive(Clone)]
pub struct Objects {
    state: Arc<State>,
}

/// What a service account may do.
#[derive(Debug, Clone)]
pub struct Grant {
    /// API groups; the core group is empty.
    pub groups: Vec<String>,
    /// Resources, such as `secrets`.
    pub resources: Vec<String>,
    /// Object names; none means all. Lists and watches then need a selector on that name.
    pub names: Vec<String>,
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`.
    pub verbs: Vec<String>,
    /// Only in this namespace.
    pub namespace: Option<String>,
}

/// One request that was answered.
#[derive(Debug, Clone)]
pub struct Request {
    /// HTTP method.
    pub method: String,
    /// Path with query.
    pub path: String,
    /// `system:serviceaccount:NAMESPACE:NAME`, `admin`, or empty.
    pub user: String,
    /// The status that was answered.
    pub status: u16,
}

/// A fault to answer with.
#[derive(Debug, Clone)]
struct Fault {
    path_prefix: String,
    status: u16,
    remaining: u32,
}

/// What the connections share.
struct State {
    signer: Signer,
    admin_token: String,
    store: Mutex<Store>,
    /// The store's version, for watches that wait.
    changed: watch::Sender<u64>,
    grants: Mutex<Vec<(String, Grant)>>,
    requests: Mutex<Vec<Request>>,
    faults: Mutex<Vec<Fault>>,
    version: Mutex<String>,
}

impl Cluster {
    /// Starts a server with the four namespaces that every cluster has.
    pub fn start() -> Self {
        let port = Port::reserve();
        let address = format!("https://127.0.0.1:{}", port.number());
        let names = [
            "kubernetes.default.svc",
            "kubernetes.default.svc.cluster.local",
        ];
        let state = State {
            signer: Signer::new(address),
            admin_token: token::random_text(40),
            store: Mutex::new(Store::new()),
            changed: watch::Sender::new(0),
            grants: Mutex::default(),
            requests: Mutex::default(),
            faults: Mutex::default(),
            version: Mutex::new("1.36.0".to_owned()),
        };
        let mut cluster = Self {
            objects: Objects {
                state: Arc::new(state),
            },
            identity: Identity::new("leasehold test cluster CA", &names),
            port,
            running: None,
            scratch: Scratch::new("cluster"),
        };
        for namespace in ["default", "kube-system", "kube-public", "kube-node-lease"] {
            cluster.namespace(namespace, &json!({}));
        }
        std::fs::write(cluster.ca_file(), &cluster.identity.ca)
            .expect("our own folder can be written");
        cluster.start_again();
        cluster
    }

    /// The address, which is also the issuer of its tokens and its default audience.
    pub fn address(&self) -> String {
        self.state.signer.issuer().to_owned()
    }

    /// The TCP port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// The certificate authority, PEM.
    pub fn ca(&self) -> &str {
        &self.identity.ca
    }

    /// A file with the certificate authority.
    pub fn ca_file(&self) -> PathBuf {
        self.scratch.join("ca.pem")
    }

    /// A token that may do everything.
    pub fn admin_token(&self) -> &str {
        &self.state.admin_token
    }

    /// Writes a kubeconfig (as JSON, which is YAML) for a bearer token.
    pub fn kubeconfig(&self, token: &str) -> PathBuf {
        let path = self
            .scratch
            .join(format!("kubeconfig-{}", token::random_text(8)));
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "test",
            "clusters": [{"name": "test", "cluster": {
                "server": self.address(), "certificate-authority": self.ca_file(),
            }}],
            "users": [{"name": "test", "user": {"token": token}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        });
        std::fs::write(&path, config.to_string()).expect("our own folder can be written");
        path
    }

    /// The version that `/version` tells, such as `1.36.0`.
    pub fn set_version(&self, version: &str) {
        *lock(&self.state.version) = version.to_owned();
    }

    /// Closes the port and all connections; objects and keys stay.
    pub fn stop(&mut self) {
        if let Some((stop, thread)) = self.running.take() {
            let _ = stop.send(());
            let _ = thread.join();
        }
    }

    /// Listens again on the same port.
    pub fn start_again(&mut self) {
        self.stop();
        self.running = Some(http::serve(&self.state, &self.identity, self.port.number()));
    }

    /// Answers the next `times` requests whose path begins so with a status.
    pub fn fail_next(&self, path_prefix: &str, status: u16, times: u32) {
        let fault = Fault {
            path_prefix: path_prefix.to_owned(),
            status,
            remaining: times,
        };
        lock(&self.state.faults).push(fault);
    }

    /// All requests that were answered so far. A watch counts when it begins.
    pub fn requests(&self) -> Vec<Request> {
        lock(&self.state.requests).clone()
    }

    /// What a kubelet needs of us, for its own thread.
    pub(crate) fn objects(&self) -> Objects {
        self.objects.clone()
    }
}

impl Deref for Cluster {
    type Target = Objects;

    fn deref(&self) -> &Objects {
        &self.objects
    }
}

impl Objects {
    /// Makes a namespace with the metadata given (labels, annotations), or replaces its metadata.
    pub fn namespace(&self, name: &str, metadata: &Value) {
        let mut metadata = metadata.clone();
        metadata["name"] = json!(name);
        metadata["labels"]["kubernetes.io/metadata.name"] = json!(name);
        self.put(
            "",
            "v1",
            "namespaces",
            None,
            &json!({
                "apiVersion": "v1", "kind": "Namespace", "metadata": metadata,
            }),
        );
    }

    /// Makes a service account (and its namespace) unless it is there, and gives its UID.
    pub fn service_account(&self, namespace: &str, name: &str) -> String {
        let existing = {
            let store = lock(&self.state.store);
            if store.get("/namespaces", None, namespace).is_none() {
                drop(store);
                self.namespace(namespace, &json!({}));
                None
            } else {
                store
                    .get("/serviceaccounts", Some(namespace), name)
                    .cloned()
            }
        };
        let object = existing.unwrap_or_else(|| {
            self.put(
                "",
                "v1",
                "serviceaccounts",
                Some(namespace),
                &json!({
                    "apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name},
                }),
            )
        });
        object["metadata"]["uid"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    /// Lets an account send TokenReviews, as the cluster role `system:auth-delegator` does, and
    /// gives a token of a year for it, for Vault's `token_reviewer_jwt`.
    pub fn reviewer(&self, namespace: &str, name: &str) -> String {
        self.grant(
            namespace,
            name,
            Grant {
                groups: vec!["authentication.k8s.io".to_owned()],
                resources: vec!["tokenreviews".to_owned()],
                names: Vec::new(),
                verbs: vec!["create".to_owned()],
                namespace: None,
            },
        );
        self.mint(&TokenSpec::new(namespace, name, &[]).expiring_after(31_536_000))
    }

    /// Lets an account do something. Makes the account when it is not there.
    pub fn grant(&self, namespace: &str, name: &str, grant: Grant) {
        self.service_account(namespace, name);
        let user = format!("system:serviceaccount:{namespace}:{name}");
        lock(&self.state.grants).push((user, grant));
    }

    /// Signs a token as the TokenRequest API does. Account and pod are made when they are not
    /// there.
    pub fn mint(&self, spec: &TokenSpec) -> String {
        let account = self.service_account(&spec.namespace, &spec.service_account);
        let pod = spec.pod.as_ref().map(|name| {
            let existing = lock(&self.state.store)
                .get("/pods", Some(&spec.namespace), name)
                .cloned();
            let object = existing.unwrap_or_else(|| {
                self.put(
                    "",
                    "v1",
                    "pods",
                    Some(&spec.namespace),
                    &json!({
                        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
                        "spec": {"serviceAccountName": spec.service_account},
                    }),
                )
            });
            let uid = object["metadata"]["uid"]
                .as_str()
                .unwrap_or_default()
                .to_owned();
            Bound {
                name: name.clone(),
                uid,
            }
        });
        self.state
            .signer
            .mint(spec, &account, pod.as_ref(), &node())
    }

    /// Creates an object, or replaces one of its name, with all rights. Gives it as it is kept.
    pub fn put(
        &self,
        group: &str,
        version: &str,
        resource: &str,
        namespace: Option<&str>,
        object: &Value,
    ) -> Value {
        let place = place(group, version, resource, namespace);
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        let mut store = lock(&self.state.store);
        let known = store
            .get(&place.group_resource(), namespace, name)
            .is_some();
        let outcome = if known {
            store.replace(&place, name, object.clone(), "testkit", Write::Keep)
        } else {
            store.create(&place, object.clone(), "testkit", Write::Keep)
        };
        let kept = outcome.unwrap_or_else(|refusal| {
            panic!(
                "the object {resource}/{name} was refused: {}",
                refusal.message
            )
        });
        self.state.changed.send_replace(store.version());
        kept
    }

    /// One object as it is kept.
    pub fn get(
        &self,
        group: &str,
        resource: &str,
        namespace: Option<&str>,
        name: &str,
    ) -> Option<Value> {
        lock(&self.state.store)
            .get(&format!("{group}/{resource}"), namespace, name)
            .cloned()
    }

    /// Removes an object, if it is there.
    pub fn delete(&self, group: &str, resource: &str, namespace: Option<&str>, name: &str) {
        let place = place(group, "v1", resource, namespace);
        let mut store = lock(&self.state.store);
        let _ = store.delete(&place, name, &Value::Null);
        self.state.changed.send_replace(store.version());
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.stop();
    }
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Cluster")
            .field("address", &self.address())
            .finish()
    }
}

fn place(group: &str, version: &str, resource: &str, namespace: Option<&str>) -> Place {
    Place {
        group: group.to_owned(),
        version: version.to_owned(),
        resource: resource.to_owned(),
        namespace: namespace.map(str::to_owned),
        name: None,
    }
}

/// The one node that all pods run on.
fn node() -> Bound {
    Bound {
        name: "node-1".to_owned(),
        uid: "7b9d1e4e-6c1d-4f51-9b3d-0d5b0c6a2f10".to_owned(),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex
        .lock()
        .expect("no thread panics while it holds this lock")
}
