//! From the tree to typed values: a cursor over one block that remembers which keys were asked
//! for, collects every finding instead of stopping at the first, and knows the loose forms that
//! Vault accepts (booleans and numbers as texts, one block or a list of blocks).

use std::cell::{Cell, RefCell};
use std::time::Duration;

use crate::duration;
use crate::error::Finding;
use crate::syntax::{Entry, Node, Value};

/// What is shared while one file is read: its name, the findings, and where blocks stand.
#[derive(Debug)]
pub(crate) struct Context {
    file: String,
    pub(crate) errors: RefCell<Vec<Finding>>,
    pub(crate) warnings: RefCell<Vec<Finding>>,
    pub(crate) places: RefCell<Vec<(String, u32)>>,
}

impl Context {
    pub(crate) fn new(file: &str) -> Self {
        Self {
            file: file.to_owned(),
            errors: RefCell::default(),
            warnings: RefCell::default(),
            places: RefCell::default(),
        }
    }

    fn finding(&self, line: u32, key: &str, problem: String) -> Finding {
        Finding {
            file: Some(self.file.clone()),
            line: Some(line),
            key: key.to_owned(),
            problem,
        }
    }
}

/// What a key that nobody asked for is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unknown {
    /// An error, as Vault has it in `template`, `env_template` and `exec`.
    Refused,
    /// A warning: Vault ignores it in silence.
    Warned,
}

/// One block, or the whole file.
#[derive(Debug)]
pub(crate) struct Block<'a> {
    context: &'a Context,
    path: String,
    line: u32,
    label: Option<String>,
    entries: Vec<(&'a Entry, Cell<bool>)>,
}

impl<'a> Block<'a> {
    /// The whole file as a block without a name.
    pub(crate) fn root(context: &'a Context, entries: &'a [Entry]) -> Self {
        Self::new(context, String::new(), 1, None, entries)
    }

    fn new(
        context: &'a Context,
        path: String,
        line: u32,
        label: Option<String>,
        entries: &'a [Entry],
    ) -> Self {
        if !path.is_empty() {
            context.places.borrow_mut().push((path.clone(), line));
        }
        let entries = entries.iter().map(|e| (e, Cell::new(false))).collect();
        Self {
            context,
            path,
            line,
            label,
            entries,
        }
    }

    /// The label, as in `listener "tcp" {`.
    pub(crate) fn label(&self) -> Option<&str> {
        self.label.as_deref()
    }

    /// The full name of a key of this block; of the block itself when the key is empty.
    pub(crate) fn name(&self, key: &str) -> String {
        match (self.path.is_empty(), key.is_empty()) {
            (true, _) => key.to_owned(),
            (false, true) => self.path.clone(),
            (false, false) => format!("{}.{key}", self.path),
        }
    }

    /// Notes an error about a key of this block, or about the block when the key is empty.
    pub(crate) fn refuse(&self, key: &str, problem: impl Into<String>) {
        let line = self.line_of(key);
        self.context.errors.borrow_mut().push(self.context.finding(
            line,
            &self.name(key),
            problem.into(),
        ));
    }

    /// Notes a warning about a key of this block, or about the block when the key is empty.
    pub(crate) fn warn(&self, key: &str, problem: impl Into<String>) {
        let line = self.line_of(key);
        self.context
            .warnings
            .borrow_mut()
            .push(self.context.finding(line, &self.name(key), problem.into()));
    }

