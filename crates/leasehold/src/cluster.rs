//! What the server knows about the cluster that it serves, and how it comes to know it.

pub mod client;
pub mod namespaces;
pub mod version;
