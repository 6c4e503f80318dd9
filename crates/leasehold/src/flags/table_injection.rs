//! The flags that say what is injected: the server's address and login, the agent's containers, our own rules.

use super::{Default, Flag, Kind, Scope, Variable};

/// Declared in the order of the reference page.
pub(super) const FLAGS: &[Flag] = &[
    stock(
        "vault-address",
        Kind::Text,
        "",
        Variable::Prefixed("VAULT_ADDR"),
        "Address of Vault or OpenBao; required. Default of the annotation service.",
    ),
    stock(
        "vault-image",
        Kind::Text,
        "",
        Variable::Prefixed("VAULT_IMAGE"),
        "Image of the agent containers, default of the annotation agent-image. Empty means the flavour's own image.",
    ),
    stock(
        "vault-auth-type",
        Kind::Text,
        "kubernetes",
        Variable::Prefixed("VAULT_AUTH_TYPE"),
        "Login method, default of the annotation auth-type.",
    ),
    stock(
        "vault-auth-path",
        Kind::Text,
        "auth/kubernetes",
        Variable::Prefixed("VAULT_AUTH_PATH"),
        "Mount path of the login method, default of the annotation auth-path.",
    ),
    stock(
        "vault-namespace",
        Kind::Text,
        "",
        Variable::Prefixed("VAULT_NAMESPACE"),
        "Namespace within the Vault server, default of the annotation namespace.",
    ),
    stock(
        "vault-cacert-bytes",
        Kind::Text,
        "",
        Variable::PrefixedOrDoubled("VAULT_CACERT_BYTES"),
        "Certificate authority of the Vault server, as PEM or as base64 of PEM.",
    ),
    stock(
        "proxy-address",
        Kind::Text,
        "",
        Variable::Prefixed("PROXY_ADDR"),
        "HTTP proxy on the way to the Vault server, default of the annotation proxy-address.",
    ),
    stock(
        "revoke-on-shutdown",
        Kind::Switch,
        "false",
        Variable::Prefixed("REVOKE_ON_SHUTDOWN"),
        "Whether the agent revokes its token at its end, default of the annotation agent-revoke-on-shutdown. When not \
         given, native agents of flavour leasehold do and others do not.",
    ),
    stock(
        "run-as-user",
        Kind::Text,
        "",
        Variable::PrefixedOrDoubled("RUN_AS_USER"),
        "User id of the agent containers, default of the annotation agent-run-as-user. Empty means 100.",
    ),
    stock(
        "run-as-group",
        Kind::Text,
        "",
        Variable::PrefixedOrDoubled("RUN_AS_GROUP"),
        "Group id of the agent containers, default of the annotation agent-run-as-group. Empty means 1000.",
    ),
    stock(
        "run-as-same-user",
        Kind::Switch,
        "false",
        Variable::PrefixedOrDoubled("RUN_AS_SAME_USER"),
        "Runs the agents as the user of the first application container, default of the annotation \
         agent-run-as-same-user.",
    ),
    stock(
        "set-security-context",
        Kind::Switch,
        "true",
        Variable::PrefixedOrDoubled("SET_SECURITY_CONTEXT"),
        "Whether the agent containers get a securityContext, default of the annotation agent-set-security-context.",
    ),
    stock(
        "default-template",
        Kind::Text,
        "map",
        Variable::Prefixed("DEFAULT_TEMPLATE"),
        "Built-in template for secrets without one: map or json.",
    ),
    stock(
        "cpu-request",
        Kind::Text,
        "",
        Variable::PrefixedOrDoubled("CPU_REQUEST"),
        "CPU request of the agent containers. When not given, the flavour's own (vault: 250m).",
    ),
    stock(
        "cpu-limit",
        Kind::Text,
        "",
        Variable::PrefixedOrDoubled("CPU_LIMIT"),
        "CPU limit of the agent containers. When not given, the flavour's own (vault: 500m).",
    ),
    stock(
        "memory-request",
        Kind::Text,
        "",
        Variable::PrefixedOrDoubled("MEM_REQUEST"),
        "Memory request of the agent containers. When not given, the flavour's own (vault: 64Mi).",
    ),
    stock(
        "memory-limit",
        Kind::Text,
        "",
        Variable::PrefixedOrDoubled("MEM_LIMIT"),
        "Memory limit of the agent containers. When not given, the flavour's own (vault: 128Mi).",
    ),
    stock(
        "ephemeral-storage-request",
        Kind::Text,
        "",
        Variable::PrefixedOrDoubled("EPHEMERAL_REQUEST"),
        "Request of ephemeral storage of the agent containers.",
    ),
    stock(
        "ephemeral-storage-limit",
        Kind::Text,
        "",
        Variable::PrefixedOrDoubled("EPHEMERAL_LIMIT"),
        "Limit of ephemeral storage of the agent containers.",
    ),
    stock(
        "auth-min-backoff",
        Kind::Duration,
        "",
        Variable::PrefixedOrDoubled("AUTH_MIN_BACKOFF"),
        "Shortest pause between login attempts, default of the annotation auth-min-backoff.",
    ),
    stock(
        "auth-max-backoff",
        Kind::Duration,
        "",
        Variable::PrefixedOrDoubled("AUTH_MAX_BACKOFF"),
        "Longest pause between login attempts, default of the annotation auth-max-backoff.",
    ),
    stock(
        "disable-idle-connections",
        Kind::List,
        "",
        Variable::Prefixed("DISABLE_IDLE_CONNECTIONS"),
        "Agent features that keep no idle connections, default of the annotation agent-disable-idle-connections.",
    ),
    stock(
        "disable-keep-alives",
        Kind::List,
        "",
        Variable::Prefixed("DISABLE_KEEP_ALIVES"),
        "Agent features without keep-alive, default of the annotation agent-disable-keep-alives.",
    ),
    stock(
        "template-config-exit-on-retry-failure",
        Kind::Switch,
        "true",
        Variable::Prefixed("TEMPLATE_CONFIG_EXIT_ON_RETRY_FAILURE"),
        "Whether the agent ends when templates cannot be rendered, default of the annotation \
         template-config-exit-on-retry-failure.",
    ),
    stock(
        "template-static-secret-render-interval",
        Kind::Text,
        "",
        Variable::PrefixedOrDoubled("TEMPLATE_STATIC_SECRET_RENDER_INTERVAL"),
        "How often secrets without a lease are read again, default of the annotation \
         template-static-secret-render-interval.",
    ),
    stock(
        "template-max-connections-per-host",
        Kind::VariableOnly(&Kind::Integer),
        "0",
        Variable::PrefixedOrDoubled("TEMPLATE_MAX_CONNECTIONS_PER_HOST"),
        "Most connections to one server, default of the annotation template-max-connections-per-host. Variable only.",
    ),
    stock(
        "template-lease-renewal-threshold",
        Kind::VariableOnly(&Kind::Float),
        "0",
        Variable::PrefixedOrDoubled("TEMPLATE_LEASE_RENEWAL_THRESHOLD"),
        "Fraction of a lease after which it is renewed, default of the annotation template-lease-renewal-threshold. \
         Variable only.",
    ),
    ours(
        "agent-flavour",
        Kind::Choice(&["auto", "leasehold", "vault"]),
        "auto",
        "AGENT_FLAVOUR",
        "Which agent is injected: leasehold-agent, Vault Agent exactly as the established injector does, or auto: told \
         from the image.",
    ),
    ours(
        "agent-mode",
        Kind::Choice(&["auto", "native", "pair"]),
        "auto",
        "AGENT_MODE",
        "How the agent is placed: native is one sidecar among the init containers, pair an init container and a \
         sidecar, auto chooses native from Kubernetes 1.32.",
    ),
    ours(
        "agent-gate",
        Kind::Choice(&["hook", "probe"]),
        "hook",
        "AGENT_GATE",
        "What holds the application back until its files are there in native mode: a postStart hook or a startup probe.",
    ),
    ours(
        "agent-wait-timeout",
        Kind::Duration,
        "10s",
        "AGENT_WAIT_TIMEOUT",
        "How long the hook waits for the first files before the agent is restarted.",
    ),
    ours(
        "agent-login-spread",
        Kind::Duration,
        "0s",
        "AGENT_LOGIN_SPREAD",
        "The first login of an agent comes at a random moment below this, so that many pods which start together do \
         not log in together. The gate has to wait longer: agent-wait-timeout.",
    ),
    Flag {
        name: "token-source",
        kind: Kind::Choice(&["projected", "pod"]),
        default: Default::PerCommand {
            agent_inject: "pod",
            otherwise: "projected",
        },
        variable: Some(Variable::Prefixed("TOKEN_SOURCE")),
        scope: Scope::Injection,
        since: "0.1.0",
        doc: "Which token the agent logs in with: projected is a short-lived one for one audience, pod the one that the \
              pod's containers mount.",
    },
    ours(
        "token-audience",
        Kind::Text,
        "vault",
        "TOKEN_AUDIENCE",
        "Audience of the projected token. Empty means the API server's own audience.",
    ),
    ours(
        "token-expiration",
        Kind::Duration,
        "600s",
        "TOKEN_EXPIRATION",
        "Lifetime of the projected token; the API server allows no less than ten minutes.",
    ),
    ours(
        "locked-annotations",
        Kind::List,
        "",
        "LOCKED_ANNOTATIONS",
        "Annotations, without prefix, that pods may not set, such as service,tls-skip-verify,agent-image. Namespaces and \
         flags may.",
    ),
    ours(
        "strict",
        Kind::Switch,
        "false",
        "STRICT",
        "Denies pods whose templates do not parse or whose annotations do not exist. For lint: warnings count as errors.",
    ),
    ours(
        "kube-version",
        Kind::Text,
        "",
        "KUBE_VERSION",
        "Version of the API server, such as 1.33, for --agent-mode=auto. serve asks the API server when it is empty; \
         offline commands assume the newest known one.",
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
        scope: Scope::Injection,
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
        scope: Scope::Injection,
        since: "0.1.0",
        doc,
    }
}
