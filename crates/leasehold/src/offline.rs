//! The commands that need no cluster: what the webhook would do with a review or with manifests.

pub mod explain;
pub mod inject;
pub mod lint;
pub mod objects;
pub mod review;
pub mod source;

use leasehold_inject::{KubeVersion, Settings};

use crate::flags::Parsed;
use crate::settings::{self, Address, SettingsError};

/// The settings and the version that an offline command works with.
///
/// # Errors
/// Flags that cannot be used.
fn settings(parsed: &Parsed, address: Address) -> Result<(Settings, KubeVersion), SettingsError> {
    let settings = settings::injection(parsed, address)?;
    let version = settings::kube_version(parsed)?.unwrap_or(KubeVersion::NEWEST);
    Ok((settings, version))
}

/// Tells on standard error why a command cannot go on.
fn complain(error: &dyn std::error::Error) -> crate::exit::Exit {
    use std::io::Write as _;
    // When standard error is gone too, the exit code still tells.
    drop(writeln!(std::io::stderr(), "{}", crate::chain(error)));
    crate::exit::Exit::Failed
}
