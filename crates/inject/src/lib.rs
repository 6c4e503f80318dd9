//! A pod's annotations become a typed injection spec, and the spec a JSON patch.
//!
//! Start with [`review`]: an admission review's pod and the injector's [`Settings`] go in, an
//! [`Outcome`] comes out. [`vocabulary`] declares every annotation once; parsing, findings and the
//! generated reference read it.
//!
//! This crate is pure. It knows no clock, file, environment, randomness, cluster or network: the
//! programs read those and pass them in. It does not parse templates either; whoever calls passes
//! a [`TemplateCheck`].

mod checks;
mod explain;
mod finding;
mod go;
mod lax_patch;
mod layers;
mod patch;
mod plan;
mod pod;
mod read_back;
pub mod reference;
mod report;
mod review;
mod settings;
mod spec;
mod template_check;
mod token;
pub mod vocabulary;
mod written;

pub use crate::explain::{Explained, explain};
pub use crate::finding::{Code, Finding, Severity};
pub use crate::layers::Origin;
pub use crate::patch::Patch;
pub use crate::review::{Injected, Outcome, Review, SkipReason, Unasked, review};
pub use crate::settings::{
    DefaultTemplate, Flavour, Gate, KubeVersion, Mode, Resources, Settings, Strictness, TokenSource,
};
pub use crate::template_check::{TemplateCheck, TemplateFault, TemplateText, Unchecked};
