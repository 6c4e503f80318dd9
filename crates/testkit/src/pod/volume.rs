//! The volumes of a pod: what a kubelet puts in them, with its modes, owners and links.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::cluster::{Objects, TokenSpec};

use super::manifest::{Manifest, list, quantity, text};
use super::sandbox::Powers;

/// A volume and what is needed to fill it again.
#[derive(Debug)]
pub(super) struct Volume {
    pub(super) name: String,
    pub(super) source: Source,
    tokens: Vec<HeldToken>,
    generation: u32,
}

#[derive(Debug)]
pub(super) enum Source {
    /// tmpfs of at most so many bytes, mounted in the sandbox.
    Memory { size: Option<u64> },
    /// An empty folder on disk.
    Disk,
    /// Files that the kubelet writes and replaces by swapping a link.
    Written(Value),
    /// A path of this machine.
    Host(PathBuf),
}

/// A token in a volume, kept until it is time for the next one.
#[derive(Debug)]
struct HeldToken {
    path: String,
    token: String,
    made: SystemTime,
    lifetime: Duration,
}

/// One file to write.
struct Entry {
    content: Vec<u8>,
    mode: u32,
    owner: Option<u32>,
}

impl Volume {
    pub(super) fn read(volume: &Value) -> Result<Self, String> {
        let name = text(&volume["name"]).unwrap_or_default().to_owned();
        let source = if volume["emptyDir"].is_object() {
            let empty = &volume["emptyDir"];
            let size = match text(&empty["sizeLimit"]) {
                Some(limit) => Some(quantity(limit).ok_or_else(|| {
                    format!("volume {name:?}: the runner cannot read the size limit {limit:?}")
                })?),
                None => None,
            };
            match text(&empty["medium"]) {
                Some("Memory") => Source::Memory { size },
                _ => Source::Disk,
            }
        } else if let Some(path) = text(&volume["hostPath"]["path"]) {
            Source::Host(PathBuf::from(path))
        } else if ["projected", "configMap", "secret", "downwardAPI"]
            .iter()
            .any(|kind| volume[*kind].is_object())
        {
            Source::Written(volume.clone())
        } else if volume.as_object().is_some_and(|fields| fields.len() == 1) {
            // No source at all means emptyDir.
            Source::Disk
        } else {
            return Err(format!(
                "volume {name:?}: the runner does not know its kind: {volume}"
            ));
        };
        Ok(Self {
            name,
            source,
            tokens: Vec::new(),
            generation: 0,
        })
    }

    /// When the kubelet will replace one of its tokens: at four fifths of its life, at the latest
    /// after a day.
    pub(super) fn next_rotation(&self) -> Option<SystemTime> {
        self.tokens
            .iter()
            .map(|held| held.made + (held.lifetime * 4 / 5).min(Duration::from_secs(86_400)))
            .min()
    }

    /// Forgets the tokens, so that the next fill asks for new ones.
    pub(super) fn expire_tokens(&mut self) {
        self.tokens.clear();
    }

    /// Makes the folder, and writes its files if the kubelet does.
    pub(super) fn fill(
        &mut self,
        folder: &Path,
        manifest: &Manifest,
        objects: &Objects,
        token_lifetime: Option<Duration>,
        powers: Powers,
    ) -> Result<(), String> {
        let problem = |error: io::Error| format!("volume {:?}: {error}", self.name);
        match &self.source {
            // Mounted and given its mode by the sandbox.
            Source::Memory { .. } => return fs::create_dir_all(folder).map_err(problem),
            Source::Host(_) => return Ok(()),
            Source::Disk => {
                fs::create_dir_all(folder).map_err(problem)?;
                let mode = if manifest.fs_group.is_some() {
                    0o2777
                } else {
                    0o777
                };
                if powers == Powers::Root {
                    chown(folder, None, manifest.fs_group).map_err(problem)?;
                }
                return fs::set_permissions(folder, fs::Permissions::from_mode(mode))
                    .map_err(problem);
            }
            Source::Written(_) => {}
        }
        let Source::Written(source) = &self.source else {
            return Ok(());
        };
        let source = source.clone();
        let entries = self.entries(&source, manifest, objects, token_lifetime)?;
        self.generation += 1;
        write_atomically(folder, self.generation, &entries, manifest, powers)
            .map_err(|error| format!("volume {:?}: {error}", self.name))
    }

