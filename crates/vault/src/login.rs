//! Logging in: one value per login method that knows where its credentials are, what the
//! server wants to see, and what to remember between two logins.
//!
//! When to log in, how often to try and where the token goes is the agent's business.

mod cloud;
mod settings;
mod sources;

use std::fmt;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value, json};

use crate::answer::{Auth, Secret, WrapInfo};
use crate::claims::Claims;
use crate::client::Client;
use crate::error::{Error, SetupError, Unusable};
use crate::hint::{LoginFacts, login_hint};
use crate::request::Request;
use crate::settings::{ClientPair, PemSource, Roots};
use crate::token::{SecretText, Token, TokenError};
use crate::tokens::TokenStatus;
use crate::variables::Variables;

use cloud::{aws::Iam, azure::Azure, gcp::Gce};
pub use settings::{METHODS, MethodError};
use sources::{AppRole, Cert, JwtFile, Kubernetes, PasswordFile};

/// A login method as the configuration describes it. Some settings are secrets, so `Debug` shows only their keys.
#[derive(Clone, Default)]
pub struct MethodSettings {
    /// Its type: one of [`METHODS`].
    pub kind: String,
    /// Its mount, `auth/<type>` unless given.
    pub mount_path: Option<String>,
    /// A namespace in place of the connection's.
    pub namespace: Option<String>,
    /// How long the login's answer shall stay wrapped, if it shall be wrapped.
    pub wrap_ttl: Option<Duration>,
    /// The method's own settings, in order.
    pub config: Vec<(String, String)>,
    /// The environment, in which cloud platforms say where their services are.
    pub environment: Variables,
}

/// A login method, ready to be used again and again.
#[derive(Debug)]
pub struct Login {
    kind: &'static str,
    mount: String,
    namespace: Option<String>,
    wrap_ttl: Option<Duration>,
    source: Source,
    claims: Option<Claims>,
}

/// What a login brought.
#[derive(Debug)]
pub enum LoggedIn {
    /// A token.
    Token(Auth),
    /// The answer, wrapped.
    Wrapped(WrapInfo),
    /// The token that was in a file, and what the server says about it.
    Adopted {
        /// The token.
        token: Token,
        /// What it is.
        status: TokenStatus,
    },
}

/// What tells of new credentials, and how often to look at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watched {
    /// What to look at.
    pub sign: Sign,
    /// How often.
    pub period: Duration,
}

/// What tells of new credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sign {
    /// This file changes.
    File(PathBuf),
    /// The method's own sources give others: [`Login::has_new_credentials`].
    Sources,
}

/// A login that failed.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// A file with credentials cannot be read.
    #[error("failed to read {what} from `{}`", path.display())]
    Unreadable {
        /// What was to be read.
        what: &'static str,
        /// From where.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// A file with credentials holds nothing.
    #[error("{what} in `{}` is empty", path.display())]
    Empty {
        /// What was to be read.
        what: &'static str,
        /// From where.
        path: PathBuf,
    },
    /// A file does not hold a token.
    #[error("the token in `{}` cannot be used", path.display())]
    BadToken {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: TokenError,
    },
    /// A wrapped secret id was wrapped by somebody else.
    #[error(
        "the wrapping token in `{}` holds an answer of `{found}`, not of `{wanted}`: it may have been replaced",
        path.display()
    )]
    WrappedElsewhere {
        /// The file.
        path: PathBuf,
        /// The path that it must come from.
        wanted: String,
        /// The path that it comes from.
        found: String,
    },
    /// The connection with the method's own certificate cannot be prepared.
    #[error("failed to prepare the login with a client certificate")]
    Setup(#[from] SetupError),
    /// A cloud platform's service does not give what the login needs.
    #[error("failed to get {what} from `{url}`: {reason}")]
    Platform {
        /// What was wanted.
        what: &'static str,
        /// The service, without the query.
        url: String,
        /// What came instead.
        reason: String,
    },
    /// There are no credentials of a cloud platform.
    #[error("found no {platform} credentials: {reason}")]
    NoCredentials {
        /// The platform.
        platform: &'static str,
        /// What was found instead, and what is accepted.
        reason: String,
    },
    /// The server refuses, fails or cannot be reached.
    #[error("{}", refused_text(facts, error, hint.as_deref()))]
    Refused {
        /// What was shown to the server.
        facts: Box<LoginFacts>,
        /// What it answered.
        error: Box<Error>,
        /// The likely cause.
        hint: Option<String>,
    },
}

#[derive(Debug)]
enum Source {
    Kubernetes(Kubernetes),
    Jwt(JwtFile),
    AppRole(AppRole),
    Cert(Box<Cert>),
    TokenFile(PathBuf),
    UserPass(PasswordFile),
    Ldap(PasswordFile),
    Aws(Box<Iam>),
    Azure(Box<Azure>),
    Gcp(Gce),
}

impl Login {
    /// Reads the settings of a method.
    ///
    /// # Errors
    /// The type is not known, or a setting is missing or malformed.
    pub fn new(settings: &MethodSettings) -> Result<Self, MethodError> {
        settings::parse(settings)
    }

