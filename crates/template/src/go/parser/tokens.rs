//! The parser's tokens, of which one is read at a time and up to three can be pushed back; and its
//! errors, which name the token read last.

use crate::go::{
    lexer::{Token, TokenKind},
    quote::quote,
};

use super::{Parsed, Parser, SyntaxError};

impl Parser<'_, '_> {
    pub(super) fn next(&mut self) -> Token {
        match self.read_ahead.checked_sub(1) {
            Some(left) => self.read_ahead = left,
            None => self.tokens[0] = self.shared.lexer.next_token(),
        }
        self.token_at(self.read_ahead)
    }

    pub(super) fn token_at(&self, index: usize) -> Token {
        let token = self.tokens.get(index).or_else(|| self.tokens.last());
        token.cloned().unwrap_or(Token {
            kind: TokenKind::Eof,
            start: 0,
            end: 0,
            line: 0,
        })
    }

    pub(super) fn back_up(&mut self) {
        self.read_ahead += 1;
    }

    pub(super) fn back_up_2(&mut self, first: Token) {
        self.tokens[1] = first;
        self.read_ahead = 2;
    }

    pub(super) fn back_up_3(&mut self, first: Token, second: Token) {
        self.tokens[1] = second;
        self.tokens[2] = first;
        self.read_ahead = 3;
    }

    pub(super) fn peek(&mut self) -> Token {
        if self.read_ahead > 0 {
            return self.token_at(self.read_ahead - 1);
        }
        self.read_ahead = 1;
        self.tokens[0] = self.shared.lexer.next_token();
        self.token_at(0)
    }

    pub(super) fn next_non_space(&mut self) -> Token {
        loop {
            let token = self.next();
            if token.kind != TokenKind::Space {
                return token;
            }
        }
    }

    pub(super) fn peek_non_space(&mut self) -> Token {
        let token = self.next_non_space();
        self.back_up();
        token
    }

    pub(super) fn text_of(&self, token: &Token) -> String {
        String::from_utf8_lossy(self.shared.lexer.text_of(token)).into_owned()
    }

    pub(super) fn error(&self, message: impl Into<String>) -> Box<SyntaxError> {
        let token = &self.tokens[0];
        Box::new(SyntaxError {
            line: token.line,
            start: token.start,
            end: token.end,
            message: message.into(),
            unknown: None,
        })
    }

    pub(super) fn error_at(&self, token: &Token, message: String) -> Box<SyntaxError> {
        Box::new(SyntaxError {
            start: token.start,
            end: token.end,
            ..*self.error(message)
        })
    }

    pub(super) fn unexpected(&self, token: &Token, context: &str) -> Box<SyntaxError> {
        if let TokenKind::Error(message) = &token.kind {
            let mut message = message.clone();
            if let Some(line) = self.action_line.filter(|line| *line != token.line) {
                // "unclosed action" already says where.
                let joint = if message.ends_with(" action") {
                    ""
                } else {
                    " in action"
                };
                message.push_str(&format!("{joint} started at :{line}"));
            }
            return self.error_at(token, message);
        }
        let shown = self.shown(token);
        self.error_at(token, format!("unexpected {shown} in {context}"))
    }

    /// A token in an error text: keywords in angle brackets, all else quoted and cut.
    pub(super) fn shown(&self, token: &Token) -> String {
        let text = self.shared.lexer.text_of(token);
        match token.kind {
            TokenKind::Eof => "EOF".to_owned(),
            TokenKind::Keyword(_) => format!("<{}>", String::from_utf8_lossy(text)),
            _ if text.len() > 10 => {
                let mut cut = Vec::new();
                for chunk in text.utf8_chunks() {
                    for character in chunk.valid().chars() {
                        cut.push(character.to_string().into_bytes());
                    }
                    cut.extend(chunk.invalid().iter().map(|byte| vec![*byte]));
                }
                cut.truncate(10);
                format!("{}...", quote(&cut.concat()))
            }
            _ => quote(text),
        }
    }

    pub(super) fn expect(&mut self, wanted: &TokenKind, context: &str) -> Parsed<Token> {
        let token = self.next_non_space();
        if token.kind == *wanted {
            Ok(token)
        } else {
            Err(self.unexpected(&token, context))
        }
    }
}
