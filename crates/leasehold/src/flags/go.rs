//! Values as Go's standard library reads them: booleans, integers, floats and durations. Flags and variables of
//! the established injector are written in these forms, and its error texts are what people search for.

use std::time::Duration;

/// Why a value cannot be read, in the words of the reader that people know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ValueError(String);

/// Reads a boolean: exactly `1 t T TRUE true True 0 f F FALSE false False`.
///
/// # Errors
/// Any other text, the empty one included.
pub fn boolean(text: &str) -> Result<bool, ValueError> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Ok(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Ok(false),
        _ => Err(ValueError(format!(
            "cannot parse '' as bool: strconv.ParseBool: parsing {}: invalid syntax",
            quoted(text)
        ))),
    }
}

/// Reads a decimal integer of 64 bits with an optional sign.
///
/// # Errors
/// Text that is no decimal number, or a number out of range.
pub fn integer(text: &str) -> Result<i64, ValueError> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let reason = if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        "invalid syntax"
    } else {
        match text.parse::<i64>() {
            Ok(number) => return Ok(number),
            Err(_) => "value out of range",
        }
    };
    Err(ValueError(format!(
        "strconv.ParseInt: parsing {}: {reason}",
        quoted(text)
    )))
}

/// Reads a number with a fraction, exponent, `Inf` or `NaN`.
///
/// # Errors
/// Text that is no such number.
pub fn float(text: &str) -> Result<f64, ValueError> {
    let letters = text.trim_start_matches(['+', '-']).to_ascii_lowercase();
    let named = matches!(letters.as_str(), "inf" | "infinity" | "nan");
    let plain = letters
        .bytes()
        .all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'+' | b'-'));
    (named || plain)
        .then(|| text.parse::<f64>().ok())
        .flatten()
        .ok_or_else(|| {
            ValueError(format!(
                "strconv.ParseFloat: parsing {}: invalid syntax",
                quoted(text)
            ))
        })
}

/// Reads a duration such as `1h30m`, `250ms`, `1.5s` or a bare `0`.
///
/// Negative durations are read and come back as `Err`, since no setting of ours has a use for one.
///
/// # Errors
/// A missing or unknown unit, no digits, a value beyond 292 years, or a negative one.
pub fn duration(text: &str) -> Result<Duration, ValueError> {
    let invalid = || ValueError(format!("time: invalid duration {}", quoted(text)));
    let (negative, mut rest) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    if rest == "0" {
        return Ok(Duration::ZERO);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut nanoseconds: u128 = 0;
    while !rest.is_empty() {
        let whole_end = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (whole, after) = rest.split_at(whole_end);
        let (fraction, after) = match after.strip_prefix('.') {
            Some(tail) => tail.split_at(tail.bytes().take_while(u8::is_ascii_digit).count()),
            None => ("", after),
        };
        if whole.is_empty() && fraction.is_empty() {
            return Err(invalid());
        }
        let unit_end = after
            .find(|letter: char| letter == '.' || letter.is_ascii_digit())
            .unwrap_or(after.len());
        let (unit, tail) = after.split_at(unit_end);
        let scale: u128 = match unit {
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            "" => {
                return Err(ValueError(format!(
                    "time: missing unit in duration {}",
                    quoted(text)
                )));
            }
            other => {
                return Err(ValueError(format!(
                    "time: unknown unit {} in duration {}",
                    quoted(other),
                    quoted(text)
                )));
            }
        };
        let whole: u128 = if whole.is_empty() {
            0
        } else {
            whole.parse().map_err(|_| invalid())?
        };
        nanoseconds = whole
            .checked_mul(scale)
            .and_then(|part| nanoseconds.checked_add(part))
            .ok_or_else(invalid)?;
        let mut divisor: u128 = 1;
        for digit in fraction.bytes().take(18) {
            divisor *= 10;
            nanoseconds += u128::from(digit - b'0') * scale / divisor;
        }
        rest = tail;
    }
    let nanoseconds = u64::try_from(nanoseconds)
        .ok()
        .filter(|nanoseconds| i64::try_from(*nanoseconds).is_ok())
        .ok_or_else(invalid)?;
    if negative && nanoseconds > 0 {
        return Err(ValueError(format!(
            "time: negative duration {}",
            quoted(text)
        )));
    }
    Ok(Duration::from_nanos(nanoseconds))
}

/// Text in double quotes with escapes, as Go's `%q` writes it for what people type.
#[must_use]
pub fn quoted(text: &str) -> String {
    format!("{text:?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn booleans_are_exactly_the_twelve_spellings() {
        for text in ["1", "t", "T", "TRUE", "true", "True"] {
            assert_eq!(boolean(text), Ok(true), "{text}");
        }
        for text in ["0", "f", "F", "FALSE", "false", "False"] {
            assert_eq!(boolean(text), Ok(false), "{text}");
        }
        for text in ["", " true", "yes", "tRUE", "on"] {
            assert!(boolean(text).is_err(), "{text}");
        }
    }

    #[test]
    fn durations_are_read_as_go_reads_them() {
        let check =
            |text: &str, expected: Duration| assert_eq!(duration(text), Ok(expected), "{text}");
        check("0", Duration::ZERO);
        check("1h30m", Duration::from_secs(5_400));
        check("1.5s", Duration::from_millis(1_500));
        check(".5s", Duration::from_millis(500));
        check("250ms", Duration::from_millis(250));
        check("+1m0s", Duration::from_secs(60));
        check("3µs", Duration::from_micros(3));
    }

    #[test]
    fn bad_durations_are_refused_in_the_known_words() {
        let check = |text: &str, expected: &str| {
            assert_eq!(
                duration(text).map_err(|error| error.to_string()),
                Err(expected.to_owned())
            );
        };
        check("5", "time: missing unit in duration \"5\"");
        check("2d", "time: unknown unit \"d\" in duration \"2d\"");
        check("", "time: invalid duration \"\"");
        check("soon", "time: invalid duration \"soon\"");
        check("99999999999h", "time: invalid duration \"99999999999h\"");
        check("-1s", "time: negative duration \"-1s\"");
        check("1.", "time: missing unit in duration \"1.\"");
    }

    #[test]
    fn numbers_are_read_as_go_reads_them() {
        assert_eq!(integer("+007"), Ok(7));
        assert_eq!(
            integer("9223372036854775808").map_err(|error| error.to_string()),
            Err("strconv.ParseInt: parsing \"9223372036854775808\": value out of range".to_owned())
        );
        assert!(integer(" 1").is_err() && integer("").is_err() && integer("1_0").is_err());
        assert_eq!(float("1e-1"), Ok(0.1));
        assert!(float("NaN").is_ok_and(f64::is_nan));
        assert!(float("").is_err() && float("0x").is_err());
    }
}
