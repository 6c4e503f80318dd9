//! Building the programs of the images: static, and without a path of this machine in them.
//!
//! The C library is the GNU one, linked statically. From 2.34 on it resolves names by `files` and
//! `dns` without loading anything, so that an image needs no library.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::workspace;

/// What is built for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Target {
    /// Rust's name of it.
    pub(super) triple: &'static str,
    /// Its architecture's name in an image.
    pub(super) architecture: &'static str,
    /// The C compiler that builds and links for it from another machine.
    compiler: &'static str,
    /// Where Debian has that compiler.
    package: &'static str,
}

const TARGETS: [Target; 2] = [
    Target {
        triple: "x86_64-unknown-linux-gnu",
        architecture: "amd64",
        compiler: "x86_64-linux-gnu-gcc",
        package: "gcc-x86-64-linux-gnu",
    },
    Target {
        triple: "aarch64-unknown-linux-gnu",
        architecture: "arm64",
        compiler: "aarch64-linux-gnu-gcc",
        package: "gcc-aarch64-linux-gnu",
    },
];

impl Target {
    /// The machine's own.
    pub(crate) fn here() -> Self {
        let [amd64, arm64] = TARGETS;
        if cfg!(target_arch = "aarch64") {
            arm64
        } else {
            amd64
        }
    }

    /// By the architecture's name in an image.
    pub(crate) fn of(architecture: &str) -> Result<Self> {
        TARGETS
            .into_iter()
            .find(|target| target.architecture == architecture)
            .with_context(|| {
                format!("no image is made for {architecture:?}; accepted are amd64 and arm64")
            })
    }

    /// Whether programs for it start on this machine.
    pub(super) fn is_here(self) -> bool {
        self == Self::here()
    }

    /// What building for it needs besides what every build needs, or what is missing.
    fn environment(self) -> Result<Vec<(String, String)>> {
        if self.is_here() {
            return Ok(Vec::new());
        }
        let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
        let root = workspace::output(Command::new(rustc).args(["--print", "sysroot"]))?;
        let root = PathBuf::from(String::from_utf8_lossy(&root).trim());
        if !root
            .join("lib/rustlib")
            .join(self.triple)
            .join("lib")
            .is_dir()
        {
            bail!(
                "an image for {} needs Rust's library for {}, which this toolchain has not: `rustup target add {}`",
                self.architecture,
                self.triple,
                self.triple
            );
        }
        if workspace::output(Command::new(self.compiler).arg("--version")).is_err() {
            bail!(
                "an image for {} needs a C compiler for it, `{}`, which was not found (Debian: `apt install {}`)",
                self.architecture,
                self.compiler,
                self.package
            );
        }
        let name = self.triple.replace('-', "_");
        Ok(vec![
            (format!("CC_{name}"), self.compiler.to_owned()),
            (
                format!("CARGO_TARGET_{}_LINKER", name.to_uppercase()),
                self.compiler.to_owned(),
            ),
        ])
    }
}

/// Builds the program of a package, which has the package's name, for this machine and returns it.
pub(crate) fn build(package: &str, profile: &str) -> Result<Vec<u8>> {
    build_for(Target::here(), package, profile)
}

