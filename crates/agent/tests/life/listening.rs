//! The listener, as applications meet it.

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
};

use leasehold_testkit::{
    Postgres,
    net::{Identity, Port},
    wait,
};
use serde_json::json;

use crate::{
    between::{Between, Reaction, held},
    place::{Agent, DATABASE, DEADLINE, Place},
    tls,
};

/// One request to the agent's listener; status, head and body.
pub(crate) fn ask(port: u16, request: &str) -> Option<(u16, String, String)> {
    exchange(TcpStream::connect(("127.0.0.1", port)).ok()?, request)
}

/// One request over a connection, which ends with it.
pub(crate) fn exchange(
    mut stream: impl Read + Write,
    request: &str,
) -> Option<(u16, String, String)> {
    let (first, rest) = request.split_once("\r\n").unwrap_or((request, ""));
    let text = format!("{first} HTTP/1.1\r\nHost: agent\r\nConnection: close\r\n{rest}\r\n\r\n");
    stream.write_all(text.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let body = if head.contains("Transfer-Encoding: chunked") {
        whole(body)?
    } else {
        body.to_owned()
    };
    Some((status, head.to_owned(), body))
}

/// A body that came in chunks.
fn whole(mut chunks: &str) -> Option<String> {
    let mut body = String::new();
    loop {
        let (size, rest) = chunks.split_once("\r\n")?;
        let size = usize::from_str_radix(size, 16).ok()?;
        if size == 0 {
            return Some(body);
        }
        body.push_str(rest.get(..size)?);
        chunks = rest.get(size..)?.strip_prefix("\r\n")?;
    }
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
    for series in [
        "requests_total{login=\"auto_auth\",kind=\"login\",result=\"success\"} 1",
        "requests_total{login=\"auto_auth\",kind=\"proxy\",result=\"refused\"} 1",
        "lease_expiry_seconds{login=\"auto_auth\",secret=\"0\"}",
        "file_age_seconds{login=\"auto_auth\",file=\"0\"}",
    ] {
        assert!(body.contains(series), "{series} is not in\n{body}");
    }
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

/// An agent with a listener on a port of its own; `options` stand in its block, `rest` beside it.
fn listening(place: &Place, address: &str, options: &str, rest: &str) -> (Agent, Port) {
    let port = Port::reserve();
    let number = port.number();
    place.configure_for(
        address,
        "config.hcl",
        &format!(
            "listener \"tcp\" {{ address = \"127.0.0.1:{number}\" {options} }} {rest}
             leasehold {{ mode = \"native\" state_dir = \"FOLDER/state\" }}"
        ),
    );
    let agent = place.start("config.hcl");
    place.await_file("state/ready");
    (agent, port)
}

const PLAIN: &str = "tls_disable = true";
const OWN_TOKEN: &str = "cache { use_auto_auth_token = true }";

#[test]
fn renews_a_kept_lease_for_as_long_as_it_gives_it_out() {
    let place = Place::new("1h", "24h");
    let postgres = Postgres::start();
    place.database(&postgres, "4s", "1h");
    let (_agent, port) = listening(&place, &place.bao.address(), PLAIN, OWN_TOKEN);
    let lease = || ask(port.number(), "GET /v1/database/creds/app").unwrap();
    let first = lease();
    assert!(first.1.contains("X-Cache: MISS"), "{}", first.1);
    wait::until_true("the lease has outlived its first term", DEADLINE, || {
        place.requests("sys/leases/renew") >= 3
    });
    let later = lease();
    assert!(later.1.contains("X-Cache: HIT"), "{}", later.1);
    assert!(
        later.1.contains("Age: ") && later.1.contains("Date: "),
        "{}",
        later.1
    );
    assert_eq!(first.2, later.2);
    let answer: serde_json::Value = serde_json::from_str(&later.2).unwrap();
    let text = |key: &str| answer["data"][key].as_str().unwrap().to_owned();
    postgres
        .log_in(&text("username"), &text("password"))
        .unwrap();
    let body = json!({"lease_id": answer["lease_id"]}).to_string();
    let revoke = format!(
        "PUT /v1/sys/leases/revoke\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    // The policy of the tests lets the agent do this, as an application's own would.
    assert_eq!(ask(port.number(), &revoke).unwrap().0, 204);
    assert!(
        lease().1.contains("X-Cache: MISS"),
        "a revocation that passed by"
    );
}

#[test]
fn after_all_was_cleared_leases_are_kept_again_from_the_next_login_on() {
    let place = Place::new("5s", "10s");
    let postgres = Postgres::start();
    place.database(&postgres, "60s", "1h");
    let (_agent, port) = listening(&place, &place.bao.address(), PLAIN, OWN_TOKEN);
    let is_hit = || {
        let (status, head, body) = ask(port.number(), "GET /v1/database/creds/app").unwrap();
        assert_eq!(status, 200, "{body}");
        head.contains("X-Cache: HIT")
    };
    wait::until_true("an answer is kept", DEADLINE, is_hit);
    let clear = "POST /agent/v1/cache-clear\r\nContent-Length: 14\r\n\r\n{\"type\":\"all\"}";
    let (old, hits) = wait::until("no login in between", DEADLINE, || {
        let before = place.file("token");
        assert_eq!(ask(port.number(), clear).unwrap().0, 200);
        let hits = [is_hit(), is_hit(), is_hit()];
        (place.file("token") == before).then_some((before, hits))
    });
    assert_eq!(hits, [false; 3]);
    wait::until_true("the next login", DEADLINE, || place.file("token") != old);
    wait::until_true("an answer is kept again", DEADLINE, is_hit);
}

#[test]
fn equal_requests_at_the_same_time_reach_the_server_once() {
    let place = Place::new("1h", "24h");
    let postgres = Postgres::start();
    place.database(&postgres, "60s", "1h");
    let between = Between::new(place.bao.port());
    let (_agent, port) = listening(&place, &between.address(), PLAIN, OWN_TOKEN);
    let (release, held) = held();
    between.on("/v1/database/creds/app", move || {
        Reaction::Hold(held.clone())
    });
    let number = port.number();
    let asking: Vec<_> = (0..8)
        .map(|_| std::thread::spawn(move || ask(number, "GET /v1/database/creds/app").unwrap()))
        .collect();
    wait::until_true("one of them is on its way", DEADLINE, || {
        between.count("/v1/database/creds/app") > 0
    });
    drop(release);
    let answers: Vec<_> = asking.into_iter().map(|one| one.join().unwrap()).collect();
    assert!(
        answers.iter().all(|answer| answer.2 == answers[0].2),
        "all have the same lease"
    );
    assert_eq!(between.count("/v1/database/creds/app"), 1);
}

#[test]
fn an_application_cannot_read_the_agents_token_through_it() {
    let place = Place::new("1h", "24h");
    let (_agent, port) = listening(&place, &place.bao.address(), PLAIN, OWN_TOKEN);
    let token = place.await_file("token");
    for line in [
        "GET /v1/auth/token/lookup-self",
        "PUT /v1/auth/token/renew-self",
    ] {
        let (status, _, body) = ask(port.number(), line).unwrap();
        assert_eq!(status, 200, "{body}");
        assert!(!body.contains(&token), "{line} tells the token");
        assert!(body.contains("\"accessor\":\"\""), "{body}");
    }
}

#[test]
fn an_application_cannot_have_the_agents_token_wrapped_or_reach_it_by_another_way() {
    let place = Place::new("1h", "24h");
    let (_agent, port) = listening(&place, &place.bao.address(), PLAIN, OWN_TOKEN);
    let token = place.await_file("token");
    let (status, _, body) = ask(
        port.number(),
        "GET /v1/auth/token/lookup-self\r\nX-Vault-Wrap-TTL: 60",
    )
    .unwrap();
    assert_eq!(status, 400, "{body}");
    assert!(body.contains("is not wrapped"), "{body}");
    for line in [
        "GET /v1/auth//token/lookup-self",
        "GET /v1/auth/token/x/../lookup-self",
        "GET /v1/auth/token/%2e%2e/token/lookup-self",
    ] {
        let (status, _, body) = ask(port.number(), line).unwrap();
        assert_eq!(status, 200, "{line}: {body}");
        assert!(!body.contains(&token), "{line} tells the token");
    }
    // An application's own token is its own business.
    let own = place.bao.token(&["default"], "1h");
    let wrapped =
        format!("GET /v1/auth/token/lookup-self\r\nX-Vault-Wrap-TTL: 60\r\nX-Vault-Token: {own}");
    let (status, _, body) = ask(port.number(), &wrapped).unwrap();
    assert_eq!(status, 200, "{body}");
    assert!(body.contains("auth/token/lookup-self"), "{body}");
}

#[test]
fn an_applications_namespace_is_its_own_and_not_the_agents() {
    let place = Place::in_namespace("team/");
    place.bao.write(
        "team/sys/mounts/kv",
        &json!({"type": "kv", "options": {"version": "1"}}),
    );
    place.bao.write("team/kv/app", &json!({"k": "inside"}));
    let port = Port::reserve();
    let number = port.number();
    place.configure(
        "config.hcl",
        &format!(
            "listener \"tcp\" {{ address = \"127.0.0.1:{number}\" {PLAIN} }} {OWN_TOKEN}
             leasehold {{ mode = \"native\" state_dir = \"FOLDER/state\" }}"
        ),
    );
    let _agent = place.start_with("config.hcl", &[("VAULT_NAMESPACE", "team")]);
    place.await_file("state/ready");
    let token = place.await_file("token");
    for line in [
        "GET /v1/team/kv/app",
        "GET /v1/kv/app\r\nX-Vault-Namespace: team",
    ] {
        let (status, _, body) = ask(number, line).unwrap();
        assert_eq!(status, 200, "{line}: {body}");
        assert!(body.contains("inside"), "{body}");
    }
    assert_eq!(ask(number, "GET /v1/kv/app").unwrap().0, 403);
    let (status, _, body) = ask(number, "GET /v1/team/auth/token/lookup-self").unwrap();
    assert_eq!(status, 200, "{body}");
    assert!(!body.contains(&token), "the path tells the token");
    // A token that is made there is kept, renewed there, and given out no more once it is revoked there.
    let body = json!({"ttl": "3s", "policies": ["default"]}).to_string();
    let create = format!(
        "POST /v1/team/auth/token/create\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let (status, _, made) = ask(number, &create).unwrap();
    assert_eq!(status, 200, "{made}");
    wait::until_true("it has outlived its first term", DEADLINE, || {
        place.requests("auth/token/renew-self") >= 3
    });
    let (_, head, again) = ask(number, &create).unwrap();
    assert!(head.contains("X-Cache: HIT") && again == made, "{head}");
    let made: serde_json::Value = serde_json::from_str(&made).unwrap();
    let body = json!({"token": made["auth"]["client_token"]}).to_string();
    let revoke = format!(
        "PUT /v1/team/auth/token/revoke\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    assert_eq!(ask(number, &revoke).unwrap().0, 204);
    let (_, head, _) = ask(number, &create).unwrap();
    assert!(head.contains("X-Cache: MISS"), "{head}");
}

#[test]
fn long_bodies_are_passed_on_while_they_come() {
    let place = Place::new("1h", "24h");
    let (_agent, port) = listening(
        &place,
        &place.bao.address(),
        PLAIN,
        "api_proxy { use_auto_auth_token = true }",
    );
    let value = "x".repeat(4 << 20);
    let body = json!({"data": {"k": value}}).to_string();
    // In chunks, without a length that would tell the agent what is to come.
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port.number())).unwrap();
    let head = "PUT /v1/secret/data/big HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    for piece in body.as_bytes().chunks(100_000) {
        write!(stream, "{:x}\r\n", piece.len()).unwrap();
        stream.write_all(piece).unwrap();
        stream.write_all(b"\r\n").unwrap();
    }
    stream.write_all(b"0\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let (status, _, read) = ask(port.number(), "GET /v1/secret/data/big").unwrap();
    assert_eq!(status, 200);
    assert!(read.contains(&value), "{} bytes came back", read.len());
}

#[test]
fn speaks_tls_and_lets_in_only_clients_of_its_authority() {
    let place = Place::new("1h", "24h");
    let (server, clients) = (
        Identity::new("listener", &[]),
        Identity::new("clients", &["app"]),
    );
    for (name, text) in [
        ("tls.crt", &server.certificate),
        ("tls.key", &server.key),
        ("clients.crt", &clients.ca),
    ] {
        fs::write(place.path(name), text).unwrap();
    }
    let (_agent, port) = listening(
        &place,
        &place.bao.address(),
        "tls_cert_file = \"FOLDER/tls.crt\" tls_key_file = \"FOLDER/tls.key\"
         tls_require_and_verify_client_cert = true tls_client_ca_file = \"FOLDER/clients.crt\"",
        OWN_TOKEN,
    );
    let line = "GET /v1/sys/health";
    let app = tls::client_certificate(&clients);
    let (status, ..) = tls::ask(port.number(), &server.ca, Some(app.clone()), line).unwrap();
    assert_eq!(status, 200);
    assert!(
        tls::ask(port.number(), &server.ca, None, line).is_none(),
        "without a certificate"
    );
    // As a kubelet would, who swaps what the names lead to.
    let next = Identity::new("next", &[]);
    fs::write(place.path("tls.crt"), &next.certificate).unwrap();
    fs::write(place.path("tls.key"), &next.key).unwrap();
    let (status, ..) = tls::ask(port.number(), &next.ca, Some(app), line).unwrap();
    assert_eq!(status, 200, "the new certificate is served");
}

#[test]
fn a_socket_has_its_mode_and_answers_and_readiness_needs_no_header() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    let place = Place::new("1h", "24h");
    let meta = fs::metadata(place.folder.path()).unwrap();
    place.configure(
        "config.hcl",
        &format!(
            "listener \"unix\" {{
               address = \"FOLDER/socket\" require_request_header = true role = \"metrics_only\"
               socket_mode = \"0600\" socket_user = \"{}\" socket_group = \"{}\"
             }}
             leasehold {{ mode = \"native\" state_dir = \"FOLDER/state\" }}",
            meta.uid(),
            meta.gid()
        ),
    );
    let _agent = place.start("config.hcl");
    place.await_file("state/ready");
    let socket = place.path("socket");
    let mode = fs::metadata(&socket).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let ask = |line: &str| {
        let stream = std::os::unix::net::UnixStream::connect(&socket).unwrap();
        exchange(stream, line).unwrap()
    };
    let (status, _, body) = ask("GET /agent/v1/ready");
    assert_eq!((status, body.as_str()), (200, r#"{"ready":true}"#));
    assert_eq!(ask("GET /agent/v1/metrics").0, 200);
    assert_eq!(ask("GET /v1/sys/health").0, 404, "it has only metrics");
}
