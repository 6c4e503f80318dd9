//! What people read when a template is wrong: place, line, caret, and the names that would do.

use leasehold_template::{
    Answer, Dependency, NoHost, Options, Phase, Snapshot, Template, TemplateError, render,
};

fn failure(source: &str, strict: bool) -> TemplateError {
    let options = Options {
        name: "/vault/configs/db.ctmpl".to_owned(),
        error_on_missing_key: strict,
        ..Options::default()
    };
    match Template::parse(source, options) {
        Err(error) => error,
        Ok(template) => {
            render(&template, &Snapshot::new(), &mut NoHost).expect_err("the template fails")
        }
    }
}

#[test]
fn an_unknown_function_is_shown_with_the_near_ones() {
    let error = failure("user: x\npass: {{ prnt \"x\" }}\n", false);
    assert_eq!(error.phase(), Phase::Parse);
    assert_eq!(
        error.to_string(),
        "parse: template: :2: function \"prnt\" not defined"
    );
    assert_eq!(
        error.explain(),
        "/vault/configs/db.ctmpl:2:10: function \"prnt\" not defined\n\
         \x20 |\n\
         2 | pass: {{ prnt \"x\" }}\n\
         \x20 |          ^\n\
         \x20 = did you mean `print` or `printf`?"
    );
}

#[test]
fn an_unknown_variable_is_shown_with_the_near_ones() {
    let error = failure("{{ $password := \"x\" }}{{ $pasword }}", false);
    assert_eq!(error.hints(), ["did you mean `$password`?"]);
    assert_eq!((error.line(), error.column()), (Some(1), Some(26)));
}

#[test]
fn an_unclosed_action_points_to_its_start() {
    let error = failure("a\nb {{ if true }}\nc\n", false);
    assert_eq!(error.to_string(), "parse: template: :4: unexpected EOF");
}

#[test]
fn a_failing_index_shows_the_place_in_characters_not_bytes() {
    let error = failure("größe: {{ index \"ab\" 7 }}", false);
    assert_eq!(
        error.to_string(),
        "execute: template: :1:12: executing \"\" at <index \"ab\" 7>: error calling index: \
         index out of range: 7"
    );
    assert_eq!((error.line(), error.column()), (Some(1), Some(11)));
    assert_eq!(error.excerpt(), Some("größe: {{ index \"ab\" 7 }}"));
}

#[test]
fn very_long_lines_are_cut_around_the_place() {
    let source = format!(
        "{}{{{{ index \"ab\" 7 }}}}{}",
        "x".repeat(1000),
        "y".repeat(1000)
    );
    let error = failure(&source, false);
    let excerpt = error.excerpt().unwrap();
    assert_eq!(excerpt.chars().count(), 120);
    assert!(excerpt.contains("{{ index"));
}

#[test]
fn a_missing_key_is_shown_with_those_that_are_there_and_without_values() {
    let source = "{{ with secret \"db\" }}\nDB_USER={{ .Data.usernam }}{{ end }}";
    let options = Options {
        name: "db.ctmpl".to_owned(),
        error_on_missing_key: true,
        ..Options::default()
    };
    let template = Template::parse(source, options).expect("a template");
    let body = br#"{"data": {"username": "u-secret", "password": "p-secret"}}"#;
    let mut snapshot = Snapshot::new();
    snapshot.insert(
        Dependency::Read {
            path: "db".to_owned(),
            query: String::new(),
        },
        Answer::secret(body).expect("a secret"),
    );
    let error = render(&template, &snapshot, &mut NoHost).expect_err("the key is missing");
    assert_eq!(
        format!("{}: {error}", error.name()),
        "db.ctmpl: execute: template: :2:16: executing \"\" at <.Data.usernam>: map has no entry for key \"usernam\""
    );
    assert_eq!(
        error.details(),
        "  |\n2 | DB_USER={{ .Data.usernam }}{{ end }}\n  |                 ^\n\
         \x20 = did you mean `username`?\n  = keys that are there: `password`, `username`"
    );
    assert_eq!(
        error.in_one_line(),
        "db.ctmpl: execute: template: :2:16: executing \"\" at <.Data.usernam>: map has no entry for key \"usernam\" \
         (`DB_USER={{ .Data.usernam }}{{ end }}`; did you mean `username`?; keys that are there: `password`, `username`)"
    );
}

