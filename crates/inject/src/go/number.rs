//! Whole numbers and floats in text.

use crate::go::quote;

/// Reads a signed 64-bit decimal number; empty is 0. Blanks are not trimmed.
pub(crate) fn integer(text: &str) -> Result<i64, String> {
    if text.is_empty() {
        return Ok(0);
    }
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(failure("ParseInt", text, "invalid syntax"));
    }
    text.parse()
        .map_err(|_| failure("ParseInt", text, "value out of range"))
}

/// Reads an unsigned 64-bit decimal number: digits only, not empty.
pub(crate) fn unsigned(text: &str) -> Result<u64, String> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(failure("ParseUint", text, "invalid syntax"));
    }
    text.parse()
        .map_err(|_| failure("ParseUint", text, "value out of range"))
}

/// Reads a 64-bit float in decimal or hexadecimal, or `Inf`, `Infinity` and `NaN` in any case.
pub(crate) fn float(text: &str) -> Result<f64, String> {
    let invalid = || failure("ParseFloat", text, "invalid syntax");
    let unsigned_text = text.strip_prefix(['+', '-']).unwrap_or(text);
    let lower = unsigned_text.to_ascii_lowercase();
    match lower.as_str() {
        "nan" => {
            return if unsigned_text.len() == text.len() {
                Ok(f64::NAN)
            } else {
                Err(invalid())
            };
        }
        "inf" | "infinity" => {
            let sign = if text.starts_with('-') { -1.0 } else { 1.0 };
            return Ok(sign * f64::INFINITY);
        }
        _ => {}
    }
    if lower.contains('_') && !separates_digits(&lower) {
        return Err(invalid());
    }
    let lower = lower.replace('_', "");
    let value = if let Some(hex) = lower.strip_prefix("0x") {
        let magnitude = hexadecimal(hex).ok_or_else(invalid)?;
        if text.starts_with('-') {
            -magnitude
        } else {
            magnitude
        }
    } else {
        let shaped = lower
            .bytes()
            .all(|b| b.is_ascii_digit() || b".e+-".contains(&b))
            && lower.bytes().any(|b| b.is_ascii_digit());
        if !shaped {
            return Err(invalid());
        }
        text.replace('_', "")
            .parse::<f64>()
            .map_err(|_| invalid())?
    };
    if value.is_infinite() {
        return Err(failure("ParseFloat", text, "value out of range"));
    }
    Ok(value)
}

/// Whether each underscore stands between two digits, or between the base's prefix and a digit.
fn separates_digits(lower: &str) -> bool {
    let digits = lower.strip_prefix("0x");
    let is_digit = |b: u8| b.is_ascii_digit() || (digits.is_some() && b.is_ascii_hexdigit());
    let mut after_digit = digits.is_some();
    let mut after_underscore = false;
    for b in digits.unwrap_or(lower).bytes() {
        let digit = is_digit(b);
        if (b == b'_' && !after_digit) || (b != b'_' && !digit && after_underscore) {
            return false;
        }
        after_digit = digit;
        after_underscore = b == b'_';
    }
    !after_underscore
}

/// The digits of a hexadecimal float after `0x`, whose exponent `p` is not optional.
fn hexadecimal(text: &str) -> Option<f64> {
    let (mantissa, exponent) = text.split_once('p')?;
    let exponent: i32 = exponent.parse().ok()?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let mut value = 0.0_f64;
    for c in whole.chars() {
        value = value * 16.0 + f64::from(c.to_digit(16)?);
    }
    let mut unit = 1.0 / 16.0;
    for c in fraction.chars() {
        value += f64::from(c.to_digit(16)?) * unit;
        unit /= 16.0;
    }
    Some(value * 2.0_f64.powi(exponent))
}

fn failure(reader: &str, text: &str, why: &str) -> String {
    format!("strconv.{reader}: parsing {}: {why}", quote(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_may_have_a_sign_and_leading_zeros_and_empty_is_zero() {
        for (text, want) in [("", 0), ("100", 100), ("+7", 7), ("-3", -3), ("007", 7)] {
            assert_eq!(integer(text), Ok(want), "{text}");
        }
    }

    #[test]
    fn other_whole_numbers_are_refused_in_the_established_words() {
        for text in [" 100", "10.5", "vault", "1_000", "0x10", "+", "-"] {
            assert_eq!(
                integer(text),
                Err(format!(
                    "strconv.ParseInt: parsing \"{text}\": invalid syntax"
                ))
            );
        }
        assert_eq!(
            integer("99999999999999999999"),
            Err("strconv.ParseInt: parsing \"99999999999999999999\": value out of range".into())
        );
    }

    #[test]
    fn unsigned_numbers_are_digits_only() {
        assert_eq!(unsigned("0"), Ok(0));
        assert_eq!(unsigned("18446744073709551615"), Ok(u64::MAX));
        for text in ["", "5s", "-1", "+1", " 5"] {
            assert_eq!(
                unsigned(text),
                Err(format!(
                    "strconv.ParseUint: parsing \"{text}\": invalid syntax"
                ))
            );
        }
        assert!(unsigned("18446744073709551616").is_err_and(|e| e.ends_with("value out of range")));
    }

    #[test]
    fn floats_have_exponents_infinities_and_hexadecimal_forms() {
        for (text, want) in [
            ("0.75", 0.75),
            (".5", 0.5),
            ("5.", 5.0),
            ("1e-1", 0.1),
            ("-2E2", -200.0),
            ("+1", 1.0),
            ("Inf", f64::INFINITY),
            ("-infinity", f64::NEG_INFINITY),
            ("0x1p-2", 0.25),
            ("0x1.8p1", 3.0),
            ("1_0.5", 10.5),
            ("0x_1p1", 2.0),
        ] {
            assert_eq!(float(text), Ok(want), "{text}");
        }
        assert!(float("NaN").is_ok_and(f64::is_nan));
        for text in [
            "", "75%", "1 ", "e1", ".", "0x1", "+nan", "1e", "_1", "1_", "1__0", "1_.5",
        ] {
            assert_eq!(
                float(text),
                Err(format!(
                    "strconv.ParseFloat: parsing \"{text}\": invalid syntax"
                ))
            );
        }
        assert!(float("1e999").is_err_and(|e| e.ends_with("value out of range")));
    }
}
