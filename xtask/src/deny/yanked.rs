//! Versions that their authors took back, by the copy of the registry's index that cargo keeps.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// Tells every version that is marked as yanked. A package whose index entry is not kept on this
/// machine was not looked up since, and is passed over.
pub(super) fn check(versions: &BTreeSet<(String, String)>) -> Result<Vec<String>> {
    let caches = caches()?;
    let mut findings = Vec::new();
    for (name, version) in versions {
        for cache in &caches {
            let Ok(entry) = fs::read(cache.join(place(name))) else {
                continue;
            };
            if is_yanked(&entry, version) {
                findings.push(format!(
                    "{name} {version} was taken back by its authors (yanked); \
                     `cargo update -p {name}` finds another"
                ));
            }
        }
    }
    Ok(findings)
}

fn caches() -> Result<Vec<PathBuf>> {
    let home = match std::env::var_os("CARGO_HOME") {
        Some(home) => PathBuf::from(home),
        None => match std::env::var_os("HOME") {
            Some(home) => Path::new(&home).join(".cargo"),
            None => return Ok(Vec::new()),
        },
    };
    let indexes = home.join("registry/index");
    let entries = match fs::read_dir(&indexes) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => {
            return Err(error).with_context(|| format!("failed to list {}", indexes.display()));
        }
    };
    Ok(entries
        .flatten()
        .map(|entry| entry.path().join(".cache"))
        .filter(|path| path.is_dir())
        .collect())
}

/// Where the index has a package: by the first letters of its name.
fn place(name: &str) -> PathBuf {
    let name = name.to_lowercase();
    let part = |from: usize, to: usize| name.get(from..to).unwrap_or_default().to_owned();
    match name.len() {
        1 => PathBuf::from("1").join(&name),
        2 => PathBuf::from("2").join(&name),
        3 => PathBuf::from("3").join(part(0, 1)).join(&name),
        _ => PathBuf::from(part(0, 2)).join(part(2, 4)).join(&name),
    }
}

/// An entry is binary with one JSON object for each version in it.
fn is_yanked(entry: &[u8], version: &str) -> bool {
    entry
        .split(|byte| *byte == 0 || *byte == b'\n')
        .any(|line| {
            serde_json::from_slice::<serde_json::Value>(line).is_ok_and(|object| {
                object["vers"].as_str() == Some(version) && object["yanked"].as_bool() == Some(true)
            })
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_index_is_read_by_name_and_version() {
        assert_eq!(place("serde_json"), Path::new("se/rd/serde_json"));
        assert_eq!(place("log"), Path::new("3/l/log"));
        assert_eq!(place("A"), Path::new("1/a"));
        let entry = b"\x03\x01etag\0\
            1.0.0\0{\"name\":\"a\",\"vers\":\"1.0.0\",\"yanked\":true}\0\
            1.0.1\0{\"name\":\"a\",\"vers\":\"1.0.1\",\"yanked\":false}\0";
        assert!(is_yanked(entry, "1.0.0"));
        assert!(!is_yanked(entry, "1.0.1"));
        assert!(!is_yanked(entry, "2.0.0"));
    }
}
