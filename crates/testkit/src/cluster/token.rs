//! Service account tokens: signing keys, minting and checking, as the API server does.
//!
//! Tokens are ES256, with the claims of a kubelet's projected token. Whether an account or pod still
//! exists is [`super::review`]'s question.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use ring::rand::{SecureRandom, SystemRandom};
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair,
    UnparsedPublicKey,
};
use serde_json::{Value, json};

/// The key that signs tokens, and the issuer that it signs for.
pub(super) struct Signer {
    pair: EcdsaKeyPair,
    key_id: String,
    issuer: String,
}

/// What a token is asked for.
#[derive(Debug, Clone)]
pub struct TokenSpec {
    /// Namespace of the service account.
    pub namespace: String,
    /// Name of the service account.
    pub service_account: String,
    /// Audiences; none means the API server's own.
    pub audiences: Vec<String>,
    /// Seconds until it expires; negative ones make a token that is expired already.
    pub expiration_seconds: i64,
    /// Name of the pod that it is bound to.
    pub pod: Option<String>,
}

impl TokenSpec {
    /// A token for ten minutes that is bound to no pod.
    pub fn new(namespace: &str, service_account: &str, audiences: &[&str]) -> Self {
        Self {
            namespace: namespace.to_owned(),
            service_account: service_account.to_owned(),
            audiences: audiences.iter().map(ToString::to_string).collect(),
            expiration_seconds: 600,
            pod: None,
        }
    }

    /// The same, expiring after so many seconds.
    pub fn expiring_after(mut self, seconds: i64) -> Self {
        self.expiration_seconds = seconds;
        self
    }

    /// The same, bound to a pod of that name.
    pub fn bound_to_pod(mut self, pod: &str) -> Self {
        self.pod = Some(pod.to_owned());
        self
    }
}

/// An object as claims tell it.
pub(super) struct Bound {
    pub(super) name: String,
    pub(super) uid: String,
}

impl Signer {
    pub(super) fn new(issuer: String) -> Self {
        let random = SystemRandom::new();
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random)
            .expect("the system gives randomness");
        let pair =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document.as_ref(), &random)
                .expect("a key that was just made can be read");
        let key_id = random_text(24);
        Self {
            pair,
            key_id,
            issuer,
        }
    }

    pub(super) fn issuer(&self) -> &str {
        &self.issuer
    }

    pub(super) fn mint(
        &self,
        spec: &TokenSpec,
        account_uid: &str,
        pod: Option<&Bound>,
        node: &Bound,
    ) -> String {
        let now = now();
        let audiences = match spec.audiences.as_slice() {
            [] => vec![self.issuer.clone()],
            given => given.to_vec(),
        };
        let mut bound = json!({ "namespace": spec.namespace });
        if let Some(pod) = pod {
            bound["node"] = json!({"name": node.name, "uid": node.uid});
            bound["pod"] = json!({"name": pod.name, "uid": pod.uid});
        }
        bound["serviceaccount"] = json!({"name": spec.service_account, "uid": account_uid});
        // An expired token was once a good one: it began before it ended.
        let begin = now.min(now + spec.expiration_seconds - 600);
        let begin = if spec.expiration_seconds > 0 {
            now
        } else {
            begin
        };
        let claims = json!({
            "aud": audiences,
            "exp": now + spec.expiration_seconds,
            "iat": begin,
            "iss": self.issuer,
            "jti": uuid(),
            "kubernetes.io": bound,
            "nbf": begin,
            "sub": format!("system:serviceaccount:{}:{}", spec.namespace, spec.service_account),
        });
        let header = json!({"alg": "ES256", "kid": self.key_id});
        let signed = format!(
            "{}.{}",
            BASE64.encode(header.to_string()),
            BASE64.encode(claims.to_string())
        );
        let signature = self
            .pair
            .sign(&SystemRandom::new(), signed.as_bytes())
            .expect("the system gives randomness");
        format!("{signed}.{}", BASE64.encode(signature.as_ref()))
    }

    /// The claims of a token that we signed and whose time is now; the error is the API server's.
    pub(super) fn verify(&self, token: &str) -> Result<Value, String> {
        let unknown = || "invalid bearer token".to_owned();
        let (signed, signature) = token.rsplit_once('.').ok_or_else(unknown)?;
        let (_, claims) = signed.split_once('.').ok_or_else(unknown)?;
        let signature = BASE64.decode(signature).map_err(|_| unknown())?;
        let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, self.pair.public_key());
        key.verify(signed.as_bytes(), &signature)
            .map_err(|_| unknown())?;
        let claims = BASE64.decode(claims).map_err(|_| unknown())?;
        let claims: Value = serde_json::from_slice(&claims).map_err(|_| unknown())?;
        let now = now();
        if claims["exp"].as_i64().is_none_or(|end| end <= now) {
            return Err("[invalid bearer token, service account token has expired]".to_owned());
        }
        if claims["nbf"].as_i64().is_none_or(|begin| begin > now + 1) {
            return Err("[invalid bearer token, token is not valid yet (nbf)]".to_owned());
        }
        Ok(claims)
    }

    /// The answer of `/openid/v1/jwks`.
    pub(super) fn key_set(&self) -> Value {
        // An uncompressed point: a 4, then x and y of 32 bytes each.
        let point = self.pair.public_key().as_ref();
        let half = |from: usize| {
            BASE64.encode(
                point
                    .get(from..from + 32)
                    .expect("a P-256 point has 65 bytes"),
            )
        };
        json!({"keys": [{
            "use": "sig", "kty": "EC", "kid": self.key_id, "crv": "P-256", "alg": "ES256",
            "x": half(1), "y": half(33),
        }]})
    }

    /// The answer of `/.well-known/openid-configuration`.
    pub(super) fn discovery(&self) -> Value {
        json!({
            "issuer": self.issuer,
            "jwks_uri": format!("{}/openid/v1/jwks", self.issuer),
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES256"],
        })
    }
}

/// Seconds since 1970.
pub(super) fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}

/// A random version 4 UUID.
pub(super) fn uuid() -> String {
    let mut bytes = [0_u8; 16];
    SystemRandom::new()
        .fill(&mut bytes)
        .expect("the system gives randomness");
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!(
        "{}-{}-{}-{}-{}",
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..]
    )
}

/// Random text of letters and digits that fit in names.
pub(super) fn random_text(length: usize) -> String {
    let alphabet = b"bcdfghjklmnpqrstvwxz2456789";
    let mut bytes = vec![0_u8; length];
    SystemRandom::new()
        .fill(&mut bytes)
        .expect("the system gives randomness");
    bytes
        .into_iter()
        .filter_map(|byte| alphabet.get(usize::from(byte) % alphabet.len()))
        .map(|byte| char::from(*byte))
        .collect()
}
