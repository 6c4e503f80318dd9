//! Texts to booleans, numbers and trees.

use crate::{
    functions::print,
    go::{self, Arguments, Failure, Function, Text, Type, Value},
    json, yaml,
};

pub(super) const FUNCTIONS: &[Function] = &[
    Function::fixed("parseBool", &[Type::Text], |_, args| match args.bytes(0) {
        b"" | b"0" | b"f" | b"F" | b"false" | b"FALSE" | b"False" => Ok(false.into()),
        b"1" | b"t" | b"T" | b"true" | b"TRUE" | b"True" => Ok(true.into()),
        other => Err(refusal("parseBool", "ParseBool", other, "invalid syntax")),
    }),
    Function::fixed("parseFloat", &[Type::Text], |_, args| match args.bytes(0) {
        b"" => Ok(Value::Float(0.0)),
        text => print::parse_float(text)
            .map(Value::Float)
            .map_err(|error| format!("parseFloat: {error}").into()),
    }),
    Function::fixed("parseInt", &[Type::Text], |_, args| {
        int(args.bytes(0)).map(Value::int64)
    }),
    Function::fixed("parseUint", &[Type::Text], |_, args| {
        let text = args.bytes(0);
        if text.is_empty() {
            return Ok(Value::uint64(0));
        }
        if !text.iter().all(u8::is_ascii_digit) {
            return Err(refusal("parseUint", "ParseUint", text, "invalid syntax"));
        }
        let number = args.text(0).parse().map(Value::uint64);
        number.map_err(|_| refusal("parseUint", "ParseUint", text, "value out of range"))
    }),
    Function::fixed("parseJSON", &[Type::Text], |_, args| {
        if args.bytes(0).is_empty() {
            return Ok(Value::map::<&str>([]));
        }
        json::read(args.bytes(0), json::Numbers::AsFloat).map_err(Failure::from)
    }),
    Function::fixed("parseYAML", &[Type::Text], |context, args| {
        if args.bytes(0).is_empty() {
            return Ok(Value::map::<&str>([]));
        }
        context.reserve(args.bytes(0).len())?;
        yaml::read(args.bytes(0)).map_err(|error| error.to_string().into())
    }),
];

/// A decimal `int64` with or without sign; nothing is 0.
pub(super) fn int(text: &[u8]) -> Result<i64, Failure> {
    if text.is_empty() {
        return Ok(0);
    }
    let digits = text
        .strip_prefix(b"-")
        .or_else(|| text.strip_prefix(b"+"))
        .unwrap_or(text);
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(refusal("parseInt", "ParseInt", text, "invalid syntax"));
    }
    let number = std::str::from_utf8(text).unwrap_or_default().parse();
    number.map_err(|_| refusal("parseInt", "ParseInt", text, "value out of range"))
}

fn refusal(name: &str, inner: &str, text: &[u8], reason: &str) -> Failure {
    format!(
        "{name}: strconv.{inner}: parsing {}: {reason}",
        print::quote(text)
    )
    .into()
}

static NUMBER_METHODS: &[Function] = &[
    Function::fixed("String", &[], |_, args| Ok(Value::Text(number_text(args)))),
    Function::fixed("Int64", &[], |_, args| {
        let text = number_text(args);
        let number = go::parse_int(&text, 10).map(Value::int64);
        number.map_err(|error| error.text("ParseInt", &text).into())
    }),
    Function::fixed("Float64", &[], |_, args| {
        let text = number_text(args);
        let number = go::parse_float(&text).map(Value::Float);
        number.map_err(|error| error.text("ParseFloat", &text).into())
    }),
];

fn number_text(args: Arguments<'_>) -> Text {
    args.receiver().as_text_kind().cloned().unwrap_or_default()
}

/// Methods of the numbers in secrets.
pub(super) fn method(receiver: &Value, name: &str) -> Option<&'static Function> {
    match receiver {
        Value::Number(_) => NUMBER_METHODS.iter().find(|method| method.name == name),
        _ => None,
    }
}
