//! From the texts of flags and variables to the settings of the injection. What the established injector checks
//! only when it meets a pod stays text; see `leasehold_inject::Settings`.

use leasehold_inject::{
    DefaultTemplate, Flavour, Gate, KubeVersion, Mode, Resources, Settings, Strictness, TokenSource,
};

use crate::flags::{Origin, Parsed, go};

/// Whether a command can do without the address of a Vault server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Address {
    /// The command injects for real: no start without an address.
    Required,
    /// The command only looks at manifests: a placeholder stands in.
    Assumed,
}

/// Why the settings cannot be used. The first line is what the established injector says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// Neither flag nor variable names the Vault server.
    #[error(
        "No Vault service configured\n\
         give the server's address with --vault-address or AGENT_INJECT_VAULT_ADDR, such as https://vault.vault.svc:8200"
    )]
    NoAddress,
    /// The default template is none of the built-in ones.
    #[error("Invalid default flag type: {0}\n--default-template accepts map and json")]
    DefaultTemplate(String),
    /// The Kubernetes version is no version.
    #[error("invalid value {} for -kube-version: write major and minor, such as 1.33", go::quoted(.0))]
    KubeVersion(String),
    /// A duration of ours that counts in whole seconds does not fit.
    #[error("invalid value {} for -{name}: accepted are whole seconds from {least} to {most}", go::quoted(.text))]
    Seconds {
        /// The flag's name.
        name: &'static str,
        /// The value as given.
        text: String,
        /// The smallest accepted number of seconds.
        least: u32,
        /// The largest accepted number of seconds.
        most: u32,
    },
}

/// Stands in for the server's address where a command only looks at manifests.
const ASSUMED_ADDRESS: &str = "https://vault.vault.svc:8200";

/// Reads the settings of the injection.
///
/// # Errors
/// In the order of the established injector: the address, then the default template, then ours.
pub fn injection(parsed: &Parsed, address: Address) -> Result<Settings, SettingsError> {
    let vault_address = match (parsed.text("vault-address"), address) {
        ("", Address::Required) => return Err(SettingsError::NoAddress),
        ("", Address::Assumed) => ASSUMED_ADDRESS.to_owned(),
        (text, _) => text.to_owned(),
    };
    let default_template = match parsed.text("default-template") {
        "map" => DefaultTemplate::Map,
        "json" => DefaultTemplate::Json,
        other => return Err(SettingsError::DefaultTemplate(other.to_owned())),
    };
    let given = |name: &str| {
        (*parsed.origin(name) != Origin::Default).then(|| parsed.text(name).to_owned())
    };
    let text = |name: &str| parsed.text(name).to_owned();
    Ok(Settings {
        vault_address,
        vault_image: given("vault-image"),
        vault_auth_type: Some(text("vault-auth-type"))
            .filter(|kind| !kind.is_empty())
            .unwrap_or_else(|| "kubernetes".to_owned()),
        vault_auth_path: text("vault-auth-path"),
        vault_namespace: text("vault-namespace"),
        vault_cacert_bytes: text("vault-cacert-bytes"),
        proxy_address: text("proxy-address"),
        revoke_on_shutdown: given("revoke-on-shutdown")
            .map(|_| parsed.switch("revoke-on-shutdown")),
        run_as_user: given("run-as-user"),
        run_as_group: given("run-as-group"),
        run_as_same_user: parsed.switch("run-as-same-user"),
        set_security_context: parsed.switch("set-security-context"),
        default_template,
        resources: Resources {
            limits_cpu: given("cpu-limit"),
            limits_memory: given("memory-limit"),
            limits_ephemeral: given("ephemeral-storage-limit"),
            requests_cpu: given("cpu-request"),
            requests_memory: given("memory-request"),
            requests_ephemeral: given("ephemeral-storage-request"),
        },
        auth_min_backoff: text("auth-min-backoff"),
        auth_max_backoff: text("auth-max-backoff"),
        disable_idle_connections: text("disable-idle-connections"),
        disable_keep_alives: text("disable-keep-alives"),
        template_exit_on_retry_failure: parsed.switch("template-config-exit-on-retry-failure"),
        template_static_secret_render_interval: text("template-static-secret-render-interval"),
        template_max_connections_per_host: go::integer(
            parsed.text("template-max-connections-per-host"),
        )
        .unwrap_or_default(),
        template_lease_renewal_threshold: go::float(
            parsed.text("template-lease-renewal-threshold"),
        )
        .unwrap_or_default(),
        agent_flavour: match parsed.text("agent-flavour") {
            "leasehold" => Some(Flavour::Leasehold),
            "vault" => Some(Flavour::Vault),
            _ => None,
        },
        agent_mode: match parsed.text("agent-mode") {
            "native" => Mode::Native,
            "pair" => Mode::Pair,
            _ => Mode::Auto,
        },
        agent_gate: match parsed.text("agent-gate") {
            "probe" => Gate::Probe,
            _ => Gate::Hook,
        },
        agent_wait_seconds: seconds(parsed, "agent-wait-timeout", 1, 3_600)?,
        agent_login_spread_seconds: seconds(parsed, "agent-login-spread", 0, 3_600)?,
        token_source: match parsed.text("token-source") {
            "pod" => TokenSource::Pod,
            _ => TokenSource::Projected,
        },
        token_audience: text("token-audience"),
        token_expiration_seconds: seconds(parsed, "token-expiration", 600, 86_400)?,
        locked_annotations: parsed.list("locked-annotations").into_iter().collect(),
        strictness: if parsed.switch("strict") {
            Strictness::Strict
        } else {
            Strictness::Lenient
        },
    })
}

