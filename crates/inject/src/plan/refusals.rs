//! What our agent's own reader refuses of a configuration, told by the annotations it came from.

use crate::finding::{Code, Finding};
use crate::report::Report;
use crate::vocabulary::{Annotation, login, secrets, switch, telemetry, vault};

/// Notes what the agent will say when it reads this configuration.
pub(super) fn note(configuration: &str, report: &mut Report) {
    let Err(error) = leasehold_config::load([("VAULT_CONFIG", configuration)]) else {
        return;
    };
    for refused in error.findings() {
        if is_told_already(&refused.key) {
            continue;
        }
        let text = format!(
            "our agent will refuse its configuration: `{}` {}",
            refused.key, refused.problem
        );
        let finding = Finding::warning(Code::SuspiciousValue, text);
        report.note(finding.about(annotation_of(&refused.key)));
    }
}

/// Whether a key of the configuration is checked where its annotation is read.
fn is_told_already(key: &str) -> bool {
    let last = key.rsplit('.').next().unwrap_or(key);
    [
        "perms",
        "min_backoff",
        "disable_idle_connections",
        "disable_keep_alives",
        "lease_renewal_threshold",
        "use_auto_auth_token",
    ]
    .contains(&last)
        || last.starts_with("static_secret_render_interval")
}

/// The annotation that brings a key into the configuration.
fn annotation_of(key: &str) -> String {
    let family = |annotation: &Annotation, key: &str| {
        format!("{}-{}", annotation.full_name(), key.replace('_', "-"))
    };
    if let Some(key) = key.strip_prefix("auto_auth.method.config.") {
        return match key {
            "role" => login::ROLE.full_name(),
            key => family(&login::AUTH_CONFIG, key),
        };
    }
    if let Some(key) = key.strip_prefix("telemetry.") {
        return family(&telemetry::TELEMETRY, key);
    }
    let annotation = match key {
        "auto_auth.method.type" => &login::AUTH_TYPE,
        "auto_auth.method.mount_path" => &login::AUTH_PATH,
        "auto_auth.method.max_backoff" => &login::AUTH_MAX_BACKOFF,
        "auto_auth.method.namespace" => &vault::NAMESPACE,
        "vault.address" => &vault::SERVICE,
        "vault.ca_cert" => &vault::CA_CERT,
        "vault.ca_path" => &vault::CA_KEY,
        "vault.client_cert" => &vault::CLIENT_CERT,
        "vault.client_key" => &vault::CLIENT_KEY,
        "vault.tls_server_name" => &vault::TLS_SERVER_NAME,
        "template_config.max_connections_per_host" => &telemetry::MAX_CONNECTIONS,
        key if key.starts_with("listener") => &telemetry::CACHE_PORT,
        key if key.starts_with("cache") => &telemetry::CACHE_ENABLE,
        key if key.starts_with("template") => &secrets::SECRET,
        key if key.starts_with("auto_auth") => &login::AUTH_TYPE,
        _ => &switch::AGENT_INJECT,
    };
    annotation.full_name()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_key_is_told_by_its_annotation() {
        for (key, annotation) in [
            (
                "auto_auth.method.config.role_id_file_path",
                "auth-config-role-id-file-path",
            ),
            ("auto_auth.method.config.role", "role"),
            ("auto_auth.method.type", "auth-type"),
            (
                "telemetry.usage_gauge_period",
                "agent-telemetry-usage-gauge-period",
            ),
            (
                "template_config.max_connections_per_host",
                "template-max-connections-per-host",
            ),
            ("template", "agent-inject-secret"),
        ] {
            assert_eq!(
                annotation_of(key),
                format!("vault.hashicorp.com/{annotation}"),
                "{key}"
            );
        }
    }
}
