//! Which requests go through a proxy, by the rules that Go programs follow for
//! `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY`, since those are what people set.
//!
//! Reading the variables is the caller's business; reaching the proxy is the HTTP client's.

use std::net::IpAddr;
use std::str::FromStr;

use reqwest::Url;

/// The proxies as people set them; empty texts count as not given.
#[derive(Clone, Default)]
pub struct ProxySettings {
    /// For every request, whatever its host (`VAULT_PROXY_ADDR`, else `VAULT_HTTP_PROXY`).
    pub always: Option<String>,
    /// For requests to `http://` addresses (`HTTP_PROXY`).
    pub http: Option<String>,
    /// For requests to `https://` addresses (`HTTPS_PROXY`).
    pub https: Option<String>,
    /// Hosts reached directly in spite of the last two (`NO_PROXY`).
    pub none_for: Option<String>,
}

/// A proxy setting that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the proxy address for {which} cannot be used: {reason} (accepted: http://HOST[:PORT] or https://HOST[:PORT])"
)]
pub struct ProxyError {
    which: &'static str,
    reason: &'static str,
}

/// The settings, parsed.
#[derive(Debug, Clone, Default)]
pub(crate) struct ProxyRule {
    always: Option<Url>,
    http: Option<Url>,
    https: Option<Url>,
    exceptions: Vec<Exception>,
}

#[derive(Debug, Clone, PartialEq)]
enum Exception {
    Everything,
    Address(IpAddr, Option<u16>),
    Range(IpAddr, u8),
    Domain {
        suffix: String,
        with_itself: bool,
        port: Option<u16>,
    },
}

impl ProxyRule {
    pub(crate) fn new(settings: &ProxySettings) -> Result<Self, ProxyError> {
        Ok(Self {
            always: parse(settings.always.as_deref(), "all requests")?,
            http: parse(settings.http.as_deref(), "http requests")?,
            https: parse(settings.https.as_deref(), "https requests")?,
            exceptions: settings
                .none_for
                .as_deref()
                .unwrap_or_default()
                .split(',')
                .filter_map(Exception::parse)
                .collect(),
        })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.always.is_none() && self.http.is_none() && self.https.is_none()
    }

    /// The proxy for a request to `target`.
    pub(crate) fn proxy_for(&self, target: &Url) -> Option<&Url> {
        if let Some(always) = &self.always {
            return Some(always);
        }
        let proxy = if target.scheme() == "https" {
            self.https.as_ref()?
        } else {
            self.http.as_ref()?
        };
        let host = target
            .host_str()?
            .trim_start_matches('[')
            .trim_end_matches(']');
        let address = IpAddr::from_str(host).ok();
        // The machine itself is never behind a proxy.
        if host.eq_ignore_ascii_case("localhost") || address.is_some_and(|a| a.is_loopback()) {
            return None;
        }
        let port = target.port_or_known_default();
        let excepted = self
            .exceptions
            .iter()
            .any(|exception| exception.covers(host, address, port));
        (!excepted).then_some(proxy)
    }
}

impl Exception {
    fn parse(text: &str) -> Option<Self> {
        let text = text.trim().to_ascii_lowercase();
        if text.is_empty() {
            return None;
        }
        if text == "*" {
            return Some(Self::Everything);
        }
        if let Some((network, length)) = text.split_once('/')
            && let (Ok(network), Ok(length)) = (network.parse(), length.parse())
        {
            return Some(Self::Range(network, length));
        }
        if let Ok(address) = text.trim_matches(['[', ']']).parse() {
            return Some(Self::Address(address, None));
        }
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) => match port.parse() {
                Ok(port) => (host, Some(port)),
                Err(_) => (text.as_str(), None),
            },
            None => (text.as_str(), None),
        };
        if let Ok(address) = host.trim_matches(['[', ']']).parse() {
            return Some(Self::Address(address, port));
        }
        let host = host.strip_prefix('*').unwrap_or(host);
        let (suffix, with_itself) = match host.strip_prefix('.') {
            Some(rest) => (rest, false),
            None => (host, true),
        };
        (!suffix.is_empty()).then(|| Self::Domain {
            suffix: suffix.to_owned(),
            with_itself,
            port,
        })
    }

    fn covers(&self, host: &str, address: Option<IpAddr>, port: Option<u16>) -> bool {
        match self {
            Self::Everything => true,
            Self::Address(ours, only) => {
                address == Some(*ours) && (only.is_none() || *only == port)
            }
            Self::Range(network, length) => address.is_some_and(|a| in_range(a, *network, *length)),
            Self::Domain {
                suffix,
                with_itself,
                port: only,
            } => {
                let host = host.trim_end_matches('.').to_ascii_lowercase();
                let beneath = host
                    .strip_suffix(suffix.as_str())
                    .is_some_and(|rest| rest.ends_with('.'));
                (beneath || (*with_itself && host == *suffix)) && (only.is_none() || *only == port)
            }
        }
    }
}

