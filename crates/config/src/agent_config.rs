//! The whole configuration: its top level, the merging of several files, and writing it.

use crate::auto_auth::AutoAuth;
use crate::error::{ConfigError, Finding};
use crate::listener::Listener;
use crate::log::Log;
use crate::proxy::{ApiProxy, Cache};
use crate::reading::{Block, Context, Unknown};
use crate::server::Server;
use crate::stanza::Leasehold;
use crate::supervisor::Exec;
use crate::telemetry::Telemetry;
use crate::template::{EnvTemplate, Template};
use crate::template_config::TemplateConfig;
use crate::writing::Object;
use crate::{syntax, validation};

/// Everything that a configuration says, with defaults filled in where nothing stands before them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AgentConfig {
    /// How to log in and where the token goes.
    pub auto_auth: Option<AutoAuth>,
    /// Ends after the first login and the first complete rendering.
    pub exit_after_auth: bool,
    /// The file that holds the process's number.
    pub pid_file: Option<String>,
    /// Where the server is; flags and the environment come before it.
    pub vault: Server,
    /// The files that are rendered, in order.
    pub templates: Vec<Template>,
    /// The environment of the supervised process, in order.
    pub env_templates: Vec<EnvTemplate>,
    /// The supervised process.
    pub exec: Option<Exec>,
    /// Where applications are answered, in order.
    pub listeners: Vec<Listener>,
    /// The lease cache.
    pub cache: Option<Cache>,
    /// What happens to requests of applications.
    pub api_proxy: Option<ApiProxy>,
    /// What holds for all templates.
    pub template_config: TemplateConfig,
    /// The parts that keep no idle connections, each once.
    pub disable_idle_connections: Vec<Part>,
    /// The parts that use a connection for one request only, each once.
    pub disable_keep_alives: Vec<Part>,
    /// Metrics.
    pub telemetry: Option<Telemetry>,
    /// The log.
    pub log: Log,
    /// What only our agent knows.
    pub leasehold: Option<Leasehold>,
}

/// A part of the agent that has connections of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Part {
    /// `auto-auth`: login and renewal.
    AutoAuth,
    /// `proxying`, formerly `caching`: requests of applications.
    Proxying,
    /// `templating`: reads for templates.
    Templating,
}

impl Part {
    /// The part of a word, with blanks around it.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        match word.trim() {
            "auto-auth" => Some(Self::AutoAuth),
            "proxying" | "caching" => Some(Self::Proxying),
            "templating" => Some(Self::Templating),
            _ => None,
        }
    }

    /// The word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::AutoAuth => "auto-auth",
            Self::Proxying => "proxying",
            Self::Templating => "templating",
        }
    }
}

/// A configuration that was read, with what is to be said about it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Parsed {
    /// The configuration.
    pub config: AgentConfig,
    /// What was found that is no error: keys that are unknown or have no effect.
    pub warnings: Vec<Finding>,
    /// Where each block begins, for messages.
    pub(crate) places: Vec<Place>,
}

/// Where a block begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) key: String,
    pub(crate) file: String,
    pub(crate) line: u32,
}

/// Reads one file: JSON when its first visible character is `{`, else HCL 1.
///
/// `name` is the file's name for messages. What needs the whole configuration is checked by
/// [`Parsed::validate`], after [`merge`].
///
/// # Errors
/// [`ConfigError::Syntax`] when it is neither, [`ConfigError::Invalid`] with every value that
/// cannot be used.
pub fn parse(name: &str, text: &str) -> Result<Parsed, ConfigError> {
    let entries = syntax::read(name, text)?;
    let context = Context::new(name);
    let config = AgentConfig::read(&Block::root(&context, &entries));
    let errors = context.errors.into_inner();
    if !errors.is_empty() {
        return Err(ConfigError::Invalid(errors));
    }
    let places = context.places.into_inner().into_iter();
    Ok(Parsed {
        config,
        warnings: context.warnings.into_inner(),
        places: places
            .map(|(key, line)| Place {
                key,
                file: name.to_owned(),
                line,
            })
            .collect(),
    })
}

