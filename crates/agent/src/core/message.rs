//! What goes into the core and what comes out: events, actions, and log lines as data.

use std::{collections::BTreeSet, time::Duration};

use crate::core::{
    failure::Failure,
    lifetime::Lifetime,
    moment::Moment,
    rendering::{CommandId, DependencyId, RenderOutcome, TemplateId},
    token::{Generation, Grant},
};

/// Whether an answer differs from the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// The first answer, or one with other data.
    New,
    /// The same data as before.
    Same,
}

/// Why the agent is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// SIGTERM or SIGINT.
    Signal,
    /// A request to `/agent/v1/quit`.
    Quit,
    /// The supervised process ended by itself with this status.
    Child(u8),
}

/// One thing taken over from an earlier run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AdoptedSecret {
    /// Which.
    pub dependency: DependencyId,
    /// The login that it was read with.
    pub generation: Generation,
    /// Its lifetime as the server gave it.
    pub lifetime: Lifetime,
    /// When it ends, as last renewed.
    pub ends: Option<Moment>,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The agent starts from nothing.
    Start,
    /// The agent starts with the token and secrets of an earlier run.
    Adopt {
        /// The login of the token.
        generation: Generation,
        /// What is still there and had not ended.
        secrets: Vec<AdoptedSecret>,
    },
    /// A login brought a token.
    LoggedIn(Grant),
    /// A login brought a wrapped token, which is for the sinks alone.
    LoggedInWrapped,
    /// A login failed.
    LoginFailed(Failure),
    /// A renewal of the token ended.
    TokenRenewed(Generation, Result<Grant, Failure>),
    /// A look-up of the token ended.
    TokenChecked(Generation, Result<Grant, Failure>),
    /// A read brought an answer, which is in the snapshot by now.
    Fetched {
        /// Of what.
        dependency: DependencyId,
        /// With the token of which login.
        generation: Generation,
        /// How long it is good for.
        lifetime: Lifetime,
        /// Whether templates have to look at it.
        change: Change,
    },
    /// A read failed.
    FetchFailed {
        /// Of what.
        dependency: DependencyId,
        /// With the token of which login.
        generation: Generation,
        /// How.
        failure: Failure,
    },
    /// A renewal of a lease ended: its duration and whether it can be renewed again.
    LeaseRenewed {
        /// Of what.
        dependency: DependencyId,
        /// With the token of which login.
        generation: Generation,
        /// What the server said.
        answer: Result<(Duration, bool), Failure>,
    },
    /// A template was rendered.
    Rendered {
        /// Which.
        template: TemplateId,
        /// All that it asked for and got.
        uses: BTreeSet<DependencyId>,
        /// All that it asked for and that is not there.
        missing: BTreeSet<DependencyId>,
        /// What came of it.
        outcome: RenderOutcome,
    },
    /// A command ended.
    CommandEnded(CommandId, Result<(), Failure>),
    /// All sinks hold the token of this login.
    SinksWritten(Generation),
    /// A sink could not be written.
    SinkFailed(Generation, Failure),
    /// The credentials for the login have changed and a new login is wanted for that.
    CredentialsChanged,
    /// The agent is to end.
    Stop(Stop),
    /// Time has passed.
    Tick,
}

/// Something for the driver to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Log in.
    LogIn,
    /// Renew the token of this login.
    RenewToken(Generation),
    /// Look up the token of this login.
    CheckToken(Generation),
    /// Revoke the token of this login, which takes its leases with it.
    RevokeToken(Generation),
    /// Read something.
    Fetch(DependencyId, Generation),
    /// Renew the lease of something.
    RenewLease(DependencyId, Generation),
    /// Drop the answer: no template asks for it any more.
    Forget(DependencyId),
    /// Render a template and write its file.
    Render(TemplateId),
    /// Write the token of this login to the sinks.
    WriteSinks(Generation),
    /// Run a command.
    Run(CommandId),
    /// Everything is in place for the first time.
    Ready,
    /// What a restart would adopt has changed.
    Save,
    /// Say something in the log.
    Log(Line),
    /// End the agent.
    Leave(Leave),
}

/// How the agent ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leave {
    /// The exit status.
    pub status: u8,
    /// The logins whose tokens are to be revoked first; empty when they are left to their end.
    pub revoke: Vec<Generation>,
    /// Why, where it is not an orderly end.
    pub failure: Option<Failure>,
}

/// Levels of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Every step.
    Trace,
    /// What a developer of the agent wants to see.
    Debug,
    /// What an operator wants to see.
    Info,
    /// Something failed and will be tried again.
    Warn,
    /// Something failed.
    Error,
}

/// One line of the log, as data. Its texts never hold a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// How bad.
    pub level: Level,
    /// Which part speaks, in the names of the established agent.
    pub module: &'static str,
    /// What happened.
    pub message: String,
    /// Named values behind the message.
    pub fields: Vec<(&'static str, String)>,
}

impl Line {
    /// A line without named values.
    pub fn new(level: Level, module: &'static str, message: impl Into<String>) -> Self {
        Self {
            level,
            module,
            message: message.into(),
            fields: Vec::new(),
        }
    }

    /// The line with one more named value.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.fields.push((name, value.into()));
        self
    }
}
