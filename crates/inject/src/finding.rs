//! What is noticed about a pod's annotations, in words for the person who wrote them.

use std::fmt;

use serde::Serialize;

use crate::template_check::TemplateFault;

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing; nothing needs to change.
    Info,
    /// The pod is injected, but probably not as its author meant.
    Warning,
    /// The pod is denied.
    Error,
}

/// What kind of finding it is: a stable word for filters, dashboards and tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Code {
    /// A value that its annotation does not accept.
    InvalidValue,
    /// A value that is needed and missing.
    MissingValue,
    /// An annotation of ours that does not exist, perhaps misspelt.
    UnknownAnnotation,
    /// Annotations on an object that is not the pod.
    WrongObject,
    /// An annotation that is read but changes nothing here.
    NoEffect,
    /// An empty value that takes away a default of the platform.
    EmptyValue,
    /// A value that the agent or the API server will refuse or misread later.
    SuspiciousValue,
    /// Two annotations that get in each other's way.
    Conflict,
    /// A template that cannot be parsed.
    Template,
    /// A secret path that does not fit its engine.
    SecretPath,
    /// The service account token, its volume or its audience.
    Token,
    /// The agent's image and its flavour.
    Image,
    /// An annotation that the platform has locked.
    Locked,
    /// Names, mounts or containers that the pod already has.
    NameTaken,
    /// Something of the platform: operating system, host network, security rules.
    Platform,
    /// A patch that is accepted although it breaks the standard's rules.
    LaxPatch,
    /// A value that looks like a secret.
    LooksLikeSecret,
    /// The configuration is larger than an environment variable may be.
    TooLarge,
    /// Something about the process's safety that the author should know.
    Security,
}

/// One thing noticed about a pod's annotations.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How much it matters.
    pub severity: Severity,
    /// What kind it is.
    pub code: Code,
    /// The annotation it speaks of, with its full name as written, or the injector's flag with its
    /// dashes, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub annotation: Option<String>,
    /// One or two sentences: what was found and what to write. Ends without a full stop.
    pub text: String,
    /// Where in the annotation's value it is, when the value is a template that does not parse.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<Box<TemplateFault>>,
}

impl Finding {
    /// A finding that denies the pod.
    pub fn error(code: Code, text: impl Into<String>) -> Self {
        Self::new(Severity::Error, code, text.into())
    }

    /// A finding about something that is probably not meant.
    pub fn warning(code: Code, text: impl Into<String>) -> Self {
        Self::new(Severity::Warning, code, text.into())
    }

    /// A finding that only informs.
    pub fn info(code: Code, text: impl Into<String>) -> Self {
        Self::new(Severity::Info, code, text.into())
    }

    /// The same finding, about the annotation with this full name, or about a flag.
    #[must_use]
    pub fn about(mut self, annotation: impl Into<String>) -> Self {
        self.annotation = Some(annotation.into());
        self
    }

    /// The same finding, with its place in a template.
    #[must_use]
    pub(crate) fn at(mut self, fault: Box<TemplateFault>) -> Self {
        self.place = Some(fault);
        self
    }

    fn new(severity: Severity, code: Code, text: String) -> Self {
        Self {
            severity,
            code,
            annotation: None,
            text,
            place: None,
        }
    }
}

/// The annotation's full name comes first, wherever the finding is shown.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.annotation {
            Some(name) if !begins_with(&self.text, name) => write!(f, "{name}: {}", self.text),
            _ => f.write_str(&self.text),
        }
    }
}

/// Whether the text begins with the annotation itself, and not with a longer one that begins like it.
fn begins_with(text: &str, annotation: &str) -> bool {
    let Some(rest) = text.strip_prefix(annotation) else {
        return false;
    };
    let mut rest = rest.chars();
    let goes_on = |next: Option<char>| next.is_some_and(char::is_alphanumeric);
    match rest.next() {
        Some('-' | '_' | '.' | '/') => !goes_on(rest.next()),
        next => !goes_on(next),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_names_its_annotation_once() {
        let check = |text: &str, shown: &str| {
            let finding =
                Finding::warning(Code::UnknownAnnotation, text).about("vault.hashicorp.com/rol");
            assert_eq!(finding.to_string(), shown);
        };
        check(
            "it does nothing",
            "vault.hashicorp.com/rol: it does nothing",
        );
        check(
            "vault.hashicorp.com/rol does nothing",
            "vault.hashicorp.com/rol does nothing",
        );
        check(
            "did you mean vault.hashicorp.com/role?",
            "vault.hashicorp.com/rol: did you mean vault.hashicorp.com/role?",
        );
        check(
            "vault.hashicorp.com/role-x is longer",
            "vault.hashicorp.com/rol: vault.hashicorp.com/role-x is longer",
        );
        check(
            "remove vault.hashicorp.com/rol",
            "vault.hashicorp.com/rol: remove vault.hashicorp.com/rol",
        );
    }
}
