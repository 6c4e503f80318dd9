//! Printing by the rules of Go's `fmt`: `Sprint`, `Sprintln` and `Sprintf` on every kind of value.

mod number;
mod verb;

use std::borrow::Cow;

use crate::go::{
    Failure, IntType, Kind, Map, Object, Type, Value, named,
    number::{as_whole, push_decimal},
    quote::count_characters,
};

/// Values nested deeper than this do not print: they may hold themselves.
const DEEPEST: u32 = 100;

/// Stands for every address: real ones differ from run to run.
const ADDRESS: u64 = 0x00c0_0001_0000;

/// No text longer than this is made by one call.
const LONGEST: usize = 32 << 20;

/// All values one after the other, with a blank between two that are not texts (`Sprint`).
///
/// # Errors
/// When a value is nested too deep, or the text gets too long.
pub(crate) fn print(out: &mut Vec<u8>, values: &[Value]) -> Printed {
    let mut printer = Printer::new(out);
    let mut after_text = false;
    for (index, value) in values.iter().enumerate() {
        let is_text = value.kind() == Kind::String;
        if index > 0 && !is_text && !after_text {
            printer.out.push(b' ');
        }
        printer.argument(value, 'v')?;
        after_text = is_text;
    }
    Ok(())
}

/// All values with a blank between any two, and a line break (`Sprintln`).
///
/// # Errors
/// When a value is nested too deep, or the text gets too long.
pub(crate) fn println(out: &mut Vec<u8>, values: &[Value]) -> Printed {
    let mut printer = Printer::new(out);
    for (index, value) in values.iter().enumerate() {
        if index > 0 {
            printer.out.push(b' ');
        }
        printer.argument(value, 'v')?;
    }
    printer.out.push(b'\n');
    Ok(())
}

/// Values put into a format with verbs (`Sprintf`). Mistakes in the format show in the output.
///
/// # Errors
/// When a value is nested too deep, or the text gets too long.
pub fn printf(format: &[u8], arguments: &[Value]) -> Result<Vec<u8>, Failure> {
    let mut out = Vec::with_capacity(format.len() + 16 * arguments.len());
    print_format(&mut out, format, arguments)?;
    Ok(out)
}

/// As [`printf`], behind what is already there.
pub(crate) fn print_format(out: &mut Vec<u8>, format: &[u8], arguments: &[Value]) -> Printed {
    verb::run(&mut Printer::new(out), format, arguments)
}

/// What an action prints for its value: pointers are followed, and nothing is `<no value>`.
pub(crate) fn printable(value: &Value) -> Cow<'_, Value> {
    match value {
        Value::Nil => Cow::Owned(Value::text("<no value>")),
        Value::Object(object) if value.kind() == Kind::Ptr && object.text().is_none() => {
            Cow::Owned(Value::Object(std::rc::Rc::new(Pointed(
                std::rc::Rc::clone(object),
            ))))
        }
        other => Cow::Borrowed(other),
    }
}

/// The struct behind a pointer.
struct Pointed(std::rc::Rc<dyn Object>);

impl Object for Pointed {
    fn type_name(&self) -> &'static str {
        self.0.type_name().trim_start_matches('*')
    }

    fn field(&self, name: &str) -> Option<Value> {
        self.0.field(name)
    }

    fn fields(&self) -> Vec<(&'static str, Value)> {
        self.0.fields()
    }

    fn as_any(&self) -> &dyn std::any::Any {
        self.0.as_any()
    }
}

/// The flags, width and precision of one verb.
#[derive(Clone, Copy, Default)]
struct Flags {
    minus: bool,
    plus: bool,
    sharp: bool,
    space: bool,
    zero: bool,
    /// `%+v`
    plus_v: bool,
    /// `%#v`
    sharp_v: bool,
    width: Option<usize>,
    precision: Option<usize>,
}

impl Flags {
    /// Whether the verb stands alone.
    fn is_none(self) -> bool {
        let Self {
            minus,
            plus,
            sharp,
            space,
            zero,
            plus_v,
            sharp_v,
            width,
            precision,
        } = self;
        !(minus || plus || sharp || space || zero || plus_v || sharp_v)
            && width.is_none()
            && precision.is_none()
    }
}

struct Printer<'o> {
    out: &'o mut Vec<u8>,
    /// Where the text begins.
    start: usize,
    flags: Flags,
    depth: u32,
    /// While a bad verb's operand is shown, which must not ask for its text form again.
    is_showing_mistake: bool,
}

type Printed = Result<(), Failure>;

impl<'o> Printer<'o> {
    fn new(out: &'o mut Vec<u8>) -> Self {
        Self {
            start: out.len(),
            out,
            flags: Flags::default(),
            depth: 0,
            is_showing_mistake: false,
        }
    }

    fn is_too_long(&self) -> bool {
        self.out.len() - self.start > LONGEST
    }

    fn check_length(&self) -> Printed {
        if self.is_too_long() {
            return Err(Failure::new(format!(
                "printed text is longer than {LONGEST} bytes"
            )));
        }
        Ok(())
    }

