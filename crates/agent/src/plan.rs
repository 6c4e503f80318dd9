//! From a configuration to what the agent does: which logins, which templates, which rules. Everything is
//! decided here once; nothing is read or sent.

use std::{num::NonZeroUsize, path::PathBuf, time::Duration};

use leasehold_config::{
    AgentConfig, DEFAULT_NOTIFY_TIMEOUT, Exec, ForeignLogin, Listener, Method, MethodKind, Mode,
    Notify, Server, Sink, Template, UseAutoAuthToken,
};
use leasehold_vault::{Connections, MethodSettings, Settings as Connection};

use crate::{
    connection::{self, ConnectionError, ConnectionFlags},
    core::{
        commands::{First, Pace},
        machine::{Rule, Settings},
        rendering::{CommandId, Severity, TemplateRules},
        secrets::SecretRules,
        token::LoginPauses,
    },
    effects,
    environment::Environment,
    listener::Caching,
    notice::Notice,
    templates::Target,
};

/// The first pause after a failed read, when the login method names none.
const FIRST_READ_PAUSE: Duration = Duration::from_millis(250);
/// The longest pause after a failed read, when the login method names none.
const LARGEST_READ_PAUSE: Duration = Duration::from_secs(60);
/// Changes within this time are one for the application.
const SETTLE: Duration = Duration::from_millis(500);

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
        complete(login, &stanza.notify);
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

/// Fills in what follows from the login's templates and sinks.
fn complete(login: &mut LoginPlan, notify: &[Notify]) {
    let told: Vec<Vec<CommandId>> = login
        .templates
        .iter()
        .map(|target| match target {
            Target::File(template) => notices_of(template, notify)
                .into_iter()
                .map(|(notice, pace)| {
                    number(
                        &mut login.notices,
                        &mut login.settings.commands,
                        notice,
                        pace,
                    )
                })
                .collect(),
            Target::Variable(_) => Vec::new(),
        })
        .collect();
    let severity = |fatal: bool| {
        if fatal {
            Severity::Fatal
        } else {
            Severity::Logged
        }
    };
    for (target, commands) in login.templates.iter().zip(told) {
        login.settings.templates.push(match target {
            Target::File(template) => TemplateRules {
                severity: severity(template.error_fatal),
                commands,
                wait: template.wait.map(|wait| (wait.min, wait.max)),
            },
            Target::Variable(template) => TemplateRules {
                severity: severity(template.error_fatal),
                commands: vec![login.notices.len()],
                wait: None,
            },
        });
    }
    login.settings.sinks = if login.sinks.is_empty() {
        Rule::Off
    } else {
        Rule::On
    };
}

/// How the application is told of one file, and when.
fn notices_of(template: &Template, notify: &[Notify]) -> Vec<(Notice, Pace)> {
    let blocks = || {
        notify
            .iter()
            .filter(|notify| notify.destination == template.destination)
    };
    let mut notices = Vec::new();
    if let Some(change) = &template.command {
        let mut change = change.clone();
        if let Some(timeout) = blocks().find_map(|notify| notify.timeout) {
            change.timeout = timeout;
        }
        let splay = blocks()
            .map(|notify| notify.splay)
            .max()
            .unwrap_or_default();
        let pace = Pace {
            settle: SETTLE,
            splay: splay.max(std::mem::take(&mut change.splay)),
            first: First::Told,
        };
        notices.push((Notice::Command(change), pace));
    }
    for notify in blocks() {
        let pace = Pace {
            settle: SETTLE,
            splay: notify.splay,
            first: First::Passed,
        };
        if let Some(signal) = &notify.signal {
            notices.push((Notice::Signal(signal.clone()), pace));
        }
        if let Some(request) = &notify.request {
            let notice = Notice::Request {
                request: request.clone(),
                timeout: notify.timeout.unwrap_or(DEFAULT_NOTIFY_TIMEOUT),
            };
            notices.push((notice, pace));
        }
    }
    notices
}

