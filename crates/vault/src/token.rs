//! Values that must never be printed: tokens, lease ids and other secret text.
//!
//! Each wipes its memory when dropped, shows `"…"` to a formatter, and gives its
//! text only to a caller that says `expose`. What a token may do is the business
//! of the server.

use std::fmt;
use std::hash::{Hash, Hasher};

use zeroize::{Zeroize, Zeroizing};

/// Secret text: a JWT, a password, a secret id.
#[derive(Clone, Default)]
pub struct SecretText(Zeroizing<String>);

/// A Vault token, known to be fit for an HTTP header.
#[derive(Clone)]
pub struct Token(SecretText);

/// The id of a lease: whoever knows it can renew and revoke the lease.
#[derive(Clone, Default)]
pub struct LeaseId(SecretText);

/// A text that cannot be a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// There is nothing in it.
    #[error("the token is empty")]
    Empty,
    /// It holds a character that an HTTP header cannot carry.
    #[error(
        "the token holds a character that no token has (a line break, a blank or a control character)"
    )]
    Unfit,
}

impl SecretText {
    /// Takes over a text.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether there is no text.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The same text without white space at both ends.
    #[must_use]
    pub fn trimmed(&self) -> Self {
        Self::new(self.0.trim().to_owned())
    }
}

impl Token {
    /// Takes over a token; white space around it is not forgiven here, since only
    /// the reader of a file knows whether it may be there.
    ///
    /// # Errors
    /// The text is empty or holds a blank or a control character.
    pub fn new(text: String) -> Result<Self, TokenError> {
        let text = SecretText::new(text);
        if text.is_empty() {
            return Err(TokenError::Empty);
        }
        let fit = |c: char| !c.is_whitespace() && !c.is_control();
        if !text.expose().chars().all(fit) {
            return Err(TokenError::Unfit);
        }
        Ok(Self(text))
    }

    /// The token itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

impl LeaseId {
    /// Takes over an id.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(SecretText::new(text))
    }

    /// The id itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose()
    }

    /// Whether the answer had no lease.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<String> for SecretText {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

impl Zeroize for SecretText {
    fn zeroize(&mut self) {
        self.0.zeroize();
    }
}

macro_rules! unprintable {
    ($($name:ident),*) => {$(
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("\"…\"")
            }
        }
        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                self.expose() == other.expose()
            }
        }
        impl Eq for $name {}
        impl Hash for $name {
            fn hash<H: Hasher>(&self, state: &mut H) {
                self.expose().hash(state);
            }
        }
    )*};
}

unprintable!(SecretText, Token, LeaseId);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_secret_can_be_printed() {
        let token = Token::new("hvs.abc".to_owned()).unwrap();
        let lease = LeaseId::new("database/creds/a/xyz".to_owned());
        assert_eq!(format!("{token:?} {lease:?}"), r#""…" "…""#);
    }

    #[test]
    fn a_token_is_one_word() {
        for (text, expected) in [
            ("", Some(TokenError::Empty)),
            ("hvs.a\n", Some(TokenError::Unfit)),
            ("two words", Some(TokenError::Unfit)),
            ("hvs.CAESI-_", None),
            ("golden-reader", None),
        ] {
            assert_eq!(Token::new(text.to_owned()).err(), expected, "{text:?}");
        }
    }
}
