//! JSON as Go's `encoding/json` writes it: keys sorted, floats in ES6 form, control characters and (if wanted) HTML
//! escaped.

use std::{fmt::Display, io::Write as _};

use super::{DEEPEST, WriteError};
use crate::{
    base64::{self, Alphabet},
    functions::print,
    go::{Key, List, Map, MapType, Type, UintType, Value},
    semver::Version,
    time::Time,
};

/// What becomes of `<`, `>` and `&`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Html {
    Escaped,
    AsIs,
}

/// Whether there are line breaks and blanks.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    Compact,
    Indented,
}

pub(super) fn write(
    out: &mut Vec<u8>,
    value: &Value,
    html: Html,
    layout: Layout,
) -> Result<(), WriteError> {
    Writer { out, html, layout }.value(value, 0)
}

struct Writer<'o> {
    out: &'o mut Vec<u8>,
    html: Html,
    layout: Layout,
}

fn unsupported<T>(value: &Value) -> Result<T, WriteError> {
    Err(format!("json: unsupported type: {}", value.type_name()))
}

impl Writer<'_> {
    fn value(&mut self, value: &Value, depth: usize) -> Result<(), WriteError> {
        if depth > DEEPEST {
            return Err(format!(
                "json: unsupported value: encountered a cycle via {}",
                value.type_name()
            ));
        }
        match value {
            Value::Nil | Value::NilObject(_) => self.raw("null"),
            Value::Bool(true) => self.raw("true"),
            Value::Bool(false) => self.raw("false"),
            Value::Int(_, number) => self.whole(*number),
            Value::Uint(_, number) => self.whole(*number),
            Value::Float(number) => self.float(*number)?,
            Value::Text(text) => self.text(text),
            Value::Number(text) if text.is_empty() => self.raw("0"),
            Value::Number(text) => self.out.extend_from_slice(text),
            Value::List(list) => self.list(list, depth)?,
            Value::Map(map) => self.map(value, map, depth)?,
            Value::Object(object) => {
                if let Some(time) = value.downcast::<Time>() {
                    self.text(
                        time.format("2006-01-02T15:04:05.999999999Z07:00")
                            .as_bytes(),
                    );
                } else if let Some(version) = value.downcast::<Version>() {
                    self.text(version.to_string().as_bytes());
                } else {
                    let fields = object.fields();
                    let entries = fields.iter().map(|(name, value)| (name.as_bytes(), value));
                    self.entries(entries, depth)?;
                }
            }
            Value::Complex(..) | Value::Channel(_) => return unsupported(value),
        }
        Ok(())
    }

    fn whole(&mut self, number: impl Display) {
        let _ = write!(self.out, "{number}");
    }

    fn raw(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }

    fn float(&mut self, number: f64) -> Result<(), WriteError> {
        if !number.is_finite() {
            return Err(format!("json: unsupported value: {}", print::float(number)));
        }
        let magnitude = number.abs();
        if magnitude != 0.0 && !(1e-6..1e21).contains(&magnitude) {
            let text = format!("{number:e}");
            match text.split_once('e') {
                Some((mantissa, exponent)) if !exponent.starts_with('-') => {
                    self.raw(&format!("{mantissa}e+{exponent}"));
                }
                _ => self.raw(&text),
            }
        } else {
            self.raw(&format!("{number}"));
        }
        Ok(())
    }

    fn list(&mut self, list: &List, depth: usize) -> Result<(), WriteError> {
        if list.is_nil() {
            self.raw("null");
            return Ok(());
        }
        if list.element() == Type::Uint(UintType::Uint8) {
            let bytes: Vec<u8> = list
                .items()
                .iter()
                .map(|item| match item {
                    Value::Uint(_, number) => *number as u8,
                    _ => 0,
                })
                .collect();
            self.text(&base64::encode(&bytes, Alphabet::Standard));
            return Ok(());
        }
        self.out.push(b'[');
        for (index, item) in list.items().iter().enumerate() {
            if index > 0 {
                self.out.push(b',');
            }
            self.new_line(depth + 1);
            self.value(item, depth + 1)?;
        }
        if !list.items().is_empty() {
            self.new_line(depth);
        }
        self.out.push(b']');
        Ok(())
    }

    fn map(&mut self, value: &Value, map: &Map, depth: usize) -> Result<(), WriteError> {
        if map.kind() == MapType::AnyToAny {
            return unsupported(value);
        }
        if map.is_nil() {
            self.raw("null");
            return Ok(());
        }
        let members = map.entries();
        let entries = members.iter().filter_map(|(key, value)| match key {
            Key::Text(key) => Some((key.as_bytes(), value)),
            _ => None,
        });
        self.entries(entries, depth)
    }

    fn entries<'v>(
        &mut self,
        entries: impl Iterator<Item = (&'v [u8], &'v Value)>,
        depth: usize,
    ) -> Result<(), WriteError> {
        self.out.push(b'{');
        let mut empty = true;
        for (name, value) in entries {
            if !std::mem::take(&mut empty) {
                self.out.push(b',');
            }
            self.new_line(depth + 1);
            self.text(name);
            self.raw(if self.layout == Layout::Indented {
                ": "
            } else {
                ":"
            });
            self.value(value, depth + 1)?;
        }
        if !empty {
            self.new_line(depth);
        }
        self.out.push(b'}');
        Ok(())
    }

    fn new_line(&mut self, depth: usize) {
        if self.layout == Layout::Indented {
            self.out.push(b'\n');
            self.out.resize(self.out.len() + 2 * depth, b' ');
        }
    }

    fn text(&mut self, text: &[u8]) {
        self.out.push(b'"');
        match std::str::from_utf8(text) {
            Ok(text) => self.escaped_text(text),
            Err(_) => {
                for chunk in text.utf8_chunks() {
                    self.escaped_text(chunk.valid());
                    for _ in chunk.invalid() {
                        self.raw("\\ufffd");
                    }
                }
            }
        }
        self.out.push(b'"');
    }

    fn escaped_text(&mut self, text: &str) {
        let mut rest = text;
        while let Some(at) = rest.bytes().position(|byte| self.may_be_escaped(byte)) {
            let (plain, behind) = rest.split_at(at);
            self.raw(plain);
            let mut letters = behind.chars();
            match letters.next() {
                Some(letter @ ('\0'..='\x7f' | '\u{2028}' | '\u{2029}')) => self.escape(letter),
                Some(letter) => self.raw(letter.encode_utf8(&mut [0; 4])),
                None => {}
            }
            rest = letters.as_str();
        }
        self.raw(rest);
    }

    /// Whether a character that begins with this byte is written otherwise: those of ASCII are, and U+2028 and
    /// U+2029 are among the others.
    fn may_be_escaped(&self, byte: u8) -> bool {
        match byte {
            b'<' | b'>' | b'&' => self.html == Html::Escaped,
            b'"' | b'\\' | 0..=0x1f | 0xe2 => true,
            _ => false,
        }
    }

    fn escape(&mut self, letter: char) {
        match letter {
            '"' => self.raw("\\\""),
            '\\' => self.raw("\\\\"),
            '\x08' => self.raw("\\b"),
            '\x0c' => self.raw("\\f"),
            '\n' => self.raw("\\n"),
            '\r' => self.raw("\\r"),
            '\t' => self.raw("\\t"),
            _ => self.escaped(letter),
        }
    }

    fn escaped(&mut self, letter: char) {
        self.raw(&format!("\\u{:04x}", u32::from(letter)));
    }
}
