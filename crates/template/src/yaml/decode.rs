//! Nodes to values: aliases, merging, and the guard against documents that unfold without end.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    YamlError,
    parse::{Node, Tree},
    resolve,
};
use crate::{
    base64::{self, Alphabet},
    go::{self, Key, Map, MapType, Value},
};

pub(super) fn decode(tree: &Tree) -> Result<Value, YamlError> {
    let mut decoder = Decoder {
        tree,
        open_aliases: BTreeSet::new(),
        decoded: 0,
        decoded_by_alias: 0,
    };
    decoder.value(tree.root)
}

struct Decoder<'t> {
    tree: &'t Tree,
    open_aliases: BTreeSet<usize>,
    decoded: u64,
    decoded_by_alias: u64,
}

fn whole<T>(message: impl Into<String>) -> Result<T, YamlError> {
    Err(YamlError::Whole(message.into()))
}

/// The share of a document that may come from aliases: nearly all of a small one, a tenth of a very large one.
fn allowed_alias_share(decoded: u64) -> f64 {
    const LOW: f64 = 400_000.0;
    const HIGH: f64 = 4_000_000.0;
    let place = ((decoded as f64 - LOW) / (HIGH - LOW)).clamp(0.0, 1.0);
    0.99 - 0.89 * place
}

impl Decoder<'_> {
    fn count(&mut self) -> Result<(), YamlError> {
        self.decoded += 1;
        if !self.open_aliases.is_empty() {
            self.decoded_by_alias += 1;
        }
        let share = self.decoded_by_alias as f64 / self.decoded as f64;
        if self.decoded_by_alias > 100
            && self.decoded > 1000
            && share > allowed_alias_share(self.decoded)
        {
            return whole("document contains excessive aliasing");
        }
        Ok(())
    }

    fn value(&mut self, index: usize) -> Result<Value, YamlError> {
        self.count()?;
        let tree = self.tree;
        match tree.node(index) {
            Node::Scalar {
                text,
                tag,
                implicit,
            } => scalar(text, tag, *implicit),
            Node::List(items) => {
                let items: Result<Vec<_>, _> = items.iter().map(|item| self.value(*item)).collect();
                Ok(Value::list(items?))
            }
            Node::Map(pairs) => {
                let mut map = BTreeMap::new();
                self.fill(pairs, &mut map)?;
                Ok(Value::Map(Map::new(MapType::AnyToAny, map)))
            }
            Node::Alias { name, target } => {
                self.open(index, name)?;
                let value = self.value(*target)?;
                self.open_aliases.remove(&index);
                Ok(value)
            }
        }
    }

    fn open(&mut self, index: usize, name: &str) -> Result<(), YamlError> {
        if self.open_aliases.insert(index) {
            Ok(())
        } else {
            whole(format!("anchor '{name}' value contains itself"))
        }
    }

    fn fill(
        &mut self,
        pairs: &[(usize, usize)],
        map: &mut BTreeMap<Key, Value>,
    ) -> Result<(), YamlError> {
        let tree = self.tree;
        for (key, value) in pairs {
            if is_merge(tree.node(*key)) {
                self.merge(*value, map)?;
                continue;
            }
            let key = self.value(*key)?;
            let Some(key) = Key::of(&key) else {
                let shown = go::printf(b"%#v", &[key]).unwrap_or_default();
                return whole(format!(
                    "invalid map key: {}",
                    String::from_utf8_lossy(&shown)
                ));
            };
            let value = self.value(*value)?;
            map.insert(key, value);
        }
        Ok(())
    }

    /// Puts the pairs of one map, or of several of which the first ones win, into the map.
    fn merge(&mut self, index: usize, map: &mut BTreeMap<Key, Value>) -> Result<(), YamlError> {
        let tree = self.tree;
        match tree.node(index) {
            Node::List(items) => items
                .iter()
                .rev()
                .try_for_each(|item| self.merge_one(*item, map)),
            _ => self.merge_one(index, map),
        }
    }

    fn merge_one(&mut self, index: usize, map: &mut BTreeMap<Key, Value>) -> Result<(), YamlError> {
        self.count()?;
        let tree = self.tree;
        match tree.node(index) {
            Node::Map(pairs) => self.fill(pairs, map),
            Node::Alias { name, target } => match tree.node(*target) {
                Node::Map(pairs) => {
                    self.open(index, name)?;
                    self.count()?;
                    self.fill(pairs, map)?;
                    self.open_aliases.remove(&index);
                    Ok(())
                }
                _ => whole("map merge requires map or sequence of maps as the value"),
            },
            _ => whole("map merge requires map or sequence of maps as the value"),
        }
    }
}

fn is_merge(node: &Node) -> bool {
    matches!(node, Node::Scalar { text, tag, implicit } if text == "<<" && (*implicit || tag == resolve::MERGE))
}

fn scalar(text: &str, tag: &str, implicit: bool) -> Result<Value, YamlError> {
    if tag.is_empty() && !implicit {
        return Ok(text.into());
    }
    if tag == resolve::BINARY {
        return match base64::decode(text.as_bytes(), Alphabet::Standard) {
            Ok(bytes) => Ok(bytes.into()),
            Err(_) => whole("!!binary value contains invalid base64 data"),
        };
    }
    resolve::resolve(tag, text)
}
