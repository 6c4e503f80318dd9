//! Finds the real servers that `cargo xtask tools` brought, and the two binaries under test.
//!
//! What lies where is decided by that chore. Bringing is not done here: a test that downloads would
//! fail for the network's reasons.

use std::path::{Path, PathBuf};

/// The folder of the tools: `$LEASEHOLD_TOOLS`, or `target/tools` of the workspace.
pub fn folder() -> PathBuf {
    match std::env::var_os("LEASEHOLD_TOOLS") {
        Some(folder) if !folder.is_empty() => PathBuf::from(folder),
        _ => workspace().join("target/tools"),
    }
}

/// The OpenBao program.
pub fn bao() -> PathBuf {
    existing(folder().join("bin/bao"), "OpenBao")
}

/// A program of the PostgreSQL server, such as `initdb`.
pub fn postgresql(program: &str) -> PathBuf {
    existing(folder().join("postgresql/bin").join(program), "PostgreSQL")
}

/// Helm 3, where npm could bring it.
pub fn helm3() -> Option<PathBuf> {
    let path = folder().join("bin/helm");
    path.exists().then_some(path)
}

/// A Python that can import `helm_python`, the library form of Helm 4.
pub fn python_with_helm4() -> PathBuf {
    existing(folder().join("bin/python"), "Helm 4")
}

/// The root of the workspace that these tests belong to.
pub fn workspace() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_path_buf()
}

/// One of the two binaries under test, as the running profile built it.
///
/// `$LEASEHOLD_BIN_DIR` names another folder, for instance that of release builds. Otherwise it is
/// the folder of this test's own profile, where `cargo test --workspace` puts the binaries. A test of
/// one package alone finds what was built last.
pub fn product(name: &str) -> PathBuf {
    let path = match std::env::var_os("LEASEHOLD_BIN_DIR") {
        Some(folder) if !folder.is_empty() => PathBuf::from(folder).join(name),
        _ => profile_folder().join(name),
    };
    if !path.exists() {
        panic!(
            "the program {} is not there: build it first (`cargo build -p leasehold -p \
             leasehold-agent`)",
            path.display()
        );
    }
    path
}

/// `target/debug` or its like: the folder above the one that test executables are in.
fn profile_folder() -> PathBuf {
    let executable = std::env::current_exe().expect("the system tells this program's own path");
    let folder = executable.parent().expect("a program lies in a folder");
    match folder.file_name().and_then(|name| name.to_str()) {
        Some("deps" | "examples") => folder.parent().unwrap_or(folder).to_path_buf(),
        _ => folder.to_path_buf(),
    }
}

fn existing(path: PathBuf, title: &str) -> PathBuf {
    if !path.exists() {
        panic!(
            "{title} is not at {}: run `cargo xtask tools` first",
            path.display()
        );
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_workspace_is_the_folder_with_the_lock_file() {
        assert!(workspace().join("Cargo.lock").exists());
    }

    #[test]
    #[should_panic(expected = "run `cargo xtask tools` first")]
    fn a_missing_tool_says_what_to_run() {
        existing(PathBuf::from("/nowhere/bao"), "OpenBao");
    }
}
