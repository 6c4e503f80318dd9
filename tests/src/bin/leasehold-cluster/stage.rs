//! The stage that the scenarios run on: namespaces, the way to the API server, and waiting.
//!
//! Everything that is made carries one label or lies in a namespace that carries it, so that a later
//! run finds what an earlier one could not take away.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use leasehold_testkit::wait;
use serde_json::{Value, json};

use crate::api::{Api, Ran};
use crate::options::Options;
use crate::server::Server;

/// What the name of everything begins with.
pub(crate) const NAME: &str = "leasehold-e2e";
/// The label of everything that is made outside of our namespaces, and of the namespaces.
pub(crate) const LABEL: &str = "leasehold.dev/e2e";
/// Long enough for a pod to be scheduled and started on a busy node.
pub(crate) const SOON: Duration = Duration::from_secs(120);

/// Between two questions to the API server at most this passes.
const LONGEST_PAUSE: Duration = Duration::from_millis(400);

/// What the cluster was found to have.
#[derive(Debug, Clone)]
pub(crate) struct Cluster {
    /// `1.36`, as major and minor.
    pub(crate) version: (u32, u32),
    /// Whether pods resolve the names of Services.
    pub(crate) names: bool,
    /// A node that pods are run on.
    pub(crate) node: String,
}

/// What the scenarios share.
pub(crate) struct Stage {
    pub(crate) api: Arc<Api>,
    pub(crate) options: Options,
    pub(crate) cluster: Cluster,
    pub(crate) server: Server,
    pub(crate) stop: Arc<AtomicBool>,
}

impl Stage {
    /// The name of a scenario's namespace.
    pub(crate) fn namespace(part: &str) -> String {
        format!("{NAME}-{part}")
    }

    /// Makes a scenario's namespace, with service accounts.
    pub(crate) fn make_namespace(&self, part: &str, accounts: &[&str]) -> Result<String> {
        let name = Self::namespace(part);
        make_namespace(&self.api, &name)?;
        for account in accounts {
            self.api.create(&json!({
                "apiVersion": "v1", "kind": "ServiceAccount",
                "metadata": {"name": account, "namespace": name},
            }))?;
        }
        Ok(name)
    }

    /// Waits for a stated condition.
    pub(crate) fn until<T>(
        &self,
        what: &str,
        deadline: Duration,
        condition: impl FnMut() -> Result<Option<T>>,
    ) -> Result<T> {
        until(&self.stop, what, deadline, condition)
    }

    /// The pods with a label `app`, in the order of their names, without those that are leaving.
    pub(crate) fn pods(&self, namespace: &str, app: &str) -> Result<Vec<Value>> {
        let pods = self.api.list("Pod", namespace, &format!("app={app}"))?;
        Ok(pods
            .into_iter()
            .filter(|pod| pod["metadata"]["deletionTimestamp"].is_null())
            .collect())
    }

    /// Waits until that many pods have a running container of a name, and gives the pods.
    pub(crate) fn running(&self, namespace: &str, app: &str, count: usize) -> Result<Vec<Value>> {
        let what = format!("{count} pods of {namespace}/{app} run their application");
        self.until(&what, SOON, || {
            let pods = self.pods(namespace, app)?;
            let running = pods.len() == count
                && pods
                    .iter()
                    .all(|pod| !container(pod, "app")["state"]["running"].is_null());
            Ok(running.then_some(pods))
        })
        .with_context(|| self.story(namespace))
    }

    /// Waits until an agent's log holds all of these words, and gives the log.
    pub(crate) fn agent_says(&self, namespace: &str, app: &str, words: &[&str]) -> Result<String> {
        let what = format!("an agent of {namespace}/{app} says {words:?}");
        self.until(&what, SOON, || {
            for pod in self.pods(namespace, app)? {
                for previous in [false, true] {
                    let said = self
                        .api
                        .logs(namespace, name(&pod), "vault-agent", previous)?;
                    if words.iter().all(|word| said.contains(word)) {
                        return Ok(Some(said));
                    }
                }
            }
            Ok(None)
        })
        .with_context(|| self.story(namespace))
    }

