//! Telling the application: commands after a change, and the process with secrets in its environment.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpListener,
    os::unix::process::CommandExt as _,
    process::{Command, Stdio},
};

use leasehold_testkit::{process, wait};
use rustix::process::Signal;

use crate::place::{APP, Agent, DEADLINE, EVERY_SECOND, Place};

#[test]
fn runs_the_command_of_a_changed_file_once_and_not_for_the_same_content() {
    let place = Place::with_secret("one");
    let _agent = place.run_with(
        r#"template {
             contents = "{{ with secret \"secret/data/app\" }}{{ .Data.data.k }}{{ end }}"
             destination = "FOLDER/app"
             command = "echo ran >> FOLDER/ran"
           }
           template_config { static_secret_render_interval = "1s" }"#,
    );
    wait::until_true("the command has run", DEADLINE, || {
        place.file("ran").as_deref() == Some("ran\n")
    });
    let reads = place.requests("secret/data/app");
    wait::until_true("the secret is read again", DEADLINE, || {
        place.requests("secret/data/app") >= reads + 2
    });
    assert_eq!(place.file("ran").as_deref(), Some("ran\n"));
    place.secret("two");
    wait::until_true("the command has run again", DEADLINE, || {
        place.file("ran").as_deref() == Some("ran\nran\n")
    });
}

#[test]
fn supervises_a_process_with_secrets_in_its_environment() {
    let place = Place::with_secret("one");
    let mut agent = place.run_with(r#"env_template "SECRET_K" {
             contents = "{{ with secret \"secret/data/app\" }}{{ .Data.data.k }}{{ end }}"
           }
           exec {
             command = ["sh", "-c", "echo $SECRET_K >> FOLDER/seen; while [ ! -e FOLDER/end ]; do sleep 0.1; done; exit 5"]
           }
           template_config { static_secret_render_interval = "1s" }"#);
    wait::until_true("the process has started", DEADLINE, || {
        place.file("seen").as_deref() == Some("one\n")
    });
    place.secret("two");
    wait::until_true("the process was restarted", DEADLINE, || {
        place.file("seen").as_deref() == Some("one\ntwo\n")
    });
    fs::write(place.path("end"), "").unwrap();
    assert_eq!(
        agent.ends(),
        5,
        "the agent ends with the status of its process: {}",
        place.log()
    );
}

/// A configuration that tells the application of changes by this `notify` block.
fn notify(place: &Place, block: &str) {
    place.configure(
        "config.hcl",
        &format!(
            "{APP} {EVERY_SECOND} leasehold {{
               mode = \"native\" state_dir = \"FOLDER/state\"
               notify \"FOLDER/app\" {{ {block} }}
             }}"
        ),
    );
}

/// A process with a name of its own that notes each SIGUSR1 in the file `heard`. Not SIGHUP: a shell cannot hear
/// what its starter ignores, and under `nohup` that is ignored.
fn server_called(place: &Place, name: &str) -> Agent {
    let program = place.path(name);
    std::os::unix::fs::symlink("/bin/sh", &program).unwrap();
    let mut command = process::guarded(&program);
    let script = format!(
        "trap 'echo heard >> {0}/heard' USR1; touch {0}/trapped; while :; do sleep 0.05; done",
        place.folder.path().display()
    );
    command.args(["-c", &script]).stdin(Stdio::null());
    let server = Agent(process::spawn(command).unwrap());
    place.await_file("trapped");
    server
}

#[test]
fn signals_a_process_by_its_name_after_a_change_and_not_for_the_first_file() {
    let place = Place::with_secret("one");
    // Unique on this machine, where tests run beside each other.
    let name = format!("server-{}", std::process::id());
    let _server = server_called(&place, &name);
    notify(&place, &format!("signal = \"SIGUSR1 {name}\""));
    let _agent = place.start("config.hcl");
    place.await_file("state/ready");
    place.secret("two");
    wait::until_true("the signal is heard", DEADLINE, || {
        place
            .file("heard")
            .is_some_and(|heard| heard.ends_with('\n'))
    });
    assert_eq!(
        place.file("app").as_deref(),
        Some("two"),
        "the file is first"
    );
    assert_eq!(
        place.file("heard").as_deref(),
        Some("heard\n"),
        "heard once"
    );
    wait::until_true("the log tells of it", DEADLINE, || {
        place
            .log()
            .contains(&format!("signal `SIGUSR1 {name}` was sent to 1 process"))
    });
}

