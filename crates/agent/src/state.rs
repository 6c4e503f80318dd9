//! What the agent keeps in its memory volume for a restart of its own, or for the sidecar after the init
//! container: the token, the leases, the answers. Nothing of it is trusted before the server has confirmed the
//! token; and nothing reaches a disk.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use leasehold_template::Dependency;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use crate::{
    answers::Content,
    core::{lifetime::Lifetime, moment::Moment, token::Generation},
    volume::{self, Placing, VolumeError},
};

/// The form of the files; another one is not adopted.
const VERSION: u32 = 1;
/// Made when everything is in place for the first time.
const READY: &str = "ready";
/// What `status` reads.
const STATUS: &str = "status.json";

/// The folder for all of it.
#[derive(Debug, Clone)]
pub struct StateFolder(PathBuf);

/// What one login keeps.
#[derive(Clone, Serialize, Deserialize)]
pub struct Kept {
    version: u32,
    /// Names server, namespace and login; another one's state is not adopted.
    pub origin: String,
    /// The machine's start; moments of another one mean nothing.
    pub boot: String,
    /// The login of the token.
    pub generation: Generation,
    /// The token.
    pub token: String,
    /// The answers in use.
    pub secrets: Vec<KeptSecret>,
}

/// One answer in use.
#[derive(Clone, Serialize, Deserialize)]
pub struct KeptSecret {
    question: Question,
    /// The login that it was read with.
    pub generation: Generation,
    lifetime: KeptLifetime,
    ends: Option<f64>,
    /// The lease; empty where there is none.
    pub lease: String,
    /// The answer.
    pub content: Content,
}

#[derive(Clone, Serialize, Deserialize)]
enum Question {
    Read {
        path: String,
        query: String,
    },
    Write {
        path: String,
        data: BTreeMap<String, String>,
    },
    List {
        path: String,
    },
    PkiCert {
        path: String,
        data: BTreeMap<String, String>,
        destination: Option<String>,
    },
    File {
        path: String,
    },
}

#[derive(Clone, Copy, Serialize, Deserialize)]
enum KeptLifetime {
    Renewable(f64),
    Ends { after: f64, with_token: bool },
    Polled,
    ChangesIn(f64),
    Kept,
}

impl StateFolder {
    /// The folder; it is made when something is first kept.
    #[must_use]
    pub const fn new(path: PathBuf) -> Self {
        Self(path)
    }

    /// Keeps a login's state.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn save(&self, login: &str, kept: &Kept) -> Result<(), VolumeError> {
        let text = Zeroizing::new(serde_json::to_vec(kept).unwrap_or_default());
        self.place(&file_of(login), &text)
    }

    /// What an earlier run kept for this login, if it came from the same server and login and this machine has
    /// not been started anew since.
    #[must_use]
    pub fn load(&self, login: &str, origin: &str, boot: &str) -> Option<Kept> {
        let text = Zeroizing::new(std::fs::read(self.0.join(file_of(login))).ok()?);
        let kept: Kept = serde_json::from_slice(&text).ok()?;
        let fits = kept.version == VERSION && kept.origin == origin && kept.boot == boot;
        fits.then_some(kept)
    }

    /// Forgets a login's state, because its token was revoked.
    pub fn forget(&self, login: &str) {
        let _ = std::fs::remove_file(self.0.join(file_of(login)));
    }

    /// Notes that everything is in place.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn set_ready(&self) -> Result<(), VolumeError> {
        self.place(READY, b"")
    }

    /// Whether this or an earlier run has put everything in place.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.0.join(READY).exists()
    }

    /// Keeps what `status` shows.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn set_status(&self, status: &str) -> Result<(), VolumeError> {
        self.place(STATUS, status.as_bytes())
    }

    /// What `status` shows.
    ///
    /// # Errors
    /// There is no such file, or it cannot be read.
    pub fn status(&self) -> std::io::Result<String> {
        std::fs::read_to_string(self.0.join(STATUS))
    }

    /// The folder's path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    fn place(&self, name: &str, content: &[u8]) -> Result<(), VolumeError> {
        let placing = Placing {
            mode: Some(0o600),
            ..Placing::default()
        };
        volume::place(&self.0.join(name), content, &placing).map(|_| ())
    }
}

impl Kept {
    /// The state of a login.
    #[must_use]
    pub fn new(
        origin: String,
        boot: String,
        generation: Generation,
        token: String,
        secrets: Vec<KeptSecret>,
    ) -> Self {
        Self {
            version: VERSION,
            origin,
            boot,
            generation,
            token,
            secrets,
        }
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.token.zeroize();
    }
}

