//! Dates and durations, of sprig, `timestamp`, and the methods of Go's times, durations, months and weekdays.

pub(in crate::functions) mod places;

use std::{any::Any, time::UNIX_EPOCH};

use crate::{
    go::{Arguments, Context, Failure, Function, IntType, Object, Text, Type, Value},
    time::{Duration, MONTHS, Rounding, Time, WEEKDAYS},
};

const TIME: Type = Type::Object("time.Time");

pub(in crate::functions) const FUNCTIONS: &[Function] = &[
    Function::variadic("timestamp", &[], Type::Text, |context, args| {
        match args.len() {
            0 => Ok(now(context).format("2006-01-02T15:04:05Z07:00").into()),
            1 if args.bytes(0) == b"unix" => Ok(now(context).unix().to_string().into()),
            1 => Ok(now(context).format(&args.text(0)).into()),
            count => Err(format!(
                "timestamp: wrong number of arguments, expected 0 or 1, but got {count}"
            )
            .into()),
        }
    }),
    Function::fixed("sprig_toDate", &[Type::Text, Type::Text], |_, args| {
        Ok(Value::object(
            Time::parse(&args.text(0), &args.text(1)).unwrap_or_else(|_| Time::zero()),
        ))
    }),
    Function::fixed("sprig_mustToDate", &[Type::Text, Type::Text], |_, args| {
        let time = Time::parse(&args.text(0), &args.text(1));
        time.map(Value::object)
            .map_err(|error| error.to_string().into())
    }),
    Function::fixed("sprig_unixEpoch", &[TIME], |_, args| {
        Ok(time(args.value(0))?.unix().to_string().into())
    }),
    Function::fixed("sprig_mustDateModify", &[Type::Text, TIME], modify),
    Function::fixed("sprig_must_date_modify", &[Type::Text, TIME], modify),
    Function::fixed("sprig_duration", &[Type::Any], |_, args| {
        let seconds = match args.value(0) {
            Value::Text(text) => number(&text.to_str_lossy()),
            Value::Int(IntType::Int64, seconds) => *seconds,
            _ => 0,
        };
        Ok(Duration::from_seconds(seconds).to_string().into())
    }),
    Function::fixed("sprig_durationRound", &[Type::Any], |context, args| {
        let duration = match args.value(0) {
            Value::Text(text) => Duration::parse(&text.to_str_lossy()).unwrap_or_default(),
            Value::Int(IntType::Int64, nanoseconds) => Duration::from_nanoseconds(*nanoseconds),
            other => match other.downcast::<Time>() {
                Some(time) => now(context).since(time),
                None => Duration::default(),
            },
        };
        Ok(rounded(duration).into())
    }),
    Function::fixed("sprig_ago", &[Type::Any], |context, args| {
        let now = now(context);
        let then = match args.value(0) {
            Value::Int(IntType::Int64 | IntType::Int, seconds) => Time::from_unix(*seconds, 0),
            other => other
                .downcast::<Time>()
                .cloned()
                .unwrap_or_else(|| now.clone()),
        };
        let age = now
            .since(&then)
            .rounded(Duration::from_seconds(1), Rounding::Nearest);
        Ok(age.to_string().into())
    }),
];

pub(super) fn now(context: &mut Context<'_>) -> Time {
    let now = context.host().now();
    match now.duration_since(UNIX_EPOCH) {
        Ok(since) => Time::from_unix(since.as_secs() as i64, since.subsec_nanos()),
        Err(before) => Time::from_unix(-(before.duration().as_secs() as i64), 0),
    }
}

/// A decimal number; the largest or smallest one when it does not fit, 0 when it is none.
fn number(text: &str) -> i64 {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return 0;
    }
    text.parse().unwrap_or(if text.starts_with('-') {
        i64::MIN
    } else {
        i64::MAX
    })
}

fn modify(_: &mut Context<'_>, args: Arguments<'_>) -> Result<Value, Failure> {
    let duration = Duration::parse(&args.text(0)).map_err(|error| error.to_string())?;
    Ok(Value::object(time(args.value(1))?.plus(duration)))
}

/// The largest unit of which there is more than one whole, or exactly what is left.
fn rounded(duration: Duration) -> String {
    const SECOND: u64 = 1_000_000_000;
    const HOUR: u64 = 3600 * SECOND;
    const UNITS: [(u64, &str); 6] = [
        (365 * 24 * HOUR, "y"),
        (30 * 24 * HOUR, "mo"),
        (24 * HOUR, "d"),
        (HOUR, "h"),
        (60 * SECOND, "m"),
        (SECOND, "s"),
    ];
    let amount = duration.nanoseconds().unsigned_abs();
    let unit = UNITS.iter().find(|(size, _)| amount > *size);
    unit.map_or_else(
        || "0s".to_owned(),
        |(size, name)| format!("{}{name}", amount / size),
    )
}

