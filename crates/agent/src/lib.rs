//! The sidecar: it logs in to Vault (or OpenBao), renders templates into files, keeps tokens and leases alive,
//! replaces them before they end, tells the application, and revokes what it holds when it leaves.
//!
//! The decisions are in `core`, pure and tested with synthetic time. Everything else performs them: it reads
//! the configuration, talks to the server, writes files and runs commands.

pub mod agent;
pub mod answers;
pub mod certificate;
pub mod check;
pub mod cli;
pub mod clock;
pub mod configuration;
pub mod connection;
pub mod core;
pub mod effects;
pub mod environment;
pub mod exit;
pub mod flags;
pub mod host;
pub mod listener;
pub mod log;
pub mod notice;
pub mod owners;
pub mod plan;
pub mod process;
pub mod render;
pub mod revoke;
pub mod sentence;
pub mod session;
pub mod sinks;
pub mod state;
pub mod status;
pub mod supervisor;
pub mod templates;
pub mod volume;
pub mod wait;
