//! The question whether a template can be parsed, asked of whoever has a template engine.

/// One template as the agent will get it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TemplateText<'a> {
    /// The file the template is rendered to.
    pub destination: &'a str,
    /// The template's text.
    pub contents: &'a str,
    /// What opens an action, `{{` unless an annotation says otherwise.
    pub left_delimiter: &'a str,
    /// What closes an action, `}}` unless an annotation says otherwise.
    pub right_delimiter: &'a str,
}

/// Parses templates at admission, so that a mistake is told to its author and not to a log.
pub trait TemplateCheck {
    /// Says why the template does not parse, in one sentence without a full stop.
    fn check(&self, template: TemplateText<'_>) -> Result<(), String>;
}

/// Looks at no template: for callers that have no engine.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unchecked;

impl TemplateCheck for Unchecked {
    fn check(&self, _template: TemplateText<'_>) -> Result<(), String> {
        Ok(())
    }
}