/// As [`build`], for another machine.
pub(super) fn build_for(target: Target, package: &str, profile: &str) -> Result<Vec<u8>> {
    let folder = folder();
    let environment = target.environment()?;
    let mut flags = vec!["-C".to_owned(), "target-feature=+crt-static".to_owned()];
    if profile == "agent" {
        // The profile aborts on a panic, so nothing ever unwinds: the tables for it are dead weight.
        flags.extend(["-C".to_owned(), "force-unwind-tables=no".to_owned()]);
        if cfg!(target_arch = "x86_64") {
            // Rust's own linker is the usual one here. It can leave out the tables that compiled libraries
            // bring along as well, and make one of functions that are equal.
            let script = workspace::root().join("xtask/src/image/unwinding.ld");
            for argument in [
                "-Wl,--icf=all",
                "-Wl,--no-eh-frame-hdr",
                "-T",
                &script.display().to_string(),
            ] {
                flags.extend(["-C".to_owned(), format!("link-arg={argument}")]);
            }
        }
    }
    if target.architecture == "amd64"
        && target.is_here()
        && c_library().is_some_and(|version| version >= (2, 36))
    {
        // Packed relocations take a few bytes in place of 24 each. A static program relocates
        // itself, which the C library can do with packed ones since 2.36.
        let packed = "link-arg=-Wl,-z,pack-relative-relocs".to_owned();
        flags.extend(["-C".to_owned(), packed]);
    }
    for (from, to) in [(workspace::root(), "/leasehold"), (cargo_home(), "/cargo")] {
        flags.push(format!("--remap-path-prefix={}={to}", from.display()));
    }
    // A path with a blank in it would fall apart in RUSTFLAGS.
    let flags = flags.join("\u{1f}");
    let mut command = workspace::cargo(&["build", "--locked", "--target", target.triple]);
    command
        .args(["--profile", profile, "--package", package])
        .arg("--target-dir")
        .arg(&folder)
        .env("CARGO_ENCODED_RUSTFLAGS", flags)
        .envs(environment);
    workspace::run(&mut command)?;
    let path = path_for(target, package, profile);
    let bytes = fs::read(&path).with_context(|| format!("failed to read {}", path.display()))?;
    if !is_static(&bytes) {
        bail!(
            "{} is not a static program: it names a loader, which an image does not have",
            path.display()
        );
    }
    if target.is_here() {
        workspace::output(Command::new(&path).arg("--help"))
            .context("the program that was built does not start")?;
    }
    Ok(bytes)
}

/// The version of the C library that is linked in, from `ldd`, which belongs to it.
pub(super) fn c_library() -> Option<(u32, u32)> {
    let text = workspace::output(Command::new("ldd").arg("--version")).ok()?;
    let text = String::from_utf8_lossy(&text).into_owned();
    let version = text.lines().next()?.split_whitespace().next_back()?;
    let (major, minor) = version.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// Where [`build`] leaves the program of a package.
pub(crate) fn path(package: &str, profile: &str) -> PathBuf {
    path_for(Target::here(), package, profile)
}

fn path_for(target: Target, package: &str, profile: &str) -> PathBuf {
    folder().join(target.triple).join(profile).join(package)
}

/// A folder of its own, or every other build would start anew with its own flags.
fn folder() -> PathBuf {
    workspace::root().join("target/image/build")
}

fn cargo_home() -> PathBuf {
    match std::env::var_os("CARGO_HOME") {
        Some(home) => PathBuf::from(home),
        None => Path::new(&std::env::var_os("HOME").unwrap_or_default()).join(".cargo"),
    }
}

/// Whether a 64-bit little-endian ELF program names no loader.
fn is_static(program: &[u8]) -> bool {
    const LOADER: u32 = 3;
    let half = |at: usize| -> Option<usize> {
        let bytes = program.get(at..at + 2)?;
        Some(usize::from(u16::from_le_bytes(bytes.try_into().ok()?)))
    };
    let table = || -> Option<usize> {
        let bytes = program.get(0x20..0x28)?;
        usize::try_from(u64::from_le_bytes(bytes.try_into().ok()?)).ok()
    };
    let (Some(table), Some(size), Some(count)) = (table(), half(0x36), half(0x38)) else {
        return false;
    };
    program.starts_with(b"\x7fELF\x02\x01")
        && (0..count).all(|index| {
            let at = table + index * size;
            program.get(at..at + 4) != Some(&LOADER.to_le_bytes())
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_architecture_has_its_target() {
        assert_eq!(
            Target::of("arm64").unwrap().triple,
            "aarch64-unknown-linux-gnu"
        );
        assert!(Target::here().environment().unwrap().is_empty());
        let error = Target::of("riscv64").unwrap_err().to_string();
        assert!(error.ends_with("accepted are amd64 and arm64"), "{error}");
    }

    #[test]
    fn a_program_that_names_a_loader_is_not_static() {
        // The tests' own program is linked dynamically.
        let own = fs::read(std::env::current_exe().unwrap()).unwrap();
        assert!(own.starts_with(b"\x7fELF"));
        assert!(!is_static(&own));
        assert!(!is_static(b"\x7fELF"));
        let mut none = vec![0; 0x40];
        none[..6].copy_from_slice(b"\x7fELF\x02\x01");
        assert!(is_static(&none));
    }
}
