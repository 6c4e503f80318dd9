//! Files that hold the agent's token for others: plain, wrapped, or encrypted to a peer's key.

use std::{path::Path, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use leasehold_config::{Sink, SinkEncryption};
use leasehold_vault::{Client, SecretText, Token};
use ring::{aead, agreement, hkdf, rand::SystemRandom};
use serde::{Deserialize, Serialize};

use crate::{
    environment::Environment,
    sentence,
    volume::{self, MissingFolders, Placed, Placing},
};

/// Why a sink could not be written.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// The token cannot be wrapped.
    #[error("failed to wrap the token for `{path}`")]
    Wrap {
        /// The sink.
        path: String,
        /// What the server said.
        source: Box<leasehold_vault::Error>,
    },
    /// The peer's key cannot be used.
    #[error("failed to encrypt the token for `{path}`: {why}")]
    Encrypt {
        /// The sink.
        path: String,
        /// What is wrong.
        why: String,
    },
    /// The file cannot be written.
    #[error(transparent)]
    Volume(#[from] volume::VolumeError),
}

/// What goes into the sinks.
#[derive(Clone)]
pub enum Content {
    /// The token itself.
    Token(Token),
    /// The wrapped token of a login with `wrap_ttl`, as the line that is written.
    Wrapped(SecretText),
}

/// Checks that every sink can be written.
///
/// # Errors
/// A folder is missing or cannot be written to.
pub fn check(sinks: &[Sink]) -> Result<(), volume::VolumeError> {
    sinks
        .iter()
        .try_for_each(|sink| volume::check_writable(Path::new(&sink.path)))
}

/// Writes one sink; says whether the file is new.
///
/// # Errors
/// The token cannot be wrapped or encrypted, or the file cannot be written.
pub async fn write(
    sink: &Sink,
    content: &Content,
    client: &Client,
    environment: &Environment,
) -> Result<Placed, SinkError> {
    let text = match (content, sink.wrap_ttl.filter(|ttl| !ttl.is_zero())) {
        (Content::Token(token), Some(ttl)) => wrapped(sink, token, client, ttl).await?,
        (Content::Token(token), None) => SecretText::new(token.expose().to_owned()),
        (Content::Wrapped(line), _) => line.clone(),
    };
    let text = match &sink.encryption {
        Some(encryption) => {
            encrypted(encryption, text.expose(), environment).map_err(|why| SinkError::Encrypt {
                path: sink.path.clone(),
                why,
            })?
        }
        None => text,
    };
    let placing = Placing {
        mode: Some(sink.mode & !umask()),
        user: sink.uid,
        group: sink.gid,
        folders: MissingFolders::Refused,
        ..Placing::default()
    };
    Ok(volume::place(
        Path::new(&sink.path),
        text.expose().as_bytes(),
        &placing,
    )?)
}

async fn wrapped(
    sink: &Sink,
    token: &Token,
    client: &Client,
    ttl: Duration,
) -> Result<SecretText, SinkError> {
    match client.wrap_token(token, ttl).await {
        Ok(info) => Ok(info.sink_line()),
        Err(error) => Err(SinkError::Wrap {
            path: sink.path.clone(),
            source: Box::new(error),
        }),
    }
}

fn umask() -> u32 {
    // The kernel tells the mask only by setting it.
    let mask = rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    rustix::process::umask(mask);
    mask.as_raw_mode()
}

#[derive(Deserialize)]
struct PeerKey {
    curve25519_public_key: String,
}

#[derive(Serialize)]
struct Envelope {
    curve25519_public_key: String,
    nonce: String,
    encrypted_payload: String,
}

/// X25519 with the peer's key, then AES-256-GCM; the file's text.
fn encrypted(
    encryption: &SinkEncryption,
    text: &str,
    environment: &Environment,
) -> Result<SecretText, String> {
    let path = &encryption.peer_key_path;
    let key = std::fs::read_to_string(path)
        .map_err(|error| format!("the peer's key `{path}` cannot be read: {error}"))?;
    let key: PeerKey = serde_json::from_str(&key)
        .map_err(|_| format!("`{path}` is no JSON with a `curve25519_public_key`"))?;
    let theirs = STANDARD
        .decode(key.curve25519_public_key.trim())
        .ok()
        .filter(|key| key.len() == 32)
        .ok_or_else(|| format!("the key in `{path}` is not 32 bytes in base64"))?;
    let aad = match &encryption.aad_env_var {
        Some(name) => environment.get(name).unwrap_or_default().to_owned(),
        None => encryption.aad.clone().unwrap_or_default(),
    };
    let random = SystemRandom::new();
    let failed = |_| "the system's cryptography failed".to_owned();
    let private =
        agreement::EphemeralPrivateKey::generate(&agreement::X25519, &random).map_err(failed)?;
    let ours = private
        .compute_public_key()
        .map_err(failed)?
        .as_ref()
        .to_vec();
    let peer = agreement::UnparsedPublicKey::new(&agreement::X25519, &theirs);
    let sealing = agreement::agree_ephemeral(private, &peer, |shared| {
        let shared = zeroize::Zeroizing::new(shared.to_vec());
        cipher_key(encryption, &shared, &ours, &theirs)
    })
    .map_err(|_| format!("the key in `{path}` is no usable X25519 key"))?
    .map_err(failed)?;
    let mut nonce = [0; aead::NONCE_LEN];
    ring::rand::SecureRandom::fill(&random, &mut nonce).map_err(failed)?;
    let mut payload = text.as_bytes().to_vec();
    sealing
        .seal_in_place_append_tag(
            aead::Nonce::assume_unique_for_key(nonce),
            aead::Aad::from(aad.as_bytes()),
            &mut payload,
        )
        .map_err(failed)?;
    let envelope = Envelope {
        curve25519_public_key: STANDARD.encode(&ours),
        nonce: STANDARD.encode(nonce),
        encrypted_payload: STANDARD.encode(&payload),
    };
    serde_json::to_string(&envelope)
        .map(SecretText::new)
        .map_err(|error| error.to_string())
}

fn cipher_key(
    encryption: &SinkEncryption,
    shared: &[u8],
    ours: &[u8],
    theirs: &[u8],
) -> Result<aead::LessSafeKey, ring::error::Unspecified> {
    let mut key = zeroize::Zeroizing::new([0; 32]);
    if encryption.derive_key {
        // Salt and info are the two public keys, the smaller one first.
        let (low, high) = if ours < theirs {
            (ours, theirs)
        } else {
            (theirs, ours)
        };
        let derived = hkdf::Salt::new(hkdf::HKDF_SHA256, low).extract(shared);
        derived
            .expand(&[high], hkdf::HKDF_SHA256)?
            .fill(&mut *key)?;
    } else {
        key.copy_from_slice(shared.get(..32).ok_or(ring::error::Unspecified)?);
    }
    Ok(aead::LessSafeKey::new(aead::UnboundKey::new(
        &aead::AES_256_GCM,
        &*key,
    )?))
}

/// The text of an error for the log.
#[must_use]
pub fn in_words(error: &SinkError) -> String {
    sentence::chain(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(folder: &Path) -> (agreement::EphemeralPrivateKey, Vec<u8>, SinkEncryption) {
        let random = SystemRandom::new();
        let private =
            agreement::EphemeralPrivateKey::generate(&agreement::X25519, &random).unwrap();
        let public = private.compute_public_key().unwrap().as_ref().to_vec();
        let path = folder.join("peer.json");
        let key = STANDARD.encode(&public);
        std::fs::write(&path, format!("{{\"curve25519_public_key\":\"{key}\"}}")).unwrap();
        let encryption = SinkEncryption {
            peer_key_path: path.display().to_string(),
            derive_key: false,
            aad: Some("bound".to_owned()),
            aad_env_var: None,
        };
        (private, public, encryption)
    }

    #[test]
    fn a_peer_can_decrypt_what_was_encrypted_to_its_key() {
        for derive_key in [false, true] {
            let folder = tempfile::tempdir().unwrap();
            let (private, public, mut encryption) = peer(folder.path());
            encryption.derive_key = derive_key;
            let text = encrypted(&encryption, "hvs.token", &Environment::default()).unwrap();
            let envelope: serde_json::Value = serde_json::from_str(text.expose()).unwrap();
            let field = |name: &str| STANDARD.decode(envelope[name].as_str().unwrap()).unwrap();
            let theirs = field("curve25519_public_key");
            let their_key = agreement::UnparsedPublicKey::new(&agreement::X25519, &theirs);
            let opening = agreement::agree_ephemeral(private, &their_key, |shared| {
                cipher_key(&encryption, shared, &public, &theirs).unwrap()
            })
            .unwrap();
            let mut payload = field("encrypted_payload");
            let nonce = aead::Nonce::try_assume_unique_for_key(&field("nonce")).unwrap();
            let opened = opening.open_in_place(nonce, aead::Aad::from(b"bound"), &mut payload);
            assert_eq!(opened.unwrap(), b"hvs.token", "derive_key = {derive_key}");
        }
    }

    #[test]
    fn says_what_is_wrong_with_a_peers_key() {
        let folder = tempfile::tempdir().unwrap();
        let (_, _, encryption) = peer(folder.path());
        std::fs::write(
            &encryption.peer_key_path,
            "{\"curve25519_public_key\":\"AAAA\"}",
        )
        .unwrap();
        let error = encrypted(&encryption, "t", &Environment::default()).unwrap_err();
        assert!(error.contains("not 32 bytes"), "{error}");
    }
}
