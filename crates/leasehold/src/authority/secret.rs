//! The Secret through which replicas share an authority: read, created and changed by optimistic concurrency. Whoever
//! writes first wins, and the others adopt what they then read.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::{Api, PostParams};
use kube::core::ObjectMeta;

use super::rotation::Stored;

/// Key of the Secret's data with everything that replicas share, as JSON.
pub const STATE_KEY: &str = "authority.json";
/// Key of the Secret's data with what clients should trust, PEM, for people.
pub const BUNDLE_KEY: &str = "ca.crt";

/// The Secret as last seen.
#[derive(Debug, Clone)]
pub enum Seen {
    /// Nothing is known yet.
    Nothing,
    /// It does not exist.
    Absent,
    /// It is there; boxed, as it is large.
    There(Box<Secret>),
}

impl Seen {
    /// What is stored in it, if it can be read.
    #[must_use]
    pub fn stored(&self) -> Option<Stored> {
        let Self::There(secret) = self else {
            return None;
        };
        let state = secret.data.as_ref()?.get(STATE_KEY)?;
        match serde_json::from_slice(&state.0) {
            Ok(stored) => Some(stored),
            Err(error) => {
                // The text is not logged: it holds a key.
                tracing::warn!(
                    line = error.line(),
                    column = error.column(),
                    "the shared authority in the Secret is damaged and will be replaced"
                );
                None
            }
        }
    }
}

impl Seen {
    /// The Secret as an owner of others, if it is there.
    #[must_use]
    pub fn owner(&self) -> Option<OwnerReference> {
        let Self::There(secret) = self else {
            return None;
        };
        Some(OwnerReference {
            api_version: "v1".to_owned(),
            kind: "Secret".to_owned(),
            name: secret.metadata.name.clone()?,
            uid: secret.metadata.uid.clone()?,
            ..OwnerReference::default()
        })
    }
}

/// How writing ended.
#[derive(Debug)]
pub enum Written {
    /// It is stored.
    Done(Seen),
    /// Somebody else wrote before; read again.
    Conflict,
}

/// Reads the Secret.
///
/// # Errors
/// When the API server refuses or does not answer.
pub async fn read(api: &Api<Secret>, name: &str) -> Result<Seen, kube::Error> {
    let secret = api.get_opt(name).await?;
    Ok(secret.map_or(Seen::Absent, |secret| Seen::There(Box::new(secret))))
}

/// Stores the state, unless the Secret has changed since it was seen. Other data in it stays.
///
/// # Errors
/// When the API server refuses for another reason than a conflict, or does not answer.
pub async fn write(
    api: &Api<Secret>,
    name: &str,
    seen: &Seen,
    stored: &Stored,
) -> Result<Written, kube::Error> {
    let state = serde_json::to_vec(stored).map_err(kube::Error::SerdeError)?;
    let bundle = stored.bundle().into_bytes();
    let answer = match seen {
        Seen::Nothing | Seen::Absent => {
            let secret = Secret {
                metadata: ObjectMeta {
                    name: Some(name.to_owned()),
                    ..ObjectMeta::default()
                },
                type_: Some("Opaque".to_owned()),
                data: Some(data(BTreeMap::new(), state, bundle)),
                ..Secret::default()
            };
            api.create(&PostParams::default(), &secret).await
        }
        Seen::There(secret) => {
            let mut secret = secret.as_ref().clone();
            secret.data = Some(data(secret.data.unwrap_or_default(), state, bundle));
            // The resource version that was read goes along, so that the API server refuses a stale write.
            api.replace(name, &PostParams::default(), &secret).await
        }
    };
    match answer {
        Ok(secret) => Ok(Written::Done(Seen::There(Box::new(secret)))),
        Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(Written::Conflict),
        Err(error) => Err(error),
    }
}

fn data(
    mut data: BTreeMap<String, ByteString>,
    state: Vec<u8>,
    bundle: Vec<u8>,
) -> BTreeMap<String, ByteString> {
    data.insert(STATE_KEY.to_owned(), ByteString(state));
    data.insert(BUNDLE_KEY.to_owned(), ByteString(bundle));
    data
}
