//! A reader of JSON into template values, with the error texts of Go's `encoding/json`. Writing JSON
//! is the business of the functions.

use std::{collections::BTreeMap, mem};

use crate::go::{Key, List, Map, MapType, Text, Type, Value};

/// As deep as Go's reader goes.
const DEEPEST: usize = 10_000;

/// What numbers become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Numbers {
    /// `json.Number`, as in secrets.
    AsText,
    /// `float64`, as in `parseJSON`.
    AsFloat,
    /// `float64`, or nil where none can hold the number.
    AsFloatOrNil,
}

/// Reads one JSON value with nothing but white space around it.
///
/// # Errors
/// In the words of Go's `json.Unmarshal`, such as `unexpected end of JSON input`.
pub fn read(text: &[u8], numbers: Numbers) -> Result<Value, String> {
    let mut reader = Reader {
        text,
        position: 0,
        numbers,
        out_of_range: None,
    };
    let value = reader.document()?;
    match reader.out_of_range {
        Some(number) => Err(format!(
            "json: cannot unmarshal number {number} into Go value of type float64"
        )),
        None => Ok(value),
    }
}

struct Reader<'a> {
    text: &'a [u8],
    position: usize,
    numbers: Numbers,
    /// The first number that no float64 can hold. Syntax errors anywhere go before it.
    out_of_range: Option<String>,
}

/// A list or object that is still open.
enum Open {
    List(Vec<Value>),
    Object(BTreeMap<Key, Value>, Key),
}

