//! Text functions of sprig. Widths and positions count bytes.

use crate::{
    functions::{
        print,
        strings::{self, IntoValue as _},
    },
    go::{Context, Failure, Function, Key, Map, MapType, Text, Type, Value, find},
    letters,
    letters::words,
};

const ONE: &[Type] = &[Type::Text];
const TWO: &[Type] = &[Type::Text, Type::Text];
const INT_TEXT: &[Type] = &[Type::INT, Type::Text];

pub(in crate::functions) const FUNCTIONS: &[Function] = &[
    Function::fixed("sprig_hello", &[], |_, _| Ok("Hello!".into())),
    Function::fixed("sprig_trim", ONE, |_, args| {
        Ok(letters::trim_space(args.bytes(0)).into_value())
    }),
    Function::fixed("sprig_trimAll", TWO, |_, args| {
        Ok(strings::trim(args.bytes(1), args.bytes(0)).into_value())
    }),
    Function::fixed("sprig_trimall", TWO, |_, args| {
        Ok(strings::trim(args.bytes(1), args.bytes(0)).into_value())
    }),
    Function::fixed("sprig_trimPrefix", TWO, |_, args| {
        Ok(args
            .bytes(1)
            .strip_prefix(args.bytes(0))
            .unwrap_or(args.bytes(1))
            .into_value())
    }),
    Function::fixed("sprig_trimSuffix", TWO, |_, args| {
        Ok(args
            .bytes(1)
            .strip_suffix(args.bytes(0))
            .unwrap_or(args.bytes(1))
            .into_value())
    }),
    Function::fixed("sprig_upper", ONE, |_, args| {
        Ok(letters::upper(&args.text(0)).into())
    }),
    Function::fixed("sprig_lower", ONE, |_, args| {
        Ok(letters::lower(&args.text(0)).into())
    }),
    Function::fixed("sprig_title", ONE, |_, args| {
        Ok(letters::title_after_separators(&args.text(0)).into())
    }),
    Function::fixed("sprig_untitle", ONE, |_, args| {
        Ok(words::untitle(&args.text(0)).into())
    }),
    Function::fixed("sprig_swapcase", ONE, |_, args| {
        Ok(words::swap_case(&args.text(0)).into())
    }),
    Function::fixed("sprig_snakecase", ONE, |_, args| {
        Ok(words::separated(&args.text(0), '_').into())
    }),
    Function::fixed("sprig_kebabcase", ONE, |_, args| {
        Ok(words::separated(&args.text(0), '-').into())
    }),
    Function::fixed("sprig_camelcase", ONE, |_, args| {
        Ok(words::pascal_case(&args.text(0)).into())
    }),
    Function::fixed("sprig_initials", ONE, |_, args| {
        Ok(initials(args.bytes(0)).into())
    }),
    Function::fixed("sprig_nospace", ONE, |_, args| {
        Ok(without_space(args.bytes(0)))
    }),
    Function::fixed("sprig_shuffle", ONE, |context, args| {
        shuffle(context, &args.text(0))
    }),
    Function::fixed("sprig_contains", TWO, |_, args| {
        Ok(find(args.bytes(1), args.bytes(0)).is_some().into())
    }),
    Function::fixed("sprig_hasPrefix", TWO, |_, args| {
        Ok(args.bytes(1).starts_with(args.bytes(0)).into())
    }),
    Function::fixed("sprig_hasSuffix", TWO, |_, args| {
        Ok(args.bytes(1).ends_with(args.bytes(0)).into())
    }),
    Function::fixed("sprig_repeat", INT_TEXT, |context, args| {
        let Ok(count) = usize::try_from(args.int(0)) else {
            return Err(Failure::new("strings: negative Repeat count"));
        };
        context.reserve(args.bytes(1).len().saturating_mul(count))?;
        Ok(args.bytes(1).repeat(count).into())
    }),
    Function::fixed(
        "sprig_substr",
        &[Type::INT, Type::INT, Type::Text],
        |_, args| {
            let (text, length) = (args.bytes(2), args.bytes(2).len() as i64);
            let (start, end) = (args.int(0), args.int(1));
            if start < 0 {
                return slice(text, 0, end);
            }
            slice(
                text,
                start,
                if end < 0 || end > length { length } else { end },
            )
        },
    ),
    Function::fixed("sprig_trunc", INT_TEXT, |_, args| {
        let text = args.bytes(1);
        let width = usize::try_from(args.int(0).unsigned_abs())
            .unwrap_or(usize::MAX)
            .min(text.len());
        Ok(if args.int(0) < 0 {
            &text[text.len() - width..]
        } else {
            &text[..width]
        }
        .into_value())
    }),
    Function::fixed("sprig_abbrev", INT_TEXT, |_, args| {
        if args.int(0) < 4 {
            return Ok(args.bytes(1).into_value());
        }
        Ok(abbreviated(args.bytes(1), 0, args.int(0)).into())
    }),
    Function::fixed(
        "sprig_abbrevboth",
        &[Type::INT, Type::INT, Type::Text],
        |_, args| {
            let (left, right) = (args.int(0), args.int(1));
            if right < 4 || (left > 0 && right < 7) {
                return Ok(args.bytes(2).into_value());
            }
            Ok(abbreviated(args.bytes(2), left, right).into())
        },
    ),
    Function::fixed("sprig_wrap", INT_TEXT, |context, args| {
        wrap(context, args.bytes(1), args.int(0), b"\n", LongWords::Kept)
    }),
    Function::fixed(
        "sprig_wrapWith",
        &[Type::INT, Type::Text, Type::Text],
        |context, args| {
            wrap(
                context,
                args.bytes(2),
                args.int(0),
                args.bytes(1),
                LongWords::Cut,
            )
        },
    ),
    Function::variadic("sprig_quote", &[], Type::Any, |context, args| {
        let quoted = args
            .all()
            .iter()
            .filter(|value| !matches!(value, Value::Nil));
        let quoted = quoted.map(|value| Ok(print::quote(&text_of(value)?)));
        let quoted = quoted.collect::<Result<Vec<_>, Failure>>()?.join(" ");
        context.reserve(quoted.len())?;
        Ok(quoted.into())
    }),
    Function::variadic("sprig_squote", &[], Type::Any, |_, args| {
        let mut out = Vec::new();
        for value in args
            .all()
            .iter()
            .filter(|value| !matches!(value, Value::Nil))
        {
            if !out.is_empty() {
                out.push(b' ');
            }
            out.push(b'\'');
            out.extend_from_slice(&print::display(value)?);
            out.push(b'\'');
        }
        Ok(out.into())
    }),
    Function::variadic("sprig_cat", &[], Type::Any, |context, args| {
        let shown = args
            .all()
            .iter()
            .filter(|value| !matches!(value, Value::Nil))
            .map(print::display);
        let shown = shown.collect::<Result<Vec<_>, Failure>>()?;
        let shown = shown.join(b" ".as_slice());
        context.reserve(shown.len())?;
        Ok(shown.into())
    }),
    Function::fixed("sprig_indent", INT_TEXT, |context, args| {
        indent(context, args.int(0), args.bytes(1), b"")
    }),
    Function::fixed("sprig_nindent", INT_TEXT, |context, args| {
        indent(context, args.int(0), args.bytes(1), b"\n")
    }),
    Function::fixed(
        "sprig_replace",
        &[Type::Text, Type::Text, Type::Text],
        |context, args| strings::replace(context, args.bytes(2), args.bytes(0), args.bytes(1)),
    ),
    Function::fixed(
        "sprig_plural",
        &[Type::Text, Type::Text, Type::INT],
        |_, args| Ok(args.value(if args.int(2) == 1 { 0 } else { 1 }).clone()),
    ),
    Function::fixed("sprig_toString", &[Type::Any], |_, args| {
        Ok(match args.value(0) {
            Value::Text(text) | Value::Number(text) => Value::Text(text.clone()),
            other => text_of(other)?.into(),
        })
    }),
    Function::fixed("sprig_toStrings", &[Type::Any], |_, args| {
        texts_of(args.value(0)).map(Value::texts)
    }),
    Function::fixed("sprig_join", &[Type::Text, Type::Any], |context, args| {
        let texts = texts_of(args.value(1))?;
        let separators = args.bytes(0).len().saturating_mul(texts.len());
        context.reserve(
            texts
                .iter()
                .map(|text| text.len())
                .sum::<usize>()
                .saturating_add(separators),
        )?;
        Ok(texts.join(args.bytes(0)).into())
    }),
    Function::fixed("sprig_split", TWO, |context, args| {
        numbered(context, strings::split(args.bytes(1), args.bytes(0), None))
    }),
    Function::fixed(
        "sprig_splitn",
        &[Type::Text, Type::INT, Type::Text],
        |context, args| {
            let limit = usize::try_from(args.int(1)).ok();
            numbered(context, strings::split(args.bytes(2), args.bytes(0), limit))
        },
    ),
    Function::fixed("sprig_splitList", TWO, |context, args| {
        let parts = strings::split(args.bytes(1), args.bytes(0), None);
        context.reserve(args.bytes(1).len() + parts.len() * 32)?;
        Ok(Value::texts(parts))
    }),
    Function::fixed("sprig_sortAlpha", &[Type::Any], |_, args| {
        let mut texts = match args.value(0) {
            Value::List(_) => texts_of(args.value(0)),
            other => Ok(vec![text_of(other)?]),
        }?;
        texts.sort_unstable();
        Ok(Value::texts(texts))
    }),
];

