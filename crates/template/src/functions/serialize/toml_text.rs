//! TOML as the established writer lays it out: values before tables, tables indented by two blanks per level, lists on
//! one line, lists of tables as `[[…]]`.

use super::{DEEPEST, WriteError};
use crate::{
    functions::print,
    go::{IntType, Key, MapType, Value},
    semver::Version,
    time::{Duration, Time},
};

pub(super) fn write(value: &Value) -> Result<Vec<u8>, WriteError> {
    if let Value::Channel(_) | Value::Complex(..) = value {
        return Err(format!(
            "unsupported type for key '': {}",
            value.kind().name()
        ));
    }
    let mut writer = Writer { out: String::new() };
    writer.encode(&mut Vec::new(), value, 0)?;
    Ok(writer.out.into_bytes())
}

struct Writer {
    out: String,
}

/// What decides where a value may stand.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    Nothing,
    Plain,
    Table,
    Tables,
}

fn is_nil(value: &Value) -> bool {
    value.is_nil()
}

fn shape(value: &Value, depth: usize) -> Result<Shape, WriteError> {
    if is_nil(value) {
        return Ok(Shape::Nothing);
    }
    match value {
        Value::Map(_) => Ok(Shape::Table),
        Value::Object(_) if text_of_object(value).is_none() => Ok(Shape::Table),
        Value::List(list) => {
            if depth > DEEPEST {
                return Err("toml: value is nested too deeply".to_owned());
            }
            let mut all_tables = !list.items().is_empty();
            for item in list.items() {
                match shape(item, depth + 1)? {
                    Shape::Nothing => {
                        return Err("toml: cannot encode array with nil element".to_owned());
                    }
                    Shape::Table => {}
                    _ => all_tables = false,
                }
            }
            Ok(if all_tables {
                Shape::Tables
            } else {
                Shape::Plain
            })
        }
        Value::Channel(_) | Value::Complex(..) => {
            Err(format!("unsupported type: {}", value.kind().name()))
        }
        _ => Ok(Shape::Plain),
    }
}

/// Times and versions are written as one value, other objects as tables.
fn text_of_object(value: &Value) -> Option<String> {
    if let Some(time) = value.downcast::<Time>() {
        return Some(time.format("2006-01-02T15:04:05.999999999Z07:00"));
    }
    value
        .downcast::<Version>()
        .map(|version| quoted(version.to_string().as_bytes()))
}

/// Keys in byte order with their values, of a map or of an object's fields.
fn entries(value: &Value) -> Result<Vec<(Vec<u8>, Value)>, WriteError> {
    match value {
        Value::Map(map) if map.kind() == MapType::AnyToAny => {
            Err("toml: cannot encode a map with non-string key type".to_owned())
        }
        Value::Map(map) => {
            let entries = map.entries();
            Ok(entries
                .iter()
                .filter_map(|(key, value)| match key {
                    Key::Text(key) => Some((key.as_bytes().to_vec(), value.clone())),
                    _ => None,
                })
                .collect())
        }
        Value::Object(object) => Ok(object
            .fields()
            .into_iter()
            .map(|(name, value)| (name.as_bytes().to_vec(), value))
            .collect()),
        _ => Ok(Vec::new()),
    }
}

impl Writer {
    fn encode(
        &mut self,
        path: &mut Vec<Vec<u8>>,
        value: &Value,
        depth: usize,
    ) -> Result<(), WriteError> {
        if depth > DEEPEST {
            return Err("toml: value is nested too deeply".to_owned());
        }
        match shape(value, depth)? {
            Shape::Nothing if !matches!(value, Value::List(_)) => Ok(()),
            Shape::Table => self.table(path, value, depth),
            Shape::Tables => self.tables(path, value, depth),
            Shape::Nothing | Shape::Plain => {
                if let Some(key) = path.last() {
                    let key = written_key(key);
                    self.indent(path.len());
                    self.out.push_str(&key);
                    self.out.push_str(" = ");
                    self.element(value, depth)?;
                    self.new_line();
                    return Ok(());
                }
                self.element(value, depth)
            }
        }
    }

    fn table(
        &mut self,
        path: &mut Vec<Vec<u8>>,
        value: &Value,
        depth: usize,
    ) -> Result<(), WriteError> {
        if path.len() == 1 {
            self.new_line();
        }
        if !path.is_empty() {
            self.header(path, "[", "]");
        }
        self.members(path, value, depth)
    }

    fn tables(
        &mut self,
        path: &mut Vec<Vec<u8>>,
        value: &Value,
        depth: usize,
    ) -> Result<(), WriteError> {
        if path.is_empty() {
            return Err("toml: top-level values must be Go maps or structs".to_owned());
        }
        let Value::List(list) = value else {
            return Ok(());
        };
        for item in list.items() {
            self.new_line();
            self.header(path, "[[", "]]");
            self.members(path, item, depth + 1)?;
        }
        Ok(())
    }

