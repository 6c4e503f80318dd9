//! The command line besides `run`.

use std::fs;

use crate::place::{APP, Place};

#[test]
fn revokes_the_token_of_a_sink_as_a_pre_stop_hook_does() {
    let place = Place::new("1h", "24h");
    let token = place.bao.token(&["app"], "1h");
    fs::write(place.path(".vault-token"), &token).unwrap();
    let address = format!("-address={}", place.bao.address());
    let revoked = place.run(&["token", "revoke", &address, "-self"]);
    assert!(revoked.status.success(), "{revoked:?}");
    let again = place.run(&["token", "revoke", &address, "-self"]);
    assert_eq!(again.status.code(), Some(1));
}

#[test]
fn wrong_command_lines_and_configurations_end_with_status_1_and_a_sentence() {
    let place = Place::new("1h", "24h");
    fs::write(place.path("broken.hcl"), "auto_auth {").unwrap();
    let broken = place.path("broken.hcl").display().to_string();
    for (words, part) in [
        (vec!["run"], "there is no configuration"),
        (vec!["run", "--config", broken.as_str()], "broken.hcl"),
        (vec!["run", "--config", "/no/such.hcl"], "/no/such.hcl"),
        (
            vec!["agent", "-bogus"],
            "flag provided but not defined: -bogus",
        ),
        (vec!["bogus"], "`bogus` is no command"),
        (vec!["render"], "no template is given"),
        (vec!["check-config", broken.as_str()], "broken.hcl"),
    ] {
        let output = place.run(&words);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{words:?}");
        assert!(said.contains(part), "{words:?}: {said}");
        assert!(output.stdout.is_empty(), "{words:?}");
    }
}

#[test]
fn flags_of_the_log_file_come_before_the_configuration() {
    let place = Place::with_secret("one");
    let log = "log_file = \"FOLDER/a.log\" log_rotate_bytes = 1000000";
    place.configure("config.hcl", &format!("exit_after_auth = true {APP} {log}"));
    let config = place.path("config.hcl").display().to_string();
    let file = place.path("b.log").display().to_string();
    let run = |flag: &str, value: &str| {
        let flags = ["--log-file", &file, flag, value];
        place.run(&[&["run", "--config", &config], &flags[..]].concat())
    };
    for (flag, wrong) in [
        ("-log-rotate-bytes", "many"),
        ("-log-rotate-duration", "soon"),
        ("-log-rotate-max-files", "-2"),
    ] {
        let output = run(flag, wrong);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{flag}: {said}");
        let sentence = format!("`{flag}` is `{wrong}`; accepted is ");
        assert!(said.contains(&sentence), "{said}");
    }
    assert!(run("-log-rotate-bytes", "1").status.success());
    assert!(!place.path("a.log").exists());
    let names = fs::read_dir(place.folder.path()).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
    let aside = names.filter(|name| name.starts_with("b-") && name.ends_with(".log"));
    assert!(aside.count() > 3, "each line is put aside");
}
