//! What stands for values without members: a text, with the style that it wants and the tag in front.

use std::borrow::Cow;

use super::analysis::Style;
use crate::{
    base64::{self, Alphabet},
    functions::print,
    go::{IntType, Key, Value},
    semver::Version,
    time::{Duration, Time},
    yaml,
};

/// A text to be written, with the style that is wanted and the tag in front.
pub(super) struct Scalar<'v> {
    pub(super) text: Cow<'v, str>,
    pub(super) style: Style,
    pub(super) tag: &'static str,
}

impl Scalar<'_> {
    pub(super) fn into_owned(self) -> Scalar<'static> {
        Scalar {
            text: Cow::Owned(self.text.into_owned()),
            style: self.style,
            tag: self.tag,
        }
    }
}

pub(super) fn key_scalar(key: &Key) -> Scalar<'_> {
    match key {
        Key::Text(text) => bytes_scalar(text),
        other => scalar_of(&other.value()).into_owned(),
    }
}

pub(super) fn scalar_of(value: &Value) -> Scalar<'_> {
    let plain = |text: String| Scalar {
        text: Cow::Owned(text),
        style: Style::Plain,
        tag: "",
    };
    match value {
        Value::Bool(flag) => plain(flag.to_string()),
        Value::Int(IntType::Duration, number) => {
            text_scalar(Duration::from_nanoseconds(*number).to_string())
        }
        Value::Int(_, number) => plain(number.to_string()),
        Value::Uint(_, number) => plain(number.to_string()),
        Value::Float(number) => plain(match print::float(*number).as_str() {
            "+Inf" => ".inf".to_owned(),
            "-Inf" => "-.inf".to_owned(),
            "NaN" => ".nan".to_owned(),
            other => other.to_owned(),
        }),
        Value::Number(text) => {
            let shown = text.to_str_lossy();
            match (shown.parse::<i64>(), shown.parse::<f64>()) {
                (Ok(number), _) => plain(number.to_string()),
                (_, Ok(number)) if number.is_finite() => {
                    scalar_of(&Value::Float(number)).into_owned()
                }
                _ => text_scalar(shown),
            }
        }
        Value::Text(text) => bytes_scalar(text),
        Value::Object(object) => match (value.downcast::<Time>(), value.downcast::<Version>()) {
            (Some(time), _) => plain(time.format("2006-01-02T15:04:05.999999999Z07:00")),
            (_, Some(version)) => text_scalar(version.to_string()),
            _ => {
                let text = object.text().unwrap_or_default();
                text_scalar(text.to_str_lossy().into_owned())
            }
        },
        _ => plain("null".to_owned()),
    }
}

fn bytes_scalar(bytes: &[u8]) -> Scalar<'_> {
    match std::str::from_utf8(bytes) {
        Ok(text) => text_scalar(text),
        Err(_) => binary_scalar(bytes),
    }
}

fn text_scalar<'t>(text: impl Into<Cow<'t, str>>) -> Scalar<'t> {
    let text = text.into();
    let style = if text.contains('\n') {
        Style::Literal
    } else if yaml::reads_as_text(&text) {
        Style::Plain
    } else {
        Style::Double
    };
    Scalar {
        text,
        style,
        tag: "",
    }
}

/// What is not UTF-8 is written in base 64, in lines of 70.
fn binary_scalar(bytes: &[u8]) -> Scalar<'static> {
    let encoded = base64::encode(bytes, Alphabet::Standard);
    let lines: Vec<_> = encoded.chunks(70).map(String::from_utf8_lossy).collect();
    let several = encoded.len() >= 70;
    let text = if several {
        lines.join("\n") + "\n"
    } else {
        lines.concat()
    };
    let style = if several {
        Style::Literal
    } else {
        Style::Plain
    };
    Scalar {
        text: Cow::Owned(text),
        style,
        tag: "!!binary",
    }
}
