//! Where a secret of a key/value engine really is.
//!
//! People write `secret/app` for what version 2 of the engine keeps at `secret/data/app`.
//! The server tells which engine a path belongs to (`sys/internal/ui/mounts/PATH`), and it
//! is asked only where the path leaves that open, and once per mount. A path in the form of
//! an engine that makes credentials is tried as it stands before that.

use std::collections::BTreeMap;

/// What a path is wanted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Reading a secret.
    Reading,
    /// Writing one; the body's form depends on the engine as well.
    Writing,
    /// Listing names.
    Names,
}

/// What is known about a mount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// Version 2 of the key/value engine.
    VersionedKv,
    /// Any other, whose paths are used as they stand.
    Plain,
}

/// Where a secret is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The path to ask for.
    pub path: String,
    /// The engine, unless the path means the same for all.
    pub engine: Option<Engine>,
    /// Whether the path given was the mount's own.
    pub is_root: bool,
}

/// The mounts met so far, by namespace and path; a path ends in a slash.
#[derive(Debug, Default)]
pub struct Mounts {
    known: BTreeMap<(String, String), Engine>,
}

/// The first segments which no key/value engine can be mounted at.
const RESERVED: [&str; 5] = ["auth", "sys", "identity", "cubbyhole", "audit"];
/// The segments that version 2 puts between mount and secret.
const INNER: [&str; 3] = ["data", "metadata", "subkeys"];
/// The segments that engines which make credentials or certificates put between mount and role.
const MAKING: [&str; 5] = ["creds", "static-creds", "issue", "sign", "sts"];

impl Mounts {
    /// Remembers what the server told.
    pub fn learn(&mut self, namespace: &str, mount: &str, engine: Engine) {
        let mount = format!("{}/", mount.trim_matches('/'));
        self.known.insert((namespace.to_owned(), mount), engine);
    }

    /// The place of a path, where it is known without asking the server.
    #[must_use]
    pub fn resolve(&self, namespace: &str, path: &str, purpose: Purpose) -> Option<Place> {
        let path = path.trim_matches('/');
        if let Some((mount, engine)) = self.mount_of(namespace, path) {
            return Some(Place::in_mount(path, mount, engine, purpose));
        }
        is_settled(path, purpose).then(|| Place {
            path: path.to_owned(),
            engine: None,
            is_root: false,
        })
    }

    /// The place of a path whose mount is not known and whose form is that of an engine which makes
    /// credentials, as in `database/creds/app`. Trying it does no harm: another engine has nothing there,
    /// and then its mount has to be looked up after all.
    #[must_use]
    pub fn likely(&self, namespace: &str, path: &str) -> Option<Place> {
        let path = path.trim_matches('/');
        let mut segments = path.split('/').skip(1);
        let makes = segments
            .next()
            .is_some_and(|segment| MAKING.contains(&segment));
        let unknown = self.mount_of(namespace, path).is_none();
        (makes && segments.next().is_some() && unknown).then(|| Place {
            path: path.to_owned(),
            engine: None,
            is_root: false,
        })
    }

    fn mount_of(&self, namespace: &str, path: &str) -> Option<(&str, Engine)> {
        let whole = format!("{path}/");
        self.known
            .iter()
            .find(|((space, mount), _)| space == namespace && whole.starts_with(mount.as_str()))
            .map(|((_, mount), engine)| (mount.as_str(), *engine))
    }
}

impl Place {
    /// The place of a path in the mount that it belongs to.
    #[must_use]
    pub fn in_mount(path: &str, mount: &str, engine: Engine, purpose: Purpose) -> Self {
        let path = path.trim_matches('/');
        let mount = mount.trim_matches('/');
        Self {
            path: match engine {
                Engine::Plain => path.to_owned(),
                Engine::VersionedKv => versioned_path(path, mount, purpose),
            },
            engine: Some(engine),
            is_root: path == mount,
        }
    }

    /// Whether a write wraps its pairs in `data`: version 2 wants that for secrets, and
    /// not for their metadata.
    #[must_use]
    pub fn wraps_pairs(&self) -> bool {
        self.engine == Some(Engine::VersionedKv) && !self.path.contains("/metadata/")
    }
}

fn versioned_path(path: &str, mount: &str, purpose: Purpose) -> String {
    let rest = path
        .strip_prefix(mount)
        .unwrap_or(path)
        .trim_start_matches('/');
    let (insert, kept): (_, &[&str]) = match purpose {
        Purpose::Reading | Purpose::Writing => ("data", &INNER),
        Purpose::Names => ("metadata", &["data", "metadata"]),
    };
    if rest.is_empty() {
        return format!("{mount}/{insert}");
    }
    let complete = rest
        .split_once('/')
        .is_some_and(|(first, _)| kept.contains(&first));
    // The metadata folder as a whole can be listed by its own name.
    if complete || (purpose == Purpose::Names && rest == "metadata") {
        format!("{mount}/{rest}")
    } else {
        format!("{mount}/{insert}/{rest}")
    }
}

