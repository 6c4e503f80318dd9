//! Just enough HTTP/1.1 for measuring: one request after the other on an open connection.

use std::io::{BufRead, BufReader, Read, Write};

use anyhow::{Context, Result, bail};

/// A connection that stays open between requests.
pub(super) struct Connection<S: Read + Write> {
    stream: BufReader<S>,
}

/// An answer.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
}

impl<S: Read + Write> Connection<S> {
    pub(super) fn new(stream: S) -> Self {
        Self {
            stream: BufReader::new(stream),
        }
    }

    /// Sends a request and reads its answer whole.
    pub(super) fn send(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Answer> {
        let mut head = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n",
            body.len()
        );
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        let mut request = head.into_bytes();
        request.extend(body);
        let stream = self.stream.get_mut();
        stream
            .write_all(&request)
            .and_then(|()| stream.flush())
            .with_context(|| format!("failed to send {method} {path}"))?;
        self.answer()
            .with_context(|| format!("failed to read the answer to {method} {path}"))
    }

    fn answer(&mut self) -> Result<Answer> {
        let first = self.line()?;
        let status = first
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok())
            .with_context(|| format!("`{first}` is not the first line of an answer"))?;
        let mut length = 0;
        let mut chunked = false;
        loop {
            let line = self.line()?;
            if line.is_empty() {
                break;
            }
            let Some((name, value)) = line.split_once(':') else {
                bail!("`{line}` is not a header");
            };
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.trim().parse().context("a bad length")?,
                "transfer-encoding" => chunked = value.to_ascii_lowercase().contains("chunked"),
                _ => {}
            }
        }
        let mut body = Vec::new();
        if status == 204 || status == 304 {
            return Ok(Answer { status, body });
        }
        if !chunked {
            body = vec![0; length];
            self.stream.read_exact(&mut body).context("a short body")?;
            return Ok(Answer { status, body });
        }
        loop {
            let line = self.line()?;
            let size = line.split(';').next().unwrap_or_default().trim();
            let size = usize::from_str_radix(size, 16).context("a bad chunk")?;
            let mut chunk = vec![0; size];
            self.stream
                .read_exact(&mut chunk)
                .context("a short chunk")?;
            body.extend(chunk);
            self.line()?;
            if size == 0 {
                return Ok(Answer { status, body });
            }
        }
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        let read = self
            .stream
            .read_line(&mut line)
            .context("the connection broke")?;
        if read == 0 {
            bail!("the connection was closed");
        }
        Ok(line.trim_end_matches(['\r', '\n']).to_owned())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    struct Recorded(Cursor<Vec<u8>>);

    impl Read for Recorded {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            self.0.read(buffer)
        }
    }

    impl Write for Recorded {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn answers_with_a_length_in_chunks_and_without_body_are_read_in_turn() {
        let recorded = b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabc\
            HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nde\r\n1\r\nf\r\n0\r\n\r\n\
            HTTP/1.1 204 No Content\r\n\r\n"
            .to_vec();
        let mut connection = Connection::new(Recorded(Cursor::new(recorded)));
        for (status, body) in [(200, "abc"), (404, "def"), (204, "")] {
            let answer = connection.send("GET", "/", &[], b"").unwrap();
            assert_eq!(
                (answer.status, answer.body.as_slice()),
                (status, body.as_bytes())
            );
        }
        assert!(connection.send("GET", "/", &[], b"").is_err());
    }
}