/// The text that a value stands for: a text itself, what its `String` method gives, or as `%v` prints it.
pub(in crate::functions) fn text_of(value: &Value) -> Result<Text, Failure> {
    match value {
        Value::Text(text) | Value::Number(text) => Ok(text.clone()),
        Value::Object(object) => object.text().map_or_else(|| print::display(value), Ok),
        other => print::display(other),
    }
}

/// The texts of a list's items save nil; a value that is no list is one text, nil is none.
pub(in crate::functions) fn texts_of(value: &Value) -> Result<Vec<Text>, Failure> {
    match value {
        Value::Nil => Ok(Vec::new()),
        Value::List(list) => list
            .items()
            .iter()
            .filter(|item| !matches!(item, Value::Nil))
            .map(text_of)
            .collect(),
        other => Ok(vec![text_of(other)?]),
    }
}

/// `text[start..end]` with Go's words for what is out of bounds.
fn slice(text: &[u8], start: i64, end: i64) -> Result<Value, Failure> {
    let length = text.len() as i64;
    if end < 0 || end > length {
        let bound = if end < 0 {
            format!("[:{end}]")
        } else {
            format!("[:{end}] with length {length}")
        };
        return Err(format!("runtime error: slice bounds out of range {bound}").into());
    }
    if start > end {
        return Err(format!("runtime error: slice bounds out of range [{start}:{end}]").into());
    }
    Ok(text[start as usize..end as usize].into_value())
}

