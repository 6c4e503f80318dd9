//! The functions of the language itself: comparison, indexing, printing, escaping.

use std::cmp::Ordering;

use crate::go::{
    Context, Failure, Kind, List, Text, Type, Value,
    format::{self, print, print_format, println},
    key::Key,
    quote::{decode, is_printable},
    tree::Callee,
};

/// A function of the language.
pub(crate) struct LanguageFunction {
    pub(crate) parameters: &'static [Type],
    pub(crate) rest: Option<Type>,
    pub(crate) body: Body,
}

/// Unlike other functions one of the language sees which arguments came out of a slot of type `interface {}`.
pub(crate) type Body = fn(&mut Context<'_>, &[Value], Slots) -> Result<Value, Failure>;

/// Which of the first arguments came out of a slot of type `interface {}`, as elements of secrets do; the others
/// came out of none, or out of one of their own type.
#[derive(Clone, Copy, Default)]
pub(crate) struct Slots(u8);

impl Slots {
    /// Notes that the argument at this place came out of such a slot.
    pub(crate) fn note(&mut self, place: usize) {
        self.0 |= u32::try_from(place)
            .ok()
            .and_then(|place| 1u8.checked_shl(place))
            .unwrap_or_default();
    }

    fn is_any(self, place: usize) -> bool {
        let mut only = Self::default();
        only.note(place);
        self.0 & only.0 != 0
    }
}

/// What a name of the language calls.
pub(crate) fn callee(name: &str) -> Option<Callee> {
    match name {
        "and" => return Some(Callee::And),
        "or" => return Some(Callee::Or),
        "call" => return Some(Callee::Call),
        _ => {}
    }
    let found = FUNCTIONS.iter().find(|(known, _)| *known == name)?;
    Some(Callee::Language(&found.1))
}

/// The names of all functions of the language.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    FUNCTIONS
        .iter()
        .map(|(name, _)| *name)
        .chain(["and", "or", "call"])
}

const fn entry(
    name: &'static str,
    parameters: &'static [Type],
    rest: Option<Type>,
    body: Body,
) -> (&'static str, LanguageFunction) {
    (
        name,
        LanguageFunction {
            parameters,
            rest,
            body,
        },
    )
}

const RAW: &[Type] = &[Type::Raw];
const TWO_RAW: &[Type] = &[Type::Raw, Type::Raw];

static FUNCTIONS: &[(&str, LanguageFunction)] = &[
    entry("eq", RAW, Some(Type::Raw), |_, values, _| {
        equal_to_any(values).map(Value::Bool)
    }),
    entry("ne", TWO_RAW, None, |_, values, _| {
        equal_to_any(values).map(|equal| Value::Bool(!equal))
    }),
    entry("lt", TWO_RAW, None, |_, values, _| {
        less(values).map(Value::Bool)
    }),
    entry("le", TWO_RAW, None, |_, values, _| {
        less_or_equal(values).map(Value::Bool)
    }),
    entry("gt", TWO_RAW, None, |_, values, _| {
        less_or_equal(values).map(|le| Value::Bool(!le))
    }),
    entry("ge", TWO_RAW, None, |_, values, _| {
        less(values).map(|lt| Value::Bool(!lt))
    }),
    entry("not", RAW, None, |_, values, _| {
        Ok(Value::Bool(!first(values).is_true()))
    }),
    entry("len", RAW, None, |_, values, slots| {
        length(first(values), slots).map(Value::int)
    }),
    entry("index", RAW, Some(Type::Raw), |_, values, _| index(values)),
    entry("slice", RAW, Some(Type::Raw), |_, values, slots| {
        slice(values, slots)
    }),
    entry("html", &[], Some(Type::Any), |context, values, _| {
        escape(context, values, push_html)
    }),
    entry("js", &[], Some(Type::Any), |context, values, _| {
        escape(context, values, push_js)
    }),
    entry("urlquery", &[], Some(Type::Any), |context, values, _| {
        escape(context, values, push_query)
    }),
    entry("print", &[], Some(Type::Any), |context, values, _| {
        made(context, |out| print(out, values))
    }),
    entry("println", &[], Some(Type::Any), |context, values, _| {
        made(context, |out| println(out, values))
    }),
    entry(
        "printf",
        &[Type::Text],
        Some(Type::Any),
        |context, values, _| {
            let (format, arguments) = values.split_first().ok_or("no format")?;
            let format: &[u8] = format.as_text().map_or(b"", |text| text);
            made(context, |out| print_format(out, format, arguments))
        },
    ),
];

