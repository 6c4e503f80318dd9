//! The parsed template: nodes with their places in the source, and how they are printed back in error
//! messages.

use std::{fmt, rc::Rc};

use crate::go::{Function, Key, Text, Value, language::LanguageFunction, quote};

/// A template by name: its body. All trees of one source share that source.
pub(crate) struct Tree {
    pub(crate) name: String,
    pub(crate) source: Rc<[u8]>,
    pub(crate) root: Block,
}

/// A run of nodes, and where it begins.
#[derive(Default)]
pub(crate) struct Block {
    pub(crate) position: usize,
    pub(crate) nodes: Vec<Node>,
}

impl Block {
    /// Whether there is nothing but white space, so that another definition may take its place.
    pub(crate) fn is_empty(&self) -> bool {
        self.nodes.iter().all(|node| match node {
            Node::Text { text, .. } => String::from_utf8_lossy(text)
                .chars()
                .all(char::is_whitespace),
            _ => false,
        })
    }
}

pub(crate) enum Node {
    Text {
        position: usize,
        text: Text,
    },
    Action(Pipe),
    If(Branch),
    With(Branch),
    Range(Branch),
    Template {
        position: usize,
        name: String,
        pipe: Option<Pipe>,
    },
    Break {
        position: usize,
    },
    Continue {
        position: usize,
    },
}

/// `if`, `with` or `range`.
pub(crate) struct Branch {
    pub(crate) pipe: Pipe,
    pub(crate) body: Block,
    pub(crate) otherwise: Option<Block>,
}

/// Commands connected by `|`, with the variables that get the result.
pub(crate) struct Pipe {
    pub(crate) position: usize,
    pub(crate) is_assignment: bool,
    pub(crate) variables: Vec<Variable>,
    pub(crate) commands: Vec<Command>,
}

impl Pipe {
    /// The operand that is all of the pipeline, if it is one alone.
    pub(crate) fn simple_operand(&self) -> Option<&Operand> {
        match self.commands.as_slice() {
            [Command { operands, .. }] if self.variables.is_empty() => match operands.as_slice() {
                [operand] => Some(operand),
                _ => None,
            },
            _ => None,
        }
    }
}

/// A function, method or value with its arguments. There is at least one operand.
pub(crate) struct Command {
    pub(crate) position: usize,
    pub(crate) operands: Vec<Operand>,
}

pub(crate) struct Operand {
    pub(crate) position: usize,
    pub(crate) kind: OperandKind,
}

pub(crate) enum OperandKind {
    Bool(bool),
    /// `(pipe).a.b`, or anything else that fields are taken from
    Chain(Box<Operand>, Vec<Name>),
    Dot,
    /// `.a.b`
    Field(Vec<Name>),
    Function(Rc<str>, Callee),
    Nil,
    Number(Number),
    /// In parentheses
    Pipe(Pipe),
    /// As it was quoted, and what it means
    Text(String, Text),
    /// `$x.a.b`; the name includes the `$`
    Variable(Variable, Vec<Name>),
}

/// A variable's name with its number: equal names have equal numbers all over a source, so that the
/// evaluator compares no texts.
#[derive(Clone)]
pub(crate) struct Variable {
    pub(crate) name: Rc<str>,
    pub(crate) symbol: Symbol,
}

/// The number of a variable's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Symbol(pub(crate) usize);

impl Symbol {
    /// `$`, which every template begins with.
    pub(crate) const ROOT: Self = Self(0);
}

/// A field's name, which is also a map's key.
pub(crate) struct Name {
    pub(crate) text: Rc<str>,
    pub(crate) key: Key,
}

impl Name {
    pub(crate) fn new(text: &str) -> Self {
        Self {
            text: text.into(),
            key: Key::from(text),
        }
    }
}

