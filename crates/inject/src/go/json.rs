//! The words that the established JSON reader has for malformed text.
//!
//! Only the words at the start matter to people (they say which annotation it was); the rest is
//! kept close to what they have seen.

use serde_json::{Value, error::Category};

use crate::go::quote;

/// Reads any JSON value.
pub(crate) fn parse(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|error| words(text, &error))
}

/// What the established reader calls a value's kind.
pub(crate) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn words(text: &str, error: &serde_json::Error) -> String {
    if error.classify() == Category::Eof {
        return "unexpected end of JSON input".to_owned();
    }
    let first = text
        .trim_start_matches([' ', '\t', '\r', '\n'])
        .chars()
        .next();
    match first {
        Some(c) if !"{[\"-0123456789tfn".contains(c) => {
            let shown = quote(&c.to_string());
            format!(
                "invalid character '{}' looking for beginning of value",
                shown.trim_matches('"')
            )
        }
        _ => format!(
            "invalid character in JSON text at line {} column {}",
            error.line(),
            error.column()
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn malformed_text_is_told_in_the_established_words() {
        assert_eq!(
            parse("[{\"op\":\"add\"").unwrap_err(),
            "unexpected end of JSON input"
        );
        assert_eq!(
            parse("add /x").unwrap_err(),
            "invalid character 'a' looking for beginning of value"
        );
        assert!(parse("[1,]").is_err());
        assert!(parse(" null ").is_ok());
    }
}
