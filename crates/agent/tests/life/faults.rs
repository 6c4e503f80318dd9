//! Faults of servers and networks that no real server can be made to have, and of the machine below: what the agent
//! promises about each is in `docs/reliability.md`.

use std::{
    fs,
    process::Stdio,
    time::{Duration, Instant},
};

use leasehold_testkit::{net::Identity, process, wait};
use rustix::process::Signal;

use crate::{
    between::{Between, Reaction, held},
    place::{APP, Agent, DEADLINE, EVERY_SECOND, NATIVE, Place},
};

const READ: &str = "/v1/secret/data/app";
const LOGIN: &str = "/v1/auth/approle/login";

/// A server whose secret is read through something between, and the agent's configuration for it.
fn with_between() -> (Place, Between) {
    let place = Place::with_secret("one");
    let between = Between::new(place.bao.port());
    let rest = format!(
        "{APP} template_config {{ static_secret_render_interval = \"1s\" exit_on_retry_failure = true }} {NATIVE}"
    );
    place.configure_for(&between.address(), "config.hcl", &rest);
    (place, between)
}

/// Starts the agent; a request without an answer is given up after a second.
fn start(place: &Place) -> Agent {
    place.start_with("config.hcl", &[("VAULT_CLIENT_TIMEOUT", "1s")])
}

fn await_value(place: &Place, value: &str) {
    wait::until_true("the value comes", DEADLINE, || {
        place.file("app").as_deref() == Some(value)
    });
}

/// The agent runs into a fault while it has a file: the file stays, the agent stays, says this, and recovers when
/// the fault has passed.
fn check_passing(words: &str, reaction: impl Fn() -> Reaction + Send + 'static) {
    let (place, between) = with_between();
    let mut agent = start(&place);
    await_value(&place, "one");
    between.on(READ, reaction);
    place.await_log(words);
    assert_eq!(place.file("app").as_deref(), Some("one"), "the file stays");
    assert!(agent.0.try_wait().unwrap().is_none(), "the agent stays");
    place.secret("two");
    between.heal();
    await_value(&place, "two");
    agent.stop();
}

fn answer(status: u16, words: &'static str) -> impl Fn() -> Reaction + Send + 'static {
    move || {
        let body = format!("{{\"errors\":[\"{words}\"]}}");
        Reaction::Answer(status, String::new(), body.into_bytes())
    }
}

#[test]
fn refusals_after_the_first_rendering_leave_the_file_and_the_agent() {
    check_passing("Code: 400", answer(400, "bad"));
    check_passing("no secret exists", || {
        Reaction::Answer(404, String::new(), b"{\"errors\":[]}".to_vec())
    });
}

#[test]
fn a_forbidden_read_after_the_first_rendering_leaves_the_file_and_the_agent() {
    check_passing("no right here", answer(403, "no right here"));
}

#[test]
fn too_many_requests_leave_the_file_and_the_agent() {
    check_passing("Code: 429", answer(429, "slow down"));
}

#[test]
fn a_failing_server_leaves_the_file_and_the_agent() {
    check_passing("Code: 500", answer(500, "internal"));
    check_passing("Code: 502", || {
        Reaction::Answer(502, String::new(), b"<html>Bad Gateway</html>".to_vec())
    });
}

#[test]
fn an_unavailable_and_a_sealed_server_leave_the_file_and_the_agent() {
    check_passing("Code: 503", answer(503, "maintenance"));
    check_passing("Vault is sealed", answer(503, "Vault is sealed"));
}

#[test]
fn a_reset_in_the_middle_of_an_answer_leaves_the_file_and_the_agent() {
    check_passing("no answer", || {
        Reaction::Reset(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{\"data\":".to_vec())
    });
}

#[test]
fn a_server_that_never_answers_leaves_the_file_and_the_agent() {
    check_passing("no answer", || Reaction::Silence);
}

#[test]
fn a_server_that_sends_a_byte_now_and_then_leaves_the_file_and_the_agent() {
    check_passing("no answer", || Reaction::Trickle);
}

#[test]
fn an_answer_that_makes_no_sense_leaves_the_file_and_the_agent() {
    check_passing("it is not JSON", || {
        let kind = "Content-Type: application/json\r\n".to_owned();
        Reaction::Answer(200, kind, b"{\"data\": {\"data\": [".to_vec())
    });
    check_passing("no answer", || {
        Reaction::Raw(b"SSH-2.0-OpenSSH_9.6\r\n".to_vec())
    });
}

#[test]
fn an_answer_that_is_too_large_is_not_read_and_leaves_the_file_and_the_agent() {
    check_passing("it is larger than", || {
        let head = "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n";
        Reaction::Raw(head.as_bytes().to_vec())
    });
}

#[test]
fn a_standbys_redirect_is_followed_once_and_a_second_is_not() {
    let (place, between) = with_between();
    let active = format!("Location: {}{READ}\r\n", place.bao.address());
    between.on(READ, move || {
        Reaction::Answer(307, active.clone(), Vec::new())
    });
    let _agent = start(&place);
    await_value(&place, "one");
    let itself = format!("Location: {}{READ}\r\n", between.address());
    between.on(READ, move || {
        Reaction::Answer(307, itself.clone(), Vec::new())
    });
    place.await_log("it is the second in a row");
    assert_eq!(place.file("app").as_deref(), Some("one"));
}

#[test]
fn a_slow_second_answer_turns_nothing_on_the_spot_and_a_signal_is_obeyed() {
    let place = Place::with_secret("one");
    place.bao.write(
        "secret/data/other",
        &serde_json::json!({"data": {"k": "x"}}),
    );
    let between = Between::new(place.bao.port());
    let (release, hold) = held();
    between.on("/v1/secret/data/other", move || {
        Reaction::Hold(hold.clone())
    });
    place.configure_for(
        &between.address(),
        "config.hcl",
        &format!(
            r#"template {{
                 contents = "{{{{ with secret \"secret/data/app\" }}}}{{{{ .Data.data.k }}}}{{{{ end }}}}{{{{ with secret \"secret/data/other\" }}}}{{{{ .Data.data.k }}}}{{{{ end }}}}"
                 destination = "FOLDER/both"
               }} {NATIVE}"#
        ),
    );
    let mut agent = place.start("config.hcl");
    wait::until_true("both are asked for", DEADLINE, || {
        between.count(READ) == 1 && between.count("/v1/secret/data/other") == 1
    });
    // One answer is there and one is awaited: an agent that wakes itself up for nothing burns its processor now.
    let before = processor_time(agent.0.id());
    let begun = Instant::now();
    wait::until_true("a while has passed", DEADLINE, || {
        begun.elapsed() > Duration::from_secs(2)
    });
    let burnt = processor_time(agent.0.id()) - before;
    assert!(
        burnt < Duration::from_millis(200),
        "{burnt:?} in two seconds"
    );
    assert_eq!(place.file("both"), None);
    agent.signal(Signal::TERM);
    assert_eq!(agent.ends(), 0, "{}", place.log());
    drop(release);
}

