//! The agent's configuration in both of its languages, and the readers of single values.

use leasehold_config::{Signal, duration, parse, to_json};
use leasehold_template::go;

/// HCL 1.
pub(crate) fn hcl(input: &[u8]) {
    read("agent.hcl", input);
}

/// JSON.
pub(crate) fn json(input: &[u8]) {
    read("agent.json", input);
}

/// What is understood can be written, and is understood as the same then.
fn read(name: &str, input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    match parse(name, text) {
        Err(error) => drop(error.to_string()),
        Ok(parsed) => {
            let written = to_json(&parsed.config);
            match parse("written.json", &written) {
                Ok(again) => assert_eq!(to_json(&again.config), written, "read back otherwise"),
                Err(error) => panic!("what was written cannot be read: {error}\n{written}"),
            }
        }
    }
}

/// Durations, numbers and names as Go reads them.
pub(crate) fn scalars(input: &[u8]) {
    for base in [0, 2, 8, 10, 16, 36] {
        let _ = (go::parse_int(input, base), go::parse_uint(input, base));
    }
    if let Ok(number) = go::parse_float(input) {
        let text = go::format_float(number, go::FloatForm::General, None);
        let again = go::parse_float(text.as_bytes());
        assert!(
            number.is_nan() || again.is_ok_and(|again| again == number),
            "{number:e} is written as {text}"
        );
    }
    let _ = go::quote(input);
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    let _ = Signal::from_name(text);
    if let Some(length) = duration::parse(text) {
        let written = duration::write(length);
        assert_eq!(
            duration::parse(&written),
            Some(length),
            "{text:?} is written as {written:?}"
        );
    }
}
