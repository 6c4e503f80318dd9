//! YAML as the established writer lays it out: block style, lists not indented under their key, keys in natural order,
//! quotes where a plain text would read as something else, long texts folded near column 80.

mod order;

use std::borrow::Cow;

use super::{DEEPEST, WriteError};
use crate::{
    base64::{self, Alphabet},
    functions::print,
    go::{IntType, Key, List, Value},
    semver::Version,
    time::{Duration, Time},
    yaml,
};

/// The column behind which texts are folded.
const WIDTH: usize = 80;
/// The longest key that stands on one line with its value, in bytes.
const LONGEST_KEY: usize = 128;

pub(super) fn write(value: &Value) -> Result<Vec<u8>, WriteError> {
    let mut writer = Writer {
        out: String::with_capacity(64),
        column: 0,
        indent: -1,
        after_space: true,
        at_indent: true,
    };
    writer.node(value, Place::Root, 0)?;
    writer.line_break();
    Ok(writer.out.into_bytes())
}

/// Where a node stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Root,
    /// An item of a list.
    Item,
    /// A key that stands on one line with its value.
    Key,
    /// A value of a map, or a key with its own lines.
    Member,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    Plain,
    Single,
    Double,
    Literal,
}

/// A text to be written, with the style that is wanted and the tag in front.
struct Scalar<'v> {
    text: Cow<'v, str>,
    style: Style,
    tag: &'static str,
}

struct Writer {
    out: String,
    column: usize,
    indent: i32,
    /// White space was just written.
    after_space: bool,
    /// Nothing but indentation and list marks stand on this line.
    at_indent: bool,
}

impl Writer {
    fn node(&mut self, value: &Value, place: Place, depth: usize) -> Result<(), WriteError> {
        if depth > DEEPEST {
            return Err("yaml: value is nested too deeply".to_owned());
        }
        match value {
            Value::List(list) => self.list(list, place, depth),
            Value::Map(map) => {
                let members = map.entries();
                let mut entries: Vec<_> = members.iter().collect();
                entries.sort_by(|(a, _), (b, _)| order::natural(a, b));
                let entries = entries
                    .into_iter()
                    .map(|(key, value)| (key_scalar(key), value));
                self.map(entries, depth)
            }
            Value::Object(object)
                if value.downcast::<Time>().is_none() && value.downcast::<Version>().is_none() =>
            {
                let fields = object.fields();
                let entries = fields.iter().map(|(name, value)| {
                    let name = Value::from(name.to_lowercase());
                    (scalar_of(&name).into_owned(), value)
                });
                self.map(entries, depth)
            }
            Value::Channel(_) | Value::Complex(..) => {
                // The established writer panics with these words.
                Err(format!("cannot marshal type: {}", value.type_name()))
            }
            other => {
                self.scalar(&scalar_of(other), place);
                Ok(())
            }
        }
    }

    fn list(&mut self, list: &List, place: Place, depth: usize) -> Result<(), WriteError> {
        if list.items().is_empty() {
            self.indicator("[", true);
            self.after_space = true;
            self.indicator("]", false);
            return Ok(());
        }
        let outer = self.indent;
        if place != Place::Member || self.at_indent {
            self.increase_indent();
        }
        for item in list.items() {
            self.write_indent();
            self.mark("-");
            self.node(item, Place::Item, depth + 1)?;
        }
        self.indent = outer;
        Ok(())
    }

