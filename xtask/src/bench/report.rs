//! What was measured, as a table and as JSON, with the budgets beside it.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Value, json};

/// A whole comparison.
pub(super) struct Report {
    pub(super) title: String,
    pub(super) ours: String,
    pub(super) peer: Option<String>,
    pub(super) lines: Vec<Line>,
}

/// One measured thing.
pub(super) struct Line {
    pub(super) name: &'static str,
    pub(super) unit: &'static str,
    pub(super) ours: f64,
    pub(super) peer: Option<f64>,
    pub(super) budget: Budget,
}

/// What is promised of a measured thing.
#[derive(Clone, Copy)]
pub(super) enum Budget {
    /// At most this share of the peer's: 15.0 for a fifteenth.
    Share(f64),
    /// At most this, in the line's unit.
    Most(f64),
}

impl Budget {
    /// The number that must not be exceeded, where it is known.
    fn limit(self, peer: Option<f64>) -> Option<f64> {
        match self {
            Self::Share(part) => peer.map(|peer| peer / part),
            Self::Most(most) => Some(most),
        }
    }

    fn words(self, unit: &str) -> String {
        match self {
            Self::Share(part) => format!("1/{part:.0} of peer"),
            Self::Most(most) => format!("{} {unit}", short(most)),
        }
    }
}

impl Report {
    /// Prints the table and the JSON, and writes the JSON to a file if one is named.
    pub(super) fn print(&self, file: Option<&Path>) -> Result<()> {
        use std::io::Write as _;
        let json = self.json();
        std::io::stdout()
            .write_all(format!("{}\n{json}\n", self.table()).as_bytes())
            .context("failed to write to standard output")?;
        if let Some(file) = file {
            fs::write(file, format!("{json:#}\n"))
                .with_context(|| format!("failed to write {}", file.display()))?;
        }
        Ok(())
    }

    fn table(&self) -> String {
        let peer = self.peer.as_deref().unwrap_or("(no peer)");
        let mut table = format!(
            "{}\n{:<34} {:>16} {:>16} {:>9}  {:<16} holds\n",
            self.title, "", self.ours, peer, "ratio", "budget"
        );
        for line in &self.lines {
            let number = |number: Option<f64>| {
                number.map_or_else(|| "-".to_owned(), |n| format!("{} {}", short(n), line.unit))
            };
            let ratio = line.peer.filter(|_| line.ours > 0.0).map(|p| p / line.ours);
            let holds = match line.holds() {
                Some(true) => "yes",
                Some(false) => "NO",
                None => "-",
            };
            // Writing to a String cannot fail.
            let _ = writeln!(
                table,
                "{:<34} {:>16} {:>16} {:>9}  {:<16} {holds}",
                line.name,
                number(Some(line.ours)),
                number(line.peer),
                ratio.map_or_else(|| "-".to_owned(), |r| format!("1/{r:.1}")),
                line.budget.words(line.unit),
            );
        }
        table
    }

    fn json(&self) -> Value {
        let lines: Vec<Value> = self
            .lines
            .iter()
            .map(|line| {
                json!({
                    "name": line.name,
                    "unit": line.unit,
                    "ours": line.ours,
                    "peer": line.peer,
                    "limit": line.budget.limit(line.peer),
                    "holds": line.holds(),
                })
            })
            .collect();
        json!({"title": self.title, "ours": self.ours, "peer": self.peer, "measured": lines})
    }
}

impl Line {
    fn holds(&self) -> Option<bool> {
        self.budget.limit(self.peer).map(|limit| self.ours <= limit)
    }
}

fn short(number: f64) -> String {
    if number.fract() == 0.0 {
        format!("{number:.0}")
    } else if number < 10.0 {
        format!("{number:.2}")
    } else {
        format!("{number:.1}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budgets_are_shares_of_the_peer_or_numbers_of_their_own() {
        let line = |ours, peer, budget| Line {
            name: "x",
            unit: "ms",
            ours,
            peer,
            budget,
        };
        assert_eq!(
            line(1.0, Some(20.0), Budget::Share(15.0)).holds(),
            Some(true)
        );
        assert_eq!(
            line(2.0, Some(20.0), Budget::Share(15.0)).holds(),
            Some(false)
        );
        assert_eq!(line(2.0, None, Budget::Share(15.0)).holds(), None);
        assert_eq!(line(25.0, None, Budget::Most(25.0)).holds(), Some(true));
    }

    #[test]
    fn the_table_says_whether_each_budget_holds() {
        let report = Report {
            title: "title".to_owned(),
            ours: "ours".to_owned(),
            peer: Some("peer".to_owned()),
            lines: vec![Line {
                name: "start",
                unit: "ms",
                ours: 4.0,
                peer: Some(10.0),
                budget: Budget::Share(10.0),
            }],
        };
        let table = report.table();
        assert!(table.contains("1/2.5") && table.contains("1/10 of peer") && table.contains("NO"));
    }
}
