//! Writing files into volumes that somebody else can write to as well: never through a link, and never half.
//! Which content a file gets, and when, is decided elsewhere.

use std::{
    ffi::OsString,
    io::{Read, Write},
    os::{
        fd::{AsFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
    path::{Component, Path, PathBuf},
};

use rustix::{
    fs::{AtFlags, Gid, Mode, OFlags, RawMode, ResolveFlags, StatxAttributes, StatxFlags, Uid},
    io::Errno,
};

/// The mode of folders that are made for a destination.
const FOLDER_MODE: RawMode = 0o755;
/// The mode of a file that is new and for which none is given.
const FILE_MODE: RawMode = 0o644;

/// What happens to folders that are missing on the way to a destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MissingFolders {
    /// They are made, with mode 0755.
    Made,
    /// They are an error.
    Refused,
}

/// What happens to the old file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backup {
    /// It is kept under its name with `.bak` at the end.
    Kept,
    /// It is gone.
    None,
}

/// How a file is to be written.
#[derive(Debug, Clone)]
pub struct Placing {
    /// The permission bits; else those of the file that is there, else 0644.
    pub mode: Option<u32>,
    /// The owner; else that of the file that is there.
    pub user: Option<u32>,
    /// The group; else that of the file that is there.
    pub group: Option<u32>,
    /// What happens to missing folders.
    pub folders: MissingFolders,
    /// What happens to the old file.
    pub backup: Backup,
}

impl Default for Placing {
    fn default() -> Self {
        Self {
            mode: None,
            user: None,
            group: None,
            folders: MissingFolders::Made,
            backup: Backup::None,
        }
    }
}

/// What writing came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placed {
    /// The file was not there.
    Created,
    /// The file was there and has new content or another owner.
    Written,
    /// The file had this content and owner already, and was not touched.
    Unchanged,
}

/// Why a file could not be written.
#[derive(Debug, thiserror::Error)]
pub enum VolumeError {
    /// The path is not one of a file beneath a folder.
    #[error(
        "`{}` is no destination; wanted is the path of a file, without `..`",
        .0.display()
    )]
    NotADestination(PathBuf),
    /// A folder on the way is missing and is not to be made.
    #[error("parent directory is missing: `{}`", .0.display())]
    FolderMissing(PathBuf),
    /// A step on the way is a symbolic link, which somebody else may have put there.
    #[error(
        "failed to open `{}`: it is, or leads through, a symbolic link inside the volume `{}`, and links there are not followed",
        path.display(), volume.display()
    )]
    Link {
        /// The step.
        path: PathBuf,
        /// The volume.
        volume: PathBuf,
    },
    /// The system refused.
    #[error("failed to {action} `{}`", path.display())]
    System {
        /// What was attempted.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// The system's words.
        source: std::io::Error,
    },
}

impl VolumeError {
    /// Whether time alone may cure it: a full volume or a lack of memory, rather than a missing folder or right.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        let Self::System { source, .. } = self else {
            return false;
        };
        matches!(
            source.raw_os_error().map(Errno::from_raw_os_error),
            Some(
                Errno::NOSPC
                    | Errno::DQUOT
                    | Errno::NOMEM
                    | Errno::IO
                    | Errno::MFILE
                    | Errno::NFILE
                    | Errno::AGAIN
                    | Errno::INTR
                    | Errno::STALE
            )
        )
    }
}

