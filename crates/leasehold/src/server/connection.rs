//! Connections: taking them, the TLS handshake, HTTP/1 and HTTP/2 over them, and ending them without cutting a
//! review short. Every stage has a deadline, so that slow or silent clients cost a bounded amount. Who makes room when all
//! places are taken is for `places`.

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulConnection;
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt as _;

use crate::server::places::{Place, Places, Usage};

/// Whether the client showed a certificate of the configured authority. A request carries it as an extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// It did, and the handshake verified it.
    Verified,
    /// It showed none.
    Anonymous,
}

/// How often a silent HTTP/2 client is asked for a sign of life, and how long it may take to give one.
const PING: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(10));
/// Most reviews at a time on one HTTP/2 connection.
const STREAMS: u32 = 250;
/// What an HTTP/2 client may send ahead of what is read, for one review and for a connection, in bytes.
const WINDOWS: (u32, u32) = (64 * 1024, 256 * 1024);
/// How long a connection that was asked to leave may take to do so.
const LEAVING: Duration = Duration::from_secs(1);

/// What clients may take, of places and of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most connections at a time. When all places are taken, one that is not in use makes room.
    pub connections: usize,
    /// How long a handshake may take.
    pub handshake: Duration,
    /// How long the head of a request may take, the wait for the first one included.
    pub request_head: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            // With those that are about to leave, fewer than the 1,024 files that many systems let a process have.
            connections: 400,
            handshake: Duration::from_secs(10),
            request_head: Duration::from_secs(30),
        }
    }
}

/// Why the listener cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("failed to listen on `{address}`")]
pub struct ListenError {
    address: String,
    #[source]
    source: io::Error,
}

/// Opens the listener. An address such as `:8080` means every address of the machine, IPv6 and IPv4.
///
/// # Errors
/// When the address cannot be read or is taken.
pub async fn listen(address: &str) -> Result<TcpListener, ListenError> {
    let failed = |source| ListenError {
        address: address.to_owned(),
        source,
    };
    let port = match address.strip_prefix(':') {
        None => return TcpListener::bind(address).await.map_err(failed),
        Some(port) => port
            .parse::<u16>()
            .map_err(|error| failed(io::Error::other(error)))?,
    };
    match TcpListener::bind((Ipv6Addr::UNSPECIFIED, port)).await {
        Ok(listener) => Ok(listener),
        // A machine without IPv6.
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Err(failed(error)),
        Err(_) => TcpListener::bind((Ipv4Addr::UNSPECIFIED, port))
            .await
            .map_err(failed),
    }
}

/// Takes connections and answers their requests with `router` until told to stop.
#[derive(Debug)]
pub struct Connections {
    /// Where they come from.
    pub listener: TcpListener,
    /// How they are encrypted.
    pub tls: Arc<ServerConfig>,
    /// What answers.
    pub router: Router,
    /// What clients may take.
    pub limits: Limits,
}

