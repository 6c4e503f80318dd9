//! The injector's settings: the values of its flags and variables, already read.
//!
//! Where a value comes from (flag, variable) and how its text is spelt is the business of the
//! program. Values that the established injector only checks when it meets a pod stay text here,
//! so that the same pod is denied with the same words.

use std::collections::BTreeSet;

use crate::finding::{Code, Finding};
use crate::go::duration::duration;
use crate::go::quantity::Quantity;
use crate::go::{number, quote};

/// Which agent is put into pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavour {
    /// Our agent, started directly.
    Leasehold,
    /// Vault Agent, started as the established injector does, through a shell.
    Vault,
}

/// How the agent is placed in the pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Native sidecar where every supported kubelet of the cluster knows it, else a pair.
    Auto,
    /// One native sidecar: an init container that is always restarted.
    Native,
    /// An init container and a sidecar.
    Pair,
}

/// Which service account token the agent logs in with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenSource {
    /// A short-lived token of its own, for one audience.
    Projected,
    /// The token that the pod's containers mount.
    Pod,
}

/// What holds the application back until the secrets are there, in native mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    /// A hook of the sidecar that waits.
    Hook,
    /// A startup probe of the sidecar.
    Probe,
}

/// Whether doubtful things deny a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strictness {
    /// They are warnings.
    Lenient,
    /// Templates that cannot be parsed and unknown annotations deny the pod.
    Strict,
}

/// The built-in template for secrets that have a path and no template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DefaultTemplate {
    /// One `key: value` line for each field.
    Map,
    /// The data as JSON.
    Json,
}

/// A version of the API server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct KubeVersion {
    /// The number before the point.
    pub major: u32,
    /// The number after it.
    pub minor: u32,
}

impl KubeVersion {
    /// The newest version that this program knows.
    pub const NEWEST: Self = Self {
        major: 1,
        minor: 36,
    };
}

/// Requests and limits as the flags give them: none leaves the flavour's own default, an empty
/// text takes the default away.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resources {
    /// `--cpu-limit`
    pub limits_cpu: Option<String>,
    /// `--memory-limit`
    pub limits_memory: Option<String>,
    /// `--ephemeral-storage-limit`
    pub limits_ephemeral: Option<String>,
    /// `--cpu-request`
    pub requests_cpu: Option<String>,
    /// `--memory-request`
    pub requests_memory: Option<String>,
    /// `--ephemeral-storage-request`
    pub requests_ephemeral: Option<String>,
}

/// Everything that the injector's flags and variables decide about pods.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// `--vault-address`: where the server is, default of `service`.
    pub vault_address: String,
    /// `--vault-image`: the agent's image; none or empty means the flavour's own.
    pub vault_image: Option<String>,
    /// `--vault-auth-type`
    pub vault_auth_type: String,
    /// `--vault-auth-path`; an empty one denies every pod.
    pub vault_auth_path: String,
    /// `--vault-namespace`
    pub vault_namespace: String,
    /// `--vault-cacert-bytes`: a PEM text, or its base64.
    pub vault_cacert_bytes: String,
    /// `--proxy-address`
    pub proxy_address: String,
    /// `--revoke-on-shutdown`; none when neither flag nor variable says anything.
    pub revoke_on_shutdown: Option<bool>,
    /// `--run-as-user`, a number; none or empty means the flavour's own.
    pub run_as_user: Option<String>,
    /// `--run-as-group`, a number; none or empty means the flavour's own.
    pub run_as_group: Option<String>,
    /// `--run-as-same-user`
    pub run_as_same_user: bool,
    /// `--set-security-context`
    pub set_security_context: bool,
    /// `--default-template`
    pub default_template: DefaultTemplate,
    /// The six flags for requests and limits.
    pub resources: Resources,
    /// `--auth-min-backoff`, a duration as Go writes it, or empty.
    pub auth_min_backoff: String,
    /// `--auth-max-backoff`, a duration as Go writes it, or empty.
    pub auth_max_backoff: String,
    /// `--disable-idle-connections`, a comma list.
    pub disable_idle_connections: String,
    /// `--disable-keep-alives`, a comma list.
    pub disable_keep_alives: String,
    /// `--template-config-exit-on-retry-failure`
    pub template_exit_on_retry_failure: bool,
    /// `--template-static-secret-render-interval`, as written, or empty.
    pub template_static_secret_render_interval: String,
    /// `AGENT_INJECT_TEMPLATE_MAX_CONNECTIONS_PER_HOST`
    pub template_max_connections_per_host: i64,
    /// `AGENT_INJECT_TEMPLATE_LEASE_RENEWAL_THRESHOLD`, 0 when unset.
    pub template_lease_renewal_threshold: f64,

    /// `--agent-flavour`; none means: told from the image.
    pub agent_flavour: Option<Flavour>,
    /// `--agent-mode`
    pub agent_mode: Mode,
    /// `--agent-gate`
    pub agent_gate: Gate,
    /// `--agent-wait-timeout`, in seconds: how long the gate's hook waits for the first files.
    pub agent_wait_seconds: u32,
    /// `--agent-login-spread`, in seconds: the first login comes at a random moment below it.
    pub agent_login_spread_seconds: u32,
    /// `--token-source`
    pub token_source: TokenSource,
    /// `--token-audience`; empty means the API server's own audience.
    pub token_audience: String,
    /// `--token-expiration`, in seconds.
    pub token_expiration_seconds: u32,
    /// `--locked-annotations`: names without prefix that pods may not set.
    pub locked_annotations: BTreeSet<String>,
    /// `--strict`
    pub strictness: Strictness,
}

