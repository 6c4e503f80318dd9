//! Cuts a template's source into text and the tokens of actions. Knows delimiters, trim markers and
//! comments; what tokens may follow each other is the parser's business.

mod action;

use super::{quote::decode, text::find};

/// A token: what it is, where it stands, and on which line it begins.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    pub(crate) kind: TokenKind,
    /// Byte where it begins.
    pub(crate) start: usize,
    /// Byte after its end.
    pub(crate) end: usize,
    /// Line where it begins, from 1.
    pub(crate) line: usize,
}

/// What a token is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TokenKind {
    /// Something that cannot be a token; the message says why.
    Error(String),
    Bool,
    /// Any printable ASCII character without a meaning of its own, such as a comma.
    Char,
    CharConstant,
    Complex,
    Assign,
    Declare,
    Eof,
    /// `.name`
    Field,
    Identifier,
    LeftDelimiter,
    LeftParen,
    Number,
    Pipe,
    RawString,
    RightDelimiter,
    RightParen,
    Space,
    String,
    Text,
    /// `$name`
    Variable,
    Keyword(Keyword),
}

/// The words of the language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keyword {
    Block,
    Break,
    Continue,
    /// The cursor, which counts as a keyword in error texts.
    Dot,
    Define,
    Else,
    End,
    If,
    Nil,
    Range,
    Template,
    With,
}

impl Keyword {
    fn of(word: &[u8]) -> Option<Self> {
        Some(match word {
            b"block" => Self::Block,
            b"break" => Self::Break,
            b"continue" => Self::Continue,
            b"define" => Self::Define,
            b"else" => Self::Else,
            b"end" => Self::End,
            b"if" => Self::If,
            b"nil" => Self::Nil,
            b"range" => Self::Range,
            b"template" => Self::Template,
            b"with" => Self::With,
            _ => return None,
        })
    }
}

/// The lexer. It gives one token after another, and after the first mistake nothing of use.
pub(crate) struct Lexer<'s> {
    source: &'s [u8],
    left: &'s [u8],
    right: &'s [u8],
    position: usize,
    start: usize,
    line: usize,
    start_line: usize,
    open_parens: usize,
    is_inside_action: bool,
    /// Where the last mistake was, for the excerpt: lines count from the token's start.
    failed: bool,
}

/// Outcome of scanning a piece: a token, or nothing yet (a comment was skipped).
type Scanned = Option<Token>;

impl<'s> Lexer<'s> {
    /// A lexer at the start of a source; empty delimiters mean `{{` and `}}`.
    pub(crate) fn new(source: &'s [u8], left: &'s [u8], right: &'s [u8]) -> Self {
        Self {
            source,
            left: if left.is_empty() { b"{{" } else { left },
            right: if right.is_empty() { b"}}" } else { right },
            position: 0,
            start: 0,
            line: 1,
            start_line: 1,
            open_parens: 0,
            is_inside_action: false,
            failed: false,
        }
    }

