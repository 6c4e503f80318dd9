//! Takes values of secrets out of error texts.
//!
//! The text that errors display as has whole values replaced and nothing else, as recorded. What goes to logs is gone
//! through thoroughly: every value however deep, its lines and parts, its escaped forms, tokens and private keys; and
//! since a function can make anything of a value (base 64, upper case, its end), whatever stands in quotes and not in
//! the template goes as well.

use std::{cmp::Reverse, collections::BTreeMap};

use zeroize::Zeroizing;

use crate::{
    dependency::Dependency,
    go::{self, Value},
    secret::{PemEncoded, Secret},
    snapshot::Snapshot,
};

const REPLACEMENT: &str = "[redacted]";

/// Values deeper than this in a secret are not looked for.
const DEEPEST: u32 = 50;

/// A shorter text is taken for a value only where it stands alone: it is part of too many words.
const SHORTEST: usize = 4;

/// A shorter part of a value is looked for in quotes only.
const SHORTEST_PART: usize = 8;

/// Parts of one value that are looked for one by one.
const MOST_PARTS: usize = 1000;

/// So much of a message goes to logs: functions print what they refuse, however long it is.
const LONGEST: usize = 8 << 10;

/// How the values of all secrets read so far look when printed, the longest first.
pub(crate) struct Redaction {
    /// Whole values of the keys of `.Data`, which the established program replaces.
    whole: Texts,
    /// Those, every value inside of them, tokens, private keys and contents of files.
    deep: Texts,
}

impl Redaction {
    /// What has to go from errors of a rendering that used these dependencies.
    pub(crate) fn new(snapshot: &Snapshot, used: &[Dependency]) -> Self {
        let mut whole = Vec::new();
        let mut deep = Vec::new();
        for dependency in used {
            let Some(answer) = snapshot.get(dependency) else {
                continue;
            };
            let value = answer.value();
            let mut collect_fields = |names: &[&str], value: &Value| {
                let Value::Object(object) = value else { return };
                for name in names {
                    if let Some(field) = object.field(name) {
                        collect(&field, &mut deep, 0);
                    }
                }
            };
            if value.downcast::<PemEncoded>().is_some() {
                collect_fields(&["Key"], value);
            } else if let (Some(secret), Value::Object(object)) =
                (value.downcast::<Secret>(), value)
            {
                collect_fields(&["LeaseID"], value);
                for (within, names) in [
                    ("Auth", ["ClientToken", "Accessor"]),
                    ("WrapInfo", ["Token", "WrappedAccessor"]),
                ] {
                    if let Some(within) = object.field(within) {
                        collect_fields(&names, &within);
                    }
                }
                for value in secret.data().entries().values() {
                    whole.extend(printed(value));
                    collect(value, &mut deep, 0);
                }
            } else if matches!(dependency, Dependency::File { .. }) {
                collect(value, &mut deep, 0);
            }
        }
        Self {
            whole: Texts::new(whole),
            deep: Texts::new(deep),
        }
    }

    /// The text as the established program leaves it.
    pub(crate) fn as_recorded(&self, text: &str) -> String {
        replaced(text, &self.whole, |_, _, _| true)
    }

    /// The text without any value, however deep in a secret it was.
    pub(crate) fn thorough(&self, text: &str) -> String {
        replaced(text, &self.deep, |before, secret, after| {
            let joins = |character: Option<char>| character.is_some_and(char::is_alphanumeric);
            secret.len() >= SHORTEST || !joins(before) && !joins(after)
        })
    }

    /// A message without any value, nor anything in quotes that may have been made of one.
    pub(crate) fn message(&self, message: &str, source: &[u8]) -> String {
        // A value that begins before the end is whole in this.
        let looked_at = cut(message, LONGEST.saturating_add(self.deep.longest()));
        let (kept, source) = (self.thorough(looked_at), String::from_utf8_lossy(source));
        let kept = if self.deep.longest() == 0 {
            kept
        } else {
            without_foreign_quotes(&kept, &source)
        };
        let short = cut(&kept, LONGEST);
        let ending = if short.len() < kept.len() || looked_at.len() < message.len() {
            "…"
        } else {
            ""
        };
        format!("{short}{ending}")
    }
}

/// The text up to a length.
fn cut(text: &str, length: usize) -> &str {
    let mut ends = (0..=length.min(text.len())).rev();
    let end = ends.find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    text.get(..end).unwrap_or_default()
}

/// Texts to be replaced, by their first character, the longest first.
struct Texts(BTreeMap<char, Vec<Zeroizing<String>>>);

