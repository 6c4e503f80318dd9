//! Users and groups by name or number, from the image's own `/etc/passwd` and `/etc/group`.

use std::path::Path;

/// A name that nobody has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OwnerError {
    /// No such user.
    #[error("user: unknown user {0}")]
    User(String),
    /// No such group.
    #[error("group: unknown group {0}")]
    Group(String),
}

/// The number of a user; `None` for an empty text.
///
/// # Errors
/// The text is no number, and nobody has that name.
pub fn user(text: &str) -> Result<Option<u32>, OwnerError> {
    number(text, Path::new("/etc/passwd")).map_err(OwnerError::User)
}

/// The number of a group; `None` for an empty text.
///
/// # Errors
/// The text is no number, and no group has that name.
pub fn group(text: &str) -> Result<Option<u32>, OwnerError> {
    number(text, Path::new("/etc/group")).map_err(OwnerError::Group)
}

fn number(text: &str, table: &Path) -> Result<Option<u32>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    if let Ok(number) = text.parse() {
        return Ok(Some(number));
    }
    let table = std::fs::read_to_string(table).unwrap_or_default();
    let found = table.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let number = fields.nth(1)?;
        (name == text).then(|| number.parse().ok())?
    });
    found.map(Some).ok_or_else(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_owners_by_name_and_number() {
        assert_eq!(user("root"), Ok(Some(0)));
        assert_eq!(user("1234"), Ok(Some(1234)));
        assert_eq!(user(""), Ok(None));
        assert_eq!(
            user("no-such-user-zz").unwrap_err().to_string(),
            "user: unknown user no-such-user-zz"
        );
        assert_eq!(group("root"), Ok(Some(0)));
    }
}
