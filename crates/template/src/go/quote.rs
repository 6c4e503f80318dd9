//! Text in Go's quotes and out of them, by the rules of `strconv`.

/// The character at the start of a text and its length; a byte that begins none is U+FFFD of one byte.
pub(crate) fn decode(text: &[u8]) -> Option<(char, usize)> {
    let first = *text.first()?;
    if first < 0x80 {
        return Some((char::from(first), 1));
    }
    let longest = text.get(..text.len().min(4)).unwrap_or_default();
    let valid = match std::str::from_utf8(longest) {
        Ok(valid) => valid,
        Err(error) => {
            let valid = longest.get(..error.valid_up_to()).unwrap_or_default();
            std::str::from_utf8(valid).unwrap_or_default()
        }
    };
    match valid.chars().next() {
        Some(character) => Some((character, character.len_utf8())),
        None => Some((char::REPLACEMENT_CHARACTER, 1)),
    }
}

/// Number of characters, where each byte that begins none counts as one.
pub(crate) fn count_characters(text: &[u8]) -> usize {
    text.utf8_chunks()
        .map(|chunk| chunk.valid().chars().count() + chunk.invalid().len())
        .sum()
}

/// Whether Go prints a character as it is: letters, marks, numbers, punctuation, symbols, and of the
/// white space only the plain blank.
pub(crate) fn is_printable(character: char) -> bool {
    if character.is_ascii() {
        return matches!(character, ' '..='~');
    }
    // Rust escapes in debug output what it takes for unprintable; a letter before keeps it from
    // escaping marks, which it does only at the start.
    let mut text = [0; 5];
    text[0] = b'a';
    let length = character.encode_utf8(&mut text[1..]).len() + 1;
    let text = std::str::from_utf8(text.get(..length).unwrap_or_default()).unwrap_or_default();
    text.escape_debug().nth(1) == Some(character)
}

/// Which characters stay as they are between quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keep {
    /// All that can be printed.
    Printable,
    /// ASCII only.
    Ascii,
}

/// A text between double quotes, with Go's escapes.
pub fn quote(text: &[u8]) -> String {
    quote_keeping(text, Keep::Printable)
}

/// A text between double quotes; what is not kept is escaped.
pub(crate) fn quote_keeping(text: &[u8], keep: Keep) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for chunk in text.utf8_chunks() {
        for character in chunk.valid().chars() {
            push_escaped(&mut out, character, '"', keep);
        }
        for byte in chunk.invalid() {
            out.push_str(&format!("\\x{byte:02x}"));
        }
    }
    out.push('"');
    out
}

/// A character between single quotes.
pub(crate) fn quote_character(character: char, keep: Keep) -> String {
    let mut out = "'".to_owned();
    push_escaped(&mut out, character, '\'', keep);
    out.push('\'');
    out
}

fn push_escaped(out: &mut String, character: char, mark: char, keep: Keep) {
    let code = u32::from(character);
    match character {
        '\\' => out.push_str("\\\\"),
        _ if character == mark => {
            out.push('\\');
            out.push(mark);
        }
        _ if is_printable(character) && (keep == Keep::Printable || character.is_ascii()) => {
            out.push(character);
        }
        '\x07' => out.push_str("\\a"),
        '\x08' => out.push_str("\\b"),
        '\x0c' => out.push_str("\\f"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        '\x0b' => out.push_str("\\v"),
        '\0'..' ' | '\x7f' => out.push_str(&format!("\\x{code:02x}")),
        _ if code < 0x10000 => out.push_str(&format!("\\u{code:04x}")),
        _ => out.push_str(&format!("\\U{code:08x}")),
    }
}

/// Whether a text can stand between back quotes as it is.
pub(crate) fn can_be_back_quoted(text: &[u8]) -> bool {
    std::str::from_utf8(text).is_ok_and(|text| {
        text.chars().all(|character| match character {
            '\u{FEFF}' | '`' | '\x7f' => false,
            '\t' => true,
            other => other >= ' ',
        })
    })
}

/// The text that a quoted constant stands for: double quotes, or back quotes. None when it is no
/// such constant.
pub(crate) fn unquote(constant: &[u8]) -> Option<Vec<u8>> {
    match constant {
        [b'`', inner @ .., b'`'] => {
            if inner.contains(&b'`') {
                return None;
            }
            Some(
                inner
                    .iter()
                    .copied()
                    .filter(|byte| *byte != b'\r')
                    .collect(),
            )
        }
        [b'"', inner @ .., b'"'] => {
            let mut out = Vec::with_capacity(inner.len());
            let mut rest = inner;
            while !rest.is_empty() {
                if matches!(rest.first(), Some(b'"' | b'\n')) {
                    return None;
                }
                let (unit, after) = unquote_character(rest, b'"')?;
                match unit {
                    Unit::Character(character) => {
                        out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                    }
                    Unit::Byte(byte) => out.push(byte),
                }
                rest = after;
            }
            Some(out)
        }
        _ => None,
    }
}

/// What one element of a quoted constant stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// A character.
    Character(char),
    /// A single byte, from `\x` and octal escapes.
    Byte(u8),
}

/// The first element of what stands between quotes, and the rest.
pub(crate) fn unquote_character(text: &[u8], mark: u8) -> Option<(Unit, &[u8])> {
    let (first, length) = decode(text)?;
    let rest = text.get(length..)?;
    if first == char::from(mark) {
        return None;
    }
    if first != '\\' {
        return Some((Unit::Character(first), rest));
    }
    let (&escape, rest) = rest.split_first()?;
    let plain = |byte: u8| Some((Unit::Character(char::from(byte)), rest));
    let digits = |count: usize| {
        let digits = std::str::from_utf8(rest.get(..count)?).ok()?;
        // from_str_radix would take a sign.
        digits
            .bytes()
            .all(|byte| byte.is_ascii_hexdigit())
            .then_some(())?;
        Some((u32::from_str_radix(digits, 16).ok()?, rest.get(count..)?))
    };
    match escape {
        b'a' => plain(7),
        b'b' => plain(8),
        b'f' => plain(12),
        b'n' => plain(b'\n'),
        b'r' => plain(b'\r'),
        b't' => plain(b'\t'),
        b'v' => plain(11),
        b'\\' => plain(b'\\'),
        b'\'' | b'"' if escape == mark => plain(escape),
        b'x' => {
            let (code, rest) = digits(2)?;
            Some((Unit::Byte(u8::try_from(code).ok()?), rest))
        }
        b'u' | b'U' => {
            let (code, rest) = digits(if escape == b'u' { 4 } else { 8 })?;
            Some((Unit::Character(char::from_u32(code)?), rest))
        }
        b'0'..=b'7' => {
            let octal = text.get(1..4)?;
            let mut code = 0u32;
            for digit in octal {
                code = code * 8 + char::from(*digit).to_digit(8)?;
            }
            Some((Unit::Byte(u8::try_from(code).ok()?), text.get(4..)?))
        }
        _ => None,
    }
}
