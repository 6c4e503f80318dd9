//! Logging in to the server.

use crate::vocabulary::{Annotation, Default, Family, Kind, Topic, vault_annotation};

const fn declare(
    name: &'static str,
    kind: Kind,
    default: Default,
    doc: &'static str,
) -> Annotation {
    vault_annotation(Topic::Login, name, kind, default, doc)
}

/// `role`
pub static ROLE: Annotation = declare(
    "role",
    Kind::Text,
    Default::Absent,
    "The role to log in with. Kubernetes auth needs one; it wins over `auth-config-role`.",
);
/// `auth-type`
pub static AUTH_TYPE: Annotation = declare(
    "auth-type",
    Kind::Text,
    Default::Flag {
        flag: "vault-auth-type",
        default: "kubernetes",
    },
    "The auth method: `kubernetes`, `jwt`, `approle`, `cert`, `aws` and so on.",
);
/// `auth-path`
pub static AUTH_PATH: Annotation = declare(
    "auth-path",
    Kind::Text,
    Default::Flag {
        flag: "vault-auth-path",
        default: "auth/kubernetes",
    },
    "Where the auth method is mounted, with `auth/` in front.",
);
/// `auth-config-<key>`
pub static AUTH_CONFIG: Annotation = declare(
    "auth-config",
    Kind::Text,
    Default::Absent,
    "A key of the auth method's configuration; dashes in the key become underscores.",
)
.family(Family::Key);
/// `auth-min-backoff`
pub static AUTH_MIN_BACKOFF: Annotation = declare(
    "auth-min-backoff",
    Kind::Duration,
    Default::Flag {
        flag: "auth-min-backoff",
        default: "",
    },
    "The shortest pause between two attempts to log in.",
);
/// `auth-max-backoff`
pub static AUTH_MAX_BACKOFF: Annotation = declare(
    "auth-max-backoff",
    Kind::Duration,
    Default::Flag {
        flag: "auth-max-backoff",
        default: "",
    },
    "The longest pause between two attempts to log in.",
);
/// `agent-auto-auth-exit-on-err`
pub static EXIT_ON_ERR: Annotation = declare(
    "agent-auto-auth-exit-on-err",
    Kind::Boolean,
    Default::Value("false"),
    "Whether the agent ends when it cannot log in, instead of trying again.",
);
/// `agent-service-account-token-volume-name`
pub static TOKEN_VOLUME: Annotation = declare(
    "agent-service-account-token-volume-name",
    Kind::Text,
    Default::Absent,
    "The projected volume of the pod whose service account token the agent logs in with.",
);

/// The annotations of this topic.
pub static ALL: &[&Annotation] = &[
    &ROLE,
    &AUTH_TYPE,
    &AUTH_PATH,
    &AUTH_CONFIG,
    &AUTH_MIN_BACKOFF,
    &AUTH_MAX_BACKOFF,
    &EXIT_ON_ERR,
    &TOKEN_VOLUME,
];
