//! The API server as the scenarios use it: objects as JSON, warnings, logs, commands in containers,
//! and requests to pods through the API server's own proxy, so that nothing else need be reachable.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use http::{Method, Request};
use http_body_util::BodyExt as _;
use k8s_openapi::api::core::v1::Pod;
use kube::api::AttachParams;
use kube::client::Body;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::Value;
use tokio::io::AsyncReadExt as _;
use tokio::runtime::Runtime;

/// Longest wait for an answer; admission by webhooks may take up to 30 s.
const PATIENCE: Duration = Duration::from_secs(60);

/// Kinds, with their API version, plural, and whether they live in namespaces.
const KINDS: &[(&str, &str, &str, bool)] = &[
    ("ConfigMap", "v1", "configmaps", true),
    ("Namespace", "v1", "namespaces", false),
    ("Node", "v1", "nodes", false),
    ("Pod", "v1", "pods", true),
    ("Secret", "v1", "secrets", true),
    ("Service", "v1", "services", true),
    ("ServiceAccount", "v1", "serviceaccounts", true),
    ("Deployment", "apps/v1", "deployments", true),
    ("CronJob", "batch/v1", "cronjobs", true),
    ("Job", "batch/v1", "jobs", true),
    ("Lease", "coordination.k8s.io/v1", "leases", true),
    (
        "HorizontalPodAutoscaler",
        "autoscaling/v2",
        "horizontalpodautoscalers",
        true,
    ),
    (
        "PodDisruptionBudget",
        "policy/v1",
        "poddisruptionbudgets",
        true,
    ),
    (
        "NetworkPolicy",
        "networking.k8s.io/v1",
        "networkpolicies",
        true,
    ),
    ("Role", "rbac.authorization.k8s.io/v1", "roles", true),
    (
        "RoleBinding",
        "rbac.authorization.k8s.io/v1",
        "rolebindings",
        true,
    ),
    (
        "ClusterRole",
        "rbac.authorization.k8s.io/v1",
        "clusterroles",
        false,
    ),
    (
        "ClusterRoleBinding",
        "rbac.authorization.k8s.io/v1",
        "clusterrolebindings",
        false,
    ),
    (
        "MutatingWebhookConfiguration",
        "admissionregistration.k8s.io/v1",
        "mutatingwebhookconfigurations",
        false,
    ),
    (
        "ValidatingWebhookConfiguration",
        "admissionregistration.k8s.io/v1",
        "validatingwebhookconfigurations",
        false,
    ),
    (
        "ValidatingAdmissionPolicy",
        "admissionregistration.k8s.io/v1",
        "validatingadmissionpolicies",
        false,
    ),
    (
        "ValidatingAdmissionPolicyBinding",
        "admissionregistration.k8s.io/v1",
        "validatingadmissionpolicybindings",
        false,
    ),
];

/// All kinds that live outside of namespaces and that a release may leave.
pub(crate) const CLUSTER_WIDE: &[&str] = &[
    "ClusterRole",
    "ClusterRoleBinding",
    "MutatingWebhookConfiguration",
    "ValidatingWebhookConfiguration",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
];

/// All kinds that live in namespaces and that a release may leave.
pub(crate) const NAMESPACED: &[&str] = &[
    "ConfigMap",
    "Secret",
    "Service",
    "ServiceAccount",
    "Deployment",
    "Job",
    "Lease",
    "HorizontalPodAutoscaler",
    "PodDisruptionBudget",
    "NetworkPolicy",
    "Pod",
    "Role",
    "RoleBinding",
];

/// A client that the scenarios' threads share.
pub(crate) struct Api {
    runtime: Runtime,
    client: Client,
}

/// What the API server answered.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    /// HTTP status.
    pub(crate) status: u16,
    /// The body; a text where it is no JSON.
    pub(crate) body: Value,
    /// The texts of `Warning` headers, which kubectl shows.
    pub(crate) warnings: Vec<String>,
}

