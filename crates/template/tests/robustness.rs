//! No source and no data make a template panic, or run without an end.

use std::fmt::Write as _;

use leasehold_template::{
    Answer, Dependency, Limits, NoHost, Options, Snapshot, Template, TemplateError, render,
};
use proptest::{collection::vec, prelude::*};

/// Small enough that thousands of templates at their limits take seconds.
fn options() -> Options {
    Options {
        limits: Limits {
            steps: 20_000,
            output: 64 << 10,
            memory: 1 << 20,
            ..Limits::default()
        },
        ..Options::default()
    }
}

fn rendered(source: impl AsRef<[u8]>) -> Result<Vec<u8>, TemplateError> {
    let template = Template::parse(source, options())?;
    render(&template, &Snapshot::new(), &mut NoHost).map(|rendered| rendered.output.to_vec())
}

fn error(source: &str) -> String {
    rendered(source)
        .err()
        .map(|error| error.to_string())
        .unwrap_or_default()
}

/// Pieces from which most of what is grammatical, and much of what is not, can be put together.
const PIECES: &[&str] = &[
    "{{",
    "}}",
    "{{- ",
    " -}}",
    " ",
    "\n",
    "text",
    "(",
    ")",
    "|",
    ".",
    "$",
    "$x",
    ":=",
    "=",
    ",",
    "\"a\"",
    "\"\\xff\"",
    "`r`",
    "'c'",
    "1",
    "-7",
    "0x1p4",
    "1e9",
    "1+2i",
    "99999999999999999999",
    "true",
    "nil",
    ".a",
    ".Data",
    "if ",
    "else",
    "else if ",
    "end",
    "range ",
    "with ",
    "define \"t\"",
    "template \"t\" ",
    "block \"b\" ",
    "break",
    "continue",
    "eq ",
    "lt ",
    "and ",
    "or ",
    "not ",
    "len ",
    "index ",
    "slice ",
    "printf \"%5.2f %v %+q %[2]d %*x\" ",
    "print ",
    "println ",
    "html ",
    "js ",
    "urlquery ",
    "call ",
    "executeTemplate \"t\" ",
    "{{/*",
    "*/}}",
    "{{ end }}",
    "{{ if 1 }}",
    "{{ range 3 }}",
    "{{ with 1 }}",
    "{{ $x := 1 }}",
    "{{ define \"t\" }}",
    "{{ template \"t\" 1 }}",
    "{{ else }}",
    "é",
    "\u{0}",
    "%",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_bytes_are_parsed_or_refused(source in vec(any::<u8>(), 0..200)) {
        let _ = rendered(source);
    }

    #[test]
    fn any_pieces_are_run_or_refused(pieces in vec(0..PIECES.len(), 0..40)) {
        let mut source = String::new();
        for piece in pieces {
            source.push_str(PIECES[piece]);
        }
        if let Err(error) = rendered(&source) {
            // The place that an error names is in the source.
            let lines = source.split('\n').count();
            prop_assert!(error.line().is_none_or(|line| (1..=lines).contains(&line)));
            prop_assert!(!error.explain().is_empty());
        }
    }

    #[test]
    fn any_format_prints_something(
        format in "[%#+ 0-9.*\\[\\]vdsqxXTtfFgGeEbcoOUpwz!é-]{0,12}",
        float in any::<f64>(),
        int in any::<i64>(),
        text in any::<String>(),
    ) {
        let mut quoted = String::new();
        for character in text.chars() {
            write!(quoted, "\\U{:08x}", u32::from(character)).unwrap();
        }
        let source = format!(
            "{{{{ printf {format:?} {float:e} {int} \"{quoted}\" nil true 'x' 2i }}}}"
        );
        let _ = rendered(&source);
    }

    #[test]
    fn any_answer_of_a_server_is_read_or_refused(body in vec(any::<u8>(), 0..200)) {
        let _ = Answer::secret(&body);
    }

    #[test]
    fn any_json_as_data_is_read_or_refused(json in "[\\[\\]{}\":,0-9.eE+ tfn\\\\u-]{0,60}") {
        let body = format!("{{\"data\": {json}}}");
        if let Ok(answer) = Answer::secret(body.as_bytes()) {
            let mut snapshot = Snapshot::new();
            snapshot.insert(Dependency::List { path: "x".to_owned() }, answer);
        }
    }
}

