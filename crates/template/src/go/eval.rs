//! Runs a tree: control structures, pipelines, fields, methods and calls.

mod call;
mod field;
mod output;
mod range;
mod variables;

use crate::go::{
    Context, Failure, Key, Kind, Value,
    format::printf,
    held::Held,
    parser::Trees,
    tree::{Block, Branch, Command, Node, Number, Operand, OperandKind, Pipe, Place, Symbol, Tree},
};

/// Why a rendering ended early.
#[derive(Clone, Debug)]
pub(crate) struct ExecutionError {
    /// Everything from `template: ` on, as Go words it.
    pub(crate) text: String,
    /// The message alone.
    pub(crate) message: String,
    /// Where in the source, in bytes.
    pub(crate) position: usize,
    /// The name that the data does not have.
    pub(crate) unknown: Option<UnknownKey>,
}

/// A key or field that was asked for, and the names that were there.
#[derive(Clone, Debug)]
pub(crate) struct UnknownKey {
    pub(crate) name: String,
    pub(crate) known: Vec<String>,
}

/// Runs one of the templates on a value, appending to the output.
pub(crate) fn execute<'r>(
    context: &mut Context<'r>,
    trees: &'r Trees,
    tree: &'r Tree,
    dot: Value,
    output: &mut Vec<u8>,
) -> Result<(), Box<ExecutionError>> {
    let dot = Held::plain(dot);
    let mut run = Run {
        context,
        trees,
        tree,
        output,
        variables: vec![(Symbol::ROOT, dot.clone())],
        operands: &mut Vec::new(),
        place: None,
        unknown: None,
    };
    run.block(&dot, &tree.root).map(|_| ())
}

struct Run<'x, 'r> {
    context: &'x mut Context<'r>,
    trees: &'r Trees,
    tree: &'r Tree,
    output: &'x mut Vec<u8>,
    variables: Vec<(Symbol, Held)>,
    /// The evaluated arguments of all calls under way, those of the innermost call last.
    operands: &'x mut Vec<Value>,
    /// What is being evaluated, which errors name.
    place: Option<Place<'r>>,
    /// The key that was not found last, and where: the trouble it makes comes later.
    unknown: Option<(&'r str, Value)>,
}

/// How a node ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flow {
    Next,
    Break,
    Continue,
}

type Walked = Result<Flow, Box<ExecutionError>>;
type Evaluated = Result<Held, Box<ExecutionError>>;

