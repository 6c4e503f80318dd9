//! Numbers in and out of text by the rules of Go's `strconv`, with its error texts.

use std::fmt;

/// Why a text is not a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NumberError {
    /// The text has another form.
    Syntax,
    /// The type cannot hold the number.
    Range,
}

impl NumberError {
    /// The whole text of the error, as the function of this name words it.
    pub fn text(self, function: &str, number: &[u8]) -> String {
        format!(
            "strconv.{function}: parsing {}: {self}",
            super::quote(number)
        )
    }
}

impl fmt::Display for NumberError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Syntax => "invalid syntax",
            Self::Range => "value out of range",
        })
    }
}

/// Reads an unsigned number. With base 0 the text's prefix tells the base, and underscores may
/// separate digits.
///
/// # Errors
/// When the text has another form, or the number takes more than 64 bits.
pub fn parse_uint(text: &[u8], base: u32) -> Result<u64, NumberError> {
    let mut digits = text;
    let mut radix = base;
    if base == 0 {
        radix = 10;
        if let [b'0', rest @ ..] = text {
            (radix, digits) = match rest {
                [b'x' | b'X', rest @ ..] if !rest.is_empty() => (16, rest),
                [b'b' | b'B', rest @ ..] if !rest.is_empty() => (2, rest),
                [b'o' | b'O', rest @ ..] if !rest.is_empty() => (8, rest),
                _ => (8, rest),
            };
            if digits.is_empty() {
                return Ok(0);
            }
        }
    }
    if digits.is_empty() {
        return Err(NumberError::Syntax);
    }
    let mut number: Option<u64> = Some(0);
    let mut underscores = false;
    for &byte in digits {
        if byte == b'_' && base == 0 {
            underscores = true;
            continue;
        }
        let digit = char::from(byte)
            .to_digit(radix)
            .ok_or(NumberError::Syntax)?;
        number = number
            .and_then(|number| number.checked_mul(u64::from(radix)))
            .and_then(|number| number.checked_add(u64::from(digit)));
    }
    if underscores && !underscores_are_well_placed(text) {
        return Err(NumberError::Syntax);
    }
    number.ok_or(NumberError::Range)
}

/// Reads a signed number; see [`parse_uint`] for the base.
///
/// # Errors
/// When the text has another form, or the number takes more than 64 bits.
pub fn parse_int(text: &[u8], base: u32) -> Result<i64, NumberError> {
    let (negative, digits) = split_sign(text);
    let magnitude = parse_uint(digits, base)?;
    if negative {
        0i64.checked_sub_unsigned(magnitude)
            .ok_or(NumberError::Range)
    } else {
        i64::try_from(magnitude).map_err(|_| NumberError::Range)
    }
}

/// Reads a float64: decimal or hexadecimal, `inf`, `infinity` and `nan` in any case, underscores
/// between digits after a base prefix.
///
/// # Errors
/// When the text has another form, or the number is too large.
pub fn parse_float(text: &[u8]) -> Result<f64, NumberError> {
    let (negative, rest) = split_sign(text);
    let sign = if negative { -1.0 } else { 1.0 };
    if rest.eq_ignore_ascii_case(b"inf") || rest.eq_ignore_ascii_case(b"infinity") {
        return Ok(sign * f64::INFINITY);
    }
    if text.eq_ignore_ascii_case(b"nan") {
        return Ok(f64::NAN);
    }
    let mut plain = Vec::with_capacity(rest.len());
    plain.extend(rest.iter().copied().filter(|byte| *byte != b'_'));
    if plain.len() != rest.len() && !underscores_are_well_placed(text) {
        return Err(NumberError::Syntax);
    }
    if let [b'0', b'x' | b'X', digits @ ..] = plain.as_slice() {
        return parse_hexadecimal_float(digits).map(|number| sign * number);
    }
    // Rust's reader takes what Go's takes, but for words, which begin with a letter.
    if !plain
        .first()
        .is_some_and(|byte| byte.is_ascii_digit() || *byte == b'.')
    {
        return Err(NumberError::Syntax);
    }
    let number: f64 = std::str::from_utf8(&plain)
        .ok()
        .and_then(|text| text.parse().ok())
        .ok_or(NumberError::Syntax)?;
    if number.is_infinite() {
        Err(NumberError::Range)
    } else {
        Ok(sign * number)
    }
}

