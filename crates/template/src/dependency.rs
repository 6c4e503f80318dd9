//! What a template asks for, as a question that the agent can answer and remember.

use std::{cmp::Ordering, collections::BTreeMap, fmt, hash};

/// One question to the server or the file system. Equal questions are asked once.
#[derive(Clone)]
pub enum Dependency {
    /// A secret that is read.
    Read {
        /// The path as the template gave it, without outer blanks and slashes, and without query.
        path: String,
        /// What stood after `?`, as written. Only `version` counts for equality.
        query: String,
    },
    /// A secret that is written, whose answer is the value.
    Write {
        /// The path.
        path: String,
        /// The pairs to send; always texts.
        data: BTreeMap<String, String>,
    },
    /// The names below a path.
    List {
        /// The path.
        path: String,
    },
    /// A certificate that is issued, and kept while it is good.
    PkiCert {
        /// The path.
        path: String,
        /// The pairs to send.
        data: BTreeMap<String, String>,
        /// The file that is rendered, which may already hold the certificate.
        destination: Option<String>,
    },
    /// The content of a file.
    File {
        /// The path.
        path: String,
    },
}

impl Dependency {
    /// The path of the secret or file.
    pub fn path(&self) -> &str {
        match self {
            Self::Read { path, .. }
            | Self::Write { path, .. }
            | Self::List { path }
            | Self::PkiCert { path, .. }
            | Self::File { path } => path,
        }
    }

    /// The `version` that a read asks for, if any.
    pub fn version(&self) -> Option<&str> {
        match self {
            Self::Read { query, .. } => query
                .split('&')
                .find_map(|pair| pair.strip_prefix("version=")),
            _ => None,
        }
    }

    fn identity(&self) -> (u8, &str, Option<&str>, Option<&BTreeMap<String, String>>) {
        match self {
            Self::Read { path, .. } => (0, path, self.version(), None),
            Self::Write { path, data } => (1, path, None, Some(data)),
            Self::List { path } => (2, path, None, None),
            // The pairs do not count: one path and destination hold one certificate.
            Self::PkiCert {
                path, destination, ..
            } => (3, path, destination.as_deref(), None),
            Self::File { path } => (4, path, None, None),
        }
    }
}

impl PartialEq for Dependency {
    fn eq(&self, other: &Self) -> bool {
        self.identity() == other.identity()
    }
}

impl Eq for Dependency {}

impl Ord for Dependency {
    fn cmp(&self, other: &Self) -> Ordering {
        self.identity().cmp(&other.identity())
    }
}

impl PartialOrd for Dependency {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl hash::Hash for Dependency {
    fn hash<H: hash::Hasher>(&self, state: &mut H) {
        self.identity().hash(state);
    }
}

/// Without the data that is written, which may be a password.
impl fmt::Debug for Dependency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self {
            Self::Read { .. } => "read",
            Self::Write { .. } => "write",
            Self::List { .. } => "list",
            Self::PkiCert { .. } => "certificate",
            Self::File { .. } => "file",
        };
        write!(f, "{kind} {}", self.path())
    }
}
