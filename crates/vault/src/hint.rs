//! The one likely cause behind a refusal, in words.
//!
//! Servers answer a wrong login with a few words that name the check and not the values.
//! What the values were is known here: the login method, mount and role, and what the
//! token says about itself.

use crate::claims::Claims;
use crate::error::{Error, Failure, NoAnswer};

/// What is known about a login.
#[derive(Debug, Clone, Default)]
pub struct LoginFacts {
    /// The login method, as its type is written: `kubernetes`, `jwt`, …
    pub method: String,
    /// The mount, with `auth/` in front.
    pub mount: String,
    /// The role, if one is named.
    pub role: Option<String>,
    /// What the token says about itself, for methods that send a JWT.
    pub claims: Option<Claims>,
}

/// The likely cause of a refused login, and what to do about it; `now` is in seconds since
/// 1970.
#[must_use]
pub fn login_hint(facts: &LoginFacts, error: &Error, now: u64) -> Option<String> {
    if let Failure::NoAnswer { why, .. } = &error.failure {
        return no_answer_hint(why);
    }
    let refusal = error.refusal()?;
    let text = refusal.errors.join("\n").to_ascii_lowercase();
    let mount = &facts.mount;
    let role = match &facts.role {
        Some(role) => format!("role `{role}` at `{mount}`"),
        None => format!("the default role of `{mount}`"),
    };
    let claims = facts.claims.clone().unwrap_or_default();
    let expired = claims.expires_at.is_some_and(|end| end <= now);
    let is_jwt = facts.method == "jwt";
    let setting =
        |kubernetes: &'static str, jwt: &'static str| if is_jwt { jwt } else { kubernetes };

    if text.contains("no handler for route") || text.contains("unsupported path") {
        return Some(format!(
            "nothing is mounted at `{mount}`{}: check the auth path and the namespace",
            in_namespace(error)
        ));
    }
    if text.contains("could not load") && text.contains("configuration") {
        return Some(format!(
            "`{mount}` is there and not configured: write to `{mount}/config`"
        ));
    }
    if text.contains("namespace not found") {
        return Some(format!(
            "there is no namespace{}",
            in_namespace(error).replace(" in namespace", "")
        ));
    }
    if text.contains("audience") && !text.contains("no audiences bound") {
        let audiences = quoted_list(&claims.audiences, "no audience at all");
        return Some(format!(
            "the token is for {audiences}, and {role} wants another audience: project the token for \
             the role's audience, or put the token's into the role's `{}`",
            setting("audience", "bound_audiences")
        ));
    }
    if text.contains("namespace not authorized") {
        return Some(format!(
            "the pod's namespace is {}, which is not among `bound_service_account_namespaces` of {role}",
            quoted(claims.namespace.as_deref())
        ));
    }
    if text.contains("service account name not authorized") {
        return Some(format!(
            "the pod's service account is {}, which is not among `bound_service_account_names` of {role}",
            quoted(claims.service_account.as_deref())
        ));
    }
    if text.contains("invalid role name")
        || (text.contains("role") && text.contains("could not be found"))
        || text.contains("missing role")
    {
        return Some(match &facts.role {
            Some(role) => format!(
                "there is no role `{role}` at `{mount}`{}: check the role's name, the mount and \
                 the namespace",
                in_namespace(error)
            ),
            None => format!("no role is named, and `{mount}` has no default role: name one"),
        });
    }
    if text.contains("error fetching keys")
        || text.contains("fetching keys oidc")
        || text.contains("fetching keys")
        || text.contains("error performing keyset")
        || (text.contains("jwks") && !text.contains("signature"))
    {
        return Some(format!(
            "the server cannot fetch the keys that sign the tokens (JWKS) from the address in \
             `{mount}/config`: it must reach that address and trust its certificate \
             (`oidc_discovery_ca_pem`, `jwks_ca_pem`); the token is not at fault"
        ));
    }
    if text.contains("sub claim") || text.contains("(sub)") {
        return Some(format!(
            "the token's subject is {}, which is not the `bound_subject` of {role}",
            quoted(claims.subject.as_deref())
        ));
    }
    if text.contains("issuer") || text.contains("(iss)") {
        return Some(format!(
            "the token's issuer is {}, which is not the one that `{mount}/config` expects",
            quoted(claims.issuer.as_deref())
        ));
    }
    if expired || text.contains("token is expired") || text.contains("(exp)") {
        return Some(match claims.expires_at {
            Some(end) if end <= now => format!(
                "the token ended {} s ago: its file is not being renewed",
                now - end
            ),
            _ => "the server takes the token for expired: compare its clock with ours".to_owned(),
        });
    }
    if text.contains("signature") {
        return Some(format!(
            "the token's signer ({}) is not one whose keys `{mount}/config` holds: the mount may \
             belong to another cluster",
            quoted(claims.issuer.as_deref())
        ));
    }
    if text.contains("permission denied") && refusal.status == 403 {
        return Some(permission_denied(facts, &claims, &role));
    }
    None
}

