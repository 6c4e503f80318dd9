//! Files as their readers find them, tokens above all: wrapped, encrypted, with mode and owner. A reader has the server and
//! the documented format, and none of the agent's code.

use std::{fs, os::unix::fs::MetadataExt as _};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use leasehold_testkit::wait;
use ring::{aead, agreement, hkdf, rand::SystemRandom};
use rustix::process::{getgid, getuid};
use serde_json::{Value, json};

use crate::place::{APP, DEADLINE, EVERY_SECOND, Place};

/// Puts this into the configuration's `auto_auth` block beside its plain sink.
fn with_sink(place: &Place, sink: &str) {
    place.configure("config.hcl", &format!("{APP} {EVERY_SECOND}"));
    let text = place.file("config.hcl").unwrap();
    let sink = sink.replace("FOLDER", &place.folder.path().display().to_string());
    let text = text.replacen("sink \"file\"", &format!("{sink}\n sink \"file\""), 1);
    fs::write(place.path("config.hcl"), text).unwrap();
}

/// Unwraps a token file's line with nothing but what is in it; gives the token inside.
fn unwrapped(place: &Place, line: &str) -> String {
    let line: Value = serde_json::from_str(line).unwrap();
    assert_eq!(line["ttl"], 120, "{line}");
    assert_eq!(line["creation_path"], "sys/wrapping/wrap");
    let wrapping = line["token"].as_str().unwrap();
    let answer = place
        .bao
        .request_as(wrapping, "PUT", "sys/wrapping/unwrap", None);
    assert_eq!(answer.status, 200, "{:?}", answer.body);
    answer.body["data"]["token"].as_str().unwrap().to_owned()
}

fn reads_the_secret(place: &Place, token: &str) {
    let answer = place.bao.request_as(token, "GET", "secret/data/app", None);
    assert_eq!(answer.body["data"]["data"]["k"], "one", "{:?}", answer.body);
}

#[test]
fn a_wrapped_sink_is_unwrapped_once_by_the_server_and_the_next_token_comes_wrapped_again() {
    let place = Place::with_secret("one");
    with_sink(
        &place,
        r#"sink "file" { wrap_ttl = "2m" config = { path = "FOLDER/wrapped" } }"#,
    );
    let _agent = place.start("config.hcl");
    let first = place.await_file("wrapped");
    assert!(first.ends_with("}\n"), "one line: {first}");
    let token = unwrapped(&place, &first);
    assert_eq!(token, place.await_file("token"), "it is the agent's own");
    reads_the_secret(&place, &token);
    let wrapping: Value = serde_json::from_str(&first).unwrap();
    let again = place.bao.request_as(
        wrapping["token"].as_str().unwrap(),
        "PUT",
        "sys/wrapping/unwrap",
        None,
    );
    assert_ne!(again.status, 200, "a second reader notices");

    place
        .bao
        .write("auth/token/revoke", &json!({"token": token}));
    wait::until_true("the next token is wrapped", DEADLINE, || {
        place.file("wrapped").is_some_and(|now| now != first)
    });
    let token = unwrapped(&place, &place.file("wrapped").unwrap());
    reads_the_secret(&place, &token);
}

/// The key of a reader, and the file in which it shows its public half.
fn reader(place: &Place) -> (agreement::EphemeralPrivateKey, Vec<u8>) {
    let random = SystemRandom::new();
    let private = agreement::EphemeralPrivateKey::generate(&agreement::X25519, &random).unwrap();
    let public = private.compute_public_key().unwrap().as_ref().to_vec();
    let file = json!({"curve25519_public_key": STANDARD.encode(&public)});
    fs::write(place.path("peer"), file.to_string()).unwrap();
    (private, public)
}

struct KeyLength;

impl hkdf::KeyType for KeyLength {
    fn len(&self) -> usize {
        32
    }
}

