//! What goes over the wire, and servers that misbehave: each is played by a few lines that answer
//! a connection.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails where its stage cannot be set"
)]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use leasehold_testkit::scratch::Scratch;
use leasehold_vault::{
    Client, Connections, Failure, NoAnswer, ProxySettings, Redirects, Request, Settings, Token,
    Unusable,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, UnixListener};

/// A server that answers each request on each connection with the next of its answers.
struct Scripted {
    address: String,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Scripted {
    async fn start(answers: Vec<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let answers = Arc::new(Mutex::new(answers.into_iter()));
        let log = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&log), Arc::clone(&answers)));
            }
        });
        Self { address, seen }
    }

    fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }

    fn settings(&self) -> Settings {
        Settings::new(self.address.parse().unwrap())
    }

    fn client(&self) -> Client {
        Client::new(self.settings()).unwrap()
    }
}

async fn serve(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    seen: Arc<Mutex<Vec<String>>>,
    answers: Arc<Mutex<std::vec::IntoIter<String>>>,
) {
    while let Some(request) = receive(&mut stream).await {
        seen.lock().unwrap().push(request);
        let Some(answer) = answers.lock().unwrap().next() else {
            return;
        };
        // What breaks off is the client's to notice.
        if stream.write_all(answer.as_bytes()).await.is_err() || answer.ends_with('…') {
            return;
        }
    }
}

/// One whole request.
async fn receive(stream: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let mut text = String::new();
    let mut buffer = [0; 4096];
    loop {
        if let Some(end) = text.find("\r\n\r\n") {
            let length = text
                .lines()
                .find_map(|line| line.strip_prefix("content-length: ")?.parse().ok())
                .unwrap_or(0);
            if text.len() >= end + 4 + length {
                return Some(text);
            }
        }
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return None,
            Ok(length) => text.push_str(std::str::from_utf8(&buffer[..length]).unwrap()),
        }
    }
}

fn answer(status: &str, headers: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\ncontent-length: {}\r\n{headers}\r\n{body}",
        body.len()
    )
}

