//! The platform and the server, played by one small HTTP server.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use leasehold_vault::{Client, LoggedIn, Login, LoginError, MethodSettings, Settings};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A request as the platform or the server saw it.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) method: String,
    /// The path without the query.
    pub(crate) path: String,
    /// The query's pairs, or those of a form in the body.
    pub(crate) pairs: BTreeMap<String, String>,
    /// Names in small letters.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    pub(crate) fn pair(&self, name: &str) -> &str {
        self.pairs.get(name).map_or("", String::as_str)
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// What the request asks, in short: `GET /path`.
    pub(crate) fn line(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

type Script = Arc<dyn Fn(&Seen) -> (u16, String) + Send + Sync>;

/// A running stage: its script answers, everything is written down.
pub(crate) struct Stage {
    pub(crate) address: String,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Stage {
    pub(crate) async fn start(
        script: impl Fn(&Seen) -> (u16, String) + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let (log, script): (_, Script) = (Arc::clone(&seen), Arc::new(script));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&log), Arc::clone(&script)));
            }
        });
        Self { address, seen }
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.seen().iter().map(Seen::line).collect()
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(Settings::new(self.address.parse().unwrap())).unwrap()
    }

    /// Logs in once.
    pub(crate) async fn log_in(&self, login: &mut Login) -> Result<(), LoginError> {
        match login.log_in(&self.client()).await? {
            LoggedIn::Token(auth) => {
                assert_eq!(auth.client_token.expose(), "hvs.cloud");
                Ok(())
            }
            other => panic!("a token, not {other:?}"),
        }
    }
}

/// A login of a kind with these settings in this environment.
pub(crate) fn login(kind: &str, config: &[(&str, &str)], environment: &[(&str, &str)]) -> Login {
    let pairs = config.iter();
    Login::new(&MethodSettings {
        kind: kind.to_owned(),
        config: pairs
            .map(|&(key, value)| (key.to_owned(), value.to_owned()))
            .collect(),
        environment: environment.iter().copied().collect(),
        ..MethodSettings::default()
    })
    .unwrap()
}

/// The server's answer to a login that it accepts.
pub(crate) fn token() -> (u16, String) {
    let auth = json!({"client_token": "hvs.cloud", "lease_duration": 3600, "renewable": true});
    (200, json!({"request_id": "r", "auth": auth}).to_string())
}

pub(crate) fn refused(why: &str) -> (u16, String) {
    (400, json!({"errors": [why]}).to_string())
}

async fn serve(mut stream: TcpStream, log: Arc<Mutex<Vec<Seen>>>, script: Script) {
    let mut text = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        if let Some((seen, length)) = parse(&text) {
            text.drain(..length);
            let (status, body) = script(&seen);
            log.lock().unwrap().push(seen);
            let answer = format!(
                "HTTP/1.1 {status} Played\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            );
            if stream.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
            continue;
        }
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(length) => text.extend_from_slice(&buffer[..length]),
        }
    }
}

/// The first whole request and its length.
fn parse(bytes: &[u8]) -> Option<(Seen, usize)> {
    let text = std::str::from_utf8(bytes).ok()?;
    let (head, rest) = text.split_once("\r\n\r\n")?;
    let mut lines = head.split("\r\n");
    let mut first = lines.next()?.split(' ');
    let (method, target) = (first.next()?, first.next()?);
    let headers: BTreeMap<String, String> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let length: usize = headers
        .get("content-length")
        .map_or(0, |text| text.parse().unwrap());
    let body = rest.get(..length)?;
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let is_form = headers
        .get("content-type")
        .is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"));
    let pairs = if is_form { body } else { query };
    let pairs = pairs.split('&').filter_map(|pair| pair.split_once('='));
    let seen = Seen {
        method: method.to_owned(),
        path: path.to_owned(),
        pairs: pairs
            .map(|(key, value)| (key.to_owned(), unescaped(value)))
            .collect(),
        headers,
        body: body.to_owned(),
    };
    Some((seen, head.len() + 4 + length))
}

fn unescaped(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        if first == b'%' {
            let digits = std::str::from_utf8(&after[..2]).unwrap();
            bytes.push(u8::from_str_radix(digits, 16).unwrap());
            rest = &after[2..];
        } else {
            bytes.push(if first == b'+' { b' ' } else { first });
        }
    }
    String::from_utf8(bytes).unwrap()
}
