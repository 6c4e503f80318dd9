//! Keys of maps, and the order in which Go prints and ranges over them.

use std::cmp::Ordering;

use crate::go::{IntType, Text, UintType, Value};

/// A value that can be the key of a map. The order is the one in which maps are printed and ranged
/// over: nil, then by type, then texts by bytes, numbers by value and false before true.
#[derive(Clone)]
pub enum Key {
    /// nil
    Nil,
    /// A string
    Text(Text),
    /// A signed integer
    Int(IntType, i64),
    /// An unsigned integer
    Uint(UintType, u64),
    /// A float64
    Float(f64),
    /// A bool
    Bool(bool),
    /// A json.Number
    Number(Text),
}

impl Key {
    /// The key for a value, or none when such a value cannot be a key (a list, a map).
    pub fn of(value: &Value) -> Option<Self> {
        Some(match value {
            Value::Nil => Self::Nil,
            Value::Text(text) => Self::Text(text.clone()),
            Value::Int(kind, number) => Self::Int(*kind, *number),
            Value::Uint(kind, number) => Self::Uint(*kind, *number),
            Value::Float(number) => Self::Float(*number),
            Value::Bool(flag) => Self::Bool(*flag),
            Value::Number(text) => Self::Number(text.clone()),
            _ => return None,
        })
    }

    /// The value that the key is.
    pub fn value(&self) -> Value {
        match self {
            Self::Nil => Value::Nil,
            Self::Text(text) => Value::Text(text.clone()),
            Self::Int(kind, number) => Value::Int(*kind, *number),
            Self::Uint(kind, number) => Value::Uint(*kind, *number),
            Self::Float(number) => Value::Float(*number),
            Self::Bool(flag) => Value::Bool(*flag),
            Self::Number(text) => Value::Number(text.clone()),
        }
    }

    /// The text of a text key.
    pub fn as_text(&self) -> Option<&Text> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Types in the order in which the recorded program has them in memory.
    fn rank(&self) -> u8 {
        match self {
            Self::Nil => 0,
            Self::Text(_) => 1,
            Self::Int(IntType::Int8, _) => 2,
            Self::Int(IntType::Int16, _) => 3,
            Self::Int(IntType::Int32, _) => 4,
            Self::Int(IntType::Int64, _) => 5,
            Self::Uint(..) => 6,
            Self::Int(IntType::Int, _) => 7,
            Self::Float(_) => 8,
            Self::Bool(_) => 9,
            Self::Number(_) => 10,
            Self::Int(..) => 11,
        }
    }
}

impl From<&str> for Key {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl From<Text> for Key {
    fn from(text: Text) -> Self {
        Self::Text(text)
    }
}

impl Ord for Key {
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Text(a), Self::Text(b)) => a.cmp(b),
            _ => self.cmp_any(other),
        }
    }
}

impl Key {
    fn cmp_any(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Text(a), Self::Text(b)) | (Self::Number(a), Self::Number(b)) => a.cmp(b),
            (Self::Int(s, a), Self::Int(t, b)) if s == t => a.cmp(b),
            (Self::Uint(s, a), Self::Uint(t, b)) => s.cmp(t).then(a.cmp(b)),
            (Self::Float(a), Self::Float(b)) => {
                // NaN comes first and equals itself here; 0 and -0 are one key.
                a.partial_cmp(b)
                    .unwrap_or_else(|| b.is_nan().cmp(&a.is_nan()))
            }
            (Self::Bool(a), Self::Bool(b)) => a.cmp(b),
            (Self::Int(s, a), Self::Int(t, b)) if self.rank() == other.rank() => {
                s.cmp(t).then(a.cmp(b))
            }
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Key {}
