//! Reads Go's regular expression syntax (RE2 with Perl classes) and writes the same expression in the dialect of the
//! `regex` crate. Refusals carry Go's words. Matching is left to the parent module.
//!
//! The two dialects look alike and differ in detail: here `\d`, `\s`, `\w` and `\b` are ASCII, `{,3}` is plain text,
//! `\Q..\E` quotes, brackets inside a class do not nest, group names may begin with a digit, and repetitions are
//! neither stacked nor counted beyond 1000.

use std::fmt::Write as _;

use super::{
    SyntaxError,
    letters::{
        class_letter, is_posix_class, parse_counts, parse_escape, perl_class, push_literal,
        unicode_class,
    },
};

/// The largest count, and the largest product of nested counts, that Go accepts.
const MAX_REPEAT: u64 = 1000;
/// The deepest nesting that Go accepts.
const MAX_DEPTH: usize = 1000;

/// An expression in the other dialect, with the names of its groups by number (0 is the whole match).
#[derive(Debug)]
pub(super) struct Translated {
    pub(super) pattern: String,
    pub(super) names: Vec<Option<String>>,
}

/// Translates `source`, or says what Go would say about it.
pub(super) fn translate(source: &str) -> Result<Translated, SyntaxError> {
    let mut translator = Translator::new(source);
    translator.run()?;
    Ok(Translated {
        pattern: translator.out,
        names: translator.names,
    })
}

#[derive(Clone, Copy, PartialEq, Eq, Default)]
struct Flags {
    fold_case: bool,
    multi_line: bool,
    dot_newline: bool,
    swap_greed: bool,
}

/// What is known of one open group.
struct Frame {
    /// Flags to return to when the group closes.
    outer_flags: Flags,
    /// Product of nested counts of the item that a repetition would apply to; `None` when there is no such item.
    item: Option<u64>,
    /// The largest such product in the group.
    heaviest: u64,
}

struct Translator<'a> {
    source: &'a str,
    rest: &'a str,
    out: String,
    names: Vec<Option<String>>,
    frames: Vec<Frame>,
    flags: Flags,
    /// The flags that the output is in, which lag behind until the next item is written.
    written_flags: Flags,
}

impl<'a> Translator<'a> {
    fn new(source: &'a str) -> Self {
        let flags = Flags::default();
        Self {
            source,
            rest: source,
            out: String::with_capacity(source.len() * 2),
            names: vec![None],
            frames: vec![Frame {
                outer_flags: flags,
                item: None,
                heaviest: 1,
            }],
            flags,
            written_flags: flags,
        }
    }

    fn run(&mut self) -> Result<(), SyntaxError> {
        let mut last_repeat: Option<&'a str> = None;
        while let Some(first) = self.rest.chars().next() {
            let mut repeat = None;
            match first {
                '(' => self.open_group()?,
                '|' => {
                    self.flush_flags();
                    self.out.push('|');
                    self.frame().item = None;
                    self.rest = &self.rest[1..];
                }
                ')' => self.close_group()?,
                '^' | '$' | '.' => {
                    self.item(|out| out.push(first));
                    self.rest = &self.rest[1..];
                }
                '[' => self.class()?,
                '*' | '+' | '?' => {
                    let before = self.rest;
                    let operator = match first {
                        '*' => Repeat {
                            min: 0,
                            max: None,
                            text: "*".to_owned(),
                            counted: false,
                        },
                        '+' => Repeat {
                            min: 1,
                            max: None,
                            text: "+".to_owned(),
                            counted: false,
                        },
                        _ => Repeat {
                            min: 0,
                            max: Some(1),
                            text: "?".to_owned(),
                            counted: false,
                        },
                    };
                    self.repeat(&operator, before, &before[1..], last_repeat)?;
                    repeat = Some(before);
                }
                '{' => {
                    let before = self.rest;
                    match parse_counts(before) {
                        None => {
                            self.literal('{');
                            self.rest = &self.rest[1..];
                        }
                        Some((min, max, after)) => {
                            let text = &before[..before.len() - after.len()];
                            let most = max.unwrap_or(min);
                            if min > MAX_REPEAT
                                || most > MAX_REPEAT
                                || max.is_some_and(|max| min > max)
                            {
                                return Err(SyntaxError::new("invalid repeat count", text));
                            }
                            let written = match max {
                                None => format!("{{{min},}}"),
                                Some(max) => format!("{{{min},{max}}}"),
                            };
                            let operator = Repeat {
                                min,
                                max,
                                text: written,
                                counted: true,
                            };
                            self.repeat(&operator, before, after, last_repeat)?;
                            repeat = Some(before);
                        }
                    }
                }
                '\\' => self.escape()?,
                other => {
                    self.literal(other);
                    self.rest = &self.rest[other.len_utf8()..];
                }
            }
            last_repeat = repeat;
        }
        if self.frames.len() > 1 {
            return Err(SyntaxError::new("missing closing )", self.source));
        }
        Ok(())
    }

