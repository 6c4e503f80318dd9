//! Answers with a lease, kept for equal requests of applications: what is kept, until when it is given out, and when
//! its lease or token is due for renewal. Pure: moments and chance come in as arguments. Who sends renewals is the
//! business of `keeping`.
//!
//! The rules are those of the established agent's lease cache. Kept are answers with a renewable lease whose token
//! the agent manages (its own, or one that was made through the proxy), and renewable tokens that are orphans or
//! children of a managed token. They go when they can no longer be renewed, when the token that they hang on goes,
//! and when a revocation of them passes by.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, SystemTime},
};

use leasehold_vault::{LeaseId, Secret, SecretText, Token};
use ring::digest;
use zeroize::Zeroizing;

use crate::{
    core::{
        backoff::Backoff,
        chance::Chance,
        failure::{Failure, FailureKind},
        lifetime,
        moment::Moment,
    },
    listener::{
        head::HttpRequest,
        http::{self, HttpResponse},
    },
};

/// At most so many answers are kept.
const LIMIT: usize = 1000;
/// At most so many bytes of answers are kept.
const BYTES: usize = 8 * 1024 * 1024;
/// The first and the longest pause after a renewal that was not answered.
const FIRST_PAUSE: Duration = Duration::from_secs(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// Stands for a token without showing it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Fingerprint([u8; 32]);

/// Names equal requests: a hash over method, path, query, headers, body and token, beside that of the token.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    request: Fingerprint,
    token: Fingerprint,
}

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

