//! `range` over numbers, lists, maps and channels.

use crate::go::{
    Value,
    format::printable,
    held::Held,
    tree::{Branch, Node, Place},
};

use super::{Flow, Run, Walked, shown};

impl<'r> Run<'_, 'r> {
    pub(super) fn range(&mut self, dot: &Held, node: &'r Node, branch: &'r Branch) -> Walked {
        self.at(Place::Node(node));
        let known = self.variables.len();
        let held = self.pipe(dot, &branch.pipe)?;
        let flow = self.iterate(dot, branch, &held.value);
        self.variables.truncate(known);
        // `break` ends here, whichever round it came from.
        flow.map(|flow| {
            if flow == Flow::Break {
                Flow::Next
            } else {
                flow
            }
        })
    }

    fn iterate(&mut self, dot: &Held, branch: &'r Branch, value: &Value) -> Walked {
        let mut rounds: u64 = 0;
        let mut round = |run: &mut Self, index: Held, element: Held| {
            rounds += 1;
            run.round(branch, index, &element)
        };
        match value {
            Value::Int(..) | Value::Uint(..) => {
                if branch.pipe.variables.len() > 1 {
                    let shown = shown(value);
                    let message =
                        format!("can't use {shown} to iterate over more than one variable");
                    return Err(self.error(message));
                }
                let mut number: u64 = 0;
                loop {
                    let element = match value {
                        Value::Int(kind, end) if (number as i64) < *end => {
                            Value::Int(*kind, number as i64)
                        }
                        Value::Uint(kind, end) if number < *end => Value::Uint(*kind, number),
                        _ => break,
                    };
                    number += 1;
                    if round(self, Held::default(), Held::plain(element))? == Flow::Break {
                        return Ok(Flow::Break);
                    }
                }
            }
            Value::List(list) => {
                for (index, item) in list.items().iter().enumerate() {
                    let index = Held::plain(Value::int(i64::try_from(index).unwrap_or(i64::MAX)));
                    let element = Held::in_slot(item.clone(), list.element());
                    if round(self, index, element)? == Flow::Break {
                        return Ok(Flow::Break);
                    }
                }
            }
            Value::Map(map) => {
                let (key_type, element_type) = map.kind().parts();
                for (key, value) in map.entries().iter() {
                    let key = Held::in_slot(key.value(), key_type);
                    let element = Held::in_slot(value.clone(), element_type);
                    if round(self, key, element)? == Flow::Break {
                        return Ok(Flow::Break);
                    }
                }
            }
            Value::Channel(channel) => {
                let mut index = 0;
                while let Some(number) = channel.receive() {
                    let element = Held::plain(Value::int64(number));
                    if round(self, Held::plain(Value::int(index)), element)? == Flow::Break {
                        return Ok(Flow::Break);
                    }
                    index += 1;
                }
            }
            Value::Nil => {}
            other => {
                let shown = shown(&printable(other));
                return Err(self.error(format!("range can't iterate over {shown}")));
            }
        }
        match &branch.otherwise {
            Some(otherwise) if rounds == 0 => self.block(dot, otherwise),
            _ => Ok(Flow::Next),
        }
    }

    fn round(&mut self, branch: &'r Branch, index: Held, element: &Held) -> Walked {
        self.step()?;
        let pipe = &branch.pipe;
        let known = self.variables.len();
        match pipe.variables.as_slice() {
            [] => {}
            [only] if pipe.is_assignment => self.set_variable(only, element.clone())?,
            [first, second, ..] if pipe.is_assignment => {
                self.set_variable(first, index)?;
                self.set_variable(second, element.clone())?;
            }
            // The pipeline declared its variables: the last ones.
            [_] => self.set_last_variable(1, element.clone()),
            _ => {
                self.set_last_variable(1, element.clone());
                self.set_last_variable(2, index);
            }
        }
        let flow = self.block(element, &branch.body);
        self.variables.truncate(known);
        flow
    }
}
