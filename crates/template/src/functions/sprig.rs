//! The functions of sprig 3.3 that do not depend on the machine, under the names that consul-template gives them.

mod cast;
pub(super) mod certificates;
pub(super) mod dates;
mod equality;
pub(super) mod hashes;
pub(super) mod lists;
pub(super) mod maps;
pub(super) mod numbers;
pub(super) mod passwords;
pub(super) mod paths;
pub(super) mod semver;
pub(super) mod text;
pub(super) mod values;
