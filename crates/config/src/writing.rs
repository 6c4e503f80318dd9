//! A writer of one-line JSON whose objects leave out what is empty, as Go's `omitempty` does.

use std::fmt::Write as _;
use std::time::Duration;

use crate::duration;

/// The bytes that most objects fit into.
const USUAL_LENGTH: usize = 128;

/// An object under construction: keys in the order in which they are put.
#[derive(Debug, Default)]
pub(crate) struct Object {
    /// The JSON so far, each member with a comma in front.
    members: String,
}

impl Object {
    /// The object as JSON.
    pub(crate) fn finish(mut self) -> String {
        if self.members.is_empty() {
            return "{}".to_owned();
        }
        self.members.replace_range(..1, "{");
        self.members.push('}');
        self.members
    }

    /// A value that is JSON already.
    pub(crate) fn put(&mut self, key: &str, json: impl AsRef<str>) {
        self.key(key);
        self.members.push_str(json.as_ref());
    }

    /// A text, also when empty.
    pub(crate) fn text(&mut self, key: &str, text: &str) {
        self.key(key);
        push_quoted(&mut self.members, text);
    }

    fn key(&mut self, key: &str) {
        if self.members.is_empty() {
            self.members.reserve(USUAL_LENGTH);
        }
        self.members.push(',');
        push_quoted(&mut self.members, key);
        self.members.push(':');
    }

    /// A text, left out when absent or empty.
    pub(crate) fn some_text(&mut self, key: &str, text: Option<&str>) {
        if let Some(text) = text.filter(|t| !t.is_empty()) {
            self.text(key, text);
        }
    }

    /// `true`, left out when false.
    pub(crate) fn flag(&mut self, key: &str, flag: bool) {
        self.unless(key, flag, false);
    }

    /// A boolean, left out when it is the default.
    pub(crate) fn unless(&mut self, key: &str, flag: bool, default: bool) {
        if flag != default {
            self.put(key, if flag { "true" } else { "false" });
        }
    }

    /// A number, left out when absent.
    pub(crate) fn number(&mut self, key: &str, number: Option<impl ToString>) {
        if let Some(number) = number {
            self.put(key, number.to_string());
        }
    }

    /// A duration as a text, left out when absent.
    pub(crate) fn duration(&mut self, key: &str, duration: Option<Duration>) {
        if let Some(duration) = duration {
            self.text(key, &duration::write(duration));
        }
    }

    /// Permission bits as an octal text, left out when absent.
    pub(crate) fn mode(&mut self, key: &str, mode: Option<u32>) {
        if let Some(mode) = mode {
            self.text(key, &format!("{mode:04o}"));
        }
    }

    /// A list of texts, left out when empty.
    pub(crate) fn texts<T: AsRef<str>>(&mut self, key: &str, texts: &[T]) {
        if !texts.is_empty() {
            self.put(key, array(texts.iter().map(|t| quoted(t.as_ref()))));
        }
    }

    /// A list of objects, left out when empty.
    pub(crate) fn objects(&mut self, key: &str, objects: impl IntoIterator<Item = Object>) {
        let json: Vec<_> = objects.into_iter().map(|o| o.finish()).collect();
        if !json.is_empty() {
            self.put(key, array(json));
        }
    }

    /// An object, left out when absent.
    pub(crate) fn object(&mut self, key: &str, object: Option<Object>) {
        if let Some(object) = object {
            self.put(key, object.finish());
        }
    }

    /// An object of texts, left out when empty.
    pub(crate) fn map(&mut self, key: &str, pairs: &[(String, String)]) {
        if !pairs.is_empty() {
            let mut map = Self::default();
            for (name, value) in pairs {
                map.text(name, value);
            }
            self.object(key, Some(map));
        }
    }
}

/// A JSON array of values that are JSON already.
pub(crate) fn array(items: impl IntoIterator<Item = String>) -> String {
    let mut json = String::from("[");
    for (index, item) in items.into_iter().enumerate() {
        if index > 0 {
            json.push(',');
        }
        json.push_str(&item);
    }
    json.push(']');
    json
}

/// A JSON text, with the escapes that Go's writer uses: besides what JSON demands also `<`, `>`,
/// `&` and the two Unicode line separators.
pub(crate) fn quoted(text: &str) -> String {
    let mut json = String::with_capacity(text.len() + 2);
    push_quoted(&mut json, text);
    json
}

fn push_quoted(json: &mut String, text: &str) {
    json.reserve(text.len() + 2);
    json.push('"');
    let mut rest = text;
    while let Some((plain, c, after)) = next_escape(rest) {
        json.push_str(plain);
        match c {
            '"' => json.push_str("\\\""),
            '\\' => json.push_str("\\\\"),
            '\n' => json.push_str("\\n"),
            '\r' => json.push_str("\\r"),
            '\t' => json.push_str("\\t"),
            '\u{8}' => json.push_str("\\b"),
            '\u{c}' => json.push_str("\\f"),
            c => {
                // Writing to a String cannot fail.
                let _ = write!(json, "\\u{:04x}", u32::from(c));
            }
        }
        rest = after;
    }
    json.push_str(rest);
    json.push('"');
}

/// What stands before the next character that has to be escaped, that character, and what follows.
fn next_escape(text: &str) -> Option<(&str, char, &str)> {
    // Byte by byte, since few texts have anything to escape: the separators' first byte is that of other characters too.
    const SEPARATOR: u8 = 0xe2;
    let may_be =
        |byte: &u8| *byte < b' ' || matches!(*byte, b'"' | b'\\' | b'<' | b'>' | b'&' | SEPARATOR);
    let mut from = 0;
    loop {
        let at = from + text.as_bytes().get(from..)?.iter().position(may_be)?;
        let (plain, rest) = text.split_at(at);
        let c = rest.chars().next()?;
        if c.is_ascii() || matches!(c, '\u{2028}' | '\u{2029}') {
            return Some((plain, c, rest.get(c.len_utf8()..)?));
        }
        from = at + c.len_utf8();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_escaped_as_the_established_injector_does() {
        assert_eq!(quoted("a\"b\\c\n<&>\u{2028}\u{1}é"), {
            r#""a\"b\\c\n\u003c\u0026\u003e\u2028\u0001é""#
        });
        // These begin with the byte with which the separators begin.
        assert_eq!(quoted("… € \u{2029}"), r#""… € \u2029""#);
    }

    #[test]
    fn empty_things_are_left_out_and_order_is_kept() {
        let mut object = Object::default();
        object.some_text("none", None);
        object.some_text("empty", Some(""));
        object.flag("off", false);
        object.texts("no_list", &Vec::<String>::new());
        object.text("z", "");
        object.flag("a", true);
        object.mode("m", Some(0o640));
        assert_eq!(object.finish(), r#"{"z":"","a":true,"m":"0640"}"#);
    }
}
