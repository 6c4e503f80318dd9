//! Lists, maps and channels. Lists never change once made; maps are shared by reference and can be
//! changed through any holder, which is what sprig's `set` relies on.

use std::{
    cell::{Cell, Ref, RefCell},
    collections::BTreeMap,
    mem,
    ops::Deref,
    rc::Rc,
};

use crate::go::{Failure, Key, Text, Type, Value};

/// A slice: of any, of text and so on, as its element type says. A nil slice is empty, yet prints
/// and encodes differently in places.
#[derive(Clone)]
pub struct List(Rc<Items>);

struct Items {
    element: Type,
    values: Vec<Value>,
    is_nil: bool,
}

impl List {
    /// A list whose items are already of the element type.
    pub fn new(element: Type, items: Vec<Value>) -> Self {
        Self(Rc::new(Items {
            element,
            values: items,
            is_nil: false,
        }))
    }

    /// A nil slice.
    pub fn nil(element: Type) -> Self {
        Self(Rc::new(Items {
            element,
            values: Vec::new(),
            is_nil: true,
        }))
    }

    /// The type of the elements.
    pub fn element(&self) -> Type {
        self.0.element
    }

    /// The items.
    pub fn items(&self) -> &[Value] {
        &self.0.values
    }

    /// Whether this is a nil slice.
    pub fn is_nil(&self) -> bool {
        self.0.is_nil
    }

    /// The list's type as `%T` prints it.
    pub fn type_name(&self) -> &'static str {
        match self.0.element {
            Type::Text => Type::Texts.name(),
            Type::Int(_) => Type::Ints.name(),
            Type::Uint(_) => Type::Bytes.name(),
            Type::List => Type::Lists.name(),
            Type::Map => Type::Maps.name(),
            _ => Type::List.name(),
        }
    }
}

/// The static types of a map's keys and values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MapType {
    /// `map[string]interface {}`
    TextToAny,
    /// `map[string]string`
    TextToText,
    /// `map[interface {}]interface {}`, which YAML gives
    AnyToAny,
}

impl MapType {
    /// The type's name as `%T` prints it.
    pub fn name(self) -> &'static str {
        match self {
            Self::TextToAny => Type::Map.name(),
            Self::TextToText => Type::TextMap.name(),
            Self::AnyToAny => Type::AnyMap.name(),
        }
    }
}

impl MapType {
    /// The types of the keys and of the values.
    pub fn parts(self) -> (Type, Type) {
        match self {
            Self::TextToAny => (Type::Text, Type::Any),
            Self::TextToText => (Type::Text, Type::Text),
            Self::AnyToAny => (Type::Any, Type::Any),
        }
    }
}

/// A map, in key order. Clones are the same map.
#[derive(Clone)]
pub struct Map {
    kind: MapType,
    entries: Option<Rc<Entries>>,
}

/// What all clones of a map share. Whoever goes through the entries holds them as they were then, and a
/// change meanwhile is made to a copy.
struct Entries(RefCell<Rc<Members>>);

/// The entries of a map at one moment, in key order.
#[derive(Clone, Default)]
pub struct Members(BTreeMap<Key, Value>);

impl Deref for Members {
    type Target = BTreeMap<Key, Value>;

    fn deref(&self) -> &BTreeMap<Key, Value> {
        &self.0
    }
}

impl Map {
    /// A map with these entries.
    pub fn new(kind: MapType, entries: BTreeMap<Key, Value>) -> Self {
        Self {
            kind,
            entries: Some(Rc::new(Entries(RefCell::new(Rc::new(Members(entries)))))),
        }
    }

    /// A nil map: empty, and nothing can be put into it.
    pub fn nil(kind: MapType) -> Self {
        Self {
            kind,
            entries: None,
        }
    }

    /// The types of keys and values.
    pub fn kind(&self) -> MapType {
        self.kind
    }

    /// Whether this is a nil map.
    pub fn is_nil(&self) -> bool {
        self.entries.is_none()
    }

    /// Whether both are one and the same map.
    pub fn is_same(&self, other: &Self) -> bool {
        match (&self.entries, &other.entries) {
            (Some(a), Some(b)) => Rc::ptr_eq(a, b),
            (None, None) => true,
            _ => false,
        }
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.read().map_or(0, |entries| entries.len())
    }