    /// Logs in.
    ///
    /// # Errors
    /// The credentials cannot be read, or the server refuses them.
    pub async fn log_in(&mut self, client: &Client) -> Result<LoggedIn, LoginError> {
        self.claims = None;
        let login = format!("{}/login", self.mount);
        match &mut self.source {
            Source::Kubernetes(kubernetes) => {
                let jwt = kubernetes.read()?;
                self.claims = Claims::of(jwt.expose());
                let body = credentials(&[("jwt", Some(jwt.expose())), ("role", kubernetes.role())]);
                self.send(client, &login, &body).await
            }
            Source::Jwt(file) => {
                let jwt = file.read()?;
                self.claims = Claims::of(jwt.expose());
                let body = credentials(&[("jwt", Some(jwt.expose())), ("role", file.role())]);
                self.send(client, &login, &body).await
            }
            Source::AppRole(approle) => {
                let role_id = approle.role_id()?;
                let secret_id = match approle.secret_id()? {
                    sources::SecretId::Plain(secret_id) => secret_id,
                    sources::SecretId::Wrapped {
                        token,
                        path,
                        expected,
                    } => {
                        let secret_id = self.unwrap(client, token, path, &expected).await?;
                        if let Source::AppRole(approle) = &mut self.source {
                            approle.remember(secret_id.clone());
                        }
                        Some(secret_id)
                    }
                };
                let secret_id = secret_id.as_ref().map(SecretText::expose);
                let body = credentials(&[
                    ("role_id", Some(role_id.expose())),
                    ("secret_id", secret_id),
                ]);
                self.send(client, &login, &body).await
            }
            Source::Cert(cert) => {
                let own = cert.client(client)?;
                let body = credentials(&[("name", cert.name())]);
                self.send(&own, &login, &body).await
            }
            Source::UserPass(file) | Source::Ldap(file) => {
                let password = file.read()?;
                let login = format!("{login}/{}", file.username());
                let body = credentials(&[("password", Some(password.expose()))]);
                self.send(client, &login, &body).await
            }
            Source::Aws(iam) => {
                let body = iam.body(client).await?;
                let result = self.send(client, &login, &body).await;
                if let (Err(_), Source::Aws(iam)) = (&result, &mut self.source) {
                    iam.forget();
                }
                result
            }
            Source::Gcp(gce) => {
                let jwt = gce.identity(client).await?;
                self.claims = Claims::of(jwt.expose());
                let body = credentials(&[("role", Some(&gce.role)), ("jwt", Some(jwt.expose()))]);
                self.send(client, &login, &body).await
            }
            Source::Azure(azure) => {
                let shown = azure.show(client).await?;
                self.claims = Claims::of(shown.token.expose());
                let body = credentials(&[
                    ("role", Some(&azure.role)),
                    ("jwt", Some(shown.token.expose())),
                    ("vm_name", Some(&shown.machine.name)),
                    ("vmss_name", Some(&shown.machine.scale_set)),
                    ("resource_group_name", Some(&shown.machine.resource_group)),
                    ("subscription_id", Some(&shown.machine.subscription)),
                ]);
                self.send(client, &login, &body).await
            }
            Source::TokenFile(path) => {
                let text = sources::read_text("the token", path)?.trimmed();
                let token = Token::new(text.expose().to_owned()).map_err(|source| {
                    LoginError::BadToken {
                        path: path.clone(),
                        source,
                    }
                })?;
                match client.lookup_self(&token).await {
                    Ok(status) => Ok(LoggedIn::Adopted { token, status }),
                    Err(error) => Err(self.refused(error)),
                }
            }
        }
    }

    /// What tells that a new login is worthwhile, for methods that have such a sign.
    #[must_use]
    pub fn watched(&self) -> Option<Watched> {
        match &self.source {
            Source::Jwt(file) => Some(file.watched()),
            Source::Ldap(file) | Source::UserPass(file) => Some(file.watched()),
            Source::Aws(iam) => Some(Watched {
                sign: Sign::Sources,
                period: iam.period,
            }),
            _ => None,
        }
    }

    /// Whether the sources of the credentials give others than the last login showed.
    ///
    /// # Errors
    /// They cannot be asked; then the last ones stay.
    pub async fn has_new_credentials(&mut self, client: &Client) -> Result<bool, LoginError> {
        match &mut self.source {
            Source::Aws(iam) => iam.has_new_credentials(client).await,
            _ => Ok(false),
        }
    }

    /// What the last login showed to the server.
    #[must_use]
    pub fn facts(&self) -> LoginFacts {
        let role = match &self.source {
            Source::Kubernetes(kubernetes) => kubernetes.role(),
            Source::Jwt(file) => file.role(),
            Source::Cert(cert) => cert.name(),
            Source::UserPass(file) | Source::Ldap(file) => Some(file.username()),
            Source::Aws(iam) => Some(iam.role.as_str()),
            Source::Azure(azure) => Some(azure.role.as_str()),
            Source::Gcp(gce) => Some(gce.role.as_str()),
            Source::AppRole(_) | Source::TokenFile(_) => None,
        };
        LoginFacts {
            method: self.kind.to_owned(),
            mount: self.mount.clone(),
            role: role.map(str::to_owned),
            claims: self.claims.clone(),
        }
    }

