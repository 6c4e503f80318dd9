//! What a cluster must have, checked one by one, each with a sentence of its own.

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use http::Method;
use serde_json::json;

use crate::api::Api;
use crate::options::Options;
use crate::stage::{self, Cluster, SOON, container, name, until};

/// Where the probing pod runs.
pub(crate) const NAMESPACE: &str = "leasehold-e2e-probe";

/// Oldest Kubernetes with native sidecars, which the scenarios look at; the chart itself takes 1.27.
pub(crate) const OLDEST: (u32, u32) = (1, 29);

/// Tells what it finds on standard error, and fails at the first thing that is missing.
pub(crate) fn check(api: &Api, options: &Options, stop: &AtomicBool) -> Result<Cluster> {
    let version = version(api)?;
    tell(&format!("Kubernetes {}.{}", version.0, version.1));
    rights(api)?;
    tell("the kubeconfig's user may do everything, as installing webhooks and roles needs");
    let node = node(api)?;
    tell(&format!(
        "node {node} is ready, is amd64 and takes pods without a toleration"
    ));
    others(api)?;
    tell("no other injector of vault.hashicorp.com annotations answers for our namespaces");
    let names = pods(api, options, &node, stop)?;
    Ok(Cluster {
        version,
        names,
        node,
    })
}

fn version(api: &Api) -> Result<(u32, u32)> {
    let answer = api
        .raw("/version")
        .context("the API server of the kubeconfig is not reached")?;
    let part = |field: &str| -> Option<u32> {
        let text = answer.body[field].as_str()?;
        text.trim_end_matches('+').parse().ok()
    };
    let version = part("major").zip(part("minor")).with_context(|| {
        format!(
            "/version tells no version of Kubernetes but: {}",
            answer.message()
        )
    })?;
    if version < OLDEST {
        bail!(
            "the cluster has Kubernetes {}.{}; the scenarios look at native sidecars, which it has from 1.29 on",
            version.0,
            version.1
        );
    }
    Ok(version)
}

fn rights(api: &Api) -> Result<()> {
    let answer = api.call(
        &Method::POST,
        "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
        &[("Content-Type", "application/json")],
        json!({
            "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": {"group": "*", "resource": "*", "verb": "*"}},
        })
        .to_string()
        .into_bytes(),
    )?;
    if answer.body["status"]["allowed"] != true {
        bail!(
            "the kubeconfig's user is no administrator of the cluster, which installing webhooks, policies and \
             cluster roles needs: {}",
            answer.message()
        );
    }
    Ok(())
}

/// A node that pods can run on.
fn node(api: &Api) -> Result<String> {
    let nodes = api.list("Node", "", "")?;
    let mut reasons = Vec::new();
    for node in &nodes {
        let conditions = node["status"]["conditions"]
            .as_array()
            .into_iter()
            .flatten();
        let ready = conditions
            .into_iter()
            .any(|one| one["type"] == "Ready" && one["status"] == "True");
        let taints = node["spec"]["taints"].as_array().into_iter().flatten();
        let tainted = taints
            .into_iter()
            .any(|taint| taint["effect"] != "PreferNoSchedule");
        let architecture = node["status"]["nodeInfo"]["architecture"]
            .as_str()
            .unwrap_or_default();
        let reason = if !ready {
            "is not ready"
        } else if tainted || node["spec"]["unschedulable"] == true {
            "has a taint or is cordoned"
        } else if architecture != "amd64" {
            "is not amd64, as the images are"
        } else {
            return Ok(name(node).to_owned());
        };
        reasons.push(format!("{} {reason}", name(node)));
    }
    bail!(
        "no node can run the pods ({})",
        if reasons.is_empty() {
            "there is none".to_owned()
        } else {
            reasons.join(", ")
        }
    )
}

