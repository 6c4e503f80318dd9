//! From a configuration to what the agent does: which logins, which templates, which rules. Everything is
//! decided here once; nothing is read or sent.

use std::{num::NonZeroUsize, path::PathBuf, time::Duration};

use leasehold_config::{
    AgentConfig, Exec, ForeignLogin, Listener, Method, MethodKind, Mode, Server, Sink, Template,
    UseAutoAuthToken,
};
use leasehold_vault::{Connections, MethodSettings, Settings as Connection};

use crate::{
    connection::{self, ConnectionError, ConnectionFlags},
    core::{
        machine::{Rule, Settings},
        secrets::SecretRules,
        token::LoginPauses,
    },
    effects,
    environment::Environment,
    listener::Caching,
    notice::Notice,
    templates::Target,
};

mod notices;
#[cfg(test)]
mod tests;

/// The first pause after a failed read, when the login method names none.
const FIRST_READ_PAUSE: Duration = Duration::from_millis(250);
/// The longest pause after a failed read, when the login method names none.
const LARGEST_READ_PAUSE: Duration = Duration::from_secs(60);

/// What one login does.
#[derive(Debug, Clone)]
pub struct LoginPlan {
    /// Its name; empty for the one of `auto_auth`.
    pub name: String,
    /// The server.
    pub connection: Connection,
    /// How to log in.
    pub method: MethodSettings,
    /// Whether changed credentials cause a new login.
    pub watch_credentials: Rule,
    /// Where its tokens go.
    pub sinks: Vec<Sink>,
    /// Its templates, in the order of the configuration; variables come after files.
    pub templates: Vec<Target>,
    /// The distinct ways in which its templates tell the application. The number after the last one stands for the
    /// supervised process.
    pub notices: Vec<Notice>,
    /// The rules for the machine.
    pub settings: Settings,
}

/// What the agent does.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The logins; the first is that of `auto_auth`.
    pub logins: Vec<LoginPlan>,
    /// Where the number of the process goes.
    pub pid_file: Option<PathBuf>,
    /// Where a restart finds what to adopt.
    pub state_folder: Option<PathBuf>,
    /// Sentences of the injector, said first.
    pub findings: Vec<String>,
    /// What the configuration says that has no effect here, in sentences.
    pub without_effect: Vec<String>,
    /// Whether the state is left for the sidecar at the end.
    pub hands_over: Rule,
    /// The process to supervise.
    pub exec: Option<Exec>,
    /// Where applications are answered.
    pub listeners: Vec<Listener>,
    /// Whose token their requests carry on.
    pub use_token: UseAutoAuthToken,
    /// Whether answers with a lease are kept for them.
    pub caching: Caching,
    /// How often one of their requests is tried again.
    pub proxy_retries: u32,
}

/// Why there is nothing that the agent could do.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// There is no login.
    #[error("the configuration has no `auto_auth` block, so there is nothing to log in with")]
    NoLogin,
    /// A template names a login that does not exist.
    #[error(
        "`leasehold.template_logins` gives the template for `{destination}` the login `{login}`, which `leasehold.logins` does not have"
    )]
    NoSuchLogin {
        /// The template.
        destination: String,
        /// The login.
        login: String,
    },
    /// The pauses contradict each other.
    #[error("`min_backoff` ({min:?}) must be below `max_backoff` ({max:?})")]
    Backoff {
        /// The first pause.
        min: Duration,
        /// The longest pause.
        max: Duration,
    },
    /// The login is one that only the other agent performs.
    #[error(
        "the login method {0} is not one of this agent's: it needs Vault's own agent, which the injector adds with `leasehold.dev/agent-flavour: vault`"
    )]
    Foreign(ForeignLogin),
    /// There is no way to the server.
    #[error(transparent)]
    Connection(#[from] ConnectionError),
}

