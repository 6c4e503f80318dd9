//! One connection to a server: requests out, answers in, each bounded in time and size.
//!
//! There are no retries, no token and no cache of answers here; the agent's core decides
//! about the first two.

mod http;
mod raw;

use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use reqwest::header::{CONNECTION, HeaderMap, HeaderName, HeaderValue, LOCATION};
use reqwest::{Method, Url};
use tokio::sync::{Semaphore, SemaphorePermit};
use zeroize::Zeroizing;

use self::http::{Http, stamps};
pub use self::raw::RawAnswer;
use self::raw::append_wiping;
use crate::answer::Secret;
use crate::error::{Error, Failure, NoAnswer, Refusal, SetupError, Unusable};
use crate::kv::Mounts;
use crate::pace::Pace;
use crate::request::{Request, escape_path, escape_query};
use crate::requests::{self, RequestCount, Requests};
use crate::service::Service;
use crate::settings::{Connections, Redirects, Settings, TlsSettings};
use crate::streaming::{self, BodyStream, OpenAnswer};

/// How long a read waits for the one before it.
const TURN: Duration = Duration::from_secs(1);
/// A connection to a server. Copies share it.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

struct Inner {
    settings: Settings,
    base: String,
    /// Where the server is, when a record is asked for that.
    service: Option<Service>,
    http: RwLock<Http>,
    pace: Pace,
    /// Held by a read, so that reads share one connection.
    reading: Semaphore,
    mounts: Mutex<Mounts>,
    requests: Requests,
    /// Held while the server is asked for a mount, so that paths of one mount ask once.
    looking_up: tokio::sync::Mutex<()>,
}

/// The turn to read, given back when it is dropped; without a permit when it was not waited for any longer.
pub struct Turn<'a> {
    _permit: Option<SemaphorePermit<'a>>,
}

impl Client {
    /// Prepares a connection; nothing is sent yet.
    ///
    /// # Errors
    /// Roots, client certificate or proxies cannot be used.
    pub fn new(settings: Settings) -> Result<Self, SetupError> {
        let http = Http::build(&settings, settings.tls.clone())?;
        let host = settings.address.service().map(str::to_owned);
        let lookup = host.zip(settings.service_lookup.clone());
        Ok(Self {
            inner: Arc::new(Inner {
                service: lookup.map(|(host, file)| Service::new(host, file)),
                base: settings.address.base(),
                pace: Pace::new(settings.rate_limit),
                reading: Semaphore::new(1),
                settings,
                http: RwLock::new(http),
                mounts: Mutex::default(),
                requests: Requests::default(),
                looking_up: tokio::sync::Mutex::default(),
            }),
        })
    }

