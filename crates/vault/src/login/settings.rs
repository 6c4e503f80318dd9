//! A login method's settings, from the texts of the configuration to values.

use std::path::PathBuf;
use std::time::Duration;

use super::cloud::aws::Iam;
use super::cloud::azure::{Azure, Identity};
use super::cloud::gcp::Gce;
use super::cloud::sources::{Keys, Sources};
use super::sources::{AppRole, Cert, JwtFile, Kubernetes, PasswordFile};
use super::{Login, MethodSettings, Source};
use crate::token::SecretText;
use crate::variables::Variables;

/// The login methods there are.
pub const METHODS: [&str; 10] = [
    "kubernetes",
    "jwt",
    "approle",
    "cert",
    "token_file",
    "userpass",
    "ldap",
    "aws",
    "azure",
    "gcp",
];

/// Where a pod's own token is.
const DEFAULT_TOKEN_PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";

/// The region that AWS requests are signed for unless one is given, as in the established agent.
const DEFAULT_REGION: &str = "us-east-1";

/// Settings that describe no login.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MethodError {
    /// There is no such method here.
    #[error("the login method `{kind}` is not known (accepted: {})", METHODS.join(", "))]
    Unknown {
        /// The type given.
        kind: String,
    },
    /// A setting must be given.
    #[error("the login method `{kind}` needs `{key}` in its config")]
    Missing {
        /// The method's type.
        kind: &'static str,
        /// The setting.
        key: &'static str,
    },
    /// A setting cannot be read.
    #[error("`{key}` of the login method `{kind}` is `{value}`, accepted: {accepted}")]
    Malformed {
        /// The method's type.
        kind: &'static str,
        /// The setting.
        key: &'static str,
        /// What it is.
        value: String,
        /// What it can be.
        accepted: &'static str,
    },
}

struct Reader<'a> {
    kind: &'static str,
    config: &'a [(String, String)],
    environment: &'a Variables,
}

pub(super) fn parse(settings: &MethodSettings) -> Result<Login, MethodError> {
    let kind = METHODS
        .into_iter()
        .find(|known| *known == settings.kind)
        .ok_or_else(|| MethodError::Unknown {
            kind: settings.kind.clone(),
        })?;
    let reader = Reader {
        kind,
        config: &settings.config,
        environment: &settings.environment,
    };
    let mount = match settings.mount_path.as_deref().map(str::trim) {
        None | Some("") => format!("auth/{kind}"),
        Some(path) => path.trim_matches('/').to_owned(),
    };
    Ok(Login {
        kind,
        mount,
        namespace: settings.namespace.clone().filter(|name| !name.is_empty()),
        wrap_ttl: settings.wrap_ttl.filter(|ttl| !ttl.is_zero()),
        source: reader.source()?,
        claims: None,
    })
}

