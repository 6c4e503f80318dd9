//! The logins that a configuration can name and only Vault's own agent performs.
//!
//! The one list of them: the injector chooses the other agent by it, our agent refuses by it, and a
//! check of a configuration says it.

use std::fmt;

use crate::method::{Method, MethodConfig};
use crate::method_kind::MethodKind;

/// A login that needs Vault's own agent. Its text is the method as a sentence names it, such as
/// ``` `aws` of type `ec2` ```.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ForeignLogin {
    method: &'static str,
    kind: Option<&'static str>,
}

/// Every such login: the method and, where only one of its types is meant, the value of `type`.
const FOREIGN: [(MethodKind, Option<&str>); 6] = [
    (MethodKind::Aws, Some("ec2")),
    (MethodKind::Gcp, Some("iam")),
    (MethodKind::AliCloud, None),
    (MethodKind::CloudFoundry, None),
    (MethodKind::Kerberos, None),
    (MethodKind::Oci, None),
];

impl ForeignLogin {
    /// Every login that needs Vault's own agent.
    pub fn all() -> impl Iterator<Item = Self> {
        FOREIGN.into_iter().map(|(method, kind)| Self {
            method: method.name(),
            kind,
        })
    }

    /// Whether a method with this `config` needs Vault's own agent; `None` when ours performs it.
    #[must_use]
    pub fn of(method: MethodKind, config: &MethodConfig) -> Option<Self> {
        let named = config.get("type").unwrap_or_default();
        FOREIGN
            .into_iter()
            .find(|(foreign, kind)| *foreign == method && kind.is_none_or(|kind| kind == named))
            .map(|(method, kind)| Self {
                method: method.name(),
                kind,
            })
    }
}

impl Method {
    /// Whether the login needs Vault's own agent; `None` when ours performs it.
    #[must_use]
    pub fn foreign(&self) -> Option<ForeignLogin> {
        ForeignLogin::of(self.kind, &self.config)
    }
}

impl fmt::Display for ForeignLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", self.method)?;
        match self.kind {
            Some(kind) => write!(f, " of type `{kind}`"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(method: MethodKind, kind: &str, expected: Option<&str>) {
        let config: MethodConfig = [("type".to_owned(), kind.to_owned())].into_iter().collect();
        let found = ForeignLogin::of(method, &config).map(|login| login.to_string());
        assert_eq!(found.as_deref(), expected, "{} {kind}", method.name());
    }

    #[test]
    fn only_some_types_of_a_cloud_need_the_other_agent() {
        check(MethodKind::Aws, "iam", None);
        check(MethodKind::Aws, "ec2", Some("`aws` of type `ec2`"));
        check(MethodKind::Gcp, "gce", None);
        check(MethodKind::Gcp, "iam", Some("`gcp` of type `iam`"));
        check(MethodKind::Azure, "", None);
        check(MethodKind::Kubernetes, "", None);
        check(MethodKind::Kerberos, "", Some("`kerberos`"));
        check(MethodKind::Oci, "apikey", Some("`oci`"));
    }

    #[test]
    fn the_list_names_each_once() {
        let names: Vec<String> = ForeignLogin::all().map(|login| login.to_string()).collect();
        assert_eq!(names.len(), FOREIGN.len());
        for name in &names {
            assert_eq!(names.iter().filter(|other| *other == name).count(), 1);
        }
    }
}
