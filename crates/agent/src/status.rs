//! What the agent tells about itself: the file behind `leasehold-agent status`, in words and as JSON.

use std::{fmt::Write as _, time::Duration};

use leasehold_vault::RequestCount;
use serde::{Deserialize, Serialize};

use crate::core::{failure::Failure, moment::Moment};

/// The whole agent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// Whether everything is rendered.
    pub ready: bool,
    /// The process.
    pub pid: u32,
    /// Each login.
    pub logins: Vec<LoginStatus>,
}

/// One login. Moments are counted from the machine's start.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LoginStatus {
    /// Its name; empty for the first.
    pub name: String,
    /// Whether there is a token.
    pub logged_in: bool,
    /// How many logins there were, those of earlier runs included.
    pub logins: u32,
    /// When the first login comes, while it is put off (`login_spread`).
    #[serde(default)]
    pub first_login: Option<Duration>,
    /// When the token ends.
    pub token_ends: Option<Duration>,
    /// When it is next renewed or replaced.
    pub token_next: Option<Duration>,
    /// Whether all its templates are rendered.
    pub complete: bool,
    /// What stands in the way now.
    pub error: Option<ErrorStatus>,
    /// What its templates ask for.
    pub secrets: Vec<SecretStatus>,
    /// Its templates.
    pub templates: Vec<TemplateStatus>,
    /// How it tells the application of changes.
    #[serde(default)]
    pub notices: Vec<NoticeStatus>,
    /// What it has asked of the server.
    #[serde(default)]
    pub requests: Vec<RequestStatus>,
}

/// Requests of one kind that ended alike.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RequestStatus {
    /// What they were for, in one word.
    pub kind: String,
    /// What came of them, in one word.
    pub result: String,
    /// How many there were.
    pub count: u64,
}

/// One way in which the application is told of changes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NoticeStatus {
    /// What it is, for people.
    pub name: String,
    /// `command`, `signal` or `request`.
    pub kind: String,
    /// How often it succeeded.
    pub told: u64,
    /// How often it failed.
    pub failed: u64,
    /// Its last failure, unless it has succeeded since.
    pub error: Option<ErrorStatus>,
}

/// A failure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ErrorStatus {
    /// One word for its kind.
    pub class: String,
    /// What happened.
    pub text: String,
}

/// Something that templates ask for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SecretStatus {
    /// Its path.
    pub name: String,
    /// Whether an answer is there.
    pub present: bool,
    /// When it ends.
    pub ends: Option<Duration>,
    /// When it is next asked for or renewed.
    pub next: Option<Duration>,
    /// Its last failure.
    pub error: Option<ErrorStatus>,
}

/// A template.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TemplateStatus {
    /// Its file.
    pub destination: String,
    /// Whether the file is in place.
    pub rendered: bool,
    /// When this run wrote it, or found its content in place.
    #[serde(default)]
    pub written: Option<Duration>,
    /// Its last failure.
    pub error: Option<ErrorStatus>,
}

impl From<RequestCount> for RequestStatus {
    fn from(counted: RequestCount) -> Self {
        Self {
            kind: counted.kind.to_owned(),
            result: counted.result.to_owned(),
            count: counted.count,
        }
    }
}

impl From<Failure> for ErrorStatus {
    fn from(failure: Failure) -> Self {
        Self {
            class: failure.class().to_owned(),
            text: failure.text,
        }
    }
}

impl Status {
    /// The last error, for people.
    #[must_use]
    pub fn trouble(&self) -> Option<&str> {
        self.logins
            .iter()
            .find_map(|login| login.error.as_ref())
            .map(|error| error.text.as_str())
    }

    /// What an agent waits for that is not ready, for people: the last error, a first login that is put off, or an
    /// answer.
    #[must_use]
    pub fn awaits(&self, now: Moment) -> String {
        if let Some(trouble) = self.trouble() {
            return trouble.to_owned();
        }
        let put_off = self.logins.iter().filter_map(|login| login.first_login);
        put_off.min().map_or_else(
            || "the agent is still waiting for answers of the server".to_owned(),
            |at| {
                let when = from_now(Some(at), now);
                format!("the first login comes {when}, as `login_spread` has it")
            },
        )
    }

