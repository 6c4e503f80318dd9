//! The Helm chart, rendered by real Helm 3 and Helm 4: what comes out, whether an API server would take
//! it, and what it refuses.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by a panic"
)]

mod admission;
mod beside;
mod established;
mod helm;
mod manifests;
mod objects;
mod refusals;
mod rights;
mod snapshots;