/// Another injector would inject our pods first.
fn others(api: &Api) -> Result<()> {
    for found in api.list("MutatingWebhookConfiguration", "", "")? {
        let hooks = found["webhooks"].as_array().into_iter().flatten();
        for hook in hooks {
            let title = hook["name"].as_str().unwrap_or_default();
            let known = ["vault.hashicorp.com", "inject.leasehold.dev", "openbao.org"];
            let selector = &hook["namespaceSelector"];
            let everywhere = selector["matchLabels"].is_null()
                && !selector["matchExpressions"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .any(|one| one["operator"] == "In" || one["operator"] == "Exists");
            if known.iter().any(|end| title.ends_with(end)) && everywhere {
                bail!(
                    "another injector is installed, the webhook {title} of {}: it would inject our pods first. Limit it \
                     with a namespaceSelector, or use another cluster",
                    name(&found)
                );
            }
        }
    }
    Ok(())
}

/// Runs a pod of the application's image: whether the image is there, whether pods are reached and reach the
/// API server, and whether names resolve.
fn pods(api: &Api, options: &Options, node: &str, stop: &AtomicBool) -> Result<bool> {
    stage::make_namespace(api, NAMESPACE)?;
    let script = "echo hello > /memory/index.html; busybox httpd -p 8080 -h /memory; \
        if nc -w 5 \"$KUBERNETES_SERVICE_HOST\" \"$KUBERNETES_SERVICE_PORT\" < /dev/null; then \
        echo address: yes; else echo address: no; fi; \
        if timeout 15 wget --no-check-certificate -O /dev/null https://kubernetes.default.svc/ 2>&1 \
        | grep -qF \"($KUBERNETES_SERVICE_HOST\"; then echo names: yes; else echo names: no; fi; \
        trap 'exit 0' TERM; while :; do sleep 1; done";
    api.create(&json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "probe", "namespace": NAMESPACE, "labels": {"app": "probe"}},
        "spec": {
            "nodeName": node, "restartPolicy": "Never", "terminationGracePeriodSeconds": 1,
            "automountServiceAccountToken": false,
            "securityContext": {"runAsUser": 100, "runAsGroup": 1000, "fsGroup": 1000,
                                "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [{
                "name": "app", "image": options.images.shell, "imagePullPolicy": "IfNotPresent",
                "command": ["/bin/sh", "-c", script],
                "volumeMounts": [{"name": "memory", "mountPath": "/memory"}],
            }],
            "volumes": [{"name": "memory", "emptyDir": {"medium": "Memory"}}],
        },
    }))?;
    until(stop, "a pod starts", SOON, || {
        let pod = api.get("Pod", NAMESPACE, "probe")?;
        let state = &container(&pod, "app")["state"];
        if let Some(reason) = state["waiting"]["reason"].as_str()
            && (reason.contains("ImagePull")
                || reason.contains("ErrImage")
                || reason == "CreateContainerError")
        {
            // It may change its mind while images are still loading, so the deadline decides.
            bail!(
                "the image {} does not start on node {node} ({reason}: {}); load it with --image-load, or name a \
                 registry that the cluster can pull from with --registry",
                options.images.shell,
                state["waiting"]["message"].as_str().unwrap_or_default()
            );
        }
        Ok((!state["running"].is_null()).then_some(()))
    })?;
    tell("pods start, with a volume in memory and the runtime's seccomp profile");
    let said = until(stop, "the probing pod has looked around", SOON, || {
        let said = api.logs(NAMESPACE, "probe", "app", false)?;
        Ok(said.contains("names: ").then_some(said))
    })
    .context("logs of pods cannot be read through the API server, or the pod hangs")?;
    if !said.contains("address: yes") {
        bail!(
            "a pod does not reach the API server at its Service's address: kube-proxy or its like must run, since \
             injector and server ask the API server"
        );
    }
    tell("pods reach the API server at its Service's address");
    let ran = api.exec(NAMESPACE, "probe", "app", &["true"]).context(
        "commands cannot be run in pods through the API server (`kubectl exec`), which looking at files needs",
    )?;
    if !ran.worked {
        bail!("a command in a pod failed: {}", ran.errors.trim());
    }
    let path = format!("/api/v1/namespaces/{NAMESPACE}/pods/probe:8080/proxy/index.html");
    let answer = api.raw(&path)?;
    if answer.body.as_str().map(str::trim) != Some("hello") {
        bail!(
            "the API server does not reach pods by their address, which calling webhooks needs: {}",
            answer.message()
        );
    }
    tell("the API server reaches pods, runs commands in them and reads their logs");
    let names = said.contains("names: yes");
    tell(if names {
        "names of Services resolve in pods"
    } else {
        "names of Services do not resolve in pods (no cluster DNS): addresses are used in their place"
    });
    api.delete("Namespace", "", NAMESPACE)?;
    Ok(names)
}

/// Removes what an earlier run may have left, and waits until it is gone.
pub(crate) fn sweep(api: &Api, stop: &AtomicBool) -> Result<Vec<String>> {
    let labelled = format!("{}=yes", stage::LABEL);
    let mut swept = Vec::new();
    for kind in crate::api::CLUSTER_WIDE {
        for found in api.list(kind, "", &labelled)? {
            api.delete(kind, "", name(&found))?;
            swept.push(format!("{kind} {}", name(&found)));
        }
        for found in api.list(kind, "", "")? {
            // A release that was not uninstalled, and the rendered chart of the GitOps scenario.
            if name(&found).starts_with(stage::NAME) {
                api.delete(kind, "", name(&found))?;
                swept.push(format!("{kind} {}", name(&found)));
            }
        }
    }
    let namespaces = api.list("Namespace", "", &labelled)?;
    for namespace in &namespaces {
        api.delete("Namespace", "", name(namespace))?;
        swept.push(format!("Namespace {}", name(namespace)));
    }
    until(
        stop,
        "namespaces of an earlier run are gone",
        Duration::from_secs(180),
        || {
            let left = api.list("Namespace", "", &labelled)?;
            Ok(left.is_empty().then_some(()))
        },
    )?;
    Ok(swept)
}

fn tell(what: &str) {
    eprintln!("e2e: {what}");
}
