//! What only this injector knows.

use crate::vocabulary::{Annotation, Default, Family, Kind, Prefix, Topic};

const fn declare(
    name: &'static str,
    kind: Kind,
    default: Default,
    doc: &'static str,
) -> Annotation {
    Annotation {
        prefix: Prefix::Leasehold,
        name,
        family: Family::Single,
        kind,
        default,
        topic: Topic::Ours,
        since: "0.1.0",
        doc,
    }
}

/// `agent-flavour`
pub static FLAVOUR: Annotation = declare(
    "agent-flavour",
    Kind::Choice(&["leasehold", "vault"]),
    Default::Described("told from the pod, or the flag `--agent-flavour`"),
    "Which agent the image holds: ours, which is started directly, or Vault's, which is started \
     through a shell as an init container and a sidecar. Without it a pod gets Vault's where its \
     login is one that only that agent performs, where a JSON patch changes the container's `args`, \
     and where the image, be it from `agent-image` or from a JSON patch, is neither the configured \
     one nor called `leasehold-agent…`.",
);
/// `agent-mode`
pub static MODE: Annotation = declare(
    "agent-mode",
    Kind::Choice(&["auto", "native", "pair"]),
    Default::Flag {
        flag: "agent-mode",
        default: "auto",
    },
    "One native sidecar, or an init container and a sidecar. `auto` is native from Kubernetes \
     1.32 on.",
);
/// `agent-gate`
pub static GATE: Annotation = declare(
    "agent-gate",
    Kind::Choice(&["hook", "probe"]),
    Default::Flag {
        flag: "agent-gate",
        default: "hook",
    },
    "What holds the application back until the native sidecar has written the secrets: a \
     postStart hook, or a startup probe.",
);
/// `agent-wait-timeout`
pub static WAIT_TIMEOUT: Annotation = declare(
    "agent-wait-timeout",
    Kind::Duration,
    Default::Flag {
        flag: "agent-wait-timeout",
        default: "10s",
    },
    "How long the gate waits for the first secrets before the agent is restarted.",
);
/// `login-spread`
pub static LOGIN_SPREAD: Annotation = declare(
    "login-spread",
    Kind::Duration,
    Default::Flag {
        flag: "agent-login-spread",
        default: "0s",
    },
    "The first login comes at a random moment below this, so that many pods which start together do not log in \
     together. An agent that goes on with the token of an earlier run does not wait. The gate has to wait longer: \
     `leasehold.dev/agent-wait-timeout`. Only our agent knows it.",
);
/// `token-source`
pub static TOKEN_SOURCE: Annotation = declare(
    "token-source",
    Kind::Choice(&["projected", "pod"]),
    Default::Flag {
        flag: "token-source",
        default: "projected",
    },
    "Which service account token the agent logs in with: a short-lived one of its own, or the one \
     that the pod's containers mount.",
);
/// `token-audience`
pub static TOKEN_AUDIENCE: Annotation = declare(
    "token-audience",
    Kind::Text,
    Default::Flag {
        flag: "token-audience",
        default: "vault",
    },
    "The audience of the agent's own token. Empty means the API server's own audience.",
);
/// `token-expiration`
pub static TOKEN_EXPIRATION: Annotation = declare(
    "token-expiration",
    Kind::Duration,
    Default::Flag {
        flag: "token-expiration",
        default: "10m",
    },
    "How long the agent's own token lives; at least ten minutes.",
);
/// `revoke-after-handover`
pub static REVOKE_AFTER_HANDOVER: Annotation = declare(
    "revoke-after-handover",
    Kind::Boolean,
    Default::Value("false"),
    "Revokes replaced credentials as soon as the application has the new ones, instead of leaving \
     them to their own end.",
);
/// `secrets-size`
pub static SECRETS_SIZE: Annotation = declare(
    "secrets-size",
    Kind::Quantity,
    Default::Value("16Mi"),
    "The size limit of each memory volume for secrets. It counts towards the agent's memory limit.",
);
/// `allow-listener`
pub static ALLOW_LISTENER: Annotation = declare(
    "allow-listener",
    Kind::Boolean,
    Default::Value("false"),
    "Allows a cache or quit listener in a pod on the host's network, where every process of the \
     node can reach it.",
);
/// `no-proxy`
pub static NO_PROXY: Annotation = declare(
    "no-proxy",
    Kind::Text,
    Default::Absent,
    "Hosts that are reached without the proxy (`NO_PROXY`).",
);
/// `role-<name>`
pub static SECRET_ROLE: Annotation = declare(
    "role",
    Kind::Text,
    Default::Described("`vault.hashicorp.com/role`"),
    "The role that reads this secret, where it is another than the pod's. Secrets that agree in \
     role, mount, server, namespace and audience share a login. Only our agent knows these.",
)
.family(Family::Secret);
/// `auth-path-<name>`
pub static SECRET_AUTH_PATH: Annotation = declare(
    "auth-path",
    Kind::Text,
    Default::Described("`vault.hashicorp.com/auth-path`"),
    "The mount of the auth method that this secret's role belongs to.",
)
.family(Family::Secret);
/// `service-<name>`
pub static SECRET_SERVICE: Annotation = declare(
    "service",
    Kind::Text,
    Default::Described("`vault.hashicorp.com/service`"),
    "The server that this secret is read from. Certificate authorities, client certificates, proxies \
     and time limits are those of the first server: `--vault-cacert-bytes` and the file of \
     `vault.hashicorp.com/ca-cert` may hold several authorities. A `tls-server-name` is the first \
     server's alone.",
)
.family(Family::Secret);
/// `namespace-<name>`
pub static SECRET_NAMESPACE: Annotation = declare(
    "namespace",
    Kind::Text,
    Default::Described("`vault.hashicorp.com/namespace`"),
    "The server's namespace that this secret is read from.",
)
.family(Family::Secret);
/// `audience-<name>`
pub static SECRET_AUDIENCE: Annotation = declare(
    "audience",
    Kind::Text,
    Default::Described("`leasehold.dev/token-audience`"),
    "The audience of the token that logs in for this secret. Needs `leasehold.dev/token-source: \
     projected`.",
)
.family(Family::Secret);
/// `findings`
pub static FINDINGS: Annotation = declare(
    "findings",
    Kind::Written,
    Default::Absent,
    "Written by the injector: what it noticed about the pod's annotations.",
);

/// The annotations of this topic.
pub static ALL: &[&Annotation] = &[
    &FLAVOUR,
    &MODE,
    &GATE,
    &WAIT_TIMEOUT,
    &LOGIN_SPREAD,
    &TOKEN_SOURCE,
    &TOKEN_AUDIENCE,
    &TOKEN_EXPIRATION,
    &REVOKE_AFTER_HANDOVER,
    &SECRETS_SIZE,
    &ALLOW_LISTENER,
    &NO_PROXY,
    &SECRET_ROLE,
    &SECRET_AUTH_PATH,
    &SECRET_SERVICE,
    &SECRET_NAMESPACE,
    &SECRET_AUDIENCE,
    &FINDINGS,
];
