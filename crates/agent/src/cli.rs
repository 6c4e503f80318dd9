//! The command line: which command is meant, with which flags, and how it ends.

use std::{
    io::{IsTerminal as _, Read as _, Write as _},
    path::PathBuf,
    time::Duration,
};

use leasehold_config::Parsed as Configuration;
use leasehold_template::Options;
use tokio::{runtime::Runtime, task::LocalSet};

use crate::{
    agent::{self, Signals},
    check,
    cli::options::{AGENT, CHECK, RENDER, REVOKE, RUN, STATUS, Summary, WAIT},
    clock, configuration,
    connection::ConnectionFlags,
    core::message::Level,
    environment::Environment,
    exit::ExitStatus,
    flags::{self, Flag, FlagError, Parsed},
    log::{self, Format, Log, Stream},
    plan,
    render::{self, Reader, RenderRequest},
    revoke, sentence,
    state::StateFolder,
    status::Status,
    wait::{self, Awaited},
};

mod options;

/// The `wait` command gives up after this time unless told otherwise.
const WAIT_LIMIT: Duration = Duration::from_secs(10);

/// Runs the command that the words name.
#[must_use]
pub fn run(words: &[String], environment: &Environment) -> ExitStatus {
    let outcome = dispatch(words, environment);
    outcome.unwrap_or_else(|message| {
        if !message.is_empty() {
            let _ = writeln!(std::io::stderr().lock(), "{message}");
        }
        ExitStatus::Failed
    })
}

fn dispatch(words: &[String], environment: &Environment) -> Result<ExitStatus, String> {
    let (command, rest) = match words.split_first() {
        Some((command, rest)) => (command.as_str(), rest),
        None => ("help", words),
    };
    let summary = match command {
        "run" => RUN,
        "agent" => AGENT,
        "token" => {
            let Some((sub, rest)) = rest.split_first().filter(|(sub, _)| *sub == "revoke") else {
                return Err("the only `token` command here is `token revoke -self`".to_owned());
            };
            let _ = sub;
            return command_of(&REVOKE, rest, environment, revoke_command);
        }
        "render" => return command_of(&RENDER, rest, environment, render_command),
        "wait" => return command_of(&WAIT, rest, environment, wait_command),
        "status" => return command_of(&STATUS, rest, environment, status_command),
        "check-config" => return command_of(&CHECK, rest, environment, check_command),
        "version" | "-version" | "--version" | "-v" => {
            print(&format!("leasehold-agent {}\n", env!("CARGO_PKG_VERSION")));
            return Ok(ExitStatus::Done);
        }
        "help" | "-h" | "--help" | "-help" => {
            print(&options::overview());
            return Ok(ExitStatus::Done);
        }
        other => {
            return Err(format!(
                "`{other}` is no command of leasehold-agent; there are run, agent, render, wait, status, check-config, token revoke and version"
            ));
        }
    };
    command_of(&summary, rest, environment, agent_command)
}

type Command = fn(&Parsed, &Environment) -> Result<ExitStatus, String>;

fn command_of(
    summary: &Summary,
    words: &[String],
    environment: &Environment,
    command: Command,
) -> Result<ExitStatus, String> {
    let flags: Vec<Flag> = summary
        .flags
        .iter()
        .flat_map(|flags| flags.iter().copied())
        .collect();
    match Parsed::read(&flags, words) {
        Ok(parsed) => command(&parsed, environment),
        Err(FlagError::Help) => {
            print(&format!("{}\n\n{}", summary.text, flags::help(&flags)));
            Ok(ExitStatus::Done)
        }
        Err(error) => Err(format!(
            "{error}\nsee `leasehold-agent {} --help`",
            summary.name
        )),
    }
}

fn agent_command(flags: &Parsed, environment: &Environment) -> Result<ExitStatus, String> {
    // Handlers come before everything else: the kubelet may want the container to end at any time.
    let runtime = runtime()?;
    let signals = {
        let _guard = runtime.enter();
        Signals::install().map_err(|error| format!("failed to install signal handlers: {error}"))?
    };
    agent::keep_memory_private();
    let result = begin(flags, environment, &runtime, signals);
    if let Err(message) = &result {
        agent::last_words(message);
    }
    result
}

