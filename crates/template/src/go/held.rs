//! A value with what Go remembers about the slot that it came out of.

use crate::go::{Type, Value};

/// A value, and whether it still sits in a slot of type `interface {}` (an element of a list or map
/// of any). Error texts name the slot's type then; and a nil in such a slot is not the same as no
/// value at all.
#[derive(Clone, Debug, Default)]
pub(crate) struct Held {
    pub(crate) value: Value,
    pub(crate) is_boxed: bool,
}

impl Held {
    /// A value of its own type. With nil: no value.
    pub(crate) fn plain(value: Value) -> Self {
        Self {
            value,
            is_boxed: false,
        }
    }

    /// A value in a slot of this type.
    pub(crate) fn in_slot(value: Value, slot: Type) -> Self {
        Self {
            value,
            is_boxed: slot == Type::Any,
        }
    }

    /// The value taken out of its slot.
    pub(crate) fn unboxed(mut self) -> Self {
        self.is_boxed = false;
        self
    }

    /// Whether there is no value at all: not even a nil in a slot.
    pub(crate) fn is_missing(&self) -> bool {
        matches!(self.value, Value::Nil) && !self.is_boxed
    }

    /// The type that error texts name.
    pub(crate) fn type_name(&self) -> &'static str {
        if self.is_boxed {
            Type::Any.name()
        } else {
            self.value.type_name()
        }
    }
}
