//! Fields of structs, keys of maps, and methods.

use crate::go::{
    Kind, Value,
    held::Held,
    tree::{Name, Operand, OperandKind, Place},
};

use super::{Evaluated, ExecutionError, Run};

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
        let (root, names) = match &operand.kind {
            OperandKind::Dot => return Some(dot.clone()),
            OperandKind::Field(names) => (dot, names),
            OperandKind::Variable(variable, names) => (self.variable(variable)?, names),
            _ => return None,
        };
        let Some((first, names)) = names.split_first() else {
            return Some(root.clone());
        };
        let mut held = present(root, first)?;
        for name in names {
            held = present(&held, name)?;
        }
        Some(held)
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

/// What lies under a name, where nothing is to be called.
fn present(receiver: &Held, name: &Name) -> Option<Held> {
    match &receiver.value {
        Value::Map(map) => {
            let (_, element) = map.kind().parts();
            Some(Held::in_slot(map.get(&name.key)?, element))
        }
        Value::Object(object) if object.method(&name.text).is_none() => {
            object.field(&name.text).map(Held::plain)
        }
        _ => None,
    }
}