/// What a process has used of the processor.
fn processor_time(pid: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let (_, rest) = stat.rsplit_once(')').unwrap();
    let ticks: u64 = rest
        .split_whitespace()
        .skip(11)
        .take(2)
        .map(|text| text.parse::<u64>().unwrap())
        .sum();
    // The kernel counts in hundredths of a second for everybody who looks.
    Duration::from_millis(ticks * 10)
}

/// The agent meets a server whose certificate it must not accept; says this, and logs in nowhere.
fn check_certificate(identity: &Identity, trusted: &str, words: &str) {
    let place = Place::with_secret("one");
    let port = crate::tls::serve(identity);
    fs::write(place.path("ca.crt"), trusted).unwrap();
    place.configure_for(&format!("https://127.0.0.1:{port}"), "config.hcl", APP);
    let ca = place.path("ca.crt").display().to_string();
    let mut agent = place.start_with("config.hcl", &[("VAULT_CACERT", &ca)]);
    place.await_log(words);
    agent.stop();
    assert_eq!(place.file("token"), None);
}

#[test]
fn a_certificate_that_has_expired_or_is_for_another_name_is_not_accepted() {
    let expired = crate::tls::expired();
    check_certificate(&expired, &expired.ca, "it has expired");
    let elsewhere = crate::tls::for_another_name();
    check_certificate(&elsewhere, &elsewhere.ca, "it is for another name");
    let unknown = Identity::new("unknown", &[]);
    let trusted = Identity::new("trusted", &[]);
    check_certificate(&unknown, &trusted.ca, "not among the trusted roots");
}

#[test]
fn a_name_without_address_is_waited_for() {
    let place = Place::with_secret("one");
    place.configure_for("http://no-such-host.invalid:8200", "config.hcl", APP);
    let mut agent = place.start("config.hcl");
    place.await_log("the host's name cannot be resolved");
    agent.stop();
}

#[test]
fn a_restart_of_the_server_in_one_run_is_survived() {
    let mut place = Place::on_disk();
    let mut agent = place.run_with(&format!("{APP} {EVERY_SECOND} {NATIVE}"));
    await_value(&place, "one");
    place.bao.stop();
    place.await_log("no answer");
    place.bao.start_again();
    place.await_log("Vault is sealed");
    place.bao.unseal();
    place.secret("two");
    await_value(&place, "two");
    agent.stop();
}

