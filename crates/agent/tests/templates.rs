//! What templates ask a real server for: each distinct thing once, in as many passes as it takes, and
//! errors that say where they are.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

use std::{
    fs,
    process::{Command, Output, Stdio},
    time::Duration,
};

use leasehold_testkit::{OpenBao, process, scratch::Scratch, wait};
use serde_json::json;

const DEADLINE: Duration = Duration::from_secs(30);

/// A server with some secrets, and a folder for templates.
struct Place {
    bao: OpenBao,
    folder: Scratch,
}

impl Place {
    fn new() -> Self {
        let bao = OpenBao::start();
        for (path, body) in [
            ("secret/data/which", json!({"data": {"path": "secret/app"}})),
            ("secret/data/app", json!({"data": {"k": "first"}})),
            ("secret/data/app", json!({"data": {"k": "second"}})),
            ("secret/data/team/a", json!({"data": {"k": "va"}})),
            ("secret/data/team/b", json!({"data": {"k": "vb"}})),
            ("secret/data/team/deep/c", json!({"data": {"k": "vc"}})),
            ("sys/mounts/transit", json!({"type": "transit"})),
            ("transit/keys/app", json!({})),
        ] {
            bao.write(path, &body);
        }
        Self {
            bao,
            folder: Scratch::new("templates"),
        }
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = process::guarded(env!("CARGO_BIN_EXE_leasehold-agent"));
        command
            .args(words)
            .env_clear()
            .env("VAULT_ADDR", self.bao.address())
            .env("VAULT_TOKEN", self.bao.root_token())
            .stdin(Stdio::null());
        command
    }

    fn render(&self, template: &str) -> Output {
        let path = self.folder.join("template");
        fs::write(&path, template).unwrap();
        let path = path.display().to_string();
        self.command(&["render", "-t", &path]).output().unwrap()
    }

    /// What a template renders to, and the requests that it took, without look-ups of mounts.
    fn rendered(&self, template: &str) -> (String, Vec<(String, String)>) {
        let before = self.bao.audited_requests().len();
        let output = self.render(template);
        assert!(output.status.success(), "{output:?}");
        (
            String::from_utf8(output.stdout).unwrap(),
            self.asked(before),
        )
    }

    fn asked(&self, before: usize) -> Vec<(String, String)> {
        let requests = self.bao.audited_requests().split_off(before);
        requests
            .into_iter()
            .filter(|(_, path)| !path.starts_with("sys/internal/"))
            .collect()
    }
}

fn requests(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected
        .iter()
        .map(|(operation, path)| ((*operation).to_owned(), (*path).to_owned()))
        .collect()
}

#[test]
fn what_one_secret_names_is_read_in_a_further_pass_and_everything_once() {
    let place = Place::new();
    let (text, asked) = place.rendered(
        r#"{{ with secret "secret/which" }}{{ with secret .Data.data.path }}{{ .Data.data.k }}{{ end }}{{ end -}}
{{ range loop 3 }} {{ with secret "secret/app" }}{{ .Data.data.k }}{{ end }}{{ end }}"#,
    );
    // The literal path of the loop is the one that the first secret names.
    assert_eq!(text, "second second second second");
    let mut asked: Vec<String> = asked.into_iter().map(|(_, path)| path).collect();
    asked.sort_unstable();
    assert_eq!(asked, ["secret/data/app", "secret/data/which"]);
}

#[test]
fn a_chain_of_secrets_takes_a_pass_for_each() {
    let place = Place::new();
    let (text, asked) = place.rendered(
        r#"{{ with secret "secret/which" }}{{ with secret .Data.data.path }}{{ .Data.data.k }}{{ end }}{{ end }}"#,
    );
    assert_eq!(text, "second");
    assert_eq!(
        asked,
        requests(&[("read", "secret/data/which"), ("read", "secret/data/app")])
    );
}

#[test]
fn versions_of_a_secret_are_distinct_reads() {
    let place = Place::new();
    let (text, asked) = place.rendered(
        r#"{{ with secret "secret/app?version=1" }}{{ .Data.data.k }}{{ end }} {{ with secret "secret/data/app?version=1" }}{{ .Data.metadata.version }}{{ end }} {{ with secret "secret/app" }}{{ .Data.data.k }} {{ .Data.metadata.version }}{{ end }}"#,
    );
    assert_eq!(text, "first 1 second 2");
    assert_eq!(asked.len(), 3, "three different calls: {asked:?}");
    assert!(
        asked
            .iter()
            .all(|request| *request == ("read".to_owned(), "secret/data/app".to_owned()))
    );
}

#[test]
fn a_write_happens_once_however_often_it_stands_there_and_in_whatever_order() {
    let place = Place::new();
    let (text, asked) = place.rendered(
        r#"{{ with secret "secret/which" }}{{ with secret .Data.data.path }}{{ .Data.data.k }}{{ end }}{{ end -}}
{{ range loop 3 }}{{ with secret "transit/encrypt/app" "plaintext=aGk=" "key_version=1" }}{{ .Data.ciphertext | len | print " " }}{{ end }}{{ end -}}
{{ with secret "transit/encrypt/app" "key_version=1" "plaintext=aGk=" }}{{ .Data.ciphertext | len | print " " }}{{ end }}"#,
    );
    assert!(text.starts_with("second "), "{text}");
    assert_eq!(text.split(' ').count(), 5, "{text}");
    let writes: Vec<_> = asked
        .iter()
        .filter(|(_, path)| path == "transit/encrypt/app")
        .collect();
    assert_eq!(writes.len(), 1, "{asked:?}");
}

