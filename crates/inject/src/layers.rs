//! Where values come from: the pod's annotations over the Namespace's defaults.
//!
//! Flags and built-in defaults are the lowest layers; they enter where a value is read.

use std::cmp::Ordering;

use crate::finding::{Code, Finding};
use crate::vocabulary::{self, ALIASES, Annotation, Prefix, switch};

/// Who gave a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// An annotation of the pod.
    Pod,
    /// An annotation of the Namespace, which is a default for its pods.
    Namespace,
    /// A flag or variable of the injector, or its built-in default.
    Injector,
}

/// A value and where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Given<'a> {
    /// The full name as it is written, alias included.
    pub(crate) key: &'a str,
    /// The value as it is written.
    pub(crate) value: &'a str,
    /// Whose annotation it is.
    pub(crate) origin: Origin,
}

/// A value with the annotation that its name stands for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Resolved<'a> {
    /// The part before the slash; an alias counts as what it stands for.
    pub(crate) prefix: Prefix,
    /// The part after it.
    pub(crate) name: &'a str,
    /// The annotation, and what follows its name; none for unknown ones.
    pub(crate) annotation: Option<(&'static Annotation, Option<&'a str>)>,
    /// The value.
    pub(crate) given: Given<'a>,
}

/// All annotations of our prefixes that hold for a pod.
#[derive(Debug, Default)]
pub(crate) struct Layers<'a> {
    /// In the order of prefix and name, each once.
    given: Vec<Resolved<'a>>,
    findings: Vec<Finding>,
}

impl<'a> Layers<'a> {
    /// Lays the pod's annotations over those of its Namespace.
    pub(crate) fn new(
        pod: impl Iterator<Item = (&'a str, &'a str)>,
        namespace: impl Iterator<Item = (&'a str, &'a str)>,
    ) -> Self {
        let mut layers = Self::default();
        for (key, value) in pod {
            layers.add(key, value, Origin::Pod);
        }
        for (key, value) in namespace {
            let Some((prefix, name)) = split(key) else {
                continue;
            };
            // Whether a pod is injected is said by the pod or by its namespace's label.
            let own = prefix == Prefix::Vault
                && (name == switch::AGENT_INJECT.name || name == switch::STATUS.name);
            let written = prefix == Prefix::Leasehold && name == vocabulary::ours::FINDINGS.name;
            if !own && !written {
                layers.add(key, value, Origin::Namespace);
            }
        }
        layers
    }

    /// The value of an annotation that stands alone.
    pub(crate) fn get(&self, annotation: &Annotation) -> Option<Given<'a>> {
        // Each is declared once, so the declaration itself tells them apart; most that are asked for are not there.
        let stands_alone = |resolved: &&Resolved<'a>| match resolved.annotation {
            Some((found, None)) => std::ptr::eq(found, annotation),
            _ => false,
        };
        let found = self.given.iter().find(stands_alone);
        found.map(|resolved| resolved.given)
    }

    /// The value of an annotation that a name follows.
    pub(crate) fn get_for(&self, annotation: &Annotation, name: &str) -> Option<Given<'a>> {
        let parts = [annotation.name, "-", name];
        let place = self.place(annotation.prefix, |own| compare(own, parts));
        self.given.get(place.ok()?).map(|resolved| resolved.given)
    }

    /// All values of a family, each with the name that follows, in the order of the names.
    pub(crate) fn family<'s>(
        &'s self,
        annotation: &'s Annotation,
    ) -> impl Iterator<Item = (&'s str, Given<'a>)> + 's {
        let (Ok(start) | Err(start)) = self.place(annotation.prefix, |name| {
            compare(name, [annotation.name, "-", ""])
        });
        let from_start = self.given.get(start..).unwrap_or_default();
        from_start.iter().map_while(move |resolved| {
            let rest = resolved
                .name
                .strip_prefix(annotation.name)?
                .strip_prefix('-')?;
            (resolved.prefix == annotation.prefix).then_some((rest, resolved.given))
        })
    }

    /// Every value, in the order of prefix and name.
    pub(crate) fn resolved(&self) -> &[Resolved<'a>] {
        &self.given
    }

    /// What was noticed while the layers were laid.
    pub(crate) fn take_findings(&mut self) -> Vec<Finding> {
        std::mem::take(&mut self.findings)
    }

    /// Where the annotation is to which `by_name` says that a name is equal, or where it would go.
    fn place(&self, prefix: Prefix, by_name: impl Fn(&str) -> Ordering) -> Result<usize, usize> {
        self.given.binary_search_by(|resolved| {
            let by_prefix = resolved.prefix.cmp(&prefix);
            by_prefix.then_with(|| by_name(resolved.name))
        })
    }

    fn add(&mut self, key: &'a str, value: &'a str, origin: Origin) {
        let Some((prefix, name)) = split(key) else {
            return;
        };
        let given = Given { key, value, origin };
        let place = match self.place(prefix, |own| own.cmp(name)) {
            Ok(place) => place,
            Err(place) => {
                let resolved = Resolved {
                    prefix,
                    name,
                    annotation: vocabulary::find(prefix, name),
                    given,
                };
                return self.given.insert(place, resolved);
            }
        };
        let Some(Resolved { given: earlier, .. }) = self.given.get_mut(place) else {
            return;
        };
        if earlier.origin != origin {
            return;
        }
        // Two spellings of one annotation: the established prefix wins.
        let (winner, loser) = if is_alias(earlier.key) {
            (given, *earlier)
        } else {
            (*earlier, given)
        };
        *earlier = winner;
        if winner.value != loser.value {
            self.findings.push(
                Finding::warning(
                    Code::Conflict,
                    format!(
                        "{} says something else and wins; remove one of the two",
                        winner.key
                    ),
                )
                .about(loser.key),
            );
        }
    }
}

