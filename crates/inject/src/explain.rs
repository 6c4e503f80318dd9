//! Where each value that holds for a pod comes from.

use crate::layers::{Layers, Origin};
use crate::pod::Pod;
use crate::review::Review;
use crate::settings::{DefaultTemplate, Flavour, Gate, Mode, Settings, TokenSource};
use crate::spec::{LEASEHOLD_IMAGE, flavour};
use crate::vocabulary::{
    self, Annotation, Default, Family, container, login, ours, secrets, switch, telemetry, vault,
};

/// One value and its origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explained {
    /// The annotation's full name, as it is written where it is written.
    pub annotation: String,
    /// The value that holds. What a namespace sets is shown here too: `explain` reads manifests of
    /// its own user.
    pub value: String,
    /// Who gave it.
    pub origin: Origin,
    /// The origin in words: an annotation, a flag, or the built-in default.
    pub from: String,
}

/// Explains every annotation that has a value: those which are written, and those with a default.
/// Nothing when the object is no pod.
pub fn explain(review: &Review<'_>, settings: &Settings) -> Vec<Explained> {
    let Ok(pod) = Pod::read(review.pod) else {
        return Vec::new();
    };
    let namespace = review
        .namespace_defaults
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_str()));
    let layers = Layers::new(pod.annotations(), namespace);
    let flavour = flavour(&layers, settings);
    let mut explained = Vec::new();
    for annotation in vocabulary::all() {
        match annotation.family {
            Family::Single => explained.extend(single(annotation, &layers, settings, flavour)),
            Family::SingleOrSecret => {
                explained.extend(single(annotation, &layers, settings, flavour));
                explained.extend(family(annotation, &layers));
            }
            Family::Secret | Family::Key => explained.extend(family(annotation, &layers)),
        }
    }
    explained
}

fn single(
    annotation: &'static Annotation,
    layers: &Layers<'_>,
    settings: &Settings,
    flavour: Flavour,
) -> Option<Explained> {
    if let Some(given) = layers.get(annotation) {
        return Some(Explained {
            annotation: given.key.to_owned(),
            value: given.value.to_owned(),
            origin: given.origin,
            from: in_words(given.origin),
        });
    }
    let (value, from) = match annotation.default {
        Default::Absent => return None,
        Default::Value(value) => (value.to_owned(), "built-in default".to_owned()),
        Default::Flag { flag, default } => match setting(annotation, settings) {
            Some(value) if value != default => (value, format!("flag --{flag}")),
            Some(value) => (value, format!("default of the flag --{flag}")),
            None => {
                let value = own_default(annotation, flavour).unwrap_or(default);
                (value.to_owned(), format!("default of the flag --{flag}"))
            }
        },
        Default::Described(words) => (words.replace('`', ""), "built-in default".to_owned()),
    };
    (!value.is_empty()).then(|| Explained {
        annotation: annotation.full_name(),
        value,
        origin: Origin::Injector,
        from,
    })
}

fn family<'l>(
    annotation: &'static Annotation,
    layers: &'l Layers<'_>,
) -> impl Iterator<Item = Explained> + 'l {
    layers
        .family(annotation)
        // A longer declared name may begin with this one.
        .filter(move |(name, _)| {
            let whole = format!("{}-{name}", annotation.name);
            vocabulary::find(annotation.prefix, &whole)
                .is_some_and(|(found, _)| found == annotation)
        })
        .map(|(_, given)| Explained {
            annotation: given.key.to_owned(),
            value: given.value.to_owned(),
            origin: given.origin,
            from: in_words(given.origin),
        })
}