/// What a name that stands for a function calls.
#[derive(Clone, Copy)]
pub(crate) enum Callee {
    /// `and`, which evaluates no more arguments than it needs
    And,
    /// `or`, likewise
    Or,
    /// `call`, which wants to know how its first argument is written
    Call,
    /// Any other function of the language
    Language(&'static LanguageFunction),
    /// A function of the library
    Function(&'static Function),
}

/// A numeric constant: all that it can be, since its use decides.
pub(crate) struct Number {
    pub(crate) text: String,
    pub(crate) int: Option<i64>,
    pub(crate) uint: Option<u64>,
    pub(crate) float: Option<f64>,
    pub(crate) complex: Option<(f64, f64)>,
    /// What it is where no type is asked for; none when that would be an int which it does not fit.
    pub(crate) ideal: Option<Value>,
}

/// Any part of a tree, for saying where something went wrong.
#[derive(Clone, Copy)]
pub(crate) enum Place<'t> {
    Block(&'t Block),
    Node(&'t Node),
    Pipe(&'t Pipe),
    Command(&'t Command),
    Operand(&'t Operand),
}

impl Place<'_> {
    /// Byte in the source where errors point to.
    pub(crate) fn position(&self) -> usize {
        match self {
            Self::Block(block) => block.position,
            Self::Node(node) => node.position(),
            Self::Pipe(pipe) => pipe.position,
            Self::Command(command) => command.position,
            Self::Operand(operand) => operand.position,
        }
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Block(block) => block.fmt(f),
            Self::Node(node) => node.fmt(f),
            Self::Pipe(pipe) => pipe.fmt(f),
            Self::Command(command) => command.fmt(f),
            Self::Operand(operand) => operand.fmt(f),
        }
    }
}

impl Node {
    fn position(&self) -> usize {
        match self {
            Self::Text { position, .. }
            | Self::Template { position, .. }
            | Self::Break { position }
            | Self::Continue { position } => *position,
            Self::Action(pipe) => pipe.position,
            Self::If(branch) | Self::With(branch) | Self::Range(branch) => branch.pipe.position,
        }
    }
}

impl fmt::Display for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.nodes.iter().try_for_each(|node| node.fmt(f))
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (word, branch) = match self {
            Self::Text { text, .. } => return f.write_str(&text.to_str_lossy()),
            Self::Action(pipe) => return write!(f, "{{{{{pipe}}}}}"),
            Self::Break { .. } => return f.write_str("{{break}}"),
            Self::Continue { .. } => return f.write_str("{{continue}}"),
            Self::Template { name, pipe, .. } => {
                write!(f, "{{{{template {}", quote(name.as_bytes()))?;
                if let Some(pipe) = pipe {
                    write!(f, " {pipe}")?;
                }
                return f.write_str("}}");
            }
            Self::If(branch) => ("if", branch),
            Self::With(branch) => ("with", branch),
            Self::Range(branch) => ("range", branch),
        };
        write!(f, "{{{{{word} {}}}}}{}", branch.pipe, branch.body)?;
        if let Some(otherwise) = &branch.otherwise {
            write!(f, "{{{{else}}}}{otherwise}")?;
        }
        f.write_str("{{end}}")
    }
}

impl fmt::Display for Pipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.variables.is_empty() {
            for (index, variable) in self.variables.iter().enumerate() {
                f.write_str(if index > 0 { ", " } else { "" })?;
                f.write_str(&variable.name)?;
            }
            f.write_str(if self.is_assignment { " = " } else { " := " })?;
        }
        for (index, command) in self.commands.iter().enumerate() {
            if index > 0 {
                f.write_str(" | ")?;
            }
            command.fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, operand) in self.operands.iter().enumerate() {
            if index > 0 {
                f.write_str(" ")?;
            }
            match &operand.kind {
                OperandKind::Pipe(pipe) => write!(f, "({pipe})")?,
                _ => operand.fmt(f)?,
            }
        }
        Ok(())
    }
}

impl fmt::Display for Operand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            OperandKind::Bool(flag) => flag.fmt(f),
            OperandKind::Chain(inner, names) => {
                match &inner.kind {
                    OperandKind::Pipe(pipe) => write!(f, "({pipe})")?,
                    _ => inner.fmt(f)?,
                }
                write_names(names, f)
            }
            OperandKind::Dot => f.write_str("."),
            OperandKind::Field(names) => write_names(names, f),
            OperandKind::Function(name, _) => f.write_str(name),
            OperandKind::Nil => f.write_str("nil"),
            OperandKind::Number(number) => f.write_str(&number.text),
            OperandKind::Pipe(pipe) => pipe.fmt(f),
            OperandKind::Text(quoted, _) => f.write_str(quoted),
            OperandKind::Variable(variable, names) => {
                f.write_str(&variable.name)?;
                write_names(names, f)
            }
        }
    }
}

fn write_names(names: &[Name], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    names
        .iter()
        .try_for_each(|name| write!(f, ".{}", name.text))
}