    /// Whether the key is there with a value.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.node(key).is_some()
    }

    /// A text; numbers and booleans are taken as written. An empty text counts as absent.
    pub(crate) fn text(&self, key: &str) -> Option<String> {
        let node = self.node(key)?;
        match scalar(&node.value) {
            Some(text) if text.is_empty() => None,
            Some(text) => Some(text),
            None => {
                self.refuse_value(key, &node.value, "a text");
                None
            }
        }
    }

    /// A boolean: `true`, `false`, or a text or number that Go reads as one.
    pub(crate) fn flag(&self, key: &str) -> Option<bool> {
        let node = self.node(key)?;
        let flag = match &node.value {
            Value::Bool(flag) => Some(*flag),
            Value::Text(text) if text.is_empty() => return None,
            Value::Text(text) | Value::Number(text) => go_bool(text),
            _ => None,
        };
        if flag.is_none() {
            self.refuse_value(key, &node.value, "true or false");
        }
        flag
    }

    /// A duration; an empty text counts as absent.
    pub(crate) fn duration(&self, key: &str) -> Option<Duration> {
        let node = self.node(key)?;
        let duration = match &node.value {
            Value::Text(text) if text.is_empty() => return None,
            Value::Text(text) | Value::Number(text) => duration::parse(text),
            _ => None,
        };
        if duration.is_none() {
            self.refuse_value(key, &node.value, duration::ACCEPTED);
        }
        duration
    }

    /// A whole number between the bounds, as a number or as a text.
    pub(crate) fn whole(&self, key: &str, least: i64, most: i64) -> Option<i64> {
        let node = self.node(key)?;
        let number = match &node.value {
            Value::Text(text) if text.is_empty() => return None,
            Value::Text(text) | Value::Number(text) => text.trim().parse::<i64>().ok(),
            _ => None,
        }
        .filter(|n| (least..=most).contains(n));
        if number.is_none() {
            let accepted = if most == i64::MAX {
                format!("a whole number from {least}")
            } else {
                format!("a whole number from {least} to {most}")
            };
            self.refuse_value(key, &node.value, &accepted);
        }
        number
    }

    /// A user's or group's number.
    pub(crate) fn id(&self, key: &str) -> Option<u32> {
        self.whole(key, 0, i64::from(u32::MAX))
            .and_then(|n| u32::try_from(n).ok())
    }

    /// A number with a fraction that is larger than zero and smaller than one.
    pub(crate) fn fraction(&self, key: &str) -> Option<f64> {
        let node = self.node(key)?;
        let number = match &node.value {
            Value::Text(text) if text.is_empty() => return None,
            Value::Text(text) | Value::Number(text) => text.trim().parse::<f64>().ok(),
            _ => None,
        };
        // Zero means "not given", for that is how the established injector leaves it out.
        if number == Some(0.0) {
            return None;
        }
        let number = number.filter(|n| *n > 0.0 && *n < 1.0);
        if number.is_none() {
            self.refuse_value(
                key,
                &node.value,
                "a number larger than 0 and smaller than 1",
            );
        }
        number
    }

    /// Permission bits: an octal text, or a number whose value they are (`0640` in HCL, 416 in
    /// JSON, which has no octal numbers).
    pub(crate) fn mode(&self, key: &str) -> Option<u32> {
        let node = self.node(key)?;
        let mode = match &node.value {
            Value::Text(text) if text.is_empty() => return None,
            Value::Text(text) => {
                let digits = text.strip_prefix("0o").unwrap_or(text);
                u32::from_str_radix(digits, 8).ok()
            }
            Value::Number(text) => text.parse::<u32>().ok(),
            _ => None,
        }
        .filter(|mode| *mode <= 0o7777);
        if mode.is_none() {
            self.refuse_value(
                key,
                &node.value,
                "an octal text such as \"0640\" or a number up to 4095 (octal 7777)",
            );
        }
        mode
    }

    /// A list of texts; one text stands for a list split at commas.
    pub(crate) fn texts(&self, key: &str) -> Vec<String> {
        let Some(node) = self.node(key) else {
            return Vec::new();
        };
        let texts = match &node.value {
            Value::List(items) => items.iter().map(|item| scalar(&item.value)).collect(),
            Value::Object(_) => None,
            value => scalar(value).map(|text| {
                text.split(',')
                    .map(|part| part.trim().to_owned())
                    .filter(|part| !part.is_empty())
                    .collect()
            }),
        };
        texts.unwrap_or_else(|| {
            self.refuse_value(key, &node.value, "a list of texts");
            Vec::new()
        })
    }

    /// A list of texts in which one text stands for itself, blanks and commas included.
    pub(crate) fn words(&self, key: &str) -> Vec<String> {
        match self.node(key).map(|node| &node.value) {
            Some(Value::Text(text)) if text.is_empty() => Vec::new(),
            Some(Value::Text(text)) => vec![text.clone()],
            _ => self.texts(key),
        }
    }

    /// A text, where the key may be a block as well.
    pub(crate) fn plain_text(&self, key: &str) -> Option<String> {
        match self.node(key).map(|node| &node.value) {
            Some(Value::Object(_) | Value::List(_)) | None => None,
            Some(_) => self.text(key),
        }
    }

    /// One word of a fixed set, in any case.
    pub(crate) fn choice<T: Copy>(&self, key: &str, choices: &[(&str, T)]) -> Option<T> {
        let text = self.text(key)?;
        let found = choices
            .iter()
            .find(|(word, _)| word.eq_ignore_ascii_case(text.trim()));
        if found.is_none() {
            let words: Vec<_> = choices.iter().map(|(word, _)| *word).collect();
            self.refuse(
                key,
                format!("is {}; accepted are {}", shown(&text), words.join(", ")),
            );
        }
        found.map(|(_, choice)| *choice)
    }

    /// A map of texts, from one block or several; a later value of one key wins.
    pub(crate) fn map(&self, key: &str) -> Vec<(String, String)> {
        let mut map: Vec<(String, String)> = Vec::new();
        for block in self.blocks(key) {
            for (entry, taken) in &block.entries {
                taken.set(true);
                if entry.node.value == Value::Null {
                    continue;
                }
                match scalar(&entry.node.value) {
                    Some(text) => match map.iter_mut().find(|(name, _)| *name == entry.key) {
                        Some((_, value)) => *value = text,
                        None => map.push((entry.key.clone(), text)),
                    },
                    None => block.refuse_value(&entry.key, &entry.node.value, "a text"),
                }
            }
        }
        map
    }

    /// The keys of this block with their values, for blocks whose keys are not fixed.
    pub(crate) fn pairs(&self) -> Vec<(&'a str, &'a Value)> {
        self.entries
            .iter()
            .map(|(entry, taken)| {
                taken.set(true);
                (entry.key.as_str(), &entry.node.value)
            })
            .collect()
    }

    /// All blocks of a key: repeated ones, and those of a list.
    pub(crate) fn blocks(&self, key: &str) -> Vec<Block<'a>> {
        self.blocks_with_labels(key, None)
    }

    /// The same for blocks that have a label. JSON may nest the block under its label, which is
    /// told from a block by its keys: none of them is one that the block knows.
    pub(crate) fn labelled_blocks(&self, key: &str, known: &[&str]) -> Vec<Block<'a>> {
        self.blocks_with_labels(key, Some(known))
    }

    /// The only block of a key.
    pub(crate) fn block(&self, key: &str) -> Option<Block<'a>> {
        self.only(key, self.blocks(key))
    }

    /// The only block of a key that has a label.
    pub(crate) fn labelled_block(&self, key: &str, known: &[&str]) -> Option<Block<'a>> {
        self.only(key, self.labelled_blocks(key, known))
    }

    /// Ends the reading of this block: what nobody asked for is refused or warned about.
    pub(crate) fn finish(&self, unknown: Unknown) {
        for (entry, taken) in &self.entries {
            if taken.get() {
                continue;
            }
            let name = self.name(&entry.key);
            match unknown {
                Unknown::Refused => self.context.errors.borrow_mut().push(self.context.finding(
                    entry.line,
                    &name,
                    "is not a key that is known here".to_owned(),
                )),
                Unknown::Warned => self
                    .context
                    .warnings
                    .borrow_mut()
                    .push(self.context.finding(
                        entry.line,
                        &name,
                        "is not a key that is known here and is ignored".to_owned(),
                    )),
            }
        }
    }

    /// Takes keys that Vault knows and that mean nothing here; each that is there is a warning.
    pub(crate) fn without_effect(&self, keys: &[&str], why: &str) {
        for key in keys {
            if self.has(key) {
                self.warn(key, format!("has no effect: {why}"));
            }
        }
    }

    fn only(&self, key: &str, mut blocks: Vec<Block<'a>>) -> Option<Block<'a>> {
        if blocks.len() > 1 {
            let lines: Vec<_> = blocks.iter().map(|b| b.line.to_string()).collect();
            self.refuse(
                key,
                format!(
                    "is given {} times, on the lines {}; only one such block is accepted",
                    blocks.len(),
                    lines.join(", ")
                ),
            );
        }
        blocks.pop()
    }

    fn blocks_with_labels(&self, key: &str, known: Option<&[&str]>) -> Vec<Block<'a>> {
        let mut found = Vec::new();
        for (entry, taken) in self.matching(key) {
            taken.set(true);
            let label = entry.labels.first().cloned();
            if entry.labels.len() > 1 {
                self.refuse(key, "has more than one label; at most one is accepted");
            }
            self.gather(key, entry.line, label, &entry.node, known, &mut found);
        }
        found
    }

    fn gather(
        &self,
        key: &str,
        line: u32,
        label: Option<String>,
        node: &'a Node,
        known: Option<&[&str]>,
        found: &mut Vec<Block<'a>>,
    ) {
        match &node.value {
            Value::Null => {}
            Value::List(items) => {
                for item in items {
                    self.gather(key, item.line, label.clone(), item, known, found);
                }
            }
            Value::Object(entries) => {
                let nested = label.is_none()
                    && !entries.is_empty()
                    && known.is_some_and(|known| {
                        entries.iter().all(|e| {
                            is_block(&e.node.value)
                                && !known.iter().any(|k| k.eq_ignore_ascii_case(&e.key))
                        })
                    });
                if nested {
                    for entry in entries {
                        let label = Some(entry.key.clone());
                        self.gather(key, entry.line, label, &entry.node, known, found);
                    }
                } else {
                    let path = self.name(key);
                    found.push(Block::new(self.context, path, line, label, entries));
                }
            }
            other => self.refuse_value(key, other, "a block"),
        }
    }

    /// The last value of a key. Keys are compared without regard to case, as Vault does.
    fn node(&self, key: &str) -> Option<&'a Node> {
        let mut last = None;
        for (entry, taken) in self.matching(key) {
            taken.set(true);
            last = Some(&entry.node);
        }
        last.filter(|node| node.value != Value::Null)
    }

    fn matching<'s>(&'s self, key: &'s str) -> impl Iterator<Item = &'s (&'a Entry, Cell<bool>)> {
        self.entries
            .iter()
            .filter(move |(entry, _)| entry.key.eq_ignore_ascii_case(key))
    }

    fn line_of(&self, key: &str) -> u32 {
        self.matching(key)
            .last()
            .map_or(self.line, |(entry, _)| entry.line)
    }

    fn refuse_value(&self, key: &str, value: &Value, accepted: &str) {
        let found = match value {
            Value::List(_) => "a list".to_owned(),
            Value::Object(_) => "a block".to_owned(),
            Value::Null => "null".to_owned(),
            Value::Bool(flag) => format!("`{flag}`"),
            Value::Number(text) | Value::Text(text) => shown(text),
        };
        self.refuse(key, format!("is {found}; accepted is {accepted}"));
    }
}

/// What Go's `strconv.ParseBool` accepts.
pub(crate) fn go_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// A value as a message shows it, cut where somebody put a whole file there.
fn shown(text: &str) -> String {
    const LONGEST: usize = 60;
    if text.chars().count() > LONGEST {
        let start: String = text.chars().take(LONGEST).collect();
        format!("`{}…`", start.escape_debug())
    } else {
        format!("`{}`", text.escape_debug())
    }
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::Text(text) | Value::Number(text) => Some(text.clone()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::List(_) | Value::Object(_) => None,
    }
}

fn is_block(value: &Value) -> bool {
    match value {
        Value::Object(_) => true,
        Value::List(items) => {
            !items.is_empty() && items.iter().all(|i| matches!(i.value, Value::Object(_)))
        }
        _ => false,
    }
}
