//! The template engine as the injection asks for it: does this text parse? It is the engine that renders in the pod, with
//! all of its functions, so what passes here does not fail there for its form.

use leasehold_inject::{TemplateCheck, TemplateText};
use leasehold_template::{Options, Template, TemplateError};

/// Parses templates with the engine that renders them in the pod.
#[derive(Debug, Clone, Copy)]
pub struct Templates;

impl TemplateCheck for Templates {
    fn check(&self, template: TemplateText<'_>) -> Result<(), String> {
        let options = Options {
            left_delimiter: template.left_delimiter.to_owned(),
            right_delimiter: template.right_delimiter.to_owned(),
            destination: Some(template.destination.to_owned()),
            ..Options::default()
        };
        Template::parse(template.contents, options)
            .map(drop)
            .map_err(|error| sentence(&error))
    }
}

/// Place, message and hints on one line: warnings have no more.
fn sentence(error: &TemplateError) -> String {
    let mut text = match (error.line(), error.column()) {
        (Some(line), Some(column)) => format!("line {line}, column {column}: {}", error.message()),
        _ => error.message().to_owned(),
    };
    for hint in error.hints() {
        text.push_str("; ");
        text.push_str(hint);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(contents: &str, left_delimiter: &str, right_delimiter: &str) -> Result<(), String> {
        let destination = "/vault/secrets/x";
        Templates.check(TemplateText {
            destination,
            contents,
            left_delimiter,
            right_delimiter,
        })
    }

    #[test]
    fn what_the_agent_renders_passes() {
        let template =
            "{{ with secret \"kv/data/app\" }}{{ .Data.data.password | toJSON }}{{ end }}";
        assert_eq!(check(template, "{{", "}}"), Ok(()));
        assert_eq!(check("[[ env \"HOME\" ]] {{ plain", "[[", "]]"), Ok(()));
    }

    #[test]
    fn what_cannot_parse_is_told_with_its_place() {
        let error = check("line\n{{ with secret \"x\" }}", "{{", "}}").unwrap_err();
        assert!(error.starts_with("line 2"), "{error}");
        let error = check("{{ secrret \"x\" }}", "{{", "}}").unwrap_err();
        assert!(
            error.contains("secrret") && error.contains("`secret`"),
            "{error}"
        );
    }
}
