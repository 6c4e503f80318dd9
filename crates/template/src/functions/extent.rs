//! How large values are when they are written out. A list can stand in another many times over, and a map in itself,
//! so that a few bytes unfold to more than any memory holds.

use crate::go::{Context, Failure, Value};

/// What a writer makes of members.
#[derive(Clone, Copy)]
pub(super) struct Form {
    /// As deep as the writer goes.
    pub(super) deepest: usize,
    /// What becomes of what lies deeper.
    pub(super) too_deep: TooDeep,
    /// Bytes that a member takes beside its text and the blanks in front.
    pub(super) member: usize,
}

/// What becomes of members that lie too deep for a writer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum TooDeep {
    /// The writer ends there with an error.
    Ends,
    /// The writer leaves them out.
    IsLeftOut,
}

/// Refuses a value that would be larger than all that the template may make.
pub(super) fn check(context: &mut Context<'_>, value: &Value, form: Form) -> Result<(), Failure> {
    let limit = context.limits().memory;
    let room = usize::try_from(limit).unwrap_or(usize::MAX);
    match (Walk { room, form }).visit(value, 0) {
        Err(Stop::TooLarge) => Err(Failure::new(format!(
            "template made more than {limit} bytes of values"
        ))),
        Ok(()) | Err(Stop::TooDeep) => Ok(()),
    }
}

struct Walk {
    room: usize,
    form: Form,
}

/// Why a walk ended before its end.
enum Stop {
    TooLarge,
    TooDeep,
}

impl Walk {
    fn visit(&mut self, value: &Value, depth: usize) -> Result<(), Stop> {
        if depth > self.form.deepest {
            return match self.form.too_deep {
                TooDeep::Ends => Err(Stop::TooDeep),
                TooDeep::IsLeftOut => Ok(()),
            };
        }
        match value {
            Value::Text(text) | Value::Number(text) => self.take(text.len()),
            Value::List(list) => list
                .items()
                .iter()
                .try_for_each(|item| self.member(item, depth)),
            Value::Map(map) => map
                .entries()
                .iter()
                .try_for_each(|(_, item)| self.member(item, depth)),
            _ => Ok(()),
        }
    }

    fn member(&mut self, value: &Value, depth: usize) -> Result<(), Stop> {
        self.take(self.form.member + depth)?;
        self.visit(value, depth + 1)
    }

    fn take(&mut self, bytes: usize) -> Result<(), Stop> {
        self.room = self.room.checked_sub(bytes).ok_or(Stop::TooLarge)?;
        Ok(())
    }
}
