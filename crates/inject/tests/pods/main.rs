//! Whole pods through `review`: what becomes of them, and what holds for any of them.

mod beside;
mod compatible;
mod flavour;
mod ours;
mod properties;
mod support;
