//! `cargo xtask fuzz`: libFuzzer on everything that reads what others wrote, with the stable compiler.
//!
//! The program of all targets is `tests/fuzz`. Its inputs are led by coverage, for which the compiler puts
//! counters into our own packages and into no other: those are built as for any test, so that a fuzzing build
//! costs little beside them. For that cargo calls this very program in place of the compiler, which adds the
//! flags; see [`compile`].

mod seeds;

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::workspace;

/// The targets, each with what is fed to it.
const TARGETS: &[(&str, &str)] = &[
    ("admission", "the body of an admission review"),
    (
        "annotations",
        "arbitrary annotations of a pod; the patched pod is reviewed again",
    ),
    (
        "configuration-hcl",
        "the agent's configuration in HCL; written and read again",
    ),
    (
        "configuration-json",
        "the agent's configuration in JSON; written and read again",
    ),
    (
        "json-patch",
        "patches of the agents' containers in annotations",
    ),
    ("printf", "a format and its arguments"),
    ("regex", "a regular expression and a text"),
    ("scalars", "durations, numbers, names of signals"),
    (
        "serialized",
        "YAML, TOML, JSON, dates, URLs and addresses in templates",
    ),
    ("template", "the source of a template"),
    (
        "template-data",
        "a template and the server's answer to all it asks for",
    ),
];

/// What one input may take: more is a finding.
const SECONDS_PER_INPUT: u32 = 20;
const MEBIBYTES: u32 = 1024;

/// The environment variable that says that this program stands in for the compiler.
const IN_PLACE_OF_RUSTC: &str = "LEASEHOLD_FUZZ_COMPILES";

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
struct Asked {
    targets: Vec<&'static str>,
    seconds: u32,
}

/// Runs the targets that the arguments name, or all.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let asked = Asked::read(arguments)?;
    let Some(program) = build()? else {
        bail!(
            "a C++ compiler is needed, for libFuzzer is written in it; `c++` (or what CXX names) did not \
             start. Debian and Ubuntu have it in the package g++"
        );
    };
    each(&program, &asked)
}

/// A short run of every target, for every change: what is broken badly shows within seconds.
pub(crate) fn briefly() -> Result<()> {
    let Some(program) = build()? else {
        eprintln!("fuzz: NOT run: no C++ compiler is here, and libFuzzer needs one");
        return Ok(());
    };
    let asked = Asked {
        targets: TARGETS.iter().map(|(name, _)| *name).collect(),
        seconds: 4,
    };
    each(&program, &asked)
}

impl Asked {
    fn read(arguments: &[String]) -> Result<Self> {
        let mut asked = Self {
            targets: Vec::new(),
            seconds: 60,
        };
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            if argument == "--seconds" {
                let value = rest.next().context("`--seconds` needs a value")?;
                let seconds = value.parse().ok().filter(|seconds| *seconds > 0);
                asked.seconds = seconds
                    .with_context(|| format!("`--seconds {value}` is no whole number above 0"))?;
                continue;
            }
            let Some((name, _)) = TARGETS.iter().find(|(name, _)| name == argument) else {
                let known: Vec<_> = TARGETS.iter().map(|(name, _)| *name).collect();
                bail!(
                    "`{argument}` is no target; accepted are {}",
                    known.join(", ")
                );
            };
            asked.targets.push(*name);
        }
        if asked.targets.is_empty() {
            asked.targets = TARGETS.iter().map(|(name, _)| *name).collect();
        }
        Ok(asked)
    }
}

/// Runs one target after the other; the first that fails ends it all.
fn each(program: &Path, asked: &Asked) -> Result<()> {
    let folder = workspace::root().join("target/fuzz");
    for target in &asked.targets {
        let (corpus, seeds, found) = (
            folder.join("corpus").join(target),
            folder.join("seeds").join(target),
            folder.join("found").join(target),
        );
        for folder in [&corpus, &found] {
            fs::create_dir_all(folder)
                .with_context(|| format!("failed to make {}", folder.display()))?;
        }
        let count = seeds::write(target, &seeds)?;
        eprintln!("==> {target}: {} s, {count} seeds", asked.seconds);
        let mut command = Command::new(program);
        command
            .env("LEASEHOLD_FUZZ_TARGET", target)
            .arg(format!("-max_total_time={}", asked.seconds))
            .arg(format!("-timeout={SECONDS_PER_INPUT}"))
            .arg(format!("-rss_limit_mb={MEBIBYTES}"))
            .arg(format!("-artifact_prefix={}/", found.display()))
            .args(["-max_len=16384", "-print_final_stats=1", "-verbosity=0"])
            .args([&corpus, &seeds]);
        let output = command
            .output()
            .with_context(|| format!("failed to start {}", program.display()))?;
        let told = String::from_utf8_lossy(&output.stderr);
        if !output.status.success() {
            eprintln!("{told}");
            bail!(
                "`{target}` failed; the input is in {}, and `LEASEHOLD_FUZZ_TARGET={target} {} FILE` repeats it",
                found.display(),
                program.display()
            );
        }
        eprintln!("    {}", summary(&told));
    }
    Ok(())
}

