//! The commands and their flags, declared once for parsing and for `--help`.

use crate::flags::{Flag, Value};

/// A command, for parsing and for `--help`.
pub(super) struct Summary {
    pub(super) name: &'static str,
    pub(super) text: &'static str,
    pub(super) flags: &'static [&'static [Flag]],
}

const CONFIG: &[Flag] = &[Flag {
    name: "config",
    value: Value::Many("FILE"),
    help: "configuration file, or folder of *.hcl and *.json; else VAULT_CONFIG in base64",
}];

const CONNECTION: &[Flag] = &[
    one("address", "URL", "the server (VAULT_ADDR)"),
    one("ca-cert", "FILE", "trusted roots (VAULT_CACERT)"),
    one("ca-path", "DIR", "folder of trusted roots (VAULT_CAPATH)"),
    one("client-cert", "FILE", "our certificate (VAULT_CLIENT_CERT)"),
    one("client-key", "FILE", "its key (VAULT_CLIENT_KEY)"),
    one(
        "tls-server-name",
        "NAME",
        "name in the server's certificate (VAULT_TLS_SERVER_NAME)",
    ),
    switch(
        "tls-skip-verify",
        "accept any server certificate (VAULT_SKIP_VERIFY)",
    ),
    one(
        "namespace",
        "NAME",
        "namespace of all calls (VAULT_NAMESPACE)",
    ),
    one("ns", "NAME", "the same"),
    switch(
        "disable-redirects",
        "follow no redirect (VAULT_DISABLE_REDIRECTS)",
    ),
];

const LOGGING: &[Flag] = &[
    one(
        "log-level",
        "LEVEL",
        "trace, debug, info, warn or error (VAULT_LOG_LEVEL)",
    ),
    one(
        "log-format",
        "FORMAT",
        "standard or json (VAULT_LOG_FORMAT)",
    ),
    one("log-file", "FILE", "copy of the log"),
    one(
        "log-rotate-bytes",
        "BYTES",
        "put the log file aside before it grows larger",
    ),
    one(
        "log-rotate-duration",
        "DURATION",
        "put the log file aside after this time (24h)",
    ),
    one(
        "log-rotate-max-files",
        "COUNT",
        "how many that were put aside stay; 0 for all, -1 for none",
    ),
    switch("combine-logs", "log to the standard output"),
];

/// What the established program's commands take as well, without an effect here.
const TOLERATED: &[Flag] = &[
    one("agent-address", "URL", "accepted, without effect"),
    one("wrap-ttl", "DURATION", "accepted, without effect"),
    one("mfa", "TEXT", "accepted, without effect"),
    Flag {
        name: "header",
        value: Value::Many("TEXT"),
        help: "accepted, without effect",
    },
    switch("policy-override", "accepted, without effect"),
    one("unlock-key", "TEXT", "accepted, without effect"),
    switch("non-interactive", "accepted, without effect"),
    switch("output-curl-string", "accepted, without effect"),
    switch("output-policy", "accepted, without effect"),
];

const LIFE: &[Flag] = &[
    switch("exit-after-auth", "end when everything is rendered"),
    switch("test-verify-only", "only check the configuration"),
];

const ONLY_SELF: &[Flag] = &[
    switch("self", "the own token"),
    one("mode", "MODE", "accepted, without effect"),
];

const RENDERING: &[Flag] = &[
    one("t", "FILE", "the template; - is the standard input"),
    one(
        "left-delimiter",
        "TEXT",
        "what opens an action, {{ unless given",
    ),
    one(
        "right-delimiter",
        "TEXT",
        "what closes an action, }} unless given",
    ),
    switch("error-on-missing-key", "a key that a map lacks is an error"),
    one(
        "sandbox-path",
        "DIR",
        "the folder that file functions may not leave",
    ),
    Flag {
        name: "function-denylist",
        value: Value::Many("NAME"),
        help: "a function that may not be called",
    },
    one(
        "destination",
        "FILE",
        "where the output would go: names certificates, and may hold one",
    ),
];

const WAITING: &[Flag] = &[one(
    "timeout",
    "DURATION",
    "how long to wait, 10s unless given",
)];

const SHOWING: &[Flag] = &[
    one("o", "FORMAT", "text or json"),
    one(
        "state-dir",
        "DIR",
        "where the agent keeps its state; else as the configuration says",
    ),
];

pub(super) const RUN: Summary = Summary {
    name: "run",
    text: "leasehold-agent run [--config FILE]...\n\nLogs in, renders, and keeps everything alive.",
    flags: &[CONFIG, LIFE, CONNECTION, LOGGING],
};

pub(super) const AGENT: Summary = Summary {
    name: "agent",
    text: "leasehold-agent agent -config=FILE...\n\nThe same as run, with the flags of `vault agent`.",
    flags: &[CONFIG, LIFE, CONNECTION, LOGGING, TOLERATED],
};

pub(super) const REVOKE: Summary = Summary {
    name: "token revoke",
    text: "leasehold-agent token revoke -self\n\nRevokes the token of VAULT_TOKEN, else of $HOME/.vault-token, and with it all its leases.",
    flags: &[ONLY_SELF, CONNECTION, TOLERATED],
};

pub(super) const RENDER: Summary = Summary {
    name: "render",
    text: "leasehold-agent render -t FILE|-\n\nRenders one template to the standard output, with VAULT_ADDR, VAULT_TOKEN and the other VAULT_* variables. Nothing is tried again.",
    flags: &[RENDERING],
};

pub(super) const WAIT: Summary = Summary {
    name: "wait",
    text: "leasehold-agent wait [--timeout 10s]\n\nReturns when everything is rendered; with status 1 and the reason when the time is up.",
    flags: &[WAITING, CONFIG],
};

pub(super) const STATUS: Summary = Summary {
    name: "status",
    text: "leasehold-agent status [-o text|json]\n\nShows token, leases and files of the running agent; status 1 while not everything is rendered.",
    flags: &[SHOWING, CONFIG],
};

pub(super) const CHECK: Summary = Summary {
    name: "check-config",
    text: "leasehold-agent check-config FILE...\n\nSays what the agent would do with a configuration; status 1 when it would fail.",
    flags: &[CONFIG],
};

/// The overview of all commands.
pub(super) fn overview() -> String {
    let mut text = "leasehold-agent: secrets from Vault into files, kept alive\n\n".to_owned();
    for summary in [&RUN, &AGENT, &RENDER, &WAIT, &STATUS, &CHECK, &REVOKE] {
        let (usage, what) = summary
            .text
            .split_once("\n\n")
            .unwrap_or((summary.text, ""));
        text.push_str(&format!("  {usage}\n        {what}\n"));
    }
    text.push_str("  leasehold-agent version\n\n");
    text.push_str("Each command has --help. It also answers to the name `vault`.\n\n");
    text.push_str("Exit status: 0 done, or ended by SIGTERM, SIGINT or the quit request; 1 the command line, the configuration, a login, a template or a file is at fault, or `wait` met its deadline; else the status of the supervised process.\n");
    text
}

const fn one(name: &'static str, kind: &'static str, help: &'static str) -> Flag {
    Flag {
        name,
        value: Value::One(kind),
        help,
    }
}

const fn switch(name: &'static str, help: &'static str) -> Flag {
    Flag {
        name,
        value: Value::Switch,
        help,
    }
}