    fn entries(
        &mut self,
        volume: &Value,
        manifest: &Manifest,
        objects: &Objects,
        token_lifetime: Option<Duration>,
    ) -> Result<BTreeMap<String, Entry>, String> {
        let mut entries = BTreeMap::new();
        let whole = ["configMap", "secret", "downwardAPI"]
            .iter()
            .find(|kind| volume[**kind].is_object());
        if let Some(kind) = whole {
            let source = &volume[*kind];
            let mode = mode(&source["defaultMode"], 0o644);
            add_source(&mut entries, kind, source, mode, manifest, objects)?;
            return Ok(entries);
        }
        let projected = &volume["projected"];
        let default = mode(&projected["defaultMode"], 0o644);
        for source in list(&projected["sources"]) {
            let token = &source["serviceAccountToken"];
            if token.is_object() {
                let path = text(&token["path"]).unwrap_or_default().to_owned();
                // The kubelet hands a token to its readers only, where it knows them.
                let mode = match (manifest.fs_user, manifest.fs_group) {
                    (None, None) => default,
                    _ => 0o600,
                };
                let content = self.token(&path, token, manifest, objects, token_lifetime);
                entries.insert(
                    path,
                    Entry {
                        content: content.into_bytes(),
                        mode,
                        owner: manifest.fs_user,
                    },
                );
                continue;
            }
            for kind in ["configMap", "secret", "downwardAPI"] {
                if source[kind].is_object() {
                    add_source(
                        &mut entries,
                        kind,
                        &source[kind],
                        default,
                        manifest,
                        objects,
                    )?;
                }
            }
        }
        Ok(entries)
    }

    fn token(
        &mut self,
        path: &str,
        source: &Value,
        manifest: &Manifest,
        objects: &Objects,
        token_lifetime: Option<Duration>,
    ) -> String {
        let now = SystemTime::now();
        if let Some(held) = self.tokens.iter().find(|held| held.path == path)
            && self.next_rotation().is_some_and(|time| time > now)
        {
            return held.token.clone();
        }
        let asked = Duration::from_secs(source["expirationSeconds"].as_u64().unwrap_or(3600));
        let lifetime = token_lifetime.map_or(asked, |limit| limit.min(asked));
        let audiences: Vec<&str> = text(&source["audience"]).into_iter().collect();
        let spec = TokenSpec::new(&manifest.namespace, &manifest.service_account, &audiences)
            .expiring_after(i64::try_from(lifetime.as_secs()).unwrap_or(i64::MAX))
            .bound_to_pod(&manifest.name);
        let token = objects.mint(&spec);
        self.tokens.retain(|held| held.path != path);
        self.tokens.push(HeldToken {
            path: path.to_owned(),
            token: token.clone(),
            made: now,
            lifetime,
        });
        token
    }
}

fn add_source(
    entries: &mut BTreeMap<String, Entry>,
    kind: &str,
    source: &Value,
    default: u32,
    manifest: &Manifest,
    objects: &Objects,
) -> Result<(), String> {
    if kind == "downwardAPI" {
        for item in list(&source["items"]) {
            let path = text(&item["path"]).unwrap_or_default().to_owned();
            let field = text(&item["fieldRef"]["fieldPath"]).unwrap_or_default();
            let content = field_value(&manifest.object, field)?.into_bytes();
            let mode = mode(&item["mode"], default);
            entries.insert(
                path,
                Entry {
                    content,
                    mode,
                    owner: None,
                },
            );
        }
        return Ok(());
    }
    let (resource, field) = match kind {
        "secret" => ("secrets", "secretName"),
        _ => ("configmaps", "name"),
    };
    let name = text(&source[field])
        .or_else(|| text(&source["name"]))
        .unwrap_or_default();
    let Some(object) = objects.get("", resource, Some(&manifest.namespace), name) else {
        if source["optional"] == true {
            return Ok(());
        }
        return Err(format!("{resource} \"{name}\" not found"));
    };
    let data = data_of(&object);
    let items = list(&source["items"]);
    if items.is_empty() {
        for (key, content) in data {
            entries.insert(
                key,
                Entry {
                    content,
                    mode: default,
                    owner: None,
                },
            );
        }
        return Ok(());
    }
    for item in items {
        let key = text(&item["key"]).unwrap_or_default();
        let path = text(&item["path"]).unwrap_or_default().to_owned();
        let content = data
            .get(key)
            .ok_or_else(|| format!("references non-existent {kind} key: {key}"))?
            .clone();
        entries.insert(
            path,
            Entry {
                content,
                mode: mode(&item["mode"], default),
                owner: None,
            },
        );
    }
    Ok(())
}

