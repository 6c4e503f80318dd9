//! Go's time layouts, in which `2006-01-02 15:04:05 MST` is the example to follow, and writing by them.

use std::fmt::Write as _;

use super::{MONTHS, Time, WEEKDAYS};

/// One element of a layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Element {
    LongMonth,
    Month,
    NumMonth,
    ZeroMonth,
    LongWeekday,
    Weekday,
    Day,
    UnderDay,
    ZeroDay,
    UnderYearDay,
    ZeroYearDay,
    Hour,
    Hour12,
    ZeroHour12,
    Minute,
    ZeroMinute,
    Second,
    ZeroSecond,
    LongYear,
    Year,
    UpperPm,
    LowerPm,
    ZoneName,
    Offset {
        zulu: bool,
        form: OffsetForm,
    },
    /// As many digits as written, behind a point or comma.
    FractionFixed(usize),
    /// At most so many digits, without trailing zeros.
    FractionTrimmed(usize),
}

/// How an offset from UTC is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OffsetForm {
    /// `-0700`
    Minutes,
    /// `-07:00`
    ColonMinutes,
    /// `-07`
    Hours,
    /// `-070000`
    Seconds,
    /// `-07:00:00`
    ColonSeconds,
}

const OFFSETS: [(&str, OffsetForm); 5] = [
    ("070000", OffsetForm::Seconds),
    ("07:00:00", OffsetForm::ColonSeconds),
    ("0700", OffsetForm::Minutes),
    ("07:00", OffsetForm::ColonMinutes),
    ("07", OffsetForm::Hours),
];

/// A layout cut at its first element: text before it, the element with its text, and the rest.
pub(super) struct Cut<'l> {
    pub(super) before: &'l str,
    pub(super) element: Option<(Element, &'l str)>,
    pub(super) rest: &'l str,
}

pub(super) fn next_element(layout: &str) -> Cut<'_> {
    for at in layout.char_indices().map(|(at, _)| at) {
        if let Some((element, skipped, length)) = element_at(&layout[at..]) {
            let start = at + skipped;
            return Cut {
                before: &layout[..start],
                element: Some((element, &layout[start..start + length])),
                rest: &layout[start + length..],
            };
        }
    }
    Cut {
        before: layout,
        element: None,
        rest: "",
    }
}

/// The element that `text` begins with: itself, the bytes before it that are plain after all, and its length.
fn element_at(text: &str) -> Option<(Element, usize, usize)> {
    let lower = |at: usize| text.as_bytes().get(at).is_some_and(u8::is_ascii_lowercase);
    let whole = |element, length| Some((element, 0, length));
    match text.as_bytes() {
        [b'J', ..] if text.starts_with("January") => whole(Element::LongMonth, 7),
        [b'J', ..] if text.starts_with("Jan") && !lower(3) => whole(Element::Month, 3),
        [b'M', ..] if text.starts_with("Monday") => whole(Element::LongWeekday, 6),
        [b'M', ..] if text.starts_with("Mon") && !lower(3) => whole(Element::Weekday, 3),
        [b'M', ..] if text.starts_with("MST") => whole(Element::ZoneName, 3),
        [b'0', b'0', b'2', ..] => whole(Element::ZeroYearDay, 3),
        [b'0', b'1', ..] => whole(Element::ZeroMonth, 2),
        [b'0', b'2', ..] => whole(Element::ZeroDay, 2),
        [b'0', b'3', ..] => whole(Element::ZeroHour12, 2),
        [b'0', b'4', ..] => whole(Element::ZeroMinute, 2),
        [b'0', b'5', ..] => whole(Element::ZeroSecond, 2),
        [b'0', b'6', ..] => whole(Element::Year, 2),
        [b'1', b'5', ..] => whole(Element::Hour, 2),
        [b'1', ..] => whole(Element::NumMonth, 1),
        [b'2', b'0', b'0', b'6', ..] => whole(Element::LongYear, 4),
        [b'2', ..] => whole(Element::Day, 1),
        [b'_', b'_', b'2', ..] => whole(Element::UnderYearDay, 3),
        [b'_', b'2', b'0', b'0', b'6', ..] => Some((Element::LongYear, 1, 4)),
        [b'_', b'2', ..] => whole(Element::UnderDay, 2),
        [b'3', ..] => whole(Element::Hour12, 1),
        [b'4', ..] => whole(Element::Minute, 1),
        [b'5', ..] => whole(Element::Second, 1),
        [b'P', b'M', ..] => whole(Element::UpperPm, 2),
        [b'p', b'm', ..] => whole(Element::LowerPm, 2),
        [sign @ (b'-' | b'Z'), ..] => OFFSETS.iter().find_map(|(digits, form)| {
            let found = text[1..].starts_with(digits);
            found.then_some((
                Element::Offset {
                    zulu: *sign == b'Z',
                    form: *form,
                },
                0,
                digits.len() + 1,
            ))
        }),
        [b'.' | b',', digit @ (b'0' | b'9'), ..] => {
            let count = text[1..].bytes().take_while(|b| b == digit).count();
            if text
                .as_bytes()
                .get(1 + count)
                .is_some_and(u8::is_ascii_digit)
            {
                return None;
            }
            let element = if *digit == b'0' {
                Element::FractionFixed(count)
            } else {
                Element::FractionTrimmed(count)
            };
            whole(element, count + 1)
        }
        _ => None,
    }
}

