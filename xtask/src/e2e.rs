//! `cargo xtask e2e`: makes the images, brings them to a cluster, and starts the scenarios there.
//!
//! The scenarios are a program of the tests' package, `leasehold-cluster`; here is what it needs: images,
//! Helm, and a chart to upgrade from.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::tools::{self, Wanted};
use crate::{image, workspace};

struct Options {
    kubeconfig: PathBuf,
    image_load: Option<String>,
    registry: String,
    tag: String,
    server_image: Option<String>,
    previous_chart: Option<PathBuf>,
    helm: Option<PathBuf>,
    /// What the scenarios' program is told as it is.
    further: Vec<String>,
}

/// Runs the chore.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let options = Options::read(arguments)?;
    if !options.kubeconfig.is_file() {
        bail!(
            "{} is no file: --kubeconfig names the way to the cluster",
            options.kubeconfig.display()
        );
    }
    let tools = tools::ensure(Wanted::Everything)?;
    let helm = match &options.helm {
        Some(helm) => helm.clone(),
        None => find_helm(&tools)?,
    };
    let folder = workspace::root().join("target/image/e2e");
    fs::create_dir_all(&folder)
        .with_context(|| format!("failed to make the folder {}", folder.display()))?;
    let server_image = options
        .server_image
        .clone()
        .unwrap_or_else(|| format!("{}/leasehold-e2e-server:{}", options.registry, options.tag));
    if let Some(command) = &options.image_load {
        let out = folder.display().to_string();
        let wanted = [
            "--out",
            &out,
            "--registry",
            &options.registry,
            "--tag",
            &options.tag,
        ];
        image::run(&wanted.map(str::to_owned))?;
        let server = folder.join("leasehold-e2e-server.tar");
        image::server::write(&tools, &server_image, &server)?;
        for name in [
            "leasehold",
            "leasehold-agent",
            "leasehold-agent-shell",
            "leasehold-e2e-server",
        ] {
            load(command, &folder.join(format!("{name}.tar")))?;
        }
    }
    let (previous, title) = match &options.previous_chart {
        Some(chart) => (chart.clone(), format!("the chart in {}", chart.display())),
        None => previous_chart(&folder)?,
    };
    eprintln!("e2e: building the scenarios");
    let build = [
        "build",
        "--package",
        "leasehold-e2e",
        "--bin",
        "leasehold-cluster",
    ];
    workspace::run(&mut workspace::cargo(&build))?;
    let target = match std::env::var_os("CARGO_TARGET_DIR") {
        Some(folder) => workspace::root().join(folder),
        None => workspace::root().join("target"),
    };
    let mut command = Command::new(target.join("debug/leasehold-cluster"));
    command
        .arg("--kubeconfig")
        .arg(&options.kubeconfig)
        .arg("--helm")
        .arg(helm)
        .arg("--chart")
        .arg(workspace::root().join("charts/leasehold"))
        .arg("--previous-chart")
        .arg(previous)
        .args(["--previous-title", &title])
        .args(["--registry", &options.registry, "--tag", &options.tag])
        .args(["--server-image", &server_image])
        .args(&options.further);
    // It takes this program's place, so that a signal reaches the one that cleans up, and the terminal waits
    // for it.
    Err(command.exec()).context("failed to start the scenarios")
}

impl Options {
    fn read(arguments: &[String]) -> Result<Self> {
        let mut options = Self {
            kubeconfig: PathBuf::new(),
            image_load: None,
            registry: "ghcr.io/leasehold".to_owned(),
            tag: "e2e".to_owned(),
            server_image: None,
            previous_chart: None,
            helm: None,
            further: Vec::new(),
        };
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            if argument == "--keep" {
                options.further.push(argument.clone());
                continue;
            }
            let mut value = || {
                rest.next()
                    .cloned()
                    .with_context(|| format!("`{argument}` needs a value"))
            };
            match argument.as_str() {
                "--kubeconfig" => options.kubeconfig = PathBuf::from(value()?),
                "--image-load" => options.image_load = Some(value()?),
                "--registry" => options.registry = value()?.trim_end_matches('/').to_owned(),
                "--tag" => options.tag = value()?,
                "--server-image" => options.server_image = Some(value()?),
                "--previous-chart" => options.previous_chart = Some(PathBuf::from(value()?)),
                "--helm" => options.helm = Some(PathBuf::from(value()?)),
                "--context" | "--only" | "--rotation-seconds" | "--runs" => {
                    let value = value()?;
                    options.further.extend([argument.clone(), value]);
                }
                other => bail!("unknown argument `{other}`; see `cargo xtask help e2e`"),
            }
        }
        if options.kubeconfig.as_os_str().is_empty() {
            bail!("usage: cargo xtask e2e --kubeconfig FILE [--image-load COMMAND] [OPTIONS]");
        }
        Ok(options)
    }
}