/// Writes a file whole: to a temporary file in its folder, which gets its mode and owner and then the name.
/// A file with the same content and owner is left alone.
///
/// # Errors
/// The destination is no path of a file, leads through a link that may be somebody else's, or the system refuses.
pub fn place(path: &Path, content: &[u8], placing: &Placing) -> Result<Placed, VolumeError> {
    let destination = Destination::open(path, placing.folders)?;
    let old = destination.old()?;
    if let Some(old) = &old
        && placing.user.is_none_or(|user| user == old.user)
        && placing.group.is_none_or(|group| group == old.group)
        && destination.holds(content)
    {
        return Ok(Placed::Unchanged);
    }
    let temporary = destination.make_temporary()?;
    let written = destination
        .fill(temporary, content, placing, old.as_ref())
        .and_then(|()| destination.keep_backup(placing.backup, old.as_ref()))
        .and_then(|()| destination.put_in_place());
    if written.is_err() {
        // What stays behind would be in the way of nobody but the space.
        let _ = rustix::fs::unlinkat(
            &destination.folder,
            &destination.temporary,
            AtFlags::empty(),
        );
    }
    let placed = match old {
        Some(_) => Placed::Written,
        None => Placed::Created,
    };
    written.map(|()| placed)
}

/// Checks that files can be made next to `path`, by making one and removing it.
///
/// # Errors
/// As for `place`.
pub fn check_writable(path: &Path) -> Result<(), VolumeError> {
    let destination = Destination::open(path, MissingFolders::Refused)?;
    drop(destination.make_temporary()?);
    rustix::fs::unlinkat(
        &destination.folder,
        &destination.temporary,
        AtFlags::empty(),
    )
    .map_err(|errno| destination.system("remove the temporary file next to", errno))
}

/// A folder, opened, and the name of a file in it.
struct Destination {
    path: PathBuf,
    folder: OwnedFd,
    name: OsString,
    temporary: OsString,
}

/// What is known of the file that is there.
struct Old {
    user: u32,
    group: u32,
    mode: RawMode,
    regular: bool,
}

impl Destination {
    fn open(path: &Path, missing: MissingFolders) -> Result<Self, VolumeError> {
        let no_destination = || VolumeError::NotADestination(path.to_owned());
        // Outside of pods people give paths from the working folder on.
        let whole = std::path::absolute(path).map_err(|_| no_destination())?;
        let path = whole.as_path();
        let name = path.file_name().ok_or_else(no_destination)?.to_owned();
        let plain = path.components().all(|step| {
            matches!(
                step,
                Component::RootDir | Component::Normal(_) | Component::CurDir
            )
        });
        if !plain || path.as_os_str().as_bytes().ends_with(b"/") {
            return Err(no_destination());
        }
        let parent = path.parent().ok_or_else(no_destination)?;
        let folder = open_folder(parent, missing)?;
        let mut temporary = OsString::from(".");
        temporary.push(&name);
        temporary.push(".leasehold");
        Ok(Self {
            path: path.to_owned(),
            folder,
            name,
            temporary,
        })
    }

