//! A proxy that counts the requests which go through it and changes nothing.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use anyhow::{Context, Result};

/// A proxy before a server on this machine. Its threads end with the program.
pub(super) struct CountingProxy {
    pub(super) address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
}

impl CountingProxy {
    pub(super) fn start(server: SocketAddr) -> Result<Self> {
        let listener =
            TcpListener::bind("127.0.0.1:0").context("failed to listen for the proxy")?;
        let address = listener
            .local_addr()
            .context("failed to learn the proxy's address")?;
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let seen = Arc::clone(&seen);
                if let Ok(upstream) = TcpStream::connect(server) {
                    thread::spawn(move || relay(&client, &upstream, &seen));
                }
            }
        });
        Ok(Self { address, requests })
    }

    /// Forgets what was counted.
    pub(super) fn reset(&self) {
        self.list().clear();
    }

    /// The requests since the last reset, as `METHOD /path`.
    pub(super) fn requests(&self) -> Vec<String> {
        self.list().clone()
    }

    fn list(&self) -> std::sync::MutexGuard<'_, Vec<String>> {
        self.requests
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// Copies both ways until one side closes.
fn relay(client: &TcpStream, upstream: &TcpStream, seen: &Mutex<Vec<String>>) {
    let (Ok(mut back_from), Ok(mut back_to)) = (upstream.try_clone(), client.try_clone()) else {
        return;
    };
    let _ = client.set_nodelay(true);
    let _ = upstream.set_nodelay(true);
    let back = thread::spawn(move || {
        let _ = std::io::copy(&mut back_from, &mut back_to);
        let _ = back_to.shutdown(std::net::Shutdown::Both);
    });
    let _ = forward(BufReader::new(client), upstream, |line| {
        let mut list = seen
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        list.push(line);
    });
    let _ = upstream.shutdown(std::net::Shutdown::Both);
    let _ = back.join();
}

/// Copies requests and tells the first line of each.
fn forward(
    mut from: impl BufRead,
    mut to: impl Write,
    mut tell: impl FnMut(String),
) -> std::io::Result<()> {
    loop {
        let mut head = Vec::new();
        if from.read_until(b'\n', &mut head)? == 0 {
            return Ok(());
        }
        let first = String::from_utf8_lossy(&head).into_owned();
        let words: Vec<&str> = first.split_whitespace().take(2).collect();
        tell(words.join(" "));
        let mut length = 0_u64;
        loop {
            let start = head.len();
            if from.read_until(b'\n', &mut head)? == 0 {
                return Ok(());
            }
            let line = String::from_utf8_lossy(head.get(start..).unwrap_or_default()).into_owned();
            if line.trim().is_empty() {
                break;
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().unwrap_or_default();
            }
        }
        to.write_all(&head)?;
        std::io::copy(&mut (&mut from).take(length), &mut to)?;
        to.flush()?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_told_and_copied_byte_for_byte() {
        let sent = b"PUT /v1/a HTTP/1.1\r\nContent-Length: 12\r\n\r\nGET /no HTTPGET /v1/b HTTP/1.1\r\n\r\n";
        let mut copied = Vec::new();
        let mut told = Vec::new();
        forward(&sent[..], &mut copied, |line| told.push(line)).unwrap();
        assert_eq!(copied, sent);
        assert_eq!(told, ["PUT /v1/a", "GET /v1/b"]);
    }
}
