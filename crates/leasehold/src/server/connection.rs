//! Connections: taking them, the TLS handshake, HTTP/1 and HTTP/2 over them, and ending them without cutting a
//! review short. Every stage has a deadline, so that slow or silent clients cost a bounded amount.

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
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt as _;

/// Whether the client showed a certificate of the configured authority. A request carries it as an extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// It did, and the handshake verified it.
    Verified,
    /// It showed none.
    Anonymous,
}

/// Most connections at a time; later ones wait in the kernel's queue.
const CONNECTIONS: usize = 4_096;
/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long the head of a request may take, the wait for it on a kept connection included.
const REQUEST_HEAD: Duration = Duration::from_secs(30);
/// How often a silent HTTP/2 client is asked for a sign of life, and how long it may take to give one.
const PING: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(10));
/// Most reviews at a time on one HTTP/2 connection.
const STREAMS: u32 = 250;

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
}

impl Connections {
    /// Runs until `stop` turns true, then lets requests under way end for at most `drain`. Says how many connections
    /// had to be cut.
    pub async fn run(self, mut stop: watch::Receiver<bool>, drain: Duration) -> usize {
        let acceptor = TlsAcceptor::from(self.tls);
        let free = Arc::new(Semaphore::new(CONNECTIONS));
        let graceful = GracefulShutdown::new();
        let mut tasks = JoinSet::new();
        loop {
            let permit = tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => break,
                permit = Arc::clone(&free).acquire_owned() => permit,
            };
            let Ok(permit) = permit else { break };
            let accepted = tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => break,
                Some(_) = tasks.join_next() => continue,
                accepted = self.listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, _)) => {
                    let connection = Connection {
                        acceptor: acceptor.clone(),
                        router: self.router.clone(),
                        watcher: graceful.watcher(),
                        _permit: permit,
                    };
                    tasks.spawn(connection.run(stream));
                }
                Err(error) => {
                    // Out of file descriptors, most likely: connections that end give some back.
                    tracing::warn!(%error, "failed to take a connection");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
        drop(self.listener);
        let drained = tokio::time::timeout(drain, graceful.shutdown()).await;
        let cut = if drained.is_ok() { 0 } else { tasks.len() };
        tasks.shutdown().await;
        cut
    }
}

struct Connection {
    acceptor: TlsAcceptor,
    router: Router,
    watcher: Watcher,
    _permit: OwnedSemaphorePermit,
}

impl Connection {
    async fn run(self, stream: TcpStream) {
        // Answers are written in one piece; waiting to fill a packet would only add delay.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "failed to turn off delayed sending");
        }
        let stream = match tokio::time::timeout(HANDSHAKE, self.acceptor.accept(stream)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => {
                tracing::debug!(%error, "a TLS handshake failed");
                return;
            }
            Err(_) => {
                tracing::debug!("a TLS handshake took too long");
                return;
            }
        };
        let (_, session) = stream.get_ref();
        let peer = match session.peer_certificates() {
            Some([_, ..]) => Peer::Verified,
            _ => Peer::Anonymous,
        };
        let http2 = session.alpn_protocol() == Some(b"h2");
        let router = self.router;
        let service = service_fn(move |request| call(router.clone(), peer, request));
        let io = TokioIo::new(stream);
        let ended = if http2 {
            let mut builder = http2::Builder::new(TokioExecutor::new());
            builder
                .timer(TokioTimer::new())
                .keep_alive_interval(PING.0)
                .keep_alive_timeout(PING.1)
                .max_concurrent_streams(STREAMS)
                .max_header_list_size(16 * 1024);
            self.watcher
                .watch(builder.serve_connection(io, service))
                .await
        } else {
            let mut builder = http1::Builder::new();
            builder
                .timer(TokioTimer::new())
                .header_read_timeout(REQUEST_HEAD)
                .max_buf_size(64 * 1024);
            self.watcher
                .watch(builder.serve_connection(io, service))
                .await
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "a connection ended early");
        }
    }
}

async fn call(
    router: Router,
    peer: Peer,
    mut request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    request.extensions_mut().insert(peer);
    router.oneshot(request.map(Body::new)).await
}