/// Plans a run.
///
/// # Errors
/// The configuration lacks a login, or contradicts itself.
pub fn plan(
    config: &AgentConfig,
    flags: &ConnectionFlags,
    environment: &Environment,
) -> Result<Plan, PlanError> {
    let auto_auth = config.auto_auth.as_ref().ok_or(PlanError::NoLogin)?;
    let stanza = config.leasehold.clone().unwrap_or_default();
    let login_of = |template: &Template| {
        stanza
            .template_logins
            .iter()
            .find(|(destination, _)| *destination == template.destination)
            .map_or("", |(_, login)| login.as_str())
    };
    if let Some((destination, login)) = stanza
        .template_logins
        .iter()
        .find(|(_, login)| !stanza.logins.iter().any(|known| known.name == *login))
    {
        let (destination, login) = (destination.clone(), login.clone());
        return Err(PlanError::NoSuchLogin { destination, login });
    }
    let watch = if auto_auth.enable_reauth_on_new_credentials {
        Rule::On
    } else {
        Rule::Off
    };
    let templates_of = |name: &str| -> Vec<Target> {
        let files = config
            .templates
            .iter()
            .filter(|template| login_of(template) == name);
        let mut targets: Vec<Target> = files
            .cloned()
            .map(|template| Target::File(Box::new(template)))
            .collect();
        if name.is_empty() {
            targets.extend(config.env_templates.iter().cloned().map(Target::Variable));
        }
        targets
    };
    let connection = connection::settings(
        flags,
        environment,
        &config.vault,
        auto_auth.method.namespace.as_deref(),
    )?;
    let mut logins = vec![LoginPlan {
        name: String::new(),
        connection,
        method: method(&auto_auth.method, environment)?,
        watch_credentials: watch,
        sinks: auto_auth.sinks.clone(),
        settings: settings(config, &auto_auth.method, &config.vault)?,
        templates: templates_of(""),
        notices: Vec::new(),
    }];
    // What the platform says about the pod holds for all logins.
    let platform = environment;
    let elsewhere = environment.without(&["ADDR", "NAMESPACE", "TLS_SERVER_NAME"]);
    for login in &stanza.logins {
        // What flags and variables say of the first server's name and place does not hold for another one; the
        // authorities, the proxies and the limits of time do.
        let inherited = Server {
            address: login
                .vault
                .address
                .clone()
                .or_else(|| config.vault.address.clone()),
            ..login.vault.clone()
        };
        let (flags, environment) = match login.vault.address {
            Some(_) => (&ConnectionFlags::default(), &elsewhere),
            None => (flags, environment),
        };
        let namespace = login.method.namespace.as_deref();
        logins.push(LoginPlan {
            name: login.name.clone(),
            connection: connection::settings(flags, environment, &inherited, namespace)?,
            method: method(&login.method, platform)?,
            watch_credentials: Rule::Off,
            sinks: Vec::new(),
            settings: settings(config, &login.method, &login.vault)?,
            templates: templates_of(&login.name),
            notices: Vec::new(),
        });
    }
    if !effects::closed_parts(config, environment).is_empty() {
        for login in &mut logins {
            login.connection.connections = Connections::Closed;
        }
    }
    let at_once = usize::try_from(config.template_config.max_connections_per_host);
    let at_once = at_once.ok().and_then(NonZeroUsize::new);
    for login in &mut logins {
        if let Some(at_once) = at_once {
            login.connection.reads_at_once = at_once;
        }
        notices::complete(login, &stanza.notify);
    }
    Ok(Plan {
        logins,
        pid_file: config.pid_file.clone().map(PathBuf::from),
        state_folder: config.state_dir().map(PathBuf::from),
        findings: stanza.findings,
        without_effect: effects::without_effect(config, environment),
        exec: config.exec.clone(),
        listeners: config.listeners.clone(),
        use_token: match (&config.api_proxy, &config.cache) {
            (Some(proxy), _) => proxy.use_auto_auth_token,
            (None, Some(cache)) => cache.use_auto_auth_token,
            (None, None) => UseAutoAuthToken::No,
        },
        caching: if config.cache.is_some() {
            Caching::On
        } else {
            Caching::Off
        },
        proxy_retries: environment
            .vault_count("MAX_RETRIES")
            .map_err(ConnectionError::from)?
            .unwrap_or(config.vault.num_retries),
        hands_over: if config.exit_after_auth {
            Rule::On
        } else {
            Rule::Off
        },
    })
}

fn settings(config: &AgentConfig, method: &Method, server: &Server) -> Result<Settings, PlanError> {
    let (min, max) = (method.first_backoff(), method.longest_backoff());
    if min >= max {
        return Err(PlanError::Backoff { min, max });
    }
    let rule = |on: bool| if on { Rule::On } else { Rule::Off };
    let stanza = config.leasehold.as_ref();
    let native = stanza.and_then(|stanza| stanza.mode) == Some(Mode::Native);
    let revoke = stanza
        .and_then(|stanza| stanza.revoke_on_exit)
        .unwrap_or(native);
    Ok(Settings {
        login: LoginPauses {
            first: min,
            largest: max,
        },
        login_spread: stanza
            .and_then(|stanza| stanza.login_spread)
            .unwrap_or_default(),
        exit_on_login_error: rule(method.exit_on_err),
        exit_on_refusal: rule(config.template_config.exit_on_retry_failure),
        exit_when_complete: rule(config.exit_after_auth),
        // What an init container leaves is what the pod goes on with.
        revoke_on_exit: rule(revoke && !config.exit_after_auth),
        revoke_after_hand_over: rule(stanza.is_some_and(|stanza| stanza.revoke_after_handover)),
        sinks: Rule::Off,
        secrets: SecretRules {
            static_interval: config.template_config.static_secret_render_interval,
            threshold: config.template_config.lease_renewal_threshold,
            retries: server.num_retries,
            first_pause: method.min_backoff.unwrap_or(FIRST_READ_PAUSE),
            largest_pause: method.max_backoff.unwrap_or(LARGEST_READ_PAUSE),
        },
        templates: Vec::new(),
        commands: Vec::new(),
    })
}

fn method(method: &Method, environment: &Environment) -> Result<MethodSettings, PlanError> {
    if let Some(foreign) = method.foreign() {
        return Err(PlanError::Foreign(foreign));
    }
    let config = method
        .config
        .iter()
        .map(|(key, value)| (key.to_owned(), value.to_owned()));
    Ok(MethodSettings {
        kind: method.kind.name().to_owned(),
        mount_path: Some(method.mount_path.clone()),
        // The connection has the namespace already, be it the method's or one that comes before it.
        namespace: None,
        wrap_ttl: method.wrap_ttl,
        config: config
            .filter(|(key, _)| accepts(method.kind, key))
            .collect(),
        environment: environment.iter().collect(),
    })
}

/// The injector writes `token_path` for every method; only one reads it.
fn accepts(kind: MethodKind, key: &str) -> bool {
    key != "token_path" || kind == MethodKind::Kubernetes
}
