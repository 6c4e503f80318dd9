//! Signatures with P-521 keys: ring has none, and people's own authorities use them.
//!
//! Only public values are handled here, so time need not be constant.

use std::sync::LazyLock;

use p521::ecdsa::signature::hazmat::PrehashVerifier as _;
use p521::ecdsa::{Signature, VerifyingKey};
use ring::digest;
use rustls::SignatureScheme;
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::pki_types::{
    AlgorithmIdentifier, InvalidSignature, SignatureVerificationAlgorithm, alg_id,
};

/// The length of a number of the curve, in bytes.
const FIELD: usize = 66;

/// ring's algorithms and ours.
pub(super) static ALGORITHMS: LazyLock<WebPkiSupportedAlgorithms> = LazyLock::new(|| {
    let ring = rustls::crypto::ring::default_provider().signature_verification_algorithms;
    let mut all = ring.all.to_vec();
    all.extend(OURS);
    let mut mapping = ring.mapping.to_vec();
    mapping.push((SignatureScheme::ECDSA_NISTP521_SHA512, &OURS[..1]));
    // Made once and kept as long as the program: the type wants it so.
    WebPkiSupportedAlgorithms {
        all: Vec::leak(all),
        mapping: Vec::leak(mapping),
    }
});

static OURS: &[&dyn SignatureVerificationAlgorithm] = &[
    &P521 {
        identifier: alg_id::ECDSA_SHA512,
        hash: &digest::SHA512,
    },
    &P521 {
        identifier: alg_id::ECDSA_SHA384,
        hash: &digest::SHA384,
    },
    &P521 {
        identifier: alg_id::ECDSA_SHA256,
        hash: &digest::SHA256,
    },
];

#[derive(Debug)]
struct P521 {
    identifier: AlgorithmIdentifier,
    hash: &'static digest::Algorithm,
}

impl SignatureVerificationAlgorithm for P521 {
    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::ECDSA_P521
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        self.identifier
    }

    fn verify_signature(
        &self,
        public_key: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        let key = VerifyingKey::from_sec1_bytes(public_key).map_err(|_| InvalidSignature)?;
        let signature = Signature::from_der(signature).map_err(|_| InvalidSignature)?;
        let hash = digest::digest(self.hash, message);
        // The hash is a number; written as long as a number of the curve it is the same one, and
        // the library takes it also where it is much shorter.
        let mut number = [0; FIELD];
        let start = FIELD - hash.as_ref().len();
        if let Some(end) = number.get_mut(start..) {
            end.copy_from_slice(hash.as_ref());
        }
        key.verify_prehash(&number, &signature)
            .map_err(|_| InvalidSignature)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // A public key, and signatures of the word `leasehold` made with its private one by openssl.
    const KEY: &str = "04009765ee124cb787bfd089af34f506ff3860af90a13601004e5b0494f750bbb4ff17571eb5f46f\
         8dd309cc336bc2792671f8b48a170b94b9f44725eaa3c1702f722f00548b8de90ec25d96c17f2ace\
         cbb6e7da1a55a5e5e70a5fe11a5736141387beb9c5e424e18e55301439ae458d5275f64e4a827bd8\
         4197a22e12ffc29568785cfa8c";
    const SIGNATURES: [&str; 3] = [
        "30818802420172732c31ec61c08791edfe81450cd347f98cdc9925fe3cdb3689b828ccd8c8d44ef4\
         9962432a7e944872f45e67722108639ddf27b104f5b3049c71c6bb9cf32380024201a340c6f0ab6d\
         486cdeadf44bb1fe06c48d0d6359a5ed3f96e2e24d2bb7d6a4ccf4bd20635ad36b51b1395ad8b5b7\
         abee0494055e8be21ce588cdf5dcac9a8e1e7e",
        "308187024144e07e7902311b72e238bb901628238122b5a371d01a1970b1cd9165f06cdb1b60a1cb\
         ac8ae7e021b62917e0bff4f77c73b1c3a1163e79ba6afeae5bd5da5d97d9024200e3ac4fc4997779\
         a300c8442eaaf3d01874807e7a0d51bf10f5770fc6879eb2a5d4ac355ca0042051c87e631e692c32\
         96ad61dea67c4a1678745beb03ed04867512",
        "308188024201d0c534fc3d0c7c813b6d696afaa94a3dd374600637665cf04cb6b771a3172c2d9932\
         a30e91be5e5f1c41ffd4034e7a6702019bf4948774b298939042f070ad0ff902420178ca8c266cb8\
         0c3fcde5bef25acb7762c4fd7fb6fa18a7b1bba91e40ded29b10835f563581d00bd52b0119f52b88\
         9a81e7c64b876e2321f1e9607f530c1bece00f",
    ];

    fn bytes(hex: &str) -> Vec<u8> {
        (0..hex.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
            .collect()
    }

    #[test]
    fn signatures_made_elsewhere_hold_with_their_own_hash_only() {
        for (algorithm, hash) in OURS.iter().zip(0..) {
            for (index, signature) in SIGNATURES.iter().enumerate() {
                let check = |message: &[u8]| {
                    algorithm.verify_signature(&bytes(KEY), message, &bytes(signature))
                };
                assert_eq!(check(b"leasehold").is_ok(), index == hash);
                assert!(check(b"leasehole").is_err());
            }
        }
    }

    #[test]
    fn what_is_no_key_or_signature_is_refused() {
        for (key, signature) in [
            (&bytes(KEY)[..60], &bytes(SIGNATURES[0])[..]),
            (&[], &bytes(SIGNATURES[0])),
            (&bytes(KEY), &[]),
            (&bytes(KEY), &bytes(SIGNATURES[0])[..20]),
        ] {
            assert!(
                OURS[0]
                    .verify_signature(key, b"leasehold", signature)
                    .is_err()
            );
        }
    }
}
