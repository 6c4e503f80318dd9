//! Keys and certificates, as far as sprig makes them: private keys in PEM, self-signed certificates, and certificates
//! signed by another. Time and chance are arguments.

mod der;
mod key;
mod pem;

use core::net::IpAddr;

use thiserror::Error;

use crate::time::Time;

use der::{Reader, Tag};
pub(crate) use key::{Kind, PrivateKey};

/// Why there is no key or certificate.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum X509Error {
    /// There is no PEM block.
    #[error("no PEM data in input")]
    NoPem,
    /// A PEM block of another type.
    #[error("no private key data in PEM block of type {0}")]
    NotAKey(String),
    /// A private key of a type that is not known.
    #[error("invalid private key type {0}")]
    KeyType(String),
    /// A key that cannot be read.
    #[error(
        "parsing {0} private key from PEM: it is damaged, or of a curve or kind that is not supported here"
    )]
    DamagedKey(&'static str),
    /// A whole key on a curve that nothing is signed on here.
    #[error(
        "it is on {0}, and certificates are made here with keys of RSA, P-256 and Ed25519 only"
    )]
    Curve(&'static str),
    /// A key on a curve that nobody uses for certificates.
    #[error("parsing {0} private key from PEM: x509: unknown elliptic curve")]
    UnknownCurve(&'static str),
    /// A certificate that cannot be read.
    #[error("x509: malformed certificate")]
    Malformed,
    /// The signer's key is not that of the signer's certificate.
    #[error("x509: provided PrivateKey doesn't match parent's PublicKey")]
    OtherKey,
    /// No key came out.
    #[error("{0} key could not be made")]
    NoKey(&'static str),
}

/// What a certificate says.
pub(crate) struct Request<'a> {
    /// The common name.
    pub(crate) name: &'a str,
    /// Addresses it is for.
    pub(crate) addresses: Vec<IpAddr>,
    /// Names it is for.
    pub(crate) dns_names: Vec<String>,
    /// From when it is valid.
    pub(crate) not_before: Time,
    /// Until when it is valid.
    pub(crate) not_after: Time,
    /// Its number, which chance gives.
    pub(crate) serial: [u8; 16],
    /// Whether it may sign others.
    pub(crate) role: Role,
}

/// What a certificate is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// It signs others.
    Authority,
    /// It is a server's or client's.
    Leaf,
}

/// Who signs: another certificate, with its key.
pub(crate) struct Signer<'a> {
    /// The certificate in PEM.
    pub(crate) certificate: &'a [u8],
    /// Its key.
    pub(crate) key: &'a PrivateKey,
}

/// What is needed of a certificate that signs.
struct Parent {
    subject: Vec<u8>,
    public_key: Vec<u8>,
    key_id: Option<Vec<u8>>,
}

/// Makes a certificate for a key, in PEM. Without a signer it signs itself.
pub(crate) fn certificate(
    request: &Request<'_>,
    key: &PrivateKey,
    signer: Option<&Signer<'_>>,
) -> Result<String, X509Error> {
    let parent = signer
        .map(|signer| parent(signer.certificate))
        .transpose()?;
    let signing_key = signer.map_or(key, |signer| signer.key);
    if parent
        .as_ref()
        .is_some_and(|parent| parent.public_key != signing_key.public_key_info())
    {
        return Err(X509Error::OtherKey);
    }
    let subject = name(request.name);
    let issuer = parent.as_ref().map_or(&subject, |parent| &parent.subject);
    let public_key = key.public_key_info();
    let algorithm = signing_key.signature_algorithm();
    let parent_key_id = parent
        .as_ref()
        .filter(|_| *issuer != subject)
        .and_then(|parent| parent.key_id.as_deref());
    let body = der::sequence(&[
        &der::tlv(Tag::context(0), &der::integer(&[2])),
        &der::integer(&positive(request.serial)),
        &algorithm,
        issuer,
        &der::sequence(&[&moment(&request.not_before), &moment(&request.not_after)]),
        &subject,
        &public_key,
        &der::tlv(
            Tag::context(3),
            &der::sequence(&[&extensions(request, &public_key, parent_key_id)]),
        ),
    ]);
    let signature = der::bit_string(&signing_key.sign(&body)?);
    Ok(pem::encode(
        "CERTIFICATE",
        &der::sequence(&[&body, &algorithm, &signature]),
    ))
}

/// Whether a text is a certificate in PEM.
pub(crate) fn check_certificate(text: &[u8]) -> Result<(), X509Error> {
    parent(text).map(|_| ())
}

/// Whether a text has a PEM block at all.
pub(crate) fn has_pem(text: &[u8]) -> bool {
    pem::decode(text).is_some()
}

fn parent(text: &[u8]) -> Result<Parent, X509Error> {
    let block = pem::decode(text).ok_or(X509Error::NoPem)?;
    read_parent(&block.bytes).ok_or(X509Error::Malformed)
}

