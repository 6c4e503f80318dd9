//! Reading a time by a Go layout.

use thiserror::Error;

use super::layout::{Element, OffsetForm, next_element, quote};
use super::{MONTHS, Time, WEEKDAYS, Zone, days_in_month};

/// Why a text does not follow a layout, in Go's words.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum TimeError {
    /// An element of the layout is not there.
    #[error("parsing time {value} as {layout}: cannot parse {rest} as {element}", value = quote(.value),
        layout = quote(.layout), rest = quote(.rest), element = quote(.element))]
    Mismatch {
        /// The whole text.
        value: String,
        /// The whole layout.
        layout: String,
        /// What was left of the text, from any byte on.
        rest: Vec<u8>,
        /// The element of the layout.
        element: String,
    },
    /// A number is out of range, or something is left over.
    #[error("parsing time {value}: {reason}", value = quote(.value))]
    Reason {
        /// The whole text.
        value: String,
        /// What is wrong with it.
        reason: String,
    },
}

#[derive(Default)]
struct Parts {
    year: i64,
    month: Option<i64>,
    day: Option<i64>,
    year_day: Option<i64>,
    hour: i64,
    minute: i64,
    second: i64,
    nanosecond: u32,
    pm: Option<bool>,
    utc: bool,
    offset: Option<i32>,
    zone_name: Option<String>,
}