/// Whether the path means the same for every engine that it could belong to.
fn is_settled(path: &str, purpose: Purpose) -> bool {
    let mut segments = path.split('/');
    let first = segments.next().unwrap_or_default();
    if RESERVED.contains(&first) {
        return true;
    }
    // `mount/data/name` is right for version 2 and for all others, save that what is
    // written there has another form.
    if purpose == Purpose::Writing {
        return false;
    }
    let second = segments.next().unwrap_or_default();
    INNER.contains(&second) && segments.next().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_2_gets_its_inner_segment_unless_it_is_there() {
        for (path, mount, data, names) in [
            (
                "secret/app",
                "secret/",
                "secret/data/app",
                "secret/metadata/app",
            ),
            (
                "secret/data/app",
                "secret/",
                "secret/data/app",
                "secret/data/app",
            ),
            (
                "secret/metadata/app",
                "secret/",
                "secret/metadata/app",
                "secret/metadata/app",
            ),
            (
                "secret/subkeys/app",
                "secret/",
                "secret/subkeys/app",
                "secret/metadata/subkeys/app",
            ),
            ("/secret/", "secret/", "secret/data", "secret/metadata"),
            (
                "secret/database",
                "secret/",
                "secret/data/database",
                "secret/metadata/database",
            ),
            (
                "secret/data",
                "secret/",
                "secret/data/data",
                "secret/metadata/data",
            ),
            (
                "secret/metadata",
                "secret/",
                "secret/data/metadata",
                "secret/metadata",
            ),
            (
                "a/b/kv/x/y",
                "a/b/kv/",
                "a/b/kv/data/x/y",
                "a/b/kv/metadata/x/y",
            ),
        ] {
            let actual = |purpose| Place::in_mount(path, mount, Engine::VersionedKv, purpose).path;
            assert_eq!(actual(Purpose::Reading), data, "{path}");
            assert_eq!(actual(Purpose::Names), names, "{path}");
            assert_eq!(
                Place::in_mount(path, mount, Engine::Plain, Purpose::Reading).path,
                path.trim_matches('/')
            );
        }
    }

    #[test]
    fn the_server_is_asked_only_where_a_path_leaves_the_version_open() {
        let mounts = Mounts::default();
        for (path, open) in [
            ("secret/app", true),
            ("database/creds/app", true),
            ("teams/alpha/kv/data/app", true),
            ("secret/data", true),
            ("secret", true),
            ("secret/data/app", false),
            ("secret/metadata/a/b", false),
            ("auth/token/lookup-self", false),
            ("sys/health", false),
            ("cubbyhole/x", false),
            ("identity/oidc/token/x", false),
        ] {
            let known = mounts.resolve("", path, Purpose::Reading);
            assert_eq!(known.is_none(), open, "{path}");
            if path.starts_with("secret/") {
                assert_eq!(mounts.resolve("", path, Purpose::Writing), None, "{path}");
            }
        }
    }

    #[test]
    fn a_path_that_makes_credentials_is_tried_unless_its_mount_is_known() {
        let mut mounts = Mounts::default();
        mounts.learn("", "secret/", Engine::VersionedKv);
        for (path, likely) in [
            ("database/creds/app", true),
            ("/pki/issue/web", true),
            ("database/creds", false),
            ("teams/database/creds/app", false),
            ("secret/creds/app", false),
            ("kv/app", false),
        ] {
            assert_eq!(mounts.likely("", path).is_some(), likely, "{path}");
        }
    }

    #[test]
    fn a_mount_is_learnt_once_for_all_its_paths_and_its_namespace() {
        let mut mounts = Mounts::default();
        mounts.learn("", "secret/", Engine::VersionedKv);
        mounts.learn("", "db/", Engine::Plain);
        let data = |space, path| {
            let place = mounts.resolve(space, path, Purpose::Reading)?;
            Some(place.path)
        };
        assert_eq!(data("", "secret/app").as_deref(), Some("secret/data/app"));
        assert_eq!(data("", "secret").as_deref(), Some("secret/data"));
        assert_eq!(data("", "db/creds/x").as_deref(), Some("db/creds/x"));
        assert_eq!(data("", "secrets/app"), None);
        assert_eq!(data("ns/", "secret/app"), None);
    }
}
