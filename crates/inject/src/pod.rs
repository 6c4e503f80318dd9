//! The pod as it came, read through types: only the fields that decide something here.
//!
//! The types borrow from the pod's JSON text and are never written back, so fields that they do not know survive, and
//! cost no more than to be passed over. What is of the wrong type is refused with a message.

use std::borrow::{Borrow, Cow};
use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::go::json;

/// The pod under review.
#[derive(Debug)]
pub(crate) struct Pod<'a> {
    text: &'a str,
    fields: Fields<'a>,
}

#[derive(Debug, Deserialize)]
struct Fields<'a> {
    #[serde(borrow, default, deserialize_with = "object")]
    metadata: Option<Metadata<'a>>,
    #[serde(borrow, default, deserialize_with = "object")]
    spec: Option<Spec<'a>>,
    #[serde(borrow, default, deserialize_with = "object")]
    status: Option<Status<'a>>,
}

/// A text of the pod: a piece of its JSON, or a copy where something is escaped in it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl Borrow<str> for Text<'_> {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// The text; empty where there is none.
fn text<'t>(text: &'t Option<Text<'_>>) -> &'t str {
    text.as_ref().map_or("", |text| &text.0)
}

#[derive(Debug, Default, Deserialize)]
struct Metadata<'a> {
    #[serde(borrow, default)]
    name: Option<Text<'a>>,
    #[serde(borrow, default)]
    annotations: Option<BTreeMap<Text<'a>, Option<Text<'a>>>>,
}

#[derive(Debug, Default, Deserialize)]
struct Status<'a> {
    #[serde(borrow, default)]
    phase: Option<Text<'a>>,
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
    node_selector: Option<BTreeMap<Text<'a>, Option<Text<'a>>>>,
    #[serde(borrow, default)]
    os: Option<Os<'a>>,
    #[serde(default)]
    termination_grace_period_seconds: Option<i64>,
}

#[derive(Debug, Default, Deserialize)]
struct Os<'a> {
    #[serde(borrow, default)]
    name: Option<Text<'a>>,
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
    name: Option<Text<'a>>,
    #[serde(borrow, default)]
    env: Option<Vec<Env<'a>>>,
    #[serde(borrow, default)]
    volume_mounts: Option<Vec<Mount<'a>>>,
    #[serde(default)]
    security_context: Option<ContainerSecurityContext>,
    #[serde(default)]
    resources: Option<IgnoredAny>,
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
    name: Option<Text<'a>>,
    #[serde(borrow, default)]
    value: Option<Text<'a>>,
    /// Where the value comes from, as it is written.
    #[serde(borrow, default)]
    pub(crate) value_from: Option<&'a RawValue>,
}

/// A volume mount.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Mount<'a> {
    #[serde(borrow, default)]
    name: Option<Text<'a>>,
    #[serde(borrow, default)]
    mount_path: Option<Text<'a>>,
    #[serde(default)]
    read_only: Option<bool>,
}

