//! The language: Go's text/template with its values and its `fmt` verbs. Knows no function beyond
//! those of the language itself; others come through the trait `Functions`.

mod collection;
mod context;
mod function;
mod key;
mod kind;
mod object;
mod text;
mod value;

pub use collection::{Channel, List, Map, MapType};
pub use context::Context;
pub use function::{Arguments, Body, Failure, Function, Functions};
pub use key::Key;
pub use kind::{IntType, Kind, Type, UintType};
pub use object::Object;
pub use text::Text;
pub use value::Value;