    fn map<'v>(
        &mut self,
        entries: impl ExactSizeIterator<Item = (Scalar<'v>, &'v Value)>,
        depth: usize,
    ) -> Result<(), WriteError> {
        if entries.len() == 0 {
            self.indicator("{", true);
            self.after_space = true;
            self.indicator("}", false);
            return Ok(());
        }
        let outer = self.indent;
        self.increase_indent();
        for (key_scalar, value) in entries {
            self.write_indent();
            let line_breaks = key_scalar.text.contains(is_break);
            if !line_breaks && key_scalar.text.len() + key_scalar.tag.len() <= LONGEST_KEY {
                self.scalar(&key_scalar, Place::Key);
                self.indicator(":", false);
            } else {
                self.mark("?");
                self.scalar(&key_scalar, Place::Member);
                self.write_indent();
                self.mark(":");
            }
            self.node(value, Place::Member, depth + 1)?;
        }
        self.indent = outer;
        Ok(())
    }

    fn scalar(&mut self, scalar: &Scalar<'_>, place: Place) {
        let simple_key = place == Place::Key;
        let analysis = Analysis::of(&scalar.text);
        let mut style = scalar.style;
        if simple_key && analysis.line_breaks {
            style = Style::Double;
        }
        if style == Style::Plain
            && (!analysis.plain_allowed || (scalar.text.is_empty() && simple_key))
        {
            style = Style::Single;
        }
        if style == Style::Single && !analysis.single_allowed {
            style = Style::Double;
        }
        if style == Style::Literal && (!analysis.block_allowed || simple_key) {
            style = Style::Double;
        }
        if !scalar.tag.is_empty() {
            self.indicator(scalar.tag, true);
        }
        let outer = self.indent;
        self.indent = if self.indent < 0 { 2 } else { self.indent + 2 };
        let folding = if simple_key {
            Folding::None
        } else {
            Folding::Allowed
        };
        match style {
            Style::Plain => self.plain(&scalar.text, folding),
            Style::Single => self.single_quoted(&scalar.text, folding),
            Style::Double => self.double_quoted(&scalar.text, folding),
            Style::Literal => self.literal(&scalar.text),
        }
        self.indent = outer;
    }

    fn plain(&mut self, text: &str, folding: Folding) {
        if !self.after_space && !text.is_empty() {
            self.put(' ');
        }
        let mut spaces = false;
        let mut rest = text;
        while !rest.is_empty() {
            let (word, after) = rest.split_at(rest.find(' ').unwrap_or(rest.len()));
            if !word.is_empty() {
                self.put_all(word);
                self.at_indent = false;
                spaces = false;
            }
            let Some(after) = after.strip_prefix(' ') else {
                break;
            };
            rest = after;
            let next_is_space = rest.starts_with(' ');
            if folding == Folding::Allowed && !spaces && self.column > WIDTH && !next_is_space {
                self.write_indent();
            } else {
                self.put(' ');
            }
            spaces = true;
        }
        self.after_space = false;
        self.at_indent = false;
    }

    fn single_quoted(&mut self, text: &str, folding: Folding) {
        self.indicator("'", true);
        let (mut spaces, mut breaks) = (false, false);
        let mut letters = text.char_indices().peekable();
        while let Some((at, letter)) = letters.next() {
            if letter == ' ' {
                let next = letters.peek().map(|(_, next)| *next);
                let inside = at > 0 && next.is_some();
                if folding == Folding::Allowed
                    && !spaces
                    && self.column > WIDTH
                    && inside
                    && next != Some(' ')
                {
                    self.write_indent();
                } else {
                    self.put(letter);
                }
                spaces = true;
            } else if is_break(letter) {
                if !breaks && letter == '\n' {
                    self.line_break();
                }
                self.break_letter(letter);
                self.at_indent = true;
                breaks = true;
            } else {
                if breaks {
                    self.write_indent();
                }
                if letter == '\'' {
                    self.put('\'');
                }
                self.put(letter);
                self.at_indent = false;
                (spaces, breaks) = (false, false);
            }
        }
        self.indicator("'", false);
        self.after_space = false;
        self.at_indent = false;
    }

    fn double_quoted(&mut self, text: &str, folding: Folding) {
        self.indicator("\"", true);
        let mut spaces = false;
        let mut letters = text.char_indices().peekable();
        while let Some((at, letter)) = letters.next() {
            if !is_printable(letter) || is_break(letter) || matches!(letter, '"' | '\\') {
                for escaped in escape(letter).chars() {
                    self.put(escaped);
                }
                spaces = false;
            } else if letter == ' ' {
                let next = letters.peek().map(|(_, next)| *next);
                if folding == Folding::Allowed
                    && !spaces
                    && self.column > WIDTH
                    && at > 0
                    && next.is_some()
                {
                    self.write_indent();
                    if next == Some(' ') {
                        self.put('\\');
                    }
                } else {
                    self.put(letter);
                }
                spaces = true;
            } else {
                self.put(letter);
                spaces = false;
            }
        }
        self.indicator("\"", false);
        self.after_space = false;
        self.at_indent = false;
    }

    fn literal(&mut self, text: &str) {
        self.indicator("|", true);
        if text.starts_with(|letter| letter == ' ' || is_break(letter)) {
            self.indicator("2", false);
        }
        let mut from_end = text.chars().rev();
        match (from_end.next(), from_end.next()) {
            (Some(last), _) if !is_break(last) => self.indicator("-", false),
            (Some(_), None) => self.indicator("+", false),
            (Some(_), Some(before)) if is_break(before) => self.indicator("+", false),
            _ => {}
        }
        self.line_break();
        self.at_indent = true;
        self.after_space = true;
        let mut breaks = true;
        for letter in text.chars() {
            if is_break(letter) {
                self.break_letter(letter);
                self.at_indent = true;
                breaks = true;
            } else {
                if breaks {
                    self.write_indent();
                }
                self.put(letter);
                self.at_indent = false;
                breaks = false;
            }
        }
    }

    fn increase_indent(&mut self) {
        self.indent = if self.indent < 0 { 0 } else { self.indent + 2 };
    }

    fn write_indent(&mut self) {
        let indent = usize::try_from(self.indent).unwrap_or(0);
        if !self.at_indent || self.column > indent || (self.column == indent && !self.after_space) {
            self.line_break();
        }
        while self.column < indent {
            self.put(' ');
        }
        self.after_space = true;
        self.at_indent = true;
    }

    /// Writes a mark, behind a blank if it needs one.
    fn indicator(&mut self, mark: &str, needs_space: bool) {
        if needs_space && !self.after_space {
            self.put(' ');
        }
        self.put_all(mark);
        self.after_space = false;
        self.at_indent = false;
    }

    /// Writes a mark of the block structure, which leaves the line open for an indented node.
    fn mark(&mut self, mark: &str) {
        let at_indent = self.at_indent;
        self.indicator(mark, true);
        self.at_indent = at_indent;
    }

    fn put_all(&mut self, text: &str) {
        self.out.push_str(text);
        self.column += text.chars().count();
    }

    fn put(&mut self, letter: char) {
        self.out.push(letter);
        self.column += 1;
    }

    fn line_break(&mut self) {
        self.out.push('\n');
        self.column = 0;
    }

    fn break_letter(&mut self, letter: char) {
        self.out.push(letter);
        self.column = 0;
    }
}

