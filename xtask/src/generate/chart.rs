//! What is written from the Helm chart: the kustomize bases, and the chart's own README with the
//! table of its values.

use std::process::Command;

use anyhow::{Context, Result};

use crate::{tools, workspace};

/// The version of Kubernetes that the bases are rendered for.
const KUBERNETES: &str = "1.30.0";

/// One kustomize base: its values, as `--set` takes them. `None` where Helm 3 cannot be had.
pub(super) fn base(values: &[&str]) -> Result<Option<String>> {
    let helm = tools::ensure(tools::Wanted::Everything)?.join("bin/helm");
    if !helm.exists() {
        return Ok(None);
    }
    let mut command = Command::new(helm);
    command
        .args(["template", "leasehold"])
        .arg(workspace::root().join("charts/leasehold"))
        .args(["--namespace", "leasehold", "--skip-tests"])
        .args(["--kube-version", KUBERNETES]);
    for value in values {
        command.args(["--set", value]);
    }
    let text = workspace::output(&mut command)?;
    let text = String::from_utf8(text).context("what Helm wrote is not UTF-8")?;
    let mut kept = String::from(
        "# Written from charts/leasehold by `cargo xtask generate`: change the chart, not this file.\n",
    );
    for line in text.lines() {
        let bare = line.trim_start();
        // Helm installs none of this, and the chart's version says nothing here.
        let is_helms = bare.starts_with("app.kubernetes.io/managed-by:")
            || bare.starts_with("helm.sh/chart:")
            || line.starts_with("# Source: ");
        if !is_helms {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    Ok(Some(kept))
}

/// The chart's README: what stands before the table is kept here, the table comes from the
/// comments of `values.yaml`.
pub(super) fn readme() -> Result<String> {
    let path = workspace::root().join("charts/leasehold/values.yaml");
    let values = std::fs::read_to_string(&path)
        .with_context(|| format!("failed to read {}", path.display()))?;
    Ok(format!("{INTRODUCTION}{}", table(&values)))
}

const INTRODUCTION: &str = "\
<!-- Written by `cargo xtask generate`: change values.yaml or xtask/src/generate/chart.rs. -->
# leasehold

Installs the leasehold injector: pods with `vault.hashicorp.com/agent-inject: \"true\"` get an agent
that writes their Vault or OpenBao secrets to `/vault/secrets`. Kubernetes 1.27 to 1.36, Helm 3 and 4.

    helm install leasehold charts/leasehold --namespace vault \\
      --set global.externalVaultAddr=https://vault.example:8200
    helm test leasehold --namespace vault

## Coming from the vault-helm chart

The names of `injector.*` and `global.*` are those of that chart, so its values file serves as it is:

    helm install leasehold charts/leasehold --namespace vault --values the-same-values.yaml
    helm upgrade vault hashicorp/vault --namespace vault --values the-same-values.yaml --set injector.enabled=false

Install leasehold as a release of its own. A vault-helm release often holds the Vault server too, which
Helm would delete if that release were upgraded to this chart; values that describe a server are
therefore refused until `migration.noServerUnderstood=true` says that this is understood. An image
called `vault-k8s` is not run: leasehold's own is used, and the notes say so. An `agentImage` that is
not called `leasehold-agent…` stays, and is injected exactly as before.

To move namespace by namespace, give both injectors a `webhook.namespaceSelector` on one label.

## What it may do

The service account reads Namespaces (their annotations are defaults for pods; switch it off with
`injector.namespaceDefaults.enabled=false`), and with a self-made certificate reads and patches the
two webhook configurations of its own name, and one Secret and one Lease by name. The right to create
a Secret or a Lease in its own namespace is there without a name, because Kubernetes cannot limit
that right to one.

Nothing is rendered that a controller changes: the Secret has no data, the webhooks no `caBundle`
(unless a certificate is given), the Deployment no `replicas` when it is scaled. GitOps sees no drift.

## Values

";

/// The rows of the table: each key that is no section, with its default and its comment.
fn table(values: &str) -> String {
    let mut rows = String::from("| Value | Default | |\n|---|---|---|\n");
    let mut path: Vec<(usize, String)> = Vec::new();
    let mut comment = String::new();
    let mut lines = values.lines().peekable();
    while let Some(line) = lines.next() {
        let bare = line.trim_start();
        let depth = line.len() - bare.len();
        if let Some(text) = bare.strip_prefix('#') {
            let text = text.trim();
            match text.strip_prefix("-- ") {
                Some(first) => comment = first.to_owned(),
                None if !comment.is_empty() => {
                    comment.push(' ');
                    comment.push_str(text);
                }
                None => {}
            }
            continue;
        }
        let Some((key, value)) = bare.split_once(':') else {
            comment.clear();
            continue;
        };
        path.retain(|(above, _)| *above < depth);
        path.push((depth, key.to_owned()));
        let deeper = |next: &&str| {
            let rest = next.trim_start();
            !rest.is_empty() && next.len() - rest.len() > depth
        };
        if value.trim().is_empty() && lines.peek().is_some_and(deeper) {
            continue;
        }
        let name: Vec<&str> = path.iter().map(|(_, key)| key.as_str()).collect();
        let cell = comment.replace('|', "\\|");
        rows.push_str(&format!(
            "| `{}` | `{}` | {cell} |\n",
            name.join("."),
            value.trim()
        ));
        comment.clear();
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_a_row_for_each_key_that_is_no_section() {
        let values = "# About the file.\n\na: 1\nb:\n  # -- Says\n  # what it is.\n  c: \"x\"\n  d: {}\n  e:\n    f: []\n";
        assert_eq!(
            table(values),
            "| Value | Default | |\n|---|---|---|\n| `a` | `1` |  |\n\
             | `b.c` | `\"x\"` | Says what it is. |\n| `b.d` | `{}` |  |\n| `b.e.f` | `[]` |  |\n"
        );
    }
}
