//! Fields of structs, keys of maps, and methods.

use crate::go::{
    Kind, Type, Value,
    held::Held,
    tree::{Name, Operand, OperandKind, Place, Symbol},
};

use super::{Evaluated, ExecutionError, Run, variables::declared_last};

impl<'r> Run<'_, 'r> {
    /// `(pipe).a.b`
    pub(super) fn chain(
        &mut self,
        dot: &Held,
        operand: &'r Operand,
        inner: &'r Operand,
        names: &'r [Name],
        arguments: &'r [Operand],
        last: Option<Held>,
    ) -> Evaluated {
        self.at(Place::Operand(operand));
        if matches!(inner.kind, OperandKind::Nil) {
            return Err(self.error(format!("indirection through explicit nil in {operand}")));
        }
        let receiver = self.untyped_argument(dot, inner)?;
        self.field_chain(
            dot,
            &receiver,
            Place::Operand(operand),
            names,
            arguments,
            last,
        )
    }

    /// What `.`, `.a.b` or `$x.a.b` stands for where every name is simply there, as nearly always: a key of a
    /// map or a field. All else, and every error, is left to the long way.
    pub(super) fn path(&self, dot: &Held, operand: &'r Operand) -> Option<Held> {
        let (root, names) = route(dot, &self.variables, operand)?;
        if names.is_empty() {
            return Some(root.clone());
        }
        walk(&root.value, names, &mut |value, slot| {
            Some(Held::in_slot(value.clone(), slot))
        })
    }

    /// Walks along the names; the last one gets the arguments.
    pub(super) fn field_chain(
        &mut self,
        dot: &Held,
        receiver: &Held,
        place: Place<'r>,
        names: &'r [Name],
        arguments: &'r [Operand],
        last: Option<Held>,
    ) -> Evaluated {
        let Some((final_name, inner_names)) = names.split_last() else {
            return Ok(receiver.clone());
        };
        let Some((first_name, inner_names)) = inner_names.split_first() else {
            return self.field(dot, receiver, place, final_name, arguments, last);
        };
        let mut receiver = self.field(dot, receiver, place, first_name, &[], None)?;
        for name in inner_names {
            receiver = self.field(dot, &receiver, place, name, &[], None)?;
        }
        self.field(dot, &receiver, place, final_name, arguments, last)
    }

    fn field(
        &mut self,
        dot: &Held,
        receiver: &Held,
        place: Place<'r>,
        name: &'r Name,
        arguments: &'r [Operand],
        last: Option<Held>,
    ) -> Evaluated {
        let text: &'r str = &name.text;
        if receiver.is_missing() {
            if self.context.options().error_on_missing_key {
                let key = crate::go::quote(text.as_bytes());
                return Err(self.error(format!("nil data; no entry for key {key}")));
            }
            return Ok(Held::default());
        }
        if let Value::Nil = receiver.value {
            let type_name = receiver.type_name();
            return Err(self.error(format!("nil pointer evaluating {type_name}.{text}")));
        }
        let method = match &receiver.value {
            Value::Object(object) => object.method(text),
            Value::Map(_) => None,
            other => self.context.functions().method(other, text),
        };
        if let Some(method) = method {
            return self.method(dot, &receiver.value, method, text, place, arguments, last);
        }
        let has_arguments = !arguments.is_empty() || last.is_some();
        match &receiver.value {
            Value::Object(object) => {
                if let Some(value) = object.field(text) {
                    if has_arguments {
                        let message =
                            format!("{text} has arguments but cannot be invoked as function");
                        return Err(self.error(message));
                    }
                    return Ok(Held::plain(value));
                }
                self.unknown = Some((text, receiver.value.clone()));
            }
            Value::Map(map) => {
                if has_arguments {
                    return Err(self.error(format!("{text} is not a method but has arguments")));
                }
                let (_, element) = map.kind().parts();
                if let Some(value) = map.get(&name.key) {
                    return Ok(Held::in_slot(value, element));
                }
                self.unknown = Some((text, receiver.value.clone()));
                if self.context.options().error_on_missing_key {
                    let key = crate::go::quote(text.as_bytes());
                    return Err(self.error(format!("map has no entry for key {key}")));
                }
                return Ok(Held::in_slot(element.zero(), element));
            }
            Value::NilObject(type_name) if crate::secret::may_have_field(type_name, text) => {
                return Err(self.error(format!("nil pointer evaluating {type_name}.{text}")));
            }
            _ => {}
        }
        Err(self.no_field(receiver, text))
    }

    fn no_field(&self, receiver: &Held, name: &str) -> Box<ExecutionError> {
        let type_name = receiver.type_name();
        if let Value::Object(object) = &receiver.value
            && object.fields().iter().any(|(known, _)| *known == name)
        {
            let message = format!("{name} is an unexported field of struct type {type_name}");
            return self.error(message);
        }
        let mut error = self.error(format!("can't evaluate field {name} in type {type_name}"));
        if !matches!(receiver.value.kind(), Kind::Ptr | Kind::Struct) {
            error.unknown = None;
        }
        error
    }
}

/// Where a path begins, and the names that it goes along.
pub(super) fn route<'a>(
    dot: &'a Held,
    variables: &'a [(Symbol, Held)],
    operand: &'a Operand,
) -> Option<(&'a Held, &'a [Name])> {
    match &operand.kind {
        OperandKind::Dot => Some((dot, &[])),
        OperandKind::Field(names) => Some((dot, names)),
        OperandKind::Variable(variable, names) => {
            Some((declared_last(variables, variable.symbol)?, names))
        }
        _ => None,
    }
}

/// Longer paths go the long way, which takes no more of the stack for them.
const LONGEST_WALK: usize = 16;

/// Goes along names by reference where nothing is to be called, and looks at what lies at their end, and at
/// the type of the slot that it lies in.
pub(super) fn walk<T>(
    receiver: &Value,
    names: &[Name],
    look: &mut dyn FnMut(&Value, Type) -> Option<T>,
) -> Option<T> {
    let (name, rest) = names.split_first()?;
    if rest.len() > LONGEST_WALK {
        return None;
    }
    match receiver {
        Value::Map(map) => {
            let (_, element) = map.kind().parts();
            let members = map.read()?;
            let value = members.get(&name.key)?;
            if rest.is_empty() {
                look(value, element)
            } else {
                walk(value, rest, look)
            }
        }
        Value::Object(object) if object.method(&name.text).is_none() => {
            let value = object.field(&name.text)?;
            if rest.is_empty() {
                look(&value, Type::Raw)
            } else {
                walk(&value, rest, look)
            }
        }
        _ => None,
    }
}
