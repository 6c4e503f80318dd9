//! Flags as Go programs read them: one dash or two, `-name=value` or `-name value`, switches without a value,
//! and everything from the first other word on is left to the caller.

use std::collections::BTreeMap;

/// One flag of a command.
#[derive(Debug, Clone, Copy)]
pub struct Flag {
    /// Its name, without dashes.
    pub name: &'static str,
    /// What follows it.
    pub value: Value,
    /// What it does, for `--help`.
    pub help: &'static str,
}

/// What follows a flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value {
    /// Nothing; `-name=false` switches it off.
    Switch,
    /// A value; the word says what kind.
    One(&'static str),
    /// A value; the flag may come several times.
    Many(&'static str),
}

/// What a command line said.
#[derive(Debug, Clone, Default)]
pub struct Parsed {
    values: BTreeMap<&'static str, Vec<String>>,
    /// The words after the flags.
    pub rest: Vec<String>,
}

/// A command line that makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FlagError {
    /// No such flag.
    #[error("flag provided but not defined: -{0}")]
    Unknown(String),
    /// The value is missing.
    #[error("flag needs an argument: -{0}")]
    NoValue(String),
    /// A switch got something else than yes or no.
    #[error("invalid boolean value {value:?} for -{name}")]
    NoSwitch {
        /// The flag.
        name: String,
        /// What was given.
        value: String,
    },
    /// Help is wanted.
    #[error("help is wanted")]
    Help,
}

impl Parsed {
    /// Reads flags out of words.
    ///
    /// # Errors
    /// A flag is unknown or its value missing, or help is wanted.
    pub fn read(flags: &[Flag], words: &[String]) -> Result<Self, FlagError> {
        let mut parsed = Self::default();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let Some(text) = word.strip_prefix('-').filter(|text| !text.is_empty()) else {
                parsed.rest.push(word.clone());
                parsed.rest.extend(words.cloned());
                break;
            };
            let text = text.strip_prefix('-').unwrap_or(text);
            if text.is_empty() {
                parsed.rest.extend(words.cloned());
                break;
            }
            let (name, value) = match text.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (text, None),
            };
            let Some(flag) = flags.iter().find(|flag| flag.name == name) else {
                if matches!(name, "h" | "help") {
                    return Err(FlagError::Help);
                }
                return Err(FlagError::Unknown(name.to_owned()));
            };
            let value = match (flag.value, value) {
                (Value::Switch, None) => "true".to_owned(),
                (Value::Switch, Some(value)) => {
                    let switch = crate::environment::go_bool(&value);
                    switch
                        .ok_or_else(|| FlagError::NoSwitch {
                            name: name.to_owned(),
                            value,
                        })?
                        .to_string()
                }
                (Value::One(_) | Value::Many(_), Some(value)) => value,
                (Value::One(_) | Value::Many(_), None) => words
                    .next()
                    .cloned()
                    .ok_or_else(|| FlagError::NoValue(name.to_owned()))?,
            };
            let values = parsed.values.entry(flag.name).or_default();
            if !matches!(flag.value, Value::Many(_)) {
                values.clear();
            }
            values.push(value);
        }
        Ok(parsed)
    }

    /// The value of a flag, if it was given.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name)?.last().map(String::as_str)
    }

    /// All values of a flag that may come several times.
    #[must_use]
    pub fn all(&self, name: &str) -> &[String] {
        self.values.get(name).map_or(&[], Vec::as_slice)
    }

    /// A switch: `None` when it was not given.
    #[must_use]
    pub fn switch(&self, name: &str) -> Option<bool> {
        self.get(name).map(|value| value == "true")
    }
}

/// The lines of `--help` that tell the flags.
#[must_use]
pub fn help(flags: &[Flag]) -> String {
    let mut text = String::new();
    for flag in flags {
        let dashes = if flag.name.len() == 1 { "-" } else { "--" };
        let head = match flag.value {
            Value::Switch => format!("  {dashes}{}", flag.name),
            Value::One(kind) => format!("  {dashes}{} {kind}", flag.name),
            Value::Many(kind) => format!("  {dashes}{} {kind} (repeatable)", flag.name),
        };
        text.push_str(&head);
        text.push_str("\n        ");
        text.push_str(flag.help);
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLAGS: [Flag; 3] = [
        Flag {
            name: "config",
            value: Value::Many("FILE"),
            help: "",
        },
        Flag {
            name: "address",
            value: Value::One("URL"),
            help: "",
        },
        Flag {
            name: "exit-after-auth",
            value: Value::Switch,
            help: "",
        },
    ];

    fn read(line: &str) -> Result<Parsed, FlagError> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        Parsed::read(&FLAGS, &words)
    }

    #[test]
    fn reads_both_dashes_and_both_ways_to_give_a_value() {
        for line in [
            "-config=a -config b -address=x",
            "--config a --config=b --address x",
        ] {
            let parsed = read(line).unwrap();
            assert_eq!(parsed.all("config"), ["a", "b"], "{line}");
            assert_eq!(parsed.get("address"), Some("x"), "{line}");
        }
    }

    #[test]
    fn a_switch_takes_its_value_only_after_an_equals_sign() {
        let parsed = read("-exit-after-auth false").unwrap();
        assert_eq!(parsed.switch("exit-after-auth"), Some(true));
        assert_eq!(parsed.rest, ["false"]);
        assert_eq!(
            read("-exit-after-auth=0")
                .unwrap()
                .switch("exit-after-auth"),
            Some(false)
        );
        assert_eq!(read("").unwrap().switch("exit-after-auth"), None);
    }

    #[test]
    fn names_what_it_does_not_know() {
        assert_eq!(
            read("-bogus").unwrap_err(),
            FlagError::Unknown("bogus".to_owned())
        );
        assert_eq!(
            read("-address").unwrap_err(),
            FlagError::NoValue("address".to_owned())
        );
        assert!(matches!(
            read("-exit-after-auth=x").unwrap_err(),
            FlagError::NoSwitch { .. }
        ));
        assert_eq!(read("--help").unwrap_err(), FlagError::Help);
    }
}