    fn frame(&mut self) -> &mut Frame {
        self.frames
            .last_mut()
            .expect("the outermost frame is never closed")
    }

    fn flush_flags(&mut self) {
        if self.flags == self.written_flags {
            return;
        }
        let (now, then) = (self.flags, self.written_flags);
        let (mut on, mut off) = (String::new(), String::new());
        for (name, now, then) in [
            ('i', now.fold_case, then.fold_case),
            ('m', now.multi_line, then.multi_line),
            ('s', now.dot_newline, then.dot_newline),
        ] {
            match (now, then) {
                (true, false) => on.push(name),
                (false, true) => off.push(name),
                _ => {}
            }
        }
        if !on.is_empty() || !off.is_empty() {
            let dash = if off.is_empty() { "" } else { "-" };
            let _ = write!(self.out, "(?{on}{dash}{off})");
        }
        self.written_flags = self.flags;
    }

    fn item(&mut self, write: impl FnOnce(&mut String)) {
        self.flush_flags();
        write(&mut self.out);
        self.frame().item = Some(1);
    }

    fn literal(&mut self, letter: char) {
        self.item(|out| push_literal(out, letter));
    }

    fn repeat(
        &mut self,
        operator: &Repeat,
        before: &'a str,
        after: &'a str,
        last_repeat: Option<&'a str>,
    ) -> Result<(), SyntaxError> {
        let (after, lazy) = match after.strip_prefix('?') {
            Some(after) => (after, true),
            None => (after, false),
        };
        if let Some(last) = last_repeat {
            let text = &last[..last.len() - after.len()];
            return Err(SyntaxError::new("invalid nested repetition operator", text));
        }
        let text = &before[..before.len() - after.len()];
        let frame = self.frame();
        let Some(weight) = frame.item else {
            return Err(SyntaxError::new(
                "missing argument to repetition operator",
                text,
            ));
        };
        if operator.counted {
            let factor = operator.max.unwrap_or(operator.min);
            let product = if operator.max == Some(0) {
                1
            } else {
                weight.saturating_mul(factor.max(1))
            };
            if (operator.min >= 2 || factor >= 2) && product > MAX_REPEAT {
                return Err(SyntaxError::new("invalid repeat count", text));
            }
            frame.item = Some(product);
            frame.heaviest = frame.heaviest.max(product);
        }
        self.out.push_str(&operator.text);
        if lazy != self.flags.swap_greed {
            self.out.push('?');
        }
        self.rest = after;
        Ok(())
    }

    fn open_group(&mut self) -> Result<(), SyntaxError> {
        if self.frames.len() > MAX_DEPTH {
            return Err(SyntaxError::new("expression nests too deeply", self.source));
        }
        if !self.rest.starts_with("(?") {
            self.push_group("(", self.flags);
            self.names.push(None);
            self.rest = &self.rest[1..];
            return Ok(());
        }
        let whole = self.rest;
        let named = if whole.starts_with("(?P<") && whole.len() > 4 {
            Some(4)
        } else if whole.starts_with("(?<") && whole.len() > 3 {
            Some(3)
        } else {
            None
        };
        if let Some(start) = named {
            let Some(end) = whole.find('>') else {
                return Err(SyntaxError::new("invalid named capture", whole));
            };
            let name = &whole[start..end];
            if name.is_empty() || !name.bytes().all(|b| b == b'_' || b.is_ascii_alphanumeric()) {
                return Err(SyntaxError::new("invalid named capture", &whole[..=end]));
            }
            self.push_group("(", self.flags);
            self.names.push(Some(name.to_owned()));
            self.rest = &whole[end + 1..];
            return Ok(());
        }
        self.flag_group(whole)
    }