fn parse_hexadecimal_float(text: &[u8]) -> Result<f64, NumberError> {
    let mut mantissa: u64 = 0;
    // What did not fit into the mantissa, if it was not nothing, decides ties.
    let mut rest_is_not_zero = false;
    let mut exponent: i64 = 0;
    let mut after_point = false;
    let mut saw_digits = false;
    let mut position = 0;
    while let Some(&byte) = text.get(position) {
        if byte == b'.' {
            if after_point {
                return Err(NumberError::Syntax);
            }
            after_point = true;
        } else if let Some(digit) = char::from(byte).to_digit(16) {
            saw_digits = true;
            if mantissa >> 60 == 0 {
                mantissa = mantissa << 4 | u64::from(digit);
                exponent -= if after_point { 4 } else { 0 };
            } else {
                rest_is_not_zero |= digit != 0;
                exponent += if after_point { 0 } else { 4 };
            }
        } else {
            break;
        }
        position += 1;
    }
    let Some([b'p' | b'P', power @ ..]) = text.get(position..) else {
        return Err(NumberError::Syntax);
    };
    let (negative, digits) = split_sign(power);
    if !saw_digits || digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(NumberError::Syntax);
    }
    let power = digits.iter().fold(0i64, |power, digit| {
        power
            .saturating_mul(10)
            .saturating_add(i64::from(digit - b'0'))
            .min(100_000)
    });
    exponent += if negative { -power } else { power };
    if mantissa == 0 {
        return Ok(0.0);
    }
    // Bring the leading one to bit 63, so that the value is 1.… times two to the exponent.
    let shift = mantissa.leading_zeros();
    mantissa <<= shift;
    exponent += 63 - i64::from(shift);
    if exponent > 1023 {
        return Err(NumberError::Range);
    }
    let dropped = if exponent >= -1022 {
        11
    } else {
        11 + (-1022 - exponent)
    };
    if dropped > 64 {
        return Ok(0.0);
    }
    let wide = u128::from(mantissa) << 64 >> dropped;
    let mut bits = (wide >> 64) as u64;
    let rest = wide as u64;
    let half = 1u64 << 63;
    if rest > half || rest == half && (rest_is_not_zero || bits & 1 == 1) {
        bits += 1;
    }
    // A carry runs over into the exponent, which is what it should do.
    let biased = if exponent >= -1022 {
        (exponent + 1022) as u64
    } else {
        0
    };
    let number = f64::from_bits(bits.wrapping_add(biased << 52));
    if number.is_infinite() {
        Err(NumberError::Range)
    } else {
        Ok(number)
    }
}

/// Underscores may stand between digits, and between a base prefix and a digit.
fn underscores_are_well_placed(text: &[u8]) -> bool {
    let (_, mut rest) = split_sign(text);
    let mut before = b'^';
    let mut hexadecimal = false;
    if let [
        b'0',
        prefix @ (b'b' | b'B' | b'o' | b'O' | b'x' | b'X'),
        digits @ ..,
    ] = rest
    {
        before = b'0';
        hexadecimal = matches!(prefix, b'x' | b'X');
        rest = digits;
    }
    for &byte in rest {
        let is_digit = byte.is_ascii_digit() || hexadecimal && byte.is_ascii_hexdigit();
        if is_digit {
            before = b'0';
        } else if byte == b'_' {
            if before != b'0' {
                return false;
            }
            before = b'_';
        } else {
            if before == b'_' {
                return false;
            }
            before = b'!';
        }
    }
    before != b'_'
}

fn split_sign(text: &[u8]) -> (bool, &[u8]) {
    match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    }
}

/// The form in which a float is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FloatForm {
    /// `-d.ddde±dd`
    Exponent,
    /// `-ddd.ddd`
    Plain,
    /// Plain, or with an exponent when that is large
    General,
    /// `-ddddp±ddd`
    Binary,
    /// `-0x1.yyyyyyyyp±ddd`
    Hexadecimal,
}

/// Writes a float. Without a precision, in the fewest digits that read back as the same number.
/// Letters are small.
pub fn format_float(number: f64, form: FloatForm, precision: Option<usize>) -> String {
    if number.is_nan() {
        return "NaN".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    match form {
        FloatForm::Plain => match precision {
            Some(precision) => {
                let exact = precision.min(MOST_DIGITS);
                let text = format!("{number:.exact$}");
                text + &"0".repeat(precision - exact)
            }
            None => format!("{number}"),
        },
        FloatForm::Exponent => match precision {
            Some(precision) => {
                let exact = precision.min(MOST_DIGITS);
                let text = format!("{number:.exact$e}");
                with_go_exponent(&text, precision - exact)
            }
            None => with_go_exponent(&format!("{number:e}"), 0),
        },
        FloatForm::General => general(number, precision),
        FloatForm::Binary => binary(number),
        FloatForm::Hexadecimal => hexadecimal(number, precision),
    }
}

/// No float64 has more digits after its point, or significant ones; all further ones are zeros.
const MOST_DIGITS: usize = 1100;

/// Writes a number in decimal digits.
pub(crate) fn push_decimal(out: &mut Vec<u8>, number: i64) {
    // The longest, without its sign.
    let mut digits = [0; 19];
    let mut rest = number.unsigned_abs();
    let mut count = 0;
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
        count += 1;
        if rest == 0 {
            break;
        }
    }
    if number < 0 {
        out.push(b'-');
    }
    out.extend_from_slice(digits.get(digits.len() - count..).unwrap_or_default());
}

