//! What an action prints, within the limit of the output's length.

use crate::go::{
    Type, Value,
    format::{print, printable},
    held::Held,
    tree::{Node, Operand, Place},
};

use super::{
    ExecutionError, Run,
    field::{route, walk},
};

impl<'r> Run<'_, 'r> {
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), Box<ExecutionError>> {
        let limit = self.context.limits().output;
        if bytes.len() > limit.saturating_sub(self.output.len()) {
            return Err(self.too_long());
        }
        self.output.extend_from_slice(bytes);
        Ok(())
    }

    /// Writes what such a path leads to, where that is a text or a whole number. Says whether it did.
    pub(super) fn write_path(&mut self, dot: &Held, operand: &'r Operand) -> bool {
        let room = self
            .context
            .limits()
            .output
            .saturating_sub(self.output.len());
        let Some((root, names)) = route(dot, &self.variables, operand) else {
            return false;
        };
        let output = &mut *self.output;
        let mut write = |value: &Value, _| {
            match value {
                Value::Text(text) | Value::Number(text) if text.len() <= room => {
                    output.extend_from_slice(text);
                }
                _ => return None,
            }
            Some(())
        };
        if names.is_empty() {
            return write(&root.value, Type::Raw).is_some();
        }
        walk(&root.value, names, &mut write).is_some()
    }

    pub(super) fn print(&mut self, node: &'r Node, held: &Held) -> Result<(), Box<ExecutionError>> {
        self.at(Place::Node(node));
        match &held.value {
            Value::Text(text) | Value::Number(text) => self.write(text),
            Value::Nil => self.write(b"<no value>"),
            Value::Bool(true) => self.write(b"true"),
            Value::Bool(false) => self.write(b"false"),
            Value::Channel(_) => {
                let name = held.value.type_name();
                Err(self.error(format!("can't print {node} of type {name}")))
            }
            value => {
                let value = printable(value);
                let before = self.output.len();
                let printed = print(self.output, std::slice::from_ref(&*value));
                if let Err(failure) = printed {
                    return Err(self.failed(&failure));
                }
                let limit = self.context.limits().output;
                if self.output.len() > limit {
                    self.output.truncate(before);
                    return Err(self.too_long());
                }
                Ok(())
            }
        }
    }

    #[cold]
    fn too_long(&self) -> Box<ExecutionError> {
        let limit = self.context.limits().output;
        self.error(format!("output is larger than {limit} bytes"))
    }
}
