//! Whether the images are the same when they are built again: from a clone, in another folder, with nothing
//! compiled before.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::Options;
use crate::workspace;

/// Builds the same images from a clone of the commit, and fails unless they have these digests.
pub(super) fn compare(options: &Options, digests: &[String]) -> Result<()> {
    let root = workspace::root();
    let changes = workspace::output(
        Command::new("git")
            .args(["status", "--porcelain"])
            .current_dir(&root),
    )
    .context("--twice builds a clone, and this folder is none of git's")?;
    if !changes.is_empty() {
        bail!(
            "--twice builds a clone of the commit, and there are changes that are not committed:\n{}",
            String::from_utf8_lossy(&changes)
        );
    }
    // Another depth and another length of the path than the first build's.
    let clone = root.join("target/image/again/of-another-length");
    if clone.exists() {
        fs::remove_dir_all(&clone)
            .with_context(|| format!("failed to remove {}", clone.display()))?;
    }
    eprintln!("image: building again in {}", clone.display());
    let mut command = Command::new("git");
    command
        .args(["clone", "--quiet", "--no-hardlinks"])
        .arg(&root)
        .arg(&clone);
    workspace::run(&mut command)?;
    let result = build(options, &clone);
    let removed = fs::remove_dir_all(&clone);
    let again = result?;
    removed.with_context(|| format!("failed to remove {}", clone.display()))?;
    if again != digests {
        bail!(
            "two builds of one commit differ: {} and {}",
            digests.join(", "),
            again.join(", ")
        );
    }
    eprintln!("image: built again from nothing in another folder, the digests are equal");
    Ok(())
}

/// Runs the clone's own chore and gives the digests that it tells.
fn build(options: &Options, clone: &Path) -> Result<Vec<String>> {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command
        .args(["run", "--quiet", "--package", "xtask", "--", "image"])
        .args(&options.names)
        .args(["--registry", &options.registry, "--tag", &options.tag])
        .args(["--arch", options.target.architecture])
        .arg("--out")
        .arg(clone.join("target/out"))
        .current_dir(clone)
        .env_remove("CARGO_TARGET_DIR")
        .env_remove("CARGO_MANIFEST_DIR");
    if let Some(busybox) = &options.busybox {
        command.arg("--busybox").arg(busybox);
    }
    // What it says of its progress is shown, and its answer read.
    command.stderr(std::process::Stdio::inherit());
    let told = workspace::output(&mut command)?;
    Ok(digests_of(&String::from_utf8_lossy(&told)))
}

fn digests_of(told: &str) -> Vec<String> {
    let lines = told
        .lines()
        .filter_map(|line| line.trim().strip_prefix("digest"));
    lines.map(|digest| digest.trim().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_read_from_what_the_chore_tells() {
        let told =
            "a:1\n  archive  a.tar\n  digest   sha256:12\n  size 3\nb:1\n  digest   sha256:34\n";
        assert_eq!(digests_of(told), ["sha256:12", "sha256:34"]);
    }
}
