//! What the kubelet reads from a pod, with the checks that the API server makes before it.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value;

/// Which of the three lives a container leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Runs to its end before the next one starts.
    Init,
    /// An init container that is restarted for ever: starts in order, ends after the applications.
    Sidecar,
    /// One of `spec.containers`.
    App,
}

/// `spec.restartPolicy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RestartPolicy {
    Always,
    OnFailure,
    Never,
}

#[derive(Debug, Clone)]
pub(super) struct Manifest {
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) service_account: String,
    pub(super) restart_policy: RestartPolicy,
    pub(super) grace: Duration,
    pub(super) shared_processes: bool,
    pub(super) fs_group: Option<u32>,
    /// The uid of all containers, if there is exactly one: it decides a token's mode.
    pub(super) fs_user: Option<u32>,
    pub(super) volumes: Vec<Value>,
    pub(super) containers: Vec<Container>,
    pub(super) object: Value,
}

#[derive(Debug, Clone)]
pub(super) struct Container {
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) image: String,
    pub(super) command: Vec<String>,
    pub(super) env: Vec<Value>,
    pub(super) env_from: Vec<Value>,
    pub(super) working_dir: Option<String>,
    pub(super) mounts: Vec<Mount>,
    pub(super) user: Option<u32>,
    pub(super) group: Option<u32>,
    pub(super) groups: Vec<u32>,
    pub(super) non_root: bool,
    pub(super) read_only_root: bool,
    pub(super) may_escalate: bool,
    pub(super) drops_all: bool,
    pub(super) post_start: Option<Handler>,
    pub(super) pre_stop: Option<Handler>,
    pub(super) startup: Option<Probe>,
    pub(super) liveness: Option<Probe>,
    pub(super) readiness: Option<Probe>,
    pub(super) message_path: String,
    pub(super) message_from_logs: bool,
}

#[derive(Debug, Clone)]
pub(super) struct Mount {
    pub(super) volume: String,
    pub(super) path: String,
    pub(super) sub_path: String,
    pub(super) read_only: bool,
}

/// What a hook or probe does.
#[derive(Debug, Clone)]
pub(super) enum Handler {
    Exec(Vec<String>),
    Http { port: u16, path: String },
    Tcp { port: u16 },
    Sleep(Duration),
}

#[derive(Debug, Clone)]
pub(super) struct Probe {
    pub(super) handler: Handler,
    pub(super) delay: Duration,
    pub(super) period: Duration,
    pub(super) timeout: Duration,
    pub(super) failures: u32,
}

impl Manifest {
    pub(super) fn read(pod: &Value) -> Result<Self, String> {
        let spec = &pod["spec"];
        let security = &spec["securityContext"];
        let mut containers = Vec::new();
        for item in list(&spec["initContainers"]) {
            let kind = match item["restartPolicy"].as_str() {
                Some("Always") => Kind::Sidecar,
                _ => Kind::Init,
            };
            containers.push(Container::read(item, kind, spec)?);
        }
        if list(&spec["containers"]).is_empty() {
            return Err("spec.containers: Required value".to_owned());
        }
        for item in list(&spec["containers"]) {
            containers.push(Container::read(item, Kind::App, spec)?);
        }
        let manifest = Self {
            namespace: text(&pod["metadata"]["namespace"])
                .unwrap_or("default")
                .to_owned(),
            name: text(&pod["metadata"]["name"])
                .unwrap_or_default()
                .to_owned(),
            service_account: text(&spec["serviceAccountName"])
                .unwrap_or("default")
                .to_owned(),
            restart_policy: match text(&spec["restartPolicy"]) {
                Some("Never") => RestartPolicy::Never,
                Some("OnFailure") => RestartPolicy::OnFailure,
                _ => RestartPolicy::Always,
            },
            grace: seconds(&spec["terminationGracePeriodSeconds"], 30),
            shared_processes: spec["shareProcessNamespace"] == true,
            fs_group: id(&security["fsGroup"]),
            fs_user: one_user(&containers),
            volumes: list(&spec["volumes"]).to_vec(),
            containers,
            object: pod.clone(),
        };
        manifest.validate()?;
        Ok(manifest)
    }

    fn validate(&self) -> Result<(), String> {
        if self.name.is_empty() {
            return Err("metadata.name: Required value: name or generateName is required".into());
        }
        let mut volumes = BTreeSet::new();
        for volume in &self.volumes {
            let name = text(&volume["name"]).unwrap_or_default();
            if !volumes.insert(name) {
                return Err(format!("spec.volumes: Duplicate value: {name:?}"));
            }
        }
        let mut names = BTreeSet::new();
        for container in &self.containers {
            let name = &container.name;
            if !names.insert(name) {
                return Err(format!("containers: Duplicate value: {name:?}"));
            }
            let mut paths = BTreeSet::new();
            for mount in &container.mounts {
                if !volumes.contains(mount.volume.as_str()) {
                    return Err(format!(
                        "container {name:?}: volumeMounts: Not found: {:?}",
                        mount.volume
                    ));
                }
                if !paths.insert(mount.path.trim_end_matches('/')) {
                    return Err(format!(
                        "container {name:?}: volumeMounts.mountPath: Invalid value: {:?}: must be \
                         unique",
                        mount.path
                    ));
                }
            }
            if container.kind == Kind::Init
                && (container.post_start.is_some() || container.startup.is_some())
            {
                return Err(format!(
                    "container {name:?}: hooks and probes may not be set for init containers \
                     without restartPolicy=Always"
                ));
            }
        }
        Ok(())
    }
}