/// What keeps an element from being read.
enum Fault {
    Mismatch,
    Range(&'static str),
}

impl Time {
    /// Reads `value` by `layout`; without a zone in it the time is the machine's.
    pub(crate) fn parse(layout: &str, value: &str) -> Result<Self, TimeError> {
        let mismatch = |rest: &[u8], element: &str| TimeError::Mismatch {
            value: value.to_owned(),
            layout: layout.to_owned(),
            rest: rest.to_vec(),
            element: element.to_owned(),
        };
        let reason = |reason: String| TimeError::Reason {
            value: value.to_owned(),
            reason,
        };
        let mut parts = Parts::default();
        let (mut layout_rest, mut rest) = (layout, value);
        loop {
            let cut = next_element(layout_rest);
            rest = skip(rest, cut.before).map_err(|rest| mismatch(rest, cut.before))?;
            let Some((element, text)) = cut.element else {
                if !rest.is_empty() {
                    return Err(reason(format!("extra text: {}", quote(rest))));
                }
                break;
            };
            layout_rest = cut.rest;
            rest = match parts.read(element, rest, layout_rest) {
                Ok(after) => after,
                Err(Fault::Mismatch) => return Err(mismatch(rest.as_bytes(), text)),
                Err(Fault::Range(what)) => return Err(reason(format!("{what} out of range"))),
            };
        }
        parts.into_time().map_err(|what| reason(what.to_owned()))
    }
}

impl Parts {
    fn read<'v>(
        &mut self,
        element: Element,
        value: &'v str,
        layout_rest: &str,
    ) -> Result<&'v str, Fault> {
        let mut rest = value;
        match element {
            Element::Year => {
                let (year, after) = signed(rest, 2)?;
                self.year = if year >= 69 { year + 1900 } else { year + 2000 };
                rest = after;
            }
            Element::LongYear => (self.year, rest) = fixed(rest, 4)?,
            Element::Month => {
                let (month, after) = lookup(&MONTHS, 3, rest)?;
                (self.month, rest) = (Some(month + 1), after);
            }
            Element::LongMonth => {
                let (month, after) = lookup(&MONTHS, usize::MAX, rest)?;
                (self.month, rest) = (Some(month + 1), after);
            }
            Element::NumMonth | Element::ZeroMonth => {
                let (month, after) = number(rest, element == Element::ZeroMonth)?;
                if !(1..=12).contains(&month) {
                    return Err(Fault::Range("month"));
                }
                (self.month, rest) = (Some(month), after);
            }
            Element::Weekday => (_, rest) = lookup(&WEEKDAYS, 3, rest)?,
            Element::LongWeekday => (_, rest) = lookup(&WEEKDAYS, usize::MAX, rest)?,
            Element::Day | Element::UnderDay | Element::ZeroDay => {
                if element == Element::UnderDay {
                    rest = rest.strip_prefix(' ').unwrap_or(rest);
                }
                let (day, after) = number(rest, element == Element::ZeroDay)?;
                (self.day, rest) = (Some(day), after);
            }
            Element::UnderYearDay | Element::ZeroYearDay => {
                if element == Element::UnderYearDay {
                    rest = rest.strip_prefix(' ').unwrap_or(rest);
                    rest = rest.strip_prefix(' ').unwrap_or(rest);
                }
                let digits = rest.bytes().take(3).take_while(u8::is_ascii_digit).count();
                if digits == 0 || (element == Element::ZeroYearDay && digits != 3) {
                    return Err(Fault::Mismatch);
                }
                let (day, after) = fixed(rest, digits)?;
                (self.year_day, rest) = (Some(day), after);
            }
            Element::Hour => (self.hour, rest) = ranged(number(rest, false)?, 24, "hour")?,
            Element::Hour12 | Element::ZeroHour12 => {
                (self.hour, rest) =
                    ranged(number(rest, element == Element::ZeroHour12)?, 13, "hour")?;
            }
            Element::Minute | Element::ZeroMinute => {
                (self.minute, rest) =
                    ranged(number(rest, element == Element::ZeroMinute)?, 60, "minute")?;
            }
            Element::Second | Element::ZeroSecond => {
                (self.second, rest) =
                    ranged(number(rest, element == Element::ZeroSecond)?, 60, "second")?;
                // A fraction is read even where the layout has none.
                let next = next_element(layout_rest)
                    .element
                    .map(|(element, _)| element);
                let fraction_follows = matches!(
                    next,
                    Some(Element::FractionFixed(_) | Element::FractionTrimmed(_))
                );
                if !fraction_follows {
                    rest = self.optional_fraction(rest);
                }
            }
            Element::FractionTrimmed(_) => rest = self.optional_fraction(rest),
            Element::FractionFixed(digits) => {
                let text = rest.strip_prefix(['.', ',']).ok_or(Fault::Mismatch)?;
                let (number, after) = signed(text, digits)?;
                if number < 0 {
                    return Err(Fault::Range("fractional second"));
                }
                self.nanosecond = nanoseconds(&format!("{number:0digits$}"));
                rest = after;
            }
            Element::UpperPm | Element::LowerPm => {
                let names = if element == Element::UpperPm {
                    ("AM", "PM")
                } else {
                    ("am", "pm")
                };
                (self.pm, rest) = match (rest.strip_prefix(names.0), rest.strip_prefix(names.1)) {
                    (Some(after), _) => (Some(false), after),
                    (_, Some(after)) => (Some(true), after),
                    _ => return Err(Fault::Mismatch),
                };
            }
            Element::ZoneName => {
                if let Some(after) = rest.strip_prefix("UTC") {
                    self.utc = true;
                    return Ok(after);
                }
                let length = zone_name_length(rest).ok_or(Fault::Mismatch)?;
                self.zone_name = Some(rest[..length].to_owned());
                rest = &rest[length..];
            }
            Element::Offset { zulu, form } => {
                if let (true, Some(after)) = (zulu, rest.strip_prefix('Z')) {
                    self.utc = true;
                    return Ok(after);
                }
                let (offset, after) = read_offset(rest, form)?;
                (self.offset, rest) = (Some(offset), after);
            }
        }
        Ok(rest)
    }

    fn optional_fraction<'v>(&mut self, value: &'v str) -> &'v str {
        let Some(text) = value.strip_prefix(['.', ',']) else {
            return value;
        };
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        if digits == 0 {
            return value;
        }
        self.nanosecond = nanoseconds(&text[..digits]);
        &text[digits..]
    }

    fn into_time(mut self) -> Result<Time, &'static str> {
        match self.pm {
            Some(true) if self.hour < 12 => self.hour += 12,
            Some(false) if self.hour == 12 => self.hour = 0,
            _ => {}
        }
        let (month, day) = match self.year_day {
            None => (self.month.unwrap_or(1), self.day.unwrap_or(1)),
            Some(year_day) => {
                let mut month = 1;
                let mut day = year_day;
                while month <= 12 && day > days_in_month(self.year, month) {
                    day -= days_in_month(self.year, month);
                    month += 1;
                }
                if day < 1 || month > 12 {
                    return Err("day-of-year out of range");
                }
                if self.month.is_some_and(|given| given != month) {
                    return Err("day-of-year does not match month");
                }
                if self.day.is_some_and(|given| given != day) {
                    return Err("day-of-year does not match day");
                }
                (month, day)
            }
        };
        if day < 1 || day > days_in_month(self.year, month) {
            return Err("day out of range");
        }
        let zone = if self.utc {
            Zone::utc()
        } else if let Some(offset) = self.offset {
            match (offset, self.zone_name.as_deref()) {
                (0, None | Some("UTC")) => Zone::local(),
                (_, name) => Zone::fixed(name.unwrap_or_default(), offset),
            }
        } else if let Some(name) = self.zone_name {
            // A name alone says nothing about the offset, save for GMT+3 and its like. The clock is taken as UTC.
            let hours: i32 = name
                .strip_prefix("GMT")
                .and_then(|hours| hours.parse().ok())
                .unwrap_or(0);
            let zone = Zone::fixed(&name, hours * 3600);
            let utc = self.nanosecond;
            let mut time = Time::from_civil(
                self.year,
                month,
                day,
                self.hour,
                self.minute,
                self.second,
                utc,
                Zone::utc(),
            );
            time.zone = zone;
            return Ok(time);
        } else {
            Zone::local()
        };
        Ok(Time::from_civil(
            self.year,
            month,
            day,
            self.hour,
            self.minute,
            self.second,
            self.nanosecond,
            zone,
        ))
    }
}

