//! The tree that both spellings of a configuration are read into: HCL 1 and JSON.
//!
//! Nothing here knows which keys exist; that is the business of the modules that read blocks.

pub(crate) mod hcl;
pub(crate) mod json;
mod scanner;

use crate::error::{ConfigError, Syntax};
use scanner::Scanner;

/// How deep lists and objects may be nested: far beyond any configuration, far below the stack.
pub(crate) const MAX_DEPTH: usize = 64;

/// One value with the line it starts on.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    pub(crate) line: u32,
    pub(crate) value: Value,
}

/// What a value can be. Numbers keep their text, in decimal.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Number(String),
    Text(String),
    List(Vec<Node>),
    Object(Vec<Entry>),
}

/// One `key = value`, or one block with its labels.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) labels: Vec<String>,
    pub(crate) line: u32,
    pub(crate) node: Node,
}

/// Reads a whole file: JSON when its first visible character is `{`, else HCL 1.
pub(crate) fn read(file: &str, text: &str) -> Result<Vec<Entry>, ConfigError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let result = if text.trim_start().starts_with('{') {
        json::read(text)
    } else {
        hcl::read(text)
    };
    result.map_err(|fault| {
        ConfigError::Syntax(Box::new(Syntax {
            file: file.to_owned(),
            line: fault.line,
            problem: fault.problem,
        }))
    })
}

/// Why a text could not be read, and where.
#[derive(Debug, PartialEq)]
pub(crate) struct Fault {
    pub(crate) line: u32,
    pub(crate) problem: String,
}

impl Fault {
    pub(crate) fn new(line: u32, problem: impl Into<String>) -> Self {
        Self {
            line,
            problem: problem.into(),
        }
    }
}

/// What stands behind an item of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AfterItem {
    Comma,
    End,
}

/// Reads what stands behind an item of a list that was opened on a line; both spellings agree on it.
fn after_item(scanner: &mut Scanner<'_>, opened: u32) -> Result<AfterItem, Fault> {
    if scanner.eat(",") {
        return Ok(AfterItem::Comma);
    }
    if scanner.eat("]") {
        return Ok(AfterItem::End);
    }
    Err(Fault::new(
        scanner.line(),
        format!(
            "expected `,` or `]` in the list opened on line {opened}, found {}",
            show(scanner.peek())
        ),
    ))
}

/// How a character is shown in a message.
pub(crate) fn show(c: Option<char>) -> String {
    match c {
        None => "the end of the file".to_owned(),
        Some('\n') => "the end of the line".to_owned(),
        Some(c) if c.is_control() => format!("the control character U+{:04X}", u32::from(c)),
        Some(c) => format!("`{c}`"),
    }
}
