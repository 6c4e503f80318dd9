//! Templates: their source, the data under them, and the languages inside of functions (formats, regular
//! expressions, YAML, TOML, JSON). Nothing may panic, take long or grow, whatever was written.

use leasehold_template::{
    Answer, Dependency, Limits, NoHost, Options, Rendered, Snapshot, Template, TemplateError, go,
    json, render,
};

/// Small, so that a template at its limits is soon done.
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

/// A source alone.
pub(crate) fn source(input: &[u8]) {
    let (template, snapshot) = match Template::parse(input, options()) {
        Ok(template) => (template, Snapshot::new()),
        Err(error) => return told(&error),
    };
    let _ = rendered(&template, &snapshot);
}

/// A source and, behind a zero byte, the body with which the server answers everything. Rendered until nothing
/// is missing, as the agent does it.
pub(crate) fn source_and_data(input: &[u8]) {
    let (source, body) = split(input);
    let Ok(answer) = Answer::secret(body) else {
        return;
    };
    let Ok(template) = Template::parse(source, options()) else {
        return;
    };
    let mut snapshot = Snapshot::new();
    for _ in 0..4 {
        let Some(Rendered { missing, .. }) = rendered(&template, &snapshot) else {
            return;
        };
        if missing.is_empty() {
            return;
        }
        for dependency in missing {
            snapshot.insert(dependency, answer.clone());
        }
    }
}

/// A format, and behind a zero byte the JSON of its arguments.
pub(crate) fn printf(input: &[u8]) {
    let (format, arguments) = split(input);
    let numbers = if format.len() % 2 == 0 {
        json::Numbers::AsText
    } else {
        json::Numbers::AsFloat
    };
    let mut values = match json::read(arguments, numbers) {
        Ok(go::Value::List(list)) => list.items().to_vec(),
        Ok(value) => vec![value],
        Err(_) => Vec::new(),
    };
    // What JSON has no words for.
    values.push(go::Value::text(arguments));
    values.push(go::Value::int64(
        i64::try_from(arguments.len())
            .unwrap_or(0)
            .wrapping_mul(0x9e37_79b9_7f4a),
    ));
    let _ = go::printf(format, &values);
}

/// A regular expression, and behind a zero byte the text it is used on.
pub(crate) fn regex(input: &[u8]) {
    with_files(
        input,
        &[
            "{{ regexMatch (file \"a\") (file \"b\") }}",
            "{{ file \"b\" | regexReplaceAll (file \"a\") \"<$1${x}$0>\" }}",
            "{{ sprig_regexFindAll (file \"a\") (file \"b\") -1 }}",
            "{{ sprig_regexSplit (file \"a\") (file \"b\") 3 }}",
            "{{ sprig_regexReplaceAllLiteral (file \"a\") (file \"b\") \"$1\" }}",
            "{{ sprig_mustRegexFind (file \"b\") (file \"a\") }}",
        ],
    );
}

/// A text in one of the languages of data, read and written in all of them.
pub(crate) fn serialized(input: &[u8]) {
    with_files(
        input,
        &[
            "{{ with file \"a\" | parseYAML }}{{ toYAML . }}{{ toJSON . }}{{ end }}",
            "{{ with file \"a\" | parseYAML }}{{ toTOML . }}{{ end }}",
            "{{ with file \"a\" | parseJSON }}{{ toYAML . }}{{ toTOML . }}{{ toJSONPretty . }}{{ spew_dump . }}{{ end }}",
            "{{ with file \"a\" | sprig_fromJson }}{{ toYAML . }}{{ printf \"%v %#v\" . . }}{{ end }}",
            "{{ sprig_toDate (file \"b\") (file \"a\") }}{{ timestamp (file \"b\") }}",
            "{{ sprig_urlParse (file \"a\") }}{{ sprig_semver (file \"b\") }}{{ sprig_semverCompare (file \"a\") (file \"b\") }}",
            "{{ sockaddr (file \"a\") }}",
            "{{ base64Decode (file \"a\") }}{{ sprig_b32dec (file \"b\") }}",
            "{{ sprig_decryptAES (file \"a\") (file \"b\") }}{{ sprig_buildCustomCert (file \"a\") (file \"b\") }}",
        ],
    );
}

/// Renders each source with two files: the parts of the input before and behind its first zero byte.
fn with_files(input: &[u8], sources: &[&str]) {
    let (a, b) = split(input);
    let mut snapshot = Snapshot::new();
    for (path, content) in [("a", a), ("b", b)] {
        let path = path.to_owned();
        snapshot.insert(Dependency::File { path }, Answer::file(content));
    }
    for source in sources {
        let template = Template::parse(source, options()).expect("the sources above are templates");
        let _ = rendered(&template, &snapshot);
    }
}

fn rendered(template: &Template, snapshot: &Snapshot) -> Option<Rendered> {
    match render(template, snapshot, &mut NoHost) {
        Ok(rendered) => Some(rendered),
        Err(error) => {
            told(&error);
            None
        }
    }
}

/// Every form in which an error is told.
fn told(error: &TemplateError) {
    let _ = (
        error.to_string(),
        error.details(),
        error.excerpt(),
        error.line(),
        error.column(),
    );
}

fn split(input: &[u8]) -> (&[u8], &[u8]) {
    match input.iter().position(|byte| *byte == 0) {
        Some(at) => (&input[..at], &input[at + 1..]),
        None => (input, &[]),
    }
}