impl Answer {
    /// Whether it is a success.
    pub(crate) fn is_fine(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The API server's sentence, or the whole body.
    pub(crate) fn message(&self) -> String {
        match self.body["message"].as_str() {
            Some(message) => message.to_owned(),
            None => self.body.to_string(),
        }
    }
}

/// What a command in a container wrote, and whether it ended well.
#[derive(Debug, Clone)]
pub(crate) struct Ran {
    pub(crate) output: String,
    pub(crate) errors: String,
    pub(crate) worked: bool,
}

impl Api {
    /// A client by a kubeconfig file.
    pub(crate) fn connect(kubeconfig: &Path, context: Option<&str>) -> Result<Self> {
        // A second call finds one in place, which is the same.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .context("failed to start the runtime")?;
        let file = Kubeconfig::read_from(kubeconfig)
            .with_context(|| format!("failed to read the kubeconfig {}", kubeconfig.display()))?;
        let options = KubeConfigOptions {
            context: context.map(str::to_owned),
            ..KubeConfigOptions::default()
        };
        let client = runtime.block_on(async {
            let config = Config::from_custom_kubeconfig(file, &options)
                .await
                .with_context(|| {
                    format!("failed to use the kubeconfig {}", kubeconfig.display())
                })?;
            Client::try_from(config).context("failed to build a client of the API server")
        })?;
        Ok(Self { runtime, client })
    }

    /// Calls `then` when this program is asked to end, each time with how often it was asked.
    pub(crate) fn on_signals(&self, then: impl Fn(u32) + Send + 'static) -> Result<()> {
        use tokio::signal::unix::{SignalKind, signal};
        let _inside = self.runtime.enter();
        let mut interrupt = signal(SignalKind::interrupt()).context("failed to await a signal")?;
        let mut terminate = signal(SignalKind::terminate()).context("failed to await a signal")?;
        self.runtime.spawn(async move {
            let mut times = 0;
            loop {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
                times += 1;
                then(times);
            }
        });
        Ok(())
    }

