//! The server's side of an AWS login: takes the signed request apart and computes its signature once more,
//! by the steps of AWS' guide "Create a signed AWS API request" and nothing of the program's.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::{digest, hmac};
use serde_json::Value;

/// What a request that is signed well says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Signed {
    pub(crate) access_key: String,
    pub(crate) region: String,
    pub(crate) url: String,
    /// Every header that the signature covers, names in small letters.
    pub(crate) covered: BTreeMap<String, String>,
}

/// Checks a login's body, with the secret key that belongs to the access key.
pub(crate) fn check(body: &Value, secret_of: impl Fn(&str) -> String) -> Result<Signed, String> {
    let decoded = |key: &str| {
        let text = body[key].as_str().ok_or(format!("{key} is missing"))?;
        let bytes = STANDARD.decode(text).map_err(|error| error.to_string())?;
        String::from_utf8(bytes).map_err(|error| error.to_string())
    };
    let method = body["iam_http_request_method"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let (url, form) = (decoded("iam_request_url")?, decoded("iam_request_body")?);
    if form != "Action=GetCallerIdentity&Version=2011-06-15" {
        return Err(format!("the request is {form}"));
    }
    let headers: BTreeMap<String, Vec<String>> =
        serde_json::from_str(&decoded("iam_request_headers")?).map_err(|e| e.to_string())?;
    let mut headers: BTreeMap<String, String> = headers
        .into_iter()
        .map(|(name, values)| (name.to_ascii_lowercase(), values.join(",")))
        .collect();
    let host = url
        .strip_prefix("https://")
        .and_then(|rest| rest.strip_suffix('/'))
        .ok_or(format!("the address is {url}"))?;
    headers.insert("host".to_owned(), host.to_owned());

    let authorization = headers.remove("authorization").ok_or("not signed")?;
    let parts = authorization
        .strip_prefix("AWS4-HMAC-SHA256 ")
        .ok_or("the algorithm is another")?;
    let part = |name: &str| {
        parts
            .split(", ")
            .find_map(|part| part.strip_prefix(name)?.strip_prefix('='))
            .ok_or(format!("{name} is missing"))
    };
    let (credential, names) = (part("Credential")?, part("SignedHeaders")?);
    let [access_key, date, region, service, end] = credential.split('/').collect::<Vec<_>>()[..]
    else {
        return Err(format!("the credential is {credential}"));
    };
    let moment = headers.get("x-amz-date").ok_or("it has no date")?.clone();
    if service != "sts" || end != "aws4_request" || !moment.starts_with(date) {
        return Err(format!("the scope is {credential} at {moment}"));
    }

    // Step 1: the canonical request.
    let mut covered = BTreeMap::new();
    let mut canonical_headers = String::new();
    for name in names.split(';') {
        let value = headers.get(name).ok_or(format!("{name} is not there"))?;
        canonical_headers.push_str(&format!("{name}:{}\n", value.trim()));
        covered.insert(name.to_owned(), value.clone());
    }
    let payload = hex(digest::digest(&digest::SHA256, form.as_bytes()).as_ref());
    let canonical = format!("{method}\n/\n\n{canonical_headers}\n{names}\n{payload}");
    // Step 2: its hash. Step 3: the text to sign.
    let hash = hex(digest::digest(&digest::SHA256, canonical.as_bytes()).as_ref());
    let scope = format!("{date}/{region}/{service}/{end}");
    let text = format!("AWS4-HMAC-SHA256\n{moment}\n{scope}\n{hash}");
    // Step 4: the key, derived from the secret in four steps, and the signature.
    let mut key = format!("AWS4{}", secret_of(access_key)).into_bytes();
    for part in [date, region, service, end] {
        key = mac(&key, part);
    }
    let signature = hex(&mac(&key, &text));
    if signature != part("Signature")? {
        return Err("the signature does not match".to_owned());
    }
    Ok(Signed {
        access_key: access_key.to_owned(),
        region: region.to_owned(),
        url,
        covered,
    })
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    hmac::sign(&key, text.as_bytes()).as_ref().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
