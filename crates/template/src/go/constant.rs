//! Numeric constants of the language: one constant can be several types, and its use decides.

use crate::go::{
    Value,
    lexer::TokenKind,
    number::{parse_float, parse_int, parse_uint},
    quote::{Unit, quote, unquote_character},
    tree::Number,
};

/// Why a constant is none: the message.
pub(crate) struct ConstantError(pub(crate) String);

/// The number that a token stands for.
pub(crate) fn number(text: &[u8], kind: &TokenKind) -> Result<Number, ConstantError> {
    let mut number = read(text, kind)?;
    number.ideal = ideal(&number);
    Ok(number)
}

/// What the number is where no type is asked for, as its spelling says.
fn ideal(number: &Number) -> Option<Value> {
    let text = number.text.as_str();
    let is_hexadecimal_int = (text.starts_with("0x") || text.starts_with("0X"))
        && text.len() > 2
        && !text.contains(['p', 'P']);
    let is_written_as_float =
        !is_hexadecimal_int && !text.starts_with('\'') && text.contains(['.', 'e', 'E', 'p', 'P']);
    match number {
        Number {
            complex: Some((real, imaginary)),
            ..
        } => Some(Value::Complex(*real, *imaginary)),
        Number {
            float: Some(float), ..
        } if is_written_as_float => Some(Value::Float(*float)),
        Number { int: Some(int), .. } => Some(Value::int(*int)),
        Number { uint: Some(_), .. } => None,
        _ => Some(Value::Nil),
    }
}

fn read(text: &[u8], kind: &TokenKind) -> Result<Number, ConstantError> {
    let mut number = Number {
        text: String::from_utf8_lossy(text).into_owned(),
        int: None,
        uint: None,
        float: None,
        complex: None,
        ideal: None,
    };
    match kind {
        TokenKind::CharConstant => {
            let code = i64::from(character(text)?);
            number.int = Some(code);
            number.uint = u64::try_from(code).ok();
            number.float = Some(code as f64);
            return Ok(number);
        }
        TokenKind::Complex => {
            let (real, imaginary) = complex(text)
                .ok_or_else(|| ConstantError("syntax error scanning complex number".to_owned()))?;
            set_complex(&mut number, real, imaginary);
            return Ok(number);
        }
        _ => {}
    }
    if let Some(imaginary) = text
        .strip_suffix(b"i")
        .and_then(|text| parse_float(text).ok())
    {
        set_complex(&mut number, 0.0, imaginary);
        return Ok(number);
    }
    number.uint = parse_uint(text, 0).ok();
    number.int = parse_int(text, 0).ok();
    if number.int == Some(0) {
        // For -0.
        number.uint = Some(0);
    }
    if let Some(int) = number.int {
        number.float = Some(int as f64);
    } else if let Some(uint) = number.uint {
        number.float = Some(uint as f64);
    } else if let Ok(float) = parse_float(text) {
        if !text.iter().any(|byte| b".eEpP".contains(byte)) {
            return Err(ConstantError(format!("integer overflow: {}", quote(text))));
        }
        number.float = Some(float);
        number.int = whole(float);
        number.uint = whole_unsigned(float);
    }
    if number.float.is_none() {
        return Err(ConstantError(format!(
            "illegal number syntax: {}",
            quote(text)
        )));
    }
    Ok(number)
}

/// The code of a character constant, which may be a byte that is no character.
fn character(text: &[u8]) -> Result<u32, ConstantError> {
    let invalid = || ConstantError("invalid syntax".to_owned());
    let inner = text.get(1..).ok_or_else(invalid)?;
    let (unit, rest) = unquote_character(inner, b'\'').ok_or_else(invalid)?;
    if rest != b"'" {
        let text = String::from_utf8_lossy(text);
        return Err(ConstantError(format!(
            "malformed character constant: {text}"
        )));
    }
    Ok(match unit {
        Unit::Character(character) => u32::from(character),
        Unit::Byte(byte) => u32::from(byte),
    })
}

/// `1+2i`: the sign between the parts is the last one that does not belong to an exponent.
fn complex(text: &[u8]) -> Option<(f64, f64)> {
    let text = text.strip_suffix(b"i")?;
    let is_hexadecimal = text.iter().any(|byte| matches!(byte, b'x' | b'X'));
    let split = (1..text.len()).rev().find(|index| {
        let before = text.get(index - 1).copied().unwrap_or_default();
        let after_exponent =
            matches!(before, b'p' | b'P') || !is_hexadecimal && matches!(before, b'e' | b'E');
        matches!(text.get(*index), Some(b'+' | b'-')) && !after_exponent
    })?;
    Some((
        parse_float(text.get(..split)?).ok()?,
        parse_float(text.get(split..)?).ok()?,
    ))
}

fn set_complex(number: &mut Number, real: f64, imaginary: f64) {
    number.complex = Some((real, imaginary));
    if imaginary == 0.0 {
        number.float = Some(real);
        number.int = whole(real);
        number.uint = whole_unsigned(real);
    }
}

fn whole(float: f64) -> Option<i64> {
    // The cast saturates, and the largest int64 reads as two to the 63rd.
    let int = float as i64;
    (int as f64 == float && float < 9_223_372_036_854_775_808.0).then_some(int)
}

fn whole_unsigned(float: f64) -> Option<u64> {
    let uint = float as u64;
    (uint as f64 == float && float < 18_446_744_073_709_551_616.0).then_some(uint)
}