fn time(value: &Value) -> Result<&Time, Failure> {
    value.downcast().ok_or_else(|| {
        Failure::from(format!(
            "wrong type: {} where a time is wanted",
            value.type_name()
        ))
    })
}

fn duration(number: i64) -> Value {
    Value::Int(IntType::Duration, number)
}

fn int(number: impl Into<i64>) -> Result<Value, Failure> {
    Ok(Value::int(number.into()))
}

static TIME_METHODS: &[Function] = &[
    Function::fixed("Add", &[Type::DURATION], |_, args| {
        Ok(Value::object(
            time(args.receiver())?.plus(Duration::from_nanoseconds(args.int(0))),
        ))
    }),
    Function::fixed("AddDate", &[Type::INT, Type::INT, Type::INT], |_, args| {
        Ok(Value::object(time(args.receiver())?.plus_date(
            args.int(0),
            args.int(1),
            args.int(2),
        )))
    }),
    Function::fixed("After", &[TIME], |_, args| {
        Ok(time(args.value(0))?
            .is_before(time(args.receiver())?)
            .into())
    }),
    Function::fixed("Before", &[TIME], |_, args| {
        Ok(time(args.receiver())?
            .is_before(time(args.value(0))?)
            .into())
    }),
    Function::fixed("Equal", &[TIME], |_, args| {
        Ok(time(args.receiver())?
            .is_same_instant(time(args.value(0))?)
            .into())
    }),
    Function::fixed("Compare", &[TIME], |_, args| {
        let (a, b) = (time(args.receiver())?, time(args.value(0))?);
        int(if a.is_before(b) {
            -1
        } else {
            i32::from(b.is_before(a))
        })
    }),
    Function::fixed("Sub", &[TIME], |_, args| {
        Ok(duration(
            time(args.receiver())?
                .since(time(args.value(0))?)
                .nanoseconds(),
        ))
    }),
    Function::fixed("Format", &[Type::Text], |_, args| {
        Ok(time(args.receiver())?.format(&args.text(0)).into())
    }),
    Function::fixed("String", &[], |_, args| {
        Ok(time(args.receiver())?.to_string().into())
    }),
    Function::fixed("IsZero", &[], |_, args| {
        Ok(time(args.receiver())?.is_zero().into())
    }),
    Function::fixed("Year", &[], |_, args| {
        int(time(args.receiver())?.civil().year)
    }),
    Function::fixed("Month", &[], |_, args| {
        Ok(Value::Int(
            IntType::Month,
            time(args.receiver())?.civil().month.into(),
        ))
    }),
    Function::fixed("Day", &[], |_, args| {
        int(time(args.receiver())?.civil().day)
    }),
    Function::fixed("Weekday", &[], |_, args| {
        Ok(Value::Int(
            IntType::Weekday,
            time(args.receiver())?.civil().weekday.into(),
        ))
    }),
    Function::fixed("YearDay", &[], |_, args| {
        int(time(args.receiver())?.civil().year_day)
    }),
    Function::fixed("Hour", &[], |_, args| {
        int(time(args.receiver())?.civil().hour)
    }),
    Function::fixed("Minute", &[], |_, args| {
        int(time(args.receiver())?.civil().minute)
    }),
    Function::fixed("Second", &[], |_, args| {
        int(time(args.receiver())?.civil().second)
    }),
    Function::fixed("Nanosecond", &[], |_, args| {
        int(time(args.receiver())?.nanosecond())
    }),
    Function::fixed("Unix", &[], |_, args| {
        Ok(Value::int64(time(args.receiver())?.unix()))
    }),
    Function::fixed("UnixMilli", &[], |_, args| {
        let time = time(args.receiver())?;
        Ok(Value::int64(
            time.unix()
                .wrapping_mul(1000)
                .wrapping_add(i64::from(time.nanosecond() / 1_000_000)),
        ))
    }),
    Function::fixed("UnixNano", &[], |_, args| {
        let time = time(args.receiver())?;
        Ok(Value::int64(
            time.unix()
                .wrapping_mul(1_000_000_000)
                .wrapping_add(time.nanosecond().into()),
        ))
    }),
    Function::fixed("UnixMicro", &[], |_, args| {
        let time = time(args.receiver())?;
        Ok(Value::int64(
            time.unix()
                .wrapping_mul(1_000_000)
                .wrapping_add(i64::from(time.nanosecond() / 1000)),
        ))
    }),
    Function::fixed("Truncate", &[Type::DURATION], |_, args| {
        let step = Duration::from_nanoseconds(args.int(0));
        Ok(Value::object(
            time(args.receiver())?.truncated(step, Rounding::Down),
        ))
    }),
    Function::fixed("Round", &[Type::DURATION], |_, args| {
        let step = Duration::from_nanoseconds(args.int(0));
        Ok(Value::object(
            time(args.receiver())?.truncated(step, Rounding::Nearest),
        ))
    }),
];

