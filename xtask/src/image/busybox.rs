//! A static busybox for the variant with a shell: given, found, or brought from Debian.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use super::layer::Layer;
use crate::workspace;

/// The program with what it can be called as.
pub(super) struct Busybox {
    program: Vec<u8>,
    /// Paths without the leading slash, such as `usr/bin/base64`.
    applets: Vec<String>,
    /// Its version, from its own banner.
    pub(super) version: String,
    /// The text of its licence, where the package has it.
    licence: Option<Vec<u8>>,
}

/// Finds one: the file that was named, else Debian's package, else one on PATH.
pub(super) fn find(given: Option<&Path>) -> Result<Busybox> {
    let root = workspace::root().join("target/image/busybox");
    let mut licence = None;
    let path = if let Some(path) = given {
        path.to_path_buf()
    } else if let Some(folder) = bring(&root)? {
        licence = fs::read(folder.join("usr/share/doc/busybox-static/copyright")).ok();
        ["usr/bin/busybox", "bin/busybox"]
            .iter()
            .map(|place| folder.join(place))
            .find(|path| path.is_file())
            .context("Debian's package busybox-static holds no busybox")?
    } else {
        on_path().context(
            "no busybox was found: neither apt-get (with dpkg-deb) nor a busybox is on PATH; \
             name a static one with --busybox FILE",
        )?
    };
    let program = fs::read(&path).with_context(|| format!("failed to read {}", path.display()))?;
    let list = workspace::output(Command::new(&path).arg("--list-full"))?;
    let applets: Vec<String> = String::from_utf8_lossy(&list)
        .lines()
        .map(|line| line.trim().trim_start_matches('/').to_owned())
        .filter(|line| !line.is_empty())
        .collect();
    if !applets.iter().any(|applet| applet == "bin/sh") {
        bail!("{} has no shell among its applets", path.display());
    }
    // The banner, `BusyBox v1.35.0 (Debian …) multi-call binary.`, is the only place of a version.
    let banner = Command::new(&path)
        .output()
        .with_context(|| format!("failed to start {}", path.display()))?;
    let banner = String::from_utf8_lossy(&banner.stdout).into_owned();
    let version = banner
        .split_whitespace()
        .nth(1)
        .map_or("unknown", |word| word.trim_start_matches('v'))
        .to_owned();
    Ok(Busybox {
        program,
        applets,
        version,
        licence,
    })
}

impl Busybox {
    /// Puts it at `/bin/busybox` with a link for each applet that has no file of its own.
    pub(super) fn add_to(&self, layer: &mut Layer) {
        layer.file("bin/busybox", 0o755, self.program.clone());
        for applet in &self.applets {
            if !layer.has(applet) {
                layer.link(applet, "/bin/busybox");
            }
        }
        if let Some(licence) = &self.licence {
            layer.file(
                "usr/share/licenses/busybox/copyright",
                0o644,
                licence.clone(),
            );
        }
    }
}

/// Downloads and unpacks Debian's package, which needs no root; `None` where there is no apt.
fn bring(folder: &Path) -> Result<Option<PathBuf>> {
    let unpacked = folder.join("unpacked");
    if unpacked.join("usr/share/doc/busybox-static").is_dir() {
        return Ok(Some(unpacked));
    }
    let there = |program: &str| {
        let mut command = Command::new(program);
        command
            .arg("--version")
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    if !there("apt-get") || !there("dpkg-deb") {
        return Ok(None);
    }
    fs::create_dir_all(folder)
        .with_context(|| format!("failed to make the folder {}", folder.display()))?;
    let mut download = Command::new("apt-get");
    download
        .args(["download", "--quiet", "--quiet", "busybox-static"])
        .current_dir(folder);
    if let Err(error) = workspace::run(&mut download) {
        eprintln!("image: busybox-static could not be downloaded ({error:#})");
        return Ok(None);
    }
    let package = fs::read_dir(folder)
        .with_context(|| format!("failed to list {}", folder.display()))?
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|extension| extension == "deb"))
        .context("apt-get download left no package")?;
    workspace::run(
        Command::new("dpkg-deb")
            .arg("--extract")
            .arg(&package)
            .arg(&unpacked),
    )?;
    Ok(Some(unpacked))
}

fn on_path() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join("busybox"))
        .find(|file| file.is_file())
}
