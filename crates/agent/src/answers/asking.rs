//! Asking the server what a template wants to know, and reading off the answer how long it is good for.

use std::time::{Duration, SystemTime};

use leasehold_template::Dependency;
use leasehold_vault::{Asked, Client, FetchError, LeaseId, Secret, Token};
use serde::Deserialize;

use super::{
    Content, Got, Unanswered,
    certificates::{certify, rest_of_life},
    files::file,
};
use crate::core::lifetime::{Facts, Lifetime};

/// Asks once. `now` is the wall clock, which certificates are measured by.
///
/// # Errors
/// There is nothing, or the server refuses, fails or cannot be reached.
pub async fn fetch(
    client: &Client,
    token: &Token,
    dependency: &Dependency,
    now: SystemTime,
) -> Result<Got, Unanswered> {
    let _turn = match dependency {
        Dependency::File { .. } => None,
        _ => Some(client.turn_to_read().await),
    };
    match dependency {
        Dependency::Read { path, query } => read(client, token, path, &pairs(query), now).await,
        Dependency::Write { path, data } => {
            let data: Vec<_> = data
                .iter()
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect();
            write(client, token, path, &data, now).await
        }
        Dependency::List { path } => list(client, token, path).await,
        Dependency::PkiCert {
            path,
            data,
            destination,
        } => {
            let data: Vec<_> = data
                .iter()
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect();
            certify(client, token, path, &data, destination.as_deref(), now).await
        }
        Dependency::File { path } => file(path),
    }
}

async fn read(
    client: &Client,
    token: &Token,
    path: &str,
    query: &[(String, String)],
    now: SystemTime,
) -> Result<Got, Unanswered> {
    let asked = Asked::read(path, query);
    let reading = match client.read(token, path, query).await {
        Ok(reading) => reading,
        Err(error) => {
            let hint = leasehold_vault::read_hint(path, &error);
            return Err(Unanswered::of(&FetchError::Failed { asked, error }, hint));
        }
    };
    let Some(secret) = reading.secret else {
        let hint = leasehold_vault::missing_hint(path, &reading.path, &reading.warnings);
        let warnings = reading.warnings;
        let missing = FetchError::Missing {
            asked,
            path: reading.path,
            warnings,
        };
        return Err(Unanswered::of(&missing, hint));
    };
    Ok(got(&secret, reading.warnings, Facts::default(), now))
}

async fn write(
    client: &Client,
    token: &Token,
    path: &str,
    data: &[(String, String)],
    now: SystemTime,
) -> Result<Got, Unanswered> {
    match client.write(token, path, data).await {
        Ok(reading) => {
            let written = Facts {
                written: true,
                ..Facts::default()
            };
            Ok(match reading.secret {
                Some(secret) => got(&secret, reading.warnings, written, now),
                None => Got {
                    content: Content::Absent,
                    lease: LeaseId::default(),
                    lifetime: Lifetime::Kept,
                    warnings: reading.warnings,
                },
            })
        }
        Err(error) => {
            let hint = leasehold_vault::read_hint(path, &error);
            let asked = Asked::write(path, data);
            Err(Unanswered::of(&FetchError::Failed { asked, error }, hint))
        }
    }
}

fn got(secret: &Secret, mut warnings: Vec<String>, known: Facts, now: SystemTime) -> Got {
    warnings.extend(secret.warnings.iter().cloned());
    let mut facts = Facts {
        leased: !secret.lease_id.is_empty(),
        ..known
    };
    (facts.duration, facts.renewable) = match &secret.auth {
        Some(auth) => (auth.lease_duration, auth.renewable),
        None => (secret.lease_duration, secret.renewable),
    };
    look_into(secret, &mut facts, now);
    // Some system paths answer without an envelope; templates look for their fields in the data all the same.
    let bare = secret
        .data()
        .is_some_and(|data| data.len() == secret.raw().len());
    let body = if bare {
        format!("{{\"data\":{}}}", secret.raw())
    } else {
        secret.raw().to_owned()
    };
    Got {
        content: Content::Secret(body),
        lease: secret.lease_id.clone(),
        lifetime: Lifetime::of(&facts),
        warnings,
    }
}

