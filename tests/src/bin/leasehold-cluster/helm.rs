//! Helm, run on the cluster without touching the user's own settings of it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::{Context, Result, bail};
use leasehold_testkit::scratch::Scratch;
use serde::Deserialize as _;
use serde_json::{Value, json};

use crate::options::Options;
use crate::stage::{LABEL, NAME};

/// The release's name, which is that of its Deployment and Service as well.
pub(crate) const RELEASE: &str = "leasehold";
/// The name of the release's objects outside of namespaces.
pub(crate) const CLUSTER_NAME: &str = "leasehold-e2e-leasehold";

/// Helm with this run's values.
pub(crate) struct Helm {
    program: PathBuf,
    kubeconfig: PathBuf,
    context: Option<String>,
    pub(crate) values: Value,
    folder: Scratch,
}

impl Helm {
    /// Values that keep the injector to our own namespaces, whatever else runs in the cluster.
    pub(crate) fn new(options: &Options, server: &str, ca: &str, kubernetes: (u32, u32)) -> Self {
        // The scenarios look at native sidecars, which is not yet the default before 1.32.
        let mode = if kubernetes < (1, 32) {
            "native"
        } else {
            "auto"
        };
        let images = &options.images;
        let (shell, shell_tag) = images.shell.rsplit_once(':').unwrap_or((&images.shell, ""));
        let values = json!({
            "global": {"externalVaultAddr": server},
            "injector": {
                "image": {"repository": images.injector.0, "tag": images.injector.1},
                "agentImage": {"repository": images.agent.0, "tag": images.agent.1},
                "agentDefaults": {"caCert": ca, "mode": mode},
                "webhook": {
                    "failurePolicy": "Ignore",
                    "namespaceSelector": {"matchLabels": {LABEL: "yes"}},
                },
                "certs": {"selfMade": {"servingLifetime": "10m"}},
                "extraEnvironmentVars": {"AGENT_INJECT_TLS_AUTO_SETTLE": "2s"},
                "metrics": {"enabled": true},
                "test": {"image": {"repository": shell, "tag": shell_tag}},
            },
        });
        Self {
            program: options.helm.clone(),
            kubeconfig: options.kubeconfig.clone(),
            context: options.context.clone(),
            values,
            folder: Scratch::new("helm"),
        }
    }

    /// `helm upgrade --install --wait` of a chart.
    pub(crate) fn install(&self, chart: &Path) -> Result<String> {
        let chart = chart.display().to_string();
        let values = self.values_file(&self.values)?;
        self.run(&[
            "upgrade",
            RELEASE,
            &chart,
            "--install",
            "--namespace",
            NAME,
            "--values",
            &values,
            "--wait",
            "--timeout",
            "3m",
        ])
    }

    /// `helm test`; its pod goes when it succeeds.
    pub(crate) fn test(&self) -> Result<String> {
        self.run(&["test", RELEASE, "--namespace", NAME, "--timeout", "2m"])
    }

    /// What `helm install` told.
    pub(crate) fn notes(&self) -> Result<String> {
        self.run(&["get", "notes", RELEASE, "--namespace", NAME])
    }

    /// `helm uninstall`; a release that is not there is fine.
    pub(crate) fn uninstall(&self) -> Result<String> {
        let result = self.run(&[
            "uninstall",
            RELEASE,
            "--namespace",
            NAME,
            "--wait",
            "--timeout",
            "2m",
        ]);
        match result {
            Err(error) if error.to_string().contains("not found") => Ok(String::new()),
            result => result,
        }
    }

    /// What is rendered for a namespace with further values, as objects; hooks are left out.
    pub(crate) fn render(
        &self,
        chart: &Path,
        namespace: &str,
        kubernetes: (u32, u32),
        more: &Value,
    ) -> Result<Vec<Value>> {
        let chart = chart.display().to_string();
        let mut values = self.values.clone();
        merge(&mut values, more);
        let values = self.values_file(&values)?;
        let version = format!("{}.{}.0", kubernetes.0, kubernetes.1);
        let text = self.run(&[
            "template",
            RELEASE,
            &chart,
            "--namespace",
            namespace,
            "--values",
            &values,
            "--kube-version",
            &version,
            "--no-hooks",
        ])?;
        serde_yaml::Deserializer::from_str(&text)
            .map(|document| Value::deserialize(document).context("the rendered chart is not YAML"))
            .filter(|document| !matches!(document, Ok(Value::Null)))
            .collect()
    }

    fn values_file(&self, values: &Value) -> Result<String> {
        let path = self.folder.join("values.json");
        std::fs::write(&path, values.to_string())
            .with_context(|| format!("failed to write {}", path.display()))?;
        Ok(path.display().to_string())
    }

    fn run(&self, arguments: &[&str]) -> Result<String> {
        let Output {
            status,
            stdout,
            stderr,
        } = self
            .command(arguments)
            .output()
            .with_context(|| format!("failed to start {}", self.program.display()))?;
        let said = String::from_utf8_lossy(&stdout).into_owned();
        if !status.success() {
            bail!(
                "helm {} ended with {status}: {}{said}",
                arguments.first().unwrap_or(&""),
                String::from_utf8_lossy(&stderr)
            );
        }
        Ok(said)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(arguments).stdin(Stdio::null());
        command.arg("--kubeconfig").arg(&self.kubeconfig);
        if let Some(context) = &self.context {
            command.arg("--kube-context").arg(context);
        }
        for (variable, folder) in [
            ("HELM_CACHE_HOME", "cache"),
            ("HELM_CONFIG_HOME", "config"),
            ("HELM_DATA_HOME", "data"),
        ] {
            command.env(variable, self.folder.join(folder));
        }
        // A signal for the whole group must not end Helm in the midst of undoing things.
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        command
    }
}

/// Puts values over others, map by map.
fn merge(into: &mut Value, more: &Value) {
    match (into, more) {
        (Value::Object(into), Value::Object(more)) => {
            for (name, value) in more {
                merge(into.entry(name.clone()).or_insert(Value::Null), value);
            }
        }
        (into, more) => *into = more.clone(),
    }
}
