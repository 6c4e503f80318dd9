//! Where AWS credentials come from, in the order of the established agent: the configuration, the
//! environment, the shared files, a web identity (IRSA), the container's endpoint (EKS pod identity, ECS),
//! the machine's metadata service in its second version.
//!
//! The first source that is set up is the one: when it fails the login fails, for a role that nobody named
//! must not step in.

use std::net::IpAddr;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_credential_types::Credentials;
use reqwest::{Method, Url};
use serde::Deserialize;

use super::Call;
use super::profile::{self, Profile};
use crate::client::Client;
use crate::login::{LoginError, sources::read_text};
use crate::settings::Roots;
use crate::token::SecretText;
use crate::variables::Variables;

/// Credentials that end are replaced this long before.
const SPARE: Duration = Duration::from_secs(300);
/// How long a session with the metadata service lasts, in seconds; one login needs moments.
const METADATA_SESSION: &str = "60";
const CONTAINER: &str = "http://169.254.170.2";
const CREDENTIALS: &str = "the AWS credentials";

/// The sources, and what the last of them gave where it may be used again.
#[derive(Debug)]
pub(in crate::login) struct Sources {
    pub(in crate::login) keys: Option<Keys>,
    pub(in crate::login) region: String,
    pub(in crate::login) variables: Variables,
    pub(in crate::login) held: Option<Credentials>,
}

/// Credentials as the configuration gives them.
#[derive(Debug, Clone)]
pub(in crate::login) struct Keys {
    pub(in crate::login) id: String,
    pub(in crate::login) secret: SecretText,
    pub(in crate::login) session: Option<SecretText>,
}

/// The answer of container endpoint and metadata service.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Form {
    access_key_id: String,
    secret_access_key: String,
    #[serde(default)]
    token: Option<String>,
    #[serde(default)]
    expiration: Option<String>,
}

impl Sources {
    /// The credentials to sign with. Those that the platform gave are used until shortly before their end;
    /// files and variables are read anew each time.
    pub(in crate::login) async fn current(
        &mut self,
        client: &Client,
    ) -> Result<Credentials, LoginError> {
        let now = SystemTime::now();
        if let Some(held) = &self.held
            && held.expiry().is_some_and(|ends| now + SPARE < ends)
        {
            return Ok(held.clone());
        }
        let found = self.find(client, now).await?;
        self.held = Some(found.clone());
        Ok(found)
    }

    async fn find(&self, client: &Client, now: SystemTime) -> Result<Credentials, LoginError> {
        if let Some(keys) = &self.keys {
            return Ok(lasting(&keys.id, &keys.secret, keys.session.as_ref()));
        }
        let get = |name| self.variables.get(name);
        let secret = |name| get(name).map(|text| SecretText::new(text.to_owned()));
        let id = get("AWS_ACCESS_KEY_ID").or_else(|| get("AWS_ACCESS_KEY"));
        let key = secret("AWS_SECRET_ACCESS_KEY").or_else(|| secret("AWS_SECRET_KEY"));
        if let (Some(id), Some(key)) = (id, key) {
            return Ok(lasting(id, &key, secret("AWS_SESSION_TOKEN").as_ref()));
        }
        match profile::read(&self.variables)? {
            Some(Profile::Keys {
                id,
                secret,
                session,
            }) => {
                return Ok(lasting(&id, &secret, session.as_ref()));
            }
            Some(Profile::WebIdentity {
                role_arn,
                token_file,
                session_name,
            }) => {
                let name = session_name.as_deref();
                return self
                    .web_identity(client, &role_arn, &token_file, name, now)
                    .await;
            }
            None => {}
        }
        match (get("AWS_ROLE_ARN"), get("AWS_WEB_IDENTITY_TOKEN_FILE")) {
            (Some(role), Some(file)) => {
                let name = get("AWS_ROLE_SESSION_NAME");
                return self
                    .web_identity(client, role, Path::new(file), name, now)
                    .await;
            }
            (None, Some(_)) => {
                return Err(no_credentials(
                    "AWS_WEB_IDENTITY_TOKEN_FILE is set without AWS_ROLE_ARN".to_owned(),
                ));
            }
            (_, None) => {}
        }
        if let Some(url) = self.container_url()? {
            return self.container(client, url).await;
        }
        if self.variables.says_yes("AWS_EC2_METADATA_DISABLED") {
            return Err(no_credentials(
                "neither the configuration, nor the environment, nor a profile names any, and \
                 AWS_EC2_METADATA_DISABLED keeps from asking the machine"
                    .to_owned(),
            ));
        }
        self.metadata(client).await
    }

