//! The server's metrics: the established injector's four under their names, so that dashboards go on working, and
//! ours with base units and reasons. Recording is here; the path they are served under is the router's business.

use std::time::Duration;

use leasehold_inject::{Finding, Injected, Outcome};
use prometheus::{
    Encoder as _, Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounterVec, IntGauge,
    Opts, Registry, TextEncoder,
};

/// The content type of [`Metrics::text`].
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores";

/// Every metric of the process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    queue: IntGauge,
    milliseconds: Histogram,
    injections: IntCounterVec,
    failures: IntCounterVec,
    seconds: HistogramVec,
    reviews: IntCounterVec,
    skips: IntCounterVec,
    findings: IntCounterVec,
    refused: IntCounterVec,
    expiry: GaugeVec,
    rotations: IntCounterVec,
    ready: Gauge,
}

/// Which endpoint a review came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endpoint {
    /// `/mutate`.
    Mutate,
    /// `/validate`.
    Validate,
}

impl Endpoint {
    const fn label(self) -> &'static str {
        match self {
            Self::Mutate => "mutate",
            Self::Validate => "validate",
        }
    }
}

impl Metrics {
    /// Registers every metric.
    ///
    /// # Errors
    /// When a name is taken or not allowed, which the test of this module rules out.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let metrics = Self {
            queue: IntGauge::new(
                "vault_agent_injector_request_queue_length",
                "Count of webhook requests in the injector's queue",
            )?,
            milliseconds: Histogram::with_opts(
                HistogramOpts::new(
                    "vault_agent_injector_request_processing_duration_ms",
                    "Webhook request processing times in milliseconds",
                )
                .buckets(vec![
                    5.0, 10.0, 25.0, 50.0, 75.0, 100.0, 250.0, 500.0, 1000.0, 2500.0, 5000.0,
                    7500.0, 10000.0,
                ]),
            )?,
            injections: counters(
                "vault_agent_injector_injections_by_namespace_total",
                "Total count of Agent Sidecar injections by namespace",
                &["injection_type", "namespace"],
            )?,
            failures: counters(
                "vault_agent_injector_failed_injections_by_namespace_total",
                "Total count of failed Agent Sidecar injections by namespace",
                &["namespace"],
            )?,
            seconds: HistogramVec::new(
                HistogramOpts::new(
                    "leasehold_review_duration_seconds",
                    "Time from a review's body to its answer",
                )
                .buckets(vec![
                    0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.1, 1.0,
                ]),
                &["endpoint"],
            )?,
            reviews: counters(
                "leasehold_reviews_total",
                "Answered reviews by what came of them",
                &["endpoint", "outcome"],
            )?,
            skips: counters(
                "leasehold_skips_total",
                "Pods left as they are, by reason",
                &["reason"],
            )?,
            findings: counters(
                "leasehold_findings_total",
                "What was noticed in pods and workloads, by kind and severity",
                &["code", "severity"],
            )?,
            refused: counters(
                "leasehold_refused_requests_total",
                "Requests that were no review, by HTTP status",
                &["status"],
            )?,
            expiry: GaugeVec::new(
                Opts::new(
                    "leasehold_certificate_expiry_timestamp_seconds",
                    "End of the certificates in use, as a Unix time",
                ),
                &["certificate"],
            )?,
            rotations: counters(
                "leasehold_certificate_changes_total",
                "Certificates taken into use, by kind",
                &["certificate"],
            )?,
            ready: Gauge::new(
                "leasehold_ready",
                "Whether the server says that it is ready",
            )?,
            registry,
        };
        let build = GaugeVec::new(
            Opts::new("leasehold_build_info", "The running version"),
            &["version"],
        )?;
        build
            .with_label_values(&[env!("CARGO_PKG_VERSION")])
            .set(1.0);
        let registry = &metrics.registry;
        registry.register(Box::new(metrics.queue.clone()))?;
        registry.register(Box::new(metrics.milliseconds.clone()))?;
        registry.register(Box::new(metrics.injections.clone()))?;
        registry.register(Box::new(metrics.failures.clone()))?;
        registry.register(Box::new(metrics.seconds.clone()))?;
        registry.register(Box::new(metrics.reviews.clone()))?;
        registry.register(Box::new(metrics.skips.clone()))?;
        registry.register(Box::new(metrics.findings.clone()))?;
        registry.register(Box::new(metrics.refused.clone()))?;
        registry.register(Box::new(metrics.expiry.clone()))?;
        registry.register(Box::new(metrics.rotations.clone()))?;
        registry.register(Box::new(metrics.ready.clone()))?;
        registry.register(Box::new(build))?;
        Ok(metrics)
    }

    /// A review's body is being read; the returned guard says when it is answered.
    pub fn enter(&self) -> InQueue<'_> {
        self.queue.inc();
        InQueue(&self.queue)
    }

    /// A request to a review's endpoint was answered, whatever the answer.
    pub fn took(&self, endpoint: Endpoint, time: Duration) {
        if endpoint == Endpoint::Mutate {
            self.milliseconds.observe(time.as_secs_f64() * 1_000.0);
        }
        self.seconds
            .with_label_values(&[endpoint.label()])
            .observe(time.as_secs_f64());
    }

    /// What came of a pod's review.
    pub fn decided(&self, namespace: &str, outcome: &Outcome) {
        let (word, findings) = match outcome {
            Outcome::Unchanged { reason, findings } => {
                self.skips.with_label_values(&[reason.as_str()]).inc();
                ("unchanged", findings)
            }
            Outcome::Denied { findings, .. } => {
                self.failures.with_label_values(&[namespace]).inc();
                ("denied", findings)
            }
            Outcome::Patched {
                injected, findings, ..
            } => {
                if *injected != Injected::Nothing {
                    self.injections
                        .with_label_values(&[injected.as_str(), namespace])
                        .inc();
                }
                ("patched", findings)
            }
        };
        self.reviews
            .with_label_values(&[Endpoint::Mutate.label(), word])
            .inc();
        self.noticed(findings);
    }

    /// A pod was denied for a reason outside the injection's rules.
    pub fn denied(&self, namespace: &str) {
        self.failures.with_label_values(&[namespace]).inc();
        self.reviews
            .with_label_values(&[Endpoint::Mutate.label(), "denied"])
            .inc();
    }

    /// A workload was looked at.
    pub fn validated(&self, findings: &[Finding]) {
        let word = if findings.is_empty() {
            "clean"
        } else {
            "warned"
        };
        self.reviews
            .with_label_values(&[Endpoint::Validate.label(), word])
            .inc();
        self.noticed(findings);
    }

    /// A request was no review.
    pub fn refused(&self, status: u16) {
        self.refused
            .with_label_values(&[status.to_string().as_str()])
            .inc();
    }

    /// A certificate was taken into use that ends at this Unix time.
    pub fn certificate(&self, certificate: &str, end: i64) {
        #[expect(
            clippy::cast_precision_loss,
            reason = "a gauge is a float; seconds of this era are exact in it"
        )]
        self.expiry
            .with_label_values(&[certificate])
            .set(end as f64);
        self.rotations.with_label_values(&[certificate]).inc();
    }

    /// Whether the server says that it is ready.
    pub fn ready(&self, ready: bool) {
        self.ready.set(f64::from(u8::from(ready)));
    }

    /// Everything in Prometheus' text format.
    ///
    /// # Errors
    /// When a family is inconsistent, which the test of this module rules out.
    pub fn text(&self) -> Result<Vec<u8>, prometheus::Error> {
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        Ok(text)
    }

    fn noticed(&self, findings: &[Finding]) {
        for finding in findings {
            let code = word(&finding.code);
            let severity = word(&finding.severity);
            self.findings
                .with_label_values(&[code.as_str(), severity.as_str()])
                .inc();
        }
    }
}

