//! The server and the connection to it.

use crate::vocabulary::{Annotation, Default, Kind, Topic, vault_annotation};

const fn declare(
    name: &'static str,
    kind: Kind,
    default: Default,
    doc: &'static str,
) -> Annotation {
    vault_annotation(Topic::Vault, name, kind, default, doc)
}

/// `service`
pub static SERVICE: Annotation = declare(
    "service",
    Kind::Text,
    Default::Flag {
        flag: "vault-address",
        default: "",
    },
    "The server's address, with `http://` or `https://`.",
);
/// `namespace`
pub static NAMESPACE: Annotation = declare(
    "namespace",
    Kind::Text,
    Default::Flag {
        flag: "vault-namespace",
        default: "",
    },
    "The server's namespace.",
);
/// `proxy-address`
pub static PROXY_ADDRESS: Annotation = declare(
    "proxy-address",
    Kind::Text,
    Default::Flag {
        flag: "proxy-address",
        default: "",
    },
    "The HTTP proxy on the way to the server.",
);
/// `tls-secret`
pub static TLS_SECRET: Annotation = declare(
    "tls-secret",
    Kind::Text,
    Default::Absent,
    "A Secret with certificates, mounted in the agent at `/vault/tls`.",
);
/// `ca-cert`
pub static CA_CERT: Annotation = declare(
    "ca-cert",
    Kind::Path,
    Default::Absent,
    "The file with the certificate authorities that the server is checked against.",
);
/// `ca-key`
pub static CA_KEY: Annotation = declare(
    "ca-key",
    Kind::Path,
    Default::Absent,
    "A folder of certificate authorities (`ca_path`). The name is the established one; it is no key.",
);
/// `client-cert`
pub static CLIENT_CERT: Annotation = declare(
    "client-cert",
    Kind::Path,
    Default::Absent,
    "The file with the certificate that the agent shows to the server.",
);
/// `client-key`
pub static CLIENT_KEY: Annotation = declare(
    "client-key",
    Kind::Path,
    Default::Absent,
    "The file with that certificate's key.",
);
/// `tls-server-name`
pub static TLS_SERVER_NAME: Annotation = declare(
    "tls-server-name",
    Kind::Text,
    Default::Absent,
    "The name that the server's certificate must have.",
);
/// `tls-skip-verify`
pub static TLS_SKIP_VERIFY: Annotation = declare(
    "tls-skip-verify",
    Kind::Boolean,
    Default::Value("false"),
    "Trusts any server. Only for trying things out.",
);
/// `client-max-retries`
pub static CLIENT_MAX_RETRIES: Annotation = declare(
    "client-max-retries",
    Kind::Text,
    Default::Absent,
    "How often a request is tried again (`VAULT_MAX_RETRIES`).",
);
/// `client-timeout`
pub static CLIENT_TIMEOUT: Annotation = declare(
    "client-timeout",
    Kind::Text,
    Default::Absent,
    "How long a request may take (`VAULT_CLIENT_TIMEOUT`), in seconds or as a duration.",
);
/// `go-max-procs`
pub static GO_MAX_PROCS: Annotation = declare(
    "go-max-procs",
    Kind::Text,
    Default::Absent,
    "`GOMAXPROCS` of Vault Agent. Our agent has one thread and ignores it.",
);

/// The annotations of this topic.
pub static ALL: &[&Annotation] = &[
    &SERVICE,
    &NAMESPACE,
    &PROXY_ADDRESS,
    &TLS_SECRET,
    &CA_CERT,
    &CA_KEY,
    &CLIENT_CERT,
    &CLIENT_KEY,
    &TLS_SERVER_NAME,
    &TLS_SKIP_VERIFY,
    &CLIENT_MAX_RETRIES,
    &CLIENT_TIMEOUT,
    &GO_MAX_PROCS,
];
