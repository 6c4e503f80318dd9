//! What is answered to an application: an answer that is there whole, and the words for a request that is none.

use std::time::SystemTime;

use zeroize::Zeroizing;

use crate::log;

/// An answer that is there whole.
#[derive(Debug, Clone)]
pub(super) struct HttpResponse {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Zeroizing<Vec<u8>>,
}

/// What is wrong with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// It is no HTTP/1.1.
    Malformed,
    /// Its head is too long.
    HeadTooLarge,
    /// Its body is too long to be answered here.
    BodyTooLarge,
    /// It did not come in time, or not whole.
    Broken,
}

impl HttpResponse {
    pub(super) fn empty(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Zeroizing::default(),
        }
    }

    pub(super) fn text(status: u16, kind: &str, text: String) -> Self {
        let headers = vec![("Content-Type".to_owned(), kind.to_owned())];
        Self {
            status,
            headers,
            body: Zeroizing::new(text.into_bytes()),
        }
    }

    /// An error in the server's own form.
    pub(super) fn errors(status: u16, errors: &[&str]) -> Self {
        let text = serde_json::json!({ "errors": errors }).to_string();
        Self::text(status, "application/json", text)
    }

    /// Sets a header in place of others of that name.
    pub(super) fn set(&mut self, name: &str, value: String) {
        self.headers
            .retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        self.headers.push((name.to_owned(), value));
    }
}

impl Fault {
    pub(super) fn response(self) -> HttpResponse {
        match self {
            Self::Malformed => HttpResponse::errors(400, &["the request is no HTTP/1.1"]),
            Self::HeadTooLarge => HttpResponse::errors(431, &["the request's head is too large"]),
            Self::BodyTooLarge => HttpResponse::errors(413, &["the request's body is too large"]),
            Self::Broken => HttpResponse::errors(408, &["the request did not come whole in time"]),
        }
    }
}

/// The headers of an answer that are the server's to say, and not of one connection.
pub(super) fn passed_on(headers: &[(String, String)]) -> Vec<(String, String)> {
    let own = [
        "connection",
        "content-length",
        "transfer-encoding",
        "keep-alive",
    ];
    headers
        .iter()
        .filter(|(name, _)| !own.contains(&name.as_str()))
        .cloned()
        .collect()
}

/// A moment as the `Date` header has it.
pub(super) fn date(now: SystemTime) -> String {
    log::http_date(
        now.duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default(),
    )
}

/// The words that go with a status.
pub(super) const fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        204 => "No Content",
        400 => "Bad Request",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        412 => "Precondition Failed",
        413 => "Content Too Large",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        _ => "Status",
    }
}
