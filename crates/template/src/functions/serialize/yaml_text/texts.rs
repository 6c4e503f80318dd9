//! Texts in the four styles that YAML has for them, folded where that is allowed.

use super::{
    WIDTH, Writer,
    analysis::{escape, is_break, is_printable},
};

/// Whether blanks may become line breaks.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Folding {
    Allowed,
    None,
}

impl Writer {
    pub(super) fn plain(&mut self, text: &str, folding: Folding) {
        if !self.after_space && !text.is_empty() {
            self.put(' ');
        }
        let mut spaces = false;
        let mut rest = text;
        while !rest.is_empty() {
            let (word, after) = rest.split_at(rest.find(' ').unwrap_or(rest.len()));
            if !word.is_empty() {
                self.put_all(word);
                self.at_indent = false;
                spaces = false;
            }
            let Some(after) = after.strip_prefix(' ') else {
                break;
            };
            rest = after;
            let next_is_space = rest.starts_with(' ');
            if folding == Folding::Allowed && !spaces && self.column > WIDTH && !next_is_space {
                self.write_indent();
            } else {
                self.put(' ');
            }
            spaces = true;
        }
        self.after_space = false;
        self.at_indent = false;
    }

    pub(super) fn single_quoted(&mut self, text: &str, folding: Folding) {
        self.indicator("'", true);
        let (mut spaces, mut breaks) = (false, false);
        let mut letters = text.char_indices().peekable();
        while let Some((at, letter)) = letters.next() {
            if letter == ' ' {
                let next = letters.peek().map(|(_, next)| *next);
                let inside = at > 0 && next.is_some();
                if folding == Folding::Allowed
                    && !spaces
                    && self.column > WIDTH
                    && inside
                    && next != Some(' ')
                {
                    self.write_indent();
                } else {
                    self.put(letter);
                }
                spaces = true;
            } else if is_break(letter) {
                if !breaks && letter == '\n' {
                    self.line_break();
                }
                self.break_letter(letter);
                self.at_indent = true;
                breaks = true;
            } else {
                if breaks {
                    self.write_indent();
                }
                if letter == '\'' {
                    self.put('\'');
                }
                self.put(letter);
                self.at_indent = false;
                (spaces, breaks) = (false, false);
            }
        }
        self.indicator("'", false);
        self.after_space = false;
        self.at_indent = false;
    }

    pub(super) fn double_quoted(&mut self, text: &str, folding: Folding) {
        self.indicator("\"", true);
        let mut spaces = false;
        let mut letters = text.char_indices().peekable();
        while let Some((at, letter)) = letters.next() {
            if !is_printable(letter) || is_break(letter) || matches!(letter, '"' | '\\') {
                for escaped in escape(letter).chars() {
                    self.put(escaped);
                }
                spaces = false;
            } else if letter == ' ' {
                let next = letters.peek().map(|(_, next)| *next);
                if folding == Folding::Allowed
                    && !spaces
                    && self.column > WIDTH
                    && at > 0
                    && next.is_some()
                {
                    self.write_indent();
                    if next == Some(' ') {
                        self.put('\\');
                    }
                } else {
                    self.put(letter);
                }
                spaces = true;
            } else {
                self.put(letter);
                spaces = false;
            }
        }
        self.indicator("\"", false);
        self.after_space = false;
        self.at_indent = false;
    }

    pub(super) fn literal(&mut self, text: &str) {
        self.indicator("|", true);
        if text.starts_with(|letter| letter == ' ' || is_break(letter)) {
            self.indicator("2", false);
        }
        let mut from_end = text.chars().rev();
        match (from_end.next(), from_end.next()) {
            (Some(last), _) if !is_break(last) => self.indicator("-", false),
            (Some(_), None) => self.indicator("+", false),
            (Some(_), Some(before)) if is_break(before) => self.indicator("+", false),
            _ => {}
        }
        self.line_break();
        self.at_indent = true;
        self.after_space = true;
        let mut breaks = true;
        for letter in text.chars() {
            if is_break(letter) {
                self.break_letter(letter);
                self.at_indent = true;
                breaks = true;
            } else {
                if breaks {
                    self.write_indent();
                }
                self.put(letter);
                self.at_indent = false;
                breaks = false;
            }
        }
    }
}
