//! Reads a format: flags, width, precision, argument indexes and verbs, and says in the output what
//! is wrong with them.

use crate::go::{Value, quote::decode};

use super::{Flags, Printed, Printer};

/// Largest width or precision; what is larger counts as none.
const LARGEST: i64 = 1_000_000;

/// Puts arguments into a format.
pub(super) fn run(printer: &mut Printer<'_>, format: &[u8], arguments: &[Value]) -> Printed {
    let mut reader = Reader {
        format,
        position: 0,
        arguments,
        next: 0,
        is_reordered: false,
        is_good_index: true,
        is_after_index: false,
    };
    while reader.position < format.len() {
        let rest = format.get(reader.position..).unwrap_or_default();
        let plain = rest
            .iter()
            .position(|byte| *byte == b'%')
            .unwrap_or(rest.len());
        printer
            .out
            .extend_from_slice(rest.get(..plain).unwrap_or_default());
        reader.position += plain;
        if reader.position >= format.len() {
            break;
        }
        reader.position += 1;
        if !reader.verb(printer)? {
            break;
        }
    }
    if !reader.is_reordered && reader.next < arguments.len() {
        printer.flags = Flags::default();
        printer.out.extend_from_slice(b"%!(EXTRA ");
        let extra = arguments.get(reader.next..).unwrap_or_default();
        for (index, value) in extra.iter().enumerate() {
            if index > 0 {
                printer.out.extend_from_slice(b", ");
            }
            if matches!(value, Value::Nil) {
                printer.out.extend_from_slice(b"<nil>");
            } else {
                printer.out.extend_from_slice(value.type_name().as_bytes());
                printer.out.push(b'=');
                printer.argument(value, 'v')?;
            }
        }
        printer.out.push(b')');
    }
    Ok(())
}

struct Reader<'a> {
    format: &'a [u8],
    position: usize,
    arguments: &'a [Value],
    /// Index of the argument that comes next.
    next: usize,
    /// An index such as `[2]` was seen: arguments left over are then no mistake.
    is_reordered: bool,
    is_good_index: bool,
    is_after_index: bool,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.format.get(self.position).copied()
    }

    /// One verb after its percent sign; false when the format ended in it.
    fn verb(&mut self, printer: &mut Printer<'_>) -> Result<bool, crate::go::Failure> {
        self.is_good_index = true;
        self.is_after_index = false;
        printer.flags = Flags::default();
        while let Some(byte) = self.peek() {
            match byte {
                b'#' => printer.flags.sharp = true,
                b'0' => printer.flags.zero = true,
                b'+' => printer.flags.plus = true,
                b'-' => printer.flags.minus = true,
                b' ' => printer.flags.space = true,
                _ => break,
            }
            self.position += 1;
        }
        self.argument_index();
        self.width(printer);
        self.precision(printer);
        if !self.is_after_index {
            self.argument_index();
        }
        let rest = self.format.get(self.position..).unwrap_or_default();
        let Some((verb, length)) = decode(rest) else {
            printer.out.extend_from_slice(b"%!(NOVERB)");
            return Ok(false);
        };
        self.position += length;
        let argument = self.arguments.get(self.next);
        let mistake = match (verb, argument) {
            ('%', _) => {
                printer.out.push(b'%');
                return Ok(true);
            }
            _ if !self.is_good_index => "(BADINDEX)",
            (_, None) => "(MISSING)",
            (_, Some(value)) => {
                if printer.plainly(value, verb) {
                    self.next += 1;
                    return Ok(true);
                }
                if matches!(verb, 'v' | 'w') {
                    // With %v these flags ask for Go's syntax and for names of fields.
                    let flags = &mut printer.flags;
                    flags.sharp_v = std::mem::replace(&mut flags.sharp, false);
                    flags.plus_v = std::mem::replace(&mut flags.plus, false);
                }
                printer.argument(value, verb)?;
                self.next += 1;
                return Ok(true);
            }
        };
        printer
            .out
            .extend_from_slice(format!("%!{verb}{mistake}").as_bytes());
        Ok(true)
    }

    fn width(&mut self, printer: &mut Printer<'_>) {
        if self.peek() == Some(b'*') {
            self.position += 1;
            let width = self.number_of_argument();
            match width {
                None => printer.out.extend_from_slice(b"%!(BADWIDTH)"),
                Some(width) => {
                    if width < 0 {
                        printer.flags.minus = true;
                        printer.flags.zero = false;
                    }
                    printer.flags.width = usize::try_from(width.unsigned_abs()).ok();
                }
            }
            self.is_after_index = false;
        } else {
            printer.flags.width = self.number();
            if self.is_after_index && printer.flags.width.is_some() {
                self.is_good_index = false;
            }
        }
    }

    fn precision(&mut self, printer: &mut Printer<'_>) {
        if self.peek() != Some(b'.') || self.position + 1 >= self.format.len() {
            return;
        }
        self.position += 1;
        if self.is_after_index {
            self.is_good_index = false;
        }
        self.argument_index();
        if self.peek() == Some(b'*') {
            self.position += 1;
            let precision = self
                .number_of_argument()
                .and_then(|number| number.try_into().ok());
            if precision.is_none() {
                printer.out.extend_from_slice(b"%!(BADPREC)");
            }
            printer.flags.precision = precision;
            self.is_after_index = false;
        } else {
            printer.flags.precision = Some(self.number().unwrap_or(0));
        }
    }

    /// Digits at this place. What is too large ends the format.
    fn number(&mut self) -> Option<usize> {
        let mut number: Option<usize> = None;
        while let Some(digit @ b'0'..=b'9') = self.peek() {
            let before = number.unwrap_or(0);
            if before > LARGEST as usize {
                self.position = self.format.len();
                return None;
            }
            number = Some(before * 10 + usize::from(digit - b'0'));
            self.position += 1;
        }
        number
    }

    /// The next argument as a width or precision.
    fn number_of_argument(&mut self) -> Option<i64> {
        let number = match self.arguments.get(self.next)? {
            Value::Int(_, number) => Some(*number),
            Value::Uint(_, number) => i64::try_from(*number).ok(),
            _ => None,
        };
        self.next += 1;
        number.filter(|number| (-LARGEST..=LARGEST).contains(number))
    }

    /// `[n]`: the argument that comes next.
    fn argument_index(&mut self) {
        self.is_after_index = false;
        if self.peek() != Some(b'[') {
            return;
        }
        self.is_reordered = true;
        let rest = self.format.get(self.position..).unwrap_or_default();
        let close = rest
            .iter()
            .position(|byte| *byte == b']')
            .filter(|_| rest.len() >= 3);
        let Some(close) = close else {
            self.position += 1;
            self.is_good_index = false;
            return;
        };
        let digits = rest.get(1..close).unwrap_or_default();
        self.position += close + 1;
        let index = std::str::from_utf8(digits)
            .ok()
            .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))
            .and_then(|digits| digits.parse::<usize>().ok());
        match index {
            Some(index) if (1..=self.arguments.len()).contains(&index) => {
                self.next = index - 1;
                self.is_after_index = true;
            }
            Some(_) => {
                self.is_good_index = false;
                self.is_after_index = true;
            }
            None => self.is_good_index = false,
        }
    }
}
