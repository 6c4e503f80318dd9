//! `cargo xtask test`: brings the servers, builds, runs all tests, and adds up their totals.

use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::{tools, workspace};

/// What the runs of all test programs add up to.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Totals {
    passed: u64,
    failed: u64,
}

/// Runs the tests; arguments are handed on to `cargo test`.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    tools::ensure(tools::Wanted::Everything)?;
    let started = Instant::now();
    let mut words = vec!["test", "--no-fail-fast"];
    if arguments.is_empty() {
        words.push("--workspace");
        // The scenarios start both programs, so they are built before any test runs.
        workspace::run(&mut workspace::cargo(&["build", "--workspace", "--bins"]))?;
    }
    words.extend(arguments.iter().map(String::as_str));
    let mut child = workspace::cargo(&words)
        .stdout(Stdio::piped())
        .spawn()
        .context("failed to start cargo test")?;
    let output = child
        .stdout
        .take()
        .context("the output of cargo test was not to be had")?;
    let mut totals = Totals::default();
    let mut screen = std::io::stdout();
    for line in BufReader::new(output).split(b'\n') {
        let line = line.context("failed to read the output of cargo test")?;
        totals.add(&String::from_utf8_lossy(&line));
        let shown = screen
            .write_all(&line)
            .and_then(|()| screen.write_all(b"\n"));
        shown.context("failed to write to standard output")?;
    }
    let status = child.wait().context("failed to wait for cargo test")?;
    eprintln!("tests took {:.0?}", started.elapsed());
    // A test program that broke off prints no totals, and must not pass for a success.
    if !status.success() && totals.failed == 0 {
        totals.failed = 1;
        eprintln!("a test program could not be built or broke off; it counts as one failure");
    }
    if !status.success() {
        eprintln!("cargo test ended with {status}");
    }
    let last = format!("{} passed, {} failed\n", totals.passed, totals.failed);
    screen
        .write_all(last.as_bytes())
        .and_then(|()| screen.flush())
        .context("failed to write the totals")?;
    if !status.success() {
        return Err(TestsFailed.into());
    }
    if totals.passed == 0 {
        bail!("no test ran");
    }
    Ok(())
}

/// Tests failed, and all there is to say was said: the totals are the last line.
#[derive(Debug)]
pub(crate) struct TestsFailed;

impl std::fmt::Display for TestsFailed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("some tests failed")
    }
}

impl std::error::Error for TestsFailed {}

impl Totals {
    /// Adds a line such as `test result: ok. 19 passed; 0 failed; …`.
    fn add(&mut self, line: &str) {
        let Some(result) = line.trim().strip_prefix("test result: ") else {
            return;
        };
        let count = |word: &str| -> u64 {
            result
                .split([';', '.'])
                .filter_map(|part| part.trim().strip_suffix(word))
                .find_map(|number| number.trim().parse().ok())
                .unwrap_or_default()
        };
        self.passed += count("passed");
        self.failed += count("failed");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_of_all_programs_are_added_up() {
        let mut totals = Totals::default();
        for line in [
            "running 3 tests",
            "test result: ok. 19 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s",
            "test result: FAILED. 2 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.20s",
            "12 passed, 3 failed",
        ] {
            totals.add(line);
        }
        assert_eq!(
            totals,
            Totals {
                passed: 21,
                failed: 1
            }
        );
    }
}
