//! Names of Go's types and kinds, as `%T` prints them and as error messages name them.

use crate::go::{List, Map, MapType, Text, Value};

/// The signed integer types that show in templates, those with a name of their own included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IntType {
    /// `int8`
    Int8,
    /// `int16`
    Int16,
    /// `int32`, also called `rune`
    Int32,
    /// `int64`
    Int64,
    /// `int`: what whole constants are
    Int,
    /// `time.Duration`, in nanoseconds
    Duration,
    /// `time.Month`, 1 to 12
    Month,
    /// `time.Weekday`, 0 is Sunday
    Weekday,
}

impl IntType {
    /// The type's name as `%T` prints it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Int8 => "int8",
            Self::Int16 => "int16",
            Self::Int32 => "int32",
            Self::Int64 => "int64",
            Self::Int => "int",
            Self::Duration => "time.Duration",
            Self::Month => "time.Month",
            Self::Weekday => "time.Weekday",
        }
    }

    /// The name of the kind, which is that of the underlying type.
    pub fn kind_name(self) -> &'static str {
        match self {
            Self::Duration => "int64",
            Self::Month | Self::Weekday => "int",
            other => other.name(),
        }
    }

    /// The number as the type holds it: what does not fit loses its upper bits.
    pub fn wrapped(self, number: i64) -> i64 {
        match self {
            Self::Int8 => i64::from(number as i8),
            Self::Int16 => i64::from(number as i16),
            Self::Int32 => i64::from(number as i32),
            _ => number,
        }
    }
}

/// The unsigned integer types.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum UintType {
    /// `uint8`, also called `byte`: what indexing a text gives
    Uint8,
    /// `uint16`
    Uint16,
    /// `uint32`
    Uint32,
    /// `uint64`
    Uint64,
    /// `uint`
    Uint,
}

impl UintType {
    /// The type's name as `%T` prints it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Uint8 => "uint8",
            Self::Uint16 => "uint16",
            Self::Uint32 => "uint32",
            Self::Uint64 => "uint64",
            Self::Uint => "uint",
        }
    }

    /// The number as the type holds it: what does not fit loses its upper bits.
    pub fn wrapped(self, number: u64) -> u64 {
        match self {
            Self::Uint8 => u64::from(number as u8),
            Self::Uint16 => u64::from(number as u16),
            Self::Uint32 => u64::from(number as u32),
            _ => number,
        }
    }
}

/// A static type: of a function's parameter, or of the elements of a list or map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// `interface {}`: any value, nil too
    Any,
    /// `reflect.Value`: any value, with nothing unwrapped or refused; for functions of the language
    Raw,
    /// `bool`
    Bool,
    /// `string`
    Text,
    /// A signed integer of exactly this type
    Int(IntType),
    /// An unsigned integer of exactly this type
    Uint(UintType),
    /// `float64`
    Float,
    /// `json.Number`
    Number,
    /// `[]interface {}`
    List,
    /// `[]string`
    Texts,
    /// `[]int`
    Ints,
    /// `[]uint8`
    Bytes,
    /// `[][]interface {}`
    Lists,
    /// `[]map[string]interface {}`
    Maps,
    /// `map[string]interface {}`
    Map,
    /// `map[string]string`
    TextMap,
    /// `map[interface {}]interface {}`
    AnyMap,
    /// A struct, or a pointer to one, by its full name such as `time.Time` or `*dependency.Secret`
    Object(&'static str),
}

impl Type {
    /// `int`, the most usual integer.
    pub const INT: Self = Self::Int(IntType::Int);
    /// `int64`
    pub const INT64: Self = Self::Int(IntType::Int64);
    /// `time.Duration`
    pub const DURATION: Self = Self::Int(IntType::Duration);

    /// The type's name as `%T` and error messages print it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Any => "interface {}",
            Self::Raw => "reflect.Value",
            Self::Bool => "bool",
            Self::Text => "string",
            Self::Int(int) => int.name(),
            Self::Uint(uint) => uint.name(),
            Self::Float => "float64",
            Self::Number => "json.Number",
            Self::List => "[]interface {}",
            Self::Texts => "[]string",
            Self::Ints => "[]int",
            Self::Bytes => "[]uint8",
            Self::Lists => "[][]interface {}",
            Self::Maps => "[]map[string]interface {}",
            Self::Map => "map[string]interface {}",
            Self::TextMap => "map[string]string",
            Self::AnyMap => "map[interface {}]interface {}",
            Self::Object(name) => name,
        }
    }

    /// The zero value: empty, 0, false or nil.
    pub fn zero(self) -> Value {
        match self {
            Self::Any | Self::Raw => Value::Nil,
            Self::Bool => Value::Bool(false),
            Self::Text => Value::Text(Text::default()),
            Self::Int(int) => Value::Int(int, 0),
            Self::Uint(uint) => Value::Uint(uint, 0),
            Self::Float => Value::Float(0.0),
            Self::Number => Value::Number(Text::default()),
            Self::List => Value::List(List::nil(Self::Any)),
            Self::Texts => Value::List(List::nil(Self::Text)),
            Self::Ints => Value::List(List::nil(Self::INT)),
            Self::Bytes => Value::List(List::nil(Self::Uint(UintType::Uint8))),
            Self::Lists => Value::List(List::nil(Self::List)),
            Self::Maps => Value::List(List::nil(Self::Map)),
            Self::Map => Value::Map(Map::nil(MapType::TextToAny)),
            Self::TextMap => Value::Map(Map::nil(MapType::TextToText)),
            Self::AnyMap => Value::Map(Map::nil(MapType::AnyToAny)),
            Self::Object(name) => Value::NilObject(name),
        }
    }

    /// Whether nil is a value of the type.
    pub fn can_be_nil(self) -> bool {
        match self {
            Self::Any
            | Self::List
            | Self::Texts
            | Self::Ints
            | Self::Bytes
            | Self::Lists
            | Self::Maps
            | Self::Map
            | Self::TextMap
            | Self::AnyMap => true,
            Self::Object(name) => name.starts_with('*') || name.starts_with("[]"),
            _ => false,
        }
    }
}

/// What a value is in kind, whatever its type is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// No value: an untyped nil
    Invalid,
    /// `bool`
    Bool,
    /// Any signed integer
    Int(IntType),
    /// Any unsigned integer
    Uint(UintType),
    /// `float64`
    Float64,
    /// `complex128`
    Complex128,
    /// `string`, which json.Number is as well
    String,
    /// `slice`
    Slice,
    /// `map`
    Map,
    /// `chan`
    Chan,
    /// `struct`
    Struct,
    /// `ptr`, a pointer to a struct
    Ptr,
}

impl Kind {
    /// The kind's name, as sprig's `kindOf` prints it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::Bool => "bool",
            Self::Int(int) => int.kind_name(),
            Self::Uint(uint) => uint.name(),
            Self::Float64 => "float64",
            Self::Complex128 => "complex128",
            Self::String => "string",
            Self::Slice => "slice",
            Self::Map => "map",
            Self::Chan => "chan",
            Self::Struct => "struct",
            Self::Ptr => "ptr",
        }
    }
}
