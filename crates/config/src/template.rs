//! `template` and `env_template`: what is rendered, where to, and what follows.
//!
//! The template language itself is not looked at here.

use std::time::Duration;

use crate::command::{ChangeCommand, DEFAULT_COMMAND_TIMEOUT};
use crate::reading::{Block, Unknown};
use crate::writing::Object;

/// Left delimiter of an action when the template names none.
pub const DEFAULT_LEFT_DELIMITER: &str = "{{";
/// Right delimiter of an action when the template names none.
pub const DEFAULT_RIGHT_DELIMITER: &str = "}}";

/// One `template` block.
#[derive(Debug, Clone, PartialEq)]
pub struct Template {
    /// Where the template's text comes from.
    pub source: TemplateSource,
    /// The file that is written.
    pub destination: String,
    /// Whether missing folders of the destination are made.
    pub create_dest_dirs: bool,
    /// Permission bits of the file; without them an existing file keeps its own, a new one has
    /// 0644.
    pub perms: Option<u32>,
    /// The file's owner, by name or number.
    pub user: Option<String>,
    /// The file's group, by name or number.
    pub group: Option<String>,
    /// Whether the file that is replaced stays as `.bak`.
    pub backup: bool,
    /// How the text is read and evaluated.
    pub language: Language,
    /// Whether a failure of this template is an error of the pass, or only logged.
    pub error_fatal: bool,
    /// What runs after the file changed.
    pub command: Option<ChangeCommand>,
    /// How long to wait for further changes before a rendering.
    pub wait: Option<Wait>,
}

/// Where a template's text comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TemplateSource {
    /// The text itself (`contents`).
    Inline(String),
    /// A file (`source`).
    File(String),
}

/// How a template's text is read and evaluated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Language {
    /// What opens an action.
    pub left_delimiter: String,
    /// What closes an action.
    pub right_delimiter: String,
    /// Whether a missing map key is an error, or renders as `<no value>`.
    pub error_on_missing_key: bool,
    /// Functions that the template may not call.
    pub function_denylist: Vec<String>,
    /// The folder that the template's file functions may not leave.
    pub sandbox_path: Option<String>,
}

impl Default for Language {
    fn default() -> Self {
        Self {
            left_delimiter: DEFAULT_LEFT_DELIMITER.to_owned(),
            right_delimiter: DEFAULT_RIGHT_DELIMITER.to_owned(),
            error_on_missing_key: false,
            function_denylist: Vec::new(),
            sandbox_path: None,
        }
    }
}

/// How long changes must have been quiet before a rendering.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wait {
    /// The quiet time.
    pub min: Duration,
    /// After this long it is rendered all the same.
    pub max: Duration,
}

/// One `env_template` block: an environment variable of the supervised process.
#[derive(Debug, Clone, PartialEq)]
pub struct EnvTemplate {
    /// The variable's name.
    pub name: String,
    /// Where the template's text comes from.
    pub source: TemplateSource,
    /// How the text is read and evaluated.
    pub language: Language,
    /// Whether a failure of this template is an error of the pass, or only logged.
    pub error_fatal: bool,
}

impl Template {
    pub(crate) fn read(block: &Block<'_>) -> Option<Self> {
        let source = TemplateSource::read(block);
        let destination = block.text("destination");
        if destination.is_none() {
            block.refuse("destination", "is missing; the path of a file is needed");
        }
        let user = owner(block, "user", "uid");
        let group = owner(block, "group", "gid");
        let template = (
            block.flag("create_dest_dirs").unwrap_or(true),
            block.mode("perms").filter(|mode| *mode != 0),
            block.flag("backup").unwrap_or_default(),
            Language::read(block),
            block.flag("error_fatal").unwrap_or(true),
            ChangeCommand::read(block),
            Wait::read(block),
        );
        block.finish(Unknown::Refused);
        let (create_dest_dirs, perms, backup, language, error_fatal, command, wait) = template;
        Some(Self {
            source: source?,
            destination: destination?,
            create_dest_dirs,
            perms,
            user,
            group,
            backup,
            language,
            error_fatal,
            command,
            wait,
        })
    }

    pub(crate) fn write(&self) -> Object {
        let mut object = Object::default();
        object.text("destination", &self.destination);
        let (contents, source) = match &self.source {
            TemplateSource::Inline(text) => (Some(text.as_str()), None),
            TemplateSource::File(path) => (None, Some(path.as_str())),
        };
        object.some_text("contents", contents);
        object.text("left_delimiter", &self.language.left_delimiter);
        object.text("right_delimiter", &self.language.right_delimiter);
        // What `command` alone can say is said by it; the rest needs the block.
        let simple = self.command.as_ref().is_some_and(ChangeCommand::is_simple);
        if let Some(command) = self.command.as_ref().filter(|_| simple) {
            object.put("command", command.command.write());
        }
        object.some_text("source", source);
        object.mode("perms", self.perms);
        object.flag("error_on_missing_key", self.language.error_on_missing_key);
        object.unless("create_dest_dirs", self.create_dest_dirs, true);
        object.some_text("user", self.user.as_deref());
        object.some_text("group", self.group.as_deref());
        object.flag("backup", self.backup);
        object.unless("error_fatal", self.error_fatal, true);
        if let Some(command) = &self.command {
            if simple {
                let timeout = command.timeout;
                let timeout = (timeout != DEFAULT_COMMAND_TIMEOUT).then_some(timeout);
                object.duration("command_timeout", timeout);
            } else {
                object.object("exec", Some(command.write()));
            }
        }
        object.object("wait", self.wait.map(Wait::write));
        self.language.write_rest(&mut object);
        object
    }
}

