//! What can go wrong with a request, sorted by what it means for the caller: worth
//! another try, or a definite answer.
//!
//! Trying again is the caller's business; nothing in this crate does.

use std::fmt;
use std::time::Duration;

use reqwest::Method;

use crate::proxy::ProxyError;
use crate::tls::TlsError;

/// A connection that cannot be set up as the settings say.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// Roots or the client certificate.
    #[error("failed to prepare TLS for {address}")]
    Tls {
        /// The server's address.
        address: String,
        /// What is wrong.
        #[source]
        source: TlsError,
    },
    /// A proxy.
    #[error("failed to prepare the way to {address}")]
    Proxy {
        /// The server's address.
        address: String,
        /// What is wrong.
        #[source]
        source: ProxyError,
    },
    /// Anything else that the HTTP client refuses.
    #[error("failed to prepare the HTTP client for {address}")]
    Http {
        /// The server's address.
        address: String,
        /// What it says.
        #[source]
        source: reqwest::Error,
    },
}

/// A request that did not bring what was asked for.
#[derive(Debug)]
pub struct Error {
    /// The request's method.
    pub method: Method,
    /// The path after `/v1/`, without query.
    pub path: Box<str>,
    /// The whole address, query included.
    pub url: Box<str>,
    /// The namespace that was asked, if any.
    pub namespace: Option<Box<str>>,
    /// What happened.
    pub failure: Failure,
}

/// What happened to a request.
#[derive(Debug)]
pub enum Failure {
    /// The request could not be sent or its answer did not come whole.
    NoAnswer {
        /// In a few words.
        why: NoAnswer,
        /// As the HTTP client tells it.
        source: Option<reqwest::Error>,
    },
    /// The server is there, and sealed.
    Sealed(Refusal),
    /// 429.
    RateLimited {
        /// The pause that the server asks for.
        retry_after: Option<Duration>,
        /// What it says.
        refusal: Refusal,
    },
    /// 5xx other than sealed, and 412 (a standby that is behind).
    ServerError {
        /// The pause that the server asks for.
        retry_after: Option<Duration>,
        /// What it says.
        refusal: Refusal,
    },
    /// A definite answer: any other status.
    Definite(Refusal),
    /// An answer that makes no sense as one of Vault's.
    Unusable {
        /// The answer's status.
        status: u16,
        /// What is wrong with it.
        reason: Unusable,
    },
}

/// A status that is not success, and the server's own words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// The server's texts; one, cut to 4 KiB, when it did not answer in Vault's form.
    pub errors: Box<[String]>,
    /// Whether the answer was in Vault's form.
    pub form: RefusalForm,
}

/// Whether a refusal came in Vault's form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusalForm {
    /// `{"errors": […]}`.
    Vault,
    /// Anything else, such as a load balancer's page.
    Raw,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoAnswer {
    /// Nobody listens.
    Refused,
    /// The host has no address.
    NameUnknown,
    /// Not in time.
    TimedOut(Duration),
    /// The connection ended before the answer did.
    CutShort,
    /// The server's certificate is not accepted; why.
    Certificate(String),
    /// TLS failed otherwise; how.
    Tls(String),
    /// Anything else; what.
    Other(String),
}