fn first(values: &[Value]) -> &Value {
    values.first().unwrap_or(&Value::Nil)
}

/// The text that is written, whose length counts against the limit.
fn made(
    context: &mut Context<'_>,
    write: impl FnOnce(&mut Vec<u8>) -> Result<(), Failure>,
) -> Result<Value, Failure> {
    let text = Text::try_written(write)?;
    context.reserve(text.len())?;
    Ok(Value::Text(text))
}

/// Printing of a value in an error text, where it may be too deep.
fn shown(verb: &str, value: &Value) -> String {
    let text = format::printf(verb.as_bytes(), std::slice::from_ref(value)).unwrap_or_default();
    String::from_utf8_lossy(&text).into_owned()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Basic {
    None,
    Bool,
    Complex,
    Int,
    Float,
    String,
    Uint,
}

fn basic_kind(value: &Value) -> Basic {
    match value.kind() {
        Kind::Bool => Basic::Bool,
        Kind::Complex128 => Basic::Complex,
        Kind::Int(_) => Basic::Int,
        Kind::Float64 => Basic::Float,
        Kind::String => Basic::String,
        Kind::Uint(_) => Basic::Uint,
        _ => Basic::None,
    }
}

fn incompatible(a: &Value, b: &Value) -> Failure {
    let (a, b) = (a.type_name(), b.type_name());
    Failure::new(format!("incompatible types for comparison: {a} and {b}"))
}

fn equal_to_any(values: &[Value]) -> Result<bool, Failure> {
    let (first, others) = values
        .split_first()
        .ok_or("missing argument for comparison")?;
    if others.is_empty() {
        return Err("missing argument for comparison".into());
    }
    for other in others {
        if equal(first, other)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn equal(a: &Value, b: &Value) -> Result<bool, Failure> {
    let (kind, other) = (basic_kind(a), basic_kind(b));
    if kind != other {
        return match (a, b) {
            (Value::Int(_, a), Value::Uint(_, b)) | (Value::Uint(_, b), Value::Int(_, a)) => {
                Ok(u64::try_from(*a).is_ok_and(|a| a == *b))
            }
            (Value::Nil, _) | (_, Value::Nil) => Ok(false),
            _ => Err(incompatible(a, b)),
        };
    }
    match (a, b) {
        (Value::Bool(a), Value::Bool(b)) => Ok(a == b),
        (Value::Complex(a, b), Value::Complex(c, d)) => Ok(a == c && b == d),
        (Value::Float(a), Value::Float(b)) => Ok(a == b),
        (Value::Int(_, a), Value::Int(_, b)) => Ok(a == b),
        (Value::Uint(_, a), Value::Uint(_, b)) => Ok(a == b),
        _ if kind == Basic::String => Ok(a.as_text_kind() == b.as_text_kind()),
        _ => equal_others(a, b),
    }
}

/// Lists, maps, channels, objects and nil: only what Go can compare with `==`.
fn equal_others(a: &Value, b: &Value) -> Result<bool, Failure> {
    let untyped_nil = matches!(a, Value::Nil) || matches!(b, Value::Nil);
    if a.kind() != b.kind() && !untyped_nil {
        let (shown_a, shown_b) = (shown("%s", a), shown("%v", b));
        let (a, b) = (a.type_name(), b.type_name());
        let message = format!("non-comparable types {shown_a}: {a}, {b}: {shown_b}");
        return Err(Failure::new(message));
    }
    if a.is_nil() || b.is_nil() {
        return Ok(a.is_nil() == b.is_nil());
    }
    let is_comparable = match b {
        Value::List(_) | Value::Map(_) => false,
        Value::Object(object) if b.kind() == Kind::Struct => object
            .fields()
            .iter()
            .all(|(_, field)| !matches!(field, Value::List(_) | Value::Map(_))),
        _ => true,
    };
    if !is_comparable {
        let (shown, name) = (shown("%s", b), b.type_name());
        return Err(Failure::new(format!("non-comparable type {shown}: {name}")));
    }
    Ok(a.deep_equals(b))
}

fn two(values: &[Value]) -> (&Value, &Value) {
    (first(values), first(values.get(1..).unwrap_or_default()))
}

fn less(values: &[Value]) -> Result<bool, Failure> {
    let (a, b) = two(values);
    let (kind, other) = (basic_kind(a), basic_kind(b));
    if kind == Basic::None || other == Basic::None {
        return Err("invalid type for comparison".into());
    }
    let order = match (a, b) {
        (Value::Int(_, a), Value::Uint(_, b)) => {
            u64::try_from(*a).map_or(Ordering::Less, |a| a.cmp(b))
        }
        (Value::Uint(_, a), Value::Int(_, b)) => {
            u64::try_from(*b).map_or(Ordering::Greater, |b| a.cmp(&b))
        }
        _ if kind != other => return Err(incompatible(a, b)),
        (Value::Float(a), Value::Float(b)) => return Ok(a < b),
        (Value::Int(_, a), Value::Int(_, b)) => a.cmp(b),
        (Value::Uint(_, a), Value::Uint(_, b)) => a.cmp(b),
        _ if kind == Basic::String => a.as_text_kind().cmp(&b.as_text_kind()),
        _ => return Err("invalid type for comparison".into()),
    };
    Ok(order == Ordering::Less)
}

fn less_or_equal(values: &[Value]) -> Result<bool, Failure> {
    Ok(less(values)? || equal_to_any(values)?)
}

fn length(value: &Value, slots: Slots) -> Result<i64, Failure> {
    let count = match value {
        Value::Text(text) | Value::Number(text) => text.len(),
        Value::List(list) => list.items().len(),
        Value::Map(map) => map.len(),
        // What waits in the channel depends on the moment in Go; the numbers come one at a time.
        Value::Channel(_) => 0,
        Value::NilObject(_) => return Err("len of nil pointer".into()),
        Value::Nil if slots.is_any(0) => return Err("len of nil pointer".into()),
        Value::Nil => return Err("reflect: call of reflect.Value.Type on zero Value".into()),
        other => {
            let name = other.type_name().trim_start_matches('*');
            return Err(Failure::new(format!("len of type {name}")));
        }
    };
    i64::try_from(count).map_err(|_| Failure::new("length overflows int"))
}

/// A position in something of this length; the length itself still counts as in range.
fn position(index: &Value, length: usize) -> Result<usize, Failure> {
    let number = match index {
        Value::Int(_, number) => *number,
        Value::Uint(_, number) => *number as i64,
        Value::Nil => return Err("cannot index slice/array with nil".into()),
        other => {
            let name = other.type_name();
            return Err(Failure::new(format!(
                "cannot index slice/array with type {name}"
            )));
        }
    };
    usize::try_from(number)
        .ok()
        .filter(|position| *position <= length)
        .ok_or_else(|| Failure::new(format!("index out of range: {number}")))
}

fn index(values: &[Value]) -> Result<Value, Failure> {
    let (item, indexes) = values.split_first().ok_or("index of untyped nil")?;
    if matches!(item, Value::Nil) {
        return Err("index of untyped nil".into());
    }
    let mut item = item.clone();
    for index in indexes {
        item = match &item {
            Value::Nil | Value::NilObject(_) => return Err("index of nil pointer".into()),
            Value::List(list) => {
                let position = position(index, list.items().len())?;
                let found = list.items().get(position).cloned();
                found.ok_or("reflect: slice index out of range")?
            }
            Value::Text(text) | Value::Number(text) => {
                let byte = text.get(position(index, text.len())?).copied();
                let byte = byte.ok_or("reflect: string index out of range")?;
                Value::Uint(crate::go::UintType::Uint8, byte.into())
            }
            Value::Map(map) => {
                let (key_type, element) = map.kind().parts();
                let key = map_key(index, key_type)?;
                map.get(&key).unwrap_or_else(|| element.zero())
            }
            other => {
                let name = other.type_name().trim_start_matches('*');
                return Err(Failure::new(format!("can't index item of type {name}")));
            }
        };
    }
    Ok(item)
}

fn map_key(index: &Value, wanted: Type) -> Result<Key, Failure> {
    if wanted == Type::Text {
        match index {
            Value::Text(text) => return Ok(Key::Text(text.clone())),
            Value::Nil => return Err("value is nil; should be of type string".into()),
            other => {
                let found = other.type_name();
                let message = format!("value has type {found}; should be string");
                return Err(Failure::new(message));
            }
        }
    }
    Key::of(index).ok_or_else(|| {
        let found = index.type_name();
        Failure::new(format!("runtime error: hash of unhashable type {found}"))
    })
}

fn slice(values: &[Value], slots: Slots) -> Result<Value, Failure> {
    let (item, indexes) = values.split_first().ok_or("slice of untyped nil")?;
    match item {
        Value::Nil => return Err("slice of untyped nil".into()),
        Value::NilObject(_) => return Err("slice of nil pointer".into()),
        _ => {}
    }
    if indexes.len() > 3 {
        return Err(Failure::new(format!(
            "too many slice indexes: {}",
            indexes.len()
        )));
    }
    let length = match item {
        Value::Text(_) | Value::Number(_) if indexes.len() == 3 => {
            return Err("cannot 3-index slice a string".into());
        }
        Value::Text(text) | Value::Number(text) => text.len(),
        Value::List(list) => list.items().len(),
        other => {
            let name = other.type_name().trim_start_matches('*');
            return Err(Failure::new(format!("can't slice item of type {name}")));
        }
    };
    let mut bounds = [0, length, length];
    for (place, (bound, index)) in bounds.iter_mut().zip(indexes).enumerate() {
        // Unlike `index`, `slice` takes no number out of its slot.
        if slots.is_any(place + 1) {
            let slot = Type::Any.name();
            return Err(Failure::new(format!(
                "cannot index slice/array with type {slot}"
            )));
        }
        *bound = position(index, length)?;
    }
    let [from, to, capacity] = bounds;
    if from > to {
        return Err(Failure::new(format!("invalid slice index: {from} > {to}")));
    }
    if to > capacity {
        return Err(Failure::new(format!(
            "invalid slice index: {to} > {capacity}"
        )));
    }
    let cut = |text: &Text| Text::from(text.get(from..to).unwrap_or_default());
    Ok(match item {
        Value::Text(text) => Value::Text(cut(text)),
        Value::Number(text) => Value::Number(cut(text)),
        Value::List(list) => {
            let items = list.items().get(from..to).unwrap_or_default().to_vec();
            Value::List(List::new(list.element(), items))
        }
        _ => Value::Nil,
    })
}

/// The printed arguments, each byte of them put out by `push`.
fn escape(
    context: &mut Context<'_>,
    values: &[Value],
    push: fn(&mut Vec<u8>, &[u8]),
) -> Result<Value, Failure> {
    made(context, |out| {
        if let [Value::Text(text)] = values {
            push(out, text);
            return Ok(());
        }
        let values: Vec<Value> = values
            .iter()
            .map(|value| format::printable(value).into_owned())
            .collect();
        let printed = Text::try_written(|out| print(out, &values))?;
        push(out, &printed);
        Ok(())
    })
}

fn push_html(out: &mut Vec<u8>, text: &[u8]) {
    for &byte in text {
        match byte {
            0 => out.extend_from_slice("\u{FFFD}".as_bytes()),
            b'"' => out.extend_from_slice(b"&#34;"),
            b'\'' => out.extend_from_slice(b"&#39;"),
            b'&' => out.extend_from_slice(b"&amp;"),
            b'<' => out.extend_from_slice(b"&lt;"),
            b'>' => out.extend_from_slice(b"&gt;"),
            other => out.push(other),
        }
    }
}

fn push_js(out: &mut Vec<u8>, text: &[u8]) {
    let mut rest = text;
    while let Some((character, length)) = decode(rest) {
        let (bytes, after) = rest.split_at(length);
        rest = after;
        match character {
            '\\' | '\'' | '"' => {
                out.push(b'\\');
                out.extend_from_slice(bytes);
            }
            '<' | '>' | '&' | '=' | '\0'..' ' => {
                out.extend_from_slice(format!("\\u{:04X}", u32::from(character)).as_bytes());
            }
            _ if character.is_ascii() || is_printable(character) => out.extend_from_slice(bytes),
            _ => out.extend_from_slice(format!("\\u{:04X}", u32::from(character)).as_bytes()),
        }
    }
}

fn push_query(out: &mut Vec<u8>, text: &[u8]) {
    for &byte in text {
        match byte {
            b' ' => out.push(b'+'),
            b'-' | b'_' | b'.' | b'~' => out.push(byte),
            _ if byte.is_ascii_alphanumeric() => out.push(byte),
            _ => {
                let digit = |value: u8| b"0123456789ABCDEF".get(usize::from(value)).copied();
                out.push(b'%');
                out.extend(digit(byte >> 4));
                out.extend(digit(byte & 15));
            }
        }
    }
}
