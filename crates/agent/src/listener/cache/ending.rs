//! What ends kept answers before their time: they are cleared by name, a revocation of them passes by, or the token
//! that they hang on goes.

use std::collections::BTreeSet;

use leasehold_vault::Token;

use crate::listener::{
    cache::{Cache, Held, key::Fingerprint},
    head::split_namespace,
};

/// Which answers are to go, as `cache-clear` names them.
pub(in crate::listener) enum Clear<'a> {
    All,
    Path { prefix: &'a str, namespace: &'a str },
    Token(&'a str),
    Accessor(&'a str),
    Lease(&'a str),
}

impl Cache {
    pub(in crate::listener) fn clear(&mut self, what: &Clear<'_>) {
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
    pub(in crate::listener) fn revoked(&mut self, path: &str, body: &[u8], bearer: Option<&Token>) {
        let body: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
        let field = |name: &str| {
            body.get(name)
                .and_then(serde_json::Value::as_str)
                .unwrap_or_default()
        };
        let known = ["auth/token/revoke", "sys/leases/revoke", "sys/revoke"];
        let inner = known.iter().find_map(|part| split_namespace(path, part));
        let Some((_, path)) = inner else {
            return;
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
    pub(super) fn drop_token(&mut self, token: Fingerprint) {
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
}

/// A namespace as it is compared: without slashes at its ends; `root` is none.
pub(super) fn canonical(namespace: &str) -> String {
    let bare = namespace.trim_matches('/');
    if bare == "root" { "" } else { bare }.to_owned()
}
