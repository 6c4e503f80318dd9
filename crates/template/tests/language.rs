//! Templates with what Go 1.26's own `text/template` made of them, recorded with the few functions of the
//! library that they call: generated programs, expressions and formats, and damaged templates.

use leasehold_template::{NoHost, Options, Snapshot, Template, TemplateError, render};
use serde_json::Value;

const CASES: &str = include_str!("language.json");

fn rendered(case: &Value) -> Result<String, TemplateError> {
    let text = |key: &str| {
        case.get(key)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let options = Options {
        left_delimiter: text("left"),
        right_delimiter: text("right"),
        error_on_missing_key: case.get("strict").is_some(),
        ..Options::default()
    };
    let template = Template::parse(text("template"), options)?;
    let rendered = render(&template, &Snapshot::new(), &mut NoHost)?;
    Ok(String::from_utf8_lossy(&rendered.output).into_owned())
}

#[test]
fn the_language_does_what_go_does() {
    let cases: Vec<Value> = serde_json::from_str(CASES).unwrap();
    let mut different = Vec::new();
    for case in &cases {
        let (key, actual) = match rendered(case) {
            Ok(output) => ("output", output),
            Err(error) => ("error", error.to_string()),
        };
        if case.get(key).and_then(Value::as_str) != Some(&actual) {
            different.push(format!("{case}\n  {key}: {actual:?}"));
        }
    }
    assert!(cases.len() >= 350, "cases were lost");
    assert!(
        different.is_empty(),
        "{} differ:\n{}",
        different.len(),
        different.join("\n")
    );
}
