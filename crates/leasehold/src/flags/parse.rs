//! Reads a command line in Go's flag syntax and the variables that beat it, into texts with their origin.
//! Whether a text is a sensible value is checked here only where Go's flag package would (switches), and for
//! variables, which the established injector checks before anything else.

use std::collections::BTreeMap;

use super::{Flag, Kind, Program, VARIABLE_PREFIX, Variable, find, go, table};

/// Where a setting's value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Nobody set it.
    Default,
    /// The flag on the command line.
    Flag,
    /// The variable of this name.
    Variable(String),
}

/// What a command line and the environment say, by flag.
#[derive(Debug)]
pub struct Parsed {
    program: Program,
    values: BTreeMap<&'static str, (Vec<String>, Origin)>,
    /// Words that are no flags.
    pub words: Vec<String>,
    /// `--help` was asked for.
    pub help: bool,
}

/// Why flags or variables cannot be used. The first line is what the established injector says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FlagError {
    /// A flag that no table has.
    #[error("flag provided but not defined: -{name}{}", near(.name))]
    Unknown {
        /// The name as given.
        name: String,
    },
    /// A flag that needs a value stands last.
    #[error("flag needs an argument: -{name}")]
    NoValue {
        /// The flag's name.
        name: &'static str,
    },
    /// A word that begins like a flag and is none.
    #[error("bad flag syntax: {word}")]
    Syntax {
        /// The word as given.
        word: String,
    },
    /// A switch with a value that is no boolean.
    #[error("invalid boolean value {} for -{name}: parse error", go::quoted(.text))]
    Switch {
        /// The flag's name.
        name: &'static str,
        /// The value as given.
        text: String,
    },
    /// A variable with a value that its kind does not allow, or a back-off in either place.
    #[error("Error parsing environment variables: {reason}\n{place} is {}", go::quoted(.text))]
    Variable {
        /// The variable or flag that holds the value.
        place: String,
        /// The value as given.
        text: String,
        /// The reader's words.
        reason: go::ValueError,
    },
    /// A flag whose value its kind does not allow.
    #[error("invalid value {} for -{name}: {reason}", go::quoted(.text))]
    Value {
        /// The flag's name.
        name: &'static str,
        /// The value as given.
        text: String,
        /// What is accepted.
        reason: String,
    },
}

