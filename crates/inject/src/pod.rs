//! The pod as it came, read through types: only the fields that decide something here.
//!
//! The types borrow from the JSON value and are never written back, so fields that they do not
//! know survive. What is of the wrong type is refused with a message.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::go::json;

/// The pod under review.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Pod<'a> {
    #[serde(borrow, default)]
    metadata: Option<Metadata<'a>>,
    #[serde(borrow, default)]
    spec: Option<Spec<'a>>,
    #[serde(borrow, default)]
    status: Option<Status<'a>>,
}

#[derive(Debug, Default, Deserialize)]
struct Metadata<'a> {
    #[serde(borrow, default)]
    name: Option<&'a str>,
    #[serde(borrow, default)]
    annotations: Option<BTreeMap<&'a str, Option<&'a str>>>,
}

#[derive(Debug, Default, Deserialize)]
struct Status<'a> {
    #[serde(borrow, default)]
    phase: Option<&'a str>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec<'a> {
    #[serde(borrow, default)]
    containers: Option<Vec<Container<'a>>>,
    #[serde(borrow, default)]
    init_containers: Option<Vec<Container<'a>>>,
    #[serde(borrow, default)]
    volumes: Option<Vec<Volume<'a>>>,
    #[serde(default)]
    share_process_namespace: Option<bool>,
    #[serde(default)]
    host_network: Option<bool>,
    #[serde(default)]
    security_context: Option<PodSecurityContext>,
    #[serde(borrow, default)]
    node_selector: Option<BTreeMap<&'a str, Option<&'a str>>>,
    #[serde(borrow, default)]
    os: Option<Os<'a>>,
    #[serde(default)]
    termination_grace_period_seconds: Option<i64>,
}

#[derive(Debug, Default, Deserialize)]
struct Os<'a> {
    #[serde(borrow, default)]
    name: Option<&'a str>,
}

/// The parts of the pod's own security context that the agent's token depends on.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PodSecurityContext {
    #[serde(default)]
    pub(crate) run_as_user: Option<i64>,
    #[serde(default)]
    pub(crate) fs_group: Option<i64>,
}

/// A container or init container.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Container<'a> {
    #[serde(borrow, default)]
    name: Option<&'a str>,
    #[serde(borrow, default)]
    env: Option<Vec<Env<'a>>>,
    #[serde(borrow, default)]
    volume_mounts: Option<Vec<Mount<'a>>>,
    #[serde(default)]
    security_context: Option<ContainerSecurityContext>,
}

/// The parts of a container's security context that the agent may take over.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ContainerSecurityContext {
    #[serde(default)]
    pub(crate) run_as_user: Option<i64>,
}

/// A variable of a container.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Env<'a> {
    #[serde(borrow, default)]
    name: Option<&'a str>,
    #[serde(borrow, default)]
    value: Option<&'a str>,
    /// Where the value comes from, as it is written.
    #[serde(default)]
    pub(crate) value_from: Option<Value>,
}

/// A volume mount.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Mount<'a> {
    #[serde(borrow, default)]
    name: Option<&'a str>,
    #[serde(borrow, default)]
    mount_path: Option<&'a str>,
    #[serde(default)]
    read_only: Option<bool>,
}

/// A volume of the pod.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Volume<'a> {
    #[serde(borrow, default)]
    name: Option<&'a str>,
    #[serde(borrow, default)]
    pub(crate) projected: Option<Projected<'a>>,
}

/// A projected volume.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Projected<'a> {
    #[serde(borrow, default)]
    sources: Option<Vec<Source<'a>>>,
    #[serde(default)]
    pub(crate) default_mode: Option<i64>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Source<'a> {
    #[serde(borrow, default)]
    service_account_token: Option<TokenProjection<'a>>,
}

/// A service account token in a projected volume.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TokenProjection<'a> {
    #[serde(borrow, default)]
    path: Option<&'a str>,
    #[serde(borrow, default)]
    audience: Option<&'a str>,
    #[serde(default)]
    pub(crate) expiration_seconds: Option<i64>,
}

/// Why an object cannot be read as a pod.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NoPod {
    /// The established words.
    pub(crate) words: String,
    /// The annotation at fault, where it is one.
    pub(crate) annotation: Option<String>,
}