/// A bare `permission denied` at a login.
fn permission_denied(facts: &LoginFacts, claims: &Claims, role: &str) -> String {
    let mount = &facts.mount;
    match facts.method.as_str() {
        "kubernetes" => {
            let audiences = quoted_list(&claims.audiences, "no audience");
            format!(
                "the server's token review was refused by the API server: the reviewer of \
                 `{mount}/config` (`token_reviewer_jwt`) has expired or lacks the right \
                 (`system:auth-delegator`), or the mount has none and shows the pod's own token, \
                 which an API server takes only for its own audience (this one is for {audiences}); a \
                 mount that is not there is refused in the same words"
            )
        }
        "token_file" => {
            "the token in the file is unknown to the server, revoked or at its end".to_owned()
        }
        "cert" => format!("the server does not know the client certificate for {role}"),
        _ => format!(
            "nothing is mounted at `{mount}`: a server refuses logins there without saying so; \
             check the auth path and the namespace"
        ),
    }
}

/// The likely cause of a refused read, write or list: `asked` is the path as the template
/// gives it, the error carries the one that was asked for in the end.
#[must_use]
pub fn read_hint(asked: &str, error: &Error) -> Option<String> {
    if let Failure::NoAnswer { why, .. } = &error.failure {
        return no_answer_hint(why);
    }
    if error.status() != Some(403) || !error.says("permission denied") {
        return None;
    }
    if error.token_is_invalid() {
        return Some("the token is revoked or at its end".to_owned());
    }
    let asked = asked.trim().trim_matches('/');
    let actual = error.path.trim_matches('/');
    if asked != actual {
        return Some(format!(
            "`{asked}` is at `{actual}` in version 2 of the key/value engine: the policy must \
             grant `{actual}`, a rule for `{asked}` does not count"
        ));
    }
    if actual
        .split('/')
        .any(|part| part == "data" || part == "metadata")
    {
        return Some(format!("no policy of the token grants `{actual}`"));
    }
    let (mount, rest) = actual.split_once('/')?;
    Some(format!(
        "no policy of the token grants `{actual}`; if `{mount}` is version 2 of the key/value \
         engine, the path is `{mount}/data/{rest}`, in the template as in the policy"
    ))
}

/// What a missing secret may be about; `warnings` are the server's.
#[must_use]
pub fn missing_hint(asked: &str, actual: &str, warnings: &[String]) -> Option<String> {
    if warnings.iter().any(|text| text.contains("versioned K/V")) {
        let (mount, rest) = actual.split_once('/')?;
        return Some(format!(
            "`{mount}` is version 2 of the key/value engine: the path is `{mount}/data/{rest}`"
        ));
    }
    if asked.trim().trim_matches('/') == actual && actual.split('/').nth(1) == Some("data") {
        let plain = actual.replacen("/data/", "/", 1);
        return Some(format!(
            "nothing is at `{actual}`; in version 1 of the key/value engine the path is `{plain}`"
        ));
    }
    None
}

fn no_answer_hint(why: &NoAnswer) -> Option<String> {
    match why {
        NoAnswer::Certificate(why) if why.contains("trusted roots") => Some(
            "give the server's CA (`ca_cert`, `VAULT_CACERT` or `VAULT_CACERT_BYTES`)".to_owned(),
        ),
        NoAnswer::Certificate(why) if why.contains("it is") && why.contains("for") => Some(
            "use a name that the certificate holds, or give it as `tls_server_name`".to_owned(),
        ),
        NoAnswer::NameUnknown => Some(
            "check the address, and the pod's DNS: a service of another namespace is \
             NAME.NAMESPACE.svc"
                .to_owned(),
        ),
        _ => None,
    }
}

fn in_namespace(error: &Error) -> String {
    match &error.namespace {
        Some(name) => format!(" in namespace `{name}`"),
        None => String::new(),
    }
}

fn quoted(value: Option<&str>) -> String {
    match value {
        Some(value) => format!("`{value}`"),
        None => "not named in the token".to_owned(),
    }
}

fn quoted_list(values: &[String], none: &str) -> String {
    if values.is_empty() {
        return none.to_owned();
    }
    let quoted: Vec<String> = values.iter().map(|value| format!("`{value}`")).collect();
    quoted.join(", ")
}

#[cfg(test)]
mod tests;