impl Reader<'_> {
    fn document(&mut self) -> Result<Value, String> {
        let mut open: Vec<Open> = Vec::new();
        'values: loop {
            self.skip_white();
            let mut value = match self.peek()? {
                b'{' => {
                    self.position += 1;
                    self.check_depth(open.len())?;
                    self.skip_white();
                    if self.peek()? == b'}' {
                        self.position += 1;
                        Value::Map(Map::new(MapType::TextToAny, BTreeMap::new()))
                    } else {
                        let key = self.object_key()?;
                        open.push(Open::Object(BTreeMap::new(), key));
                        continue 'values;
                    }
                }
                b'[' => {
                    self.position += 1;
                    self.check_depth(open.len())?;
                    self.skip_white();
                    if self.peek()? == b']' {
                        self.position += 1;
                        Value::list(Vec::new())
                    } else {
                        open.push(Open::List(Vec::new()));
                        continue 'values;
                    }
                }
                _ => self.scalar()?,
            };
            // The value is whole: put it where it belongs, and close what ends with it.
            loop {
                self.skip_white();
                match open.last_mut() {
                    None => {
                        return match self.text.get(self.position) {
                            None => Ok(value),
                            Some(_) => Err(self.unexpected("after top-level value")),
                        };
                    }
                    Some(Open::List(items)) => {
                        items.push(value);
                        match self.peek()? {
                            b',' => {
                                self.position += 1;
                                continue 'values;
                            }
                            b']' => self.position += 1,
                            _ => return Err(self.unexpected("after array element")),
                        }
                    }
                    Some(Open::Object(entries, key)) => {
                        entries.insert(mem::replace(key, Key::Nil), value);
                        match self.peek()? {
                            b',' => {
                                self.position += 1;
                                self.skip_white();
                                let next = self.object_key()?;
                                if let Some(Open::Object(_, key)) = open.last_mut() {
                                    *key = next;
                                }
                                continue 'values;
                            }
                            b'}' => self.position += 1,
                            _ => return Err(self.unexpected("after object key:value pair")),
                        }
                    }
                }
                value = match open.pop() {
                    Some(Open::List(items)) => Value::List(List::new(Type::Any, items)),
                    Some(Open::Object(entries, _)) => {
                        Value::Map(Map::new(MapType::TextToAny, entries))
                    }
                    None => Value::Nil,
                };
            }
        }
    }

    fn check_depth(&self, depth: usize) -> Result<(), String> {
        if depth >= DEEPEST {
            Err("exceeded max depth".to_owned())
        } else {
            Ok(())
        }
    }

    /// Reads `"key" :`.
    fn object_key(&mut self) -> Result<Key, String> {
        if self.peek()? != b'"' {
            return Err(self.unexpected("looking for beginning of object key string"));
        }
        let key = self.string()?;
        self.skip_white();
        if self.peek()? != b':' {
            return Err(self.unexpected("after object key"));
        }
        self.position += 1;
        Ok(Key::Text(key))
    }

    fn scalar(&mut self) -> Result<Value, String> {
        match self.peek()? {
            b'"' => Ok(Value::Text(self.string()?)),
            b't' => self.literal("true", Value::Bool(true)),
            b'f' => self.literal("false", Value::Bool(false)),
            b'n' => self.literal("null", Value::Nil),
            b'-' | b'0'..=b'9' => self.number(),
            _ => Err(self.unexpected("looking for beginning of value")),
        }
    }

    fn literal(&mut self, word: &str, value: Value) -> Result<Value, String> {
        for expected in word.chars() {
            if char::from(self.peek_within()) != expected {
                return Err(self.unexpected(&format!("in literal {word} (expecting '{expected}')")));
            }
            self.position += 1;
        }
        Ok(value)
    }

    fn number(&mut self) -> Result<Value, String> {
        let start = self.position;
        if self.peek_within() == b'-' {
            self.position += 1;
        }
        match self.peek_within() {
            b'0' => self.position += 1,
            b'1'..=b'9' => self.skip_digits(),
            _ => return Err(self.unexpected("in numeric literal")),
        }
        if self.text.get(self.position) == Some(&b'.') {
            self.position += 1;
            if !self.peek_within().is_ascii_digit() {
                return Err(self.unexpected("after decimal point in numeric literal"));
            }
            self.skip_digits();
        }
        if matches!(self.text.get(self.position), Some(b'e' | b'E')) {
            self.position += 1;
            if matches!(self.peek_within(), b'+' | b'-') {
                self.position += 1;
            }
            if !self.peek_within().is_ascii_digit() {
                return Err(self.unexpected("in exponent of numeric literal"));
            }
            self.skip_digits();
        }
        let text = self.text.get(start..self.position).unwrap_or_default();
        if self.numbers == Numbers::AsText {
            return Ok(Value::Number(text.into()));
        }
        let text = String::from_utf8_lossy(text);
        let number: f64 = text.parse().unwrap_or(f64::NAN);
        if !number.is_finite() {
            if self.numbers == Numbers::AsFloatOrNil {
                return Ok(Value::Nil);
            }
            self.out_of_range.get_or_insert_with(|| text.into_owned());
        }
        Ok(Value::Float(number))
    }

    fn skip_digits(&mut self) {
        while self.text.get(self.position).is_some_and(u8::is_ascii_digit) {
            self.position += 1;
        }
    }

    /// Reads a string. What is not UTF-8, and halves of surrogate pairs, become U+FFFD.
    fn string(&mut self) -> Result<Text, String> {
        self.position += 1;
        let mut out = Vec::new();
        let mut plain = self.position;
        loop {
            let byte = self.peek()?;
            match byte {
                b'"' | b'\\' => {
                    let run = self.text.get(plain..self.position).unwrap_or_default();
                    match std::str::from_utf8(run) {
                        Ok(_) => out.extend_from_slice(run),
                        Err(_) => push_utf8_bytewise(&mut out, run),
                    }
                    self.position += 1;
                    if byte == b'"' {
                        return Ok(Text::from(out));
                    }
                    self.escape(&mut out)?;
                    plain = self.position;
                }
                0..0x20 => return Err(self.unexpected("in string literal")),
                _ => self.position += 1,
            }
        }
    }

    fn escape(&mut self, out: &mut Vec<u8>) -> Result<(), String> {
        let byte = self.peek_within();
        let plain = match byte {
            b'"' | b'\\' | b'/' => byte,
            b'b' => 8,
            b'f' => 12,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => {
                self.position += 1;
                let unit = self.hexadecimal()?;
                let character = match unit {
                    0xD800..0xDC00 => self.low_surrogate(unit)?,
                    other => char::from_u32(other),
                };
                let character = character.unwrap_or(char::REPLACEMENT_CHARACTER);
                out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                return Ok(());
            }
            _ => return Err(self.unexpected("in string escape code")),
        };
        self.position += 1;
        out.push(plain);
        Ok(())
    }

    /// The character of a surrogate pair whose first half was read; the second stays unread when it
    /// is not one.
    fn low_surrogate(&mut self, high: u32) -> Result<Option<char>, String> {
        let start = self.position;
        if self.text.get(start..start + 2) == Some(b"\\u") {
            self.position += 2;
            let low = self.hexadecimal()?;
            if (0xDC00..0xE000).contains(&low) {
                return Ok(char::from_u32(
                    0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00),
                ));
            }
            self.position = start;
        }
        Ok(None)
    }

    fn hexadecimal(&mut self) -> Result<u32, String> {
        let mut unit = 0;
        for _ in 0..4 {
            let Some(digit) = char::from(self.peek_within()).to_digit(16) else {
                return Err(self.unexpected("in \\u hexadecimal character escape"));
            };
            unit = unit * 16 + digit;
            self.position += 1;
        }
        Ok(unit)
    }

    fn skip_white(&mut self) {
        while matches!(
            self.text.get(self.position),
            Some(b' ' | b'\t' | b'\r' | b'\n')
        ) {
            self.position += 1;
        }
    }

    fn peek(&self) -> Result<u8, String> {
        let byte = self.text.get(self.position).copied();
        byte.ok_or_else(|| "unexpected end of JSON input".to_owned())
    }

    /// Within a word, number or escape the end of the text reads as a blank, as Go's reader has it.
    fn peek_within(&self) -> u8 {
        self.text.get(self.position).copied().unwrap_or(b' ')
    }

    fn unexpected(&self, place: &str) -> String {
        let byte = self.peek_within();
        let shown = match char::from(byte) {
            '\'' => "\\'".to_owned(),
            '"' => "\"".to_owned(),
            '\\' => "\\\\".to_owned(),
            '\n' => "\\n".to_owned(),
            '\r' => "\\r".to_owned(),
            '\t' => "\\t".to_owned(),
            '\x07' => "\\a".to_owned(),
            '\x08' => "\\b".to_owned(),
            '\x0b' => "\\v".to_owned(),
            '\x0c' => "\\f".to_owned(),
            control @ ('\0'..' ' | '\x7f') => format!("\\x{:02x}", u32::from(control)),
            control @ '\u{80}'..='\u{a0}' => format!("\\u{:04x}", u32::from(control)),
            '\u{ad}' => "\\u00ad".to_owned(),
            other => other.to_string(),
        };
        format!("invalid character '{shown}' {place}")
    }
}

