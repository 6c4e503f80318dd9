//! `cargo xtask generate`: what is written from tables and templates of the project, so that it is
//! true by construction: the reference pages from the programs' tables, and the kustomize base from
//! the chart.
//!
//! With `--check` nothing is written, and a difference is a failure that shows where it begins.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::{tools, workspace};

/// A file that is generated: where it is, and how its content is made.
struct Generated {
    path: &'static str,
    /// `None` when what is needed for it is not on this machine.
    make: fn() -> Result<Option<String>>,
}

/// The namespace of the base; an overlay that wants another also changes it in the webhooks.
const NAMESPACE: &str = "vault";

/// A version of Kubernetes that has everything the chart can use.
const KUBERNETES: &str = "1.33.0";

const GENERATED: &[Generated] = &[
    Generated {
        path: "docs/reference/annotations.md",
        make: || page("annotations").map(Some),
    },
    Generated {
        path: "docs/reference/flags.md",
        make: || page("flags").map(Some),
    },
    Generated {
        path: "manifests/base/leasehold.yaml",
        make: manifests,
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

/// The chart as Helm 3 renders it with its defaults, without the labels that say it was Helm.
fn manifests() -> Result<Option<String>> {
    let helm = tools::ensure(tools::Wanted::Everything)?.join("bin/helm");
    if !helm.exists() {
        return Ok(None);
    }
    let mut command = Command::new(helm);
    command
        .args(["template", "leasehold", "charts/leasehold", "--skip-tests"])
        .args(["--namespace", NAMESPACE, "--kube-version", KUBERNETES])
        .current_dir(workspace::root());
    let rendered = workspace::output(&mut command)?;
    let rendered = String::from_utf8(rendered).context("the manifests are not UTF-8")?;
    let mut manifests = format!(
        "# Written from charts/leasehold by `cargo xtask generate`; patch it from an overlay.\n\
         apiVersion: v1\nkind: Namespace\nmetadata:\n  name: {NAMESPACE}\n"
    );
    for line in rendered.lines() {
        let helms = line.trim_start();
        if !helms.starts_with("helm.sh/chart:")
            && !helms.starts_with("app.kubernetes.io/managed-by: Helm")
        {
            manifests.push_str(line);
            manifests.push('\n');
        }
    }
    Ok(Some(manifests))
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
