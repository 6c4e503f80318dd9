//! The server, the connection to it, and how the agent logs in.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::finding::{Code, Finding};
use crate::go::duration::duration;
use crate::report::Stage;
use crate::spec::Reader;
use crate::vocabulary::{Annotation, Kind, login as names, ours, vault};

/// The auth method where neither annotation nor flag name one.
pub(crate) const DEFAULT_METHOD: &str = "kubernetes";

/// The server and the way to it. Texts are as written; empty ones are left out later.
#[derive(Debug)]
pub(crate) struct Server<'a> {
    pub(crate) address: &'a str,
    pub(crate) namespace: &'a str,
    pub(crate) proxy: &'a str,
    pub(crate) no_proxy: &'a str,
    pub(crate) tls_secret: &'a str,
    pub(crate) ca_cert: &'a str,
    pub(crate) ca_path: &'a str,
    pub(crate) client_cert: &'a str,
    pub(crate) client_key: &'a str,
    pub(crate) tls_server_name: &'a str,
    pub(crate) tls_skip_verify: bool,
    pub(crate) max_retries: &'a str,
    pub(crate) timeout: &'a str,
    pub(crate) go_max_procs: &'a str,
    /// The authorities' PEM text for the agent's environment.
    pub(crate) cacert_bytes: String,
}

/// How the agent logs in.
#[derive(Debug)]
pub(crate) struct Login<'a> {
    /// The auth method's type.
    pub(crate) method: &'a str,
    /// Where it is mounted.
    pub(crate) mount_path: &'a str,
    /// The method's configuration, without the token's path.
    pub(crate) config: BTreeMap<String, &'a str>,
    /// Pauses between attempts, as written.
    pub(crate) backoff: Backoff<'a>,
    /// Whether the agent ends when it cannot log in.
    pub(crate) exit_on_err: bool,
}

/// Pauses between attempts to log in, as written; empty for the agent's own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Backoff<'a> {
    pub(crate) min: &'a str,
    pub(crate) max: &'a str,
}

impl<'a> Backoff<'a> {
    /// Reads both, in the established order.
    pub(crate) fn read(reader: &mut Reader<'_, 'a>) -> Self {
        let settings = reader.settings;
        let min = read_backoff(
            reader,
            &names::AUTH_MIN_BACKOFF,
            &settings.auth_min_backoff,
            "min",
        );
        let max = read_backoff(
            reader,
            &names::AUTH_MAX_BACKOFF,
            &settings.auth_max_backoff,
            "max",
        );
        if let (Ok(shortest), Ok(longest)) = (duration(min), duration(max))
            && !min.is_empty()
            && !max.is_empty()
            && shortest >= longest
        {
            let text =
                format!("{min} is not below the longest pause {max}; the agent refuses that");
            reader.warn(Code::SuspiciousValue, &names::AUTH_MIN_BACKOFF, text);
        }
        Self { min, max }
    }
}

impl<'a> Server<'a> {
    /// Reads the server's annotations.
    pub(crate) fn read(reader: &mut Reader<'_, 'a>) -> Self {
        let settings = reader.settings;
        let mut text = |annotation, default: &'a str| reader.text(annotation, default);
        let address = text(&vault::SERVICE, &settings.vault_address);
        let namespace = text(&vault::NAMESPACE, &settings.vault_namespace);
        let proxy = text(&vault::PROXY_ADDRESS, &settings.proxy_address);
        let server = Self {
            address,
            namespace,
            proxy,
            no_proxy: text(&ours::NO_PROXY, ""),
            tls_secret: text(&vault::TLS_SECRET, ""),
            ca_cert: text(&vault::CA_CERT, ""),
            ca_path: text(&vault::CA_KEY, ""),
            client_cert: text(&vault::CLIENT_CERT, ""),
            client_key: text(&vault::CLIENT_KEY, ""),
            tls_server_name: text(&vault::TLS_SERVER_NAME, ""),
            max_retries: text(&vault::CLIENT_MAX_RETRIES, ""),
            timeout: text(&vault::CLIENT_TIMEOUT, ""),
            go_max_procs: text(&vault::GO_MAX_PROCS, ""),
            tls_skip_verify: reader.boolean(&vault::TLS_SKIP_VERIFY, false),
            cacert_bytes: decoded(&settings.vault_cacert_bytes),
        };
        if !server.address.is_empty() && !server.address.contains("://") {
            let text = format!(
                "{} is no address that the agent can call: write https:// or http:// in front",
                crate::go::quote(server.address)
            );
            match reader.given(&vault::SERVICE) {
                Some(_) => reader.warn(Code::SuspiciousValue, &vault::SERVICE, text),
                None => {
                    let finding = Finding::warning(Code::SuspiciousValue, text);
                    reader.report.note(finding.about("--vault-address"));
                }
            }
        }
        if !server.proxy.is_empty() && server.address.starts_with("http://") {
            let text = format!(
                "a proxy for https is set, but the server's address {} is plain http, so Vault's \
                 agent will not use it",
                server.address
            );
            reader.warn(Code::NoEffect, &vault::PROXY_ADDRESS, text);
        }
        if server.ca_path.ends_with(".key") || server.ca_path.ends_with("-key.pem") {
            let text = "this names a folder of certificate authorities (ca_path) and no key; a \
                        client's key belongs into vault.hashicorp.com/client-key";
            reader.warn(Code::SuspiciousValue, &vault::CA_KEY, text);
        }
        if server.client_cert.is_empty() != server.client_key.is_empty() {
            let missing = if server.client_cert.is_empty() {
                &vault::CLIENT_CERT
            } else {
                &vault::CLIENT_KEY
            };
            let text = "a client certificate needs both a certificate and its key; this one is \
                        missing";
            reader.warn(Code::MissingValue, missing, text);
        }
        check_number(
            reader,
            &vault::CLIENT_MAX_RETRIES,
            server.max_retries,
            |v| v.parse::<i32>().is_ok(),
        );
        check_number(reader, &vault::CLIENT_TIMEOUT, server.timeout, |v| {
            v.parse::<u32>().is_ok() || duration(v).is_ok()
        });
        check_number(reader, &vault::GO_MAX_PROCS, server.go_max_procs, |v| {
            v.parse::<u32>().is_ok_and(|n| n > 0)
        });
        server
    }
}