/// Whether blanks may become line breaks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Folding {
    Allowed,
    None,
}

impl Scalar<'_> {
    fn into_owned(self) -> Scalar<'static> {
        Scalar {
            text: Cow::Owned(self.text.into_owned()),
            style: self.style,
            tag: self.tag,
        }
    }
}

fn key_scalar(key: &Key) -> Scalar<'_> {
    match key {
        Key::Text(text) => bytes_scalar(text),
        other => scalar_of(&other.value()).into_owned(),
    }
}

fn scalar_of(value: &Value) -> Scalar<'_> {
    let plain = |text: String| Scalar {
        text: Cow::Owned(text),
        style: Style::Plain,
        tag: "",
    };
    match value {
        Value::Bool(flag) => plain(flag.to_string()),
        Value::Int(IntType::Duration, number) => {
            text_scalar(Duration::from_nanoseconds(*number).to_string())
        }
        Value::Int(_, number) => plain(number.to_string()),
        Value::Uint(_, number) => plain(number.to_string()),
        Value::Float(number) => plain(match print::float(*number).as_str() {
            "+Inf" => ".inf".to_owned(),
            "-Inf" => "-.inf".to_owned(),
            "NaN" => ".nan".to_owned(),
            other => other.to_owned(),
        }),
        Value::Number(text) => {
            let shown = text.to_str_lossy();
            match (shown.parse::<i64>(), shown.parse::<f64>()) {
                (Ok(number), _) => plain(number.to_string()),
                (_, Ok(number)) if number.is_finite() => {
                    scalar_of(&Value::Float(number)).into_owned()
                }
                _ => text_scalar(shown),
            }
        }
        Value::Text(text) => bytes_scalar(text),
        Value::Object(object) => match (value.downcast::<Time>(), value.downcast::<Version>()) {
            (Some(time), _) => plain(time.format("2006-01-02T15:04:05.999999999Z07:00")),
            (_, Some(version)) => text_scalar(version.to_string()),
            _ => {
                let text = object.text().unwrap_or_default();
                text_scalar(text.to_str_lossy().into_owned())
            }
        },
        _ => plain("null".to_owned()),
    }
}

fn bytes_scalar(bytes: &[u8]) -> Scalar<'_> {
    match std::str::from_utf8(bytes) {
        Ok(text) => text_scalar(text),
        Err(_) => binary_scalar(bytes),
    }
}

