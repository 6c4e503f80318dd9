//! The small pieces of Go's regular expressions: counts, escapes, character classes by name.

use std::fmt::Write as _;

use super::SyntaxError;

pub(super) fn push_literal(out: &mut String, letter: char) {
    if letter.is_ascii_alphanumeric() || letter == '_' {
        out.push(letter);
    } else {
        let _ = write!(out, r"\x{{{:X}}}", u32::from(letter));
    }
}

/// `{n}`, `{n,}` or `{n,m}` at the start of `text`, with what follows; `None` when the brace is plain text.
pub(super) fn parse_counts(text: &str) -> Option<(u64, Option<u64>, &str)> {
    let (min, rest) = parse_count(text.strip_prefix('{')?)?;
    let (max, rest) = match rest.strip_prefix(',') {
        None => (Some(min), rest),
        Some(rest) if rest.starts_with('}') => (None, rest),
        Some(rest) => {
            let (max, rest) = parse_count(rest)?;
            (Some(max), rest)
        }
    };
    Some((min, max, rest.strip_prefix('}')?))
}

fn parse_count(text: &str) -> Option<(u64, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    if digits == 0 || (digits > 1 && text.starts_with('0')) {
        return None;
    }
    let (number, rest) = text.split_at(digits);
    Some((number.parse().unwrap_or(u64::MAX), rest))
}

pub(super) fn perl_class(text: &str) -> Option<(&'static str, &str)> {
    let class = match text.as_bytes() {
        [b'\\', b'd', ..] => "0-9",
        [b'\\', b'D', ..] => r"\x{0}-\x{2F}\x{3A}-\x{10FFFF}",
        [b'\\', b's', ..] => r"\t\n\f\r\x{20}",
        [b'\\', b'S', ..] => r"\x{0}-\x{8}\x{B}\x{E}-\x{1F}\x{21}-\x{10FFFF}",
        [b'\\', b'w', ..] => "0-9A-Za-z_",
        [b'\\', b'W', ..] => r"\x{0}-\x{2F}\x{3A}-\x{40}\x{5B}-\x{5E}\x{60}\x{7B}-\x{10FFFF}",
        _ => return None,
    };
    Some((class, &text[2..]))
}

pub(super) fn is_posix_class(name: &str) -> bool {
    let inner = name.trim_start_matches("[:").trim_end_matches(":]");
    matches!(
        inner.strip_prefix('^').unwrap_or(inner),
        "alnum"
            | "alpha"
            | "ascii"
            | "blank"
            | "cntrl"
            | "digit"
            | "graph"
            | "lower"
            | "print"
            | "punct"
            | "space"
            | "upper"
            | "word"
            | "xdigit"
    )
}

pub(super) fn unicode_class(text: &str) -> Result<(String, &str), SyntaxError> {
    const REFUSED: &str = "invalid character class range";
    let negated = text.starts_with(r"\P");
    let body = &text[2..];
    let (name, after, sequence) = if let Some(inner) = body.strip_prefix('{') {
        let Some(end) = inner.find('}') else {
            return Err(SyntaxError::new(REFUSED, text));
        };
        (&inner[..end], &inner[end + 1..], &text[..end + 4])
    } else {
        let Some(letter) = body.chars().next() else {
            return Err(SyntaxError::new("invalid escape sequence", text));
        };
        (
            &body[..letter.len_utf8()],
            &body[letter.len_utf8()..],
            &text[..2 + letter.len_utf8()],
        )
    };
    let (name, negated) = match name.strip_prefix('^') {
        Some(name) => (name, !negated),
        None => (name, negated),
    };
    let plain = !name.is_empty() && name.bytes().all(|b| b == b'_' || b.is_ascii_alphanumeric());
    let class = format!(r"\{}{{{name}}}", if negated { 'P' } else { 'p' });
    if !plain || regex::bytes::Regex::new(&class).is_err() {
        return Err(SyntaxError::new(REFUSED, sequence));
    }
    Ok((class, after))
}

pub(super) fn class_letter<'a>(
    text: &'a str,
    whole_class: &str,
) -> Result<(char, &'a str), SyntaxError> {
    match text.chars().next() {
        None => Err(SyntaxError::new("missing closing ]", whole_class)),
        Some('\\') => parse_escape(text),
        Some(letter) => Ok((letter, &text[letter.len_utf8()..])),
    }
}

/// One escaped character: punctuation, octal, hexadecimal, or a control letter.
pub(super) fn parse_escape(text: &str) -> Result<(char, &str), SyntaxError> {
    let body = &text[1..];
    let Some(letter) = body.chars().next() else {
        return Err(SyntaxError::new(
            "trailing backslash at end of expression",
            "",
        ));
    };
    let mut rest = &body[letter.len_utf8()..];
    let octal = |text: &str| text.bytes().next().filter(|b| (b'0'..=b'7').contains(b));
    match letter {
        '0' => return Ok(octal_escape(0, rest)),
        '1'..='7' if octal(rest).is_some() => {
            return Ok(octal_escape(u32::from(letter) - 48, rest));
        }
        'x' => {
            if let Some(inner) = rest.strip_prefix('{') {
                let (value, consumed, valid) = braced_hex(inner);
                rest = &inner[consumed..];
                if let (true, Some(letter)) = (valid, char::from_u32(value)) {
                    return Ok((letter, rest));
                }
            } else {
                let digits: Vec<char> = rest.chars().take(2).collect();
                let consumed: usize = digits.iter().map(|c| c.len_utf8()).sum();
                let value = digits
                    .iter()
                    .try_fold(0, |value, digit| Some(value * 16 + digit.to_digit(16)?));
                if let (2, Some(letter)) = (digits.len(), value.and_then(char::from_u32)) {
                    return Ok((letter, &rest[consumed..]));
                }
                rest = &rest[consumed..];
            }
        }
        'a' => return Ok(('\x07', rest)),
        'f' => return Ok(('\x0c', rest)),
        'n' => return Ok(('\n', rest)),
        'r' => return Ok(('\r', rest)),
        't' => return Ok(('\t', rest)),
        'v' => return Ok(('\x0b', rest)),
        other if other.is_ascii() && !other.is_ascii_alphanumeric() => return Ok((other, rest)),
        _ => {}
    }
    Err(SyntaxError::new(
        "invalid escape sequence",
        &text[..text.len() - rest.len()],
    ))
}

fn octal_escape(first: u32, mut rest: &str) -> (char, &str) {
    let mut value = first;
    for _ in 0..2 {
        match rest.bytes().next() {
            Some(digit @ b'0'..=b'7') => {
                value = value * 8 + u32::from(digit - b'0');
                rest = &rest[1..];
            }
            _ => break,
        }
    }
    (char::from_u32(value).unwrap_or('\u{FFFD}'), rest)
}

/// The value of `hex}`, how much of the text was looked at, and whether it is well formed.
fn braced_hex(text: &str) -> (u32, usize, bool) {
    let (mut value, mut consumed, mut digits) = (0u32, 0, 0);
    for letter in text.chars() {
        consumed += letter.len_utf8();
        if letter == '}' {
            return (value, consumed, digits > 0);
        }
        let Some(digit) = letter.to_digit(16) else {
            return (0, consumed, false);
        };
        value = value.saturating_mul(16).saturating_add(digit);
        if value > 0x10_FFFF {
            return (0, consumed, false);
        }
        digits += 1;
    }
    (0, consumed, false)
}
