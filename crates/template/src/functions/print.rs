//! The language's printing and number reading, in the forms that functions need.

use crate::go::{self, Failure, FloatForm, Text, Value};

/// A value as `%v` prints it, if that is not too long.
pub(crate) fn display(value: &Value) -> Result<Text, Failure> {
    let values = std::slice::from_ref(value);
    Text::try_written(|out| go::print(out, values))
}

/// A value as `%q` prints it.
pub(crate) fn quoted_verb(value: &Value) -> String {
    let quoted = go::printf(b"%q", std::slice::from_ref(value)).unwrap_or_default();
    String::from_utf8_lossy(&quoted).into_owned()
}

/// A text in double quotes with Go's escapes.
pub(crate) fn quote(text: &[u8]) -> String {
    go::quote(text)
}

/// The same with escapes for all that is not ASCII.
pub(crate) fn quote_ascii(text: &[u8]) -> String {
    let quoted = go::printf(b"%+q", &[Value::text(text)]).unwrap_or_default();
    String::from_utf8_lossy(&quoted).into_owned()
}

/// A text in back quotes if it can stand there, else in double quotes.
pub(crate) fn quote_raw(text: &[u8]) -> String {
    match std::str::from_utf8(text) {
        Ok(text)
            if !text.contains(|c: char| {
                c == '`' || c == '\u{feff}' || (c.is_control() && c != '\t')
            }) =>
        {
            format!("`{text}`")
        }
        _ => quote(text),
    }
}

/// A float in its shortest form, with an exponent when it is small or large.
pub(crate) fn float(number: f64) -> String {
    go::format_float(number, FloatForm::General, None)
}

/// A text as a float, or why it is none.
pub(crate) fn parse_float(text: &[u8]) -> Result<f64, String> {
    go::parse_float(text).map_err(|error| error.text("ParseFloat", text))
}
