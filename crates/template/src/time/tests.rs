//! Layouts, durations and calendar arithmetic as recorded from Go.

use super::*;

#[test]
fn layouts_print_as_go_does() {
    let time = Time::from_civil(
        2024,
        2,
        29,
        13,
        4,
        5,
        678_000_000,
        Zone::fixed("", 3 * 3600 + 1800),
    );
    for (layout, text) in [
        ("2006-01-02T15:04:05Z07:00", "2024-02-29T13:04:05+03:30"),
        (
            "Mon, 02 Jan 2006 15:04:05 MST",
            "Thu, 29 Feb 2024 13:04:05 +0330",
        ),
        (
            "Monday January _2 06 3:4:5pm",
            "Thursday February 29 24 1:4:5pm",
        ),
        ("002 __2 .000 ,999999", "060  60 .678 ,678"),
        ("03:04PM -0700 -07 Z0700", "01:04PM +0330 +03 +0330"),
        ("Janet Month no digits", "Janet Month no digits"),
    ] {
        assert_eq!(time.format(layout), text, "{layout}");
    }
    assert_eq!(time.utc().to_string(), "2024-02-29 09:34:05.678 +0000 UTC");
    assert_eq!(Time::zero().to_string(), "0001-01-01 00:00:00 +0000 UTC");
}

#[test]
fn texts_are_read_by_layouts() {
    for (layout, text, shown) in [
        ("2006-01-02", "2024-02-29", "2024-02-29 00:00:00 +0000 UTC"),
        (
            "2006-01-02T15:04:05Z07:00",
            "2024-02-29T10:20:30.5+02:00",
            "2024-02-29 10:20:30.5 +0200 +0200",
        ),
        (
            "2006-01-02T15:04:05Z07:00",
            "2024-02-29T10:20:30Z",
            "2024-02-29 10:20:30 +0000 UTC",
        ),
        (
            "Jan _2 2006 3:04PM",
            "feb  1 2024 12:30AM",
            "2024-02-01 00:30:00 +0000 UTC",
        ),
        ("2006 002", "2024 366", "2024-12-31 00:00:00 +0000 UTC"),
        (
            "2006-01-02 15:04 MST",
            "2024-02-29 10:20 CEST",
            "2024-02-29 10:20:00 +0000 CEST",
        ),
        ("06-1-2", "69-3-4", "1969-03-04 00:00:00 +0000 UTC"),
    ] {
        assert_eq!(
            Time::parse(layout, text).expect("a time").to_string(),
            shown,
            "{text} by {layout}"
        );
    }
}

#[test]
fn refusals_read_as_those_of_go() {
    for (layout, text, message) in [
        (
            "2006-01-02",
            "nonsense",
            "as \"2006-01-02\": cannot parse \"nonsense\" as \"2006\"",
        ),
        ("2006-01-02", "2024-13-01", ": month out of range"),
        ("2006-01-02", "2023-02-29", ": day out of range"),
        ("2006-01-02", "2024-02-01x", ": extra text: \"x\""),
        ("15:04", "24:00", ": hour out of range"),
        (
            "2006/01",
            "2024-01",
            "as \"2006/01\": cannot parse \"-01\" as \"/\"",
        ),
    ] {
        let error = Time::parse(layout, text).expect_err("no time").to_string();
        let space = if message.starts_with(':') { "" } else { " " };
        assert_eq!(error, format!("parsing time \"{text}\"{space}{message}"));
    }
}

#[test]
fn durations_are_read_and_printed() {
    for (text, shown) in [
        ("95s", "1m35s"),
        ("1h1m1s", "1h1m1s"),
        ("-1.5h", "-1h30m0s"),
        ("1.5ms", "1.5ms"),
        ("3us", "3µs"),
        ("100ns", "100ns"),
        ("0", "0s"),
        ("2562047h47m16.854775807s", "2562047h47m16.854775807s"),
    ] {
        assert_eq!(
            Duration::parse(text).expect("a duration").to_string(),
            shown
        );
    }
    for (text, message) in [
        ("soon", "time: invalid duration \"soon\""),
        ("5", "time: missing unit in duration \"5\""),
        ("5x", "time: unknown unit \"x\" in duration \"5x\""),
        ("", "time: invalid duration \"\""),
        ("3000000h", "time: invalid duration \"3000000h\""),
    ] {
        assert_eq!(
            Duration::parse(text).expect_err("no duration").to_string(),
            message
        );
    }
}

#[test]
fn dates_carry_over_and_round() {
    let time = Time::parse("2006-01-02 15:04:05", "2024-01-31 23:30:40").expect("a time");
    assert_eq!(
        time.plus_date(0, 1, 0).to_string(),
        "2024-03-02 23:30:40 +0000 UTC"
    );
    let hour = Duration::from_seconds(3600);
    assert_eq!(
        time.truncated(hour, Rounding::Down).to_string(),
        "2024-01-31 23:00:00 +0000 UTC"
    );
    assert_eq!(
        time.truncated(hour, Rounding::Nearest).to_string(),
        "2024-02-01 00:00:00 +0000 UTC"
    );
    assert_eq!(time.plus(Duration::from_seconds(-3600)).civil().hour, 22);
    assert_eq!((time.civil().weekday, time.civil().year_day), (3, 31));
}
