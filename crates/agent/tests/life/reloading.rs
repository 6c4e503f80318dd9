//! What a hang-up signal reads anew, and how many connections and requests the agent makes.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use leasehold_testkit::{
    OpenBao, net,
    openbao::{Settings, Transport},
    wait,
};
use rustix::process::Signal;

use crate::{
    between::{Between, Reaction, held},
    place::{APP, DEADLINE, EVERY_SECOND, Place},
};

#[test]
fn a_hang_up_takes_the_new_authority_and_level_and_leaves_templates_alone() {
    let bao = OpenBao::start_with(Settings {
        transport: Transport::Tls,
        ..Settings::default()
    });
    let place = Place::on(bao, "1h", "24h");
    place.secret("one");
    let stranger = net::Identity::new("stranger", &[]);
    fs::write(place.path("wrong.pem"), stranger.ca).unwrap();
    place.configure("config.hcl", &format!("{APP} {EVERY_SECOND}"));
    let plain = place.file("config.hcl").unwrap();
    let with_ca = |file: &str| format!("vault {{ ca_cert = \"{file}\" ");
    let wrong = with_ca(&place.path("wrong.pem").display().to_string());
    let quiet = format!("log_level = \"warn\"\n{plain}");
    fs::write(
        place.path("config.hcl"),
        quiet.replacen("vault {", &wrong, 1),
    )
    .unwrap();
    let agent = place.start("config.hcl");
    wait::until_true("the server's certificate is refused", DEADLINE, || {
        place.log().contains("certificate")
    });
    assert!(!place.log().contains("[INFO]"), "{}", place.log());

    let right = with_ca(&place.bao.ca_file().display().to_string());
    let changed = plain
        .replacen("vault {", &right, 1)
        .replace("FOLDER/app", "FOLDER/other");
    fs::write(
        place.path("config.hcl"),
        format!("log_level = \"info\"\n{changed}"),
    )
    .unwrap();
    agent.signal(Signal::HUP);
    assert_eq!(place.await_file("app"), "one");
    wait::until_true("the new level holds", DEADLINE, || {
        place.log().contains("[INFO]")
    });

    fs::write(place.path("config.hcl"), "auto_auth {").unwrap();
    agent.signal(Signal::HUP);
    wait::until_true("a broken file is reported", DEADLINE, || {
        place.log().contains("the old configuration stays")
    });
    place.secret("two");
    wait::until_true("work goes on", DEADLINE, || {
        place.file("app").as_deref() == Some("two")
    });
}

/// Stands before the server and counts the connections that come.
fn counting(port: u16) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let own = listener.local_addr().unwrap().port();
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    std::thread::spawn(move || {
        for near in listener.incoming().flatten() {
            counted.fetch_add(1, Ordering::Relaxed);
            let far = TcpStream::connect(("127.0.0.1", port)).unwrap();
            for (from, to) in [
                (near.try_clone().unwrap(), far.try_clone().unwrap()),
                (far, near),
            ] {
                std::thread::spawn(move || copy(from, to));
            }
        }
    });
    (own, count)
}

fn copy(mut from: TcpStream, mut to: TcpStream) {
    let mut buffer = [0; 8192];
    while let Ok(length) = from.read(&mut buffer) {
        if length == 0 || to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(std::net::Shutdown::Both);
}

#[test]
fn ten_secrets_and_all_that_follows_share_one_connection() {
    let place = Place::new("1h", "24h");
    let mut templates = String::new();
    for number in 0..10 {
        place.bao.write(
            &format!("secret/data/app-{number}"),
            &serde_json::json!({"data": {"k": "v"}}),
        );
        templates.push_str(&format!(
            "template {{ contents = \"{{{{ with secret \\\"secret/app-{number}\\\" }}}}{{{{ .Data.data.k }}}}{{{{ end }}}}\" destination = \"FOLDER/{number}\" }}\n"
        ));
    }
    place.configure(
        "config.hcl",
        &format!("{templates} {EVERY_SECOND} leasehold {{ state_dir = \"FOLDER/state\" }}"),
    );
    let (port, connections) = counting(place.bao.port());
    let text = place.file("config.hcl").unwrap();
    let through = text.replace(
        &format!("127.0.0.1:{}", place.bao.port()),
        &format!("127.0.0.1:{port}"),
    );
    assert_ne!(through, text);
    fs::write(place.path("config.hcl"), through).unwrap();
    let before = place.bao.audited_requests().len();
    let _agent = place.start("config.hcl");
    place.await_file("state/ready");
    let asked = place.bao.audited_requests().len() - before;
    assert_eq!(asked, 12, "one login, one look-up, ten reads");
    wait::until_true("each secret is read again", DEADLINE, || {
        place.requests("secret/data/app-9") >= 2
    });
    assert_eq!(connections.load(Ordering::Relaxed), 1);
}

#[test]
fn no_read_goes_beside_a_slow_one_where_one_is_allowed() {
    for (allowed, beside) in [(1, 0), (2, 1)] {
        let place = Place::with_secret("one");
        let between = Between::new(place.bao.port());
        let (release, hold) = held();
        between.on("/v1/secret/data/slow", move || Reaction::Hold(hold.clone()));
        let slow = APP
            .replace("data/app", "data/slow")
            .replace("FOLDER/app", "FOLDER/slow");
        let rest =
            format!("{slow} {APP} template_config {{ max_connections_per_host = {allowed} }}");
        place.configure_for(&between.address(), "config.hcl", &rest);
        let _agent = place.start("config.hcl");
        let count = || between.count("/v1/secret/data/app");
        wait::until_true("the slow one is asked for", DEADLINE, || {
            between.count("/v1/secret/data/slow") > 0
        });
        let before = count();
        let begun = Instant::now();
        wait::until_true("it has been slow for a while", DEADLINE, || {
            begun.elapsed() > Duration::from_secs(2)
        });
        assert_eq!(count() - before, beside, "{allowed}");
        drop(release);
        place.await_file("app");
    }
}