/// The first byte of each word, as a character of that number.
fn initials(text: &[u8]) -> String {
    let mut gap = true;
    text.iter()
        .map(|byte| char::from(*byte))
        .filter(|letter| {
            let begins = gap && !letters::is_space(*letter);
            gap = letters::is_space(*letter);
            begins
        })
        .collect()
}

/// Takes white space out byte by byte, each byte being a character of that number.
fn without_space(text: &[u8]) -> Value {
    if !text.iter().any(|byte| letters::is_space(char::from(*byte))) {
        return text.into_value();
    }
    let kept = text
        .iter()
        .map(|byte| char::from(*byte))
        .filter(|letter| !letters::is_space(*letter));
    kept.collect::<String>().into()
}

fn shuffle(context: &mut Context<'_>, text: &str) -> Result<Value, Failure> {
    let mut letters: Vec<char> = text.chars().collect();
    for last in (1..letters.len()).rev() {
        let other = super::numbers::random_below(context, last as u64 + 1)? as usize;
        letters.swap(last, other);
    }
    Ok(letters.into_iter().collect::<String>().into())
}

/// Cuts a text to a width with dots at its end, and at its start when more than four bytes before `offset` go.
fn abbreviated(text: &[u8], offset: i64, width: i64) -> Vec<u8> {
    let length = text.len() as i64;
    if length <= width {
        return text.to_vec();
    }
    let part = |start: i64, end: i64| {
        text.get(start.max(0) as usize..end.max(0) as usize)
            .unwrap_or_default()
    };
    let mut offset = offset.min(length);
    if length - offset < width - 3 {
        offset = length - (width - 3);
    }
    if offset <= 4 {
        return [part(0, width - 3), b"..."].concat();
    }
    if width < 7 {
        return Vec::new();
    }
    let rest = if offset + width - 3 < length {
        abbreviated(part(offset, length), 0, width - 3)
    } else {
        part(length - (width - 3), length).to_vec()
    };
    [b"...".as_slice(), &rest].concat()
}

