//! Quantities such as `500m` and `128Mi`, and their canonical form.
//!
//! The established injector reads a quantity and writes it canonically: the largest suffix that
//! needs no fraction. A text that its reader takes for canonical already is written as it came,
//! which is why `01.500` stays and `0.5` becomes `500m`.

/// The message for a text that has no quantity's shape.
pub(crate) const WRONG_FORMAT: &str = "quantities must match the regular expression \
    '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
/// The message for a suffix that does not exist.
pub(crate) const WRONG_SUFFIX: &str = "unable to parse quantity's suffix";
/// The message for digits that are too many to be read.
const WRONG_NUMBER: &str = "unable to parse numeric part of quantity";

/// How many decimal digits surely fit a signed 64-bit number.
const SAFE_DIGITS: i32 = 18;
/// The smallest power of ten that a quantity keeps.
const NANO: i32 = -9;

/// A quantity that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Quantity {
    /// The canonical text.
    pub(crate) text: String,
    /// The value in billionths, kept to what 128 bits hold; only for comparisons.
    pub(crate) nanos: i128,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Decimal,
    Exponent,
    Binary,
}

/// The pieces of a quantity's text.
struct Pieces<'a> {
    negative: bool,
    whole: &'a str,
    fraction: &'a str,
    suffix: &'a str,
}

impl Quantity {
    /// Reads a quantity that is not empty.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err(WRONG_FORMAT.to_owned());
        }
        let pieces = split(text).ok_or(WRONG_FORMAT)?;
        let (format, exponent) = suffix(pieces.suffix).ok_or(WRONG_SUFFIX)?;
        let digits = format!("{}{}", pieces.whole, pieces.fraction);
        let mantissa: i128 = match digits.parse() {
            Ok(mantissa) => mantissa,
            // More digits than any resource has: nothing is gained by rewriting them.
            Err(_) if digits.bytes().all(|b| b.is_ascii_digit()) && digits.len() < 400 => {
                return Ok(Self {
                    text: text.to_owned(),
                    nanos: i128::MAX,
                });
            }
            Err(_) => return Err(WRONG_NUMBER.to_owned()),
        };
        let places = pieces.fraction.len() as i32;
        if let Some(kept) = kept_as_written(text, &pieces, &digits, mantissa, format, exponent) {
            return Ok(kept);
        }
        Ok(
            Self::canonical(pieces.negative, mantissa, places, format, exponent).unwrap_or_else(
                || Self {
                    text: text.to_owned(),
                    nanos: i128::MAX,
                },
            ),
        )
    }

    /// Puts the number into canonical form; none when 128 bits are not enough.
    fn canonical(
        negative: bool,
        mantissa: i128,
        places: i32,
        format: Format,
        exponent: i32,
    ) -> Option<Self> {
        if mantissa == 0 {
            return Some(Self {
                text: "0".to_owned(),
                nanos: 0,
            });
        }
        let mut format = format;
        let (mut amount, mut scale) = match format {
            Format::Binary => (mantissa.checked_mul(1_i128 << exponent)?, -places),
            Format::Decimal | Format::Exponent => (mantissa, exponent - places),
        };
        while scale < NANO {
            // What is finer than a billionth is rounded up, away from zero.
            let digit = amount % 10;
            amount = amount / 10 + i128::from(digit != 0);
            scale += 1;
            if amount == 1 && scale < NANO - 40 {
                scale = NANO;
            }
        }
        if format == Format::Binary {
            let (whole, exact) = whole_of(amount, scale)?;
            let capped = whole.min(i128::from(i64::MAX));
            if !exact || capped < 1024 {
                format = Format::Decimal;
            } else {
                let (mut number, mut steps) = (capped, 0);
                while number % 1024 == 0 && steps < 6 {
                    number /= 1024;
                    steps += 1;
                }
                let suffix = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"].get(steps)?;
                return Some(Self {
                    text: signed(negative, number, suffix),
                    nanos: sign(negative) * capped.checked_mul(1_000_000_000)?,
                });
            }
        }
        let nanos = sign(negative) * scaled_to_nanos(amount, scale).unwrap_or(i128::MAX);
        while amount % 10 == 0 {
            amount /= 10;
            scale += 1;
        }
        while scale.rem_euclid(3) != 0 {
            amount = amount.checked_mul(10)?;
            scale -= 1;
        }
        let decimal = match scale {
            -9 => Some("n"),
            -6 => Some("u"),
            -3 => Some("m"),
            0 => Some(""),
            3 => Some("k"),
            6 => Some("M"),
            9 => Some("G"),
            12 => Some("T"),
            15 => Some("P"),
            18 => Some("E"),
            _ => None,
        };
        let suffix = match (format, decimal) {
            (Format::Exponent, _) if scale == 0 => String::new(),
            (Format::Exponent, _) | (_, None) => format!("e{scale}"),
            (_, Some(suffix)) => suffix.to_owned(),
        };
        Some(Self {
            text: signed(negative, amount, &suffix),
            nanos,
        })
    }
}

