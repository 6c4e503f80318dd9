//! Reading, writing and listing secrets as templates mean it: key/value paths are put
//! right, a missing secret is an answer and not an error.

use std::sync::PoisonError;

use serde::Deserialize;
use serde_json::Value;

use crate::answer::Secret;
use crate::client::{Client, RawAnswer};
use crate::error::{Error, Unusable};
use crate::kv::{Engine, Place, Purpose};
use crate::request::Request;
use crate::token::Token;

/// What reading or writing brought.
#[derive(Debug)]
pub struct Reading {
    /// The path that was asked for in the end.
    pub path: String,
    /// The secret; absent where there is none, its version is deleted, or a write has no
    /// answer.
    pub secret: Option<Secret>,
    /// What people should know: the server's warnings where there is no secret, and a
    /// mount look-up that failed.
    pub warnings: Vec<String>,
}

/// What listing brought.
#[derive(Debug)]
pub struct Listing {
    /// The path that was asked for in the end.
    pub path: String,
    /// The names, sorted; folders end in a slash. Empty where there is nothing.
    pub names: Vec<String>,
    /// As in [`Reading`].
    pub warnings: Vec<String>,
}

/// What is tried at a place.
#[derive(Clone, Copy)]
enum Attempt<'a> {
    Read { query: &'a [(String, String)] },
    Write { pairs: &'a [(String, String)] },
}

#[derive(Deserialize)]
struct MountForm {
    path: String,
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    options: Option<Options>,
}

#[derive(Deserialize)]
struct Options {
    #[serde(default)]
    version: Option<String>,
}

#[derive(Deserialize)]
struct NamesForm {
    #[serde(default)]
    keys: Vec<String>,
}

impl Client {
    /// Reads a secret.
    ///
    /// # Errors
    /// The server refuses, fails or cannot be reached.
    pub async fn read(
        &self,
        token: &Token,
        path: &str,
        query: &[(String, String)],
    ) -> Result<Reading, Error> {
        self.attempt(token, path, Attempt::Read { query }).await
    }

    /// Writes pairs of text to a path and gives the answer, which may be none.
    ///
    /// # Errors
    /// The server refuses, fails or cannot be reached.
    pub async fn write(
        &self,
        token: &Token,
        path: &str,
        pairs: &[(String, String)],
    ) -> Result<Reading, Error> {
        self.attempt(token, path, Attempt::Write { pairs }).await
    }

    /// Tries the likely place of a path, and the one that its mount's look-up tells where that is another.
    async fn attempt(
        &self,
        token: &Token,
        path: &str,
        attempt: Attempt<'_>,
    ) -> Result<Reading, Error> {
        let Some(likely) = self.likely(path) else {
            let (place, warning) = self.place(token, path, attempt.purpose()).await?;
            return self.attempt_at(token, place, attempt, warning).await;
        };
        let tried = self.attempt_at(token, likely.clone(), attempt, None).await;
        if !attempt.leaves_open(&tried) {
            return tried;
        }
        match self.place(token, path, attempt.purpose()).await {
            Ok((place, warning)) if place.path != likely.path => {
                self.attempt_at(token, place, attempt, warning).await
            }
            _ => tried,
        }
    }

    async fn attempt_at(
        &self,
        token: &Token,
        place: Place,
        attempt: Attempt<'_>,
        warning: Option<String>,
    ) -> Result<Reading, Error> {
        match attempt {
            Attempt::Read { query } => self.read_at(token, place, query, warning).await,
            Attempt::Write { pairs } => self.write_at(token, place, pairs, warning).await,
        }
    }

    async fn read_at(
        &self,
        token: &Token,
        place: Place,
        query: &[(String, String)],
        warning: Option<String>,
    ) -> Result<Reading, Error> {
        let mut request = Request::get(&place.path).token(token);
        request.query = query.to_vec();
        let answer = self.forward(&request).await?;
        let mut warnings: Vec<String> = warning.into_iter().collect();
        let secret = match answer.status {
            200..300 => self.secret_of(&request, answer)?,
            404 => {
                let (secret, more) = missing(answer, &place);
                warnings.extend(more);
                secret
            }
            _ => return Err(self.refused(&request, &answer)),
        };
        Ok(Reading {
            path: place.path,
            secret,
            warnings,
        })
    }

    async fn write_at(
        &self,
        token: &Token,
        place: Place,
        pairs: &[(String, String)],
        warning: Option<String>,
    ) -> Result<Reading, Error> {
        let body = if place.wraps_pairs() {
            serde_json::json!({ "data": object(pairs) })
        } else {
            object(pairs)
        };
        let request = Request::put(&place.path, &body).token(token);
        let secret = self.call(&request).await?;
        Ok(Reading {
            path: place.path,
            secret,
            warnings: warning.into_iter().collect(),
        })
    }

    /// Has a certificate issued: a write at exactly this path.
    ///
    /// # Errors
    /// The server refuses, fails or cannot be reached, or answers without a body.
    pub async fn issue(
        &self,
        token: &Token,
        path: &str,
        pairs: &[(String, String)],
    ) -> Result<Secret, Error> {
        let request = Request::put(path.trim_matches('/'), &object(pairs)).token(token);
        match self.call(&request).await? {
            Some(secret) => Ok(secret),
            None => Err(self.unusable(&request, 204, Unusable::Lacks("data"))),
        }
    }

    /// Lists the names at a path.
    ///
    /// # Errors
    /// The server refuses, fails or cannot be reached. Nothing being there is no error.
    pub async fn list(&self, token: &Token, path: &str) -> Result<Listing, Error> {
        let (place, warning) = self.place(token, path, Purpose::Names).await?;
        let request = Request::list(&place.path).token(token);
        let answer = self.forward(&request).await?;
        let mut names = match answer.status {
            200..300 => {
                let status = answer.status;
                match self.secret_of(&request, answer)? {
                    Some(secret) if secret.data().is_some() => {
                        secret
                            .data_as::<NamesForm>()
                            .map_err(|reason| self.unusable(&request, status, reason))?
                            .keys
                    }
                    _ => Vec::new(),
                }
            }
            404 => Vec::new(),
            _ => return Err(self.refused(&request, &answer)),
        };
        names.sort();
        Ok(Listing {
            path: place.path,
            names,
            warnings: warning.into_iter().collect(),
        })
    }

    fn likely(&self, path: &str) -> Option<Place> {
        let path = path.trim().trim_matches('/');
        let namespace = self.namespace_of(&Request::get(path)).unwrap_or_default();
        self.lock_mounts().likely(&namespace, path)
    }

    /// Finds the place of a path, and says so where the server would not tell.
    async fn place(
        &self,
        token: &Token,
        path: &str,
        purpose: Purpose,
    ) -> Result<(Place, Option<String>), Error> {
        let path = path.trim().trim_matches('/');
        let lookup = Request::get(format!("sys/internal/ui/mounts/{path}")).token(token);
        let namespace = self.namespace_of(&lookup).unwrap_or_default();
        if let Some(place) = self.lock_mounts().resolve(&namespace, path, purpose) {
            return Ok((place, None));
        }
        // Several paths are asked for at once; while one look-up is on its way the others wait for what it
        // learns.
        let _alone = self.look_up_alone().await;
        if let Some(place) = self.lock_mounts().resolve(&namespace, path, purpose) {
            return Ok((place, None));
        }
        let as_it_stands = |why: &str| {
            let place = Place {
                path: path.to_owned(),
                engine: None,
                is_root: false,
            };
            let warning = format!(
                "the engine of `{path}` is not known, so the path is used as it stands: {why}"
            );
            (place, Some(warning))
        };
        let mount = match self.call(&lookup).await {
            Ok(secret) => secret.and_then(|secret| secret.data_as::<MountForm>().ok()),
            Err(error) if error.is_definite() => return Ok(as_it_stands(&error.to_string())),
            // Without the server there is no use in asking for the secret.
            Err(error) => return Err(error),
        };
        let Some(mount) = mount else {
            return Ok(as_it_stands("the server's answer does not say"));
        };
        let engine = mount.engine();
        self.lock_mounts().learn(&namespace, &mount.path, engine);
        let place = Place::in_mount(path, &mount.path, engine, purpose);
        Ok((place, None))
    }

    fn lock_mounts(&self) -> std::sync::MutexGuard<'_, crate::kv::Mounts> {
        self.mounts().lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Attempt<'_> {
    const fn purpose(self) -> Purpose {
        match self {
            Self::Read { .. } => Purpose::Reading,
            Self::Write { .. } => Purpose::Writing,
        }
    }

    /// Whether it may have failed as the path stands because version 2 of the key/value engine keeps the secret
    /// elsewhere: there is nothing, or no right to it. Then a write wrote nothing: version 2 knows no such path, and
    /// whoever may write there has no right to this one.
    fn leaves_open(self, tried: &Result<Reading, Error>) -> bool {
        match (self, tried) {
            (Self::Read { .. }, Ok(reading)) => reading.secret.is_none(),
            (Self::Write { .. }, Ok(_)) => false,
            // Reading takes a 404 for an answer, so its errors have none.
            (_, Err(error)) => error
                .refusal()
                .is_some_and(|refusal| matches!(refusal.status, 403 | 404)),
        }
    }
}

/// Reads a 404: no secret, a deleted version, or, for a destroyed version and the root of
/// a versioned mount, an answer without content that counts as a secret.
fn missing(answer: RawAnswer, place: &Place) -> (Option<Secret>, Vec<String>) {
    let Ok(secret) = Secret::parse(answer.body) else {
        return (None, Vec::new());
    };
    let counts = match secret.data() {
        None => place.is_root && !secret.warnings.is_empty(),
        Some(_) => !secret.request_id.is_empty() && !was_deleted(&secret),
    };
    if counts {
        (Some(secret), Vec::new())
    } else {
        (None, secret.warnings)
    }
}

impl MountForm {
    fn engine(&self) -> Engine {
        let version = self.options.as_ref().and_then(|o| o.version.as_deref());
        if self.kind == "kv" && version == Some("2") {
            Engine::VersionedKv
        } else {
            Engine::Plain
        }
    }
}

/// Whether this version was deleted (it could be undeleted) and not destroyed. The server
/// answers 404 only once the deletion time has passed, so the clock need not be asked.
fn was_deleted(secret: &Secret) -> bool {
    secret.data_as::<Value>().is_ok_and(|data| {
        data.get("metadata")
            .and_then(|metadata| metadata.get("deletion_time"))
            .and_then(Value::as_str)
            .is_some_and(|time| !time.is_empty())
    })
}

fn object(pairs: &[(String, String)]) -> Value {
    Value::Object(
        pairs
            .iter()
            .map(|(key, value)| (key.clone(), Value::String(value.clone())))
            .collect(),
    )
}
