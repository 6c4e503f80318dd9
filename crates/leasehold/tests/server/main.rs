//! The server as a process: its ends, its certificates, and its behaviour under load and among broken clients.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

mod certificates;
mod load;
mod process;
mod rolling_restart;
mod slow;
mod support;
