//! Answers with a lease, kept for equal requests of applications: what is kept, until when it is given out, and when
//! its lease or token is due for renewal. Pure: moments and chance come in as arguments. Who sends renewals is the
//! business of `keeping`; what ends them before their time, of `ending`; what makes two requests equal, of `key`.
//!
//! The rules are those of the established agent's lease cache. Kept are answers with a renewable lease whose token
//! the agent manages (its own, or one that was made through the proxy), and renewable tokens that are orphans or
//! children of a managed token. They go when they can no longer be renewed, when the token that they hang on goes,
//! and when a revocation of them passes by.

mod ending;
mod key;

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use leasehold_vault::{LeaseId, Secret, SecretText, Token};

use crate::{
    core::{
        backoff::Backoff,
        chance::Chance,
        failure::{Failure, FailureKind},
        lifetime,
        moment::Moment,
    },
    listener::{
        head::split_namespace,
        response::{self, HttpResponse},
    },
};

pub(super) use self::{ending::Clear, key::Key};
use self::{ending::canonical, key::Fingerprint};

/// At most so many answers are kept.
const LIMIT: usize = 1000;
/// At most so many bytes of answers are kept.
const BYTES: usize = 8 * 1024 * 1024;
/// The first and the longest pause after a renewal that was not answered.
const FIRST_PAUSE: Duration = Duration::from_secs(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// What is renewed so that an answer stays good.
#[derive(Clone)]
pub(super) enum Held {
    /// A lease, with the token that it was got with.
    Lease(LeaseId, Token),
    /// A token, by itself.
    Token(Token),
}

/// A kept answer.
pub(super) struct Stored {
    response: HttpResponse,
    path: String,
    namespace: String,
    /// The namespace of what is held: that of the request, and what stands of one in its path.
    held_in: String,
    held: Held,
    accessor: SecretText,
    /// The agent's token that it hangs on; none for an orphan.
    root: Option<Fingerprint>,
    kept_at: SystemTime,
    granted: Duration,
    ends: Moment,
    next: Option<Moment>,
    underway: bool,
    trouble: Backoff,
}

/// All kept answers.
#[derive(Default)]
pub(super) struct Cache {
    entries: BTreeMap<Key, Stored>,
    bytes: usize,
    root: Option<Fingerprint>,
    /// Whether what hangs on the agent's token is kept: not any more once all of it was cleared, until the next login.
    rooted: bool,
}

/// What an answer came from.
pub(super) struct Asked<'a> {
    pub(super) path: &'a str,
    pub(super) namespace: &'a str,
    pub(super) token: Option<&'a Token>,
}

impl Stored {
    /// The answer out of the cache, with its age.
    pub(super) fn response(&self, now: SystemTime) -> HttpResponse {
        let mut response = self.response.clone();
        let age = now
            .duration_since(self.kept_at)
            .unwrap_or_default()
            .as_secs();
        response.set("X-Cache", "HIT".to_owned());
        response.set("Age", age.to_string());
        response.set("Date", response::date(now));
        response
    }

    /// Given out until the last tenth of its life, in which nobody could begin anything with it.
    fn until(&self) -> Moment {
        self.ends - self.granted / 10
    }

    fn size(&self) -> usize {
        self.response.body.len()
    }

    fn holds_token(&self, token: Fingerprint) -> bool {
        matches!(&self.held, Held::Token(own) if Fingerprint::of(own.expose()) == token)
    }
}

impl Cache {
    /// The agent has this token now; what hangs on an earlier one is left to its end.
    pub(super) fn follow(&mut self, token: Option<&Token>) {
        let root = token.map(|token| Fingerprint::of(token.expose()));
        if self.root != root {
            self.root = root;
            self.rooted = true;
            self.retain(|_, stored| stored.root.is_none() || stored.root == root);
        }
    }

    pub(super) fn get(&mut self, key: &Key, now: Moment) -> Option<&Stored> {
        self.sweep(now);
        self.entries.get(key)
    }

    /// Keeps an answer, if it is one to keep.
    pub(super) fn put(
        &mut self,
        key: Key,
        asked: &Asked<'_>,
        response: &HttpResponse,
        now: Moment,
        chance: &mut dyn Chance,
    ) {
        let Some(stored) = self.kept(&key, asked, response, now, chance) else {
            return;
        };
        if self.entries.len() < LIMIT && self.bytes + stored.size() <= BYTES {
            self.bytes += stored.size();
            if let Some(old) = self.entries.insert(key, stored) {
                self.bytes -= old.size();
            }
        }
    }

