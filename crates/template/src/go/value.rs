//! Values of a template as Go has them: every value knows its kind and the name of its type, and
//! nothing converts by itself.

use std::{fmt, rc::Rc};

use crate::go::{Channel, IntType, Key, Kind, List, Map, MapType, Object, Text, Type, UintType};

/// A value. Cloning is cheap: texts, lists, maps and objects are shared.
#[derive(Clone, Default)]
pub enum Value {
    /// The untyped nil
    #[default]
    Nil,
    /// `bool`
    Bool(bool),
    /// A signed integer and its type
    Int(IntType, i64),
    /// An unsigned integer and its type
    Uint(UintType, u64),
    /// `float64`
    Float(f64),
    /// `complex128`: real and imaginary part
    Complex(f64, f64),
    /// `string`
    Text(Text),
    /// `json.Number`: a number of a secret, kept as the text that was written
    Number(Text),
    /// Any slice
    List(List),
    /// Any map
    Map(Map),
    /// `<-chan int64`
    Channel(Channel),
    /// A struct or a pointer to one
    Object(Rc<dyn Object>),
    /// A nil pointer of the named type, such as `*dependency.SecretAuth`
    NilObject(&'static str),
}

impl Value {
    /// An `int`.
    pub fn int(number: i64) -> Self {
        Self::Int(IntType::Int, number)
    }

    /// An `int64`.
    pub fn int64(number: i64) -> Self {
        Self::Int(IntType::Int64, number)
    }

    /// A `uint64`.
    pub fn uint64(number: u64) -> Self {
        Self::Uint(UintType::Uint64, number)
    }

    /// A `string`.
    pub fn text(text: impl Into<Text>) -> Self {
        Self::Text(text.into())
    }

    /// A `[]interface {}`.
    pub fn list(items: Vec<Self>) -> Self {
        Self::List(List::new(Type::Any, items))
    }

    /// A `[]string`.
    pub fn texts<T: Into<Text>>(items: impl IntoIterator<Item = T>) -> Self {
        let items = items
            .into_iter()
            .map(|text| Self::Text(text.into()))
            .collect();
        Self::List(List::new(Type::Text, items))
    }

    /// A `map[string]interface {}`.
    pub fn map<T: Into<Text>>(entries: impl IntoIterator<Item = (T, Self)>) -> Self {
        Self::Map(
            entries
                .into_iter()
                .map(|(key, value)| (key.into(), value))
                .collect(),
        )
    }

    /// A `map[string]string`.
    pub fn text_map<K: Into<Text>, V: Into<Text>>(
        entries: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        let entries = entries
            .into_iter()
            .map(|(key, value)| (Key::Text(key.into()), Self::Text(value.into())))
            .collect();
        Self::Map(Map::new(MapType::TextToText, entries))
    }

    /// An object.
    pub fn object(object: impl Object + 'static) -> Self {
        Self::Object(Rc::new(object))
    }