#[test]
fn a_target_that_cannot_be_written_is_told_and_written_once_it_can_be() {
    let place = Place::with_secret("one");
    // What is no folder cannot hold a file, whoever asks; and then it is one.
    fs::write(place.path("sub"), "").unwrap();
    let mut agent = place.run_with(&format!(
        "{} {EVERY_SECOND} {NATIVE}",
        APP.replace("FOLDER/app", "FOLDER/sub/app")
    ));
    place.await_log("template failed");
    fs::remove_file(place.path("sub")).unwrap();
    fs::create_dir(place.path("sub")).unwrap();
    assert_eq!(place.await_file("sub/app"), "one");
    agent.stop();
}

/// Runs the agent where `FOLDER/volume` is a mount of its own, made by `mount`, which holds its file; `mend` is done
/// there once the log has said `words`. The file has to come then.
fn check_volume(mount: &str, words: &str, mend: &str) {
    let place = Place::with_secret("one");
    let app = APP.replace("FOLDER/app", "FOLDER/volume/app");
    place.configure("config.hcl", &format!("{app} {EVERY_SECOND} {NATIVE}"));
    fs::create_dir(place.path("volume")).unwrap();
    let script = format!(
        "cd {folder} && {mount} || exit 70
         {program} run --config config.hcl 2>> log &
         while [ ! -e mend ]; do sleep 0.05; done
         {mend}
         while [ ! -e volume/app ]; do sleep 0.05; done
         cat volume/app > seen.part && mv seen.part seen
         wait",
        folder = place.folder.path().display(),
        program = env!("CARGO_BIN_EXE_leasehold-agent"),
    );
    // The same rights that the pods of the test kit need: root, or a user's own namespaces.
    let mut command = process::guarded("unshare");
    command
        .args(["--user", "--map-root-user", "--mount", "--pid", "--fork"])
        .args(["--kill-child", "--", "sh", "-c", &script])
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    let _agent = Agent(process::spawn(command).unwrap());
    place.await_log(words);
    assert!(!place.path("state/ready").exists(), "it is not ready");
    fs::write(place.path("mend"), "").unwrap();
    assert_eq!(place.await_file("seen"), "one");
    place.await_file("state/ready");
}

#[test]
fn a_full_volume_is_told_and_written_once_there_is_room() {
    check_volume(
        "mount -t tmpfs -o size=16k full volume && { cat /dev/zero > volume/filler || :; }",
        "No space left on device",
        "rm volume/filler",
    );
}

#[test]
fn a_read_only_volume_is_told_and_written_once_it_can_be() {
    check_volume(
        "mount -t tmpfs -o ro readonly volume",
        "Read-only file system",
        "mount -o remount,rw volume",
    );
}

#[test]
fn an_owner_that_cannot_be_given_is_told_and_holds_up_no_other_file() {
    let place = Place::with_secret("one");
    let owned = APP.replace("FOLDER/app", "FOLDER/owned").replacen(
        "destination",
        "user = \"4242\" destination",
        1,
    );
    place.configure("config.hcl", &format!("{owned} {APP} {NATIVE}"));
    // Without the right to give files away, be the tests run by root or not.
    let mut command = process::guarded("unshare");
    command
        .args([
            "--user",
            "--map-root-user",
            "--",
            env!("CARGO_BIN_EXE_leasehold-agent"),
        ])
        .args(["run", "--config"])
        .arg(place.path("config.hcl"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(fs::File::create(place.path("log")).unwrap());
    let agent = Agent(process::spawn(command).unwrap());
    await_value(&place, "one");
    wait::until_true("the failure is told", DEADLINE, || {
        place.log().contains("template failed") && place.log().contains("owned")
    });
    assert_eq!(place.file("owned"), None, "no file with the wrong owner");
    agent.signal(Signal::TERM);
}

#[test]
fn a_redirect_from_tls_to_plain_text_is_not_followed() {
    let place = Place::with_secret("one");
    let identity = Identity::new("redirecting", &[]);
    let plain = Between::new(place.bao.port());
    let port = crate::tls::serve_answering(
        &identity,
        format!(
            "HTTP/1.1 307 Elsewhere\r\nLocation: {}{LOGIN}\r\nContent-Length: 0\r\n\r\n",
            plain.address()
        ),
    );
    fs::write(place.path("ca.crt"), &identity.ca).unwrap();
    place.configure_for(&format!("https://127.0.0.1:{port}"), "config.hcl", APP);
    let ca = place.path("ca.crt").display().to_string();
    let mut agent = place.start_with("config.hcl", &[("VAULT_CACERT", &ca)]);
    place.await_log("it leads from https to http");
    agent.stop();
    assert_eq!(
        plain.count(LOGIN),
        0,
        "no credential went out in plain text"
    );
}
