//! Just enough of HTTP/1.1 to answer an application on the same pod: requests with bounded heads, bodies that are
//! taken in whole or piece by piece, and answers of both kinds. A whole server library would weigh more than the
//! agent's own code. How a head is read is the business of `head`.

use std::{future::Future, time::Duration};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use zeroize::Zeroizing;

use crate::listener::{
    head::{Framing, HttpRequest, parse_head},
    response::{Fault, HttpResponse, reason},
};

/// The longest head of a request, in bytes.
const HEAD_LIMIT: usize = 64 * 1024;
/// Bodies up to this size, in bytes, are taken in whole; longer ones are passed on as they come.
pub(super) const WHOLE_LIMIT: usize = 256 * 1024;
/// The longest piece of a body, in bytes.
const PIECE: usize = 16 * 1024;
/// A head must come within this time of its first byte.
const HEAD_TIME: Duration = Duration::from_secs(10);
/// A body that is taken in whole must come within this time, and each piece of a longer one.
const BODY_TIME: Duration = Duration::from_secs(30);
/// A client that takes nothing of its answer for so long is left.
const WRITE_TIME: Duration = Duration::from_secs(60);
/// A connection without a request is closed after this time.
const IDLE_TIME: Duration = Duration::from_secs(300);

/// How much of a body is there.
pub(super) enum Taken {
    /// All of it.
    Whole(Zeroizing<Vec<u8>>),
    /// Its beginning; the rest is still on the connection.
    Part(Zeroizing<Vec<u8>>),
}

/// One connection.
pub(super) struct Connection<S> {
    stream: S,
    buffer: Zeroizing<Vec<u8>>,
    /// What the body of the present request still lacks.
    framing: Framing,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    pub(super) fn new(stream: S) -> Self {
        Self {
            stream,
            buffer: Zeroizing::default(),
            framing: Framing::Length(0),
        }
    }

    /// The head of the next request; `None` when there is none any more.
    pub(super) async fn head(&mut self) -> Result<Option<HttpRequest>, Fault> {
        if self.buffer.is_empty() {
            match tokio::time::timeout(IDLE_TIME, self.more()).await {
                Ok(Ok(true)) => {}
                _ => return Ok(None),
            }
        }
        let end = in_time(HEAD_TIME, self.head_end()).await?;
        let head = Zeroizing::new(self.buffer.get(..end).unwrap_or_default().to_vec());
        self.buffer.drain(..end);
        let request = parse_head(&head)?;
        self.framing = request.framing;
        if request
            .header("expect")
            .is_some_and(|value| value.eq_ignore_ascii_case("100-continue"))
        {
            let go_on = b"HTTP/1.1 100 Continue\r\n\r\n";
            in_time(WRITE_TIME, async {
                self.stream
                    .write_all(go_on)
                    .await
                    .map_err(|_| Fault::Broken)
            })
            .await?;
        }
        Ok(Some(request))
    }

    /// Ends the connection in order, which a client over TLS wants to hear.
    pub(super) async fn end(mut self) {
        // Whoever does not take the last words goes without them.
        let _ = tokio::time::timeout(WRITE_TIME, self.stream.shutdown()).await;
    }

    /// Whether the present request's body was taken to its end, so that the next request follows.
    pub(super) fn is_at_end(&self) -> bool {
        self.framing == Framing::Length(0)
    }

    /// The body of the present request, whole where it is not longer than [`WHOLE_LIMIT`].
    pub(super) async fn body(&mut self) -> Result<Taken, Fault> {
        in_time(BODY_TIME, async {
            let mut body = Zeroizing::new(Vec::new());
            loop {
                if body.len() > WHOLE_LIMIT {
                    return Ok(Taken::Part(body));
                }
                match self.piece().await? {
                    Some(piece) => append(&mut body, &piece),
                    None => return Ok(Taken::Whole(body)),
                }
            }
        })
        .await
    }

    /// The next piece of the present request's body, which must come in time; none at its end.
    pub(super) async fn next_piece(&mut self) -> Result<Option<Zeroizing<Vec<u8>>>, Fault> {
        in_time(BODY_TIME, self.piece()).await
    }

    /// Waits until the client has closed its side. What it sends meanwhile is kept for the next request.
    pub(super) async fn left(&mut self) {
        while self.buffer.len() <= HEAD_LIMIT {
            if !self.more().await.unwrap_or_default() {
                return;
            }
        }
        // It has sent so much that it is there, and the rest waits in the kernel.
        std::future::pending::<()>().await;
    }

    /// Writes an answer.
    pub(super) async fn write(&mut self, response: &HttpResponse) -> std::io::Result<()> {
        let length = u64::try_from(response.body.len()).ok();
        self.write_head(response.status, &response.headers, length)
            .await?;
        self.write_bytes(&response.body).await
    }