    /// Why the agent is not ready, in words; none when everything is rendered, each login has a good token, and no
    /// lease that a file was made of has ended.
    #[must_use]
    pub fn unready(&self, now: Moment) -> Option<&'static str> {
        if !self.ready {
            return Some("not everything is rendered yet");
        }
        if self.logins.iter().any(|login| !login.logged_in) {
            return Some("there is no good token");
        }
        let ended = |secret: &SecretStatus| {
            let ends = secret.ends.map(Moment::after_start);
            secret.present && ends.is_some_and(|ends| ends <= now)
        };
        self.logins
            .iter()
            .flat_map(|login| &login.secrets)
            .any(ended)
            .then_some("a lease has ended and could not be replaced")
    }

    /// The status as JSON, with seconds from now in place of moments.
    #[must_use]
    pub fn as_json(&self, now: Moment) -> serde_json::Value {
        let mut value = serde_json::to_value(self).unwrap_or_default();
        count_from(&mut value, now);
        value
    }

    /// The status for people.
    #[must_use]
    pub fn in_words(&self, now: Moment) -> String {
        let mut text = String::new();
        let state = match self.unready(now) {
            None => "ready: everything is rendered and alive".to_owned(),
            Some(why) => format!("not ready: {why}"),
        };
        let _ = writeln!(text, "{state} (process {})", self.pid);
        for login in &self.logins {
            let name = if login.name.is_empty() {
                "login"
            } else {
                &login.name
            };
            let token = if login.logged_in {
                format!(
                    "token ends {}, next renewal {}",
                    from_now(login.token_ends, now),
                    from_now(login.token_next, now)
                )
            } else if login.first_login.is_some() {
                format!("no token, first login {}", from_now(login.first_login, now))
            } else {
                "no token".to_owned()
            };
            let _ = writeln!(text, "{name}: {token}");
            for secret in &login.secrets {
                let there = if secret.present { "there" } else { "missing" };
                let _ = writeln!(
                    text,
                    "  {}: {there}, ends {}, next look {}",
                    secret.name,
                    from_now(secret.ends, now),
                    from_now(secret.next, now)
                );
            }
            for template in &login.templates {
                let there = match (template.rendered, template.written) {
                    (false, _) => "not rendered".to_owned(),
                    (true, None) => "rendered".to_owned(),
                    (true, at) => format!("rendered {}", from_now(at, now)),
                };
                let _ = writeln!(text, "  {}: {there}", template.destination);
            }
            for notice in &login.notices {
                let _ = writeln!(
                    text,
                    "  {}: {} times, failed {} times",
                    notice.name, notice.told, notice.failed
                );
                if let Some(error) = &notice.error {
                    let _ = writeln!(text, "    last failure: {}", error.text);
                }
            }
            if let Some(error) = &login.error {
                let _ = writeln!(text, "  last error ({}): {}", error.class, error.text);
            }
        }
        text
    }
}

/// Turns each moment into seconds from now; those that have passed are negative.
fn count_from(value: &mut serde_json::Value, now: Moment) {
    match value {
        serde_json::Value::Object(object) => {
            for (key, value) in object.iter_mut() {
                let moment = matches!(
                    key.as_str(),
                    "ends" | "next" | "first_login" | "token_ends" | "token_next" | "written"
                );
                match serde_json::from_value::<Duration>(value.clone()) {
                    Ok(at) if moment => {
                        let seconds = at.as_secs_f64() - now.since_start().as_secs_f64();
                        *value = ((seconds * 1000.0).round() / 1000.0).into();
                    }
                    _ => count_from(value, now),
                }
            }
        }
        serde_json::Value::Array(items) => items.iter_mut().for_each(|item| count_from(item, now)),
        _ => {}
    }
}

fn from_now(at: Option<Duration>, now: Moment) -> String {
    match at {
        None => "never".to_owned(),
        Some(at) => {
            let at = Moment::after_start(at);
            if at < now {
                format!("{} s ago", at.until(now).as_secs())
            } else {
                format!("in {} s", now.until(at).as_secs())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status() -> Status {
        let text = r#"{"ready":true,"pid":7,"logins":[{
            "name":"","logged_in":true,"logins":1,"complete":true,
            "token_ends":{"secs":160,"nanos":0},"token_next":{"secs":130,"nanos":0},
            "error":{"class":"sealed","text":"the server is sealed"},
            "secrets":[{"name":"database/creds/app","present":true,"ends":{"secs":150,"nanos":0},"next":{"secs":120,"nanos":0},"error":null}],
            "templates":[{"destination":"/vault/secrets/db","rendered":true,"written":{"secs":90,"nanos":0},"error":null}],
            "notices":[{"name":"command `true`","kind":"command","told":2,"failed":0,"error":null}]}]}"#;
        serde_json::from_str(text).unwrap()
    }

    fn at(seconds: u64) -> Moment {
        Moment::after_start(Duration::from_secs(seconds))
    }

    #[test]
    fn tells_people_what_is_there_and_what_comes_next() {
        let words = status().in_words(at(100));
        for line in [
            "ready: everything is rendered and alive (process 7)",
            "login: token ends in 60 s, next renewal in 30 s",
            "  database/creds/app: there, ends in 50 s, next look in 20 s",
            "  /vault/secrets/db: rendered 10 s ago",
            "  command `true`: 2 times, failed 0 times",
            "  last error (sealed): the server is sealed",
        ] {
            assert!(words.lines().any(|said| said == line), "{line}\n{words}");
        }
        let json = status().as_json(at(100));
        assert_eq!(json["logins"][0]["secrets"][0]["ends"], 50.0);
        assert_eq!(json["logins"][0]["templates"][0]["written"], -10.0);
    }

    #[test]
    fn tells_when_a_first_login_comes_that_is_put_off() {
        let mut waiting = status();
        waiting.logins[0].logged_in = false;
        waiting.logins[0].first_login = Some(Duration::from_secs(142));
        let words = waiting.in_words(at(100));
        let line = "login: no token, first login in 42 s";
        assert!(words.lines().any(|said| said == line), "{words}");
        waiting.logins[0].error = None;
        assert_eq!(
            waiting.awaits(at(100)),
            "the first login comes in 42 s, as `login_spread` has it"
        );
        let json = waiting.as_json(at(100));
        assert_eq!(json["logins"][0]["first_login"], 42.0);
    }

    #[test]
    fn ready_means_rendered_and_alive() {
        assert_eq!(status().unready(at(100)), None);
        let said = status().unready(at(150));
        assert_eq!(said, Some("a lease has ended and could not be replaced"));
        let mut without = status();
        without.logins[0].logged_in = false;
        assert_eq!(without.unready(at(100)), Some("there is no good token"));
        without.ready = false;
        assert_eq!(
            without.unready(at(100)),
            Some("not everything is rendered yet")
        );
    }
}