/// The number of a way to tell the application: equal ones are one, with the longer pause of both.
fn number(
    notices: &mut Vec<Notice>,
    paces: &mut Vec<Pace>,
    notice: Notice,
    pace: Pace,
) -> CommandId {
    if let Some(known) = notices.iter().position(|known| *known == notice) {
        if let Some(kept) = paces.get_mut(known) {
            kept.splay = kept.splay.max(pace.splay);
        }
        return known;
    }
    notices.push(notice);
    paces.push(pace);
    notices.len() - 1
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

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Plan, PlanError> {
        let parsed = leasehold_config::load([("test.hcl", text)]).unwrap();
        plan(
            &parsed.config,
            &ConnectionFlags::default(),
            &Environment::default(),
        )
    }

    const LOGIN: &str = r#"
        vault { address = "http://127.0.0.1:8200" }
        auto_auth { method "kubernetes" { config = { role = "checkout" } } }
    "#;

    fn with(rest: &str) -> Result<Plan, PlanError> {
        let template = r#"template { contents = "x" destination = "/tmp/x" command = "true" }
            template { contents = "y" destination = "/tmp/y" command = "true" error_fatal = false }"#;
        read(&format!("{LOGIN}{template}{rest}"))
    }

    #[test]
    fn templates_with_the_same_command_share_it() {
        let plan = with("").unwrap();
        let login = &plan.logins[0];
        assert_eq!(login.notices.len(), 1);
        let rules: Vec<_> = login
            .settings
            .templates
            .iter()
            .map(|rules| (rules.severity, rules.commands.clone()))
            .collect();
        assert_eq!(
            rules,
            [(Severity::Fatal, vec![0]), (Severity::Logged, vec![0])]
        );
    }

    #[test]
    fn whom_to_tell_is_said_per_file_and_equal_notices_are_one() {
        let plan = with(
            r#"leasehold {
                 notify "/tmp/x" { signal = "HUP nginx" splay = "5s" timeout = "2s" }
                 notify "/tmp/y" { signal = "SIGHUP nginx" request = "http://localhost:1/r" }
               }"#,
        )
        .unwrap();
        let login = &plan.logins[0];
        let shown: Vec<_> = login.notices.iter().map(Notice::shown).collect();
        assert_eq!(
            shown,
            [
                "command `true`",
                "signal `SIGHUP nginx`",
                "command `true`",
                "request `POST http://localhost:1/r`"
            ],
            "the first command has a limit of its own"
        );
        let told: Vec<_> = login
            .settings
            .templates
            .iter()
            .map(|rules| rules.commands.clone())
            .collect();
        assert_eq!(told, [vec![0, 1], vec![2, 1, 3]]);
        let splays: Vec<_> = login
            .settings
            .commands
            .iter()
            .map(|pace| pace.splay.as_secs())
            .collect();
        assert_eq!(splays, [5, 5, 0, 0]);
    }

    #[test]
    fn revokes_at_the_end_by_mode_unless_told() {
        let check = |rest: &str, expected: Rule| {
            let plan = with(rest).unwrap();
            assert_eq!(plan.logins[0].settings.revoke_on_exit, expected, "{rest}");
        };
        check("", Rule::Off);
        check(r#"leasehold { mode = "native" }"#, Rule::On);
        check(
            r#"leasehold { mode = "native" revoke_on_exit = false }"#,
            Rule::Off,
        );
        check(r#"leasehold { mode = "sidecar" }"#, Rule::Off);
        check(
            r#"leasehold { mode = "sidecar" revoke_on_exit = true }"#,
            Rule::On,
        );
        check(
            r#"exit_after_auth = true leasehold { mode = "init" revoke_on_exit = true }"#,
            Rule::Off,
        );
    }

    #[test]
    fn reads_pause_by_their_own_rule_unless_the_method_names_pauses() {
        let plain = with("").unwrap().logins[0].settings.secrets;
        assert_eq!(
            (plain.first_pause, plain.largest_pause),
            (FIRST_READ_PAUSE, LARGEST_READ_PAUSE)
        );
        let text = r#"vault { address = "http://127.0.0.1:8200" retry { num_retries = -1 } }
            auto_auth { method "kubernetes" { min_backoff = "2s" max_backoff = "3s" config = { role = "r" } } }
            template { contents = "x" destination = "/tmp/x" }"#;
        let named = read(text).unwrap().logins[0].settings.secrets;
        assert_eq!(named.first_pause, Duration::from_secs(2));
        assert_eq!(named.largest_pause, Duration::from_secs(3));
        assert_eq!(named.retries, 0);
    }

    #[test]
    fn a_method_of_the_other_agent_is_refused_in_words() {
        let text = r#"auto_auth { method "kerberos" { config = { username = "a" service = "b"
            realm = "c" keytab_path = "/d" krb5conf_path = "/e" } } }
            template { contents = "x" destination = "/tmp/x" }"#;
        let error = read(text).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("`kerberos` is not one of this agent's: it needs Vault's own agent"),
            "{error}"
        );
    }
}