/// Settings that will deny every pod which does not override them, as sentences for the log. The established injector
/// starts with them too, so they do not stop the start.
#[must_use]
pub fn doubtful(settings: &Settings) -> Vec<String> {
    let mut sentences = Vec::new();
    for (flag, value) in [
        ("run-as-user", &settings.run_as_user),
        ("run-as-group", &settings.run_as_group),
    ] {
        if let Some(text) = value.as_ref().filter(|text| !text.is_empty())
            && go::integer(text).is_err()
        {
            let quoted = go::quoted(text);
            sentences.push(format!(
                "--{flag} is {quoted}, which is no number: every pod will be denied"
            ));
        }
    }
    if settings.vault_auth_path.is_empty() {
        sentences.push("--vault-auth-path is empty: every pod will be denied".to_owned());
    }
    sentences
}

/// The version of the API server that was given, if any.
///
/// # Errors
/// A text that does not begin with two numbers.
pub fn kube_version(parsed: &Parsed) -> Result<Option<KubeVersion>, SettingsError> {
    match parsed.text("kube-version") {
        "" => Ok(None),
        text => parse_kube_version(text)
            .map(Some)
            .ok_or_else(|| SettingsError::KubeVersion(text.to_owned())),
    }
}

/// Reads `1.33`, `v1.33.2-eks-1` or `1.33+`, as API servers and people write them.
#[must_use]
pub fn parse_kube_version(text: &str) -> Option<KubeVersion> {
    let mut parts = text.trim_start_matches('v').split('.');
    let major = parts.next()?.parse().ok()?;
    let minor = parts.next()?;
    let digits = minor.len()
        - minor
            .trim_start_matches(|digit: char| digit.is_ascii_digit())
            .len();
    let minor = minor.get(..digits)?.parse().ok()?;
    Some(KubeVersion { major, minor })
}

fn seconds(
    parsed: &Parsed,
    name: &'static str,
    least: u32,
    most: u32,
) -> Result<u32, SettingsError> {
    let text = parsed.text(name);
    go::duration(text)
        .ok()
        .filter(|duration| duration.subsec_nanos() == 0)
        .and_then(|duration| u32::try_from(duration.as_secs()).ok())
        .filter(|seconds| (least..=most).contains(seconds))
        .ok_or_else(|| SettingsError::Seconds {
            name,
            text: text.to_owned(),
            least,
            most,
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flags::{Program, parse};

    fn parsed(program: Program, words: &[&str], variables: &[(&str, &str)]) -> Parsed {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        parse(program, &words, &|name| {
            variables
                .iter()
                .find(|(variable, _)| *variable == name)
                .map(|(_, value)| (*value).to_owned())
        })
        .unwrap()
    }

    #[test]
    fn serve_without_flags_has_the_defaults_of_the_injection() {
        let settings = injection(
            &parsed(Program::Serve, &["-vault-address=http://v"], &[]),
            Address::Required,
        );
        let expected = Settings {
            vault_address: "http://v".to_owned(),
            ..Settings::default()
        };
        assert_eq!(settings, Ok(expected));
    }

    #[test]
    fn agent_inject_takes_the_pods_token_as_the_established_injector_does() {
        let flags = parsed(Program::AgentInject, &["-vault-address=http://v"], &[]);
        let settings = injection(&flags, Address::Required).unwrap();
        assert_eq!(settings.token_source, TokenSource::Pod);
    }

    #[test]
    fn an_empty_flag_differs_from_no_flag_and_an_empty_variable_is_none() {
        let flags = parsed(
            Program::Serve,
            &["-vault-address=http://v", "-cpu-limit="],
            &[
                ("AGENT_INJECT_CPU_REQUEST", ""),
                ("AGENT_INJECT_MEM_LIMIT", "1Gi"),
            ],
        );
        let resources = injection(&flags, Address::Required).unwrap().resources;
        assert_eq!(resources.limits_cpu.as_deref(), Some(""));
        assert_eq!(resources.requests_cpu, None);
        assert_eq!(resources.limits_memory.as_deref(), Some("1Gi"));
    }

    #[test]
    fn kubernetes_versions_are_read_as_servers_and_people_write_them() {
        let check = |text: &str, expected: Option<(u32, u32)>| {
            let version = parse_kube_version(text).map(|version| (version.major, version.minor));
            assert_eq!(version, expected, "{text}");
        };
        check("1.33", Some((1, 33)));
        check("v1.29.4-eks-036c24b", Some((1, 29)));
        check("1.30+", Some((1, 30)));
        check("1", None);
        check("latest", None);
    }

    #[test]
    fn settings_that_deny_every_pod_are_told_at_the_start() {
        let flags = parsed(
            Program::Serve,
            &[
                "-vault-address=http://v",
                "-run-as-user=root",
                "-vault-auth-path=",
            ],
            &[],
        );
        let sentences = doubtful(&injection(&flags, Address::Required).unwrap());
        assert_eq!(sentences.len(), 2);
        assert!(
            sentences[0].contains("--run-as-user is \"root\""),
            "{sentences:?}"
        );
        assert!(doubtful(&Settings::default()).is_empty());
    }

    #[test]
    fn a_token_may_not_live_shorter_than_the_api_server_allows() {
        let flags = parsed(
            Program::Serve,
            &["-vault-address=http://v", "-token-expiration=5m"],
            &[],
        );
        let message = injection(&flags, Address::Required)
            .unwrap_err()
            .to_string();
        assert!(
            message.contains("-token-expiration") && message.contains("600"),
            "{message}"
        );
    }
}
