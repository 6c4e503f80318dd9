//! Private keys: made, read, written, and used to sign.

use p256::ecdsa::{self, signature::Signer as _};
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use rsa::{
    RsaPrivateKey,
    pkcs1::{DecodeRsaPrivateKey as _, EncodeRsaPrivateKey as _, EncodeRsaPublicKey as _},
    pkcs1v15,
    pkcs8::DecodePrivateKey as _,
    rand_core::{CryptoRng, Error, RngCore},
    signature::SignatureEncoding as _,
};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::{
    X509Error,
    der::{self, Reader, Tag},
    pem,
};

const OID_RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1];
const OID_RSA_SHA256: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 11];
const OID_EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1];
const OID_P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];
/// Curves that keys are looked at on, and not more: code for them would only be for templates that make certificates.
const OTHER_CURVES: [(&[u8], &str); 3] = [
    (&[0x2b, 0x81, 0x04, 0x00, 0x21], "P-224"),
    (&[0x2b, 0x81, 0x04, 0x00, 0x22], "P-384"),
    (&[0x2b, 0x81, 0x04, 0x00, 0x23], "P-521"),
];
const OID_ECDSA_SHA256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2];
const OID_ED25519: &[u8] = &[0x2b, 0x65, 0x70];
const NULL: &[u8] = &[5, 0];

/// Which key is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// RSA with so many bits.
    Rsa(usize),
    /// ECDSA on P-256.
    Ecdsa,
    /// Ed25519.
    Ed25519,
}

/// A private key.
pub(crate) enum PrivateKey {
    /// RSA
    Rsa(Box<RsaPrivateKey>),
    /// ECDSA on P-256
    Ecdsa(Box<ecdsa::SigningKey>),
    /// Ed25519, by its seed
    Ed25519(Zeroizing<[u8; 32]>),
}

impl PrivateKey {
    /// Makes a key from a seed, which must be unpredictable.
    pub(crate) fn generate(kind: Kind, seed: [u8; 32]) -> Result<Self, X509Error> {
        let mut random = Expanded::new(seed);
        match kind {
            Kind::Rsa(bits) => {
                let key =
                    RsaPrivateKey::new(&mut random, bits).map_err(|_| X509Error::NoKey("RSA"))?;
                Ok(Self::Rsa(Box::new(key)))
            }
            Kind::Ecdsa => Ok(Self::Ecdsa(Box::new(ecdsa::SigningKey::random(
                &mut random,
            )))),
            Kind::Ed25519 => Ok(Self::Ed25519(Zeroizing::new(seed))),
        }
    }

    /// Reads a key in PEM: PKCS#1, SEC 1 or PKCS#8.
    pub(crate) fn from_pem(text: &[u8]) -> Result<Self, X509Error> {
        let block = pem::decode(text).ok_or(X509Error::NoPem)?;
        match block.label.as_str() {
            "PRIVATE KEY" => from_pkcs8(&block.bytes),
            "RSA PRIVATE KEY" => {
                let key = RsaPrivateKey::from_pkcs1_der(&block.bytes)
                    .map_err(|_| X509Error::DamagedKey("RSA"))?;
                Ok(Self::Rsa(Box::new(key)))
            }
            "EC PRIVATE KEY" => from_sec1(&block.bytes),
            label => match label.strip_suffix(" PRIVATE KEY") {
                Some(_) => Err(X509Error::KeyType(label.to_owned())),
                None => Err(X509Error::NotAKey(label.to_owned())),
            },
        }
    }

