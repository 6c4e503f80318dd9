//! Go's `time.Time` and `time.Duration` as far as templates see them: calendar arithmetic, layouts, printing.
//! There is no clock here and no time zone data: the present comes from the `Host`, local time is UTC.

mod duration;
mod layout;
mod parse;

pub(crate) use duration::Duration;

/// Names of the months, January first.
pub(crate) const MONTHS: [&str; 12] = [
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
/// Names of the days of the week, Sunday first.
pub(crate) const WEEKDAYS: [&str; 7] = [
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
];

const DAY: i64 = 86_400;
/// Seconds from 0001-01-01 to 1970-01-01, both at midnight UTC.
const ZERO_TO_UNIX: i64 = 62_135_596_800;

/// An offset from UTC with its name; UTC has the name `UTC`, an offset that was only a number has none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Zone {
    name: String,
    offset: i32,
    /// Whether it is the machine's own, which is UTC here by another name.
    is_local: bool,
}

impl Zone {
    /// Universal time.
    pub(crate) fn utc() -> Self {
        Self {
            name: "UTC".to_owned(),
            offset: 0,
            is_local: false,
        }
    }

    /// The machine's time, which is taken to be universal.
    pub(crate) fn local() -> Self {
        Self {
            is_local: true,
            ..Self::utc()
        }
    }

    /// A zone at `offset` seconds east of UTC.
    pub(crate) fn fixed(name: &str, offset: i32) -> Self {
        Self {
            name: name.to_owned(),
            offset,
            is_local: false,
        }
    }

    /// What Go calls the location.
    pub(crate) fn place(&self) -> &str {
        if self.is_local { "Local" } else { &self.name }
    }

    /// Whether this is universal time itself, and no other zone that happens to be the same.
    pub(crate) fn is_utc(&self) -> bool {
        self.place() == "UTC"
    }
}

/// An instant with a zone to show it in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Time {
    /// Seconds since 1970.
    unix: i64,
    nanosecond: u32,
    zone: Zone,
}

/// A day and a time of day, in the time's own zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Civil {
    /// Year; may be negative.
    pub(crate) year: i64,
    /// Month, 1 to 12.
    pub(crate) month: u32,
    /// Day of the month, from 1.
    pub(crate) day: u32,
    /// Hour, 0 to 23.
    pub(crate) hour: u32,
    /// Minute, 0 to 59.
    pub(crate) minute: u32,
    /// Second, 0 to 59.
    pub(crate) second: u32,
    /// Day of the year, from 1.
    pub(crate) year_day: u32,
    /// Day of the week, 0 is Sunday.
    pub(crate) weekday: u32,
}

impl Time {
    /// Go's zero time, 0001-01-01 00:00 UTC.
    pub(crate) fn zero() -> Self {
        Self::from_unix(-ZERO_TO_UNIX, 0)
    }

    /// The instant so many seconds after 1970, in UTC.
    pub(crate) fn from_unix(seconds: i64, nanosecond: u32) -> Self {
        Self {
            unix: seconds,
            nanosecond: nanosecond.min(999_999_999),
            zone: Zone::utc(),
        }
    }