/// Each byte that begins no character becomes one U+FFFD, as Go does it.
fn push_utf8_bytewise(out: &mut Vec<u8>, run: &[u8]) {
    for chunk in run.utf8_chunks() {
        out.extend_from_slice(chunk.valid().as_bytes());
        for _ in chunk.invalid() {
            out.extend_from_slice("\u{FFFD}".as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_text_of_numbers_in_secrets() {
        let value = read(
            br#"{"n": 1.0, "m": [12345678901234567890, -0]}"#,
            Numbers::AsText,
        );
        let Ok(Value::Map(map)) = value else {
            panic!("not a map")
        };
        assert_eq!(
            map.get_text(b"n")
                .unwrap()
                .as_text_kind()
                .unwrap()
                .as_bytes(),
            b"1.0"
        );
    }

    #[test]
    fn speaks_of_mistakes_in_the_words_of_go() {
        for (text, error) in [
            ("", "unexpected end of JSON input"),
            ("{", "unexpected end of JSON input"),
            (
                "{]",
                "invalid character ']' looking for beginning of object key string",
            ),
            ("{\"a\" 1}", "invalid character '1' after object key"),
            (
                "{\"a\":1 2",
                "invalid character '2' after object key:value pair",
            ),
            ("[1 2]", "invalid character '2' after array element"),
            (
                "[1,]",
                "invalid character ']' looking for beginning of value",
            ),
            ("1 1", "invalid character '1' after top-level value"),
            ("01", "invalid character '1' after top-level value"),
            ("-x", "invalid character 'x' in numeric literal"),
            (
                "1.x",
                "invalid character 'x' after decimal point in numeric literal",
            ),
            (
                "1ex",
                "invalid character 'x' in exponent of numeric literal",
            ),
            (
                "tru3",
                "invalid character '3' in literal true (expecting 'e')",
            ),
            ("\"\\q\"", "invalid character 'q' in string escape code"),
            (
                "\"\\u00g0\"",
                "invalid character 'g' in \\u hexadecimal character escape",
            ),
            ("\"a\nb\"", "invalid character '\\n' in string literal"),
            (
                "'",
                "invalid character '\\'' looking for beginning of value",
            ),
            (
                "\u{e9}",
                "invalid character 'Ã' looking for beginning of value",
            ),
            (
                "1e999",
                "json: cannot unmarshal number 1e999 into Go value of type float64",
            ),
        ] {
            assert_eq!(
                read(text.as_bytes(), Numbers::AsFloat).err().as_deref(),
                Some(error)
            );
        }
    }

    #[test]
    fn goes_as_deep_as_go_and_no_deeper() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert!(read(nested(DEEPEST).as_bytes(), Numbers::AsFloat).is_ok());
        let error = read(nested(DEEPEST + 1).as_bytes(), Numbers::AsFloat).err();
        assert_eq!(error.as_deref(), Some("exceeded max depth"));
    }

    #[test]
    fn joins_surrogate_pairs_and_replaces_halves() {
        let check = |json: &[u8], text: &str| {
            let value = read(json, Numbers::AsText).unwrap();
            assert_eq!(value.as_text().unwrap().to_str_lossy(), text);
        };
        check(br#""\ud83d\udd11""#, "\u{1F511}");
        check(br#""\ud83dx\udd11""#, "\u{FFFD}x\u{FFFD}");
        check(b"\"a\xff\xfe\"", "a\u{FFFD}\u{FFFD}");
    }
}
