//! What is wrong with a template, in the words that Go has for it, and beyond them for people who
//! have to mend it: where it is, the line, what was there and what would have been possible.

use std::{error, fmt};

use crate::{
    go::{ExecutionError, SyntaxError, Unknown, UnknownKey},
    nearness,
    redaction::Redaction,
};

/// When a template failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The source is not a template.
    Parse,
    /// It is, but failed while it ran.
    Execute,
}

/// A template that could not be parsed or run. It displays as the established program words it,
/// without the template's name in front; values of secrets are taken out.
#[derive(Clone)]
pub struct TemplateError(Box<Details>);

#[derive(Clone)]
struct Details {
    phase: Phase,
    /// The template's name, which stands before the text in logs.
    name: String,
    text: String,
    /// The same for logs, without values that the recorded text shows; the same text when empty.
    log_text: String,
    message: String,
    spot: Option<Spot>,
    hints: Vec<String>,
}

/// A place in the source.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Spot {
    line: usize,
    column: usize,
    excerpt: String,
}

impl TemplateError {
    pub(crate) fn too_large(name: &str, limit: usize) -> Self {
        let message = format!("source is larger than {limit} bytes");
        Self(Box::new(Details {
            phase: Phase::Parse,
            name: name.to_owned(),
            text: format!("parse: template: {message}"),
            log_text: String::new(),
            message,
            spot: None,
            hints: Vec::new(),
        }))
    }

    pub(crate) fn syntax(name: &str, source: &[u8], error: &SyntaxError, names: &[&str]) -> Self {
        let hints = match &error.unknown {
            Some(Unknown::Function(function)) => {
                nearness::hint("function", function, names.iter().copied())
            }
            Some(Unknown::Variable { name, known }) => {
                nearness::hint("variable", name, known.iter().map(String::as_str))
            }
            None => Vec::new(),
        };
        Self(Box::new(Details {
            phase: Phase::Parse,
            name: name.to_owned(),
            text: format!("parse: template: :{}: {}", error.line, error.message),
            log_text: String::new(),
            message: error.message.clone(),
            spot: Some(spot(source, error.start)),
            hints,
        }))
    }

    pub(crate) fn execution(
        name: &str,
        source: &[u8],
        error: &ExecutionError,
        secrets: &Redaction,
    ) -> Self {
        let hints = match &error.unknown {
            Some(UnknownKey { name, known }) => {
                nearness::hint("key", name, known.iter().map(String::as_str))
            }
            None => Vec::new(),
        };
        // Whoever makes a map of values may make keys of them.
        let hints = hints.iter().map(|hint| secrets.thorough(hint)).collect();
        let place = error.text.strip_suffix(&error.message).unwrap_or_default();
        let message = secrets.message(&error.message, source);
        Self(Box::new(Details {
            phase: Phase::Execute,
            name: name.to_owned(),
            text: format!("execute: {}", secrets.as_recorded(&error.text)),
            log_text: format!("execute: {place}{message}"),
            message,
            spot: Some(spot(source, error.position)),
            hints,
        }))
    }

    /// Whether parsing or running failed.
    pub fn phase(&self) -> Phase {
        self.0.phase
    }

    /// The template's name: the path of its source, or `(dynamic)`.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The message alone, without name, place and values of secrets.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The text for logs and events. The established program, and the text that this displays as,
    /// takes out only whole values of `.Data`, of which version 2 of key/value has a single one; here no
    /// value is left, however deep it was.
    pub fn for_logs(&self) -> &str {
        if self.0.log_text.is_empty() {
            &self.0.text
        } else {
            &self.0.log_text
        }
    }

    /// Everything for a log, in one line and without any value of a secret: the name, the text for
    /// logs, the line of the source, and what may help.
    pub fn in_one_line(&self) -> String {
        let mut extras: Vec<&str> = Vec::new();
        let shown = self
            .excerpt()
            .map(|excerpt| format!("`{}`", excerpt.trim()));
        extras.extend(shown.as_deref());
        extras.extend(self.0.hints.iter().map(String::as_str));
        let text = format!("{}: {}", self.0.name, self.for_logs());
        if extras.is_empty() {
            text
        } else {
            format!("{text} ({})", extras.join("; "))
        }
    }

    /// The line, from 1.
    pub fn line(&self) -> Option<usize> {
        self.0.spot.as_ref().map(|spot| spot.line)
    }

    /// The column, in characters from 1.
    pub fn column(&self) -> Option<usize> {
        self.0.spot.as_ref().map(|spot| spot.column)
    }

    /// The line of the source in which it happened.
    pub fn excerpt(&self) -> Option<&str> {
        self.0.spot.as_ref().map(|spot| spot.excerpt.as_str())
    }

    /// What may help: names that are there. Never a value.
    pub fn hints(&self) -> &[String] {
        &self.0.hints
    }

    /// Everything for people, in several lines: place and message, the line with a caret, hints.
    pub fn explain(&self) -> String {
        let Details { name, message, .. } = &*self.0;
        match &self.0.spot {
            None => format!("{name}: {message}"),
            Some(Spot { line, column, .. }) => {
                format!("{name}:{line}:{column}: {message}\n{}", self.details())
            }
        }
    }

    /// What stands below the message: the line with a caret, and hints. Empty without a place.
    pub fn details(&self) -> String {
        let Some(Spot {
            line,
            column,
            excerpt,
        }) = &self.0.spot
        else {
            return String::new();
        };
        let margin = " ".repeat(line.to_string().len());
        let indent = " ".repeat(column.saturating_sub(1));
        let mut text = format!("{margin} |\n{line} | {excerpt}\n{margin} | {indent}^");
        for hint in &self.0.hints {
            text.push_str(&format!("\n{margin} = {hint}"));
        }
        text
    }
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.text)
    }
}

/// The text for logs: the recorded one may show values.
impl fmt::Debug for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TemplateError")
            .field(&self.for_logs())
            .finish()
    }
}

impl error::Error for TemplateError {}

/// The line around a byte, cut where it is very long; tabs become blanks so that the caret fits.
fn spot(source: &[u8], position: usize) -> Spot {
    const WIDEST: usize = 120;
    let position = position.min(source.len());
    let (before, after) = source.split_at(position);
    let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
    let start = before
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |newline| newline + 1);
    let end = after
        .iter()
        .position(|byte| *byte == b'\n')
        .map_or(source.len(), |at| position + at);
    let text = |from: usize, to: usize| {
        String::from_utf8_lossy(source.get(from..to).unwrap_or_default()).replace('\t', " ")
    };
    let (left, right) = (text(start, position), text(position, end));
    let right = right.trim_end_matches('\r');
    let left: Vec<char> = left.chars().collect();
    let cut = left.len().saturating_sub(WIDEST / 2);
    let shown: String = left
        .iter()
        .skip(cut)
        .chain(&right.chars().collect::<Vec<_>>())
        .take(WIDEST)
        .collect();
    Spot {
        line,
        column: left.len() - cut + 1,
        excerpt: shown,
    }
}
