//! The server's answers as values: a secret with its raw data, a login, a wrapped answer.
//!
//! The data stays the text that the server sent, because what reads it must see its
//! numbers as they were written; it is wiped when the answer is dropped.

use std::ops::Range;
use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use crate::error::Unusable;
use crate::token::{LeaseId, SecretText, Token};

/// An answer of Vault's in its usual envelope.
#[derive(Debug)]
pub struct Secret {
    /// The request's id, as in the server's audit log.
    pub request_id: String,
    /// The lease, empty where there is none.
    pub lease_id: LeaseId,
    /// How long the data is good for; zero where the server does not say.
    pub lease_duration: Duration,
    /// Whether the lease can be renewed.
    pub renewable: bool,
    /// What the server wants to be known.
    pub warnings: Vec<String>,
    /// The token that a login, or the creation of a token, gave.
    pub auth: Option<Auth>,
    /// Where the answer proper is, when it was wrapped.
    pub wrap_info: Option<WrapInfo>,
    body: Body,
}

/// A token and what is known about it.
#[derive(Debug, Clone)]
pub struct Auth {
    /// The token.
    pub client_token: Token,
    /// The token's accessor; empty for batch tokens.
    pub accessor: SecretText,
    /// The names of its policies.
    pub policies: Vec<String>,
    /// How long it lives.
    pub lease_duration: Duration,
    /// Whether it can be renewed.
    pub renewable: bool,
    /// Service or batch, as the server says.
    pub token_type: String,
    /// How often it can be used; 0 means without limit.
    pub num_uses: u64,
}

/// A wrapped answer.
#[derive(Debug, Clone)]
pub struct WrapInfo {
    /// The token that unwraps it, once.
    pub token: Token,
    /// That token's accessor.
    pub accessor: SecretText,
    /// How long it can be unwrapped.
    pub ttl: Duration,
    /// When it was wrapped, as the server wrote it.
    pub creation_time: String,
    /// The path whose answer it is.
    pub creation_path: String,
    /// The accessor of the wrapped token, if one was wrapped.
    pub wrapped_accessor: SecretText,
}

/// The text of an answer, and where in it the data is.
struct Body {
    text: Zeroizing<String>,
    data: Option<Range<usize>>,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(default)]
    request_id: Option<String>,
    #[serde(default)]
    lease_id: Option<String>,
    #[serde(default)]
    lease_duration: Option<i64>,
    #[serde(default)]
    renewable: Option<bool>,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
    #[serde(default)]
    warnings: Option<Vec<String>>,
    #[serde(default)]
    auth: Option<AuthForm>,
    #[serde(default)]
    wrap_info: Option<WrapForm>,
    #[serde(borrow, default)]
    errors: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct AuthForm {
    client_token: Option<String>,
    #[serde(default)]
    accessor: Option<String>,
    #[serde(default)]
    policies: Option<Vec<String>>,
    #[serde(default)]
    token_policies: Option<Vec<String>>,
    #[serde(default)]
    lease_duration: Option<i64>,
    #[serde(default)]
    renewable: Option<bool>,
    #[serde(default)]
    token_type: Option<String>,
    #[serde(default)]
    num_uses: Option<u64>,
}

#[derive(Deserialize)]
struct WrapForm {
    token: String,
    #[serde(default)]
    accessor: Option<String>,
    #[serde(default)]
    ttl: Option<i64>,
    #[serde(default)]
    creation_time: Option<String>,
    #[serde(default)]
    creation_path: Option<String>,
    #[serde(default)]
    wrapped_accessor: Option<String>,
}

impl Secret {
    /// Reads an answer's body.
    ///
    /// # Errors
    /// It is not JSON, not an object, or a field has the wrong type.
    pub fn parse(body: Zeroizing<Vec<u8>>) -> Result<Self, Unusable> {
        let text = into_text(body)?;
        let envelope: Envelope<'_> =
            serde_json::from_str(&text).map_err(|error| not_json(&error))?;
        let data = envelope
            .data
            .map(RawValue::get)
            .filter(|data| *data != "null")
            .map(|data| {
                // The raw value borrows from the text, so the difference is its place there.
                let start = data.as_ptr().addr() - text.as_ptr().addr();
                start..start + data.len()
            });
        let auth = match envelope.auth {
            Some(form) if form.client_token.is_some() => Some(form.into_auth()?),
            _ => None,
        };
        let wrap_info = envelope.wrap_info.map(WrapForm::into_info).transpose()?;
        let bare = envelope.request_id.is_none()
            && envelope.lease_id.is_none()
            && envelope.errors.is_none()
            && data.is_none()
            && auth.is_none()
            && wrap_info.is_none();
        // Some system paths answer without an envelope: the whole object is the data.
        let data = if bare { Some(0..text.len()) } else { data };
        Ok(Self {
            request_id: envelope.request_id.unwrap_or_default(),
            lease_id: LeaseId::new(envelope.lease_id.unwrap_or_default()),
            lease_duration: seconds(envelope.lease_duration),
            renewable: envelope.renewable.unwrap_or_default(),
            warnings: envelope.warnings.unwrap_or_default(),
            auth,
            wrap_info,
            body: Body { text, data },
        })
    }

    /// The data as the server sent it, a JSON object; absent where the answer has none.
    #[must_use]
    pub fn data(&self) -> Option<&str> {
        self.body
            .data
            .clone()
            .and_then(|place| self.body.text.get(place))
    }

    /// The whole answer as the server sent it.
    #[must_use]
    pub fn raw(&self) -> &str {
        &self.body.text
    }