/// The quantity as it was written, where its reader takes that for canonical.
fn kept_as_written(
    text: &str,
    pieces: &Pieces<'_>,
    digits: &str,
    mantissa: i128,
    format: Format,
    exponent: i32,
) -> Option<Quantity> {
    let value = i64::try_from(mantissa).ok()?;
    let places = pieces.fraction.len() as i32;
    let kept = match format {
        Format::Decimal | Format::Exponent => {
            let scale = exponent - places;
            SAFE_DIGITS >= digits.len() as i32
                && scale >= NANO
                && scale % 3 == 0
                && !digits.ends_with("000")
                && !digits.starts_with('0')
        }
        Format::Binary => {
            let room = 15 - digits.len() as i32 - exponent * 3 / 10 - 1;
            places == 0 && room >= 0 && value & 7 != 0
        }
    };
    if !kept {
        return None;
    }
    let nanos = match format {
        Format::Binary => mantissa
            .checked_mul(1 << exponent)?
            .checked_mul(1_000_000_000)?,
        _ => scaled_to_nanos(mantissa, exponent - places).unwrap_or(i128::MAX),
    };
    Some(Quantity {
        text: text.to_owned(),
        nanos: sign(pieces.negative) * nanos,
    })
}

/// Takes a text apart; none when characters remain that belong to nothing.
fn split(text: &str) -> Option<Pieces<'_>> {
    let (negative, rest) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    let rest = rest.trim_start_matches('0');
    let end = rest
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(rest.len());
    let (whole, rest) = rest.split_at(end);
    let (fraction, rest) = match rest.strip_prefix('.') {
        Some(rest) => {
            let end = rest
                .find(|c: char| !c.is_ascii_digit())
                .unwrap_or(rest.len());
            rest.split_at(end)
        }
        None => ("", rest),
    };
    let letters = rest
        .find(|c: char| !"eEinumkKMGTP".contains(c))
        .unwrap_or(rest.len());
    let number = rest[letters..]
        .strip_prefix(['+', '-'])
        .unwrap_or(&rest[letters..]);
    if !number.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let whole = if whole.is_empty() { "0" } else { whole };
    Some(Pieces {
        negative,
        whole,
        fraction,
        suffix: rest,
    })
}

/// What a suffix stands for: a power of ten, or of two for the binary ones.
fn suffix(text: &str) -> Option<(Format, i32)> {
    Some(match text {
        "n" => (Format::Decimal, -9),
        "u" => (Format::Decimal, -6),
        "m" => (Format::Decimal, -3),
        "" => (Format::Decimal, 0),
        "k" => (Format::Decimal, 3),
        "M" => (Format::Decimal, 6),
        "G" => (Format::Decimal, 9),
        "T" => (Format::Decimal, 12),
        "P" => (Format::Decimal, 15),
        "E" => (Format::Decimal, 18),
        "Ki" => (Format::Binary, 10),
        "Mi" => (Format::Binary, 20),
        "Gi" => (Format::Binary, 30),
        "Ti" => (Format::Binary, 40),
        "Pi" => (Format::Binary, 50),
        "Ei" => (Format::Binary, 60),
        other => {
            let exponent: i32 = other.strip_prefix(['e', 'E'])?.parse().ok()?;
            (Format::Exponent, exponent.clamp(-1000, 1000))
        }
    })
}

