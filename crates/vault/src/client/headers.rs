//! What stands in the head of each request and of an answer, in the forms that the server and the established agent use.

use std::time::Duration;

use reqwest::header::{CONNECTION, HeaderMap, HeaderName, HeaderValue};

use super::Client;
use crate::error::{Failure, NoAnswer};
use crate::request::Request;
use crate::settings::Connections;

impl Client {
    pub(super) fn headers_of(&self, request: &Request) -> Result<HeaderMap, Failure> {
        let unfit = |what: &str| Failure::NoAnswer {
            why: NoAnswer::Other(format!("{what} cannot be sent in a header")),
            source: None,
        };
        let mut headers = HeaderMap::new();
        for (name, value) in &request.headers {
            let name = HeaderName::try_from(name.as_str()).map_err(|_| unfit("a header's name"))?;
            let value = HeaderValue::try_from(value.as_str()).map_err(|_| unfit(name.as_str()))?;
            headers.append(name, value);
        }
        headers.insert("x-vault-request", HeaderValue::from_static("true"));
        if let Some(token) = &request.token {
            let mut value =
                HeaderValue::try_from(token.expose()).map_err(|_| unfit("the token"))?;
            value.set_sensitive(true);
            headers.insert("x-vault-token", value);
        }
        if let Some(namespace) = self.namespace_of(request) {
            let value =
                HeaderValue::try_from(namespace).map_err(|_| unfit("the namespace's name"))?;
            headers.insert("x-vault-namespace", value);
        }
        if let Some(ttl) = request.wrap_ttl {
            let value = HeaderValue::try_from(go_duration(ttl)).map_err(|_| unfit("the TTL"))?;
            headers.insert("x-vault-wrap-ttl", value);
        }
        if self.inner.settings.connections == Connections::Closed {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        Ok(headers)
    }
}

/// The pause that a header `Retry-After` asks for.
pub(crate) fn retry_after(header: Option<&str>) -> Option<Duration> {
    let seconds: u64 = header?.trim().parse().ok()?;
    // A server cannot ask for more than an hour: nobody would wait for it.
    Some(Duration::from_secs(seconds.min(3600)))
}

/// A namespace as the header wants it: no slash in front, one at the end.
pub(super) fn canonical_namespace(name: &str) -> Option<String> {
    let bare = name.trim().trim_matches('/');
    (!bare.is_empty() && bare != "root").then(|| format!("{bare}/"))
}

/// A duration as Go prints it, which is how the established agent sends it.
fn go_duration(duration: Duration) -> String {
    let whole = duration.as_secs();
    let (hours, minutes, seconds) = (whole / 3600, whole / 60 % 60, whole % 60);
    let fraction = match duration.subsec_millis() {
        0 => String::new(),
        millis => format!(".{millis:03}").trim_end_matches('0').to_owned(),
    };
    if hours > 0 {
        format!("{hours}h{minutes}m{seconds}{fraction}s")
    } else if minutes > 0 {
        format!("{minutes}m{seconds}{fraction}s")
    } else {
        format!("{seconds}{fraction}s")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_written_as_go_does() {
        for (duration, text) in [
            (Duration::from_secs(60), "1m0s"),
            (Duration::from_secs(5), "5s"),
            (Duration::from_secs(3661), "1h1m1s"),
            (Duration::from_millis(1500), "1.5s"),
        ] {
            assert_eq!(go_duration(duration), text);
        }
    }

    #[test]
    fn namespaces_end_in_one_slash() {
        for (name, canonical) in [
            ("ns", Some("ns/")),
            ("/a/b/", Some("a/b/")),
            ("", None),
            ("/", None),
            ("root", None),
        ] {
            assert_eq!(canonical_namespace(name).as_deref(), canonical);
        }
    }
}