impl From<String> for NoPod {
    fn from(words: String) -> Self {
        Self {
            words,
            annotation: None,
        }
    }
}

impl<'a> Pod<'a> {
    /// Reads an object as a pod, or says in the established words why that cannot be.
    pub(crate) fn read(object: &'a Value) -> Result<Self, NoPod> {
        match object {
            Value::Null => return Err("unexpected end of JSON input".to_owned().into()),
            Value::Object(_) => {}
            other => {
                let kind = json::kind(other);
                let words = format!("json: cannot unmarshal {kind} into Go value of type v1.Pod");
                return Err(words.into());
            }
        }
        if let Some(annotations) = object.pointer("/metadata/annotations") {
            check_texts(annotations)?;
        }
        Self::deserialize(object).map_err(|error| {
            format!("json: cannot unmarshal the object into a Pod: {error}").into()
        })
    }

    /// The annotations, in the order of their names; a null counts as empty.
    pub(crate) fn annotations(&self) -> impl Iterator<Item = (&'a str, &'a str)> + '_ {
        self.metadata
            .iter()
            .filter_map(|m| m.annotations.as_ref())
            .flatten()
            .map(|(key, value)| (*key, value.unwrap_or_default()))
    }

    pub(crate) fn name(&self) -> &'a str {
        self.metadata
            .as_ref()
            .and_then(|m| m.name)
            .unwrap_or_default()
    }

    pub(crate) fn phase(&self) -> &'a str {
        self.status
            .as_ref()
            .and_then(|s| s.phase)
            .unwrap_or_default()
    }

    pub(crate) fn containers(&self) -> &[Container<'a>] {
        self.spec
            .as_ref()
            .and_then(|s| s.containers.as_deref())
            .unwrap_or_default()
    }

    pub(crate) fn init_containers(&self) -> &[Container<'a>] {
        self.spec
            .as_ref()
            .and_then(|s| s.init_containers.as_deref())
            .unwrap_or_default()
    }

    /// Containers, then init containers.
    pub(crate) fn all_containers(&self) -> impl Iterator<Item = &Container<'a>> {
        self.containers().iter().chain(self.init_containers())
    }

    pub(crate) fn volumes(&self) -> &[Volume<'a>] {
        self.spec
            .as_ref()
            .and_then(|s| s.volumes.as_deref())
            .unwrap_or_default()
    }

    pub(crate) fn volume(&self, name: &str) -> Option<&Volume<'a>> {
        self.volumes().iter().find(|v| v.name() == name)
    }

    pub(crate) fn share_process_namespace(&self) -> Option<bool> {
        self.spec.as_ref().and_then(|s| s.share_process_namespace)
    }

    pub(crate) fn host_network(&self) -> bool {
        self.spec
            .as_ref()
            .and_then(|s| s.host_network)
            .unwrap_or_default()
    }

    pub(crate) fn security_context(&self) -> PodSecurityContext {
        self.spec
            .as_ref()
            .and_then(|s| s.security_context)
            .unwrap_or_default()
    }

    /// The seconds between the end signal and the kill.
    pub(crate) fn grace_seconds(&self) -> i64 {
        self.spec
            .as_ref()
            .and_then(|s| s.termination_grace_period_seconds)
            .unwrap_or(30)
    }

    /// Whether the pod is meant for Windows nodes.
    pub(crate) fn is_windows(&self) -> bool {
        let Some(spec) = &self.spec else { return false };
        let os = spec.os.as_ref().and_then(|os| os.name).unwrap_or_default();
        let selected = spec.node_selector.as_ref().is_some_and(|selector| {
            ["kubernetes.io/os", "beta.kubernetes.io/os"]
                .iter()
                .any(|label| selector.get(label).copied().flatten() == Some("windows"))
        });
        os == "windows" || selected
    }

    /// Whether a kubelet made the pod from a file of its node.
    pub(crate) fn is_mirror(&self) -> bool {
        self.annotations()
            .any(|(key, _)| key == "kubernetes.io/config.mirror")
    }
}

