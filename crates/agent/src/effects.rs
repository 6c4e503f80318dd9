//! What configuration, flags and environment say that has no effect in this agent, each in a sentence: `run`
//! logs them, `check-config` prints them. Keys that nobody knows are named where the configuration is read.

use leasehold_config::{AgentConfig, Method, MethodKind, Part, Telemetry};

use crate::environment::Environment;

/// The metrics of a listener are as these two keys would have them.
const TELEMETRY_AS_IT_IS: [&str; 2] = ["disable_hostname", "prometheus_retention_time"];

/// Variables of the established agent that mean nothing here. Those that concern only a terminal or only
/// other commands (`VAULT_FORMAT`, `VAULT_CLI_NO_COLOR`, `VAULT_AGENT_ADDR`, `VAULT_WRAP_TTL`, `VAULT_MFA`) mean
/// nothing to the established agent either, and are not worth a line in each pod's log.
const VARIABLES: [(&str, &str); 1] = [(
    "TOKEN",
    "the agent logs in by `auto_auth`, and sends no other token with it",
)];

/// The sentences for a configuration and the environment that it is read in.
#[must_use]
pub fn without_effect(config: &AgentConfig, environment: &Environment) -> Vec<String> {
    let mut said: Vec<String> = of_blocks(config)
        .into_iter()
        .filter(|(is_set, _)| *is_set)
        .map(|(_, sentence)| sentence.to_owned())
        .collect();
    said.extend(config.telemetry.as_ref().and_then(of_telemetry));
    said.extend(of_connections(config, environment));
    if let Some(auto_auth) = &config.auto_auth {
        let watches = matches!(
            auto_auth.method.kind,
            MethodKind::Jwt | MethodKind::Ldap | MethodKind::Userpass | MethodKind::Aws
        );
        if auto_auth.enable_reauth_on_new_credentials && !watches {
            said.push(format!(
                "`auto_auth.enable_reauth_on_new_credentials` has no effect: the method `{}` reads its credentials at each login and watches none",
                auto_auth.method.kind.name()
            ));
        }
        said.extend(of_method(&auto_auth.method));
    }
    for (name, instead) in VARIABLES {
        if environment
            .vault(name)
            .is_some_and(|value| !value.is_empty())
        {
            said.push(format!(
                "the environment variable VAULT_{name} has no effect: {instead}"
            ));
        }
    }
    said
}

fn of_blocks(config: &AgentConfig) -> [(bool, &'static str); 4] {
    let persist = config
        .cache
        .as_ref()
        .and_then(|cache| cache.persist.as_ref());
    let elsewhere = persist.is_some_and(|persist| config.state_dir() != Some(&persist.path));
    let is_sealed = persist
        .is_some_and(|persist| persist.exit_on_err || persist.service_account_token_file.is_some());
    let reloads = config.templates.iter().any(|template| {
        let command = template.command.as_ref();
        command.is_some_and(|command| command.reload_signal.is_some())
    });
    let caches = config.cache.as_ref().map(|cache| &cache.consistency);
    let proxies = config.api_proxy.as_ref().map(|proxy| &proxy.consistency);
    let consistent = caches
        .into_iter()
        .chain(proxies)
        .any(|consistency| consistency.enforce || consistency.when_inconsistent.is_some());
    [
        (
            reloads,
            "`exec.reload_signal` of a template has no effect, as in Vault's agent: its command is run anew after each change; `leasehold.notify` sends signals to the application",
        ),
        (
            elsewhere,
            "`cache.persist` has no effect beside `leasehold.state_dir`, which hands token and leases over",
        ),
        (
            is_sealed && !elsewhere,
            "`exit_on_err` and `service_account_token_file` of `cache.persist` have no effect: what is kept is a file for the agent's user alone, and a login takes the place of one that cannot be adopted",
        ),
        (
            consistent,
            "`enforce_consistency` and `when_inconsistent` have no effect: no such headers are sent",
        ),
    ]
}

fn of_telemetry(telemetry: &Telemetry) -> Option<String> {
    let named: Vec<String> = telemetry
        .settings
        .iter()
        .map(|(key, _)| key.name())
        .filter(|name| !TELEMETRY_AS_IT_IS.contains(name))
        .map(|name| format!("`{name}`"))
        .collect();
    (!named.is_empty()).then(|| {
        format!(
            "{} of `telemetry` {} no effect: metrics are at `/agent/v1/metrics` of a listener, with `?format=prometheus` as well, and are not sent elsewhere",
            named.join(", "),
            if named.len() == 1 { "has" } else { "have" },
        )
    })
}

/// All parts of this agent have one connection, so what is asked for one part holds for all.
fn of_connections(config: &AgentConfig, environment: &Environment) -> Option<String> {
    let parts = closed_parts(config, environment);
    let all = [Part::AutoAuth, Part::Proxying, Part::Templating];
    let some = !parts.is_empty() && !all.iter().all(|part| parts.contains(part));
    some.then(|| {
        "`disable_keep_alives` and `disable_idle_connections` hold for all parts when they name one: the agent has one connection, closed after each answer".to_owned()
    })
}

/// The parts whose connections are to be closed after each answer. A variable that is set takes the place of
/// the key; words that name no part are passed over there.
#[must_use]
pub fn closed_parts(config: &AgentConfig, environment: &Environment) -> Vec<Part> {
    let keys = [
        (
            "AGENT_DISABLE_IDLE_CONNECTIONS",
            &config.disable_idle_connections,
        ),
        ("AGENT_DISABLE_KEEP_ALIVES", &config.disable_keep_alives),
    ];
    let mut parts = Vec::new();
    for (variable, key) in keys {
        match environment.vault(variable) {
            Some(words) => parts.extend(words.split(',').filter_map(Part::from_word)),
            None => parts.extend(key.iter().copied()),
        }
    }
    parts
}

/// Settings of a cloud's other login.
fn of_method(method: &Method) -> Option<String> {
    let idle: &[&str] = match method.kind {
        MethodKind::Aws => &["nonce"],
        MethodKind::Gcp => &["credentials", "project", "jwt_exp"],
        _ => &[],
    };
    let named: Vec<String> = idle
        .iter()
        .filter(|key| method.config.get(key).is_some())
        .map(|key| format!("`{key}`"))
        .collect();
    (!named.is_empty()).then(|| {
        format!(
            "{} of `auto_auth.method.config` {} no effect with this type of the method `{}`",
            named.join(", "),
            if named.len() == 1 { "has" } else { "have" },
            method.kind.name()
        )
    })
}
