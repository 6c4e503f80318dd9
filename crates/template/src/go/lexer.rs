//! Cuts a template's source into text and the tokens of actions. Knows delimiters, trim markers and
//! comments; what tokens may follow each other is the parser's business.

use super::quote::{decode, is_printable, quote};

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

    fn inside_action(&mut self) -> Token {
        if let Some(trim) = self.at_right_delimiter() {
            if self.open_parens == 0 {
                return self.right_delimiter(trim);
            }
            return self.failure("unclosed left paren".to_owned());
        }
        let Some(character) = self.peek() else {
            return self.failure("unclosed action".to_owned());
        };
        let begins_number = |after: Option<u8>| after.is_some_and(|byte| byte.is_ascii_digit());
        match character {
            ' ' | '\t' | '\r' | '\n' => return self.space(),
            '.' if self.rest().len() > 1 && !begins_number(self.rest().get(1).copied()) => {
                self.next();
                return self.field_or_variable(TokenKind::Field);
            }
            '.' | '+' | '-' | '0'..='9' => return self.number(),
            _ if is_alphanumeric(character) => return self.identifier(),
            _ => {}
        }
        self.next();
        match character {
            '=' => self.emit(TokenKind::Assign),
            ':' => {
                if self.next() == Some('=') {
                    self.emit(TokenKind::Declare)
                } else {
                    self.failure("expected :=".to_owned())
                }
            }
            '|' => self.emit(TokenKind::Pipe),
            '"' => self.quoted('"', TokenKind::String, "unterminated quoted string"),
            '`' => self.raw_quoted(),
            '$' => self.variable(),
            '\'' => self.quoted(
                '\'',
                TokenKind::CharConstant,
                "unterminated character constant",
            ),
            '(' => {
                self.open_parens += 1;
                self.emit(TokenKind::LeftParen)
            }
            ')' => match self.open_parens.checked_sub(1) {
                Some(open) => {
                    self.open_parens = open;
                    self.emit(TokenKind::RightParen)
                }
                None => self.failure("unexpected right paren".to_owned()),
            },
            ' '..='~' => self.emit(TokenKind::Char),
            other => self.failure(format!(
                "unrecognized character in action: {}",
                code_point(other)
            )),
        }
    }

    /// A run of white space, which may end in the blank that belongs to a trim marker.
    fn space(&mut self) -> Token {
        let begin = self.position;
        self.accept_run(|character| matches!(character, ' ' | '\t' | '\r' | '\n'));
        let last = self.position - 1;
        let from_last = self.source.get(last..).unwrap_or_default();
        let ends_in_marker = has_right_trim_marker(from_last)
            && from_last
                .get(2..)
                .is_some_and(|rest| rest.starts_with(self.right));
        if ends_in_marker {
            self.position = last;
            if from_last.first() == Some(&b'\n') {
                self.line -= 1;
            }
            if last == begin {
                return self.right_delimiter(Trim::Following);
            }
        }
        self.emit(TokenKind::Space)
    }

    fn identifier(&mut self) -> Token {
        self.accept_run(is_alphanumeric);
        if !self.at_terminator() {
            return self.bad_character();
        }
        let word = self
            .source
            .get(self.start..self.position)
            .unwrap_or_default();
        let kind = match Keyword::of(word) {
            Some(keyword) => TokenKind::Keyword(keyword),
            None if word == b"true" || word == b"false" => TokenKind::Bool,
            None => TokenKind::Identifier,
        };
        self.emit(kind)
    }

    fn bad_character(&mut self) -> Token {
        // At the end of the source there is a terminator, hence a character.
        let found = self.peek().map(code_point).unwrap_or_default();
        self.failure(format!("bad character {found}"))
    }

    fn variable(&mut self) -> Token {
        if self.at_terminator() {
            return self.emit(TokenKind::Variable);
        }
        self.field_or_variable(TokenKind::Variable)
    }

    fn field_or_variable(&mut self, kind: TokenKind) -> Token {
        if self.at_terminator() {
            let kind = if kind == TokenKind::Field {
                TokenKind::Keyword(Keyword::Dot)
            } else {
                kind
            };
            return self.emit(kind);
        }
        self.accept_run(is_alphanumeric);
        if !self.at_terminator() {
            return self.bad_character();
        }
        self.emit(kind)
    }

    /// Whether a word can end here.
    fn at_terminator(&self) -> bool {
        match self.peek() {
            None | Some(' ' | '\t' | '\r' | '\n' | '.' | ',' | '|' | ':' | ')' | '(') => true,
            Some(_) => self.rest().starts_with(self.right),
        }
    }

    fn quoted(&mut self, mark: char, kind: TokenKind, unterminated: &str) -> Token {
        loop {
            match self.next() {
                Some('\\') => match self.next() {
                    None | Some('\n') => return self.failure(unterminated.to_owned()),
                    Some(_) => {}
                },
                None | Some('\n') => return self.failure(unterminated.to_owned()),
                Some(character) if character == mark => return self.emit(kind),
                Some(_) => {}
            }
        }
    }

    fn raw_quoted(&mut self) -> Token {
        loop {
            match self.next() {
                None => return self.failure("unterminated raw quoted string".to_owned()),
                Some('`') => return self.emit(TokenKind::RawString),
                Some(_) => {}
            }
        }
    }

    /// A number's outline; whether it is one is found out when it is converted.
    fn number(&mut self) -> Token {
        if !self.scan_number() {
            return self.bad_number();
        }
        if matches!(self.peek(), Some('+' | '-')) {
            if !self.scan_number() || self.source.get(self.position - 1) != Some(&b'i') {
                return self.bad_number();
            }
            return self.emit(TokenKind::Complex);
        }
        self.emit(TokenKind::Number)
    }

    fn bad_number(&mut self) -> Token {
        let text = self
            .source
            .get(self.start..self.position)
            .unwrap_or_default();
        self.failure(format!("bad number syntax: {}", quote(text)))
    }

    fn scan_number(&mut self) -> bool {
        self.accept(|character| matches!(character, '+' | '-'));
        let mut radix = 10;
        if self.accept(|character| character == '0') {
            if self.accept(|character| matches!(character, 'x' | 'X')) {
                radix = 16;
            } else if self.accept(|character| matches!(character, 'o' | 'O')) {
                radix = 8;
            } else if self.accept(|character| matches!(character, 'b' | 'B')) {
                radix = 2;
            }
        }
        let digit = |character: char| character.is_digit(radix) || character == '_';
        self.accept_run(digit);
        if self.accept(|character| character == '.') {
            self.accept_run(digit);
        }
        let has_exponent = match radix {
            10 => self.accept(|character| matches!(character, 'e' | 'E')),
            16 => self.accept(|character| matches!(character, 'p' | 'P')),
            _ => false,
        };
        if has_exponent {
            self.accept(|character| matches!(character, '+' | '-'));
            self.accept_run(|character| character.is_ascii_digit() || character == '_');
        }
        self.accept(|character| character == 'i');
        if self.peek().is_some_and(is_alphanumeric) {
            self.next();
            return false;
        }
        true
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

fn is_alphanumeric(character: char) -> bool {
    character == '_' || character.is_alphanumeric()
}

fn has_left_trim_marker(text: &[u8]) -> bool {
    matches!(text, [b'-', space, ..] if is_space(*space))
}

fn has_right_trim_marker(text: &[u8]) -> bool {
    matches!(text, [space, b'-', ..] if is_space(*space))
}

/// A character as `%#U` prints it.
fn code_point(character: char) -> String {
    let code = u32::from(character);
    if is_printable(character) {
        format!("U+{code:04X} '{character}'")
    } else {
        format!("U+{code:04X}")
    }
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    let first = *wanted.first()?;
    let mut from = 0;
    loop {
        let rest = text.get(from..)?;
        let at = from + rest.iter().position(|byte| *byte == first)?;
        if text.get(at..).is_some_and(|text| text.starts_with(wanted)) {
            return Some(at);
        }
        from = at + 1;
    }
}
