//! The files in which credentials are, and what is remembered of them.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use zeroize::Zeroizing;

use super::{LoginError, Sign, Watched};
use crate::client::Client;
use crate::token::{SecretText, Token};

/// Larger files hold no credentials, in bytes.
const FILE_LIMIT: u64 = 1024 * 1024;

/// A service account's token, read anew at each login.
#[derive(Debug)]
pub(super) struct Kubernetes {
    pub(super) role: Option<String>,
    pub(super) path: PathBuf,
}

/// A JWT that somebody writes.
#[derive(Debug)]
pub(super) struct JwtFile {
    pub(super) role: Option<String>,
    pub(super) path: PathBuf,
    pub(super) remove: bool,
    pub(super) follow_links: bool,
    pub(super) period: Duration,
    pub(super) last: Option<SecretText>,
}

/// A role id and a secret id that somebody writes.
#[derive(Debug)]
pub(super) struct AppRole {
    pub(super) role_id_path: PathBuf,
    pub(super) secret_id_path: Option<PathBuf>,
    pub(super) remove: bool,
    pub(super) wrapping_path: Option<String>,
    pub(super) role_id: Option<SecretText>,
    pub(super) secret_id: Option<SecretText>,
}

/// A secret id, or what it can be had for.
pub(super) enum SecretId {
    Plain(Option<SecretText>),
    Wrapped {
        token: Token,
        path: PathBuf,
        expected: String,
    },
}

/// A client certificate.
#[derive(Debug)]
pub(super) struct Cert {
    pub(super) name: Option<String>,
    pub(super) ca: Option<PathBuf>,
    pub(super) pair: Option<(PathBuf, PathBuf)>,
    pub(super) reload: bool,
    pub(super) own: Option<Client>,
}

/// A password that somebody writes.
#[derive(Debug)]
pub(super) struct PasswordFile {
    pub(super) username: String,
    pub(super) path: PathBuf,
    pub(super) remove: bool,
    pub(super) follow_links: bool,
    pub(super) period: Duration,
    pub(super) last: Option<SecretText>,
}

impl Kubernetes {
    pub(super) fn role(&self) -> Option<&str> {
        self.role.as_deref()
    }

    pub(super) fn read(&self) -> Result<SecretText, LoginError> {
        let what = "the service account token";
        not_empty(what, &self.path, read_text(what, &self.path)?.trimmed())
    }
}

impl JwtFile {
    pub(super) fn role(&self) -> Option<&str> {
        self.role.as_deref()
    }

    pub(super) fn watched(&self) -> Watched {
        Watched {
            sign: Sign::File(self.path.clone()),
            period: self.period,
        }
    }

    /// The file's content as it stands, or what was in it when it was last there.
    pub(super) fn read(&mut self) -> Result<SecretText, LoginError> {
        let jwt = read_or_remembered("the JWT", &self.path, self.last.as_ref())?;
        if self.remove {
            remove(&self.path, self.follow_links);
        }
        self.last = Some(jwt.clone());
        Ok(jwt)
    }
}

impl PasswordFile {
    pub(super) fn username(&self) -> &str {
        &self.username
    }

    pub(super) fn watched(&self) -> Watched {
        Watched {
            sign: Sign::File(self.path.clone()),
            period: self.period,
        }
    }

    /// The file's content, or what was in it when it was last there. One line break at
    /// its end is the editor's, not the password's.
    pub(super) fn read(&mut self) -> Result<SecretText, LoginError> {
        let text = read_or_remembered("the password", &self.path, self.last.as_ref())?;
        let bare = text.expose().trim_end_matches('\n').trim_end_matches('\r');
        let password = SecretText::new(bare.to_owned());
        if self.remove {
            remove(&self.path, self.follow_links);
        }
        self.last = Some(password.clone());
        Ok(password)
    }
}

impl AppRole {
    pub(super) fn role_id(&mut self) -> Result<SecretText, LoginError> {
        let text = read_or_remembered("the role id", &self.role_id_path, self.role_id.as_ref())?;
        let role_id = text.trimmed();
        self.role_id = Some(role_id.clone());
        Ok(role_id)
    }

    /// What is in the file of the secret id; a file that is gone leaves the last one.
    pub(super) fn secret_id(&mut self) -> Result<SecretId, LoginError> {
        let Some(path) = self.secret_id_path.clone() else {
            return Ok(SecretId::Plain(None));
        };
        let what = match self.wrapping_path {
            Some(_) => "the wrapping token of the secret id",
            None => "the secret id",
        };
        let text = match read_text(what, &path) {
            Ok(text) if !text.trimmed().is_empty() => text.trimmed(),
            Ok(_) | Err(_) if self.secret_id.is_some() => {
                return Ok(SecretId::Plain(self.secret_id.clone()));
            }
            Ok(empty) => {
                return not_empty(what, &path, empty.trimmed()).map(|id| SecretId::Plain(Some(id)));
            }
            Err(error) => return Err(error),
        };
        if self.remove {
            remove(&path, false);
        }
        match &self.wrapping_path {
            None => {
                self.secret_id = Some(text.clone());
                Ok(SecretId::Plain(Some(text)))
            }
            Some(expected) => {
                let token = Token::new(text.expose().to_owned()).map_err(|source| {
                    LoginError::BadToken {
                        path: path.clone(),
                        source,
                    }
                })?;
                Ok(SecretId::Wrapped {
                    token,
                    path,
                    expected: expected.clone(),
                })
            }
        }
    }

    pub(super) fn remember(&mut self, secret_id: SecretText) {
        self.secret_id = Some(secret_id);
    }
}

impl Cert {
    pub(super) fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }
}

/// Reads a small file of text.
pub(super) fn read_text(what: &'static str, path: &Path) -> Result<SecretText, LoginError> {
    let unreadable = |source| LoginError::Unreadable {
        what,
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(unreadable)?;
    let mut text = Zeroizing::new(String::new());
    file.take(FILE_LIMIT + 1)
        .read_to_string(&mut text)
        .map_err(unreadable)?;
    if text.len() as u64 > FILE_LIMIT {
        let reason = format!("it is larger than {FILE_LIMIT} bytes");
        return Err(unreadable(std::io::Error::other(reason)));
    }
    Ok(SecretText::new(std::mem::take(&mut *text)))
}

fn read_or_remembered(
    what: &'static str,
    path: &Path,
    last: Option<&SecretText>,
) -> Result<SecretText, LoginError> {
    let read = read_text(what, path).and_then(|text| not_empty(what, path, text));
    match (read, last) {
        (Ok(text), _) => Ok(text),
        // Whoever writes the file may be at it, or it was removed after reading.
        (Err(_), Some(last)) => Ok(last.clone()),
        (Err(error), None) => Err(error),
    }
}

fn not_empty(what: &'static str, path: &Path, text: SecretText) -> Result<SecretText, LoginError> {
    if text.trimmed().is_empty() {
        return Err(LoginError::Empty {
            what,
            path: path.to_owned(),
        });
    }
    Ok(text)
}

/// Removes a file that is to be read once. Mounted volumes are often read-only, and the
/// login works all the same, so a failure is not one of the login.
fn remove(path: &Path, follow_links: bool) {
    if follow_links
        && let Ok(target) = fs::canonicalize(path)
        && target != path
    {
        let _ = fs::remove_file(target);
    }
    let _ = fs::remove_file(path);
}
