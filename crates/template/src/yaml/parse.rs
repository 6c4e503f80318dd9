//! Tokens to nodes: the first document of a stream as a tree.

use std::{collections::BTreeMap, mem::discriminant};

use super::{
    YamlError,
    scan::{Mark, Scanner, Style, Token, TokenKind},
};

/// Nesting beyond this is an attack, not configuration.
const DEEPEST: usize = 200;

/// A document: all nodes, and which one is outermost.
pub(super) struct Tree {
    nodes: Vec<Node>,
    pub(super) root: usize,
}

impl Tree {
    pub(super) fn node(&self, index: usize) -> &Node {
        self.nodes.get(index).unwrap_or(&EMPTY)
    }
}

/// One node; others are named by their index.
pub(super) enum Node {
    Scalar {
        text: String,
        tag: String,
        implicit: bool,
    },
    List(Vec<usize>),
    Map(Vec<(usize, usize)>),
    Alias {
        name: String,
        target: usize,
    },
}

impl Node {
    const EMPTY: Self = Self::Scalar {
        text: String::new(),
        tag: String::new(),
        implicit: true,
    };
}

static EMPTY: Node = Node::EMPTY;

/// The first document of a text, or none when there is nothing but comments.
pub(super) fn document(characters: &[char]) -> Result<Option<Tree>, YamlError> {
    let mut parser = Parser {
        scanner: Scanner::new(characters),
        nodes: Vec::new(),
        anchors: BTreeMap::new(),
        tags: BTreeMap::new(),
    };
    let Some(root) = parser.document()? else {
        return Ok(None);
    };
    // The end of the document is looked for, which may find that there is none.
    parser.peek()?;
    Ok(Some(Tree {
        nodes: parser.nodes,
        root,
    }))
}

struct Parser<'t> {
    scanner: Scanner<'t>,
    nodes: Vec<Node>,
    anchors: BTreeMap<String, usize>,
    tags: BTreeMap<String, String>,
}

/// In what surroundings a node stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Within brackets.
    Flow,
    /// By indentation.
    Block,
    /// By indentation, where a list may stand at the indentation of its key.
    BlockMember,
}