/// The fields of data that tell a lifetime which the envelope does not.
#[derive(Deserialize)]
struct Telling<'a> {
    #[serde(borrow, default)]
    certificate: Option<&'a serde_json::value::RawValue>,
    #[serde(default)]
    expiration: Option<serde_json::Value>,
    #[serde(borrow, default)]
    secret_id: Option<&'a serde_json::value::RawValue>,
    #[serde(default)]
    secret_id_ttl: Option<serde_json::Value>,
    #[serde(default)]
    rotation_period: Option<serde_json::Value>,
    #[serde(default)]
    ttl: Option<serde_json::Value>,
}

fn look_into(secret: &Secret, facts: &mut Facts, now: SystemTime) {
    let Ok(telling) = secret.data_as::<Telling<'_>>() else {
        return;
    };
    let number = |value: &Option<serde_json::Value>| {
        value.as_ref().and_then(|value| {
            value
                .as_u64()
                .or_else(|| value.as_str().and_then(|text| text.parse().ok()))
        })
    };
    if telling.certificate.is_some()
        && let Some(expiration) = number(&telling.expiration)
    {
        // An expiration beyond what the clock can tell is as good as none.
        let ends = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(expiration));
        let told = ends.map(|ends| ends.duration_since(now).unwrap_or_default());
        let text = telling
            .certificate
            .map(|raw| serde_json::from_str(raw.get()));
        let text: String = text.and_then(Result::ok).unwrap_or_default();
        facts.certificate = told.map(|told| rest_of_life(&text, now).unwrap_or(told));
    }
    if telling.secret_id.is_some() {
        let ttl = number(&telling.secret_id_ttl).filter(|&ttl| ttl > 0);
        facts.secret_id_ttl = ttl.map(Duration::from_secs);
    }
    if number(&telling.rotation_period).is_some_and(|period| period > 0) {
        facts.rotates_in = number(&telling.ttl).map(Duration::from_secs);
    }
}

async fn list(client: &Client, token: &Token, path: &str) -> Result<Got, Unanswered> {
    match client.list(token, path).await {
        Ok(listing) => Ok(Got {
            content: Content::List(listing.names),
            lease: LeaseId::default(),
            lifetime: Lifetime::Polled,
            warnings: listing.warnings,
        }),
        Err(error) => {
            let hint = leasehold_vault::read_hint(path, &error);
            let asked = Asked::List {
                path: path.to_owned(),
            };
            Err(Unanswered::of(&FetchError::Failed { asked, error }, hint))
        }
    }
}

/// The pairs of a query as a template writes it.
fn pairs(query: &str) -> Vec<(String, String)> {
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (unescaped(key), unescaped(value))
        })
        .collect()
}

fn unescaped(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let escaped = match (first, after) {
            (b'%', [high, low, tail @ ..]) => {
                let digit = |byte: &u8| char::from(*byte).to_digit(16);
                digit(high)
                    .zip(digit(low))
                    .map(|(high, low)| (high * 16 + low, tail))
            }
            _ => None,
        };
        match escaped {
            Some((byte, tail)) => {
                bytes.push(u8::try_from(byte).unwrap_or_default());
                rest = tail;
            }
            None => {
                bytes.push(if first == b'+' { b' ' } else { first });
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_queries_as_go_does() {
        let check = |query: &str, expected: &[(&str, &str)]| {
            let expected: Vec<_> = expected
                .iter()
                .map(|&(key, value)| (key.to_owned(), value.to_owned()))
                .collect();
            assert_eq!(pairs(query), expected, "{query}");
        };
        check("version=2", &[("version", "2")]);
        check(
            "a=1+2&b=%C3%A9&c&&d=%zz",
            &[("a", "1 2"), ("b", "é"), ("c", ""), ("d", "%zz")],
        );
    }
}