impl KeptSecret {
    /// One answer in use.
    #[must_use]
    pub fn new(
        dependency: &Dependency,
        generation: Generation,
        lifetime: Lifetime,
        ends: Option<Moment>,
        lease: String,
        content: Content,
    ) -> Self {
        let question = match dependency.clone() {
            Dependency::Read { path, query } => Question::Read { path, query },
            Dependency::Write { path, data } => Question::Write { path, data },
            Dependency::List { path } => Question::List { path },
            Dependency::PkiCert {
                path,
                data,
                destination,
            } => Question::PkiCert {
                path,
                data,
                destination,
            },
            Dependency::File { path } => Question::File { path },
        };
        let lifetime = match lifetime {
            Lifetime::Renewable(lease) => KeptLifetime::Renewable(lease.as_secs_f64()),
            Lifetime::Ends { after, with_token } => KeptLifetime::Ends {
                after: after.as_secs_f64(),
                with_token,
            },
            Lifetime::Polled => KeptLifetime::Polled,
            Lifetime::ChangesIn(time) => KeptLifetime::ChangesIn(time.as_secs_f64()),
            Lifetime::Kept => KeptLifetime::Kept,
        };
        let ends = ends.map(|ends| ends.since_start().as_secs_f64());
        Self {
            question,
            generation,
            lifetime,
            ends,
            lease,
            content,
        }
    }

    /// What was asked.
    #[must_use]
    pub fn dependency(&self) -> Dependency {
        match self.question.clone() {
            Question::Read { path, query } => Dependency::Read { path, query },
            Question::Write { path, data } => Dependency::Write { path, data },
            Question::List { path } => Dependency::List { path },
            Question::PkiCert {
                path,
                data,
                destination,
            } => Dependency::PkiCert {
                path,
                data,
                destination,
            },
            Question::File { path } => Dependency::File { path },
        }
    }

    /// How long the answer was good for when it came.
    #[must_use]
    pub fn lifetime(&self) -> Lifetime {
        match self.lifetime {
            KeptLifetime::Renewable(lease) => Lifetime::Renewable(duration(lease)),
            KeptLifetime::Ends { after, with_token } => Lifetime::Ends {
                after: duration(after),
                with_token,
            },
            KeptLifetime::Polled => Lifetime::Polled,
            KeptLifetime::ChangesIn(time) => Lifetime::ChangesIn(duration(time)),
            KeptLifetime::Kept => Lifetime::Kept,
        }
    }

    /// When it ends, as last renewed.
    #[must_use]
    pub fn ends(&self) -> Option<Moment> {
        self.ends.map(|ends| Moment::after_start(duration(ends)))
    }
}

impl Drop for KeptSecret {
    fn drop(&mut self) {
        self.lease.zeroize();
        if let Question::Write { data, .. } | Question::PkiCert { data, .. } = &mut self.question {
            data.values_mut().for_each(Zeroize::zeroize);
        }
    }
}

fn duration(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}

fn file_of(login: &str) -> String {
    let name: String = login
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
        .collect();
    if name.is_empty() {
        "state.json".to_owned()
    } else {
        format!("state-{name}.json")
    }
}

/// Names the machine's start.
#[must_use]
pub fn boot() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .map(|text| text.trim().to_owned())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn kept(origin: &str) -> Kept {
        let dependency = Dependency::Read {
            path: "database/creds/app".to_owned(),
            query: String::new(),
        };
        let ends = Some(Moment::after_start(Duration::from_millis(1500)));
        let secret = KeptSecret::new(
            &dependency,
            2,
            Lifetime::Renewable(Duration::from_secs(60)),
            ends,
            "database/creds/app/xyz".to_owned(),
            Content::Secret("{\"data\":{}}".to_owned()),
        );
        Kept::new(
            origin.to_owned(),
            "boot".to_owned(),
            2,
            "hvs.x".to_owned(),
            vec![secret],
        )
    }

    #[test]
    fn gives_back_what_was_kept_to_the_same_login_on_the_same_machine() {
        let folder = tempfile::tempdir().unwrap();
        let state = StateFolder::new(folder.path().join("state"));
        state.save("", &kept("here")).unwrap();
        let mode = std::fs::metadata(folder.path().join("state/state.json"))
            .unwrap()
            .permissions();
        assert_eq!(mode.mode() & 0o7777, 0o600);
        let back = state.load("", "here", "boot").unwrap();
        assert_eq!((back.generation, back.token.as_str()), (2, "hvs.x"));
        let secret = &back.secrets[0];
        assert_eq!(secret.dependency().path(), "database/creds/app");
        assert_eq!(
            secret.lifetime(),
            Lifetime::Renewable(Duration::from_secs(60))
        );
        assert_eq!(
            secret.ends(),
            Some(Moment::after_start(Duration::from_millis(1500)))
        );
        assert!(state.load("", "there", "boot").is_none());
        assert!(state.load("", "here", "another boot").is_none());
        assert!(state.load("second", "here", "boot").is_none());
    }

    #[test]
    fn what_is_broken_is_not_adopted() {
        let folder = tempfile::tempdir().unwrap();
        let state = StateFolder::new(folder.path().to_owned());
        state.save("", &kept("here")).unwrap();
        let path = folder.path().join("state.json");
        let text = std::fs::read_to_string(&path).unwrap();
        for broken in [
            "",
            "{}",
            &text[..text.len() / 2],
            &text.replace("\"version\":1", "\"version\":2"),
        ] {
            std::fs::write(&path, broken).unwrap();
            assert!(state.load("", "here", "boot").is_none());
        }
    }
}