    fn members(
        &mut self,
        path: &mut Vec<Vec<u8>>,
        value: &Value,
        depth: usize,
    ) -> Result<(), WriteError> {
        let (direct, nested) = split(value, depth)?;
        for (key, value) in direct.into_iter().chain(nested) {
            if is_nil(&value) {
                continue;
            }
            path.push(key);
            self.encode(path, &value, depth + 1)?;
            path.pop();
        }
        Ok(())
    }

    fn header(&mut self, path: &[Vec<u8>], open: &str, close: &str) {
        self.indent(path.len());
        let keys: Vec<_> = path.iter().map(|key| written_key(key)).collect();
        self.out.push_str(open);
        self.out.push_str(&keys.join("."));
        self.out.push_str(close);
        self.new_line();
    }

    fn element(&mut self, value: &Value, depth: usize) -> Result<(), WriteError> {
        if depth > DEEPEST {
            return Err("toml: value is nested too deeply".to_owned());
        }
        let text = match value {
            Value::Bool(flag) => flag.to_string(),
            Value::Int(IntType::Duration, number) => {
                quoted(Duration::from_nanoseconds(*number).to_string().as_bytes())
            }
            Value::Int(_, number) => number.to_string(),
            Value::Uint(_, number) => number.to_string(),
            Value::Float(number) => float(*number),
            Value::Text(text) => quoted(text),
            Value::Number(text) => number(text)?,
            Value::List(list) => {
                self.out.push('[');
                for (index, item) in list.items().iter().enumerate() {
                    if index > 0 {
                        self.out.push_str(", ");
                    }
                    self.element(item, depth + 1)?;
                }
                "]".to_owned()
            }
            Value::Map(_) => return self.inline_table(value, depth),
            Value::Object(_) => match text_of_object(value) {
                Some(text) => text,
                None => return self.inline_table(value, depth),
            },
            _ => return Err(format!("unexpected type: {}", value.type_name())),
        };
        self.out.push_str(&text);
        Ok(())
    }

    fn inline_table(&mut self, value: &Value, depth: usize) -> Result<(), WriteError> {
        let (direct, nested) = split(value, depth)?;
        let (last_direct, last) = (direct.len(), direct.len() + nested.len());
        self.out.push('{');
        for (index, (key, value)) in direct.into_iter().chain(nested).enumerate() {
            if is_nil(&value) {
                continue;
            }
            self.out.push_str(&written_key(&key));
            self.out.push_str(" = ");
            self.element(&value, depth + 1)?;
            if index + 1 < last || (index < last_direct && last_direct < last) {
                self.out.push_str(", ");
            }
        }
        self.out.push('}');
        Ok(())
    }

    fn indent(&mut self, length: usize) {
        self.out
            .extend(std::iter::repeat_n("  ", length.saturating_sub(1)));
    }

    /// There is no line break before anything else.
    fn new_line(&mut self) {
        if !self.out.is_empty() {
            self.out.push('\n');
        }
    }
}

type Members = Vec<(Vec<u8>, Value)>;

/// Members that are values, and members that are tables.
fn split(value: &Value, depth: usize) -> Result<(Members, Members), WriteError> {
    let (mut direct, mut nested) = (Vec::new(), Vec::new());
    for (key, value) in entries(value)? {
        match shape(&value, depth + 1)? {
            Shape::Table | Shape::Tables => nested.push((key, value)),
            _ => direct.push((key, value)),
        }
    }
    Ok((direct, nested))
}

fn float(number: f64) -> String {
    if number.is_nan() {
        return "nan".to_owned();
    }
    if number.is_infinite() {
        return if number < 0.0 { "-inf" } else { "inf" }.to_owned();
    }
    let text = format!("{number}");
    if text.contains('.') {
        text
    } else {
        text + ".0"
    }
}

fn number(text: &[u8]) -> Result<String, WriteError> {
    let shown = String::from_utf8_lossy(text);
    if shown.is_empty() {
        return Ok("0".to_owned());
    }
    match (shown.parse::<i64>(), shown.parse::<f64>()) {
        (Ok(number), _) => Ok(number.to_string()),
        (_, Ok(number)) if number.is_finite() => Ok(float(number)),
        _ => Err(format!(
            "unable to convert {} to int64 or float64",
            print::quote(text)
        )),
    }
}

fn written_key(key: &[u8]) -> String {
    let bare = !key.is_empty()
        && key
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    if bare {
        String::from_utf8_lossy(key).into_owned()
    } else {
        quoted(key)
    }
}

fn quoted(text: &[u8]) -> String {
    let mut out = String::from("\"");
    for letter in String::from_utf8_lossy(text).chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\x08' => out.push_str("\\b"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\x0c' => out.push_str("\\f"),
            '\r' => out.push_str("\\r"),
            '\0'..='\x1f' | '\x7f' => out.push_str(&format!("\\u{:04x}", u32::from(letter))),
            _ => out.push(letter),
        }
    }
    out.push('"');
    out
}