impl<'r> Run<'_, 'r> {
    fn at(&mut self, place: Place<'r>) {
        self.place = Some(place);
    }

    #[cold]
    fn error(&self, message: impl Into<String>) -> Box<ExecutionError> {
        self.located(message.into())
    }

    fn located(&self, message: String) -> Box<ExecutionError> {
        let position = self.place.map_or(0, |place| place.position());
        let text = match self.place {
            None => format!("template: {}: {message}", self.tree.name),
            Some(place) => {
                let before = self.tree.source.get(..position).unwrap_or_default();
                let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
                let column = match before.iter().rposition(|byte| *byte == b'\n') {
                    Some(newline) => position - newline - 1,
                    None => position,
                };
                let name = crate::go::quote(self.tree.name.as_bytes());
                format!("template: :{line}:{column}: executing {name} at <{place}>: {message}")
            }
        };
        Box::new(ExecutionError {
            text,
            message,
            position,
            unknown: self.unknown.as_ref().map(|(name, value)| UnknownKey {
                name: (*name).to_owned(),
                known: known_names(value),
            }),
        })
    }

    fn failed(&self, failure: &Failure) -> Box<ExecutionError> {
        self.error(failure.message())
    }

    #[inline]
    fn step(&mut self) -> Result<(), Box<ExecutionError>> {
        if self.context.may_spend(1) {
            Ok(())
        } else {
            Err(self.exhausted())
        }
    }

    #[cold]
    fn exhausted(&mut self) -> Box<ExecutionError> {
        match self.context.spend(0) {
            Err(failure) => self.failed(&failure),
            Ok(()) => self.error(""),
        }
    }

    /// Goes one level down: every recursion of the evaluator passes here.
    fn descend<T>(
        &mut self,
        inner: impl FnOnce(&mut Self) -> Result<T, Box<ExecutionError>>,
    ) -> Result<T, Box<ExecutionError>> {
        if let Err(failure) = self.context.descend() {
            return Err(self.failed(&failure));
        }
        let result = inner(self);
        self.context.ascend();
        result
    }

    fn block(&mut self, dot: &Held, block: &'r Block) -> Walked {
        self.at(Place::Block(block));
        for node in &block.nodes {
            let flow = self.node(dot, node)?;
            if flow != Flow::Next {
                return Ok(flow);
            }
        }
        Ok(Flow::Next)
    }

    fn node(&mut self, dot: &Held, node: &'r Node) -> Walked {
        self.step()?;
        self.at(Place::Node(node));
        self.unknown = None;
        match node {
            Node::Text { text, .. } => self.write(text)?,
            Node::Action(pipe) => {
                let simple = pipe.simple_operand();
                if simple.is_some_and(|operand| self.write_path(dot, operand)) {
                    return Ok(Flow::Next);
                }
                let held = match simple.and_then(|operand| self.path(dot, operand)) {
                    Some(held) => held,
                    None => self.pipe(dot, pipe)?,
                };
                if pipe.variables.is_empty() {
                    self.print(node, &held)?;
                }
            }
            Node::If(branch) => return self.descend(|run| run.branch(dot, branch, Sets::Nothing)),
            Node::With(branch) => return self.descend(|run| run.branch(dot, branch, Sets::Dot)),
            Node::Range(branch) => return self.descend(|run| run.range(dot, node, branch)),
            Node::Template { name, pipe, .. } => {
                self.descend(|run| run.template(dot, name, pipe.as_ref()))?;
            }
            Node::Break { .. } => return Ok(Flow::Break),
            Node::Continue { .. } => return Ok(Flow::Continue),
        }
        Ok(Flow::Next)
    }

    fn branch(&mut self, dot: &Held, branch: &'r Branch, sets: Sets) -> Walked {
        let known = self.variables.len();
        let held = self.pipe(dot, &branch.pipe)?;
        let flow = if held.value.is_true() {
            let dot = if sets == Sets::Dot { &held } else { dot };
            self.block(dot, &branch.body)
        } else if let Some(otherwise) = &branch.otherwise {
            self.block(dot, otherwise)
        } else {
            Ok(Flow::Next)
        };
        self.variables.truncate(known);
        flow
    }

    fn template(
        &mut self,
        dot: &Held,
        name: &str,
        pipe: Option<&'r Pipe>,
    ) -> Result<(), Box<ExecutionError>> {
        let Some(tree) = self.trees.get(name) else {
            let name = crate::go::quote(name.as_bytes());
            return Err(self.error(format!("template {name} not defined")));
        };
        let limit = self.context.limits().depth;
        if !self.context.enter_template() {
            return Err(self.error(format!("exceeded maximum template depth ({limit})")));
        }
        let dot = match pipe {
            Some(pipe) => self.pipe(dot, pipe)?,
            None => Held::default(),
        };
        let mut inner = Run {
            context: &mut *self.context,
            trees: self.trees,
            tree,
            output: &mut *self.output,
            variables: vec![(Symbol::ROOT, dot.clone())],
            operands: &mut *self.operands,
            place: self.place,
            unknown: None,
        };
        inner.block(&dot, &tree.root)?;
        self.context.leave_template();
        Ok(())
    }

    /// The value of a pipeline; its variables are declared or set.
    fn pipe(&mut self, dot: &Held, pipe: &'r Pipe) -> Evaluated {
        self.at(Place::Pipe(pipe));
        let mut last: Option<Held> = None;
        for command in &pipe.commands {
            last = Some(self.command(dot, command, last)?.unboxed());
        }
        let held = last.unwrap_or_default();
        for variable in &pipe.variables {
            if pipe.is_assignment {
                self.set_variable(variable, held.clone())?;
            } else {
                self.variables.push((variable.symbol, held.clone()));
            }
        }
        Ok(held)
    }

    fn command(&mut self, dot: &Held, command: &'r Command, last: Option<Held>) -> Evaluated {
        let Some((first, arguments)) = command.operands.split_first() else {
            return Ok(Held::default());
        };
        let has_arguments = !arguments.is_empty() || last.is_some();
        if !has_arguments && let Some(held) = self.path(dot, first) {
            self.at(Place::Operand(first));
            return Ok(held);
        }
        match &first.kind {
            OperandKind::Field(names) => {
                self.at(Place::Operand(first));
                let place = Place::Operand(first);
                return self.field_chain(dot, dot, place, names, arguments, last);
            }
            OperandKind::Chain(inner, names) => {
                return self.chain(dot, first, inner, names, arguments, last);
            }
            OperandKind::Function(name, callee) => {
                self.at(Place::Operand(first));
                let place = Place::Command(command);
                return self.function(dot, name, *callee, place, arguments, last);
            }
            OperandKind::Pipe(pipe) => {
                if has_arguments {
                    return Err(self.not_a_function(first));
                }
                return self.descend(|run| run.pipe(dot, pipe));
            }
            OperandKind::Variable(variable, names) => {
                self.at(Place::Operand(first));
                let Some(held) = self.variable(variable).cloned() else {
                    return Err(self.undefined(variable));
                };
                if names.is_empty() {
                    if has_arguments {
                        return Err(self.not_a_function(first));
                    }
                    return Ok(held);
                }
                let place = Place::Operand(first);
                return self.field_chain(dot, &held, place, names, arguments, last);
            }
            _ => {}
        }
        self.at(Place::Operand(first));
        if has_arguments {
            return Err(self.not_a_function(first));
        }
        match &first.kind {
            OperandKind::Nil => Err(self.error("nil is not a command")),
            _ => self.constant(dot, first),
        }
    }

    fn not_a_function(&self, operand: &Operand) -> Box<ExecutionError> {
        self.error(format!("can't give argument to non-function {operand}"))
    }

    /// The value of a constant where no type is asked for.
    fn constant(&mut self, dot: &Held, operand: &'r Operand) -> Evaluated {
        match &operand.kind {
            OperandKind::Bool(flag) => Ok(Held::plain(Value::Bool(*flag))),
            OperandKind::Dot => Ok(dot.clone()),
            OperandKind::Text(_, text) => Ok(Held::plain(Value::Text(text.clone()))),
            OperandKind::Number(number) => self.number(operand, number),
            _ => Ok(Held::default()),
        }
    }

    fn number(&mut self, operand: &'r Operand, number: &Number) -> Evaluated {
        self.at(Place::Operand(operand));
        match &number.ideal {
            Some(value) => Ok(Held::plain(value.clone())),
            None => Err(self.error(format!("{} overflows int", number.text))),
        }
    }
}

/// What a branch does with the value it looks at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sets {
    Nothing,
    Dot,
}

/// A value in an error text.
fn shown(value: &Value) -> String {
    let text = match value.kind() {
        Kind::Invalid => b"<invalid reflect.Value>".to_vec(),
        _ => printf(b"%v", std::slice::from_ref(value)).unwrap_or_default(),
    };
    String::from_utf8_lossy(&text).into_owned()
}

/// The names that a field could have had.
fn known_names(value: &Value) -> Vec<String> {
    match value {
        Value::Object(object) => object
            .fields()
            .iter()
            .filter(|(name, _)| object.field(name).is_some())
            .map(|(name, _)| (*name).to_owned())
            .collect(),
        Value::Map(map) => map
            .entries()
            .keys()
            .filter_map(Key::as_text)
            .map(|key| key.to_str_lossy().into_owned())
            .collect(),
        _ => Vec::new(),
    }
}
