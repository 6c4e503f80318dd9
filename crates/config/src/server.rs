//! The `vault` block: where the server is and how it is reached.

use crate::reading::{Block, Unknown};
use crate::writing::Object;

/// Retries when the configuration names none.
pub const DEFAULT_NUM_RETRIES: u32 = 12;

/// The block `vault`. Flags and the environment come before each of its settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// The server's address: `http://`, `https://` or `unix:///path`.
    pub address: Option<String>,
    /// A file with the certificates that are trusted.
    pub ca_cert: Option<String>,
    /// A folder with the certificates that are trusted.
    pub ca_path: Option<String>,
    /// The client's certificate; goes together with `client_key`.
    pub client_cert: Option<String>,
    /// The client's key; goes together with `client_cert`.
    pub client_key: Option<String>,
    /// The name that the server's certificate must carry, in place of the address's host.
    pub tls_server_name: Option<String>,
    /// Accepts any server certificate.
    pub tls_skip_verify: bool,
    /// The namespace of all calls.
    pub namespace: Option<String>,
    /// How often a template's read and a request of an application through the listener are tried again: 12 when
    /// absent or 0 in the file, none for −1.
    pub num_retries: u32,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            address: None,
            ca_cert: None,
            ca_path: None,
            client_cert: None,
            client_key: None,
            tls_server_name: None,
            tls_skip_verify: false,
            namespace: None,
            num_retries: DEFAULT_NUM_RETRIES,
        }
    }
}

impl Server {
    pub(crate) fn read(block: &Block<'_>) -> Self {
        let server = Self {
            address: block.text("address"),
            ca_cert: block.text("ca_cert"),
            ca_path: block.text("ca_path"),
            client_cert: block.text("client_cert"),
            client_key: block.text("client_key"),
            tls_server_name: block.text("tls_server_name"),
            tls_skip_verify: block.flag("tls_skip_verify").unwrap_or_default(),
            namespace: block
                .text("namespace")
                .map(|namespace| namespace.trim_matches('/').to_owned())
                .filter(|namespace| !namespace.is_empty()),
            num_retries: block.block("retry").map_or(DEFAULT_NUM_RETRIES, |retry| {
                let number = retry.whole("num_retries", -1, i64::from(u32::MAX));
                retry.finish(Unknown::Warned);
                match number {
                    None | Some(0) => DEFAULT_NUM_RETRIES,
                    Some(number) => u32::try_from(number).unwrap_or(0),
                }
            }),
        };
        block.finish(Unknown::Warned);
        server
    }

    pub(crate) fn write(&self) -> Object {
        let mut object = Object::default();
        object.some_text("address", self.address.as_deref());
        object.some_text("ca_cert", self.ca_cert.as_deref());
        object.some_text("ca_path", self.ca_path.as_deref());
        object.flag("tls_skip_verify", self.tls_skip_verify);
        object.some_text("client_cert", self.client_cert.as_deref());
        object.some_text("client_key", self.client_key.as_deref());
        object.some_text("tls_server_name", self.tls_server_name.as_deref());
        object.some_text("namespace", self.namespace.as_deref());
        let number = match self.num_retries {
            DEFAULT_NUM_RETRIES => None,
            0 => Some(-1),
            number => Some(i64::from(number)),
        };
        let retry = number.map(|number| {
            let mut retry = Object::default();
            retry.number("num_retries", Some(number));
            retry
        });
        object.object("retry", retry);
        object
    }
}
