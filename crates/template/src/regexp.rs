//! Regular expressions as Go's `regexp` package reads and applies them: syntax, refusals, empty matches, `$name`
//! expansion. The matching itself is the `regex` crate's, which is linear in the text as well.

mod letters;
mod syntax;

use thiserror::Error;

/// The largest compiled expression, in bytes. Go's own limit is of the same kind and far beyond what people write.
const COMPILED_LIMIT: usize = 4 << 20;

/// The longest text, in bytes, that a replacement may make.
const RESULT_LIMIT: usize = 32 << 20;

/// Why an expression is refused, in Go's words: `` error parsing regexp: missing closing ): `(` ``.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("error parsing regexp: {reason}: `{expression}`")]
pub(crate) struct SyntaxError {
    reason: &'static str,
    expression: String,
}

impl SyntaxError {
    fn new(reason: &'static str, expression: &str) -> Self {
        Self {
            reason,
            expression: expression.to_owned(),
        }
    }
}

/// A replacement grew beyond what is ever rendered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("regular expression replacement makes more than {RESULT_LIMIT} bytes")]
pub(crate) struct TooLong;

/// A compiled expression.
#[derive(Debug, Clone)]
pub(crate) struct Regexp {
    compiled: regex::bytes::Regex,
    names: Vec<Option<String>>,
    /// Whether the expression has no characters at all.
    is_empty: bool,
}

type Span = (usize, usize);

impl Regexp {
    /// Compiles an expression in Go's syntax.
    pub(crate) fn new(expression: &[u8]) -> Result<Self, SyntaxError> {
        let text = std::str::from_utf8(expression)
            .map_err(|_| SyntaxError::new("invalid UTF-8", &String::from_utf8_lossy(expression)))?;
        let translated = syntax::translate(text)?;
        let compiled = regex::bytes::RegexBuilder::new(&translated.pattern)
            .size_limit(COMPILED_LIMIT)
            .dfa_size_limit(COMPILED_LIMIT)
            .nest_limit(4000)
            .build()
            .map_err(|_| SyntaxError::new("expression too large", text))?;
        Ok(Self {
            compiled,
            names: translated.names,
            is_empty: text.is_empty(),
        })
    }

    /// Whether the expression matches anywhere in `text`.
    pub(crate) fn is_match(&self, text: &[u8]) -> bool {
        self.find_at(text, 0).is_some()
    }

