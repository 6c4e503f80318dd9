//! Durations as Vault's files write them: a number of seconds, or a text such as `1m30s`.

use std::time::Duration;

/// What a duration may look like, for messages.
pub const ACCEPTED: &str =
    "a number of seconds or a text of numbers with units such as `90s`, `1m30s`, `500ms`, `2h`";

/// Reads a duration: a number of seconds (`90`, `1.5`), a text with Go's units (`ns us µs ms s m
/// h`, fractions allowed) or whole days (`2d`).
///
/// `None` for anything else, for negative durations and for those beyond 290 years.
#[must_use]
pub fn parse(text: &str) -> Option<Duration> {
    let text = text.trim();
    let text = text.strip_prefix('+').unwrap_or(text);
    if text.is_empty() || text.starts_with(['-', '+']) {
        return None;
    }
    if let Some(nanos) = amount(text, NANOS_PER_SECOND) {
        return bounded(nanos);
    }
    if let Some(days) = text.strip_suffix('d')
        && days.bytes().all(|b| b.is_ascii_digit())
    {
        return bounded(amount(days, 86_400 * NANOS_PER_SECOND)?);
    }
    let mut total: u128 = 0;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at_checked(digits)?;
        let unit_end = after
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(after.len());
        let (unit, next) = after.split_at_checked(unit_end)?;
        let scale = match unit {
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => NANOS_PER_SECOND,
            "m" => 60 * NANOS_PER_SECOND,
            "h" => 3_600 * NANOS_PER_SECOND,
            _ => return None,
        };
        total = total.checked_add(amount(number, scale)?)?;
        rest = next;
    }
    bounded(total)
}

/// Writes a duration so that [`parse`] and Go's reader give it back: the largest unit that divides
/// it, of `h`, `m`, `s`, `ms`, `us`, `ns`.
#[must_use]
pub fn write(duration: Duration) -> String {
    let nanos = duration.as_nanos();
    for (scale, unit) in [
        (3_600 * NANOS_PER_SECOND, "h"),
        (60 * NANOS_PER_SECOND, "m"),
        (NANOS_PER_SECOND, "s"),
        (1_000_000, "ms"),
        (1_000, "us"),
    ] {
        if nanos.is_multiple_of(scale) && nanos > 0 {
            return format!("{}{unit}", nanos / scale);
        }
    }
    if nanos == 0 {
        "0s".to_owned()
    } else {
        format!("{nanos}ns")
    }
}

const NANOS_PER_SECOND: u128 = 1_000_000_000;

/// A decimal number times `scale`, in whole nanoseconds.
fn amount(number: &str, scale: u128) -> Option<u128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    if !whole
        .bytes()
        .chain(fraction.bytes())
        .all(|b| b.is_ascii_digit())
    {
        return None;
    }
    let whole: u128 = if whole.is_empty() {
        0
    } else {
        whole.parse().ok()?
    };
    let mut nanos = whole.checked_mul(scale)?;
    let mut place = scale;
    for digit in fraction.chars() {
        place /= 10;
        nanos = nanos.checked_add(u128::from(digit.to_digit(10)?) * place)?;
    }
    Some(nanos)
}

/// Go's durations are 64-bit nanoseconds; nothing longer can have been meant.
fn bounded(nanos: u128) -> Option<Duration> {
    let nanos = u64::try_from(nanos)
        .ok()
        .filter(|n| i64::try_from(*n).is_ok())?;
    Some(Duration::from_nanos(nanos))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_seconds_or_go_texts() {
        for (text, expected) in [
            ("90", Some(Duration::from_secs(90))),
            ("0", Some(Duration::ZERO)),
            ("1.5", Some(Duration::from_millis(1500))),
            ("90s", Some(Duration::from_secs(90))),
            ("1m30s", Some(Duration::from_secs(90))),
            ("1h2m3.5s", Some(Duration::from_millis(3_723_500))),
            (".5s", Some(Duration::from_millis(500))),
            ("5.s", Some(Duration::from_secs(5))),
            ("100µs", Some(Duration::from_micros(100))),
            ("100us", Some(Duration::from_micros(100))),
            ("7ns", Some(Duration::from_nanos(7))),
            ("2d", Some(Duration::from_secs(172_800))),
            ("+3s", Some(Duration::from_secs(3))),
            ("", None),
            ("-1s", None),
            ("s", None),
            (".s", None),
            ("1", Some(Duration::from_secs(1))),
            ("1x", None),
            ("1s2", None),
            ("soon", None),
            ("99999999999h", None),
        ] {
            assert_eq!(parse(text), expected, "{text:?}");
        }
    }

    #[test]
    fn a_written_duration_reads_back() {
        for (duration, text) in [
            (Duration::ZERO, "0s"),
            (Duration::from_secs(90), "90s"),
            (Duration::from_secs(300), "5m"),
            (Duration::from_secs(7200), "2h"),
            (Duration::from_millis(500), "500ms"),
            (Duration::from_nanos(1_000_000_001), "1000000001ns"),
        ] {
            assert_eq!(write(duration), text);
            assert_eq!(parse(text), Some(duration));
        }
    }
}
