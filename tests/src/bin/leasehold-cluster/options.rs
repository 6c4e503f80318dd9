//! What the runner is told: `cargo xtask e2e` gives all of it.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

/// The runner's settings.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub(crate) kubeconfig: PathBuf,
    pub(crate) context: Option<String>,
    pub(crate) helm: PathBuf,
    pub(crate) chart: PathBuf,
    /// A chart to upgrade from, and what it is in words.
    pub(crate) previous_chart: Option<(PathBuf, String)>,
    pub(crate) images: Images,
    /// Scenarios to run; empty means all.
    pub(crate) only: Vec<String>,
    /// How long the rotation is watched, in seconds.
    pub(crate) rotation_seconds: u64,
    /// How often each start is measured.
    pub(crate) runs: usize,
    /// Leaves everything in place, for whoever wants to look.
    pub(crate) keep: bool,
}

/// The images' names as the cluster knows them: repository and tag.
#[derive(Debug, Clone)]
pub(crate) struct Images {
    pub(crate) injector: (String, String),
    pub(crate) agent: (String, String),
    /// The agent with a shell, which also stands for applications.
    pub(crate) shell: String,
    /// OpenBao and PostgreSQL.
    pub(crate) server: String,
}

impl Options {
    /// Reads `--name value` pairs.
    pub(crate) fn read(arguments: impl Iterator<Item = String>) -> Result<Self> {
        let mut arguments = arguments;
        let mut given = std::collections::BTreeMap::<String, String>::new();
        let mut only = Vec::new();
        let mut keep = false;
        while let Some(name) = arguments.next() {
            if name == "--keep" {
                keep = true;
                continue;
            }
            let value = arguments
                .next()
                .with_context(|| format!("`{name}` needs a value"))?;
            match name.as_str() {
                "--only" => only.push(value),
                "--kubeconfig" | "--context" | "--helm" | "--chart" | "--previous-chart"
                | "--previous-title" | "--registry" | "--tag" | "--server-image"
                | "--rotation-seconds" | "--runs" => {
                    given.insert(name, value);
                }
                other => bail!("unknown argument `{other}`; `cargo xtask e2e` starts this program"),
            }
        }
        let mut take = |name: &str| given.remove(name);
        let mut need = |name: &str| take(name).with_context(|| format!("`{name}` is needed"));
        let (registry, tag) = (need("--registry")?, need("--tag")?);
        let images = Images {
            injector: (format!("{registry}/leasehold"), tag.clone()),
            agent: (format!("{registry}/leasehold-agent"), tag.clone()),
            shell: format!("{registry}/leasehold-agent:{tag}-shell"),
            server: need("--server-image")?,
        };
        let (kubeconfig, helm, chart) = (
            PathBuf::from(need("--kubeconfig")?),
            PathBuf::from(need("--helm")?),
            PathBuf::from(need("--chart")?),
        );
        let title = take("--previous-title").unwrap_or_default();
        let number = |text: Option<String>, other: u64| match text {
            Some(text) => text
                .parse()
                .with_context(|| format!("{text:?} is no number")),
            None => Ok(other),
        };
        Ok(Self {
            kubeconfig,
            context: take("--context"),
            helm,
            chart,
            previous_chart: take("--previous-chart").map(|path| (PathBuf::from(path), title)),
            images,
            only,
            rotation_seconds: number(take("--rotation-seconds"), 150)?,
            runs: usize::try_from(number(take("--runs"), 5)?).context("--runs is too large")?,
            keep,
        })
    }
}
