//! Requests of applications that the server fails at first: tried again by the listener, and by whom it ends.

use std::{
    io::Write,
    net::TcpStream,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use leasehold_testkit::net::Port;
use rustix::process::Signal;
use serde_json::json;

use crate::{
    between::{Between, Reaction},
    listening::ask,
    place::{Agent, NATIVE, Place},
};

const READ: &str = "/v1/secret/data/app";
const AGAIN: &str = "a request is tried again";

/// An agent that passes requests on to this address; `retry` stands in its block `vault`.
fn start(place: &Place, address: &str, retry: &str, variables: &[(&str, &str)]) -> (Agent, Port) {
    let port = Port::reserve();
    let rest = format!(
        "log_level = \"debug\" api_proxy {{ use_auto_auth_token = true }} {NATIVE}
         listener \"tcp\" {{ address = \"127.0.0.1:{}\" tls_disable = true }}",
        port.number()
    );
    place.configure_for(address, "config.hcl", &rest);
    let text = place.file("config.hcl").unwrap();
    let text = text.replacen("vault {", &format!("vault {{ {retry} "), 1);
    std::fs::write(place.path("config.hcl"), text).unwrap();
    let agent = place.start_with("config.hcl", variables);
    place.await_file("state/ready");
    (agent, port)
}

/// The same, where reads of the secret get this reaction.
fn start_before(
    reaction: impl Fn() -> Reaction + Send + 'static,
    retry: &str,
    variables: &[(&str, &str)],
) -> (Place, Between, Agent, Port) {
    let place = Place::with_secret("one");
    let between = Between::new(place.bao.port());
    between.on(READ, reaction);
    let (agent, port) = start(&place, &between.address(), retry, variables);
    (place, between, agent, port)
}

fn failing(status: u16, headers: &'static str) -> impl Fn() -> Reaction + Send + 'static {
    move || {
        let body = b"{\"errors\":[\"for a test\"]}".to_vec();
        Reaction::Answer(status, headers.to_owned(), body)
    }
}

/// A read through the listener, while something else is done.
fn ask_meanwhile(port: &Port, meanwhile: impl FnOnce()) -> (u16, String, String) {
    let number = port.number();
    let asking = thread::spawn(move || ask(number, &format!("GET {READ}")));
    meanwhile();
    asking.join().unwrap().unwrap()
}

#[test]
fn a_server_that_is_sealed_and_unsealed_meanwhile_answers_the_application() {
    let place = Place::on_disk();
    let (_agent, port) = start(&place, &place.bao.address(), "", &[]);
    place.bao.seal();
    let (status, head, body) = ask_meanwhile(&port, || {
        place.await_log(AGAIN);
        place.bao.unseal();
    });
    assert_eq!(status, 200, "{head}\n{body}");
    assert!(body.contains("\"one\""), "{body}");
    assert!(place.log().contains("status 503"), "{}", place.log());
}

#[test]
fn a_server_that_is_away_and_back_meanwhile_answers_the_application() {
    let mut place = Place::on_disk();
    let (_agent, port) = start(&place, &place.bao.address(), "", &[]);
    place.bao.stop();
    let number = port.number();
    let asking = thread::spawn(move || ask(number, &format!("GET {READ}")));
    place.await_log(AGAIN);
    place.bao.start_again();
    place.bao.unseal();
    let (status, head, body) = asking.join().unwrap().unwrap();
    assert_eq!(status, 200, "{head}\n{body}");
    assert!(place.log().contains("no_answer"), "{}", place.log());
}

#[test]
fn after_the_last_try_the_servers_own_answer_is_passed_on() {
    let (_place, between, _agent, port) = start_before(
        failing(500, "X-Said: so\r\n"),
        "retry { num_retries = 1 }",
        &[],
    );
    let begun = Instant::now();
    let (status, head, body) = ask_meanwhile(&port, || {});
    assert_eq!(
        (status, body.as_str()),
        (500, "{\"errors\":[\"for a test\"]}")
    );
    assert!(
        head.contains("x-said: so") && !head.contains("X-Cache"),
        "{head}"
    );
    assert_eq!(between.count(READ), 2);
    assert!(begun.elapsed() >= Duration::from_secs(1), "with a pause");
}

#[test]
fn the_variable_comes_before_the_key_and_none_means_none() {
    for (retry, variable, expected) in [
        ("retry { num_retries = 5 }", "0", 1),
        ("retry { num_retries = -1 }", "1", 2),
        ("retry { num_retries = -1 }", "", 1),
    ] {
        let variables = [("VAULT_MAX_RETRIES", variable)];
        let (_place, between, _agent, port) = start_before(failing(503, ""), retry, &variables);
        assert_eq!(ask_meanwhile(&port, || {}).0, 503);
        assert_eq!(between.count(READ), expected, "{retry} {variable}");
    }
}

#[test]
fn an_answer_that_lasts_is_passed_on_at_once() {
    for status in [400, 403, 404, 501] {
        let (place, between, _agent, port) = start_before(failing(status, ""), "", &[]);
        assert_eq!(ask_meanwhile(&port, || {}).0, status);
        assert_eq!(between.count(READ), 1, "{status}");
        assert!(!place.log().contains(AGAIN));
    }
}

#[test]
fn the_state_of_a_sealed_server_is_told_at_once() {
    let place = Place::on_disk();
    let (_agent, port) = start(&place, &place.bao.address(), "", &[]);
    place.bao.seal();
    assert_eq!(ask(port.number(), "GET /v1/sys/health").unwrap().0, 503);
    assert!(!place.log().contains(AGAIN), "{}", place.log());
}

#[test]
fn the_tries_of_a_request_end_with_the_time_for_one_answer() {
    let limit = Duration::from_secs(4);
    let (_place, between, _agent, port) =
        start_before(failing(429, ""), "", &[("VAULT_CLIENT_TIMEOUT", "4s")]);
    let begun = Instant::now();
    let (status, _, body) = ask_meanwhile(&port, || {});
    assert_eq!(status, 429, "{body}");
    assert!(body.contains("for a test"), "{body}");
    assert!(begun.elapsed() < limit, "{:?}", begun.elapsed());
    // Pauses of one and two seconds, a half more at most: the third one does not fit.
    assert!((2..=3).contains(&between.count(READ)));
}

#[test]
fn a_refusal_that_never_ends_holds_no_try_up() {
    let times = AtomicUsize::new(0);
    let (_place, between, _agent, port) = start_before(
        move || match times.fetch_add(1, Ordering::Relaxed) {
            0 => {
                let head = "HTTP/1.1 503 Said\r\nContent-Length: 500\r\n\r\n{";
                Reaction::Raw(head.as_bytes().to_vec())
            }
            _ => Reaction::Pass,
        },
        "",
        &[],
    );
    let begun = Instant::now();
    assert_eq!(ask_meanwhile(&port, || {}).0, 200);
    assert_eq!(between.count(READ), 2);
    assert!(begun.elapsed() < Duration::from_secs(10));
}

#[test]
fn writes_are_sent_again_with_their_body_and_long_ones_once() {
    let place = Place::with_secret("one");
    let between = Between::new(place.bao.port());
    let times = AtomicUsize::new(0);
    between.on(READ, move || match times.fetch_add(1, Ordering::Relaxed) {
        0 => failing(500, "")(),
        _ => Reaction::Pass,
    });
    let (_agent, port) = start(&place, &between.address(), "", &[]);
    let write = |value: &str| {
        let body = json!({"data": {"k": value}}).to_string();
        let length = body.len();
        let request = format!("PUT {READ}\r\nContent-Length: {length}\r\n\r\n{body}");
        ask(port.number(), &request).unwrap().0
    };
    assert_eq!(write("two"), 200);
    assert_eq!(between.count(READ), 2);
    let kept = place.bao.read("secret/data/app");
    assert_eq!(kept["data"]["data"]["k"], "two");
    // Longer than what the agent takes in whole.
    between.on(READ, failing(500, ""));
    assert_eq!(write(&"x".repeat(300 * 1024)), 500);
    assert_eq!(between.count(READ), 3);
}

#[test]
fn an_application_that_goes_away_ends_the_tries() {
    let (place, between, _agent, port) = start_before(failing(503, "Retry-After: 20\r\n"), "", &[]);
    let mut stream = TcpStream::connect(("127.0.0.1", port.number())).unwrap();
    write!(stream, "GET {READ} HTTP/1.1\r\nHost: agent\r\n\r\n").unwrap();
    place.await_log(AGAIN);
    drop(stream);
    place.await_log("the application has gone");
    assert_eq!(between.count(READ), 1);
}

#[test]
fn a_pause_between_tries_does_not_hold_up_the_end() {
    let (place, _between, mut agent, port) =
        start_before(failing(503, "Retry-After: 20\r\n"), "", &[]);
    let number = port.number();
    let asking = thread::spawn(move || ask(number, &format!("GET {READ}")));
    place.await_log(AGAIN);
    let begun = Instant::now();
    agent.signal(Signal::TERM);
    assert_eq!(agent.ends(), 0);
    assert!(
        begun.elapsed() < Duration::from_secs(10),
        "{:?}",
        begun.elapsed()
    );
    assert!(asking.join().unwrap().is_none(), "nothing was made up");
}