/// A volume of the pod.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Volume<'a> {
    #[serde(borrow, default)]
    name: Option<Text<'a>>,
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
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TokenProjection<'a> {
    #[serde(borrow, default)]
    path: Option<Text<'a>>,
    #[serde(borrow, default)]
    audience: Option<Text<'a>>,
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
    /// Reads an object's JSON text as a pod, or says in the established words why that cannot be.
    pub(crate) fn read(text: &'a str) -> Result<Self, NoPod> {
        let text = text.trim_start();
        // A derived reader would take a list for a pod.
        let fields = match text.starts_with('{') {
            true => serde_json::from_str(text).map_err(|error| no_pod(text, Some(&error))),
            false => Err(no_pod(text, None)),
        }?;
        Ok(Self { text, fields })
    }

    /// The annotations, in the order of their names; a null counts as empty.
    pub(crate) fn annotations(&self) -> impl Iterator<Item = (&str, &str)> {
        self.fields
            .metadata
            .iter()
            .filter_map(|m| m.annotations.as_ref())
            .flatten()
            .map(|(key, value)| (&*key.0, self::text(value)))
    }

    pub(crate) fn name(&self) -> &str {
        self.fields.metadata.as_ref().map_or("", |m| text(&m.name))
    }

    /// Whether there are annotations, be it none, that others can be added to.
    pub(crate) fn has_annotations(&self) -> bool {
        let metadata = self.fields.metadata.as_ref();
        metadata.is_some_and(|m| m.annotations.is_some())
    }

    pub(crate) fn has_metadata(&self) -> bool {
        self.fields.metadata.is_some()
    }

    pub(crate) fn phase(&self) -> &str {
        self.fields.status.as_ref().map_or("", |s| text(&s.phase))
    }

    pub(crate) fn containers(&self) -> &[Container<'a>] {
        self.spec()
            .and_then(|s| s.containers.as_deref())
            .unwrap_or_default()
    }

    pub(crate) fn init_containers(&self) -> &[Container<'a>] {
        self.spec()
            .and_then(|s| s.init_containers.as_deref())
            .unwrap_or_default()
    }

    /// The mounts of the containers with a name, with all their fields. Few pods ask for these, so they are read only
    /// then.
    pub(crate) fn mounts_as_written(&self, name: &str) -> Vec<Map<String, Value>> {
        let containers = serde_json::from_str::<WithMounts<'_>>(self.text)
            .ok()
            .and_then(|pod| pod.spec)
            .map(|spec| [spec.containers, spec.init_containers])
            .unwrap_or_default();
        containers
            .into_iter()
            .flatten()
            .flatten()
            .filter(|container| text(&container.name) == name)
            .flat_map(|container| container.volume_mounts.unwrap_or_default())
            .collect()
    }

    /// Containers, then init containers.
    pub(crate) fn all_containers(&self) -> impl Iterator<Item = &Container<'a>> {
        self.containers().iter().chain(self.init_containers())
    }

    pub(crate) fn volumes(&self) -> &[Volume<'a>] {
        self.spec()
            .and_then(|s| s.volumes.as_deref())
            .unwrap_or_default()
    }

    pub(crate) fn volume(&self, name: &str) -> Option<&Volume<'a>> {
        self.volumes().iter().find(|v| v.name() == name)
    }

    pub(crate) fn share_process_namespace(&self) -> Option<bool> {
        self.spec().and_then(|s| s.share_process_namespace)
    }

    pub(crate) fn host_network(&self) -> bool {
        self.spec().and_then(|s| s.host_network).unwrap_or_default()
    }

    pub(crate) fn security_context(&self) -> PodSecurityContext {
        self.spec()
            .and_then(|s| s.security_context)
            .unwrap_or_default()
    }

    /// The seconds between the end signal and the kill.
    pub(crate) fn grace_seconds(&self) -> i64 {
        self.spec()
            .and_then(|s| s.termination_grace_period_seconds)
            .unwrap_or(30)
    }

    /// Whether the pod is meant for Windows nodes.
    pub(crate) fn is_windows(&self) -> bool {
        let Some(spec) = self.spec() else {
            return false;
        };
        let os = spec.os.as_ref().map_or("", |os| text(&os.name));
        let selected = spec.node_selector.as_ref().is_some_and(|selector| {
            ["kubernetes.io/os", "beta.kubernetes.io/os"]
                .iter()
                .any(|label| selector.get(*label).is_some_and(|os| text(os) == "windows"))
        });
        os == "windows" || selected
    }

    fn spec(&self) -> Option<&Spec<'a>> {
        self.fields.spec.as_ref()
    }

    /// Whether a kubelet made the pod from a file of its node.
    pub(crate) fn is_mirror(&self) -> bool {
        self.annotations()
            .any(|(key, _)| key == "kubernetes.io/config.mirror")
    }
}

impl<'a> Container<'a> {
    pub(crate) fn name(&self) -> &str {
        text(&self.name)
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

    pub(crate) fn has_resources(&self) -> bool {
        self.resources.is_some()
    }

    /// Whether the container has a list of mounts that can be appended to.
    pub(crate) fn has_mounts(&self) -> bool {
        !self.mounts().is_empty()
    }
}

impl Env<'_> {
    pub(crate) fn name(&self) -> &str {
        text(&self.name)
    }

    pub(crate) fn value(&self) -> &str {
        text(&self.value)
    }
}

impl Mount<'_> {
    pub(crate) fn name(&self) -> &str {
        text(&self.name)
    }

    pub(crate) fn path(&self) -> &str {
        text(&self.mount_path)
    }

    pub(crate) fn is_read_only(&self) -> bool {
        self.read_only.unwrap_or_default()
    }
}

