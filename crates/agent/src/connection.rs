//! Where the server is and how it is reached: flags come before the environment, the environment before the
//! file, and the file before the defaults.

use std::time::Duration;

use leasehold_config::Server;
use leasehold_vault::{
    Address, AddressError, ClientPair, PemSource, ProxySettings, RateLimitError, Redirects, Roots,
    SecretText, Settings, TlsSettings, Verification,
};

use crate::environment::{Environment, VariableError};

/// The server when nothing names one, as for the established programs.
const DEFAULT_ADDRESS: &str = "https://127.0.0.1:8200";

/// Where the machine says whom to ask for names.
const NAMESERVERS: &str = "/etc/resolv.conf";

/// What the command line says about the connection.
#[derive(Debug, Clone, Default)]
pub struct ConnectionFlags {
    /// `-address`
    pub address: Option<String>,
    /// `-ca-cert`
    pub ca_cert: Option<String>,
    /// `-ca-path`
    pub ca_path: Option<String>,
    /// `-client-cert`
    pub client_cert: Option<String>,
    /// `-client-key`
    pub client_key: Option<String>,
    /// `-tls-server-name`
    pub tls_server_name: Option<String>,
    /// `-tls-skip-verify`
    pub tls_skip_verify: Option<bool>,
    /// `-namespace`
    pub namespace: Option<String>,
    /// `-disable-redirects`
    pub disable_redirects: Option<bool>,
}