impl Time {
    /// The time as the layout shows it.
    pub(crate) fn format(&self, layout: &str) -> String {
        let mut out = String::new();
        let mut rest = layout;
        loop {
            let cut = next_element(rest);
            out.push_str(cut.before);
            let Some((element, text)) = cut.element else {
                return out;
            };
            self.format_element(element, text, &mut out);
            rest = cut.rest;
        }
    }

    fn format_element(&self, element: Element, text: &str, out: &mut String) {
        let civil = self.civil();
        let hour12 = if civil.hour.is_multiple_of(12) {
            12
        } else {
            civil.hour % 12
        };
        let name =
            |names: &[&'static str], at: u32| names.get(at as usize).copied().unwrap_or_default();
        let _ = match element {
            Element::LongMonth => write!(out, "{}", name(&MONTHS, civil.month - 1)),
            Element::Month => write!(out, "{:.3}", name(&MONTHS, civil.month - 1)),
            Element::NumMonth => write!(out, "{}", civil.month),
            Element::ZeroMonth => write!(out, "{:02}", civil.month),
            Element::LongWeekday => write!(out, "{}", name(&WEEKDAYS, civil.weekday)),
            Element::Weekday => write!(out, "{:.3}", name(&WEEKDAYS, civil.weekday)),
            Element::Day => write!(out, "{}", civil.day),
            Element::UnderDay => write!(out, "{:2}", civil.day),
            Element::ZeroDay => write!(out, "{:02}", civil.day),
            Element::UnderYearDay => write!(out, "{:3}", civil.year_day),
            Element::ZeroYearDay => write!(out, "{:03}", civil.year_day),
            Element::Hour => write!(out, "{:02}", civil.hour),
            Element::Hour12 => write!(out, "{hour12}"),
            Element::ZeroHour12 => write!(out, "{hour12:02}"),
            Element::Minute => write!(out, "{}", civil.minute),
            Element::ZeroMinute => write!(out, "{:02}", civil.minute),
            Element::Second => write!(out, "{}", civil.second),
            Element::ZeroSecond => write!(out, "{:02}", civil.second),
            Element::LongYear if civil.year < 0 => write!(out, "-{:04}", -civil.year),
            Element::LongYear => write!(out, "{:04}", civil.year),
            Element::Year => write!(out, "{:02}", civil.year.rem_euclid(100)),
            Element::UpperPm => write!(out, "{}", if civil.hour >= 12 { "PM" } else { "AM" }),
            Element::LowerPm => write!(out, "{}", if civil.hour >= 12 { "pm" } else { "am" }),
            Element::ZoneName => write!(out, "{}", self.zone_name()),
            Element::Offset { zulu: true, .. } if self.zone_offset() == 0 => write!(out, "Z"),
            Element::Offset { form, .. } => write!(out, "{}", offset(self.zone_offset(), form)),
            Element::FractionFixed(digits) => write!(out, "{}", self.fraction(text, digits)),
            Element::FractionTrimmed(digits) => {
                let fraction = self.fraction(text, digits);
                write!(
                    out,
                    "{}",
                    fraction.trim_end_matches('0').trim_end_matches(['.', ','])
                )
            }
        };
    }

    fn fraction(&self, text: &str, digits: usize) -> String {
        let nanoseconds = format!("{:09}", self.nanosecond());
        format!(
            "{}{:0<digits$.digits$}",
            text.get(..1).unwrap_or("."),
            nanoseconds
        )
    }
}

fn offset(seconds: i32, form: OffsetForm) -> String {
    let sign = if seconds < 0 { '-' } else { '+' };
    let seconds = seconds.unsigned_abs();
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match form {
        OffsetForm::Minutes => format!("{sign}{hour:02}{minute:02}"),
        OffsetForm::ColonMinutes => format!("{sign}{hour:02}:{minute:02}"),
        OffsetForm::Hours => format!("{sign}{hour:02}"),
        OffsetForm::Seconds => format!("{sign}{hour:02}{minute:02}{second:02}"),
        OffsetForm::ColonSeconds => format!("{sign}{hour:02}:{minute:02}:{second:02}"),
    }
}

/// `+0330`, which stands for the name of a zone that has none.
pub(super) fn offset_digits(seconds: i32) -> String {
    offset(seconds, OffsetForm::Minutes)
}

/// Quotes a text as the messages of Go's time package do: everything beyond ASCII byte by byte.
pub(super) fn quote(text: impl AsRef<[u8]>) -> String {
    let mut out = String::from("\"");
    for byte in text.as_ref() {
        match byte {
            b'"' | b'\\' => {
                out.push('\\');
                out.push(char::from(*byte));
            }
            b' '..=b'~' => out.push(char::from(*byte)),
            _ => {
                let _ = write!(out, "\\x{byte:02x}");
            }
        }
    }
    out.push('"');
    out
}
