//! A reader for HCL 1, the language of Vault's own files: keys, labels, blocks, lists, here-documents.
//!
//! `${…}` is plain text in it, for templates are full of braces; there are no expressions.

use std::borrow::Cow;

use super::scanner::Scanner;
use super::{AfterItem, Entry, Fault, MAX_DEPTH, Node, Value, after_item, show};

/// Reads a whole file.
pub(crate) fn read(text: &str) -> Result<Vec<Entry>, Fault> {
    // Line ends are unified first, as the established reader does, so that a here-document
    // written on Windows renders the same file.
    let text: Cow<'_, str> = if text.contains("\r\n") {
        text.replace("\r\n", "\n").into()
    } else {
        text.into()
    };
    let mut scanner = Scanner::new(&text);
    let entries = body(&mut scanner, 0)?;
    match scanner.peek() {
        None => Ok(entries),
        other => Err(Fault::new(
            scanner.line(),
            format!("expected a key, found {}", show(other)),
        )),
    }
}

/// Reads entries up to `}` or the end, neither of which is consumed.
fn body(scanner: &mut Scanner<'_>, depth: usize) -> Result<Vec<Entry>, Fault> {
    let mut entries = Vec::new();
    loop {
        skip_blanks(scanner)?;
        if matches!(scanner.peek(), None | Some('}')) {
            return Ok(entries);
        }
        entries.push(entry(scanner, depth)?);
        skip_blanks(scanner)?;
        scanner.eat(",");
    }
}

fn entry(scanner: &mut Scanner<'_>, depth: usize) -> Result<Entry, Fault> {
    let line = scanner.line();
    let key = match scanner.peek() {
        Some('"') => string(scanner)?,
        Some(c) if starts_identifier(c) => identifier(scanner).to_owned(),
        other => {
            return Err(Fault::new(
                line,
                format!("expected a key, found {}", show(other)),
            ));
        }
    };
    let mut labels = Vec::new();
    loop {
        skip_blanks(scanner)?;
        match scanner.peek() {
            Some('=') if labels.is_empty() => {
                scanner.next();
                skip_blanks(scanner)?;
                let node = value(scanner, depth)?;
                return Ok(Entry {
                    key,
                    labels,
                    line,
                    node,
                });
            }
            Some('{') => {
                let node = value(scanner, depth)?;
                return Ok(Entry {
                    key,
                    labels,
                    line,
                    node,
                });
            }
            Some('"') => labels.push(string(scanner)?),
            Some(c) if starts_identifier(c) => labels.push(identifier(scanner).to_owned()),
            other => {
                return Err(Fault::new(
                    scanner.line(),
                    if labels.is_empty() {
                        format!(
                            "expected `=` or `{{` after the key `{key}`, found {}",
                            show(other)
                        )
                    } else {
                        format!(
                            "expected `{{` after the labels of the block `{key}`, found {}",
                            show(other)
                        )
                    },
                ));
            }
        }
    }
}

fn value(scanner: &mut Scanner<'_>, depth: usize) -> Result<Node, Fault> {
    let line = scanner.line();
    if depth > MAX_DEPTH {
        return Err(Fault::new(
            line,
            format!("lists and blocks are nested more than {MAX_DEPTH} deep"),
        ));
    }
    let value = match scanner.peek() {
        Some('{') => {
            scanner.next();
            let entries = body(scanner, depth + 1)?;
            if !scanner.eat("}") {
                return Err(Fault::new(
                    line,
                    "the block that begins here is not closed: expected `}`, found the end of the file",
                ));
            }
            Value::Object(entries)
        }
        Some('[') => list(scanner, depth)?,
        Some('"') => Value::Text(string(scanner)?),
        Some('<') => Value::Text(here_document(scanner)?),
        Some(c) if c == '-' || c == '.' || c.is_ascii_digit() => number(scanner)?,
        Some(c) if starts_identifier(c) => match identifier(scanner) {
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            other => {
                return Err(Fault::new(
                    line,
                    format!(
                        "expected a value, found the bare word `{other}`; texts stand in double quotes"
                    ),
                ));
            }
        },
        other => {
            return Err(Fault::new(
                line,
                format!("expected a value, found {}", show(other)),
            ));
        }
    };
    Ok(Node { line, value })
}

