//! `cargo xtask demo`: builds, brings the real servers, and shows the main job.
//!
//! What is shown is a program of the tests' package, `leasehold-demo`, which has the servers and the
//! pod runner at hand. Its children die with it, so an interrupt needs no handling here.

use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::tools::{self, Wanted};
use crate::workspace;

/// Longest run after the build that is promised.
const PROMISED_SECONDS: f32 = 90.0;

pub(crate) fn run(arguments: &[String]) -> Result<()> {
    if !arguments.is_empty() {
        bail!("usage: cargo xtask demo");
    }
    if !cfg!(target_os = "linux") {
        bail!("the demo runs a pod in namespaces of the kernel, which only Linux has");
    }
    for program in ["unshare", "nsenter", "setpriv", "mount"] {
        let found = Command::new(program).arg("--version").output();
        if !found.is_ok_and(|output| output.status.success()) {
            bail!("`{program}` was not found: the demo needs util-linux to run a pod");
        }
    }
    eprintln!("demo: building (the first time takes minutes)");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(["build", "--bins"])
        .args(["--package", "leasehold", "--package", "leasehold-agent"])
        .args(["--package", "leasehold-e2e"])
        .current_dir(workspace::root())
        .status()
        .context("failed to start cargo")?;
    if !status.success() {
        bail!("the programs do not build ({status}); the compiler's words are above");
    }
    let started = Instant::now();
    let folder = tools::ensure(Wanted::Servers)?;
    let target = match std::env::var_os("CARGO_TARGET_DIR") {
        Some(folder) => workspace::root().join(folder),
        None => workspace::root().join("target"),
    };
    let program = target.join("debug/leasehold-demo");
    let status = Command::new(&program)
        .env("LEASEHOLD_TOOLS", folder)
        .status()
        .with_context(|| format!("failed to start {}", program.display()))?;
    if !status.success() {
        bail!("the demo failed ({status}); its own words are above");
    }
    let seconds = started.elapsed().as_secs_f32();
    eprintln!("demo: {seconds:.0} s after the build");
    if seconds > PROMISED_SECONDS {
        eprintln!("demo: that is more than the {PROMISED_SECONDS:.0} s that are promised");
    }
    Ok(())
}