    async fn web_identity(
        &self,
        client: &Client,
        role_arn: &str,
        token_file: &Path,
        session_name: Option<&str>,
        now: SystemTime,
    ) -> Result<Credentials, LoginError> {
        let token = read_text("the web identity token", token_file)?.trimmed();
        let seconds = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let fresh_name = format!("leasehold-agent-{seconds}");
        let form = [
            ("Action", "AssumeRoleWithWebIdentity"),
            ("Version", "2011-06-15"),
            ("RoleArn", role_arn),
            ("RoleSessionName", session_name.unwrap_or(&fresh_name)),
            ("WebIdentityToken", token.expose()),
        ];
        let url = self.token_service();
        let call = Call::form(CREDENTIALS, url.clone(), &form);
        let answer = call.send(client, self.roots()).await?;
        let text = SecretText::new(String::from_utf8_lossy(&answer.body).into_owned());
        let part = |name| element(text.expose(), name);
        let (Some(id), Some(secret), Some(session)) = (
            part("AccessKeyId"),
            part("SecretAccessKey"),
            part("SessionToken"),
        ) else {
            return Err(LoginError::Platform {
                what: CREDENTIALS,
                url,
                reason: "the answer holds no credentials".to_owned(),
            });
        };
        Ok(ending(id, secret, Some(session), part("Expiration"), now))
    }

    fn token_service(&self) -> String {
        let get = |name| self.variables.get(name);
        let region = get("AWS_REGION")
            .or_else(|| get("AWS_DEFAULT_REGION"))
            .unwrap_or(&self.region);
        match get("AWS_ENDPOINT_URL_STS").or_else(|| get("AWS_ENDPOINT_URL")) {
            Some(url) => format!("{}/", url.trim_end_matches('/')),
            None => regional_service(region),
        }
    }

    fn container_url(&self) -> Result<Option<String>, LoginError> {
        if let Some(path) = self.variables.get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") {
            return Ok(Some(format!(
                "{CONTAINER}/{}",
                path.trim_start_matches('/')
            )));
        }
        let Some(text) = self.variables.get("AWS_CONTAINER_CREDENTIALS_FULL_URI") else {
            return Ok(None);
        };
        let near = Url::parse(text).is_ok_and(|url| url.scheme() == "https" || is_near(&url));
        if !near {
            return Err(no_credentials(
                "AWS_CONTAINER_CREDENTIALS_FULL_URI leads to another machine without TLS; accepted are \
                 https, a loopback address, 169.254.170.2, 169.254.170.23 and fd00:ec2::23"
                    .to_owned(),
            ));
        }
        Ok(Some(text.to_owned()))
    }

    async fn container(&self, client: &Client, url: String) -> Result<Credentials, LoginError> {
        let get = |name| self.variables.get(name);
        let token = match get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE") {
            Some(file) => {
                let what = "the token for the container's credentials";
                Some(read_text(what, Path::new(file))?.trimmed())
            }
            None => get("AWS_CONTAINER_AUTHORIZATION_TOKEN").map(|t| SecretText::new(t.to_owned())),
        };
        let mut call = Call::get(CREDENTIALS, url);
        if let Some(token) = &token {
            call = call.header("authorization", token.expose());
        }
        let form: Form = call.json(client, self.roots()).await?;
        Ok(form.into_credentials())
    }

    async fn metadata(&self, client: &Client) -> Result<Credentials, LoginError> {
        let get = |name| self.variables.get(name);
        let sixth = get("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE")
            .is_some_and(|mode| mode.eq_ignore_ascii_case("ipv6"));
        let base = get("AWS_EC2_METADATA_SERVICE_ENDPOINT").unwrap_or(if sixth {
            "http://[fd00:ec2::254]"
        } else {
            "http://169.254.169.254"
        });
        let base = base.trim_end_matches('/');
        let session = Call {
            method: Method::PUT,
            ..Call::get(
                "a session with the machine's metadata service",
                format!("{base}/latest/api/token"),
            )
        };
        let session = session
            .header("x-aws-ec2-metadata-token-ttl-seconds", METADATA_SESSION)
            .send(client, Roots::System)
            .await?;
        let session = SecretText::new(String::from_utf8_lossy(&session.body).trim().to_owned());
        let folder = format!("{base}/latest/meta-data/iam/security-credentials/");
        let header = "x-aws-ec2-metadata-token";
        let role = Call::get("the role of the machine", folder.clone())
            .header(header, session.expose())
            .send(client, Roots::System)
            .await?;
        let role = String::from_utf8_lossy(&role.body);
        let role = role.lines().next().unwrap_or_default().trim();
        let url = format!("{folder}{}", crate::request::escape_path(role));
        let form: Form = Call::get(CREDENTIALS, url)
            .header(header, session.expose())
            .json(client, Roots::System)
            .await?;
        Ok(form.into_credentials())
    }

    fn roots(&self) -> Roots {
        Roots::choose(self.variables.get("AWS_CA_BUNDLE"), None, None)
    }
}

