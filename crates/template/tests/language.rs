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

#[test]
fn a_path_of_any_length_leads_to_its_end_and_its_errors_name_it() {
    for length in [1, 2, 16, 17, 18, 400] {
        let data = r#"{"a":"#.repeat(length) + r#""end""# + &"}".repeat(length);
        let path = ".a".repeat(length);
        let render = |action: &str| {
            let source = format!("{{{{ $x := parseJSON `{data}` }}}}{action}");
            rendered(&serde_json::json!({ "template": source }))
        };
        for action in [
            format!("{{{{ $x{path} }}}}"),
            format!("{{{{ print $x{path} }}}}"),
            format!("{{{{ with $x }}}}{{{{ {path} }}}}{{{{ end }}}}"),
        ] {
            assert_eq!(render(&action).unwrap(), "end", "{length} names");
        }
        let error = render(&format!("{{{{ $x{path}.b }}}}")).unwrap_err();
        assert!(
            error.to_string().contains("can't evaluate field b"),
            "{error}"
        );
    }
}

#[test]
fn a_map_that_holds_itself_is_walked_as_far_as_the_path_says() {
    let source = "{{ $m := sprig_dict \"k\" \"v\" }}{{ $m = sprig_set $m \"self\" $m }}\
                  {{ $m.self.self.self.k }} {{ len $m.self.self }} {{ $_ := sprig_set $m.self \"k\" $m.self.k }}{{ $m.k }}";
    let case = serde_json::json!({ "template": source });
    assert_eq!(rendered(&case).unwrap(), "v 2 v");
}

#[test]
fn names_are_made_of_letters_and_decimal_digits_of_any_script() {
    let render = |template: &str| rendered(&serde_json::json!({ "template": template }));
    assert_eq!(render("{{ $x٣ := 1 }}{{ $x٣ }}").unwrap(), "1");
    assert_eq!(render("{{ $ªː := 2 }}{{ $ªː }}").unwrap(), "2");
    for (template, character) in [
        ("{{ $a² := 1 }}", "U+00B2 '²'"),
        ("{{ $a\u{301} := 1 }}", "U+0301 '\u{301}'"),
        ("{{ $Ⅷ := 1 }}", "U+2167 'Ⅷ'"),
        ("{{ .aⓐ }}", "U+24D0 'ⓐ'"),
    ] {
        let error = render(template).unwrap_err().to_string();
        let expected = format!("parse: template: :1: bad character {character}");
        assert_eq!(error, expected);
    }
}

#[test]
fn slice_takes_no_number_out_of_a_slot_of_any_type() {
    let render = |template: &str| rendered(&serde_json::json!({ "template": template }));
    let data = "{{ $m := sprig_dict \"n\" 1 \"t\" \"abc\" }}";
    for (action, output) in [
        ("{{ slice $m.t 1 }}", "bc"),
        ("{{ $n := $m.n }}{{ slice $m.t $n }}", "bc"),
        ("{{ slice $m.t (index $m \"n\") }}", "bc"),
        ("{{ $m.n | slice $m.t }}", "bc"),
    ] {
        assert_eq!(
            render(&format!("{data}{action}")).unwrap(),
            output,
            "{action}"
        );
    }
    for action in [
        "{{ slice $m.t $m.n }}",
        "{{ with $m }}{{ slice \"abc\" 0 .n }}{{ end }}",
    ] {
        let error = render(&format!("{data}{action}")).unwrap_err().to_string();
        assert!(
            error.ends_with("error calling slice: cannot index slice/array with type interface {}"),
            "{error}"
        );
    }
}

#[test]
fn a_time_prints_as_an_expression_of_go_where_go_syntax_is_asked_for() {
    let template = "{{ $t := sprig_toDate \"2006-01-02T15:04:05.9Z07:00\" \"2024-03-04T05:06:07.5+02:00\" }}\
                    {{ printf \"%#v|%72v|\" $t $t }}{{ printf \"%#v\" (sprig_list $t) }}";
    let date = "time.Date(2024, time.March, 4, 5, 6, 7, 500000000, time.Location(\"\"))";
    let plain = format!("{:>72}", "2024-03-04 05:06:07.5 +0200 +0200");
    assert_eq!(
        rendered(&serde_json::json!({ "template": template })).unwrap(),
        format!("{date}|{plain}|[]interface {{}}{{{date}}}")
    );
}
