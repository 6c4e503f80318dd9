//! Where connections come in: TCP addresses and Unix sockets, with TLS where it is asked for, and no more
//! connections at once than memory allows.

use std::{os::unix::fs::PermissionsExt, path::Path, rc::Rc, sync::Arc, time::Duration};

use leasehold_config::{Endpoint, Listener, UnixSocket};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, UnixListener},
    sync::{OwnedSemaphorePermit, Semaphore},
};

use crate::{
    listener::{
        Desk, PROXY, serve,
        tls::{Identity, ListenerTlsError},
    },
    owners,
};

/// At most so many connections of one listener are open; further ones wait in the kernel.
const CONNECTIONS: usize = 128;
/// How long a TLS handshake may take.
const HANDSHAKE_TIME: Duration = Duration::from_secs(10);

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
    /// Its TLS cannot be set up.
    #[error("failed to prepare TLS for the listener on `{address}`")]
    Tls {
        /// Where.
        address: String,
        /// Why not.
        source: ListenerTlsError,
    },
}

/// A connection of any kind. What answers it would be in the program once for each kind without this.
pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin {}

impl<S: AsyncRead + AsyncWrite + Unpin> Stream for S {}

enum Door {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// Opens a listener and answers on it from now on.
///
/// # Errors
/// The address cannot be listened on, or its TLS cannot be set up.
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
    let identity = listener.tls.as_ref().map(Identity::load).transpose();
    let identity = identity.map_err(|source| ListenerError::Tls {
        address: address.clone(),
        source,
    })?;
    desk.log.info(PROXY, format!("listening on {address}"));
    let hall = Hall {
        rules: Rc::new(listener.clone()),
        identity: identity.map(Rc::new),
        slots: Arc::new(Semaphore::new(CONNECTIONS)),
        desk,
    };
    tokio::task::spawn_local(async move {
        loop {
            // The semaphore is never closed.
            let Ok(slot) = Arc::clone(&hall.slots).acquire_owned().await else {
                return;
            };
            let accepted = match &door {
                Door::Tcp(door) => door.accept().await.map(|(stream, _)| {
                    let _ = stream.set_nodelay(true);
                    hall.meet(Box::new(stream), slot);
                }),
                Door::Unix(door) => door
                    .accept()
                    .await
                    .map(|(stream, _)| hall.meet(Box::new(stream), slot)),
            };
            if let Err(error) = accepted {
                // Too many open files, most likely: a loop would only make it worse.
                hall.desk.log.warn(
                    PROXY,
                    format!("a connection could not be accepted: {error}"),
                );
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    });
    Ok(())
}

/// What all connections of a listener have in common.
struct Hall {
    rules: Rc<Listener>,
    identity: Option<Rc<Identity>>,
    slots: Arc<Semaphore>,
    desk: Rc<Desk>,
}

impl Hall {
    fn meet(&self, stream: Box<dyn Stream>, slot: OwnedSemaphorePermit) {
        let (desk, rules) = (Rc::clone(&self.desk), Rc::clone(&self.rules));
        let Some(identity) = &self.identity else {
            tokio::task::spawn_local(async move {
                serve(stream, desk, rules).await;
                drop(slot);
            });
            return;
        };
        let acceptor = identity.acceptor(&self.desk.log);
        tokio::task::spawn_local(async move {
            match tokio::time::timeout(HANDSHAKE_TIME, acceptor.accept(stream)).await {
                Ok(Ok(stream)) => serve(Box::new(stream), desk, rules).await,
                Ok(Err(error)) => desk
                    .log
                    .debug(PROXY, format!("a TLS handshake failed: {error}")),
                Err(_) => desk.log.debug(PROXY, "a TLS handshake took too long"),
            }
            drop(slot);
        });
    }
}

/// A socket gets its mode and owner before it gets its name, so that nobody else can connect in between.
fn unix(socket: &UnixSocket) -> Result<UnixListener, ListenerError> {
    let listen = |source| ListenerError::Listen {
        address: socket.path.clone(),
        source,
    };
    let owner = |why: String| ListenerError::Owner {
        path: socket.path.clone(),
        why,
    };
    let Some(wanted) = &socket.owner else {
        // A socket that a killed agent left behind is in the way.
        let _ = std::fs::remove_file(&socket.path);
        return UnixListener::bind(&socket.path).map_err(listen);
    };
    let user = owners::user(&wanted.user).map_err(|error| owner(error.to_string()))?;
    let group = owners::group(&wanted.group).map_err(|error| owner(error.to_string()))?;
    let unnamed = format!("{}.new", socket.path);
    let path = Path::new(&unnamed);
    let _ = std::fs::remove_file(path);
    let door = UnixListener::bind(path).map_err(listen)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(wanted.mode))
        .and_then(|()| std::os::unix::fs::chown(path, user, group))
        .and_then(|()| std::fs::rename(path, &socket.path))
        .map_err(|source| {
            let _ = std::fs::remove_file(path);
            listen(source)
        })?;
    Ok(door)
}
