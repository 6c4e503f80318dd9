//! The guide's examples: every template of `docs/templates.md` is rendered from the answer above it and
//! compared with the output below it.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "an example that fails fails the test"
)]

use leasehold_template::{Answer, Dependency, NoHost, Options, Snapshot, Template, render};

const GUIDE: &str = include_str!("../../../docs/templates.md");

/// A fenced block: its language and text.
struct Fence {
    language: String,
    text: String,
    line: usize,
}

fn fences() -> Vec<Fence> {
    let mut fences = Vec::new();
    let mut open: Option<Fence> = None;
    for (index, line) in GUIDE.lines().enumerate() {
        match (line.strip_prefix("```"), &mut open) {
            (Some(_), Some(_)) => fences.extend(open.take()),
            (Some(language), None) => {
                open = Some(Fence {
                    language: language.to_owned(),
                    text: String::new(),
                    line: index + 1,
                });
            }
            (None, Some(fence)) => {
                fence.text.push_str(line);
                fence.text.push('\n');
            }
            (None, None) => {}
        }
    }
    fences
}

fn rendered(source: &str, body: &str) -> String {
    let template = Template::parse(source, Options::default()).unwrap();
    let mut snapshot = Snapshot::new();
    for _ in 0..3 {
        let rendered = render(&template, &snapshot, &mut NoHost).unwrap();
        if rendered.missing.is_empty() {
            return String::from_utf8(rendered.output.to_vec()).unwrap();
        }
        for dependency in rendered.missing {
            let is_secret = matches!(
                dependency,
                Dependency::Read { .. } | Dependency::Write { .. }
            );
            assert!(is_secret, "the guide asks for {dependency:?}");
            snapshot.insert(dependency, Answer::secret(body.as_bytes()).unwrap());
        }
    }
    panic!("the template never ends asking: {source}");
}

#[test]
fn every_example_of_the_guide_renders_as_it_says() {
    let mut body = String::new();
    let mut template = None;
    let mut examples = 0;
    for fence in fences() {
        match fence.language.as_str() {
            "json" => body = fence.text,
            "gotemplate" => template = Some(fence.text),
            "text" => {
                let source = template.take().expect("an output follows a template");
                // The template's own last line break is not shown as an empty line.
                let actual = rendered(source.trim_end_matches('\n'), &body);
                let expected = fence.text.trim_end_matches('\n');
                assert_eq!(
                    actual.trim_end_matches('\n'),
                    expected,
                    "line {}",
                    fence.line
                );
                examples += 1;
            }
            _ => {}
        }
    }
    assert_eq!(
        examples, 9,
        "the guide has lost or gained examples: count them here"
    );
}

#[test]
fn the_error_of_the_guide_reads_as_it_says() {
    let source =
        "{{ with secret \"database/creds/app\" -}}\nDB_USER={{ .Data.usernam }}\n{{ end }}";
    let options = Options {
        name: "db.ctmpl".to_owned(),
        error_on_missing_key: true,
        ..Options::default()
    };
    let template = Template::parse(source, options).unwrap();
    let mut snapshot = Snapshot::new();
    let path = "database/creds/app".to_owned();
    let query = String::new();
    snapshot.insert(
        Dependency::Read { path, query },
        Answer::secret(br#"{"data": {"username": "v-app-1", "password": "p@ss"}}"#).unwrap(),
    );
    let error = render(&template, &snapshot, &mut NoHost).err().unwrap();
    let shown: Vec<String> = fences()
        .into_iter()
        .filter(|fence| fence.language == "console")
        .map(|fence| fence.text)
        .collect();
    assert_eq!(
        shown,
        [format!("db.ctmpl: {error}\n"), error.details() + "\n"]
    );
}
