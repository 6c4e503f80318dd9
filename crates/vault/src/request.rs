//! A request to the server, before it is sent.

use std::time::Duration;

use reqwest::Method;
use zeroize::Zeroizing;

use crate::token::Token;

/// A request; `Request::get` and `Request::put` begin one.
#[derive(Debug, Clone)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// The path after `/v1/`, as plain text: nothing in it is escaped.
    pub path: String,
    /// The query, in order, as plain text.
    pub query: Vec<(String, String)>,
    /// The token to send.
    pub token: Option<Token>,
    /// A namespace in place of the connection's.
    pub namespace: Option<String>,
    /// How long the answer shall stay wrapped, if it shall be wrapped.
    pub wrap_ttl: Option<Duration>,
    /// Further headers.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Option<RequestBody>,
}

/// A body, wiped when dropped.
#[derive(Clone)]
pub struct RequestBody(pub(crate) Zeroizing<Vec<u8>>);

impl Request {
    /// Reads a path.
    #[must_use]
    pub fn get(path: impl Into<String>) -> Self {
        Self::new(Method::GET, path)
    }

    /// Writes to a path.
    #[must_use]
    pub fn put(path: impl Into<String>, body: &serde_json::Value) -> Self {
        let mut request = Self::new(Method::PUT, path);
        // A value has no key that JSON cannot hold, so writing it cannot fail.
        request.body = Some(RequestBody::new(
            serde_json::to_vec(body).unwrap_or_default(),
        ));
        request
    }

    /// Lists a path.
    #[must_use]
    pub fn list(path: impl Into<String>) -> Self {
        let mut request = Self::new(Method::GET, path);
        request.query.push(("list".to_owned(), "true".to_owned()));
        request
    }

    /// Any other request.
    #[must_use]
    pub fn new(method: Method, path: impl Into<String>) -> Self {
        Self {
            method,
            path: path.into(),
            query: Vec::new(),
            token: None,
            namespace: None,
            wrap_ttl: None,
            headers: Vec::new(),
            body: None,
        }
    }

    /// With a token.
    #[must_use]
    pub fn token(mut self, token: &Token) -> Self {
        self.token = Some(token.clone());
        self
    }
}

impl RequestBody {
    /// Takes over the bytes.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }
}

impl std::fmt::Debug for RequestBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

/// The form in which a path goes into an address: what Go's URL package leaves alone in
/// a path stays, everything else is escaped.
pub(crate) fn escape_path(path: &str) -> String {
    let mut escaped = String::with_capacity(path.len());
    for &byte in path.as_bytes() {
        let plain = byte.is_ascii_alphanumeric() || b"-_.~/$&+,:;=@!*'()".contains(&byte);
        if plain {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}

/// A query as Go's URL package writes it.
pub(crate) fn escape_query(query: &[(String, String)]) -> String {
    let escape = |text: &str| {
        let mut escaped = String::with_capacity(text.len());
        for &byte in text.as_bytes() {
            match byte {
                b' ' => escaped.push('+'),
                b'-' | b'_' | b'.' | b'~' => escaped.push(char::from(byte)),
                _ if byte.is_ascii_alphanumeric() => escaped.push(char::from(byte)),
                _ => escaped.push_str(&format!("%{byte:02X}")),
            }
        }
        escaped
    };
    query
        .iter()
        .map(|(key, value)| format!("{}={}", escape(key), escape(value)))
        .collect::<Vec<_>>()
        .join("&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_queries_are_escaped_once() {
        assert_eq!(escape_path("kv/a b%20+é"), "kv/a%20b%2520+%C3%A9");
        assert_eq!(escape_path("kv/a?b#c"), "kv/a%3Fb%23c");
        let query = [
            ("version".to_owned(), "1 2&é".to_owned()),
            ("x".to_owned(), String::new()),
        ];
        assert_eq!(escape_query(&query), "version=1+2%26%C3%A9&x=");
    }
}