impl Connections {
    /// Runs until `stop` turns true, then lets requests under way end for at most `drain`. Says how many connections
    /// had to be cut.
    pub async fn run(self, mut stop: watch::Receiver<bool>, drain: Duration) -> usize {
        let acceptor = TlsAcceptor::from(self.tls);
        let places = Places::new(self.limits.connections);
        let mut tasks = JoinSet::new();
        let mut waiting: Option<TcpStream> = None;
        loop {
            if let Some(stream) = waiting.take() {
                match places.take(Instant::now()) {
                    Some(place) => {
                        let connection = Connection {
                            acceptor: acceptor.clone(),
                            router: self.router.clone(),
                            limits: self.limits,
                            stop: stop.clone(),
                            place,
                        };
                        tasks.spawn(connection.run(stream));
                    }
                    None => waiting = Some(stream),
                }
            }
            let accepted = tokio::select! {
                biased;
                () = told_to_stop(&mut stop) => break,
                Some(_) = tasks.join_next() => continue,
                // The second is for those whose answers nobody waits for any more.
                _ = tokio::time::timeout(Duration::from_secs(1), places.changed()), if waiting.is_some() => continue,
                accepted = self.listener.accept(), if waiting.is_none() => accepted,
            };
            match accepted {
                Ok((stream, _)) => waiting = Some(stream),
                Err(error) => {
                    // Out of file descriptors, most likely: connections that end give some back.
                    tracing::warn!(%error, "failed to take a connection");
                    places.make_room(Instant::now());
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
        drop(self.listener);
        let all = async { while tasks.join_next().await.is_some() {} };
        let drained = tokio::time::timeout(drain, all).await;
        let cut = if drained.is_ok() { 0 } else { tasks.len() };
        tasks.shutdown().await;
        cut
    }
}

struct Connection {
    acceptor: TlsAcceptor,
    router: Router,
    limits: Limits,
    stop: watch::Receiver<bool>,
    place: Place,
}

impl Connection {
    async fn run(mut self, stream: TcpStream) {
        // Answers are written in one piece; waiting to fill a packet would only add delay.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "failed to turn off delayed sending");
        }
        let handshake = tokio::time::timeout(self.limits.handshake, self.acceptor.accept(stream));
        let stream = tokio::select! {
            () = self.place.asked_to_leave() => {
                tracing::debug!("a TLS handshake was ended to make room");
                return;
            }
            handshake = handshake => match handshake {
                Ok(Ok(stream)) => stream,
                Ok(Err(error)) => {
                    tracing::debug!(%error, "a TLS handshake failed");
                    return;
                }
                Err(_) => {
                    tracing::debug!("a TLS handshake took too long");
                    return;
                }
            },
        };
        let (_, session) = stream.get_ref();
        let peer = match session.peer_certificates() {
            Some([_, ..]) => Peer::Verified,
            _ => Peer::Anonymous,
        };
        let http2 = session.alpn_protocol() == Some(b"h2");
        let (router, usage) = (self.router.clone(), self.place.usage());
        let service = service_fn(move |request| call(router.clone(), usage.clone(), peer, request));
        let io = TokioIo::new(stream);
        if http2 {
            let mut builder = http2::Builder::new(TokioExecutor::new());
            builder
                .timer(TokioTimer::new())
                .keep_alive_interval(PING.0)
                .keep_alive_timeout(PING.1)
                .max_concurrent_streams(STREAMS)
                .initial_stream_window_size(WINDOWS.0)
                .initial_connection_window_size(WINDOWS.1)
                .max_header_list_size(16 * 1024);
            self.serve(builder.serve_connection(io, service)).await;
        } else {
            let mut builder = http1::Builder::new();
            builder
                .timer(TokioTimer::new())
                .header_read_timeout(self.limits.request_head)
                .max_buf_size(64 * 1024);
            self.serve(builder.serve_connection(io, service)).await;
        }
    }

    /// Serves a connection until it ends, has to make room or is drained.
    async fn serve<C>(mut self, connection: C)
    where
        C: GracefulConnection<Error = hyper::Error>,
    {
        let mut connection = std::pin::pin!(connection);
        let usage = self.place.usage();
        let mut first = std::pin::pin!(tokio::time::sleep(self.limits.request_head));
        let mut awaited = true;
        let patience = loop {
            tokio::select! {
                ended = connection.as_mut() => return told(ended),
                () = self.place.asked_to_leave() => break Some(LEAVING),
                // HTTP/2 knows no such deadline of its own: without this a client that never begins stays for good.
                () = &mut first, if awaited => {
                    awaited = false;
                    if !usage.is_used() {
                        break Some(LEAVING);
                    }
                }
                () = told_to_stop(&mut self.stop) => break None,
            }
        };
        if patience.is_none() && !usage.is_used() {
            // A request may be on its way over a connection that was opened a moment ago.
            if let Ok(ended) = tokio::time::timeout(LEAVING, connection.as_mut()).await {
                return told(ended);
            }
        }
        if !usage.is_used() {
            tracing::debug!("a connection without a request was ended");
            return;
        }
        connection.as_mut().graceful_shutdown();
        match patience {
            None => told(connection.await),
            Some(patience) => {
                if let Ok(ended) = tokio::time::timeout(patience, connection).await {
                    told(ended);
                }
            }
        }
    }
}

/// Returns when it is time to stop, also when nobody is left who could say so.
async fn told_to_stop(stop: &mut watch::Receiver<bool>) {
    drop(stop.wait_for(|stop| *stop).await);
}

fn told(ended: Result<(), hyper::Error>) {
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}

async fn call(
    router: Router,
    usage: Usage,
    peer: Peer,
    mut request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    let _under_way = usage.begin(Instant::now());
    request.extensions_mut().insert(peer);
    router.oneshot(request.map(Body::new)).await
}
