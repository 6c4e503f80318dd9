//! A cursor over characters that counts lines; shared by the two readers.

/// The cursor. It never goes back more than one character's worth of looking ahead.
#[derive(Debug, Clone)]
pub(crate) struct Scanner<'a> {
    rest: &'a str,
    line: u32,
}

impl<'a> Scanner<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self {
            rest: text,
            line: 1,
        }
    }

    /// The line of the next character, from 1.
    pub(crate) fn line(&self) -> u32 {
        self.line
    }

    /// What has not been read yet.
    pub(crate) fn rest(&self) -> &'a str {
        self.rest
    }

    pub(crate) fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    pub(crate) fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.rest = self.rest.get(c.len_utf8()..).unwrap_or_default();
        if c == '\n' {
            self.line = self.line.saturating_add(1);
        }
        Some(c)
    }

    /// Reads `wanted` if it is next.
    pub(crate) fn eat(&mut self, wanted: &str) -> bool {
        if !self.rest.starts_with(wanted) {
            return false;
        }
        for _ in wanted.chars() {
            self.next();
        }
        true
    }

    /// Reads as long as `accept` says yes.
    pub(crate) fn take_while(&mut self, accept: impl Fn(char) -> bool) -> &'a str {
        let start = self.rest;
        while self.peek().is_some_and(&accept) {
            self.next();
        }
        start
            .get(..start.len() - self.rest.len())
            .unwrap_or_default()
    }
}