    /// Whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value under a key.
    pub fn get(&self, key: &Key) -> Option<Value> {
        self.read()?.get(key).cloned()
    }

    /// The value under a text key.
    pub fn get_text(&self, key: &[u8]) -> Option<Value> {
        self.get(&Key::Text(key.into()))
    }

    /// Whether the key is there.
    pub fn contains(&self, key: &Key) -> bool {
        self.read().is_some_and(|entries| entries.contains_key(key))
    }

    /// All entries in key order, as they are now.
    pub fn entries(&self) -> Rc<Members> {
        self.read()
            .map_or_else(Rc::default, |entries| Rc::clone(&entries))
    }

    /// All keys in order, as they are now.
    pub fn keys(&self) -> Vec<Key> {
        self.read()
            .map_or_else(Vec::new, |entries| entries.keys().cloned().collect())
    }

    /// Puts a value under a key, for every holder of the map.
    ///
    /// # Errors
    /// On a nil map, in Go's words.
    pub fn insert(&self, key: Key, value: Value) -> Result<(), Failure> {
        let Some(entries) = &self.entries else {
            return Err(Failure::new("assignment to entry in nil map"));
        };
        Rc::make_mut(&mut entries.0.borrow_mut())
            .0
            .insert(key, value);
        Ok(())
    }

    /// Removes a key, for every holder of the map.
    pub fn remove(&self, key: &Key) -> Option<Value> {
        let entries = self.entries.as_ref()?;
        Rc::make_mut(&mut entries.0.borrow_mut()).0.remove(key)
    }

    /// Nothing may change the map while the guard is held.
    pub(in crate::go) fn read(&self) -> Option<Ref<'_, Rc<Members>>> {
        let entries = self.entries.as_ref()?;
        Some(entries.0.borrow())
    }
}

impl FromIterator<(Text, Value)> for Map {
    /// A `map[string]interface {}`.
    fn from_iter<I: IntoIterator<Item = (Text, Value)>>(entries: I) -> Self {
        let entries = entries
            .into_iter()
            .map(|(key, value)| (Key::Text(key), value))
            .collect();
        Self::new(MapType::TextToAny, entries)
    }
}

/// The channel of int64 which `loop` gives: what was taken out is gone for every holder.
#[derive(Clone)]
pub struct Channel(Rc<(Cell<i64>, i64)>);

impl Channel {
    /// A closed channel that still holds the numbers from `first` to before `end`.
    pub fn new(first: i64, end: i64) -> Self {
        Self(Rc::new((Cell::new(first), end)))
    }

    /// The next number, or none when the channel is drained.
    pub fn receive(&self) -> Option<i64> {
        let (next, end) = &*self.0;
        let number = next.get();
        if number >= *end {
            return None;
        }
        next.set(number + 1);
        Some(number)
    }

    /// Whether both are one and the same channel.
    pub fn is_same(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }
}

/// Values can be nested deeper than the stack is: taking them apart must not recurse.
impl Drop for Items {
    fn drop(&mut self) {
        dismantle(mem::take(&mut self.values));
    }
}

impl Drop for Members {
    fn drop(&mut self) {
        let is_nested = |value: &Value| matches!(value, Value::List(_) | Value::Map(_));
        if self.0.values().any(is_nested) {
            dismantle(mem::take(&mut self.0).into_values().collect());
        }
    }
}

fn dismantle(mut values: Vec<Value>) {
    while let Some(value) = values.pop() {
        match value {
            Value::List(List(items)) => {
                if let Some(mut items) = Rc::into_inner(items) {
                    values.append(&mut items.values);
                }
            }
            Value::Map(Map {
                entries: Some(entries),
                ..
            }) => {
                let entries = Rc::into_inner(entries)
                    .map(|entries| entries.0.into_inner())
                    .and_then(Rc::into_inner);
                if let Some(mut entries) = entries {
                    values.extend(mem::take(&mut entries.0).into_values());
                }
            }
            _ => {}
        }
    }
}
