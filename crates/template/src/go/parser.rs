//! Makes trees of a source's tokens: Go's grammar, with its error texts.

mod pipeline;
mod tokens;

use std::{collections::BTreeMap, rc::Rc};

use crate::go::{
    Functions, Text,
    lexer::{Keyword, Lexer, Token, TokenKind},
    quote::{quote, unquote},
    tree::{Block, Branch, Node, Symbol, Tree, Variable},
};

/// How deep blocks and parentheses may stand in each other: the evaluator goes as deep.
const DEEPEST: usize = 150;

/// The templates of one source by name; the source itself has the empty name.
pub(crate) type Trees = BTreeMap<String, Tree>;

/// Why a source is no template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SyntaxError {
    /// The line that Go names, from 1.
    pub(crate) line: usize,
    /// Bytes of the source where it is.
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) message: String,
    /// The name that nothing goes by, when that is the mistake.
    pub(crate) unknown: Option<Unknown>,
}

/// A name that was not found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unknown {
    Function(String),
    Variable { name: String, known: Vec<String> },
}

/// Parses a source and all definitions in it.
pub(crate) fn parse(
    source: &[u8],
    left_delimiter: &str,
    right_delimiter: &str,
    functions: &dyn Functions,
) -> Parsed<Trees> {
    let mut shared = Shared {
        lexer: Lexer::new(
            source,
            left_delimiter.as_bytes(),
            right_delimiter.as_bytes(),
        ),
        source: source.into(),
        functions,
        trees: Trees::new(),
        variables: vec!["$".into()],
        depth: 0,
    };
    Parser::new(&mut shared).source()?;
    Ok(shared.trees)
}

/// What the parsers of all definitions of a source have in common.
struct Shared<'s> {
    lexer: Lexer<'s>,
    source: Rc<[u8]>,
    functions: &'s dyn Functions,
    trees: Trees,
    /// The names of all variables; their places here are their numbers.
    variables: Vec<Rc<str>>,
    depth: usize,
}

impl Shared<'_> {
    /// The variable of this name.
    fn variable(&mut self, name: &str) -> Variable {
        let known = self.variables.iter().position(|known| **known == *name);
        let symbol = known.unwrap_or_else(|| {
            self.variables.push(name.into());
            self.variables.len() - 1
        });
        Variable {
            name: self
                .variables
                .get(symbol)
                .map_or_else(|| name.into(), Rc::clone),
            symbol: Symbol(symbol),
        }
    }
}

/// The parser of one definition, with its own tokens read ahead, and its own variables.
struct Parser<'p, 's> {
    shared: &'p mut Shared<'s>,
    /// The token read last is the first here; those pushed back lie above it.
    tokens: [Token; 3],
    read_ahead: usize,
    variables: Vec<Variable>,
    open_ranges: usize,
    /// The line of the action being parsed, for tokens that fail on a later one.
    action_line: Option<usize>,
}

/// A node, or one of the words that end a run of nodes.
enum Item {
    Node(Node),
    End,
    Else,
}

