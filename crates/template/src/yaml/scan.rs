//! Characters to tokens. What a mark means depends on the indentation and on what stands before it, and whether a text
//! was a key shows only at the colon behind it; tokens are therefore held back until that is known.

mod properties;
mod scalars;

use std::collections::VecDeque;

use super::YamlError;

/// A key on one line with its value is at most so many characters long.
const LONGEST_KEY: usize = 1024;
/// Brackets and indentation beyond this are an attack, not configuration.
const DEEPEST: usize = 10_000;

/// A place in the text; line and column from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Mark {
    pub(super) index: usize,
    pub(super) line: usize,
    pub(super) column: usize,
}

/// How a scalar was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    Plain,
    Other,
}

/// A token with the place where it begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: TokenKind,
    pub(super) mark: Mark,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TokenKind {
    StreamEnd,
    Version { major: u32, minor: u32 },
    TagDirective { handle: String, prefix: String },
    DocumentStart,
    DocumentEnd,
    BlockListStart,
    BlockMapStart,
    BlockEnd,
    FlowListStart,
    FlowListEnd,
    FlowMapStart,
    FlowMapEnd,
    BlockEntry,
    FlowEntry,
    Key,
    Value,
    Alias(String),
    Anchor(String),
    Tag { handle: String, suffix: String },
    Scalar { text: String, style: Style },
}

/// A text that may turn out to be a key.
#[derive(Clone, Copy)]
struct PossibleKey {
    /// Nothing else can stand at this indentation.
    required: bool,
    /// Number of the token.
    token: usize,
    mark: Mark,
}

/// Reads the text as characters, and refuses those that YAML does not have.
pub(super) fn characters(text: &[u8]) -> Result<Vec<char>, YamlError> {
    let refuse = |problem| YamlError::At {
        line: None,
        problem,
    };
    let text = text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(text);
    let text = std::str::from_utf8(text).map_err(|error| {
        let lead = text.get(error.valid_up_to()).copied().unwrap_or(0);
        let is_lead = matches!(lead, 0xC0..=0xF7);
        refuse(match (error.error_len(), is_lead) {
            (None, _) => "incomplete UTF-8 octet sequence",
            (_, true) => "invalid trailing UTF-8 octet",
            _ => "invalid leading UTF-8 octet",
        })
    })?;
    let allowed = |letter: char| matches!(letter, '\t' | '\n' | '\r' | ' '..='~' | '\u{85}' | '\u{A0}'..='\u{FFFD}' | '\u{10000}'..);
    if text.chars().all(allowed) {
        Ok(text.chars().collect())
    } else {
        Err(refuse("control characters are not allowed"))
    }
}

/// The tokens of a text, one by one.
pub(super) struct Scanner<'t> {
    text: &'t [char],
    mark: Mark,
    tokens: VecDeque<Token>,
    /// Number of tokens that were handed out.
    handed_out: usize,
    ended: bool,
    indent: i64,
    indents: Vec<i64>,
    /// One entry for the block structure, and one for each open bracket.
    possible_keys: Vec<Option<PossibleKey>>,
    key_allowed: bool,
}

impl<'t> Scanner<'t> {
    pub(super) fn new(text: &'t [char]) -> Self {
        Self {
            text,
            mark: Mark::default(),
            tokens: VecDeque::new(),
            handed_out: 0,
            ended: false,
            indent: -1,
            indents: Vec::new(),
            possible_keys: vec![None],
            key_allowed: true,
        }
    }

    /// The next token, which stays.
    pub(super) fn peek(&mut self) -> Result<&Token, YamlError> {
        self.fill()?;
        self.tokens.front().ok_or(YamlError::At {
            line: None,
            problem: "did not find expected node content",
        })
    }

