//! The archive of an image: an OCI layout in a tar file, with the index that `docker load` of older
//! engines reads besides.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use ring::digest::{SHA256, digest};
use serde_json::json;

use super::content;
use super::layer::{Finished, plain_archive};

/// What becomes an archive.
pub(super) struct Archive<'a> {
    pub(super) reference: &'a str,
    pub(super) title: &'a str,
    /// The name of what the programs run on.
    pub(super) architecture: &'a str,
    pub(super) entrypoint: String,
    pub(super) arguments: &'a [&'a str],
    /// Where programs are looked for.
    pub(super) path: &'a str,
    pub(super) revision: &'a content::Revision,
    pub(super) layer: Finished,
}

impl Archive<'_> {
    /// Writes the archive; returns the manifest's digest and the size of all that is pulled, in
    /// bytes.
    pub(super) fn write(&self, path: &Path) -> Result<(String, u64)> {
        let tag = self.reference.rsplit_once(':').map_or("", |(_, tag)| tag);
        let mut labels = json!({
            "org.opencontainers.image.title": self.title,
            "org.opencontainers.image.description": self.title,
            "org.opencontainers.image.source": "https://github.com/leasehold/leasehold",
            "org.opencontainers.image.created": self.revision.time,
            "org.opencontainers.image.version": tag,
            "org.opencontainers.image.licenses": "Apache-2.0",
            "org.opencontainers.image.vendor": "leasehold",
        });
        if let Some(commit) = &self.revision.commit {
            labels["org.opencontainers.image.revision"] = json!(commit);
        }
        let mut run = json!({
            "User": format!("{}:{}", content::USER, content::GROUP),
            "Env": [
                format!("PATH={}", self.path),
                "HOME=/home/vault",
                "SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt",
            ],
            "Entrypoint": [self.entrypoint],
            "WorkingDir": "/",
            "Labels": labels,
        });
        if !self.arguments.is_empty() {
            run["Cmd"] = json!(self.arguments);
        }
        let config = serde_json::to_vec(&json!({
            "created": self.revision.time,
            "architecture": self.architecture,
            "os": "linux",
            "config": run,
            "rootfs": {"type": "layers", "diff_ids": [self.layer.content]},
            "history": [{"created": self.revision.time, "created_by": "cargo xtask image"}],
        }))
        .context("failed to write the image's configuration")?;
        let manifest = serde_json::to_vec(&json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": descriptor("application/vnd.oci.image.config.v1+json", &config),
            "layers": [descriptor(self.layer.media, &self.layer.stored)],
            "annotations": labels,
        }))
        .context("failed to write the image's manifest")?;
        let mut entry = descriptor("application/vnd.oci.image.manifest.v1+json", &manifest);
        entry["platform"] = json!({"architecture": self.architecture, "os": "linux"});
        entry["annotations"] = json!({
            "io.containerd.image.name": self.reference,
            "org.opencontainers.image.ref.name": tag,
        });
        let index = serde_json::to_vec(&json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.index.v1+json",
            "manifests": [entry],
        }))
        .context("failed to write the archive's index")?;
        let docker = serde_json::to_vec(&json!([{
            "Config": blob(&config),
            "RepoTags": [self.reference],
            "Layers": [blob(&self.layer.stored)],
        }]))
        .context("failed to write the archive's second index")?;
        let archive = plain_archive(&[
            (
                "oci-layout".to_owned(),
                br#"{"imageLayoutVersion":"1.0.0"}"#,
            ),
            ("index.json".to_owned(), &index),
            ("manifest.json".to_owned(), &docker),
            (blob(&manifest), &manifest),
            (blob(&config), &config),
            (blob(&self.layer.stored), &self.layer.stored),
        ])?;
        fs::write(path, archive).with_context(|| format!("failed to write {}", path.display()))?;
        let pulled = manifest.len() + config.len() + self.layer.stored.len();
        Ok((named(&manifest), pulled as u64))
    }
}