/// What makes an answer useless.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unusable {
    /// Its body is not the JSON that Vault answers with; where the reader stopped.
    NotJson(String),
    /// Its body is larger than the limit, in bytes.
    TooLarge(usize),
    /// A redirect that is not followed; why.
    Redirect(&'static str),
    /// It lacks a field that it must have.
    Lacks(&'static str),
    /// A field is not what it must be.
    BadField(&'static str),
}

impl Error {
    /// Whether the same request would be answered the same way until somebody changes
    /// something: neither an outage, nor a sealed or overloaded server.
    #[must_use]
    pub fn is_definite(&self) -> bool {
        matches!(self.failure, Failure::Definite(_))
    }

    /// The answer's status, where there was an answer.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        match &self.failure {
            Failure::NoAnswer { .. } => None,
            Failure::Unusable { status, .. } => Some(*status),
            _ => self.refusal().map(|refusal| refusal.status),
        }
    }

    /// The server's refusal, where it gave one.
    #[must_use]
    pub fn refusal(&self) -> Option<&Refusal> {
        match &self.failure {
            Failure::Sealed(refusal)
            | Failure::Definite(refusal)
            | Failure::RateLimited { refusal, .. }
            | Failure::ServerError { refusal, .. } => Some(refusal),
            Failure::NoAnswer { .. } | Failure::Unusable { .. } => None,
        }
    }

    /// The pause that the server asks for before the next try.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match &self.failure {
            Failure::RateLimited { retry_after, .. } | Failure::ServerError { retry_after, .. } => {
                *retry_after
            }
            _ => None,
        }
    }

    /// Whether a part of the server's texts, in any case, is `part`.
    #[must_use]
    pub fn says(&self, part: &str) -> bool {
        self.refusal().is_some_and(|refusal| {
            let part = part.to_ascii_lowercase();
            refusal
                .errors
                .iter()
                .any(|text| text.to_ascii_lowercase().contains(&part))
        })
    }

    /// Whether the token of the request is unknown, revoked or at its end, as far as the
    /// server tells it apart from missing rights.
    #[must_use]
    pub fn token_is_invalid(&self) -> bool {
        self.status() == Some(403) && (self.says("invalid token") || self.says("bad token"))
    }

    /// The text that people know from Vault's own programs: `Error making API request.`,
    /// the address, the status and the server's words. Requests without an answer read
    /// `METHOD "URL": REASON`.
    #[must_use]
    pub fn api_text(&self) -> String {
        let Some(refusal) = self.refusal() else {
            return format!("{} {:?}: {}", self.method, self.url, self.failure);
        };
        let namespace = match &self.namespace {
            Some(name) => format!("Namespace: {name}\n"),
            None => String::new(),
        };
        let head = format!(
            "Error making API request.\n\n{namespace}URL: {} {}\nCode: {}. ",
            self.method, self.url, refusal.status
        );
        match refusal.form {
            RefusalForm::Raw => format!("{head}Raw Message:\n\n{}", refusal.errors.concat()),
            RefusalForm::Vault => {
                let texts: String = refusal.errors.iter().map(|t| format!("* {t}")).collect();
                format!("{head}Errors:\n\n{texts}")
            }
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The query is left out: the path is what people look for, and a query may be long.
        let server = self.url.split("/v1/").next().unwrap_or_default();
        write!(f, "{} {} at {server}", self.method, self.path)?;
        if let Some(namespace) = &self.namespace {
            write!(f, " in namespace {namespace}")?;
        }
        write!(f, ": {}", self.failure)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.failure {
            Failure::NoAnswer {
                source: Some(source),
                ..
            } => Some(source),
            _ => None,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoAnswer { why, .. } => write!(f, "no answer: {why}"),
            Self::Sealed(_) => f.write_str("the server is sealed"),
            Self::RateLimited { refusal, .. } => write!(f, "too many requests: {refusal}"),
            Self::ServerError { refusal, .. } => write!(f, "the server failed with {refusal}"),
            Self::Definite(refusal) => write!(f, "the server answered {refusal}"),
            Self::Unusable { status, reason } => {
                write!(f, "the answer with status {status} is of no use: {reason}")
            }
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.status)?;
        for (index, text) in self.errors.iter().enumerate() {
            let separator = if index == 0 { ": " } else { "; " };
            // The server's own lists begin with a count, a line break and a bullet.
            let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
            let short: String = text.chars().take(500).collect();
            write!(f, "{separator}{short}")?;
        }
        Ok(())
    }
}

impl fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused => f.write_str("connection refused"),
            Self::NameUnknown => f.write_str("the host's name cannot be resolved"),
            Self::TimedOut(after) => write!(f, "nothing came within {after:?}"),
            Self::CutShort => f.write_str("the connection was closed before the answer was whole"),
            Self::Certificate(why) => write!(f, "the server's certificate is not accepted: {why}"),
            Self::Tls(what) => write!(f, "TLS failed: {what}"),
            Self::Other(what) => f.write_str(what),
        }
    }
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotJson(place) => write!(f, "it is not JSON ({place})"),
            Self::TooLarge(limit) => write!(f, "it is larger than {limit} bytes"),
            Self::Redirect(why) => write!(f, "it is a redirect that is not followed: {why}"),
            Self::Lacks(field) => write!(f, "it has no `{field}`"),
            Self::BadField(field) => write!(f, "its `{field}` is not what Vault sends"),
        }
    }
}

