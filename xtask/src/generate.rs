//! `cargo xtask generate`: what is written from tables and templates of the project, so that it is
//! true by construction: the reference pages from the programs' tables, the kustomize bases and the
//! chart's README from the chart.
//!
//! With `--check` nothing is written, and a difference is a failure that shows where it begins.

mod chart;

use std::fs;

use anyhow::{Context, Result, bail};

use crate::workspace;

/// A file that is generated: where it is, and how its content is made.
struct Generated {
    path: &'static str,
    /// `None` when what is needed for it is not on this machine.
    make: fn() -> Result<Option<String>>,
}

const GENERATED: &[Generated] = &[
    Generated {
        path: "charts/leasehold/README.md",
        make: || chart::readme().map(Some),
    },
    Generated {
        path: "manifests/minimal/leasehold.yaml",
        make: || chart::base(&["injector.replicas=1"]),
    },
    Generated {
        path: "manifests/high-availability/leasehold.yaml",
        make: || {
            chart::base(&[
                "injector.replicas=3",
                "injector.webhook.failurePolicy=Fail",
                "injector.networkPolicy.enabled=true",
                "injector.priorityClassName=system-cluster-critical",
            ])
        },
    },
    Generated {
        path: "manifests/cert-manager/leasehold.yaml",
        make: || chart::base(&["injector.certs.certManager.enabled=true"]),
    },
    Generated {
        path: "manifests/external-vault/leasehold.yaml",
        make: || chart::base(&["global.externalVaultAddr=https://vault.example:8200"]),
    },
    Generated {
        path: "docs/reference/annotations.md",
        make: || page("annotations").map(Some),
    },
    Generated {
        path: "docs/reference/flags.md",
        make: || page("flags").map(Some),
    },
];

/// Writes what differs, or tells it.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let check = match arguments {
        [] => false,
        [only] if only == "--check" => true,
        [other, ..] => bail!("unknown argument `{other}`; accepted is --check"),
    };
    let mut differing = Vec::new();
    for generated in GENERATED {
        let path = workspace::root().join(generated.path);
        let fresh =
            (generated.make)().with_context(|| format!("failed to generate {}", generated.path))?;
        let Some(fresh) = fresh else {
            eprintln!(
                "generate: NOT looked at: {} (npm, and so Helm 3, is not here)",
                generated.path
            );
            continue;
        };
        let old = fs::read_to_string(&path).unwrap_or_default();
        if old == fresh {
            continue;
        }
        differing.push(generated.path);
        if check {
            eprintln!("{}:{}", generated.path, difference(&old, &fresh));
        } else {
            let folder = path.parent().unwrap_or(&path);
            fs::create_dir_all(folder)
                .with_context(|| format!("failed to make the folder {}", folder.display()))?;
            fs::write(&path, fresh)
                .with_context(|| format!("failed to write {}", path.display()))?;
            eprintln!("generate: {} is written", generated.path);
        }
    }
    if check && !differing.is_empty() {
        bail!(
            "{} not what the project's tables say; run `cargo xtask generate` and look at what \
             changed: {}",
            if differing.len() == 1 {
                "one file is"
            } else {
                "some files are"
            },
            differing.join(", ")
        );
    }
    Ok(())
}

/// A page of the reference, printed by an example of the package that knows all tables.
fn page(name: &str) -> Result<String> {
    let mut command = workspace::cargo(&["run", "--quiet", "--package", "leasehold"]);
    let page = workspace::output(command.args(["--example", "reference", "--", name]))?;
    String::from_utf8(page).context("the page is not UTF-8")
}

/// The first line that differs, with what stands there and what should.
fn difference(old: &str, fresh: &str) -> String {
    let mut old_lines = old.lines();
    let mut number = 0;
    for line in fresh.lines() {
        number += 1;
        let was = old_lines.next();
        if was != Some(line) {
            let was = was.unwrap_or("(the end)");
            return format!("{number}: is    {was}\n    should be {line}");
        }
    }
    format!("{}: is longer than it should be", number + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_difference_is_told_with_its_line() {
        assert!(difference("a\nb\n", "a\nc\n").starts_with("2: is    b"));
        assert!(difference("a\n", "a\nc\n").starts_with("2: is    (the end)"));
        assert_eq!(
            difference("a\nb\n", "a\n"),
            "2: is longer than it should be"
        );
    }
}