/// Joins several files in order. Of single blocks the last file's wins whole; templates and
/// listeners are appended; of single values the last that is not empty wins.
#[must_use]
pub fn merge(files: Vec<Parsed>) -> Parsed {
    let mut files = files.into_iter();
    let Some(mut merged) = files.next() else {
        return Parsed::default();
    };
    for later in files {
        let has = |key: &str| later.places.iter().any(|place| place.key == key);
        let (has_vault, has_template_config) = (has("vault"), has("template_config"));
        let config = &mut merged.config;
        let new = later.config;
        config.auto_auth = new.auto_auth.or(config.auto_auth.take());
        config.exit_after_auth |= new.exit_after_auth;
        config.pid_file = new.pid_file.or(config.pid_file.take());
        if has_vault {
            config.vault = new.vault;
        }
        config.templates.extend(new.templates);
        config.env_templates.extend(new.env_templates);
        config.exec = new.exec.or(config.exec.take());
        config.listeners.extend(new.listeners);
        config.cache = new.cache.or(config.cache.take());
        config.api_proxy = new.api_proxy.or(config.api_proxy.take());
        if has_template_config {
            config.template_config = new.template_config;
        }
        for (old, new) in [
            (
                &mut config.disable_idle_connections,
                new.disable_idle_connections,
            ),
            (&mut config.disable_keep_alives, new.disable_keep_alives),
        ] {
            if !new.is_empty() {
                *old = new;
            }
        }
        config.telemetry = new.telemetry.or(config.telemetry.take());
        config.log.merge(new.log);
        config.leasehold = new.leasehold.or(config.leasehold.take());
        merged.warnings.extend(later.warnings);
        merged.places.extend(later.places);
    }
    merged
}

/// Reads, joins and checks several files, given as pairs of name and text.
///
/// # Errors
/// As [`parse`] for the first file that cannot be read, and as [`Parsed::validate`].
pub fn load<'a>(
    files: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Result<Parsed, ConfigError> {
    let parsed = files
        .into_iter()
        .map(|(name, text)| parse(name, text))
        .collect::<Result<Vec<_>, _>>()?;
    let merged = merge(parsed);
    merged.validate()?;
    Ok(merged)
}

impl Parsed {
    /// Checks what concerns several blocks at once. Call it after [`merge`].
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] with every rule that is broken.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let mut findings = validation::check(&self.config);
        if findings.is_empty() {
            return Ok(());
        }
        for finding in &mut findings {
            // The place of the block itself, else of the block around it.
            let mut key = finding.key.as_str();
            while !key.is_empty() {
                if let Some(place) = self.places.iter().rev().find(|place| place.key == key) {
                    finding.file = Some(place.file.clone());
                    finding.line = Some(place.line);
                    break;
                }
                key = key.rsplit_once('.').map_or("", |(outer, _)| outer);
            }
        }
        Err(ConfigError::Invalid(findings))
    }
}

/// Writes a configuration as one line of JSON that [`parse`] reads back as it is.
///
/// The keys stand in the order in which the established injector writes them, and what is empty
/// or a default is left out.
#[must_use]
pub fn to_json(config: &AgentConfig) -> String {
    config.write().finish()
}

impl AgentConfig {
    /// The folder for what a restart, or the sidecar after the init container, adopts: ours where the stanza
    /// names one, else the one that the established agent would persist its cache in for the same purpose.
    #[must_use]
    pub fn state_dir(&self) -> Option<&str> {
        let ours = self.leasehold.as_ref();
        let persist = self.cache.as_ref().and_then(|cache| cache.persist.as_ref());
        ours.and_then(|stanza| stanza.state_dir.as_deref())
            .or_else(|| persist.map(|persist| persist.path.as_str()))
    }

