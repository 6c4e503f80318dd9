//! Reads YAML 1.1 as the established reader does: `yes`, `on` and `y` are booleans, `017` is 15, dates stay texts,
//! `<<` merges, and only the first document counts. Scanning, the tree of nodes and the meaning of plain texts are in
//! files of their own; writing YAML is the functions' business.

mod decode;
mod parse;
mod resolve;
mod scan;

use thiserror::Error;

use crate::go::Value;

/// Why a text is not YAML, in the established words.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum YamlError {
    /// Something is wrong on a line, counted from 1; on the first line its number is left out.
    #[error("yaml: {}{problem}", line.map(|line| format!("line {line}: ")).unwrap_or_default())]
    At {
        /// The line.
        line: Option<usize>,
        /// What is wrong.
        problem: &'static str,
    },
    /// Something is wrong with the document as a whole.
    #[error("yaml: {0}")]
    Whole(String),
}

/// Reads the first document of a text; without any the result is nil.
pub(crate) fn read(text: &[u8]) -> Result<Value, YamlError> {
    let characters = scan::characters(text)?;
    match parse::document(&characters)? {
        Some(tree) => decode::decode(&tree),
        None => Ok(Value::Nil),
    }
}

/// Whether a plain text reads as a text, and not as a number, a boolean, nothing or a date.
pub(crate) fn reads_as_text(text: &str) -> bool {
    resolve::plain_is_text(text)
}

#[cfg(test)]
mod tests;