/// What becomes of a word that is longer than a line.
#[derive(Clone, Copy, PartialEq, Eq)]
enum LongWords {
    Kept,
    Cut,
}

fn wrap(
    context: &mut Context<'_>,
    text: &[u8],
    width: i64,
    line_break: &[u8],
    long_words: LongWords,
) -> Result<Value, Failure> {
    let width = usize::try_from(width).unwrap_or(0).max(1);
    let line_break = if line_break.is_empty() {
        b"\n"
    } else {
        line_break
    };
    context.reserve(
        (text.len() / width + 1)
            .saturating_mul(line_break.len() + 1)
            .saturating_add(text.len()),
    )?;
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while rest.len() > width {
        if rest.starts_with(b" ") {
            rest = &rest[1..];
            continue;
        }
        let space = rest[..=width].iter().rposition(|byte| *byte == b' ');
        let (end, next) = match space {
            Some(space) => (space, space + 1),
            None if long_words == LongWords::Cut => (width, width),
            None => match rest[width..].iter().position(|byte| *byte == b' ') {
                Some(space) => (width + space, width + space + 1),
                None => break,
            },
        };
        out.extend_from_slice(&rest[..end]);
        out.extend_from_slice(line_break);
        rest = &rest[next..];
    }
    out.extend_from_slice(rest);
    Ok(out.into())
}

fn indent(
    context: &mut Context<'_>,
    width: i64,
    text: &[u8],
    before: &[u8],
) -> Result<Value, Failure> {
    let Ok(width) = usize::try_from(width) else {
        return Err(Failure::new("strings: negative Repeat count"));
    };
    let lines = text.iter().filter(|byte| **byte == b'\n').count() + 1;
    context.reserve(lines.saturating_mul(width).saturating_add(text.len()))?;
    let mut out = before.to_vec();
    for (index, line) in text.split(|byte| *byte == b'\n').enumerate() {
        if index > 0 {
            out.push(b'\n');
        }
        out.resize(out.len() + width, b' ');
        out.extend_from_slice(line);
    }
    Ok(out.into())
}

/// A map of texts under `_0`, `_1` and so on.
fn numbered(context: &mut Context<'_>, parts: Vec<&[u8]>) -> Result<Value, Failure> {
    context.reserve(parts.iter().map(|part| part.len() + 64).sum())?;
    let entries = parts.into_iter().enumerate();
    let entries =
        entries.map(|(index, part)| (Key::from(format!("_{index}").as_str()), Value::text(part)));
    Ok(Value::Map(Map::new(MapType::TextToText, entries.collect())))
}
