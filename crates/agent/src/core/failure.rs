//! Failures as the core tells them apart: what may pass by itself, and what is a definite answer.

use std::{fmt, time::Duration};

/// What kind of failure it was; decides whether, when and how long a thing is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// The server could not be reached, or sent no complete answer.
    NoAnswer,
    /// The server is there but sealed.
    Sealed,
    /// 429, with the pause that the server asks for.
    RateLimited(Option<Duration>),
    /// 5xx and 412, with the pause that the server asks for.
    ServerError(Option<Duration>),
    /// 400, 403, 404 and their like: the server understood and refused.
    Definite(u16),
    /// Something on this side: a file that is not there, a full volume, a failing command.
    Local,
    /// A template that does not parse or fails on its data.
    Template,
}

/// A failure, with its text for people. The text never holds a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What kind it was.
    pub kind: FailureKind,
    /// What was attempted, on what, and what was found.
    pub text: String,
}

impl Failure {
    /// A failure of this kind.
    pub fn new(kind: FailureKind, text: impl Into<String>) -> Self {
        Self {
            kind,
            text: text.into(),
        }
    }

    /// Whether the same question would get the same answer until somebody changes something.
    #[must_use]
    pub const fn is_definite(&self) -> bool {
        matches!(self.kind, FailureKind::Definite(_) | FailureKind::Template)
    }

    /// Whether the server refused with 403, which may mean that the token is no longer valid.
    #[must_use]
    pub const fn is_forbidden(&self) -> bool {
        matches!(self.kind, FailureKind::Definite(403))
    }

    /// The pause that the server asked for. One that is asked too much and names no pause gets five seconds.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        match self.kind {
            FailureKind::RateLimited(None) => Some(Duration::from_secs(5)),
            FailureKind::RateLimited(asked) | FailureKind::ServerError(asked) => asked,
            _ => None,
        }
    }

    /// One word for metrics and `status`.
    #[must_use]
    pub const fn class(&self) -> &'static str {
        match self.kind {
            FailureKind::NoAnswer => "no_answer",
            FailureKind::Sealed => "sealed",
            FailureKind::RateLimited(_) => "rate_limited",
            FailureKind::ServerError(_) => "server_error",
            FailureKind::Definite(_) => "refused",
            FailureKind::Local => "local",
            FailureKind::Template => "template",
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
