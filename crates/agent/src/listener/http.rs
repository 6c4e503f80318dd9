//! Just enough of HTTP/1.1 to answer an application on the same pod: requests with bounded heads and bodies,
//! answers with a known length. A whole server library would weigh more than the agent's own code.

use std::time::Duration;

use leasehold_vault::RawAnswer;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use zeroize::Zeroizing;

/// The longest head of a request, in bytes.
const HEAD_LIMIT: usize = 64 * 1024;
/// The longest body, as the server itself limits it, in bytes.
const BODY_LIMIT: usize = 32 * 1024 * 1024;
/// A head must come within this time of its first byte, and the body after it within the next.
const HEAD_TIME: Duration = Duration::from_secs(10);
const BODY_TIME: Duration = Duration::from_secs(30);
/// A connection without a request is closed after this time.
const IDLE_TIME: Duration = Duration::from_secs(300);

/// A request.
#[derive(Debug)]
pub(super) struct HttpRequest {
    pub(super) method: String,
    /// Escaped, as it came.
    pub(super) path: String,
    /// What stands after `?`, escaped.
    pub(super) query: String,
    /// Names in small letters.
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Zeroizing<Vec<u8>>,
    keeps: bool,
}

/// An answer.
#[derive(Debug, Clone)]
pub(super) struct HttpResponse {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Zeroizing<Vec<u8>>,
}

/// What is wrong with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// It is no HTTP/1.1.
    Malformed,
    /// Its head is too long.
    HeadTooLarge,
    /// Its body is too long.
    BodyTooLarge,
    /// It did not come in time, or not whole.
    Broken,
}

/// One connection.
pub(super) struct Connection<S> {
    stream: S,
    buffer: Zeroizing<Vec<u8>>,
}

impl HttpRequest {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    pub(super) const fn keeps_connection(&self) -> bool {
        self.keeps
    }
}

impl HttpResponse {
    pub(super) fn empty(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Zeroizing::default(),
        }
    }

    pub(super) fn text(status: u16, kind: &str, text: String) -> Self {
        let headers = vec![("Content-Type".to_owned(), kind.to_owned())];
        Self {
            status,
            headers,
            body: Zeroizing::new(text.into_bytes()),
        }
    }

    /// An error in the server's own form.
    pub(super) fn errors(status: u16, errors: &[&str]) -> Self {
        let text = serde_json::json!({ "errors": errors }).to_string();
        Self::text(status, "application/json", text)
    }

    /// The server's answer, passed on.
    pub(super) fn of(answer: &RawAnswer) -> Self {
        let own = [
            "connection",
            "content-length",
            "transfer-encoding",
            "keep-alive",
        ];
        let passed = answer
            .headers
            .iter()
            .filter(|(name, _)| !own.contains(&name.as_str()));
        Self {
            status: answer.status,
            headers: passed.cloned().collect(),
            body: answer.body.clone(),
        }
    }
}