    /// Writes a text padded to the width, which counts characters.
    fn pad(&mut self, text: &[u8]) {
        let missing = match self.flags.width {
            Some(width) => width.saturating_sub(count_characters(text)),
            None => 0,
        };
        if !self.flags.minus {
            self.fill(missing);
        }
        self.out.extend_from_slice(text);
        if self.flags.minus {
            self.fill(missing);
        }
    }

    /// Zeros fill only from the left.
    fn fill(&mut self, count: usize) {
        let byte = if self.flags.zero && !self.flags.minus {
            b'0'
        } else {
            b' '
        };
        self.out.resize(self.out.len() + count, byte);
    }

    fn pad_without_zeros(&mut self, text: &[u8]) {
        let zero = std::mem::replace(&mut self.flags.zero, false);
        self.pad(text);
        self.flags.zero = zero;
    }

    /// Prints what takes no thought: a text or a whole number by its usual verb, without flags. Says whether
    /// it did.
    fn plainly(&mut self, value: &Value, verb: char) -> bool {
        if !self.flags.is_none() || self.is_too_long() {
            return false;
        }
        match (value, verb) {
            (Value::Text(text), 's' | 'v') => self.out.extend_from_slice(text),
            (Value::Int(IntType::Int | IntType::Int64, number), 'd' | 'v') => {
                push_decimal(self.out, *number);
            }
            (Value::Float(number), 'v') => match as_whole(*number) {
                Some(whole) => push_decimal(self.out, whole),
                None => return false,
            },
            _ => return false,
        }
        true
    }

    /// An operand of a verb, or a value to print.
    fn argument(&mut self, value: &Value, verb: char) -> Printed {
        if self.plainly(value, verb) {
            return Ok(());
        }
        self.check_length()?;
        match (value, verb) {
            (Value::Nil, 'T' | 'v') => self.pad(b"<nil>"),
            (Value::Nil, _) => return self.bad_verb(value, verb),
            (_, 'T') => {
                let name = value.type_name().as_bytes();
                self.text(name, 's', value)?;
            }
            (_, 'p') => return self.pointer(value, 'p'),
            _ => {
                if !self.own_text(value, verb)? {
                    self.value(value, verb, Depth::Top)?;
                }
            }
        }
        Ok(())
    }

    /// Prints what the value's `String` or `Error` method gives, if it has one and the verb takes
    /// texts.
    fn own_text(&mut self, value: &Value, verb: char) -> Result<bool, Failure> {
        if self.is_showing_mistake {
            return Ok(false);
        }
        if verb == 'w' {
            // Only for wrapping errors, which nothing here is.
            let is_plain = matches!(value.kind(), Kind::Bool | Kind::Float64 | Kind::Complex128)
                || matches!(value, Value::Text(_));
            if !is_plain {
                self.bad_verb(value, verb)?;
            }
            return Ok(!is_plain);
        }
        if self.flags.sharp_v
            && let Value::Object(object) = value
            && let Some(text) = object.go_text()
        {
            self.pad(&text);
            return Ok(true);
        }
        if self.flags.sharp_v || !matches!(verb, 'v' | 's' | 'x' | 'X' | 'q') {
            return Ok(false);
        }
        let text = match value {
            Value::Object(object) => object.text(),
            Value::Number(text) => Some(text.clone()),
            Value::Int(kind, number) => named::text(*kind, *number).map(Into::into),
            _ => None,
        };
        if let Some(text) = &text {
            self.text(text, verb, value)?;
        }
        Ok(text.is_some())
    }

    fn value(&mut self, value: &Value, verb: char, depth: Depth) -> Printed {
        if self.plainly(value, verb) {
            return Ok(());
        }
        self.check_length()?;
        if depth == Depth::Inside && self.own_text(value, verb)? {
            return Ok(());
        }
        match value {
            Value::Nil => {
                // A nil in a slot of type any; what has no slot was met before.
                let text: &[u8] = if self.flags.sharp_v {
                    b"interface {}(nil)"
                } else {
                    b"<nil>"
                };
                self.out.extend_from_slice(text);
                Ok(())
            }
            Value::Bool(flag) => match verb {
                't' | 'v' => {
                    self.pad(if *flag { b"true" } else { b"false" });
                    Ok(())
                }
                _ => self.bad_verb(value, verb),
            },
            Value::Int(_, number) => self.signed(*number, verb, value),
            Value::Uint(_, number) => self.unsigned(*number, verb, value),
            Value::Float(number) => self.float(*number, verb, value),
            Value::Complex(real, imaginary) => self.complex(*real, *imaginary, verb, value),
            Value::Text(text) | Value::Number(text) => self.text(text, verb, value),
            Value::List(list) => self.deeper(|printer| {
                let is_bytes = matches!(list.element(), Type::Uint(_));
                if is_bytes && matches!(verb, 's' | 'q' | 'x' | 'X') {
                    let bytes: Vec<u8> = list.items().iter().map(byte_of).collect();
                    return printer.text(&bytes, verb, value);
                }
                printer.open(value, "[", list.is_nil());
                if printer.flags.sharp_v && list.is_nil() {
                    return Ok(());
                }
                for (index, item) in list.items().iter().enumerate() {
                    printer.separate(index);
                    printer.value(item, verb, Depth::Inside)?;
                }
                printer.close("]");
                Ok(())
            }),
            Value::Map(map) => self.deeper(|printer| printer.map(map, value, verb)),
            Value::Object(object) => {
                self.deeper(|printer| printer.object(object.as_ref(), value, verb, depth))
            }
            Value::Channel(_) | Value::NilObject(_) => self.pointer(value, verb),
        }
    }

