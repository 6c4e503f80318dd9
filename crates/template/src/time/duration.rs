//! Go's `time.Duration`: reading `1h30m`, printing, rounding.

use thiserror::Error;

use super::Rounding;

const MICROSECOND: u64 = 1_000;
const MILLISECOND: u64 = 1_000_000;
const SECOND: u64 = 1_000_000_000;

/// A signed span of time in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Duration(i64);

/// Why a text is no duration, in Go's words.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum DurationError {
    /// Not of the form number and unit, or too large.
    #[error("time: invalid duration {0}")]
    Invalid(String),
    /// A number without a unit.
    #[error("time: missing unit in duration {0}")]
    MissingUnit(String),
    /// A unit that does not exist.
    #[error("time: unknown unit {unit} in duration {text}")]
    UnknownUnit {
        /// The unit, quoted.
        unit: String,
        /// The whole text, quoted.
        text: String,
    },
}

impl Duration {
    /// A span of so many nanoseconds.
    pub(crate) fn from_nanoseconds(nanoseconds: i64) -> Self {
        Self(nanoseconds)
    }

    /// A span of so many seconds; it wraps around as Go's multiplication does.
    pub(crate) fn from_seconds(seconds: i64) -> Self {
        Self(seconds.wrapping_mul(SECOND as i64))
    }

    /// The span in nanoseconds.
    pub(crate) fn nanoseconds(self) -> i64 {
        self.0
    }

    /// The span as a number of `unit`s of so many nanoseconds, with its fraction.
    pub(crate) fn in_units(self, unit: i64) -> f64 {
        (self.0 / unit) as f64 + (self.0 % unit) as f64 / unit as f64
    }

    /// The multiple of `step` nearest to this, or the one towards zero.
    pub(crate) fn rounded(self, step: Self, rounding: Rounding) -> Self {
        if step.0 <= 0 {
            return self;
        }
        let rest = self.0 % step.0;
        let down = self.0 - rest;
        if rounding == Rounding::Down || rest.unsigned_abs() * 2 < step.0.unsigned_abs() {
            return Self(down);
        }
        Self(if rest < 0 {
            down.saturating_sub(step.0)
        } else {
            down.saturating_add(step.0)
        })
    }

    /// Reads a sequence of numbers with units (`ns us µs ms s m h`), such as `-1.5h` or `2h45m`.
    pub(crate) fn parse(text: &str) -> Result<Self, DurationError> {
        let invalid = || DurationError::Invalid(super::layout::quote(text));
        let (negative, mut rest) = match text.as_bytes().first() {
            Some(b'-') => (true, &text[1..]),
            Some(b'+') => (false, &text[1..]),
            _ => (false, text),
        };
        if rest == "0" {
            return Ok(Self(0));
        }
        if rest.is_empty() {
            return Err(invalid());
        }
        let mut total: u64 = 0;
        while !rest.is_empty() {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            let (whole, after) = rest.split_at(digits);
            let (fraction, after) = match after.strip_prefix('.') {
                Some(after) => after.split_at(after.bytes().take_while(u8::is_ascii_digit).count()),
                None => ("", after),
            };
            if whole.is_empty() && fraction.is_empty() {
                return Err(invalid());
            }
            let value: u64 = if whole.is_empty() {
                0
            } else {
                whole.parse().map_err(|_| invalid())?
            };
            let letters = after
                .bytes()
                .take_while(|b| *b != b'.' && !b.is_ascii_digit())
                .count();
            let (unit_name, after) = after.split_at(letters);
            let unit = match unit_name {
                "" => return Err(DurationError::MissingUnit(super::layout::quote(text))),
                "ns" => 1,
                "us" | "\u{b5}s" | "\u{3bc}s" => MICROSECOND,
                "ms" => MILLISECOND,
                "s" => SECOND,
                "m" => 60 * SECOND,
                "h" => 3600 * SECOND,
                _ => {
                    let unit = super::layout::quote(unit_name);
                    return Err(DurationError::UnknownUnit {
                        unit,
                        text: super::layout::quote(text),
                    });
                }
            };
            let mut part = value
                .checked_mul(unit)
                .filter(|part| *part <= 1 << 63)
                .ok_or_else(invalid)?;
            part += fraction_of(fraction, unit);
            total = total
                .checked_add(part)
                .filter(|total| *total <= 1 << 63)
                .ok_or_else(invalid)?;
            rest = after;
        }
        match (negative, i64::try_from(total)) {
            (true, _) => Ok(Self((total as i64).wrapping_neg())),
            (false, Ok(total)) => Ok(Self(total)),
            (false, Err(_)) => Err(invalid()),
        }
    }
}

/// Digits behind a point, as nanoseconds of a unit. Digits beyond a 63-bit number are dropped.
fn fraction_of(digits: &str, unit: u64) -> u64 {
    let (mut value, mut scale) = (0u64, 1f64);
    for digit in digits.bytes() {
        let Some(next) = value
            .checked_mul(10)
            .and_then(|v| v.checked_add(u64::from(digit - b'0')))
        else {
            break;
        };
        if next > i64::MAX as u64 {
            break;
        }
        value = next;
        scale *= 10.0;
    }
    (value as f64 * (unit as f64 / scale)) as u64
}

/// As Go prints a duration: `1h1m1s`, `1.5s`, `0s`.
impl std::fmt::Display for Duration {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let amount = self.0.unsigned_abs();
        if self.0 < 0 {
            out.write_str("-")?;
        }
        if amount == 0 {
            return out.write_str("0s");
        }
        if amount < SECOND {
            let (unit, name) = match amount {
                0..MICROSECOND => (1, "ns"),
                MICROSECOND..MILLISECOND => (MICROSECOND, "µs"),
                _ => (MILLISECOND, "ms"),
            };
            return write!(out, "{}{name}", decimal(amount, unit));
        }
        let seconds = amount / SECOND;
        if seconds >= 3600 {
            write!(out, "{}h", seconds / 3600)?;
        }
        if seconds >= 60 {
            write!(out, "{}m", seconds / 60 % 60)?;
        }
        write!(out, "{}s", decimal(amount % (60 * SECOND), SECOND))
    }
}

fn decimal(amount: u64, unit: u64) -> String {
    let (whole, rest) = (amount / unit, amount % unit);
    if rest == 0 {
        return whole.to_string();
    }
    let width = unit.ilog10() as usize;
    let fraction = format!("{rest:0width$}");
    format!("{whole}.{}", fraction.trim_end_matches('0'))
}