    fn read(root: &Block<'_>) -> Self {
        let config = Self {
            auto_auth: root
                .block("auto_auth")
                .and_then(|block| AutoAuth::read(&block)),
            exit_after_auth: root.flag("exit_after_auth").unwrap_or_default(),
            pid_file: root.text("pid_file"),
            vault: root
                .block("vault")
                .map(|block| Server::read(&block))
                .unwrap_or_default(),
            templates: root
                .blocks("template")
                .iter()
                .filter_map(Template::read)
                .collect(),
            env_templates: root
                .labelled_blocks("env_template", EnvTemplate::KEYS)
                .iter()
                .filter_map(EnvTemplate::read)
                .collect(),
            exec: root.block("exec").and_then(|block| Exec::read(&block)),
            listeners: root
                .labelled_blocks("listener", Listener::KEYS)
                .iter()
                .filter_map(Listener::read)
                .collect(),
            cache: root.block("cache").map(|block| Cache::read(&block)),
            api_proxy: root.block("api_proxy").map(|block| ApiProxy::read(&block)),
            template_config: root
                .block("template_config")
                .map(|block| TemplateConfig::read(&block))
                .unwrap_or_default(),
            disable_idle_connections: read_parts(root, "disable_idle_connections"),
            disable_keep_alives: read_parts(root, "disable_keep_alives"),
            telemetry: root.block("telemetry").map(|block| Telemetry::read(&block)),
            log: Log::read(root),
            leasehold: root.block("leasehold").map(|block| Leasehold::read(&block)),
        };
        root.without_effect(
            &[
                "cluster_name",
                "disable_mlock",
                "default_max_request_duration",
            ],
            "it belongs to the server",
        );
        root.finish(Unknown::Warned);
        config
    }

    fn write(&self) -> Object {
        let mut object = Object::default();
        object.object("auto_auth", self.auto_auth.as_ref().map(AutoAuth::write));
        object.put("exit_after_auth", self.exit_after_auth.to_string());
        object.some_text("pid_file", self.pid_file.as_deref());
        object.object("vault", Some(self.vault.write()));
        object.objects("template", self.templates.iter().map(Template::write));
        object.objects("listener", self.listeners.iter().map(Listener::write));
        object.object("cache", self.cache.as_ref().map(Cache::write));
        object.object("template_config", Some(self.template_config.write()));
        write_parts(
            &mut object,
            "disable_idle_connections",
            &self.disable_idle_connections,
        );
        write_parts(
            &mut object,
            "disable_keep_alives",
            &self.disable_keep_alives,
        );
        object.object("telemetry", self.telemetry.as_ref().map(Telemetry::write));
        // What the established injector never writes comes after what it does.
        object.object("api_proxy", self.api_proxy.as_ref().map(ApiProxy::write));
        object.objects(
            "env_template",
            self.env_templates.iter().map(EnvTemplate::write),
        );
        object.object("exec", self.exec.as_ref().map(Exec::write));
        self.log.write(&mut object);
        object.object("leasehold", self.leasehold.as_ref().map(Leasehold::write));
        object
    }
}

fn read_parts(root: &Block<'_>, key: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    for word in root.texts(key) {
        // The established injector splits its annotation without trimming, so blanks and empty
        // words arrive here.
        if word.trim().is_empty() {
            root.warn(key, "has an empty word, which is ignored");
        } else if let Some(part) = Part::from_word(&word) {
            if !parts.contains(&part) {
                parts.push(part);
            }
        } else {
            root.refuse(
                key,
                format!(
                    "has the word `{}`; accepted are auto-auth, caching, proxying, templating",
                    word.escape_debug()
                ),
            );
        }
    }
    parts
}

fn write_parts(object: &mut Object, key: &str, parts: &[Part]) {
    let names: Vec<_> = parts.iter().map(|part| part.name()).collect();
    object.texts(key, &names);
}
