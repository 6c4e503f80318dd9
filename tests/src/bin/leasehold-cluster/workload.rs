//! Workloads as people write them, with the image that stands for their applications.

use serde_json::{Value, json};

use crate::stage::Stage;

/// A shell that waits until its pod ends.
pub(crate) const WAIT: &str = "trap 'exit 0' TERM; while :; do sleep 0.2; done";

/// A template of a database user's name and password.
pub(crate) fn database_template(path: &str) -> String {
    format!(
        "{{{{ with secret \"{path}\" -}}}}\nDB_USER={{{{ .Data.username }}}}\nDB_PASS={{{{ .Data.password }}}}\n{{{{ end }}}}"
    )
}

impl Stage {
    /// A Deployment of one container called `app`, with these annotations on its pods.
    pub(crate) fn deployment(
        &self,
        namespace: &str,
        name: &str,
        account: &str,
        script: &str,
        annotations: &Value,
    ) -> Value {
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": name, "namespace": namespace},
            "spec": {
                "selector": {"matchLabels": {"app": name}},
                "template": self.template(name, account, script, annotations),
            },
        })
    }

    /// A Job of one container called `app`.
    pub(crate) fn job(
        &self,
        namespace: &str,
        name: &str,
        account: &str,
        script: &str,
        annotations: &Value,
    ) -> Value {
        let mut template = self.template(name, account, script, annotations);
        template["spec"]["restartPolicy"] = json!("Never");
        json!({
            "apiVersion": "batch/v1", "kind": "Job",
            "metadata": {"name": name, "namespace": namespace},
            "spec": {"backoffLimit": 0, "template": template},
        })
    }

    /// A pod of its own.
    pub(crate) fn pod(
        &self,
        namespace: &str,
        name: &str,
        account: &str,
        script: &str,
        annotations: &Value,
    ) -> Value {
        let mut pod = self.template(name, account, script, annotations);
        pod["apiVersion"] = json!("v1");
        pod["kind"] = json!("Pod");
        pod["metadata"]["name"] = json!(name);
        pod["metadata"]["namespace"] = json!(namespace);
        pod
    }

    fn template(&self, name: &str, account: &str, script: &str, annotations: &Value) -> Value {
        json!({
            "metadata": {"labels": {"app": name}, "annotations": annotations},
            "spec": {
                "serviceAccountName": account,
                "terminationGracePeriodSeconds": 10,
                "containers": [{
                    "name": "app", "image": self.options.images.shell, "imagePullPolicy": "IfNotPresent",
                    "command": ["/bin/sh", "-c", script],
                }],
            },
        })
    }
}

/// The value of a `NAME=value` line.
pub(crate) fn value_of(text: &str, name: &str) -> String {
    text.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
        .unwrap_or_default()
        .trim()
        .to_owned()
}
