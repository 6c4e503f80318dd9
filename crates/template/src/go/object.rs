//! Values with fields and methods: what is a struct, or a pointer to one, in Go.

use std::any::Any;

use crate::go::{Function, Text, Value};

/// A struct-like value. Whatever can change inside must be shared by interior means.
pub trait Object {
    /// The type's full name as `%T` prints it; a pointer's begins with `*`.
    fn type_name(&self) -> &'static str;

    /// The field of this name, if the type has it. Names are case-sensitive.
    fn field(&self, name: &str) -> Option<Value>;

    /// All fields in the order of the declaration, for printing the struct.
    fn fields(&self) -> Vec<(&'static str, Value)>;

    /// The method of this name, if the type has it. Methods go before fields.
    fn method(&self, name: &str) -> Option<&'static Function> {
        let _ = name;
        None
    }

    /// What the type's `String` or `Error` method gives, which `%v` and `%s` then print.
    fn text(&self) -> Option<Text> {
        None
    }

    /// What the type's `GoString` method gives, which `%#v` then prints.
    fn go_text(&self) -> Option<Text> {
        None
    }

    /// Whether two structs are equal in Go's sense; pointers are compared before this is asked.
    fn equals(&self, other: &dyn Object) -> bool {
        let _ = other;
        false
    }

    /// For functions that take this very type.
    fn as_any(&self) -> &dyn Any;
}
