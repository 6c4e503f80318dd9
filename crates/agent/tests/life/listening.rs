//! The listener, as applications meet it.

use leasehold_testkit::{Postgres, wait};
use serde_json::json;

use crate::place::{DATABASE, DEADLINE, Place};

/// One request to the agent's listener; status, head and body.
fn ask(port: u16, request: &str) -> Option<(u16, String, String)> {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).ok()?;
    let (first, rest) = request.split_once("\r\n").unwrap_or((request, ""));
    let text = format!("{first} HTTP/1.1\r\nHost: agent\r\nConnection: close\r\n{rest}\r\n\r\n");
    stream.write_all(text.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some((status, head.to_owned(), body.to_owned()))
}

#[test]
fn answers_applications_with_its_own_token_keeps_leases_and_ends_when_asked() {
    let place = Place::new("1h", "24h");
    let postgres = Postgres::start();
    place.database(&postgres, "60s", "1h");
    place
        .bao
        .write("secret/data/app", &json!({"data": {"k": "one"}}));
    let port = leasehold_testkit::net::Port::reserve();
    let number = port.number();
    place.configure(
        "config.hcl",
        &format!(
            "cache {{ use_auto_auth_token = true }}
             listener \"tcp\" {{
               address = \"127.0.0.1:{number}\" tls_disable = true require_request_header = true
               agent_api {{ enable_quit = true }}
             }}
             leasehold {{ mode = \"native\" }} {DATABASE}"
        ),
    );
    let mut agent = place.start("config.hcl");
    place.await_file("db");
    let with_header = |line: &str| format!("{line}\r\nX-Vault-Request: true");

    let (status, _, body) = ask(number, "GET /v1/secret/data/app").unwrap();
    assert_eq!(status, 412, "{body}");
    let (status, head, body) = ask(number, &with_header("GET /v1/secret/data/app")).unwrap();
    assert_eq!(status, 200, "{body}");
    assert!(
        head.contains("X-Cache: MISS") && body.contains("\"one\""),
        "{head}\n{body}"
    );
    let (status, _, body) = ask(number, &with_header("GET /v1/secret/data/none")).unwrap();
    assert_eq!(status, 404, "{body}");

    let lease = || ask(number, &with_header("GET /v1/database/creds/app")).unwrap();
    let (first, second) = (lease(), lease());
    assert!(
        first.1.contains("X-Cache: MISS") && second.1.contains("X-Cache: HIT"),
        "{}",
        second.1
    );
    assert_eq!(first.2, second.2, "equal requests share a lease");
    let clear = "POST /agent/v1/cache-clear\r\nX-Vault-Request: true\r\nContent-Length: 14\r\n\r\n{\"type\":\"all\"}";
    let (status, ..) = ask(number, clear.trim_end()).unwrap();
    assert_eq!(status, 200);
    assert!(lease().1.contains("X-Cache: MISS"), "cleared");

    let (status, _, body) = ask(number, "GET /agent/v1/metrics?format=prometheus").unwrap();
    assert_eq!(status, 200);
    assert!(body.contains("leasehold_agent_ready 1"), "{body}");
    assert!(!body.contains("database"), "no path is a label: {body}");

    assert_eq!(
        ask(number, &with_header("GET /agent/v1/quit")).unwrap().0,
        405
    );
    assert_eq!(
        ask(number, &with_header("POST /agent/v1/quit")).unwrap().0,
        200
    );
    assert_eq!(agent.ends(), 0);
    wait::until_true("the users are revoked", DEADLINE, || {
        !postgres.users().iter().any(|user| user.starts_with("v-"))
    });
}