impl Settings {
    /// What of the settings will deny every pod, or is probably not meant: for the start of the
    /// program, as the established injector tells it only to the owners of pods.
    pub fn findings(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        let mut add = |flag: &str, text: String| {
            let finding = Finding::warning(Code::InvalidValue, text);
            findings.push(finding.about(format!("--{flag}")));
        };
        if self.vault_auth_path.is_empty() {
            add(
                "vault-auth-path",
                "it is empty, which denies every pod: give it one, such as auth/kubernetes"
                    .to_owned(),
            );
        }
        let resources = &self.resources;
        for (flag, value) in [
            ("cpu-limit", &resources.limits_cpu),
            ("memory-limit", &resources.limits_memory),
            ("ephemeral-storage-limit", &resources.limits_ephemeral),
            ("cpu-request", &resources.requests_cpu),
            ("memory-request", &resources.requests_memory),
            ("ephemeral-storage-request", &resources.requests_ephemeral),
        ] {
            let Some(value) = value.as_deref().filter(|value| !value.is_empty()) else {
                continue;
            };
            if Quantity::parse(value).is_err() {
                let value = quote(value);
                add(flag, format!("{value} is no amount such as 64Mi"));
            }
        }
        for (flag, value) in [
            ("run-as-user", &self.run_as_user),
            ("run-as-group", &self.run_as_group),
        ] {
            let Some(value) = value.as_deref() else {
                continue;
            };
            if number::integer(value).is_err() {
                add(flag, format!("{} is no number", quote(value)));
            }
        }
        let backoffs = (
            duration(&self.auth_min_backoff),
            duration(&self.auth_max_backoff),
        );
        if let (Ok(shortest), Ok(longest)) = backoffs
            && shortest >= longest
        {
            let longest = quote(&self.auth_max_backoff);
            add(
                "auth-min-backoff",
                format!("it is not below --auth-max-backoff {longest}"),
            );
        }
        findings
    }
}

impl Default for Settings {
    /// The defaults of `leasehold serve`.
    fn default() -> Self {
        Self {
            vault_address: String::new(),
            vault_image: None,
            vault_auth_type: "kubernetes".to_owned(),
            vault_auth_path: "auth/kubernetes".to_owned(),
            vault_namespace: String::new(),
            vault_cacert_bytes: String::new(),
            proxy_address: String::new(),
            revoke_on_shutdown: None,
            run_as_user: None,
            run_as_group: None,
            run_as_same_user: false,
            set_security_context: true,
            default_template: DefaultTemplate::Map,
            resources: Resources::default(),
            auth_min_backoff: String::new(),
            auth_max_backoff: String::new(),
            disable_idle_connections: String::new(),
            disable_keep_alives: String::new(),
            template_exit_on_retry_failure: true,
            template_static_secret_render_interval: String::new(),
            template_max_connections_per_host: 0,
            template_lease_renewal_threshold: 0.0,
            agent_flavour: None,
            agent_mode: Mode::Auto,
            agent_gate: Gate::Hook,
            agent_wait_seconds: 10,
            agent_login_spread_seconds: 0,
            token_source: TokenSource::Projected,
            token_audience: "vault".to_owned(),
            token_expiration_seconds: 600,
            locked_annotations: BTreeSet::new(),
            strictness: Strictness::Lenient,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_deny_every_pod_are_told_at_the_start() {
        assert_eq!(Settings::default().findings(), []);
        let settings = Settings {
            vault_auth_path: String::new(),
            run_as_user: Some("vault".to_owned()),
            resources: Resources {
                limits_cpu: Some("half".to_owned()),
                ..Resources::default()
            },
            auth_min_backoff: "5m".to_owned(),
            auth_max_backoff: "1m".to_owned(),
            ..Settings::default()
        };
        let told: Vec<String> = settings.findings().iter().map(Finding::to_string).collect();
        for flag in [
            "vault-auth-path",
            "run-as-user",
            "cpu-limit",
            "auth-min-backoff",
        ] {
            assert!(
                told.iter().any(|t| t.starts_with(&format!("--{flag}: "))),
                "{flag}: {told:?}"
            );
        }
        assert_eq!(told.len(), 4);
    }
}
