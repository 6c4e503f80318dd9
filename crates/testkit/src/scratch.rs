//! Temporary folders that disappear with their owner, and also when this process is killed.
//!
//! A destructor does not run when a test process is interrupted. So a small shell, deaf to the
//! terminal's signals, reads the folders' names from a pipe and removes what is left when the pipe
//! closes, which the system does at our end whatever that was.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock};

/// A temporary folder, removed with all that is in it when this value is dropped.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
}

impl Scratch {
    /// Makes a new empty folder that everybody may enter (servers run as other users).
    pub fn new(purpose: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("leasehold-{purpose}-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        // A process of the same id may have left one.
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).expect("the temporary folder can be written");
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755))
            .expect("the mode of an own folder can be set");
        remove_at_the_end(&path);
        Self { path }
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A path in the folder.
    pub fn join(&self, name: impl AsRef<Path>) -> PathBuf {
        self.path.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// Tells the shell that cleans up behind us.
fn remove_at_the_end(path: &Path) {
    static SWEEPER: OnceLock<Mutex<Option<Child>>> = OnceLock::new();
    let sweeper = SWEEPER.get_or_init(|| {
        let script = "trap '' INT TERM HUP QUIT\n\
                      folders=\n\
                      while IFS= read -r folder; do folders=\"$folders $folder\"; done\n\
                      for folder in $folders; do rm -rf -- \"$folder\"; done";
        let child = Command::new("/bin/sh")
            .args(["-c", script])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .ok();
        Mutex::new(child)
    });
    if let Ok(mut sweeper) = sweeper.lock()
        && let Some(pipe) = sweeper.as_mut().and_then(|child| child.stdin.as_mut())
    {
        let _ = writeln!(pipe, "{}", path.display());
    }
}
