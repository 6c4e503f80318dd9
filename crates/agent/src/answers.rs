//! Getting what templates ask for, and what is remembered of each answer: its data, its lease, and how long it
//! is good for. When to ask is decided in `core`.

use std::{
    path::Path,
    time::{Duration, SystemTime},
};

use leasehold_template::{Answer, AnswerError, Dependency, PemEncoded};
use leasehold_vault::{Asked, Client, Error, FetchError, LeaseId, Secret, Token};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use crate::{
    certificate,
    core::{
        failure::{Failure, FailureKind},
        lifetime::{Facts, Lifetime},
    },
};

/// Files are looked at this often, since no notice of their change reaches through every kind of volume.
const FILE_PAUSE: Duration = Duration::from_secs(5);
/// A certificate found in its destination is kept when more than this part of its life is left.
const KEPT_REST: f64 = 0.1;

/// An answer as it is kept. It is wiped when it is dropped.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Content {
    /// The body of the server's answer to a read or write.
    Secret(String),
    /// There is nothing, and that is the answer.
    Absent,
    /// Names.
    List(Vec<String>),
    /// A certificate and its key, in PEM.
    Certificate {
        /// The certificate.
        certificate: String,
        /// Its private key.
        key: String,
        /// The issuer's certificate.
        ca: String,
        /// The chain of issuers.
        ca_chain: Vec<String>,
    },
    /// A file's content.
    File(Vec<u8>),
}

/// What a question brought.
pub struct Got {
    /// The answer.
    pub content: Content,
    /// The lease to renew; empty when there is none.
    pub lease: LeaseId,
    /// How long the answer is good for.
    pub lifetime: Lifetime,
    /// What the server wants to be known.
    pub warnings: Vec<String>,
}

/// A question without an answer. The texts hold no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unanswered {
    /// The established text, word for word.
    pub text: String,
    /// What may be wrong and what to do about it.
    pub hint: Option<String>,
    /// What kind of failure it is.
    pub kind: FailureKind,
}

impl Content {
    /// The answer as templates see it.
    ///
    /// # Errors
    /// The server's body is not the JSON of a secret.
    pub fn answer(&self) -> Result<Answer, AnswerError> {
        Ok(match self {
            Self::Secret(body) => Answer::secret(body.as_bytes())?,
            Self::Absent => Answer::absent(),
            Self::List(names) => Answer::list(names.iter().cloned()),
            Self::Certificate {
                certificate,
                key,
                ca,
                ca_chain,
            } => Answer::certificate(PemEncoded {
                certificate: certificate.as_str().into(),
                key: key.as_str().into(),
                ca: ca.as_str().into(),
                ca_chain: ca_chain.iter().map(|one| one.as_str().into()).collect(),
            }),
            Self::File(content) => Answer::file(content.as_slice()),
        })
    }

    /// Whether templates would see the same: the number of the request and the rest of a lease do not count.
    #[must_use]
    pub fn shows_the_same_as(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Secret(one), Self::Secret(other)) => one == other || same_data(one, other),
            _ => self == other,
        }
    }
}

fn same_data(one: &str, other: &str) -> bool {
    #[derive(Deserialize)]
    struct Shown<'a> {
        #[serde(default)]
        lease_id: Option<String>,
        #[serde(borrow, default)]
        data: Option<&'a serde_json::value::RawValue>,
        #[serde(borrow, default)]
        auth: Option<&'a serde_json::value::RawValue>,
        #[serde(borrow, default)]
        wrap_info: Option<&'a serde_json::value::RawValue>,
    }
    let read = |text| serde_json::from_str::<Shown<'_>>(text).ok();
    let raw = |value: Option<&serde_json::value::RawValue>| value.map(|raw| raw.get().to_owned());
    let (Some(one), Some(other)) = (read(one), read(other)) else {
        return false;
    };
    one.lease_id == other.lease_id
        && raw(one.data) == raw(other.data)
        && raw(one.auth) == raw(other.auth)
        && raw(one.wrap_info) == raw(other.wrap_info)
}

impl Drop for Content {
    fn drop(&mut self) {
        match self {
            Self::Secret(body) => body.zeroize(),
            Self::Certificate { key, .. } => key.zeroize(),
            Self::File(content) => content.zeroize(),
            Self::Absent | Self::List(_) => {}
        }
    }
}

impl std::fmt::Debug for Content {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("\"…\"")
    }
}

impl Unanswered {
    /// The failure as the core takes it.
    #[must_use]
    pub fn into_failure(self) -> Failure {
        let text = match self.hint {
            Some(hint) => format!("{}\nhint: {hint}", self.text),
            None => self.text,
        };
        Failure::new(self.kind, text)
    }