/// Reads the words after the command. `environment` answers for a variable's name.
///
/// # Errors
/// The first thing that cannot be read: flags in order, then variables by table.
pub fn parse(
    program: Program,
    arguments: &[String],
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<Parsed, FlagError> {
    let mut parsed = Parsed {
        program,
        values: BTreeMap::new(),
        words: Vec::new(),
        help: false,
    };
    parsed.read_arguments(arguments)?;
    if !parsed.help {
        parsed.read_variables(environment)?;
    }
    Ok(parsed)
}

impl Parsed {
    /// The command that the flags are for.
    #[must_use]
    pub const fn program(&self) -> Program {
        self.program
    }

    /// The text of a flag: from its variable, the command line or the default, in this order.
    ///
    /// # Panics
    /// Never for names in the table; an unknown one is a mistake in this crate and reads as the empty text.
    #[must_use]
    pub fn text(&self, name: &str) -> &str {
        match self.values.get(name) {
            Some((texts, _)) => texts.last().map_or("", String::as_str),
            None => find(name).map_or("", |flag| flag.default.under(self.program)),
        }
    }

    /// Every text of a flag that may be repeated.
    #[must_use]
    pub fn texts(&self, name: &str) -> &[String] {
        self.values.get(name).map_or(&[], |(texts, _)| texts)
    }

    /// Where the value of a flag comes from.
    #[must_use]
    pub fn origin(&self, name: &str) -> &Origin {
        self.values
            .get(name)
            .map_or(&Origin::Default, |(_, origin)| origin)
    }

    /// The value of a switch; it was checked when it was read.
    #[must_use]
    pub fn switch(&self, name: &str) -> bool {
        go::boolean(self.text(name)).unwrap_or(false)
    }

    /// A comma list without blanks around its items and without empty items.
    #[must_use]
    pub fn list(&self, name: &str) -> Vec<String> {
        self.text(name)
            .split(',')
            .map(str::trim)
            .filter(|item| !item.is_empty())
            .map(str::to_owned)
            .collect()
    }

    fn read_arguments(&mut self, arguments: &[String]) -> Result<(), FlagError> {
        let mut words = arguments.iter();
        while let Some(word) = words.next() {
            let bare = match word.strip_prefix('-') {
                Some(rest) if !rest.is_empty() => rest.strip_prefix('-').unwrap_or(rest),
                _ => {
                    self.words.push(word.clone());
                    if matches!(self.program, Program::Serve | Program::AgentInject) {
                        // Go's flag package stops at the first word, and the rest is ignored.
                        self.words.extend(words.cloned());
                        break;
                    }
                    continue;
                }
            };
            if bare.is_empty() {
                self.words.extend(words.cloned());
                break;
            }
            let (name, given) = match bare.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (bare, None),
            };
            if name.is_empty() || name.starts_with('-') {
                return Err(FlagError::Syntax { word: word.clone() });
            }
            if matches!(name, "h" | "help") {
                self.help = true;
                return Ok(());
            }
            let flag = find(name)
                .filter(|flag| {
                    self.program.takes(flag) && !matches!(flag.kind, Kind::VariableOnly(_))
                })
                .ok_or_else(|| FlagError::Unknown {
                    name: name.to_owned(),
                })?;
            let text = match (flag.kind, given) {
                (_, Some(value)) => value.to_owned(),
                (Kind::Switch, None) => "true".to_owned(),
                (_, None) => words
                    .next()
                    .cloned()
                    .ok_or(FlagError::NoValue { name: flag.name })?,
            };
            self.set(flag, text)?;
        }
        Ok(())
    }

    fn set(&mut self, flag: &'static Flag, text: String) -> Result<(), FlagError> {
        match flag.kind {
            Kind::Switch if go::boolean(&text).is_err() => {
                return Err(FlagError::Switch {
                    name: flag.name,
                    text,
                });
            }
            // The stock flags with their own words for a bad value are checked where those words belong.
            _ if flag.since == "stock" => {}
            kind => {
                if let Err(reason) = kind.check(&text) {
                    return Err(FlagError::Value {
                        name: flag.name,
                        text,
                        reason,
                    });
                }
            }
        }
        let entry = self
            .values
            .entry(flag.name)
            .or_insert_with(|| (Vec::new(), Origin::Flag));
        if flag.kind != Kind::Repeated {
            entry.0.clear();
        }
        entry.0.push(text);
        Ok(())
    }

    fn read_variables(
        &mut self,
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Result<(), FlagError> {
        let set = |name: String| {
            let text = environment(&name).filter(|text| !text.is_empty())?;
            Some((name, text))
        };
        for flag in table().filter(|flag| self.program.takes(flag)) {
            let Some(variable) = flag.variable else {
                continue;
            };
            let found = match variable {
                Variable::Prefixed(name) => set(format!("{VARIABLE_PREFIX}{name}")),
                Variable::PrefixedOrBare(name) => {
                    set(format!("{VARIABLE_PREFIX}{name}")).or_else(|| {
                        (self.program == Program::AgentInject)
                            .then(|| set(name.to_owned()))
                            .flatten()
                    })
                }
                Variable::PrefixedOrDoubled(name) => {
                    set(format!("{VARIABLE_PREFIX}{VARIABLE_PREFIX}{name}"))
                        .or_else(|| set(format!("{VARIABLE_PREFIX}{name}")))
                }
            };
            let Some((name, text)) = found else { continue };
            check_variable(flag, &name, &text)?;
            self.values
                .insert(flag.name, (vec![text], Origin::Variable(name)));
        }
        // The established injector reads these two with the variables, whichever place they come from.
        for name in ["auth-min-backoff", "auth-max-backoff"] {
            let text = self.text(name);
            if !text.is_empty()
                && let Err(reason) = go::duration(text)
            {
                let place = match self.origin(name) {
                    Origin::Variable(variable) => variable.clone(),
                    Origin::Flag | Origin::Default => format!("-{name}"),
                };
                return Err(FlagError::Variable {
                    place,
                    text: text.to_owned(),
                    reason,
                });
            }
        }
        Ok(())
    }
}

impl Kind {
    /// Says what is wrong with a text, if anything.
    fn check(self, text: &str) -> Result<(), String> {
        match self {
            Self::Text | Self::List | Self::Repeated => Ok(()),
            Self::Switch => go::boolean(text)
                .map(drop)
                .map_err(|error| error.to_string()),
            Self::Integer => go::integer(text)
                .map(drop)
                .map_err(|error| error.to_string()),
            Self::Float => go::float(text).map(drop).map_err(|error| error.to_string()),
            Self::Duration if text.is_empty() => Ok(()),
            Self::Duration => go::duration(text)
                .map(drop)
                .map_err(|error| error.to_string()),
            Self::Choice(accepted) if accepted.contains(&text) => Ok(()),
            Self::Choice(accepted) => Err(format!("accepted are {}", accepted.join(", "))),
            Self::VariableOnly(kind) => kind.check(text),
        }
    }
}

fn check_variable(flag: &Flag, name: &str, text: &str) -> Result<(), FlagError> {
    let kind = match flag.kind {
        Kind::VariableOnly(kind) => *kind,
        kind => kind,
    };
    let read = match kind {
        Kind::Switch => go::boolean(text).map(drop),
        Kind::Integer => go::integer(text).map(drop),
        Kind::Float => go::float(text).map(drop),
        Kind::Duration if flag.since != "stock" => go::duration(text).map(drop),
        Kind::Choice(_) if flag.since != "stock" => {
            return kind.check(text).map_err(|reason| FlagError::Value {
                name: flag.name,
                text: text.to_owned(),
                reason,
            });
        }
        _ => Ok(()),
    };
    read.map_err(|reason| FlagError::Variable {
        place: name.to_owned(),
        text: text.to_owned(),
        reason,
    })
}

/// The flag that somebody may have meant, as the end of a sentence.
fn near(name: &str) -> String {
    table()
        .map(|flag| (distance(flag.name, name), flag.name))
        .min()
        .filter(|(distance, candidate)| *distance <= 2.max(candidate.len() / 5))
        .map(|(_, candidate)| format!("\ndid you mean --{candidate}?"))
        .unwrap_or_default()
}

/// Edits from one word to the other.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (line, letter) in left.chars().enumerate() {
        let mut diagonal = line;
        let mut before = line + 1;
        for (cell, other) in row.iter_mut().skip(1).zip(&right) {
            let here = (diagonal + usize::from(letter != *other))
                .min(*cell + 1)
                .min(before + 1);
            diagonal = std::mem::replace(cell, here);
            before = here;
        }
        if let Some(first) = row.first_mut() {
            *first = line + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests;
