//! The functions that templates can call: those of consul-template, and of sprig under `sprig_`. One file per topic;
//! the language itself (`printf`, `index`, …) is not here, nor is `executeTemplate`, which needs the evaluator.

mod consul;
mod encoding;
mod extent;
mod machine;
mod maths;
mod merge;
mod parse;
pub(crate) mod print;
mod regex;
mod scratch;
mod serialize;
mod sockaddr;
mod spew;
mod sprig;
pub(crate) mod strings;
mod vault;

use crate::go::{Function, Functions, Value};

pub(crate) use sprig::dates::parse_rfc3339;

/// All functions of this crate.
pub(crate) fn table() -> &'static dyn Functions {
    &Table
}

static TABLES: &[&[Function]] = &[
    vault::FUNCTIONS,
    strings::FUNCTIONS,
    encoding::FUNCTIONS,
    parse::FUNCTIONS,
    serialize::FUNCTIONS,
    maths::FUNCTIONS,
    merge::FUNCTIONS,
    regex::FUNCTIONS,
    scratch::FUNCTIONS,
    machine::FUNCTIONS,
    consul::FUNCTIONS,
    sockaddr::FUNCTIONS,
    sprig::text::FUNCTIONS,
    sprig::lists::FUNCTIONS,
    sprig::maps::FUNCTIONS,
    sprig::values::FUNCTIONS,
    sprig::numbers::FUNCTIONS,
    sprig::paths::FUNCTIONS,
    sprig::dates::FUNCTIONS,
    sprig::semver::FUNCTIONS,
    sprig::hashes::FUNCTIONS,
    sprig::passwords::FUNCTIONS,
    sprig::certificates::FUNCTIONS,
];

struct Table;

impl Functions for Table {
    fn function(&self, name: &str) -> Option<&'static Function> {
        TABLES
            .iter()
            .copied()
            .flatten()
            .find(|function| function.name == name)
    }

    fn names(&self) -> Vec<&'static str> {
        TABLES
            .iter()
            .copied()
            .flatten()
            .map(|function| function.name)
            .collect()
    }

    fn method(&self, receiver: &Value, name: &str) -> Option<&'static Function> {
        parse::method(receiver, name).or_else(|| sprig::dates::method(receiver, name))
    }
}

/// What functions keep for the length of one rendering.
#[derive(Default)]
struct Memory {
    scratch: Option<Value>,
    expressions: regex::Compiled,
}

#[cfg(test)]
mod tests;