    /// A day and time of day in a zone. Parts out of range carry over, as in Go's `Date`.
    #[expect(
        clippy::too_many_arguments,
        reason = "a date has this many parts, and each call names them in order"
    )]
    pub(crate) fn from_civil(
        year: i64,
        month: i64,
        day: i64,
        hour: i64,
        minute: i64,
        second: i64,
        nanosecond: u32,
        zone: Zone,
    ) -> Self {
        let months = year.saturating_mul(12).saturating_add(month - 1);
        let days = days_from_civil(months.div_euclid(12), months.rem_euclid(12) + 1)
            .saturating_add(day - 1);
        let unix = days
            .saturating_mul(DAY)
            .saturating_add(hour.saturating_mul(3600))
            .saturating_add(minute.saturating_mul(60))
            .saturating_add(second)
            .saturating_sub(i64::from(zone.offset));
        Self {
            unix,
            nanosecond,
            zone,
        }
    }

    /// Seconds since 1970.
    pub(crate) fn unix(&self) -> i64 {
        self.unix
    }

    /// Nanoseconds within the second.
    pub(crate) fn nanosecond(&self) -> u32 {
        self.nanosecond
    }

    /// Whether this is Go's zero time.
    pub(crate) fn is_zero(&self) -> bool {
        self.unix == -ZERO_TO_UNIX && self.nanosecond == 0
    }

    /// The same instant in UTC.
    pub(crate) fn utc(&self) -> Self {
        Self {
            zone: Zone::utc(),
            ..self.clone()
        }
    }

    /// The name of the zone; an unnamed one is named by its offset.
    pub(crate) fn zone_name(&self) -> String {
        if self.zone.name.is_empty() {
            layout::offset_digits(self.zone.offset)
        } else {
            self.zone.name.clone()
        }
    }

    /// Seconds east of UTC.
    pub(crate) fn zone_offset(&self) -> i32 {
        self.zone.offset
    }

    /// The zone.
    pub(crate) fn zone(&self) -> &Zone {
        &self.zone
    }

    /// The same instant in another zone.
    pub(crate) fn in_zone(&self, zone: Zone) -> Self {
        Self {
            zone,
            ..self.clone()
        }
    }

    /// Seconds since the zero time.
    pub(crate) fn since_year_one(&self) -> i64 {
        self.unix.saturating_add(ZERO_TO_UNIX)
    }

    /// The expression that makes the time in Go.
    pub(crate) fn to_go(&self) -> String {
        let civil = self.civil();
        let month = MONTHS
            .get(civil.month as usize - 1)
            .copied()
            .unwrap_or_default();
        let place = match self.zone.place() {
            place @ ("UTC" | "Local") => format!("time.{place}"),
            name => format!("time.Location({})", layout::quote(name)),
        };
        format!(
            "time.Date({}, time.{month}, {}, {}, {}, {}, {}, {place})",
            civil.year, civil.day, civil.hour, civil.minute, civil.second, self.nanosecond
        )
    }

    /// The day and time of day in the time's zone.
    pub(crate) fn civil(&self) -> Civil {
        let local = self.unix.saturating_add(i64::from(self.zone.offset));
        let days = local.div_euclid(DAY);
        let second = local.rem_euclid(DAY) as u32;
        let (year, month, day) = civil_from_days(days);
        let year_day = days - days_from_civil(year, 1) + 1;
        Civil {
            year,
            month,
            day,
            hour: second / 3600,
            minute: second / 60 % 60,
            second: second % 60,
            year_day: year_day as u32,
            weekday: (days + 4).rem_euclid(7) as u32,
        }
    }

    /// The instant a duration later.
    pub(crate) fn plus(&self, duration: Duration) -> Self {
        let total = i64::from(self.nanosecond) + duration.nanoseconds() % 1_000_000_000;
        let carried = self
            .plus_seconds(duration.nanoseconds() / 1_000_000_000 + total.div_euclid(1_000_000_000));
        Self {
            nanosecond: total.rem_euclid(1_000_000_000) as u32,
            ..carried
        }
    }

    fn plus_seconds(&self, seconds: i64) -> Self {
        Self {
            unix: self.unix.saturating_add(seconds),
            ..self.clone()
        }
    }

    /// The same time of day so many years, months and days later; days out of range carry over.
    pub(crate) fn plus_date(&self, years: i64, months: i64, days: i64) -> Self {
        let civil = self.civil();
        Self::from_civil(
            civil.year.saturating_add(years),
            i64::from(civil.month).saturating_add(months),
            i64::from(civil.day).saturating_add(days),
            i64::from(civil.hour),
            i64::from(civil.minute),
            i64::from(civil.second),
            self.nanosecond,
            self.zone.clone(),
        )
    }

    /// The time from `earlier` to this, as long as a duration can be.
    pub(crate) fn since(&self, earlier: &Self) -> Duration {
        let seconds = i128::from(self.unix) - i128::from(earlier.unix);
        let nanoseconds =
            seconds * 1_000_000_000 + i128::from(self.nanosecond) - i128::from(earlier.nanosecond);
        Duration::from_nanoseconds(nanoseconds.clamp(i64::MIN.into(), i64::MAX.into()) as i64)
    }

    /// Rounds down, or to the nearest, multiple of a duration since the zero time.
    pub(crate) fn truncated(&self, step: Duration, rounding: Rounding) -> Self {
        let step = i128::from(step.nanoseconds());
        if step <= 0 {
            return self.clone();
        }
        let total =
            i128::from(self.unix + ZERO_TO_UNIX) * 1_000_000_000 + i128::from(self.nanosecond);
        let rest = total.rem_euclid(step);
        let up = rounding == Rounding::Nearest && rest * 2 >= step;
        let total = total - rest + if up { step } else { 0 };
        let unix = total.div_euclid(1_000_000_000) as i64 - ZERO_TO_UNIX;
        Self {
            unix,
            nanosecond: total.rem_euclid(1_000_000_000) as u32,
            ..self.clone()
        }
    }

    /// Whether both are the same instant, whatever their zones.
    pub(crate) fn is_same_instant(&self, other: &Self) -> bool {
        self.instant() == other.instant()
    }

    /// Whether this comes before the other.
    pub(crate) fn is_before(&self, other: &Self) -> bool {
        self.instant() < other.instant()
    }

    fn instant(&self) -> (i64, u32) {
        (self.unix, self.nanosecond)
    }
}

/// How `Time::truncated` rounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rounding {
    /// Towards the past.
    Down,
    /// To the nearest; a half goes up.
    Nearest,
}

/// As Go prints a time: `2024-02-29 00:00:00 +0000 UTC`.
impl std::fmt::Display for Time {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.format("2006-01-02 15:04:05.999999999 -0700 MST"))
    }
}

/// Days from 1970-01-01 to the first of a month.
fn days_from_civil(year: i64, month: i64) -> i64 {
    // Years begin in March, so that the leap day comes last.
    let shifted = if month <= 2 {
        year.saturating_sub(1)
    } else {
        year
    };
    let era = shifted.div_euclid(400);
    let year_of_era = shifted.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era.saturating_mul(146_097)
        .saturating_add(day_of_era - 719_468)
}

fn civil_from_days(days: i64) -> (i64, u32, u32) {
    let shifted = days.saturating_add(719_468);
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month as u32, day as u32)
}

fn days_in_month(year: i64, month: i64) -> i64 {
    let next = if month == 12 {
        days_from_civil(year + 1, 1)
    } else {
        days_from_civil(year, month + 1)
    };
    next - days_from_civil(year, month)
}

#[cfg(test)]
mod tests;
