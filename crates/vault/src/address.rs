//! The server's address as people write it in `VAULT_ADDR`.
//!
//! Which of flag, environment and file wins is the caller's business.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use reqwest::Url;

/// Where the server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// On the net.
    Net {
        /// `http://…` or `https://…`, possibly with a path in front of `/v1`.
        url: Url,
        /// Whether the address names a port, be it the usual one.
        names_port: bool,
    },
    /// `unix:///path/to/socket`.
    Unix(PathBuf),
}

/// A text that is no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is not an address of a Vault server: {reason} (accepted: http://HOST[:PORT], https://HOST[:PORT], unix:///PATH)"
)]
pub struct AddressError {
    text: String,
    reason: &'static str,
}

impl Address {
    /// Whether requests go over TLS.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        matches!(self, Self::Net { url, .. } if url.scheme() == "https")
    }

    /// The host's name, where the address leaves the port open: then a record may tell where the service is.
    pub(crate) fn service(&self) -> Option<&str> {
        match self {
            Self::Net {
                url,
                names_port: false,
            } => url.domain(),
            _ => None,
        }
    }

    /// The base of all request addresses: without a slash at its end for a server
    /// on the net, `http://localhost` for a socket.
    pub(crate) fn base(&self) -> String {
        match self {
            Self::Net { url, .. } => url.as_str().trim_end_matches('/').to_owned(),
            Self::Unix(_) => "http://localhost".to_owned(),
        }
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let refuse = |reason| AddressError {
            // An address may hold a password before the host's name.
            text: without_user(text),
            reason,
        };
        let trimmed = text.trim();
        if let Some(path) = trimmed.strip_prefix("unix://") {
            if !path.starts_with('/') {
                return Err(refuse("the socket's path is not absolute"));
            }
            return Ok(Self::Unix(PathBuf::from(path)));
        }
        let mut url = Url::parse(trimmed).map_err(|_| refuse("it cannot be parsed"))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(refuse("its scheme is unknown"));
        }
        if url.host_str().is_none_or(str::is_empty) {
            return Err(refuse("it names no host"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(refuse("it holds a user name, which Vault does not take"));
        }
        url.set_query(None);
        url.set_fragment(None);
        let names_port = url.port().is_some() || names_usual_port(trimmed);
        Ok(Self::Net { url, names_port })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Net { .. } => f.write_str(&self.base()),
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
        }
    }
}

/// Whether the text names the port that its scheme has anyway, which is not seen any more once it is parsed.
fn names_usual_port(text: &str) -> bool {
    let authority = text
        .split_once("://")
        .and_then(|(_, rest)| rest.split(['/', '?', '#']).next());
    let port = authority.and_then(|authority| authority.rsplit_once(':'));
    port.is_some_and(|(_, port)| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()))
}

fn without_user(text: &str) -> String {
    match (text.find("://"), text.rfind('@')) {
        (Some(scheme), Some(at)) if at > scheme => {
            format!("{}…{}", &text[..scheme + 3], &text[at..])
        }
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_the_command_line_reads_them() {
        for (text, shown, tls) in [
            ("http://127.0.0.1:8200", "http://127.0.0.1:8200", false),
            ("https://vault:8200/", "https://vault:8200", true),
            ("https://gate/prefix/", "https://gate/prefix", true),
            (" https://[::1]:8200 ", "https://[::1]:8200", true),
            ("unix:///run/vault.sock", "unix:///run/vault.sock", false),
        ] {
            let address: Address = text.parse().unwrap();
            assert_eq!(
                (address.to_string(), address.is_tls()),
                (shown.to_owned(), tls)
            );
        }
    }

    #[test]
    fn a_name_without_a_port_may_be_a_service() {
        for (text, service) in [
            ("https://vault.test", Some("vault.test")),
            ("http://vault/prefix:1", Some("vault")),
            ("https://vault:8200", None),
            ("https://vault:443", None),
            ("http://vault:80/x", None),
            ("http://127.0.0.1", None),
            ("http://[::1]", None),
            ("unix:///run/vault.sock", None),
        ] {
            let address: Address = text.parse().unwrap();
            assert_eq!(address.service(), service, "{text}");
        }
    }

    #[test]
    fn what_is_no_address_is_named_without_its_password() {
        for (text, part) in [
            ("vault:8200", "scheme is unknown"),
            ("127.0.0.1:8200", "cannot be parsed"),
            ("ftp://a", "scheme is unknown"),
            ("unix://x", "not absolute"),
            ("https://u:hunter2@vault", "user name"),
            ("", "cannot be parsed"),
        ] {
            let error = text.parse::<Address>().unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
