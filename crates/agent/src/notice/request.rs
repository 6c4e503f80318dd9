//! A request to a port of the pod itself, and the status that comes back. Nothing else of the answer is read: its
//! body is the application's business, and may be anything.

use std::{io, time::Duration};

use leasehold_config::LocalRequest;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// The status stands within so many bytes, or it is no HTTP.
const STATUS_LIMIT: usize = 4096;

/// Why the application was not told.
#[derive(Debug, thiserror::Error)]
pub(super) enum RequestError {
    /// Nobody listens.
    #[error("nobody listens there: {0}")]
    Unreachable(io::Error),
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Broken(io::Error),
    /// There is no answer.
    #[error("there was no answer within {0:?}")]
    TimedOut(Duration),
    /// The answer is no HTTP.
    #[error("the answer is no HTTP")]
    NotHttp,
    /// The application refuses.
    #[error("the answer is {0}, and 200 to 299 is accepted")]
    Refused(u16),
}

/// Sends the request once; returns the status of a success.
pub(super) async fn send(request: &LocalRequest, timeout: Duration) -> Result<u16, RequestError> {
    let answered = tokio::time::timeout(timeout, exchange(request)).await;
    match answered.unwrap_or(Err(RequestError::TimedOut(timeout)))? {
        status @ 200..300 => Ok(status),
        status => Err(RequestError::Refused(status)),
    }
}

async fn exchange(request: &LocalRequest) -> Result<u16, RequestError> {
    // Written out, so that no resolver can lead the request out of the pod.
    let hosts: &[&str] = match request.host.as_str() {
        "127.0.0.1" => &["127.0.0.1"],
        "[::1]" => &["::1"],
        _ => &["127.0.0.1", "::1"],
    };
    let mut reached = Err(RequestError::NotHttp);
    for host in hosts {
        reached = TcpStream::connect((*host, request.port))
            .await
            .map_err(RequestError::Unreachable);
        if reached.is_ok() {
            break;
        }
    }
    let mut stream = reached?;
    let head = format!(
        "{} {} HTTP/1.1\r\nHost: {}:{}\r\nUser-Agent: {}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        request.method,
        request.path,
        request.host,
        request.port,
        concat!("leasehold-agent/", env!("CARGO_PKG_VERSION")),
    );
    stream
        .write_all(head.as_bytes())
        .await
        .map_err(RequestError::Broken)?;
    let mut answer = Vec::new();
    loop {
        if let Some(status) = status_of(&answer)? {
            return Ok(status);
        }
        if answer.len() > STATUS_LIMIT {
            return Err(RequestError::NotHttp);
        }
        let read = stream
            .read_buf(&mut answer)
            .await
            .map_err(RequestError::Broken)?;
        if read == 0 {
            return Err(RequestError::NotHttp);
        }
    }
}

/// The final status, once its line is there; answers of the 100s come before it.
fn status_of(answer: &[u8]) -> Result<Option<u16>, RequestError> {
    let text = String::from_utf8_lossy(answer);
    let mut rest = text.as_ref();
    while let Some((line, _)) = rest.split_once("\r\n") {
        let status: u16 = line
            .strip_prefix("HTTP/1.")
            .and_then(|rest| rest.split(' ').nth(1)?.parse().ok())
            .ok_or(RequestError::NotHttp)?;
        if status >= 200 {
            return Ok(Some(status));
        }
        let Some((_, after)) = rest.split_once("\r\n\r\n") else {
            break;
        };
        rest = after;
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    /// What comes of a request that is answered so; the request's head beside it.
    fn check(answer: &'static [u8]) -> (Result<u16, String>, String) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let door = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let port = door.local_addr().unwrap().port();
            let application = async {
                let (mut stream, _) = door.accept().await.unwrap();
                let mut asked = [0; 1024];
                let read = stream.read(&mut asked).await.unwrap();
                stream.write_all(answer).await.unwrap();
                String::from_utf8_lossy(&asked[..read]).into_owned()
            };
            let request = LocalRequest::parse(&format!("http://localhost:{port}/reload?x=1"));
            let (request, limit) = (request.unwrap(), Duration::from_secs(30));
            let (sent, asked) = tokio::join!(send(&request, limit), application);
            (sent.map_err(|error| error.to_string()), asked)
        })
    }

    #[test]
    fn tells_the_status_that_the_application_answers() {
        let (sent, asked) = check(b"HTTP/1.1 204 No Content\r\n\r\n");
        assert_eq!(sent, Ok(204));
        assert!(
            asked.starts_with("POST /reload?x=1 HTTP/1.1\r\nHost: localhost:"),
            "{asked}"
        );
        let (sent, _) = check(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\nsecret");
        assert_eq!(sent, Ok(200));
        for (answer, words) in [
            (&b"HTTP/1.1 500 No\r\n\r\n"[..], "the answer is 500"),
            (
                b"HTTP/1.0 302 Found\r\nLocation: http://x/\r\n\r\n",
                "the answer is 302",
            ),
            (b"SSH-2.0-x\r\n", "is no HTTP"),
            (b"", "is no HTTP"),
        ] {
            let error = check(answer).0.unwrap_err();
            assert!(error.contains(words), "{error}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn does_not_wait_longer_than_it_may() {
        let door = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = door.local_addr().unwrap().port();
        let request = LocalRequest::parse(&format!("http://127.0.0.1:{port}")).unwrap();
        let limit = Duration::from_secs(5);
        let error = send(&request, limit).await.unwrap_err();
        assert_eq!(error.to_string(), "there was no answer within 5s");
    }
}