    /// Sends one request; every answer is one, whatever its status.
    pub(crate) fn call(
        &self,
        method: &Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> Result<Answer> {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request
            .body(Body::from(body))
            .with_context(|| format!("failed to build the request {method} {path}"))?;
        let sent = async {
            let response = self.client.send(request).await?;
            let (parts, body) = response.into_parts();
            let bytes = body.collect().await?.to_bytes();
            Ok::<_, kube::Error>((parts, bytes))
        };
        let (parts, bytes) = self
            .runtime
            .block_on(async { tokio::time::timeout(PATIENCE, sent).await })
            .map_err(|_| {
                anyhow!(
                    "{method} {path} had no answer within {} s",
                    PATIENCE.as_secs()
                )
            })?
            .with_context(|| format!("{method} {path} had no answer"))?;
        let warnings = parts.headers.get_all("warning").iter();
        let warnings = warnings.filter_map(|value| text_of_warning(value.to_str().ok()?));
        let warnings = warnings.collect();
        let text = String::from_utf8_lossy(&bytes);
        let body = match serde_json::from_str(&text) {
            Ok(body) => body,
            Err(_) if text.is_empty() => Value::Null,
            Err(_) => Value::String(text.into_owned()),
        };
        Ok(Answer {
            status: parts.status.as_u16(),
            body,
            warnings,
        })
    }

    fn json(&self, method: &Method, path: &str, media: &str, body: &Value) -> Result<Answer> {
        let headers = [("Content-Type", media), ("Accept", "application/json")];
        self.call(method, path, &headers, body.to_string().into_bytes())
    }

    /// What a raw path gives.
    pub(crate) fn raw(&self, path: &str) -> Result<Answer> {
        self.call(
            &Method::GET,
            path,
            &[("Accept", "application/json, */*")],
            Vec::new(),
        )
    }

    /// Creates an object and gives the answer, refused or not.
    pub(crate) fn try_create(&self, object: &Value) -> Result<Answer> {
        let path = collection_of(object)?;
        self.json(&Method::POST, &path, "application/json", object)
    }

    /// As [`Self::try_create`], without keeping the object: admission alone is asked.
    pub(crate) fn dry_create(&self, object: &Value) -> Result<Answer> {
        let path = format!("{}?dryRun=All", collection_of(object)?);
        self.json(&Method::POST, &path, "application/json", object)
    }

    /// Creates an object.
    pub(crate) fn create(&self, object: &Value) -> Result<Answer> {
        let answer = self.try_create(object)?;
        if !answer.is_fine() {
            bail!(
                "the API server refused {} {} with {}: {}",
                object["kind"].as_str().unwrap_or_default(),
                object["metadata"]["name"].as_str().unwrap_or_default(),
                answer.status,
                answer.message()
            );
        }
        Ok(answer)
    }

    /// Server-side apply under a field manager, without force.
    pub(crate) fn apply(&self, object: &Value, manager: &str, dry: bool) -> Result<Answer> {
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        let dry = if dry { "&dryRun=All" } else { "" };
        let path = format!(
            "{}/{name}?fieldManager={manager}{dry}",
            collection_of(object)?
        );
        self.json(
            &Method::PATCH,
            &path,
            "application/apply-patch+yaml",
            object,
        )
    }

    /// A merge patch.
    pub(crate) fn patch(
        &self,
        kind: &str,
        namespace: &str,
        name: &str,
        patch: &Value,
    ) -> Result<()> {
        let path = format!("{}/{name}", collection(kind, namespace)?);
        let answer = self.json(&Method::PATCH, &path, "application/merge-patch+json", patch)?;
        if !answer.is_fine() {
            bail!(
                "the API server refused the patch of {kind} {name}: {}",
                answer.message()
            );
        }
        Ok(())
    }

    /// An object, if it is there.
    pub(crate) fn find(&self, kind: &str, namespace: &str, name: &str) -> Result<Option<Value>> {
        let answer = self.raw(&format!("{}/{name}", collection(kind, namespace)?))?;
        match answer.status {
            200 => Ok(Some(answer.body)),
            404 => Ok(None),
            other => bail!(
                "reading {kind} {name} was refused with {other}: {}",
                answer.message()
            ),
        }
    }

    /// An object that must be there.
    pub(crate) fn get(&self, kind: &str, namespace: &str, name: &str) -> Result<Value> {
        self.find(kind, namespace, name)?
            .with_context(|| format!("there is no {kind} {name} in namespace {namespace}"))
    }

    /// All objects of a kind with these labels; an empty namespace means everywhere.
    pub(crate) fn list(&self, kind: &str, namespace: &str, labels: &str) -> Result<Vec<Value>> {
        let path = format!(
            "{}?labelSelector={}",
            collection(kind, namespace)?,
            labels.replace('=', "%3D").replace(',', "%2C")
        );
        let answer = self.raw(&path)?;
        if !answer.is_fine() {
            bail!(
                "listing {kind} was refused with {}: {}",
                answer.status,
                answer.message()
            );
        }
        Ok(answer.body["items"].as_array().cloned().unwrap_or_default())
    }

    /// Deletes an object; one that is not there is fine.
    pub(crate) fn delete(&self, kind: &str, namespace: &str, name: &str) -> Result<()> {
        let path = format!(
            "{}/{name}?propagationPolicy=Background",
            collection(kind, namespace)?
        );
        let answer = self.call(&Method::DELETE, &path, &[], Vec::new())?;
        if answer.is_fine() || answer.status == 404 {
            return Ok(());
        }
        bail!(
            "deleting {kind} {name} was refused with {}: {}",
            answer.status,
            answer.message()
        )
    }

    /// The log of a container, of its earlier run if `previous`; empty where there is none.
    pub(crate) fn logs(
        &self,
        namespace: &str,
        pod: &str,
        container: &str,
        previous: bool,
    ) -> Result<String> {
        let path = format!(
            "/api/v1/namespaces/{namespace}/pods/{pod}/log?container={container}&previous={previous}"
        );
        let answer = self.call(&Method::GET, &path, &[], Vec::new())?;
        Ok(match answer.body {
            _ if !answer.is_fine() => String::new(),
            Value::String(text) => text,
            Value::Null => String::new(),
            other => other.to_string(),
        })
    }

    /// Runs a command in a container.
    pub(crate) fn exec(
        &self,
        namespace: &str,
        pod: &str,
        container: &str,
        command: &[&str],
    ) -> Result<Ran> {
        let api: kube::Api<Pod> = kube::Api::namespaced(self.client.clone(), namespace);
        let parameters = AttachParams::default().container(container);
        let running = async {
            let mut process = api.exec(pod, command.iter().copied(), &parameters).await?;
            let (mut output, mut errors) = (Vec::new(), Vec::new());
            let (out, err) = (process.stdout(), process.stderr());
            let status = process.take_status();
            let read_out = async {
                match out {
                    Some(mut stream) => stream.read_to_end(&mut output).await.map(|_| ()),
                    None => Ok(()),
                }
            };
            let read_err = async {
                match err {
                    Some(mut stream) => stream.read_to_end(&mut errors).await.map(|_| ()),
                    None => Ok(()),
                }
            };
            let (one, other) = tokio::join!(read_out, read_err);
            one.and(other).context("the command's output was cut off")?;
            let status = match status {
                Some(status) => status.await,
                None => None,
            };
            Ok::<_, anyhow::Error>(Ran {
                output: String::from_utf8_lossy(&output).into_owned(),
                errors: String::from_utf8_lossy(&errors).into_owned(),
                worked: status.is_some_and(|status| status.status.as_deref() == Some("Success")),
            })
        };
        self.runtime
            .block_on(async { tokio::time::timeout(PATIENCE, running).await })
            .map_err(|_| anyhow!("a command in {namespace}/{pod} did not end"))?
            .with_context(|| {
                format!("failed to run a command in {namespace}/{pod}, container {container}")
            })
    }
}

/// The path of the list that an object belongs to.
fn collection_of(object: &Value) -> Result<String> {
    let kind = object["kind"].as_str().unwrap_or_default();
    collection(
        kind,
        object["metadata"]["namespace"].as_str().unwrap_or_default(),
    )
}

fn collection(kind: &str, namespace: &str) -> Result<String> {
    let (_, version, plural, namespaced) = KINDS
        .iter()
        .find(|(name, ..)| *name == kind)
        .with_context(|| format!("the kind {kind:?} is not in the runner's table"))?;
    let root = if *version == "v1" {
        "/api/v1".to_owned()
    } else {
        format!("/apis/{version}")
    };
    Ok(if *namespaced && !namespace.is_empty() {
        format!("{root}/namespaces/{namespace}/{plural}")
    } else {
        format!("{root}/{plural}")
    })
}

/// The text of a header such as `299 - "text"`.
fn text_of_warning(header: &str) -> Option<String> {
    let (_, quoted) = header.split_once('"')?;
    let text = quoted.rsplit_once('"')?.0;
    Some(text.replace("\\\"", "\"").replace("\\\\", "\\"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_is_read_without_its_quotes() {
        assert_eq!(
            text_of_warning(r#"299 - "say \"yes\"""#).as_deref(),
            Some(r#"say "yes""#)
        );
        assert_eq!(text_of_warning("299"), None);
    }

    #[test]
    fn objects_have_the_paths_of_their_kinds() {
        assert_eq!(collection("Pod", "a").unwrap(), "/api/v1/namespaces/a/pods");
        assert_eq!(collection("Job", "").unwrap(), "/apis/batch/v1/jobs");
        assert_eq!(collection("Namespace", "a").unwrap(), "/api/v1/namespaces");
        assert!(collection("Cat", "a").is_err());
    }
}
