//! The command line besides `run`.

use std::fs;

use crate::place::Place;

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
