//! Where applications are answered: requests to Vault with the agent's token, metrics, readiness, and the request
//! to end. How connections come in is the business of `door`, how bytes become requests of `connection`, what becomes of
//! those for the server of `proxy` and `delivery`, how often they are sent of `tries`, and what is kept of answers of
//! `cache`.

mod blanking;
mod cache;
mod connection;
mod delivery;
mod door;
mod head;
mod keeping;
mod metrics;
mod proxy;
mod response;
mod tls;
mod tries;

use std::{cell::RefCell, collections::BTreeMap, rc::Rc};

use leasehold_config::{Listener, ListenerRole, UseAutoAuthToken};
use leasehold_vault::{Client, Token};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::{Notify, mpsc::UnboundedSender},
};
use zeroize::Zeroizing;

use crate::{
    clock,
    core::{
        chance::Spread,
        message::{Event, Stop},
    },
    listener::{
        cache::{Cache, Clear, Key},
        connection::{Connection, Taken},
        head::HttpRequest,
        proxy::{Passing, Reply},
        response::{Fault, HttpResponse},
    },
    log::Log,
    session::Report,
    status::Status,
};

use door::Stream;
pub use door::{ListenerError, open};
pub use tls::ListenerTlsError;

const PROXY: &str = "agent.apiproxy";

/// What the agent and its listeners share.
#[derive(Default)]
pub struct Shared {
    /// The agent's token, while there is one that is good.
    pub token: Option<Token>,
    /// What the agent tells about itself.
    pub status: Option<Status>,
    /// What the listeners counted.
    pub counts: Counts,
}

/// Counters of the proxy and its cache.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Answers of the server that were passed on.
    pub answered: u64,
    /// Of these, 4xx.
    pub client_errors: u64,
    /// Requests without an answer of the server's, and 5xx.
    pub errors: u64,
    /// Answers out of the cache.
    pub hits: u64,
    /// Answers past the cache.
    pub misses: u64,
}

/// Whether answers with a lease are kept for equal requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caching {
    /// They are.
    On,
    /// They are not.
    Off,
}

/// What becomes of requests for the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProxyRules {
    /// Whose token they carry on.
    pub use_token: UseAutoAuthToken,
    /// Whether leased answers are kept.
    pub caching: Caching,
    /// How often a request is tried again.
    pub retries: u32,
}

/// What all listeners have in common.
pub struct Desk {
    /// The connection to the server.
    pub client: Client,
    /// What becomes of requests.
    pub rules: ProxyRules,
    /// What the agent fills in.
    pub shared: Rc<RefCell<Shared>>,
    /// Where the wish to end goes.
    pub reports: UnboundedSender<(usize, Report)>,
    /// How many logins have to hear of it.
    pub sessions: usize,
    /// The log.
    pub log: Log,
    cache: RefCell<Cache>,
    /// Requests on their way, for equal ones to wait for.
    underway: RefCell<BTreeMap<Key, Rc<Notify>>>,
    /// Something has changed in what is kept.
    kept: Notify,
    chance: RefCell<Spread>,
}

impl Desk {
    /// A desk with an empty cache.
    #[must_use]
    pub fn new(
        client: Client,
        rules: ProxyRules,
        shared: Rc<RefCell<Shared>>,
        reports: UnboundedSender<(usize, Report)>,
        sessions: usize,
        log: Log,
        seed: u64,
    ) -> Self {
        Self {
            client,
            rules,
            shared,
            reports,
            sessions,
            log,
            cache: RefCell::default(),
            underway: RefCell::default(),
            kept: Notify::new(),
            chance: RefCell::new(Spread::seeded(seed)),
        }
    }

    /// Keeps what is in the cache alive, until the agent ends.
    pub async fn keep(self: Rc<Self>) {
        keeping::keep(self).await;
    }
}

/// Answers the requests of one connection, until it ends.
async fn serve(stream: Box<dyn Stream>, desk: Rc<Desk>, rules: Rc<Listener>) {
    let mut connection = Connection::new(stream);
    loop {
        let request = match connection.head().await {
            Ok(Some(request)) => request,
            Ok(None) => break,
            Err(fault) => {
                let _ = connection.write(&fault.response()).await;
                break;
            }
        };
        let (written, stop) = match answer(&request, &desk, &rules, &mut connection).await {
            Ok(Answer::Reply(Reply::Whole(response))) => {
                (connection.write(&response).await.is_ok(), false)
            }
            Ok(Answer::Reply(Reply::Passing(passing))) => {
                let limit = desk.client.settings().timeout;
                let passed = pass_on(&mut connection, &request, passing, limit).await;
                if !passed {
                    // Cut off rather than ended: the application must not take it for whole.
                    return;
                }
                (true, false)
            }
            Ok(Answer::Stop) => {
                let written = connection.write(&HttpResponse::empty(200)).await;
                (written.is_ok(), true)
            }
            Err(fault) => {
                let _ = connection.write(&fault.response()).await;
                (false, false)
            }
        };
        if stop {
            for number in 0..desk.sessions {
                let _ = desk
                    .reports
                    .send((number, Report::Event(Event::Stop(Stop::Quit))));
            }
        }
        // What is left of a body would be read as the next request.
        if !written || !request.keeps_connection() || !connection.is_at_end() {
            break;
        }
    }
    connection.end().await;
}

enum Answer {
    Reply(Reply),
    /// Yes, and then the agent ends.
    Stop,
}