impl<'a> Login<'a> {
    /// Reads the login's annotations.
    pub(crate) fn read(reader: &mut Reader<'_, 'a>, backoff: Backoff<'a>) -> Self {
        let settings = reader.settings;
        let mut config: BTreeMap<String, &'a str> = BTreeMap::new();
        let mut spelt: BTreeMap<String, &'a str> = BTreeMap::new();
        let mut clashes = Vec::new();
        for (key, given) in reader.layers().family(&names::AUTH_CONFIG) {
            let folded = key.replace('-', "_");
            if let Some(other) = spelt.insert(folded.clone(), given.key) {
                clashes.push(
                    Finding::warning(
                        Code::Conflict,
                        format!("{other} means the same key {folded}; remove one of the two"),
                    )
                    .about(given.key),
                );
            }
            config.insert(folded, given.value);
        }
        clashes
            .into_iter()
            .for_each(|finding| reader.report.note(finding));
        let role = reader.text(&names::ROLE, "");
        if !role.is_empty() {
            config.insert("role".to_owned(), role);
        }
        let by_flag = match settings.vault_auth_type.as_str() {
            "" => DEFAULT_METHOD,
            named => named,
        };
        let method = reader.text(&names::AUTH_TYPE, by_flag);
        let mount_path = reader.text(&names::AUTH_PATH, &settings.vault_auth_path);
        let exit_on_err = reader.boolean(&names::EXIT_ON_ERR, false);
        Self {
            method,
            mount_path,
            config,
            backoff,
            exit_on_err,
        }
    }

    /// The role, from either of its annotations.
    pub(crate) fn role(&self) -> Option<&'a str> {
        self.config
            .get("role")
            .copied()
            .filter(|role| !role.is_empty())
    }
}

fn read_backoff<'a>(
    reader: &mut Reader<'_, 'a>,
    annotation: &'static Annotation,
    default: &'a str,
    which: &str,
) -> &'a str {
    let value = reader.text(annotation, default);
    if let (Some(given), false) = (reader.given(annotation), value.is_empty())
        && let Err(words) = duration(value)
    {
        let recorded = format!("error parsing {which} backoff as duration: {words}");
        reader
            .report
            .deny_value(Stage::Defaults, &recorded, given, Kind::Duration);
        return "";
    }
    value
}

fn check_number(
    reader: &mut Reader<'_, '_>,
    annotation: &'static Annotation,
    value: &str,
    is_valid: impl Fn(&str) -> bool,
) {
    if !value.is_empty() && !is_valid(value) {
        let text = format!(
            "{} is no number that the agent can read",
            crate::go::quote(value)
        );
        reader.warn(Code::SuspiciousValue, annotation, text);
    }
}

/// A PEM text, from its base64 if it is valid base64.
fn decoded(text: &str) -> String {
    let bare: String = text.chars().filter(|c| !matches!(c, '\n' | '\r')).collect();
    STANDARD
        .decode(bare.as_bytes())
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .unwrap_or_else(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::decoded;

    #[test]
    fn certificate_bytes_are_decoded_only_when_they_are_padded_base64() {
        assert_eq!(decoded("aGVsbG8="), "hello");
        assert_eq!(decoded("aGVs\nbG8=\n"), "hello");
        assert_eq!(decoded("aGVsbG8"), "aGVsbG8");
        assert_eq!(decoded("-----BEGIN"), "-----BEGIN");
        assert_eq!(decoded(""), "");
    }
}