/// Reads an encrypted token file by its documented format.
fn decrypted(
    text: &str,
    (private, public): (agreement::EphemeralPrivateKey, Vec<u8>),
    derives: bool,
    aad: &str,
) -> Option<String> {
    let file: Value = serde_json::from_str(text).unwrap();
    let part = |name: &str| STANDARD.decode(file[name].as_str().unwrap()).unwrap();
    let theirs = part("curve25519_public_key");
    let peer = agreement::UnparsedPublicKey::new(&agreement::X25519, theirs.clone());
    let key = agreement::agree_ephemeral(private, &peer, |shared| {
        if !derives {
            return shared.to_vec();
        }
        let mut both = [public.as_slice(), theirs.as_slice()];
        both.sort_unstable();
        let mut key = vec![0; 32];
        hkdf::Salt::new(hkdf::HKDF_SHA256, both[0])
            .extract(shared)
            .expand(&[both[1]], KeyLength)
            .unwrap()
            .fill(&mut key)
            .unwrap();
        key
    })
    .unwrap();
    let key = aead::LessSafeKey::new(aead::UnboundKey::new(&aead::AES_256_GCM, &key).unwrap());
    let nonce = aead::Nonce::try_assume_unique_for_key(&part("nonce")).unwrap();
    let mut payload = part("encrypted_payload");
    let plain = key
        .open_in_place(nonce, aead::Aad::from(aad.as_bytes()), &mut payload)
        .ok()?;
    Some(String::from_utf8(plain.to_vec()).unwrap())
}

#[test]
fn an_encrypted_sink_is_read_by_whoever_has_the_private_key() {
    for (derive, aad) in [(false, ""), (true, "for the shop")] {
        let place = Place::with_secret("one");
        let key = reader(&place);
        with_sink(
            &place,
            &format!(
                r#"sink "file" {{ dh_type = "curve25519" dh_path = "FOLDER/peer" derive_key = {derive}
                   aad = "{aad}" config = {{ path = "FOLDER/sealed" }} }}"#
            ),
        );
        let _agent = place.start("config.hcl");
        let sealed = place.await_file("sealed");
        let token = place.await_file("token");
        assert!(!sealed.contains(&token));
        let plain = decrypted(&sealed, key, derive, aad).expect("the key fits");
        assert_eq!(plain, token);
        reads_the_secret(&place, &plain);
    }
}

#[test]
fn a_sink_that_is_wrapped_and_encrypted_with_bound_data_needs_key_data_and_server() {
    let place = Place::with_secret("one");
    let key = reader(&place);
    with_sink(
        &place,
        r#"sink "file" { wrap_ttl = "2m" dh_type = "curve25519" dh_path = "FOLDER/peer"
           aad = "right" config = { path = "FOLDER/sealed" } }"#,
    );
    let _agent = place.start("config.hcl");
    let sealed = place.await_file("sealed");
    let line = decrypted(&sealed, key, false, "right").expect("key and data fit");
    reads_the_secret(&place, &unwrapped(&place, &line));

    let place = Place::with_secret("one");
    let key = reader(&place);
    with_sink(
        &place,
        r#"sink "file" { dh_type = "curve25519" dh_path = "FOLDER/peer" aad = "right"
           config = { path = "FOLDER/sealed" } }"#,
    );
    let _agent = place.start("config.hcl");
    let sealed = place.await_file("sealed");
    assert_eq!(decrypted(&sealed, key, false, "wrong"), None);
}

#[test]
fn paths_without_a_root_lie_in_the_working_folder() {
    let place = Place::with_secret("one");
    place.configure("config.hcl", &format!("exit_after_auth = true {APP}"));
    let text = place.file("config.hcl").unwrap();
    let folder = format!("{}/", place.folder.path().display());
    let text = text.replace(&format!("{folder}app"), "deploy.env");
    fs::write(place.path("config.hcl"), text).unwrap();
    let ended = place
        .command(&["run", "--config", "config.hcl"])
        .current_dir(place.folder.path())
        .output()
        .unwrap();
    assert!(
        ended.status.success(),
        "{}",
        String::from_utf8_lossy(&ended.stderr)
    );
    assert_eq!(place.file("deploy.env").as_deref(), Some("one"));
}

#[test]
fn sinks_have_the_mode_and_owner_that_are_asked_for() {
    let place = Place::with_secret("one");
    // Only root can give files away; everybody can keep them.
    let (user, group) = match getuid().is_root() {
        true => (4321, 8765),
        false => (getuid().as_raw(), getgid().as_raw()),
    };
    with_sink(
        &place,
        &format!(
            r#"sink "file" {{ config = {{ path = "FOLDER/own" mode = 0600 uid = {user} gid = {group} }} }}
               sink "file" {{ config = {{ path = "FOLDER/shared" mode = 416 }} }}"#
        ),
    );
    let _agent = place.start("config.hcl");
    place.await_file("token");
    let facts = |name: &str| {
        let found = fs::metadata(place.path(name)).unwrap();
        (found.mode() & 0o7777, found.uid(), found.gid())
    };
    assert_eq!(facts("own"), (0o600, user, group));
    assert_eq!(facts("shared").0, 0o640);
    assert_eq!(facts("token").0, 0o640, "the mode where none is given");
}
