//! One connection to a server: requests out, answers in, each bounded in time and size. How a request is sent and a
//! redirect followed is the business of `sending`.
//!
//! There are no retries, no token and no cache of answers here; the agent's core decides
//! about the first two.

pub(crate) mod headers;
mod http;
mod raw;
mod sending;
mod turn;

use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use reqwest::Method;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

use self::headers::{canonical_namespace, retry_after};
use self::http::{Http, stamps};
pub use self::raw::RawAnswer;
use self::turn::Reads;
pub use self::turn::Turn;
use crate::answer::Secret;
use crate::error::{Error, Failure, NoAnswer, Refusal, SetupError, Unusable};
use crate::kv::Mounts;
use crate::pace::Pace;
use crate::request::{Request, escape_path, escape_query};
use crate::requests::{self, RequestCount, Requests};
use crate::service::Service;
use crate::settings::{Settings, TlsSettings};
use crate::streaming::{self, BodyStream, OpenAnswer};

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
    reads: Reads,
    mounts: Mutex<Mounts>,
    requests: Requests,
    /// Held while the server is asked for a mount, so that paths of one mount ask once.
    looking_up: tokio::sync::Mutex<()>,
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
                reads: Reads::new(settings.reads_at_once),
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
        self.inner.reads.turn().await
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

    fn no_answer(&self, error: reqwest::Error) -> Failure {
        let error = error.without_url();
        Failure::NoAnswer {
            why: NoAnswer::of(&error, self.inner.settings.timeout),
            source: Some(error),
        }
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Client({})", self.inner.settings.address)
    }
}
