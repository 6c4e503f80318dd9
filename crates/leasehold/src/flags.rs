//! The flags of `leasehold`: declared once as a table, from which parsing, `--help`, shell completions and
//! `docs/reference/flags.md` come. Flags follow Go's syntax (one or two dashes), and a variable that is set and
//! not empty beats its flag. What the values mean is for `settings` to decide.

pub mod go;
pub mod parse;
pub mod reference;
mod table_injection;
mod table_offline;
mod table_server;

pub use parse::{FlagError, Origin, Parsed, parse};

/// One flag, as declared.
#[derive(Debug)]
pub struct Flag {
    /// Name without dashes.
    pub name: &'static str,
    /// What kind of value it takes.
    pub kind: Kind,
    /// Value when neither flag nor variable is given.
    pub default: Default,
    /// Name of the variable without the prefix `AGENT_INJECT_`; `None` for flags that only a command line has.
    pub variable: Option<Variable>,
    /// Which commands take it.
    pub scope: Scope,
    /// Version of leasehold that has it first; `stock` for the flags of the established injector.
    pub since: &'static str,
    /// What it does, in one or more sentences.
    pub doc: &'static str,
}

/// What a flag takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Any text.
    Text,
    /// A boolean in Go's spelling; the flag alone means true.
    Switch,
    /// One of a closed list.
    Choice(&'static [&'static str]),
    /// A Go duration.
    Duration,
    /// A decimal number.
    Integer,
    /// A number with a fraction.
    Float,
    /// A comma-separated list.
    List,
    /// A text that may be given several times.
    Repeated,
    /// Only a variable exists: there is no flag of this name on a command line.
    VariableOnly(&'static Kind),
}

/// A default that may depend on the command which was called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Default {
    /// The same for every command.
    Always(&'static str),
    /// One value for `agent-inject`, where people expect what the established injector does, another elsewhere.
    PerCommand {
        /// Under `agent-inject`.
        agent_inject: &'static str,
        /// Under `serve` and the offline commands.
        otherwise: &'static str,
    },
}

/// How a variable is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Variable {
    /// `AGENT_INJECT_` and this name.
    Prefixed(&'static str),
    /// As `Prefixed`, and under `agent-inject` the name without prefix counts as well, as it does there.
    PrefixedOrBare(&'static str),
    /// As `Prefixed`; the prefix may also be there twice, and then wins.
    PrefixedOrDoubled(&'static str),
}

/// Which commands take a flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Says how the server runs. Offline commands accept it, so that one set of flags works for all, without use.
    Server,
    /// Says what is injected.
    Injection,
    /// Only for the offline commands.
    Offline,
}

/// The prefix of every variable.
pub const VARIABLE_PREFIX: &str = "AGENT_INJECT_";

/// Every flag: the server's, then those of the injection, then those of the offline commands.
pub fn table() -> impl Iterator<Item = &'static Flag> {
    table_server::FLAGS
        .iter()
        .chain(table_injection::FLAGS)
        .chain(table_offline::FLAGS)
}

/// The flag of that name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Flag> {
    table().find(|flag| flag.name == name)
}

impl Default {
    /// The default under a command.
    #[must_use]
    pub const fn under(self, program: Program) -> &'static str {
        match (self, program) {
            (Self::Always(text), _)
            | (
                Self::PerCommand {
                    agent_inject: text, ..
                },
                Program::AgentInject,
            )
            | (
                Self::PerCommand {
                    otherwise: text, ..
                },
                _,
            ) => text,
        }
    }
}

impl Variable {
    /// The name with its prefix, as documented.
    #[must_use]
    pub fn documented(self) -> String {
        let (Self::Prefixed(name) | Self::PrefixedOrBare(name) | Self::PrefixedOrDoubled(name)) =
            self;
        format!("{VARIABLE_PREFIX}{name}")
    }
}

/// The command whose flags are read; it decides defaults and which flags exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// `leasehold serve`.
    Serve,
    /// `leasehold agent-inject`, the name that the established chart calls.
    AgentInject,
    /// `leasehold review`.
    Review,
    /// `leasehold inject`.
    Inject,
    /// `leasehold lint`.
    Lint,
    /// `leasehold explain`.
    Explain,
}

impl Program {
    /// The word on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Serve => "serve",
            Self::AgentInject => "agent-inject",
            Self::Review => "review",
            Self::Inject => "inject",
            Self::Lint => "lint",
            Self::Explain => "explain",
        }
    }

    /// Whether this command takes that flag.
    #[must_use]
    pub fn takes(self, flag: &Flag) -> bool {
        match flag.scope {
            Scope::Server | Scope::Injection => true,
            Scope::Offline => !matches!(self, Self::Serve | Self::AgentInject),
        }
    }
}
