//! What is written into a pod: volumes, mounts and the agent's containers, as Kubernetes names their fields. What says
//! nothing is left out.
//!
//! What a pod already has is for `pod`; which of these a pod gets, for `plan`.

use std::borrow::Cow;

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

/// A volume of the pod.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Volume<'a> {
    pub(crate) name: Cow<'a, str>,
    #[serde(flatten)]
    pub(crate) source: VolumeSource<'a>,
}

/// Where a volume's files come from.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub(crate) enum VolumeSource<'a> {
    EmptyDir {
        medium: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        size_limit: Option<&'a str>,
    },
    ConfigMap {
        name: &'a str,
    },
    Secret {
        secret_name: &'a str,
    },
    Projected {
        sources: Vec<ProjectedSource<'a>>,
        default_mode: u32,
    },
}

/// One source of a projected volume.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub(crate) enum ProjectedSource<'a> {
    ServiceAccountToken {
        /// Empty for the API server's own.
        #[serde(skip_serializing_if = "str::is_empty")]
        audience: &'a str,
        expiration_seconds: u64,
        path: String,
    },
}

/// A mount of a container.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub(crate) enum Mount<'a> {
    /// One with no more than this.
    #[serde(rename_all = "camelCase")]
    Plain {
        name: Cow<'a, str>,
        #[serde(skip_serializing_if = "is_false")]
        read_only: bool,
        mount_path: Cow<'a, str>,
    },
    /// One that somebody else wrote, with fields that we may not know.
    AsWritten(Map<String, Value>),
}

impl<'a> Mount<'a> {
    pub(crate) fn writable(name: impl Into<Cow<'a, str>>, path: impl Into<Cow<'a, str>>) -> Self {
        Self::Plain {
            name: name.into(),
            read_only: false,
            mount_path: path.into(),
        }
    }

    pub(crate) fn read_only(name: impl Into<Cow<'a, str>>, path: impl Into<Cow<'a, str>>) -> Self {
        Self::Plain {
            name: name.into(),
            read_only: true,
            mount_path: path.into(),
        }
    }

    /// The volume's name; empty where there is none.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Plain { name, .. } => name,
            Self::AsWritten(map) => text_of(map, "name"),
        }
    }

    /// The path; empty where there is none.
    pub(crate) fn path(&self) -> &str {
        match self {
            Self::Plain { mount_path, .. } => mount_path,
            Self::AsWritten(map) => text_of(map, "mountPath"),
        }
    }
}

fn text_of<'m>(map: &'m Map<String, Value>, key: &str) -> &'m str {
    map.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// A container of the agent's.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Container<'a> {
    pub(crate) name: &'static str,
    pub(crate) image: &'a str,
    pub(crate) command: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) args: Option<[Cow<'static, str>; 1]>,
    pub(crate) env: Vec<Variable<'a>>,
    pub(crate) resources: Resources,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) restart_policy: Option<&'static str>,
    pub(crate) volume_mounts: Vec<Mount<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) lifecycle: Option<Lifecycle>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) startup_probe: Option<Probe>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) security_context: Option<SecurityContext>,
}

/// A variable of a container: a text, or where one comes from, or neither.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Variable<'a> {
    pub(crate) name: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) value: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) value_from: Option<ValueFrom<'a>>,
}

/// Where a variable's text comes from.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub(crate) enum ValueFrom<'a> {
    FieldRef {
        field_path: &'static str,
    },
    /// As the application has it.
    #[serde(untagged)]
    AsWritten(&'a RawValue),
}

/// Requests and limits.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Resources {
    #[serde(skip_serializing_if = "Amounts::is_empty")]
    pub(crate) limits: Amounts,
    #[serde(skip_serializing_if = "Amounts::is_empty")]
    pub(crate) requests: Amounts,
}

/// Amounts by the resource's name, in the order in which they were added.
#[derive(Clone, Debug, Default)]
pub(crate) struct Amounts(Vec<(&'static str, String)>);

impl Amounts {
    pub(crate) fn add(&mut self, resource: &'static str, amount: String) {
        self.0.push((resource, amount));
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for Amounts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(resource, amount)| (resource, amount)))
    }
}

/// What is run after a container's start and before its end.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Lifecycle {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) post_start: Option<Handler>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) pre_stop: Option<Handler>,
}

/// What a hook or probe does.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Handler {
    Exec { command: Vec<Cow<'static, str>> },
    Sleep { seconds: u64 },
}

/// A probe.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Probe {
    #[serde(flatten)]
    pub(crate) handler: Handler,
    pub(crate) period_seconds: u64,
    pub(crate) failure_threshold: u64,
}

/// What a container may do.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SecurityContext {
    pub(crate) capabilities: Capabilities,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) run_as_user: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) run_as_group: Option<i64>,
    pub(crate) run_as_non_root: bool,
    pub(crate) read_only_root_filesystem: bool,
    pub(crate) allow_privilege_escalation: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) seccomp_profile: Option<SeccompProfile>,
}

/// What the kernel lets a container's root do.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Capabilities {
    pub(crate) drop: [&'static str; 1],
}

/// The system calls that a container may make.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct SeccompProfile {
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde asks with a reference"
)]
fn is_false(flag: &bool) -> bool {
    !flag
}