impl Texts {
    fn new(texts: Vec<Zeroizing<String>>) -> Self {
        let mut by_first: BTreeMap<char, Vec<Zeroizing<String>>> = BTreeMap::new();
        for text in texts {
            if let Some(first) = text.chars().next() {
                by_first.entry(first).or_default().push(text);
            }
        }
        for texts in by_first.values_mut() {
            texts.sort_unstable_by(|a, b| {
                Reverse(a.len())
                    .cmp(&Reverse(b.len()))
                    .then_with(|| a.as_str().cmp(b.as_str()))
            });
            texts.dedup();
        }
        Self(by_first)
    }

    /// Bytes of the longest text; 0 when there is none.
    fn longest(&self) -> usize {
        let longest = self.0.values().filter_map(|texts| texts.first());
        longest.map(|text| text.len()).max().unwrap_or(0)
    }

    fn beginning_with(&self, first: char) -> &[Zeroizing<String>] {
        self.0.get(&first).map_or(&[], Vec::as_slice)
    }
}

/// The text without what stands in double or back quotes and is not in the template's source.
fn without_foreign_quotes(text: &str, source: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['"', '`']) {
        let (before, quoted) = rest.split_at(at);
        out.push_str(before);
        let quote = if quoted.starts_with('"') { '"' } else { '`' };
        let inner = quoted.get(1..).unwrap_or_default();
        out.push(quote);
        match end_of_quoted(inner, quote) {
            Some(end) => {
                let (inner, after) = inner.split_at(end);
                let is_known = inner == REPLACEMENT || source.contains(inner);
                out.push_str(if is_known { inner } else { REPLACEMENT });
                out.push(quote);
                rest = after.get(1..).unwrap_or_default();
            }
            // A quote that nothing closes: the message was cut there, or the value has it.
            None => {
                out.push_str(if source.contains(inner) {
                    inner
                } else {
                    REPLACEMENT
                });
                rest = "";
            }
        }
    }
    out + rest
}

/// Where the closing quote is; in double quotes a backslash takes away the meaning of the next character.
fn end_of_quoted(text: &str, quote: char) -> Option<usize> {
    let mut is_escaped = false;
    text.char_indices().find_map(|(at, character)| {
        if std::mem::take(&mut is_escaped) {
            return None;
        }
        is_escaped = quote == '"' && character == '\\';
        (character == quote).then_some(at)
    })
}

fn printed(value: &Value) -> Option<Zeroizing<String>> {
    let text = Zeroizing::new(go::printf(b"%v", std::slice::from_ref(value)).ok()?);
    Some(Zeroizing::new(String::from_utf8_lossy(&text).into_owned()))
}

fn collect(value: &Value, texts: &mut Vec<Zeroizing<String>>, depth: u32) {
    if depth > DEEPEST {
        return;
    }
    match value {
        // Words of the language of errors, and no secrets.
        Value::Nil | Value::Bool(_) => return,
        Value::List(list) => list
            .items()
            .iter()
            .for_each(|item| collect(item, texts, depth + 1)),
        Value::Map(map) => {
            map.entries()
                .values()
                .for_each(|item| collect(item, texts, depth + 1));
        }
        Value::Text(text) => {
            let text = Zeroizing::new(text.to_str_lossy().into_owned());
            let quoted = Zeroizing::new(go::quote(text.as_bytes()));
            let escaped = quoted.get(1..quoted.len() - 1).unwrap_or_default();
            texts.push(Zeroizing::new(escaped.to_owned()));
            let marks = |mark: char| mark.is_whitespace() || ",;:/@=&?\"'".contains(mark);
            let parts = text.split(marks).filter(|part| part.len() >= SHORTEST_PART);
            texts.extend(
                parts
                    .take(MOST_PARTS)
                    .map(|part| Zeroizing::new(part.to_owned())),
            );
        }
        _ => {}
    }
    texts.extend(printed(value));
}

/// The text with every occurrence of a secret replaced, from left to right, where `counts` says so of
/// the character before, the secret and the character after.
fn replaced(
    text: &str,
    secrets: &Texts,
    counts: impl Fn(Option<char>, &str, Option<char>) -> bool,
) -> String {
    let mut out = String::with_capacity(text.len());
    let mut before = None;
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let found = secrets.beginning_with(first).iter().find_map(|secret| {
            let after = rest.strip_prefix(secret.as_str())?;
            counts(before, secret, after.chars().next()).then_some((secret.chars().last(), after))
        });
        match found {
            Some((last, after)) => {
                out.push_str(REPLACEMENT);
                before = last;
                rest = after;
            }
            None => {
                out.push(first);
                before = Some(first);
                rest = rest.get(first.len_utf8()..).unwrap_or_default();
            }
        }
    }
    out
}