fn begin(
    flags: &Parsed,
    environment: &Environment,
    runtime: &Runtime,
    signals: Signals,
) -> Result<ExitStatus, String> {
    let files = flags.all("config").to_vec();
    let mut parsed =
        configuration::load(&files, environment).map_err(|error| sentence::chain(&error))?;
    if let Some(exit) = flags.switch("exit-after-auth") {
        parsed.config.exit_after_auth = exit;
    }
    let log = open_log(flags, environment, &parsed)?;
    let connection = connection_flags(flags);
    let plan = plan::plan(&parsed.config, &connection, environment)
        .map_err(|error| sentence::chain(&error))?;
    if flags.switch("test-verify-only") == Some(true) {
        return Ok(ExitStatus::Done);
    }
    for finding in &plan.findings {
        log.warn("agent", format!("the injector says: {finding}"));
    }
    if !flags.all("header").is_empty() {
        log.warn(
            "agent",
            "`-header` has no effect: requests carry no further headers",
        );
    }
    for sentence in &plan.without_effect {
        log.warn("agent", sentence.clone());
    }
    for warning in &parsed.warnings {
        log.warn("agent", warning.to_string());
    }
    // What the agent needs of it is in the plan; the templates' texts are not kept twice while it runs.
    drop(parsed);
    let level_is_fixed = flags.get("log-level").is_some();
    let variables = environment.clone();
    let reload = move |log: &Log| match configuration::load(&files, &variables) {
        Ok(parsed) => {
            if let Some(level) = parsed.config.log.level.filter(|_| !level_is_fixed) {
                log.set_level(level_of(level));
            }
            match plan::plan(&parsed.config, &connection, &variables) {
                Ok(plan) => {
                    let logins = plan.logins.into_iter();
                    Some(
                        logins
                            .map(|login| (login.name, login.connection.tls))
                            .collect(),
                    )
                }
                Err(error) => stays(log, &error),
            }
        }
        Err(error) => stays(log, &error),
    };
    let local = LocalSet::new();
    let run = agent::run(plan, environment.clone(), log, signals, reload);
    local
        .block_on(runtime, run)
        .map_err(|error| sentence::chain(&error))
}

