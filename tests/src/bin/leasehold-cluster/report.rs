//! What was seen, row by row, and the table of it.

use std::time::Duration;

use anyhow::{Result, bail};

/// The rows of one scenario.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    check: String,
    seen: String,
    outcome: Outcome,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Held,
    Failed,
    /// Measured, and more than was promised; a busy cluster is no fault of the product.
    Over,
    /// Not tried, with the reason.
    Skipped,
}

impl Seen {
    /// A check that held, with what was seen.
    pub(crate) fn held(&mut self, check: &str, seen: impl Into<String>) {
        self.add(check, seen.into(), Outcome::Held);
    }

    /// A check that cannot be made here.
    pub(crate) fn skipped(&mut self, check: &str, reason: impl Into<String>) {
        self.add(check, reason.into(), Outcome::Skipped);
    }

    /// A figure with a promise.
    pub(crate) fn measured(&mut self, keeps: bool, check: &str, seen: impl Into<String>) {
        let outcome = if keeps { Outcome::Held } else { Outcome::Over };
        self.add(check, seen.into(), outcome);
    }

    /// A check that must hold; what was seen is told either way, and the scenario ends if it does not.
    pub(crate) fn require(
        &mut self,
        holds: bool,
        check: &str,
        seen: impl Into<String>,
    ) -> Result<()> {
        let seen = seen.into();
        if !holds {
            bail!("it does not hold that {check}: {seen}");
        }
        self.held(check, seen);
        Ok(())
    }

    fn add(&mut self, check: &str, seen: String, outcome: Outcome) {
        self.rows.push(Row {
            check: check.to_owned(),
            seen,
            outcome,
        });
    }
}

/// All scenarios' rows.
#[derive(Debug, Default)]
pub(crate) struct Report {
    scenarios: Vec<(String, Duration, Seen)>,
}

impl Report {
    /// Adds a scenario that ended in `result`.
    pub(crate) fn add(&mut self, name: &str, took: Duration, mut seen: Seen, result: Result<()>) {
        if let Err(error) = result {
            seen.add("", format!("{error:#}"), Outcome::Failed);
        }
        self.scenarios.push((name.to_owned(), took, seen));
    }

    /// How many checks failed.
    pub(crate) fn failed(&self) -> usize {
        self.count(Outcome::Failed)
    }

    fn count(&self, outcome: Outcome) -> usize {
        let rows = self.scenarios.iter().flat_map(|(_, _, seen)| &seen.rows);
        rows.filter(|row| row.outcome == outcome).count()
    }

    /// The table, one line for each check.
    pub(crate) fn table(&self) -> String {
        let mut text = String::new();
        for (name, took, seen) in &self.scenarios {
            text.push_str(&format!("\n{name}  ({:.0} s)\n", took.as_secs_f64()));
            for row in &seen.rows {
                let mark = match row.outcome {
                    Outcome::Held => "ok    ",
                    Outcome::Failed => "FAILED",
                    Outcome::Over => "OVER  ",
                    Outcome::Skipped => "-     ",
                };
                let between = if row.check.is_empty() { "" } else { ": " };
                // A row is a line: what a server said may be several.
                let seen = row.seen.split_whitespace().collect::<Vec<_>>().join(" ");
                text.push_str(&format!("  {mark} {}{between}{seen}\n", row.check));
            }
        }
        text.push_str(&format!(
            "\n{} held, {} failed, {} over what is promised, {} not tried\n",
            self.count(Outcome::Held),
            self.failed(),
            self.count(Outcome::Over),
            self.count(Outcome::Skipped)
        ));
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_check_is_a_line_with_what_was_seen() {
        let mut seen = Seen::default();
        seen.held("two pods have two users", "a and\n b");
        seen.skipped("names resolve", "no DNS");
        seen.measured(false, "it is fast", "2 s");
        let result = seen.require(false, "it ends", "it runs");
        let mut report = Report::default();
        report.add("checkout", Duration::from_secs(3), seen, result);
        let table = report.table();
        for line in [
            "checkout  (3 s)",
            "  ok     two pods have two users: a and b",
            "  -      names resolve: no DNS",
            "  FAILED it does not hold that it ends: it runs",
            "  OVER   it is fast: 2 s",
            "1 held, 1 failed, 1 over what is promised, 1 not tried",
        ] {
            assert!(table.contains(line), "{line:?} is not in {table}");
        }
    }
}
