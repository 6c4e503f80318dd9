//! What templates ask for, and what is remembered of each answer: its data, its lease, and how long it is good
//! for. Getting them is done in the modules below; when to ask is decided in `core`.

mod asking;
mod certificates;
mod files;

use leasehold_template::{Answer, AnswerError, PemEncoded};
use leasehold_vault::{Error, FetchError, LeaseId};
use serde::{Deserialize, Serialize};
use zeroize::Zeroize;

pub use self::asking::fetch;
use crate::core::{
    failure::{Failure, FailureKind},
    lifetime::Lifetime,
};

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

#[cfg(test)]
mod tests {
    use super::*;

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
}
