//! `spew_sdump` and `spew_sprintf`: values with their types, for finding out what a template has in hand.

use crate::{
    functions::{
        extent::{self, Form, TooDeep},
        print,
    },
    go::{self, Context, Failure, Type, Value},
};

/// Nesting beyond this is cut off.
const DEEPEST: usize = 100;

/// A member has its type in front.
const SPEWED: Form = Form {
    deepest: DEEPEST,
    too_deep: TooDeep::IsLeftOut,
    member: 32,
};

/// All values over several lines, with types and lengths.
pub(super) fn dump(context: &mut Context<'_>, values: &[Value]) -> Result<Vec<u8>, Failure> {
    let mut out = Vec::new();
    for value in values {
        extent::check(context, value, SPEWED)?;
        dump_value(value, 0, &mut out);
        out.push(b'\n');
    }
    Ok(out)
}

fn indent(depth: usize, out: &mut Vec<u8>) {
    out.resize(out.len() + depth, b' ');
}

fn dump_value(value: &Value, depth: usize, out: &mut Vec<u8>) {
    let type_name = if matches!(value, Value::Nil) {
        "interface {}"
    } else {
        value.type_name()
    };
    out.extend_from_slice(format!("({type_name}) ").as_bytes());
    if depth > DEEPEST {
        out.extend_from_slice(b"...");
        return;
    }
    let length = match value {
        Value::Text(text) | Value::Number(text) => text.len(),
        Value::List(list) => list.items().len(),
        Value::Map(map) => map.len(),
        _ => 0,
    };
    match value {
        Value::List(list) if length > 0 => {
            // Numbers counted up are made one by one, in room that doubles.
            let is_counted = list.element() == Type::INT;
            let room = if is_counted {
                length.next_power_of_two()
            } else {
                length
            };
            out.extend_from_slice(format!("(len={length} cap={room}) ").as_bytes());
        }
        _ if length > 0 => out.extend_from_slice(format!("(len={length}) ").as_bytes()),
        _ => {}
    }
    let mut members = |members: Vec<(Vec<u8>, Value)>| {
        out.extend_from_slice(b"{\n");
        let last = members.len().saturating_sub(1);
        for (index, (label, member)) in members.iter().enumerate() {
            indent(depth + 1, out);
            out.extend_from_slice(label);
            dump_value(member, depth + 1, out);
            out.extend_from_slice(if index < last { b",\n" } else { b"\n" });
        }
        indent(depth, out);
        out.push(b'}');
    };
    match value {
        Value::Nil | Value::NilObject(_) => out.extend_from_slice(b"<nil>"),
        Value::List(list) if list.is_nil() => out.extend_from_slice(b"<nil>"),
        Value::Map(map) if map.is_nil() => out.extend_from_slice(b"<nil>"),
        Value::Text(text) => out.extend_from_slice(print::quote(text).as_bytes()),
        Value::List(list) => members(
            list.items()
                .iter()
                .map(|item| (Vec::new(), item.clone()))
                .collect(),
        ),
        Value::Map(map) => {
            let entries = map.entries();
            let labelled = entries.iter().map(|(key, value)| {
                let mut label = Vec::new();
                dump_value(&key.value(), depth + 1, &mut label);
                label.extend_from_slice(b": ");
                (label, value.clone())
            });
            members(labelled.collect());
        }
        Value::Object(object) => match object.text() {
            Some(text) => out.extend_from_slice(&text),
            None => {
                let fields = object.fields().into_iter();
                members(
                    fields
                        .map(|(name, value)| (format!("{name}: ").into_bytes(), value))
                        .collect(),
                );
            }
        },
        other => out.extend_from_slice(&print::display(other).unwrap_or_default()),
    }
}

