//! Where offline commands read manifests from: files, folders with their subfolders, standard input.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::flags::Parsed;

/// One text with the name that findings carry.
#[derive(Debug)]
pub struct Source {
    /// Path, or `-` for standard input.
    pub name: String,
    /// What is in it.
    pub text: String,
}

/// Why a source cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// No file, folder or `-` was given.
    #[error("nothing to read: give files or folders with -f, or -f - for standard input")]
    Nothing,
    /// A file or folder cannot be read.
    #[error("failed to read `{}`", .path.display())]
    Read {
        /// Its path.
        path: PathBuf,
        /// The reason.
        #[source]
        source: io::Error,
    },
    /// Standard input cannot be read.
    #[error("failed to read standard input")]
    Input(#[source] io::Error),
}

/// Names of everything to read, folders resolved: `-f` first, then words, each folder in order of names.
///
/// # Errors
/// When nothing is given, or a file or folder is not there.
pub fn names(parsed: &Parsed) -> Result<Vec<String>, SourceError> {
    let given = parsed.texts("f").iter().chain(&parsed.words);
    let mut names = Vec::new();
    let mut any = false;
    for name in given {
        any = true;
        if name == "-" {
            names.push(name.clone());
            continue;
        }
        collect(Path::new(name), Asked::ByName, &mut names)?;
    }
    if any {
        Ok(names)
    } else {
        Err(SourceError::Nothing)
    }
}

/// Reads one of [`names`].
///
/// # Errors
/// When it cannot be read or is no UTF-8.
pub fn read(name: &str, input: &mut dyn Read) -> Result<Source, SourceError> {
    let text = if name == "-" {
        let mut text = String::new();
        input
            .read_to_string(&mut text)
            .map_err(SourceError::Input)?;
        text
    } else {
        fs::read_to_string(name).map_err(|source| SourceError::Read {
            path: name.into(),
            source,
        })?
    };
    Ok(Source {
        name: name.to_owned(),
        text,
    })
}

/// Whether a path was asked for or found in a folder.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Asked {
    ByName,
    InFolder,
}

fn collect(path: &Path, asked: Asked, names: &mut Vec<String>) -> Result<(), SourceError> {
    let failed = |source| SourceError::Read {
        path: path.to_owned(),
        source,
    };
    // A link that is found in a folder is not followed: it may lead around in a circle.
    let metadata = match asked {
        Asked::ByName => fs::metadata(path),
        Asked::InFolder => fs::symlink_metadata(path),
    };
    let metadata = metadata.map_err(failed)?;
    if metadata.is_dir() {
        let mut entries: Vec<PathBuf> = fs::read_dir(path)
            .map_err(failed)?
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<Result<_, _>>()
            .map_err(failed)?;
        entries.sort_unstable();
        for entry in entries {
            collect(&entry, Asked::InFolder, names)?;
        }
        return Ok(());
    }
    let manifest = path
        .extension()
        .and_then(|extension| extension.to_str())
        .is_some_and(|extension| matches!(extension, "yaml" | "yml" | "json"));
    let readable = metadata.is_file()
        || (metadata.is_symlink() && fs::metadata(path).is_ok_and(|target| target.is_file()));
    if asked == Asked::ByName || (manifest && readable) {
        names.push(path.to_string_lossy().into_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flags::{Program, parse};

    fn names_of(words: &[&str]) -> Result<Vec<String>, SourceError> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        names(&parse(Program::Lint, &words, &|_| None).unwrap())
    }

    #[test]
    fn folders_are_read_with_their_subfolders_in_order_and_only_manifests() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.yaml", "a.yml", "c.json", "README.md", "sub/d.yaml"] {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        std::os::unix::fs::symlink(folder.path(), folder.path().join("sub/loop")).unwrap();
        let root = folder.path().to_str().unwrap();
        let found: Vec<String> = names_of(&["-f", root])
            .unwrap()
            .iter()
            .map(|name| name.trim_start_matches(root).to_owned())
            .collect();
        assert_eq!(found, ["/a.yml", "/b.yaml", "/c.json", "/sub/d.yaml"]);
    }

    #[test]
    fn a_file_named_on_the_command_line_is_read_whatever_its_ending() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rendered.txt");
        fs::write(&path, "").unwrap();
        let path = path.to_str().unwrap();
        assert_eq!(names_of(&["-", path]).unwrap(), ["-", path]);
    }

    #[test]
    fn nothing_to_read_is_an_error_and_so_is_a_missing_file() {
        assert!(matches!(names_of(&[]), Err(SourceError::Nothing)));
        let message = names_of(&["/none.yaml"]).unwrap_err().to_string();
        assert!(message.contains("/none.yaml"), "{message}");
    }
}
