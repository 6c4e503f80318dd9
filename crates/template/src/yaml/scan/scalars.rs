//! Scalars: plain, quoted, and blocks of lines.

use super::{Mark, Scanner, Style, Token, TokenKind, is_blank, is_blank_or_end, is_break};
use crate::yaml::YamlError;

/// What becomes of the line breaks at the end of a block.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Chomping {
    Strip,
    Clip,
    Keep,
}

fn token(text: String, style: Style, mark: Mark) -> Token {
    Token {
        kind: TokenKind::Scalar { text, style },
        mark,
    }
}

/// Line breaks between the parts of a folded text.
#[derive(Default)]
struct Fold {
    blanks: String,
    first_break: String,
    further_breaks: String,
    broken: bool,
}

impl Fold {
    /// Adds what stands between two parts: blanks, a blank for one line break, or the breaks but the first.
    fn finish(&mut self, text: &mut String) {
        if self.broken {
            if self.first_break.starts_with('\n') {
                if self.further_breaks.is_empty() {
                    text.push(' ');
                } else {
                    text.push_str(&self.further_breaks);
                }
            } else {
                text.push_str(&self.first_break);
                text.push_str(&self.further_breaks);
            }
        } else {
            text.push_str(&self.blanks);
        }
        *self = Self::default();
    }
}

