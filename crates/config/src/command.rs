//! What is run after a file changed, or is supervised: a program or a line for the shell, its environment and its
//! limits. When it is run is the agent's business.

use std::time::Duration;

use crate::reading::{Block, Unknown};
use crate::signal::Signal;
use crate::writing::Object;

/// How long a command may run when the template names no limit.
pub const DEFAULT_COMMAND_TIMEOUT: Duration = Duration::from_secs(30);

/// What runs after a file changed: `command`, or the block `exec` with more to say.
#[derive(Debug, Clone, PartialEq)]
pub struct ChangeCommand {
    /// What is run.
    pub command: Command,
    /// How long it may run.
    pub timeout: Duration,
    /// Its environment.
    pub environment: CommandEnvironment,
    /// The signal that ends it.
    pub kill_signal: Signal,
    /// How long it may take to end before it is killed.
    pub kill_timeout: Duration,
    /// The signal that is sent in place of a restart.
    pub reload_signal: Option<Signal>,
    /// A random pause of at most this long comes before the signal that ends it.
    pub splay: Duration,
}

/// A program with its arguments, or a line for the shell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Run directly; the first is the program. Never empty.
    Program(Vec<String>),
    /// Run by `sh -c`: a single text with blanks in it.
    Shell(String),
}

/// The environment of a command.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CommandEnvironment {
    /// Starts from nothing instead of from the agent's own environment.
    pub pristine: bool,
    /// Further variables as `NAME=value`.
    pub custom: Vec<String>,
    /// Patterns of the variables that are handed on; empty means all.
    pub allowlist: Vec<String>,
    /// Patterns of the variables that are not handed on; they come before the allowed ones.
    pub denylist: Vec<String>,
}

impl ChangeCommand {
    fn new(command: Command) -> Self {
        Self {
            command,
            timeout: DEFAULT_COMMAND_TIMEOUT,
            environment: CommandEnvironment::default(),
            kill_signal: Signal::INTERRUPT,
            kill_timeout: DEFAULT_COMMAND_TIMEOUT,
            reload_signal: None,
            splay: Duration::ZERO,
        }
    }

    /// The command of a template: the block `exec` comes before the key `command`.
    pub(crate) fn read(block: &Block<'_>) -> Option<Self> {
        let plain = Command::read(block, "command");
        let plain_timeout = block.duration("command_timeout");
        let mut change = plain.map(Self::new);
        if let (Some(change), Some(timeout)) = (&mut change, plain_timeout) {
            change.timeout = timeout;
        }
        let Some(exec) = block.block("exec") else {
            return change;
        };
        let command = Command::read(&exec, "command");
        let enabled = exec.flag("enabled").unwrap_or(true);
        if let Some(command) = command {
            change = Some(Self::new(command));
        }
        let timeout = exec.duration("timeout");
        let kill_signal = Signal::read(&exec, "kill_signal");
        let kill_timeout = exec.duration("kill_timeout");
        let reload_signal = Signal::read(&exec, "reload_signal");
        let splay = exec.duration("splay");
        let environment = exec.block("env").map(|env| CommandEnvironment::read(&env));
        exec.finish(Unknown::Refused);
        if let Some(change) = &mut change {
            change.timeout = timeout.unwrap_or(change.timeout);
            change.kill_signal = kill_signal.unwrap_or(change.kill_signal);
            change.kill_timeout = kill_timeout.unwrap_or(change.kill_timeout);
            change.reload_signal = reload_signal;
            change.splay = splay.unwrap_or_default();
            change.environment = environment.unwrap_or_default();
        }
        change.filter(|_| enabled)
    }

    pub(crate) fn is_simple(&self) -> bool {
        let mut simple = Self::new(self.command.clone());
        simple.timeout = self.timeout;
        *self == simple
    }

    pub(crate) fn write(&self) -> Object {
        let mut object = Object::default();
        object.put("command", self.command.write());
        object.duration("timeout", Some(self.timeout));
        object.text("kill_signal", self.kill_signal.name());
        object.duration("kill_timeout", Some(self.kill_timeout));
        object.some_text("reload_signal", self.reload_signal.map(Signal::name));
        object.duration("splay", (!self.splay.is_zero()).then_some(self.splay));
        if self.environment != CommandEnvironment::default() {
            let mut env = Object::default();
            env.flag("pristine", self.environment.pristine);
            env.texts("custom", &self.environment.custom);
            env.texts("allowlist", &self.environment.allowlist);
            env.texts("denylist", &self.environment.denylist);
            object.object("env", Some(env));
        }
        object
    }
}

impl Command {
    /// Reads a text or a list; `None` for nothing at all.
    pub(crate) fn read(block: &Block<'_>, key: &str) -> Option<Self> {
        let mut words = block.words(key);
        match (words.len(), words.first()) {
            (0, _) | (_, None) => None,
            (1, Some(line)) if line.trim().is_empty() => None,
            (1, Some(line)) if line.trim().contains(char::is_whitespace) => {
                Some(Self::Shell(words.remove(0)))
            }
            (1, Some(line)) => Some(Self::Program(vec![line.trim().to_owned()])),
            (_, Some(program)) if program.is_empty() => {
                block.refuse(
                    key,
                    "begins with an empty text; the program to run is needed",
                );
                None
            }
            _ => Some(Self::Program(words)),
        }
    }

    pub(crate) fn write(&self) -> String {
        match self {
            Self::Shell(line) => crate::writing::quoted(line),
            Self::Program(words) => match words.as_slice() {
                [program] => crate::writing::quoted(program),
                words => crate::writing::array(words.iter().map(|w| crate::writing::quoted(w))),
            },
        }
    }
}

impl CommandEnvironment {
    fn read(block: &Block<'_>) -> Self {
        let mut allowlist = block.texts("allowlist");
        allowlist.extend(block.texts("whitelist"));
        let mut denylist = block.texts("denylist");
        denylist.extend(block.texts("blacklist"));
        let environment = Self {
            pristine: block.flag("pristine").unwrap_or_default(),
            custom: block.words("custom"),
            allowlist,
            denylist,
        };
        block.finish(Unknown::Refused);
        environment
    }
}
