//! What befalls the way to the server after everything was rendered: its name has no address any more, its
//! certificate expires or is for another name. Files and agent stay, and it comes back by itself.

use std::{fs, process::Stdio};

use leasehold_testkit::{net::Identity, process, wait};

use crate::{
    between::Between,
    place::{APP, Agent, DEADLINE, EVERY_SECOND, NATIVE, Place},
    tls::{Front, expired, for_another_name},
};

/// The agent has rendered its file. A fault begins, is told with these words, and ends: what was rendered stays all
/// the time, and the next value comes by itself.
fn check_fault(place: &Place, agent: &mut Agent, words: &str, begin: impl Fn(), end: impl Fn()) {
    place.secret("one");
    wait::until_true("the first value comes", DEADLINE, || {
        place.file("app").as_deref() == Some("one")
    });
    begin();
    place.await_log(words);
    assert_eq!(place.file("app").as_deref(), Some("one"), "the file stays");
    assert!(agent.0.try_wait().unwrap().is_none(), "the agent stays");
    let over = || place.log().matches("reading works again").count();
    let before = over();
    place.secret("two");
    end();
    wait::until_true("the next value comes", DEADLINE, || {
        place.file("app").as_deref() == Some("two")
    });
    wait::until_true("the log says that it is over", DEADLINE, || over() > before);
}

#[test]
fn a_certificate_that_goes_bad_leaves_the_file_and_the_agent() {
    let place = Place::with_secret("one");
    let good = Identity::new("good", &[]);
    let (late, other) = (expired(), for_another_name());
    // All of them are trusted, so that only time and name are at fault.
    let trusted = [good.ca.as_str(), &late.ca, &other.ca].concat();
    fs::write(place.path("ca.crt"), trusted).unwrap();
    let front = Front::new(&good, place.bao.port());
    let rest = format!("{APP} {EVERY_SECOND} {NATIVE}");
    place.configure_for(&front.address(), "config.hcl", &rest);
    let ca = place.path("ca.crt").display().to_string();
    let mut agent = place.start_with("config.hcl", &[("VAULT_CACERT", &ca)]);
    for (bad, words) in [
        (&late, "it has expired"),
        (&other, "it is for another name"),
    ] {
        let (begin, end) = (|| front.show(bad), || front.show(&good));
        check_fault(&place, &mut agent, words, begin, end);
    }
    assert_eq!(place.requests("auth/approle/login"), 1);
    agent.stop();
}

#[test]
fn a_name_that_loses_its_address_leaves_the_file_and_the_agent() {
    const NAME: &str = "vault.leasehold.test";
    let place = Place::with_secret("one");
    // Each answer ends with its connection, so that the name is looked up for each request.
    let between = Between::new(place.bao.port());
    let address = between.address().replace("127.0.0.1", NAME);
    let rest = format!("{APP} {EVERY_SECOND} {NATIVE}");
    place.configure_for(&address, "config.hcl", &rest);
    let hosts = |name: &str| fs::write(place.path("hosts"), format!("127.0.0.1 {name}\n")).unwrap();
    hosts(NAME);
    // A name server that refuses: nothing is asked of the real ones.
    fs::write(place.path("resolv.conf"), "nameserver 127.0.0.1\n").unwrap();
    let script = format!(
        "cd {folder} && mount --bind hosts /etc/hosts && mount --bind resolv.conf /etc/resolv.conf || exit 70
         exec {program} run --config config.hcl 2>> log",
        folder = place.folder.path().display(),
        program = env!("CARGO_BIN_EXE_leasehold-agent"),
    );
    let mut command = process::guarded("unshare");
    command
        .args(["--user", "--map-root-user", "--mount", "--pid", "--fork"])
        .args(["--kill-child", "--", "sh", "-c", &script])
        .env_remove("HTTP_PROXY")
        .env_remove("http_proxy")
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    let mut agent = Agent(process::spawn(command).unwrap());
    let words = "the host's name cannot be resolved";
    let (begin, end) = (|| hosts("other.test"), || hosts(NAME));
    check_fault(&place, &mut agent, words, begin, end);
    assert_eq!(place.requests("auth/approle/login"), 1);
}