/// The number before the point of `amount · 10^scale`, and whether nothing stands after it.
fn whole_of(amount: i128, scale: i32) -> Option<(i128, bool)> {
    let mut whole = amount;
    let mut exact = true;
    for _ in scale..0 {
        exact &= whole % 10 == 0;
        whole /= 10;
    }
    for _ in 0..scale {
        whole = whole.checked_mul(10)?;
    }
    Some((whole, exact))
}

fn scaled_to_nanos(amount: i128, scale: i32) -> Option<i128> {
    let mut nanos = amount;
    for _ in NANO..scale.min(60) {
        nanos = nanos.checked_mul(10)?;
    }
    Some(nanos)
}

fn sign(negative: bool) -> i128 {
    if negative { -1 } else { 1 }
}

fn signed(negative: bool, number: i128, suffix: &str) -> String {
    format!("{}{number}{suffix}", if negative { "-" } else { "" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_written_canonically() {
        for (text, want) in [
            ("500m", "500m"),
            ("1500m", "1500m"),
            ("0.5", "500m"),
            ("0.1", "100m"),
            ("1.5", "1500m"),
            ("0.0005", "500u"),
            ("100n", "100n"),
            ("0.1n", "1n"),
            ("1000m", "1"),
            ("1000M", "1G"),
            ("1024M", "1024M"),
            ("128Mi", "128Mi"),
            ("1024Mi", "1Gi"),
            ("1.5Gi", "1536Mi"),
            ("0.5Mi", "512Ki"),
            ("0.1Gi", "107374182400m"),
            ("512Ki", "512Ki"),
            ("8Ki", "8Ki"),
            ("0.5Ki", "512"),
            ("12e6", "12e6"),
            ("1e3", "1e3"),
            ("1E", "1E"),
            ("1E3", "1E3"),
            ("01.500", "01.500"),
            ("-1", "-1"),
            ("+5", "+5"),
            ("-1000m", "-1"),
            ("0", "0"),
            ("000", "0"),
            ("Gi", "0"),
            ("m", "0"),
            ("-", "0"),
            ("8Ei", "9223372036854775807"),
        ] {
            assert_eq!(
                Quantity::parse(text).map(|q| q.text),
                Ok(want.to_owned()),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_no_quantity_is_refused_in_the_established_words() {
        for text in ["", "half", "1 Gi", "128MB", " 1", "1.2.3"] {
            assert_eq!(
                Quantity::parse(text),
                Err(WRONG_FORMAT.to_owned()),
                "{text}"
            );
        }
        for text in ["250mm", "64mi", "1e", "1Kii", "5ki", "--1"] {
            assert_eq!(
                Quantity::parse(text),
                Err(WRONG_SUFFIX.to_owned()),
                "{text}"
            );
        }
    }

    #[test]
    fn quantities_compare_by_value() {
        let nanos = |text| Quantity::parse(text).map(|q| q.nanos).unwrap_or_default();
        assert!(nanos("1Gi") > nanos("1G"));
        assert_eq!(nanos("1000m"), nanos("1"));
        assert_eq!(nanos("1024Mi"), nanos("1Gi"));
        assert!(nanos("-1") < 0);
    }

    #[test]
    fn absurdly_large_numbers_neither_overflow_nor_panic() {
        for text in [
            "99999999999999999999999999999999999999999999Gi",
            "1e999999999",
            "1e-999999999",
            "170141183460469231731687303715884105727Ei",
            "0.000000000000000000000000000000000000000000001",
        ] {
            let _ = Quantity::parse(text);
        }
    }
}
