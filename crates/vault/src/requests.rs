//! Counts requests by kind and by what came of them, for metrics. Paths are not kept.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{Error, Failure};

/// What a request is for.
const KINDS: [&str; 8] = [
    "login",
    "token_renewal",
    "token_lookup",
    "lease_renewal",
    "revocation",
    "mount_lookup",
    "secret",
    "proxy",
];
/// What came of it.
const RESULTS: [&str; 4] = ["success", "refused", "server_error", "no_answer"];

/// The counters of one connection.
#[derive(Default)]
pub(crate) struct Requests([[AtomicU64; RESULTS.len()]; KINDS.len()]);

/// A counter: what was asked for, what came of it, and how often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestCount {
    /// What the requests were for, in one word.
    pub kind: &'static str,
    /// `success`, `refused`, `server_error` or `no_answer`.
    pub result: &'static str,
    /// How often.
    pub count: u64,
}

/// What the agent itself asks for, by the path after `/v1/`.
pub(crate) fn kind(path: &str) -> &'static str {
    match path {
        "auth/token/renew-self" => "token_renewal",
        "auth/token/lookup-self" => "token_lookup",
        "auth/token/revoke-self" | "sys/leases/revoke" => "revocation",
        "sys/leases/renew" => "lease_renewal",
        _ if path.starts_with("sys/internal/ui/mounts/") => "mount_lookup",
        _ if path.starts_with("auth/")
            && (path.ends_with("/login") || path.contains("/login/")) =>
        {
            "login"
        }
        _ => "secret",
    }
}

impl Requests {
    /// Counts a request by what came of it: a status, or none.
    pub(crate) fn note(&self, kind: &str, status: Result<u16, &Error>) {
        let result = match status {
            Ok(..400) => "success",
            Ok(412 | 500..) => "server_error",
            Ok(_) => "refused",
            Err(error) => match &error.failure {
                Failure::NoAnswer { .. } => "no_answer",
                _ => "server_error",
            },
        };
        let place = |list: &[&str], word: &str| list.iter().position(|known| *known == word);
        let counter = place(&KINDS, kind).zip(place(&RESULTS, result));
        if let Some(counter) = counter.and_then(|(kind, result)| self.0.get(kind)?.get(result)) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Every counter that has counted.
    pub(crate) fn counts(&self) -> Vec<RequestCount> {
        let rows = self.0.iter().zip(KINDS);
        rows.flat_map(|(row, kind)| {
            row.iter()
                .zip(RESULTS)
                .map(move |(counter, result)| RequestCount {
                    kind,
                    result,
                    count: counter.load(Ordering::Relaxed),
                })
        })
        .filter(|counted| counted.count > 0)
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_told_apart_by_what_they_are_for() {
        for (path, expected) in [
            ("auth/kubernetes/login", "login"),
            ("auth/team/ldap/login/app", "login"),
            ("auth/token/renew-self", "token_renewal"),
            ("sys/internal/ui/mounts/secret/app", "mount_lookup"),
            ("secret/data/login", "secret"),
            ("pki/issue/web", "secret"),
        ] {
            assert_eq!(kind(path), expected, "{path}");
        }
    }

    #[test]
    fn statuses_are_counted_by_what_they_mean() {
        let requests = Requests::default();
        for status in [200, 204, 307, 403, 404, 412, 503] {
            requests.note("secret", Ok(status));
        }
        let counted: Vec<_> = requests
            .counts()
            .iter()
            .map(|counted| (counted.kind, counted.result, counted.count))
            .collect();
        assert_eq!(
            counted,
            [
                ("secret", "success", 3),
                ("secret", "refused", 2),
                ("secret", "server_error", 2)
            ]
        );
    }
}