    /// Writes the head of an answer whose body follows in pieces: of this length, or else in chunks.
    pub(super) async fn write_head(
        &mut self,
        status: u16,
        headers: &[(String, String)],
        length: Option<u64>,
    ) -> std::io::Result<()> {
        let mut head = format!("HTTP/1.1 {status} {}\r\n", reason(status));
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        match length {
            _ if status == 204 || status == 304 => {}
            Some(length) => head.push_str(&format!("Content-Length: {length}\r\n")),
            None => head.push_str("Transfer-Encoding: chunked\r\n"),
        }
        head.push_str("\r\n");
        self.write_bytes(head.as_bytes()).await
    }

    /// Writes bytes of a body of known length.
    pub(super) async fn write_bytes(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        let written = tokio::time::timeout(WRITE_TIME, async {
            self.stream.write_all(bytes).await?;
            self.stream.flush().await
        });
        written
            .await
            .map_err(|_| std::io::Error::from(std::io::ErrorKind::TimedOut))?
    }

    /// Writes a chunk of a body of unknown length; an empty one is its end.
    pub(super) async fn write_chunk(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        let mut chunk = Zeroizing::new(format!("{:x}\r\n", bytes.len()).into_bytes());
        chunk.extend_from_slice(bytes);
        chunk.extend_from_slice(b"\r\n");
        self.write_bytes(&chunk).await
    }

    async fn piece(&mut self) -> Result<Option<Zeroizing<Vec<u8>>>, Fault> {
        loop {
            match self.framing {
                Framing::Length(0) => return Ok(None),
                Framing::Length(left) => {
                    let piece = self.some(left).await?;
                    self.framing = Framing::Length(left - length(&piece));
                    return Ok(Some(piece));
                }
                Framing::Chunk(0) => {
                    let line = self.line().await?;
                    let size = line.split(';').next().unwrap_or_default().trim();
                    let size = u64::from_str_radix(size, 16).map_err(|_| Fault::Malformed)?;
                    if size == 0 {
                        // What may follow are further headers, which mean nothing here.
                        while !self.line().await?.is_empty() {}
                        self.framing = Framing::Length(0);
                    } else {
                        self.framing = Framing::Chunk(size);
                    }
                }
                Framing::Chunk(left) => {
                    let piece = self.some(left).await?;
                    self.framing = Framing::Chunk(left - length(&piece));
                    if left == length(&piece) && !self.line().await?.is_empty() {
                        return Err(Fault::Malformed);
                    }
                    return Ok(Some(piece));
                }
            }
        }
    }

    /// At least one byte and at most `most`.
    async fn some(&mut self, most: u64) -> Result<Zeroizing<Vec<u8>>, Fault> {
        if self.buffer.is_empty() && !self.more().await? {
            return Err(Fault::Broken);
        }
        let count = usize::try_from(most)
            .unwrap_or(usize::MAX)
            .min(self.buffer.len())
            .min(PIECE);
        let taken = self.buffer.get(..count).unwrap_or_default().to_vec();
        self.buffer.drain(..count);
        Ok(Zeroizing::new(taken))
    }

    async fn more(&mut self) -> Result<bool, Fault> {
        let mut chunk = Zeroizing::new([0; 8192]);
        let read = self
            .stream
            .read(&mut *chunk)
            .await
            .map_err(|_| Fault::Broken)?;
        append(&mut self.buffer, chunk.get(..read).unwrap_or_default());
        Ok(read > 0)
    }

    async fn head_end(&mut self) -> Result<usize, Fault> {
        loop {
            if let Some(place) = find(&self.buffer, b"\r\n\r\n") {
                return Ok(place + 4);
            }
            if self.buffer.len() > HEAD_LIMIT {
                return Err(Fault::HeadTooLarge);
            }
            if !self.more().await? {
                return Err(Fault::Broken);
            }
        }
    }

    async fn line(&mut self) -> Result<String, Fault> {
        loop {
            if let Some(place) = find(&self.buffer, b"\r\n") {
                let line = self.buffer.get(..place).unwrap_or_default().to_vec();
                self.buffer.drain(..place + 2);
                return String::from_utf8(line).map_err(|_| Fault::Malformed);
            }
            if self.buffer.len() > HEAD_LIMIT {
                return Err(Fault::HeadTooLarge);
            }
            if !self.more().await? {
                return Err(Fault::Broken);
            }
        }
    }
}

async fn in_time<T>(
    limit: Duration,
    reading: impl Future<Output = Result<T, Fault>>,
) -> Result<T, Fault> {
    tokio::time::timeout(limit, reading)
        .await
        .unwrap_or(Err(Fault::Broken))
}

/// Appends without leaving an unwiped copy behind when the buffer has to move.
fn append(buffer: &mut Zeroizing<Vec<u8>>, bytes: &[u8]) {
    let needed = buffer.len() + bytes.len();
    if needed > buffer.capacity() {
        let mut larger = Zeroizing::new(Vec::with_capacity(needed.max(buffer.capacity() * 2)));
        larger.extend_from_slice(buffer);
        *buffer = larger;
    }
    buffer.extend_from_slice(bytes);
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part)
}

#[cfg(test)]
mod tests;
