//! What a Namespace says about the pods in it: defaults for their annotations, and whether they are injected without
//! asking. Where Namespaces are read from, the server and the offline commands know.

use std::collections::BTreeMap;

use leasehold_inject::{Unasked, vocabulary};

/// The label that asks for the injection of every pod of a Namespace, and its value.
pub const INJECT_LABEL: (&str, &str) = ("leasehold.dev/inject", "enabled");

/// Prefix of the established vocabulary.
pub const STOCK: &str = "vault.hashicorp.com/";
/// Prefix of our own vocabulary.
pub const OURS: &str = "leasehold.dev/";
/// Annotations of OpenShift that decide about user ids.
const OPENSHIFT: &str = "openshift.io/sa.scc.";

/// What a Namespace says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NamespaceFacts {
    /// Its annotations, those that matter to the injection.
    pub annotations: BTreeMap<String, String>,
    /// What happens to pods that say nothing.
    pub unasked: Unasked,
}

impl NamespaceFacts {
    /// Keeps what matters of a Namespace's metadata.
    #[must_use]
    pub fn of(
        mut annotations: BTreeMap<String, String>,
        labels: &BTreeMap<String, String>,
    ) -> Self {
        annotations.retain(|name, _| {
            [STOCK, OURS, OPENSHIFT]
                .iter()
                .chain(&vocabulary::ALIASES)
                .any(|prefix| name.starts_with(prefix))
        });
        let (label, value) = INJECT_LABEL;
        let asks = labels.get(label).is_some_and(|given| given == value);
        Self {
            annotations,
            unasked: if asks {
                Unasked::Inject
            } else {
                Unasked::Leave
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn only_what_matters_to_the_injection_is_kept() {
        let annotations = map(&[
            ("vault.hashicorp.com/role", "a"),
            ("leasehold.dev/token-audience", "b"),
            ("openbao.org/service", "c"),
            ("openshift.io/sa.scc.uid-range", "1000/1000"),
            ("kubectl.kubernetes.io/last-applied-configuration", "{}"),
        ]);
        let facts = NamespaceFacts::of(annotations, &BTreeMap::new());
        assert_eq!(facts.annotations.len(), 4);
        assert_eq!(facts.unasked, Unasked::Leave);
    }

    #[test]
    fn the_label_asks_for_injection_with_exactly_its_value() {
        let unasked = |value| {
            NamespaceFacts::of(BTreeMap::new(), &map(&[("leasehold.dev/inject", value)])).unasked
        };
        assert_eq!(unasked("enabled"), Unasked::Inject);
        assert_eq!(unasked("disabled"), Unasked::Leave);
    }
}