    /// Reads the data as a type.
    ///
    /// # Errors
    /// There is no data, or it has another form.
    pub fn data_as<'a, T: Deserialize<'a>>(&'a self) -> Result<T, Unusable> {
        let data = self.data().ok_or(Unusable::Lacks("data"))?;
        serde_json::from_str(data).map_err(|_| Unusable::BadField("data"))
    }
}

impl AuthForm {
    fn into_auth(self) -> Result<Auth, Unusable> {
        let text = self
            .client_token
            .ok_or(Unusable::Lacks("auth.client_token"))?;
        Ok(Auth {
            client_token: Token::new(text).map_err(|_| Unusable::BadField("auth.client_token"))?,
            accessor: SecretText::new(self.accessor.unwrap_or_default()),
            policies: self.policies.or(self.token_policies).unwrap_or_default(),
            lease_duration: seconds(self.lease_duration),
            renewable: self.renewable.unwrap_or_default(),
            token_type: self.token_type.unwrap_or_default(),
            num_uses: self.num_uses.unwrap_or_default(),
        })
    }
}

impl WrapForm {
    fn into_info(self) -> Result<WrapInfo, Unusable> {
        Ok(WrapInfo {
            token: Token::new(self.token).map_err(|_| Unusable::BadField("wrap_info.token"))?,
            accessor: SecretText::new(self.accessor.unwrap_or_default()),
            ttl: seconds(self.ttl),
            creation_time: self.creation_time.unwrap_or_default(),
            creation_path: self.creation_path.unwrap_or_default(),
            wrapped_accessor: SecretText::new(self.wrapped_accessor.unwrap_or_default()),
        })
    }
}

impl WrapInfo {
    /// The line that a token sink with `wrap_ttl` holds: the fields in the established
    /// order, as JSON with a line break.
    #[must_use]
    pub fn sink_line(&self) -> SecretText {
        #[derive(serde::Serialize)]
        struct Line<'a> {
            token: &'a str,
            accessor: &'a str,
            ttl: u64,
            creation_time: &'a str,
            creation_path: &'a str,
            wrapped_accessor: &'a str,
        }
        let line = Line {
            token: self.token.expose(),
            accessor: self.accessor.expose(),
            ttl: self.ttl.as_secs(),
            creation_time: &self.creation_time,
            creation_path: &self.creation_path,
            wrapped_accessor: self.wrapped_accessor.expose(),
        };
        let mut text = serde_json::to_string(&line).unwrap_or_default();
        text.push('\n');
        SecretText::new(text)
    }
}

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("\"…\"")
    }
}

fn into_text(mut body: Zeroizing<Vec<u8>>) -> Result<Zeroizing<String>, Unusable> {
    let bytes = std::mem::take(&mut *body);
    String::from_utf8(bytes)
        .map(Zeroizing::new)
        .map_err(|error| {
            let place = error.utf8_error().valid_up_to();
            drop(Zeroizing::new(error.into_bytes()));
            Unusable::NotJson(format!("byte {place} is not UTF-8"))
        })
}

/// The place of a JSON error; its text may quote the input, which may be secret.
pub(crate) fn not_json(error: &serde_json::Error) -> Unusable {
    let what = match error.classify() {
        serde_json::error::Category::Eof => "it ends too early",
        serde_json::error::Category::Data => "a field has the wrong type",
        _ => "a syntax error",
    };
    Unusable::NotJson(format!(
        "{what}, line {}, column {}",
        error.line(),
        error.column()
    ))
}

fn seconds(value: Option<i64>) -> Duration {
    Duration::from_secs(u64::try_from(value.unwrap_or_default()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Secret, Unusable> {
        Secret::parse(Zeroizing::new(text.as_bytes().to_vec()))
    }

    #[test]
    fn data_keeps_the_text_of_its_numbers() {
        let secret = parse(
            r#"{"request_id":"r","lease_id":"a/b/c","renewable":true,"lease_duration":60,
               "data":{"big": 12345678901234567890, "f":1.50},"warnings":null,"auth":null}"#,
        )
        .unwrap();
        assert_eq!(
            secret.data(),
            Some(r#"{"big": 12345678901234567890, "f":1.50}"#)
        );
        assert_eq!(secret.lease_duration, Duration::from_secs(60));
        assert_eq!(secret.lease_id.expose(), "a/b/c");
        assert!(!format!("{secret:?}").contains("1234"));
    }

    #[test]
    fn an_answer_without_envelope_is_all_data() {
        let secret = parse(r#"{"initialized":true,"sealed":false}"#).unwrap();
        assert_eq!(
            secret.data(),
            Some(r#"{"initialized":true,"sealed":false}"#)
        );
    }

    #[test]
    fn null_data_is_no_data() {
        assert_eq!(
            parse(r#"{"request_id":"r","data":null}"#).unwrap().data(),
            None
        );
    }

    #[test]
    fn a_login_gives_a_token() {
        let secret = parse(
            r#"{"request_id":"r","data":null,"auth":{"client_token":"hvs.x","accessor":"acc",
               "policies":["default"],"lease_duration":3600,"renewable":true,"token_type":"service"}}"#,
        )
        .unwrap();
        let auth = secret.auth.unwrap();
        assert_eq!(auth.client_token.expose(), "hvs.x");
        assert_eq!(auth.lease_duration, Duration::from_secs(3600));
    }

    #[test]
    fn what_is_not_vaults_json_is_told_without_quoting_it() {
        for text in [
            "",
            "<html>hunter2</html>",
            "[1]",
            "{\"lease_duration\":\"hunter2\"}",
            "{\"data\":{\"a\":\"hunter2",
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(
                error.contains("not JSON") && !error.contains("hunter2"),
                "{error}"
            );
        }
    }
}