/// `Sprintf` in which `%#v` shows types; other verbs are those of the language.
pub(super) fn format(
    context: &mut Context<'_>,
    format: &[u8],
    values: &[Value],
) -> Result<Vec<u8>, Failure> {
    let mut out = Vec::new();
    for value in values {
        extent::check(context, value, SPEWED)?;
    }
    let mut values = values.iter();
    let mut rest = format;
    while let Some(percent) = rest.iter().position(|byte| *byte == b'%') {
        out.extend_from_slice(&rest[..percent]);
        let directive = &rest[percent..];
        let flags = directive[1..]
            .iter()
            .take_while(|byte| b"+-# 0123456789.[]*".contains(byte))
            .count();
        let end = (flags + 2).min(directive.len());
        let (directive, after) = directive.split_at(end);
        rest = after;
        match directive {
            [b'%', b'%'] => out.push(b'%'),
            [.., b'v'] => match values.next() {
                Some(value) => {
                    let types = if directive.contains(&b'#') {
                        Types::Shown
                    } else {
                        Types::Hidden
                    };
                    format_value(value, types, types, 0, &mut out);
                }
                None => out.extend(go::printf(directive, &[])?),
            },
            _ => out.extend(go::printf(
                directive,
                values.next().map(std::slice::from_ref).unwrap_or_default(),
            )?),
        }
    }
    out.extend_from_slice(rest);
    let extra = values.len();
    // What is left over shows as what the values are wrapped in, not as what they are.
    for (index, value) in values.enumerate() {
        let before: &[u8] = if index == 0 { b"%!(EXTRA " } else { b", " };
        out.extend_from_slice(before);
        out.extend_from_slice(b"*spew.formatState=");
        format_value(value, Types::Hidden, Types::Hidden, 0, &mut out);
    }
    if extra > 0 {
        out.push(b')');
    }
    Ok(out)
}

/// Whether types stand before values.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Types {
    Shown,
    Hidden,
}

impl Types {
    /// What holds for values in slots of a type: where that is not `interface {}`, it was told already.
    fn inside(self, slot: Type) -> Self {
        if slot == Type::Any {
            self
        } else {
            Self::Hidden
        }
    }
}

/// A value, with its type where `here` says so; `types` is for what lies inside of it.
fn format_value(value: &Value, types: Types, here: Types, depth: usize, out: &mut Vec<u8>) {
    if depth > DEEPEST {
        out.extend_from_slice(b"...");
        return;
    }
    if here == Types::Shown {
        let type_name = if matches!(value, Value::Nil) {
            "interface {}"
        } else {
            value.type_name()
        };
        out.extend_from_slice(format!("({type_name})").as_bytes());
    }
    match value {
        Value::Nil | Value::NilObject(_) => out.extend_from_slice(b"<nil>"),
        Value::List(list) if list.is_nil() => out.extend_from_slice(b"<nil>"),
        Value::Map(map) if map.is_nil() => out.extend_from_slice(b"<nil>"),
        Value::List(list) => {
            out.push(b'[');
            for (index, item) in list.items().iter().enumerate() {
                if index > 0 {
                    out.push(b' ');
                }
                format_value(item, types, types.inside(list.element()), depth + 1, out);
            }
            out.push(b']');
        }
        Value::Map(map) => {
            let (key_type, element) = map.kind().parts();
            out.extend_from_slice(b"map[");
            for (index, (key, item)) in map.entries().iter().enumerate() {
                if index > 0 {
                    out.push(b' ');
                }
                format_value(&key.value(), types, types.inside(key_type), depth + 1, out);
                out.push(b':');
                format_value(item, types, types.inside(element), depth + 1, out);
            }
            out.push(b']');
        }
        Value::Object(object) if object.text().is_none() => {
            out.push(b'{');
            for (index, (name, item)) in object.fields().into_iter().enumerate() {
                if index > 0 {
                    out.push(b' ');
                }
                if types == Types::Shown {
                    out.extend_from_slice(format!("{name}:").as_bytes());
                }
                format_value(&item, types, Types::Hidden, depth + 1, out);
            }
            out.push(b'}');
        }
        other => out.extend_from_slice(&print::display(other).unwrap_or_default()),
    }
}
