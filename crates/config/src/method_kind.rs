//! The login methods that a configuration can name, and the keys of each one's `config`.

/// The login methods that a configuration can name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MethodKind {
    /// `alicloud`
    AliCloud,
    /// `approle`
    AppRole,
    /// `aws`
    Aws,
    /// `azure`
    Azure,
    /// `cert`
    Cert,
    /// `cf`
    CloudFoundry,
    /// `gcp`
    Gcp,
    /// `jwt`
    Jwt,
    /// `kerberos`
    Kerberos,
    /// `kubernetes`
    Kubernetes,
    /// `ldap`
    Ldap,
    /// `oci`
    Oci,
    /// `token_file`
    TokenFile,
    /// `userpass`
    Userpass,
}

impl MethodKind {
    /// Every method with the word that names it.
    pub const ALL: [(&str, Self); 14] = [
        ("kubernetes", Self::Kubernetes),
        ("jwt", Self::Jwt),
        ("approle", Self::AppRole),
        ("cert", Self::Cert),
        ("token_file", Self::TokenFile),
        ("userpass", Self::Userpass),
        ("ldap", Self::Ldap),
        ("aws", Self::Aws),
        ("azure", Self::Azure),
        ("gcp", Self::Gcp),
        ("alicloud", Self::AliCloud),
        ("cf", Self::CloudFoundry),
        ("oci", Self::Oci),
        ("kerberos", Self::Kerberos),
    ];

    /// The word that names it in a configuration.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL
            .iter()
            .find(|(_, kind)| *kind == self)
            .map_or("", |(name, _)| name)
    }

    /// The keys of `config` without which the method cannot log in.
    pub(crate) fn required(self) -> &'static [&'static str] {
        match self {
            Self::Kubernetes => &["role"],
            // Without a role the mount's default role is used.
            Self::Jwt => &["path"],
            Self::AppRole => &["role_id_file_path"],
            Self::TokenFile => &["token_file_path"],
            Self::Ldap | Self::Userpass => &["username", "password_file_path"],
            Self::Aws | Self::Oci => &["type", "role"],
            Self::Gcp => &["type", "role"],
            Self::Azure => &["role", "resource"],
            Self::AliCloud => &["role", "region"],
            Self::CloudFoundry => &["role"],
            Self::Kerberos => &[
                "username",
                "service",
                "realm",
                "keytab_path",
                "krb5conf_path",
            ],
            Self::Cert => &[],
        }
    }

    /// The keys of `config` that may be there besides.
    pub(crate) fn optional(self) -> &'static [&'static str] {
        match self {
            Self::Kubernetes => &["token_path"],
            Self::Jwt => &[
                "role",
                "remove_jwt_after_reading",
                "remove_jwt_follows_symlinks",
                "jwt_read_period",
            ],
            Self::AppRole => &[
                "secret_id_file_path",
                "remove_secret_id_file_after_reading",
                "secret_id_response_wrapping_path",
            ],
            Self::Cert => &["name", "ca_cert", "client_cert", "client_key", "reload"],
            Self::TokenFile => &[],
            Self::Ldap | Self::Userpass => &[
                "remove_password_after_reading",
                "remove_password_follows_symlinks",
                "password_read_period",
            ],
            Self::Aws => &[
                "access_key",
                "secret_key",
                "session_token",
                "region",
                "header_value",
                "nonce",
                "credential_poll_interval",
            ],
            Self::Gcp => &["credentials", "service_account", "project", "jwt_exp"],
            Self::Azure => &[
                "object_id",
                "client_id",
                "scope",
                "authenticate_from_environment",
            ],
            Self::AliCloud => &[
                "access_key",
                "access_secret",
                "access_token",
                "role_arn",
                "role_session_name",
                "role_session_expiration",
                "role_name",
                "private_key",
                "public_key_id",
                "session_expiration",
                "credential_poll_interval",
            ],
            Self::CloudFoundry => &[],
            Self::Oci => &["credential_poll_interval"],
            Self::Kerberos => &["disable_fast_negotiation"],
        }
    }
}
