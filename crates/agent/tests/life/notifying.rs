//! Telling the application: commands after a change, and the process with secrets in its environment.

use std::fs;

use leasehold_testkit::wait;

use crate::place::{DEADLINE, Place};

#[test]
fn runs_the_command_of_a_changed_file_once_and_not_for_the_same_content() {
    let place = Place::with_secret("one");
    place.configure(
        "config.hcl",
        r#"template {
             contents = "{{ with secret \"secret/data/app\" }}{{ .Data.data.k }}{{ end }}"
             destination = "FOLDER/app"
             command = "echo ran >> FOLDER/ran"
           }
           template_config { static_secret_render_interval = "1s" }"#,
    );
    let _agent = place.start("config.hcl");
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
    place.configure(
        "config.hcl",
        r#"env_template "SECRET_K" {
             contents = "{{ with secret \"secret/data/app\" }}{{ .Data.data.k }}{{ end }}"
           }
           exec {
             command = ["sh", "-c", "echo $SECRET_K >> FOLDER/seen; while [ ! -e FOLDER/end ]; do sleep 0.1; done; exit 5"]
           }
           template_config { static_secret_render_interval = "1s" }"#,
    );
    let mut agent = place.start("config.hcl");
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