    fn of(error: &FetchError, hint: Option<String>) -> Self {
        let kind = match error {
            FetchError::Missing { .. } => FailureKind::Definite(404),
            FetchError::Failed { error, .. } => kind(error),
        };
        Self {
            text: error.to_string(),
            hint,
            kind,
        }
    }
}

/// What an error of the server's means for trying again.
#[must_use]
pub fn kind(error: &Error) -> FailureKind {
    use leasehold_vault::Failure as Vault;
    match &error.failure {
        Vault::NoAnswer { .. } => FailureKind::NoAnswer,
        Vault::Sealed(_) => FailureKind::Sealed,
        Vault::RateLimited { retry_after, .. } => FailureKind::RateLimited(*retry_after),
        Vault::ServerError { retry_after, .. } => FailureKind::ServerError(*retry_after),
        Vault::Definite(refusal) => FailureKind::Definite(refusal.status),
        // Something between us and the server answers in its place; that passes.
        Vault::Unusable { .. } => FailureKind::ServerError(None),
    }
}

/// The class of an error in one word, for log lines that must not tell a path.
#[must_use]
pub fn kind_name(error: &Error) -> &'static str {
    Failure::new(kind(error), "").class()
}

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

async fn certify(
    client: &Client,
    token: &Token,
    path: &str,
    data: &[(String, String)],
    destination: Option<&str>,
    now: SystemTime,
) -> Result<Got, Unanswered> {
    if let Some(kept) = destination.and_then(|destination| in_place(Path::new(destination), now)) {
        return Ok(kept);
    }
    let asked = || Asked::PkiCert {
        path: path.to_owned(),
        destination: destination.unwrap_or_default().to_owned(),
    };
    let secret = match client.issue(token, path, data).await {
        Ok(secret) => secret,
        Err(error) => {
            let hint = leasehold_vault::read_hint(path, &error);
            return Err(Unanswered::of(
                &FetchError::Failed {
                    asked: asked(),
                    error,
                },
                hint,
            ));
        }
    };
    #[derive(Deserialize)]
    struct Issued {
        certificate: String,
        #[serde(default)]
        private_key: String,
        #[serde(default)]
        issuing_ca: String,
        #[serde(default)]
        ca_chain: Vec<String>,
    }
    let Ok(mut issued) = secret.data_as::<Issued>() else {
        let text = format!("{}: the answer has no certificate", asked());
        return Err(Unanswered {
            text,
            hint: None,
            kind: FailureKind::Definite(200),
        });
    };
    let line = |text: &str| {
        let text = text.trim();
        if text.is_empty() {
            String::new()
        } else {
            format!("{text}\n")
        }
    };
    let certificate = line(&issued.certificate);
    let after = rest_of_life(&certificate, now).unwrap_or_default();
    let key = line(&issued.private_key);
    issued.private_key.zeroize();
    Ok(Got {
        content: Content::Certificate {
            key,
            ca: line(&issued.issuing_ca),
            ca_chain: issued.ca_chain.iter().map(|one| line(one)).collect(),
            certificate,
        },
        lease: LeaseId::default(),
        lifetime: Lifetime::Ends {
            after,
            with_token: false,
        },
        warnings: secret.warnings,
    })
}

/// The rest of the life of a certificate that was issued just now. By a clock that is behind it would live longer
/// than it does; by one that is ahead it may have ended on arrival, and would be issued anew without end. Neither
/// is believed.
fn rest_of_life(certificate: &str, now: SystemTime) -> Option<Duration> {
    let block = certificate::pem_blocks(certificate).into_iter().next()?;
    let facts = certificate::facts(&block.der)?;
    let whole = facts.not_after.duration_since(facts.not_before).ok()?;
    let rest = facts.not_after.duration_since(now).unwrap_or_default();
    Some(if rest < whole / 100 {
        whole
    } else {
        rest.min(whole)
    })
}

/// The certificate that the destination already holds, when it is good for a while yet.
fn in_place(destination: &Path, now: SystemTime) -> Option<Got> {
    let text = Zeroizing::new(std::fs::read_to_string(destination).ok()?);
    let blocks = certificate::pem_blocks(&text);
    let key = blocks
        .iter()
        .find(|block| block.label.ends_with("PRIVATE KEY"))?;
    let certificates = blocks.iter().filter(|block| block.label == "CERTIFICATE");
    let known: Vec<_> = certificates
        .filter_map(|block| Some((block, certificate::facts(&block.der)?)))
        .collect();
    let (leaf, facts) = known.iter().find(|(_, facts)| !facts.is_authority)?;
    let whole = facts.not_after.duration_since(facts.not_before).ok()?;
    let left = facts.not_after.duration_since(now).ok()?;
    if left <= whole.mul_f64(KEPT_REST) {
        return None;
    }
    let authorities: Vec<String> = known
        .iter()
        .filter(|(_, facts)| facts.is_authority)
        .map(|(block, _)| block.text.clone())
        .collect();
    Some(Got {
        content: Content::Certificate {
            certificate: leaf.text.clone(),
            key: key.text.clone(),
            ca: authorities.first().cloned().unwrap_or_default(),
            ca_chain: authorities,
        },
        lease: LeaseId::default(),
        lifetime: Lifetime::Ends {
            after: left,
            with_token: false,
        },
        warnings: Vec::new(),
    })
}

