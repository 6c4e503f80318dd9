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
            "PRIVATE KEY" => from_pkcs8(&block.bytes).ok_or(X509Error::DamagedKey("PKCS#8")),
            "RSA PRIVATE KEY" => {
                let key = RsaPrivateKey::from_pkcs1_der(&block.bytes)
                    .map_err(|_| X509Error::DamagedKey("RSA"))?;
                Ok(Self::Rsa(Box::new(key)))
            }
            "EC PRIVATE KEY" => from_sec1(&block.bytes).ok_or(X509Error::DamagedKey("EC")),
            label => match label.strip_suffix(" PRIVATE KEY") {
                Some(_) => Err(X509Error::KeyType(label.to_owned())),
                None => Err(X509Error::NotAKey(label.to_owned())),
            },
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

fn from_sec1(bytes: &[u8]) -> Option<PrivateKey> {
    let mut fields = Reader::new(bytes).enter(Tag::SEQUENCE)?;
    fields.element()?;
    let secret = fields.element()?;
    while let Some(element) = fields.element() {
        if element.tag == Tag::context(0)
            && Reader::new(element.content).element()?.content != OID_P256
        {
            return None;
        }
    }
    ecdsa(secret.content)
}

fn ecdsa(secret: &[u8]) -> Option<PrivateKey> {
    ecdsa::SigningKey::from_slice(secret)
        .ok()
        .map(|key| PrivateKey::Ecdsa(Box::new(key)))
}

fn from_pkcs8(bytes: &[u8]) -> Option<PrivateKey> {
    let mut fields = Reader::new(bytes).enter(Tag::SEQUENCE)?;
    fields.element()?;
    let mut algorithm = fields.enter(Tag::SEQUENCE)?;
    let inner = fields.element()?.content;
    match algorithm.element()?.content {
        OID_RSA => RsaPrivateKey::from_pkcs8_der(bytes)
            .ok()
            .map(|key| PrivateKey::Rsa(Box::new(key))),
        OID_EC if algorithm.element()?.content == OID_P256 => {
            let mut fields = Reader::new(inner).enter(Tag::SEQUENCE)?;
            fields.element()?;
            ecdsa(fields.element()?.content)
        }
        OID_ED25519 => {
            let seed = Reader::new(inner).element()?.content;
            Some(PrivateKey::Ed25519(Zeroizing::new(seed.try_into().ok()?)))
        }
        _ => None,
    }
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