impl Scanner<'_> {
    /// Reads a line break; all but the Unicode separators become `\n`.
    fn read_line(&mut self, text: &mut String) {
        match self.at(0) {
            separator @ ('\u{2028}' | '\u{2029}') => text.push(separator),
            _ => text.push('\n'),
        }
        self.skip_line();
    }

    fn read(&mut self, text: &mut String) {
        text.push(self.at(0));
        self.skip();
    }

    pub(super) fn scan_plain_scalar(&mut self) -> Result<Token, YamlError> {
        let mark = self.mark;
        let indent = self.indent + 1;
        let mut text = String::new();
        let mut fold = Fold::default();
        loop {
            if self.document_mark().is_some() || self.at(0) == '#' {
                break;
            }
            while !is_blank_or_end(self.at(0)) {
                let letter = self.at(0);
                let ends = letter == ':' && is_blank_or_end(self.at(1));
                if ends || (self.in_flow() && ",?[]{}".contains(letter)) {
                    break;
                }
                fold.finish(&mut text);
                self.read(&mut text);
            }
            if !is_blank(self.at(0)) && !is_break(self.at(0)) {
                break;
            }
            while is_blank(self.at(0)) || is_break(self.at(0)) {
                if is_break(self.at(0)) {
                    if fold.broken {
                        self.read_line(&mut fold.further_breaks);
                    } else {
                        fold.blanks.clear();
                        self.read_line(&mut fold.first_break);
                        fold.broken = true;
                    }
                } else if !fold.broken {
                    self.read(&mut fold.blanks);
                } else if (self.mark.column as i64) < indent && self.at(0) == '\t' {
                    return self.refuse("found a tab character that violates indentation");
                } else {
                    self.skip();
                }
            }
            if !self.in_flow() && (self.mark.column as i64) < indent {
                break;
            }
        }
        if fold.broken {
            self.key_allowed = true;
        }
        Ok(token(text, Style::Plain, mark))
    }

    pub(super) fn scan_quoted_scalar(&mut self) -> Result<Token, YamlError> {
        let mark = self.mark;
        let quote = self.at(0);
        self.skip();
        let mut text = String::new();
        loop {
            if self.document_mark().is_some() {
                return self.refuse("found unexpected document indicator");
            }
            if self.is_end() {
                return self.refuse("found unexpected end of stream");
            }
            let mut fold = Fold::default();
            while !is_blank_or_end(self.at(0)) {
                let letter = self.at(0);
                if quote == '\'' && letter == '\'' && self.at(1) == '\'' {
                    text.push('\'');
                    self.skip();
                    self.skip();
                } else if letter == quote {
                    break;
                } else if quote == '"' && letter == '\\' && is_break(self.at(1)) {
                    self.skip();
                    self.skip_line();
                    fold.broken = true;
                    break;
                } else if quote == '"' && letter == '\\' {
                    self.read_escape(&mut text)?;
                } else {
                    self.read(&mut text);
                }
            }
            if self.at(0) == quote {
                self.skip();
                return Ok(token(text, Style::Other, mark));
            }
            // A line break that was escaped leaves nothing in its place.
            let escaped_break = fold.broken;
            while is_blank(self.at(0)) || is_break(self.at(0)) {
                if is_break(self.at(0)) {
                    if fold.broken {
                        self.read_line(&mut fold.further_breaks);
                    } else {
                        fold.blanks.clear();
                        self.read_line(&mut fold.first_break);
                        fold.broken = true;
                    }
                } else if fold.broken {
                    self.skip();
                } else {
                    self.read(&mut fold.blanks);
                }
            }
            if escaped_break {
                text.push_str(&fold.further_breaks);
            } else {
                fold.finish(&mut text);
            }
        }
    }

    fn read_escape(&mut self, text: &mut String) -> Result<(), YamlError> {
        let digits = match self.at(1) {
            'x' => 2,
            'u' => 4,
            'U' => 8,
            other => {
                text.push(match other {
                    '0' => '\0',
                    'a' => '\x07',
                    'b' => '\x08',
                    't' | '\t' => '\t',
                    'n' => '\n',
                    'v' => '\x0b',
                    'f' => '\x0c',
                    'r' => '\r',
                    'e' => '\x1b',
                    ' ' | '"' | '\'' | '\\' => other,
                    'N' => '\u{85}',
                    '_' => '\u{A0}',
                    'L' => '\u{2028}',
                    'P' => '\u{2029}',
                    _ => return self.refuse("found unknown escape character"),
                });
                self.skip();
                self.skip();
                return Ok(());
            }
        };
        self.skip();
        self.skip();
        let mut code: u32 = 0;
        for offset in 0..digits {
            let Some(digit) = self.at(offset).to_digit(16) else {
                return self.refuse("did not find expected hexdecimal number");
            };
            code = code.wrapping_mul(16).wrapping_add(digit);
        }
        let Some(letter) = char::from_u32(code) else {
            return self.refuse("found invalid Unicode character escape code");
        };
        text.push(letter);
        (0..digits).for_each(|_| self.skip());
        Ok(())
    }

    pub(super) fn scan_block_scalar(&mut self) -> Result<Token, YamlError> {
        let mark = self.mark;
        let literal = self.at(0) == '|';
        self.skip();
        let (chomping, increment) = self.block_header()?;
        self.skip_blanks();
        self.skip_comment();
        if !is_break(self.at(0)) && !self.is_end() {
            return self.refuse("did not find expected comment or line break");
        }
        if is_break(self.at(0)) {
            self.skip_line();
        }
        let mut indent = increment.map_or(0, |increment| self.indent.max(0) as usize + increment);
        let (mut text, mut first_break, mut further_breaks) =
            (String::new(), String::new(), String::new());
        self.block_breaks(&mut indent, &mut further_breaks)?;
        let mut after_blank = false;
        while self.mark.column == indent && !self.is_end() {
            let blank = is_blank(self.at(0));
            if !literal && first_break.starts_with('\n') && !after_blank && !blank {
                if further_breaks.is_empty() {
                    text.push(' ');
                }
            } else {
                text.push_str(&first_break);
            }
            first_break.clear();
            text.push_str(&further_breaks);
            further_breaks.clear();
            after_blank = blank;
            while !is_break(self.at(0)) && !self.is_end() {
                self.read(&mut text);
            }
            if !self.is_end() {
                self.read_line(&mut first_break);
            }
            self.block_breaks(&mut indent, &mut further_breaks)?;
        }
        if chomping != Chomping::Strip {
            text.push_str(&first_break);
        }
        if chomping == Chomping::Keep {
            text.push_str(&further_breaks);
        }
        Ok(token(text, Style::Other, mark))
    }

    /// Sign and digit behind `|` or `>`, in any order.
    fn block_header(&mut self) -> Result<(Chomping, Option<usize>), YamlError> {
        let (mut chomping, mut increment) = (None, None);
        loop {
            match self.at(0) {
                '+' if chomping.is_none() => chomping = Some(Chomping::Keep),
                '-' if chomping.is_none() => chomping = Some(Chomping::Strip),
                '0' if increment.is_none() => {
                    return self.refuse("found an indentation indicator equal to 0");
                }
                digit @ '1'..='9' if increment.is_none() => {
                    increment = digit.to_digit(10).map(|digit| digit as usize);
                }
                _ => return Ok((chomping.unwrap_or(Chomping::Clip), increment)),
            }
            self.skip();
        }
    }

    /// Empty lines; the first line with something on it tells the indentation, unless the header did.
    fn block_breaks(&mut self, indent: &mut usize, breaks: &mut String) -> Result<(), YamlError> {
        let mut deepest = 0;
        loop {
            while (*indent == 0 || self.mark.column < *indent) && self.at(0) == ' ' {
                self.skip();
            }
            deepest = deepest.max(self.mark.column);
            if (*indent == 0 || self.mark.column < *indent) && self.at(0) == '\t' {
                return self.refuse("found a tab character where an indentation space is expected");
            }
            if !is_break(self.at(0)) {
                break;
            }
            self.read_line(breaks);
        }
        if *indent == 0 {
            *indent = deepest.max((self.indent + 1).max(1) as usize);
        }
        Ok(())
    }
}
