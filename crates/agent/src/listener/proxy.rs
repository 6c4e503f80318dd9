//! Requests of applications on their way to the server and back: with the agent's token where that is asked for, out
//! of the cache where an equal one was answered. How one is sent, once or again, is the business of `delivery`.

use std::{rc::Rc, time::SystemTime};

use leasehold_config::UseAutoAuthToken;
use leasehold_vault::{Method, OpenAnswer, Request, RequestBody, Token};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::Notify,
};
use zeroize::Zeroizing;

use crate::{
    answers, clock,
    listener::{
        Caching, Desk, PROXY,
        blanking::{blanked, tells_token},
        cache::{Asked, Key},
        connection::{Connection, Taken, WHOLE_LIMIT},
        delivery::{Begun, deliver, upload},
        head::{self, HttpRequest},
        response::{Fault, HttpResponse, passed_on},
    },
};

/// What goes back to the application.
pub(super) enum Reply {
    /// An answer that is there whole.
    Whole(HttpResponse),
    /// An answer whose body is passed on as it comes.
    Passing(Box<Passing>),
}

/// An answer on its way.
pub(super) struct Passing {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    /// The length of its body, where it is known.
    pub(super) length: Option<u64>,
    /// What was taken of the body already.
    pub(super) first: Zeroizing<Vec<u8>>,
    pub(super) rest: OpenAnswer,
}

/// Passes a request on.
///
/// # Errors
/// The request's body did not come.
pub(super) async fn pass<S: AsyncRead + AsyncWrite + Unpin>(
    desk: &Rc<Desk>,
    request: &HttpRequest,
    body: Taken,
    connection: &mut Connection<S>,
) -> Result<Reply, Fault> {
    let Some(path) = request.path.strip_prefix("/v1/") else {
        return Ok(Reply::Whole(HttpResponse::errors(404, &[])));
    };
    let path = head::cleaned(&head::unescaped(path));
    let own = request
        .header("x-vault-token")
        .filter(|token| !token.is_empty());
    let agents = desk.shared.borrow().token.clone();
    let token = match (desk.rules.use_token, own) {
        (UseAutoAuthToken::Force, _) | (UseAutoAuthToken::WhenMissing, None) => agents.clone(),
        (_, Some(own)) => Token::new(own.to_owned()).ok(),
        (UseAutoAuthToken::No, None) => None,
    };
    let wrapped = request
        .header("x-vault-wrap-ttl")
        .is_some_and(|ttl| !ttl.is_empty());
    let is_agents = |token: &Token| {
        let agents = agents.as_ref().map(Token::expose);
        agents == Some(token.expose())
    };
    // What is wrapped cannot be blanked, and anybody could unwrap it past this listener.
    if wrapped && tells_token(&path) && token.as_ref().is_some_and(is_agents) {
        let words = "an answer about the agent's own token is not wrapped";
        return Ok(Reply::Whole(HttpResponse::errors(400, &[words])));
    }
    let Some(outgoing) = outgoing(desk, request, &path, token.clone()) else {
        return Ok(Reply::Whole(HttpResponse::errors(405, &[])));
    };
    let key = match &body {
        Taken::Whole(body) if desk.rules.caching == Caching::On => {
            Some(Key::of(request, body, token.as_ref()))
        }
        _ => None,
    };
    desk.cache.borrow_mut().follow(agents.as_ref());
    let _lead = match key {
        None => None,
        Some(key) => {
            if let Some(stored) = from_cache(desk, &key) {
                return Ok(Reply::Whole(stored));
            }
            // An equal request is on its way: what it brings may do for this one too.
            let underway = desk.underway.borrow().get(&key).cloned();
            match underway {
                None => Some(Lead::take(desk, key)),
                Some(first) => {
                    first.notified().await;
                    if let Some(stored) = from_cache(desk, &key) {
                        return Ok(Reply::Whole(stored));
                    }
                    None
                }
            }
        }
    };
    let (answered, sent) = match body {
        Taken::Whole(body) => {
            let mut outgoing = outgoing;
            if !body.is_empty() {
                outgoing.body = Some(RequestBody::new(body.to_vec()));
            }
            (deliver(desk, &outgoing, connection).await, body)
        }
        Taken::Part(first) => {
            let length = request.length();
            let answered = upload(desk, &outgoing, length, first, connection).await?;
            (answered.map(Begun::from), Zeroizing::default())
        }
    };
    Ok(match answered {
        Err(error) => failed(desk, &error),
        Ok(begun) => {
            let asked = Asked {
                path: &path,
                namespace: request.header("x-vault-namespace").unwrap_or_default(),
                token: token.as_ref(),
            };
            answer_of(desk, &asked, &sent, key, begun).await
        }
    })
}

