//! `cargo xtask bench agent|injector|templates|fleet`: the budgets, measured side by side with a peer in one run.
//!
//! Both sides get the same work on the same machine, one after the other, so that what is compared
//! is the programs and not the day.

mod agent;
mod cluster;
mod fleet;
mod http;
mod injector;
mod process;
mod proxy;
mod report;
mod server;
mod templates;

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

/// A program to measure: a name for the table, and how it is started.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Contender {
    name: String,
    /// The program and its first arguments; what the measurement needs is appended.
    command: Vec<String>,
    /// What it is started through, such as a program that enters a namespace.
    wrapper: Vec<String>,
    environment: Vec<(String, String)>,
}

/// What the arguments ask for.
#[derive(Debug, Default)]
struct Options {
    peer: Option<Contender>,
    ours: Option<Contender>,
    /// How often short things are repeated; the median counts, of renderings the quickest.
    runs: usize,
    /// How long an idle program is watched, in seconds.
    seconds: u64,
    json: Option<PathBuf>,
}

/// Measures what the first argument names.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let Some((what, rest)) = arguments.split_first() else {
        bail!("what to measure is missing; accepted are agent, injector, templates and fleet");
    };
    let options = Options::read(rest)?;
    let report = match what.as_str() {
        "agent" => agent::measure(&options)?,
        "injector" => injector::measure(&options)?,
        "templates" => templates::measure(&options)?,
        "fleet" => return fleet::show(),
        other => {
            bail!("`{other}` cannot be measured; accepted are agent, injector, templates and fleet")
        }
    };
    report.print(options.json.as_deref())
}

impl Options {
    fn read(arguments: &[String]) -> Result<Self> {
        let mut options = Self {
            runs: 7,
            seconds: 20,
            ..Self::default()
        };
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            let value = rest
                .next()
                .with_context(|| format!("`{argument}` needs a value"))?;
            match argument.as_str() {
                "--peer" => options.peer = Some(Contender::read(value)?),
                "--ours" => options.ours = Some(Contender::read(value)?),
                "--runs" => options.runs = positive(argument, value)?,
                "--seconds" => options.seconds = positive(argument, value)?,
                "--json" => options.json = Some(PathBuf::from(value)),
                other => bail!(
                    "unknown argument `{other}`; accepted are --peer NAME=COMMAND, \
                     --ours NAME=COMMAND, --runs N, --seconds N, --json FILE"
                ),
            }
        }
        Ok(options)
    }
}

impl Contender {
    /// Reads `NAME=COMMAND`; the command is split at blanks.
    fn read(text: &str) -> Result<Self> {
        let (name, command) = text
            .split_once('=')
            .with_context(|| format!("`{text}` is not of the form NAME=COMMAND"))?;
        let command: Vec<String> = command.split_whitespace().map(str::to_owned).collect();
        if name.is_empty() || command.is_empty() {
            bail!("`{text}` is not of the form NAME=COMMAND");
        }
        Ok(Self::new(name, command))
    }

    /// A program that is started as it is.
    fn new(name: &str, command: Vec<String>) -> Self {
        Self {
            name: name.to_owned(),
            command,
            wrapper: Vec::new(),
            environment: Vec::new(),
        }
    }

    /// The program alone.
    fn program(&self) -> Result<&str> {
        self.command
            .first()
            .map(String::as_str)
            .context("a contender has a command")
    }
}

fn positive<T: std::str::FromStr + PartialOrd + From<u8>>(name: &str, text: &str) -> Result<T> {
    text.parse()
        .ok()
        .filter(|number: &T| *number >= T::from(1))
        .with_context(|| format!("`{name}` is `{text}`; accepted is a whole number from 1"))
}

/// The middle of some measurements.
fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_contender_has_a_name_and_a_command() {
        let peer = Contender::read("bao=/opt/bao agent -x=y").unwrap();
        assert_eq!(peer.name, "bao");
        assert_eq!(peer.command, ["/opt/bao", "agent", "-x=y"]);
        for text in ["bao", "=x", "bao=", "bao= "] {
            assert!(Contender::read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_median_is_the_middle_one() {
        assert!((median(vec![9.0, 1.0, 5.0]) - 5.0).abs() < f64::EPSILON);
        assert!(median(Vec::new()).is_nan());
    }
}
