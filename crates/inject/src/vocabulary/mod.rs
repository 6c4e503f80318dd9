//! Every annotation, declared once.
//!
//! Parsing names an annotation by its static here and nowhere else; findings, `lint`, `explain`
//! and the generated reference page read the same tables. What a value does to the pod is not
//! here but in the parsing.

pub mod container;
pub mod login;
pub mod notify;
pub mod ours;
pub mod secrets;
pub mod switch;
pub mod telemetry;
pub mod vault;

use std::collections::HashMap;
use std::sync::LazyLock;

/// The part of a name before and with the slash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Prefix {
    /// `vault.hashicorp.com/`, the established vocabulary.
    Vault,
    /// `leasehold.dev/`, what only this injector knows.
    Leasehold,
}

/// Prefixes that are read as if they were `vault.hashicorp.com/`.
pub const ALIASES: [&str; 2] = ["openbao.openbao.org/", "openbao.org/"];

/// Whether an annotation stands alone or a name follows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// The name is complete.
    Single,
    /// `-<name>` follows, the name of a secret.
    Secret,
    /// The name is complete, and `-<name>` of a secret may follow.
    SingleOrSecret,
    /// `-<key>` follows, a key of a stanza of the agent's configuration.
    Key,
}

/// What a value may look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `true`, `false` and their short forms.
    Boolean,
    /// A whole number.
    Integer,
    /// A whole number without sign.
    Unsigned,
    /// A number with a fraction.
    Float,
    /// A duration such as `1m30s`.
    Duration,
    /// An amount such as `500m` or `64Mi`.
    Quantity,
    /// A list of JSON patch operations.
    JsonPatch,
    /// Words between commas.
    CommaList,
    /// A file mode in octal.
    FileMode,
    /// A path in the container.
    Path,
    /// JSON, or else a plain text.
    JsonOrText,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A signal and the name of a program.
    Signal,
    /// A request to a port of the pod itself.
    LocalRequest,
    /// Any text.
    Text,
    /// Written by the injector, read by people.
    Written,
}

/// What holds when nobody says anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Default {
    /// Nothing: the thing is left out.
    Absent,
    /// This value.
    Value(&'static str),
    /// The value of a flag of the injector, whose own default is given.
    Flag {
        /// The flag, without dashes.
        flag: &'static str,
        /// Its default in flavour `vault`; the flavour `leasehold` may have another.
        default: &'static str,
    },
    /// What the words say.
    Described(&'static str),
}

/// What an annotation is about: one file of tables, one section of the reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Topic {
    /// Whether and where to inject.
    Switch,
    /// Secrets, templates and files.
    Secrets,
    /// The server and the connection to it.
    Vault,
    /// Logging in.
    Login,
    /// The agent's containers.
    Container,
    /// Cache, listener and telemetry.
    Telemetry,
    /// What only this injector has.
    Ours,
}

/// One annotation.
#[derive(Debug, PartialEq, Eq)]
pub struct Annotation {
    /// The part before the slash.
    pub prefix: Prefix,
    /// The part after it, without the dash before a name that follows.
    pub name: &'static str,
    /// Whether a name follows.
    pub family: Family,
    /// What its value may look like.
    pub kind: Kind,
    /// What holds without it.
    pub default: Default,
    /// What it is about.
    pub topic: Topic,
    /// The first version of this program that reads it.
    pub since: &'static str,
    /// What it does, in one to three sentences for the person who writes it.
    pub doc: &'static str,
}

impl Prefix {
    /// The text, with the slash.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Vault => "vault.hashicorp.com/",
            Self::Leasehold => "leasehold.dev/",
        }
    }
}

impl Annotation {
    /// The full name, without the name that may follow.
    pub fn full_name(&self) -> String {
        format!("{}{}", self.prefix.text(), self.name)
    }

    /// The full name as documentation writes it, with `<name>` or `<key>` where one follows.
    pub fn shape(&self) -> String {
        let suffix = match self.family {
            Family::Single => "",
            Family::SingleOrSecret => "[-<name>]",
            Family::Secret => "-<name>",
            Family::Key => "-<key>",
        };
        format!("{}{}{suffix}", self.prefix.text(), self.name)
    }
}