/// The content of a Secret (base64) or ConfigMap (text).
pub(super) fn data_of(object: &Value) -> BTreeMap<String, Vec<u8>> {
    let is_secret = object["kind"] == "Secret";
    let fields = object["data"].as_object().into_iter().flatten();
    fields
        .map(|(key, value)| {
            let value = text(value).unwrap_or_default();
            let content = if is_secret {
                STANDARD.decode(value).unwrap_or_default()
            } else {
                value.as_bytes().to_vec()
            };
            (key.clone(), content)
        })
        .collect()
}

/// A field of the pod as the downward API gives it.
pub(super) fn field_value(pod: &Value, field: &str) -> Result<String, String> {
    let metadata = &pod["metadata"];
    let map = |name: &str| {
        let fields = metadata[name].as_object().into_iter().flatten();
        let lines: Vec<String> = fields
            .map(|(key, value)| format!("{key}={:?}", text(value).unwrap_or_default()))
            .collect();
        lines.join("\n")
    };
    let keyed = |prefix: &str| {
        field
            .strip_prefix(prefix)
            .and_then(|rest| rest.strip_suffix("']"))
            .map(str::to_owned)
    };
    if let Some(key) = keyed("metadata.labels['") {
        return Ok(text(&metadata["labels"][key])
            .unwrap_or_default()
            .to_owned());
    }
    if let Some(key) = keyed("metadata.annotations['") {
        return Ok(text(&metadata["annotations"][key])
            .unwrap_or_default()
            .to_owned());
    }
    let value = match field {
        "metadata.name" => text(&metadata["name"]).unwrap_or_default().to_owned(),
        "metadata.namespace" => text(&metadata["namespace"]).unwrap_or("default").to_owned(),
        "metadata.uid" => text(&metadata["uid"]).unwrap_or_default().to_owned(),
        "metadata.labels" => map("labels"),
        "metadata.annotations" => map("annotations"),
        "spec.nodeName" => "node-1".to_owned(),
        "spec.serviceAccountName" => text(&pod["spec"]["serviceAccountName"])
            .unwrap_or("default")
            .to_owned(),
        // The network is this machine's own.
        "status.hostIP" | "status.hostIPs" | "status.podIP" | "status.podIPs" => {
            "127.0.0.1".to_owned()
        }
        _ => return Err(format!("unsupported fieldPath: {field}")),
    };
    Ok(value)
}

/// Writes the files into a new folder, then swaps the link that all names go through, as the
/// kubelet's atomic writer does.
fn write_atomically(
    folder: &Path,
    generation: u32,
    entries: &BTreeMap<String, Entry>,
    manifest: &Manifest,
    powers: Powers,
) -> io::Result<()> {
    let version = format!("..{generation:08}");
    let target = folder.join(&version);
    fs::create_dir_all(&target)?;
    let group = manifest.fs_group.filter(|_| powers == Powers::Root);
    let folder_mode = if manifest.fs_group.is_some() {
        0o2755
    } else {
        0o755
    };
    for path in [folder, &target] {
        chown(path, None, group)?;
        fs::set_permissions(path, fs::Permissions::from_mode(folder_mode))?;
    }
    for (name, entry) in entries {
        let path = target.join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(&path, &entry.content)?;
        let owner = entry.owner.filter(|_| powers == Powers::Root);
        chown(&path, owner, group)?;
        // Read-only volumes of a group are made readable for it.
        let mode = if manifest.fs_group.is_some() {
            entry.mode | 0o440
        } else {
            entry.mode
        };
        fs::set_permissions(&path, fs::Permissions::from_mode(mode))?;
    }
    let data = folder.join("..data");
    let old = fs::read_link(&data).ok();
    let temporary = folder.join("..data_tmp");
    let _ = fs::remove_file(&temporary);
    symlink(&version, &temporary)?;
    fs::rename(&temporary, &data)?;
    for name in entries.keys() {
        let first = name.split('/').next().unwrap_or(name);
        let link = folder.join(first);
        if fs::symlink_metadata(&link).is_err() {
            symlink(Path::new("..data").join(first), &link)?;
        }
    }
    if let Some(old) = old {
        let _ = fs::remove_dir_all(folder.join(old));
    }
    Ok(())
}

fn mode(value: &Value, default: u32) -> u32 {
    value
        .as_u64()
        .map_or(default, |mode| (mode & 0o7777) as u32)
}
