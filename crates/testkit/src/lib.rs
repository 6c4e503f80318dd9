//! For tests only: the real parts that leasehold meets in a cluster, started on this machine.
//!
//! - [`tools`]: where the real servers are, once `cargo xtask tools` brought them.
//! - [`admission`]: what the API server does with a pod besides calling webhooks.
//! - [`Cluster`]: a scripted Kubernetes API server.
//! - [`Pod`]: what a kubelet does with a patched pod.
//! - [`recorded`]: what the established injector answers, to compare with.
//! - [`OpenBao`] and [`Postgres`]: those servers, each on a port and in a folder of its own.
//!
//! Everything is synchronous, panics with a sentence when the machine lacks something, and is gone
//! when its owner is dropped or this process ends, however it ends (see [`process`] and
//! [`scratch`]). Nothing here knows a crate of the product.

#![expect(
    clippy::panic,
    reason = "a test fails by a panic, and only tests call this crate"
)]

pub mod admission;
pub mod cluster;
pub mod net;
pub mod openbao;
pub mod pod;
pub mod postgres;
pub mod process;
pub mod recorded;
pub mod scratch;
pub mod tools;
pub mod wait;

pub use cluster::Cluster;
pub use openbao::OpenBao;
pub use pod::Pod;
pub use postgres::Postgres;
