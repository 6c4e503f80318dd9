//! Values back to YAML that every reader understands alike: whatever a reader of YAML 1.1 could take for a boolean, a
//! number, a date or a merge is put in quotes, and texts of several lines become blocks.

use serde_json::{Map, Value};

use super::scalar;

/// Writes a value as one document: by the usual writer, unless Kubernetes would read its text as another value. That
/// writer knows YAML 1.2 only, where an unquoted `yes` is a text.
#[must_use]
pub fn document(value: &Value) -> String {
    let usual = serde_yaml::to_string(value).ok();
    usual
        .filter(|text| means(text, value))
        .unwrap_or_else(|| careful(value))
}

fn means(text: &str, value: &Value) -> bool {
    super::read(text)
        .is_ok_and(|documents| documents.iter().map(|document| &document.value).eq([value]))
}

fn careful(value: &Value) -> String {
    let mut text = String::new();
    match value {
        Value::Object(map) if !map.is_empty() => mapping(&mut text, map, 0),
        Value::Array(items) if !items.is_empty() => list(&mut text, items, 0),
        other => {
            inline(&mut text, other, 0);
            text.push('\n');
        }
    }
    text
}

fn mapping(text: &mut String, map: &Map<String, Value>, depth: usize) {
    for (index, (key, value)) in map.iter().enumerate() {
        // The first key of a mapping in a list stands behind the dash.
        if index > 0 || text.ends_with('\n') || text.is_empty() {
            indent(text, depth);
        }
        text.push_str(&scalar_text(key));
        text.push(':');
        match value {
            Value::Object(map) if !map.is_empty() => {
                text.push('\n');
                mapping(text, map, depth + 1);
            }
            Value::Array(items) if !items.is_empty() => {
                text.push('\n');
                // Kubernetes' own tools do not indent lists below their key.
                list(text, items, depth);
            }
            other => {
                text.push(' ');
                inline(text, other, depth + 1);
                text.push('\n');
            }
        }
    }
}

fn list(text: &mut String, items: &[Value], depth: usize) {
    for (index, item) in items.iter().enumerate() {
        if index > 0 || text.ends_with('\n') || text.is_empty() {
            indent(text, depth);
        }
        text.push_str("- ");
        match item {
            Value::Object(map) if !map.is_empty() => mapping(text, map, depth + 1),
            Value::Array(items) if !items.is_empty() => list(text, items, depth + 1),
            other => {
                inline(text, other, depth + 1);
                text.push('\n');
            }
        }
    }
}

/// A scalar or something empty, without the line's end.
fn inline(text: &mut String, value: &Value, depth: usize) {
    match value {
        Value::String(string) if is_block(string) => block(text, string, depth),
        Value::String(string) => text.push_str(&scalar_text(string)),
        other => text.push_str(&other.to_string()),
    }
}

fn indent(text: &mut String, depth: usize) {
    for _ in 0..depth {
        text.push_str("  ");
    }
}

/// Whether a text can stand as a block: several lines, nothing invisible in it, and a beginning that shows its
/// indentation.
fn is_block(string: &str) -> bool {
    string.contains('\n')
        && !string.starts_with([' ', '\t', '\n'])
        && string
            .chars()
            .all(|letter| letter == '\n' || letter == '\t' || is_printable(letter))
}

fn block(text: &mut String, string: &str, depth: usize) {
    let body = string.trim_end_matches('\n');
    text.push_str(match string.len() - body.len() {
        0 => "|-",
        1 => "|",
        _ => "|+",
    });
    // Blank lines at the end are only written where they count.
    let kept = if string.len() - body.len() > 1 {
        &string[..string.len() - 1]
    } else {
        body
    };
    for line in kept.split('\n') {
        text.push('\n');
        if !line.is_empty() {
            indent(text, depth.max(1));
            text.push_str(line);
        }
    }
}

fn scalar_text(string: &str) -> String {
    if is_plain(string) {
        return string.to_owned();
    }
    if string.chars().all(is_printable) && !string.contains('\\') {
        return format!("'{}'", string.replace('\'', "''"));
    }
    // JSON's strings are YAML's double-quoted ones, but for three letters that end lines in YAML 1.1.
    Value::from(string)
        .to_string()
        .replace('\u{85}', "\\u0085")
        .replace('\u{2028}', "\\u2028")
        .replace('\u{2029}', "\\u2029")
        .replace('\u{feff}', "\\ufeff")
        .replace('\u{7f}', "\\u007f")
}

fn is_plain(string: &str) -> bool {
    let Some(first) = string.chars().next() else {
        return false;
    };
    let begins_well = first.is_ascii_alphanumeric() || matches!(first, '/' | '_' | '.');
    begins_well
        && !is_doubtful(string)
        && string.chars().all(is_printable)
        && !string.ends_with([' ', ':'])
        && !string.contains(": ")
        && !string.contains(" #")
        && string != "..."
}

/// Words that a reader of YAML 1.1 or 1.2 takes for a boolean, a number, a date, nothing or a merge.
fn is_doubtful(string: &str) -> bool {
    let looks_like_a_number = !string.starts_with(|letter: char| letter.is_ascii_alphabetic())
        && string.bytes().any(|byte| byte.is_ascii_digit())
        && string.chars().all(|letter| {
            letter.is_ascii_hexdigit()
                || matches!(
                    letter,
                    '.' | ':' | '-' | '+' | '_' | 'x' | 'X' | 'o' | 'O' | 'T' | 'Z'
                )
        });
    looks_like_a_number
        || !matches!(scalar::resolve(string), Value::String(_))
        || matches!(
            string,
            ".inf" | ".Inf" | ".INF" | ".nan" | ".NaN" | ".NAN" | "=" | "<<"
        )
}

fn is_printable(letter: char) -> bool {
    !letter.is_control() && !matches!(letter, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{85}')
}
