//! Who sent a token: what the API server's authenticator says, for requests and for TokenReviews.

use serde_json::{Value, json};

use super::State;

/// Who somebody is, as a TokenReview tells it.
#[derive(Debug, Clone)]
pub(super) struct User {
    pub(super) name: String,
    uid: String,
    groups: Vec<String>,
    extra: Value,
    /// The audiences of the token that were also asked for.
    audiences: Vec<String>,
}

/// Checks a service account token for an audience, with the account and pod that it is bound to.
pub(super) fn authenticate(
    state: &State,
    token: &str,
    audiences: &[String],
) -> Result<User, String> {
    let claims = state.signer.verify(token)?;
    let own: Vec<String> = texts(&claims["aud"]);
    let accepted: Vec<String> = own
        .iter()
        .filter(|audience| audiences.contains(audience))
        .cloned()
        .collect();
    if accepted.is_empty() {
        return Err(format!(
            "[invalid bearer token, token audiences {own:?} is invalid for the target audiences \
             {audiences:?}]"
        ));
    }
    let bound = &claims["kubernetes.io"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let namespace = text(&bound["namespace"]);
    let account = text(&bound["serviceaccount"]["name"]);
    let uid = text(&bound["serviceaccount"]["uid"]);

    let store = state
        .store
        .lock()
        .expect("no thread panics while it holds the store");
    match store.get("/serviceaccounts", Some(&namespace), &account) {
        None => {
            return Err(format!(
                "[invalid bearer token, serviceaccounts \"{account}\" not found]"
            ));
        }
        Some(found) if found["metadata"]["uid"] != uid.as_str() => {
            return Err(format!(
                "[invalid bearer token, service account UID ({}) does not match claim ({uid})]",
                text(&found["metadata"]["uid"])
            ));
        }
        Some(_) => {}
    }
    let mut extra = json!({
        "authentication.kubernetes.io/credential-id": [format!("JTI={}", text(&claims["jti"]))],
    });
    if let Some(pod) = bound["pod"]["name"].as_str() {
        match store.get("/pods", Some(&namespace), pod) {
            Some(found) if found["metadata"]["uid"] == bound["pod"]["uid"] => {}
            _ => return Err(format!("[invalid bearer token, pods \"{pod}\" not found]")),
        }
        extra["authentication.kubernetes.io/node-name"] = json!([bound["node"]["name"]]);
        extra["authentication.kubernetes.io/node-uid"] = json!([bound["node"]["uid"]]);
        extra["authentication.kubernetes.io/pod-name"] = json!([pod]);
        extra["authentication.kubernetes.io/pod-uid"] = json!([bound["pod"]["uid"]]);
    }
    Ok(User {
        name: format!("system:serviceaccount:{namespace}:{account}"),
        uid,
        groups: vec![
            "system:serviceaccounts".to_owned(),
            format!("system:serviceaccounts:{namespace}"),
            "system:authenticated".to_owned(),
        ],
        extra,
        audiences: accepted,
    })
}

/// The answer to a TokenReview that was let in.
pub(super) fn token_review(state: &State, review: &Value) -> Value {
    let token = review["spec"]["token"].as_str().unwrap_or_default();
    let mut audiences = texts(&review["spec"]["audiences"]);
    if audiences.is_empty() {
        audiences.push(state.signer.issuer().to_owned());
    }
    let status = match authenticate(state, token, &audiences) {
        Ok(user) => json!({
            "authenticated": true,
            "user": {
                "username": user.name, "uid": user.uid, "groups": user.groups, "extra": user.extra,
            },
            "audiences": user.audiences,
        }),
        Err(error) => json!({"user": {}, "error": error}),
    };
    json!({
        "kind": "TokenReview",
        "apiVersion": "authentication.k8s.io/v1",
        "metadata": {"creationTimestamp": null},
        "spec": review["spec"],
        "status": status,
    })
}

fn texts(value: &Value) -> Vec<String> {
    let values = value.as_array().cloned().unwrap_or_default();
    values
        .iter()
        .filter_map(|value| value.as_str().map(str::to_owned))
        .collect()
}
