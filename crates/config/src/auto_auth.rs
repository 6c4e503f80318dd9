//! The `auto_auth` block: how the agent logs in, and where it puts the token.

use crate::method::Method;
use crate::reading::{Block, Unknown};
use crate::sink::{SINK_KEYS, Sink};
use crate::writing::Object;

/// The block `auto_auth`.
#[derive(Debug, Clone, PartialEq)]
pub struct AutoAuth {
    /// How to log in.
    pub method: Method,
    /// Where each new token goes, in order.
    pub sinks: Vec<Sink>,
    /// Log in anew when the credentials that the method watches change.
    pub enable_reauth_on_new_credentials: bool,
}

impl AutoAuth {
    pub(crate) fn read(block: &Block<'_>) -> Option<Self> {
        let method = Method::read_from(block);
        let sinks = block
            .labelled_blocks("sink", SINK_KEYS)
            .iter()
            .filter_map(Sink::read)
            .collect();
        let enable_reauth_on_new_credentials = block
            .flag("enable_reauth_on_new_credentials")
            .unwrap_or_default();
        block.finish(Unknown::Warned);
        Some(Self {
            method: method?,
            sinks,
            enable_reauth_on_new_credentials,
        })
    }

    pub(crate) fn write(&self) -> Object {
        let mut object = Object::default();
        object.object("method", Some(self.method.write()));
        object.objects("sink", self.sinks.iter().map(Sink::write));
        object.flag(
            "enable_reauth_on_new_credentials",
            self.enable_reauth_on_new_credentials,
        );
        object
    }
}
