//! Text functions of consul-template: searching, trimming, splitting, joining, letter case.

use crate::{
    go::{Arguments, Context, Failure, Function, List, Text, Type, Value, find},
    letters,
};

const TWO: &[Type] = &[Type::Any, Type::Any];
const LIST: &[Type] = &[Type::List, Type::Any];

pub(super) const FUNCTIONS: &[Function] = &[
    Function::fixed("contains", TWO, |context, args| {
        search(context, args.value(1), args.value(0)).map(Value::from)
    }),
    Function::fixed("in", TWO, |context, args| {
        search(context, args.value(0), args.value(1)).map(Value::from)
    }),
    Function::fixed("containsAll", LIST, |context, args| {
        contains_some(context, args, Found::No, false)
    }),
    Function::fixed("containsAny", LIST, |context, args| {
        contains_some(context, args, Found::Yes, true)
    }),
    Function::fixed("containsNone", LIST, |context, args| {
        contains_some(context, args, Found::Yes, false)
    }),
    Function::fixed("containsNotAll", LIST, |context, args| {
        contains_some(context, args, Found::No, true)
    }),
    Function::fixed("join", &[Type::Text, Type::Texts], |context, args| {
        let texts: Vec<&[u8]> = needles(args.list(1))
            .iter()
            .filter_map(Value::as_text)
            .map(|text| text.as_bytes())
            .collect();
        context.reserve(joined_length(&texts, args.bytes(0).len()))?;
        Ok(texts.join(args.bytes(0)).into())
    }),
    Function::fixed("split", &[Type::Text, Type::Text], |context, args| {
        let text = letters::trim_space(args.bytes(1));
        if text.is_empty() {
            return Ok(Value::List(List::new(Type::Text, Vec::new())));
        }
        let parts = split(text, args.bytes(0), None);
        context.reserve(text.len() + parts.len() * 32)?;
        Ok(Value::texts(parts))
    }),
    Function::fixed(
        "splitToMap",
        &[Type::Text, Type::Text, Type::Text],
        |context, args| {
            let (outer, inner) = (args.bytes(0), args.bytes(1));
            let text = letters::trim_space(args.bytes(2));
            if text.is_empty() {
                return Ok(Value::text_map::<&[u8], &[u8]>([]));
            }
            let parts = split(text, outer, None);
            context.reserve(text.len() + parts.len() * 64)?;
            Ok(Value::text_map(parts.into_iter().filter_map(|part| {
                let at = find(part, inner)?;
                Some((&part[..at], &part[at + inner.len()..]))
            })))
        },
    ),
    Function::fixed("trim", &[Type::Text, Type::Text], |_, args| {
        Ok(trim(args.bytes(1), args.bytes(0)).into_value())
    }),
    Function::fixed("trimPrefix", &[Type::Text, Type::Text], |_, args| {
        Ok(args
            .bytes(1)
            .strip_prefix(args.bytes(0))
            .unwrap_or(args.bytes(1))
            .into_value())
    }),
    Function::fixed("trimSuffix", &[Type::Text, Type::Text], |_, args| {
        Ok(args
            .bytes(1)
            .strip_suffix(args.bytes(0))
            .unwrap_or(args.bytes(1))
            .into_value())
    }),
    Function::fixed("trimSpace", &[Type::Text], |_, args| {
        let trimmed = letters::trim_space(args.bytes(0));
        Ok(if trimmed.len() == args.bytes(0).len() {
            args.value(0).clone()
        } else {
            trimmed.into_value()
        })
    }),
    Function::fixed("toLower", &[Type::Text], |_, args| {
        let lower = <[u8]>::make_ascii_lowercase;
        Ok(in_case(args.bytes(0), lower, letters::lower))
    }),
    Function::fixed("toUpper", &[Type::Text], |_, args| {
        let upper = <[u8]>::make_ascii_uppercase;
        Ok(in_case(args.bytes(0), upper, letters::upper))
    }),
    Function::fixed("toTitle", &[Type::Text], |_, args| {
        Ok(letters::title_words(&args.text(0)).into())
    }),
    Function::fixed("indent", &[Type::INT, Type::Text], |context, args| {
        let Ok(width) = usize::try_from(args.int(0)) else {
            return Err(Failure::new("indent value must be a positive integer"));
        };
        let text = args.bytes(1);
        let lines = || text.split(|byte| *byte == b'\n');
        let filled = lines().filter(|line| !line.is_empty()).count();
        let length = filled.saturating_mul(width).saturating_add(text.len());
        context.reserve(length)?;
        let indented = Text::written(|out| {
            out.reserve(length);
            for (index, line) in lines().enumerate() {
                if index > 0 {
                    out.push(b'\n');
                }
                if !line.is_empty() {
                    out.resize(out.len() + width, b' ');
                    out.extend_from_slice(line);
                }
            }
        });
        Ok(indented.into())
    }),
    Function::fixed(
        "replaceAll",
        &[Type::Text, Type::Text, Type::Text],
        |context, args| replace(context, args.bytes(2), args.bytes(0), args.bytes(1)),
    ),
];