/// Compares a name with the one that parts make.
fn compare(name: &str, parts: [&str; 3]) -> Ordering {
    let mut rest = name.as_bytes();
    for part in parts.map(str::as_bytes) {
        let (start, after) = rest.split_at(part.len().min(rest.len()));
        match start.cmp(part) {
            Ordering::Equal => rest = after,
            unequal => return unequal,
        }
    }
    rest.cmp(&[])
}

/// Takes a full name apart, if its prefix is one of ours.
pub(crate) fn split(key: &str) -> Option<(Prefix, &str)> {
    if let Some(name) = key.strip_prefix(Prefix::Vault.text()) {
        return Some((Prefix::Vault, name));
    }
    if let Some(name) = key.strip_prefix(Prefix::Leasehold.text()) {
        return Some((Prefix::Leasehold, name));
    }
    ALIASES
        .iter()
        .find_map(|alias| key.strip_prefix(alias))
        .map(|name| (Prefix::Vault, name))
}

/// Whether a full name carries one of the prefixes that stand for the established one.
pub(crate) fn is_alias(key: &str) -> bool {
    ALIASES.iter().any(|alias| key.starts_with(alias))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vocabulary::{login, secrets};

    fn layers<'a>(pod: &[(&'a str, &'a str)], namespace: &[(&'a str, &'a str)]) -> Layers<'a> {
        Layers::new(pod.iter().copied(), namespace.iter().copied())
    }

    #[test]
    fn a_pod_wins_over_its_namespace_even_with_an_empty_value() {
        let layers = layers(
            &[("vault.hashicorp.com/role", "")],
            &[
                ("vault.hashicorp.com/role", "a"),
                ("vault.hashicorp.com/auth-path", "auth/k"),
            ],
        );
        assert_eq!(
            layers.get(&login::ROLE).map(|g| (g.value, g.origin)),
            Some(("", Origin::Pod))
        );
        assert_eq!(
            layers.get(&login::AUTH_PATH).map(|g| (g.value, g.origin)),
            Some(("auth/k", Origin::Namespace))
        );
    }

    #[test]
    fn the_switch_is_never_taken_from_the_namespace() {
        let layers = layers(&[], &[("vault.hashicorp.com/agent-inject", "true")]);
        assert_eq!(layers.get(&switch::AGENT_INJECT), None);
    }

    #[test]
    fn a_family_yields_its_names_only() {
        let layers = layers(
            &[
                ("vault.hashicorp.com/agent-inject-secret-b", "2"),
                ("vault.hashicorp.com/agent-inject-secret-a", "1"),
                ("vault.hashicorp.com/agent-inject-secretly", "x"),
                ("vault.hashicorp.com/agent-inject-template-a", "t"),
            ],
            &[],
        );
        let names: Vec<_> = layers
            .family(&secrets::SECRET)
            .map(|(n, g)| (n, g.value))
            .collect();
        assert_eq!(names, [("a", "1"), ("b", "2")]);
    }

    #[test]
    fn the_alias_is_read_and_loses_against_the_established_prefix() {
        let mut only = layers(&[("openbao.openbao.org/role", "web")], &[]);
        assert_eq!(only.get(&login::ROLE).map(|g| g.value), Some("web"));
        assert!(only.take_findings().is_empty());
        let mut both = layers(
            &[
                ("openbao.org/role", "x"),
                ("vault.hashicorp.com/role", "web"),
            ],
            &[],
        );
        assert_eq!(both.get(&login::ROLE).map(|g| g.value), Some("web"));
        assert_eq!(both.take_findings().len(), 1);
    }
}
