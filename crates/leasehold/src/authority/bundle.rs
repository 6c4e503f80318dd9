//! The caBundle of webhook configurations: read from them, written to them by server-side apply with a body of names
//! and bundle only, so that everything else stays with whoever rendered it.

use k8s_openapi::ByteString;
use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingWebhookConfiguration, WebhookClientConfig,
};
use kube::Client;
use kube::api::{Api, Patch, PatchParams};
use serde_json::json;

/// Owner of the caBundle fields in the API server's books.
pub const FIELD_MANAGER: &str = "leasehold";

/// Which kind of webhook configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// MutatingWebhookConfiguration.
    Mutating,
    /// ValidatingWebhookConfiguration.
    Validating,
}

/// What certificates in a bundle mean that are not ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Others {
    /// Somebody edited it.
    Refused,
    /// Another replica serves under them, of which nothing is known otherwise.
    Tolerated,
}

/// The webhooks of one configuration as last seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// Nothing is known yet.
    Nothing,
    /// The configuration does not exist: nobody calls.
    Absent,
    /// Its webhooks that call a Service, and their bundles.
    Webhooks(Vec<(String, Vec<u8>)>),
}

impl Seen {
    /// Whether every webhook has this bundle. A configuration that does not exist lacks nothing.
    #[must_use]
    pub fn has(&self, bundle: &[u8], others: Others) -> bool {
        match self {
            Self::Nothing => false,
            Self::Absent => true,
            Self::Webhooks(webhooks) => webhooks.iter().all(|(_, have)| match others {
                Others::Refused => have == bundle,
                Others::Tolerated => contains(have, bundle),
            }),
        }
    }

    /// The last certificate of the first bundle: what another program may be serving under.
    #[must_use]
    pub fn last_certificate(&self) -> Option<String> {
        let Self::Webhooks(webhooks) = self else {
            return None;
        };
        let text = webhooks.iter().find_map(|(_, bundle)| {
            std::str::from_utf8(bundle)
                .ok()
                .filter(|text| !text.is_empty())
        })?;
        let start = text.rfind("-----BEGIN CERTIFICATE-----")?;
        let certificate = text.get(start..)?.trim().to_owned();
        x509_parser::pem::parse_x509_pem(certificate.as_bytes())
            .is_ok_and(|(_, pem)| pem.parse_x509().is_ok())
            .then_some(certificate)
    }
}

/// Whether every certificate of `wanted` is in `have`.
fn contains(have: &[u8], wanted: &[u8]) -> bool {
    let (Ok(have), Ok(wanted)) = (std::str::from_utf8(have), std::str::from_utf8(wanted)) else {
        return false;
    };
    wanted
        .split_inclusive("-----END CERTIFICATE-----")
        .all(|one| have.contains(one.trim()))
}

/// What a mutating configuration shows.
#[must_use]
pub fn of_mutating(configuration: &MutatingWebhookConfiguration) -> Seen {
    let webhooks = configuration.webhooks.iter().flatten();
    Seen::Webhooks(
        webhooks
            .filter_map(|webhook| of_webhook(&webhook.name, &webhook.client_config))
            .collect(),
    )
}

/// What a validating configuration shows.
#[must_use]
pub fn of_validating(configuration: &ValidatingWebhookConfiguration) -> Seen {
    let webhooks = configuration.webhooks.iter().flatten();
    Seen::Webhooks(
        webhooks
            .filter_map(|webhook| of_webhook(&webhook.name, &webhook.client_config))
            .collect(),
    )
}

/// Webhooks that call a URL verify it by a bundle which is not ours to write.
fn of_webhook(name: &str, config: &WebhookClientConfig) -> Option<(String, Vec<u8>)> {
    config.service.as_ref()?;
    let bundle = config.ca_bundle.clone().unwrap_or(ByteString(Vec::new()));
    Some((name.to_owned(), bundle.0))
}

