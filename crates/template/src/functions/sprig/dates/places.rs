//! Where a time is told: `time.Location`, and the methods of times that are about it or print it as Go would.

use std::any::Any;

use super::time;
use crate::{
    go::{Failure, Function, List, Object, Text, Type, UintType, Value},
    time::{Time, Zone},
};

const LOCATION: &str = "*time.Location";

/// How times are written in JSON.
const RFC3339: &str = "2006-01-02T15:04:05.999999999Z07:00";

pub(super) static TIME_METHODS: &[Function] = &[
    Function::fixed("Location", &[], |_, args| {
        Ok(Value::object(time(args.receiver())?.zone().clone()))
    }),
    Function::fixed("In", &[Type::Object(LOCATION)], |_, args| {
        let zone = args.value(0).downcast::<Zone>();
        let zone = zone.ok_or(Failure::new("time: missing Location in call to Time.In"))?;
        Ok(Value::object(time(args.receiver())?.in_zone(zone.clone())))
    }),
    Function::fixed("UTC", &[], |_, args| {
        Ok(Value::object(time(args.receiver())?.utc()))
    }),
    Function::fixed("Local", &[], |_, args| {
        Ok(Value::object(time(args.receiver())?.in_zone(Zone::local())))
    }),
    Function::fixed("IsDST", &[], |_, _| Ok(false.into())),
    Function::fixed("GoString", &[], |_, args| {
        Ok(time(args.receiver())?.to_go().into())
    }),
    Function::fixed("MarshalText", &[], |_, args| {
        Ok(bytes(
            marshalled(time(args.receiver())?, "Text")?.as_bytes(),
        ))
    }),
    Function::fixed("MarshalJSON", &[], |_, args| {
        let text = marshalled(time(args.receiver())?, "JSON")?;
        Ok(bytes(format!("\"{text}\"").as_bytes()))
    }),
];

fn marshalled(time: &Time, form: &str) -> Result<String, Failure> {
    if !(0..=9999).contains(&time.civil().year) {
        return Err(format!("Time.Marshal{form}: year outside of range [0,9999]").into());
    }
    Ok(time.format(RFC3339))
}

/// A list of bytes, which no template function takes for a text.
pub(in crate::functions) fn bytes(text: &[u8]) -> Value {
    let items = text
        .iter()
        .map(|byte| Value::Uint(UintType::Uint8, u64::from(*byte)));
    Value::List(List::new(Type::Uint(UintType::Uint8), items.collect()))
}

/// What a time is made of in Go, which only the verbs for numbers print.
pub(super) fn parts(time: &Time) -> Vec<(&'static str, Value)> {
    let place = if time.zone().is_utc() {
        Value::NilObject(LOCATION)
    } else {
        Value::object(time.zone().clone())
    };
    vec![
        ("wall", Value::uint64(time.nanosecond().into())),
        ("ext", Value::int64(time.since_year_one())),
        ("loc", place),
    ]
}

static METHODS: &[Function] = &[Function::fixed("String", &[], |_, args| {
    let zone = args.receiver().downcast::<Zone>();
    Ok(zone.map_or("UTC", Zone::place).into())
})];

impl Object for Zone {
    fn type_name(&self) -> &'static str {
        LOCATION
    }

    fn field(&self, _name: &str) -> Option<Value> {
        None
    }

    fn fields(&self) -> Vec<(&'static str, Value)> {
        Vec::new()
    }

    fn method(&self, name: &str) -> Option<&'static Function> {
        METHODS.iter().find(|method| method.name == name)
    }

    fn text(&self) -> Option<Text> {
        Some(self.place().into())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
