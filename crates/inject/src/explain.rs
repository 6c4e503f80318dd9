//! Where each value that holds for a pod comes from.

use crate::layers::{Layers, Origin};
use crate::plan;
use crate::pod::Pod;
use crate::report::Report;
use crate::review::Review;
use crate::settings::{DefaultTemplate, Flavour, Gate, Mode, Settings, TokenSource};
use crate::spec::{Ids, Placement, Spec};
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
    // What is wrong with the annotations is for the review to say.
    let spec = Spec::read(review, settings, &pod, &layers, &mut Report::default());
    let injected = Injection { spec, review };
    let mut explained = Vec::new();
    for annotation in vocabulary::all() {
        match annotation.family {
            Family::Single => explained.extend(single(annotation, &layers, settings, &injected)),
            Family::SingleOrSecret => {
                explained.extend(single(annotation, &layers, settings, &injected));
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
    injected: &Injection<'_>,
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
        _ if !injected.uses(annotation) => return None,
        Default::Absent => return None,
        Default::Value(value) => (value.to_owned(), "built-in default".to_owned()),
        Default::Flag { flag, default } => {
            let set = setting(annotation, settings);
            let from = match &set {
                Some(value) if value != default => format!("flag --{flag}"),
                _ => format!("default of the flag --{flag}"),
            };
            let value = injected.value(annotation).or(set);
            (value.unwrap_or_else(|| default.to_owned()), from)
        }
        Default::Described(words) => {
            let value = injected.value(annotation);
            let value = value.unwrap_or_else(|| words.replace('`', ""));
            (value, "built-in default".to_owned())
        }
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

/// What the pod gets, where it follows from more than one annotation or flag.
struct Injection<'a> {
    spec: Spec<'a>,
    review: &'a Review<'a>,
}

impl Injection<'_> {
    /// Whether anything in the pod depends on the annotation's default.
    fn uses(&self, annotation: &'static Annotation) -> bool {
        let agent = &self.spec.agent;
        let is =
            |others: &[&'static Annotation]| others.iter().any(|o| std::ptr::eq(annotation, *o));
        if is(&[&ours::GATE, &ours::WAIT_TIMEOUT]) {
            return matches!(agent.placement, Placement::Native(Some(_)));
        }
        if is(&[
            &ours::REVOKE_AFTER_HANDOVER,
            &ours::SECRETS_SIZE,
            &ours::LOGIN_SPREAD,
        ]) {
            return agent.flavour == Flavour::Leasehold;
        }
        if is(&[&ours::TOKEN_AUDIENCE, &ours::TOKEN_EXPIRATION]) {
            return agent.token.source == TokenSource::Projected;
        }
        true
    }

    /// The value that is injected where no annotation names one; none where the flag's or the table's
    /// default is it.
    fn value(&self, annotation: &'static Annotation) -> Option<String> {
        let Spec {
            agent,
            container,
            engine,
            ..
        } = &self.spec;
        let is = |other: &'static Annotation| std::ptr::eq(annotation, other);
        let is_native = matches!(agent.placement, Placement::Native(_));
        if let Some(amount) = container.amounts.iter().find(|a| is(a.annotation)) {
            return match amount.given {
                Some(given) => Some(given.value.to_owned()),
                None => Some(plan::default_amount(
                    amount.list,
                    amount.resource,
                    &self.spec,
                )),
            };
        }
        if is(&container::RUN_AS_USER) || is(&container::RUN_AS_GROUP) {
            return Some(match container.ids {
                None => "none, as there is no security context".to_owned(),
                Some(Ids::Platform) => "what the platform gives the namespace".to_owned(),
                Some(Ids::Fixed { user, .. }) if is(&container::RUN_AS_USER) => user.to_string(),
                Some(Ids::Fixed { group, .. }) => group.to_string(),
            });
        }
        if is(&container::REVOKE_ON_SHUTDOWN) {
            return Some(container.revocation.asked.unwrap_or(is_native).to_string());
        }
        if is(&switch::IMAGE) {
            return Some(agent.image.clone());
        }
        if is(&switch::INIT_FIRST) {
            return Some(agent.init_first.unwrap_or(is_native).to_string());
        }
        if is(&switch::REQUEST_NAMESPACE) {
            return Some(self.review.namespace.to_owned());
        }
        if is(&telemetry::MAX_CONNECTIONS) {
            return Some(engine.max_connections.to_string());
        }
        if is(&telemetry::LEASE_RENEWAL_THRESHOLD) {
            let threshold = engine.lease_renewal_threshold;
            return (threshold > 0.0).then(|| threshold.to_string());
        }
        if is(&ours::FLAVOUR) {
            return Some(match agent.flavour {
                Flavour::Vault => "vault".to_owned(),
                Flavour::Leasehold => "leasehold".to_owned(),
            });
        }
        if is(&ours::MODE) {
            return Some(if is_native { "native" } else { "pair" }.to_owned());
        }
        None
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
    if is(&ours::LOGIN_SPREAD) {
        return Some(format!("{}s", settings.agent_login_spread_seconds));
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
            pod: &pod.to_string(),
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

    /// What is explained as the values of annotations of a pod with these, by full name.
    fn values(annotations: &[(&str, &str)], settings: &Settings) -> BTreeMap<String, String> {
        let mut map = serde_json::Map::new();
        map.insert("vault.hashicorp.com/agent-inject".to_owned(), "true".into());
        for (name, value) in annotations {
            map.insert((*name).to_owned(), (*value).into());
        }
        let pod =
            json!({"metadata": {"annotations": map}, "spec": {"containers": [{"name": "app"}]}});
        let review = Review {
            pod: &pod.to_string(),
            kind: "Pod",
            operation: "CREATE",
            namespace: "shop",
            dry_run: false,
            namespace_defaults: &BTreeMap::new(),
            kube_version: KubeVersion::NEWEST,
            unasked: Unasked::Leave,
        };
        explain(&review, settings)
            .into_iter()
            .map(|e| (e.annotation, e.value))
            .collect()
    }

    #[test]
    fn what_is_told_is_what_is_injected() {
        let value = |values: &BTreeMap<String, String>, name: &str| values.get(name).cloned();
        let check = |annotations: &[(&str, &str)], settings: &Settings, want: &[(&str, &str)]| {
            let values = values(annotations, settings);
            for (name, want) in want {
                assert_eq!(value(&values, name).as_deref(), Some(*want), "{name}");
            }
            values
        };
        let ours = Settings::default();
        check(
            &[("vault.hashicorp.com/secret-volume-path-db", "/db")],
            &ours,
            &[
                (
                    "vault.hashicorp.com/agent-image",
                    "ghcr.io/leasehold/leasehold-agent:0.1.0",
                ),
                ("vault.hashicorp.com/agent-limits-mem", "52Mi"),
                ("vault.hashicorp.com/agent-requests-cpu", "5m"),
                ("vault.hashicorp.com/agent-revoke-on-shutdown", "true"),
                ("vault.hashicorp.com/agent-init-first", "true"),
                ("vault.hashicorp.com/agent-request-namespace", "shop"),
                ("leasehold.dev/agent-flavour", "leasehold"),
                ("leasehold.dev/agent-mode", "native"),
                ("leasehold.dev/agent-gate", "hook"),
            ],
        );
        check(
            &[("leasehold.dev/secrets-size", "64Mi")],
            &ours,
            &[("vault.hashicorp.com/agent-limits-mem", "100Mi")],
        );
        let pair = check(
            &[("leasehold.dev/agent-mode", "pair")],
            &ours,
            &[
                ("vault.hashicorp.com/agent-revoke-on-shutdown", "false"),
                ("vault.hashicorp.com/agent-init-first", "false"),
            ],
        );
        assert_eq!(value(&pair, "leasehold.dev/agent-gate"), None);
        let established = Settings {
            agent_flavour: Some(Flavour::Vault),
            token_source: TokenSource::Pod,
            ..Settings::default()
        };
        let established = check(
            &[],
            &established,
            &[
                ("vault.hashicorp.com/agent-limits-mem", "128Mi"),
                ("vault.hashicorp.com/agent-requests-cpu", "250m"),
                ("leasehold.dev/agent-flavour", "vault"),
                ("leasehold.dev/agent-mode", "pair"),
            ],
        );
        for unused in ["agent-gate", "secrets-size", "token-audience"] {
            assert_eq!(
                value(&established, &format!("leasehold.dev/{unused}")),
                None
            );
        }
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
