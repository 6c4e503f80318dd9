//! What a JWT says about itself, read without any check of its signature: enough to tell
//! people why a server refuses it. The token itself is never shown.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::{Map, Value};
use zeroize::Zeroizing;

/// The claims that decide about a login.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Claims {
    /// `aud`, one or several.
    pub audiences: Vec<String>,
    /// `iss`.
    pub issuer: Option<String>,
    /// `sub`.
    pub subject: Option<String>,
    /// The Kubernetes namespace of the account.
    pub namespace: Option<String>,
    /// The Kubernetes service account.
    pub service_account: Option<String>,
    /// The pod that the token is bound to.
    pub pod: Option<String>,
    /// `exp`, in seconds since 1970.
    pub expires_at: Option<u64>,
    /// `nbf`, in seconds since 1970.
    pub not_before: Option<u64>,
}

#[derive(Deserialize)]
struct Form {
    #[serde(default)]
    aud: Option<Value>,
    #[serde(default)]
    iss: Option<Value>,
    #[serde(default)]
    sub: Option<Value>,
    #[serde(default)]
    exp: Option<f64>,
    #[serde(default)]
    nbf: Option<f64>,
    #[serde(flatten)]
    others: Map<String, Value>,
}

impl Claims {
    /// Reads a JWT; absent where the text is none.
    #[must_use]
    pub fn of(jwt: &str) -> Option<Self> {
        let mut parts = jwt.trim().split('.');
        let (_, payload, _) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() {
            return None;
        }
        let payload = payload.trim_end_matches('=');
        let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(payload).ok()?);
        let form: Form = serde_json::from_slice(&bytes).ok()?;
        let bound = form.others.get("kubernetes.io");
        let inner = |pointer: &str| text(bound?.pointer(pointer));
        let legacy = |key: &str| {
            text(
                form.others
                    .get(&format!("kubernetes.io/serviceaccount/{key}")),
            )
        };
        let (from_namespace, from_name) = account_in(form.sub.as_ref());
        Some(Self {
            audiences: match &form.aud {
                Some(Value::Array(several)) => {
                    several.iter().filter_map(|one| text(Some(one))).collect()
                }
                one => text(one.as_ref()).into_iter().collect(),
            },
            issuer: text(form.iss.as_ref()),
            subject: text(form.sub.as_ref()),
            namespace: inner("/namespace")
                .or_else(|| legacy("namespace"))
                .or(from_namespace),
            service_account: inner("/serviceaccount/name")
                .or_else(|| legacy("service-account.name"))
                .or(from_name),
            pod: inner("/pod/name"),
            expires_at: form.exp.map(whole_seconds),
            not_before: form.nbf.map(whole_seconds),
        })
    }
}

fn text(value: Option<&Value>) -> Option<String> {
    // What others put into a token is cut, since it goes into logs.
    value?.as_str().map(|text| text.chars().take(200).collect())
}

/// `system:serviceaccount:NAMESPACE:NAME`
fn account_in(subject: Option<&Value>) -> (Option<String>, Option<String>) {
    let parts = subject
        .and_then(Value::as_str)
        .and_then(|text| text.strip_prefix("system:serviceaccount:"))
        .and_then(|text| text.split_once(':'));
    match parts {
        Some((namespace, name)) => (Some(namespace.to_owned()), Some(name.to_owned())),
        None => (None, None),
    }
}

fn whole_seconds(time: f64) -> u64 {
    // The conversion is bounded at both ends; NaN gives 0.
    time as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jwt(payload: &str) -> String {
        format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(payload))
    }

    #[test]
    fn a_bound_service_account_token_tells_who_it_is_for() {
        let claims = Claims::of(&jwt(
            r#"{"aud":["vault"],"exp":1795306200,"iss":"https://kubernetes.default.svc",
            "kubernetes.io":{"namespace":"payments","pod":{"name":"checkout-0","uid":"u"},
            "serviceaccount":{"name":"checkout-sa","uid":"v"}},"nbf":1795305600,
            "sub":"system:serviceaccount:payments:checkout-sa"}"#,
        ))
        .unwrap();
        assert_eq!(claims.audiences, ["vault"]);
        assert_eq!(claims.namespace.as_deref(), Some("payments"));
        assert_eq!(claims.service_account.as_deref(), Some("checkout-sa"));
        assert_eq!(claims.pod.as_deref(), Some("checkout-0"));
        assert_eq!(claims.expires_at, Some(1_795_306_200));
    }

    #[test]
    fn legacy_tokens_and_bare_subjects_are_read_too() {
        let claims = Claims::of(&jwt(
            r#"{"iss":"kubernetes/serviceaccount","kubernetes.io/serviceaccount/namespace":"a",
               "kubernetes.io/serviceaccount/service-account.name":"b"}"#,
        ))
        .unwrap();
        assert_eq!(
            (
                claims.namespace.as_deref(),
                claims.service_account.as_deref()
            ),
            (Some("a"), Some("b"))
        );
        let claims = Claims::of(&jwt(r#"{"aud":"x","sub":"system:serviceaccount:c:d"}"#)).unwrap();
        assert_eq!(
            (
                claims.namespace.as_deref(),
                claims.service_account.as_deref()
            ),
            (Some("c"), Some("d"))
        );
    }

    #[test]
    fn what_is_no_jwt_gives_nothing() {
        for text in [
            "",
            "a.b",
            "a.b.c",
            "hvs.CAES",
            "....",
            &jwt("[1]"),
            &jwt("{\"exp\":\"x\"}"),
        ] {
            assert_eq!(Claims::of(text), None, "{text}");
        }
    }
}