#[test]
fn loops_without_end_are_ended() {
    let message = error("{{ range 9000000000000000000 }}{{ end }}");
    assert!(
        message.ends_with("template took more than 20000 steps"),
        "{message}"
    );
}

#[test]
fn templates_that_call_themselves_are_ended() {
    for source in [
        "{{ define \"a\" }}{{ template \"a\" }}{{ end }}{{ template \"a\" }}",
        "{{ define \"a\" }}{{ executeTemplate \"a\" }}{{ end }}{{ template \"a\" }}",
        "{{ define \"a\" }}{{ with 1 }}{{ if 1 }}{{ print (print (executeTemplate \"a\")) }}\
         {{ end }}{{ end }}{{ end }}{{ template \"a\" }}",
    ] {
        let message = error(source);
        let is_ended =
            message.contains("exceeded maximum template depth") || message.contains("levels deep");
        assert!(is_ended, "{message}");
    }
}

#[test]
fn nesting_is_bounded_when_parsing() {
    for (open, inner, close) in [
        ("(", "1", ")"),
        ("{{ if 1 }}", "", "{{ end }}"),
        ("{{ else if 1 }}", "", ""),
    ] {
        let deep = open.repeat(5000) + inner + &close.repeat(5000);
        let source = match open {
            "(" => format!("{{{{ {deep} }}}}"),
            "{{ else if 1 }}" => format!("{{{{ if 1 }}}}{deep}{{{{ end }}}}"),
            _ => deep,
        };
        let message = error(&source);
        assert!(message.contains("levels deep"), "{message}");
    }
}

#[test]
fn output_is_bounded() {
    let message = error("{{ range 5000 }}0123456789012345678901234567890123456789{{ end }}");
    assert!(
        message.ends_with("output is larger than 65536 bytes"),
        "{message}"
    );
}

#[test]
fn values_are_bounded() {
    let doubling = "{{ $x := print \"0123456789\" }}{{ range 40 }}{{ $x = print $x $x }}{{ end }}";
    let mut options = options();
    options.limits.steps = 1_000_000;
    let template = Template::parse(doubling, options).unwrap();
    let failed = render(&template, &Snapshot::new(), &mut NoHost);
    let message = failed.unwrap_err().to_string();
    assert!(
        message.ends_with("template made more than 1048576 bytes of values"),
        "{message}"
    );
}

#[test]
fn a_source_is_bounded() {
    let message = error(&"x".repeat(5 << 20));
    assert_eq!(
        message,
        "parse: template: source is larger than 4194304 bytes"
    );
}

/// Runs a template on a text that a secret holds.
fn on_text(source: &str, text: &str) -> Result<Vec<u8>, TemplateError> {
    let body = serde_json::json!({"data": {"text": text}}).to_string();
    let mut snapshot = Snapshot::new();
    if let Ok(answer) = Answer::secret(body.as_bytes()) {
        let path = "x".to_owned();
        let query = String::new();
        snapshot.insert(Dependency::Read { path, query }, answer);
    }
    let template = Template::parse(source, options())?;
    render(&template, &snapshot, &mut NoHost).map(|rendered| rendered.output.to_vec())
}

const YAML: &str = "{{ with secret \"x\" }}{{ .Data.text | parseYAML | toYAML }}{{ end }}";
const JSON: &str = "{{ with secret \"x\" }}{{ .Data.text | parseJSON | toJSON }}{{ end }}";
const WRITTEN: &str = "{{ with secret \"x\" }}{{ .Data | toYAML }}{{ .Data | toJSONPretty }}{{ .Data | toTOML }}{{ end }}";

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn any_text_of_a_secret_is_read_as_data_or_refused_and_written_again(
        text in any::<String>(),
        yaml in "[-?:,\\[\\]{}#&*!|>'\"%@` \n\ta-c0-9.~<=]{0,60}",
        json in "[\\[\\]{}\":,0-9.eE+ tfn\\\\u-]{0,60}",
    ) {
        for text in [&text, &yaml, &json] {
            for source in [YAML, JSON, WRITTEN] {
                let _ = on_text(source, text);
            }
        }
    }
}

