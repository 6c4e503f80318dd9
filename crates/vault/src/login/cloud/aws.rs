//! AWS, type `iam`: a request `sts:GetCallerIdentity`, signed and not sent. The Vault server sends it to AWS
//! and learns whose credentials signed it, without ever seeing them.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4::SigningParams;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::sources::{Sources, regional_service};
use crate::client::Client;
use crate::login::LoginError;

/// The request that tells whose credentials signed it.
const BODY: &str = "Action=GetCallerIdentity&Version=2011-06-15";
const CONTENT_TYPE: &str = "application/x-www-form-urlencoded; charset=utf-8";
/// The one service address of old; servers that are told no other send the request there.
const GLOBAL_SERVICE: &str = "https://sts.amazonaws.com/";
/// The regions whose requests go to that address unless the environment says otherwise.
const GLOBAL_REGIONS: [&str; 17] = [
    "ap-northeast-1",
    "ap-south-1",
    "ap-southeast-1",
    "ap-southeast-2",
    "aws-global",
    "ca-central-1",
    "eu-central-1",
    "eu-north-1",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "sa-east-1",
    "us-east-1",
    "us-east-2",
    "us-west-1",
    "us-west-2",
    "",
];

/// Settings of the login, and the credentials it used last.
#[derive(Debug)]
pub(in crate::login) struct Iam {
    pub(in crate::login) role: String,
    pub(in crate::login) header_value: Option<String>,
    pub(in crate::login) period: Duration,
    pub(in crate::login) sources: Sources,
}

impl Iam {
    /// The body of a login.
    pub(in crate::login) async fn body(&mut self, client: &Client) -> Result<Value, LoginError> {
        let credentials = self.sources.current(client).await?;
        let url = self.url();
        let headers = self.signed_headers(&url, credentials, SystemTime::now())?;
        let encode = |text: &str| STANDARD.encode(text);
        Ok(json!({
            "role": self.role,
            "iam_http_request_method": "POST",
            "iam_request_url": encode(&url),
            "iam_request_headers": encode(&Value::Object(headers).to_string()),
            "iam_request_body": encode(BODY),
        }))
    }

    /// Whether the sources give other credentials than the last login was made with.
    pub(in crate::login) async fn has_new_credentials(
        &mut self,
        client: &Client,
    ) -> Result<bool, LoginError> {
        let before = self.sources.held.as_ref().map(id);
        let now = self.sources.current(client).await?;
        Ok(before.is_some_and(|before| before != id(&now)))
    }

    /// Takes what the platform gave for used up: the next login asks again.
    pub(in crate::login) fn forget(&mut self) {
        self.sources.held = None;
    }

    /// The address that the request is made out to. Its host is part of what is signed, and a server sends
    /// the request to the service that it is set to, so an own endpoint of this program plays no part.
    fn url(&self) -> String {
        let regional = self.sources.variables.get("AWS_STS_REGIONAL_ENDPOINTS");
        let regional = regional.is_some_and(|word| word.eq_ignore_ascii_case("regional"));
        let region = self.sources.region.as_str();
        if GLOBAL_REGIONS.contains(&region) && !regional {
            GLOBAL_SERVICE.to_owned()
        } else {
            regional_service(region)
        }
    }

    /// The headers, in the form of Go's programs: each name with a list of values.
    fn signed_headers(
        &self,
        url: &str,
        credentials: Credentials,
        now: SystemTime,
    ) -> Result<Map<String, Value>, LoginError> {
        let failed = |_| {
            LoginError::NoCredentials {
            platform: "AWS",
            reason: "the request cannot be signed with them: `header_value` or `region` holds a character \
                     that no header can carry"
                .to_owned(),
        }
        };
        let length = BODY.len().to_string();
        let mut headers = vec![("Content-Type", CONTENT_TYPE), ("Content-Length", &length)];
        if let Some(value) = &self.header_value {
            headers.push(("X-Vault-AWS-IAM-Server-ID", value));
        }
        let identity = credentials.into();
        let parameters = SigningParams::builder()
            .identity(&identity)
            .region(&self.sources.region)
            .name("sts")
            .time(now)
            .settings(SigningSettings::default())
            .build()
            .map_err(|_| failed(()))?
            .into();
        let body = SignableBody::Bytes(BODY.as_bytes());
        let request = SignableRequest::new("POST", url, headers.iter().copied(), body)
            .map_err(|_| failed(()))?;
        let signed = sign(request, &parameters).map_err(|_| failed(()))?;
        let (instructions, _) = signed.into_parts();
        Ok(headers
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .chain(
                instructions
                    .headers()
                    .map(|(name, value)| (canonical(name), value)),
            )
            .map(|(name, value)| (name, json!([value])))
            .collect())
    }
}

fn id(credentials: &Credentials) -> String {
    credentials.access_key_id().to_owned()
}

/// A header's name with each word in a capital.
fn canonical(name: &str) -> String {
    let mut start = true;
    name.chars()
        .map(|letter| {
            let shown = if start {
                letter.to_ascii_uppercase()
            } else {
                letter
            };
            start = letter == '-';
            shown
        })
        .collect()
}