fn file(path: &str) -> Result<Got, Unanswered> {
    let unanswered = |text: String| Unanswered {
        text,
        hint: None,
        kind: FailureKind::Definite(404),
    };
    let words = |error: &std::io::Error| {
        let text = error.to_string();
        text.split(" (os error")
            .next()
            .unwrap_or_default()
            .to_lowercase()
    };
    match std::fs::metadata(path) {
        Ok(found) if found.is_dir() => {
            return Err(unanswered(format!(
                "file({path}): read {path}: is a directory"
            )));
        }
        Ok(_) => {}
        Err(error) => {
            return Err(unanswered(format!(
                "file({path}): stat {path}: {}",
                words(&error)
            )));
        }
    }
    match std::fs::read(path) {
        Ok(content) => Ok(Got {
            content: Content::File(content),
            lease: LeaseId::default(),
            lifetime: Lifetime::ChangesIn(FILE_PAUSE),
            warnings: Vec::new(),
        }),
        Err(error) => Err(unanswered(format!(
            "file({path}): open {path}: {}",
            words(&error)
        ))),
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

    #[test]
    fn an_answer_with_other_request_number_shows_the_same() {
        let one =
            Content::Secret(r#"{"request_id":"1","lease_id":"","data":{"k":1.0}}"#.to_owned());
        let same =
            Content::Secret(r#"{"request_id":"2","lease_id":"","data":{"k":1.0}}"#.to_owned());
        let other =
            Content::Secret(r#"{"request_id":"2","lease_id":"","data":{"k":1}}"#.to_owned());
        let leased =
            Content::Secret(r#"{"request_id":"1","lease_id":"x","data":{"k":1.0}}"#.to_owned());
        assert!(one.shows_the_same_as(&same));
        assert!(!one.shows_the_same_as(&other));
        assert!(!one.shows_the_same_as(&leased));
    }

    #[test]
    fn says_in_the_established_words_what_is_wrong_with_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("none.txt").display().to_string();
        let text = |path: &str| file(path).err().unwrap().text;
        assert_eq!(
            text(&missing),
            format!("file({missing}): stat {missing}: no such file or directory")
        );
        let folder = folder.path().display().to_string();
        assert_eq!(
            text(&folder),
            format!("file({folder}): read {folder}: is a directory")
        );
    }

    #[test]
    fn a_clock_that_is_a_day_off_replaces_certificates_early_or_late_and_never_at_once_again() {
        const HOUR: u64 = 3600;
        let mut params = rcgen::CertificateParams::new(vec!["web".to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(2026, 1, 10);
        params.not_after = rcgen::date_time_ymd(2026, 1, 13);
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap().pem();
        let issued = SystemTime::UNIX_EPOCH + Duration::from_secs((20_454 + 9) * 24 * HOUR);
        let rest = |now| rest_of_life(&certificate, now).map(|rest| rest.as_secs() / HOUR);
        let day = Duration::from_secs(24 * HOUR);
        assert_eq!(rest(issued), Some(72));
        assert_eq!(rest(issued + day), Some(48), "ahead: replaced early");
        assert_eq!(rest(issued - day), Some(72), "behind: not after its end");
        assert_eq!(rest(issued + 3 * day), Some(72), "ended on arrival");
        assert_eq!(rest(issued + 30 * day), Some(72));
    }

    #[test]
    fn keeps_a_certificate_in_its_destination_while_it_is_good() {
        let mut params = rcgen::CertificateParams::new(vec!["web".to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(2026, 1, 1);
        params.not_after = rcgen::date_time_ymd(2026, 1, 31);
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("web.pem");
        std::fs::write(
            &path,
            format!("{}{}", certificate.pem(), key.serialize_pem()),
        )
        .unwrap();
        let day =
            |day: u64| SystemTime::UNIX_EPOCH + Duration::from_secs((20_454 + day - 1) * 86_400);
        let kept = in_place(&path, day(10)).unwrap();
        assert_eq!(
            kept.lifetime,
            Lifetime::Ends {
                after: Duration::from_secs(21 * 86_400),
                with_token: false
            }
        );
        assert!(
            in_place(&path, day(29)).is_none(),
            "less than a tenth of its life is left"
        );
        assert!(in_place(&path, day(40)).is_none(), "it has ended");
        assert!(in_place(&folder.path().join("none"), day(10)).is_none());
    }
}