impl Kind {
    /// What the kind accepts, in words that fit after "accepted".
    pub fn accepted(self) -> String {
        match self {
            Self::Boolean => "1, t, T, TRUE, true, True, 0, f, F, FALSE, false, False".to_owned(),
            Self::Integer => "a whole number such as 100".to_owned(),
            Self::Unsigned => "a whole number without a sign or unit, such as 5".to_owned(),
            Self::Float => "a number such as 0.75".to_owned(),
            Self::Duration => {
                "a number with one of the units ns, us, ms, s, m, h, such as 1m30s".to_owned()
            }
            Self::Quantity => "an amount such as 500m, 64Mi or 1Gi".to_owned(),
            Self::JsonPatch => "a JSON list of patch operations (RFC 6902)".to_owned(),
            Self::CommaList => "words between commas".to_owned(),
            Self::FileMode => "an octal file mode such as 0640".to_owned(),
            Self::Path => "an absolute path".to_owned(),
            Self::JsonOrText => "a JSON value, or a plain text".to_owned(),
            Self::Choice(words) => words.join(", "),
            Self::Signal => leasehold_config::ProcessSignal::ACCEPTED.to_owned(),
            Self::LocalRequest => leasehold_config::LocalRequest::ACCEPTED.to_owned(),
            Self::Text => "any text".to_owned(),
            Self::Written => "nothing: the injector writes it".to_owned(),
        }
    }
}

/// All annotations, topic by topic, in the order of the reference.
pub fn all() -> impl Iterator<Item = &'static Annotation> {
    [
        switch::ALL,
        secrets::ALL,
        vault::ALL,
        login::ALL,
        container::ALL,
        telemetry::ALL,
        ours::ALL,
        notify::ALL,
    ]
    .into_iter()
    .flatten()
    .copied()
}

/// The annotation that a name after its prefix stands for, and the name that follows it, if any.
pub fn find(prefix: Prefix, name: &str) -> Option<(&'static Annotation, Option<&str>)> {
    let tables = &*TABLES;
    if let Some(annotation) = tables.single.get(&(prefix, name)) {
        return Some((annotation, None));
    }
    // From the longest start to the shortest, so that the longest declared name wins.
    name.match_indices('-')
        .rev()
        .filter(|(dash, _)| *dash <= LONGEST_FAMILY)
        .find_map(|(dash, _)| {
            let (start, rest) = (&name[..dash], &name[dash + 1..]);
            let annotation = tables.families.get(&(prefix, start))?;
            (!rest.is_empty()).then_some((*annotation, Some(rest)))
        })
}

/// No family's name is longer, in bytes; names of others may be as long as a request.
const LONGEST_FAMILY: usize = 64;

/// The annotations by their names.
struct Tables {
    single: HashMap<(Prefix, &'static str), &'static Annotation>,
    families: HashMap<(Prefix, &'static str), &'static Annotation>,
}

static TABLES: LazyLock<Tables> = LazyLock::new(|| {
    let by_name = |families: &[Family]| {
        all()
            .filter(|annotation| families.contains(&annotation.family))
            .map(|annotation| ((annotation.prefix, annotation.name), annotation))
            .collect()
    };
    Tables {
        single: by_name(&[Family::Single, Family::SingleOrSecret]),
        families: by_name(&[Family::Secret, Family::SingleOrSecret, Family::Key]),
    }
});

/// Shortens the tables: an annotation of the established vocabulary.
const fn vault_annotation(
    topic: Topic,
    name: &'static str,
    kind: Kind,
    default: Default,
    doc: &'static str,
) -> Annotation {
    Annotation {
        prefix: Prefix::Vault,
        name,
        family: Family::Single,
        kind,
        default,
        topic,
        since: "0.1.0",
        doc,
    }
}

impl Annotation {
    /// The same annotation, of another family.
    const fn family(mut self, family: Family) -> Self {
        self.family = family;
        self
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_annotation_is_declared_once() {
        let mut seen = BTreeSet::new();
        for annotation in all() {
            assert!(
                seen.insert(annotation.full_name()),
                "{} twice",
                annotation.full_name()
            );
            assert!(
                !annotation.doc.is_empty() && annotation.doc.ends_with('.'),
                "{annotation:?}"
            );
        }
        assert!(all().all(|a| a.name.len() <= LONGEST_FAMILY));
        assert!(seen.len() > 80, "{}", seen.len());
    }

    #[test]
    fn the_longest_declared_name_wins_when_a_secret_name_follows() {
        let name_of = |name| find(Prefix::Vault, name).map(|(a, rest)| (a.name, rest));
        assert_eq!(name_of("role"), Some(("role", None)));
        assert_eq!(
            name_of("agent-inject-secret-db"),
            Some(("agent-inject-secret", Some("db")))
        );
        assert_eq!(
            name_of("agent-inject-template-file-x"),
            Some(("agent-inject-template-file", Some("x")))
        );
        assert_eq!(
            name_of("secret-volume-path"),
            Some(("secret-volume-path", None))
        );
        assert_eq!(
            name_of("secret-volume-path-a"),
            Some(("secret-volume-path", Some("a")))
        );
        assert_eq!(name_of("agent-inject-secret-"), None);
        assert_eq!(name_of("agent-injekt"), None);
    }
}
