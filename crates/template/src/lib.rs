//! Go templates with the consul-template functions, rendered from a snapshot of data.
//!
//! A template is parsed once and rendered from what is known; it never fetches. What it lacked is
//! part of the result, for the caller to fetch and render again. The crate has no clock, network,
//! files or environment: those come through [`Host`].
//!
//! Start reading at [`go`], the language, and at [`Snapshot`], the data.

mod dependency;
pub mod go;
mod host;
pub mod json;
mod options;
mod secret;
mod snapshot;

pub use dependency::Dependency;
pub use host::{FileToWrite, Host, Interface, NoHost, Placement};
pub use options::{Limits, Options};
pub use secret::{PemEncoded, Secret};
pub use snapshot::{Answer, AnswerError, Snapshot};