fn text_scalar<'t>(text: impl Into<Cow<'t, str>>) -> Scalar<'t> {
    let text = text.into();
    let style = if text.contains('\n') {
        Style::Literal
    } else if yaml::reads_as_text(&text) {
        Style::Plain
    } else {
        Style::Double
    };
    Scalar {
        text,
        style,
        tag: "",
    }
}

/// What is not UTF-8 is written in base 64, in lines of 70.
fn binary_scalar(bytes: &[u8]) -> Scalar<'static> {
    let encoded = base64::encode(bytes, Alphabet::Standard);
    let lines: Vec<_> = encoded.chunks(70).map(String::from_utf8_lossy).collect();
    let several = encoded.len() >= 70;
    let text = if several {
        lines.join("\n") + "\n"
    } else {
        lines.concat()
    };
    let style = if several {
        Style::Literal
    } else {
        Style::Plain
    };
    Scalar {
        text: Cow::Owned(text),
        style,
        tag: "!!binary",
    }
}

/// Which styles a text can be written in.
struct Analysis {
    line_breaks: bool,
    plain_allowed: bool,
    single_allowed: bool,
    block_allowed: bool,
}

impl Analysis {
    fn of(text: &str) -> Self {
        let is_harmless = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        if !text.is_empty() && text.bytes().all(is_harmless) {
            return Self {
                line_breaks: false,
                plain_allowed: true,
                single_allowed: true,
                block_allowed: true,
            };
        }
        let mut indicators = text.starts_with("---") || text.starts_with("...");
        let (mut line_breaks, mut special) = (false, false);
        let (mut break_space, mut space_break) = (false, false);
        let mut previous: Option<char> = None;
        let mut letters = text.chars().peekable();
        while let Some(letter) = letters.next() {
            let blank_follows = letters
                .peek()
                .is_none_or(|next| matches!(next, ' ' | '\t') || is_break(*next));
            let blank_before =
                previous.is_none_or(|before| matches!(before, ' ' | '\t') || is_break(before));
            indicators |= match letter {
                '#' | ',' | '[' | ']' | '{' | '}' | '&' | '*' | '!' | '|' | '>' | '\'' | '"'
                | '%' | '@' | '`'
                    if previous.is_none() =>
                {
                    true
                }
                '?' | '-' if previous.is_none() => blank_follows,
                ':' => blank_follows,
                '#' => blank_before,
                _ => false,
            };
            special |= !is_printable(letter);
            if letter == ' ' {
                break_space |= previous.is_some_and(is_break);
            } else if is_break(letter) {
                line_breaks = true;
                space_break |= previous == Some(' ');
            }
            previous = Some(letter);
        }
        let outer =
            |letter: Option<char>| letter.is_some_and(|letter| letter == ' ' || is_break(letter));
        let (first, last) = (text.chars().next(), text.chars().next_back());
        let broken = space_break || special;
        Self {
            line_breaks,
            plain_allowed: !(indicators
                || line_breaks
                || break_space
                || broken
                || outer(first)
                || outer(last)),
            single_allowed: !(break_space || broken),
            block_allowed: !(text.is_empty() || last == Some(' ') || broken),
        }
    }
}

fn is_break(letter: char) -> bool {
    matches!(letter, '\r' | '\n' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

fn is_printable(letter: char) -> bool {
    matches!(letter, '\n' | ' '..='~' | '\u{A0}'..='\u{FEFE}' | '\u{FF00}'..='\u{FFFD}')
}

fn escape(letter: char) -> String {
    let code = u32::from(letter);
    match letter {
        '\0' => "\\0".to_owned(),
        '\x07' => "\\a".to_owned(),
        '\x08' => "\\b".to_owned(),
        '\t' => "\\t".to_owned(),
        '\n' => "\\n".to_owned(),
        '\x0b' => "\\v".to_owned(),
        '\x0c' => "\\f".to_owned(),
        '\r' => "\\r".to_owned(),
        '\x1b' => "\\e".to_owned(),
        '"' => "\\\"".to_owned(),
        '\\' => "\\\\".to_owned(),
        '\u{85}' => "\\N".to_owned(),
        '\u{A0}' => "\\_".to_owned(),
        '\u{2028}' => "\\L".to_owned(),
        '\u{2029}' => "\\P".to_owned(),
        _ if code <= 0xFF => format!("\\x{code:02X}"),
        _ if code <= 0xFFFF => format!("\\u{code:04X}"),
        _ => format!("\\U{code:08X}"),
    }
}
