//! Where applications are answered: requests to Vault with the agent's token, metrics, and the request to end.
//! How bytes become requests is the business of `http`; what is kept of answers, of `cache`.

mod cache;
mod http;
mod metrics;

use std::{cell::RefCell, os::unix::fs::PermissionsExt, path::Path, rc::Rc, time::SystemTime};

use leasehold_config::{Endpoint, Listener, ListenerRole, UnixSocket, UseAutoAuthToken};
use leasehold_vault::{Client, Method, Request, RequestBody, Token};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, UnixListener},
    sync::mpsc::UnboundedSender,
};

use crate::{
    answers, clock,
    core::message::{Event, Stop},
    listener::{
        cache::{Cache, Key, Stored},
        http::{HttpRequest, HttpResponse},
    },
    log::Log,
    owners,
    session::Report,
    status::Status,
};

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

/// What all listeners have in common.
pub struct Desk {
    /// The connection to the server.
    pub client: Client,
    /// Whose token a request carries on.
    pub use_token: UseAutoAuthToken,
    /// Whether leased answers are kept.
    pub caching: Caching,
    /// What the agent fills in.
    pub shared: Rc<RefCell<Shared>>,
    /// Where the wish to end goes.
    pub reports: UnboundedSender<(usize, Report)>,
    /// How many logins have to hear of it.
    pub sessions: usize,
    /// The log.
    pub log: Log,
    cache: RefCell<Cache>,
}

/// Why a listener cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum ListenerError {
    /// The system refuses.
    #[error("failed to listen on `{address}`")]
    Listen {
        /// Where.
        address: String,
        /// Why not.
        source: std::io::Error,
    },
    /// The socket's owner does not exist.
    #[error("the socket `{path}` cannot get its owner: {why}")]
    Owner {
        /// The socket.
        path: String,
        /// Why not.
        why: String,
    },
}