impl Object for Time {
    fn type_name(&self) -> &'static str {
        "time.Time"
    }

    fn field(&self, _name: &str) -> Option<Value> {
        None
    }

    /// Templates cannot reach these, but verbs that are not for texts print them.
    fn fields(&self) -> Vec<(&'static str, Value)> {
        places::parts(self)
    }

    fn method(&self, name: &str) -> Option<&'static Function> {
        let methods = TIME_METHODS.iter().chain(places::TIME_METHODS);
        methods.into_iter().find(|method| method.name == name)
    }

    fn text(&self) -> Option<Text> {
        Some(self.to_string().into())
    }

    fn go_text(&self) -> Option<Text> {
        Some(self.to_go().into())
    }

    fn equals(&self, other: &dyn Object) -> bool {
        other.as_any().downcast_ref::<Self>() == Some(self)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

fn received(args: Arguments<'_>) -> i64 {
    match args.receiver() {
        Value::Int(_, number) => *number,
        _ => 0,
    }
}

fn units(args: Arguments<'_>, nanoseconds: i64) -> Result<Value, Failure> {
    Ok(Value::Float(
        Duration::from_nanoseconds(received(args)).in_units(nanoseconds),
    ))
}

fn whole_units(args: Arguments<'_>, nanoseconds: i64) -> Result<Value, Failure> {
    Ok(Value::int64(received(args) / nanoseconds))
}

fn to_multiple(args: Arguments<'_>, rounding: Rounding) -> Result<Value, Failure> {
    let step = Duration::from_nanoseconds(args.int(0));
    Ok(duration(
        Duration::from_nanoseconds(received(args))
            .rounded(step, rounding)
            .nanoseconds(),
    ))
}

static DURATION_METHODS: &[Function] = &[
    Function::fixed("String", &[], |_, args| {
        Ok(Duration::from_nanoseconds(received(args))
            .to_string()
            .into())
    }),
    Function::fixed("Hours", &[], |_, args| units(args, 3_600_000_000_000)),
    Function::fixed("Minutes", &[], |_, args| units(args, 60_000_000_000)),
    Function::fixed("Seconds", &[], |_, args| units(args, 1_000_000_000)),
    Function::fixed("Milliseconds", &[], |_, args| whole_units(args, 1_000_000)),
    Function::fixed("Microseconds", &[], |_, args| whole_units(args, 1000)),
    Function::fixed("Nanoseconds", &[], |_, args| whole_units(args, 1)),
    Function::fixed("Abs", &[], |_, args| {
        Ok(duration(received(args).saturating_abs()))
    }),
    Function::fixed("Round", &[Type::DURATION], |_, args| {
        to_multiple(args, Rounding::Nearest)
    }),
    Function::fixed("Truncate", &[Type::DURATION], |_, args| {
        to_multiple(args, Rounding::Down)
    }),
];

static MONTH_METHODS: &[Function] = &[Function::fixed("String", &[], |_, args| {
    Ok(named(
        &MONTHS,
        received(args) - 1,
        "%!Month(",
        received(args),
    ))
})];

static WEEKDAY_METHODS: &[Function] = &[Function::fixed("String", &[], |_, args| {
    Ok(named(
        &WEEKDAYS,
        received(args),
        "%!Weekday(",
        received(args),
    ))
})];

fn named(names: &[&str], index: i64, otherwise: &str, number: i64) -> Value {
    let name = usize::try_from(index)
        .ok()
        .and_then(|index| names.get(index));
    name.map_or_else(
        || format!("{otherwise}{number})").into(),
        |name| (*name).into(),
    )
}

/// Methods of durations, months and weekdays, which are integers in kind.
pub(in crate::functions) fn method(receiver: &Value, name: &str) -> Option<&'static Function> {
    let methods = match receiver {
        Value::Int(IntType::Duration, _) => DURATION_METHODS,
        Value::Int(IntType::Month, _) => MONTH_METHODS,
        Value::Int(IntType::Weekday, _) => WEEKDAY_METHODS,
        _ => return None,
    };
    methods.iter().find(|method| method.name == name)
}

/// A time in the form of RFC 3339, such as those in the server's answers.
pub(crate) fn parse_rfc3339(text: &str) -> Option<Value> {
    Time::parse("2006-01-02T15:04:05Z07:00", text)
        .ok()
        .map(Value::object)
}
