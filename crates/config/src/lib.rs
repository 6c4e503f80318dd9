//! Vault Agent's configuration as types: read HCL 1 and JSON, write JSON.
//!
//! This is the contract between the injector, which writes a configuration, and the agent, which
//! reads it. The crate is pure: it has no clock, opens no file, reads no environment. It does not
//! know what templates mean, nor which flags and variables stand before a file's settings; that is
//! the agent's business.
//!
//! Start reading at [`parse`], [`merge`] and [`Parsed::validate`] (all three: [`load`]). Writing:
//! [`to_json`] for a configuration made of types, and [`written::Document`] for the injector,
//! which hands on texts of annotations as they were written.

mod agent_config;
mod auto_auth;
mod command;
pub mod duration;
mod error;
mod foreign;
mod listener;
mod log;
mod method;
mod method_kind;
mod notify;
mod proxy;
mod reading;
mod server;
mod signal;
mod sink;
mod stanza;
mod supervisor;
mod syntax;
mod telemetry;
mod template;
mod template_config;
mod validation;
mod writing;
pub mod written;

pub use agent_config::{AgentConfig, Parsed, Part, load, merge, parse, to_json};
pub use auto_auth::AutoAuth;
pub use command::{ChangeCommand, Command, CommandEnvironment, DEFAULT_COMMAND_TIMEOUT};
pub use error::{ConfigError, Finding, Syntax};
pub use foreign::ForeignLogin;
pub use listener::{
    ClientCertificates, DEFAULT_TCP_ADDRESS, Endpoint, Listener, ListenerRole, ListenerTls,
    SocketOwner, UnixSocket,
};
pub use log::{Log, LogFormat, LogLevel};
pub use method::{DEFAULT_MAX_BACKOFF, DEFAULT_MIN_BACKOFF, Method, MethodConfig};
pub use method_kind::MethodKind;
pub use notify::{
    DEFAULT_NOTIFY_TIMEOUT, LONGEST_SPLAY, LocalRequest, Notify, NotifyError, ProcessSignal,
};
pub use proxy::{ApiProxy, Cache, Consistency, Persist, UseAutoAuthToken, WhenInconsistent};
pub use server::{DEFAULT_NUM_RETRIES, Server};
pub use signal::Signal;
pub use sink::{DEFAULT_SINK_MODE, Sink, SinkEncryption};
pub use stanza::{Leasehold, Login, Mode};
pub use supervisor::{Exec, Restart};
pub use telemetry::{Telemetry, TelemetryKey, TelemetryKind, TelemetryValue};
pub use template::{
    DEFAULT_LEFT_DELIMITER, DEFAULT_RIGHT_DELIMITER, EnvTemplate, Language, Template,
    TemplateSource, Wait,
};
pub use template_config::TemplateConfig;