#[test]
fn a_process_that_is_not_there_is_reported_and_stops_nothing() {
    let place = Place::with_secret("one");
    notify(&place, "signal = \"SIGHUP no-such-server\"");
    let mut agent = place.start("config.hcl");
    place.await_file("state/ready");
    place.secret("two");
    wait::until_true("the failure is told", DEADLINE, || {
        place.log().contains("no process has this name among the")
    });
    place.secret("three");
    wait::until_true("the next value comes", DEADLINE, || {
        place.file("app").as_deref() == Some("three")
    });
    let config = place.path("config.hcl").display().to_string();
    let status = place.run(&["status", "-o", "json", "--config", &config]);
    let status: serde_json::Value = serde_json::from_slice(&status.stdout).unwrap();
    let notice = &status["logins"][0]["notices"][0];
    assert_eq!(notice["name"], "signal `SIGHUP no-such-server`");
    assert!(notice["failed"].as_u64().unwrap() >= 1, "{notice}");
    agent.stop();
}

#[test]
fn a_process_of_another_user_is_told_with_both_users_and_what_to_do() {
    let place = Place::with_secret("one");
    // Root makes a process of another user; who is not root finds the machine's first process, which is root's and
    // minds no SIGWINCH.
    let unique = format!("other-{}", std::process::id());
    let (name, _other) = if process::is_root() {
        let mut command = Command::new("sleep");
        command.arg0(&unique).arg("120").uid(4242).gid(4242);
        (unique, Some(Agent(command.spawn().unwrap())))
    } else {
        let first = fs::read_to_string("/proc/1/comm").unwrap();
        (first.trim().to_owned(), None)
    };
    notify(&place, &format!("signal = \"SIGWINCH {name}\""));
    // In a user namespace of its own the agent is nobody's master, not even where root runs the tests.
    let mut command = process::guarded("unshare");
    command
        .args(["--user", "--map-root-user", "--"])
        .args([env!("CARGO_BIN_EXE_leasehold-agent"), "run", "--config"])
        .arg(place.path("config.hcl"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(fs::File::create(place.path("log")).unwrap());
    let agent = Agent(process::spawn(command).unwrap());
    place.await_file("state/ready");
    place.secret("two");
    // The other user has no number in the agent's namespace.
    place.await_log(" belongs to user 65534, which user 0, the agent's, may not signal: let both run as one user");
    place.secret("three");
    wait::until_true("the next value comes", DEADLINE, || {
        place.file("app").as_deref() == Some("three")
    });
    agent.signal(Signal::TERM);
}

#[test]
fn asks_a_port_of_the_pod_after_a_change_until_it_answers_well() {
    let place = Place::with_secret("one");
    let door = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = door.local_addr().unwrap().port();
    notify(
        &place,
        &format!("request = \"PUT http://localhost:{port}/-/reload\" timeout = \"20s\""),
    );
    let _agent = place.start("config.hcl");
    place.await_file("state/ready");
    place.secret("two");
    let mut asked = Vec::new();
    for status in ["500 Not Yet", "200 OK"] {
        let (mut stream, _) = door.accept().unwrap();
        let mut head = [0; 512];
        let read = stream.read(&mut head).unwrap();
        asked.push(String::from_utf8_lossy(&head[..read]).into_owned());
        write!(
            stream,
            "HTTP/1.1 {status}\r\nContent-Length: 6\r\n\r\nsecret"
        )
        .unwrap();
    }
    for head in &asked {
        assert!(head.starts_with("PUT /-/reload HTTP/1.1\r\n"), "{head}");
    }
    wait::until_true("the log tells of both answers", DEADLINE, || {
        let log = place.log();
        log.contains("the answer is 500") && log.contains("/-/reload` was answered with 200")
    });
}