fn descriptor(media: &str, bytes: &[u8]) -> serde_json::Value {
    json!({"mediaType": media, "digest": named(bytes), "size": bytes.len()})
}

fn blob(bytes: &[u8]) -> String {
    format!("blobs/sha256/{}", hexadecimal(bytes))
}

/// The digest of bytes as an image names it.
pub(super) fn named(bytes: &[u8]) -> String {
    format!("sha256:{}", hexadecimal(bytes))
}

fn hexadecimal(bytes: &[u8]) -> String {
    digest(&SHA256, bytes)
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::io::Read as _;

    use serde_json::Value;

    use super::*;
    use crate::image::layer::Layer;

    /// The files of the archive of a small image.
    fn sample() -> BTreeMap<String, Vec<u8>> {
        let mut layer = Layer::default();
        content::base(&mut layer).unwrap();
        let revision = content::Revision {
            commit: Some("abc".to_owned()),
            time: "2026-01-01T00:00:00Z".to_owned(),
        };
        let archive = Archive {
            reference: "ghcr.io/leasehold/leasehold:1.2.3",
            title: "A title",
            architecture: "arm64",
            entrypoint: "/usr/local/bin/leasehold".to_owned(),
            arguments: &["run"],
            path: "/usr/local/bin",
            revision: &revision,
            layer: layer.finish().unwrap(),
        };
        let folder = std::env::temp_dir().join(format!("leasehold-archive-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("a.tar");
        archive.write(&path).unwrap();
        let bytes = fs::read(&path).unwrap();
        fs::remove_dir_all(&folder).unwrap();
        let mut files = BTreeMap::new();
        for entry in tar::Archive::new(bytes.as_slice()).entries().unwrap() {
            let mut entry = entry.unwrap();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            files.insert(entry.path().unwrap().display().to_string(), content);
        }
        files
    }

    fn json_of(files: &BTreeMap<String, Vec<u8>>, digest: &Value) -> Value {
        let name = digest.as_str().unwrap().replace(':', "/");
        serde_json::from_slice(&files[&format!("blobs/{name}")]).unwrap()
    }

    #[test]
    fn both_indexes_name_the_image_in_full() {
        let files = sample();
        let index: Value = serde_json::from_slice(&files["index.json"]).unwrap();
        let annotations = &index["manifests"][0]["annotations"];
        assert_eq!(
            annotations["io.containerd.image.name"],
            "ghcr.io/leasehold/leasehold:1.2.3"
        );
        assert_eq!(annotations["org.opencontainers.image.ref.name"], "1.2.3");
        let docker: Value = serde_json::from_slice(&files["manifest.json"]).unwrap();
        assert_eq!(
            docker[0]["RepoTags"][0],
            "ghcr.io/leasehold/leasehold:1.2.3"
        );
        assert!(files.contains_key(docker[0]["Layers"][0].as_str().unwrap()));
    }

    #[test]
    fn an_image_tells_what_it_is_and_runs_as_nobody_special() {
        let files = sample();
        let index: Value = serde_json::from_slice(&files["index.json"]).unwrap();
        let manifest = json_of(&files, &index["manifests"][0]["digest"]);
        let config = json_of(&files, &manifest["config"]["digest"]);
        assert_eq!(config["architecture"], "arm64");
        assert_eq!(config["created"], "2026-01-01T00:00:00Z");
        assert_eq!(config["config"]["User"], "100:1000");
        for (label, value) in [
            ("title", "A title"),
            ("version", "1.2.3"),
            ("licenses", "Apache-2.0"),
            ("revision", "abc"),
            ("created", "2026-01-01T00:00:00Z"),
        ] {
            let label = format!("org.opencontainers.image.{label}");
            assert_eq!(config["config"]["Labels"][&label], value, "{label}");
            assert_eq!(manifest["annotations"][&label], value, "{label}");
        }
    }
}