impl Parser<'_> {
    fn peek(&mut self) -> Result<&TokenKind, YamlError> {
        self.scanner.peek().map(|token| &token.kind)
    }

    fn mark(&mut self) -> Result<Mark, YamlError> {
        self.scanner.peek().map(|token| token.mark)
    }

    fn next(&mut self) -> Result<Token, YamlError> {
        self.scanner.next()
    }

    fn add(&mut self, node: Node) -> usize {
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    fn empty(&mut self) -> usize {
        self.add(Node::EMPTY)
    }

    /// The reader counts lines from 0 in these refusals, and leaves the first line out.
    fn refuse<T>(&self, mark: Mark, problem: &'static str) -> Result<T, YamlError> {
        Err(YamlError::At {
            line: (mark.line > 0).then_some(mark.line),
            problem,
        })
    }

    fn document(&mut self) -> Result<Option<usize>, YamlError> {
        let mut version = false;
        loop {
            let mark = self.mark()?;
            match self.peek()?.clone() {
                TokenKind::StreamEnd if !version && self.tags.is_empty() => return Ok(None),
                TokenKind::Version { major, minor } => {
                    let known = (major, minor) == (1, 1);
                    if version {
                        return self.refuse(mark, "found duplicate %YAML directive");
                    }
                    if !known {
                        return self.refuse(mark, "found incompatible YAML document");
                    }
                    version = true;
                    self.next()?;
                }
                TokenKind::TagDirective { handle, prefix } => {
                    if self.tags.insert(handle, prefix).is_some() {
                        return self.refuse(mark, "found duplicate %TAG directive");
                    }
                    self.next()?;
                }
                TokenKind::DocumentStart => {
                    self.next()?;
                    return match self.peek()? {
                        TokenKind::Version { .. }
                        | TokenKind::TagDirective { .. }
                        | TokenKind::DocumentStart
                        | TokenKind::DocumentEnd
                        | TokenKind::StreamEnd => Ok(Some(self.empty())),
                        _ => self.node(Place::Block, 0).map(Some),
                    };
                }
                _ if version || !self.tags.is_empty() => {
                    return self.refuse(mark, "did not find expected <document start>");
                }
                _ => return self.node(Place::Block, 0).map(Some),
            }
        }
    }

    fn node(&mut self, place: Place, depth: usize) -> Result<usize, YamlError> {
        if depth > DEEPEST {
            return Err(YamlError::Whole(format!("exceeded max depth of {DEEPEST}")));
        }
        if let TokenKind::Alias(_) = self.peek()? {
            let TokenKind::Alias(name) = self.next()?.kind else {
                return Ok(self.empty());
            };
            let Some(target) = self.anchors.get(&name).copied() else {
                return Err(YamlError::Whole(format!(
                    "unknown anchor '{name}' referenced"
                )));
            };
            return Ok(self.add(Node::Alias { name, target }));
        }
        let (anchor, tag) = self.properties()?;
        // The node has its number before what is in it, so that an alias inside finds it.
        let index = self.empty();
        let named = anchor.is_some() || tag.is_some();
        if let Some(anchor) = anchor {
            self.anchors.insert(anchor, index);
        }
        let mark = self.mark()?;
        let node = match self.peek()? {
            TokenKind::BlockEntry if place == Place::BlockMember => self.list_at_indent(depth)?,
            TokenKind::Scalar { .. } => {
                let TokenKind::Scalar { text, style } = self.next()?.kind else {
                    return Ok(index);
                };
                match tag.as_deref() {
                    None => Node::Scalar {
                        text,
                        tag: String::new(),
                        implicit: style == Style::Plain,
                    },
                    Some("!") => Node::Scalar {
                        text,
                        tag: String::new(),
                        implicit: true,
                    },
                    Some(tag) => Node::Scalar {
                        text,
                        tag: tag.to_owned(),
                        implicit: false,
                    },
                }
            }
            TokenKind::FlowListStart => self.flow_list(depth)?,
            TokenKind::FlowMapStart => self.flow_map(depth)?,
            TokenKind::BlockListStart if place != Place::Flow => self.block_list(depth)?,
            TokenKind::BlockMapStart if place != Place::Flow => self.block_map(depth)?,
            _ if named => {
                let tag = tag.unwrap_or_default();
                Node::Scalar {
                    text: String::new(),
                    implicit: tag.is_empty(),
                    tag,
                }
            }
            _ => return self.refuse(mark, "did not find expected node content"),
        };
        if let Some(place) = self.nodes.get_mut(index) {
            *place = node;
        }
        Ok(index)
    }

    /// Anchor and tag in front of a node, in any order.
    fn properties(&mut self) -> Result<(Option<String>, Option<String>), YamlError> {
        let (mut anchor, mut tag) = (None, None);
        loop {
            let mark = self.mark()?;
            match self.peek()?.clone() {
                TokenKind::Anchor(name) if anchor.is_none() => {
                    anchor = Some(name);
                    self.next()?;
                }
                TokenKind::Tag { handle, suffix } if tag.is_none() => {
                    let prefix = match handle.as_str() {
                        "" => String::new(),
                        "!" | "!!" if !self.tags.contains_key(&handle) => {
                            if handle == "!" {
                                "!".to_owned()
                            } else {
                                "tag:yaml.org,2002:".to_owned()
                            }
                        }
                        handle => match self.tags.get(handle) {
                            Some(prefix) => prefix.clone(),
                            None => return self.refuse(mark, "found undefined tag handle"),
                        },
                    };
                    tag = Some(prefix + &suffix);
                    self.next()?;
                }
                _ => return Ok((anchor, tag)),
            }
        }
    }

    fn block_list(&mut self, depth: usize) -> Result<Node, YamlError> {
        self.next()?;
        let mut items = Vec::new();
        loop {
            let mark = self.mark()?;
            match self.peek()? {
                TokenKind::BlockEntry => {
                    self.next()?;
                    items.push(match self.peek()? {
                        TokenKind::BlockEntry | TokenKind::BlockEnd => self.empty(),
                        _ => self.node(Place::Block, depth + 1)?,
                    });
                }
                TokenKind::BlockEnd => {
                    self.next()?;
                    return Ok(Node::List(items));
                }
                _ => return self.refuse(mark, "did not find expected '-' indicator"),
            }
        }
    }

    fn list_at_indent(&mut self, depth: usize) -> Result<Node, YamlError> {
        let mut items = Vec::new();
        while matches!(self.peek()?, TokenKind::BlockEntry) {
            self.next()?;
            items.push(match self.peek()? {
                TokenKind::BlockEntry | TokenKind::Key | TokenKind::Value | TokenKind::BlockEnd => {
                    self.empty()
                }
                _ => self.node(Place::Block, depth + 1)?,
            });
        }
        Ok(Node::List(items))
    }

    fn block_map(&mut self, depth: usize) -> Result<Node, YamlError> {
        self.next()?;
        let mut pairs = Vec::new();
        loop {
            let mark = self.mark()?;
            match self.peek()? {
                TokenKind::Key => {
                    self.next()?;
                    let key = self.block_member(depth)?;
                    let value = if matches!(self.peek()?, TokenKind::Value) {
                        self.next()?;
                        self.block_member(depth)?
                    } else {
                        self.empty()
                    };
                    pairs.push((key, value));
                }
                TokenKind::BlockEnd => {
                    self.next()?;
                    return Ok(Node::Map(pairs));
                }
                _ => return self.refuse(mark, "did not find expected key"),
            }
        }
    }

    fn block_member(&mut self, depth: usize) -> Result<usize, YamlError> {
        match self.peek()? {
            TokenKind::Key | TokenKind::Value | TokenKind::BlockEnd => Ok(self.empty()),
            _ => self.node(Place::BlockMember, depth + 1),
        }
    }

    fn flow_list(&mut self, depth: usize) -> Result<Node, YamlError> {
        self.next()?;
        let mut items = Vec::new();
        loop {
            if matches!(self.peek()?, TokenKind::FlowListEnd) {
                break;
            }
            if !items.is_empty() {
                let mark = self.mark()?;
                if !matches!(self.peek()?, TokenKind::FlowEntry) {
                    return self.refuse(mark, "did not find expected ',' or ']'");
                }
                self.next()?;
            }
            match self.peek()? {
                TokenKind::FlowListEnd => break,
                TokenKind::Key => {
                    self.next()?;
                    let key = match self.peek()? {
                        // The established reader swallows the mark behind a key of nothing.
                        TokenKind::Value | TokenKind::FlowEntry | TokenKind::FlowListEnd => {
                            self.next()?;
                            self.empty()
                        }
                        _ => self.node(Place::Flow, depth + 1)?,
                    };
                    let value = self.flow_value(&TokenKind::FlowListEnd, depth)?;
                    items.push(self.add(Node::Map(vec![(key, value)])));
                }
                _ => items.push(self.node(Place::Flow, depth + 1)?),
            }
        }
        self.next()?;
        Ok(Node::List(items))
    }

    fn flow_map(&mut self, depth: usize) -> Result<Node, YamlError> {
        self.next()?;
        let mut pairs = Vec::new();
        loop {
            if matches!(self.peek()?, TokenKind::FlowMapEnd) {
                break;
            }
            if !pairs.is_empty() {
                let mark = self.mark()?;
                if !matches!(self.peek()?, TokenKind::FlowEntry) {
                    return self.refuse(mark, "did not find expected ',' or '}'");
                }
                self.next()?;
            }
            match self.peek()? {
                TokenKind::FlowMapEnd => break,
                TokenKind::Key => {
                    self.next()?;
                    let key = match self.peek()? {
                        TokenKind::Value => self.empty(),
                        _ => self.flow_member(&TokenKind::FlowMapEnd, depth)?,
                    };
                    let value = self.flow_value(&TokenKind::FlowMapEnd, depth)?;
                    pairs.push((key, value));
                }
                _ => {
                    let key = self.node(Place::Flow, depth + 1)?;
                    let value = self.empty();
                    pairs.push((key, value));
                }
            }
        }
        self.next()?;
        Ok(Node::Map(pairs))
    }

    /// A member of a list or map in brackets, or nothing where the next one or their end follows.
    fn flow_member(&mut self, closing: &TokenKind, depth: usize) -> Result<usize, YamlError> {
        let next = self.peek()?;
        if matches!(next, TokenKind::FlowEntry) || discriminant(next) == discriminant(closing) {
            return Ok(self.empty());
        }
        self.node(Place::Flow, depth + 1)
    }

    fn flow_value(&mut self, closing: &TokenKind, depth: usize) -> Result<usize, YamlError> {
        if !matches!(self.peek()?, TokenKind::Value) {
            return Ok(self.empty());
        }
        self.next()?;
        self.flow_member(closing, depth)
    }
}
