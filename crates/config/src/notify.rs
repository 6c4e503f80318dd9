//! The `leasehold.notify` blocks: whom the agent tells that a file has changed, besides the command that the
//! template itself names. They stand in our own stanza, since another agent refuses a key that it does not know
//! inside a `template` block, and passes over a whole stanza.

use std::fmt;
use std::time::Duration;

use crate::reading::{Block, Unknown};
use crate::signal::Signal;
use crate::writing::Object;

/// How long the application may take to answer a request when the block names no limit.
pub const DEFAULT_NOTIFY_TIMEOUT: Duration = Duration::from_secs(5);
/// The longest pause that `splay` accepts: beyond it, an old credential would end before anybody is told.
pub const LONGEST_SPLAY: Duration = Duration::from_secs(300);

/// One `notify` block: what follows the change of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notify {
    /// The template's destination.
    pub destination: String,
    /// The signal that a process gets.
    pub signal: Option<ProcessSignal>,
    /// The request that the application gets.
    pub request: Option<LocalRequest>,
    /// How long the template's own command, or the answer to a request, may take; without it each has its own
    /// default.
    pub timeout: Option<Duration>,
    /// A random pause of at most this long comes first, so that the pods of one Deployment do not all reload at
    /// once. It holds for the template's own command as well.
    pub splay: Duration,
}

/// A signal and the name of the process that gets it: `SIGHUP nginx`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessSignal {
    /// The signal.
    pub signal: Signal,
    /// The name of the process's program, without folders.
    pub process: String,
}

/// A request to a port of the pod itself: `POST http://localhost:9000/-/reload`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalRequest {
    /// The method.
    pub method: String,
    /// The host as written: `localhost`, `127.0.0.1` or `[::1]`.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The path with its query; begins with a slash.
    pub path: String,
}

/// Why a text names no signal and process, or no request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` {problem}", .found.escape_debug())]
pub struct NotifyError {
    found: String,
    problem: &'static str,
}

impl ProcessSignal {
    /// What is accepted, for people.
    pub const ACCEPTED: &str = "the name of a signal and that of a program, such as `SIGHUP nginx`";

    /// Reads `SIGNAL PROCESS`.
    ///
    /// # Errors
    /// There is no such signal, or no name of a program without folders and blanks.
    pub fn parse(text: &str) -> Result<Self, NotifyError> {
        let refuse = |problem| NotifyError {
            found: text.to_owned(),
            problem,
        };
        let mut words = text.split_whitespace();
        let (Some(signal), Some(process), None) = (words.next(), words.next(), words.next()) else {
            return Err(refuse("is not two words"));
        };
        let signal = Signal::from_name(signal).ok_or_else(|| refuse("names no signal"))?;
        if process.contains('/') {
            return Err(refuse("has a folder in the name of the program"));
        }
        Ok(Self {
            signal,
            process: process.to_owned(),
        })
    }
}

impl LocalRequest {
    /// What is accepted, for people.
    pub const ACCEPTED: &str = "a method and an address of the pod itself, such as `POST http://localhost:9000/-/reload`, where the \
         host is localhost, 127.0.0.1 or [::1] and the method may be left out";

    /// Reads `[METHOD] http://HOST[:PORT][/PATH]`; the method is POST unless named.
    ///
    /// # Errors
    /// It is no such address, or one outside of the pod: an agent is no means to reach other hosts.
    pub fn parse(text: &str) -> Result<Self, NotifyError> {
        let refuse = |problem| NotifyError {
            found: text.to_owned(),
            problem,
        };
        let mut words = text.split_whitespace();
        let (method, address) = match (words.next(), words.next(), words.next()) {
            (Some(address), None, None) => ("POST", address),
            (Some(method), Some(address), None) => (method, address),
            _ => return Err(refuse("is neither an address nor a method and an address")),
        };
        let method = method.to_ascii_uppercase();
        if !["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"].contains(&method.as_str()) {
            return Err(refuse("has a method that is not accepted"));
        }
        if address.starts_with("https://") {
            return Err(refuse(
                "asks for TLS, which is not spoken inside of the pod",
            ));
        }
        let Some(rest) = address.strip_prefix("http://") else {
            return Err(refuse("has an address that does not begin with http://"));
        };
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let (host, port) = match authority.rsplit_once(':') {
            // The colons of a bare IPv6 address stand between brackets.
            Some((host, port)) if !port.contains(']') => (host, port),
            _ => (authority, "80"),
        };
        let host = host.to_ascii_lowercase();
        if !["localhost", "127.0.0.1", "[::1]"].contains(&host.as_str()) {
            return Err(refuse("has a host that is not the pod itself"));
        }
        let port = port
            .parse()
            .ok()
            .filter(|port| *port != 0)
            .ok_or_else(|| refuse("has no usable port"))?;
        if path.contains('#') || !path.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(refuse("has a path that cannot be sent; escape it with %"));
        }
        let path = if path.starts_with('/') {
            path.to_owned()
        } else {
            format!("/{path}")
        };
        Ok(Self {
            method,
            host,
            port,
            path,
        })
    }
}

