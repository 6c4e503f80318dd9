//! The rules that concern several blocks at once, as Vault checks them when it starts.

use crate::agent_config::AgentConfig;
use crate::error::Finding;
use crate::proxy::UseAutoAuthToken;

/// Every rule that the configuration breaks.
pub(crate) fn check(config: &AgentConfig) -> Vec<Finding> {
    let mut broken = Broken::default();
    check_presence(config, &mut broken);
    check_login(config, &mut broken);
    check_methods(config, &mut broken);
    check_stanza(config, &mut broken);
    check_proxy(config, &mut broken);
    check_supervisor(config, &mut broken);
    check_tls(config, &mut broken);
    broken.0
}

#[derive(Debug, Default)]
struct Broken(Vec<Finding>);

impl Broken {
    fn add(&mut self, key: &str, problem: impl Into<String>) {
        self.0.push(Finding {
            file: None,
            line: None,
            key: key.to_owned(),
            problem: problem.into(),
        });
    }
}

fn check_presence(config: &AgentConfig, broken: &mut Broken) {
    if config.auto_auth.is_none() && config.cache.is_none() && config.listeners.is_empty() {
        broken.add(
            "",
            "there is none of `auto_auth`, `cache` and `listener`; at least one is needed",
        );
    }
    if config.cache.is_some() && config.listeners.is_empty() && config.templates.is_empty() {
        broken.add(
            "cache",
            "needs a `listener` or a `template`, and there is none",
        );
    }
    if config.api_proxy.is_some() && config.listeners.is_empty() {
        broken.add("api_proxy", "needs a `listener`, and there is none");
    }
}

fn check_login(config: &AgentConfig, broken: &mut Broken) {
    let Some(auto_auth) = &config.auto_auth else {
        if !config.templates.is_empty() {
            broken.add(
                "template",
                "needs `auto_auth` for a token to read secrets with, and there is none",
            );
        }
        if !config.env_templates.is_empty() {
            broken.add(
                "env_template",
                "needs `auto_auth` for a token to read secrets with, and there is none",
            );
        }
        return;
    };
    let method = &auto_auth.method;
    if auto_auth.sinks.is_empty()
        && config.templates.is_empty()
        && config.env_templates.is_empty()
        && !uses_agent_token(config)
    {
        broken.add(
            "auto_auth",
            "has nothing to log in for: needed is a `sink`, a `template`, an `env_template`, or \
             `use_auto_auth_token` in `api_proxy` or `cache`",
        );
    }
    if method.wrap_ttl.is_some() {
        let only_plain = matches!(auto_auth.sinks.as_slice(), [sink] if sink.wrap_ttl.is_none());
        if !only_plain {
            broken.add(
                "auto_auth.method.wrap_ttl",
                "needs exactly one `sink`, and one without a `wrap_ttl` of its own",
            );
        }
    }
}

fn check_methods(config: &AgentConfig, broken: &mut Broken) {
    let main = config
        .auto_auth
        .iter()
        .map(|auto_auth| ("auto_auth", &auto_auth.method));
    let logins = config.leasehold.iter().flat_map(|ours| &ours.logins);
    let further = logins.map(|login| ("leasehold.logins", &login.method));
    for (outer, method) in main.chain(further) {
        let (first, longest) = (method.first_backoff(), method.longest_backoff());
        if first >= longest {
            broken.add(
                &format!("{outer}.method.min_backoff"),
                format!(
                    "is {}, which is not below `max_backoff`, {}",
                    crate::duration::write(first),
                    crate::duration::write(longest)
                ),
            );
        }
        for key in method.kind.required() {
            if method.config.get(key).is_none() {
                broken.add(
                    &format!("{outer}.method.config.{key}"),
                    format!("is missing; the method `{}` needs it", method.kind.name()),
                );
            }
        }
    }
}

