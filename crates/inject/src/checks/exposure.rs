//! Values that look like secrets: an annotation can be read by everybody who can read the pod.

use crate::finding::{Code, Finding};
use crate::layers::{Origin, Resolved};
use crate::report::Report;
use crate::vocabulary::login;

/// Keys of login methods whose values are secrets themselves.
const SECRET_KEYS: [&str; 7] = [
    "secret_id",
    "password",
    "secret_key",
    "session_token",
    "access_secret",
    "token",
    "private_key",
];

/// Notes values that look like secrets, without showing them.
pub(super) fn note(annotations: &[Resolved<'_>], report: &mut Report) {
    for Resolved {
        annotation, given, ..
    } in annotations
    {
        if given.origin != Origin::Pod {
            continue;
        }
        let by_key = matches!(
            annotation,
            Some((annotation, Some(key)))
                if **annotation == login::AUTH_CONFIG
                    && SECRET_KEYS.contains(&key.replace('-', "_").as_str())
        ) && !given.value.is_empty();
        if by_key || looks_like_a_secret(given.value) {
            let text = "the value looks like a secret, and everybody who can read the pod can read \
                        its annotations; put it into a Secret and mount that";
            report.note(Finding::warning(Code::LooksLikeSecret, text).about(given.key));
        }
    }
}

fn looks_like_a_secret(value: &str) -> bool {
    if value.contains("-----BEGIN") && value.contains("PRIVATE KEY-----") {
        return true;
    }
    value
        .split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')))
        .any(|word| {
            let token = ["hvs.", "hvb.", "hvr.", "s.", "b."]
                .iter()
                .find_map(|prefix| word.strip_prefix(prefix))
                .is_some_and(|rest| rest.len() >= 24 && !rest.contains('.'));
            let aws = word.len() == 20
                && word.starts_with("AKIA")
                && word
                    .bytes()
                    .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
            token || aws
        })
}

#[cfg(test)]
mod tests {
    use super::looks_like_a_secret;

    #[test]
    fn tokens_and_keys_are_told_from_ordinary_texts() {
        for (value, want) in [
            ("hvs.CAESIJlU02LQZq2mT0z1RkLs", true),
            ("token=s.abcdefghijklmnopqrstuvwx", true),
            ("AKIAIOSFODNN7EXAMPLE", true),
            ("-----BEGIN RSA PRIVATE KEY-----\nx", true),
            ("-----BEGIN CERTIFICATE-----", false),
            ("https://vault.vault.svc:8200", false),
            ("database/creds/checkout-ro", false),
            (
                "{{ with secret \"kv/data/a\" }}{{ .Data.data.x }}{{ end }}",
                false,
            ),
            ("this.is.a.rather-long-sentence-with-dots.and.more", false),
        ] {
            assert_eq!(looks_like_a_secret(value), want, "{value}");
        }
    }
}