impl<'a> Volume<'a> {
    pub(crate) fn name(&self) -> &str {
        text(&self.name)
    }

    /// The service account tokens of a projected volume, in order.
    pub(crate) fn tokens(&self) -> impl Iterator<Item = &TokenProjection<'a>> {
        self.projected
            .iter()
            .filter_map(|p| p.sources.as_ref())
            .flatten()
            .filter_map(|s| s.service_account_token.as_ref())
    }
}

impl TokenProjection<'_> {
    pub(crate) fn path(&self) -> &str {
        text(&self.path)
    }

    /// The audience; empty for the API server's own.
    pub(crate) fn audience(&self) -> &str {
        text(&self.audience)
    }
}

/// The same pod, with the whole of its mounts.
#[derive(Deserialize)]
struct WithMounts<'a> {
    #[serde(borrow)]
    spec: Option<ContainersWithMounts<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ContainersWithMounts<'a> {
    #[serde(borrow)]
    containers: Option<Vec<ContainerWithMounts<'a>>>,
    #[serde(borrow)]
    init_containers: Option<Vec<ContainerWithMounts<'a>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ContainerWithMounts<'a> {
    #[serde(borrow)]
    name: Option<Text<'a>>,
    volume_mounts: Option<Vec<Map<String, Value>>>,
}

/// Reads an object, or a null for none; a derived reader would take a list for one.
fn object<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    struct Object<T>(std::marker::PhantomData<T>);

    impl<'de, T: Deserialize<'de>> Visitor<'de> for Object<T> {
        type Value = Option<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(None)
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
            T::deserialize(MapAccessDeserializer::new(map)).map(Some)
        }
    }

    deserializer.deserialize_any(Object(std::marker::PhantomData))
}

/// Why a text is no pod: `error`, or something that the established words are known for.
fn no_pod(text: &str, error: Option<&serde_json::Error>) -> NoPod {
    let object = match json::parse(text) {
        Ok(Value::Null) => return "unexpected end of JSON input".to_owned().into(),
        Err(words) if error.is_none() => return words.into(),
        object => object.unwrap_or_default(),
    };
    if let Some(annotations) = object.pointer("/metadata/annotations")
        && let Err(wrong) = check_texts(annotations)
    {
        return wrong;
    }
    match error {
        None => {
            let kind = json::kind(&object);
            format!("json: cannot unmarshal {kind} into Go value of type v1.Pod").into()
        }
        Some(error) => {
            // Where in the request it is helps nobody who wrote a manifest.
            let place = format!(" at line {} column {}", error.line(), error.column());
            let words = error.to_string();
            let words = words.strip_suffix(&place).unwrap_or(&words);
            format!("json: cannot unmarshal the object into a Pod: {words}").into()
        }
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
            let error = Pod::read(&object.to_string()).map(drop).unwrap_err();
            assert_eq!(error, NoPod::from(want.to_owned()));
        }
        assert_eq!(
            Pod::read("").unwrap_err().words,
            "unexpected end of JSON input"
        );
        let object = json!({"metadata": {"annotations": {"a": 1}}});
        let error = Pod::read(&object.to_string()).map(drop).unwrap_err();
        assert_eq!(error.annotation.as_deref(), Some("a"));
        assert!(error.words.contains("cannot unmarshal number"), "{error:?}");
        for (object, want) in [
            (
                json!({"spec": {"containers": "app"}}),
                "invalid type: string \"app\", expected a sequence",
            ),
            (
                json!({"spec": []}),
                "invalid type: sequence, expected an object",
            ),
        ] {
            let error = Pod::read(&object.to_string()).map(drop).unwrap_err();
            let start = "json: cannot unmarshal the object into a Pod: ";
            assert_eq!(error.words, format!("{start}{want}"));
        }
    }

    #[test]
    fn nulls_count_as_absent() {
        let object = json!({"metadata": null, "spec": {"containers": null}, "status": null});
        let object = object.to_string();
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
            let object = json!({"spec": spec}).to_string();
            assert_eq!(Pod::read(&object).unwrap().is_windows(), want, "{object}");
        }
    }
}