#[test]
fn values_of_secrets_are_taken_out_of_errors() {
    let source = "{{ with secret \"db\" }}{{ range .Data.password }}{{ end }}{{ end }}";
    let template = Template::parse(source, Options::default()).expect("a template");
    let body = br#"{"data": {"password": "p-secret"}}"#;
    let mut snapshot = Snapshot::new();
    snapshot.insert(
        Dependency::Read {
            path: "db".to_owned(),
            query: String::new(),
        },
        Answer::secret(body).expect("a secret"),
    );
    let error = render(&template, &snapshot, &mut NoHost).expect_err("a text is no list");
    assert!(
        error
            .to_string()
            .ends_with("range can't iterate over [redacted]"),
        "{error}"
    );
    for shown in [
        error.explain(),
        format!("{error:?}"),
        error.message().to_owned(),
    ] {
        assert!(!shown.contains("p-secret"), "{shown}");
    }
}

#[test]
fn texts_for_logs_hold_no_value_however_deep() {
    let source = "{{ with secret \"db\" }}{{ range .Data.data.password }}{{ end }}{{ end }}";
    let template = Template::parse(source, Options::default()).expect("a template");
    let body = br#"{"data": {"data": {"password": "p-secret", "list": "list", "n": 1}}}"#;
    let mut snapshot = Snapshot::new();
    snapshot.insert(
        Dependency::Read {
            path: "db".to_owned(),
            query: String::new(),
        },
        Answer::secret(body).expect("a secret"),
    );
    let error = render(&template, &snapshot, &mut NoHost).expect_err("a text is no list");
    assert_eq!(
        error.for_logs(),
        "execute: template: :1:36: executing \"\" at <.Data.data.password>: \
         range can't iterate over [redacted]"
    );
    assert_eq!(error.message(), "range can't iterate over [redacted]");
    assert!(!error.explain().contains("p-secret"));
    assert!(!format!("{error:?}").contains("p-secret"));
}