fn ok() -> String {
    answer("200 OK", "", r#"{"request_id":"r","data":{"a":"b"}}"#)
}

fn token() -> Token {
    Token::new("hvs.token".to_owned()).unwrap()
}

fn headers(request: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = request
        .split("\r\n")
        .take_while(|l| !l.is_empty())
        .collect();
    lines[1..].sort_unstable();
    lines
}

#[tokio::test]
async fn requests_carry_the_headers_of_the_established_agent_and_no_others() {
    let server = Scripted::start(vec![ok(), ok()]).await;
    let mut settings = server.settings();
    settings.namespace = Some("/teams/a".to_owned());
    settings.user_agent = "agent/1".to_owned();
    let client = Client::new(settings).unwrap();
    client.read(&token(), "secret/data/app", &[]).await.unwrap();
    let mut request = Request::put("auth/jwt/login", &serde_json::json!({"role": "r"}));
    request.namespace = Some("other/".to_owned());
    request.wrap_ttl = Some(Duration::from_secs(60));
    client.call(&request).await.unwrap();

    let host = server.address.trim_start_matches("http://");
    let seen = server.seen();
    assert_eq!(
        headers(&seen[0]),
        [
            "GET /v1/secret/data/app HTTP/1.1",
            "accept: */*",
            &format!("host: {host}"),
            "user-agent: agent/1",
            "x-vault-namespace: teams/a/",
            "x-vault-request: true",
            "x-vault-token: hvs.token",
        ]
    );
    assert_eq!(
        headers(&seen[1]),
        [
            "PUT /v1/auth/jwt/login HTTP/1.1",
            "accept: */*",
            "content-length: 12",
            &format!("host: {host}"),
            "user-agent: agent/1",
            "x-vault-namespace: other/",
            "x-vault-request: true",
            "x-vault-wrap-ttl: 1m0s",
        ]
    );
    assert!(seen[1].ends_with(r#"{"role":"r"}"#));
}

#[tokio::test]
async fn one_redirect_is_followed_with_method_headers_and_body() {
    for status in [
        "301 Moved Permanently",
        "302 Found",
        "307 Temporary Redirect",
    ] {
        let active = Scripted::start(vec![ok()]).await;
        let location = format!("location: {}/v1/auth/x/login?a=b\r\n", active.address);
        let standby = Scripted::start(vec![answer(status, &location, "")]).await;
        let body = serde_json::json!({"role": "r"});
        let request = Request::put("auth/x/login", &body).token(&token());
        standby.client().call(&request).await.unwrap();
        let seen = &active.seen()[0];
        assert!(seen.starts_with("PUT /v1/auth/x/login?a=b "), "{seen}");
        assert!(seen.contains("x-vault-token: hvs.token") && seen.ends_with(r#"{"role":"r"}"#));
    }
}

#[tokio::test]
async fn a_second_redirect_is_not_followed_and_none_when_switched_off() {
    let away = answer("307 Temporary Redirect", "location: /v1/again\r\n", "");
    let server = Scripted::start(vec![away.clone(), away.clone(), away]).await;
    let error = server.client().call(&Request::get("a")).await.unwrap_err();
    assert!(error.to_string().contains("the second in a row"), "{error}");
    assert_eq!(server.seen().len(), 2);
    let mut settings = server.settings();
    settings.redirects = Redirects::None;
    let error = Client::new(settings)
        .unwrap()
        .call(&Request::get("a"))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("switched off"), "{error}");
}

#[tokio::test]
async fn statuses_are_sorted_by_what_they_mean() {
    let errors = r#"{"errors":["the text"]}"#;
    let answers = [
        answer("429 Too Many Requests", "retry-after: 7\r\n", errors),
        answer(
            "503 Service Unavailable",
            "",
            r#"{"errors":["Vault is sealed"]}"#,
        ),
        answer(
            "503 Service Unavailable",
            "retry-after: 2\r\n",
            "<html>down</html>",
        ),
        answer("500 Internal Server Error", "", errors),
        answer("412 Precondition Failed", "", errors),
        answer("403 Forbidden", "", errors),
        answer("404 Not Found", "", r#"{"errors":[]}"#),
    ];
    let server = Scripted::start(answers.to_vec()).await;
    let client = server.client();
    let next = async || client.call(&Request::get("a")).await.unwrap_err();

    let error = next().await;
    assert!(matches!(error.failure, Failure::RateLimited { .. }));
    assert_eq!(error.retry_after(), Some(Duration::from_secs(7)));
    assert!(matches!(next().await.failure, Failure::Sealed(_)));
    let error = next().await;
    assert!(matches!(error.failure, Failure::ServerError { .. }));
    assert_eq!(error.retry_after(), Some(Duration::from_secs(2)));
    assert!(
        error
            .api_text()
            .ends_with("Code: 503. Raw Message:\n\n<html>down</html>")
    );
    for status in [500, 412] {
        let error = next().await;
        assert!(matches!(error.failure, Failure::ServerError { .. }) && !error.is_definite());
        assert_eq!(error.status(), Some(status));
    }
    for status in [403, 404] {
        let error = next().await;
        assert!(error.is_definite());
        assert_eq!(error.status(), Some(status));
    }
}

#[tokio::test]
async fn answers_that_are_not_vaults_are_named_and_not_quoted() {
    let cut = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"data\":…".to_owned();
    let answers = vec![
        answer("200 OK", "", "<html>hunter2</html>"),
        answer("200 OK", "", r#"{"data":{"password":"hunter2""#),
        answer("200 OK", "", ""),
        "nonsense hunter2\r\n\r\n".to_owned(),
        cut,
    ];
    let server = Scripted::start(answers).await;
    let client = server.client();
    let next = async || client.call(&Request::get("a")).await;

    for _ in 0..2 {
        let error = next().await.unwrap_err();
        assert!(matches!(
            error.failure,
            Failure::Unusable {
                reason: Unusable::NotJson(_),
                ..
            }
        ));
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
    assert!(next().await.unwrap().is_none());
    let error = next().await.unwrap_err();
    assert!(matches!(error.failure, Failure::NoAnswer { .. }), "{error}");
    let error = next().await.unwrap_err();
    assert!(
        matches!(
            error.failure,
            Failure::NoAnswer {
                why: NoAnswer::CutShort,
                ..
            }
        ),
        "{error:?}"
    );
}

#[tokio::test]
async fn large_answers_are_refused_whether_they_announce_themselves_or_not() {
    let body = "x".repeat(2000);
    let chunked =
        format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n7d0\r\n{body}\r\n0\r\n\r\n");
    let server = Scripted::start(vec![answer("200 OK", "", &body), chunked]).await;
    let mut settings = server.settings();
    settings.answer_limit = 1000;
    let client = Client::new(settings).unwrap();
    for _ in 0..2 {
        let error = client.call(&Request::get("a")).await.unwrap_err();
        assert!(matches!(
            error.failure,
            Failure::Unusable {
                reason: Unusable::TooLarge(1000),
                ..
            }
        ));
    }
}

#[tokio::test]
async fn a_server_that_trickles_is_given_up_in_time() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        receive(&mut stream).await.unwrap();
        let head = "HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n";
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut pace = tokio::time::interval(Duration::from_millis(20));
        loop {
            pace.tick().await;
            if stream.write_all(b"x").await.is_err() {
                return;
            }
        }
    });
    let mut settings = Settings::new(address.parse().unwrap());
    settings.timeout = Duration::from_millis(300);
    let error = Client::new(settings)
        .unwrap()
        .call(&Request::get("a"))
        .await
        .unwrap_err();
    assert!(matches!(
        error.failure,
        Failure::NoAnswer {
            why: NoAnswer::TimedOut(_),
            ..
        }
    ));
}

#[tokio::test]
async fn names_and_ports_that_lead_nowhere_are_told_apart() {
    let reach = async |address: &str| {
        let client = Client::new(Settings::new(address.parse().unwrap())).unwrap();
        client
            .call(&Request::get("a"))
            .await
            .unwrap_err()
            .to_string()
    };
    let error = reach("http://no-such-host.invalid:8200").await;
    assert!(
        error.ends_with("no answer: the host's name cannot be resolved"),
        "{error}"
    );
    let port = leasehold_testkit::net::Port::reserve();
    let error = reach(&format!("http://127.0.0.1:{}", port.number())).await;
    assert!(error.ends_with("no answer: connection refused"), "{error}");
}

#[tokio::test]
async fn one_connection_serves_requests_one_after_another_unless_it_shall_be_closed() {
    for (kept, header) in [(Connections::Kept, false), (Connections::Closed, true)] {
        let server = Scripted::start(vec![ok(), ok()]).await;
        let mut settings = server.settings();
        settings.connections = kept;
        let client = Client::new(settings).unwrap();
        for _ in 0..2 {
            client.call(&Request::get("a")).await.unwrap();
        }
        for seen in server.seen() {
            assert_eq!(seen.contains("connection: close"), header, "{seen}");
        }
    }
}

#[tokio::test]
async fn requests_that_are_passed_on_keep_to_the_rate_as_all_others_do() {
    let server = Scripted::start(vec![ok(), ok()]).await;
    let mut settings = server.settings();
    settings.rate_limit = "2:1".parse().ok();
    let client = Client::new(settings).unwrap();
    let begun = std::time::Instant::now();
    client.call(&Request::get("a")).await.unwrap();
    let limit = Duration::from_secs(10);
    let opened = client.open(&Request::get("a"), limit).await.unwrap();
    assert_eq!(opened.status, 200);
    assert!(begun.elapsed() >= Duration::from_millis(400));
}

#[tokio::test]
async fn a_proxy_is_used_where_the_settings_say_so() {
    let proxy = Scripted::start(vec![ok()]).await;
    let mut settings = Settings::new("http://vault.example:8200".parse().unwrap());
    settings.proxy = ProxySettings {
        http: Some(proxy.address.clone()),
        none_for: Some("other.example".to_owned()),
        ..ProxySettings::default()
    };
    Client::new(settings)
        .unwrap()
        .call(&Request::get("a"))
        .await
        .unwrap();
    let seen = &proxy.seen()[0];
    assert!(
        seen.starts_with("GET http://vault.example:8200/v1/a "),
        "{seen}"
    );
}

#[tokio::test]
async fn a_unix_socket_is_an_address_too() {
    let folder = Scratch::new("socket");
    let path = folder.join("vault.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        serve(stream, log, Arc::new(Mutex::new(vec![ok()].into_iter()))).await;
    });
    let address = format!("unix://{}", path.display());
    let client = Client::new(Settings::new(address.parse().unwrap())).unwrap();
    client.call(&Request::get("a b")).await.unwrap();
    assert!(seen.lock().unwrap()[0].starts_with("GET /v1/a%20b "));
}

#[tokio::test]
async fn proxied_requests_pass_whole_with_any_status() {
    let teapot = answer("418 I'm a teapot", "x-custom: yes\r\n", "short");
    let server = Scripted::start(vec![teapot]).await;
    let mut request = Request::new(leasehold_vault::Method::POST, "a/b");
    request.query.push(("list".to_owned(), "true".to_owned()));
    request
        .headers
        .push(("X-From".to_owned(), "app".to_owned()));
    let answer = server.client().forward(&request).await.unwrap();
    assert_eq!(
        (answer.status, answer.header("x-custom")),
        (418, Some("yes"))
    );
    assert_eq!(answer.body.as_slice(), b"short");
    let seen = &server.seen()[0];
    assert!(seen.starts_with("POST /v1/a/b?list=true ") && seen.contains("x-from: app"));
}
