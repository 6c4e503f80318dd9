//! The language: Go's text/template with its values and its `fmt` verbs. Knows no function beyond
//! those of the language itself; others come through the trait `Functions`.

mod collection;
mod constant;
mod context;
mod eval;
mod format;
mod function;
mod held;
mod key;
mod kind;
mod language;
mod lexer;
mod named;
mod number;
mod object;
mod parser;
mod quote;
mod text;
mod tree;
mod value;
mod wiped;

pub use collection::{Channel, List, Map, MapType};
pub use context::Context;
pub use format::printf;
pub use function::{Arguments, Body, Failure, Function, Functions};
pub use key::Key;
pub use kind::{IntType, Kind, Type, UintType};
pub use named::duration as duration_text;
pub use number::{FloatForm, NumberError, format_float, parse_float, parse_int, parse_uint};
pub use object::Object;
pub use quote::quote;
pub use text::Text;
pub use value::Value;
pub use wiped::Wiped;

pub(crate) use eval::{ExecutionError, UnknownKey, execute};
pub(crate) use format::print;
pub(crate) use language::names as language_names;
pub(crate) use parser::{SyntaxError, Trees, Unknown, parse};
pub(crate) use quote::decode;
pub(crate) use text::find;
