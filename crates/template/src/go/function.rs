//! How functions and methods are declared to the evaluator, which checks the number and the types of
//! arguments before a body runs, and says what is wrong in Go's words.

use std::{borrow::Cow, error, fmt};

use crate::go::{Context, List, Map, Text, Type, Value};

/// A function or method: its name, what it takes, and its body.
#[derive(Clone, Copy)]
pub struct Function {
    /// The name that templates call it by, and which errors carry.
    pub name: &'static str,
    /// The types of the fixed parameters.
    pub parameters: &'static [Type],
    /// The type of any number of further arguments.
    pub rest: Option<Type>,
    /// Runs the function. The arguments were checked against the types above.
    pub body: Body,
}

/// A function's body. An error is reported as `error calling NAME: …`.
pub type Body = fn(&mut Context<'_>, Arguments<'_>) -> Result<Value, Failure>;

impl Function {
    /// A function with a fixed number of parameters.
    pub const fn fixed(name: &'static str, parameters: &'static [Type], body: Body) -> Self {
        Self {
            name,
            parameters,
            rest: None,
            body,
        }
    }

    /// A function that takes any number of further arguments after the fixed ones.
    pub const fn variadic(
        name: &'static str,
        parameters: &'static [Type],
        rest: Type,
        body: Body,
    ) -> Self {
        Self {
            name,
            parameters,
            rest: Some(rest),
            body,
        }
    }
}

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "function {}", self.name)
    }
}

/// Where the parser finds functions, and the evaluator methods of values that are not objects.
pub trait Functions: Sync {
    /// The function of this name.
    fn function(&self, name: &str) -> Option<&'static Function>;

    /// The names of all functions, for suggestions.
    fn names(&self) -> Vec<&'static str>;

    /// A method of a value that is not an object: a duration, a month, a json.Number.
    fn method(&self, receiver: &Value, name: &str) -> Option<&'static Function> {
        let _ = (receiver, name);
        None
    }
}

/// The evaluated arguments of a call; for a method, the receiver as well.
#[derive(Clone, Copy)]
pub struct Arguments<'a> {
    receiver: &'a Value,
    values: &'a [Value],
}

impl<'a> Arguments<'a> {
    /// Arguments of a function (the receiver is nil) or of a method.
    pub fn new(receiver: &'a Value, values: &'a [Value]) -> Self {
        Self { receiver, values }
    }

    /// The value whose method is called.
    pub fn receiver(&self) -> &'a Value {
        self.receiver
    }

    /// Number of arguments.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// All arguments.
    pub fn all(&self) -> &'a [Value] {
        self.values
    }

    /// The arguments from this index on, for the variadic part.
    pub fn rest(&self, from: usize) -> &'a [Value] {
        self.values.get(from..).unwrap_or(&[])
    }

    /// An argument; nil when it is not there.
    pub fn value(&self, index: usize) -> &'a Value {
        self.values.get(index).unwrap_or(&Value::Nil)
    }

    /// The bytes of a `string` argument; empty when it is something else.
    pub fn bytes(&self, index: usize) -> &'a [u8] {
        match self.value(index) {
            Value::Text(text) => text.as_bytes(),
            _ => &[],
        }
    }

    /// A `string` argument as UTF-8, with U+FFFD for what is not.
    pub fn text(&self, index: usize) -> Cow<'a, str> {
        String::from_utf8_lossy(self.bytes(index))
    }

    /// The shared text of a `string` argument.
    pub fn shared_text(&self, index: usize) -> Text {
        match self.value(index) {
            Value::Text(text) => text.clone(),
            _ => Text::default(),
        }
    }

    /// A signed integer argument; 0 when it is something else.
    pub fn int(&self, index: usize) -> i64 {
        match self.value(index) {
            Value::Int(_, number) => *number,
            _ => 0,
        }
    }

    /// A float64 argument; 0 when it is something else.
    pub fn float(&self, index: usize) -> f64 {
        match self.value(index) {
            Value::Float(number) => *number,
            _ => 0.0,
        }
    }

    /// A bool argument; false when it is something else.
    pub fn bool(&self, index: usize) -> bool {
        matches!(self.value(index), Value::Bool(true))
    }

    /// A list argument of any element type.
    pub fn list(&self, index: usize) -> Option<&'a List> {
        match self.value(index) {
            Value::List(list) => Some(list),
            _ => None,
        }
    }

    /// A map argument of any type.
    pub fn map(&self, index: usize) -> Option<&'a Map> {
        match self.value(index) {
            Value::Map(map) => Some(map),
            _ => None,
        }
    }
}

/// Why a function failed: the text after `error calling NAME: `. It may hold values of secrets; the
/// facade takes those out before anybody sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure(Cow<'static, str>);

impl Failure {
    /// A failure with this text.
    pub fn new(message: impl Into<Cow<'static, str>>) -> Self {
        Self(message.into())
    }

    /// The text.
    pub fn message(&self) -> &str {
        &self.0
    }
}

impl From<String> for Failure {
    fn from(message: String) -> Self {
        Self::new(message)
    }
}

impl From<&'static str> for Failure {
    fn from(message: &'static str) -> Self {
        Self::new(message)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl error::Error for Failure {}
