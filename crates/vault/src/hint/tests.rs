//! Each text of a server, and the cause that is told for it.

use reqwest::Method;

use super::*;
use crate::error::{Refusal, RefusalForm};

const NOW: u64 = 1_795_306_000;

fn refused(path: &str, status: u16, text: &str) -> Error {
    Error {
        method: Method::PUT,
        path: path.into(),
        url: format!("https://vault:8200/v1/{path}").into(),
        namespace: None,
        failure: Failure::Definite(Refusal {
            status,
            errors: Box::new([text.to_owned()]),
            form: RefusalForm::Vault,
        }),
    }
}

fn facts(method: &str) -> LoginFacts {
    LoginFacts {
        method: method.to_owned(),
        mount: "auth/eks".to_owned(),
        role: Some("checkout".to_owned()),
        claims: Some(Claims {
            audiences: vec!["vault".to_owned()],
            namespace: Some("payments".to_owned()),
            service_account: Some("checkout-sa".to_owned()),
            expires_at: Some(NOW + 600),
            ..Claims::default()
        }),
    }
}

#[track_caller]
fn check(method: &str, status: u16, text: &str, parts: &[&str]) {
    let error = refused("auth/eks/login", status, text);
    let hint = login_hint(&facts(method), &error, NOW).unwrap();
    for part in parts {
        assert!(hint.contains(part), "`{part}` is not in: {hint}");
    }
}

#[test]
fn each_text_of_the_kubernetes_method_has_one_likely_cause() {
    check(
        "kubernetes",
        403,
        "invalid audience (aud) claim: audience claim does not match any bound audience",
        &[
            "is for `vault`",
            "role `checkout` at `auth/eks`",
            "`audience`",
        ],
    );
    check(
        "kubernetes",
        403,
        "namespace not authorized",
        &[
            "namespace is `payments`",
            "`bound_service_account_namespaces` of role `checkout`",
        ],
    );
    check(
        "kubernetes",
        403,
        "service account name not authorized",
        &["account is `checkout-sa`", "`bound_service_account_names`"],
    );
    check(
        "kubernetes",
        400,
        "invalid role name \"checkout\"",
        &["no role `checkout` at `auth/eks`"],
    );
    check(
        "kubernetes",
        403,
        "permission denied",
        &[
            "token review was refused",
            "`token_reviewer_jwt`",
            "this one is for `vault`",
        ],
    );
    check(
        "kubernetes",
        500,
        "could not load backend configuration",
        &["`auth/eks` is there and not configured"],
    );
}

#[test]
fn keys_out_of_reach_are_not_blamed_on_the_token() {
    for text in [
        "error validating token: error verifying token: fetching keys oidc: get keys failed: Get \"https://x\"",
        "failed to verify id token signature: error fetching keys",
    ] {
        check("jwt", 400, text, &["cannot fetch the keys", "not at fault"]);
    }
}

#[test]
fn an_expired_token_is_told_with_its_age() {
    let mut facts = facts("kubernetes");
    facts.claims.as_mut().unwrap().expires_at = Some(NOW - 90);
    let error = refused("auth/eks/login", 403, "permission denied");
    let hint = login_hint(&facts, &error, NOW).unwrap();
    assert!(hint.contains("ended 90 s ago"), "{hint}");
}

#[test]
fn reads_are_explained_by_both_their_paths() {
    let denied = "1 error occurred:\n\t* permission denied\n\n";
    for (asked, actual, part) in [
        (
            "secret/app",
            "secret/data/app",
            "must grant `secret/data/app`",
        ),
        (
            "secret/data/app",
            "secret/data/app",
            "grants `secret/data/app`",
        ),
        ("secret/app", "secret/app", "the path is `secret/data/app`"),
    ] {
        let hint = read_hint(asked, &refused(actual, 403, denied)).unwrap();
        assert!(hint.contains(part), "{hint}");
    }
    let hint = read_hint(
        "a/b",
        &refused("a/b", 403, "permission denied: invalid token"),
    )
    .unwrap();
    assert!(hint.contains("revoked or at its end"), "{hint}");
    assert_eq!(
        read_hint("a/b", &refused("a/b", 500, "permission denied")),
        None
    );
}

#[test]
fn a_missing_secret_is_explained_where_the_engine_is_likely_mistaken() {
    let warning = "Invalid path for a versioned K/V secrets engine. See the API docs".to_owned();
    let hint = missing_hint("secret/a", "secret/a", &[warning]).unwrap();
    assert!(hint.contains("`secret/data/a`"));
    let hint = missing_hint("kv/data/a", "kv/data/a", &[]).unwrap();
    assert!(hint.contains("the path is `kv/a`"));
    assert_eq!(missing_hint("secret/a", "secret/data/a", &[]), None);
}
