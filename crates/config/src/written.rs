//! The configuration as the injector writes it: texts of annotations as they stand, in the key
//! order of the established injector, each left out under the same conditions.
//!
//! Annotations are checked less strictly than a configuration is read, and what an agent of
//! another make gets must be what was annotated. So nothing here is interpreted. To learn whether
//! an agent will accept it, read the result with [`crate::load`].

use crate::method::MethodConfig;
use crate::stanza::Leasehold;
use crate::telemetry::{TelemetryKey, TelemetryValue};
use crate::writing::Object;

/// A whole configuration to write. Empty texts and lists are left out, unless said otherwise.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Document {
    /// `auto_auth.method`
    pub method: Method,
    /// The paths of the token files, in order (`auto_auth.sink`).
    pub sink_paths: Vec<String>,
    /// `exit_after_auth`; always written.
    pub exit_after_auth: bool,
    /// `pid_file`; always written.
    pub pid_file: String,
    /// `vault`; always written.
    pub vault: Vault,
    /// `template`
    pub templates: Vec<Template>,
    /// `listener`: at most one, on TCP without TLS.
    pub listener: Option<Listener>,
    /// `cache`; written even when nothing is in it.
    pub cache: Option<Cache>,
    /// `template_config`; always written.
    pub template_config: TemplateConfig,
    /// `disable_idle_connections`
    pub disable_idle_connections: Vec<String>,
    /// `disable_keep_alives`
    pub disable_keep_alives: Vec<String>,
    /// `telemetry`; zero values are left out, an empty block is not.
    pub telemetry: Option<Vec<(TelemetryKey, TelemetryValue)>>,
    /// `leasehold`: only for our own agent.
    pub leasehold: Option<Leasehold>,
}

/// `auto_auth.method`
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Method {
    /// `type`; always written.
    pub kind: String,
    /// `mount_path`
    pub mount_path: String,
    /// `min_backoff`
    pub min_backoff: String,
    /// `max_backoff`
    pub max_backoff: String,
    /// `namespace`
    pub namespace: String,
    /// `config`, written with its keys sorted.
    pub config: MethodConfig,
    /// `exit_on_err`, left out when false.
    pub exit_on_err: bool,
}

/// `vault`
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Vault {
    /// `address`; always written.
    pub address: String,
    /// `ca_cert`
    pub ca_cert: String,
    /// `ca_path`
    pub ca_path: String,
    /// `tls_skip_verify`, left out when false.
    pub tls_skip_verify: bool,
    /// `client_cert`
    pub client_cert: String,
    /// `client_key`
    pub client_key: String,
    /// `tls_server_name`
    pub tls_server_name: String,
}

/// One `template`
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Template {
    /// `destination`; always written.
    pub destination: String,
    /// `contents`
    pub contents: String,
    /// `left_delimiter`; always written.
    pub left_delimiter: String,
    /// `right_delimiter`; always written.
    pub right_delimiter: String,
    /// `command`
    pub command: String,
    /// `source`
    pub source: String,
    /// `perms`
    pub perms: String,
    /// `error_on_missing_key`, left out when false.
    pub error_on_missing_key: bool,
}

/// The `listener`
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listener {
    /// `address`; always written.
    pub address: String,
    /// `agent_api.enable_quit`; the block is left out when false.
    pub enable_quit: bool,
    /// `require_request_header`, left out when false.
    pub require_request_header: bool,
}

/// `cache`
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cache {
    /// `use_auto_auth_token`, which is a text.
    pub use_auto_auth_token: String,
    /// `persist`, of type `kubernetes`.
    pub persist: Option<Persist>,
}

/// `cache.persist`
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Persist {
    /// `path`; always written.
    pub path: String,
    /// `exit_on_err`, left out when false.
    pub exit_on_err: bool,
}

/// `template_config`
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TemplateConfig {
    /// `exit_on_retry_failure`; always written.
    pub exit_on_retry_failure: bool,
    /// `static_secret_render_interval`
    pub static_secret_render_interval: String,
    /// `max_connections_per_host`, left out when zero.
    pub max_connections_per_host: i64,
    /// `lease_renewal_threshold`, left out when zero or not finite (JSON has no such numbers).
    pub lease_renewal_threshold: f64,
}