    async fn unwrap(
        &self,
        client: &Client,
        token: Token,
        path: PathBuf,
        expected: &str,
    ) -> Result<SecretText, LoginError> {
        let status = client
            .wrapping_lookup(&token)
            .await
            .map_err(|error| self.refused(error))?;
        if status.creation_path != expected {
            return Err(LoginError::WrappedElsewhere {
                path,
                wanted: expected.to_owned(),
                found: status.creation_path,
            });
        }
        client
            .unwrap_secret_id(&token)
            .await
            .map_err(|error| self.refused(error))
    }

    async fn send(
        &self,
        client: &Client,
        path: &str,
        body: &Value,
    ) -> Result<LoggedIn, LoginError> {
        let mut request = Request::put(path, body);
        request.namespace.clone_from(&self.namespace);
        request.wrap_ttl = self.wrap_ttl;
        let sent = async {
            let secret = client.demand(&request).await?;
            logged_in(secret).map_err(|reason| client.unusable(&request, 200, reason))
        };
        sent.await.map_err(|error| self.refused(error))
    }

    fn refused(&self, error: Error) -> LoginError {
        let facts = self.facts();
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.map_or(0, |since| since.as_secs());
        LoginError::Refused {
            hint: login_hint(&facts, &error, now),
            facts: Box::new(facts),
            error: Box::new(error),
        }
    }
}

impl fmt::Debug for MethodSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: Vec<&str> = self.config.iter().map(|(key, _)| key.as_str()).collect();
        f.debug_struct("MethodSettings")
            .field("kind", &self.kind)
            .field("mount_path", &self.mount_path)
            .field("namespace", &self.namespace)
            .field("wrap_ttl", &self.wrap_ttl)
            .field("config", &keys)
            .finish_non_exhaustive()
    }
}

impl LoginError {
    /// The server's answer, where it was asked.
    #[must_use]
    pub fn answer(&self) -> Option<&Error> {
        match self {
            Self::Refused { error, .. } => Some(error),
            _ => None,
        }
    }
}

impl Cert {
    /// The connection to log in with: its own where the method has its own certificate
    /// or CA.
    fn client(&mut self, shared: &Client) -> Result<Client, SetupError> {
        if let Some(own) = &self.own
            && !self.reload
        {
            return Ok(own.clone());
        }
        let mut settings = shared.settings().clone();
        settings.tls = shared.tls();
        if let Some((certificate, key)) = &self.pair {
            settings.tls.client = Some(ClientPair {
                certificate: PemSource::File(certificate.clone()),
                key: PemSource::File(key.clone()),
            });
        }
        if let Some(ca) = &self.ca {
            settings.tls.roots = Roots::File(ca.clone());
        }
        if self.pair.is_none() && self.ca.is_none() && !self.reload {
            return Ok(shared.clone());
        }
        let own = Client::new(settings)?;
        self.own = Some(own.clone());
        Ok(own)
    }
}

fn logged_in(secret: Secret) -> Result<LoggedIn, Unusable> {
    match (secret.auth, secret.wrap_info) {
        (_, Some(wrapped)) => Ok(LoggedIn::Wrapped(wrapped)),
        (Some(auth), None) => Ok(LoggedIn::Token(auth)),
        (None, None) => Err(Unusable::Lacks("auth")),
    }
}

fn credentials(fields: &[(&str, Option<&str>)]) -> Value {
    let given = fields
        .iter()
        .filter_map(|(name, value)| Some((name, (*value)?)));
    let object: Map<String, Value> = given
        .map(|(name, value)| ((*name).to_owned(), json!(value)))
        .collect();
    Value::Object(object)
}

fn refused_text(facts: &LoginFacts, error: &Error, hint: Option<&str>) -> String {
    let mut text = format!("failed to log in by {} at `{}`", facts.method, facts.mount);
    if let Some(role) = &facts.role {
        text.push_str(&format!(" as role `{role}`"));
    }
    if let Some(claims) = &facts.claims {
        let mut says = Vec::new();
        if let (Some(namespace), Some(account)) = (&claims.namespace, &claims.service_account) {
            says.push(format!("service account `{namespace}/{account}`"));
        } else if let Some(subject) = &claims.subject {
            says.push(format!("subject `{subject}`"));
        }
        if !claims.audiences.is_empty() {
            says.push(format!("audience `{}`", claims.audiences.join("`, `")));
        }
        if !says.is_empty() {
            text.push_str(&format!(" with a token of {}", says.join(" for ")));
        }
    }
    text.push_str(&format!(": {error}"));
    if let Some(hint) = hint {
        text.push_str(&format!("; likely cause: {hint}"));
    }
    text
}