fn list(scanner: &mut Scanner<'_>, depth: usize) -> Result<Value, Fault> {
    let start = scanner.line();
    scanner.next();
    let mut items = Vec::new();
    loop {
        skip_blanks(scanner)?;
        if scanner.eat("]") {
            return Ok(Value::List(items));
        }
        items.push(value(scanner, depth + 1)?);
        skip_blanks(scanner)?;
        if after_item(scanner, start)? == AfterItem::End {
            return Ok(Value::List(items));
        }
    }
}

/// Decimal, `0x` hexadecimal, octal with a leading zero, or floating point.
fn number(scanner: &mut Scanner<'_>) -> Result<Value, Fault> {
    let line = scanner.line();
    let mut before = ' ';
    let start = scanner.rest();
    while let Some(c) = scanner.peek() {
        let sign = matches!(c, '-' | '+') && (before == ' ' || matches!(before, 'e' | 'E'));
        if !(c.is_ascii_alphanumeric() || c == '.' || sign) {
            break;
        }
        before = c;
        scanner.next();
    }
    let text = start
        .get(..start.len() - scanner.rest().len())
        .unwrap_or_default();
    let (sign, unsigned) = match text.strip_prefix('-') {
        Some(unsigned) => ("-", unsigned),
        None => ("", text),
    };
    let whole = if let Some(hex) = unsigned
        .strip_prefix("0x")
        .or_else(|| unsigned.strip_prefix("0X"))
    {
        u64::from_str_radix(hex, 16).ok()
    } else if unsigned.len() > 1
        && unsigned.starts_with('0')
        && unsigned.bytes().all(|b| b.is_ascii_digit())
    {
        u64::from_str_radix(unsigned, 8).ok()
    } else {
        None
    };
    if let Some(whole) = whole {
        return Ok(Value::Number(format!("{sign}{whole}")));
    }
    let decimal = unsigned.bytes().any(|b| b.is_ascii_digit())
        && unsigned
            .bytes()
            .all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-'))
        && (unsigned == "0" || !unsigned.starts_with('0') || unsigned.contains(['.', 'e', 'E']))
        && text.parse::<f64>().is_ok();
    if decimal {
        Ok(Value::Number(text.to_owned()))
    } else {
        Err(Fault::new(
            line,
            format!("`{text}` is not a number; texts stand in double quotes"),
        ))
    }
}

/// A text in double quotes. Inside `${…}` quotes and line ends are part of the text, and nothing
/// is unescaped.
fn string(scanner: &mut Scanner<'_>) -> Result<String, Fault> {
    let start = scanner.line();
    scanner.next();
    let mut text = String::new();
    let mut braces = 0_usize;
    loop {
        let line = scanner.line();
        let Some(c) = scanner.next() else {
            return Err(Fault::new(
                start,
                "the text that begins here is not closed: expected `\"`, found the end of the file",
            ));
        };
        if braces > 0 {
            text.push(c);
            match c {
                '{' => braces += 1,
                '}' => braces -= 1,
                '\\' => text.extend(scanner.next()),
                _ => {}
            }
            continue;
        }
        match c {
            '"' => return Ok(text),
            '\n' => {
                return Err(Fault::new(
                    start,
                    "the text that begins here is not closed on its line; \
                     longer texts are written as a here-document (<<EOF)",
                ));
            }
            '$' if scanner.peek() == Some('{') => {
                scanner.next();
                text.push_str("${");
                braces = 1;
            }
            '\\' => text.push(escape(scanner, line)?),
            c => text.push(c),
        }
    }
}

