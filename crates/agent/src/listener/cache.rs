//! Answers with a lease, kept for equal requests of applications until they are about to end or are revoked.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use leasehold_vault::{RawAnswer, Secret, Token};
use ring::digest;

use crate::{
    core::moment::Moment,
    listener::http::{HttpRequest, HttpResponse},
};

/// At most so many answers are kept; memory is bounded.
const LIMIT: usize = 1000;

/// Names equal requests: a hash over method, path, query, headers, body and token.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key(Vec<u8>, String);

/// A kept answer.
#[derive(Clone)]
pub(super) struct Stored {
    response: HttpResponse,
    path: String,
    lease: String,
    accessor: String,
    until: Moment,
    kept_at: SystemTime,
}

/// All kept answers.
#[derive(Default)]
pub(super) struct Cache {
    entries: BTreeMap<Key, Stored>,
}

impl Key {
    pub(super) fn of(request: &HttpRequest, token: Option<&Token>) -> Self {
        let mut context = digest::Context::new(&digest::SHA256);
        let mut add = |text: &[u8]| {
            context.update(&u64::try_from(text.len()).unwrap_or_default().to_be_bytes());
            context.update(text);
        };
        for text in [&request.method, &request.path, &request.query] {
            add(text.as_bytes());
        }
        for (name, value) in request
            .headers
            .iter()
            .filter(|(name, _)| name != "x-vault-token")
        {
            add(name.as_bytes());
            add(value.as_bytes());
        }
        add(&request.body);
        let token = token.map(Token::expose).unwrap_or_default();
        add(token.as_bytes());
        Self(context.finish().as_ref().to_vec(), hashed(token))
    }
}

fn hashed(token: &str) -> String {
    let hash = digest::digest(&digest::SHA256, token.as_bytes());
    hash.as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

impl Stored {
    /// The answer, when it has a renewable lease or token to keep it for.
    pub(super) fn of(
        answer: &RawAnswer,
        response: &HttpResponse,
        path: &str,
        now: Moment,
    ) -> Option<Self> {
        let is_json = answer
            .header("content-type")
            .is_some_and(|kind| kind.starts_with("application/json"));
        if answer.status >= 300 || !is_json {
            return None;
        }
        let secret = Secret::parse(answer.body.clone()).ok()?;
        let (renewable, life, accessor) = match &secret.auth {
            Some(auth) => (
                auth.renewable,
                auth.lease_duration,
                auth.accessor.expose().to_owned(),
            ),
            None => (
                secret.renewable && !secret.lease_id.is_empty(),
                secret.lease_duration,
                String::new(),
            ),
        };
        // Nobody renews it here, so it is given out for the first two thirds of its life.
        let usable = life.mul_f64(2.0 / 3.0);
        (renewable && usable >= Duration::from_secs(1)).then(|| Self {
            response: response.clone(),
            path: format!("/v1/{path}"),
            lease: secret.lease_id.expose().to_owned(),
            accessor,
            until: now + usable,
            kept_at: SystemTime::now(),
        })
    }

    /// The answer out of the cache, with its age.
    pub(super) fn response(&self, now: SystemTime) -> HttpResponse {
        let mut response = self.response.clone();
        let age = now
            .duration_since(self.kept_at)
            .unwrap_or_default()
            .as_secs();
        response.headers.retain(|(name, _)| name != "X-Cache");
        response
            .headers
            .push(("X-Cache".to_owned(), "HIT".to_owned()));
        response.headers.push(("Age".to_owned(), age.to_string()));
        response
    }
}

impl Cache {
    pub(super) fn get(&mut self, key: &Key, now: Moment) -> Option<Stored> {
        self.entries.retain(|_, stored| stored.until > now);
        self.entries.get(key).cloned()
    }

    pub(super) fn put(&mut self, key: Key, stored: Stored) {
        if self.entries.len() < LIMIT {
            self.entries.insert(key, stored);
        }
    }

    pub(super) fn clear(&mut self) {
        self.entries.clear();
    }

    pub(super) fn drop_path(&mut self, prefix: &str) {
        self.entries
            .retain(|_, stored| !stored.path.starts_with(prefix));
    }

    pub(super) fn drop_lease(&mut self, lease: &str) {
        self.entries.retain(|_, stored| stored.lease != lease);
    }

    pub(super) fn drop_accessor(&mut self, accessor: &str) {
        self.entries.retain(|_, stored| stored.accessor != accessor);
    }

    pub(super) fn drop_token(&mut self, token: &str) {
        let token = hashed(token);
        self.entries.retain(|key, _| key.1 != token);
    }

    /// A revocation passed by; what it may have ended is given out no more.
    pub(super) fn revoked(&mut self, path: &str, body: &[u8]) {
        let body: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
        let field = |name: &str| body.get(name).and_then(serde_json::Value::as_str);
        let prefixes = ["sys/leases/revoke-prefix/", "sys/leases/revoke-force/"];
        if let Some(prefix) = prefixes.iter().find_map(|start| path.strip_prefix(start)) {
            let prefix = prefix.to_owned();
            self.entries
                .retain(|_, stored| !stored.lease.starts_with(&prefix));
        } else if path.starts_with("sys/leases/revoke") {
            match field("lease_id").or_else(|| path.strip_prefix("sys/leases/revoke/")) {
                Some(lease) => self.drop_lease(lease),
                None => self.clear(),
            }
        } else if path.starts_with("auth/token/revoke") {
            // A token takes its children and all their leases along; which, the server alone knows.
            self.clear();
        }
    }
}