    fn kept(
        &self,
        key: &Key,
        asked: &Asked<'_>,
        response: &HttpResponse,
        now: Moment,
        chance: &mut dyn Chance,
    ) -> Option<Stored> {
        let secret = Secret::parse(response.body.clone()).ok()?;
        let managed = self.manages(key.token);
        let (renewable, granted, held, accessor, root) = match secret.auth {
            Some(auth) => {
                let orphan = is_orphan(&response.body);
                let root = managed.filter(|_| !orphan);
                if !orphan && managed.is_none() {
                    return None;
                }
                let held = Held::Token(auth.client_token);
                let root = root.flatten();
                (
                    auth.renewable,
                    auth.lease_duration,
                    held,
                    auth.accessor,
                    root,
                )
            }
            None if secret.lease_id.is_empty() => return None,
            None => {
                let held = Held::Lease(secret.lease_id, asked.token?.clone());
                let accessor = SecretText::default();
                (
                    secret.renewable,
                    secret.lease_duration,
                    held,
                    accessor,
                    managed?,
                )
            }
        };
        (renewable && granted >= Duration::from_secs(1)).then(|| Stored {
            response: response.clone(),
            path: format!("/v1/{}", asked.path),
            namespace: canonical(asked.namespace),
            held_in: held_in(asked, &held),
            held,
            accessor,
            root,
            kept_at: SystemTime::now(),
            granted,
            ends: now + granted,
            next: Some(lifetime::renewal(now, granted, chance)),
            underway: false,
            trouble: Backoff::new(FIRST_PAUSE, LONGEST_PAUSE),
        })
    }

    /// Whether the agent manages a token, and which of its own that one hangs on.
    fn manages(&self, token: Fingerprint) -> Option<Option<Fingerprint>> {
        if self.root == Some(token) {
            return self.rooted.then_some(Some(token));
        }
        self.entries
            .values()
            .find(|stored| stored.holds_token(token))
            .map(|stored| stored.root)
    }

    /// The next moment at which something is due.
    pub(super) fn wakes(&self) -> Option<Moment> {
        self.entries
            .values()
            .map(|stored| {
                let until = stored.until();
                match stored.next {
                    Some(next) if !stored.underway => next.min(until),
                    _ => until,
                }
            })
            .min()
    }

    /// What is to be renewed now, and in which namespace; taken as begun.
    pub(super) fn due(&mut self, now: Moment) -> Vec<(Key, Held, String)> {
        self.sweep(now);
        let mut due = Vec::new();
        for (key, stored) in &mut self.entries {
            if !stored.underway && stored.next.is_some_and(|next| next <= now) {
                stored.underway = true;
                due.push((*key, stored.held.clone(), stored.held_in.clone()));
            }
        }
        due
    }

    /// A renewal ended: the new duration, and whether there can be a further one.
    pub(super) fn renewed(
        &mut self,
        key: &Key,
        now: Moment,
        answer: &Result<(Duration, bool), Failure>,
        chance: &mut dyn Chance,
    ) {
        let Some(stored) = self.entries.get_mut(key) else {
            return;
        };
        stored.underway = false;
        match answer {
            Ok((duration, renewable)) => {
                stored.trouble.reset();
                let capped = !renewable || lifetime::is_capped(stored.granted, *duration);
                stored.ends = now + *duration;
                stored.next = (!capped).then(|| lifetime::renewal(now, *duration, chance));
            }
            Err(failure) => match failure.kind {
                // It may not be renewed, and is good for as long as it was granted.
                FailureKind::Definite(403) => stored.next = None,
                // It is gone.
                FailureKind::Definite(_) => self.remove(key),
                _ => {
                    let pause = stored.trouble.pause(chance, failure.retry_after());
                    stored.next = Some(now + pause).filter(|next| *next < stored.until());
                }
            },
        }
    }

    fn sweep(&mut self, now: Moment) {
        let ended: Vec<Fingerprint> = self
            .entries
            .values()
            .filter(|stored| stored.until() <= now)
            .filter_map(|stored| match &stored.held {
                Held::Token(token) => Some(Fingerprint::of(token.expose())),
                Held::Lease(..) => None,
            })
            .collect();
        self.retain(|_, stored| stored.until() > now);
        for token in ended {
            self.drop_token(token);
        }
    }

    fn remove(&mut self, key: &Key) {
        let token = self.entries.get(key).and_then(|stored| match &stored.held {
            Held::Token(token) => Some(Fingerprint::of(token.expose())),
            Held::Lease(..) => None,
        });
        self.retain(|known, _| known != key);
        if let Some(token) = token {
            self.drop_token(token);
        }
    }

    fn retain(&mut self, mut keep: impl FnMut(&Key, &Stored) -> bool) {
        self.entries.retain(|key, stored| keep(key, stored));
        self.bytes = self.entries.values().map(Stored::size).sum();
    }
}

fn held_in(asked: &Asked<'_>, held: &Held) -> String {
    let inner = match held {
        // A lease is named after the path that it was got at, within its namespace.
        Held::Lease(lease, _) => lease.expose().rsplit_once('/').map(|(path, _)| path),
        Held::Token(_) => Some("auth/"),
    };
    let before = inner.and_then(|inner| split_namespace(asked.path, inner));
    let (before, _) = before.unwrap_or_default();
    canonical(&format!("{}/{before}", asked.namespace.trim_matches('/')))
}

fn is_orphan(body: &[u8]) -> bool {
    #[derive(serde::Deserialize)]
    struct Form {
        auth: Auth,
    }
    #[derive(serde::Deserialize)]
    struct Auth {
        #[serde(default)]
        orphan: bool,
    }
    serde_json::from_slice::<Form>(body).is_ok_and(|form| form.auth.orphan)
}

#[cfg(test)]
mod tests;
