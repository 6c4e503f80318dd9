//! URLs taken apart and put together as Go's `net/url` does, with its refusals.

use std::fmt::Write as _;

use thiserror::Error;

use crate::functions::print;

/// A URL in its parts, escapes undone save in the query.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Url {
    /// `https`, in lower case.
    pub(crate) scheme: String,
    /// What follows the scheme when there is no slash.
    pub(crate) opaque: Vec<u8>,
    /// User name and password.
    pub(crate) user: Option<User>,
    /// Host with port.
    pub(crate) host: Vec<u8>,
    /// Path.
    pub(crate) path: Vec<u8>,
    /// Query as written, without question mark.
    pub(crate) query: Vec<u8>,
    /// What follows `#`.
    pub(crate) fragment: Vec<u8>,
    /// There is a question mark with nothing behind it.
    empty_query: bool,
}

/// User name and password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct User {
    name: Vec<u8>,
    password: Option<Vec<u8>>,
}

/// Why a text is no URL, in Go's words.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("parse {url}: {reason}")]
pub(crate) struct UrlError {
    url: String,
    reason: String,
}

/// The part of a URL, which decides what must be escaped in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Path,
    Host,
    User,
    Fragment,
}

impl Url {
    /// Takes a URL, or a path with query, apart.
    pub(crate) fn parse(text: &[u8]) -> Result<Self, UrlError> {
        let (before, fragment) = cut(text, b'#').unwrap_or((text, b""));
        let refused = |url: &[u8], reason: String| UrlError {
            url: print::quote(url),
            reason,
        };
        let mut url =
            Self::parse_before_fragment(before).map_err(|reason| refused(before, reason))?;
        url.fragment =
            unescape(fragment, Part::Fragment).map_err(|reason| refused(text, reason))?;
        Ok(url)
    }

    fn parse_before_fragment(text: &[u8]) -> Result<Self, String> {
        if text.iter().any(|byte| *byte < b' ' || *byte == 0x7f) {
            return Err("net/url: invalid control character in URL".to_owned());
        }
        let mut url = Self::default();
        if text == b"*" {
            url.path = text.to_vec();
            return Ok(url);
        }
        let (scheme, mut rest) = split_scheme(text)?;
        url.scheme = scheme.to_ascii_lowercase();
        if rest.ends_with(b"?") && rest.iter().filter(|byte| **byte == b'?').count() == 1 {
            url.empty_query = true;
            rest = &rest[..rest.len() - 1];
        } else if let Some((before, query)) = cut(rest, b'?') {
            url.query = query.to_vec();
            rest = before;
        }
        if !rest.starts_with(b"/") {
            if !url.scheme.is_empty() {
                url.opaque = rest.to_vec();
                return Ok(url);
            }
            let segment = rest.split(|byte| *byte == b'/').next().unwrap_or_default();
            if segment.contains(&b':') {
                return Err("first path segment in URL cannot contain colon".to_owned());
            }
        }
        if rest.starts_with(b"//") && (!url.scheme.is_empty() || !rest.starts_with(b"///")) {
            let authority = &rest[2..];
            let end = authority
                .iter()
                .position(|byte| *byte == b'/')
                .unwrap_or(authority.len());
            let (authority, path) = authority.split_at(end);
            url.set_authority(authority)?;
            rest = path;
        }
        url.path = unescape(rest, Part::Path)?;
        Ok(url)
    }

    fn set_authority(&mut self, authority: &[u8]) -> Result<(), String> {
        let Some(at) = authority.iter().rposition(|byte| *byte == b'@') else {
            self.host = parse_host(&self.scheme, authority)?;
            return Ok(());
        };
        self.host = parse_host(&self.scheme, &authority[at + 1..])?;
        let user = &authority[..at];
        let plain =
            |byte: &u8| byte.is_ascii_alphanumeric() || b"-._:~!$&'()*+,;=%@".contains(byte);
        if !user.iter().all(plain) {
            return Err("net/url: invalid userinfo".to_owned());
        }
        let (name, password) = match cut(user, b':') {
            Some((name, password)) => (name, Some(unescape(password, Part::User)?)),
            None => (user, None),
        };
        self.user = Some(User {
            name: unescape(name, Part::User)?,
            password,
        });
        Ok(())
    }

