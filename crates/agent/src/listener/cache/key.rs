//! What makes two requests equal, without keeping what they hold.

use leasehold_vault::Token;
use ring::digest;

use crate::listener::head::HttpRequest;

/// Stands for a token without showing it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Fingerprint([u8; 32]);

/// Names equal requests: a hash over method, path, query, headers, body and token, beside that of the token.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::listener) struct Key {
    request: Fingerprint,
    /// The token's alone.
    pub(super) token: Fingerprint,
}

impl Fingerprint {
    pub(super) fn of(token: &str) -> Self {
        Self::hash(&[token.as_bytes()])
    }

    fn hash(parts: &[&[u8]]) -> Self {
        let mut context = digest::Context::new(&digest::SHA256);
        for part in parts {
            context.update(&u64::try_from(part.len()).unwrap_or_default().to_be_bytes());
            context.update(part);
        }
        let mut bytes = [0; 32];
        bytes.copy_from_slice(context.finish().as_ref());
        Self(bytes)
    }
}

impl Key {
    pub(in crate::listener) fn of(
        request: &HttpRequest,
        body: &[u8],
        token: Option<&Token>,
    ) -> Self {
        let token = token.map(Token::expose).unwrap_or_default();
        let mut parts: Vec<&[u8]> = vec![
            request.method.as_bytes(),
            request.path.as_bytes(),
            request.query.as_bytes(),
        ];
        for (name, value) in &request.headers {
            if name != "x-vault-token" {
                parts.extend([name.as_bytes(), value.as_bytes()]);
            }
        }
        parts.extend([body, token.as_bytes()]);
        Self {
            request: Fingerprint::hash(&parts),
            token: Fingerprint::of(token),
        }
    }
}
