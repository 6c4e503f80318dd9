//! What a scalar means: by its tag, or by the look of a plain text.

use super::YamlError;
use crate::{
    go::{self, Value},
    time::Time,
};

pub(super) const STR: &str = "tag:yaml.org,2002:str";
pub(super) const BINARY: &str = "tag:yaml.org,2002:binary";
pub(super) const MERGE: &str = "tag:yaml.org,2002:merge";
const BOOL: &str = "tag:yaml.org,2002:bool";
const INT: &str = "tag:yaml.org,2002:int";
const FLOAT: &str = "tag:yaml.org,2002:float";
const NULL: &str = "tag:yaml.org,2002:null";
const TIMESTAMP: &str = "tag:yaml.org,2002:timestamp";

/// The value of a scalar with a tag (or none) that is not a quoted text without a tag.
pub(super) fn resolve(tag: &str, text: &str) -> Result<Value, YamlError> {
    if !matches!(tag, "" | STR | BOOL | INT | FLOAT | NULL | TIMESTAMP) {
        return Ok(text.into());
    }
    let (found, value) = if tag == STR {
        (STR, text.into())
    } else {
        by_look(tag, text).unwrap_or_else(|| (STR, text.into()))
    };
    match (tag, &value) {
        _ if tag.is_empty() || tag == found || tag == STR => Ok(value),
        (FLOAT, Value::Int(_, number)) => Ok(Value::Float(*number as f64)),
        _ => Err(YamlError::Whole(format!(
            "cannot decode {} `{text}` as a {}",
            short(found),
            short(tag)
        ))),
    }
}

pub(super) fn plain_is_text(text: &str) -> bool {
    // No word that means something else is longer, and numbers and dates begin like this.
    let may_be_number =
        text.starts_with(|first: char| matches!(first, '.' | '+' | '-' | '0'..='9'));
    if text.len() > "false".len() && !may_be_number {
        return true;
    }
    by_look("", text).is_none() && !(may_be_number && is_base_60(text))
}

fn short(tag: &str) -> String {
    tag.strip_prefix("tag:yaml.org,2002:")
        .map_or_else(|| tag.to_owned(), |name| format!("!!{name}"))
}

/// The meaning of a plain text that is more than a text.
fn by_look(tag: &str, text: &str) -> Option<(&'static str, Value)> {
    match text {
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            return Some((BOOL, true.into()));
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            return Some((BOOL, false.into()));
        }
        "" | "~" | "null" | "Null" | "NULL" => return Some((NULL, Value::Nil)),
        ".nan" | ".NaN" | ".NAN" => return Some((FLOAT, f64::NAN.into())),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => {
            return Some((FLOAT, f64::INFINITY.into()));
        }
        "-.inf" | "-.Inf" | "-.INF" => return Some((FLOAT, f64::NEG_INFINITY.into())),
        _ => {}
    }
    match text.bytes().next() {
        Some(b'.') => match go::parse_float(text.as_bytes()) {
            Ok(number) => Some((FLOAT, number.into())),
            Err(_) => None,
        },
        Some(b'+' | b'-' | b'0'..=b'9') => {
            if (tag.is_empty() || tag == TIMESTAMP) && is_timestamp(text) {
                // A date stays the text that it is.
                return Some((TIMESTAMP, text.into()));
            }
            let plain = text.replace('_', "");
            if let Ok(number) = go::parse_int(plain.as_bytes(), 0) {
                return Some((INT, Value::int(number)));
            }
            if let Ok(number) = go::parse_uint(plain.as_bytes(), 0) {
                return Some((INT, Value::uint64(number)));
            }
            match go::parse_float(plain.as_bytes()) {
                Ok(number) if is_decimal(&plain) => Some((FLOAT, number.into())),
                _ => None,
            }
        }
        _ => None,
    }
}

/// Digits with at most one point, and an exponent.
fn is_decimal(text: &str) -> bool {
    let text = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (
            mantissa,
            exponent.strip_prefix(['+', '-']).unwrap_or(exponent),
        ),
        None => (text, "0"),
    };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, behind) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    digits(whole)
        && digits(behind)
        && !(whole.is_empty() && behind.is_empty())
        && digits(exponent)
        && !exponent.is_empty()
}

fn is_timestamp(text: &str) -> bool {
    const LAYOUTS: [&str; 4] = [
        "2006-1-2T15:4:5.999999999Z07:00",
        "2006-1-2t15:4:5.999999999Z07:00",
        "2006-1-2 15:4:5.999999999",
        "2006-1-2",
    ];
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    digits == 4
        && text[4..].starts_with('-')
        && LAYOUTS
            .iter()
            .any(|layout| Time::parse(layout, text).is_ok())
}

/// `12:30:45`, a number to other readers of YAML 1.1, which is why it is quoted.
fn is_base_60(text: &str) -> bool {
    let text = text.strip_prefix(['+', '-']).unwrap_or(text);
    let text = match text.split_once('.') {
        Some((text, fraction))
            if fraction
                .bytes()
                .all(|byte| byte.is_ascii_digit() || byte == b'_') =>
        {
            text
        }
        Some(_) => return false,
        None => text,
    };
    let mut parts = text.split(':');
    let first = parts.next().unwrap_or_default();
    let mut rest = parts.peekable();
    rest.peek().is_some()
        && first.starts_with(|digit: char| digit.is_ascii_digit())
        && first
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'_')
        && rest.all(|part| matches!(part.as_bytes(), [b'0'..=b'9'] | [b'0'..=b'5', b'0'..=b'9']))
}
