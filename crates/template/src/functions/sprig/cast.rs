//! Sprig's lenient casts: what does not cast is 0.

use crate::{
    functions::print,
    go::{IntType, Value},
};

/// A number as `int64`; texts in any of Go's notations, with `010` octal.
pub(in crate::functions) fn to_int(value: &Value) -> i64 {
    match value {
        // A type that the recorded casts do not know, unlike months and weekdays.
        Value::Int(IntType::Duration, _) => 0,
        Value::Int(_, number) => *number,
        Value::Uint(_, number) => *number as i64,
        Value::Float(number) => truncated(*number),
        Value::Bool(flag) => i64::from(*flag),
        Value::Text(text) | Value::Number(text) => {
            let text = std::str::from_utf8(text).ok();
            text.and_then(|text| parse_int(without_zero_decimals(text)))
                .unwrap_or(0)
        }
        _ => 0,
    }
}

/// A number as `float64`.
pub(in crate::functions) fn to_float(value: &Value) -> f64 {
    match value {
        Value::Int(IntType::Duration, _) => 0.0,
        Value::Int(_, number) => *number as f64,
        Value::Uint(_, number) => *number as f64,
        Value::Float(number) => *number,
        Value::Bool(flag) => f64::from(u8::from(*flag)),
        Value::Text(text) | Value::Number(text) => print::parse_float(text).unwrap_or(0.0),
        _ => 0.0,
    }
}

/// Towards zero. What does not fit is the smallest number, as the processor has it.
fn truncated(number: f64) -> i64 {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    if (-LIMIT..LIMIT).contains(&number) {
        number as i64
    } else {
        i64::MIN
    }
}

/// `1.00` as `1`.
fn without_zero_decimals(text: &str) -> &str {
    match text.rsplit_once('.') {
        Some((whole, decimals))
            if !decimals.is_empty() && decimals.bytes().all(|digit| digit == b'0') =>
        {
            whole
        }
        _ => text,
    }
}

/// Go's `ParseInt` with base 0: a prefix tells the base, underscores may stand between digits.
pub(in crate::functions) fn parse_int(text: &str) -> Option<i64> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let lower = digits.to_ascii_lowercase();
    let (base, body) = if let Some(body) = lower.strip_prefix("0x") {
        (16, body)
    } else if let Some(body) = lower.strip_prefix("0b") {
        (2, body)
    } else if let Some(body) = lower.strip_prefix("0o") {
        (8, body)
    } else if lower.len() > 1 && lower.starts_with('0') {
        (8, &lower[1..])
    } else {
        (10, lower.as_str())
    };
    // An underscore needs a digit, or the prefix, on either side.
    let prefixed = base != 10;
    let misplaced =
        body.ends_with('_') || body.contains("__") || (body.starts_with('_') && !prefixed);
    let plain: String = body.chars().filter(|digit| *digit != '_').collect();
    if misplaced || plain.is_empty() || !plain.chars().all(|digit| digit.is_digit(base)) {
        return None;
    }
    let number = u64::from_str_radix(&plain, base).ok()?;
    match (negative, i64::try_from(number)) {
        (false, number) => number.ok(),
        (true, Ok(number)) => Some(-number),
        (true, Err(_)) => (number == 1 << 63).then_some(i64::MIN),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_read_in_any_notation() {
        for (text, number) in [
            ("42", 42),
            ("3.99", 0),
            ("1.00", 1),
            ("1.", 0),
            ("010", 8),
            ("08", 0),
            ("0b11", 3),
            ("0x1F", 31),
            ("1_000", 1000),
            ("1__0", 0),
            (" 5", 0),
            ("-07", -7),
            ("0", 0),
            ("9007199254740993", 9_007_199_254_740_993),
            ("-9223372036854775808", i64::MIN),
            ("9223372036854775808", 0),
        ] {
            assert_eq!(to_int(&text.into()), number, "{text}");
        }
    }
}