impl EnvTemplate {
    pub(crate) const KEYS: &[&str] = &[
        "name",
        "contents",
        "source",
        "error_on_missing_key",
        "error_fatal",
        "left_delimiter",
        "right_delimiter",
        "function_denylist",
        "function_blacklist",
        "sandbox_path",
    ];

    pub(crate) fn read(block: &Block<'_>) -> Option<Self> {
        let name = block
            .text("name")
            .or_else(|| block.label().map(str::to_owned))
            .filter(|name| !name.is_empty() && !name.contains(['=', '\0']));
        if name.is_none() {
            block.refuse(
                "",
                "has no usable label; the name of an environment variable is needed",
            );
        }
        let source = TemplateSource::read(block);
        let language = Language::read(block);
        let error_fatal = block.flag("error_fatal").unwrap_or(true);
        block.finish(Unknown::Refused);
        Some(Self {
            name: name?,
            source: source?,
            language,
            error_fatal,
        })
    }

    pub(crate) fn write(&self) -> Object {
        let mut object = Object::default();
        object.text("name", &self.name);
        match &self.source {
            TemplateSource::Inline(text) => object.text("contents", text),
            TemplateSource::File(path) => object.text("source", path),
        }
        object.text("left_delimiter", &self.language.left_delimiter);
        object.text("right_delimiter", &self.language.right_delimiter);
        object.flag("error_on_missing_key", self.language.error_on_missing_key);
        object.unless("error_fatal", self.error_fatal, true);
        self.language.write_rest(&mut object);
        object
    }
}

impl TemplateSource {
    fn read(block: &Block<'_>) -> Option<Self> {
        match (block.text("contents"), block.text("source")) {
            (Some(contents), None) => Some(Self::Inline(contents)),
            (None, Some(source)) => Some(Self::File(source)),
            (None, None) => {
                block.refuse("", "has neither `contents` nor `source`; one is needed");
                None
            }
            (Some(_), Some(_)) => {
                block.refuse("", "has both `contents` and `source`; only one is accepted");
                None
            }
        }
    }
}

impl Language {
    fn read(block: &Block<'_>) -> Self {
        let default = Self::default();
        let mut function_denylist = block.texts("function_denylist");
        function_denylist.extend(block.texts("function_blacklist"));
        Self {
            left_delimiter: block
                .text("left_delimiter")
                .unwrap_or(default.left_delimiter),
            right_delimiter: block
                .text("right_delimiter")
                .unwrap_or(default.right_delimiter),
            error_on_missing_key: block.flag("error_on_missing_key").unwrap_or_default(),
            function_denylist,
            sandbox_path: block.text("sandbox_path"),
        }
    }

    fn write_rest(&self, object: &mut Object) {
        object.texts("function_denylist", &self.function_denylist);
        object.some_text("sandbox_path", self.sandbox_path.as_deref());
    }
}

impl Wait {
    fn read(block: &Block<'_>) -> Option<Self> {
        // The short form is `min:max`, or `min` alone.
        let Some(words) = block.plain_text("wait") else {
            let wait = block.block("wait")?;
            let min = wait.duration("min");
            let max = wait.duration("max");
            let enabled = wait.flag("enabled").unwrap_or(true);
            wait.finish(Unknown::Refused);
            return Self::new(block, min.unwrap_or_default(), max).filter(|_| enabled);
        };
        let (min, max) = match words.split_once(':') {
            Some((min, max)) => (min, Some(max)),
            None => (words.as_str(), None),
        };
        let min_read = crate::duration::parse(min);
        let max_read = max.map(crate::duration::parse);
        match (min_read, max_read) {
            (Some(min), None) => Self::new(block, min, None),
            (Some(min), Some(Some(max))) => Self::new(block, min, Some(max)),
            _ => {
                block.refuse(
                    "wait",
                    format!(
                        "is `{}`; accepted are `min:max`, `min`, or a block with `min` and `max`, \
                         each {}",
                        words.escape_debug(),
                        crate::duration::ACCEPTED
                    ),
                );
                None
            }
        }
    }

    /// Without a maximum it is four times the minimum.
    fn new(block: &Block<'_>, min: Duration, max: Option<Duration>) -> Option<Self> {
        let max = max
            .filter(|max| !max.is_zero())
            .unwrap_or(min.saturating_mul(4));
        if min > max {
            block.refuse(
                "wait",
                "has a `min` above its `max`; `min` must not be larger",
            );
            return None;
        }
        (!max.is_zero()).then_some(Self { min, max })
    }

    fn write(self) -> Object {
        let mut object = Object::default();
        object.duration("min", Some(self.min));
        object.duration("max", Some(self.max));
        object
    }
}

/// A name or number of the first key, else the number of the second.
fn owner(block: &Block<'_>, name: &str, number: &str) -> Option<String> {
    let by_number = block.id(number).map(|id| id.to_string());
    block.text(name).or(by_number)
}