/// The figures that libFuzzer ends with, on one line.
fn summary(told: &str) -> String {
    let figure = |name: &str| {
        let mut lines = told.lines().filter_map(|line| line.strip_prefix("stat::"));
        let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        value.unwrap_or("?").trim().to_owned()
    };
    format!(
        "{} inputs, {} a second, {} new, {} MiB at most",
        figure("number_of_executed_units"),
        figure("average_exec_per_sec"),
        figure("new_units_added"),
        figure("peak_rss_mb")
    )
}

/// Builds the program of all targets; none where there is no C++ compiler.
fn build() -> Result<Option<PathBuf>> {
    let compiler = std::env::var_os("CXX").unwrap_or_else(|| "c++".into());
    let starts = Command::new(compiler).arg("--version").output();
    if !starts.is_ok_and(|output| output.status.success()) {
        return Ok(None);
    }
    let own = std::env::current_exe().context("failed to find this program's own path")?;
    // The whole workspace, so that what is not ours is built with the features that the tests have it built with.
    let mut command = workspace::cargo(&["build", "--locked", "--workspace"]);
    command
        .args([
            "--features",
            "leasehold-e2e/fuzzing",
            "--bin",
            "leasehold-fuzz",
        ])
        .env("RUSTC_WORKSPACE_WRAPPER", own)
        .env(IN_PLACE_OF_RUSTC, "1");
    workspace::run(&mut command)?;
    Ok(Some(workspace::root().join("target/debug/leasehold-fuzz")))
}

/// Whether cargo calls this program in place of the compiler.
pub(crate) fn is_in_place_of_rustc() -> bool {
    std::env::var_os(IN_PLACE_OF_RUSTC).is_some()
}

/// Compiles one of our packages with counters for libFuzzer, optimised and with all checks. The arguments are
/// the compiler and its own.
pub(crate) fn compile(mut arguments: impl Iterator<Item = OsString>) -> Result<()> {
    const FLAGS: &[&str] = &[
        "-Cpasses=sancov-module",
        "-Cllvm-args=-sanitizer-coverage-level=4",
        "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
        "-Cllvm-args=-sanitizer-coverage-pc-table",
        "-Cllvm-args=-sanitizer-coverage-trace-compares",
        "-Copt-level=2",
        "-Cdebug-assertions=on",
        "-Coverflow-checks=on",
    ];
    let compiler = arguments.next().context("the compiler is not named")?;
    let mut command = Command::new(compiler);
    command.args(arguments).args(FLAGS);
    workspace::run(&mut command)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(words: &[&str]) -> Result<Asked> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        Asked::read(&words)
    }

    #[test]
    fn without_a_name_all_targets_run() {
        let asked = read(&["--seconds", "5"]).unwrap();
        assert_eq!((asked.targets.len(), asked.seconds), (TARGETS.len(), 5));
        assert_eq!(read(&["regex"]).unwrap().targets, ["regex"]);
    }

    #[test]
    fn a_mistake_is_told_with_what_is_accepted() {
        let told = |words: &[&str]| read(words).unwrap_err().to_string();
        assert!(told(&["regexp"]).contains("accepted are admission, annotations"));
        assert!(told(&["--seconds"]).contains("needs a value"));
        assert!(told(&["--seconds", "0"]).contains("no whole number above 0"));
    }

    #[test]
    fn the_program_has_the_targets_that_the_chore_names() {
        let source = fs::read_to_string(workspace::root().join("tests/fuzz/main.rs")).unwrap();
        for (name, _) in TARGETS {
            assert!(source.contains(&format!("(\"{name}\", ")), "{name}");
        }
        assert_eq!(source.matches("    (\"").count(), TARGETS.len());
    }

    #[test]
    fn the_figures_at_the_end_are_told_on_one_line() {
        let told = "x\nstat::number_of_executed_units: 72991\nstat::average_exec_per_sec:     12165\n\
                    stat::new_units_added:          915\nstat::slowest_unit_time_sec:    0\nstat::peak_rss_mb:    35\n";
        assert_eq!(
            summary(told),
            "72991 inputs, 12165 a second, 915 new, 35 MiB at most"
        );
    }

    #[test]
    fn every_target_has_seeds() {
        for (name, _) in TARGETS {
            assert!(!seeds::of(name).unwrap().is_empty(), "{name}");
        }
    }
}
