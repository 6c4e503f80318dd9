//! Values as the established injector's runtime reads them: what it accepts we accept, and what it
//! refuses we refuse with its words, since people search for them.
//!
//! A reader returns the established message alone; which annotation the value belongs to is said
//! by the caller.

pub(crate) mod duration;
pub(crate) mod json;
pub(crate) mod number;
pub(crate) mod perms;
pub(crate) mod quantity;

/// Reads a boolean: exactly `1 t T TRUE true True 0 f F FALSE false False`, or empty for false.
pub(crate) fn boolean(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Ok(true),
        "" | "0" | "f" | "F" | "FALSE" | "false" | "False" => Ok(false),
        _ => Err(format!(
            "cannot parse '' as bool: strconv.ParseBool: parsing {}: invalid syntax",
            quote(text)
        )),
    }
}

/// A text between double quotes, with control characters and quotes escaped.
pub(crate) fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{b}' => out.push_str("\\v"),
            '\u{c}' => out.push_str("\\f"),
            c if (c as u32) < 0x20 || c as u32 == 0x7f => {
                out.push_str(&format!("\\x{:02x}", c as u32));
            }
            c if (0x80..0xa1).contains(&(c as u32))
                || matches!(c as u32, 0xad | 0x2000..=0x200f | 0x2028..=0x202f | 0x205f..=0x206f | 0x3000 | 0xfeff) =>
            {
                out.push_str(&format!("\\u{:04x}", c as u32));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// Cleans a path as Go's `path.Clean` does: no double slashes, no `.`, `..` taken away where it can be.
pub(crate) fn clean_path(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => match parts.last() {
                Some(&last) if last != ".." => {
                    parts.pop();
                }
                _ if rooted => {}
                _ => parts.push(".."),
            },
            part => parts.push(part),
        }
    }
    let joined = parts.join("/");
    match (rooted, joined.is_empty()) {
        (true, _) => format!("/{joined}"),
        (false, true) => ".".to_owned(),
        (false, false) => joined,
    }
}

/// Joins two paths as Go's `filepath.Join` does: empty parts are left out, the rest is cleaned.
pub(crate) fn join_path(base: &str, rest: &str) -> String {
    match (base.is_empty(), rest.is_empty()) {
        (true, true) => String::new(),
        (true, false) => clean_path(rest),
        (false, true) => clean_path(base),
        (false, false) => clean_path(&format!("{base}/{rest}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_spelling_of_a_boolean_is_read() {
        for text in ["1", "t", "T", "TRUE", "true", "True"] {
            assert_eq!(boolean(text), Ok(true), "{text}");
        }
        for text in ["", "0", "f", "F", "FALSE", "false", "False"] {
            assert_eq!(boolean(text), Ok(false), "{text}");
        }
    }

    #[test]
    fn other_words_are_no_booleans_and_blanks_are_not_trimmed() {
        for text in ["yes", "no", "on", "tRUE", " true", "true ", "2", "y"] {
            assert_eq!(
                boolean(text),
                Err(format!(
                    "cannot parse '' as bool: strconv.ParseBool: parsing \"{text}\": invalid syntax"
                ))
            );
        }
    }

    #[test]
    fn quoting_escapes_what_a_terminal_would_act_on() {
        assert_eq!(quote("a\"b\\c\n\u{1b}é"), "\"a\\\"b\\\\c\\n\\x1bé\"");
    }

    #[test]
    fn paths_are_joined_and_cleaned() {
        for (base, rest, want) in [
            ("/vault/secrets", "db", "/vault/secrets/db"),
            ("/vault/secrets", "/db", "/vault/secrets/db"),
            ("/vault/secrets/", "a//b/./c", "/vault/secrets/a/b/c"),
            ("/vault/secrets", "../../etc/x", "/etc/x"),
            ("/vault/secrets", "../../../../x", "/x"),
            ("", "token", "token"),
            ("rel", "../../x", "../x"),
            ("", "", ""),
        ] {
            assert_eq!(join_path(base, rest), want, "{base} + {rest}");
        }
    }
}