/// A text in another case, most being ASCII.
fn in_case(text: &[u8], ascii: fn(&mut [u8]), any: fn(&str) -> String) -> Value {
    if !text.is_ascii() {
        return any(&String::from_utf8_lossy(text)).into();
    }
    let cased = Text::written(|out| {
        out.extend_from_slice(text);
        ascii(out);
    });
    cased.into()
}

/// For results that are parts of an argument.
pub(super) trait IntoValue {
    /// The bytes as a text value.
    fn into_value(self) -> Value;
}

impl IntoValue for &[u8] {
    fn into_value(self) -> Value {
        Value::text(self)
    }
}

/// `strings.ReplaceAll`; an empty `old` stands between all characters.
pub(super) fn replace(
    context: &mut Context<'_>,
    text: &[u8],
    old: &[u8],
    new: &[u8],
) -> Result<Value, Failure> {
    if old.is_empty() {
        let mut parts = vec![&text[..0]];
        parts.extend(split(text, old, None));
        parts.push(&text[text.len()..]);
        if text.is_empty() {
            parts.truncate(2);
        }
        context.reserve(joined_length(&parts, new.len()))?;
        return Ok(parts.join(new).into());
    }
    let found = occurrences(text, old).count();
    let length = (text.len() - found * old.len()).saturating_add(found.saturating_mul(new.len()));
    context.reserve(length)?;
    let replaced = Text::written(|out| {
        out.reserve(length);
        let mut end = 0;
        for at in occurrences(text, old) {
            out.extend_from_slice(&text[end..at]);
            out.extend_from_slice(new);
            end = at + old.len();
        }
        out.extend_from_slice(&text[end..]);
    });
    Ok(replaced.into())
}

/// Where a part that is not empty stands in a text, from left to right, without overlaps.
fn occurrences<'t>(text: &'t [u8], part: &'t [u8]) -> impl Iterator<Item = usize> + 't {
    let mut from = 0;
    std::iter::from_fn(move || {
        let at = from + find(text.get(from..)?, part)?;
        from = at + part.len();
        Some(at)
    })
}

fn joined_length(parts: &[&[u8]], separator: usize) -> usize {
    let inside: usize = parts.iter().map(|part| part.len()).sum();
    separator
        .saturating_mul(parts.len().saturating_sub(1))
        .saturating_add(inside)
}

