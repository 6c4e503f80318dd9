//! Keys survive being written and read; certificates verify with the keys that signed them.

use ring::signature::{self, UnparsedPublicKey};

use super::*;
use crate::time::Duration;

fn request(name: &str, role: Role) -> Request<'_> {
    let not_before = Time::from_unix(1_700_000_000, 0);
    Request {
        name,
        addresses: vec![
            "192.0.2.1".parse().expect("an address"),
            "2001:db8::1".parse().expect("an address"),
        ],
        dns_names: vec!["b.example".to_owned()],
        not_after: not_before.plus(Duration::from_seconds(86_400)),
        not_before,
        serial: [0xff; 16],
        role,
    }
}

fn key(kind: Kind) -> PrivateKey {
    PrivateKey::generate(kind, [7; 32]).expect("a key")
}

/// The signed part, the signature, and the signer's public key bits.
fn parts(certificate: &str, signer: &PrivateKey) -> (Vec<u8>, Vec<u8>, Vec<u8>) {
    let block = pem::decode(certificate.as_bytes()).expect("PEM");
    let mut fields = Reader::new(&block.bytes)
        .enter(Tag::SEQUENCE)
        .expect("a certificate");
    let body = fields.element().expect("a body").whole.to_vec();
    fields.element().expect("an algorithm");
    let signature = fields.element().expect("a signature").content[1..].to_vec();
    let info = signer.public_key_info();
    let mut info = Reader::new(&info)
        .enter(Tag::SEQUENCE)
        .expect("a public key");
    info.element().expect("an algorithm");
    (
        body,
        signature,
        info.element().expect("bits").content[1..].to_vec(),
    )
}

#[test]
fn certificates_verify_with_the_key_that_signed_them() {
    let kinds: [(Kind, &dyn signature::VerificationAlgorithm); 3] = [
        (Kind::Rsa(2048), &signature::RSA_PKCS1_2048_8192_SHA256),
        (Kind::Ecdsa, &signature::ECDSA_P256_SHA256_ASN1),
        (Kind::Ed25519, &signature::ED25519),
    ];
    for (kind, algorithm) in kinds {
        let authority_key = key(kind);
        let authority = certificate(&request("my ca", Role::Authority), &authority_key, None)
            .expect("an authority");
        let leaf_key = key(Kind::Ecdsa);
        let signer = Signer {
            certificate: authority.as_bytes(),
            key: &authority_key,
        };
        let leaf = certificate(&request("é.example", Role::Leaf), &leaf_key, Some(&signer))
            .expect("a certificate");
        for signed in [&authority, &leaf] {
            let (body, signature, public_key) = parts(signed, &authority_key);
            let verified = UnparsedPublicKey::new(algorithm, public_key).verify(&body, &signature);
            assert_eq!(verified, Ok(()), "{kind:?}");
        }
    }
}

#[test]
fn keys_survive_being_written_and_read() {
    for kind in [Kind::Rsa(2048), Kind::Ecdsa, Kind::Ed25519] {
        let text = key(kind).to_pem().expect("PEM");
        let again = PrivateKey::from_pem(text.as_bytes()).and_then(|key| key.to_pem());
        assert_eq!(again, Ok(text));
    }
}

#[test]
fn a_signer_needs_its_own_key() {
    let authority = certificate(&request("ca", Role::Authority), &key(Kind::Ecdsa), None)
        .expect("an authority");
    let other = key(Kind::Ed25519);
    let signer = Signer {
        certificate: authority.as_bytes(),
        key: &other,
    };
    let refused = certificate(&request("x", Role::Leaf), &key(Kind::Ecdsa), Some(&signer));
    assert_eq!(refused, Err(X509Error::OtherKey));
}

#[test]
fn what_is_no_key_is_refused() {
    let refusal = |text: &str| {
        PrivateKey::from_pem(text.as_bytes())
            .err()
            .map(|error| error.to_string())
    };
    assert_eq!(refusal("x").as_deref(), Some("no PEM data in input"));
    let block = |label: &str| pem::encode(label, &[1, 2, 3]);
    assert_eq!(
        refusal(&block("CERTIFICATE")).as_deref(),
        Some("no private key data in PEM block of type CERTIFICATE")
    );
    for label in [
        "PRIVATE KEY",
        "EC PRIVATE KEY",
        "RSA PRIVATE KEY",
        "DSA PRIVATE KEY",
    ] {
        assert!(refusal(&block(label)).is_some(), "{label}");
    }
}

#[test]
fn damaged_certificates_are_refused() {
    let whole = certificate(&request("ca", Role::Authority), &key(Kind::Ecdsa), None)
        .expect("an authority");
    let bytes = pem::decode(whole.as_bytes()).expect("PEM").bytes;
    for length in 0..bytes.len() {
        let cut = pem::encode("CERTIFICATE", &bytes[..length]);
        assert!(check_certificate(cut.as_bytes()).is_err(), "{length} bytes");
    }
}

#[test]
fn keys_on_other_curves_are_whole_but_sign_nothing() {
    const P384: &str = "-----BEGIN EC PRIVATE KEY-----\nMIGkAgEBBDD85P4JqLDmBMorXe7FQY1p/7o/lD4KNOOW6N6KdCo738N59dfNn4NW\n5P0ttfwNKCygBwYFK4EEACKhZANiAAQU5EDdHlB1yk6ak5iF+J8yeYFNs+/yb12b\n1mVpOI2rWp6tYPzwnkAMD7u2emDBEnAEHVwj5i4yOr8fCjjW5U6nMJnZZTyFtBCq\nj+y6Kd6lHZV2eRfrOrczloPDJKfP49w=\n-----END EC PRIVATE KEY-----\n";
    const P384_IN_PKCS8: &str = "-----BEGIN PRIVATE KEY-----\nMIG2AgEAMBAGByqGSM49AgEGBSuBBAAiBIGeMIGbAgEBBDD85P4JqLDmBMorXe7F\nQY1p/7o/lD4KNOOW6N6KdCo738N59dfNn4NW5P0ttfwNKCyhZANiAAQU5EDdHlB1\nyk6ak5iF+J8yeYFNs+/yb12b1mVpOI2rWp6tYPzwnkAMD7u2emDBEnAEHVwj5i4y\nOr8fCjjW5U6nMJnZZTyFtBCqj+y6Kd6lHZV2eRfrOrczloPDJKfP49w=\n-----END PRIVATE KEY-----\n";
    const SECP256K1: &str = "-----BEGIN EC PRIVATE KEY-----\nMHQCAQEEIECeN8tfZBYMcbvR3kYz+1e4icPeAVNK4SKjJX7sKln+oAcGBSuBBAAK\noUQDQgAEsArjoOAg9/xbdG+W2Z7uLFoY6tpI2UCpbp4XKFIZEf66S5f9h09XbEDW\nrTWe9bkZ9DKavUagzgYXwuiJfzCdyA==\n-----END EC PRIVATE KEY-----\n";
    for key in [P384, P384_IN_PKCS8] {
        assert_eq!(PrivateKey::check_pem(key.as_bytes()), Ok(()));
        let refused = PrivateKey::from_pem(key.as_bytes()).err();
        assert_eq!(refused, Some(X509Error::Curve("P-384")));
    }
    let refused = PrivateKey::check_pem(SECP256K1.as_bytes()).err();
    assert_eq!(
        refused.map(|error| error.to_string()).as_deref(),
        Some("parsing EC private key from PEM: x509: unknown elliptic curve")
    );
}
