//! Calls of functions and methods: arguments are evaluated and checked against the declared types.

use crate::go::{
    Failure, Function, Type, Value,
    function::Arguments,
    held::Held,
    language::{LanguageFunction, Slots},
    tree::{Callee, Operand, OperandKind, Place},
};

use super::{
    Evaluated, ExecutionError, Run,
    field::{route, walk},
};

/// What a call needs to know of a function's declaration.
#[derive(Clone, Copy)]
struct Signature<'a> {
    name: &'a str,
    parameters: &'static [Type],
    rest: Option<&'static Type>,
}

/// Where the arguments of a call lie among the operands: from here to the end.
#[derive(Clone, Copy)]
struct Pushed {
    base: usize,
    slots: Slots,
}

impl<'r> Run<'_, 'r> {
    pub(super) fn function(
        &mut self,
        dot: &Held,
        name: &'r str,
        callee: Callee,
        place: Place<'r>,
        arguments: &'r [Operand],
        last: Option<Held>,
    ) -> Evaluated {
        match callee {
            Callee::And => self.and_or(dot, name, arguments, last, false),
            Callee::Or => self.and_or(dot, name, arguments, last, true),
            Callee::Call => self.call(dot, name, place, arguments, last),
            Callee::Language(function) => {
                self.language_function(dot, name, function, place, arguments, last)
            }
            Callee::Function(function) => {
                let Function {
                    parameters,
                    rest,
                    body,
                    ..
                } = function;
                let signature = Signature {
                    name,
                    parameters,
                    rest: rest.as_ref(),
                };
                let first = self.arguments(dot, signature, arguments, last)?.base;
                let values = self.operands.get(first..).unwrap_or_default();
                let result = body(self.context, Arguments::new(&Value::Nil, values));
                self.operands.truncate(first);
                self.result(name, place, result)
            }
        }
    }

    /// Calls a method of a value.
    #[expect(clippy::too_many_arguments, reason = "a call has as many parts")]
    pub(super) fn method(
        &mut self,
        dot: &Held,
        receiver: &Value,
        method: &'static Function,
        name: &'r str,
        place: Place<'r>,
        arguments: &'r [Operand],
        last: Option<Held>,
    ) -> Evaluated {
        let signature = Signature {
            name,
            parameters: method.parameters,
            rest: method.rest.as_ref(),
        };
        let first = self.arguments(dot, signature, arguments, last)?.base;
        let values = self.operands.get(first..).unwrap_or_default();
        let result = (method.body)(self.context, Arguments::new(receiver, values));
        self.operands.truncate(first);
        self.result(name, place, result)
    }

    fn language_function(
        &mut self,
        dot: &Held,
        name: &'r str,
        function: &'static LanguageFunction,
        place: Place<'r>,
        arguments: &'r [Operand],
        last: Option<Held>,
    ) -> Evaluated {
        let LanguageFunction {
            parameters,
            rest,
            body,
        } = function;
        let signature = Signature {
            name,
            parameters,
            rest: rest.as_ref(),
        };
        let pushed = self.arguments(dot, signature, arguments, last)?;
        let values = self.operands.get(pushed.base..).unwrap_or_default();
        let result = body(self.context, values, pushed.slots);
        self.operands.truncate(pushed.base);
        self.result(name, place, result)
    }

    fn result(
        &mut self,
        name: &str,
        place: Place<'r>,
        result: Result<Value, Failure>,
    ) -> Evaluated {
        match result {
            // A function's nil comes in a slot of type any.
            Ok(value) => Ok(Held {
                is_boxed: matches!(value, Value::Nil),
                value,
            }),
            Err(failure) => {
                self.at(place);
                Err(self.error(format!("error calling {name}: {failure}")))
            }
        }
    }

    /// `and` and `or`: the first argument that decides, else the last.
    fn and_or(
        &mut self,
        dot: &Held,
        name: &str,
        arguments: &'r [Operand],
        last: Option<Held>,
        deciding: bool,
    ) -> Evaluated {
        let signature = Signature {
            name,
            parameters: &[Type::Raw],
            rest: Some(&Type::Raw),
        };
        self.check_count(signature, arguments.len(), last.is_some())?;
        let mut held = Held::default();
        for argument in arguments {
            held = self.argument(dot, &Type::Raw, argument)?;
            if held.value.is_true() == deciding {
                return Ok(held);
            }
        }
        Ok(last.unwrap_or(held))
    }

    /// `call`: there are no values that are functions, so it can only say what it got.
    fn call(
        &mut self,
        dot: &Held,
        name: &'r str,
        place: Place<'r>,
        arguments: &'r [Operand],
        last: Option<Held>,
    ) -> Evaluated {
        let signature = Signature {
            name,
            parameters: &[Type::Raw],
            rest: Some(&Type::Raw),
        };
        let callee_name = match (arguments.first(), &last) {
            (Some(operand), _) => operand.to_string(),
            (None, Some(held)) => match held.value.as_text_kind() {
                Some(text) => text.to_str_lossy().into_owned(),
                None => format!("<{} Value>", held.value.type_name()),
            },
            (None, None) => String::new(),
        };
        let first = self.arguments(dot, signature, arguments, last)?.base;
        let failure = match self.operands.get(first) {
            None | Some(Value::Nil) => Failure::new("call of nil"),
            Some(value) => {
                let found = value.type_name();
                Failure::new(format!("non-function {callee_name} of type {found}"))
            }
        };
        self.operands.truncate(first);
        self.result(name, place, Err(failure))
    }

    fn check_count(
        &self,
        signature: Signature<'_>,
        given: usize,
        is_piped: bool,
    ) -> Result<(), Box<ExecutionError>> {
        let Signature {
            name,
            parameters,
            rest,
        } = signature;
        let wanted = parameters.len();
        let all = given + usize::from(is_piped);
        if rest.is_some() {
            if all < wanted {
                let message =
                    format!("wrong number of args for {name}: want at least {wanted} got {given}");
                return Err(self.error(message));
            }
        } else if all != wanted {
            let message = format!("wrong number of args for {name}: want {wanted} got {all}");
            return Err(self.error(message));
        }
        Ok(())
    }

    /// Evaluates the arguments of a call and pushes them onto the operands.
    fn arguments(
        &mut self,
        dot: &Held,
        signature: Signature<'_>,
        arguments: &'r [Operand],
        last: Option<Held>,
    ) -> Result<Pushed, Box<ExecutionError>> {
        self.step()?;
        self.check_count(signature, arguments.len(), last.is_some())?;
        let type_at = |index: usize| {
            signature
                .parameters
                .get(index)
                .or(signature.rest)
                .unwrap_or(&Type::Any)
        };
        let mut pushed = Pushed {
            base: self.operands.len(),
            slots: Slots::default(),
        };
        for (index, argument) in arguments.iter().enumerate() {
            let wanted = type_at(index);
            if !self.push_plain(dot, wanted, argument, &mut pushed) {
                let held = self.argument(dot, wanted, argument)?;
                self.push(held, &mut pushed);
            }
        }
        if let Some(last) = last {
            let held = self.fit(last, type_at(arguments.len()))?;
            self.push(held, &mut pushed);
        }
        self.charge(pushed.base)?;
        Ok(pushed)
    }

    /// Counts as work what a function reads of its arguments: of long ones a step for so many bytes or members.
    /// What lies deeper is counted by the functions that go there.
    fn charge(&mut self, base: usize) -> Result<(), Box<ExecutionError>> {
        const BYTES: usize = 64;
        const MEMBERS: usize = 16;
        let cost = |value: &Value| match value {
            Value::Text(text) | Value::Number(text) => text.len() / BYTES,
            Value::List(list) => list.items().len() / MEMBERS,
            Value::Map(map) => map.len() / MEMBERS,
            _ => 0,
        };
        let values = self.operands.get(base..).unwrap_or_default();
        let steps: usize = values.iter().map(cost).sum();
        if steps == 0 || self.context.may_spend(steps as u64) {
            return Ok(());
        }
        self.operands.truncate(base);
        Err(self.exhausted())
    }

    /// Pushes an argument that is a constant text, or lies at the end of a plain path, where it is plainly of
    /// the wanted type. Says whether it did.
    fn push_plain(
        &mut self,
        dot: &Held,
        wanted: &'static Type,
        operand: &'r Operand,
        pushed: &mut Pushed,
    ) -> bool {
        self.at(Place::Operand(operand));
        let takes_all = matches!(wanted, Type::Any | Type::Raw);
        let takes_text = takes_all || *wanted == Type::Text;
        if let OperandKind::Text(_, text) = &operand.kind {
            if takes_text {
                self.operands.push(Value::Text(text.clone()));
            }
            return takes_text;
        }
        let Some((root, names)) = route(dot, &self.variables, operand) else {
            return false;
        };
        let place = self.operands.len() - pushed.base;
        let operands = &mut *self.operands;
        let mut push = |value: &Value, is_boxed: bool| {
            let fits = match value {
                Value::Text(_) => takes_text,
                Value::Nil => false,
                _ => takes_all,
            };
            if !fits {
                return None;
            }
            operands.push(value.clone());
            if is_boxed {
                pushed.slots.note(place);
            }
            Some(())
        };
        if names.is_empty() {
            return push(&root.value, root.is_boxed).is_some();
        }
        let mut look = |value: &Value, slot| push(value, slot == Type::Any);
        walk(&root.value, names, &mut look).is_some()
    }

    #[inline]
    fn push(&mut self, held: Held, pushed: &mut Pushed) {
        if held.is_boxed {
            pushed.slots.note(self.operands.len() - pushed.base);
        }
        self.operands.push(held.value);
    }

    /// The value of an argument where any type will do, and nothing is checked.
    pub(super) fn untyped_argument(&mut self, dot: &Held, operand: &'r Operand) -> Evaluated {
        self.at(Place::Operand(operand));
        match self.evaluated(dot, operand)? {
            Some(held) => Ok(held),
            None => self.constant(dot, operand),
        }
    }

    fn argument(&mut self, dot: &Held, wanted: &'static Type, operand: &'r Operand) -> Evaluated {
        self.at(Place::Operand(operand));
        if let OperandKind::Nil = operand.kind {
            if wanted.can_be_nil() || *wanted == Type::Raw {
                return Ok(Held {
                    value: wanted.zero(),
                    is_boxed: *wanted == Type::Any,
                });
            }
            return Err(self.error(format!("cannot assign nil to {}", wanted.name())));
        }
        if let Some(held) = self.evaluated(dot, operand)? {
            return self.fit(held, wanted);
        }
        self.typed_constant(dot, wanted, operand)
    }

    /// The value of an operand that is not a constant.
    fn evaluated(
        &mut self,
        dot: &Held,
        operand: &'r Operand,
    ) -> Result<Option<Held>, Box<ExecutionError>> {
        if let Some(held) = self.path(dot, operand) {
            return Ok(Some(held));
        }
        let place = Place::Operand(operand);
        let held = match &operand.kind {
            OperandKind::Dot => dot.clone(),
            OperandKind::Field(names) => self.field_chain(dot, dot, place, names, &[], None)?,
            OperandKind::Variable(variable, names) => {
                let Some(held) = self.variable(variable).cloned() else {
                    return Err(self.undefined(variable));
                };
                if names.is_empty() {
                    held
                } else {
                    self.field_chain(dot, &held, place, names, &[], None)?
                }
            }
            OperandKind::Pipe(pipe) => self.descend(|run| run.pipe(dot, pipe))?,
            OperandKind::Function(name, callee) => {
                self.function(dot, name, *callee, place, &[], None)?
            }
            OperandKind::Chain(inner, names) => {
                self.descend(|run| run.chain(dot, operand, inner, names, &[], None))?
            }
            _ => return Ok(None),
        };
        Ok(Some(held))
    }

    /// Checks a value against a type; nothing is converted but a nil.
    #[inline]
    fn fit(&self, held: Held, wanted: &'static Type) -> Evaluated {
        match (&held.value, wanted) {
            // Nearly all arguments are like this.
            (Value::Text(_), Type::Text | Type::Any | Type::Raw) => Ok(held),
            _ => self.fit_any(held, wanted),
        }
    }

    fn fit_any(&self, held: Held, wanted: &'static Type) -> Evaluated {
        if held.is_missing() {
            if wanted.can_be_nil() || *wanted == Type::Raw {
                return Ok(Held {
                    value: wanted.zero(),
                    is_boxed: *wanted == Type::Any,
                });
            }
            return Err(self.error(format!("invalid value; expected {}", wanted.name())));
        }
        if held.value.is_of(*wanted) {
            return Ok(held);
        }
        // One pointer is followed, or one struct pointed to.
        if let (Value::Object(object), Type::Object(name)) = (&held.value, wanted)
            && object.type_name().trim_start_matches('*') == *name
        {
            return Ok(held);
        }
        let found = if held.value.is_nil() && held.is_boxed {
            held.type_name()
        } else {
            held.value.type_name()
        };
        let wanted = wanted.name();
        Err(self.error(format!(
            "wrong type for value; expected {wanted}; got {found}"
        )))
    }

    fn typed_constant(
        &mut self,
        dot: &Held,
        wanted: &'static Type,
        operand: &'r Operand,
    ) -> Evaluated {
        let number = match &operand.kind {
            OperandKind::Number(number) => Some(number),
            _ => None,
        };
        let (value, expected) = match *wanted {
            Type::Any | Type::Raw => return self.constant(dot, operand),
            Type::Bool => match operand.kind {
                OperandKind::Bool(flag) => (Some(Value::Bool(flag)), "bool"),
                _ => (None, "bool"),
            },
            Type::Text | Type::Number => match &operand.kind {
                OperandKind::Text(_, text) if *wanted == Type::Text => {
                    (Some(Value::Text(text.clone())), "string")
                }
                OperandKind::Text(_, text) => (Some(Value::Number(text.clone())), "string"),
                _ => (None, "string"),
            },
            Type::Int(kind) => {
                let int = number.and_then(|number| number.int);
                (
                    int.map(|int| Value::Int(kind, kind.wrapped(int))),
                    "integer",
                )
            }
            Type::Uint(kind) => {
                let uint = number.and_then(|number| number.uint);
                (
                    uint.map(|uint| Value::Uint(kind, kind.wrapped(uint))),
                    "unsigned integer",
                )
            }
            Type::Float => (
                number.and_then(|number| number.float).map(Value::Float),
                "float",
            ),
            _ => {
                let name = wanted.name();
                return Err(self.error(format!("can't handle {operand} for arg of type {name}")));
            }
        };
        match value {
            Some(value) => Ok(Held::plain(value)),
            None => Err(self.error(format!("expected {expected}; found {operand}"))),
        }
    }
}
