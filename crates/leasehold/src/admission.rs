//! The AdmissionReview on the wire, versions v1 and v1beta1: a question is read once into a type, a verdict is
//! written once into bytes. What the verdict is, `leasehold_inject` decides; how it travels, the server.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use leasehold_inject::{Finding, Outcome, Severity};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// What the API server asks.
#[derive(Debug)]
pub struct Question<'body> {
    /// `apiVersion` as it came; the answer carries the same.
    pub api_version: String,
    /// `kind` as it came.
    pub kind: String,
    /// `request`.
    pub request: Request<'body>,
}

/// The part of `request` that matters to an answer.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Request<'body> {
    /// Echoed in the answer.
    pub uid: String,
    /// What kind of object it is.
    pub kind: ObjectKind,
    /// Namespace of the object; empty for objects without one.
    pub namespace: String,
    /// `CREATE`, `UPDATE`, …
    pub operation: String,
    /// Nothing will be stored.
    pub dry_run: bool,
    #[serde(borrow)]
    object: Option<&'body RawValue>,
}

impl<'body> Request<'body> {
    /// The object's JSON text as it came; empty where there is none.
    #[must_use]
    pub fn object(&self) -> &'body str {
        self.object.map_or("", RawValue::get)
    }
}

/// `request.kind`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct ObjectKind {
    /// API group, empty for the core.
    pub group: String,
    /// The kind's name.
    pub kind: String,
}

/// Why a body is no question. The server maps it to a status; see [`Unreadable::status`].
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// No body at all.
    #[error("Empty request body")]
    Empty,
    /// Not JSON, no JSON object, or fields of a wrong type.
    #[error("error decoding admission request: couldn't get version/kind; json parse error: {0}")]
    Decode(String),
    /// A JSON object without `request`.
    #[error(
        "error decoding admission request: the body has no \"request\"; expected is an AdmissionReview of \
         admission.k8s.io/v1 or v1beta1 that asks something"
    )]
    NoRequest,
    /// A version that we do not speak.
    #[error(
        "error decoding admission request: apiVersion {0:?} is not known; accepted are admission.k8s.io/v1 and \
         admission.k8s.io/v1beta1"
    )]
    Version(String),
    /// Something else than a review.
    #[error("error decoding admission request: kind {0:?} is not AdmissionReview")]
    Kind(String),
}

impl Unreadable {
    /// The HTTP status: 500 where the established injector answers 500, 400 elsewhere.
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self {
            Self::Decode(_) => 500,
            Self::Empty | Self::NoRequest | Self::Version(_) | Self::Kind(_) => 400,
        }
    }
}

#[derive(Deserialize)]
struct Envelope<'body> {
    #[serde(default, rename = "apiVersion")]
    api_version: Option<String>,
    #[serde(default)]
    kind: Option<String>,
    #[serde(default, borrow, deserialize_with = "request")]
    request: Option<Request<'body>>,
}

/// Reads `request`, or a null for none.
fn request<'body, D: Deserializer<'body>>(
    deserializer: D,
) -> Result<Option<Request<'body>>, D::Error> {
    struct Object;

    impl<'body> Visitor<'body> for Object {
        type Value = Option<Request<'body>>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(None)
        }

        fn visit_map<A: MapAccess<'body>>(self, map: A) -> Result<Self::Value, A::Error> {
            Request::deserialize(MapAccessDeserializer::new(map)).map(Some)
        }

        // A derived reader would take a list for a struct.
        fn visit_seq<A: SeqAccess<'body>>(self, _: A) -> Result<Self::Value, A::Error> {
            Err(A::Error::custom("\"request\" is not an object"))
        }
    }

    deserializer.deserialize_any(Object)
}

/// Reads a body.
///
/// # Errors
/// Anything that is not an AdmissionReview with a request, in a version that we speak.
pub fn read(body: &[u8]) -> Result<Question<'_>, Unreadable> {
    let first = body.iter().find(|byte| !byte.is_ascii_whitespace());
    match first {
        None => return Err(Unreadable::Empty),
        // A derived reader would take a list for a struct.
        Some(b'[') => {
            return Err(Unreadable::Decode(
                "expected an object, found a list".to_owned(),
            ));
        }
        Some(_) => {}
    }
    let envelope: Option<Envelope<'_>> =
        serde_json::from_slice(body).map_err(|error| Unreadable::Decode(error.to_string()))?;
    let envelope = envelope.ok_or(Unreadable::NoRequest)?;
    let given = |text: Option<String>, otherwise: &str| {
        text.filter(|text| !text.is_empty())
            .unwrap_or_else(|| otherwise.to_owned())
    };
    let api_version = given(envelope.api_version, "admission.k8s.io/v1");
    let kind = given(envelope.kind, "AdmissionReview");
    let request = envelope.request.ok_or(Unreadable::NoRequest)?;
    if !matches!(
        api_version.as_str(),
        "admission.k8s.io/v1" | "admission.k8s.io/v1beta1"
    ) {
        return Err(Unreadable::Version(api_version));
    }
    if kind != "AdmissionReview" {
        return Err(Unreadable::Kind(kind));
    }
    Ok(Question {
        api_version,
        kind,
        request,
    })
}