    /// The leftmost match.
    pub(crate) fn find<'t>(&self, text: &'t [u8]) -> Option<&'t [u8]> {
        self.find_at(text, 0).map(|found| found.as_bytes())
    }

    /// The leftmost match from here on. Go looks between characters only, where the other engine's `\B`, which is
    /// about bytes, finds an empty match within one.
    fn find_at<'t>(&self, text: &'t [u8], mut at: usize) -> Option<regex::bytes::Match<'t>> {
        loop {
            let found = self.compiled.find_at(text, at)?;
            match end_of_letter_around(text, found.start()) {
                None => return Some(found),
                Some(end) => at = end,
            }
        }
    }

    /// At most `limit` matches that do not overlap (`None`: all). An empty match right behind another is left out.
    pub(crate) fn find_all<'t>(&self, text: &'t [u8], limit: Option<usize>) -> Vec<&'t [u8]> {
        self.spans(text, limit)
            .into_iter()
            .map(|(start, end)| &text[start..end])
            .collect()
    }

    /// Replaces each match by `replacement`, in which `$1`, `$name` and `${name}` stand for groups and `$$` for a dollar.
    pub(crate) fn replace_all(&self, text: &[u8], replacement: &[u8]) -> Result<Vec<u8>, TooLong> {
        self.replace(text, |captures, out| {
            self.expand(captures, text, replacement, out);
        })
    }

    /// Replaces each match by `replacement` as it stands.
    pub(crate) fn replace_all_literal(
        &self,
        text: &[u8],
        replacement: &[u8],
    ) -> Result<Vec<u8>, TooLong> {
        self.replace(text, |_, out| out.extend_from_slice(replacement))
    }

    /// The parts of `text` between matches; at most `limit` parts, of which the last is the rest.
    pub(crate) fn split<'t>(&self, text: &'t [u8], limit: Option<usize>) -> Vec<&'t [u8]> {
        if limit == Some(0) {
            return Vec::new();
        }
        if text.is_empty() && !self.is_empty {
            return vec![text];
        }
        let mut parts = Vec::new();
        let (mut begin, mut end) = (0, 0);
        for (start, stop) in self.spans(text, limit) {
            if limit.is_some_and(|limit| parts.len() + 1 == limit) {
                break;
            }
            end = start;
            if stop != 0 {
                parts.push(&text[begin..end]);
            }
            begin = stop;
        }
        if end != text.len() {
            parts.push(&text[begin..]);
        }
        parts
    }

    fn spans(&self, text: &[u8], limit: Option<usize>) -> Vec<Span> {
        let mut spans = Vec::new();
        let (mut at, mut previous_end) = (0, None);
        while at <= text.len() && limit.is_none_or(|limit| spans.len() < limit) {
            let Some(found) = self.find_at(text, at) else {
                break;
            };
            let (start, end) = (found.start(), found.end());
            let mut accept = true;
            if end == at {
                if previous_end == Some(start) {
                    accept = false;
                }
                at += letter_width(&text[at..]).max(1);
            } else {
                at = end;
            }
            previous_end = Some(end);
            if accept {
                spans.push((start, end));
            }
        }
        spans
    }

    fn replace(
        &self,
        text: &[u8],
        mut write: impl FnMut(&regex::bytes::Captures<'_>, &mut Vec<u8>),
    ) -> Result<Vec<u8>, TooLong> {
        let mut out = Vec::with_capacity(text.len());
        let (mut last_end, mut at) = (0, 0);
        while at <= text.len() {
            let Some(captures) = self.compiled.captures_at(text, at) else {
                break;
            };
            let Some(whole) = captures.get(0) else { break };
            let (start, end) = (whole.start(), whole.end());
            if let Some(next) = end_of_letter_around(text, start) {
                at = next;
                continue;
            }
            out.extend_from_slice(&text[last_end..start]);
            if end > last_end || start == 0 {
                write(&captures, &mut out);
            }
            if out.len() > RESULT_LIMIT {
                return Err(TooLong);
            }
            last_end = end;
            let width = letter_width(&text[at..]).max(1);
            at = if at + width > end { at + width } else { end };
        }
        out.extend_from_slice(&text[last_end..]);
        Ok(out)
    }

    fn expand(
        &self,
        captures: &regex::bytes::Captures<'_>,
        text: &[u8],
        replacement: &[u8],
        out: &mut Vec<u8>,
    ) {
        let mut rest = replacement;
        while let Some(dollar) = rest.iter().position(|&b| b == b'$') {
            out.extend_from_slice(&rest[..dollar]);
            rest = &rest[dollar + 1..];
            if rest.first() == Some(&b'$') {
                out.push(b'$');
                rest = &rest[1..];
                continue;
            }
            let Some((name, after)) = reference(rest) else {
                out.push(b'$');
                continue;
            };
            rest = after;
            let group = |index: usize| {
                captures
                    .get(index)
                    .map(|found| &text[found.start()..found.end()])
            };
            let value = if name.bytes().all(|b| b.is_ascii_digit())
                && (name == "0" || !name.starts_with('0'))
            {
                name.parse().ok().and_then(group)
            } else {
                let same = |given: &Option<String>| given.as_deref() == Some(name);
                self.names
                    .iter()
                    .enumerate()
                    .filter(|(_, given)| same(given))
                    .find_map(|(index, _)| group(index))
            };
            out.extend_from_slice(value.unwrap_or_default());
        }
        out.extend_from_slice(rest);
    }
}

/// Quotes every character that means something in an expression.
pub(crate) fn quote_meta(text: &[u8]) -> Vec<u8> {
    let mut quoted = Vec::with_capacity(text.len());
    for &byte in text {
        if br"\.+*?()|[]{}^$".contains(&byte) {
            quoted.push(b'\\');
        }
        quoted.push(byte);
    }
    quoted
}

/// The name behind a dollar: `{name}`, or as many letters, digits and underscores as there are.
fn reference(text: &[u8]) -> Option<(&str, &[u8])> {
    let braced = text.first() == Some(&b'{');
    let body = if braced { &text[1..] } else { text };
    let valid = match std::str::from_utf8(body) {
        Ok(valid) => valid,
        Err(error) => std::str::from_utf8(&body[..error.valid_up_to()]).unwrap_or_default(),
    };
    let length = valid
        .find(|c: char| c != '_' && !c.is_alphanumeric())
        .unwrap_or(valid.len());
    if length == 0 {
        return None;
    }
    let after = &body[length..];
    match (braced, after.first()) {
        (false, _) => Some((&valid[..length], after)),
        (true, Some(b'}')) => Some((&valid[..length], &after[1..])),
        (true, _) => None,
    }
}

/// Width in bytes of the first character; 1 for a byte that is not UTF-8, 0 at the end.
fn letter_width(text: &[u8]) -> usize {
    let head = &text[..text.len().min(4)];
    match std::str::from_utf8(head) {
        Ok(valid) => valid.chars().next().map_or(0, char::len_utf8),
        Err(error) => {
            let valid = std::str::from_utf8(&head[..error.valid_up_to()]).unwrap_or_default();
            valid.chars().next().map_or(1, char::len_utf8)
        }
    }
}

/// The end of the character of several bytes that a position is within.
fn end_of_letter_around(text: &[u8], position: usize) -> Option<usize> {
    let is_within = text.get(position).is_some_and(|byte| byte & 0xC0 == 0x80);
    let starts = position.saturating_sub(3)..position;
    let mut starts = starts.rev().filter(|_| is_within);
    starts.find_map(|start| {
        let end = start + letter_width(&text[start..]);
        (end > position).then_some(end)
    })
}

#[cfg(test)]
mod tests;