    /// Whether a text is a key in PEM, be it one that nothing can be signed with here.
    pub(crate) fn check_pem(text: &[u8]) -> Result<(), X509Error> {
        match Self::from_pem(text) {
            Ok(_) | Err(X509Error::Curve(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Writes the key in PEM, each kind in its own format.
    pub(crate) fn to_pem(&self) -> Result<String, X509Error> {
        match self {
            Self::Rsa(key) => {
                let der = key.to_pkcs1_der().map_err(|_| X509Error::NoKey("RSA"))?;
                Ok(pem::encode("RSA PRIVATE KEY", der.as_bytes()))
            }
            Self::Ecdsa(key) => {
                let secret = Zeroizing::new(key.to_bytes());
                let der = Zeroizing::new(der::sequence(&[
                    &der::integer(&[1]),
                    &der::tlv(Tag::OCTET_STRING, secret.as_slice()),
                    &der::tlv(Tag::context(0), &der::tlv(Tag::OID, OID_P256)),
                    &der::tlv(Tag::context(1), &der::bit_string(&point(key))),
                ]));
                Ok(pem::encode("EC PRIVATE KEY", &der))
            }
            Self::Ed25519(seed) => {
                let der = Zeroizing::new(der::sequence(&[
                    &der::integer(&[0]),
                    &der::sequence(&[&der::tlv(Tag::OID, OID_ED25519)]),
                    &der::tlv(
                        Tag::OCTET_STRING,
                        &der::tlv(Tag::OCTET_STRING, seed.as_slice()),
                    ),
                ]));
                Ok(pem::encode("PRIVATE KEY", &der))
            }
        }
    }

    /// The public key with its algorithm, as certificates hold it.
    pub(super) fn public_key_info(&self) -> Vec<u8> {
        match self {
            Self::Rsa(key) => {
                let der = key
                    .to_public_key()
                    .to_pkcs1_der()
                    .map(|der| der.as_bytes().to_vec())
                    .unwrap_or_default();
                der::sequence(&[
                    &der::sequence(&[&der::tlv(Tag::OID, OID_RSA), NULL]),
                    &der::bit_string(&der),
                ])
            }
            Self::Ecdsa(key) => der::sequence(&[
                &der::sequence(&[&der::tlv(Tag::OID, OID_EC), &der::tlv(Tag::OID, OID_P256)]),
                &der::bit_string(&point(key)),
            ]),
            Self::Ed25519(seed) => {
                let public = ed25519(seed)
                    .map(|pair| pair.public_key().as_ref().to_vec())
                    .unwrap_or_default();
                der::sequence(&[
                    &der::sequence(&[&der::tlv(Tag::OID, OID_ED25519)]),
                    &der::bit_string(&public),
                ])
            }
        }
    }

    /// The name of the algorithm that the key signs with.
    pub(super) fn signature_algorithm(&self) -> Vec<u8> {
        match self {
            Self::Rsa(_) => der::sequence(&[&der::tlv(Tag::OID, OID_RSA_SHA256), NULL]),
            Self::Ecdsa(_) => der::sequence(&[&der::tlv(Tag::OID, OID_ECDSA_SHA256)]),
            Self::Ed25519(_) => der::sequence(&[&der::tlv(Tag::OID, OID_ED25519)]),
        }
    }

    pub(super) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, X509Error> {
        match self {
            Self::Rsa(key) => {
                let signing = pkcs1v15::SigningKey::<Sha256>::new(key.as_ref().clone());
                let signature = signing
                    .try_sign(message)
                    .map_err(|_| X509Error::NoKey("RSA"))?;
                Ok(signature.to_vec())
            }
            Self::Ecdsa(key) => {
                let signature: ecdsa::Signature = key
                    .try_sign(message)
                    .map_err(|_| X509Error::NoKey("ECDSA"))?;
                Ok(signature.to_der().as_bytes().to_vec())
            }
            Self::Ed25519(seed) => {
                let pair = ed25519(seed).ok_or(X509Error::NoKey("Ed25519"))?;
                Ok(pair.sign(message).as_ref().to_vec())
            }
        }
    }
}

/// The name of a key in certificates: the start of a hash of its bits.
pub(super) fn identifier(public_key_info: &[u8]) -> Vec<u8> {
    let bits = Reader::new(public_key_info)
        .enter(Tag::SEQUENCE)
        .and_then(|mut info| {
            info.element()?;
            info.element()
        });
    let bits = bits
        .and_then(|bits| bits.content.get(1..))
        .unwrap_or_default();
    Sha256::digest(bits).iter().take(20).copied().collect()
}

fn ed25519(seed: &[u8; 32]) -> Option<Ed25519KeyPair> {
    Ed25519KeyPair::from_seed_unchecked(seed).ok()
}

fn point(key: &ecdsa::SigningKey) -> Vec<u8> {
    key.verifying_key()
        .to_encoded_point(false)
        .as_bytes()
        .to_vec()
}

fn from_sec1(bytes: &[u8]) -> Result<PrivateKey, X509Error> {
    let damaged = X509Error::DamagedKey("EC");
    let read = || {
        let mut fields = Reader::new(bytes).enter(Tag::SEQUENCE)?;
        fields.element()?;
        let secret = fields.element()?.content;
        let mut curve = OID_P256;
        while let Some(element) = fields.element() {
            if element.tag == Tag::context(0) {
                curve = Reader::new(element.content).element()?.content;
            }
        }
        Some((curve, secret))
    };
    let (curve, secret) = read().ok_or_else(|| damaged.clone())?;
    check_curve(curve, "EC")?;
    ecdsa(secret).ok_or(damaged)
}

/// Nothing, if the curve is the one that keys are made on here.
fn check_curve(curve: &[u8], format: &'static str) -> Result<(), X509Error> {
    if curve == OID_P256 {
        return Ok(());
    }
    let known = OTHER_CURVES.iter().find(|(oid, _)| *oid == curve);
    Err(known.map_or(X509Error::UnknownCurve(format), |(_, name)| {
        X509Error::Curve(name)
    }))
}

fn ecdsa(secret: &[u8]) -> Option<PrivateKey> {
    ecdsa::SigningKey::from_slice(secret)
        .ok()
        .map(|key| PrivateKey::Ecdsa(Box::new(key)))
}

fn from_pkcs8(bytes: &[u8]) -> Result<PrivateKey, X509Error> {
    let damaged = X509Error::DamagedKey("PKCS#8");
    let read = || {
        let mut fields = Reader::new(bytes).enter(Tag::SEQUENCE)?;
        fields.element()?;
        let mut algorithm = fields.enter(Tag::SEQUENCE)?;
        let inner = fields.element()?.content;
        let name = algorithm.element()?.content;
        let parameter = algorithm.element().map(|element| element.content);
        Some((name, parameter.unwrap_or_default(), inner))
    };
    let (name, parameter, inner) = read().ok_or_else(|| damaged.clone())?;
    let key = match name {
        OID_RSA => {
            let key = RsaPrivateKey::from_pkcs8_der(bytes).ok();
            key.map(|key| PrivateKey::Rsa(Box::new(key)))
        }
        OID_EC => {
            check_curve(parameter, "PKCS#8")?;
            let mut fields = Reader::new(inner).enter(Tag::SEQUENCE);
            let secret = fields.as_mut().and_then(|fields| {
                fields.element()?;
                fields.element()
            });
            secret.and_then(|secret| ecdsa(secret.content))
        }
        OID_ED25519 => {
            let seed = Reader::new(inner).element();
            let seed = seed.and_then(|seed| seed.content.try_into().ok());
            seed.map(|seed| PrivateKey::Ed25519(Zeroizing::new(seed)))
        }
        _ => None,
    };
    key.ok_or(damaged)
}

/// As many unpredictable bytes as are wanted, from a seed: hashes of the seed with a counter.
struct Expanded {
    seed: Zeroizing<[u8; 32]>,
    counter: u64,
}

impl Expanded {
    fn new(seed: [u8; 32]) -> Self {
        Self {
            seed: Zeroizing::new(seed),
            counter: 0,
        }
    }
}

impl RngCore for Expanded {
    fn next_u32(&mut self) -> u32 {
        let mut bytes = [0; 4];
        self.fill_bytes(&mut bytes);
        u32::from_le_bytes(bytes)
    }

    fn next_u64(&mut self) -> u64 {
        let mut bytes = [0; 8];
        self.fill_bytes(&mut bytes);
        u64::from_le_bytes(bytes)
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(32) {
            let hash = Sha256::new()
                .chain_update(self.seed.as_slice())
                .chain_update(self.counter.to_le_bytes());
            self.counter += 1;
            let block = hash.finalize();
            chunk
                .iter_mut()
                .zip(block)
                .for_each(|(byte, random)| *byte = random);
        }
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Error> {
        self.fill_bytes(bytes);
        Ok(())
    }
}

impl CryptoRng for Expanded {}