fn check_stanza(config: &AgentConfig, broken: &mut Broken) {
    let Some(ours) = &config.leasehold else {
        return;
    };
    for (at, login) in ours.logins.iter().enumerate() {
        if ours.logins.iter().take(at).any(|l| l.name == login.name) {
            broken.add(
                "leasehold.logins",
                format!(
                    "has the name `{}` twice; each is accepted once",
                    login.name.escape_debug()
                ),
            );
        }
    }
    for (destination, name) in &ours.template_logins {
        if !ours.logins.iter().any(|login| login.name == *name) {
            broken.add(
                "leasehold.template_logins",
                format!(
                    "gives the template of `{}` the login `{}`, which is not in `logins`",
                    destination.escape_debug(),
                    name.escape_debug()
                ),
            );
        }
        check_destination(config, "leasehold.template_logins", destination, broken);
    }
    for notify in &ours.notify {
        check_destination(config, "leasehold.notify", &notify.destination, broken);
    }
}

fn check_destination(config: &AgentConfig, key: &str, destination: &str, broken: &mut Broken) {
    let known = |t: &crate::Template| t.destination == destination;
    if !config.templates.iter().any(known) {
        broken.add(
            key,
            format!(
                "names the destination `{}`, which no template has",
                destination.escape_debug()
            ),
        );
    }
}

fn check_proxy(config: &AgentConfig, broken: &mut Broken) {
    let by_cache = config
        .cache
        .as_ref()
        .is_some_and(|cache| cache.use_auto_auth_token != UseAutoAuthToken::No);
    let by_proxy = config
        .api_proxy
        .as_ref()
        .is_some_and(|proxy| proxy.use_auto_auth_token != UseAutoAuthToken::No);
    if by_cache && by_proxy {
        broken.add(
            "cache.use_auto_auth_token",
            "stands beside `api_proxy.use_auto_auth_token`; only one is accepted",
        );
    }
    for (given, key) in [
        (by_cache, "cache.use_auto_auth_token"),
        (by_proxy, "api_proxy.use_auto_auth_token"),
    ] {
        if !given {
            continue;
        }
        match &config.auto_auth {
            None => broken.add(key, "needs `auto_auth`, and there is none"),
            Some(auto_auth) if auto_auth.method.wrap_ttl.is_some() => broken.add(
                key,
                "cannot be used with `auto_auth.method.wrap_ttl`, for the token is wrapped",
            ),
            Some(_) => {}
        }
    }
}

fn check_supervisor(config: &AgentConfig, broken: &mut Broken) {
    match (&config.exec, config.env_templates.is_empty()) {
        (Some(_), true) => broken.add("exec", "needs an `env_template`, and there is none"),
        (None, false) => broken.add("env_template", "needs `exec`, and there is none"),
        _ => {}
    }
    if config.exec.is_some() || !config.env_templates.is_empty() {
        if !config.templates.is_empty() {
            broken.add("template", "cannot stand beside `exec` and `env_template`");
        }
        if config.api_proxy.is_some() {
            broken.add("api_proxy", "cannot stand beside `exec` and `env_template`");
        }
    }
    for (at, template) in config.env_templates.iter().enumerate() {
        let earlier = config.env_templates.iter().take(at);
        if earlier.into_iter().any(|other| other.name == template.name) {
            broken.add(
                "env_template",
                format!(
                    "names the variable `{}` twice; each is accepted once",
                    template.name.escape_debug()
                ),
            );
        }
    }
}

fn check_tls(config: &AgentConfig, broken: &mut Broken) {
    let server = &config.vault;
    for (one, other, one_key, other_key) in [
        (
            &server.client_cert,
            &server.client_key,
            "vault.client_cert",
            "client_key",
        ),
        (
            &server.client_key,
            &server.client_cert,
            "vault.client_key",
            "client_cert",
        ),
    ] {
        if one.is_some() && other.is_none() {
            broken.add(one_key, format!("needs `{other_key}`, and there is none"));
        }
    }
}

fn uses_agent_token(config: &AgentConfig) -> bool {
    let cache = config.cache.as_ref().map(|c| c.use_auto_auth_token);
    let proxy = config.api_proxy.as_ref().map(|p| p.use_auto_auth_token);
    [cache, proxy]
        .into_iter()
        .flatten()
        .any(|used| used != UseAutoAuthToken::No)
}

#[cfg(test)]
mod tests;