impl Reader<'_> {
    fn source(&self) -> Result<Source, MethodError> {
        Ok(match self.kind {
            "kubernetes" => Source::Kubernetes(Kubernetes {
                role: self.text("role"),
                path: self
                    .path("token_path")
                    .unwrap_or_else(|| DEFAULT_TOKEN_PATH.into()),
            }),
            "jwt" => {
                let remove = self.flag("remove_jwt_after_reading", true)?;
                Source::Jwt(JwtFile {
                    role: self.text("role"),
                    path: self.needed_path("path")?,
                    remove,
                    follow_links: self.flag("remove_jwt_follows_symlinks", false)?,
                    period: self.period("jwt_read_period", remove)?,
                    last: None,
                })
            }
            "approle" => Source::AppRole(AppRole {
                role_id_path: self.needed_path("role_id_file_path")?,
                secret_id_path: self.path("secret_id_file_path"),
                remove: self.flag("remove_secret_id_file_after_reading", true)?,
                wrapping_path: self.text("secret_id_response_wrapping_path"),
                role_id: None,
                secret_id: None,
            }),
            "cert" => {
                let certificate = self.path("client_cert");
                let key = self.path("client_key");
                let missing = |key| MethodError::Missing {
                    kind: self.kind,
                    key,
                };
                Source::Cert(Box::new(Cert {
                    name: self.text("name"),
                    ca: self.path("ca_cert"),
                    pair: match (certificate, key) {
                        (Some(certificate), Some(key)) => Some((certificate, key)),
                        (None, None) => None,
                        (Some(_), None) => return Err(missing("client_key")),
                        (None, Some(_)) => return Err(missing("client_cert")),
                    },
                    reload: self.flag("reload", false)?,
                    own: None,
                }))
            }
            "token_file" => Source::TokenFile(self.needed_path("token_file_path")?),
            "ldap" => Source::Ldap(self.password_file()?),
            "aws" => Source::Aws(Box::new(self.aws()?)),
            "azure" => Source::Azure(Box::new(self.azure()?)),
            "gcp" => {
                self.of_type("gce")?;
                let account = self.text("service_account");
                Source::Gcp(Gce::new(self.needed("role")?, account, self.environment))
            }
            _ => Source::UserPass(self.password_file()?),
        })
    }

    fn password_file(&self) -> Result<PasswordFile, MethodError> {
        let remove = self.flag("remove_password_after_reading", true)?;
        Ok(PasswordFile {
            username: self.needed("username")?,
            path: self.needed_path("password_file_path")?,
            remove,
            follow_links: self.flag("remove_password_follows_symlinks", false)?,
            period: self.period("password_read_period", remove)?,
            last: None,
        })
    }

    fn aws(&self) -> Result<Iam, MethodError> {
        self.of_type("iam")?;
        let secret = |key| self.text(key).map(SecretText::new);
        let missing = |key| MethodError::Missing {
            kind: self.kind,
            key,
        };
        let keys = match (self.text("access_key"), secret("secret_key")) {
            (Some(id), Some(secret_key)) => Some(Keys {
                id,
                secret: secret_key,
                session: secret("session_token"),
            }),
            (None, None) => None,
            (Some(_), None) => return Err(missing("secret_key")),
            (None, Some(_)) => return Err(missing("access_key")),
        };
        Ok(Iam {
            role: self.needed("role")?,
            header_value: self.text("header_value"),
            period: self.duration("credential_poll_interval", Duration::from_secs(60))?,
            sources: Sources {
                keys,
                region: self
                    .text("region")
                    .unwrap_or_else(|| DEFAULT_REGION.to_owned()),
                variables: self.environment.clone(),
                held: None,
            },
        })
    }

    fn azure(&self) -> Result<Azure, MethodError> {
        let resource = self.needed("resource")?;
        let identity = match (self.text("object_id"), self.text("client_id")) {
            (None, None) => Identity::Default,
            (Some(id), None) => Identity::Object(id),
            (None, Some(id)) => Identity::Client(id),
            (Some(_), Some(id)) => {
                return Err(MethodError::Malformed {
                    kind: self.kind,
                    key: "client_id",
                    value: id,
                    accepted: "one of `client_id` and `object_id`, not both",
                });
            }
        };
        Ok(Azure {
            role: self.needed("role")?,
            scope: self
                .text("scope")
                .unwrap_or_else(|| format!("{resource}/.default")),
            resource,
            identity,
            from_environment: self.flag("authenticate_from_environment", false)?,
            variables: self.environment.clone(),
        })
    }

    /// Some methods have several types, of which one is performed here.
    fn of_type(&self, accepted: &'static str) -> Result<(), MethodError> {
        let found = self.needed("type")?;
        if found == accepted {
            return Ok(());
        }
        Err(MethodError::Malformed {
            kind: self.kind,
            key: "type",
            value: found,
            accepted,
        })
    }

    fn text(&self, key: &str) -> Option<String> {
        let found = self.config.iter().rev().find(|(name, _)| name == key);
        found
            .map(|(_, value)| value.clone())
            .filter(|value| !value.is_empty())
    }

    fn path(&self, key: &str) -> Option<PathBuf> {
        self.text(key).map(PathBuf::from)
    }

    fn needed(&self, key: &'static str) -> Result<String, MethodError> {
        self.text(key).ok_or(MethodError::Missing {
            kind: self.kind,
            key,
        })
    }

    fn needed_path(&self, key: &'static str) -> Result<PathBuf, MethodError> {
        self.needed(key).map(PathBuf::from)
    }

    fn flag(&self, key: &'static str, default: bool) -> Result<bool, MethodError> {
        match self.text(key).as_deref() {
            None => Ok(default),
            Some("1" | "t" | "T" | "TRUE" | "true" | "True") => Ok(true),
            Some("0" | "f" | "F" | "FALSE" | "false" | "False") => Ok(false),
            Some(other) => Err(MethodError::Malformed {
                kind: self.kind,
                key,
                value: other.to_owned(),
                accepted: "true, false, 1, 0, t, f",
            }),
        }
    }

    /// A file that vanishes when it is read is looked for more often.
    fn period(&self, key: &'static str, removing: bool) -> Result<Duration, MethodError> {
        let default = match removing {
            true => Duration::from_millis(500),
            false => Duration::from_secs(60),
        };
        self.duration(key, default)
    }

    fn duration(&self, key: &'static str, default: Duration) -> Result<Duration, MethodError> {
        match self.text(key) {
            None => Ok(default),
            Some(text) => duration(&text).ok_or(MethodError::Malformed {
                kind: self.kind,
                key,
                value: text,
                accepted: "a number of seconds, or a duration such as 90s or 1m30s",
            }),
        }
    }
}

