//! The block `template_config`: what holds for all templates.

use std::time::Duration;

use crate::reading::{Block, Unknown};
use crate::writing::Object;

/// The block `template_config`: what holds for all templates.
#[derive(Debug, Clone, PartialEq)]
pub struct TemplateConfig {
    /// A template error that outlives its retries ends the agent.
    pub exit_on_retry_failure: bool,
    /// The pause between two reads of a secret that has no lease.
    pub static_secret_render_interval: Duration,
    /// At most so many connections to one server.
    pub max_connections_per_host: u32,
    /// The share of a lease after which a secret that cannot be renewed is read again.
    pub lease_renewal_threshold: f64,
}

impl Default for TemplateConfig {
    fn default() -> Self {
        Self {
            exit_on_retry_failure: false,
            static_secret_render_interval: Duration::from_secs(300),
            max_connections_per_host: 10,
            lease_renewal_threshold: 0.9,
        }
    }
}

impl TemplateConfig {
    pub(crate) fn read(block: &Block<'_>) -> Self {
        let default = Self::default();
        let config = Self {
            exit_on_retry_failure: block.flag("exit_on_retry_failure").unwrap_or_default(),
            static_secret_render_interval: block
                .duration("static_secret_render_interval")
                .filter(|interval| !interval.is_zero())
                .unwrap_or(default.static_secret_render_interval),
            max_connections_per_host: block
                .whole("max_connections_per_host", 0, i64::from(u32::MAX))
                .and_then(|n| u32::try_from(n).ok())
                .filter(|n| *n > 0)
                .unwrap_or(default.max_connections_per_host),
            lease_renewal_threshold: block
                .fraction("lease_renewal_threshold")
                .unwrap_or(default.lease_renewal_threshold),
        };
        block.finish(Unknown::Warned);
        config
    }

    pub(crate) fn write(&self) -> Object {
        let default = Self::default();
        let mut object = Object::default();
        object.put(
            "exit_on_retry_failure",
            self.exit_on_retry_failure.to_string(),
        );
        let interval = self.static_secret_render_interval;
        object.duration(
            "static_secret_render_interval",
            (interval != default.static_secret_render_interval).then_some(interval),
        );
        let connections = self.max_connections_per_host;
        object.number(
            "max_connections_per_host",
            (connections != default.max_connections_per_host).then_some(connections),
        );
        let threshold = self.lease_renewal_threshold;
        object.number(
            "lease_renewal_threshold",
            (threshold.to_bits() != default.lease_renewal_threshold.to_bits()).then_some(threshold),
        );
        object
    }
}