impl Fault {
    pub(super) fn response(self) -> HttpResponse {
        match self {
            Self::Malformed => HttpResponse::errors(400, &["the request is no HTTP/1.1"]),
            Self::HeadTooLarge => HttpResponse::errors(431, &["the request's head is too large"]),
            Self::BodyTooLarge => HttpResponse::errors(413, &["the request's body is too large"]),
            Self::Broken => HttpResponse::errors(408, &["the request did not come whole in time"]),
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    pub(super) fn new(stream: S) -> Self {
        Self {
            stream,
            buffer: Zeroizing::default(),
        }
    }

    /// The next request; `None` when there is none any more.
    pub(super) async fn read(&mut self) -> Result<Option<HttpRequest>, Fault> {
        if self.buffer.is_empty() {
            match tokio::time::timeout(IDLE_TIME, self.more()).await {
                Ok(Ok(true)) => {}
                _ => return Ok(None),
            }
        }
        let end = tokio::time::timeout(HEAD_TIME, self.head_end()).await;
        let end = end.map_err(|_| Fault::Broken)??;
        let head = self.buffer.get(..end).unwrap_or_default().to_vec();
        self.buffer.drain(..end);
        let mut request = parse_head(&head)?;
        let body = tokio::time::timeout(BODY_TIME, self.body(&request)).await;
        request.body = body.map_err(|_| Fault::Broken)??;
        Ok(Some(request))
    }

    pub(super) async fn write(&mut self, response: &HttpResponse) -> std::io::Result<()> {
        let mut head = format!(
            "HTTP/1.1 {} {}\r\n",
            response.status,
            reason(response.status)
        );
        for (name, value) in &response.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if response.status != 204 {
            head.push_str(&format!("Content-Length: {}\r\n", response.body.len()));
        }
        head.push_str("\r\n");
        self.stream.write_all(head.as_bytes()).await?;
        self.stream.write_all(&response.body).await?;
        self.stream.flush().await
    }

    async fn more(&mut self) -> Result<bool, Fault> {
        let mut chunk = Zeroizing::new([0; 8192]);
        let read = self
            .stream
            .read(&mut *chunk)
            .await
            .map_err(|_| Fault::Broken)?;
        self.buffer
            .extend_from_slice(chunk.get(..read).unwrap_or_default());
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

    async fn body(&mut self, request: &HttpRequest) -> Result<Zeroizing<Vec<u8>>, Fault> {
        if request
            .header("expect")
            .is_some_and(|value| value.eq_ignore_ascii_case("100-continue"))
        {
            let go_on = b"HTTP/1.1 100 Continue\r\n\r\n";
            self.stream
                .write_all(go_on)
                .await
                .map_err(|_| Fault::Broken)?;
        }
        match request.header("transfer-encoding") {
            Some(coding) if coding.eq_ignore_ascii_case("chunked") => self.chunks().await,
            Some(_) => Err(Fault::Malformed),
            None => {
                let length = match request.header("content-length") {
                    None => 0,
                    Some(text) => text.trim().parse().map_err(|_| Fault::Malformed)?,
                };
                self.take(length).await
            }
        }
    }

    async fn take(&mut self, length: usize) -> Result<Zeroizing<Vec<u8>>, Fault> {
        if length > BODY_LIMIT {
            return Err(Fault::BodyTooLarge);
        }
        while self.buffer.len() < length {
            if !self.more().await? {
                return Err(Fault::Broken);
            }
        }
        let taken = self.buffer.get(..length).unwrap_or_default().to_vec();
        self.buffer.drain(..length);
        Ok(Zeroizing::new(taken))
    }

    async fn line(&mut self) -> Result<String, Fault> {
        loop {
            if let Some(place) = find(&self.buffer, b"\r\n") {
                let line = self.take(place + 2).await?;
                let line = line.get(..place).unwrap_or_default();
                return String::from_utf8(line.to_vec()).map_err(|_| Fault::Malformed);
            }
            if self.buffer.len() > HEAD_LIMIT {
                return Err(Fault::HeadTooLarge);
            }
            if !self.more().await? {
                return Err(Fault::Broken);
            }
        }
    }

    async fn chunks(&mut self) -> Result<Zeroizing<Vec<u8>>, Fault> {
        let mut body = Zeroizing::new(Vec::new());
        loop {
            let line = self.line().await?;
            let size = line.split(';').next().unwrap_or_default().trim();
            let size = usize::from_str_radix(size, 16).map_err(|_| Fault::Malformed)?;
            if size > BODY_LIMIT || body.len() + size > BODY_LIMIT {
                return Err(Fault::BodyTooLarge);
            }
            if size == 0 {
                // What may follow are further headers, which mean nothing here.
                while !self.line().await?.is_empty() {}
                return Ok(body);
            }
            body.extend_from_slice(&self.take(size).await?);
            if !self.line().await?.is_empty() {
                return Err(Fault::Malformed);
            }
        }
    }
}

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part)
}

fn parse_head(head: &[u8]) -> Result<HttpRequest, Fault> {
    let head = std::str::from_utf8(head).map_err(|_| Fault::Malformed)?;
    let mut lines = head.trim_end().split("\r\n");
    let mut words = lines.next().unwrap_or_default().split(' ');
    let (Some(method), Some(target), Some(version), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(Fault::Malformed);
    };
    let is_word =
        |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphabetic());
    if !is_word(method) || !target.starts_with('/') || !version.starts_with("HTTP/1.") {
        return Err(Fault::Malformed);
    }
    let mut headers = Vec::new();
    for line in lines {
        let (name, value) = line.split_once(':').ok_or(Fault::Malformed)?;
        if name.is_empty() || name.contains(char::is_whitespace) {
            return Err(Fault::Malformed);
        }
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let counts = |name: &str| headers.iter().filter(|(known, _)| known == name).count();
    // Two lengths, or a length beside chunks, are how requests are smuggled.
    let lengths = counts("content-length");
    if lengths > 1 || (lengths == 1 && counts("transfer-encoding") > 0) {
        return Err(Fault::Malformed);
    }
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let connection = headers.iter().find(|(name, _)| name == "connection");
    let said = connection
        .map(|(_, value)| value.to_ascii_lowercase())
        .unwrap_or_default();
    let keeps = if version == "HTTP/1.0" {
        said == "keep-alive"
    } else {
        said != "close"
    };
    Ok(HttpRequest {
        method: method.to_owned(),
        path: path.to_owned(),
        query: query.to_owned(),
        headers,
        body: Zeroizing::default(),
        keeps,
    })
}

const fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        204 => "No Content",
        400 => "Bad Request",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        412 => "Precondition Failed",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        _ => "Status",
    }
}