fn in_range(address: IpAddr, network: IpAddr, length: u8) -> bool {
    let (address, network, width) = match (address, network) {
        (IpAddr::V4(a), IpAddr::V4(n)) => {
            (u128::from(a.to_bits()), u128::from(n.to_bits()), 32_u32)
        }
        (IpAddr::V6(a), IpAddr::V6(n)) => (a.to_bits(), n.to_bits(), 128),
        _ => return false,
    };
    let Some(host_bits) = width.checked_sub(u32::from(length)) else {
        return false;
    };
    let shift = |bits: u128| bits.checked_shr(host_bits).unwrap_or(0);
    shift(address) == shift(network)
}

fn parse(text: Option<&str>, which: &'static str) -> Result<Option<Url>, ProxyError> {
    let Some(text) = text.map(str::trim).filter(|t| !t.is_empty()) else {
        return Ok(None);
    };
    let refuse = |reason| ProxyError { which, reason };
    // A bare `host:port` is taken for http, as everywhere.
    let whole = if text.contains("://") {
        text.to_owned()
    } else {
        format!("http://{text}")
    };
    let url = Url::parse(&whole).map_err(|_| refuse("it cannot be parsed"))?;
    match url.scheme() {
        "http" | "https" => Ok(Some(url)),
        "socks5" | "socks5h" | "socks4" => Err(refuse("SOCKS proxies are not supported")),
        _ => Err(refuse("its scheme is unknown")),
    }
}

impl std::fmt::Debug for ProxySettings {
    // A proxy's address may hold a password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ProxySettings")
            .field("always", &self.always.is_some())
            .field("http", &self.http.is_some())
            .field("https", &self.https.is_some())
            .field("none_for", &self.none_for)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(none_for: &str, target: &str, through: bool) {
        let rule = ProxyRule::new(&ProxySettings {
            http: Some("proxy:3128".to_owned()),
            https: Some("http://proxy:3128".to_owned()),
            none_for: Some(none_for.to_owned()),
            always: None,
        })
        .unwrap();
        let target = Url::parse(target).unwrap();
        assert_eq!(
            rule.proxy_for(&target).is_some(),
            through,
            "{none_for} {target}"
        );
    }

    #[test]
    fn exceptions_follow_the_rules_of_go_programs() {
        check("", "https://vault.example:8200", true);
        check("vault.example", "https://vault.example:8200", false);
        check("vault.example", "https://a.vault.example:8200", false);
        check("example", "https://notexample:8200", true);
        check(".example", "https://example:8200", true);
        check(".example", "https://a.example:8200", false);
        check("*.example", "https://a.example:8200", false);
        check("vault.example:8200", "https://vault.example:8200", false);
        check("vault.example:8201", "https://vault.example:8200", true);
        check("10.0.0.0/8", "http://10.1.2.3:8200", false);
        check("10.0.0.0/8", "http://11.1.2.3:8200", true);
        check("0.0.0.0/0", "http://11.1.2.3:8200", false);
        check("fd00::/8", "http://[fd12::1]:8200", false);
        check("10.1.2.3", "http://10.1.2.3:8200", false);
        check("a, b ,*", "http://10.1.2.3:8200", false);
    }

    #[test]
    fn the_machine_itself_is_never_behind_a_proxy() {
        check("", "http://127.0.0.1:8200", false);
        check("", "https://localhost:8200", false);
        check("", "https://[::1]:8200", false);
    }

    #[test]
    fn a_proxy_for_everything_knows_no_exception() {
        let rule = ProxyRule::new(&ProxySettings {
            always: Some("http://proxy:3128".to_owned()),
            none_for: Some("*".to_owned()),
            ..ProxySettings::default()
        })
        .unwrap();
        let target = Url::parse("http://127.0.0.1:8200").unwrap();
        assert_eq!(rule.proxy_for(&target).unwrap().port(), Some(3128));
    }

    #[test]
    fn a_proxy_that_cannot_be_used_is_refused_without_printing_it() {
        let error = ProxyRule::new(&ProxySettings {
            https: Some("socks5://user:hunter2@proxy".to_owned()),
            ..ProxySettings::default()
        })
        .unwrap_err()
        .to_string();
        assert!(
            error.contains("SOCKS") && error.contains("https requests"),
            "{error}"
        );
        assert!(!error.contains("hunter2"));
    }
}