    fn deeper(&mut self, print: impl FnOnce(&mut Self) -> Printed) -> Printed {
        if self.depth >= DEEPEST {
            let message = format!("value is nested more than {DEEPEST} levels deep");
            return Err(Failure::new(message));
        }
        self.depth += 1;
        let printed = print(self);
        self.depth -= 1;
        printed
    }

    fn open(&mut self, value: &Value, bracket: &str, is_nil: bool) {
        if self.flags.sharp_v {
            self.out.extend_from_slice(value.type_name().as_bytes());
            self.out
                .extend_from_slice(if is_nil { b"(nil)" } else { b"{" });
        } else {
            self.out.extend_from_slice(bracket.as_bytes());
        }
    }

    fn close(&mut self, bracket: &str) {
        let bracket = if self.flags.sharp_v { "}" } else { bracket };
        self.out.extend_from_slice(bracket.as_bytes());
    }

    fn separate(&mut self, index: usize) {
        if index > 0 {
            self.out
                .extend_from_slice(if self.flags.sharp_v { b", " } else { b" " });
        }
    }

    fn map(&mut self, map: &Map, value: &Value, verb: char) -> Printed {
        self.open(value, "map[", map.is_nil());
        if self.flags.sharp_v && map.is_nil() {
            return Ok(());
        }
        for (index, (key, value)) in map.entries().iter().enumerate() {
            self.separate(index);
            self.value(&key.value(), verb, Depth::Inside)?;
            self.out.push(b':');
            self.value(value, verb, Depth::Inside)?;
        }
        self.close("]");
        Ok(())
    }

    fn object(&mut self, object: &dyn Object, value: &Value, verb: char, depth: Depth) -> Printed {
        if value.kind() == Kind::Ptr {
            // Pointers inside other values print as addresses, so that loops end.
            if depth == Depth::Inside {
                return self.pointer(value, verb);
            }
            self.out.push(b'&');
        }
        if self.flags.sharp_v {
            let name = object.type_name().trim_start_matches('*');
            self.out.extend_from_slice(name.as_bytes());
        }
        self.out.push(b'{');
        for (index, (name, field)) in object.fields().iter().enumerate() {
            self.separate(index);
            if self.flags.plus_v || self.flags.sharp_v {
                self.out.extend_from_slice(name.as_bytes());
                self.out.push(b':');
            }
            self.value(field, verb, Depth::Inside)?;
        }
        self.out.push(b'}');
        Ok(())
    }

    /// What has an address.
    fn pointer(&mut self, value: &Value, verb: char) -> Printed {
        let address: u64 = match value {
            _ if value.is_nil() && !matches!(value, Value::Nil) => 0,
            Value::List(_) | Value::Map(_) | Value::Channel(_) => ADDRESS,
            Value::Object(_) if value.kind() == Kind::Ptr => ADDRESS,
            _ => return self.bad_verb(value, verb),
        };
        match verb {
            'v' if self.flags.sharp_v => {
                self.out
                    .extend_from_slice(format!("({})(", value.type_name()).as_bytes());
                if address == 0 {
                    self.out.extend_from_slice(b"nil");
                } else {
                    self.prefixed_hexadecimal(address, true);
                }
                self.out.push(b')');
            }
            'v' if address == 0 => self.pad(b"<nil>"),
            'v' | 'p' => self.prefixed_hexadecimal(address, !self.flags.sharp),
            'b' | 'o' | 'd' | 'x' | 'X' => return self.unsigned(address, verb, value),
            _ => return self.bad_verb(value, verb),
        }
        Ok(())
    }

    /// `%!verb(type=value)`.
    fn bad_verb(&mut self, value: &Value, verb: char) -> Printed {
        self.out.extend_from_slice(format!("%!{verb}(").as_bytes());
        if matches!(value, Value::Nil) {
            self.out.extend_from_slice(b"<nil>");
        } else {
            self.out.extend_from_slice(value.type_name().as_bytes());
            self.out.push(b'=');
            let before = std::mem::replace(&mut self.is_showing_mistake, true);
            let printed = self.value(value, 'v', Depth::Top);
            self.is_showing_mistake = before;
            printed?;
        }
        self.out.push(b')');
        Ok(())
    }
}

/// Whether a value stands by itself or in another.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Depth {
    Top,
    Inside,
}

fn byte_of(value: &Value) -> u8 {
    match value {
        Value::Uint(_, number) => u8::try_from(*number).unwrap_or_default(),
        Value::Int(IntType::Int8, number) => *number as u8,
        _ => 0,
    }
}

#[cfg(test)]
mod tests;