/// The float as a whole number, if it is one that prints as its digits alone: larger ones have an exponent.
pub(crate) fn as_whole(number: f64) -> Option<i64> {
    const BELOW: f64 = 1e6;
    let whole = number as i64;
    let is_whole = whole as f64 == number && number.abs() < BELOW;
    (is_whole && (whole != 0 || number.is_sign_positive())).then_some(whole)
}

/// Go writes at least two digits of the exponent, and always its sign.
fn with_go_exponent(text: &str, zeros: usize) -> String {
    let (digits, exponent) = text.split_once('e').unwrap_or((text, "0"));
    let (sign, exponent) = match exponent.strip_prefix('-') {
        Some(exponent) => ('-', exponent),
        None => ('+', exponent),
    };
    let zeros = "0".repeat(zeros);
    format!("{digits}{zeros}e{sign}{exponent:0>2}")
}

fn general(number: f64, precision: Option<usize>) -> String {
    let precision = precision.map(|precision| precision.max(1));
    let text = match precision {
        None => format!("{number:e}"),
        Some(precision) => format!("{number:.*e}", precision.min(MOST_DIGITS) - 1),
    };
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i64 = exponent.parse().unwrap_or(0);
    let digits = match digits.contains('.') {
        true => digits.trim_end_matches('0').trim_end_matches('.'),
        false => digits,
    };
    let count = digits.bytes().filter(u8::is_ascii_digit).count() as i64;
    // An exponent is shown when it is below -4, or not below the precision. With the fewest digits
    // the precision counts as 6 here; else one that is larger than needed counts as what is needed.
    let threshold = match precision {
        None => 6,
        Some(precision) if precision as i64 > count && count > exponent => count,
        Some(precision) => precision as i64,
    };
    if exponent < -4 || exponent >= threshold {
        return with_go_exponent(&format!("{digits}e{exponent}"), 0);
    }
    match precision {
        None => format!("{number}"),
        Some(_) => {
            let after_point = usize::try_from(count - 1 - exponent).unwrap_or(0);
            format!("{number:.after_point$}")
        }
    }
}

/// Sign, mantissa with its leading one where there is one, and the power of two of its last bit.
fn parts(number: f64) -> (&'static str, u64, i64) {
    let bits = number.to_bits();
    let sign = if bits >> 63 == 1 { "-" } else { "" };
    let fraction = bits & ((1 << 52) - 1);
    let exponent = (bits >> 52 & 0x7FF) as i64;
    if exponent == 0 {
        (sign, fraction, -1074)
    } else {
        (sign, fraction | 1 << 52, exponent - 1075)
    }
}

fn binary(number: f64) -> String {
    let (sign, mantissa, exponent) = parts(number);
    format!("{sign}{mantissa}p{exponent:+}")
}

fn hexadecimal(number: f64, precision: Option<usize>) -> String {
    let (sign, mut mantissa, mut exponent) = parts(number);
    if mantissa == 0 {
        exponent = 0;
    } else {
        // The leading one goes to bit 60, so that 15 hexadecimal digits follow it.
        let shift = mantissa.leading_zeros() - 3;
        mantissa <<= shift;
        exponent += 60 - i64::from(shift);
    }
    if let Some(precision) = precision.filter(|precision| *precision < 15) {
        let dropped = 60 - precision * 4;
        let rest = mantissa & ((1 << dropped) - 1);
        let half = 1u64 << (dropped - 1);
        mantissa >>= dropped;
        if rest > half || rest == half && mantissa & 1 == 1 {
            mantissa += 1;
        }
        mantissa <<= dropped;
        if mantissa >> 61 != 0 {
            mantissa >>= 1;
            exponent += 1;
        }
    }
    let leading = mantissa >> 60;
    let digits = format!("{:015x}", mantissa & ((1 << 60) - 1));
    let digits = match precision {
        None => digits.trim_end_matches('0').to_owned(),
        Some(precision) => {
            let zeros = "0".repeat(precision.saturating_sub(15));
            digits
                .get(..precision.min(15))
                .unwrap_or_default()
                .to_owned()
                + &zeros
        }
    };
    let point = if digits.is_empty() { "" } else { "." };
    let power = if exponent < 0 { '-' } else { '+' };
    format!(
        "{sign}0x{leading}{point}{digits}p{power}{:02}",
        exponent.abs()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_written_to_both_ends_of_their_range() {
        for number in [0, 7, -1, 10, 5432, i64::MAX, i64::MIN] {
            let mut out = b"n=".to_vec();
            push_decimal(&mut out, number);
            assert_eq!(out, format!("n={number}").into_bytes());
        }
    }

    #[test]
    fn floats_that_print_as_whole_numbers_are_those_below_a_million() {
        for number in [0.0, 1.0, -3.0, 5432.0, 999_999.0, -999_999.0] {
            let whole = as_whole(number).expect("a whole number");
            let printed = format_float(number, FloatForm::General, None);
            assert_eq!(printed, whole.to_string());
        }
        let others = [-0.0, 0.5, 1e6, -1e6, 1e300, f64::NAN, f64::INFINITY];
        assert!(others.into_iter().all(|number| as_whole(number).is_none()));
    }
}
