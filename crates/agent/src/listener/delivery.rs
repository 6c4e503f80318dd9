//! Requests of applications on their way to the server: those that are held whole are sent again while it helps, long
//! ones go through piece by piece, once.

use leasehold_vault::{BodyStream, OpenAnswer, Request};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{Instant, sleep_until, timeout, timeout_at},
};
use zeroize::Zeroizing;

use crate::{
    answers,
    listener::{
        Desk, PROXY,
        connection::Connection,
        response::Fault,
        tries::{Brought, Tries},
    },
};

/// So much of the body of a failing answer is kept while the request is tried again, in bytes.
const REFUSAL_LIMIT: usize = 4096;

/// An answer, and what was taken of its body.
pub(super) struct Begun {
    pub(super) first: Zeroizing<Vec<u8>>,
    pub(super) answer: OpenAnswer,
}

impl From<OpenAnswer> for Begun {
    fn from(answer: OpenAnswer) -> Self {
        Self {
            first: Zeroizing::default(),
            answer,
        }
    }
}

/// Sends a request whose body is there, and again while what comes may pass. An application that has gone meanwhile
/// is given what there is.
pub(super) async fn deliver<S: AsyncRead + AsyncWrite + Unpin>(
    desk: &Desk,
    outgoing: &Request,
    connection: &mut Connection<S>,
) -> Result<Begun, leasehold_vault::Error> {
    let mut tries = Tries::new(desk.rules.retries, desk.client.settings().timeout);
    loop {
        let answered = desk.client.open(outgoing, tries.limit()).await;
        let brought = Brought::by(&outgoing.path, &answered);
        let pause = tries.pause(brought, &mut *desk.chance.borrow_mut());
        let mut begun = answered.map(Begun::from);
        let Some(pause) = pause else {
            return begun;
        };
        let next = Instant::now() + pause;
        let why = match &mut begun {
            Ok(begun) => {
                // An answer that was read leaves its connection to the next try.
                let _ = timeout_at(next, begun.read()).await;
                format!("status {}", begun.answer.status)
            }
            Err(error) => answers::kind_name(error).to_owned(),
        };
        desk.log.debug(
            PROXY,
            format!("a request is tried again in {pause:.1?}: {why}"),
        );
        tokio::select! {
            () = sleep_until(next) => {}
            () = connection.left() => {
                let words = "a request is not tried again: the application has gone";
                desk.log.debug(PROXY, words);
                return begun;
            }
        }
    }
}

impl Begun {
    /// Takes what there is of a refusal's body; what is longer than any is left.
    async fn read(&mut self) {
        while self.first.len() < REFUSAL_LIMIT {
            match self.answer.chunk().await {
                Ok(Some(piece)) => self.first.extend_from_slice(&Zeroizing::new(piece)),
                Ok(None) | Err(_) => break,
            }
        }
    }
}

/// Sends a request whose body is still coming in.
pub(super) async fn upload<S: AsyncRead + AsyncWrite + Unpin>(
    desk: &Desk,
    outgoing: &Request,
    length: Option<u64>,
    first: Zeroizing<Vec<u8>>,
    connection: &mut Connection<S>,
) -> Result<Result<OpenAnswer, leasehold_vault::Error>, Fault> {
    let limit = desk.client.settings().timeout;
    let (sender, stream) = BodyStream::new(length);
    let opened = desk.client.open_streaming(outgoing, stream);
    tokio::pin!(opened);
    let sending = async move {
        let mut piece = Some(first);
        while let Some(bytes) = piece {
            // A server that takes nothing any more has answered, or is away.
            match timeout(limit, sender.give(bytes.to_vec())).await {
                Ok(true) => {}
                Ok(false) => break,
                Err(_) => return Err(Fault::Broken),
            }
            piece = connection.next_piece().await?;
        }
        Ok(())
    };
    tokio::pin!(sending);
    tokio::select! {
        // An answer before the body has ended is a refusal, most likely.
        answered = &mut opened => return Ok(answered),
        sent = &mut sending => sent?,
    }
    timeout(limit, opened).await.map_err(|_| Fault::Broken)
}