/// Keeps the queue's gauge up while it lives.
#[derive(Debug)]
pub struct InQueue<'a>(&'a IntGauge);

impl Drop for InQueue<'_> {
    fn drop(&mut self) {
        self.0.dec();
    }
}

fn counters(name: &str, help: &str, labels: &[&str]) -> Result<IntCounterVec, prometheus::Error> {
    IntCounterVec::new(Opts::new(name, help), labels)
}

/// The word under which a value is serialized.
fn word(value: &impl serde::Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        _ => "unknown".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use leasehold_inject::{Code, Patch, SkipReason};

    use super::*;

    #[test]
    fn the_four_established_series_keep_name_help_type_and_labels() {
        let metrics = Metrics::new().unwrap();
        metrics.took(Endpoint::Mutate, Duration::from_millis(7));
        metrics.decided(
            "shop",
            &Outcome::Patched {
                patch: Patch::default(),
                injected: Injected::InitAndSidecar,
                findings: Vec::new(),
            },
        );
        metrics.decided(
            "shop",
            &Outcome::Denied {
                message: String::new(),
                findings: Vec::new(),
            },
        );
        let text = String::from_utf8(metrics.text().unwrap()).unwrap();
        for line in [
            "# HELP vault_agent_injector_injections_by_namespace_total Total count of Agent Sidecar injections by namespace",
            "# TYPE vault_agent_injector_injections_by_namespace_total counter",
            "vault_agent_injector_injections_by_namespace_total{injection_type=\"init_and_sidecar\",namespace=\"shop\"} 1",
            "vault_agent_injector_failed_injections_by_namespace_total{namespace=\"shop\"} 1",
            "vault_agent_injector_request_processing_duration_ms_bucket{le=\"5\"} 0",
            "vault_agent_injector_request_processing_duration_ms_bucket{le=\"10\"} 1",
            "vault_agent_injector_request_processing_duration_ms_count 1",
            "vault_agent_injector_request_queue_length 0",
        ] {
            assert!(
                text.lines().any(|have| have == line),
                "{line} is not in\n{text}"
            );
        }
    }

    #[test]
    fn the_queue_falls_again_when_a_review_is_answered() {
        let metrics = Metrics::new().unwrap();
        let first = metrics.enter();
        let second = metrics.enter();
        assert_eq!(metrics.queue.get(), 2);
        drop(first);
        drop(second);
        assert_eq!(metrics.queue.get(), 0);
    }

    #[test]
    fn pods_left_alone_are_counted_with_their_reason_and_not_as_injections() {
        let metrics = Metrics::new().unwrap();
        metrics.decided(
            "shop",
            &Outcome::Unchanged {
                reason: SkipReason::SwitchedOff,
                findings: vec![Finding::warning(Code::UnknownAnnotation, "x")],
            },
        );
        let text = String::from_utf8(metrics.text().unwrap()).unwrap();
        assert!(
            text.contains("leasehold_skips_total{reason=\"switched_off\"} 1"),
            "{text}"
        );
        assert!(
            text.contains(
                "leasehold_findings_total{code=\"unknown-annotation\",severity=\"warning\"} 1"
            ),
            "{text}"
        );
        assert!(
            !text.contains("vault_agent_injector_injections_by_namespace_total"),
            "{text}"
        );
    }
}
