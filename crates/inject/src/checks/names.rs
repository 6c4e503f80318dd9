//! Names of annotations: those that do not exist, with what was perhaps meant, and those of secrets
//! that do not exist.

use std::collections::BTreeSet;

use crate::finding::{Code, Finding};
use crate::layers::{Origin, Resolved};
use crate::report::{Report, Stage};
use crate::settings::{Settings, Strictness};
use crate::spec::Secrets;
use crate::vocabulary::{self, Annotation, Family, Prefix, secrets};

/// The longest name for which a similar one is looked for; Kubernetes allows 63 characters.
const LONGEST: usize = 80;
/// How many unknown names get a suggestion.
const SUGGESTIONS: usize = 20;

/// Notes annotations of our prefixes that do not exist.
pub(super) fn note_unknown(annotations: &[Resolved<'_>], settings: &Settings, report: &mut Report) {
    let unknown = annotations
        .iter()
        .filter(|a| a.given.origin == Origin::Pod && a.annotation.is_none());
    for (
        index,
        Resolved {
            prefix,
            name,
            given,
            ..
        },
    ) in unknown.enumerate()
    {
        let meant = if index < SUGGESTIONS {
            suggestion(*prefix, name)
        } else {
            None
        };
        let text = match meant {
            Some(meant) => {
                format!("there is no such annotation, so it does nothing; did you mean {meant}?")
            }
            None => "there is no such annotation, so it does nothing".to_owned(),
        };
        match settings.strictness {
            Strictness::Lenient => {
                report.note(Finding::warning(Code::UnknownAnnotation, text).about(given.key));
            }
            Strictness::Strict => report.deny(
                Stage::Validate,
                "an annotation is unknown",
                Finding::error(Code::UnknownAnnotation, text).about(given.key),
            ),
        }
    }
}

/// Notes annotations that belong to a secret which nothing names.
pub(super) fn note_orphans(
    annotations: &[Resolved<'_>],
    wanted: &Secrets<'_>,
    report: &mut Report,
) {
    let names: BTreeSet<&str> = wanted.list.iter().map(|s| s.raw_name.as_str()).collect();
    for Resolved {
        annotation, given, ..
    } in annotations
    {
        let (Origin::Pod, Some((annotation, Some(secret)))) = (given.origin, *annotation) else {
            continue;
        };
        if !matches!(annotation.family, Family::Secret | Family::SingleOrSecret)
            || names.contains(secret)
            || (*annotation == secrets::TEMPLATE_FILE && names.contains(&*format!("file-{secret}")))
        {
            continue;
        }
        let names_one = [
            &secrets::SECRET,
            &secrets::TEMPLATE,
            &secrets::TEMPLATE_FILE,
        ];
        let text = if names_one.contains(&annotation) {
            "its value is empty, so there is no such secret".to_owned()
        } else {
            let similar = names
                .iter()
                .find(|other| other.eq_ignore_ascii_case(secret))
                .or_else(|| {
                    names
                        .iter()
                        .find(|other| distance(other, secret, 2).is_some())
                });
            let hint = match similar {
                Some(similar) => format!("there is one called {similar}"),
                None => format!(
                    "write {}-{secret} with its path",
                    secrets::SECRET.full_name()
                ),
            };
            format!("there is no secret called {secret}, so it does nothing; {hint}")
        };
        report.note(Finding::warning(Code::NoEffect, text).about(given.key));
    }
    for secret in &wanted.list {
        let raised = secret.raw_name.to_lowercase();
        if raised != secret.raw_name && names.contains(raised.as_str()) {
            let text = format!(
                "capitals count: {} and {raised} are two secrets; write all annotations of one \
                 secret with the same name",
                secret.raw_name
            );
            let key = format!("{}-{}", secrets::SECRET.full_name(), secret.raw_name);
            report.note(Finding::warning(Code::Conflict, text).about(key));
        }
    }
}

/// The full name that was perhaps meant.
fn suggestion(prefix: Prefix, name: &str) -> Option<String> {
    if name.len() > LONGEST {
        return None;
    }
    let other = match prefix {
        Prefix::Vault => Prefix::Leasehold,
        Prefix::Leasehold => Prefix::Vault,
    };
    if vocabulary::find(other, name).is_some() {
        return Some(format!("{}{name}", other.text()));
    }
    vocabulary::all()
        .filter_map(|annotation| {
            let (distance, rest) = nearness(annotation, name)?;
            Some((distance, annotation.prefix != prefix, annotation, rest))
        })
        .min_by_key(|(distance, is_other, ..)| (*distance, *is_other))
        .map(|(_, _, annotation, rest)| format!("{}{rest}", annotation.full_name()))
}

/// How far a name is from an annotation's, and what follows the annotation's name in it.
fn nearness<'n>(annotation: &Annotation, name: &'n str) -> Option<(usize, &'n str)> {
    let allowed = (annotation.name.len() / 4).clamp(1, 3);
    let whole = match annotation.family {
        Family::Single | Family::SingleOrSecret => {
            distance(annotation.name, name, allowed).map(|d| (d, ""))
        }
        Family::Secret | Family::Key => None,
    };
    let parts = match annotation.family {
        Family::Single => None,
        _ => name
            .match_indices('-')
            .filter_map(|(at, _)| {
                let (start, rest) = name.split_at(at);
                Some((distance(annotation.name, start, allowed)?, rest))
            })
            .min_by_key(|(distance, _)| *distance),
    };
    [whole, parts]
        .into_iter()
        .flatten()
        .min_by_key(|(distance, _)| *distance)
}

/// How many letters differ, if no more than allowed.
fn distance(a: &str, b: &str, allowed: usize) -> Option<usize> {
    if a.len().abs_diff(b.len()) > allowed {
        return None;
    }
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut corner = i;
        let mut left = i + 1;
        for (j, y) in b.iter().enumerate() {
            let above = row.get(j + 1).copied().unwrap_or(usize::MAX - 1);
            let here = (corner + usize::from(x != *y)).min(above + 1).min(left + 1);
            corner = above;
            if let Some(place) = row.get_mut(j) {
                *place = left;
            }
            left = here;
        }
        if let Some(place) = row.last_mut() {
            *place = left;
        }
    }
    row.last().copied().filter(|found| *found <= allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_counted_in_letters() {
        for (a, b, want) in [
            ("role", "role", Some(0)),
            ("role", "rol", Some(1)),
            ("role", "roel", Some(2)),
            ("role", "rule", Some(1)),
            ("role", "service", None),
            ("", "ab", Some(2)),
        ] {
            assert_eq!(distance(a, b, 2), want, "{a} {b}");
        }
    }

    #[test]
    fn a_misspelt_name_is_corrected_with_what_follows_it() {
        for (prefix, name, want) in [
            (
                Prefix::Vault,
                "agent-injekt",
                Some("vault.hashicorp.com/agent-inject"),
            ),
            (
                Prefix::Vault,
                "agent-inject-secrets-db.env",
                Some("vault.hashicorp.com/agent-inject-secret-db.env"),
            ),
            (
                Prefix::Vault,
                "agent-inject-tempalte-db",
                Some("vault.hashicorp.com/agent-inject-template-db"),
            ),
            (
                Prefix::Vault,
                "token-audience",
                Some("leasehold.dev/token-audience"),
            ),
            (
                Prefix::Leasehold,
                "auth-config-path",
                Some("vault.hashicorp.com/auth-config-path"),
            ),
            (Prefix::Vault, "colour", None),
        ] {
            assert_eq!(suggestion(prefix, name).as_deref(), want, "{name}");
        }
    }
}