    /// The next token.
    pub(super) fn next(&mut self) -> Result<Token, YamlError> {
        self.fill()?;
        // The end of the stream is handed out as often as it is asked for.
        if let Some(Token {
            kind: TokenKind::StreamEnd,
            mark,
        }) = self.tokens.front()
        {
            return Ok(Token {
                kind: TokenKind::StreamEnd,
                mark: *mark,
            });
        }
        self.handed_out += 1;
        self.tokens.pop_front().ok_or(YamlError::At {
            line: None,
            problem: "did not find expected node content",
        })
    }

    fn fill(&mut self) -> Result<(), YamlError> {
        loop {
            if !self.tokens.is_empty() {
                // The first token may still turn out to be a key.
                let head = self.handed_out;
                let level = self
                    .possible_keys
                    .iter()
                    .position(|key| key.is_some_and(|key| key.token == head));
                let Some(level) = level else { return Ok(()) };
                if self.valid_key(level)?.is_none() {
                    return Ok(());
                }
            }
            if self.ended {
                return Ok(());
            }
            self.fetch()?;
        }
    }

    fn at(&self, offset: usize) -> char {
        self.text
            .get(self.mark.index + offset)
            .copied()
            .unwrap_or('\0')
    }

    fn is_end(&self) -> bool {
        self.mark.index >= self.text.len()
    }

    fn skip(&mut self) {
        self.mark.index += 1;
        self.mark.column += 1;
    }

    fn skip_line(&mut self) {
        self.mark.index += if self.at(0) == '\r' && self.at(1) == '\n' {
            2
        } else {
            1
        };
        self.mark.line += 1;
        self.mark.column = 0;
    }

    fn refuse<T>(&self, problem: &'static str) -> Result<T, YamlError> {
        Err(YamlError::At {
            line: (self.mark.line > 0).then_some(self.mark.line + 1),
            problem,
        })
    }

    fn in_flow(&self) -> bool {
        self.possible_keys.len() > 1
    }

    fn push(&mut self, kind: TokenKind, mark: Mark) {
        self.tokens.push_back(Token { kind, mark });
    }

    fn fetch(&mut self) -> Result<(), YamlError> {
        self.skip_to_token();
        self.unroll_indent(self.mark.column as i64);
        let (first, second) = (self.at(0), self.at(1));
        if self.is_end() {
            return self.fetch_end();
        }
        if self.mark.column == 0 && first == '%' {
            return self.fetch_directive();
        }
        if let Some(kind) = self.document_mark() {
            return self.fetch_document_mark(kind);
        }
        let flow = self.in_flow();
        match first {
            '[' => self.fetch_flow_start(TokenKind::FlowListStart),
            '{' => self.fetch_flow_start(TokenKind::FlowMapStart),
            ']' => self.fetch_flow_end(TokenKind::FlowListEnd),
            '}' => self.fetch_flow_end(TokenKind::FlowMapEnd),
            ',' => self.fetch_flow_entry(),
            '-' if is_blank_or_end(second) => self.fetch_block_entry(),
            '?' if flow || is_blank_or_end(second) => self.fetch_key(),
            ':' if flow || is_blank_or_end(second) => self.fetch_value(),
            '*' | '&' => self.fetch_anchor(),
            '!' => self.fetch_tag(),
            '|' | '>' if !flow => {
                self.remove_possible_key()?;
                self.key_allowed = true;
                let token = self.scan_block_scalar()?;
                self.tokens.push_back(token);
                Ok(())
            }
            '\'' | '"' => {
                self.save_possible_key()?;
                self.key_allowed = false;
                let token = self.scan_quoted_scalar()?;
                self.tokens.push_back(token);
                Ok(())
            }
            _ if self.begins_plain(first, second) => {
                self.save_possible_key()?;
                self.key_allowed = false;
                let token = self.scan_plain_scalar()?;
                self.tokens.push_back(token);
                Ok(())
            }
            _ => self.refuse("found character that cannot start any token"),
        }
    }

    fn begins_plain(&self, first: char, second: char) -> bool {
        const MARKS: &str = "-?:,[]{}#&*!|>'\"%@`";
        let ordinary = !is_blank_or_end(first) && !MARKS.contains(first);
        ordinary
            || (first == '-' && !is_blank(second))
            || (!self.in_flow() && matches!(first, '?' | ':') && !is_blank_or_end(second))
    }

