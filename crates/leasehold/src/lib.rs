//! The webhook server, and the offline tools of the same logic.
//!
//! [`run`] is the whole program behind `main`: it reads the command, its flags and variables, and calls one of
//! [`server::run`] or the offline commands. What is injected into a pod is decided in `leasehold-inject`; this crate
//! brings reviews, manifests, namespaces and certificates to it and its answers back. It never speaks to Vault.

pub mod admission;
pub mod authority;
pub mod cli;
pub mod cluster;
pub mod exit;
pub mod flags;
pub mod log;
pub mod manifests;
pub mod namespace;
pub mod offline;
pub mod server;
pub mod settings;
pub mod templates;
pub mod webhook;
pub mod workload;

pub use cli::run;

/// An error with its causes, as one sentence for people.
#[must_use]
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        // Some libraries print their cause in their own text as well.
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}
