//! Pipelines: declarations, commands, operands.

use crate::go::{
    constant::{self, ConstantError},
    language,
    lexer::{Keyword, Token, TokenKind},
    quote::{quote, unquote},
    tree::{Callee, Command, Name, Operand, OperandKind, Pipe},
};

use super::{Parsed, Parser, SyntaxError, Unknown};

impl Parser<'_, '_> {
    pub(super) fn pipeline(&mut self, context: &str, end: &TokenKind) -> Parsed<Pipe> {
        let position = self.peek_non_space().start;
        let mut pipe = Pipe {
            position,
            is_assignment: false,
            variables: Vec::new(),
            commands: Vec::new(),
        };
        self.declarations(&mut pipe, context)?;
        loop {
            let token = self.next_non_space();
            match token.kind {
                ref kind if kind == end => {
                    self.check_pipeline(&pipe, context)?;
                    return Ok(pipe);
                }
                TokenKind::Bool
                | TokenKind::CharConstant
                | TokenKind::Complex
                | TokenKind::Field
                | TokenKind::Identifier
                | TokenKind::Number
                | TokenKind::RawString
                | TokenKind::String
                | TokenKind::Variable
                | TokenKind::LeftParen
                | TokenKind::Keyword(Keyword::Dot | Keyword::Nil) => {
                    self.back_up();
                    let command = self.command()?;
                    pipe.commands.push(command);
                }
                _ => return Err(self.unexpected(&token, context)),
            }
        }
    }

    /// `$x :=`, `$x =`, and for ranges `$i, $x :=`.
    fn declarations(&mut self, pipe: &mut Pipe, context: &str) -> Parsed<()> {
        loop {
            let variable = self.peek_non_space();
            if variable.kind != TokenKind::Variable {
                return Ok(());
            }
            self.next();
            let after = self.peek();
            let next = self.peek_non_space();
            let name = self.text_of(&variable);
            let declared = |parser: &mut Self| parser.shared.variable(&name);
            match next.kind {
                TokenKind::Assign | TokenKind::Declare => {
                    pipe.is_assignment = next.kind == TokenKind::Assign;
                    self.next_non_space();
                    let declared = declared(self);
                    pipe.variables.push(declared.clone());
                    self.variables.push(declared);
                    return Ok(());
                }
                TokenKind::Char if self.shared.lexer.text_of(&next) == b"," => {
                    self.next_non_space();
                    let declared = declared(self);
                    pipe.variables.push(declared.clone());
                    self.variables.push(declared);
                    if context != "range" || pipe.variables.len() >= 2 {
                        let message = format!("too many declarations in {context}");
                        return Err(self.error(message));
                    }
                    match self.peek_non_space().kind {
                        TokenKind::Variable | TokenKind::RightDelimiter | TokenKind::RightParen => {
                        }
                        _ => return Err(self.error("range can only initialize variables")),
                    }
                }
                _ if after.kind == TokenKind::Space => {
                    self.back_up_3(variable, after);
                    return Ok(());
                }
                _ => {
                    self.back_up_2(variable);
                    return Ok(());
                }
            }
        }
    }

    fn check_pipeline(&self, pipe: &Pipe, context: &str) -> Parsed<()> {
        if pipe.commands.is_empty() {
            return Err(self.error(format!("missing value for {context}")));
        }
        // Only the first stage may be something that takes no argument.
        for (index, command) in pipe.commands.iter().enumerate().skip(1) {
            let first = command.operands.first().map(|operand| &operand.kind);
            if let Some(
                OperandKind::Bool(_)
                | OperandKind::Dot
                | OperandKind::Nil
                | OperandKind::Number(_)
                | OperandKind::Text(..),
            ) = first
            {
                let stage = index + 1;
                let message = format!("non executable command in pipeline stage {stage}");
                return Err(self.error(message));
            }
        }
        Ok(())
    }

    fn command(&mut self) -> Parsed<Command> {
        let position = self.peek_non_space().start;
        let mut operands = Vec::new();
        loop {
            self.peek_non_space();
            if let Some(operand) = self.operand()? {
                operands.push(operand);
            }
            let token = self.next();
            match token.kind {
                TokenKind::Space => continue,
                TokenKind::RightDelimiter | TokenKind::RightParen => self.back_up(),
                TokenKind::Pipe => {}
                _ => return Err(self.unexpected(&token, "operand")),
            }
            break;
        }
        if operands.is_empty() {
            return Err(self.error("empty command"));
        }
        Ok(Command { position, operands })
    }