fn stays(log: &Log, error: &(dyn std::error::Error + 'static)) -> Option<agent::Reloaded> {
    let text = format!("the old configuration stays: {}", sentence::chain(error));
    log.error("agent", text);
    None
}

fn open_log(
    flags: &Parsed,
    environment: &Environment,
    parsed: &Configuration,
) -> Result<Log, String> {
    let file = &parsed.config.log;
    let level = match flags
        .get("log-level")
        .or_else(|| environment.vault("LOG_LEVEL"))
    {
        Some(text) => log::level(text).ok_or_else(|| {
            format!("unknown log level `{text}`; accepted are trace, debug, info, warn and error")
        })?,
        None => file.level.map_or(Level::Info, level_of),
    };
    let format = match flags
        .get("log-format")
        .or_else(|| environment.vault("LOG_FORMAT"))
    {
        Some(text) => log::format(text).ok_or_else(|| {
            format!("unknown log format `{text}`; accepted are standard and json")
        })?,
        None => match file.format {
            Some(leasehold_config::LogFormat::Json) => Format::Json,
            _ => Format::Standard,
        },
    };
    let combined = flags.switch("combine-logs") == Some(true);
    let log = Log::new(
        level,
        format,
        if combined {
            Stream::Stdout
        } else {
            Stream::Stderr
        },
    );
    if let Some(path) = flags
        .get("log-file")
        .map(str::to_owned)
        .or_else(|| file.file.clone())
    {
        log.copy_to(std::path::Path::new(&path), rotation(flags, file)?)
            .map_err(|error| format!("failed to open the log file `{path}`: {error}"))?;
    }
    Ok(log)
}

/// When the log file is put aside: as the flags say, else as the configuration does.
fn rotation(flags: &Parsed, file: &leasehold_config::Log) -> Result<log::Rotation, String> {
    let refused = |name: &str, text: &str, accepted: &str| {
        format!("`-{name}` is `{text}`; accepted is {accepted}")
    };
    let whole = |name: &str, least: i64| -> Result<Option<i64>, String> {
        let Some(text) = flags.get(name) else {
            return Ok(None);
        };
        let number = text.trim().parse().ok().filter(|number| *number >= least);
        number
            .map(Some)
            .ok_or_else(|| refused(name, text, &format!("a whole number from {least}")))
    };
    let age = match flags.get("log-rotate-duration") {
        Some(text) => Some(leasehold_config::duration::parse(text).ok_or_else(|| {
            let accepted = leasehold_config::duration::ACCEPTED;
            refused("log-rotate-duration", text, accepted)
        })?),
        None => file.rotate_duration,
    };
    let bytes = match whole("log-rotate-bytes", 0)? {
        Some(bytes) => u64::try_from(bytes).ok(),
        None => file.rotate_bytes,
    };
    let kept = whole("log-rotate-max-files", -1)?.or(file.rotate_max_files);
    Ok(log::Rotation {
        bytes: bytes.filter(|bytes| *bytes > 0),
        age: age.filter(|age| !age.is_zero()).unwrap_or(log::DEFAULT_AGE),
        kept: kept
            .filter(|kept| *kept != 0)
            .map(|kept| usize::try_from(kept).unwrap_or_default()),
    })
}

const fn level_of(level: leasehold_config::LogLevel) -> Level {
    match level {
        leasehold_config::LogLevel::Trace => Level::Trace,
        leasehold_config::LogLevel::Debug => Level::Debug,
        leasehold_config::LogLevel::Info => Level::Info,
        leasehold_config::LogLevel::Warn => Level::Warn,
        leasehold_config::LogLevel::Error => Level::Error,
    }
}

fn connection_flags(flags: &Parsed) -> ConnectionFlags {
    let text = |name: &str| flags.get(name).map(str::to_owned);
    ConnectionFlags {
        address: text("address"),
        ca_cert: text("ca-cert"),
        ca_path: text("ca-path"),
        client_cert: text("client-cert"),
        client_key: text("client-key"),
        tls_server_name: text("tls-server-name"),
        tls_skip_verify: flags.switch("tls-skip-verify"),
        namespace: text("namespace").or_else(|| text("ns")),
        disable_redirects: flags.switch("disable-redirects"),
    }
}

fn revoke_command(flags: &Parsed, environment: &Environment) -> Result<ExitStatus, String> {
    if flags.switch("self") != Some(true) {
        return Err("only the own token can be revoked here: give `-self`".to_owned());
    }
    agent::keep_memory_private();
    let connection = connection_flags(flags);
    runtime()?.block_on(revoke::revoke_self(&connection, environment))?;
    print("Success! Revoked token (if it existed)\n");
    Ok(ExitStatus::Done)
}

fn render_command(flags: &Parsed, environment: &Environment) -> Result<ExitStatus, String> {
    let from = flags
        .get("t")
        .ok_or("no template is given: `-t FILE`, or `-t -` for the standard input")?;
    let mut source = Vec::new();
    let name = if from == "-" {
        let read = std::io::stdin().lock().read_to_end(&mut source);
        read.map_err(|error| {
            format!("failed to read the template from the standard input: {error}")
        })?;
        "(dynamic)".to_owned()
    } else {
        source = std::fs::read(from)
            .map_err(|error| format!("failed to read the template `{from}`: {error}"))?;
        from.to_owned()
    };
    let request = RenderRequest {
        source,
        options: Options {
            name,
            left_delimiter: flags.get("left-delimiter").unwrap_or_default().to_owned(),
            right_delimiter: flags.get("right-delimiter").unwrap_or_default().to_owned(),
            error_on_missing_key: flags.switch("error-on-missing-key").unwrap_or_default(),
            function_denylist: flags.all("function-denylist").to_vec(),
            sandbox_path: flags.get("sandbox-path").map(str::to_owned),
            destination: flags.get("destination").map(str::to_owned),
            ..Options::default()
        },
    };
    agent::keep_memory_private();
    let local = LocalSet::new();
    let reader = if std::io::stderr().is_terminal() {
        Reader::Person
    } else {
        Reader::Program
    };
    let output = local
        .block_on(&runtime()?, render::render(request, environment))
        .map_err(|error| error.text(reader))?;
    std::io::stdout()
        .lock()
        .write_all(&output)
        .map_err(|error| format!("failed to write to the standard output: {error}"))?;
    Ok(ExitStatus::Done)
}

fn wait_command(flags: &Parsed, environment: &Environment) -> Result<ExitStatus, String> {
    let limit = match flags.get("timeout") {
        Some(text) => leasehold_config::duration::parse(text).ok_or_else(|| {
            format!(
                "`--timeout` is `{text}`; accepted is {}",
                leasehold_config::duration::ACCEPTED
            )
        })?,
        None => WAIT_LIMIT,
    };
    let parsed = configuration::load(flags.all("config"), environment)
        .map_err(|error| sentence::chain(&error))?;
    let awaited = match parsed.config.state_dir() {
        Some(folder) => Awaited::State(StateFolder::new(PathBuf::from(folder))),
        None => {
            let templates = parsed.config.templates.iter();
            Awaited::Files(
                templates
                    .map(|template| PathBuf::from(&template.destination))
                    .collect(),
            )
        }
    };
    wait::wait(&awaited, limit).map_err(|error| error.to_string())?;
    Ok(ExitStatus::Done)
}

fn status_command(flags: &Parsed, environment: &Environment) -> Result<ExitStatus, String> {
    let folder = match flags.get("state-dir") {
        Some(folder) => folder.to_owned(),
        None => {
            let parsed = configuration::load(flags.all("config"), environment)
                .map_err(|error| sentence::chain(&error))?;
            let folder = parsed.config.state_dir().map(str::to_owned);
            folder.ok_or(
                "this configuration keeps no state to show: it has no `leasehold.state_dir`; `--state-dir DIR` names one",
            )?
        }
    };
    let text = StateFolder::new(PathBuf::from(&folder))
        .status()
        .map_err(|error| {
            format!("there is no status in `{folder}`, the agent may not have begun: {error}")
        })?;
    let status: Status = serde_json::from_str(&text)
        .map_err(|error| format!("the status in `{folder}` cannot be read: {error}"))?;
    match flags.get("o").unwrap_or("text") {
        "json" => print(&format!("{}\n", status.as_json(clock::now()))),
        "text" => print(&status.in_words(clock::now())),
        other => return Err(format!("`-o` is `{other}`; accepted are text and json")),
    }
    Ok(if status.unready(clock::now()).is_none() {
        ExitStatus::Done
    } else {
        ExitStatus::Failed
    })
}

fn check_command(flags: &Parsed, environment: &Environment) -> Result<ExitStatus, String> {
    let mut files = flags.all("config").to_vec();
    files.extend(flags.rest.iter().cloned());
    let parsed =
        configuration::load(&files, environment).map_err(|error| sentence::chain(&error))?;
    let checked = check::check(&parsed, &ConnectionFlags::default(), environment)
        .map_err(|error| sentence::chain(&error))?;
    let mut stderr = std::io::stderr().lock();
    for warning in &checked.warnings {
        let _ = writeln!(stderr, "warning: {warning}");
    }
    for error in &checked.errors {
        let _ = writeln!(stderr, "error: {error}");
    }
    print(&checked.summary);
    Ok(if checked.errors.is_empty() {
        ExitStatus::Done
    } else {
        ExitStatus::Failed
    })
}

fn runtime() -> Result<Runtime, String> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("failed to start the event loop: {error}"))
}

fn print(text: &str) {
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
}
