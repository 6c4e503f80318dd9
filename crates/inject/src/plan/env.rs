//! The variables of the agent's containers.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::pod::Pod;
use crate::settings::Flavour;
use crate::spec::Spec;
use crate::written::{ValueFrom, Variable};

/// Variables of the application that the aws method needs: region and web identity, as vault-k8s hands them on.
const AWS: [&str; 4] = [
    "AWS_DEFAULT_REGION",
    "AWS_REGION",
    "AWS_ROLE_ARN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
];
/// Where EKS' pod identity gives credentials, and the token for it. Its mount is found as that of the web identity is:
/// both paths contain `eks.amazonaws.com`.
const AWS_POD_IDENTITY: [&str; 2] = [
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
];

/// All variables, in the established order. `config` is the agent's configuration in base64, none
/// where a ConfigMap holds it.
pub(super) fn variables<'s>(
    spec: &'s Spec<'_>,
    pod: &'s Pod<'_>,
    config: Option<String>,
) -> Vec<Variable<'s>> {
    let server = &spec.server;
    let mut variables = Vec::with_capacity(8);
    variables.push(from_field("NAMESPACE", "metadata.namespace"));
    variables.push(from_field("HOST_IP", "status.hostIP"));
    variables.push(from_field("POD_IP", "status.podIP"));
    let mut add = |name: &'static str, value: &'s str| {
        if !value.is_empty() {
            variables.push(text(name, value));
        }
    };
    add("GOMAXPROCS", server.go_max_procs);
    add("VAULT_CLIENT_TIMEOUT", server.timeout);
    add("VAULT_MAX_RETRIES", server.max_retries);
    add("VAULT_LOG_LEVEL", spec.container.log_level);
    add("VAULT_LOG_FORMAT", spec.container.log_format);
    if spec.agent.flavour == Flavour::Leasehold && server.address.starts_with("http://") {
        add("HTTP_PROXY", server.proxy);
    }
    add("HTTPS_PROXY", server.proxy);
    add("NO_PROXY", server.no_proxy);
    match config {
        Some(config) => variables.push(text("VAULT_CONFIG", config)),
        None => {
            add("VAULT_ADDR", server.address);
            add("VAULT_CACERT", server.ca_cert);
            add("VAULT_CAPATH", server.ca_path);
            add("VAULT_CLIENT_CERT", server.client_cert);
            add("VAULT_CLIENT_KEY", server.client_key);
            add(
                "VAULT_SKIP_VERIFY",
                if server.tls_skip_verify {
                    "true"
                } else {
                    "false"
                },
            );
            add("VAULT_TLS_SERVER_NAME", server.tls_server_name);
            if spec.agent.flavour == Flavour::Leasehold {
                add("VAULT_NAMESPACE", server.namespace);
            }
        }
    }
    if !server.cacert_bytes.is_empty() {
        variables.push(text("VAULT_CACERT_BYTES", server.cacert_bytes.as_str()));
    }
    if spec.login.method == "aws" {
        variables.extend(aws(spec, pod));
    }
    variables
}

/// The identity variables of the application: of each, the first container's that has it.
fn aws<'s>(spec: &'s Spec<'_>, pod: &'s Pod<'_>) -> Vec<Variable<'s>> {
    let pod_identity: &[&str] = match spec.agent.flavour {
        Flavour::Leasehold => &AWS_POD_IDENTITY,
        Flavour::Vault => &[],
    };
    let names = AWS.iter().chain(pod_identity);
    let mut found: BTreeMap<&str, Variable<'s>> = BTreeMap::new();
    for variable in pod.containers().iter().flat_map(|c| c.env()) {
        let Some(&name) = names.clone().find(|name| **name == variable.name()) else {
            continue;
        };
        found
            .entry(name)
            .or_insert_with(|| match (&variable.value_from, variable.value()) {
                (Some(from), _) => from_somewhere(name, ValueFrom::AsWritten(from)),
                (None, "") => Variable {
                    name,
                    value: None,
                    value_from: None,
                },
                (None, value) => text(name, value),
            });
    }
    let mut variables: Vec<Variable<'s>> = found.into_values().collect();
    if let Some(region) = spec.login.config.get("region") {
        variables.push(text("AWS_REGION", *region));
    }
    variables
}

fn text<'s>(name: &'static str, value: impl Into<Cow<'s, str>>) -> Variable<'s> {
    Variable {
        name,
        value: Some(value.into()),
        value_from: None,
    }
}

fn from_field(name: &'static str, field_path: &'static str) -> Variable<'static> {
    from_somewhere(name, ValueFrom::FieldRef { field_path })
}

fn from_somewhere<'s>(name: &'static str, from: ValueFrom<'s>) -> Variable<'s> {
    Variable {
        name,
        value: None,
        value_from: Some(from),
    }
}
