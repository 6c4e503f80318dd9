//! Telling the application that a file has changed, beyond the established command.

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
        family: Family::SingleOrSecret,
        kind,
        default,
        topic: Topic::Ours,
        since: "0.1.0",
        doc,
    }
}

/// `notify-signal` and `notify-signal-<name>`
pub static SIGNAL: Annotation = declare(
    "notify-signal",
    Kind::Signal,
    Default::Absent,
    "A signal that the agent sends to the processes of a program after a file has changed; with a \
     secret's name, after that secret's file has. Needs a process namespace that the pod's \
     containers share (`vault.hashicorp.com/agent-share-process-namespace`), and that agent and \
     program run as one user (`vault.hashicorp.com/agent-run-as-same-user`). What the program has \
     started itself under the same name is left to it.",
);
/// `notify-request` and `notify-request-<name>`
pub static REQUEST: Annotation = declare(
    "notify-request",
    Kind::LocalRequest,
    Default::Absent,
    "A request that the agent sends to a port of the pod itself after a file has changed; with a \
     secret's name, after that secret's file has. An answer from 200 to 299 counts as heard; \
     anything else is tried again a few times.",
);
/// `notify-timeout` and `notify-timeout-<name>`
pub static TIMEOUT: Annotation = declare(
    "notify-timeout",
    Kind::Duration,
    Default::Described("5s for a request, 30s for a command"),
    "How long the answer to `leasehold.dev/notify-request` may take, and the command of \
     `vault.hashicorp.com/agent-inject-command-<name>` may run.",
);
/// `notify-splay` and `notify-splay-<name>`
pub static SPLAY: Annotation = declare(
    "notify-splay",
    Kind::Duration,
    Default::Value("0s"),
    "A random pause of at most this long, five minutes at most, comes before the application is \
     told, by whichever means, so that the pods of one Deployment do not all reload at once. Old \
     credentials may end meanwhile: keep it well below the tenth of their life.",
);

/// The annotations of this topic.
pub static ALL: &[&Annotation] = &[&SIGNAL, &REQUEST, &TIMEOUT, &SPLAY];
