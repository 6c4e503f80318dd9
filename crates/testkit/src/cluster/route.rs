//! What a request's path and query are about.

use std::collections::HashMap;

use super::store::Place;

/// `/api/VERSION/…` and `/apis/GROUP/VERSION/…`, with the subresource if there is one.
pub(super) fn parse_path(path: &str) -> Option<(Place, Option<String>)> {
    let mut parts = path.split('/').filter(|part| !part.is_empty());
    let (group, version) = match parts.next()? {
        "api" => ("", parts.next()?),
        "apis" => (parts.next()?, parts.next()?),
        _ => return None,
    };
    let rest: Vec<String> = parts.map(decode).collect();
    let rest: Vec<&str> = rest.iter().map(String::as_str).collect();
    let (namespace, resource, name, subresource) = match rest.as_slice() {
        ["namespaces", namespace, resource] if *resource != "status" && *resource != "finalize" => {
            (Some(*namespace), *resource, None, None)
        }
        ["namespaces", namespace, resource, name] => {
            (Some(*namespace), *resource, Some(*name), None)
        }
        ["namespaces", namespace, resource, name, sub] => {
            (Some(*namespace), *resource, Some(*name), Some(*sub))
        }
        [resource] => (None, *resource, None, None),
        [resource, name] => (None, *resource, Some(*name), None),
        [resource, name, sub] => (None, *resource, Some(*name), Some(*sub)),
        _ => return None,
    };
    let place = Place {
        group: group.to_owned(),
        version: version.to_owned(),
        resource: resource.to_owned(),
        namespace: namespace.map(str::to_owned),
        name: name.map(str::to_owned),
    };
    Some((place, subresource.map(str::to_owned)))
}

/// The kind of a resource: its name in the singular, with the capitals that people know.
pub(super) fn kind_of(resource: &str) -> &'static str {
    match resource {
        "configmaps" => "ConfigMap",
        "deployments" => "Deployment",
        "events" => "Event",
        "jobs" => "Job",
        "leases" => "Lease",
        "mutatingwebhookconfigurations" => "MutatingWebhookConfiguration",
        "namespaces" => "Namespace",
        "nodes" => "Node",
        "pods" => "Pod",
        "secrets" => "Secret",
        "serviceaccounts" => "ServiceAccount",
        "services" => "Service",
        "validatingadmissionpolicies" => "ValidatingAdmissionPolicy",
        "validatingadmissionpolicybindings" => "ValidatingAdmissionPolicyBinding",
        "validatingwebhookconfigurations" => "ValidatingWebhookConfiguration",
        _ => "Unknown",
    }
}

/// The parts of a query, decoded.
pub(super) fn parse_query(query: &str) -> HashMap<String, String> {
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            // kube writes a flag without a value, as `&force`.
            (decode(name), decode(value))
        })
        .collect()
}

/// Undoes percent-encoding, and plus signs as forms have them.
fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let hex = tail.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match (first, hex.and_then(|hex| u8::from_str_radix(hex, 16).ok())) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = tail.get(2..).unwrap_or_default();
            }
            (b'+', _) => {
                bytes.push(b' ');
                rest = tail;
            }
            _ => {
                bytes.push(first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
