//! Whether and where to inject.

use crate::vocabulary::{Annotation, Default, Kind, Topic, vault_annotation};

const fn declare(
    name: &'static str,
    kind: Kind,
    default: Default,
    doc: &'static str,
) -> Annotation {
    vault_annotation(Topic::Switch, name, kind, default, doc)
}

/// `agent-inject`
pub static AGENT_INJECT: Annotation = declare(
    "agent-inject",
    Kind::Boolean,
    Default::Value("false"),
    "Turns injection on for the pod. An empty value counts as false.",
);
/// `agent-inject-status`
pub static STATUS: Annotation = declare(
    "agent-inject-status",
    Kind::Written,
    Default::Absent,
    "Set to `injected` by the injector. A pod that carries that word is not injected again.",
);
/// `agent-inject-containers`
pub static CONTAINERS: Annotation = declare(
    "agent-inject-containers",
    Kind::CommaList,
    Default::Described("all containers"),
    "The containers that get the secrets. Blanks around a name are ignored. Init containers get \
     the secrets in any case when the agent runs before them.",
);
/// `agent-init-first`
pub static INIT_FIRST: Annotation = declare(
    "agent-init-first",
    Kind::Boolean,
    Default::Described("`false` for the pair; the native sidecar is first unless this is `false`"),
    "Places the agent before the pod's other init containers, so that these can read secrets.",
);
/// `agent-pre-populate`
pub static PRE_POPULATE: Annotation = declare(
    "agent-pre-populate",
    Kind::Boolean,
    Default::Value("true"),
    "Whether the application waits for the secrets: by an init container, or in native mode by \
     the sidecar's gate.",
);
/// `agent-pre-populate-only`
pub static PRE_POPULATE_ONLY: Annotation = declare(
    "agent-pre-populate-only",
    Kind::Boolean,
    Default::Value("false"),
    "Renders the secrets once, before the application starts, and keeps no agent running.",
);
/// `agent-request-namespace`
pub static REQUEST_NAMESPACE: Annotation = declare(
    "agent-request-namespace",
    Kind::Text,
    Default::Described("the namespace of the request"),
    "Read for compatibility: it may not be empty, and changes nothing.",
);
/// `agent-image`
pub static IMAGE: Annotation = declare(
    "agent-image",
    Kind::Text,
    Default::Flag {
        flag: "vault-image",
        default: "hashicorp/vault:2.0.4",
    },
    "The agent's image. An image that is neither the configured one nor called `leasehold-agent…` \
     is taken for Vault's own and started as such (see `leasehold.dev/agent-flavour`).",
);

/// The annotations of this topic.
pub static ALL: &[&Annotation] = &[
    &AGENT_INJECT,
    &STATUS,
    &CONTAINERS,
    &INIT_FIRST,
    &PRE_POPULATE,
    &PRE_POPULATE_ONLY,
    &REQUEST_NAMESPACE,
    &IMAGE,
];