impl fmt::Display for ProcessSignal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.signal.name(), self.process)
    }
}

impl fmt::Display for LocalRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            method,
            host,
            port,
            path,
        } = self;
        write!(f, "{method} http://{host}:{port}{path}")
    }
}

impl Notify {
    pub(crate) const KEYS: &[&str] = &["destination", "signal", "request", "timeout", "splay"];

    pub(crate) fn read(block: &Block<'_>) -> Option<Self> {
        let destination = block
            .text("destination")
            .or_else(|| block.label().map(str::to_owned));
        if destination.is_none() {
            block.refuse(
                "destination",
                "is missing; the destination of a template is needed",
            );
        }
        let parsed = |key: &str, accepted: &str, problem: NotifyError| {
            block.refuse(key, format!("is {problem}; accepted is {accepted}"));
        };
        let signal = block.text("signal").and_then(|text| {
            ProcessSignal::parse(&text)
                .map_err(|error| parsed("signal", ProcessSignal::ACCEPTED, error))
                .ok()
        });
        let request = block.text("request").and_then(|text| {
            LocalRequest::parse(&text)
                .map_err(|error| parsed("request", LocalRequest::ACCEPTED, error))
                .ok()
        });
        let timeout = block
            .duration("timeout")
            .filter(|timeout| !timeout.is_zero());
        let splay = block.duration("splay").unwrap_or_default();
        if splay > LONGEST_SPLAY {
            block.refuse(
                "splay",
                "is longer than five minutes; beyond that, old credentials may end before \
                 anybody is told",
            );
        }
        block.finish(Unknown::Warned);
        Some(Self {
            destination: destination?,
            signal,
            request,
            timeout,
            splay,
        })
    }

    pub(crate) fn write(&self) -> Object {
        let mut object = Object::default();
        object.text("destination", &self.destination);
        let signal = self.signal.as_ref().map(ToString::to_string);
        object.some_text("signal", signal.as_deref());
        let request = self.request.as_ref().map(ToString::to_string);
        object.some_text("request", request.as_deref());
        object.duration("timeout", self.timeout);
        object.duration("splay", (!self.splay.is_zero()).then_some(self.splay));
        object
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_goes_to_a_program_by_name() {
        let parsed = ProcessSignal::parse(" hup  nginx ").unwrap();
        assert_eq!(parsed.to_string(), "SIGHUP nginx");
        for (text, part) in [
            ("SIGHUP", "is not two words"),
            ("SIGHUP nginx x", "is not two words"),
            ("SIGNOPE nginx", "names no signal"),
            ("SIGHUP /usr/sbin/nginx", "has a folder"),
        ] {
            let error = ProcessSignal::parse(text).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn a_request_stays_inside_of_the_pod() {
        for (text, expected) in [
            (
                "http://localhost:9000/-/reload",
                "POST http://localhost:9000/-/reload",
            ),
            ("get http://127.0.0.1", "GET http://127.0.0.1:80/"),
            ("PUT http://[::1]:1/a?b=c", "PUT http://[::1]:1/a?b=c"),
            ("http://localhost?x", "POST http://localhost:80/?x"),
        ] {
            assert_eq!(LocalRequest::parse(text).unwrap().to_string(), expected);
        }
        for (text, part) in [
            ("", "is neither"),
            ("a b c", "is neither"),
            ("TRACE http://localhost/", "has a method"),
            ("https://localhost/", "asks for TLS"),
            ("localhost:9000/", "does not begin with http://"),
            ("http://169.254.169.254/latest", "not the pod itself"),
            ("http://localhost@evil/", "not the pod itself"),
            ("http://localhost.evil/", "not the pod itself"),
            ("http://localhost:0/", "no usable port"),
            ("http://localhost:99999/", "no usable port"),
            ("http://localhost/a\u{e9}", "cannot be sent"),
        ] {
            let error = LocalRequest::parse(text).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