fn read_parent(bytes: &[u8]) -> Option<Parent> {
    let mut certificate = Reader::new(bytes).enter(Tag::SEQUENCE)?;
    let mut body = certificate.enter(Tag::SEQUENCE)?;
    if body.peek() == Some(Tag::context(0)) {
        body.element()?;
    }
    // Number, algorithm, issuer and validity.
    for _ in 0..4 {
        body.element()?;
    }
    let subject = body.element()?.whole.to_vec();
    let public_key = body.element()?.whole.to_vec();
    let mut key_id = None;
    while let Some(element) = body.element() {
        if element.tag != Tag::context(3) {
            continue;
        }
        let mut list = Reader::new(element.content).enter(Tag::SEQUENCE)?;
        while let Some(mut extension) = list.enter(Tag::SEQUENCE) {
            let is_key_id = extension.element()?.content == OID_SUBJECT_KEY_ID;
            let mut value = extension.element()?;
            if value.tag == Tag::BOOLEAN {
                value = extension.element()?;
            }
            if is_key_id {
                key_id = Some(Reader::new(value.content).element()?.content.to_vec());
            }
        }
    }
    Some(Parent {
        subject,
        public_key,
        key_id,
    })
}

const OID_COMMON_NAME: &[u8] = &[0x55, 4, 3];
const OID_SUBJECT_KEY_ID: &[u8] = &[0x55, 29, 14];
const OID_KEY_USAGE: &[u8] = &[0x55, 29, 15];
const OID_ALTERNATIVE_NAMES: &[u8] = &[0x55, 29, 17];
const OID_BASIC_CONSTRAINTS: &[u8] = &[0x55, 29, 19];
const OID_AUTHORITY_KEY_ID: &[u8] = &[0x55, 29, 35];
const OID_EXTENDED_KEY_USAGE: &[u8] = &[0x55, 29, 37];
const OID_SERVER_AUTH: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 1];
const OID_CLIENT_AUTH: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 2];

/// Whether who does not know an extension must refuse the certificate.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Weight {
    Critical,
    Optional,
}

fn extension(oid: &[u8], weight: Weight, value: &[u8]) -> Vec<u8> {
    let oid = der::tlv(Tag::OID, oid);
    let value = der::tlv(Tag::OCTET_STRING, value);
    match weight {
        Weight::Critical => der::sequence(&[&oid, &der::tlv(Tag::BOOLEAN, &[0xff]), &value]),
        Weight::Optional => der::sequence(&[&oid, &value]),
    }
}

fn extensions(request: &Request<'_>, public_key: &[u8], parent_key_id: Option<&[u8]>) -> Vec<u8> {
    // Digital signature and key encipherment, and for authorities certificate signing.
    let usage = match request.role {
        Role::Authority => [2, 0b1010_0100],
        Role::Leaf => [5, 0b1010_0000],
    };
    let mut out = extension(
        OID_KEY_USAGE,
        Weight::Critical,
        &der::tlv(Tag::BIT_STRING, &usage),
    );
    let purposes = [OID_SERVER_AUTH, OID_CLIENT_AUTH]
        .map(|oid| der::tlv(Tag::OID, oid))
        .concat();
    out.extend(extension(
        OID_EXTENDED_KEY_USAGE,
        Weight::Optional,
        &der::sequence(&[&purposes]),
    ));
    let constraints: &[u8] = if request.role == Role::Authority {
        &[1, 1, 0xff]
    } else {
        &[]
    };
    out.extend(extension(
        OID_BASIC_CONSTRAINTS,
        Weight::Critical,
        &der::sequence(&[constraints]),
    ));
    if request.role == Role::Authority {
        let id = key::identifier(public_key);
        out.extend(extension(
            OID_SUBJECT_KEY_ID,
            Weight::Optional,
            &der::tlv(Tag::OCTET_STRING, &id),
        ));
    }
    if let Some(id) = parent_key_id {
        let value = der::sequence(&[&der::tlv(Tag::implicit(0), id)]);
        out.extend(extension(OID_AUTHORITY_KEY_ID, Weight::Optional, &value));
    }
    if !request.addresses.is_empty() || !request.dns_names.is_empty() {
        let mut names = Vec::new();
        for dns_name in &request.dns_names {
            names.extend(der::tlv(Tag::implicit(2), dns_name.as_bytes()));
        }
        for address in &request.addresses {
            names.extend(match address {
                IpAddr::V4(address) => der::tlv(Tag::implicit(7), &address.octets()),
                IpAddr::V6(address) => der::tlv(Tag::implicit(7), &address.octets()),
            });
        }
        let weight = if request.name.is_empty() {
            Weight::Critical
        } else {
            Weight::Optional
        };
        out.extend(extension(
            OID_ALTERNATIVE_NAMES,
            weight,
            &der::sequence(&[&names]),
        ));
    }
    out
}

fn name(common_name: &str) -> Vec<u8> {
    if common_name.is_empty() {
        return der::sequence(&[]);
    }
    let printable = common_name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b" '()+,-./:=?".contains(&byte));
    let tag = if printable {
        Tag::PRINTABLE_STRING
    } else {
        Tag::UTF8_STRING
    };
    let pair = der::sequence(&[
        &der::tlv(Tag::OID, OID_COMMON_NAME),
        &der::tlv(tag, common_name.as_bytes()),
    ]);
    der::sequence(&[&der::tlv(Tag::SET, &pair)])
}

/// Two digits for the year until 2049, four from then on.
fn moment(time: &Time) -> Vec<u8> {
    let time = time.utc();
    if (1950..2050).contains(&time.civil().year) {
        der::tlv(Tag::UTC_TIME, time.format("060102150405Z").as_bytes())
    } else {
        der::tlv(
            Tag::GENERALIZED_TIME,
            time.format("20060102150405Z").as_bytes(),
        )
    }
}

/// A serial number is positive and not zero.
fn positive(mut serial: [u8; 16]) -> [u8; 16] {
    serial[0] = (serial[0] & 0x7f) | 0x40;
    serial
}

#[cfg(test)]
mod tests;
