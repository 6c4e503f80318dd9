//! What can be wrong with a configuration, in sentences that name the file, the line and the key.

use std::fmt;

/// Why a configuration cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The text is neither HCL 1 nor JSON.
    #[error(transparent)]
    Syntax(Box<Syntax>),
    /// The text was read, and these values in it cannot be used.
    #[error("{}", list(.0))]
    Invalid(Vec<Finding>),
}

impl ConfigError {
    /// Every single finding: one for a fault of syntax, else all that were found.
    #[must_use]
    pub fn findings(&self) -> Vec<Finding> {
        match self {
            Self::Syntax(syntax) => vec![Finding {
                file: Some(syntax.file.clone()),
                line: Some(syntax.line),
                key: String::new(),
                problem: syntax.problem.clone(),
            }],
            Self::Invalid(findings) => findings.clone(),
        }
    }
}

/// A fault of syntax and its place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("failed to read the configuration `{file}`, line {line}: {problem}")]
pub struct Syntax {
    /// The file's name as the caller gave it.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
    /// What was expected and what was found.
    pub problem: String,
}

/// One thing to say about one key: an error, or a warning where a caller keeps warnings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The file's name as the caller gave it, where it is known.
    pub file: Option<String>,
    /// The line, from 1, where it is known.
    pub line: Option<u32>,
    /// The full name of the key, such as `auto_auth.method.min_backoff`.
    pub key: String,
    /// What was found and what is accepted.
    pub problem: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "`{file}`")?;
            if let Some(line) = self.line {
                write!(f, ", line {line}")?;
            }
            f.write_str(": ")?;
        }
        if self.key.is_empty() {
            f.write_str(&self.problem)
        } else {
            write!(f, "`{}` {}", self.key, self.problem)
        }
    }
}

fn list(findings: &[Finding]) -> String {
    let sentences: Vec<_> = findings.iter().map(Finding::to_string).collect();
    format!("invalid configuration: {}", sentences.join("; "))
}
