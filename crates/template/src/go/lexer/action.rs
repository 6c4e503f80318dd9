//! The tokens inside of an action: names, numbers, constants and operators.

use crate::letters::category::{is_digit, is_letter};

use super::{Keyword, Lexer, Token, TokenKind, Trim, has_right_trim_marker};
use crate::go::quote::{is_printable, quote};

impl Lexer<'_> {
    pub(super) fn inside_action(&mut self) -> Token {
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

fn is_alphanumeric(character: char) -> bool {
    character == '_' || is_letter(character) || is_digit(character)
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
