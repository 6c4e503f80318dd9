//! A layer of an image: a tar archive whose bytes depend on its content alone.

use std::collections::BTreeMap;
use std::io::Write;

use anyhow::{Context, Result, bail};
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

/// A layer that is written: the archive and its packed form.
pub(super) struct Finished {
    pub(super) unpacked: Vec<u8>,
    pub(super) packed: Vec<u8>,
}

const BLOCK: usize = 512;

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
        let mut unpacked = Vec::new();
        for (path, entry) in &self.entries {
            write_entry(&mut unpacked, path, entry)
                .with_context(|| format!("failed to put /{path} into the layer"))?;
        }
        unpacked.extend([0; 2 * BLOCK]);
        // No time and no name go into the packed form either.
        let mut packer = GzBuilder::new().write(Vec::new(), Compression::best());
        packer
            .write_all(&unpacked)
            .context("failed to pack the layer")?;
        let packed = packer.finish().context("failed to pack the layer")?;
        Ok(Finished { unpacked, packed })
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

/// One entry in the `ustar` form.
fn write_entry(archive: &mut Vec<u8>, path: &str, entry: &Entry) -> Result<()> {
    let (kind, name, size, target) = match &entry.kind {
        Kind::Folder => (b'5', format!("{path}/"), 0, ""),
        Kind::File(bytes) => (b'0', path.to_owned(), bytes.len(), ""),
        Kind::Link(target) => (b'2', path.to_owned(), 0, target.as_str()),
    };
    let mut header = [0_u8; BLOCK];
    put(&mut header, 0, 100, name.as_bytes())?;
    put_octal(&mut header, 100, 8, u64::from(entry.mode))?;
    put_octal(&mut header, 108, 8, u64::from(entry.user))?;
    put_octal(&mut header, 116, 8, u64::from(entry.group))?;
    put_octal(&mut header, 124, 12, size as u64)?;
    put_octal(&mut header, 136, 12, 0)?;
    put(&mut header, 148, 8, b"        ")?;
    put(&mut header, 156, 1, &[kind])?;
    put(&mut header, 157, 100, target.as_bytes())?;
    put(&mut header, 257, 8, b"ustar\x0000")?;
    let sum: u64 = header.iter().map(|byte| u64::from(*byte)).sum();
    put(&mut header, 148, 8, format!("{sum:06o}\0 ").as_bytes())?;
    archive.extend(header);
    if let Kind::File(bytes) = &entry.kind {
        archive.extend(bytes);
        archive.extend(vec![0; bytes.len().next_multiple_of(BLOCK) - bytes.len()]);
    }
    Ok(())
}

fn put(header: &mut [u8; BLOCK], at: usize, width: usize, bytes: &[u8]) -> Result<()> {
    let field = header.get_mut(at..at + width);
    let Some(field) = field.and_then(|field| field.get_mut(..bytes.len())) else {
        bail!(
            "`{}` is too long for a tar archive",
            String::from_utf8_lossy(bytes)
        );
    };
    field.copy_from_slice(bytes);
    Ok(())
}

fn put_octal(header: &mut [u8; BLOCK], at: usize, width: usize, number: u64) -> Result<()> {
    put(
        header,
        at,
        width,
        format!("{number:0digits$o}", digits = width - 1).as_bytes(),
    )
}

/// Writes files one after the other as a tar archive, in the given order.
pub(super) fn plain_archive(files: &[(String, &[u8])]) -> Result<Vec<u8>> {
    let mut archive = Vec::new();
    for (path, bytes) in files {
        let entry = Entry {
            mode: 0o644,
            user: 0,
            group: 0,
            kind: Kind::File(bytes.to_vec()),
        };
        write_entry(&mut archive, path, &entry)
            .with_context(|| format!("failed to put {path} into the archive"))?;
    }
    archive.extend([0; 2 * BLOCK]);
    Ok(archive)
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
        assert_eq!(one.unpacked, two.unpacked);
        assert_eq!(one.packed, two.packed);
    }

    #[test]
    fn tar_reads_what_is_written() {
        let mut tar = Command::new("tar")
            .args(["--list", "--verbose", "--numeric-owner", "--gzip"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let packed = sample().finish().unwrap().packed;
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
    fn a_name_that_does_not_fit_is_told() {
        let mut layer = Layer::default();
        layer.file(&"a".repeat(101), 0o644, Vec::new());
        let error = layer.finish().map(|_| ()).unwrap_err();
        assert!(format!("{error:#}").contains("too long"));
    }
}
