//! Base 64 and hashes of consul-template.

use hmac::{Hmac, Mac as _};
use md5::Md5;
use sha2::{Digest, Sha256};

use crate::{
    base64::{self, Alphabet},
    go::{Failure, Function, Type, Value},
};

pub(super) const FUNCTIONS: &[Function] = &[
    Function::fixed("base64Encode", &[Type::Text], |_, args| {
        Ok(base64::encode(args.bytes(0), Alphabet::Standard).into())
    }),
    Function::fixed("base64Decode", &[Type::Text], |_, args| {
        decode("base64Decode", args.bytes(0), Alphabet::Standard)
    }),
    Function::fixed("base64URLEncode", &[Type::Text], |_, args| {
        Ok(base64::encode(args.bytes(0), Alphabet::Url).into())
    }),
    Function::fixed("base64URLDecode", &[Type::Text], |_, args| {
        decode("base64URLDecode", args.bytes(0), Alphabet::Url)
    }),
    Function::fixed("md5sum", &[Type::Text], |_, args| {
        Ok(hex(&Md5::digest(args.bytes(0))).into())
    }),
    Function::fixed("sha256Hex", &[Type::Text], |_, args| {
        Ok(hex(&Sha256::digest(args.bytes(0))).into())
    }),
    Function::fixed("hmacSHA256Hex", &[Type::Text, Type::Text], |_, args| {
        let mut mac = Hmac::<Sha256>::new_from_slice(args.bytes(1))
            .map_err(|error| Failure::from(error.to_string()))?;
        mac.update(args.bytes(0));
        Ok(hex(&mac.finalize().into_bytes()).into())
    }),
];

/// Lower-case hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
            let _ = write!(out, "{byte:02x}");
            out
        })
}

fn decode(name: &str, text: &[u8], alphabet: Alphabet) -> Result<Value, Failure> {
    base64::decode(text, alphabet)
        .map(Value::from)
        .map_err(|error| format!("{name}: {error}").into())
}