/// Marks a request as being on its way, for equal ones to wait for; until it is dropped.
struct Lead {
    desk: Rc<Desk>,
    key: Key,
    done: Rc<Notify>,
}

impl Lead {
    fn take(desk: &Rc<Desk>, key: Key) -> Self {
        let done = Rc::new(Notify::new());
        desk.underway.borrow_mut().insert(key, Rc::clone(&done));
        Self {
            desk: Rc::clone(desk),
            key,
            done,
        }
    }
}

impl Drop for Lead {
    fn drop(&mut self) {
        self.desk.underway.borrow_mut().remove(&self.key);
        self.done.notify_waiters();
    }
}

fn from_cache(desk: &Desk, key: &Key) -> Option<HttpResponse> {
    let mut cache = desk.cache.borrow_mut();
    let stored = cache.get(key, clock::now())?;
    desk.shared.borrow_mut().counts.hits += 1;
    Some(stored.response(SystemTime::now()))
}

fn failed(desk: &Desk, error: &leasehold_vault::Error) -> Reply {
    desk.shared.borrow_mut().counts.errors += 1;
    desk.log.warn(
        PROXY,
        format!("a request was not answered: {}", answers::kind_name(error)),
    );
    let words = format!("failed to get the response: {error}");
    Reply::Whole(HttpResponse::errors(500, &[&words]))
}

async fn answer_of(
    desk: &Desk,
    asked: &Asked<'_>,
    sent: &[u8],
    key: Option<Key>,
    begun: Begun,
) -> Reply {
    let Begun { first, mut answer } = begun;
    let status = answer.status;
    {
        let counts = &mut desk.shared.borrow_mut().counts;
        match status {
            400..500 => counts.client_errors += 1,
            500.. => counts.errors += 1,
            _ => counts.answered += 1,
        }
        counts.misses += u64::from(status < 300);
    }
    let mut headers = passed_on(&answer.headers);
    if status < 300 {
        headers.push(("X-Cache".to_owned(), "MISS".to_owned()));
    }
    if status == 204 {
        let mut cache = desk.cache.borrow_mut();
        cache.revoked(asked.path, sent, asked.token);
        desk.kept.notify_one();
        return Reply::Whole(HttpResponse {
            status,
            headers,
            body: Zeroizing::default(),
        });
    }
    let length = answer
        .header("content-length")
        .and_then(|text| text.trim().parse().ok());
    let is_json = answer
        .header("content-type")
        .is_some_and(|kind| kind.starts_with("application/json"));
    let looked_into = status < 300 && is_json && (key.is_some() || tells_token(asked.path));
    if !looked_into {
        return Reply::Passing(Box::new(Passing {
            status,
            headers,
            length,
            first,
            rest: answer,
        }));
    }
    let mut body = first;
    loop {
        if body.len() > WHOLE_LIMIT {
            return Reply::Passing(Box::new(Passing {
                status,
                headers,
                length,
                first: body,
                rest: answer,
            }));
        }
        match answer.chunk().await {
            Ok(Some(piece)) => body.extend_from_slice(&Zeroizing::new(piece)),
            Ok(None) => break,
            Err(error) => return failed(desk, &error),
        }
    }
    let agents = desk.shared.borrow().token.clone();
    if let Some(token) = &agents
        && let Some(blank) = blanked(asked.path, &body, token)
    {
        body = blank;
    }
    let response = HttpResponse {
        status,
        headers,
        body,
    };
    if let Some(key) = key {
        let mut cache = desk.cache.borrow_mut();
        let chance = &mut *desk.chance.borrow_mut();
        cache.put(key, asked, &response, clock::now(), chance);
        desk.kept.notify_one();
    }
    Reply::Whole(response)
}

/// The request as it goes on to the server.
fn outgoing(
    desk: &Desk,
    request: &HttpRequest,
    path: &str,
    token: Option<Token>,
) -> Option<Request> {
    let method = Method::from_bytes(request.method.as_bytes()).ok()?;
    let mut outgoing = Request::new(method, path);
    outgoing.query = head::pairs(&request.query);
    outgoing.token = token;
    // An application's namespace is its own: the agent's is not put before it.
    let namespace = request.header("x-vault-namespace").unwrap_or_default();
    outgoing.namespace = Some(namespace.to_owned());
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
        "user-agent",
    ];
    outgoing.headers = request
        .headers
        .iter()
        .filter(|(name, _)| !own.contains(&name.as_str()))
        .cloned()
        .collect();
    let agent = &desk.client.settings().user_agent;
    let named = match request.header("user-agent") {
        Some(theirs) => format!("{agent} ; {theirs}"),
        None => agent.clone(),
    };
    outgoing.headers.push(("user-agent".to_owned(), named));
    Some(outgoing)
}
