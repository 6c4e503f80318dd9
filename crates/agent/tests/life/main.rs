//! The built program against a real server and a real database. What all tests need is in `place`; each other
//! module is one side of the agent.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by a panic")]

mod between;
mod clock;
mod commands;
mod credentials;
mod faults;
mod lifecycle;
mod listening;
mod notifying;
mod place;
mod recovering;
mod reloading;
mod retrying;
mod sinks;
mod tls;