    /// The kind.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Nil => Kind::Invalid,
            Self::Bool(_) => Kind::Bool,
            Self::Int(int, _) => Kind::Int(*int),
            Self::Uint(uint, _) => Kind::Uint(*uint),
            Self::Float(_) => Kind::Float64,
            Self::Complex(..) => Kind::Complex128,
            Self::Text(_) | Self::Number(_) => Kind::String,
            Self::List(_) => Kind::Slice,
            Self::Map(_) => Kind::Map,
            Self::Channel(_) => Kind::Chan,
            Self::Object(object) if !object.type_name().starts_with('*') => Kind::Struct,
            Self::Object(_) | Self::NilObject(_) => Kind::Ptr,
        }
    }

    /// The type's name as `%T` prints it.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Nil => "<nil>",
            Self::Bool(_) => "bool",
            Self::Int(int, _) => int.name(),
            Self::Uint(uint, _) => uint.name(),
            Self::Float(_) => "float64",
            Self::Complex(..) => "complex128",
            Self::Text(_) => "string",
            Self::Number(_) => "json.Number",
            Self::List(list) => list.type_name(),
            Self::Map(map) => map.kind().name(),
            Self::Channel(_) => "<-chan int64",
            Self::Object(object) => object.type_name(),
            Self::NilObject(name) => name,
        }
    }

    /// What `if`, `with`, `and`, `or` and `not` go by: false, 0, nil and what is empty are not true.
    pub fn is_true(&self) -> bool {
        match self {
            Self::Nil | Self::NilObject(_) => false,
            Self::Bool(flag) => *flag,
            Self::Int(_, number) => *number != 0,
            Self::Uint(_, number) => *number != 0,
            Self::Float(number) => *number != 0.0,
            Self::Complex(real, imaginary) => *real != 0.0 || *imaginary != 0.0,
            Self::Text(text) | Self::Number(text) => !text.is_empty(),
            Self::List(list) => !list.items().is_empty(),
            Self::Map(map) => !map.is_empty(),
            Self::Channel(_) | Self::Object(_) => true,
        }
    }

    /// Whether this is nil, be it untyped, a nil pointer, slice or map.
    pub fn is_nil(&self) -> bool {
        match self {
            Self::Nil | Self::NilObject(_) => true,
            Self::List(list) => list.is_nil(),
            Self::Map(map) => map.is_nil(),
            _ => false,
        }
    }

    /// The text of a `string`, and of nothing else.
    pub fn as_text(&self) -> Option<&Text> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The text of anything that is a string in kind: a `string` or a `json.Number`.
    pub fn as_text_kind(&self) -> Option<&Text> {
        match self {
            Self::Text(text) | Self::Number(text) => Some(text),
            _ => None,
        }
    }

    /// The object inside, if it is of this Rust type.
    pub fn downcast<T: 'static>(&self) -> Option<&T> {
        match self {
            Self::Object(object) => object.as_any().downcast_ref(),
            _ => None,
        }
    }

    /// Whether the value can be passed where this type is wanted, without any conversion.
    pub fn is_of(&self, wanted: Type) -> bool {
        match wanted {
            Type::Any | Type::Raw => true,
            Type::Text => matches!(self, Self::Text(_)),
            other => !matches!(self, Self::Nil) && self.type_name() == other.name(),
        }
    }

    /// Equal in type and content, all the way down, as Go's `reflect.DeepEqual`. NaN equals nothing.
    pub fn deep_equals(&self, other: &Self) -> bool {
        self.deep_equals_within(other, 0)
    }

    fn deep_equals_within(&self, other: &Self, depth: u32) -> bool {
        // Deeper than any value that did not get itself as a member.
        if depth > 1000 {
            return true;
        }
        match (self, other) {
            (Self::Nil, Self::Nil) => true,
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Int(s, a), Self::Int(t, b)) => s == t && a == b,
            (Self::Uint(s, a), Self::Uint(t, b)) => s == t && a == b,
            (Self::Float(a), Self::Float(b)) => a == b,
            (Self::Complex(a, b), Self::Complex(c, d)) => a == c && b == d,
            (Self::Text(a), Self::Text(b)) | (Self::Number(a), Self::Number(b)) => a == b,
            (Self::List(a), Self::List(b)) => {
                a.element() == b.element()
                    && a.is_nil() == b.is_nil()
                    && a.items().len() == b.items().len()
                    && a.items()
                        .iter()
                        .zip(b.items())
                        .all(|(a, b)| a.deep_equals_within(b, depth + 1))
            }
            (Self::Map(a), Self::Map(b)) => {
                a.is_same(b)
                    || a.kind() == b.kind()
                        && a.is_nil() == b.is_nil()
                        && a.len() == b.len()
                        && a.entries()
                            .iter()
                            .zip(b.entries().iter())
                            .all(|((k, a), (l, b))| k == l && a.deep_equals_within(b, depth + 1))
            }
            (Self::Channel(a), Self::Channel(b)) => a.is_same(b),
            (Self::Object(a), Self::Object(b)) => {
                Rc::ptr_eq(a, b) || a.type_name() == b.type_name() && a.equals(b.as_ref())
            }
            (Self::NilObject(a), Self::NilObject(b)) => a == b,
            _ => false,
        }
    }
}

/// The type alone: the content may be a secret.
impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.type_name())
    }
}

/// Values are moved about all the time: whatever would make them larger belongs behind a pointer.
const _: () = assert!(size_of::<Value>() <= 24);

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Self::Bool(flag)
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Self::Float(number)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::text(text)
    }
}

impl From<Text> for Value {
    fn from(text: Text) -> Self {
        Self::Text(text)
    }
}

impl From<Vec<u8>> for Value {
    fn from(bytes: Vec<u8>) -> Self {
        Self::text(bytes)
    }
}