#[test]
fn data_that_is_deep_or_unfolds_without_end_is_ended() {
    let mut bomb = "a0: &a0 [x, x]\n".to_owned();
    for level in 1..60 {
        let below = level - 1;
        writeln!(bomb, "a{level}: &a{level} [*a{below}, *a{below}]").unwrap();
    }
    let deep = "[".repeat(100_000);
    let maps = "{\"a\":".repeat(100_000);
    let blocks = "- ".repeat(20_000);
    for (source, text) in [
        (YAML, &bomb),
        (YAML, &deep),
        (YAML, &maps),
        (YAML, &blocks),
        (JSON, &deep),
        (JSON, &maps),
    ] {
        assert!(on_text(source, text).is_err(), "{}", &text[..20]);
    }
}

#[test]
fn values_that_unfold_to_more_than_they_are_are_ended_by_every_writer() {
    let shared = "{{ $l := sprig_list 1 }}{{ range 40 }}{{ $l = sprig_list $l $l }}{{ end }}";
    let cyclic =
        "{{ $l := sprig_dict }}{{ $_ := sprig_set $l \"a\" $l }}{{ $_ := sprig_set $l \"b\" $l }}";
    for made in [shared, cyclic] {
        for writer in [
            "toJSON",
            "toJSONPretty",
            "toUnescapedJSON",
            "sprig_toRawJson",
            "sprig_dict \"k\" | toJSON",
            "toYAML",
            "toTOML",
            "sprig_dict \"k\" | toTOML",
            "spew_sdump",
            "spew_sprintf \"%v\"",
            "sprig_deepCopy | len",
            "print",
            "sprig_toString",
            "html",
            "add 1",
        ] {
            let call = match writer.strip_prefix("sprig_dict \"k\" | ") {
                Some(writer) => format!("{{{{ sprig_dict \"k\" $l | {writer} }}}}"),
                None => format!("{{{{ $l | {writer} }}}}"),
            };
            assert!(!error(&format!("{made}{call}")).is_empty(), "{made}{call}");
        }
        // These swallow what is wrong with a value, but not that it is too large.
        let swallowed = error(&format!("{made}{{{{ $l | sprig_toJson }}}}"));
        assert_eq!(swallowed.is_empty(), made == cyclic, "{swallowed}");
    }
}

#[test]
fn comparing_what_unfolds_counts_as_work() {
    let pair = "{{ $l := sprig_list 1 }}{{ $k := sprig_list 1 }}\
                {{ range 40 }}{{ $l = sprig_list $l $l }}{{ $k = sprig_list $k $k }}{{ end }}";
    for call in [
        "sprig_deepEqual $l $k",
        "sprig_has $l (sprig_list $k)",
        "sprig_uniq (sprig_list $l $k) | len",
        "sprig_without (sprig_list $l) $k | len",
    ] {
        let message = error(&format!("{pair}{{{{ {call} }}}}"));
        assert!(message.ends_with("more than 20000 steps"), "{message}");
    }
    let same = "{{ $d := sprig_dict }}{{ $_ := sprig_set $d \"d\" $d }}{{ sprig_deepEqual $d $d }}";
    assert_eq!(rendered(same).unwrap(), b"true");
}

#[test]
fn regular_expressions_are_bounded_when_compiled() {
    assert_eq!(error("{{ regexMatch `[a-z]{1000}` `x` }}"), "");
    for expression in ["\\pL{1000}", "((a{0,100}){0,100}){0,100}"] {
        let message = error(&format!("{{{{ regexMatch `{expression}` `x` }}}}"));
        assert!(message.contains("error parsing regexp: "), "{message}");
    }
}

#[test]
fn what_functions_read_of_long_texts_counts_as_work() {
    let text = "x".repeat(512 << 10);
    for call in [
        "sha256Hex $t",
        "$t | trimSpace | len",
        "printf \"%.1s\" $t",
        "eq $t $t",
        "slice $t 0 1",
        "sprig_trunc 1 $t",
        "len $t",
    ] {
        let source = format!(
            "{{{{ with secret \"x\" }}}}{{{{ $t := .Data.text }}}}{{{{ range 100 }}}}{{{{ $x := {call} }}}}{{{{ end }}}}{{{{ end }}}}"
        );
        let message = on_text(&source, &text).unwrap_err().to_string();
        let bounds = ["more than 20000 steps", "bytes of values"];
        assert!(
            bounds.iter().any(|bound| message.ends_with(bound)),
            "{call}: {message}"
        );
    }
}