impl Form {
    fn into_credentials(self) -> Credentials {
        let ends = self.expiration.as_deref();
        ending(
            &self.access_key_id,
            &self.secret_access_key,
            self.token.as_deref(),
            ends,
            SystemTime::now(),
        )
    }
}

/// The token service of a region.
pub(super) fn regional_service(region: &str) -> String {
    let domain = if region.starts_with("cn-") {
        "amazonaws.com.cn"
    } else {
        "amazonaws.com"
    };
    format!("https://sts.{region}.{domain}/")
}

fn lasting(id: &str, secret: &SecretText, session: Option<&SecretText>) -> Credentials {
    let session = session.map(|text| text.expose().to_owned());
    Credentials::new(id, secret.expose(), session, None, "leasehold")
}

fn ending(
    id: &str,
    secret: &str,
    session: Option<&str>,
    ends: Option<&str>,
    now: SystemTime,
) -> Credentials {
    // An end that cannot be read is taken for near: then the next login asks again.
    let ends = ends.map(|text| moment(text).unwrap_or(now));
    Credentials::new(id, secret, session.map(str::to_owned), ends, "leasehold")
}

/// A moment as AWS writes it, `2026-01-31T12:00:00Z`; fractions of seconds are dropped.
fn moment(text: &str) -> Option<SystemTime> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let mut date = date.split('-').map(str::parse::<u64>);
    let mut time = time.split(['.', ':']).map(str::parse::<u64>);
    let (year, month, day) = (date.next()?.ok()?, date.next()?.ok()?, date.next()?.ok()?);
    let (hour, minute, second) = (time.next()?.ok()?, time.next()?.ok()?, time.next()?.ok()?);
    if !(1970..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    // Years that begin in March have their leap day at the end.
    let (year, month) = if month < 3 {
        (year - 1, month + 9)
    } else {
        (year, month - 3)
    };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day - 1;
    let since = days.checked_sub(719_468)? * 86_400 + hour * 3600 + minute * 60 + second;
    UNIX_EPOCH.checked_add(Duration::from_secs(since))
}

/// The text of the first such element; the values wanted here hold no marks that XML escapes.
fn element<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    let (value, _) = rest.split_once(&format!("</{name}>"))?;
    let value = value.trim();
    (!value.is_empty() && !value.contains(['<', '&'])).then_some(value)
}

fn is_near(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    match bare.parse::<IpAddr>() {
        Ok(address) => {
            address.is_loopback()
                || ["169.254.170.2", "169.254.170.23", "fd00:ec2::23"]
                    .iter()
                    .any(|near| near.parse() == Ok(address))
        }
        Err(_) => bare.eq_ignore_ascii_case("localhost"),
    }
}

fn no_credentials(reason: String) -> LoginError {
    LoginError::NoCredentials {
        platform: "AWS",
        reason,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_moments() {
        for (text, seconds) in [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("2000-02-29T12:30:15Z", Some(951_827_415)),
            ("2026-03-01T00:00:00.123Z", Some(1_772_323_200)),
            ("2026-13-01T00:00:00Z", None),
            ("soon", None),
        ] {
            let expected = seconds.map(|seconds| UNIX_EPOCH + Duration::from_secs(seconds));
            assert_eq!(moment(text), expected, "{text}");
        }
    }

    #[test]
    fn only_near_services_are_asked_without_tls() {
        let sources = |url: &str| Sources {
            keys: None,
            region: "us-east-1".to_owned(),
            variables: [("AWS_CONTAINER_CREDENTIALS_FULL_URI", url)]
                .into_iter()
                .collect(),
            held: None,
        };
        for (url, near) in [
            ("http://169.254.170.23/v1/credentials", true),
            ("http://[fd00:ec2::23]/v1/credentials", true),
            ("http://127.0.0.1:99/x", true),
            ("https://other.example/x", true),
            ("http://other.example/x", false),
            ("http://169.254.169.254/x", false),
        ] {
            assert_eq!(sources(url).container_url().is_ok(), near, "{url}");
        }
    }

    #[test]
    fn elements_are_found_by_name() {
        let text = "<C><AccessKeyId>ASIA</AccessKeyId><SessionToken> a+/= </SessionToken></C>";
        assert_eq!(element(text, "AccessKeyId"), Some("ASIA"));
        assert_eq!(element(text, "SessionToken"), Some("a+/="));
        assert_eq!(element(text, "Expiration"), None);
    }
}
