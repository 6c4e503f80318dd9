//! Cache, listener, template engine and telemetry of the agent.

use crate::vocabulary::{Annotation, Default, Family, Kind, Topic, vault_annotation};

/// The parts of the agent that connections are kept for.
pub const CONNECTION_USERS: &[&str] = &["auto-auth", "caching", "proxying", "templating"];

const fn declare(
    name: &'static str,
    kind: Kind,
    default: Default,
    doc: &'static str,
) -> Annotation {
    vault_annotation(Topic::Telemetry, name, kind, default, doc)
}

/// `agent-cache-enable`
pub static CACHE_ENABLE: Annotation = declare(
    "agent-cache-enable",
    Kind::Boolean,
    Default::Value("false"),
    "Runs a caching proxy to the server in the sidecar.",
);
/// `agent-cache-use-auto-auth-token`
pub static CACHE_TOKEN: Annotation = declare(
    "agent-cache-use-auto-auth-token",
    Kind::Choice(&["true", "false", "force"]),
    Default::Value("true"),
    "Whether the proxy adds the agent's token to requests that have none (`true`) or to all \
     (`force`).",
);
/// `agent-cache-listener-port`
pub static CACHE_PORT: Annotation = declare(
    "agent-cache-listener-port",
    Kind::Text,
    Default::Value("8200"),
    "The port of the agent's listener on 127.0.0.1.",
);
/// `agent-cache-exit-on-err`
pub static CACHE_EXIT_ON_ERR: Annotation = declare(
    "agent-cache-exit-on-err",
    Kind::Boolean,
    Default::Value("false"),
    "Whether the agent ends when it cannot read its persistent cache.",
);
/// `agent-enable-quit`
pub static ENABLE_QUIT: Annotation = declare(
    "agent-enable-quit",
    Kind::Boolean,
    Default::Value("false"),
    "Offers `POST /agent/v1/quit` on the listener, by which a Job ends its sidecar.",
);
/// `template-config-exit-on-retry-failure`
pub static EXIT_ON_RETRY_FAILURE: Annotation = declare(
    "template-config-exit-on-retry-failure",
    Kind::Boolean,
    Default::Flag {
        flag: "template-config-exit-on-retry-failure",
        default: "true",
    },
    "Whether the agent ends when a template cannot be rendered at the start.",
);
/// `template-static-secret-render-interval`
pub static RENDER_INTERVAL: Annotation = declare(
    "template-static-secret-render-interval",
    Kind::Text,
    Default::Flag {
        flag: "template-static-secret-render-interval",
        default: "",
    },
    "How often secrets without a lease are read again, as a duration.",
);
/// `template-max-connections-per-host`
pub static MAX_CONNECTIONS: Annotation = declare(
    "template-max-connections-per-host",
    Kind::Integer,
    Default::Described("the variable `AGENT_INJECT_TEMPLATE_MAX_CONNECTIONS_PER_HOST`, 0"),
    "How many connections Vault Agent's template engine opens; 0 leaves its default.",
);
/// `template-lease-renewal-threshold`
pub static LEASE_RENEWAL_THRESHOLD: Annotation = declare(
    "template-lease-renewal-threshold",
    Kind::Float,
    Default::Described("the variable `AGENT_INJECT_TEMPLATE_LEASE_RENEWAL_THRESHOLD`"),
    "The part of a lease's time after which a secret that cannot be renewed is read again.",
);
/// `agent-disable-idle-connections`
pub static DISABLE_IDLE_CONNECTIONS: Annotation = declare(
    "agent-disable-idle-connections",
    Kind::CommaList,
    Default::Flag {
        flag: "disable-idle-connections",
        default: "",
    },
    "The parts of the agent that keep no idle connections: `auto-auth`, `caching`, `templating`.",
);
/// `agent-disable-keep-alives`
pub static DISABLE_KEEP_ALIVES: Annotation = declare(
    "agent-disable-keep-alives",
    Kind::CommaList,
    Default::Flag {
        flag: "disable-keep-alives",
        default: "",
    },
    "The parts of the agent that open a connection for each request.",
);
/// `agent-telemetry-<key>`
pub static TELEMETRY: Annotation = declare(
    "agent-telemetry",
    Kind::JsonOrText,
    Default::Absent,
    "A key of the agent's `telemetry` stanza; dashes in the key become underscores.",
)
.family(Family::Key);

/// The annotations of this topic.
pub static ALL: &[&Annotation] = &[
    &CACHE_ENABLE,
    &CACHE_TOKEN,
    &CACHE_PORT,
    &CACHE_EXIT_ON_ERR,
    &ENABLE_QUIT,
    &EXIT_ON_RETRY_FAILURE,
    &RENDER_INTERVAL,
    &MAX_CONNECTIONS,
    &LEASE_RENEWAL_THRESHOLD,
    &DISABLE_IDLE_CONNECTIONS,
    &DISABLE_KEEP_ALIVES,
    &TELEMETRY,
];
