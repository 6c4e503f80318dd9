//! Entry point; everything a test wants is in `lib.rs`.

fn main() {}
