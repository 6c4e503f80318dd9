//! `cargo xtask ci`: the steps that must hold before a change is merged, timed and named.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::{deny, fuzz, generate, testing, tidy, tools, workspace};

struct Step {
    name: &'static str,
    what: &'static str,
    run: fn() -> Result<()>,
}

/// The cheap steps come first, so that a slip is told within seconds.
const STEPS: &[Step] = &[
    Step {
        name: "format",
        what: "rustfmt has nothing to change",
        run: || workspace::run(&mut workspace::cargo(&["fmt", "--all", "--check"])),
    },
    Step {
        name: "tidy",
        what: "dependency directions, purity, headers, sizes",
        run: || tidy::run(&[]),
    },
    Step {
        name: "deny",
        what: "licences, banned packages, sources",
        run: || deny::run(&[]),
    },
    Step {
        name: "clippy",
        what: "no warning in any target of any package",
        run: || {
            workspace::run(&mut workspace::cargo(&[
                "clippy",
                "--workspace",
                "--all-targets",
                "--",
                "--deny",
                "warnings",
            ]))
        },
    },
    Step {
        name: "docs",
        what: "rustdoc has no warning",
        run: || {
            let mut doc = workspace::cargo(&["doc", "--workspace", "--no-deps"]);
            workspace::run(doc.env("RUSTDOCFLAGS", "--deny warnings"))
        },
    },
    Step {
        name: "charts",
        what: "helm lint has nothing to say about the chart, with any of its kept values",
        run: charts,
    },
    Step {
        name: "drift",
        what: "generated files are as generated",
        run: || generate::run(&["--check".to_owned()]),
    },
    Step {
        name: "tests",
        what: "cargo xtask test",
        run: || testing::run(&[]),
    },
    Step {
        name: "fuzz",
        what: "no target of cargo xtask fuzz fails within a few seconds",
        run: fuzz::briefly,
    },
];

/// Runs all steps, or those that the arguments leave.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let steps = chosen(arguments)?;
    if arguments.iter().any(|argument| argument == "--list") {
        for step in steps {
            eprintln!("{:<8} {}", step.name, step.what);
        }
        return Ok(());
    }
    let mut times: Vec<(&str, Duration)> = Vec::new();
    for step in &steps {
        eprintln!("==> {}: {}", step.name, step.what);
        let started = Instant::now();
        (step.run)().with_context(|| {
            format!(
                "the step `{0}` failed; `cargo xtask ci --only {0}` repeats it alone",
                step.name
            )
        })?;
        times.push((step.name, started.elapsed()));
        eprintln!("    {}: done in {:.1?}", step.name, started.elapsed());
    }
    let all: Duration = times.iter().map(|(_, time)| *time).sum();
    let list: Vec<_> = times
        .iter()
        .map(|(name, time)| format!("{name} {:.0} s", time.as_secs_f64()))
        .collect();
    eprintln!(
        "==> all {} steps hold, {:.0} s: {}",
        times.len(),
        all.as_secs_f64(),
        list.join(", ")
    );
    Ok(())
}

fn charts() -> Result<()> {
    let helm = tools::ensure(tools::Wanted::Everything)?.join("bin/helm");
    if !helm.exists() {
        eprintln!("charts: NOT checked: npm, and so Helm 3, is not here");
        return Ok(());
    }
    let chart = workspace::root().join("charts/leasehold");
    let folder = chart.join("ci");
    let entries =
        fs::read_dir(&folder).with_context(|| format!("failed to list {}", folder.display()))?;
    let mut values: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    values.sort();
    for file in std::iter::once(None).chain(values.iter().map(Some)) {
        let mut lint = Command::new(&helm);
        lint.args(["lint", "--strict", "--quiet"]).arg(&chart);
        if let Some(file) = file {
            lint.arg("--values").arg(file);
        }
        workspace::run(&mut lint)?;
    }
    Ok(())
}

fn chosen(arguments: &[String]) -> Result<Vec<&'static Step>> {
    let mut only = Vec::new();
    let mut skipped = Vec::new();
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let list = match argument.as_str() {
            "--list" => continue,
            "--only" => &mut only,
            "--skip" => &mut skipped,
            other => {
                bail!("unknown argument `{other}`; accepted are --list, --only STEP, --skip STEP")
            }
        };
        let name = rest
            .next()
            .with_context(|| format!("`{argument}` needs the name of a step"))?;
        if !STEPS.iter().any(|step| step.name == name) {
            let names: Vec<_> = STEPS.iter().map(|step| step.name).collect();
            bail!(
                "there is no step called `{name}`; known are {}",
                names.join(", ")
            );
        }
        list.push(name.as_str());
    }
    Ok(STEPS
        .iter()
        .filter(|step| only.is_empty() || only.contains(&step.name))
        .filter(|step| !skipped.contains(&step.name))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(arguments: &[&str]) -> Result<Vec<&'static str>> {
        let arguments: Vec<_> = arguments.iter().map(|a| (*a).to_owned()).collect();
        Ok(chosen(&arguments)?.iter().map(|step| step.name).collect())
    }

    #[test]
    fn steps_are_chosen_by_name_and_stay_in_order() {
        assert_eq!(names(&[]).unwrap().len(), STEPS.len());
        let some = names(&["--only", "tests", "--only", "tidy"]).unwrap();
        assert_eq!(some, ["tidy", "tests"]);
        assert!(!names(&["--skip", "docs"]).unwrap().contains(&"docs"));
        assert!(names(&["--only", "nothing"]).is_err());
        assert!(names(&["--only"]).is_err());
    }
}
