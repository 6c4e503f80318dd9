//! `leasehold explain`: what would be injected into the pods of manifests, and where each value comes from.

use std::io::{Read, Write};

use crate::exit::Exit;
use crate::flags::Parsed;

/// Explains every pod of the sources.
#[must_use]
pub fn run(parsed: &Parsed, input: &mut dyn Read, output: &mut dyn Write) -> Exit {
    crate::offline::lint::run(parsed, input, output)
}