    fn old(&self) -> Result<Option<Old>, VolumeError> {
        match rustix::fs::statat(&self.folder, &self.name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(Old {
                user: stat.st_uid,
                group: stat.st_gid,
                mode: stat.st_mode & 0o7777,
                regular: rustix::fs::FileType::from_raw_mode(stat.st_mode).is_file(),
            })),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(self.system("look at", errno)),
        }
    }

    /// Whether the file there has exactly this content. One that cannot be read has not.
    fn holds(&self, content: &[u8]) -> bool {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let Ok(file) = rustix::fs::openat(&self.folder, &self.name, flags, Mode::empty()) else {
            return false;
        };
        let length = u64::try_from(content.len()).unwrap_or(u64::MAX);
        let fits = rustix::fs::fstat(&file).is_ok_and(|stat| {
            rustix::fs::FileType::from_raw_mode(stat.st_mode).is_file()
                && u64::try_from(stat.st_size).is_ok_and(|size| size == length)
        });
        if !fits {
            return false;
        }
        let mut there = zeroize::Zeroizing::new(Vec::with_capacity(content.len()));
        let read = std::fs::File::from(file)
            .take(length + 1)
            .read_to_end(&mut there);
        read.is_ok() && *there == content
    }

    /// A new file beside the destination. One that a killed agent left behind is taken away first.
    fn make_temporary(&self) -> Result<OwnedFd, VolumeError> {
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let make = || {
            rustix::fs::openat(
                &self.folder,
                &self.temporary,
                flags,
                Mode::from_raw_mode(0o600),
            )
        };
        match make() {
            Err(Errno::EXIST) => {
                rustix::fs::unlinkat(&self.folder, &self.temporary, AtFlags::empty())
                    .and_then(|()| make())
            }
            made => made,
        }
        .map_err(|errno| self.system("make a temporary file next to", errno))
    }

    fn fill(
        &self,
        temporary: OwnedFd,
        content: &[u8],
        placing: &Placing,
        old: Option<&Old>,
    ) -> Result<(), VolumeError> {
        let mut file = std::fs::File::from(temporary);
        file.write_all(content)
            .map_err(|source| VolumeError::System {
                action: "write the temporary file next to",
                path: self.path.clone(),
                source,
            })?;
        self.give(&file, placing, old)?;
        let mode = placing
            .mode
            .or(old.filter(|old| old.regular).map(|old| old.mode));
        rustix::fs::fchmod(&file, Mode::from_raw_mode(mode.unwrap_or(FILE_MODE)))
            .map_err(|errno| self.system("set the mode of", errno))?;
        rustix::fs::fsync(&file).map_err(|errno| self.system("write", errno))
    }

    fn give(
        &self,
        file: &impl AsFd,
        placing: &Placing,
        old: Option<&Old>,
    ) -> Result<(), VolumeError> {
        let ours = rustix::fs::fstat(file).map_err(|errno| self.system("look at", errno))?;
        let kept = old.filter(|old| old.regular);
        let user = placing
            .user
            .or(kept.map(|old| old.user))
            .filter(|&user| user != ours.st_uid);
        let group = placing
            .group
            .or(kept.map(|old| old.group))
            .filter(|&group| group != ours.st_gid);
        if user.is_none() && group.is_none() {
            return Ok(());
        }
        let given = rustix::fs::fchown(file, user.map(Uid::from_raw), group.map(Gid::from_raw));
        match given {
            // Keeping the former owner is a courtesy; giving to a named one is an order.
            Err(Errno::PERM) if placing.user.is_none() && placing.group.is_none() => Ok(()),
            given => given.map_err(|errno| self.system("set the owner of", errno)),
        }
    }

    fn keep_backup(&self, backup: Backup, old: Option<&Old>) -> Result<(), VolumeError> {
        if backup == Backup::None || old.is_none() {
            return Ok(());
        }
        let mut name = self.name.clone();
        name.push(".bak");
        match rustix::fs::unlinkat(&self.folder, &name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(errno) => return Err(self.system("replace the backup of", errno)),
        }
        rustix::fs::linkat(
            &self.folder,
            &self.name,
            &self.folder,
            &name,
            AtFlags::empty(),
        )
        .map_err(|errno| self.system("make a backup of", errno))
    }

    fn put_in_place(&self) -> Result<(), VolumeError> {
        rustix::fs::renameat(&self.folder, &self.temporary, &self.folder, &self.name)
            .map_err(|errno| self.system("put the new file in place at", errno))
    }

    fn system(&self, action: &'static str, errno: Errno) -> VolumeError {
        system(action, &self.path, errno)
    }
}

fn system(action: &'static str, path: &Path, errno: Errno) -> VolumeError {
    VolumeError::System {
        action,
        path: path.to_owned(),
        source: errno.into(),
    }
}

