//! The flags that say how the server runs: listening, logs, metrics, certificates, the cluster.

use super::{Default, Flag, Kind, Scope, Variable};

/// Declared in the order of the reference page.
pub(super) const FLAGS: &[Flag] = &[
    stock(
        "listen",
        Kind::Text,
        ":8080",
        Variable::Prefixed("LISTEN"),
        "Address and port of the HTTPS listener. Without an address it listens on all of them, IPv6 and IPv4.",
    ),
    stock(
        "log-level",
        Kind::Text,
        "info",
        Variable::Prefixed("LOG_LEVEL"),
        "How much is logged: trace, debug, info (also notice or empty), warn (also warning), err (also error).",
    ),
    stock(
        "log-format",
        Kind::Text,
        "standard",
        Variable::Prefixed("LOG_FORMAT"),
        "json writes one JSON object per line; anything else writes text.",
    ),
    stock(
        "telemetry-path",
        Kind::Text,
        "",
        Variable::Prefixed("TELEMETRY_PATH"),
        "Path of the metrics in Prometheus' text format, such as /metrics. Empty means no metrics.",
    ),
    stock(
        "use-leader-elector",
        Kind::Switch,
        "false",
        Variable::Prefixed("USE_LEADER_ELECTOR"),
        "Says that several replicas run. Under agent-inject it makes them share one certificate authority through a \
         Secret; serve always does that.",
    ),
    stock(
        "tls-auto",
        Kind::Text,
        "",
        Variable::PrefixedOrBare("TLS_AUTO"),
        "Name of the MutatingWebhookConfiguration whose caBundle is kept up to date.",
    ),
    stock(
        "tls-auto-hosts",
        Kind::List,
        "",
        Variable::PrefixedOrBare("TLS_AUTO_HOSTS"),
        "Names and IP addresses in the self-made serving certificate: those of the Service.",
    ),
    stock(
        "tls-cert-file",
        Kind::Text,
        "",
        Variable::PrefixedOrBare("TLS_CERT_FILE"),
        "Serving certificate and its chain, PEM. The file is watched. Empty means a self-made certificate.",
    ),
    stock(
        "tls-key-file",
        Kind::Text,
        "",
        Variable::PrefixedOrBare("TLS_KEY_FILE"),
        "Key of the serving certificate, PEM. The file is watched.",
    ),
    stock(
        "tls-ca-cert-file",
        Kind::Text,
        "",
        Variable::PrefixedOrBare("TLS_CA_CERT_FILE"),
        "Authority that signed the serving certificate, PEM; written to the webhook's caBundle if tls-auto is set.",
    ),
    stock(
        "tls-min-version",
        Kind::Text,
        "tls12",
        Variable::PrefixedOrBare("TLS_MIN_VERSION"),
        "Lowest TLS version: tls12 or tls13. tls10 and tls11 are accepted and mean tls12.",
    ),
    stock(
        "tls-cipher-suites",
        Kind::List,
        "",
        Variable::PrefixedOrBare("TLS_CIPHER_SUITES"),
        "Cipher suites of TLS 1.2 by their registered names. Known suites that are not safe are left out with a log line.",
    ),
    ours(
        "tls-auto-validating",
        Kind::Text,
        "",
        "TLS_AUTO_VALIDATING",
        "Name of the ValidatingWebhookConfiguration (warnings for workloads) whose caBundle is kept up to date as well.",
    ),
    Flag {
        name: "tls-auto-secret",
        kind: Kind::Text,
        default: Default::PerCommand {
            agent_inject: "vault-injector-certs",
            otherwise: "leasehold-tls",
        },
        variable: Some(Variable::Prefixed("TLS_AUTO_SECRET")),
        scope: Scope::Server,
        since: "0.1.0",
        doc: "Name of the Secret, in the server's namespace, through which replicas share the self-made authority.",
    },
    ours(
        "tls-auto-lease",
        Kind::Text,
        "leasehold-tls",
        "TLS_AUTO_LEASE",
        "Name of the Lease that lets one replica at a time rotate the authority.",
    ),
    ours(
        "tls-auto-ca-lifetime",
        Kind::Duration,
        "8760h",
        "TLS_AUTO_CA_LIFETIME",
        "Lifetime of the self-made authority. The next one is made when a third of it is left.",
    ),
    ours(
        "tls-auto-serving-lifetime",
        Kind::Duration,
        "24h",
        "TLS_AUTO_SERVING_LIFETIME",
        "Lifetime of the serving certificates signed by it. Each replica makes a new one when half of it is left.",
    ),
    ours(
        "tls-auto-settle",
        Kind::Duration,
        "60s",
        "TLS_AUTO_SETTLE",
        "How long a new authority is in the caBundle before it signs, so that every API server knows it.",
    ),
    ours(
        "tls-client-ca-file",
        Kind::Text,
        "",
        "TLS_CLIENT_CA_FILE",
        "Authority whose client certificates are required on the webhook's paths, PEM. The file is watched. Health stays open \
         for the kubelet, which has none. Empty means that no client certificate is asked for.",
    ),
    Flag {
        name: "namespace-defaults",
        kind: Kind::Switch,
        default: Default::PerCommand {
            agent_inject: "false",
            otherwise: "true",
        },
        variable: Some(Variable::Prefixed("NAMESPACE_DEFAULTS")),
        scope: Scope::Server,
        since: "0.1.0",
        doc: "Reads the annotations of Namespaces as defaults for their pods. Needs get, list and watch of namespaces, \
              which the established chart does not grant.",
    },
    ours(
        "kubeconfig",
        Kind::Text,
        "",
        "KUBECONFIG",
        "Kubeconfig file for the API server, for runs outside a cluster. Empty means the pod's service account.",
    ),
    ours(
        "shutdown-delay",
        Kind::Duration,
        "5s",
        "SHUTDOWN_DELAY",
        "How long the server goes on taking connections after SIGTERM while it says that it is not ready.",
    ),
    ours(
        "shutdown-timeout",
        Kind::Duration,
        "20s",
        "SHUTDOWN_TIMEOUT",
        "How long reviews under way may take to end after that.",
    ),
];

const fn stock(
    name: &'static str,
    kind: Kind,
    default: &'static str,
    variable: Variable,
    doc: &'static str,
) -> Flag {
    Flag {
        name,
        kind,
        default: Default::Always(default),
        variable: Some(variable),
        scope: Scope::Server,
        since: "stock",
        doc,
    }
}

const fn ours(
    name: &'static str,
    kind: Kind,
    default: &'static str,
    variable: &'static str,
    doc: &'static str,
) -> Flag {
    Flag {
        name,
        kind,
        default: Default::Always(default),
        variable: Some(Variable::Prefixed(variable)),
        scope: Scope::Server,
        since: "0.1.0",
        doc,
    }
}
