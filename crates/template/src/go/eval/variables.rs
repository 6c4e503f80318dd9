//! The variables of a template, innermost last.

use crate::go::{
    held::Held,
    tree::{Symbol, Variable},
};

use super::{ExecutionError, Run};

impl Run<'_, '_> {
    /// The variable of this name that was declared last.
    pub(super) fn variable(&self, variable: &Variable) -> Option<&Held> {
        declared_last(&self.variables, variable.symbol)
    }

    pub(super) fn set_variable(
        &mut self,
        variable: &Variable,
        value: Held,
    ) -> Result<(), Box<ExecutionError>> {
        let mut found = self.variables.iter_mut().rev();
        match found.find(|(known, _)| *known == variable.symbol) {
            Some((_, held)) => {
                *held = value;
                Ok(())
            }
            None => Err(self.undefined(variable)),
        }
    }

    pub(super) fn set_last_variable(&mut self, from_end: usize, value: Held) {
        let index = self.variables.len().checked_sub(from_end);
        if let Some((_, held)) = index.and_then(|index| self.variables.get_mut(index)) {
            *held = value;
        }
    }

    pub(super) fn undefined(&self, variable: &Variable) -> Box<ExecutionError> {
        self.error(format!("undefined variable: {}", variable.name))
    }
}

/// The variable of this name that was declared last.
pub(super) fn declared_last(variables: &[(Symbol, Held)], symbol: Symbol) -> Option<&Held> {
    let mut declared = variables.iter().rev();
    let (_, held) = declared.find(|(known, _)| *known == symbol)?;
    Some(held)
}