    /// The host without port and brackets.
    pub(crate) fn hostname(&self) -> &[u8] {
        let mut host = self.host.as_slice();
        if let Some(colon) = host.iter().rposition(|byte| *byte == b':')
            && is_optional_port(&host[colon..])
        {
            host = &host[..colon];
        }
        host.strip_prefix(b"[")
            .and_then(|host| host.strip_suffix(b"]"))
            .unwrap_or(host)
    }
}

impl std::fmt::Display for User {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&escape(&self.name, Part::User))?;
        match &self.password {
            Some(password) => write!(out, ":{}", escape(password, Part::User)),
            None => Ok(()),
        }
    }
}

impl std::fmt::Display for Url {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut text = String::new();
        if !self.scheme.is_empty() {
            text.push_str(&self.scheme);
            text.push(':');
        }
        if self.opaque.is_empty() {
            self.write_hierarchy(&mut text);
        } else {
            text.push_str(&String::from_utf8_lossy(&self.opaque));
        }
        if self.empty_query || !self.query.is_empty() {
            text.push('?');
            text.push_str(&String::from_utf8_lossy(&self.query));
        }
        if !self.fragment.is_empty() {
            text.push('#');
            text.push_str(&escape(&self.fragment, Part::Fragment));
        }
        out.write_str(&text)
    }
}

impl Url {
    fn write_hierarchy(&self, text: &mut String) {
        if !self.scheme.is_empty() || !self.host.is_empty() || self.user.is_some() {
            if !self.host.is_empty() || !self.path.is_empty() || self.user.is_some() {
                text.push_str("//");
            }
            if let Some(user) = &self.user {
                let _ = write!(text, "{user}@");
            }
            text.push_str(&escape(&self.host, Part::Host));
        }
        if !self.path.is_empty() && !self.path.starts_with(b"/") && !self.host.is_empty() {
            text.push('/');
        }
        // A first segment with a colon would read as a scheme.
        let segment = self
            .path
            .split(|byte| *byte == b'/')
            .next()
            .unwrap_or_default();
        if text.is_empty() && segment.contains(&b':') {
            text.push_str("./");
        }
        if self.path == b"*" {
            text.push('*');
        } else {
            text.push_str(&escape(&self.path, Part::Path));
        }
    }
}

fn cut(text: &[u8], mark: u8) -> Option<(&[u8], &[u8])> {
    let at = text.iter().position(|byte| *byte == mark)?;
    Some((&text[..at], &text[at + 1..]))
}

fn split_scheme(text: &[u8]) -> Result<(&str, &[u8]), String> {
    for (at, byte) in text.iter().enumerate() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' => {}
            b'0'..=b'9' | b'+' | b'-' | b'.' if at > 0 => {}
            b':' if at == 0 => return Err("missing protocol scheme".to_owned()),
            b':' => {
                return Ok((
                    std::str::from_utf8(&text[..at]).unwrap_or_default(),
                    &text[at + 1..],
                ));
            }
            _ => break,
        }
    }
    Ok(("", text))
}

fn is_optional_port(text: &[u8]) -> bool {
    match text {
        [] => true,
        [b':', digits @ ..] => digits.iter().all(u8::is_ascii_digit),
        _ => false,
    }
}

