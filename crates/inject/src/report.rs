//! Collects findings and errors while a pod's annotations are read.
//!
//! Errors are kept in the order in which the established injector checks, so the first one's text
//! begins as its denial would.

use crate::finding::{Code, Finding, Severity};
use crate::go::quote;
use crate::layers::{Given, Origin};
use crate::vocabulary::Kind;

/// How long a summary of findings may get, in bytes.
const SUMMARY_BYTES: usize = 4096;

/// The steps of a review; each has the words that its denials begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Reading the object.
    Read,
    /// Deciding whether the pod asks for injection.
    Switch,
    /// Checking the request's namespace.
    Namespace,
    /// Filling in defaults.
    Defaults,
    /// Reading the annotations.
    Parse,
    /// Checking that the parts make a whole.
    Validate,
    /// Making the patch.
    Patch,
}

impl Stage {
    fn prefix(self) -> &'static str {
        match self {
            Self::Read => "",
            Self::Switch => "error checking if should inject agent: ",
            Self::Namespace => "error with request namespace: ",
            Self::Defaults => "error adding default annotations: ",
            Self::Parse => "error creating new agent sidecar: ",
            Self::Validate => "error validating agent configuration: ",
            Self::Patch => "error creating patch for agent: ",
        }
    }
}

/// Errors and findings of one review.
#[derive(Debug, Default)]
pub(crate) struct Report {
    findings: Vec<Finding>,
    /// The words that the first error's denial begins with.
    first: Option<String>,
}

impl Report {
    /// Notes something.
    pub(crate) fn note(&mut self, finding: Finding) {
        debug_assert!(
            finding.severity != Severity::Error,
            "errors need a stage: {finding}"
        );
        if !self.findings.contains(&finding) {
            self.findings.push(finding);
        }
    }

    /// Notes an error. `recorded` are the established words for it, which may be the finding's.
    pub(crate) fn deny(&mut self, stage: Stage, recorded: &str, finding: Finding) {
        if self.first.is_none() {
            self.first = Some(format!("{}{recorded}", stage.prefix()));
        }
        if !self.findings.contains(&finding) {
            self.findings.push(finding);
        }
    }

    /// Notes a value that its annotation does not accept.
    pub(crate) fn deny_value(
        &mut self,
        stage: Stage,
        recorded: &str,
        given: Given<'_>,
        kind: Kind,
    ) {
        match given.origin {
            // What the platform sets for a namespace is not told to its tenants.
            Origin::Namespace | Origin::Injector => {
                let hidden = recorded.replace(&quote(given.value), "\"…\"");
                let text = format!(
                    "the default that the namespace sets for it is not valid; accepted: {}",
                    kind.accepted()
                );
                self.deny(
                    stage,
                    &hidden,
                    Finding::error(Code::InvalidValue, text).about(given.key),
                );
            }
            Origin::Pod => {
                let text = format!(
                    "the value {} is not valid; accepted: {}",
                    quote(given.value),
                    kind.accepted()
                );
                self.deny(
                    stage,
                    recorded,
                    Finding::error(Code::InvalidValue, text).about(given.key),
                );
            }
        }
    }

    /// Notes a value of a flag that the injector checks only when it is needed.
    pub(crate) fn deny_flag(
        &mut self,
        stage: Stage,
        recorded: &str,
        flag: &str,
        value: &str,
        kind: Kind,
    ) {
        let text = format!(
            "the value {} of the injector's flag is not valid; accepted: {}",
            quote(value),
            kind.accepted()
        );
        let finding = Finding::error(Code::InvalidValue, text).about(format!("--{flag}"));
        self.deny(stage, recorded, finding);
    }

    /// Whether the pod is denied.
    pub(crate) fn is_denied(&self) -> bool {
        self.first.is_some()
    }

    /// The warnings in short, for places where people look: the pod's annotation and the agent's
    /// log.
    pub(crate) fn summary(&self) -> Vec<String> {
        let mut room = SUMMARY_BYTES;
        let mut lines = Vec::new();
        for finding in self
            .findings
            .iter()
            .filter(|f| f.severity == Severity::Warning)
        {
            let line = finding.to_string();
            let Some(rest) = room.checked_sub(line.len()) else {
                break;
            };
            room = rest;
            lines.push(line);
        }
        lines
    }

    /// The whole denial message, if there is an error, and every finding.
    pub(crate) fn finish(self) -> (Option<String>, Vec<Finding>) {
        let message = self.first.map(|first| {
            let mut message = first;
            let errors = self
                .findings
                .iter()
                .filter(|f| f.severity == Severity::Error);
            for (index, error) in errors.enumerate() {
                let text = error.to_string();
                if message.ends_with(&text) {
                    continue;
                }
                message.push_str(if index == 0 { ": " } else { "; also: " });
                message.push_str(&text);
            }
            message
        });
        (message, self.findings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_error_leads_and_all_are_told() {
        let mut report = Report::default();
        let given = Given {
            key: "vault.hashicorp.com/x",
            value: "no",
            origin: Origin::Pod,
        };
        report.deny_value(Stage::Parse, "cannot parse", given, Kind::Boolean);
        report.deny(
            Stage::Validate,
            "no Vault role found",
            Finding::error(Code::MissingValue, "set it").about("vault.hashicorp.com/role"),
        );
        let (message, findings) = report.finish();
        assert_eq!(
            message.as_deref(),
            Some(
                "error creating new agent sidecar: cannot parse: vault.hashicorp.com/x: the value \
                 \"no\" is not valid; accepted: 1, t, T, TRUE, true, True, 0, f, F, FALSE, false, \
                 False; also: vault.hashicorp.com/role: set it"
            )
        );
        assert_eq!(findings.len(), 2);
    }

    #[test]
    fn what_a_namespace_sets_is_not_echoed() {
        let mut report = Report::default();
        let given = Given {
            key: "vault.hashicorp.com/x",
            value: "hush",
            origin: Origin::Namespace,
        };
        report.deny_value(Stage::Parse, "parsing \"hush\": bad", given, Kind::Integer);
        let (message, findings) = report.finish();
        assert!(!message.unwrap().contains("hush"));
        assert!(!format!("{findings:?}").contains("hush"));
    }
}
