//! A layer of an image: a tar archive whose bytes depend on its content alone.

use std::collections::BTreeMap;
use std::io::Write;

use anyhow::{Context, Result};
use flate2::{Compression, GzBuilder};

/// Files, folders and links by path; written in the order of paths, without times.
#[derive(Default)]
pub(super) struct Layer {
    entries: BTreeMap<String, Entry>,
}

struct Entry {
    mode: u32,
    user: u32,
    group: u32,
    kind: Kind,
}

enum Kind {
    Folder,
    File(Vec<u8>),
    Link(String),
}

/// A layer that is written.
pub(super) struct Finished {
    /// The name of its archive's content, as a digest.
    pub(super) content: String,
    /// What is stored: the archive, packed or not.
    pub(super) stored: Vec<u8>,
    /// The media type of what is stored.
    pub(super) media: &'static str,
}

impl Layer {
    /// A file of root's. The folders above it are made.
    pub(super) fn file(&mut self, path: &str, mode: u32, bytes: Vec<u8>) {
        self.add(path, mode, (0, 0), Kind::File(bytes));
    }

    /// A symbolic link.
    pub(super) fn link(&mut self, path: &str, target: &str) {
        self.add(path, 0o777, (0, 0), Kind::Link(target.to_owned()));
    }

    /// A folder that belongs to somebody.
    pub(super) fn folder_of(&mut self, path: &str, mode: u32, user: u32, group: u32) {
        self.add(path, mode, (user, group), Kind::Folder);
    }

    /// Whether something has this path already.
    pub(super) fn has(&self, path: &str) -> bool {
        self.entries.contains_key(path)
    }

    /// The sum of all files' sizes, in bytes.
    pub(super) fn unpacked(&self) -> u64 {
        let sizes = self.entries.values().map(|entry| match &entry.kind {
            Kind::File(bytes) => bytes.len() as u64,
            Kind::Folder | Kind::Link(_) => 0,
        });
        sizes.sum()
    }

    /// Writes the archive and packs it.
    pub(super) fn finish(&self) -> Result<Finished> {
        let unpacked = self.archive()?;
        // No time and no name go into the packed form either.
        let mut packer = GzBuilder::new().write(Vec::new(), Compression::best());
        packer
            .write_all(&unpacked)
            .context("failed to pack the layer")?;
        Ok(Finished {
            content: super::archive::named(&unpacked),
            stored: packer.finish().context("failed to pack the layer")?,
            media: "application/vnd.oci.image.layer.v1.tar+gzip",
        })
    }

    /// Writes the archive, for an image that goes no further than this machine.
    pub(super) fn finish_unpacked(&self) -> Result<Finished> {
        let stored = self.archive()?;
        Ok(Finished {
            content: super::archive::named(&stored),
            stored,
            media: "application/vnd.oci.image.layer.v1.tar",
        })
    }

    fn archive(&self) -> Result<Vec<u8>> {
        let mut archive = tar::Builder::new(Vec::new());
        for (path, entry) in &self.entries {
            let owner = (entry.user, entry.group);
            append(&mut archive, path, entry.mode, owner, &entry.kind)
                .with_context(|| format!("failed to put /{path} into the layer"))?;
        }
        archive.into_inner().context("failed to end the layer")
    }

    fn add(&mut self, path: &str, mode: u32, (user, group): (u32, u32), kind: Kind) {
        let mut above = path;
        while let Some((folder, _)) = above.rsplit_once('/') {
            self.entries.entry(folder.to_owned()).or_insert(Entry {
                mode: 0o755,
                user: 0,
                group: 0,
                kind: Kind::Folder,
            });
            above = folder;
        }
        let entry = Entry {
            mode,
            user,
            group,
            kind,
        };
        self.entries.insert(path.to_owned(), entry);
    }
}

/// Files one after the other as a tar archive, in the given order.
pub(super) fn plain_archive(files: &[(String, &[u8])]) -> Result<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::new());
    for (path, bytes) in files {
        let mut header = plain_header(0o644, (0, 0));
        header.set_entry_type(tar::EntryType::Regular);
        header.set_size(bytes.len() as u64);
        archive
            .append_data(&mut header, path, *bytes)
            .with_context(|| format!("failed to put {path} into the archive"))?;
    }
    archive.into_inner().context("failed to end the archive")
}

/// Appends one entry whose header depends on nothing but the arguments.
fn append(
    archive: &mut tar::Builder<Vec<u8>>,
    path: &str,
    mode: u32,
    owner: (u32, u32),
    kind: &Kind,
) -> std::io::Result<()> {
    let mut header = plain_header(mode, owner);
    match kind {
        Kind::Folder => {
            header.set_entry_type(tar::EntryType::Directory);
            archive.append_data(&mut header, format!("{path}/"), std::io::empty())
        }
        Kind::File(bytes) => {
            header.set_entry_type(tar::EntryType::Regular);
            header.set_size(bytes.len() as u64);
            archive.append_data(&mut header, path, bytes.as_slice())
        }
        Kind::Link(target) => {
            header.set_entry_type(tar::EntryType::Symlink);
            archive.append_link(&mut header, path, target)
        }
    }
}

/// A header without time and size.
fn plain_header(mode: u32, (user, group): (u32, u32)) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_mode(mode);
    header.set_uid(user.into());
    header.set_gid(group.into());
    header.set_mtime(0);
    header.set_size(0);
    header
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    fn sample() -> Layer {
        let mut layer = Layer::default();
        layer.file("usr/local/bin/a", 0o755, b"program".to_vec());
        layer.link("bin/b", "/usr/local/bin/a");
        layer.folder_of("home/vault", 0o750, 100, 1000);
        layer
    }

    #[test]
    fn the_same_content_gives_the_same_bytes() {
        let (one, two) = (sample().finish().unwrap(), sample().finish().unwrap());
        assert_eq!(one.content, two.content);
        assert_eq!(one.stored, two.stored);
    }

    #[test]
    fn tar_reads_what_is_written() {
        let mut tar = Command::new("tar")
            .args(["--list", "--verbose", "--numeric-owner", "--gzip"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let packed = sample().finish().unwrap().stored;
        tar.stdin.take().unwrap().write_all(&packed).unwrap();
        let listed = String::from_utf8(tar.wait_with_output().unwrap().stdout).unwrap();
        for line in [
            "lrwxrwxrwx 0/0 0 1970-01-01 00:00 bin/b -> /usr/local/bin/a",
            "drwxr-x--- 100/1000 0 1970-01-01 00:00 home/vault/",
            "-rwxr-xr-x 0/0 7 1970-01-01 00:00 usr/local/bin/a",
        ] {
            let squeezed: Vec<_> = listed
                .lines()
                .map(|l| l.split_whitespace().collect::<Vec<_>>().join(" "))
                .collect();
            assert!(squeezed.iter().any(|l| l == line), "{line}\n{listed}");
        }
    }

    #[test]
    fn long_names_survive() {
        let mut layer = Layer::default();
        let name = format!("a/{}", "b".repeat(150));
        layer.file(&name, 0o644, Vec::new());
        let bytes = layer.finish_unpacked().unwrap().stored;
        let mut archive = tar::Archive::new(bytes.as_slice());
        let names: Vec<_> = archive
            .entries()
            .unwrap()
            .map(|entry| entry.unwrap().path().unwrap().display().to_string())
            .collect();
        assert_eq!(names, ["a/", name.as_str()]);
    }
}