    fn document_mark(&self) -> Option<TokenKind> {
        if self.mark.column != 0 || !is_blank_or_end(self.at(3)) {
            return None;
        }
        match (self.at(0), self.at(1), self.at(2)) {
            ('-', '-', '-') => Some(TokenKind::DocumentStart),
            ('.', '.', '.') => Some(TokenKind::DocumentEnd),
            _ => None,
        }
    }

    fn skip_to_token(&mut self) {
        loop {
            if self.mark.column == 0 && self.at(0) == '\u{FEFF}' {
                self.skip();
            }
            // A tab may not indent.
            while self.at(0) == ' ' || (self.at(0) == '\t' && (self.in_flow() || !self.key_allowed))
            {
                self.skip();
            }
            if self.at(0) == '#' {
                while !is_break(self.at(0)) && !self.is_end() {
                    self.skip();
                }
            }
            if !is_break(self.at(0)) {
                return;
            }
            self.skip_line();
            if !self.in_flow() {
                self.key_allowed = true;
            }
        }
    }

    /// The possible key of a level, unless it is too far back to be one.
    fn valid_key(&mut self, level: usize) -> Result<Option<PossibleKey>, YamlError> {
        let Some(key) = self.possible_keys.get(level).copied().flatten() else {
            return Ok(None);
        };
        if key.mark.line < self.mark.line || key.mark.index + LONGEST_KEY < self.mark.index {
            if key.required {
                return self.refuse("could not find expected ':'");
            }
            if let Some(key) = self.possible_keys.get_mut(level) {
                *key = None;
            }
            return Ok(None);
        }
        Ok(Some(key))
    }

    fn save_possible_key(&mut self) -> Result<(), YamlError> {
        if !self.key_allowed {
            return Ok(());
        }
        let key = PossibleKey {
            required: !self.in_flow() && self.indent == self.mark.column as i64,
            token: self.handed_out + self.tokens.len(),
            mark: self.mark,
        };
        self.remove_possible_key()?;
        if let Some(last) = self.possible_keys.last_mut() {
            *last = Some(key);
        }
        Ok(())
    }

    fn remove_possible_key(&mut self) -> Result<(), YamlError> {
        let Some(last) = self.possible_keys.last_mut() else {
            return Ok(());
        };
        if last.take().is_some_and(|key| key.required) {
            return self.refuse("could not find expected ':'");
        }
        Ok(())
    }

    /// Opens a block collection when this column is further right than the current one.
    fn roll_indent(
        &mut self,
        mark: Mark,
        before: Option<usize>,
        kind: TokenKind,
    ) -> Result<(), YamlError> {
        let column = mark.column as i64;
        if self.in_flow() || self.indent >= column {
            return Ok(());
        }
        if self.indents.len() > DEEPEST {
            return self.refuse("exceeded max depth of 10000");
        }
        self.indents.push(self.indent);
        self.indent = column;
        let token = Token { kind, mark };
        match before {
            Some(number) => self.tokens.insert(
                number
                    .saturating_sub(self.handed_out)
                    .min(self.tokens.len()),
                token,
            ),
            None => self.tokens.push_back(token),
        }
        Ok(())
    }

    fn unroll_indent(&mut self, column: i64) {
        if self.in_flow() {
            return;
        }
        while self.indent > column {
            self.push(TokenKind::BlockEnd, self.mark);
            self.indent = self.indents.pop().unwrap_or(-1);
        }
    }

    fn fetch_end(&mut self) -> Result<(), YamlError> {
        if self.mark.column != 0 {
            self.mark.column = 0;
            self.mark.line += 1;
        }
        self.possible_keys.truncate(1);
        self.unroll_indent(-1);
        self.remove_possible_key()?;
        self.key_allowed = false;
        self.push(TokenKind::StreamEnd, self.mark);
        self.ended = true;
        Ok(())
    }

