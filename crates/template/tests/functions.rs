//! Calls of functions with what consul-template 0.42.1 made of them, recorded from its own packages: rules that its
//! documentation does not tell, and odd arguments to every function.

use leasehold_template::{
    Answer, Dependency, NoHost, Options, Snapshot, Template, TemplateError, render,
};
use serde_json::Value;

const CASES: &str = include_str!("functions.json");

/// What `$s` holds in templates that begin by reading `secret/x`.
const SECRET: &str = include_str!("functions.secret.json");

fn rendered(case: &Value, snapshot: &Snapshot) -> Result<String, TemplateError> {
    let source = case["template"].as_str().unwrap_or_default();
    let template = Template::parse(source, Options::default())?;
    let rendered = render(&template, snapshot, &mut NoHost)?;
    Ok(String::from_utf8_lossy(&rendered.output).into_owned())
}

#[test]
fn functions_do_what_was_recorded() {
    let cases: Vec<Value> = serde_json::from_str(CASES).unwrap();
    let mut snapshot = Snapshot::new();
    let (path, query) = ("secret/x".to_owned(), String::new());
    let secret = Answer::secret(SECRET.as_bytes()).unwrap();
    snapshot.insert(Dependency::Read { path, query }, secret);
    let mut different = Vec::new();
    for case in &cases {
        let (key, actual) = match rendered(case, &snapshot) {
            Ok(output) => ("output", output),
            Err(error) => ("error", error.to_string()),
        };
        if case.get(key).and_then(Value::as_str) != Some(&actual) {
            different.push(format!("{case}\n  {key}: {actual:?}"));
        }
    }
    assert!(cases.len() >= 1000, "cases were lost");
    assert!(
        different.is_empty(),
        "{} differ:\n{}",
        different.len(),
        different.join("\n")
    );
}
