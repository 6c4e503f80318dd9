//! Files that a template reads.

use std::time::Duration;

use leasehold_vault::LeaseId;

use super::{Content, Got, Unanswered};
use crate::core::{failure::FailureKind, lifetime::Lifetime};

/// Files are looked at this often, since no notice of their change reaches through every kind of volume.
const FILE_PAUSE: Duration = Duration::from_secs(5);
/// Reads a file that a template names, in the established words where that fails.
pub(super) fn file(path: &str) -> Result<Got, Unanswered> {
    let unanswered = |text: String| Unanswered {
        text,
        hint: None,
        kind: FailureKind::Definite(404),
    };
    let words = |error: &std::io::Error| {
        let text = error.to_string();
        text.split(" (os error")
            .next()
            .unwrap_or_default()
            .to_lowercase()
    };
    match std::fs::metadata(path) {
        Ok(found) if found.is_dir() => {
            return Err(unanswered(format!(
                "file({path}): read {path}: is a directory"
            )));
        }
        Ok(_) => {}
        Err(error) => {
            return Err(unanswered(format!(
                "file({path}): stat {path}: {}",
                words(&error)
            )));
        }
    }
    match std::fs::read(path) {
        Ok(content) => Ok(Got {
            content: Content::File(content),
            lease: LeaseId::default(),
            lifetime: Lifetime::ChangesIn(FILE_PAUSE),
            warnings: Vec::new(),
        }),
        Err(error) => Err(unanswered(format!(
            "file({path}): open {path}: {}",
            words(&error)
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_in_the_established_words_what_is_wrong_with_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("none.txt").display().to_string();
        let text = |path: &str| file(path).err().unwrap().text;
        assert_eq!(
            text(&missing),
            format!("file({missing}): stat {missing}: no such file or directory")
        );
        let folder = folder.path().display().to_string();
        assert_eq!(
            text(&folder),
            format!("file({folder}): read {folder}: is a directory")
        );
    }
}
