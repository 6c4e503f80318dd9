//! How the named integer types print themselves: durations, months, weekdays.

use crate::go::IntType;

/// What the type's `String` method gives, if it has one.
pub(crate) fn text(kind: IntType, number: i64) -> Option<String> {
    const MONTHS: [&str; 12] = [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ];
    const DAYS: [&str; 7] = [
        "Sunday",
        "Monday",
        "Tuesday",
        "Wednesday",
        "Thursday",
        "Friday",
        "Saturday",
    ];
    let at = |index: i64| usize::try_from(index).ok();
    let name = match kind {
        IntType::Duration => return Some(duration(number)),
        IntType::Month => at(number - 1).and_then(|index| MONTHS.get(index)),
        IntType::Weekday => at(number).and_then(|index| DAYS.get(index)),
        _ => return None,
    };
    Some(match (name, kind) {
        (Some(name), _) => (*name).to_owned(),
        (None, IntType::Month) => format!("%!Month({number})"),
        (None, _) => format!("%!Weekday({number})"),
    })
}

/// A duration in nanoseconds as Go prints it: `1h2m3.5s`, `15ms`, `0s`.
pub fn duration(nanoseconds: i64) -> String {
    let sign = if nanoseconds < 0 { "-" } else { "" };
    let total = nanoseconds.unsigned_abs();
    if total == 0 {
        return "0s".to_owned();
    }
    if total < 1_000_000_000 {
        let (unit, size) = match total {
            0..1_000 => ("ns", 1),
            1_000..1_000_000 => ("µs", 1_000),
            _ => ("ms", 1_000_000),
        };
        return format!("{sign}{}{unit}", decimal(total, size));
    }
    let minutes = total / 60_000_000_000;
    let seconds = decimal(total % 60_000_000_000, 1_000_000_000);
    match (minutes / 60, minutes % 60) {
        (0, 0) => format!("{sign}{seconds}s"),
        (0, minutes) => format!("{sign}{minutes}m{seconds}s"),
        (hours, minutes) => format!("{sign}{hours}h{minutes}m{seconds}s"),
    }
}

/// `total / size` with all its decimals, and without trailing zeros.
fn decimal(total: u64, size: u64) -> String {
    let (whole, fraction) = (total / size, total % size);
    if fraction == 0 {
        return whole.to_string();
    }
    let digits = size.ilog10() as usize;
    let fraction = format!("{fraction:0digits$}");
    format!("{whole}.{}", fraction.trim_end_matches('0'))
}