    /// The bytes of a token.
    pub(crate) fn text_of(&self, token: &Token) -> &'s [u8] {
        self.source.get(token.start..token.end).unwrap_or_default()
    }

    /// The next token. After the end there are only more ends.
    pub(crate) fn next_token(&mut self) -> Token {
        if self.failed {
            return self.failure("unclosed action".to_owned());
        }
        loop {
            let scanned = if self.is_inside_action {
                Some(self.inside_action())
            } else {
                self.text()
            };
            if let Some(token) = scanned {
                return token;
            }
        }
    }

    fn rest(&self) -> &'s [u8] {
        self.source.get(self.position..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        decode(self.rest()).map(|(character, _)| character)
    }

    fn next(&mut self) -> Option<char> {
        let (character, length) = decode(self.rest())?;
        self.position += length;
        if character == '\n' {
            self.line += 1;
        }
        Some(character)
    }

    fn accept(&mut self, wanted: impl Fn(char) -> bool) -> bool {
        if self.peek().is_some_and(wanted) {
            self.next();
            return true;
        }
        false
    }

    fn accept_run(&mut self, wanted: impl Fn(char) -> bool) {
        while self.accept(&wanted) {}
    }

    fn emit(&mut self, kind: TokenKind) -> Token {
        let token = Token {
            kind,
            start: self.start,
            end: self.position,
            line: self.start_line,
        };
        self.start = self.position;
        self.start_line = self.line;
        token
    }

    /// Drops what lies between start and position, counting the lines there.
    fn ignore(&mut self) {
        self.count_lines();
        self.start = self.position;
        self.start_line = self.line;
    }

    fn count_lines(&mut self) {
        let passed = self
            .source
            .get(self.start..self.position)
            .unwrap_or_default();
        self.line += passed.iter().filter(|byte| **byte == b'\n').count();
    }

    fn failure(&mut self, message: String) -> Token {
        self.failed = true;
        Token {
            kind: TokenKind::Error(message),
            start: self.start,
            end: self.position,
            line: self.start_line,
        }
    }

    /// Text up to the next action.
    fn text(&mut self) -> Scanned {
        let Some(length) = find(self.rest(), self.left) else {
            self.position = self.source.len();
            if self.position > self.start {
                self.count_lines();
                return Some(self.emit(TokenKind::Text));
            }
            return Some(self.emit(TokenKind::Eof));
        };
        if length > 0 {
            let end = self.position + length;
            let after = self.source.get(end + self.left.len()..).unwrap_or_default();
            let text = self.source.get(self.start..end).unwrap_or_default();
            let trimmed = if has_left_trim_marker(after) {
                text.iter()
                    .rev()
                    .take_while(|byte| is_space(**byte))
                    .count()
            } else {
                0
            };
            self.position = end - trimmed;
            self.count_lines();
            let token = self.emit(TokenKind::Text);
            self.position = end;
            self.ignore();
            if token.end > token.start {
                return Some(token);
            }
        }
        self.left_delimiter()
    }

    fn left_delimiter(&mut self) -> Scanned {
        self.position += self.left.len();
        let marker = if has_left_trim_marker(self.rest()) {
            2
        } else {
            0
        };
        let after = self.rest().get(marker..).unwrap_or_default();
        if after.starts_with(b"/*") {
            self.position += marker;
            self.ignore();
            return self.comment();
        }
        let token = self.emit(TokenKind::LeftDelimiter);
        self.is_inside_action = true;
        self.position += marker;
        self.ignore();
        self.open_parens = 0;
        Some(token)
    }

    fn comment(&mut self) -> Scanned {
        self.position += 2;
        let Some(length) = find(self.rest(), b"*/") else {
            return Some(self.failure("unclosed comment".to_owned()));
        };
        self.position += length + 2;
        let Some(trim) = self.at_right_delimiter() else {
            return Some(self.failure("comment ends before closing delimiter".to_owned()));
        };
        self.pass_right_delimiter(trim);
        self.ignore();
        None
    }

    /// Whether the closing delimiter stands here, and if so whether it trims what follows.
    fn at_right_delimiter(&self) -> Option<Trim> {
        let rest = self.rest();
        if has_right_trim_marker(rest) && rest.get(2..).is_some_and(|r| r.starts_with(self.right)) {
            return Some(Trim::Following);
        }
        rest.starts_with(self.right).then_some(Trim::Nothing)
    }

    fn pass_right_delimiter(&mut self, trim: Trim) {
        self.position += self.right.len();
        if trim == Trim::Following {
            self.position += 2;
            self.position += self
                .rest()
                .iter()
                .take_while(|byte| is_space(**byte))
                .count();
        }
    }

    fn right_delimiter(&mut self, trim: Trim) -> Token {
        if trim == Trim::Following {
            self.position += 2;
            self.ignore();
        }
        self.position += self.right.len();
        let token = self.emit(TokenKind::RightDelimiter);
        if trim == Trim::Following {
            self.position += self
                .rest()
                .iter()
                .take_while(|byte| is_space(**byte))
                .count();
            self.ignore();
        }
        self.is_inside_action = false;
        token
    }
}

/// What a closing delimiter does to the text after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trim {
    Nothing,
    Following,
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

fn has_left_trim_marker(text: &[u8]) -> bool {
    matches!(text, [b'-', space, ..] if is_space(*space))
}

fn has_right_trim_marker(text: &[u8]) -> bool {
    matches!(text, [space, b'-', ..] if is_space(*space))
}