impl Item {
    fn text(&self) -> String {
        match self {
            Self::End => "{{end}}".to_owned(),
            Self::Else => "{{else}}".to_owned(),
            Self::Node(node) => node.to_string(),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum BranchKind {
    If,
    With,
    Range,
}

impl BranchKind {
    fn word(self) -> &'static str {
        match self {
            Self::If => "if",
            Self::With => "with",
            Self::Range => "range",
        }
    }
}

type Parsed<T> = Result<T, Box<SyntaxError>>;

impl<'p, 's> Parser<'p, 's> {
    fn new(shared: &'p mut Shared<'s>) -> Self {
        let none = Token {
            kind: TokenKind::Eof,
            start: 0,
            end: 0,
            line: 0,
        };
        let root = shared.variable("$");
        Self {
            shared,
            tokens: [none.clone(), none.clone(), none],
            read_ahead: 0,
            variables: vec![root],
            open_ranges: 0,
            action_line: None,
        }
    }

    fn go_deeper(&mut self) -> Parsed<()> {
        self.shared.depth += 1;
        if self.shared.depth > DEEPEST {
            return Err(self.error(format!("nested more than {DEEPEST} levels deep")));
        }
        Ok(())
    }

    fn come_back(&mut self) {
        self.shared.depth = self.shared.depth.saturating_sub(1);
    }

    // The grammar.

    /// The whole source: nodes and definitions up to its end.
    fn source(&mut self) -> Parsed<()> {
        let mut root = Block {
            position: self.peek().start,
            nodes: Vec::new(),
        };
        while self.peek().kind != TokenKind::Eof {
            if self.peek().kind == TokenKind::LeftDelimiter {
                let delimiter = self.next();
                if self.next_non_space().kind == TokenKind::Keyword(Keyword::Define) {
                    Parser::new(self.shared).definition()?;
                    continue;
                }
                self.back_up_2(delimiter);
            }
            match self.text_or_action()? {
                Item::Node(node) => root.nodes.push(node),
                other => return Err(self.error(format!("unexpected {}", other.text()))),
            }
        }
        self.add(String::new(), root)
    }

    /// `{{define "name"}} … {{end}}`, after the keyword.
    fn definition(&mut self) -> Parsed<()> {
        let context = "define clause";
        let token = self.next_non_space();
        let name = self.template_name(&token, context)?;
        self.expect(&TokenKind::RightDelimiter, context)?;
        let (root, end) = self.block()?;
        match end {
            Item::End => self.add(name, root),
            other => Err(self.error(format!("unexpected {} in {context}", other.text()))),
        }
    }

    fn add(&mut self, name: String, root: Block) -> Parsed<()> {
        let is_free = self
            .shared
            .trees
            .get(&name)
            .is_none_or(|tree| tree.root.is_empty());
        if is_free {
            let source = Rc::clone(&self.shared.source);
            self.shared
                .trees
                .insert(name.clone(), Tree { name, source, root });
        } else if !root.is_empty() {
            let name = quote(name.as_bytes());
            return Err(self.error(format!("template: multiple definition of template {name}")));
        }
        Ok(())
    }

    /// Nodes up to `{{end}}` or `{{else}}`.
    fn block(&mut self) -> Parsed<(Block, Item)> {
        self.go_deeper()?;
        let mut block = Block {
            position: self.peek_non_space().start,
            nodes: Vec::new(),
        };
        while self.peek_non_space().kind != TokenKind::Eof {
            match self.text_or_action()? {
                Item::Node(node) => block.nodes.push(node),
                end => {
                    self.come_back();
                    return Ok((block, end));
                }
            }
        }
        Err(self.error("unexpected EOF"))
    }

    fn text_or_action(&mut self) -> Parsed<Item> {
        let token = self.next_non_space();
        match token.kind {
            TokenKind::Text => {
                let text = Text::from(self.shared.lexer.text_of(&token));
                Ok(Item::Node(Node::Text {
                    position: token.start,
                    text,
                }))
            }
            TokenKind::LeftDelimiter => {
                self.action_line = Some(token.line);
                let item = self.action();
                if item.is_ok() {
                    self.action_line = None;
                }
                item
            }
            _ => Err(self.unexpected(&token, "input")),
        }
    }

    fn action(&mut self) -> Parsed<Item> {
        let token = self.next_non_space();
        let TokenKind::Keyword(keyword) = token.kind else {
            return self.pipeline_action();
        };
        let node = match keyword {
            Keyword::Block => self.block_control()?,
            Keyword::Break => {
                self.loop_control("break")?;
                Node::Break {
                    position: token.start,
                }
            }
            Keyword::Continue => {
                self.loop_control("continue")?;
                Node::Continue {
                    position: token.start,
                }
            }
            Keyword::Else => return self.else_control(),
            Keyword::End => {
                self.expect(&TokenKind::RightDelimiter, "end")?;
                return Ok(Item::End);
            }
            Keyword::If => Node::If(self.branch(BranchKind::If)?),
            Keyword::Range => Node::Range(self.branch(BranchKind::Range)?),
            Keyword::With => Node::With(self.branch(BranchKind::With)?),
            Keyword::Template => self.template_control()?,
            Keyword::Dot | Keyword::Define | Keyword::Nil => return self.pipeline_action(),
        };
        Ok(Item::Node(node))
    }

    /// An action that is a pipeline, whose first token was read already.
    fn pipeline_action(&mut self) -> Parsed<Item> {
        self.back_up();
        let pipe = self.pipeline("command", &TokenKind::RightDelimiter)?;
        Ok(Item::Node(Node::Action(pipe)))
    }

    fn loop_control(&mut self, word: &str) -> Parsed<()> {
        let token = self.next_non_space();
        if token.kind != TokenKind::RightDelimiter {
            return Err(self.unexpected(&token, &format!("{{{{{word}}}}}")));
        }
        if self.open_ranges == 0 {
            return Err(self.error(format!("{{{{{word}}}}} outside {{{{range}}}}")));
        }
        Ok(())
    }

    fn else_control(&mut self) -> Parsed<Item> {
        // `else if` and `else with` are read on by the branch that they belong to.
        let next = self.peek_non_space();
        if !matches!(next.kind, TokenKind::Keyword(Keyword::If | Keyword::With)) {
            self.expect(&TokenKind::RightDelimiter, "else")?;
        }
        Ok(Item::Else)
    }

    fn branch(&mut self, kind: BranchKind) -> Parsed<Branch> {
        let known = self.variables.len();
        let pipe = self.pipeline(kind.word(), &TokenKind::RightDelimiter)?;
        if kind == BranchKind::Range {
            self.open_ranges += 1;
        }
        let (body, end) = self.block()?;
        if kind == BranchKind::Range {
            self.open_ranges -= 1;
        }
        let otherwise = match end {
            Item::Else => Some(self.otherwise(kind)?),
            _ => None,
        };
        self.variables.truncate(known);
        Ok(Branch {
            pipe,
            body,
            otherwise,
        })
    }

    /// What follows `{{else`: for `else if` and `else with` a block of just that branch, whose end is
    /// the end of both.
    fn otherwise(&mut self, kind: BranchKind) -> Parsed<Block> {
        let next = self.peek();
        let continues = match kind {
            BranchKind::If => next.kind == TokenKind::Keyword(Keyword::If),
            BranchKind::With => next.kind == TokenKind::Keyword(Keyword::With),
            BranchKind::Range => false,
        };
        if continues {
            self.next();
            self.go_deeper()?;
            let branch = self.branch(kind)?;
            self.come_back();
            let position = next.start;
            let node = if kind == BranchKind::If {
                Node::If(branch)
            } else {
                Node::With(branch)
            };
            return Ok(Block {
                position,
                nodes: vec![node],
            });
        }
        match self.block()? {
            (block, Item::End) => Ok(block),
            (_, other) => Err(self.error(format!("expected end; found {}", other.text()))),
        }
    }

    /// `{{block "name" pipeline}} … {{end}}`: defines a template and calls it.
    fn block_control(&mut self) -> Parsed<Node> {
        let context = "block clause";
        let token = self.next_non_space();
        let name = self.template_name(&token, context)?;
        let pipe = self.pipeline(context, &TokenKind::RightDelimiter)?;
        let mut inner = Parser::new(self.shared);
        let (root, end) = inner.block()?;
        if !matches!(end, Item::End) {
            return Err(inner.error(format!("unexpected {} in {context}", end.text())));
        }
        inner.add(name.clone(), root)?;
        Ok(Node::Template {
            position: token.start,
            name,
            pipe: Some(pipe),
        })
    }

    fn template_control(&mut self) -> Parsed<Node> {
        let context = "template clause";
        let token = self.next_non_space();
        let name = self.template_name(&token, context)?;
        let mut pipe = None;
        if self.next_non_space().kind != TokenKind::RightDelimiter {
            self.back_up();
            pipe = Some(self.pipeline(context, &TokenKind::RightDelimiter)?);
        }
        Ok(Node::Template {
            position: token.start,
            name,
            pipe,
        })
    }

    fn template_name(&mut self, token: &Token, context: &str) -> Parsed<String> {
        if !matches!(token.kind, TokenKind::String | TokenKind::RawString) {
            return Err(self.unexpected(token, context));
        }
        let name = unquote(self.shared.lexer.text_of(token));
        let name = name.ok_or_else(|| self.error("invalid syntax"))?;
        Ok(String::from_utf8_lossy(&name).into_owned())
    }
}
