//! `cargo xtask tidy`: what the compiler does not check and the project promises.
//!
//! - [`packages`]: which package may depend on which, and which outside packages each may not reach
//! - [`faults`]: whether the tests exist that hold what the documentation promises about faults
//! - [`sources`]: headers, sizes, purity and the manners of tests, read from the sources

mod packages;
mod sources;

use std::fmt;

use anyhow::{Result, bail};

use crate::{faults, workspace};

/// One thing that is not as promised.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    /// File below the root, or the name of a package.
    place: String,
    line: Option<usize>,
    problem: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.place)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        write!(f, ": {}", self.problem)
    }
}

/// Checks the workspace and tells every finding.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    if let Some(argument) = arguments.first() {
        bail!("unknown argument `{argument}`; none is accepted");
    }
    let findings = findings()?;
    for finding in &findings {
        eprintln!("{finding}");
    }
    match findings.len() {
        0 => Ok(()),
        1 => bail!("tidy has one finding, told above"),
        count => bail!("tidy has {count} findings, told above"),
    }
}

fn findings() -> Result<Vec<Finding>> {
    let mut findings = packages::check(&workspace::metadata()?);
    findings.extend(sources::check(&workspace::root())?);
    let unheld = faults::missing(&workspace::root())?.into_iter();
    findings.extend(unheld.map(|test| Finding {
        place: "docs/reliability.md".to_owned(),
        line: None,
        problem: format!("names the test `{test}`, which does not exist"),
    }));
    Ok(findings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_workspace_is_tidy() {
        let findings: Vec<_> = findings()
            .unwrap()
            .iter()
            .map(ToString::to_string)
            .collect();
        assert!(findings.is_empty(), "\n{}", findings.join("\n"));
    }
}