    /// A term with the fields that follow it.
    fn operand(&mut self) -> Parsed<Option<Operand>> {
        let Some(term) = self.term()? else {
            return Ok(None);
        };
        let first = self.peek();
        if first.kind != TokenKind::Field {
            return Ok(Some(term));
        }
        let mut names = Vec::new();
        while self.peek().kind == TokenKind::Field {
            let token = self.next();
            names.push(self.name(&token));
        }
        let kind = match term.kind {
            OperandKind::Field(mut before) => {
                before.append(&mut names);
                OperandKind::Field(before)
            }
            OperandKind::Variable(variable, mut before) => {
                before.append(&mut names);
                OperandKind::Variable(variable, before)
            }
            OperandKind::Bool(_)
            | OperandKind::Text(..)
            | OperandKind::Number(_)
            | OperandKind::Nil
            | OperandKind::Dot => {
                let shown = quote(term.to_string().as_bytes());
                return Err(self.error(format!("unexpected . after term {shown}")));
            }
            _ => OperandKind::Chain(Box::new(term), names),
        };
        Ok(Some(Operand {
            position: first.start,
            kind,
        }))
    }

    fn name(&self, token: &Token) -> Name {
        let text = self.text_of(token);
        Name::new(text.strip_prefix('.').unwrap_or(&text))
    }

    fn term(&mut self) -> Parsed<Option<Operand>> {
        let token = self.next_non_space();
        let kind = match token.kind {
            TokenKind::Identifier => self.function(&token)?,
            TokenKind::Keyword(Keyword::Dot) => OperandKind::Dot,
            TokenKind::Keyword(Keyword::Nil) => OperandKind::Nil,
            TokenKind::Variable => self.variable(&token)?,
            TokenKind::Field => OperandKind::Field(vec![self.name(&token)]),
            TokenKind::Bool => OperandKind::Bool(self.shared.lexer.text_of(&token) == b"true"),
            TokenKind::CharConstant | TokenKind::Complex | TokenKind::Number => {
                let text = self.shared.lexer.text_of(&token);
                match constant::number(text, &token.kind) {
                    Ok(number) => OperandKind::Number(number),
                    Err(ConstantError(message)) => return Err(self.error_at(&token, message)),
                }
            }
            TokenKind::LeftParen => {
                self.go_deeper()?;
                let pipe = self.pipeline("parenthesized pipeline", &TokenKind::RightParen)?;
                self.come_back();
                return Ok(Some(Operand {
                    position: pipe.position,
                    kind: OperandKind::Pipe(pipe),
                }));
            }
            TokenKind::String | TokenKind::RawString => {
                let text = unquote(self.shared.lexer.text_of(&token))
                    .ok_or_else(|| self.error_at(&token, "invalid syntax".to_owned()))?;
                OperandKind::Text(self.text_of(&token), text.into())
            }
            _ => {
                self.back_up();
                return Ok(None);
            }
        };
        Ok(Some(Operand {
            position: token.start,
            kind,
        }))
    }

    fn function(&self, token: &Token) -> Parsed<OperandKind> {
        let name = self.text_of(token);
        let callee = match self.shared.functions.function(&name) {
            Some(function) => Some(Callee::Function(function)),
            None => language::callee(&name),
        };
        match callee {
            Some(callee) => Ok(OperandKind::Function(name.into(), callee)),
            None => {
                let message = format!("function {} not defined", quote(name.as_bytes()));
                let unknown = Some(Unknown::Function(name));
                Err(Box::new(SyntaxError {
                    unknown,
                    ..*self.error_at(token, message)
                }))
            }
        }
    }

    fn variable(&self, token: &Token) -> Parsed<OperandKind> {
        let name = self.text_of(token);
        if let Some(known) = self.variables.iter().find(|known| *known.name == *name) {
            return Ok(OperandKind::Variable(known.clone(), Vec::new()));
        }
        let message = format!("undefined variable {}", quote(name.as_bytes()));
        let known = self
            .variables
            .iter()
            .map(|known| known.name.to_string())
            .collect();
        let unknown = Some(Unknown::Variable { name, known });
        Err(Box::new(SyntaxError {
            unknown,
            ..*self.error_at(token, message)
        }))
    }
}