/// Which answers are to go, as `cache-clear` names them.
pub(super) enum Clear<'a> {
    All,
    Path { prefix: &'a str, namespace: &'a str },
    Token(&'a str),
    Accessor(&'a str),
    Lease(&'a str),
}

impl Fingerprint {
    pub(super) fn of(token: &str) -> Self {
        Self::hash(&[token.as_bytes()])
    }

    fn hash(parts: &[&[u8]]) -> Self {
        let mut context = digest::Context::new(&digest::SHA256);
        for part in parts {
            context.update(&u64::try_from(part.len()).unwrap_or_default().to_be_bytes());
            context.update(part);
        }
        let mut bytes = [0; 32];
        bytes.copy_from_slice(context.finish().as_ref());
        Self(bytes)
    }
}

impl Key {
    pub(super) fn of(request: &HttpRequest, body: &[u8], token: Option<&Token>) -> Self {
        let token = token.map(Token::expose).unwrap_or_default();
        let mut parts: Vec<&[u8]> = vec![
            request.method.as_bytes(),
            request.path.as_bytes(),
            request.query.as_bytes(),
        ];
        for (name, value) in &request.headers {
            if name != "x-vault-token" {
                parts.extend([name.as_bytes(), value.as_bytes()]);
            }
        }
        parts.extend([body, token.as_bytes()]);
        Self {
            request: Fingerprint::hash(&parts),
            token: Fingerprint::of(token),
        }
    }
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
        response.set("Date", http::date(now));
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

    /// What is to be renewed now; taken as begun.
    pub(super) fn due(&mut self, now: Moment) -> Vec<(Key, Held)> {
        self.sweep(now);
        let mut due = Vec::new();
        for (key, stored) in &mut self.entries {
            if !stored.underway && stored.next.is_some_and(|next| next <= now) {
                stored.underway = true;
                due.push((*key, stored.held.clone()));
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

    pub(super) fn clear(&mut self, what: &Clear<'_>) {
        match what {
            Clear::All => {
                self.rooted = false;
                self.retain(|_, _| false);
            }
            Clear::Path { prefix, namespace } => {
                let namespace = canonical(namespace);
                self.retain(|_, stored| {
                    stored.namespace != namespace || !stored.path.starts_with(prefix)
                });
            }
            Clear::Token(token) => self.drop_token(Fingerprint::of(token)),
            Clear::Accessor(accessor) => self.drop_accessor(accessor),
            Clear::Lease(lease) => self.drop_leases(|id| id == *lease),
        }
    }

    /// A revocation passed by; what it ended is given out no more.
    pub(super) fn revoked(&mut self, path: &str, body: &[u8], bearer: Option<&Token>) {
        let body: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
        let field = |name: &str| {
            body.get(name)
                .and_then(serde_json::Value::as_str)
                .unwrap_or_default()
        };
        match path {
            "auth/token/revoke" => self.drop_token(Fingerprint::of(field("token"))),
            "auth/token/revoke-self" => {
                if let Some(bearer) = bearer {
                    self.drop_token(Fingerprint::of(bearer.expose()));
                }
            }
            "auth/token/revoke-accessor" => self.drop_accessor(field("accessor")),
            "auth/token/revoke-orphan" => self.drop_parent(Fingerprint::of(field("token"))),
            "sys/leases/revoke" | "sys/revoke" => {
                let lease = field("lease_id");
                self.drop_leases(|id| id == lease);
            }
            _ => {
                let rest = |starts: &[&str]| {
                    starts
                        .iter()
                        .find_map(|start| path.strip_prefix(start))
                        .map(str::to_owned)
                };
                let by_prefix = rest(&[
                    "sys/leases/revoke-prefix/",
                    "sys/leases/revoke-force/",
                    "sys/revoke-prefix/",
                    "sys/revoke-force/",
                ]);
                if let Some(prefix) = by_prefix {
                    self.drop_leases(|id| id.starts_with(&prefix));
                } else if let Some(lease) = rest(&["sys/leases/revoke/", "sys/revoke/"]) {
                    self.drop_leases(|id| id == lease);
                }
            }
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

    fn drop_accessor(&mut self, accessor: &str) {
        let named = self.entries.values().find_map(|stored| match &stored.held {
            Held::Token(token) if stored.accessor.expose() == accessor => {
                Some(Fingerprint::of(token.expose()))
            }
            _ => None,
        });
        if let Some(token) = named {
            self.drop_token(token);
        }
    }

    fn drop_leases(&mut self, named: impl Fn(&str) -> bool) {
        self.retain(
            |_, stored| !matches!(&stored.held, Held::Lease(lease, _) if named(lease.expose())),
        );
    }

    /// A token is gone, and with it its leases and its children with theirs.
    fn drop_token(&mut self, token: Fingerprint) {
        self.rooted &= self.root != Some(token);
        let mut gone = BTreeSet::from([token]);
        loop {
            let before = gone.len();
            for (key, stored) in &self.entries {
                if let Held::Token(child) = &stored.held
                    && gone.contains(&key.token)
                    && stored.root.is_some()
                {
                    gone.insert(Fingerprint::of(child.expose()));
                }
            }
            if gone.len() == before {
                break;
            }
        }
        self.retain(|key, stored| {
            !gone.contains(&key.token) && !gone.iter().any(|token| stored.holds_token(*token))
        });
    }

    /// A token is gone, and its children live on as orphans.
    fn drop_parent(&mut self, token: Fingerprint) {
        self.retain(|key, stored| {
            let is_lease = matches!(stored.held, Held::Lease(..));
            !(stored.holds_token(token) || is_lease && key.token == token)
        });
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

/// A namespace as it is compared: without slashes at its ends; `root` is none.
fn canonical(namespace: &str) -> String {
    let bare = namespace.trim_matches('/');
    if bare == "root" { "" } else { bare }.to_owned()
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

/// The body of an answer about the agent's own token, without what would let its reader use that token.
pub(super) fn blanked(path: &str, body: &[u8], token: &Token) -> Option<Zeroizing<Vec<u8>>> {
    #[derive(serde::Deserialize)]
    struct Form {
        auth: Option<Named>,
        data: Option<Named>,
    }
    #[derive(serde::Deserialize)]
    struct Named {
        #[serde(default)]
        accessor: String,
    }
    let about_tokens = [
        "auth/token/lookup-self",
        "auth/token/lookup",
        "auth/token/renew-self",
        "auth/token/renew",
    ];
    let text = std::str::from_utf8(body).ok()?;
    if !about_tokens.contains(&path) || !text.contains(token.expose()) {
        return None;
    }
    let form: Form = serde_json::from_str(text).ok()?;
    let accessors = [form.auth, form.data].map(|named| named.map(|named| named.accessor));
    let mut text = Zeroizing::new(text.replace(&format!("\"{}\"", token.expose()), "\"\""));
    for accessor in accessors
        .into_iter()
        .flatten()
        .filter(|text| !text.is_empty())
    {
        text = Zeroizing::new(text.replace(&format!("\"{accessor}\""), "\"\""));
    }
    Some(Zeroizing::new(text.as_bytes().to_vec()))
}

#[cfg(test)]
mod tests;
