//! Takes values of secrets out of error texts.

use std::cmp::Reverse;

use zeroize::Zeroizing;

use crate::{
    dependency::Dependency,
    go::{self, Value},
    secret::Secret,
    snapshot::Snapshot,
};

const REPLACEMENT: &str = "[redacted]";

/// Values deeper than this in a secret are not looked for.
const DEEPEST: u32 = 50;

/// A shorter text is taken for a value only where it stands alone: it is part of too many words.
const SHORTEST: usize = 4;

/// How the values of all secrets read so far look when printed, the longest first.
pub(crate) struct Redaction {
    /// Whole values of the keys of `.Data`, which the established program replaces.
    whole: Vec<Zeroizing<String>>,
    /// Those, and every value inside of them.
    deep: Vec<Zeroizing<String>>,
}

impl Redaction {
    /// What has to go from errors of a rendering that used these dependencies.
    pub(crate) fn new(snapshot: &Snapshot, used: &[Dependency]) -> Self {
        let mut whole = Vec::new();
        let mut deep = Vec::new();
        let secrets = used
            .iter()
            .filter_map(|dependency| snapshot.get(dependency)?.value().downcast::<Secret>());
        for entries in secrets.map(|secret| secret.data().entries()) {
            for value in entries.values() {
                whole.extend(printed(value));
                collect(value, &mut deep, 0);
            }
        }
        for texts in [&mut whole, &mut deep] {
            texts.retain(|text| !text.is_empty());
            texts.sort_unstable_by(|a, b| {
                Reverse(a.len())
                    .cmp(&Reverse(b.len()))
                    .then_with(|| a.as_str().cmp(b.as_str()))
            });
            texts.dedup();
        }
        Self { whole, deep }
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
        _ => {}
    }
    texts.extend(printed(value));
}

/// The text with every occurrence of a secret replaced, from left to right, where `counts` says so of
/// the character before, the secret and the character after.
fn replaced(
    text: &str,
    secrets: &[Zeroizing<String>],
    counts: impl Fn(Option<char>, &str, Option<char>) -> bool,
) -> String {
    let mut out = String::with_capacity(text.len());
    let mut before = None;
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let found = secrets.iter().find_map(|secret| {
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
