//! Further logins: secrets that another role, mount, server, namespace or audience reads.

use std::collections::BTreeMap;

use crate::finding::{Code, Finding};
use crate::report::Stage;
use crate::settings::{Flavour, TokenSource};
use crate::spec::{Agent, Container, Reader, Secrets};
use crate::vocabulary::ours;

/// What a secret's login has of its own; none where it is the pod's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct OwnLogin<'a> {
    /// The role.
    pub(crate) role: Option<&'a str>,
    /// The mount of the auth method.
    pub(crate) auth_path: Option<&'a str>,
    /// The server.
    pub(crate) service: Option<&'a str>,
    /// The server's namespace.
    pub(crate) namespace: Option<&'a str>,
    /// The audience of the token; empty for the API server's own.
    pub(crate) audience: Option<&'a str>,
}

/// One further login.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Further<'a> {
    /// Its name: that of the first secret that it reads.
    pub(crate) name: String,
    /// What it has of its own.
    pub(crate) own: OwnLogin<'a>,
    /// The files of the secrets that it reads.
    pub(crate) destinations: Vec<String>,
}

impl<'a> OwnLogin<'a> {
    /// Reads what is said about one secret.
    pub(crate) fn read(reader: &Reader<'_, 'a>, secret: &str) -> Self {
        let text = |annotation| {
            let given = reader.layers().get_for(annotation, secret)?;
            (!given.value.is_empty()).then_some(given.value)
        };
        Self {
            role: text(&ours::SECRET_ROLE),
            auth_path: text(&ours::SECRET_AUTH_PATH),
            service: text(&ours::SECRET_SERVICE),
            namespace: text(&ours::SECRET_NAMESPACE),
            audience: reader
                .layers()
                .get_for(&ours::SECRET_AUDIENCE, secret)
                .map(|g| g.value),
        }
    }

    /// The full name of the first annotation that says so about a secret.
    fn annotation(&self, secret: &str) -> String {
        let annotation = match self {
            Self { role: Some(_), .. } => &ours::SECRET_ROLE,
            Self {
                auth_path: Some(_), ..
            } => &ours::SECRET_AUTH_PATH,
            Self {
                service: Some(_), ..
            } => &ours::SECRET_SERVICE,
            Self {
                namespace: Some(_), ..
            } => &ours::SECRET_NAMESPACE,
            _ => &ours::SECRET_AUDIENCE,
        };
        format!("{}-{secret}", annotation.full_name())
    }
}

/// Groups the secrets by their logins, and denies what cannot have several.
pub(crate) fn read<'a>(
    reader: &mut Reader<'_, 'a>,
    agent: &Agent<'a>,
    container: &Container<'a>,
    secrets: &Secrets<'a>,
) -> Vec<Further<'a>> {
    let mut grouped: BTreeMap<OwnLogin<'a>, Further<'a>> = BTreeMap::new();
    for secret in secrets
        .list
        .iter()
        .filter(|s| s.login != OwnLogin::default())
    {
        grouped
            .entry(secret.login)
            .or_insert_with(|| Further {
                name: secret.raw_name.clone(),
                own: secret.login,
                destinations: Vec::new(),
            })
            .destinations
            .push(secret.destination.clone());
    }
    let mut logins: Vec<Further<'a>> = grouped.into_values().collect();
    logins.sort_by(|a, b| a.name.cmp(&b.name));
    let Some(first) = logins.first() else {
        return logins;
    };
    let obstacle = if agent.flavour == Flavour::Vault {
        Some("Vault's agent has one login")
    } else if container.configmap.is_some() {
        Some("the ConfigMap holds the agent's whole configuration")
    } else if agent.token.source == TokenSource::Pod
        && logins.iter().any(|login| login.own.audience.is_some())
    {
        Some("the pod's own token has one audience; set leasehold.dev/token-source to projected")
    } else {
        None
    };
    if let Some(why) = obstacle {
        let text = format!(
            "the secret {} cannot have a login of its own: {why}",
            first.name
        );
        let finding = Finding::error(Code::Conflict, text).about(first.own.annotation(&first.name));
        reader
            .report
            .deny(Stage::Validate, "a secret has a login of its own", finding);
    }
    logins
}