/// Our agent's default where it is another than the table's, which is the established one.
fn own_default(annotation: &'static Annotation, flavour: Flavour) -> Option<&'static str> {
    let is = |other: &'static Annotation| std::ptr::eq(annotation, other);
    let all: [(&'static Annotation, &'static str); 4] = [
        (&switch::IMAGE, LEASEHOLD_IMAGE),
        (
            &container::LIMITS_MEMORY,
            "36Mi and the size of each memory volume for secrets",
        ),
        (&container::REQUESTS_CPU, "5m"),
        (&container::REQUESTS_MEMORY, "16Mi"),
    ];
    match flavour {
        Flavour::Vault => None,
        Flavour::Leasehold => all.into_iter().find(|(a, _)| is(a)).map(|(_, value)| value),
    }
}

fn in_words(origin: Origin) -> String {
    match origin {
        Origin::Pod => "annotation of the pod",
        Origin::Namespace => "annotation of the namespace",
        Origin::Injector => "injector",
    }
    .to_owned()
}

/// The value of the flag that an annotation's default is, as the settings have it.
fn setting(annotation: &'static Annotation, settings: &Settings) -> Option<String> {
    let resources = &settings.resources;
    let text = |value: &str| Some(value.to_owned());
    let is = |other: &'static Annotation| std::ptr::eq(annotation, other);
    if is(&switch::IMAGE) {
        return settings
            .vault_image
            .clone()
            .filter(|image| !image.is_empty());
    }
    if is(&secrets::DEFAULT_TEMPLATE) {
        return text(match settings.default_template {
            DefaultTemplate::Map => "map",
            DefaultTemplate::Json => "json",
        });
    }
    let texts: [(&'static Annotation, &String); 9] = [
        (&vault::SERVICE, &settings.vault_address),
        (&vault::NAMESPACE, &settings.vault_namespace),
        (&vault::PROXY_ADDRESS, &settings.proxy_address),
        (&login::AUTH_TYPE, &settings.vault_auth_type),
        (&login::AUTH_PATH, &settings.vault_auth_path),
        (&login::AUTH_MIN_BACKOFF, &settings.auth_min_backoff),
        (&login::AUTH_MAX_BACKOFF, &settings.auth_max_backoff),
        (
            &telemetry::RENDER_INTERVAL,
            &settings.template_static_secret_render_interval,
        ),
        (&ours::TOKEN_AUDIENCE, &settings.token_audience),
    ];
    if let Some((_, value)) = texts.into_iter().find(|(a, _)| is(a)) {
        return text(value);
    }
    let optional: [(&'static Annotation, &Option<String>); 8] = [
        (&container::LIMITS_CPU, &resources.limits_cpu),
        (&container::LIMITS_MEMORY, &resources.limits_memory),
        (&container::LIMITS_EPHEMERAL, &resources.limits_ephemeral),
        (&container::REQUESTS_CPU, &resources.requests_cpu),
        (&container::REQUESTS_MEMORY, &resources.requests_memory),
        (
            &container::REQUESTS_EPHEMERAL,
            &resources.requests_ephemeral,
        ),
        (&container::RUN_AS_USER, &settings.run_as_user),
        (&container::RUN_AS_GROUP, &settings.run_as_group),
    ];
    if let Some((_, value)) = optional.into_iter().find(|(a, _)| is(a)) {
        return value.clone();
    }
    let flags: [(&'static Annotation, bool); 3] = [
        (&container::RUN_AS_SAME_USER, settings.run_as_same_user),
        (
            &container::SET_SECURITY_CONTEXT,
            settings.set_security_context,
        ),
        (
            &telemetry::EXIT_ON_RETRY_FAILURE,
            settings.template_exit_on_retry_failure,
        ),
    ];
    if let Some((_, value)) = flags.into_iter().find(|(a, _)| is(a)) {
        return Some(value.to_string());
    }
    let lists: [(&'static Annotation, &String); 2] = [
        (
            &telemetry::DISABLE_IDLE_CONNECTIONS,
            &settings.disable_idle_connections,
        ),
        (
            &telemetry::DISABLE_KEEP_ALIVES,
            &settings.disable_keep_alives,
        ),
    ];
    if let Some((_, value)) = lists.into_iter().find(|(a, _)| is(a)) {
        return text(value);
    }
    if is(&container::REVOKE_ON_SHUTDOWN) {
        return settings.revoke_on_shutdown.map(|value| value.to_string());
    }
    if is(&ours::MODE) {
        return text(match settings.agent_mode {
            Mode::Auto => "auto",
            Mode::Native => "native",
            Mode::Pair => "pair",
        });
    }
    if is(&ours::GATE) {
        return text(match settings.agent_gate {
            Gate::Hook => "hook",
            Gate::Probe => "probe",
        });
    }
    if is(&ours::TOKEN_SOURCE) {
        return text(match settings.token_source {
            TokenSource::Projected => "projected",
            TokenSource::Pod => "pod",
        });
    }
    if is(&ours::WAIT_TIMEOUT) {
        return Some(format!("{}s", settings.agent_wait_seconds));
    }
    if is(&ours::TOKEN_EXPIRATION) {
        return Some(match settings.token_expiration_seconds {
            600 => "10m".to_owned(),
            seconds => format!("{seconds}s"),
        });
    }
    None
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;
    use crate::review::Unasked;
    use crate::settings::KubeVersion;

    fn explained(name: &str) -> Option<(String, Origin, String)> {
        let pod = json!({"metadata": {"annotations": {
            "vault.hashicorp.com/agent-inject": "true",
            "vault.hashicorp.com/agent-inject-secret-db": "kv/data/db",
            "vault.hashicorp.com/agent-inject-template-file-db": "/t",
        }}});
        let namespace = BTreeMap::from([("vault.hashicorp.com/role".to_owned(), "web".to_owned())]);
        let review = Review {
            pod: &pod,
            kind: "Pod",
            operation: "CREATE",
            namespace: "shop",
            dry_run: false,
            namespace_defaults: &namespace,
            kube_version: KubeVersion::NEWEST,
            unasked: Unasked::Leave,
        };
        let settings = Settings {
            vault_auth_path: "auth/k8s".to_owned(),
            ..Settings::default()
        };
        let mut found: Vec<_> = explain(&review, &settings)
            .into_iter()
            .filter(|e| e.annotation == format!("vault.hashicorp.com/{name}"))
            .collect();
        assert!(found.len() <= 1, "{found:?}");
        found.pop().map(|e| (e.value, e.origin, e.from))
    }

    #[test]
    fn each_value_names_its_origin() {
        for (name, value, origin, from) in [
            ("agent-inject", "true", Origin::Pod, "annotation of the pod"),
            (
                "agent-inject-secret-db",
                "kv/data/db",
                Origin::Pod,
                "annotation of the pod",
            ),
            (
                "agent-inject-template-file-db",
                "/t",
                Origin::Pod,
                "annotation of the pod",
            ),
            (
                "role",
                "web",
                Origin::Namespace,
                "annotation of the namespace",
            ),
            (
                "auth-path",
                "auth/k8s",
                Origin::Injector,
                "flag --vault-auth-path",
            ),
            (
                "auth-type",
                "kubernetes",
                Origin::Injector,
                "default of the flag --vault-auth-type",
            ),
            (
                "secret-volume-path",
                "/vault/secrets",
                Origin::Injector,
                "built-in default",
            ),
        ] {
            assert_eq!(
                explained(name),
                Some((value.to_owned(), origin, from.to_owned())),
                "{name}"
            );
        }
        assert_eq!(explained("tls-secret"), None);
    }

    #[test]
    fn every_default_by_flag_has_a_setting() {
        for annotation in vocabulary::all() {
            if let Default::Flag { flag, default } = annotation.default {
                let known = setting(annotation, &Settings::default());
                assert!(
                    known.is_none_or(|value| value == default),
                    "{flag}: {default:?} in the table, another in the settings"
                );
            }
        }
    }
}