    /// A file of a pod's application.
    pub(crate) fn file(&self, pod: &Value, path: &str) -> Result<String> {
        let ran = self.exec(pod, "app", &["cat", path])?;
        if !ran.worked {
            bail!("{path} cannot be read: {}", ran.errors.trim());
        }
        Ok(ran.output)
    }

    /// Runs a command in a pod's container.
    pub(crate) fn exec(&self, pod: &Value, container: &str, command: &[&str]) -> Result<Ran> {
        self.api
            .exec(namespace_of(pod), name(pod), container, command)
    }

    /// The pods of a namespace with the ends of their agents' logs: what one would look at first.
    pub(crate) fn story(&self, namespace: &str) -> String {
        if check_stop(&self.stop).is_err() {
            return format!("the pods of {namespace} were given up");
        }
        let mut story = format!("the pods of {namespace}:");
        let Ok(pods) = self.api.list("Pod", namespace, "") else {
            return story + " cannot be listed";
        };
        for pod in &pods {
            story.push_str(&format!(" {} ({})", name(pod), pod["status"]["phase"]));
            for status in statuses(pod) {
                story.push_str(&format!(" {}: {};", status["name"], status["state"]));
            }
            let said = self.api.logs(namespace, name(pod), "vault-agent", false);
            let said = said.unwrap_or_default();
            let lines: Vec<&str> = said.lines().collect();
            for line in lines.iter().skip(lines.len().saturating_sub(6)) {
                story.push_str(&format!(" | {line}"));
            }
        }
        story
    }
}

/// Makes a namespace of ours.
pub(crate) fn make_namespace(api: &Api, name: &str) -> Result<()> {
    api.create(&json!({
        "apiVersion": "v1", "kind": "Namespace",
        "metadata": {"name": name, "labels": {LABEL: "yes"}},
    }))?;
    Ok(())
}

/// Asks `condition` until it gives a value. An error of the condition is told with the deadline.
pub(crate) fn until<T>(
    stop: &AtomicBool,
    what: &str,
    deadline: Duration,
    mut condition: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    let mut problem = None;
    let found = wait::within_asking(LONGEST_PAUSE, deadline, || {
        if let Err(stopped) = check_stop(stop) {
            return Some(Err(stopped));
        }
        match condition() {
            Ok(found) => {
                problem = None;
                found.map(Ok)
            }
            Err(error) => {
                problem = Some(error);
                None
            }
        }
    });
    found.unwrap_or_else(|| {
        let waited = format!("waited {} s in vain: {what}", deadline.as_secs());
        Err(match problem {
            Some(error) => error.context(waited),
            None => anyhow!(waited),
        })
    })
}

/// Does something at a fixed pace for a time.
pub(crate) fn every(
    stop: &AtomicBool,
    pace: Duration,
    time: Duration,
    mut act: impl FnMut() -> Result<()>,
) -> Result<()> {
    wait::try_every(pace, time, || {
        check_stop(stop)?;
        act()
    })
}

/// An error once the runner was asked to end.
pub(crate) fn check_stop(stop: &AtomicBool) -> Result<()> {
    if stop.load(Ordering::Relaxed) {
        bail!("interrupted");
    }
    Ok(())
}

/// The name of an object.
pub(crate) fn name(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap_or_default()
}

/// The namespace of an object.
pub(crate) fn namespace_of(object: &Value) -> &str {
    object["metadata"]["namespace"].as_str().unwrap_or_default()
}

/// The statuses of all containers of a pod.
pub(crate) fn statuses(pod: &Value) -> impl Iterator<Item = &Value> {
    ["initContainerStatuses", "containerStatuses"]
        .into_iter()
        .flat_map(|field| pod["status"][field].as_array().into_iter().flatten())
}

/// The status of one container, null where there is none.
pub(crate) fn container<'a>(pod: &'a Value, name: &str) -> &'a Value {
    statuses(pod)
        .find(|status| status["name"] == name)
        .unwrap_or(&Value::Null)
}