/// What is answered.
#[derive(Debug, Default)]
pub struct Verdict {
    /// The sentence of a denial; none means allowed.
    pub denied: Option<String>,
    /// The patch, serialized.
    pub patch: Option<Vec<u8>>,
    /// Sentences for the person who sent the object.
    pub warnings: Vec<String>,
    /// What the audit log keeps, by short key.
    pub audit: BTreeMap<&'static str, String>,
}

impl Verdict {
    /// The verdict for an outcome of the injection.
    #[must_use]
    pub fn of(outcome: Outcome) -> Self {
        let mut verdict = Self::default();
        let findings = match outcome {
            Outcome::Unchanged { reason, findings } => {
                verdict.audit.insert("skipped", reason.as_str().to_owned());
                findings
            }
            Outcome::Denied { message, findings } => {
                verdict.denied = Some(message);
                findings
            }
            Outcome::Patched {
                patch,
                injected,
                findings,
            } => {
                verdict.patch = Some(patch.into_json());
                verdict
                    .audit
                    .insert("injected", injected.as_str().to_owned());
                findings
            }
        };
        verdict.add_findings(&findings);
        verdict
    }

    /// Adds what was noticed: warnings for the sender, everything for the audit log.
    pub fn add_findings(&mut self, findings: &[Finding]) {
        let mut audited = String::new();
        for finding in findings {
            let line = one_line(&finding.to_string());
            if !audited.is_empty() {
                audited.push_str("; ");
            }
            audited.push_str(&line);
            if finding.severity == Severity::Warning {
                self.warnings.push(line);
            }
        }
        if !findings.is_empty() {
            self.audit.insert("findings", audited);
        }
    }

    /// The answer's body.
    ///
    /// # Errors
    /// When the verdict cannot be written as JSON, which plain texts always can.
    pub fn answer(&self, question: &Question<'_>) -> Result<Vec<u8>, serde_json::Error> {
        let patch = self.patch.as_deref().map(InBase64);
        let patch_length = patch.as_ref().map_or(0, InBase64::length);
        let mut body = Vec::with_capacity(USUAL_LENGTH + patch_length);
        let answer = Answer {
            kind: &question.kind,
            api_version: &question.api_version,
            response: Response {
                uid: &question.request.uid,
                allowed: self.denied.is_none(),
                status: self.denied.as_deref().map(|message| Status {
                    metadata: Empty {},
                    status: "Failure",
                    message,
                    reason: "Forbidden",
                    code: 403,
                }),
                patch_type: patch.as_ref().map(|_| "JSONPatch"),
                warnings: &self.warnings,
                audit_annotations: &self.audit,
            },
        };
        serde_json::to_writer(&mut body, &answer)?;
        if let Some(patch) = patch {
            patch.insert_into(&mut body);
        }
        Ok(body)
    }
}

/// The bytes that most answers fit into without their patch.
const USUAL_LENGTH: usize = 1024;

/// What closes `response` and the answer itself.
const END: &[u8] = b"}}";

/// A patch as it travels. In base64 nothing has to be escaped, so the longest part of an answer is not looked through
/// once more, but written where it belongs.
struct InBase64<'a>(&'a [u8]);

impl InBase64<'_> {
    fn length(&self) -> usize {
        base64::encoded_len(self.0.len(), true).unwrap_or_default()
    }

    /// Writes the patch as the last field of `response`.
    fn insert_into(&self, body: &mut Vec<u8>) {
        body.truncate(body.len() - END.len());
        body.extend_from_slice(b",\"patch\":\"");
        let start = body.len();
        body.resize(start + self.length(), 0);
        let written = STANDARD.encode_slice(self.0, body.get_mut(start..).unwrap_or_default());
        debug_assert_eq!(written, Ok(self.length()), "the room was made for it");
        body.push(b'"');
        body.extend_from_slice(END);
    }
}