/// The pairs of a query.
pub(super) fn pairs(query: &str) -> Vec<(String, String)> {
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (
                unescaped(&key.replace('+', " ")),
                unescaped(&value.replace('+', " ")),
            )
        })
        .collect()
}

/// A text without its escapes.
pub(super) fn unescaped(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let digit = |byte: &u8| char::from(*byte).to_digit(16);
        let escaped = match (first, after) {
            (b'%', [high, low, tail @ ..]) => digit(high)
                .zip(digit(low))
                .map(|(high, low)| (high * 16 + low, tail)),
            _ => None,
        };
        let (byte, tail) = match escaped {
            Some((byte, tail)) => (u8::try_from(byte).unwrap_or_default(), tail),
            None => (first, after),
        };
        bytes.push(byte);
        rest = tail;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Option<HttpRequest>, Fault> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        runtime.block_on(async {
            let (ours, mut theirs) = tokio::io::duplex(1 << 20);
            theirs.write_all(text.as_bytes()).await.unwrap();
            drop(theirs);
            Connection::new(ours).read().await
        })
    }

    #[test]
    fn reads_bodies_with_a_length_and_in_chunks() {
        let request =
            read("PUT /v1/a%20b?x=1 HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabcEXTRA")
                .unwrap()
                .unwrap();
        assert_eq!(
            (request.method.as_str(), request.path.as_str()),
            ("PUT", "/v1/a%20b")
        );
        assert_eq!(request.query, "x=1");
        assert_eq!(&*request.body, b"abc");
        assert!(request.keeps_connection());
        let request = read(
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n3\r\nabc\r\n2;x\r\nde\r\n0\r\n\r\n",
        );
        let request = request.unwrap().unwrap();
        assert_eq!(&*request.body, b"abcde");
        assert!(!request.keeps_connection());
    }

    #[test]
    fn refuses_what_is_no_request_or_could_be_read_in_two_ways() {
        for (text, fault) in [
            ("hello\r\n\r\n", Fault::Malformed),
            ("GET / HTTP/2\r\n\r\n", Fault::Malformed),
            ("GET http://x/ HTTP/1.1\r\n\r\n", Fault::Malformed),
            ("GET / HTTP/1.1\r\nbroken\r\n\r\n", Fault::Malformed),
            (
                "GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
                Fault::Malformed,
            ),
            (
                "GET / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
                Fault::Malformed,
            ),
            (
                "GET / HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n",
                Fault::BodyTooLarge,
            ),
            (
                "GET / HTTP/1.1\r\nContent-Length: 5\r\n\r\nabc",
                Fault::Broken,
            ),
            ("GET / HTTP/1.1\r\nHost", Fault::Broken),
        ] {
            assert_eq!(read(text).unwrap_err(), fault, "{text:?}");
        }
        assert!(read("").unwrap().is_none());
        assert_eq!(
            read(&format!("GET /{} HTTP/1.1", "x".repeat(70_000))).unwrap_err(),
            Fault::HeadTooLarge
        );
    }
}