#[test]
fn keys_made_of_values_are_not_shown() {
    let source = "{{ with secret \"db\" }}{{ $m := sprig_dict .Data.password 1 \"user\" 2 }}{{ $m.usr }}{{ end }}";
    let options = Options {
        error_on_missing_key: true,
        ..Options::default()
    };
    let template = Template::parse(source, options).expect("a template");
    let mut snapshot = Snapshot::new();
    snapshot.insert(
        Dependency::Read {
            path: "db".to_owned(),
            query: String::new(),
        },
        Answer::secret(br#"{"data": {"password": "p-secret"}}"#).expect("a secret"),
    );
    let error = render(&template, &snapshot, &mut NoHost).expect_err("the key is missing");
    assert_eq!(
        error.hints(),
        [
            "did you mean `user`?",
            "keys that are there: `[redacted]`, `user`"
        ]
    );
    assert!(!error.in_one_line().contains("p-secret"));
    assert!(!error.explain().contains("p-secret"));
}

const KEY: &str =
    "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIA==\n-----END PRIVATE KEY-----\n";

/// The error of a template over a secret whose values have many forms.
fn error_about(source: &str) -> leasehold_template::TemplateError {
    let template = Template::parse(source, Options::default()).expect("a template");
    let body = serde_json::json!({
        "lease_id": "database/creds/app/Xq81LeaseZ",
        "data": {"data": {
            "password": "p-Secret\"w/\\\\ord", "key": KEY, "list": "first-Part,second-Part",
            "url": "postgres://app:hunter2-Pass@db:5432/x", "long": "v".repeat(20_000),
            "numbers": ["10-Numbers-1", "10-Numbers-2"],
        }},
        "auth": {"client_token": "hvs.TokenAbc123", "accessor": "accessorXyz"},
    });
    let mut snapshot = Snapshot::new();
    let (path, query) = ("x".to_owned(), String::new());
    let secret = Answer::secret(body.to_string().as_bytes()).expect("a secret");
    snapshot.insert(Dependency::Read { path, query }, secret);
    let issued = leasehold_template::PemEncoded {
        certificate: "cert".into(),
        key: KEY.into(),
        ca: "ca".into(),
        ca_chain: Vec::new(),
    };
    let certificate = Dependency::PkiCert {
        path: "pki/issue/x".to_owned(),
        data: [("common_name".to_owned(), "x".to_owned())].into(),
        destination: None,
    };
    snapshot.insert(certificate, Answer::certificate(issued));
    let file = Dependency::File {
        path: "/token".to_owned(),
    };
    snapshot.insert(file, Answer::file("s.FileToken99"));
    render(&template, &snapshot, &mut NoHost).expect_err(source)
}

#[test]
fn whatever_functions_make_of_values_stays_out_of_logs() {
    // Pieces of the values above, as they are, escaped, encoded, and in other letters.
    let traces = [
        "Secret",
        "SECRET",
        "terceS",
        "cC1TZWNyZXQ",
        "MC4CAQ",
        "mc4caq",
        "first-Part",
        "second-Part",
        "d-Part",
        "hunter2",
        "HUNTER2",
        "Pass@db",
        "vvvvvvvv",
        "Numbers",
        "TokenAbc",
        "accessorXyz",
        "Xq81",
        "FileToken",
        "Part",
    ];
    let with = |body: &str| {
        format!("{{{{ with secret \"x\" }}}}{{{{ $d := .Data.data }}}}{body}{{{{ end }}}}")
    };
    for body in [
        "{{ parseInt $d.password }}",
        "{{ parseInt (toUpper $d.password) }}",
        "{{ parseInt (base64Encode $d.password) }}",
        "{{ parseInt (sprig_substr 2 9 $d.password) }}",
        "{{ parseInt (toJSON $d.password) }}",
        "{{ parseInt (printf \"%q\" $d.password) }}",
        "{{ parseBool $d.key }}",
        "{{ parseFloat (toLower $d.key) }}",
        "{{ add 1 $d.key }}",
        "{{ range split \"\\n\" $d.key }}{{ parseInt . }}{{ end }}",
        "{{ range split \",\" $d.list }}{{ parseInt . }}{{ end }}",
        "{{ eq (split \",\" $d.list) 1 }}",
        "{{ range $d.list }}{{ end }}",
        "{{ sprig_mustToDate \"2006\" $d.list }}",
        "{{ sprig_urlParse (printf \"%s%%zz\" $d.url) }}",
        "{{ sprig_urlParse (printf \"http://%s%%zz\" (toUpper $d.url)) }}",
        "{{ sprig_mustRegexMatch (printf \"(%s\" $d.password) \"x\" }}",
        "{{ sprig_semverCompare $d.password \"1\" }}",
        "{{ parseYAML (printf \"a: !!int %s\" $d.list) }}",
        "{{ parseInt $d.long }}",
        "{{ range $d.long }}{{ end }}",
        "{{ range printf \"%s%s\" (sprig_repeat 8000 \"x\") $d.long }}{{ end }}",
        "{{ range printf \"%s%s\" (sprig_repeat 8190 \"x\") $d.key }}{{ end }}",
        "{{ sprig_fail $d.password }}",
        "{{ executeTemplate $d.password }}",
        "{{ index (sprig_list) $d.password }}",
        "{{ range $d.numbers }}{{ parseInt . }}{{ end }}",
        "{{ eq $d.numbers $d.numbers }}",
        "{{ parseInt .Auth.ClientToken }}",
        "{{ add 1 .Auth.ClientToken }}",
        "{{ parseInt .Auth.Accessor }}",
        "{{ parseInt .LeaseID }}",
        "{{ range .LeaseID }}{{ end }}",
        "{{ explodeMap (sprig_dict \"a\" $d.password \"a/b\" 1) }}",
        "{{ with pkiCert \"pki/issue/x\" \"common_name=x\" }}{{ parseInt .Key }}{{ end }}",
        "{{ with pkiCert \"pki/issue/x\" \"common_name=x\" }}{{ range .Key }}{{ end }}{{ end }}",
        "{{ parseInt (file \"/token\") }}",
        "{{ range file \"/token\" }}{{ end }}",
        "{{ (sprig_dict \"a\" $d.password).a.b }}",
        "{{ mustEnv $d.password }}",
        "{{ sprig_duration $d.password | sprig_mustDateModify $d.password (sprig_toDate \"2006\" \"2020\") }}",
    ] {
        let error = error_about(&with(body));
        // The place quotes the template, which may name what it likes.
        let shown = [
            error.message(),
            error.for_logs(),
            &error.explain(),
            &error.in_one_line(),
        ]
        .join("\n");
        for trace in traces {
            assert!(
                !shown.contains(trace),
                "{body}: {trace} in {}",
                error.message()
            );
        }
        assert!(error.message().len() < 10_000, "{body}");
    }
}

#[test]
fn what_stands_in_the_template_stays_in_messages() {
    for (source, message) in [
        (
            "{{ with secret \"x\" }}{{ parseInt \"1x\" }}{{ end }}",
            "\"1x\"",
        ),
        (
            "{{ with secret \"x\" }}{{ executeTemplate \"nope\" }}{{ end }}",
            "\"nope\"",
        ),
        (
            "{{ with secret \"x\" }}{{ .Nope }}{{ end }}",
            "can't evaluate field Nope in type *dependency.Secret",
        ),
        (
            "{{ with secret \"x\" }}{{ regexMatch \"a(\" \"b\" }}{{ end }}",
            "missing closing ): `a(`",
        ),
    ] {
        let error = error_about(source);
        assert!(error.message().contains(message), "{}", error.message());
    }
}
