//! The logins of ten thousand simulated agents over time, through a mass restart and an outage of an hour: the
//! agent's own tests, built for that many, which fail where the rate is not bounded.

use std::process::Command;

use anyhow::{Context, Result, ensure};

/// How many agents; the usual tests have a tenth.
const AGENTS: &str = "10000";

/// Runs the simulation and shows what it prints.
pub(super) fn show() -> Result<()> {
    let status = Command::new(env!("CARGO"))
        .args([
            "test",
            "--package",
            "leasehold-agent",
            "--lib",
            "machine::fleet",
        ])
        .args(["--", "--nocapture", "--test-threads", "1"])
        .env("LEASEHOLD_FLEET", AGENTS)
        .status()
        .context("failed to run cargo for the simulation of the fleet")?;
    ensure!(
        status.success(),
        "the fleet's logins are not bounded as promised"
    );
    Ok(())
}
