//! The environment that the program was started with, read once and handed to whoever needs it.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

/// The variables, by name. Copies share the values: one of them is the whole configuration, which may be a hundred
/// kibibytes long, and everybody who starts a command has a copy.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<String, Arc<str>>);

/// A variable whose value cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the environment variable {name} is `{value}`; accepted is {accepted}")]
pub struct VariableError {
    name: String,
    value: String,
    accepted: &'static str,
}

impl Environment {
    /// The variables of this process. Bytes that are no UTF-8 are replaced.
    #[must_use]
    pub fn from_process() -> Self {
        std::env::vars_os()
            .map(|(name, value)| {
                (
                    name.to_string_lossy().into_owned(),
                    value.to_string_lossy().into_owned(),
                )
            })
            .collect()
    }

    /// The same variables without these `VAULT_…` and `BAO_…`.
    #[must_use]
    pub fn without(&self, names: &[&str]) -> Self {
        let is_named = |variable: &str| {
            ["VAULT_", "BAO_"]
                .iter()
                .filter_map(|prefix| variable.strip_prefix(prefix))
                .any(|name| names.contains(&name))
        };
        let others = self.0.iter().filter(|(variable, _)| !is_named(variable));
        Self(
            others
                .map(|(variable, value)| (variable.clone(), Arc::clone(value)))
                .collect(),
        )
    }

    /// The value of a variable, if it is set.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(AsRef::as_ref)
    }

    /// The value of `VAULT_…`, or of `BAO_…` where the first is not set.
    #[must_use]
    pub fn vault(&self, name: &str) -> Option<&str> {
        self.get(&format!("VAULT_{name}"))
            .or_else(|| self.get(&format!("BAO_{name}")))
    }

    /// `VAULT_…` as yes or no, as Go's programs read it. Unlike in the established agent, `false` means no.
    ///
    /// # Errors
    /// The text is neither.
    pub fn vault_flag(&self, name: &str) -> Result<Option<bool>, VariableError> {
        let Some(value) = self.vault(name).filter(|value| !value.is_empty()) else {
            return Ok(None);
        };
        go_bool(value).map(Some).ok_or_else(|| VariableError {
            name: format!("VAULT_{name}"),
            value: value.to_owned(),
            accepted: "1, t, true, 0, f or false",
        })
    }

    /// `VAULT_…` as a duration: seconds, or with units as in `1m30s`.
    ///
    /// # Errors
    /// The text is neither.
    pub fn vault_duration(&self, name: &str) -> Result<Option<Duration>, VariableError> {
        let Some(value) = self.vault(name).filter(|value| !value.is_empty()) else {
            return Ok(None);
        };
        leasehold_config::duration::parse(value)
            .map(Some)
            .ok_or_else(|| VariableError {
                name: format!("VAULT_{name}"),
                value: value.to_owned(),
                accepted: leasehold_config::duration::ACCEPTED,
            })
    }

    /// `VAULT_…` as a number of times.
    ///
    /// # Errors
    /// The text is no such number.
    pub fn vault_count(&self, name: &str) -> Result<Option<u32>, VariableError> {
        let Some(value) = self.vault(name).filter(|value| !value.is_empty()) else {
            return Ok(None);
        };
        let count = value.bytes().all(|byte| byte.is_ascii_digit());
        let count = count.then(|| value.parse().ok()).flatten();
        count.map(Some).ok_or_else(|| VariableError {
            name: format!("VAULT_{name}"),
            value: value.to_owned(),
            accepted: "a whole number from 0 on",
        })
    }

    /// All variables.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_ref()))
    }

    /// The same environment with one variable set.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.0.insert(name.to_owned(), value.into());
        self
    }
}

impl FromIterator<(String, String)> for Environment {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(variables: I) -> Self {
        let variables = variables.into_iter();
        Self(
            variables
                .map(|(name, value)| (name, value.into()))
                .collect(),
        )
    }
}

/// Without values: some of them are secrets.
impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// A text as yes or no, by the rule of Go's `ParseBool`.
#[must_use]
pub fn go_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(pairs: &[(&str, &str)]) -> Environment {
        pairs
            .iter()
            .map(|&(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    }

    #[test]
    fn skip_verify_false_means_no() {
        let check =
            |value: &str| environment(&[("VAULT_SKIP_VERIFY", value)]).vault_flag("SKIP_VERIFY");
        assert_eq!(check("false"), Ok(Some(false)));
        assert_eq!(check("1"), Ok(Some(true)));
        assert_eq!(check(""), Ok(None));
        assert_eq!(
            check("perhaps").unwrap_err().to_string(),
            "the environment variable VAULT_SKIP_VERIFY is `perhaps`; accepted is 1, t, true, 0, f or false"
        );
    }

    #[test]
    fn reads_variables_of_both_servers() {
        let both = environment(&[("VAULT_ADDR", "a"), ("BAO_ADDR", "b"), ("BAO_TOKEN", "t")]);
        assert_eq!(both.vault("ADDR"), Some("a"));
        assert_eq!(both.vault("TOKEN"), Some("t"));
        assert_eq!(both.vault("NAMESPACE"), None);
    }

    #[test]
    fn reads_durations_with_and_without_units() {
        let check = |value: &str| {
            environment(&[("VAULT_CLIENT_TIMEOUT", value)]).vault_duration("CLIENT_TIMEOUT")
        };
        assert_eq!(check("90"), Ok(Some(Duration::from_secs(90))));
        assert_eq!(check("1m30s"), Ok(Some(Duration::from_secs(90))));
        assert!(check("soon").is_err());
    }

    #[test]
    fn reads_counts_without_signs() {
        let check =
            |value: &str| environment(&[("BAO_MAX_RETRIES", value)]).vault_count("MAX_RETRIES");
        assert_eq!(check("5"), Ok(Some(5)));
        assert_eq!(check("0"), Ok(Some(0)));
        assert_eq!(check(""), Ok(None));
        for wrong in ["-1", "+1", "many", "4294967296"] {
            assert!(check(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn shows_names_without_values() {
        assert_eq!(
            format!("{:?}", environment(&[("VAULT_TOKEN", "hunter2")])),
            "{\"VAULT_TOKEN\"}"
        );
    }
}