impl Document {
    /// The document as one line of JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut object = Object::default();
        let mut auto_auth = Object::default();
        auto_auth.object("method", Some(self.method.write()));
        auto_auth.objects("sink", self.sink_paths.iter().map(|path| sink(path)));
        object.object("auto_auth", Some(auto_auth));
        object.put("exit_after_auth", self.exit_after_auth.to_string());
        object.text("pid_file", &self.pid_file);
        object.object("vault", Some(self.vault.write()));
        object.objects("template", self.templates.iter().map(Template::write));
        object.objects("listener", self.listener.iter().map(Listener::write));
        object.object("cache", self.cache.as_ref().map(Cache::write));
        object.object("template_config", Some(self.template_config.write()));
        object.texts("disable_idle_connections", &self.disable_idle_connections);
        object.texts("disable_keep_alives", &self.disable_keep_alives);
        object.object("telemetry", self.telemetry.as_deref().map(telemetry));
        object.object("leasehold", self.leasehold.as_ref().map(Leasehold::write));
        object.finish()
    }
}

impl Method {
    fn write(&self) -> Object {
        let mut object = Object::default();
        object.text("type", &self.kind);
        object.some_text("mount_path", Some(&self.mount_path));
        object.some_text("min_backoff", Some(&self.min_backoff));
        object.some_text("max_backoff", Some(&self.max_backoff));
        object.some_text("namespace", Some(&self.namespace));
        object.map("config", &self.config.sorted());
        object.flag("exit_on_err", self.exit_on_err);
        object
    }
}

impl Vault {
    fn write(&self) -> Object {
        let mut object = Object::default();
        object.text("address", &self.address);
        object.some_text("ca_cert", Some(&self.ca_cert));
        object.some_text("ca_path", Some(&self.ca_path));
        object.flag("tls_skip_verify", self.tls_skip_verify);
        object.some_text("client_cert", Some(&self.client_cert));
        object.some_text("client_key", Some(&self.client_key));
        object.some_text("tls_server_name", Some(&self.tls_server_name));
        object
    }
}

impl Template {
    fn write(&self) -> Object {
        let mut object = Object::default();
        object.text("destination", &self.destination);
        object.some_text("contents", Some(&self.contents));
        object.text("left_delimiter", &self.left_delimiter);
        object.text("right_delimiter", &self.right_delimiter);
        object.some_text("command", Some(&self.command));
        object.some_text("source", Some(&self.source));
        object.some_text("perms", Some(&self.perms));
        object.flag("error_on_missing_key", self.error_on_missing_key);
        object
    }
}

impl Listener {
    fn write(&self) -> Object {
        let mut object = Object::default();
        object.text("type", "tcp");
        object.text("address", &self.address);
        object.flag("tls_disable", true);
        object.flag("require_request_header", self.require_request_header);
        if self.enable_quit {
            let mut api = Object::default();
            api.flag("enable_quit", true);
            object.object("agent_api", Some(api));
        }
        object
    }
}

impl Cache {
    fn write(&self) -> Object {
        let mut object = Object::default();
        object.some_text("use_auto_auth_token", Some(&self.use_auto_auth_token));
        let persist = self.persist.as_ref().map(|persist| {
            let mut object = Object::default();
            object.text("type", "kubernetes");
            object.text("path", &persist.path);
            object.flag("exit_on_err", persist.exit_on_err);
            object
        });
        object.object("persist", persist);
        object
    }
}

impl TemplateConfig {
    fn write(&self) -> Object {
        let mut object = Object::default();
        object.put(
            "exit_on_retry_failure",
            self.exit_on_retry_failure.to_string(),
        );
        object.some_text(
            "static_secret_render_interval",
            Some(&self.static_secret_render_interval),
        );
        let connections = self.max_connections_per_host;
        object.number(
            "max_connections_per_host",
            (connections != 0).then_some(connections),
        );
        let threshold = self.lease_renewal_threshold;
        object.number(
            "lease_renewal_threshold",
            (threshold.is_finite() && threshold != 0.0).then_some(threshold),
        );
        object
    }
}

fn sink(path: &str) -> Object {
    let mut config = Object::default();
    config.text("path", path);
    let mut object = Object::default();
    object.text("type", "file");
    object.object("config", Some(config));
    object
}

fn telemetry(settings: &[(TelemetryKey, TelemetryValue)]) -> Object {
    let mut object = Object::default();
    for (key, value) in settings {
        let zero = match value {
            TelemetryValue::Text(text) => text.is_empty(),
            TelemetryValue::Whole(number) => *number == 0,
            TelemetryValue::Switch(flag) => !flag,
            TelemetryValue::List(items) => items.is_empty(),
        };
        if !zero {
            object.put(key.name(), value.write());
        }
    }
    object
}
