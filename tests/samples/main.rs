//! The samples in `manifests/samples`, run: what they say for the server goes into a real one, their pods through admission and a
//! kubelet-like runner, their CI steps through a shell.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by a panic"
)]

mod applications;
mod ci;
mod sample;
mod terraform;