    /// The settings it was made with.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.inner.settings
    }

    /// How many requests were sent, by kind and by what came of them.
    #[must_use]
    pub fn requests(&self) -> Vec<RequestCount> {
        self.inner.requests.counts()
    }

    /// The roots and client certificate in use.
    #[must_use]
    pub fn tls(&self) -> TlsSettings {
        self.http().tls.clone()
    }

    /// Takes other roots or another client certificate, reads their files anew, and drops the connections
    /// made with the old ones. Files that change in their places are noticed without this call.
    ///
    /// # Errors
    /// The files cannot be used; then everything stays as it was.
    pub fn trust(&self, tls: TlsSettings) -> Result<(), SetupError> {
        let http = Http::build(&self.inner.settings, tls)?;
        *self
            .inner
            .http
            .write()
            .unwrap_or_else(PoisonError::into_inner) = http;
        Ok(())
    }

    /// Waits for the turn to read: reads go one after the other over one connection, unless the one before
    /// takes longer than a moment.
    pub async fn turn_to_read(&self) -> Turn<'_> {
        Turn {
            _permit: tokio::time::timeout(TURN, self.inner.reading.acquire())
                .await
                .ok()
                .and_then(Result::ok),
        }
    }

    fn http(&self) -> RwLockReadGuard<'_, Http> {
        self.inner
            .http
            .read()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The client to send with. Certificates that were rotated on disk are read first; a file that is only
    /// half in place leaves the old ones in use, and is looked at again the next time.
    fn ready(&self) -> reqwest::Client {
        let (client, tls, changed) = {
            let http = self.http();
            let changed = stamps(&http.tls) != http.stamps;
            (http.client.clone(), http.tls.clone(), changed)
        };
        if changed && self.trust(tls).is_ok() {
            return self.http().client.clone();
        }
        client
    }

    /// Sends a request and reads Vault's answer; absent where the answer has no body.
    ///
    /// # Errors
    /// Every status but success, and every answer that is not Vault's.
    pub async fn call(&self, request: &Request) -> Result<Option<Secret>, Error> {
        let answer = self.forward(request).await?;
        if !(200..300).contains(&answer.status) {
            return Err(self.refused(request, &answer));
        }
        self.secret_of(request, answer)
    }

    /// Sends a request and gives back whatever comes.
    ///
    /// # Errors
    /// There is no answer, it is larger than the limit, or it is a redirect that is not
    /// followed.
    pub async fn forward(&self, request: &Request) -> Result<RawAnswer, Error> {
        let url = self.url_of(request);
        let timeout = self.inner.settings.timeout;
        // The client's own timeout covers each of two requests of a redirect alone.
        self.inner.pace.wait().await;
        let answer = match tokio::time::timeout(timeout, self.exchange(request, &url)).await {
            Ok(done) => done.map_err(|failure| self.error(request, &url, failure)),
            Err(_) => {
                let failure = Failure::NoAnswer {
                    why: NoAnswer::TimedOut(timeout),
                    source: None,
                };
                Err(self.error(request, &url, failure))
            }
        };
        let status = answer.as_ref().map(|answer| answer.status);
        let kind = requests::kind(&request.path);
        self.inner.requests.note(kind, status);
        answer
    }

    /// Sends a request and gives back the head of whatever comes within `limit`; the body is read by the caller,
    /// however long it is.
    ///
    /// # Errors
    /// There is no answer, or it is a redirect that is not followed.
    pub async fn open(&self, request: &Request, limit: Duration) -> Result<OpenAnswer, Error> {
        self.open_with(request, None, limit).await
    }

    /// The same with a body that is still coming in, in place of the request's own. Such a request is not sent a
    /// second time, so a redirect of it is an error. There is no time limit: how fast the body comes is the caller's
    /// to know.
    ///
    /// # Errors
    /// There is no answer, or it is a redirect.
    pub async fn open_streaming(
        &self,
        request: &Request,
        body: BodyStream,
    ) -> Result<OpenAnswer, Error> {
        self.open_with(request, Some(body), Duration::MAX).await
    }

    async fn open_with(
        &self,
        request: &Request,
        body: Option<BodyStream>,
        limit: Duration,
    ) -> Result<OpenAnswer, Error> {
        let url = self.url_of(request);
        let sending = async {
            self.inner.pace.wait().await;
            self.head(request, &url, body).await
        };
        let failed = match tokio::time::timeout(limit, sending).await {
            Ok(Ok(response)) => {
                let status = response.status().as_u16();
                self.inner.requests.note("proxy", Ok(status));
                // For the words of an error: the body is not among them.
                let client = self.clone();
                let mut asked = Request::new(request.method.clone(), request.path.clone());
                asked.namespace.clone_from(&request.namespace);
                return Ok(OpenAnswer {
                    status,
                    headers: streaming::texts(response.headers()),
                    response,
                    broken: Box::new(move |error| {
                        client.error(&asked, &url, client.no_answer(error))
                    }),
                });
            }
            Ok(Err(failure)) => failure,
            Err(_) => Failure::NoAnswer {
                why: NoAnswer::TimedOut(limit),
                source: None,
            },
        };
        let error = self.error(request, &url, failed);
        self.inner.requests.note("proxy", Err(&error));
        Err(error)
    }

    /// Sends a request that is not one of Vault's API to a full address, and gives back whatever comes.
    /// Redirects are not followed, and headers are only those given.
    pub(crate) async fn send_elsewhere(
        &self,
        method: Method,
        url: &str,
        headers: &[(&str, &str)],
        body: Option<Vec<u8>>,
    ) -> Result<RawAnswer, Failure> {
        let unfit = |what: &str| Failure::NoAnswer {
            why: NoAnswer::Other(format!("{what} cannot be sent in a header")),
            source: None,
        };
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let known = HeaderName::try_from(*name).map_err(|_| unfit("a header's name"))?;
            let mut value = HeaderValue::try_from(*value).map_err(|_| unfit(name))?;
            value.set_sensitive(true);
            map.insert(known, value);
        }
        let mut builder = self.ready().request(method, url).headers(map);
        if let Some(body) = body {
            builder = builder.body(body);
        }
        let timeout = self.inner.settings.timeout;
        let exchange = async {
            let response = builder
                .send()
                .await
                .map_err(|error| self.no_answer(error))?;
            self.receive(response).await
        };
        tokio::time::timeout(timeout, exchange)
            .await
            .unwrap_or(Err(Failure::NoAnswer {
                why: NoAnswer::TimedOut(timeout),
                source: None,
            }))
    }

    pub(crate) fn mounts(&self) -> &Mutex<Mounts> {
        &self.inner.mounts
    }

    /// Waits until nobody else asks for a mount.
    pub(crate) async fn look_up_alone(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.inner.looking_up.lock().await
    }

    /// The namespace in which a request is made.
    pub(crate) fn namespace_of(&self, request: &Request) -> Option<String> {
        let name = match &request.namespace {
            Some(name) => Some(name.as_str()),
            None => self.inner.settings.namespace.as_deref(),
        };
        canonical_namespace(name?)
    }

    /// Makes an error about a request that was answered.
    pub(crate) fn unusable(&self, request: &Request, status: u16, reason: Unusable) -> Error {
        let url = self.url_of(request);
        self.error(request, &url, Failure::Unusable { status, reason })
    }

    /// Makes an error of an answer that is not success.
    pub(crate) fn refused(&self, request: &Request, answer: &RawAnswer) -> Error {
        let retry_after = retry_after(answer.header("retry-after"));
        let refusal = Refusal::of(answer);
        let failure = match answer.status {
            429 => Failure::RateLimited {
                retry_after,
                refusal,
            },
            503 if refusal.errors.iter().any(|text| text.contains("sealed")) => {
                Failure::Sealed(refusal)
            }
            412 | 500.. => Failure::ServerError {
                retry_after,
                refusal,
            },
            _ => Failure::Definite(refusal),
        };
        let url = self.url_of(request);
        self.error(request, &url, failure)
    }

    pub(crate) fn secret_of(
        &self,
        request: &Request,
        answer: RawAnswer,
    ) -> Result<Option<Secret>, Error> {
        if answer.body.iter().all(u8::is_ascii_whitespace) {
            return Ok(None);
        }
        let status = answer.status;
        Secret::parse(answer.body)
            .map(Some)
            .map_err(|reason| self.unusable(request, status, reason))
    }

    fn error(&self, request: &Request, url: &str, failure: Failure) -> Error {
        Error {
            method: request.method.clone(),
            path: request.path.as_str().into(),
            url: url.into(),
            namespace: self.namespace_of(request).map(Into::into),
            failure,
        }
    }

    fn url_of(&self, request: &Request) -> String {
        let path = escape_path(request.path.trim_start_matches('/'));
        let mut url = format!("{}/v1/{path}", self.inner.base);
        if !request.query.is_empty() {
            url.push('?');
            url.push_str(&escape_query(&request.query));
        }
        url
    }

    async fn exchange(&self, request: &Request, url: &str) -> Result<RawAnswer, Failure> {
        let response = self.head(request, url, None).await?;
        self.receive(response).await
    }

    async fn head(
        &self,
        request: &Request,
        url: &str,
        mut body: Option<BodyStream>,
    ) -> Result<reqwest::Response, Failure> {
        let mut target = Url::parse(url).map_err(|_| Failure::NoAnswer {
            why: NoAnswer::Other("the path gives no valid address".to_owned()),
            source: None,
        })?;
        let headers = self.headers_of(request)?;
        let mut followed = false;
        let streamed = body.is_some();
        if let Some(service) = &self.inner.service {
            service.lead(&mut target).await;
        }
        loop {
            let response = self
                .send_once(request, &target, &headers, body.take())
                .await?;
            let status = response.status();
            if !matches!(status.as_u16(), 301 | 302 | 307) {
                return Ok(response);
            }
            let refuse = |why| Failure::Unusable {
                status: status.as_u16(),
                reason: Unusable::Redirect(why),
            };
            if self.inner.settings.redirects == Redirects::None {
                return Err(refuse("following redirects is switched off"));
            }
            if streamed {
                return Err(refuse("the request's body is too long to be kept for it"));
            }
            if followed {
                return Err(refuse("it is the second in a row"));
            }
            let next = response
                .headers()
                .get(LOCATION)
                .and_then(|value| value.to_str().ok())
                .and_then(|text| target.join(text).ok())
                .ok_or_else(|| refuse("it has no usable address"))?;
            if !matches!(next.scheme(), "http" | "https") {
                return Err(refuse("its address is neither http nor https"));
            }
            if target.scheme() == "https" && next.scheme() != "https" {
                return Err(refuse("it leads from https to http"));
            }
            target = next;
            followed = true;
        }
    }

    async fn send_once(
        &self,
        request: &Request,
        target: &Url,
        headers: &HeaderMap,
        stream: Option<BodyStream>,
    ) -> Result<reqwest::Response, Failure> {
        let mut builder = self
            .ready()
            .request(request.method.clone(), target.clone())
            .headers(headers.clone());
        if let Some(stream) = stream {
            builder = builder.body(reqwest::Body::wrap(stream));
        } else if let Some(body) = &request.body {
            builder = builder.body(body.0.to_vec());
        }
        builder.send().await.map_err(|error| self.no_answer(error))
    }

    async fn receive(&self, mut response: reqwest::Response) -> Result<RawAnswer, Failure> {
        let limit = self.inner.settings.answer_limit;
        let status = response.status().as_u16();
        let too_large = || Failure::Unusable {
            status,
            reason: Unusable::TooLarge(limit),
        };
        let announced =
            usize::try_from(response.content_length().unwrap_or(0)).unwrap_or(usize::MAX);
        if announced > limit {
            return Err(too_large());
        }
        let headers = streaming::texts(response.headers());
        let url = response.url().to_string();
        let mut body = Zeroizing::new(Vec::with_capacity(announced));
        while let Some(chunk) = response.chunk().await.map_err(|e| self.no_answer(e))? {
            if body.len() + chunk.len() > limit {
                return Err(too_large());
            }
            append_wiping(&mut body, &chunk);
        }
        Ok(RawAnswer {
            status,
            headers,
            body,
            url,
        })
    }

    fn no_answer(&self, error: reqwest::Error) -> Failure {
        let error = error.without_url();
        Failure::NoAnswer {
            why: NoAnswer::of(&error, self.inner.settings.timeout),
            source: Some(error),
        }
    }

    fn headers_of(&self, request: &Request) -> Result<HeaderMap, Failure> {
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

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Client({})", self.inner.settings.address)
    }
}

/// The pause that a header `Retry-After` asks for.
pub(crate) fn retry_after(header: Option<&str>) -> Option<Duration> {
    let seconds: u64 = header?.trim().parse().ok()?;
    // A server cannot ask for more than an hour: nobody would wait for it.
    Some(Duration::from_secs(seconds.min(3600)))
}

/// A namespace as the header wants it: no slash in front, one at the end.
fn canonical_namespace(name: &str) -> Option<String> {
    let bare = name.trim().trim_matches('/');
    (!bare.is_empty() && bare != "root").then(|| format!("{bare}/"))
}

/// A duration as Go prints it, which is how the established agent sends it.
pub(crate) fn go_duration(duration: Duration) -> String {
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
