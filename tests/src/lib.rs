//! What the whole-system scenarios have in common: the two binaries under test, and the servers
//! around them set up as people set them up.
//!
//! Nothing here links a product crate. The binaries are those that the workspace built
//! (`leasehold_testkit::tools::product`).

#![expect(
    clippy::panic,
    reason = "a test fails by a panic, and only tests call this crate"
)]

pub mod injector;
pub mod scene;
pub mod scripts;

pub use injector::{Admission, admit};
pub use scene::Scene;