/// Warnings travel in HTTP headers, where a line's end is not allowed.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a> {
    kind: &'a str,
    api_version: &'a str,
    response: Response<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Response<'a> {
    uid: &'a str,
    allowed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Status<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    patch_type: Option<&'static str>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    warnings: &'a [String],
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    audit_annotations: &'a BTreeMap<&'static str, String>,
}

#[derive(Serialize)]
struct Status<'a> {
    metadata: Empty,
    status: &'static str,
    message: &'a str,
    reason: &'static str,
    code: u16,
}

#[derive(Serialize)]
struct Empty {}

#[cfg(test)]
mod tests {
    use leasehold_inject::Code;
    use serde_json::{Value, json};

    use super::*;

    /// A review that says no more than its identifier.
    fn question() -> Question<'static> {
        read(br#"{"request": {"uid": "u"}}"#).unwrap()
    }

    #[test]
    fn a_review_is_read_with_what_matters_to_an_answer() {
        let body = json!({
            "apiVersion": "admission.k8s.io/v1beta1", "kind": "AdmissionReview",
            "request": {
                "uid": "u", "kind": {"group": "apps", "version": "v1", "kind": "Deployment"},
                "namespace": "shop", "operation": "CREATE", "dryRun": true, "oldObject": null,
                "object": {"spec": {"later": 1.5}}
            }
        });
        let body = body.to_string();
        let question = read(body.as_bytes()).unwrap();
        assert_eq!(question.api_version, "admission.k8s.io/v1beta1");
        assert_eq!(question.request.kind.kind, "Deployment");
        assert_eq!(question.request.namespace, "shop");
        assert!(question.request.dry_run);
        assert_eq!(question.request.object(), r#"{"spec":{"later":1.5}}"#);
    }

    #[test]
    fn what_is_no_review_is_refused_with_its_status() {
        let check = |body: &str, status: u16, part: &str| {
            let error = read(body.as_bytes()).unwrap_err();
            assert_eq!(error.status(), status, "{body}");
            assert!(error.to_string().contains(part), "{error}");
        };
        check("", 400, "Empty request body");
        check("  \n", 400, "Empty request body");
        check("{\"kind\":\"AdmissionReview\",", 500, "json parse error");
        check("[]", 500, "json parse error");
        check("7", 500, "json parse error");
        check("\"x\"", 500, "json parse error");
        check("null", 400, "no \"request\"");
        check("{}", 400, "no \"request\"");
        check("{\"request\":null}", 400, "no \"request\"");
        check("{\"request\":[]}", 500, "not an object");
        check("{\"request\":{\"uid\":7}}", 500, "json parse error");
        check(
            "{\"apiVersion\":\"admission.k8s.io/v2\",\"request\":{}}",
            400,
            "admission.k8s.io/v2",
        );
        check("{\"kind\":\"Pod\",\"request\":{}}", 400, "Pod");
    }

    #[test]
    fn a_review_that_names_no_version_is_answered_as_v1() {
        let question = question();
        let answer = Verdict::default().answer(&question).unwrap();
        assert_eq!(
            String::from_utf8(answer).unwrap(),
            r#"{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","response":{"uid":"u","allowed":true}}"#
        );
    }

    #[test]
    fn a_patch_is_the_last_field_in_base64() {
        let question = question();
        for patch in ["", "[]", "[{\"op\":\"add\"}]"] {
            let verdict = Verdict {
                patch: Some(patch.as_bytes().to_vec()),
                ..Verdict::default()
            };
            let answer: Value =
                serde_json::from_slice(&verdict.answer(&question).unwrap()).unwrap();
            assert_eq!(
                answer["response"],
                json!({
                    "uid": "u", "allowed": true, "patchType": "JSONPatch", "patch": STANDARD.encode(patch),
                })
            );
        }
    }

    #[test]
    fn a_denial_carries_code_reason_and_the_other_warnings() {
        let question = question();
        let outcome = Outcome::Denied {
            message: "no".to_owned(),
            findings: vec![
                Finding::error(Code::MissingValue, "no"),
                Finding::warning(Code::NoEffect, "has no\neffect").about("x/y"),
                Finding::info(Code::Token, "for the log"),
            ],
        };
        let answer = Verdict::of(outcome).answer(&question).unwrap();
        let answer: Value = serde_json::from_slice(&answer).unwrap();
        assert_eq!(
            answer["response"],
            json!({
                "uid": "u", "allowed": false,
                "status": {"metadata": {}, "status": "Failure", "message": "no", "reason": "Forbidden", "code": 403},
                "warnings": ["x/y: has no effect"],
                "auditAnnotations": {"findings": "no; x/y: has no effect; for the log"}
            })
        );
    }
}