impl<'a> Container<'a> {
    pub(crate) fn name(&self) -> &'a str {
        self.name.unwrap_or_default()
    }

    pub(crate) fn mounts(&self) -> &[Mount<'a>] {
        self.volume_mounts.as_deref().unwrap_or_default()
    }

    pub(crate) fn env(&self) -> &[Env<'a>] {
        self.env.as_deref().unwrap_or_default()
    }

    pub(crate) fn security_context(&self) -> Option<ContainerSecurityContext> {
        self.security_context
    }

    /// Whether the container has a list of mounts that can be appended to.
    pub(crate) fn has_mounts(&self) -> bool {
        !self.mounts().is_empty()
    }
}

impl<'a> Env<'a> {
    pub(crate) fn name(&self) -> &'a str {
        self.name.unwrap_or_default()
    }

    pub(crate) fn value(&self) -> &'a str {
        self.value.unwrap_or_default()
    }
}

impl<'a> Mount<'a> {
    pub(crate) fn name(&self) -> &'a str {
        self.name.unwrap_or_default()
    }

    pub(crate) fn path(&self) -> &'a str {
        self.mount_path.unwrap_or_default()
    }
}

impl Mount<'_> {
    pub(crate) fn is_read_only(&self) -> bool {
        self.read_only.unwrap_or_default()
    }
}

impl<'a> Volume<'a> {
    pub(crate) fn name(&self) -> &'a str {
        self.name.unwrap_or_default()
    }

    /// The service account tokens of a projected volume, in order.
    pub(crate) fn tokens(&self) -> impl Iterator<Item = TokenProjection<'a>> + '_ {
        self.projected
            .iter()
            .filter_map(|p| p.sources.as_ref())
            .flatten()
            .filter_map(|s| s.service_account_token)
    }
}

impl<'a> TokenProjection<'a> {
    pub(crate) fn path(&self) -> &'a str {
        self.path.unwrap_or_default()
    }

    /// The audience; empty for the API server's own.
    pub(crate) fn audience(&self) -> &'a str {
        self.audience.unwrap_or_default()
    }
}

/// Says which annotation is no text, as the type of the map cannot name it.
fn check_texts(annotations: &Value) -> Result<(), NoPod> {
    let wrong = match annotations {
        Value::Null => return Ok(()),
        Value::Object(map) => map.iter().find(|(_, v)| !v.is_string() && !v.is_null()),
        other => {
            return Err(format!(
                "json: cannot unmarshal {} into Go struct field ObjectMeta.metadata.annotations \
                 of type map[string]string",
                json::kind(other)
            )
            .into());
        }
    };
    match wrong {
        None => Ok(()),
        Some((name, value)) => Err(NoPod {
            words: format!(
                "json: cannot unmarshal {} into Go struct field ObjectMeta.metadata.annotations \
                 of type string",
                json::kind(value)
            ),
            annotation: Some(name.clone()),
        }),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_no_pod_is_refused_in_the_established_words() {
        for (object, want) in [
            (json!(null), "unexpected end of JSON input"),
            (
                json!([]),
                "json: cannot unmarshal array into Go value of type v1.Pod",
            ),
            (
                json!("pod"),
                "json: cannot unmarshal string into Go value of type v1.Pod",
            ),
        ] {
            let error = Pod::read(&object).map(|_| ()).unwrap_err();
            assert_eq!(error, NoPod::from(want.to_owned()));
        }
        let object = json!({"metadata": {"annotations": {"a": 1}}});
        let error = Pod::read(&object).map(|_| ()).unwrap_err();
        assert_eq!(error.annotation.as_deref(), Some("a"));
        assert!(error.words.contains("cannot unmarshal number"), "{error:?}");
        let object = json!({"spec": {"containers": "app"}});
        assert!(Pod::read(&object).is_err());
    }

    #[test]
    fn nulls_count_as_absent() {
        let object = json!({"metadata": null, "spec": {"containers": null}, "status": null});
        let pod = Pod::read(&object).unwrap();
        assert!(pod.containers().is_empty() && pod.name().is_empty());
    }

    #[test]
    fn windows_is_told_from_the_field_and_from_the_selector() {
        for (spec, want) in [
            (json!({"os": {"name": "windows"}}), true),
            (
                json!({"nodeSelector": {"kubernetes.io/os": "windows"}}),
                true,
            ),
            (
                json!({"nodeSelector": {"kubernetes.io/os": "linux"}}),
                false,
            ),
            (json!({}), false),
        ] {
            let object = json!({"spec": spec});
            assert_eq!(Pod::read(&object).unwrap().is_windows(), want, "{object}");
        }
    }
}
