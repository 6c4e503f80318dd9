//! Files in real folders: whole, with their modes, and never through somebody else's links.

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt, symlink},
};

use super::*;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn writes_a_new_file_with_mode_and_missing_folders() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a/b/db.env");
    let placing = Placing {
        mode: Some(0o440),
        ..Placing::default()
    };
    assert_eq!(
        place(&path, b"DB_USER=x", &placing).unwrap(),
        Placed::Created
    );
    assert_eq!(fs::read(&path).unwrap(), b"DB_USER=x");
    assert_eq!(mode(&path), 0o440);
    assert_eq!(mode(&folder.path().join("a/b")), 0o755);
    assert_eq!(fs::read_dir(folder.path().join("a/b")).unwrap().count(), 1);
}

#[test]
fn keeps_the_mode_of_a_file_that_is_there_and_gives_a_new_one_0644() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    place(&path, b"1", &Placing::default()).unwrap();
    assert_eq!(mode(&path), 0o644);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    place(&path, b"2", &Placing::default()).unwrap();
    assert_eq!(mode(&path), 0o600);
}

#[test]
fn leaves_a_file_with_the_same_content_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    place(&path, b"same", &Placing::default()).unwrap();
    let before = fs::metadata(&path).unwrap();
    let placing = Placing {
        mode: Some(0o400),
        ..Placing::default()
    };
    assert_eq!(place(&path, b"same", &placing).unwrap(), Placed::Unchanged);
    let after = fs::metadata(&path).unwrap();
    assert_eq!((before.ino(), before.mode()), (after.ino(), after.mode()));
    assert_eq!(place(&path, b"diff", &placing).unwrap(), Placed::Written);
    assert_ne!(before.ino(), fs::metadata(&path).unwrap().ino());
}

#[test]
fn replaces_a_link_in_place_of_writing_through_it() {
    let folder = tempfile::tempdir().unwrap();
    let victim = folder.path().join("victim");
    fs::write(&victim, "untouched").unwrap();
    let path = folder.path().join("file");
    symlink(&victim, &path).unwrap();
    place(&path, b"secret", &Placing::default()).unwrap();
    assert_eq!(fs::read(&victim).unwrap(), b"untouched");
    assert!(fs::symlink_metadata(&path).unwrap().is_file());
}

#[test]
fn takes_away_what_a_killed_agent_left_behind() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    fs::write(folder.path().join(".file.leasehold"), "half").unwrap();
    place(&path, b"whole", &Placing::default()).unwrap();
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn keeps_a_backup_when_asked_to() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    let placing = Placing {
        backup: Backup::Kept,
        ..Placing::default()
    };
    for content in ["1", "2", "3"] {
        place(&path, content.as_bytes(), &placing).unwrap();
    }
    assert_eq!(fs::read(folder.path().join("file.bak")).unwrap(), b"2");
}

#[test]
fn says_what_is_wrong_with_a_destination() {
    let folder = tempfile::tempdir().unwrap();
    let refused = Placing {
        folders: MissingFolders::Refused,
        ..Placing::default()
    };
    let missing = folder.path().join("no/file");
    let error = place(&missing, b"", &refused).unwrap_err();
    assert!(matches!(error, VolumeError::FolderMissing(_)), "{error}");
    assert!(!error.may_pass());
    for path in ["", "../x", "/tmp/../etc/x", "/", "/tmp/x/"] {
        let error = place(Path::new(path), b"", &Placing::default()).unwrap_err();
        assert!(
            matches!(error, VolumeError::NotADestination(_)),
            "{path}: {error}"
        );
    }
    let over_a_folder = place(folder.path(), b"", &Placing::default()).unwrap_err();
    assert!(
        matches!(over_a_folder, VolumeError::System { .. }),
        "{over_a_folder}"
    );
}

#[test]
fn never_follows_a_link_inside_a_volume() {
    let folder = tempfile::tempdir().unwrap();
    let outside = folder.path().join("outside");
    fs::create_dir(&outside).unwrap();
    let volume = folder.path().join("volume");
    fs::create_dir(&volume).unwrap();
    symlink(&outside, volume.join("sub")).unwrap();
    let root = rustix::fs::open(&volume, OFlags::PATH | OFlags::DIRECTORY, Mode::empty()).unwrap();
    let walked = walk(root, &volume, Path::new("sub/deep"), MissingFolders::Made);
    assert!(matches!(walked, Err(VolumeError::Link { .. })));
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
}

#[test]
fn finds_the_volume_of_a_folder_by_its_mount() {
    assert_eq!(volume_of(Path::new("/proc/self/fd")), Path::new("/proc"));
    assert_eq!(volume_of(Path::new("/")), Path::new("/"));
}
