//! The template engine as the injection asks for it: does this text parse? It is the engine that renders in the pod, with
//! all of its functions, so what passes here does not fail there for its form.

use leasehold_inject::{TemplateCheck, TemplateFault, TemplateText};
use leasehold_template::{Options, Template, TemplateError};

/// Parses templates with the engine that renders them in the pod.
#[derive(Debug, Clone, Copy)]
pub struct Templates;

impl TemplateCheck for Templates {
    fn check(&self, template: TemplateText<'_>) -> Result<(), Box<TemplateFault>> {
        let options = Options {
            left_delimiter: template.left_delimiter.to_owned(),
            right_delimiter: template.right_delimiter.to_owned(),
            destination: Some(template.destination.to_owned()),
            ..Options::default()
        };
        Template::parse(template.contents, options)
            .map(drop)
            .map_err(|error| {
                Box::new(TemplateFault {
                    sentence: sentence(&error),
                    line: error.line(),
                    column: error.column(),
                    excerpt: error.excerpt().map(str::to_owned),
                    hints: error.hints().to_vec(),
                    picture: error.details(),
                })
            })
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

    fn check(
        contents: &str,
        left_delimiter: &str,
        right_delimiter: &str,
    ) -> Result<(), Box<TemplateFault>> {
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
        let fault = check("line\n{{ with secret \"x\" }}", "{{", "}}").unwrap_err();
        assert!(fault.sentence.starts_with("line 2"), "{fault:?}");
        assert_eq!(fault.line, Some(2));
        let fault = check("{{ secrret \"x\" }}", "{{", "}}").unwrap_err();
        let sentence = &fault.sentence;
        assert!(
            sentence.contains("secrret") && sentence.contains("`secret`"),
            "{sentence}"
        );
        assert_eq!((fault.line, fault.column), (Some(1), Some(4)));
        assert_eq!(fault.excerpt.as_deref(), Some("{{ secrret \"x\" }}"));
        assert!(fault.picture.contains("|    ^"), "{}", fault.picture);
        assert_eq!(fault.hints.len(), 1, "{:?}", fault.hints);
    }
}