/// Why there is no connection to make.
#[derive(Debug, thiserror::Error)]
pub enum ConnectionError {
    /// The address is none.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// A variable cannot be read.
    #[error(transparent)]
    Variable(#[from] VariableError),
    /// The limit of requests cannot be read.
    #[error("the environment variable VAULT_RATE_LIMIT cannot be used")]
    RateLimit(#[from] RateLimitError),
    /// One half of a client certificate is missing.
    #[error("a client certificate needs both halves, certificate and key: only the {0} is given")]
    HalfPair(&'static str),
}

/// Puts flags, environment and file together. `method_namespace` is that of the login method, which holds
/// where neither flag nor environment names one.
///
/// # Errors
/// An address or variable cannot be read, or one half of a client certificate is missing.
pub fn settings(
    flags: &ConnectionFlags,
    environment: &Environment,
    server: &Server,
    method_namespace: Option<&str>,
) -> Result<Settings, ConnectionError> {
    let text = |flag: &Option<String>, variable: &str, file: &Option<String>| {
        let given = flag
            .clone()
            .or_else(|| environment.vault(variable).map(str::to_owned));
        given
            .or_else(|| file.clone())
            .filter(|text| !text.is_empty())
    };
    let address =
        text(&flags.address, "ADDR", &server.address).unwrap_or_else(|| DEFAULT_ADDRESS.to_owned());
    let address: Address = address.parse()?;
    let skip = match flags.tls_skip_verify {
        Some(skip) => skip,
        None => environment
            .vault_flag("SKIP_VERIFY")?
            .unwrap_or(server.tls_skip_verify),
    };
    let ca_file = text(&flags.ca_cert, "CACERT", &server.ca_cert);
    let ca_folder = text(&flags.ca_path, "CAPATH", &server.ca_path);
    let certificate = pem(
        text(&flags.client_cert, "CLIENT_CERT", &server.client_cert),
        environment.vault("CLIENT_CERT_BYTES"),
    );
    let key = pem(
        text(&flags.client_key, "CLIENT_KEY", &server.client_key),
        environment.vault("CLIENT_KEY_BYTES"),
    );
    let client = match (certificate, key) {
        (Some(certificate), Some(key)) => Some(ClientPair { certificate, key }),
        (None, None) => None,
        (Some(_), None) => return Err(ConnectionError::HalfPair("certificate")),
        (None, Some(_)) => return Err(ConnectionError::HalfPair("key")),
    };
    let redirects = match flags.disable_redirects {
        Some(disabled) => disabled,
        None => environment
            .vault_flag("DISABLE_REDIRECTS")?
            .unwrap_or_default(),
    };
    let namespace = flags
        .namespace
        .clone()
        .or_else(|| environment.vault("NAMESPACE").map(str::to_owned))
        .or_else(|| method_namespace.map(str::to_owned))
        .or_else(|| server.namespace.clone());
    let mut settings = Settings::new(address);
    settings.namespace = namespace.filter(|name| !name.is_empty());
    settings.tls = TlsSettings {
        roots: Roots::choose(
            ca_file.as_deref(),
            environment.vault("CACERT_BYTES"),
            ca_folder.as_deref(),
        ),
        client,
        server_name: text(
            &flags.tls_server_name,
            "TLS_SERVER_NAME",
            &server.tls_server_name,
        ),
        verification: if skip {
            Verification::Skipped
        } else {
            Verification::Full
        },
    };
    settings.proxy = proxies(environment);
    if let Some(timeout) = environment.vault_duration("CLIENT_TIMEOUT")? {
        settings.timeout = timeout.max(Duration::from_millis(1));
    }
    settings.redirects = if redirects {
        Redirects::None
    } else {
        Redirects::One
    };
    if environment.vault_flag("SRV_LOOKUP")?.unwrap_or_default() {
        settings.service_lookup = Some(NAMESERVERS.into());
    }
    let limit = environment
        .vault("RATE_LIMIT")
        .filter(|text| !text.is_empty());
    settings.rate_limit = limit.map(str::parse).transpose()?;
    settings.user_agent = concat!("leasehold-agent/", env!("CARGO_PKG_VERSION")).to_owned();
    Ok(settings)
}

fn pem(file: Option<String>, text: Option<&str>) -> Option<PemSource> {
    let text = text.filter(|text| !text.is_empty());
    match (file, text) {
        (Some(file), _) => Some(PemSource::File(file.into())),
        (None, Some(text)) => Some(PemSource::Text(SecretText::new(text.to_owned()))),
        (None, None) => None,
    }
}

fn proxies(environment: &Environment) -> ProxySettings {
    let either = |name: &str| {
        let value = environment
            .get(name)
            .or_else(|| environment.get(&name.to_ascii_lowercase()));
        value.map(str::to_owned)
    };
    let always = environment
        .vault("PROXY_ADDR")
        .or_else(|| environment.vault("HTTP_PROXY"));
    ProxySettings {
        always: always.map(str::to_owned),
        http: either("HTTP_PROXY"),
        https: either("HTTPS_PROXY"),
        none_for: either("NO_PROXY"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(pairs: &[(&str, &str)]) -> Environment {
        pairs
            .iter()
            .map(|&(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    }

    #[test]
    fn flags_come_before_the_environment_and_that_before_the_file() {
        let file = Server {
            address: Some("http://file:1".to_owned()),
            ..Server::default()
        };
        let flags = ConnectionFlags {
            address: Some("http://flag:1".to_owned()),
            ..ConnectionFlags::default()
        };
        let none = ConnectionFlags::default();
        let nothing = Server::default();
        let variable = environment(&[("VAULT_ADDR", "http://variable:1")]);
        let empty = Environment::default();
        let check = |flags, variables, server, expected: &str| {
            let settings = settings(flags, variables, server, None).unwrap();
            assert_eq!(settings.address.to_string(), expected);
        };
        check(&flags, &variable, &file, "http://flag:1");
        check(&none, &variable, &file, "http://variable:1");
        check(&none, &empty, &file, "http://file:1");
        check(&none, &empty, &nothing, DEFAULT_ADDRESS);
        // A variable that is set but empty counts as set.
        check(
            &none,
            &environment(&[("VAULT_ADDR", "")]),
            &file,
            DEFAULT_ADDRESS,
        );
    }

    #[test]
    fn the_namespace_of_the_environment_beats_that_of_the_method() {
        let namespace = |variables: &Environment, method| {
            let flags = ConnectionFlags::default();
            settings(&flags, variables, &Server::default(), method)
                .unwrap()
                .namespace
        };
        let variable = environment(&[("VAULT_NAMESPACE", "outer")]);
        assert_eq!(
            namespace(&variable, Some("method")).as_deref(),
            Some("outer")
        );
        assert_eq!(
            namespace(&Environment::default(), Some("method")).as_deref(),
            Some("method")
        );
        assert_eq!(namespace(&Environment::default(), None), None);
    }

    #[test]
    fn skip_verify_false_leaves_verification_on() {
        let check = |value: &str, server: &Server| {
            let variables = environment(&[("VAULT_SKIP_VERIFY", value)]);
            let flags = ConnectionFlags::default();
            settings(&flags, &variables, server, None)
                .unwrap()
                .tls
                .verification
        };
        let skipping = Server {
            tls_skip_verify: true,
            ..Server::default()
        };
        assert_eq!(check("false", &Server::default()), Verification::Full);
        assert_eq!(check("false", &skipping), Verification::Full);
        assert_eq!(check("true", &Server::default()), Verification::Skipped);
        assert_eq!(check("", &skipping), Verification::Skipped);
    }

    #[test]
    fn a_rate_of_requests_is_read_from_the_environment() {
        let check = |value: &str| {
            let variables = environment(&[("VAULT_RATE_LIMIT", value)]);
            let flags = ConnectionFlags::default();
            settings(&flags, &variables, &Server::default(), None)
        };
        assert_eq!(check("5:9").unwrap().rate_limit, "5:9".parse().ok());
        assert_eq!(check("").unwrap().rate_limit, None);
        let error = crate::sentence::chain(&check("much").unwrap_err());
        assert!(
            error.contains("VAULT_RATE_LIMIT") && error.contains("`much`"),
            "{error}"
        );
    }

    #[test]
    fn the_servers_record_is_looked_up_only_when_asked_for() {
        let check = |value: &str| {
            let variables = environment(&[("VAULT_SRV_LOOKUP", value)]);
            let flags = ConnectionFlags::default();
            settings(&flags, &variables, &Server::default(), None)
        };
        let file = Some(NAMESERVERS.into());
        assert_eq!(check("true").unwrap().service_lookup, file);
        assert_eq!(check("0").unwrap().service_lookup, None);
        assert_eq!(check("").unwrap().service_lookup, None);
        assert!(check("perhaps").is_err());
    }

    #[test]
    fn half_a_client_certificate_is_refused() {
        let variables = environment(&[("VAULT_CLIENT_CERT", "/tls/tls.crt")]);
        let flags = ConnectionFlags::default();
        let error = settings(&flags, &variables, &Server::default(), None).unwrap_err();
        assert!(
            error.to_string().contains("only the certificate"),
            "{error}"
        );
    }
}
