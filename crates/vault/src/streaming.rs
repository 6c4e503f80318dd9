//! Requests and answers that are passed on piece by piece, for whoever stands between an application and the
//! server: nothing of them is kept, so their size does not matter.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use reqwest::header::HeaderMap;
use tokio::sync::mpsc;

use crate::client::headers::retry_after;
use crate::error::Error;

/// At most so many pieces are on their way.
const PIECES: usize = 2;

/// The giving end of a body that is sent while it comes in. Dropping it before all was given breaks the request off
/// where its length is known, and ends it where it is not.
#[derive(Debug)]
pub struct BodySender(mpsc::Sender<Vec<u8>>);

/// The body, for [`crate::Client::open_streaming`].
#[derive(Debug)]
pub struct BodyStream {
    pieces: mpsc::Receiver<Vec<u8>>,
    left: Option<u64>,
}

/// The head of an answer of any status, whose body is still to come.
pub struct OpenAnswer {
    /// The HTTP status.
    pub status: u16,
    /// The headers in their order, names in small letters.
    pub headers: Vec<(String, String)>,
    pub(crate) response: reqwest::Response,
    pub(crate) broken: Box<dyn Fn(reqwest::Error) -> Error>,
}

impl BodyStream {
    /// A body and its giving end; of this length in bytes, where that is known.
    #[must_use]
    pub fn new(length: Option<u64>) -> (BodySender, Self) {
        let (sender, pieces) = mpsc::channel(PIECES);
        let stream = Self {
            pieces,
            left: length,
        };
        (BodySender(sender), stream)
    }
}

impl BodySender {
    /// Gives a piece; false when nobody takes it any more.
    pub async fn give(&self, piece: Vec<u8>) -> bool {
        piece.is_empty() || self.0.send(piece).await.is_ok()
    }
}

impl Body for BodyStream {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Infallible>>> {
        self.pieces.poll_recv(context).map(|piece| {
            let piece = piece?;
            if let Some(left) = &mut self.left {
                *left = left.saturating_sub(u64::try_from(piece.len()).unwrap_or(u64::MAX));
            }
            Some(Ok(Frame::data(Bytes::from(piece))))
        })
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::new, SizeHint::with_exact)
    }

    fn is_end_stream(&self) -> bool {
        self.left == Some(0)
    }
}

impl OpenAnswer {
    /// A header's value; the name in small letters.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(found, _)| found == name)
            .map(|(_, value)| value.as_str())
    }

    /// The pause that the server asks for before the next try.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        retry_after(self.header("retry-after"))
    }

    /// The next piece of the body; none at its end.
    ///
    /// # Errors
    /// The connection broke before the body had ended.
    pub async fn chunk(&mut self) -> Result<Option<Vec<u8>>, Error> {
        let chunk = self.response.chunk().await;
        let chunk = chunk.map_err(|error| (self.broken)(error))?;
        Ok(chunk.map(|bytes| bytes.to_vec()))
    }
}

impl std::fmt::Debug for OpenAnswer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "OpenAnswer({})", self.status)
    }
}

/// The headers of an answer, as texts.
pub(crate) fn texts(headers: &HeaderMap) -> Vec<(String, String)> {
    headers
        .iter()
        .filter_map(|(name, value)| {
            Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))
        })
        .collect()
}