/// A number of seconds, or number and unit, several times.
fn duration(text: &str) -> Option<Duration> {
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let mut rest = text;
    let mut sum = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at(digits);
        let unit_end = after
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_end);
        let factor = match unit {
            "h" => 3600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 1e-3,
            "us" | "µs" => 1e-6,
            "ns" => 1e-9,
            _ => return None,
        };
        sum += number.parse::<f64>().ok()? * factor;
        rest = after;
    }
    (!text.is_empty())
        .then(|| Duration::try_from_secs_f64(sum).ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(kind: &str, config: &[(&str, &str)]) -> MethodSettings {
        MethodSettings {
            kind: kind.to_owned(),
            config: config
                .iter()
                .map(|&(key, value)| (key.to_owned(), value.to_owned()))
                .collect(),
            ..MethodSettings::default()
        }
    }

    #[test]
    fn durations_are_read_as_the_configuration_writes_them() {
        for (text, millis) in [
            ("90", Some(90_000)),
            ("500ms", Some(500)),
            ("1m30s", Some(90_000)),
            ("1.5s", Some(1500)),
            ("", None),
            ("1x", None),
            ("s", None),
        ] {
            assert_eq!(duration(text), millis.map(Duration::from_millis), "{text}");
        }
    }

    #[test]
    fn settings_that_describe_no_login_are_refused_by_name() {
        for (kind, config, part) in [
            (
                "aws9",
                &[] as &[_],
                "`aws9` is not known (accepted: kubernetes, jwt,",
            ),
            ("jwt", &[("role", "a")], "`jwt` needs `path`"),
            ("approle", &[], "needs `role_id_file_path`"),
            ("token_file", &[], "needs `token_file_path`"),
            ("cert", &[("client_cert", "/a")], "needs `client_key`"),
            (
                "jwt",
                &[("path", "/t"), ("remove_jwt_after_reading", "maybe")],
                "is `maybe`",
            ),
            (
                "jwt",
                &[("path", "/t"), ("jwt_read_period", "soon")],
                "is `soon`",
            ),
        ] {
            let error = Login::new(&settings(kind, config)).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn mounts_are_named_after_their_method_unless_given() {
        for (path, mount) in [(None, "auth/kubernetes"), (Some("/auth/eks/"), "auth/eks")] {
            let mut settings = settings("kubernetes", &[("role", "r")]);
            settings.mount_path = path.map(str::to_owned);
            let login = Login::new(&settings).unwrap();
            assert_eq!(login.facts().mount, mount);
        }
    }

    #[test]
    fn a_jwt_file_is_looked_at_more_often_when_it_is_removed() {
        for (remove, period) in [("true", 500), ("false", 60_000)] {
            let login = Login::new(&settings(
                "jwt",
                &[("path", "/t"), ("remove_jwt_after_reading", remove)],
            ))
            .unwrap();
            let watched = login.watched().unwrap();
            assert_eq!(watched.period, Duration::from_millis(period));
        }
    }
}
