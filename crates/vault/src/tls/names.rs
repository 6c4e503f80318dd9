//! Server names as settings give them.

use rustls::pki_types::ServerName;

use super::TlsError;

/// A DNS name or an address, in brackets or not.
pub(super) fn parse(text: &str) -> Result<ServerName<'static>, TlsError> {
    let bare = text.trim().trim_start_matches('[').trim_end_matches(']');
    ServerName::try_from(bare.to_owned()).map_err(|_| TlsError::BadName {
        name: text.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses_are_told_apart() {
        for (text, is_address) in [
            ("vault.internal", false),
            ("10.0.0.1", true),
            ("[::1]", true),
        ] {
            let name = parse(text).unwrap();
            assert_eq!(
                matches!(name, ServerName::IpAddress(_)),
                is_address,
                "{text}"
            );
        }
        assert!(
            parse("not a name")
                .unwrap_err()
                .to_string()
                .contains("`not a name`")
        );
    }
}
