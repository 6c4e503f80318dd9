//! Verbs for numbers and texts.

use crate::go::{
    Value,
    number::{FloatForm, format_float},
    quote::{Keep, can_be_back_quoted, is_printable, quote_character, quote_keeping},
};

use super::{Printed, Printer};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Letters {
    Small,
    Large,
}

impl Printer<'_> {
    pub(super) fn signed(&mut self, number: i64, verb: char, value: &Value) -> Printed {
        self.integer(
            number.unsigned_abs(),
            number < 0,
            number as u64,
            verb,
            value,
        )
    }

    pub(super) fn unsigned(&mut self, number: u64, verb: char, value: &Value) -> Printed {
        if verb == 'v' && self.flags.sharp_v {
            self.prefixed_hexadecimal(number, true);
            return Ok(());
        }
        self.integer(number, false, number, verb, value)
    }

    pub(super) fn prefixed_hexadecimal(&mut self, number: u64, with_prefix: bool) {
        let sharp = std::mem::replace(&mut self.flags.sharp, with_prefix);
        self.digits(number, false, 'v', 16, Letters::Small);
        self.flags.sharp = sharp;
    }

    /// `bits` is the number as its bits, for verbs that take it for a character.
    fn integer(
        &mut self,
        magnitude: u64,
        is_negative: bool,
        bits: u64,
        verb: char,
        value: &Value,
    ) -> Printed {
        let (base, letters) = match verb {
            'v' | 'd' => (10, Letters::Small),
            'b' => (2, Letters::Small),
            'o' | 'O' => (8, Letters::Small),
            'x' => (16, Letters::Small),
            'X' => (16, Letters::Large),
            'c' => {
                let character = character(bits);
                self.pad(character.encode_utf8(&mut [0; 4]).as_bytes());
                return Ok(());
            }
            'q' => {
                let keep = if self.flags.plus {
                    Keep::Ascii
                } else {
                    Keep::Printable
                };
                self.pad(quote_character(character(bits), keep).as_bytes());
                return Ok(());
            }
            'U' => {
                self.code_point(bits);
                return Ok(());
            }
            _ => return self.bad_verb(value, verb),
        };
        self.digits(magnitude, is_negative, verb, base, letters);
        Ok(())
    }

    fn digits(
        &mut self,
        magnitude: u64,
        is_negative: bool,
        verb: char,
        base: u32,
        letters: Letters,
    ) {
        let flags = self.flags;
        if flags.precision == Some(0) && magnitude == 0 {
            // Go prints nothing but the padding then.
            let zero = std::mem::replace(&mut self.flags.zero, false);
            self.fill(flags.width.unwrap_or(0));
            self.flags.zero = zero;
            return;
        }
        let mut least = flags.precision.unwrap_or(0);
        if let (None, true, false, Some(width)) =
            (flags.precision, flags.zero, flags.minus, flags.width)
        {
            let sign = usize::from(is_negative || flags.plus || flags.space);
            least = width.saturating_sub(sign);
        }
        let plain = match (base, letters) {
            (2, _) => format!("{magnitude:b}"),
            (8, _) => format!("{magnitude:o}"),
            (16, Letters::Small) => format!("{magnitude:x}"),
            (16, Letters::Large) => format!("{magnitude:X}"),
            _ => magnitude.to_string(),
        };
        let mut text = Vec::new();
        if is_negative {
            text.push(b'-');
        } else if flags.plus {
            text.push(b'+');
        } else if flags.space {
            text.push(b' ');
        }
        if verb == 'O' {
            text.extend_from_slice(b"0o");
        }
        let zeros = least.saturating_sub(plain.len());
        if flags.sharp {
            match (base, letters) {
                (2, _) => text.extend_from_slice(b"0b"),
                (8, _) if zeros == 0 && !plain.starts_with('0') => text.push(b'0'),
                (16, Letters::Small) => text.extend_from_slice(b"0x"),
                (16, Letters::Large) => text.extend_from_slice(b"0X"),
                _ => {}
            }
        }
        text.resize(text.len() + zeros, b'0');
        text.extend_from_slice(plain.as_bytes());
        self.pad_without_zeros(&text);
    }

    /// `U+0041`, and with `#` the character as well.
    fn code_point(&mut self, bits: u64) {
        let precision = self.flags.precision.unwrap_or(0).max(4);
        let digits = format!("{bits:X}");
        let zeros = "0".repeat(precision.saturating_sub(digits.len()));
        let mut text = format!("U+{zeros}{digits}");
        let shown = u32::try_from(bits)
            .ok()
            .and_then(char::from_u32)
            .filter(|c| is_printable(*c));
        if let (true, Some(character)) = (self.flags.sharp, shown) {
            text.push_str(&format!(" '{character}'"));
        }
        self.pad_without_zeros(text.as_bytes());
    }

    pub(super) fn float(&mut self, number: f64, verb: char, value: &Value) -> Printed {
        let (form, default) = match verb {
            'v' | 'g' | 'G' => (FloatForm::General, None),
            'b' => (FloatForm::Binary, None),
            'x' | 'X' => (FloatForm::Hexadecimal, None),
            'f' | 'F' => (FloatForm::Plain, Some(6)),
            'e' | 'E' => (FloatForm::Exponent, Some(6)),
            _ => return self.bad_verb(value, verb),
        };
        let precision = self.flags.precision.or(default);
        let mut text = format_float(number, form, precision);
        if number.is_finite() && matches!(verb, 'G' | 'X' | 'E') {
            text.make_ascii_uppercase();
        }
        let (sign, digits) = match text.strip_prefix(['-', '+']) {
            Some(digits) if text.starts_with('-') => ('-', digits.to_owned()),
            Some(digits) => ('+', digits.to_owned()),
            None => ('+', text),
        };
        let sign = if self.flags.space && sign == '+' && !self.flags.plus {
            ' '
        } else {
            sign
        };
        if !number.is_finite() {
            // Words are not filled with zeros, and NaN has no sign unless asked for.
            let with_sign = number.is_infinite() || self.flags.space || self.flags.plus;
            let signed = format!("{sign}{digits}");
            let shown = if with_sign { &signed } else { &digits };
            self.pad_without_zeros(shown.as_bytes());
            return Ok(());
        }
        let digits = if self.flags.sharp && verb != 'b' {
            with_point_and_zeros(&digits, verb, precision)
        } else {
            digits
        };
        if !self.flags.plus && sign == '+' {
            self.pad(digits.as_bytes());
            return Ok(());
        }
        let signed = format!("{sign}{digits}");
        match self.flags.width {
            Some(width) if self.flags.zero && !self.flags.minus && width > signed.len() => {
                // The sign goes before the zeros.
                self.out
                    .extend_from_slice(sign.encode_utf8(&mut [0; 4]).as_bytes());
                self.fill(width - signed.len());
                self.out.extend_from_slice(digits.as_bytes());
            }
            _ => self.pad(signed.as_bytes()),
        }
        Ok(())
    }

    pub(super) fn complex(
        &mut self,
        real: f64,
        imaginary: f64,
        verb: char,
        value: &Value,
    ) -> Printed {
        if !matches!(
            verb,
            'v' | 'b' | 'g' | 'G' | 'x' | 'X' | 'f' | 'F' | 'e' | 'E'
        ) {
            return self.bad_verb(value, verb);
        }
        self.out.push(b'(');
        self.float(real, verb, value)?;
        // The imaginary part always has a sign.
        let plus = std::mem::replace(&mut self.flags.plus, true);
        self.float(imaginary, verb, value)?;
        self.flags.plus = plus;
        self.out.extend_from_slice(b"i)");
        Ok(())
    }

    pub(super) fn text(&mut self, text: &[u8], verb: char, value: &Value) -> Printed {
        match verb {
            'v' if self.flags.sharp_v => self.quoted(text),
            'v' | 's' => self.pad(self.cut(text)),
            'x' => self.hexadecimal_text(text, Letters::Small),
            'X' => self.hexadecimal_text(text, Letters::Large),
            'q' => self.quoted(text),
            _ => return self.bad_verb(value, verb),
        }
        Ok(())
    }

    /// As many characters as the precision allows.
    fn cut<'t>(&self, text: &'t [u8]) -> &'t [u8] {
        let Some(precision) = self.flags.precision else {
            return text;
        };
        let mut left = precision;
        let mut length = 0;
        for chunk in text.utf8_chunks() {
            for character in chunk.valid().chars() {
                if left == 0 {
                    return text.get(..length).unwrap_or_default();
                }
                left -= 1;
                length += character.len_utf8();
            }
            let invalid = chunk.invalid().len();
            if invalid >= left && invalid > 0 {
                return text.get(..length + left).unwrap_or_default();
            }
            left -= invalid;
            length += invalid;
        }
        text
    }

    fn quoted(&mut self, text: &[u8]) {
        let text = self.cut(text);
        if self.flags.sharp && can_be_back_quoted(text) {
            let text = [b"`", text, b"`"].concat();
            self.pad(&text);
            return;
        }
        let keep = if self.flags.plus {
            Keep::Ascii
        } else {
            Keep::Printable
        };
        self.pad(quote_keeping(text, keep).as_bytes());
    }

    fn hexadecimal_text(&mut self, text: &[u8], letters: Letters) {
        let flags = self.flags;
        let length = flags
            .precision
            .map_or(text.len(), |precision| precision.min(text.len()));
        let text = text.get(..length).unwrap_or_default();
        let prefix: &[u8] = match (flags.sharp, letters) {
            (false, _) => b"",
            (true, Letters::Small) => b"0x",
            (true, Letters::Large) => b"0X",
        };
        let mut out = Vec::with_capacity(text.len() * 2);
        for (index, byte) in text.iter().enumerate() {
            if index > 0 && flags.space {
                out.push(b' ');
            }
            if index == 0 || flags.space {
                out.extend_from_slice(prefix);
            }
            let digits = match letters {
                Letters::Small => format!("{byte:02x}"),
                Letters::Large => format!("{byte:02X}"),
            };
            out.extend_from_slice(digits.as_bytes());
        }
        self.pad(&out);
    }
}

