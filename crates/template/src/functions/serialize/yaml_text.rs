//! YAML as the established writer lays it out: block style, lists not indented under their key, keys in natural order,
//! quotes where a plain text would read as something else, long texts folded near column 80.

mod analysis;
mod order;
mod scalar;
mod texts;

use super::{DEEPEST, WriteError};
use crate::{
    go::{List, Value},
    semver::Version,
    time::Time,
};
use analysis::{Analysis, Style, is_break};
use scalar::{Scalar, key_scalar, scalar_of};
use texts::Folding;

/// The column behind which texts are folded.
const WIDTH: usize = 80;
/// The longest key that stands on one line with its value, in bytes.
const LONGEST_KEY: usize = 128;

pub(super) fn write(value: &Value) -> Result<Vec<u8>, WriteError> {
    let mut writer = Writer {
        out: String::with_capacity(64),
        column: 0,
        indent: -1,
        after_space: true,
        at_indent: true,
    };
    writer.node(value, Place::Root, 0)?;
    writer.line_break();
    Ok(writer.out.into_bytes())
}

/// Where a node stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Root,
    /// An item of a list.
    Item,
    /// A key that stands on one line with its value.
    Key,
    /// A value of a map, or a key with its own lines.
    Member,
}

struct Writer {
    out: String,
    column: usize,
    indent: i32,
    /// White space was just written.
    after_space: bool,
    /// Nothing but indentation and list marks stand on this line.
    at_indent: bool,
}

impl Writer {
    fn node(&mut self, value: &Value, place: Place, depth: usize) -> Result<(), WriteError> {
        if depth > DEEPEST {
            return Err("yaml: value is nested too deeply".to_owned());
        }
        match value {
            Value::List(list) => self.list(list, place, depth),
            Value::Map(map) => {
                let members = map.entries();
                let mut entries: Vec<_> = members.iter().collect();
                entries.sort_by(|(a, _), (b, _)| order::natural(a, b));
                let entries = entries
                    .into_iter()
                    .map(|(key, value)| (key_scalar(key), value));
                self.map(entries, depth)
            }
            Value::Object(object)
                if value.downcast::<Time>().is_none() && value.downcast::<Version>().is_none() =>
            {
                let fields = object.fields();
                let entries = fields.iter().map(|(name, value)| {
                    let name = Value::from(name.to_lowercase());
                    (scalar_of(&name).into_owned(), value)
                });
                self.map(entries, depth)
            }
            Value::Channel(_) | Value::Complex(..) => {
                // The established writer panics with these words.
                Err(format!("cannot marshal type: {}", value.type_name()))
            }
            other => {
                self.scalar(&scalar_of(other), place);
                Ok(())
            }
        }
    }

    fn list(&mut self, list: &List, place: Place, depth: usize) -> Result<(), WriteError> {
        if list.items().is_empty() {
            self.indicator("[", true);
            self.after_space = true;
            self.indicator("]", false);
            return Ok(());
        }
        let outer = self.indent;
        if place != Place::Member || self.at_indent {
            self.increase_indent();
        }
        for item in list.items() {
            self.write_indent();
            self.mark("-");
            self.node(item, Place::Item, depth + 1)?;
        }
        self.indent = outer;
        Ok(())
    }

    fn map<'v>(
        &mut self,
        entries: impl ExactSizeIterator<Item = (Scalar<'v>, &'v Value)>,
        depth: usize,
    ) -> Result<(), WriteError> {
        if entries.len() == 0 {
            self.indicator("{", true);
            self.after_space = true;
            self.indicator("}", false);
            return Ok(());
        }
        let outer = self.indent;
        self.increase_indent();
        for (key_scalar, value) in entries {
            self.write_indent();
            let line_breaks = key_scalar.text.contains(is_break);
            if !line_breaks && key_scalar.text.len() + key_scalar.tag.len() <= LONGEST_KEY {
                self.scalar(&key_scalar, Place::Key);
                self.indicator(":", false);
            } else {
                self.mark("?");
                self.scalar(&key_scalar, Place::Member);
                self.write_indent();
                self.mark(":");
            }
            self.node(value, Place::Member, depth + 1)?;
        }
        self.indent = outer;
        Ok(())
    }

    fn scalar(&mut self, scalar: &Scalar<'_>, place: Place) {
        let simple_key = place == Place::Key;
        let analysis = Analysis::of(&scalar.text);
        let mut style = scalar.style;
        if simple_key && analysis.line_breaks {
            style = Style::Double;
        }
        if style == Style::Plain
            && (!analysis.plain_allowed || (scalar.text.is_empty() && simple_key))
        {
            style = Style::Single;
        }
        if style == Style::Single && !analysis.single_allowed {
            style = Style::Double;
        }
        if style == Style::Literal && (!analysis.block_allowed || simple_key) {
            style = Style::Double;
        }
        if !scalar.tag.is_empty() {
            self.indicator(scalar.tag, true);
        }
        let outer = self.indent;
        self.indent = if self.indent < 0 { 2 } else { self.indent + 2 };
        let folding = if simple_key {
            Folding::None
        } else {
            Folding::Allowed
        };
        match style {
            Style::Plain => self.plain(&scalar.text, folding),
            Style::Single => self.single_quoted(&scalar.text, folding),
            Style::Double => self.double_quoted(&scalar.text, folding),
            Style::Literal => self.literal(&scalar.text),
        }
        self.indent = outer;
    }

    fn increase_indent(&mut self) {
        self.indent = if self.indent < 0 { 0 } else { self.indent + 2 };
    }

    fn write_indent(&mut self) {
        let indent = usize::try_from(self.indent).unwrap_or(0);
        if !self.at_indent || self.column > indent || (self.column == indent && !self.after_space) {
            self.line_break();
        }
        while self.column < indent {
            self.put(' ');
        }
        self.after_space = true;
        self.at_indent = true;
    }

    /// Writes a mark, behind a blank if it needs one.
    fn indicator(&mut self, mark: &str, needs_space: bool) {
        if needs_space && !self.after_space {
            self.put(' ');
        }
        self.put_all(mark);
        self.after_space = false;
        self.at_indent = false;
    }

    /// Writes a mark of the block structure, which leaves the line open for an indented node.
    fn mark(&mut self, mark: &str) {
        let at_indent = self.at_indent;
        self.indicator(mark, true);
        self.at_indent = at_indent;
    }

    fn put_all(&mut self, text: &str) {
        self.out.push_str(text);
        self.column += text.chars().count();
    }

    fn put(&mut self, letter: char) {
        self.out.push(letter);
        self.column += 1;
    }

    fn line_break(&mut self) {
        self.out.push('\n');
        self.column = 0;
    }

    fn break_letter(&mut self, letter: char) {
        self.out.push(letter);
        self.column = 0;
    }
}
