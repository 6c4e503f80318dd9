//! Fields of structs, keys of maps, and methods.

use crate::go::{
    Key, Kind, Value,
    held::Held,
    tree::{Name, Operand, OperandKind, Place},
};

use super::{Evaluated, ExecutionError, Run, UnknownKey};

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
            receiver,
            Place::Operand(operand),
            names,
            arguments,
            last,
        )
    }

    /// Walks along the names; the last one gets the arguments.
    pub(super) fn field_chain(
        &mut self,
        dot: &Held,
        receiver: Held,
        place: Place<'r>,
        names: &'r [Name],
        arguments: &'r [Operand],
        last: Option<Held>,
    ) -> Evaluated {
        let Some((final_name, inner_names)) = names.split_last() else {
            return Ok(receiver);
        };
        let mut receiver = receiver;
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
        let text: &str = &name.text;
        if receiver.is_missing() {
            if self.context.options().error_on_missing_key {
                let key = crate::go::quote(text.as_bytes());
                return Err(self.error(format!("nil data; no entry for key {key}")));
            }
            return Ok(Held::default());
        }
        let type_name = receiver.type_name();
        if let Value::Nil = receiver.value {
            return Err(self.error(format!("nil pointer evaluating {type_name}.{text}")));
        }
        let method = match &receiver.value {
            Value::Object(object) => object.method(text),
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
                let known = object
                    .fields()
                    .iter()
                    .map(|(name, _)| (*name).to_owned())
                    .collect();
                self.unknown = Some(UnknownKey {
                    name: text.to_owned(),
                    known,
                });
            }
            Value::Map(map) => {
                if has_arguments {
                    return Err(self.error(format!("{text} is not a method but has arguments")));
                }
                let (_, element) = map.kind().parts();
                if let Some(value) = map.get(&name.key) {
                    return Ok(Held::in_slot(value, element));
                }
                let keys = map.keys();
                let texts = keys.iter().filter_map(Key::as_text);
                let known = texts.map(|key| key.to_str_lossy().into_owned()).collect();
                self.unknown = Some(UnknownKey {
                    name: text.to_owned(),
                    known,
                });
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
        Err(self.no_field(receiver, type_name, text))
    }

    fn no_field(&self, receiver: &Held, type_name: &str, name: &str) -> Box<ExecutionError> {
        let mut error = self.error(format!("can't evaluate field {name} in type {type_name}"));
        if !matches!(receiver.value.kind(), Kind::Ptr | Kind::Struct) {
            error.unknown = None;
        }
        error
    }
}