/// Reads a configuration.
///
/// # Errors
/// When the API server refuses or does not answer.
pub async fn read(client: &Client, kind: Kind, name: &str) -> Result<Seen, kube::Error> {
    match kind {
        Kind::Mutating => {
            let api: Api<MutatingWebhookConfiguration> = Api::all(client.clone());
            Ok(api
                .get_opt(name)
                .await?
                .as_ref()
                .map_or(Seen::Absent, of_mutating))
        }
        Kind::Validating => {
            let api: Api<ValidatingWebhookConfiguration> = Api::all(client.clone());
            Ok(api
                .get_opt(name)
                .await?
                .as_ref()
                .map_or(Seen::Absent, of_validating))
        }
    }
}

/// Writes the bundle to these webhooks of a configuration and returns what it shows then.
///
/// # Errors
/// When the API server refuses or does not answer.
pub async fn write(
    client: &Client,
    kind: Kind,
    name: &str,
    webhooks: &[(String, Vec<u8>)],
    bundle: &[u8],
) -> Result<Seen, kube::Error> {
    let entries: Vec<_> = webhooks
        .iter()
        .map(|(webhook, _)| json!({"name": webhook, "clientConfig": {"caBundle": ByteString(bundle.to_vec())}}))
        .collect();
    // The field belongs to nobody else by design; a chart that renders it empty must not keep it.
    let parameters = PatchParams::apply(FIELD_MANAGER).force();
    match kind {
        Kind::Mutating => {
            let api: Api<MutatingWebhookConfiguration> = Api::all(client.clone());
            let body = body("MutatingWebhookConfiguration", name, &entries);
            Ok(of_mutating(
                &api.patch(name, &parameters, &Patch::Apply(&body)).await?,
            ))
        }
        Kind::Validating => {
            let api: Api<ValidatingWebhookConfiguration> = Api::all(client.clone());
            let body = body("ValidatingWebhookConfiguration", name, &entries);
            Ok(of_validating(
                &api.patch(name, &parameters, &Patch::Apply(&body)).await?,
            ))
        }
    }
}

fn body(kind: &str, name: &str, entries: &[serde_json::Value]) -> serde_json::Value {
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": kind,
        "metadata": {"name": name},
        "webhooks": entries,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_webhooks_that_call_a_service_count() {
        let configuration: MutatingWebhookConfiguration = serde_json::from_value(json!({
            "metadata": {"name": "x"},
            "webhooks": [
                {"name": "a", "clientConfig": {"service": {"name": "s", "namespace": "n"}, "caBundle": "QQ=="},
                 "sideEffects": "None", "admissionReviewVersions": ["v1"]},
                {"name": "b", "clientConfig": {"url": "https://b"},
                 "sideEffects": "None", "admissionReviewVersions": ["v1"]},
                {"name": "c", "clientConfig": {"service": {"name": "s", "namespace": "n"}},
                 "sideEffects": "None", "admissionReviewVersions": ["v1"]}
            ]
        }))
        .unwrap();
        let seen = of_mutating(&configuration);
        assert_eq!(
            seen,
            Seen::Webhooks(vec![
                ("a".to_owned(), b"A".to_vec()),
                ("c".to_owned(), Vec::new())
            ])
        );
        assert!(!seen.has(b"A", Others::Refused));
        let seen =
            |bundle: &str| Seen::Webhooks(vec![("a".to_owned(), bundle.as_bytes().to_vec())]);
        assert!(seen("ONE\nTWO\n").has(b"TWO\n", Others::Tolerated));
        assert!(!seen("ONE\nTWO\n").has(b"TWO\n", Others::Refused));
        assert!(!seen("ONE\n").has(b"TWO\n", Others::Tolerated));
    }

    #[test]
    fn the_last_certificate_of_a_bundle_is_what_others_may_serve_under() {
        let made = || {
            rcgen::generate_simple_self_signed(vec!["x".to_owned()])
                .unwrap()
                .cert
                .pem()
        };
        let (old, new) = (made(), made());
        let seen = Seen::Webhooks(vec![("a".to_owned(), format!("{old}{new}").into_bytes())]);
        assert_eq!(seen.last_certificate().as_deref(), Some(new.trim()));
        assert_eq!(
            Seen::Webhooks(vec![("a".to_owned(), b"Cg==".to_vec())]).last_certificate(),
            None
        );
        assert_eq!(Seen::Absent.last_certificate(), None);
    }
}
