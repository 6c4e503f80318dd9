//! The head of a request: read strictly, since what could be read in two ways is how requests are smuggled past
//! somebody.

use crate::listener::response::Fault;

/// The head of a request.
#[derive(Debug)]
pub(super) struct HttpRequest {
    pub(super) method: String,
    /// Escaped, as it came.
    pub(super) path: String,
    /// What stands after `?`, escaped.
    pub(super) query: String,
    /// Names in small letters.
    pub(super) headers: Vec<(String, String)>,
    /// What kind of body follows.
    pub(super) framing: Framing,
    keeps: bool,
}

/// How the rest of a body is told from what follows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// So many bytes are still to come.
    Length(u64),
    /// So many bytes of the present chunk are still to come.
    Chunk(u64),
}

impl HttpRequest {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// The length of the body, where it is known.
    pub(super) const fn length(&self) -> Option<u64> {
        match self.framing {
            Framing::Length(length) => Some(length),
            Framing::Chunk(_) => None,
        }
    }

    pub(super) const fn keeps_connection(&self) -> bool {
        self.keeps
    }
}

pub(super) fn parse_head(head: &[u8]) -> Result<HttpRequest, Fault> {
    let head = std::str::from_utf8(head).map_err(|_| Fault::Malformed)?;
    let mut lines = head.trim_end().split("\r\n");
    let mut words = lines.next().unwrap_or_default().split(' ');
    let (Some(method), Some(target), Some(version), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(Fault::Malformed);
    };
    let is_word =
        |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphabetic());
    if !is_word(method) || !target.starts_with('/') || !version.starts_with("HTTP/1.") {
        return Err(Fault::Malformed);
    }
    let mut headers = Vec::new();
    for line in lines {
        let (name, value) = line.split_once(':').ok_or(Fault::Malformed)?;
        if name.is_empty() || name.contains(char::is_whitespace) {
            return Err(Fault::Malformed);
        }
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let framing = framing(&headers)?;
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let connection = headers.iter().find(|(name, _)| name == "connection");
    let said = connection
        .map(|(_, value)| value.to_ascii_lowercase())
        .unwrap_or_default();
    let keeps = if version == "HTTP/1.0" {
        said == "keep-alive"
    } else {
        said != "close"
    };
    Ok(HttpRequest {
        method: method.to_owned(),
        path: path.to_owned(),
        query: query.to_owned(),
        headers,
        framing,
        keeps,
    })
}

fn framing(headers: &[(String, String)]) -> Result<Framing, Fault> {
    let all = |name: &str| -> Vec<&str> {
        let named = headers.iter().filter(|(known, _)| known == name);
        named.map(|(_, value)| value.as_str()).collect()
    };
    match (
        all("content-length").as_slice(),
        all("transfer-encoding").as_slice(),
    ) {
        ([], []) => Ok(Framing::Length(0)),
        ([length], []) if length.bytes().all(|byte| byte.is_ascii_digit()) => length
            .parse()
            .map(Framing::Length)
            .map_err(|_| Fault::Malformed),
        ([], [coding]) if coding.eq_ignore_ascii_case("chunked") => Ok(Framing::Chunk(0)),
        _ => Err(Fault::Malformed),
    }
}

/// The pairs of a query.
pub(super) fn pairs(query: &str) -> Vec<(String, String)> {
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (
                unescaped(&key.replace('+', " ")),
                unescaped(&value.replace('+', " ")),
            )
        })
        .collect()
}

/// A path without what leads nowhere: empty segments, `.` and `..`. The server would clean it as well, and then it
/// would be another path than the one that was looked at here.
pub(super) fn cleaned(path: &str) -> String {
    let mut segments = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(segments.pop()),
            segment => segments.push(segment),
        }
    }
    let mut cleaned = segments.join("/");
    if path.ends_with('/') && !cleaned.is_empty() {
        cleaned.push('/');
    }
    cleaned
}

/// What stands from this part on, which begins a segment, and what before it: a namespace, where the part is one of
/// the server's own paths.
pub(super) fn split_namespace<'a>(path: &'a str, part: &str) -> Option<(&'a str, &'a str)> {
    let mut found = path.match_indices(part).map(|(place, _)| place);
    let begins = |place: &usize| *place == 0 || path.as_bytes().get(place - 1) == Some(&b'/');
    found
        .find(begins)
        .and_then(|place| path.split_at_checked(place))
}

/// A text without its escapes.
pub(super) fn unescaped(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let digit = |byte: &u8| char::from(*byte).to_digit(16);
        let escaped = match (first, after) {
            (b'%', [high, low, tail @ ..]) => digit(high)
                .zip(digit(low))
                .map(|(high, low)| (high * 16 + low, tail)),
            _ => None,
        };
        let (byte, tail) = match escaped {
            Some((byte, tail)) => (u8::try_from(byte).unwrap_or_default(), tail),
            None => (first, after),
        };
        bytes.push(byte);
        rest = tail;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_cleaned_as_the_server_would() {
        for (path, expected) in [
            ("secret/data/app", "secret/data/app"),
            ("secret/metadata/", "secret/metadata/"),
            ("auth//token/./lookup-self", "auth/token/lookup-self"),
            ("auth/token/x/../lookup-self", "auth/token/lookup-self"),
            ("../../sys/health", "sys/health"),
            ("/", ""),
        ] {
            assert_eq!(cleaned(path), expected, "{path}");
        }
    }

    #[test]
    fn a_namespace_stands_before_a_path_of_the_servers_own() {
        let part = "auth/token/";
        for (path, expected) in [
            ("auth/token/create", Some(("", "auth/token/create"))),
            ("a/b/auth/token/create", Some(("a/b/", "auth/token/create"))),
            ("a/myauth/token/create", None),
            (
                "xauth/token/a/auth/token/b",
                Some(("xauth/token/a/", "auth/token/b")),
            ),
            ("secret/data/app", None),
        ] {
            assert_eq!(split_namespace(path, part), expected, "{path}");
        }
    }
}
