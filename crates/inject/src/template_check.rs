//! The question whether a template can be parsed, asked of whoever has a template engine.

use serde::Serialize;

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

/// Why a template does not parse. There are names and the template's own text in it, never the value of
/// a secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TemplateFault {
    /// What is wrong, in one sentence without a full stop, with the place and the hints in it.
    #[serde(skip)]
    pub sentence: String,
    /// The template's line, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// The column in characters, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<usize>,
    /// That line of the template, cut where it is very long.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub excerpt: Option<String>,
    /// What would have been possible: names that exist.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hints: Vec<String>,
    /// The line with a caret below the place, and the hints, for a terminal; empty without a place.
    #[serde(skip)]
    pub picture: String,
}

/// Parses templates at admission, so that a mistake is told to its author and not to a log.
pub trait TemplateCheck {
    /// Says why the template does not parse.
    fn check(&self, template: TemplateText<'_>) -> Result<(), Box<TemplateFault>>;
}

/// Looks at no template: for callers that have no engine.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unchecked;

impl TemplateCheck for Unchecked {
    fn check(&self, _template: TemplateText<'_>) -> Result<(), Box<TemplateFault>> {
        Ok(())
    }
}
