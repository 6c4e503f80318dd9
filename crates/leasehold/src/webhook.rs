//! The decisions of the webhook, without HTTP: pods are injected, workloads are only looked at. What is known about
//! the cluster (its version, its namespaces) is asked here, and the injection decides on it.

use std::fmt;
use std::sync::{Arc, OnceLock};

use leasehold_inject::{Finding, KubeVersion, Outcome, Review, Settings, Severity};
use serde::Deserialize;
use serde_json::Value;

use crate::admission::{Request, Verdict};
use crate::cluster::namespaces::{LookupError, Namespaces};
use crate::namespace::NamespaceFacts;
use crate::server::metrics::Metrics;
use crate::templates::Templates;
use crate::workload::{self, Holder};

/// Decides about pods and workloads.
#[derive(Debug)]
pub struct Webhook {
    /// The values of the flags.
    pub settings: Settings,
    /// What is known about namespaces.
    pub namespaces: Namespaces,
    /// The API server's version, once it is known.
    pub kube_version: Arc<OnceLock<KubeVersion>>,
    /// Counts.
    pub metrics: Arc<Metrics>,
}

/// What a namespace says, or why that is not known.
pub type Namespace = Result<Arc<NamespaceFacts>, LookupError>;

impl Webhook {
    /// What a namespace says, from memory or, for a new one, from the API server.
    pub async fn namespace(&self, name: &str) -> Namespace {
        self.namespaces.facts(name).await
    }

    /// Decides about a pod.
    pub fn mutate(
        &self,
        request: &Request<'_>,
        namespace: Result<&Arc<NamespaceFacts>, &LookupError>,
    ) -> Verdict {
        let nothing = NamespaceFacts::default();
        let facts = namespace.map_or(&nothing, |facts| facts);
        let outcome = self.review(request, request.object(), &request.kind.kind, facts);
        let found = outcome.findings().len();
        let verdict = match (namespace, outcome) {
            // Without the namespace's defaults a pod would be injected otherwise than its platform wants.
            (Err(error), Outcome::Patched { .. } | Outcome::Denied { .. }) => {
                self.metrics.denied(&request.namespace);
                Verdict {
                    denied: Some(crate::chain(error)),
                    ..Verdict::default()
                }
            }
            (_, outcome) => {
                self.metrics.decided(&request.namespace, &outcome);
                Verdict::of(outcome)
            }
        };
        log(request, &verdict, found);
        verdict
    }

    /// Looks at a workload and says what its pods will meet. Always allows.
    pub fn validate(
        &self,
        request: &Request<'_>,
        namespace: Result<&Arc<NamespaceFacts>, &LookupError>,
    ) -> Verdict {
        let nothing = NamespaceFacts::default();
        let facts = namespace.map_or(&nothing, |facts| facts);
        let mut findings = Vec::new();
        // Numbers that our reader cannot hold, or layers upon layers, are no workload that could be looked at.
        let object = serde_json::from_str(request.object()).unwrap_or(Value::Null);
        if let Some(holder) = Holder::of(&object) {
            findings = workload::misplaced(&object, holder);
            let mut pod = holder.pod(&object);
            workload::add_default_token(&mut pod);
            let outcome = self.review(request, &pod.to_string(), "Pod", facts);
            findings.extend(advice(outcome, &object));
        }
        self.metrics.validated(&findings);
        let mut verdict = Verdict::default();
        verdict.add_findings(&findings);
        verdict
    }

    fn review(
        &self,
        request: &Request<'_>,
        pod: &str,
        kind: &str,
        namespace: &NamespaceFacts,
    ) -> Outcome {
        let review = Review {
            pod,
            kind,
            operation: &request.operation,
            namespace: &request.namespace,
            dry_run: request.dry_run,
            namespace_defaults: &namespace.annotations,
            unasked: namespace.unasked,
            kube_version: self
                .kube_version
                .get()
                .copied()
                .unwrap_or(KubeVersion::NEWEST),
        };
        leasehold_inject::review(&review, &self.settings, &Templates)
    }
}

/// What the person who applies a workload should know: its pods' findings, and a denial as a warning, since the
/// workload itself is accepted.
fn advice(outcome: Outcome, object: &Value) -> Vec<Finding> {
    match outcome {
        Outcome::Unchanged { findings, .. } | Outcome::Patched { findings, .. } => findings,
        Outcome::Denied { message, findings } => {
            let kind = object
                .get("kind")
                .and_then(Value::as_str)
                .unwrap_or("object");
            let denial = |code, why: &str| {
                Finding::warning(
                    code,
                    format!("the pods of this {kind} will be denied: {why}"),
                )
            };
            if !findings.iter().any(|f| f.severity == Severity::Error) {
                let why = denial(leasehold_inject::Code::InvalidValue, &message);
                return std::iter::once(why).chain(findings).collect();
            }
            findings
                .into_iter()
                .map(|finding| match (finding.severity, &finding.annotation) {
                    (Severity::Error, None) => denial(finding.code, &finding.text),
                    (Severity::Error, Some(name)) => {
                        denial(finding.code, &finding.text).about(name)
                    }
                    _ => finding,
                })
                .collect()
        }
    }
}

fn log(request: &Request<'_>, verdict: &Verdict, found: usize) {
    let name = PodName(request.object());
    match (&verdict.denied, &verdict.patch) {
        (Some(message), _) => tracing::warn!(
            uid = %request.uid, namespace = %request.namespace, pod = %name, %message, "a pod was denied"
        ),
        (None, Some(_)) => tracing::info!(
            uid = %request.uid, namespace = %request.namespace, pod = %name, findings = found,
            "a pod was injected"
        ),
        (None, None) => tracing::debug!(
            uid = %request.uid, namespace = %request.namespace, pod = %name, "a pod was left as it is"
        ),
    }
}

/// The name of a pod, or what the cluster will begin its name with; read only when a line of the log shows it.
struct PodName<'a>(&'a str);

impl fmt::Display for PodName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = serde_json::from_str::<Named>(self.0).unwrap_or_default();
        let metadata = named.metadata.unwrap_or_default();
        let name = metadata.name.or(metadata.generate_name);
        f.write_str(&name.unwrap_or_default())
    }
}

#[derive(Default, Deserialize)]
struct Named {
    metadata: Option<Metadata>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    name: Option<String>,
    generate_name: Option<String>,
}
