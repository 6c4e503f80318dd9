//! The guides in `docs/` and the README: their commands work, the messages they quote exist, their links lead somewhere, and
//! every alert has its section.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by a panic"
)]

mod audiences;
mod commands;
mod guide;
mod links;
mod messages;
mod metrics;
mod names;