impl Container {
    fn read(item: &Value, kind: Kind, spec: &Value) -> Result<Self, String> {
        let name = text(&item["name"]).unwrap_or_default().to_owned();
        let own = &item["securityContext"];
        let pod = &spec["securityContext"];
        let either = |field: &str| match &own[field] {
            Value::Null => pod[field].clone(),
            value => value.clone(),
        };
        let mut command = texts(&item["command"]);
        let image = text(&item["image"]).unwrap_or_default().to_owned();
        if image.is_empty() {
            return Err(format!("container {name:?}: image: Required value"));
        }
        command.extend(texts(&item["args"]));
        let mut groups: Vec<u32> = list(&pod["supplementalGroups"])
            .iter()
            .filter_map(id)
            .collect();
        groups.extend(id(&pod["fsGroup"]));
        let drops = list(&own["capabilities"]["drop"]);
        let lifecycle = &item["lifecycle"];
        let mut mounts = Vec::new();
        for mount in list(&item["volumeMounts"]) {
            let path = text(&mount["mountPath"]).unwrap_or_default();
            if path.is_empty() {
                return Err(format!(
                    "container {name:?}: volumeMounts.mountPath: Required value"
                ));
            }
            mounts.push(Mount {
                volume: text(&mount["name"]).unwrap_or_default().to_owned(),
                path: path.to_owned(),
                sub_path: text(&mount["subPath"]).unwrap_or_default().to_owned(),
                read_only: mount["readOnly"] == true,
            });
        }
        let handler = |value: &Value| handler(value).map_err(|error| format!("{name:?}: {error}"));
        let probe = |value: &Value| probe(value).map_err(|error| format!("{name:?}: {error}"));
        Ok(Self {
            post_start: handler(&lifecycle["postStart"])?,
            pre_stop: handler(&lifecycle["preStop"])?,
            startup: probe(&item["startupProbe"])?,
            liveness: probe(&item["livenessProbe"])?,
            readiness: probe(&item["readinessProbe"])?,
            kind,
            image,
            command,
            env: list(&item["env"]).to_vec(),
            env_from: list(&item["envFrom"]).to_vec(),
            working_dir: text(&item["workingDir"]).map(str::to_owned),
            mounts,
            user: id(&either("runAsUser")),
            group: id(&either("runAsGroup")),
            groups,
            non_root: either("runAsNonRoot") == true,
            read_only_root: own["readOnlyRootFilesystem"] == true,
            may_escalate: own["allowPrivilegeEscalation"] != false,
            drops_all: drops.iter().any(|name| name == "ALL"),
            message_path: text(&item["terminationMessagePath"])
                .unwrap_or("/dev/termination-log")
                .to_owned(),
            message_from_logs: item["terminationMessagePolicy"] == "FallbackToLogsOnError",
            name,
        })
    }
}

/// The kubelet owns token files by a user only when all containers have that one.
fn one_user(containers: &[Container]) -> Option<u32> {
    let mut users = containers.iter().map(|container| container.user);
    let first = users.next().flatten()?;
    users.all(|user| user == Some(first)).then_some(first)
}

fn handler(value: &Value) -> Result<Option<Handler>, String> {
    if value.is_null() {
        return Ok(None);
    }
    if value["exec"].is_object() {
        return Ok(Some(Handler::Exec(texts(&value["exec"]["command"]))));
    }
    let port = |value: &Value| {
        value
            .as_u64()
            .and_then(|port| u16::try_from(port).ok())
            .ok_or_else(|| format!("the runner knows numbered ports only, not {value}"))
    };
    if value["httpGet"].is_object() {
        let get = &value["httpGet"];
        let path = text(&get["path"]).unwrap_or("/").to_owned();
        return Ok(Some(Handler::Http {
            port: port(&get["port"])?,
            path,
        }));
    }
    if value["tcpSocket"].is_object() {
        return Ok(Some(Handler::Tcp {
            port: port(&value["tcpSocket"]["port"])?,
        }));
    }
    if value["sleep"].is_object() {
        return Ok(Some(Handler::Sleep(seconds(&value["sleep"]["seconds"], 0))));
    }
    Err(format!("must specify a handler type, not {value}"))
}

fn probe(value: &Value) -> Result<Option<Probe>, String> {
    Ok(handler_of_probe(value)?.map(|handler| Probe {
        handler,
        delay: seconds(&value["initialDelaySeconds"], 0),
        period: seconds(&value["periodSeconds"], 10),
        timeout: seconds(&value["timeoutSeconds"], 1),
        failures: value["failureThreshold"]
            .as_u64()
            .map_or(3, |count| count as u32),
    }))
}

fn handler_of_probe(value: &Value) -> Result<Option<Handler>, String> {
    if value.is_null() {
        Ok(None)
    } else {
        handler(value)
    }
}

pub(super) fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

pub(super) fn text(value: &Value) -> Option<&str> {
    value.as_str()
}

fn texts(value: &Value) -> Vec<String> {
    list(value)
        .iter()
        .filter_map(text)
        .map(str::to_owned)
        .collect()
}

fn seconds(value: &Value, default: u64) -> Duration {
    Duration::from_secs(value.as_u64().unwrap_or(default))
}

fn id(value: &Value) -> Option<u32> {
    value.as_u64().and_then(|id| u32::try_from(id).ok())
}

/// A Kubernetes quantity in whole units, such as `64Mi`.
pub(super) fn quantity(text: &str) -> Option<u64> {
    let digits = text
        .find(|letter: char| !letter.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, suffix) = text.split_at(digits);
    let factor: u64 = match suffix {
        "" => 1,
        "k" => 1_000,
        "M" => 1_000_000,
        "G" => 1_000_000_000,
        "Ki" => 1 << 10,
        "Mi" => 1 << 20,
        "Gi" => 1 << 30,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}