/// `strings.Split`, or `SplitN` with a largest number of parts: an empty separator gives single characters.
pub(super) fn split<'t>(text: &'t [u8], separator: &[u8], limit: Option<usize>) -> Vec<&'t [u8]> {
    let limit = limit.unwrap_or(usize::MAX);
    let mut parts = Vec::new();
    if limit == 0 {
        return parts;
    }
    let mut rest = text;
    if separator.is_empty() {
        while !rest.is_empty() {
            let width = if parts.len() + 1 == limit {
                rest.len()
            } else {
                first_letter(rest).len()
            };
            let (letter, after) = rest.split_at(width);
            parts.push(letter);
            rest = after;
        }
        return parts;
    }
    while parts.len() + 1 < limit {
        let Some(at) = find(rest, separator) else {
            break;
        };
        parts.push(&rest[..at]);
        rest = &rest[at + separator.len()..];
    }
    parts.push(rest);
    parts
}

/// The bytes of the first character; one byte when it is not UTF-8.
pub(super) fn first_letter(text: &[u8]) -> &[u8] {
    let head = &text[..text.len().min(4)];
    let valid = match std::str::from_utf8(head) {
        Ok(valid) => valid,
        Err(error) => std::str::from_utf8(&head[..error.valid_up_to()]).unwrap_or_default(),
    };
    let width = valid
        .chars()
        .next()
        .map_or(1, char::len_utf8)
        .min(text.len());
    &text[..width]
}

/// `strings.Trim`: takes characters of a set from both ends.
pub(super) fn trim<'t>(text: &'t [u8], set: &[u8]) -> &'t [u8] {
    match (std::str::from_utf8(text), std::str::from_utf8(set)) {
        (Ok(text), Ok(set)) => text.trim_matches(|letter| set.contains(letter)).as_bytes(),
        _ => {
            let start = text
                .iter()
                .position(|byte| !set.contains(byte))
                .unwrap_or(text.len());
            let end = text
                .iter()
                .rposition(|byte| !set.contains(byte))
                .map_or(start, |at| at + 1);
            &text[start..end]
        }
    }
}

fn needles(list: Option<&List>) -> &[Value] {
    list.map_or(&[], List::items)
}

/// Whether a list has a member, or a text a part. Types count: integers match integers of any size, texts only texts
/// of their own type; unsigned numbers and booleans never match.
///
/// # Errors
/// When nil is compared with a text, in the words of the established program's panic.
fn is_in(haystack: &Value, needle: &Value) -> Result<bool, Failure> {
    let same = |item: &Value, fits: fn(&[u8], &[u8]) -> bool| match (item, needle) {
        (Value::Text(a), Value::Text(b)) | (Value::Number(a), Value::Number(b)) => Ok(fits(a, b)),
        (Value::Text(_) | Value::Number(_), Value::Nil) => Err(Failure::new(
            "reflect: call of reflect.Value.Type on zero Value",
        )),
        (Value::Int(_, a), Value::Int(_, b)) => Ok(a == b),
        (Value::Float(a), Value::Float(b)) => Ok(a == b),
        _ => Ok(false),
    };
    match haystack {
        Value::List(list) => {
            for item in list.items() {
                if same(item, |item, needle| item == needle)? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        Value::Text(_) | Value::Number(_) => same(haystack, |haystack, needle| {
            find(haystack, needle).is_some()
        }),
        _ => Ok(false),
    }
}

/// `is_in`, whose work counts against the limit of steps.
fn search(context: &mut Context<'_>, haystack: &Value, needle: &Value) -> Result<bool, Failure> {
    const BYTES_PER_STEP: usize = 64;
    let steps = match haystack {
        Value::List(list) => list.items().len(),
        Value::Text(text) | Value::Number(text) => text.len() / BYTES_PER_STEP,
        _ => 0,
    };
    context.spend(steps as u64)?;
    is_in(haystack, needle)
}

/// Whether a needle was found.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Found {
    Yes,
    No,
}

/// Goes through the needles until one is found, or is not found, and says `then`; else the contrary.
fn contains_some(
    context: &mut Context<'_>,
    args: Arguments<'_>,
    stop_at: Found,
    then: bool,
) -> Result<Value, Failure> {
    for needle in needles(args.list(0)) {
        if search(context, args.value(1), needle)? == (stop_at == Found::Yes) {
            return Ok(then.into());
        }
    }
    Ok((!then).into())
}