/// Helm of the tools, else one on PATH.
fn find_helm(tools: &Path) -> Result<PathBuf> {
    let ours = tools.join("bin/helm");
    if ours.exists() {
        return Ok(ours);
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|folder| folder.join("helm"))
        .find(|file| file.is_file())
        .context("no Helm was found: npm could bring none into the tools, and none is on PATH; name one with --helm")
}

/// Runs the user's command on one archive.
fn load(command: &str, archive: &Path) -> Result<()> {
    eprintln!("e2e: loading {}", archive.display());
    let script = script_of(command);
    // The command is a line of a shell, as people have it in their notes: variables, pipes and quotes.
    workspace::run(Command::new("sh").args(["-c", &script, "sh"]).arg(archive)).with_context(|| {
        format!(
            "--image-load could not bring {} to the cluster",
            archive.display()
        )
    })
}

/// The line of a shell whose first argument is an archive.
fn script_of(command: &str) -> String {
    if command.contains("{}") {
        command.replace("{}", "\"$1\"")
    } else {
        format!("{command} \"$1\"")
    }
}

/// The chart that an upgrade starts from, with what it is in words: that of the latest tag before this
/// commit; without tags, the oldest in git; without git, this one under a lower version.
fn previous_chart(folder: &Path) -> Result<(PathBuf, String)> {
    let git = |arguments: &[&str]| -> Option<String> {
        let mut command = Command::new("git");
        command.args(arguments).current_dir(workspace::root());
        let text = String::from_utf8(workspace::output(&mut command).ok()?).ok()?;
        Some(text.trim().to_owned()).filter(|text| !text.is_empty())
    };
    let tag = git(&["describe", "--tags", "--abbrev=0", "HEAD^"]);
    let oldest = || {
        let added = [
            "log",
            "--diff-filter=A",
            "--format=%h",
            "--",
            "charts/leasehold/Chart.yaml",
        ];
        git(&added)?.lines().last().map(str::to_owned)
    };
    let target = folder.join("previous-chart");
    let _ = fs::remove_dir_all(&target);
    fs::create_dir_all(&target)
        .with_context(|| format!("failed to make the folder {}", target.display()))?;
    let (revision, title) = match (tag, oldest()) {
        (Some(tag), _) => (tag.clone(), format!("the chart of {tag}")),
        (None, Some(commit)) => (
            commit.clone(),
            format!("the first chart in git ({commit}), since none was released"),
        ),
        (None, None) => {
            let chart = copy_with_lower_version(&target)?;
            return Ok((
                chart,
                "this chart as 0.0.1, since no earlier one is at hand".to_owned(),
            ));
        }
    };
    let script = "git archive --format=tar \"$1\" charts/leasehold | tar -x -C \"$2\"";
    let mut command = Command::new("sh");
    command
        .args(["-ec", script, "sh", &revision])
        .arg(&target)
        .current_dir(workspace::root());
    workspace::run(&mut command)?;
    Ok((target.join("charts/leasehold"), title))
}

fn copy_with_lower_version(target: &Path) -> Result<PathBuf> {
    let chart = workspace::root().join("charts/leasehold");
    workspace::run(Command::new("cp").arg("-R").arg(&chart).arg(target))?;
    let copy = target.join("leasehold");
    let about = copy.join("Chart.yaml");
    let text = fs::read_to_string(&about)
        .with_context(|| format!("failed to read {}", about.display()))?;
    let lines = text.lines().map(|line| {
        if line.starts_with("version:") {
            "version: 0.0.1".to_owned()
        } else {
            line.to_owned()
        }
    });
    let text = lines.collect::<Vec<_>>().join("\n") + "\n";
    fs::write(&about, text).with_context(|| format!("failed to write {}", about.display()))?;
    Ok(copy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_archive_is_appended_or_put_where_it_is_wanted() {
        assert_eq!(
            script_of("kind load image-archive"),
            "kind load image-archive \"$1\""
        );
        assert_eq!(script_of("docker load < {}"), "docker load < \"$1\"");
    }

    #[test]
    fn what_is_not_known_is_told_before_anything_is_built() {
        let read = |text: &str| {
            Options::read(&text.split(' ').map(str::to_owned).collect::<Vec<_>>()).map(|_| ())
        };
        assert!(read("--kubeconfig a --only checkout --keep").is_ok());
        assert!(
            read("--only checkout")
                .unwrap_err()
                .to_string()
                .starts_with("usage: ")
        );
        assert!(
            read("--kubeconfig a --wat")
                .unwrap_err()
                .to_string()
                .contains("`--wat`")
        );
        assert!(
            read("--kubeconfig")
                .unwrap_err()
                .to_string()
                .contains("needs a value")
        );
    }
}