/// Skips the text between two elements; a space in it stands for any number of spaces. What does not match is told
/// from the byte on at which it differs, be it within a character.
fn skip<'v>(value: &'v str, prefix: &str) -> Result<&'v str, &'v [u8]> {
    let (mut rest, mut prefix) = (value.as_bytes(), prefix.as_bytes());
    while let Some((byte, after)) = prefix.split_first() {
        if *byte == b' ' {
            if !rest.is_empty() && rest[0] != b' ' {
                return Err(rest);
            }
            prefix = without_spaces(prefix);
            rest = without_spaces(rest);
            continue;
        }
        rest = rest.strip_prefix(&[*byte]).ok_or(rest)?;
        prefix = after;
    }
    Ok(&value[value.len() - rest.len()..])
}

fn without_spaces(text: &[u8]) -> &[u8] {
    &text[text.iter().take_while(|byte| **byte == b' ').count()..]
}

/// Go's `Atoi` of the first bytes, which may begin with a sign.
fn signed(text: &str, length: usize) -> Result<(i64, &str), Fault> {
    let head = text.get(..length).ok_or(Fault::Mismatch)?;
    let digits = head.strip_prefix(['-', '+']).unwrap_or(head);
    let (number, _) = fixed(digits, digits.len())?;
    if digits.is_empty() {
        return Err(Fault::Mismatch);
    }
    let number = if head.starts_with('-') {
        -number
    } else {
        number
    };
    Ok((number, &text[length..]))
}

fn fixed(text: &str, digits: usize) -> Result<(i64, &str), Fault> {
    let head = text.get(..digits).ok_or(Fault::Mismatch)?;
    if !head.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Fault::Mismatch);
    }
    Ok((
        head.bytes()
            .fold(0i64, |sum, b| sum.saturating_mul(10) + i64::from(b - b'0')),
        &text[digits..],
    ))
}

/// One or two digits, or exactly two.
fn number(text: &str, two_digits: bool) -> Result<(i64, &str), Fault> {
    match text.bytes().take(2).take_while(u8::is_ascii_digit).count() {
        2 => fixed(text, 2),
        1 if !two_digits => fixed(text, 1),
        _ => Err(Fault::Mismatch),
    }
}

fn ranged<'v>(
    (value, rest): (i64, &'v str),
    end: i64,
    what: &'static str,
) -> Result<(i64, &'v str), Fault> {
    if value < end {
        Ok((value, rest))
    } else {
        Err(Fault::Range(what))
    }
}