    fn flag_group(&mut self, whole: &'a str) -> Result<(), SyntaxError> {
        let mut flags = self.flags;
        let (mut setting, mut seen) = (true, false);
        let mut chars = whole[2..].char_indices();
        let mut stop = whole.len();
        for (at, letter) in chars.by_ref() {
            let after = 2 + at + letter.len_utf8();
            stop = after;
            match letter {
                'i' => (flags.fold_case, seen) = (setting, true),
                'm' => (flags.multi_line, seen) = (setting, true),
                's' => (flags.dot_newline, seen) = (setting, true),
                'U' => (flags.swap_greed, seen) = (setting, true),
                '-' if setting => (setting, seen) = (false, false),
                ':' | ')' if setting || seen => {
                    if letter == ':' {
                        let outer = self.flags;
                        self.push_group("(?:", outer);
                    }
                    self.flags = flags;
                    self.rest = &whole[after..];
                    return Ok(());
                }
                _ => break,
            }
        }
        Err(SyntaxError::new(
            "invalid or unsupported Perl syntax",
            &whole[..stop],
        ))
    }

    fn push_group(&mut self, opening: &str, outer_flags: Flags) {
        self.flush_flags();
        self.out.push_str(opening);
        self.frames.push(Frame {
            outer_flags,
            item: None,
            heaviest: 1,
        });
    }

    fn close_group(&mut self) -> Result<(), SyntaxError> {
        if self.frames.len() < 2 {
            return Err(SyntaxError::new("unexpected )", self.source));
        }
        if let Some(closed) = self.frames.pop() {
            self.out.push(')');
            // Flags set inside a group end with it, in both dialects.
            self.flags = closed.outer_flags;
            self.written_flags = closed.outer_flags;
            let frame = self.frame();
            frame.item = Some(closed.heaviest);
            frame.heaviest = frame.heaviest.max(closed.heaviest);
        }
        self.rest = &self.rest[1..];
        Ok(())
    }

    fn escape(&mut self) -> Result<(), SyntaxError> {
        let whole = self.rest;
        let next = whole[1..].chars().next();
        let simple = match next {
            Some('A') => Some(r"\A"),
            Some('b') => Some(r"(?-u:\b)"),
            Some('B') => Some(r"(?-u:\B)"),
            Some('z') => Some(r"\z"),
            _ => None,
        };
        if let Some(text) = simple {
            self.item(|out| out.push_str(text));
            self.rest = &whole[2..];
            return Ok(());
        }
        match next {
            Some('C') => return Err(SyntaxError::new("invalid escape sequence", &whole[..2])),
            Some('Q') => {
                let (quoted, after) = whole[2..].split_once(r"\E").unwrap_or((&whole[2..], ""));
                for letter in quoted.chars() {
                    self.literal(letter);
                }
                self.rest = after;
                return Ok(());
            }
            Some('p' | 'P') => {
                let (class, after) = unicode_class(whole)?;
                self.item(|out| out.push_str(&class));
                self.rest = after;
                return Ok(());
            }
            _ => {}
        }
        if let Some((class, after)) = perl_class(whole) {
            self.item(|out| {
                let _ = write!(out, "[{class}]");
            });
            self.rest = after;
            return Ok(());
        }
        let (letter, after) = parse_escape(whole)?;
        self.literal(letter);
        self.rest = after;
        Ok(())
    }

    fn class(&mut self) -> Result<(), SyntaxError> {
        let whole = self.rest;
        let mut rest = &whole[1..];
        let mut class = String::from("[");
        if let Some(after) = rest.strip_prefix('^') {
            class.push('^');
            rest = after;
        }
        let mut first = true;
        while first || !rest.starts_with(']') {
            first = false;
            if rest.len() > 2
                && rest.starts_with("[:")
                && let Some(end) = rest[2..].find(":]")
            {
                let name = &rest[..end + 4];
                if !is_posix_class(name) {
                    return Err(SyntaxError::new("invalid character class range", name));
                }
                class.push_str(name);
                rest = &rest[end + 4..];
                continue;
            }
            if rest.starts_with(r"\p") || rest.starts_with(r"\P") {
                let (text, after) = unicode_class(rest)?;
                class.push_str(&text);
                rest = after;
                continue;
            }
            if let Some((text, after)) = perl_class(rest) {
                class.push_str(text);
                rest = after;
                continue;
            }
            let range = rest;
            let (low, after) = class_letter(rest, whole)?;
            rest = after;
            let mut high = low;
            if rest.len() >= 2 && rest.starts_with('-') && !rest[1..].starts_with(']') {
                (high, rest) = class_letter(&rest[1..], whole)?;
                if high < low {
                    let text = &range[..range.len() - rest.len()];
                    return Err(SyntaxError::new("invalid character class range", text));
                }
            }
            push_literal(&mut class, low);
            if high > low {
                class.push('-');
                push_literal(&mut class, high);
            }
        }
        class.push(']');
        self.item(|out| out.push_str(&class));
        self.rest = &rest[1..];
        Ok(())
    }
}

struct Repeat {
    min: u64,
    max: Option<u64>,
    text: String,
    counted: bool,
}
