//! Logging in with what a cloud platform says about the machine, container or service account that the
//! program runs as: the one thing shared by the platforms is a small service asked over HTTP.
//!
//! Which platform is asked for what is the business of the modules below.

pub(super) mod aws;
pub(super) mod azure;
pub(super) mod gcp;
mod profile;
pub(super) mod sources;

use std::time::Duration;

use reqwest::{Method, Url};
use serde::de::DeserializeOwned;

use super::LoginError;
use crate::address::Address;
use crate::client::{Client, RawAnswer};
use crate::error::Failure;
use crate::settings::{Roots, Settings, TlsSettings};

/// How long a platform's service may take; it is on the machine or near it.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Larger answers are none of theirs, in bytes.
const ANSWER_LIMIT: usize = 1024 * 1024;
/// How much of a service's own words is shown, in characters.
const SHOWN: usize = 300;

/// A request to a platform's service.
pub(super) struct Call<'a> {
    /// What it is to bring, as a sentence names it.
    pub(super) what: &'static str,
    pub(super) method: Method,
    pub(super) url: String,
    pub(super) headers: Vec<(&'static str, &'a str)>,
    pub(super) body: Option<Vec<u8>>,
}

impl<'a> Call<'a> {
    pub(super) fn get(what: &'static str, url: String) -> Self {
        Self {
            what,
            method: Method::GET,
            url,
            headers: Vec::new(),
            body: None,
        }
    }

    pub(super) fn form(what: &'static str, url: String, form: &[(&str, &str)]) -> Self {
        let pairs: Vec<(String, String)> = form
            .iter()
            .map(|&(key, value)| (key.to_owned(), value.to_owned()))
            .collect();
        Self {
            what,
            method: Method::POST,
            url,
            headers: vec![(
                "content-type",
                "application/x-www-form-urlencoded; charset=utf-8",
            )],
            body: Some(crate::request::escape_query(&pairs).into_bytes()),
        }
    }

    pub(super) fn header(mut self, name: &'static str, value: &'a str) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Asks, and gives back the body of a success. Services over TLS are reached by the ways of the
    /// connection to Vault and known by `roots`; those on the machine are reached directly.
    ///
    /// # Errors
    /// The address is none, there is no answer, or the service refuses.
    pub(super) async fn send(self, shared: &Client, roots: Roots) -> Result<RawAnswer, LoginError> {
        let what = self.what;
        let shown = without_query(&self.url);
        let failed = |reason: String| LoginError::Platform {
            what,
            url: shown.clone(),
            reason,
        };
        let address: Address = self
            .url
            .parse()
            .map_err(|_| failed("this is no address of a service".to_owned()))?;
        let mut settings = Settings::new(address);
        settings.timeout = TIMEOUT;
        settings.answer_limit = ANSWER_LIMIT;
        settings
            .user_agent
            .clone_from(&shared.settings().user_agent);
        if settings.address.is_tls() {
            settings.proxy = shared.settings().proxy.clone();
            settings.tls = TlsSettings {
                roots,
                ..TlsSettings::default()
            };
        }
        let client = Client::new(settings)?;
        let sent = client.send_elsewhere(self.method, &self.url, &self.headers, self.body);
        let answer = sent.await.map_err(|failure| failed(words(&failure)))?;
        if answer.status != 200 {
            return Err(failed(refusal(&answer)));
        }
        Ok(answer)
    }

    /// Asks, and reads the answer as JSON.
    ///
    /// # Errors
    /// As for `send`, or the answer is not of that form.
    pub(super) async fn json<T: DeserializeOwned>(
        self,
        shared: &Client,
        roots: Roots,
    ) -> Result<T, LoginError> {
        let (what, url) = (self.what, without_query(&self.url));
        let answer = self.send(shared, roots).await?;
        serde_json::from_slice(&answer.body).map_err(|_| LoginError::Platform {
            what,
            url,
            reason: "the answer is not of the expected form".to_owned(),
        })
    }
}

fn words(failure: &Failure) -> String {
    match failure {
        Failure::NoAnswer { why, .. } => why.to_string(),
        Failure::Unusable { reason, .. } => reason.to_string(),
        _ => "it refuses".to_owned(),
    }
}

/// The service's own words about a refusal: they tell which right is missing, and hold no credentials.
fn refusal(answer: &RawAnswer) -> String {
    let text = String::from_utf8_lossy(&answer.body);
    let flat: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let shown: String = flat.chars().take(SHOWN).collect();
    match shown.is_empty() {
        true => format!("status {}", answer.status),
        false => format!("status {}: {shown}", answer.status),
    }
}

fn without_query(url: &str) -> String {
    match Url::parse(url) {
        Ok(mut url) => {
            url.set_query(None);
            url.to_string()
        }
        Err(_) => url.split('?').next().unwrap_or_default().to_owned(),
    }
}
