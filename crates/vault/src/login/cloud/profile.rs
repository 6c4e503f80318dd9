//! The files in which AWS' programs keep credentials, `~/.aws/credentials` and `~/.aws/config`: sections of
//! `key = value` lines.

use std::path::PathBuf;

use crate::login::{LoginError, sources::read_text};
use crate::token::SecretText;
use crate::variables::Variables;

/// What a profile says.
pub(super) enum Profile {
    /// Credentials.
    Keys {
        id: String,
        secret: SecretText,
        session: Option<SecretText>,
    },
    /// A role to be taken by a token in a file.
    WebIdentity {
        role_arn: String,
        token_file: PathBuf,
        session_name: Option<String>,
    },
}

/// Reads the profile that the environment names, or `default`; absent where no file has it.
///
/// # Errors
/// A file cannot be read, or the profile asks for something that is not performed here.
pub(super) fn read(variables: &Variables) -> Result<Option<Profile>, LoginError> {
    let named = variables.get("AWS_PROFILE");
    let name = named.unwrap_or("default");
    let path = |variable, file| {
        let given = variables.get(variable).map(PathBuf::from);
        given.or_else(|| {
            Some(
                PathBuf::from(variables.get("HOME")?)
                    .join(".aws")
                    .join(file),
            )
        })
    };
    let mut settings = Settings::default();
    for (path, section) in [
        (
            path("AWS_SHARED_CREDENTIALS_FILE", "credentials"),
            name.to_owned(),
        ),
        (path("AWS_CONFIG_FILE", "config"), config_section(name)),
    ] {
        let Some(path) = path else { continue };
        match read_text("the AWS profile", &path) {
            Ok(text) => settings.add(text.expose(), &section),
            Err(LoginError::Unreadable { source, .. })
                if source.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    let profile = settings.profile(name)?;
    match (profile, named) {
        (None, Some(name)) => Err(LoginError::NoCredentials {
            platform: "AWS",
            reason: format!("AWS_PROFILE names the profile `{name}`, which has no credentials"),
        }),
        (profile, _) => Ok(profile),
    }
}

fn config_section(name: &str) -> String {
    match name {
        "default" => name.to_owned(),
        _ => format!("profile {name}"),
    }
}

/// The lines of one section, of several files; the first file's win.
#[derive(Default)]
struct Settings(Vec<(String, SecretText)>);

impl Settings {
    fn add(&mut self, text: &str, section: &str) {
        let mut inside = false;
        for line in text.lines() {
            // An indented line goes on with the setting above it, which is none of ours.
            if line.starts_with([' ', '\t', '#', ';']) {
                continue;
            }
            if let Some(rest) = line.strip_prefix('[') {
                let heading = rest.split(']').next().unwrap_or_default();
                inside = heading.split_whitespace().eq(section.split_whitespace());
            } else if inside && let Some((key, value)) = line.split_once('=') {
                let key = key.trim().to_ascii_lowercase();
                if self.get(&key).is_none() {
                    self.0.push((key, SecretText::new(value.trim().to_owned())));
                }
            }
        }
    }

    fn get(&self, key: &str) -> Option<&SecretText> {
        let found = self.0.iter().find(|(name, _)| name == key);
        found
            .map(|(_, value)| value)
            .filter(|value| !value.is_empty())
    }

    fn text(&self, key: &str) -> Option<String> {
        self.get(key).map(|value| value.expose().to_owned())
    }

    fn profile(&self, name: &str) -> Result<Option<Profile>, LoginError> {
        if let (Some(id), Some(secret)) = (
            self.text("aws_access_key_id"),
            self.get("aws_secret_access_key"),
        ) {
            return Ok(Some(Profile::Keys {
                id,
                secret: secret.clone(),
                session: self.get("aws_session_token").cloned(),
            }));
        }
        if let (Some(role_arn), Some(file)) =
            (self.text("role_arn"), self.text("web_identity_token_file"))
        {
            return Ok(Some(Profile::WebIdentity {
                role_arn,
                token_file: file.into(),
                session_name: self.text("role_session_name"),
            }));
        }
        for key in [
            "credential_process",
            "sso_session",
            "sso_start_url",
            "role_arn",
        ] {
            if self.get(key).is_some() {
                return Err(LoginError::NoCredentials {
                    platform: "AWS",
                    reason: format!(
                        "the profile `{name}` has `{key}`, which is not performed here; accepted are \
                         `aws_access_key_id` with `aws_secret_access_key`, and `role_arn` with \
                         `web_identity_token_file`"
                    ),
                });
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# comment\n[other]\naws_access_key_id = AKIAOTHER\n[ profile  build ]\n\
                        aws_access_key_id=AKIABUILD\n  nested = x\naws_secret_access_key = a=b/c+d\n\
                        [profile robot]\nrole_arn = arn:aws:iam::1:role/r\n\
                        web_identity_token_file = /t\n[profile human]\nsso_session = x\n";

    fn profile(name: &str) -> Result<Option<Profile>, LoginError> {
        let mut settings = Settings::default();
        settings.add(TEXT, &config_section(name));
        settings.profile(name)
    }

    #[test]
    fn reads_the_keys_of_one_section() {
        let Ok(Some(Profile::Keys {
            id,
            secret,
            session,
        })) = profile("build")
        else {
            panic!("keys");
        };
        assert_eq!((id.as_str(), secret.expose()), ("AKIABUILD", "a=b/c+d"));
        assert!(session.is_none());
    }

    #[test]
    fn tells_what_it_does_not_perform() {
        assert!(matches!(
            profile("robot"),
            Ok(Some(Profile::WebIdentity { role_arn, .. })) if role_arn.ends_with("role/r")
        ));
        assert!(matches!(profile("absent"), Ok(None)));
        let error = profile("human").err().unwrap().to_string();
        assert!(
            error.contains("the profile `human` has `sso_session`"),
            "{error}"
        );
    }
}