/// A name from a table, letter case ignored, of which only the first letters may count.
fn lookup<'v>(names: &[&str], letters: usize, value: &'v str) -> Result<(i64, &'v str), Fault> {
    for (index, name) in (0i64..).zip(names) {
        let name = name.get(..letters).unwrap_or(name);
        if value
            .get(..name.len())
            .is_some_and(|head| head.eq_ignore_ascii_case(name))
        {
            return Ok((index, &value[name.len()..]));
        }
    }
    Err(Fault::Mismatch)
}

fn nanoseconds(digits: &str) -> u32 {
    let padded = format!("{digits:0<9}");
    padded
        .get(..9)
        .and_then(|digits| digits.parse().ok())
        .unwrap_or(0)
}

fn read_offset(text: &str, form: OffsetForm) -> Result<(i32, &str), Fault> {
    let length = match form {
        OffsetForm::Minutes => 5,
        OffsetForm::ColonMinutes => 6,
        OffsetForm::Hours => 3,
        OffsetForm::Seconds => 7,
        OffsetForm::ColonSeconds => 9,
    };
    let head = text
        .get(..length)
        .filter(|head| head.is_ascii())
        .ok_or(Fault::Mismatch)?;
    let (sign, digits) = head.split_at(1);
    let digits = match form {
        OffsetForm::ColonMinutes if digits.as_bytes().get(2) == Some(&b':') => {
            digits.replace(':', "")
        }
        OffsetForm::ColonSeconds
            if digits.as_bytes().get(2) == Some(&b':')
                && digits.as_bytes().get(5) == Some(&b':') =>
        {
            digits.replace(':', "")
        }
        OffsetForm::ColonMinutes | OffsetForm::ColonSeconds => return Err(Fault::Mismatch),
        _ => digits.to_owned(),
    };
    // Behind a part that is no number the others are not looked at.
    let mut is_number = true;
    let mut part = |at: usize| match digits.get(at..at + 2).map(|two| number(two, true)) {
        Some(Ok((value, _))) if is_number => value as i32,
        Some(_) => {
            is_number = false;
            0
        }
        None => 0,
    };
    let (hour, minute, second) = (part(0), part(2), part(4));
    // Of several that are out of range the last one is told, and any other mistake only when none is.
    if second > 60 {
        return Err(Fault::Range("time zone offset second"));
    }
    if minute > 60 {
        return Err(Fault::Range("time zone offset minute"));
    }
    if hour > 24 {
        return Err(Fault::Range("time zone offset hour"));
    }
    let offset = (hour * 60 + minute) * 60 + second;
    match sign {
        _ if !is_number => Err(Fault::Mismatch),
        "+" => Ok((offset, &text[length..])),
        "-" => Ok((-offset, &text[length..])),
        _ => Err(Fault::Mismatch),
    }
}

/// How much of the text looks like the abbreviation of a time zone.
fn zone_name_length(text: &str) -> Option<usize> {
    if text.starts_with("ChST") || text.starts_with("MeST") {
        return Some(4);
    }
    if let Some(offset) = text.strip_prefix("GMT") {
        return Some(3 + signed_hours_length(offset));
    }
    if text.starts_with(['+', '-']) && text.len() >= 3 {
        return Some(signed_hours_length(text)).filter(|length| *length > 0);
    }
    match text
        .bytes()
        .take(6)
        .take_while(u8::is_ascii_uppercase)
        .count()
    {
        5 if text.as_bytes().get(4) == Some(&b'T') => Some(5),
        4 if text.as_bytes().get(3) == Some(&b'T') || text.starts_with("WITA") => Some(4),
        3 => Some(3),
        _ => None,
    }
}

fn signed_hours_length(text: &str) -> usize {
    if !text.starts_with(['+', '-']) {
        return 0;
    }
    let digits = text[1..].bytes().take_while(u8::is_ascii_digit).count();
    match text[1..=digits].parse::<u64>() {
        Ok(0..=23) => 1 + digits,
        _ => 0,
    }
}
