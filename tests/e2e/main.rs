//! The scenarios that leasehold is for: both binaries, a kubelet's work, real servers.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a test fails by a panic")]

mod checkout;
mod cluster_oidc;
mod grade_api;
mod job;
mod notifying;
mod outage;
mod rotation;
mod several_logins;
mod third_party;