fn parse_host(scheme: &str, host: &[u8]) -> Result<Vec<u8>, String> {
    let position = |wanted: u8| host.iter().position(|byte| *byte == wanted);
    let last = |wanted: u8| host.iter().rposition(|byte| *byte == wanted);
    let port = match last(b'[') {
        Some(0) => {
            let end = last(b']').ok_or("missing ']' in host")?;
            if !is_optional_port(&host[end + 1..]) {
                return Err(format!(
                    "invalid port {} after host",
                    print::quote(&host[end + 1..])
                ));
            }
            let inner = host.get(1..end).unwrap_or_default();
            let zone = inner.windows(3).position(|three| three == b"%25");
            let address = unescape(&inner[..zone.unwrap_or(inner.len())], Part::Host)?;
            let address = String::from_utf8_lossy(&address);
            if address.parse::<core::net::Ipv4Addr>().is_ok() {
                return Err("invalid IP-literal".to_owned());
            }
            if address.parse::<core::net::Ipv6Addr>().is_err() {
                let shown = print::quote(&unescape(inner, Part::Host)?);
                return Err(format!(
                    "invalid host: ParseAddr({shown}): unable to parse IP"
                ));
            }
            &host[end + 1..]
        }
        Some(_) => return Err("invalid IP-literal".to_owned()),
        None => {
            // Lists of hosts with ports are common in database URLs, and refused only for the web.
            let colon = if matches!(scheme, "http" | "https") {
                position(b':')
            } else {
                last(b':')
            };
            &host[colon.unwrap_or(host.len())..]
        }
    };
    if !is_optional_port(port) {
        return Err(format!("invalid port {} after host", print::quote(port)));
    }
    unescape(host, Part::Host)
}

fn unescape(text: &[u8], part: Part) -> Result<Vec<u8>, String> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        if *byte != b'%' {
            if part == Part::Host && byte.is_ascii() && must_escape(*byte, part) {
                return Err(format!(
                    "invalid character {} in host name",
                    print::quote(&[*byte])
                ));
            }
            out.push(*byte);
            continue;
        }
        let hex = |at: usize| {
            after
                .get(at)
                .and_then(|byte| char::from(*byte).to_digit(16))
        };
        let (Some(high), Some(low)) = (hex(0), hex(1)) else {
            let shown = &text[text.len() - after.len() - 1..];
            return Err(format!(
                "invalid URL escape {}",
                print::quote(&shown[..shown.len().min(3)])
            ));
        };
        // Of ASCII, only a zone's percent sign may be escaped in a host.
        if part == Part::Host && high < 8 && !after.starts_with(b"25") {
            let shown = [b'%', after[0], after[1]];
            return Err(format!("invalid URL escape {}", print::quote(&shown)));
        }
        out.push((high * 16 + low) as u8);
        rest = &after[2..];
    }
    Ok(out)
}

fn must_escape(byte: u8, part: Part) -> bool {
    match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => false,
        _ if part == Part::Host && b"!$&'()*+,;=:[]<>\"".contains(&byte) => false,
        b'$' | b'&' | b'+' | b',' | b'/' | b':' | b';' | b'=' | b'?' | b'@' => match part {
            Part::Path => byte == b'?',
            Part::User => matches!(byte, b'@' | b'/' | b'?' | b':'),
            Part::Fragment => false,
            Part::Host => true,
        },
        b'!' | b'(' | b')' | b'*' => part != Part::Fragment,
        _ => true,
    }
}

fn escape(text: &[u8], part: Part) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text {
        if must_escape(*byte, part) {
            let _ = write!(out, "%{byte:02X}");
        } else {
            out.push(char::from(*byte));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_in_the_words_of_go() {
        for (text, reason) in [
            ("http://[::1", "missing ']' in host"),
            (":x", "missing protocol scheme"),
            ("a b:c", "first path segment in URL cannot contain colon"),
            ("http://h:x/", "invalid port \":x\" after host"),
            ("http://h h/", "invalid character \" \" in host name"),
            ("http://u ser@h/", "net/url: invalid userinfo"),
            ("/a%zz", "invalid URL escape \"%zz\""),
            ("/a%", "invalid URL escape \"%\""),
            ("/a\nb", "net/url: invalid control character in URL"),
        ] {
            let error = Url::parse(text.as_bytes()).expect_err("no URL");
            assert_eq!(
                error.to_string(),
                format!("parse {}: {reason}", print::quote(text.as_bytes()))
            );
        }
    }

    #[test]
    fn puts_together_what_it_took_apart() {
        for text in [
            "https://user:p%40w@host.example:8443/p/a%20th?x=1&y=2#frag",
            "mailto:a@b.example",
            "//h/p",
            "/only?",
            "secret/data/a b?version=2",
        ] {
            let url = Url::parse(text.as_bytes()).expect("a URL");
            assert_eq!(url.to_string(), text.replace(' ', "%20"));
        }
    }
}