/// Passes an answer on as it comes; whether it came and went whole. Where it did not, the connection must end, so
/// that the application sees it.
async fn pass_on<S: AsyncRead + AsyncWrite + Unpin>(
    connection: &mut Connection<S>,
    request: &HttpRequest,
    mut passing: Box<Passing>,
    limit: std::time::Duration,
) -> bool {
    let head = connection.write_head(passing.status, &passing.headers, passing.length);
    if head.await.is_err() {
        return false;
    }
    if request.method == "HEAD" || passing.status == 304 {
        return true;
    }
    let mut piece = std::mem::take(&mut passing.first);
    loop {
        let written = match (piece.is_empty(), passing.length) {
            (true, _) => Ok(()),
            (false, Some(_)) => connection.write_bytes(&piece).await,
            (false, None) => connection.write_chunk(&piece).await,
        };
        if written.is_err() {
            return false;
        }
        piece = match tokio::time::timeout(limit, passing.rest.chunk()).await {
            Ok(Ok(Some(bytes))) => Zeroizing::new(bytes),
            Ok(Ok(None)) if passing.length.is_some() => return true,
            Ok(Ok(None)) => return connection.write_chunk(&[]).await.is_ok(),
            Ok(Err(_)) | Err(_) => return false,
        };
    }
}

/// Answers one request.
async fn answer<S: AsyncRead + AsyncWrite + Unpin>(
    request: &HttpRequest,
    desk: &Rc<Desk>,
    rules: &Listener,
    connection: &mut Connection<S>,
) -> Result<Answer, Fault> {
    let whole = |response| Ok(Answer::Reply(Reply::Whole(response)));
    let body = connection.body().await?;
    match request.path.as_str() {
        "/agent/v1/metrics" => return whole(metrics(request, desk)),
        "/agent/v1/ready" => return whole(ready(desk)),
        _ => {}
    }
    if rules.role == ListenerRole::MetricsOnly {
        let words = "this listener has only metrics and readiness";
        return whole(HttpResponse::errors(404, &[words]));
    }
    if rules.require_request_header && request.header("x-vault-request") != Some("true") {
        let words = "missing \"X-Vault-Request\" header";
        return whole(HttpResponse::errors(412, &[words]));
    }
    match request.path.as_str() {
        "/agent/v1/quit" => match (rules.enable_quit, request.method.as_str()) {
            (false, _) => whole(HttpResponse::errors(404, &[])),
            (true, "POST" | "PUT") => {
                desk.log.info("agent", "received a request to quit");
                Ok(Answer::Stop)
            }
            (true, _) => whole(HttpResponse::errors(405, &[])),
        },
        "/agent/v1/cache-clear" => match &body {
            Taken::Whole(body) => whole(clear(request, body, desk)),
            Taken::Part(_) => Err(Fault::BodyTooLarge),
        },
        _ => proxy::pass(desk, request, body, connection)
            .await
            .map(Answer::Reply),
    }
}

/// Whether everything is rendered and alive, for probes.
fn ready(desk: &Desk) -> HttpResponse {
    let shared = desk.shared.borrow();
    let unready = shared
        .status
        .as_ref()
        .map_or(Some("the agent has not begun"), |status| {
            status.unready(clock::now())
        });
    match unready {
        None => HttpResponse::text(200, "application/json", r#"{"ready":true}"#.to_owned()),
        Some(why) => {
            let text = serde_json::json!({ "ready": false, "why": why }).to_string();
            HttpResponse::text(503, "application/json", text)
        }
    }
}

fn metrics(request: &HttpRequest, desk: &Desk) -> HttpResponse {
    let shared = desk.shared.borrow();
    let Some(mut status) = shared.status.clone() else {
        return HttpResponse::errors(503, &["the agent has not begun"]);
    };
    // Requests of applications go by without the agent's noticing, and are counted by the connection.
    if let Some(first) = status.logins.first_mut() {
        first.requests = desk.client.requests().into_iter().map(Into::into).collect();
    }
    if request
        .query
        .split('&')
        .any(|pair| pair == "format=prometheus")
    {
        let text = metrics::prometheus(&status, &shared.counts, clock::now());
        HttpResponse::text(200, "text/plain; version=0.0.4", text)
    } else {
        let text = metrics::json(&status, &shared.counts, clock::now()).to_string();
        HttpResponse::text(200, "application/json", text)
    }
}

fn clear(request: &HttpRequest, body: &[u8], desk: &Desk) -> HttpResponse {
    if !matches!(request.method.as_str(), "POST" | "PUT") || desk.rules.caching == Caching::Off {
        return HttpResponse::empty(200);
    }
    let body: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let field = |name: &str| {
        body.get(name)
            .and_then(serde_json::Value::as_str)
            .unwrap_or_default()
    };
    let (kind, value) = (field("type"), field("value"));
    let what = match (kind, value) {
        ("all", _) => Clear::All,
        ("request_path" | "token" | "token_accessor" | "lease", "") => {
            return HttpResponse::errors(500, &["the request lacks a `value`"]);
        }
        ("request_path", prefix) => Clear::Path {
            prefix,
            namespace: field("namespace"),
        },
        ("token", token) => Clear::Token(token),
        ("lease", lease) => Clear::Lease(lease),
        ("token_accessor", accessor) => Clear::Accessor(accessor),
        _ => return HttpResponse::errors(400, &["invalid type provided"]),
    };
    desk.cache.borrow_mut().clear(&what);
    desk.kept.notify_one();
    HttpResponse::empty(200)
}