    fn fetch_document_mark(&mut self, kind: TokenKind) -> Result<(), YamlError> {
        self.unroll_indent(-1);
        self.remove_possible_key()?;
        self.key_allowed = false;
        self.push(kind, self.mark);
        for _ in 0..3 {
            self.skip();
        }
        Ok(())
    }

    fn fetch_flow_start(&mut self, kind: TokenKind) -> Result<(), YamlError> {
        self.save_possible_key()?;
        if self.possible_keys.len() > DEEPEST {
            return self.refuse("exceeded max depth of 10000");
        }
        self.possible_keys.push(None);
        self.key_allowed = true;
        self.push(kind, self.mark);
        self.skip();
        Ok(())
    }

    fn fetch_flow_end(&mut self, kind: TokenKind) -> Result<(), YamlError> {
        self.remove_possible_key()?;
        if self.in_flow() {
            self.possible_keys.pop();
        }
        self.key_allowed = false;
        self.push(kind, self.mark);
        self.skip();
        Ok(())
    }

    fn fetch_flow_entry(&mut self) -> Result<(), YamlError> {
        self.remove_possible_key()?;
        self.key_allowed = true;
        self.push(TokenKind::FlowEntry, self.mark);
        self.skip();
        Ok(())
    }

    fn fetch_block_entry(&mut self) -> Result<(), YamlError> {
        if !self.in_flow() {
            if !self.key_allowed {
                return self.refuse("block sequence entries are not allowed in this context");
            }
            self.roll_indent(self.mark, None, TokenKind::BlockListStart)?;
        }
        self.remove_possible_key()?;
        self.key_allowed = true;
        self.push(TokenKind::BlockEntry, self.mark);
        self.skip();
        Ok(())
    }

    fn fetch_key(&mut self) -> Result<(), YamlError> {
        if !self.in_flow() {
            if !self.key_allowed {
                return self.refuse("mapping keys are not allowed in this context");
            }
            self.roll_indent(self.mark, None, TokenKind::BlockMapStart)?;
        }
        self.remove_possible_key()?;
        self.key_allowed = !self.in_flow();
        self.push(TokenKind::Key, self.mark);
        self.skip();
        Ok(())
    }

    fn fetch_value(&mut self) -> Result<(), YamlError> {
        let level = self.possible_keys.len().saturating_sub(1);
        if let Some(key) = self.valid_key(level)? {
            let place = key
                .token
                .saturating_sub(self.handed_out)
                .min(self.tokens.len());
            self.tokens.insert(
                place,
                Token {
                    kind: TokenKind::Key,
                    mark: key.mark,
                },
            );
            self.roll_indent(key.mark, Some(key.token), TokenKind::BlockMapStart)?;
            if let Some(last) = self.possible_keys.last_mut() {
                *last = None;
            }
            self.key_allowed = false;
        } else {
            if !self.in_flow() {
                if !self.key_allowed {
                    return self.refuse("mapping values are not allowed in this context");
                }
                self.roll_indent(self.mark, None, TokenKind::BlockMapStart)?;
            }
            self.key_allowed = !self.in_flow();
        }
        self.push(TokenKind::Value, self.mark);
        self.skip();
        Ok(())
    }

    fn skip_blanks(&mut self) {
        while is_blank(self.at(0)) {
            self.skip();
        }
    }

    fn skip_comment(&mut self) {
        if self.at(0) == '#' {
            while !is_break(self.at(0)) && !self.is_end() {
                self.skip();
            }
        }
    }
}

fn is_break(letter: char) -> bool {
    matches!(letter, '\r' | '\n' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

fn is_blank(letter: char) -> bool {
    matches!(letter, ' ' | '\t')
}

/// The end of the text reads as NUL, which is no character of YAML.
fn is_blank_or_end(letter: char) -> bool {
    is_blank(letter) || is_break(letter) || letter == '\0'
}

fn is_name_letter(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-')
}