impl NoAnswer {
    /// Finds the reason in what the HTTP client tells.
    pub(crate) fn of(error: &reqwest::Error, timeout: Duration) -> Self {
        if error.is_timeout() {
            return Self::TimedOut(timeout);
        }
        let mut innermost = None;
        let mut link: Option<&(dyn std::error::Error + 'static)> = Some(error);
        while let Some(current) = link {
            if let Some(found) = Self::of_link(current) {
                innermost = Some(found);
            }
            // An I/O error may carry another error which is no `source` of it.
            link = match current.downcast_ref::<std::io::Error>() {
                Some(io) => io
                    .get_ref()
                    .map(|inner| inner as &(dyn std::error::Error + 'static)),
                None => current.source(),
            };
        }
        innermost.unwrap_or_else(|| Self::Other(last_words(error)))
    }

    fn of_link(link: &(dyn std::error::Error + 'static)) -> Option<Self> {
        if let Some(tls) = link.downcast_ref::<rustls::Error>() {
            return Some(crate::tls::explain(tls));
        }
        if let Some(io) = link.downcast_ref::<std::io::Error>() {
            use std::io::ErrorKind;
            return match io.kind() {
                ErrorKind::ConnectionRefused => Some(Self::Refused),
                ErrorKind::ConnectionReset
                | ErrorKind::BrokenPipe
                | ErrorKind::UnexpectedEof
                | ErrorKind::ConnectionAborted => Some(Self::CutShort),
                _ => None,
            };
        }
        let text = link.to_string();
        if text.starts_with("dns error") || text.contains("failed to lookup address") {
            return Some(Self::NameUnknown);
        }
        (text.contains("connection closed before message completed")
            || text.contains("end of file before message length"))
        .then_some(Self::CutShort)
    }
}

fn last_words(error: &dyn std::error::Error) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(namespace: Option<&str>, errors: &[&str], form: RefusalForm) -> Error {
        Error {
            method: Method::GET,
            path: "two/y".into(),
            url: "http://127.0.0.1:18300/v1/two/y?list=true".into(),
            namespace: namespace.map(Into::into),
            failure: Failure::Definite(Refusal {
                status: 400,
                errors: errors.iter().map(|&t| t.to_owned()).collect(),
                form,
            }),
        }
    }

    #[test]
    fn the_known_text_is_the_established_one() {
        assert_eq!(
            refused(None, &["one", "two"], RefusalForm::Vault).api_text(),
            "Error making API request.\n\nURL: GET http://127.0.0.1:18300/v1/two/y?list=true\n\
             Code: 400. Errors:\n\n* one* two"
        );
        assert_eq!(
            refused(None, &[], RefusalForm::Vault).api_text(),
            "Error making API request.\n\nURL: GET http://127.0.0.1:18300/v1/two/y?list=true\n\
             Code: 400. Errors:\n\n"
        );
        assert_eq!(
            refused(None, &["<html>"], RefusalForm::Raw).api_text(),
            "Error making API request.\n\nURL: GET http://127.0.0.1:18300/v1/two/y?list=true\n\
             Code: 400. Raw Message:\n\n<html>"
        );
        assert!(
            refused(Some("ns1/"), &[], RefusalForm::Vault)
                .api_text()
                .contains("request.\n\nNamespace: ns1/\nURL: ")
        );
    }

    #[test]
    fn our_own_text_is_one_line() {
        assert_eq!(
            refused(
                None,
                &["1 error occurred:\n\t* permission denied\n\n"],
                RefusalForm::Vault
            )
            .to_string(),
            "GET two/y at http://127.0.0.1:18300: the server answered 400: \
             1 error occurred: * permission denied"
        );
    }
}