fn escape(scanner: &mut Scanner<'_>, line: u32) -> Result<char, Fault> {
    let c = scanner.next();
    Ok(match c {
        Some('a') => '\u{7}',
        Some('b') => '\u{8}',
        Some('f') => '\u{c}',
        Some('n') => '\n',
        Some('r') => '\r',
        Some('t') => '\t',
        Some('v') => '\u{b}',
        Some(c @ ('\\' | '"' | '\'')) => c,
        Some('x') => code_point(scanner, 2, 16)?,
        Some('u') => code_point(scanner, 4, 16)?,
        Some('U') => code_point(scanner, 8, 16)?,
        Some(digit @ '0'..='7') => {
            let first = digit.to_digit(8).unwrap_or_default();
            let rest = u32::from(code_point(scanner, 2, 8)?);
            char::from_u32(first * 64 + rest).unwrap_or(char::REPLACEMENT_CHARACTER)
        }
        other => {
            return Err(Fault::new(
                line,
                format!(
                    "unknown escape: `\\` is followed by {}; known are \
                     \\\\ \\\" \\' \\a \\b \\f \\n \\r \\t \\v \\NNN \\xNN \\uNNNN \\UNNNNNNNN",
                    show(other)
                ),
            ));
        }
    })
}

fn code_point(scanner: &mut Scanner<'_>, digits: usize, base: u32) -> Result<char, Fault> {
    let line = scanner.line();
    let mut code = 0_u32;
    for _ in 0..digits {
        let Some(digit) = scanner.peek().and_then(|c| c.to_digit(base)) else {
            return Err(Fault::new(
                line,
                format!(
                    "the escape wants {digits} digits of base {base}, found {}",
                    show(scanner.peek())
                ),
            ));
        };
        scanner.next();
        code = code.wrapping_mul(base).wrapping_add(digit);
    }
    char::from_u32(code)
        .ok_or_else(|| Fault::new(line, format!("U+{code:X} is not a Unicode character")))
}

/// `<<EOF` keeps the text as it stands; `<<-EOF` takes the closing mark's indentation off each
/// line, provided that every line has it.
fn here_document(scanner: &mut Scanner<'_>) -> Result<String, Fault> {
    let start = scanner.line();
    if !scanner.eat("<<") {
        return Err(Fault::new(start, "expected a value, found `<`"));
    }
    let indented = scanner.eat("-");
    let mark = scanner.take_while(|c| c.is_alphanumeric() || c == '_');
    if mark.is_empty() || !scanner.eat("\n") {
        return Err(Fault::new(
            start,
            format!(
                "`<<` wants a mark of letters and digits and then the end of the line, found {}",
                show(scanner.peek())
            ),
        ));
    }
    let mut lines = Vec::new();
    let prefix = loop {
        if scanner.peek().is_none() {
            return Err(Fault::new(
                start,
                format!("the here-document is not closed: no line holds only `{mark}`"),
            ));
        }
        let line = scanner.take_while(|c| c != '\n');
        let inner = line.trim_start();
        if inner.trim_end_matches('\r') == mark {
            let indentation = line.len() - inner.len();
            break line.get(..indentation).unwrap_or_default();
        }
        scanner.eat("\n");
        lines.push(line);
    };
    let strip = indented && lines.iter().all(|line| line.starts_with(prefix));
    let mut text = String::new();
    for line in lines {
        text.push_str(if strip {
            line.strip_prefix(prefix).unwrap_or(line)
        } else {
            line
        });
        text.push('\n');
    }
    if !indented {
        // The established reader cuts the mark alone off the end, so its indentation stays.
        text.push_str(prefix);
    }
    Ok(text)
}

fn identifier<'a>(scanner: &mut Scanner<'a>) -> &'a str {
    scanner.take_while(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.'))
}

fn starts_identifier(c: char) -> bool {
    c.is_alphabetic() || c == '_'
}

/// Skips blanks, line ends and comments (`#`, `//`, `/* */`).
fn skip_blanks(scanner: &mut Scanner<'_>) -> Result<(), Fault> {
    loop {
        scanner.take_while(|c| matches!(c, ' ' | '\t' | '\n' | '\r'));
        let line = scanner.line();
        if scanner.peek() == Some('#') || scanner.rest().starts_with("//") {
            scanner.take_while(|c| c != '\n');
        } else if scanner.eat("/*") {
            while !scanner.eat("*/") {
                if scanner.next().is_none() {
                    return Err(Fault::new(
                        line,
                        "the comment that begins here is not closed: expected `*/`",
                    ));
                }
            }
        } else {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests;