/// Opens a folder. Up to its volume links are followed, since they are the image's or the kubelet's; beneath it
/// none is, since the application writes there too.
fn open_folder(folder: &Path, missing: MissingFolders) -> Result<OwnedFd, VolumeError> {
    let volume = volume_of(folder);
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let rest = folder.strip_prefix(&volume).unwrap_or(Path::new(""));
    let root = match rustix::fs::open(&volume, flags, Mode::empty()) {
        Ok(root) => root,
        Err(errno) => return Err(system("open the volume", &volume, errno)),
    };
    if rest.as_os_str().is_empty() {
        return Ok(root);
    }
    if volume == Path::new("/") {
        return open_in_image(folder, missing);
    }
    let opened = rustix::fs::openat2(
        &root,
        rest,
        flags,
        Mode::empty(),
        ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS,
    );
    match opened {
        Ok(opened) => Ok(opened),
        Err(Errno::LOOP) => Err(VolumeError::Link {
            path: folder.to_owned(),
            volume,
        }),
        // Something is missing, or the kernel or its sandbox has no such call: step by step then.
        Err(_) => walk(root, &volume, rest, missing),
    }
}

/// On the image's own file system nobody else writes, so its links (`/var/run`) are followed.
fn open_in_image(folder: &Path, missing: MissingFolders) -> Result<OwnedFd, VolumeError> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    match rustix::fs::open(folder, flags, Mode::empty()) {
        Err(Errno::NOENT) if missing == MissingFolders::Made => {
            std::fs::create_dir_all(folder).map_err(|source| VolumeError::System {
                action: "make the folder",
                path: folder.to_owned(),
                source,
            })?;
            rustix::fs::open(folder, flags, Mode::empty())
                .map_err(|errno| system("open the folder", folder, errno))
        }
        Err(Errno::NOENT) => Err(VolumeError::FolderMissing(folder.to_owned())),
        opened => opened.map_err(|errno| system("open the folder", folder, errno)),
    }
}

fn walk(
    root: OwnedFd,
    volume: &Path,
    rest: &Path,
    missing: MissingFolders,
) -> Result<OwnedFd, VolumeError> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut here = root;
    let mut path = volume.to_owned();
    for step in rest.components() {
        let Component::Normal(name) = step else {
            continue;
        };
        path.push(name);
        let mut opened = rustix::fs::openat(&here, name, flags, Mode::empty());
        if opened.as_ref().is_err_and(|errno| *errno == Errno::NOENT) {
            if missing == MissingFolders::Refused {
                return Err(VolumeError::FolderMissing(volume.join(rest)));
            }
            let made = rustix::fs::mkdirat(&here, name, Mode::from_raw_mode(FOLDER_MODE));
            made.map_err(|errno| system("make the folder", &path, errno))?;
            opened = rustix::fs::openat(&here, name, flags, Mode::empty());
        }
        here = match opened {
            Ok(opened) => opened,
            Err(Errno::LOOP | Errno::NOTDIR) if is_link(&here, name) => {
                return Err(VolumeError::Link {
                    path,
                    volume: volume.to_owned(),
                });
            }
            Err(errno) => return Err(system("open the folder", &path, errno)),
        };
    }
    Ok(here)
}

fn is_link(folder: &OwnedFd, name: &std::ffi::OsStr) -> bool {
    rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)
        .is_ok_and(|stat| rustix::fs::FileType::from_raw_mode(stat.st_mode).is_symlink())
}

/// The volume that a folder lies in: its topmost ancestor, the root aside, that something is mounted on. What
/// lies above was put there by the image and the kubelet.
fn volume_of(folder: &Path) -> PathBuf {
    let mut ancestors: Vec<&Path> = folder.ancestors().collect();
    ancestors.reverse();
    let mounted = |path: &&&Path| {
        rustix::fs::statx(
            rustix::fs::CWD,
            **path,
            AtFlags::empty(),
            StatxFlags::empty(),
        )
        .is_ok_and(|stat| stat.stx_attributes.contains(StatxAttributes::MOUNT_ROOT))
    };
    ancestors
        .iter()
        .skip(1)
        .find(mounted)
        .map_or_else(|| PathBuf::from("/"), |path| path.to_path_buf())
}

#[cfg(test)]
mod tests;
