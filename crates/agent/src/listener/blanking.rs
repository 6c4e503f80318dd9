//! Answers about the agent's own token, as an application may see them.

use leasehold_vault::Token;
use zeroize::Zeroizing;

use crate::listener::head::split_namespace;

/// Paths whose answers tell a token.
const ABOUT_TOKENS: [&str; 4] = [
    "auth/token/lookup-self",
    "auth/token/lookup",
    "auth/token/renew-self",
    "auth/token/renew",
];

/// Whether answers of this path tell a token; a namespace may stand before it.
pub(super) fn tells_token(path: &str) -> bool {
    split_namespace(path, "auth/token/").is_some_and(|(_, path)| ABOUT_TOKENS.contains(&path))
}

/// The body of an answer about the agent's own token, without what would let its reader use that token.
pub(super) fn blanked(path: &str, body: &[u8], token: &Token) -> Option<Zeroizing<Vec<u8>>> {
    #[derive(serde::Deserialize)]
    struct Form {
        auth: Option<Named>,
        data: Option<Named>,
    }
    #[derive(serde::Deserialize)]
    struct Named {
        #[serde(default)]
        accessor: String,
    }
    let text = std::str::from_utf8(body).ok()?;
    if !tells_token(path) || !text.contains(token.expose()) {
        return None;
    }
    let form: Form = serde_json::from_str(text).ok()?;
    let accessors = [form.auth, form.data].map(|named| named.map(|named| named.accessor));
    let mut text = Zeroizing::new(text.replace(&format!("\"{}\"", token.expose()), "\"\""));
    for accessor in accessors
        .into_iter()
        .flatten()
        .filter(|text| !text.is_empty())
    {
        text = Zeroizing::new(text.replace(&format!("\"{accessor}\""), "\"\""));
    }
    Some(Zeroizing::new(text.as_bytes().to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_agents_token_is_not_in_what_an_application_reads_about_it() {
        let own = Token::new("s.agent".to_owned()).unwrap();
        let body = br#"{"data":{"id":"s.agent","accessor":"a1","ttl":5},"auth":null}"#;
        let blank = blanked("auth/token/lookup-self", body, &own).unwrap();
        assert_eq!(
            &*blank,
            br#"{"data":{"id":"","accessor":"","ttl":5},"auth":null}"#
        );
        let body = br#"{"auth":{"client_token":"s.agent","accessor":"a1"}}"#;
        let blank = blanked("auth/token/renew-self", body, &own).unwrap();
        assert_eq!(&*blank, br#"{"auth":{"client_token":"","accessor":""}}"#);
        let other = br#"{"data":{"id":"s.other","accessor":"a1"}}"#;
        assert!(blanked("auth/token/lookup-self", other, &own).is_none());
        assert!(blanked("team/auth/token/renew-self", body, &own).is_some());
        assert!(blanked("kv/data/a", body, &own).is_none());
    }
}