fn character(bits: u64) -> char {
    u32::try_from(bits)
        .ok()
        .and_then(char::from_u32)
        .unwrap_or(char::REPLACEMENT_CHARACTER)
}

/// The flag `#` keeps the point, and for general forms the zeros at the end.
fn with_point_and_zeros(digits: &str, verb: char, precision: Option<usize>) -> String {
    let is_hexadecimal = matches!(verb, 'x' | 'X');
    let mut missing = match verb {
        'v' | 'g' | 'G' | 'x' => precision.unwrap_or(6) as i64,
        _ => 0,
    };
    let exponent = digits.find(|character| match character {
        'p' | 'P' => true,
        'e' | 'E' => !is_hexadecimal,
        _ => false,
    });
    let (mantissa, tail) = digits.split_at(exponent.unwrap_or(digits.len()));
    let mut saw_digit = false;
    for character in mantissa.chars().filter(|character| *character != '.') {
        saw_digit |= character != '0';
        if saw_digit {
            missing -= 1;
        }
    }
    let mut out = mantissa.to_owned();
    if !mantissa.contains('.') {
        if mantissa == "0" {
            missing -= 1;
        }
        out.push('.');
    }
    let zeros = usize::try_from(missing).unwrap_or(0);
    out.push_str(&"0".repeat(zeros));
    out.push_str(tail);
    out
}
