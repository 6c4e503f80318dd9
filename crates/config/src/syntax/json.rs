//! A JSON reader that keeps lines, the order of keys, repeated keys and the text of numbers.

use super::scanner::Scanner;
use super::{AfterItem, Entry, Fault, MAX_DEPTH, Node, Value, after_item, show};

/// Reads one JSON object and nothing after it.
pub(crate) fn read(text: &str) -> Result<Vec<Entry>, Fault> {
    let mut scanner = Scanner::new(text);
    skip_blanks(&mut scanner);
    let node = value(&mut scanner, 0)?;
    skip_blanks(&mut scanner);
    if let Some(c) = scanner.peek() {
        return Err(Fault::new(
            scanner.line(),
            format!(
                "expected the end of the file after the JSON object, found {}",
                show(Some(c))
            ),
        ));
    }
    match node.value {
        Value::Object(entries) => Ok(entries),
        _ => Err(Fault::new(node.line, "expected a JSON object")),
    }
}

fn value(scanner: &mut Scanner<'_>, depth: usize) -> Result<Node, Fault> {
    if depth > MAX_DEPTH {
        return Err(Fault::new(
            scanner.line(),
            format!("lists and objects are nested more than {MAX_DEPTH} deep"),
        ));
    }
    let line = scanner.line();
    let value = match scanner.peek() {
        Some('{') => object(scanner, depth)?,
        Some('[') => list(scanner, depth)?,
        Some('"') => Value::Text(string(scanner)?),
        Some('-' | '0'..='9') => number(scanner)?,
        Some('a'..='z') => word(scanner)?,
        other => {
            return Err(Fault::new(
                line,
                format!("expected a JSON value, found {}", show(other)),
            ));
        }
    };
    Ok(Node { line, value })
}

fn object(scanner: &mut Scanner<'_>, depth: usize) -> Result<Value, Fault> {
    let start = scanner.line();
    scanner.next();
    let mut entries = Vec::new();
    skip_blanks(scanner);
    if scanner.eat("}") {
        return Ok(Value::Object(entries));
    }
    loop {
        skip_blanks(scanner);
        let line = scanner.line();
        if scanner.peek() != Some('"') {
            return Err(Fault::new(
                line,
                format!(
                    "expected a key in double quotes in the object opened on line {start}, found {}",
                    show(scanner.peek())
                ),
            ));
        }
        let key = string(scanner)?;
        skip_blanks(scanner);
        if !scanner.eat(":") {
            return Err(Fault::new(
                scanner.line(),
                format!(
                    "expected `:` after the key `{key}`, found {}",
                    show(scanner.peek())
                ),
            ));
        }
        skip_blanks(scanner);
        let node = value(scanner, depth + 1)?;
        entries.push(Entry {
            key,
            labels: Vec::new(),
            line,
            node,
        });
        skip_blanks(scanner);
        if scanner.eat(",") {
            continue;
        }
        if scanner.eat("}") {
            return Ok(Value::Object(entries));
        }
        return Err(Fault::new(
            scanner.line(),
            format!(
                "expected `,` or `}}` in the object opened on line {start}, found {}",
                show(scanner.peek())
            ),
        ));
    }
}

fn list(scanner: &mut Scanner<'_>, depth: usize) -> Result<Value, Fault> {
    let start = scanner.line();
    scanner.next();
    let mut items = Vec::new();
    skip_blanks(scanner);
    if scanner.eat("]") {
        return Ok(Value::List(items));
    }
    loop {
        skip_blanks(scanner);
        items.push(value(scanner, depth + 1)?);
        skip_blanks(scanner);
        if after_item(scanner, start)? == AfterItem::End {
            return Ok(Value::List(items));
        }
    }
}

fn word(scanner: &mut Scanner<'_>) -> Result<Value, Fault> {
    let line = scanner.line();
    match scanner.take_while(|c| c.is_ascii_alphanumeric()) {
        "true" => Ok(Value::Bool(true)),
        "false" => Ok(Value::Bool(false)),
        "null" => Ok(Value::Null),
        other => Err(Fault::new(
            line,
            format!("expected a JSON value, found `{other}`"),
        )),
    }
}

fn number(scanner: &mut Scanner<'_>) -> Result<Value, Fault> {
    let line = scanner.line();
    let text =
        scanner.take_while(|c| c.is_ascii_alphanumeric() || c == '-' || c == '+' || c == '.');
    if is_json_number(text) {
        Ok(Value::Number(text.to_owned()))
    } else {
        Err(Fault::new(line, format!("`{text}` is not a JSON number")))
    }
}

fn is_json_number(text: &str) -> bool {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (mantissa, exponent) = match unsigned.find(['e', 'E']) {
        Some(at) => (
            unsigned.get(..at).unwrap_or_default(),
            unsigned.get(at + 1..),
        ),
        None => (unsigned, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
    digits(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && fraction.is_none_or(digits)
        && exponent.is_none_or(|e| digits(e.strip_prefix(['+', '-']).unwrap_or(e)))
}

fn string(scanner: &mut Scanner<'_>) -> Result<String, Fault> {
    let start = scanner.line();
    scanner.next();
    let mut text = String::new();
    loop {
        match scanner.next() {
            Some('"') => return Ok(text),
            Some('\\') => text.push(escape(scanner)?),
            Some(c) if u32::from(c) >= 0x20 => text.push(c),
            other => {
                return Err(Fault::new(
                    start,
                    format!(
                        "the text that begins here is not closed: expected `\"`, found {}",
                        show(other)
                    ),
                ));
            }
        }
    }
}

fn escape(scanner: &mut Scanner<'_>) -> Result<char, Fault> {
    let line = scanner.line();
    Ok(match scanner.next() {
        Some(c @ ('"' | '\\' | '/')) => c,
        Some('b') => '\u{8}',
        Some('f') => '\u{c}',
        Some('n') => '\n',
        Some('r') => '\r',
        Some('t') => '\t',
        Some('u') => {
            let first = four_digits(scanner)?;
            if (0xd800..0xdc00).contains(&first) {
                let mut ahead = scanner.clone();
                if ahead.eat("\\u") {
                    let second = four_digits(&mut ahead)?;
                    if (0xdc00..0xe000).contains(&second) {
                        *scanner = ahead;
                        let joined = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
                        return Ok(char::from_u32(joined).unwrap_or(char::REPLACEMENT_CHARACTER));
                    }
                }
            }
            char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER)
        }
        other => {
            return Err(Fault::new(
                line,
                format!(
                    "unknown escape: `\\` is followed by {}; known are \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\uXXXX",
                    show(other)
                ),
            ));
        }
    })
}

fn four_digits(scanner: &mut Scanner<'_>) -> Result<u32, Fault> {
    let line = scanner.line();
    let mut code = 0;
    for _ in 0..4 {
        let digit = scanner.peek().and_then(|c| c.to_digit(16)).ok_or_else(|| {
            Fault::new(
                line,
                format!(
                    "`\\u` wants four hexadecimal digits, found {}",
                    show(scanner.peek())
                ),
            )
        })?;
        scanner.next();
        code = code * 16 + digit;
    }
    Ok(code)
}

fn skip_blanks(scanner: &mut Scanner<'_>) {
    scanner.take_while(|c| matches!(c, ' ' | '\t' | '\n' | '\r'));
}
