//! File modes in octal.

/// Reads a file mode such as `0640` or `640`; none when it is not three or four octal digits that
/// a file can have. The established injector checks nothing, so this only serves findings.
pub(crate) fn octal(text: &str) -> Option<u32> {
    if text.is_empty() || text.len() > 5 || !text.bytes().all(|b| (b'0'..=b'7').contains(&b)) {
        return None;
    }
    u32::from_str_radix(text, 8)
        .ok()
        .filter(|mode| *mode <= 0o7777)
}

#[cfg(test)]
mod tests {
    use super::octal;

    #[test]
    fn modes_are_octal_digits() {
        for (text, want) in [
            ("0644", Some(0o644)),
            ("400", Some(0o400)),
            ("00600", Some(0o600)),
            ("", None),
            ("rw-r--r--", None),
            ("0o644", None),
            ("888", None),
            ("77777", None),
            ("-644", None),
        ] {
            assert_eq!(octal(text), want, "{text}");
        }
    }
}
