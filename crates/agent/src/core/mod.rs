//! The agent's decisions, pure: events and the time go in, actions come out. Nothing here reads a clock, a
//! file, the environment or the network; `machine` is where to start reading.

pub mod backoff;
pub mod chance;
pub mod commands;
pub mod failure;
pub mod lifetime;
pub mod machine;
pub mod message;
pub mod moment;
pub mod rendering;
pub mod secrets;
#[cfg(test)]
pub(crate) mod simulation;
pub mod telling;
pub mod token;
