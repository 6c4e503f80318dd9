//! The agent's containers.

use crate::vocabulary::{Annotation, Default, Kind, Topic, vault_annotation};

const fn declare(
    name: &'static str,
    kind: Kind,
    default: Default,
    doc: &'static str,
) -> Annotation {
    vault_annotation(Topic::Container, name, kind, default, doc)
}

/// `agent-limits-cpu`
pub static LIMITS_CPU: Annotation = declare(
    "agent-limits-cpu",
    Kind::Quantity,
    Default::Flag {
        flag: "cpu-limit",
        default: "500m",
    },
    "The agent's CPU limit. An empty value sets none.",
);
/// `agent-limits-mem`
pub static LIMITS_MEMORY: Annotation = declare(
    "agent-limits-mem",
    Kind::Quantity,
    Default::Flag {
        flag: "memory-limit",
        default: "128Mi",
    },
    "The agent's memory limit. What it writes into memory volumes counts.",
);
/// `agent-limits-ephemeral`
pub static LIMITS_EPHEMERAL: Annotation = declare(
    "agent-limits-ephemeral",
    Kind::Quantity,
    Default::Flag {
        flag: "ephemeral-storage-limit",
        default: "",
    },
    "The agent's limit of local storage.",
);
/// `agent-requests-cpu`
pub static REQUESTS_CPU: Annotation = declare(
    "agent-requests-cpu",
    Kind::Quantity,
    Default::Flag {
        flag: "cpu-request",
        default: "250m",
    },
    "The CPU reserved for the agent.",
);
/// `agent-requests-mem`
pub static REQUESTS_MEMORY: Annotation = declare(
    "agent-requests-mem",
    Kind::Quantity,
    Default::Flag {
        flag: "memory-request",
        default: "64Mi",
    },
    "The memory reserved for the agent.",
);
/// `agent-requests-ephemeral`
pub static REQUESTS_EPHEMERAL: Annotation = declare(
    "agent-requests-ephemeral",
    Kind::Quantity,
    Default::Flag {
        flag: "ephemeral-storage-request",
        default: "",
    },
    "The local storage reserved for the agent.",
);
/// `agent-set-security-context`
pub static SET_SECURITY_CONTEXT: Annotation = declare(
    "agent-set-security-context",
    Kind::Boolean,
    Default::Flag {
        flag: "set-security-context",
        default: "true",
    },
    "Whether the agent's container gets a security context.",
);
/// `agent-run-as-user`
pub static RUN_AS_USER: Annotation = declare(
    "agent-run-as-user",
    Kind::Integer,
    Default::Flag {
        flag: "run-as-user",
        default: "100",
    },
    "The agent's user id.",
);
/// `agent-run-as-group`
pub static RUN_AS_GROUP: Annotation = declare(
    "agent-run-as-group",
    Kind::Integer,
    Default::Flag {
        flag: "run-as-group",
        default: "1000",
    },
    "The agent's group id.",
);
/// `agent-run-as-same-user`
pub static RUN_AS_SAME_USER: Annotation = declare(
    "agent-run-as-same-user",
    Kind::Boolean,
    Default::Flag {
        flag: "run-as-same-user",
        default: "false",
    },
    "Runs the agent as the user of the pod's first container.",
);
/// `agent-share-process-namespace`
pub static SHARE_PROCESS_NAMESPACE: Annotation = declare(
    "agent-share-process-namespace",
    Kind::Boolean,
    Default::Absent,
    "Sets `shareProcessNamespace` of the pod, so that a command can signal the application.",
);
/// `agent-revoke-on-shutdown`
pub static REVOKE_ON_SHUTDOWN: Annotation = declare(
    "agent-revoke-on-shutdown",
    Kind::Boolean,
    Default::Flag {
        flag: "revoke-on-shutdown",
        default: "false",
    },
    "Revokes the agent's token, and with it the leases, when the pod ends. Unset means yes for \
     the native sidecar and no for the pair.",
);
/// `agent-revoke-grace`
pub static REVOKE_GRACE: Annotation = declare(
    "agent-revoke-grace",
    Kind::Unsigned,
    Default::Value("5"),
    "Seconds that a pair's sidecar waits before it revokes. The native sidecar ends after the \
     application and does not wait.",
);
/// `agent-configmap`
pub static CONFIGMAP: Annotation = declare(
    "agent-configmap",
    Kind::Text,
    Default::Absent,
    "A ConfigMap with the agent's whole configuration, `config.hcl` and `config-init.hcl`, used \
     instead of the one made from annotations.",
);
/// `agent-extra-secret`
pub static EXTRA_SECRET: Annotation = declare(
    "agent-extra-secret",
    Kind::Text,
    Default::Absent,
    "A Secret that is mounted in the agent at `/vault/custom`.",
);
/// `agent-copy-volume-mounts`
pub static COPY_VOLUME_MOUNTS: Annotation = declare(
    "agent-copy-volume-mounts",
    Kind::Text,
    Default::Absent,
    "A container whose mounts the agent gets too, all but those of service account tokens.",
);
/// `agent-json-patch`
pub static JSON_PATCH: Annotation = declare(
    "agent-json-patch",
    Kind::JsonPatch,
    Default::Absent,
    "A JSON patch of the finished sidecar. Also applied to the native sidecar.",
);
/// `agent-init-json-patch`
pub static INIT_JSON_PATCH: Annotation = declare(
    "agent-init-json-patch",
    Kind::JsonPatch,
    Default::Absent,
    "A JSON patch of the finished init container.",
);
/// `log-level`
pub static LOG_LEVEL: Annotation = declare(
    "log-level",
    Kind::Choice(&["trace", "debug", "info", "warn", "error"]),
    Default::Value("info"),
    "How much the agent logs.",
);
/// `log-format`
pub static LOG_FORMAT: Annotation = declare(
    "log-format",
    Kind::Choice(&["standard", "json"]),
    Default::Value("standard"),
    "How the agent's log lines look.",
);

/// The annotations of this topic.
pub static ALL: &[&Annotation] = &[
    &LIMITS_CPU,
    &LIMITS_MEMORY,
    &LIMITS_EPHEMERAL,
    &REQUESTS_CPU,
    &REQUESTS_MEMORY,
    &REQUESTS_EPHEMERAL,
    &SET_SECURITY_CONTEXT,
    &RUN_AS_USER,
    &RUN_AS_GROUP,
    &RUN_AS_SAME_USER,
    &SHARE_PROCESS_NAMESPACE,
    &REVOKE_ON_SHUTDOWN,
    &REVOKE_GRACE,
    &CONFIGMAP,
    &EXTRA_SECRET,
    &COPY_VOLUME_MOUNTS,
    &JSON_PATCH,
    &INIT_JSON_PATCH,
    &LOG_LEVEL,
    &LOG_FORMAT,
];
