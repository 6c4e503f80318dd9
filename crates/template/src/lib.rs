//! Go templates with the consul-template functions, rendered from a snapshot of data.
//!
//! A template is parsed once and rendered from what is known; it never fetches. What it lacked is
//! part of the result, for the caller to fetch and render again. The crate has no clock, network,
//! files or environment: those come through [`Host`].
//!
//! Start reading at [`Template`], which is what callers see; then at [`go`], the language, and at
//! [`Snapshot`], the data.

mod base64;
mod decimal;
mod dependency;
mod error;
mod functions;
pub mod go;
mod host;
pub mod json;
mod letters;
mod library;
mod nearness;
mod options;
mod redaction;
mod regexp;
mod secret;
mod semver;
mod snapshot;
mod template;
mod time;
mod url;
mod x509;
mod yaml;

pub use dependency::Dependency;
pub use error::{Phase, TemplateError};
pub use go::Wiped;
pub use host::{FileToWrite, Host, Interface, NoHost, Placement};
pub use options::{Limits, Options};
pub use secret::{PemEncoded, Secret};
pub use snapshot::{Answer, AnswerError, Snapshot};
pub use template::{Rendered, Template, render};
