//! The texts in which templates report a failed read, word for word as people know them
//! from their logs: `vault.read(secret/app): no secret exists at secret/data/app`.

use std::fmt;

use ring::digest;

use crate::error::Error;

/// What a template asked for, by the name that its errors carry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// `secret PATH`, maybe of one version.
    Read {
        /// The path as the template gave it.
        path: String,
        /// The `version` of its query.
        version: Option<String>,
    },
    /// `secret PATH "k=v"…`.
    Write {
        /// The path as the template gave it.
        path: String,
        /// A short hash of the pairs.
        digest: String,
    },
    /// `secrets PATH`.
    List {
        /// The path as the template gave it.
        path: String,
    },
    /// `pkiCert PATH …`.
    PkiCert {
        /// The path as the template gave it.
        path: String,
        /// The file that the template is rendered to.
        destination: String,
    },
}

/// A read that did not bring what a template asked for.
#[derive(Debug)]
pub enum FetchError {
    /// There is nothing there.
    Missing {
        /// What was asked for.
        asked: Asked,
        /// The path that was asked for in the end.
        path: String,
        /// What the server had to say about it.
        warnings: Vec<String>,
    },
    /// The request failed.
    Failed {
        /// What was asked for.
        asked: Asked,
        /// How.
        error: Error,
    },
}

impl Asked {
    /// A read.
    #[must_use]
    pub fn read(path: &str, query: &[(String, String)]) -> Self {
        let version = query.iter().find(|(key, _)| key == "version");
        Self::Read {
            path: path.to_owned(),
            version: version.map(|(_, value)| value.clone()),
        }
    }

    /// A write.
    #[must_use]
    pub fn write(path: &str, pairs: &[(String, String)]) -> Self {
        Self::Write {
            path: path.to_owned(),
            digest: pairs_digest(pairs),
        }
    }
}

impl FetchError {
    /// Whether it stays so until somebody changes something on the server.
    #[must_use]
    pub fn is_definite(&self) -> bool {
        match self {
            Self::Missing { .. } => true,
            Self::Failed { error, .. } => error.is_definite(),
        }
    }
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read {
                path,
                version: None,
            } => write!(f, "vault.read({path})"),
            Self::Read {
                path,
                version: Some(version),
            } => write!(f, "vault.read({path}.v{version})"),
            Self::Write { path, digest } => write!(f, "vault.write({path} -> {digest})"),
            Self::List { path } => write!(f, "vault.list({path})"),
            Self::PkiCert { path, destination } => write!(f, "vault.pki({path}->{destination})"),
        }
    }
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { asked, path, .. } => {
                write!(f, "{asked}: no secret exists at {path}")
            }
            Self::Failed { asked, error } => {
                // The established text names a read or write twice, once for each of the
                // layers that it passed.
                match asked {
                    Asked::Read { .. } | Asked::Write { .. } => {
                        write!(f, "{asked}: {asked}: {}", error.api_text())
                    }
                    Asked::List { .. } | Asked::PkiCert { .. } => {
                        write!(f, "{asked}: {}", error.api_text())
                    }
                }
            }
        }
    }
}

impl std::error::Error for FetchError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Missing { .. } => None,
            // The error's own text is part of ours; what is left is its cause.
            Self::Failed { error, .. } => std::error::Error::source(error),
        }
    }
}

/// The first four bytes of the SHA-1 of the sorted pairs, each value quoted: a name for a
/// write that does not show what is written.
fn pairs_digest(pairs: &[(String, String)]) -> String {
    let mut sorted: Vec<_> = pairs.iter().collect();
    sorted.sort();
    let mut context = digest::Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY);
    for (key, value) in sorted {
        context.update(format!("{key}={}", quoted(value)).as_bytes());
    }
    let hash = context.finish();
    hash.as_ref()
        .iter()
        .take(4)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// A text in quotes with Go's escapes for what ASCII cannot show.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '\u{7}' => quoted.push_str("\\a"),
            '\u{8}' => quoted.push_str("\\b"),
            '\u{b}' => quoted.push_str("\\v"),
            '\u{c}' => quoted.push_str("\\f"),
            c if c.is_control() && u32::from(c) < 0x80 => {
                quoted.push_str(&format!("\\x{:02x}", u32::from(c)));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use reqwest::Method;

    use super::*;
    use crate::error::{Failure, Refusal, RefusalForm};

    fn refused(method: Method, path: &str, texts: &[&str]) -> Error {
        Error {
            method,
            path: path.into(),
            url: format!("http://127.0.0.1:8200/v1/{path}").into(),
            namespace: None,
            failure: Failure::Definite(Refusal {
                status: 400,
                errors: texts.iter().map(|&t| t.to_owned()).collect(),
                form: RefusalForm::Vault,
            }),
        }
    }

    fn pair(key: &str, value: &str) -> (String, String) {
        (key.to_owned(), value.to_owned())
    }

    #[test]
    fn a_write_is_named_by_a_hash_of_its_pairs() {
        assert_eq!(
            Asked::write("auth/userpass/login/ann", &[pair("password", "wrong")]).to_string(),
            "vault.write(auth/userpass/login/ann -> 321a52a6)"
        );
        let forth = Asked::write("x", &[pair("a", "1"), pair("b", "2")]);
        let back = Asked::write("x", &[pair("b", "2"), pair("a", "1")]);
        assert_eq!(forth, back);
    }

    #[test]
    fn failed_reads_and_writes_carry_their_name_twice() {
        let error = FetchError::Failed {
            asked: Asked::read("secret/versions", &[pair("version", "x")]),
            error: refused(Method::GET, "secret/data/versions", &["bad"]),
        };
        assert_eq!(
            error.to_string(),
            "vault.read(secret/versions.vx): vault.read(secret/versions.vx): Error making API \
             request.\n\nURL: GET http://127.0.0.1:8200/v1/secret/data/versions\nCode: 400. \
             Errors:\n\n* bad"
        );
        let error = FetchError::Failed {
            asked: Asked::PkiCert {
                path: "pki/issue/none".to_owned(),
                destination: "/out".to_owned(),
            },
            error: refused(Method::PUT, "pki/issue/none", &["unknown role: none"]),
        };
        assert!(error.to_string().starts_with(
            "vault.pki(pki/issue/none->/out): Error making API request.\n\nURL: PUT "
        ));
    }

    #[test]
    fn a_missing_secret_is_named_by_both_its_paths() {
        let error = FetchError::Missing {
            asked: Asked::read("secret/none", &[]),
            path: "secret/data/none".to_owned(),
            warnings: Vec::new(),
        };
        assert_eq!(
            error.to_string(),
            "vault.read(secret/none): no secret exists at secret/data/none"
        );
    }
}