#[test]
fn a_wrapped_answer_is_unwrapped_once_and_used_in_every_pass() {
    let place = Place::new();
    // A response-wrapping token can be used a single time: a second unwrapping would fail.
    let mut wrap = place.bao.command(&[
        "write",
        "-wrap-ttl=60s",
        "-field=wrapping_token",
        "sys/wrapping/wrap",
        "k=inside",
    ]);
    let token = String::from_utf8(wrap.output().unwrap().stdout).unwrap();
    assert!(!token.trim().is_empty());
    let (text, asked) = place.rendered(&format!(
        r#"{{{{ with secret "sys/wrapping/unwrap" "token={}" }}}}{{{{ .Data.k }}}}{{{{ end }}}} {{{{ with secret "secret/which" }}}}{{{{ with secret .Data.data.path }}}}{{{{ .Data.data.k }}}}{{{{ end }}}}{{{{ end }}}}"#,
        token.trim()
    ));
    assert_eq!(text, "inside second");
    let unwrapped = asked
        .iter()
        .filter(|(_, path)| path == "sys/wrapping/unwrap")
        .count();
    assert_eq!(unwrapped, 1, "{asked:?}");
}

#[test]
fn a_list_is_fetched_once_and_what_it_names_is_read_in_the_next_pass() {
    let place = Place::new();
    let (text, asked) = place.rendered(
        r#"{{ range secrets "secret/team" }}{{ . }} {{ end }}{{ range secrets "secret/team" }}{{ if not (. | sprig_hasSuffix "/") }}{{ with secret (print "secret/team/" .) }}{{ .Data.data.k }} {{ end }}{{ end }}{{ end }}"#,
    );
    assert_eq!(text, "a b deep/ va vb ");
    let (first, mut rest) = (asked[0].clone(), asked[1..].to_vec());
    rest.sort_unstable();
    assert_eq!(
        first,
        ("list".to_owned(), "secret/metadata/team/".to_owned())
    );
    assert_eq!(
        rest,
        requests(&[
            ("read", "secret/data/team/a"),
            ("read", "secret/data/team/b")
        ])
    );
}

#[test]
fn an_error_of_a_template_is_the_whole_of_a_file_that_takes_the_errors() {
    let place = Place::new();
    let output = place.render("pass: {{ prnt \"x\" }}");
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty());
    let name = place.folder.join("template");
    assert_eq!(
        String::from_utf8(output.stderr).unwrap(),
        format!(
            "{}: parse: template: :1: function \"prnt\" not defined\n",
            name.display()
        )
    );
}

#[test]
fn templates_of_one_agent_share_what_they_ask_for_and_a_failing_one_says_where_in_one_line() {
    let place = Place::new();
    let folder = place.folder.path().display().to_string();
    let token = place.bao.token(&["root"], "1h");
    fs::write(place.folder.join("token"), token).unwrap();
    let share = r#"{{ with secret \"secret/data/app\" }}{{ .Data.data.k }}{{ end }} {{ with secret \"transit/encrypt/app\" \"plaintext=aGk=\" }}{{ .Data.ciphertext }}{{ end }}"#;
    let fails = r#"{{ with secret \"secret/data/app\" }}{{ .Data.data.kk }}{{ end }}"#;
    fs::write(
        place.folder.join("config.hcl"),
        format!(
            r#"
            vault {{ address = "{address}" }}
            auto_auth {{ method "token_file" {{ config = {{ token_file_path = "{folder}/token" }} }} }}
            template {{ contents = "{share}" destination = "{folder}/one" }}
            template {{ contents = "{share}" destination = "{folder}/two" }}
            template {{ contents = "{fails}" destination = "{folder}/three" error_on_missing_key = true }}
            "#,
            address = place.bao.address()
        ),
    )
    .unwrap();
    let before = place.bao.audited_requests().len();
    let log = fs::File::create(place.folder.join("log")).unwrap();
    let config = place.folder.join("config.hcl").display().to_string();
    let mut command = place.command(&["run", "--config", &config]);
    command.env_remove("VAULT_TOKEN").stderr(log);
    let mut agent = process::spawn(command).unwrap();
    let said = || fs::read_to_string(place.folder.join("log")).unwrap_or_default();
    let file = |name: &str| fs::read_to_string(place.folder.join(name)).ok();
    let both = wait::within(DEADLINE, || {
        let line = said()
            .lines()
            .find(|line| line.contains("map has no entry"))?
            .to_owned();
        Some((file("one")?, file("two")?, line))
    });
    let _ = agent.kill();
    let _ = agent.wait();
    let (one, two, line) = both.unwrap_or_else(|| panic!("the log:\n{}", said()));
    assert!(one.starts_with("second vault:v1:"), "{one}");
    assert_eq!(one, two, "the write is shared, or its answers would differ");
    assert!(
        line.contains("(dynamic): execute: template: :1:")
            && line.contains("map has no entry for key \"kk\" (`{{ with secret")
            && line.contains("did you mean `k`?"),
        "{line}"
    );
    assert!(!said().contains("second"), "no value is in the log");
    let asked = place.asked(before);
    for path in ["secret/data/app", "transit/encrypt/app"] {
        let times = asked.iter().filter(|(_, asked)| asked == path).count();
        assert_eq!(times, 1, "`{path}`: {asked:?}");
    }
}