enum Door {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Desk {
    /// A desk with an empty cache.
    #[must_use]
    pub fn new(
        client: Client,
        use_token: UseAutoAuthToken,
        caching: Caching,
        shared: Rc<RefCell<Shared>>,
        reports: UnboundedSender<(usize, Report)>,
        sessions: usize,
        log: Log,
    ) -> Self {
        let cache = RefCell::default();
        Self {
            client,
            use_token,
            caching,
            shared,
            reports,
            sessions,
            log,
            cache,
        }
    }
}

/// Opens a listener and answers on it from now on.
///
/// # Errors
/// The address cannot be listened on.
pub async fn open(listener: &Listener, desk: Rc<Desk>) -> Result<(), ListenerError> {
    let (door, address) = match &listener.endpoint {
        Endpoint::Tcp(address) => {
            let opened = TcpListener::bind(address).await;
            let door = opened.map_err(|source| ListenerError::Listen {
                address: address.clone(),
                source,
            })?;
            (Door::Tcp(door), address.clone())
        }
        Endpoint::Unix(socket) => (Door::Unix(unix(socket)?), socket.path.clone()),
    };
    desk.log.info(PROXY, format!("listening on {address}"));
    let rules = Rc::new(listener.clone());
    tokio::task::spawn_local(async move {
        loop {
            let (desk, rules) = (Rc::clone(&desk), Rc::clone(&rules));
            match &door {
                Door::Tcp(door) => match door.accept().await {
                    Ok((stream, _)) => {
                        let _ = stream.set_nodelay(true);
                        tokio::task::spawn_local(serve(stream, desk, rules));
                    }
                    Err(error) => rest(&desk, &error).await,
                },
                Door::Unix(door) => match door.accept().await {
                    Ok((stream, _)) => {
                        tokio::task::spawn_local(serve(stream, desk, rules));
                    }
                    Err(error) => rest(&desk, &error).await,
                },
            }
        }
    });
    Ok(())
}

/// Too many open files, most likely: a loop would only make it worse.
async fn rest(desk: &Desk, error: &std::io::Error) {
    desk.log.warn(
        PROXY,
        format!("a connection could not be accepted: {error}"),
    );
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
}

fn unix(socket: &UnixSocket) -> Result<UnixListener, ListenerError> {
    let listen = |source| ListenerError::Listen {
        address: socket.path.clone(),
        source,
    };
    let owner = |why: String| ListenerError::Owner {
        path: socket.path.clone(),
        why,
    };
    // A socket that a killed agent left behind is in the way.
    let _ = std::fs::remove_file(&socket.path);
    let door = UnixListener::bind(&socket.path).map_err(listen)?;
    if let Some(wanted) = &socket.owner {
        let path = Path::new(&socket.path);
        let user = owners::user(&wanted.user).map_err(|error| owner(error.to_string()))?;
        let group = owners::group(&wanted.group).map_err(|error| owner(error.to_string()))?;
        std::os::unix::fs::chown(path, user, group).map_err(listen)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(wanted.mode))
            .map_err(listen)?;
    }
    Ok(door)
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin>(stream: S, desk: Rc<Desk>, rules: Rc<Listener>) {
    let mut connection = http::Connection::new(stream);
    loop {
        let request = match connection.read().await {
            Ok(Some(request)) => request,
            Ok(None) => return,
            Err(fault) => {
                let _ = connection.write(&fault.response()).await;
                return;
            }
        };
        let keeps = request.keeps_connection();
        let (response, stop) = answer(&request, &desk, &rules).await;
        if connection.write(&response).await.is_err() {
            return;
        }
        if stop {
            for number in 0..desk.sessions {
                let _ = desk
                    .reports
                    .send((number, Report::Event(Event::Stop(Stop::Quit))));
            }
        }
        if !keeps {
            return;
        }
    }
}

/// Answers one request; says whether the agent is to end after it.
async fn answer(request: &HttpRequest, desk: &Desk, rules: &Listener) -> (HttpResponse, bool) {
    if request.path == "/agent/v1/metrics" {
        return (metrics(request, desk), false);
    }
    if rules.role == ListenerRole::MetricsOnly {
        return (
            HttpResponse::errors(404, &["this listener has only metrics"]),
            false,
        );
    }
    if rules.require_request_header && request.header("x-vault-request") != Some("true") {
        return (
            HttpResponse::errors(412, &["missing \"X-Vault-Request\" header"]),
            false,
        );
    }
    match request.path.as_str() {
        "/agent/v1/quit" => match (rules.enable_quit, request.method.as_str()) {
            (false, _) => (HttpResponse::errors(404, &[]), false),
            (true, "POST" | "PUT") => {
                desk.log.info("agent", "received a request to quit");
                (HttpResponse::empty(200), true)
            }
            (true, _) => (HttpResponse::errors(405, &[]), false),
        },
        "/agent/v1/cache-clear" => (clear(request, desk), false),
        _ => (proxy(request, desk).await, false),
    }
}

fn metrics(request: &HttpRequest, desk: &Desk) -> HttpResponse {
    let shared = desk.shared.borrow();
    let Some(status) = &shared.status else {
        return HttpResponse::errors(503, &["the agent has not begun"]);
    };
    if request
        .query
        .split('&')
        .any(|pair| pair == "format=prometheus")
    {
        let text = metrics::prometheus(status, &shared.counts, clock::now());
        HttpResponse::text(200, "text/plain; version=0.0.4", text)
    } else {
        let text = metrics::json(status, &shared.counts, clock::now()).to_string();
        HttpResponse::text(200, "application/json", text)
    }
}

fn clear(request: &HttpRequest, desk: &Desk) -> HttpResponse {
    if !matches!(request.method.as_str(), "POST" | "PUT") || desk.caching == Caching::Off {
        return HttpResponse::empty(200);
    }
    let body: serde_json::Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let field = |name: &str| {
        body.get(name)
            .and_then(serde_json::Value::as_str)
            .unwrap_or_default()
    };
    let (kind, value) = (field("type"), field("value"));
    let mut cache = desk.cache.borrow_mut();
    match (kind, value) {
        ("all", _) => cache.clear(),
        ("request_path" | "token" | "token_accessor" | "lease", "") => {
            return HttpResponse::errors(500, &["the request lacks a `value`"]);
        }
        ("request_path", prefix) => cache.drop_path(prefix),
        ("token", token) => cache.drop_token(token),
        ("lease", lease) => cache.drop_lease(lease),
        ("token_accessor", accessor) => cache.drop_accessor(accessor),
        _ => return HttpResponse::errors(400, &["invalid type provided"]),
    }
    HttpResponse::empty(200)
}

async fn proxy(request: &HttpRequest, desk: &Desk) -> HttpResponse {
    let Some(path) = request.path.strip_prefix("/v1/") else {
        return HttpResponse::errors(404, &[]);
    };
    let own = request
        .header("x-vault-token")
        .filter(|token| !token.is_empty());
    let agents = || desk.shared.borrow().token.clone();
    let token = match (desk.use_token, own) {
        (UseAutoAuthToken::Force, _) | (UseAutoAuthToken::WhenMissing, None) => agents(),
        (_, Some(own)) => Token::new(own.to_owned()).ok(),
        (UseAutoAuthToken::No, None) => None,
    };
    let key = Key::of(request, token.as_ref());
    if desk.caching == Caching::On
        && let Some(stored) = desk.cache.borrow_mut().get(&key, clock::now())
    {
        desk.shared.borrow_mut().counts.hits += 1;
        return stored.response(SystemTime::now());
    }
    let Some(outgoing) = outgoing(request, path, token.clone()) else {
        return HttpResponse::errors(405, &[]);
    };
    let answered = desk.client.forward(&outgoing).await;
    let mut shared = desk.shared.borrow_mut();
    match answered {
        Err(error) => {
            shared.counts.errors += 1;
            desk.log.warn(
                PROXY,
                format!("a request was not answered: {}", answers::kind_name(&error)),
            );
            HttpResponse::errors(500, &[&format!("failed to get the response: {error}")])
        }
        Ok(answer) => {
            match answer.status {
                400..500 => shared.counts.client_errors += 1,
                500.. => shared.counts.errors += 1,
                _ => shared.counts.answered += 1,
            }
            let mut response = HttpResponse::of(&answer);
            if answer.status < 300 {
                shared.counts.misses += 1;
                response
                    .headers
                    .push(("X-Cache".to_owned(), "MISS".to_owned()));
            }
            if desk.caching == Caching::On {
                // Only what the agent's own token asked for lives as long as the agent does.
                let managed = token.is_some() && token == shared.token;
                let mut cache = desk.cache.borrow_mut();
                if answer.status == 204 {
                    cache.revoked(path, &request.body);
                } else if managed
                    && let Some(stored) = Stored::of(&answer, &response, path, clock::now())
                {
                    cache.put(key, stored);
                }
            }
            response
        }
    }
}

/// The request as it goes on to the server.
fn outgoing(request: &HttpRequest, path: &str, token: Option<Token>) -> Option<Request> {
    let method = Method::from_bytes(request.method.as_bytes()).ok()?;
    let mut outgoing = Request::new(method, http::unescaped(path));
    outgoing.query = http::pairs(&request.query);
    outgoing.token = token;
    outgoing.namespace = request.header("x-vault-namespace").map(str::to_owned);
    let own = [
        "host",
        "connection",
        "content-length",
        "transfer-encoding",
        "x-vault-token",
        "x-vault-namespace",
        "x-vault-request",
        "accept-encoding",
        "keep-alive",
        "upgrade",
        "te",
        "proxy-authorization",
        "expect",
    ];
    outgoing.headers = request
        .headers
        .iter()
        .filter(|(name, _)| !own.contains(&name.as_str()))
        .cloned()
        .collect();
    if !request.body.is_empty() {
        outgoing.body = Some(RequestBody::new(request.body.to_vec()));
    }
    Some(outgoing)
}
