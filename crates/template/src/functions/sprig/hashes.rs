//! Encodings and hashes, of sprig. What cannot be decoded gives the refusal as output.

use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};

use crate::{
    base64::{self, Alphabet, DecodeError},
    functions::encoding::hex,
    go::{Function, Type, Value},
};

const ONE: &[Type] = &[Type::Text];

pub(in crate::functions) const FUNCTIONS: &[Function] = &[
    Function::fixed("sprig_b64enc", ONE, |_, args| {
        Ok(base64::encode(args.bytes(0), Alphabet::Standard).into())
    }),
    Function::fixed("sprig_b64dec", ONE, |_, args| {
        Ok(decoded(base64::decode(args.bytes(0), Alphabet::Standard)))
    }),
    Function::fixed("sprig_b32enc", ONE, |_, args| {
        Ok(base64::encode32(args.bytes(0)).into())
    }),
    Function::fixed("sprig_b32dec", ONE, |_, args| {
        Ok(decoded(base64::decode32(args.bytes(0))))
    }),
    Function::fixed("sprig_sha1sum", ONE, |_, args| {
        Ok(hex(&Sha1::digest(args.bytes(0))).into())
    }),
    Function::fixed("sprig_sha256sum", ONE, |_, args| {
        Ok(hex(&Sha256::digest(args.bytes(0))).into())
    }),
    Function::fixed("sprig_sha512sum", ONE, |_, args| {
        Ok(hex(&Sha512::digest(args.bytes(0))).into())
    }),
    Function::fixed("sprig_adler32sum", ONE, |_, args| {
        Ok(adler32(args.bytes(0)).to_string().into())
    }),
];

fn decoded(result: Result<Vec<u8>, DecodeError>) -> Value {
    result.map_or_else(|error| error.to_string().into(), Value::from)
}

fn adler32(bytes: &[u8]) -> u32 {
    const MODULUS: u32 = 65_521;
    let (low, high) = bytes.iter().fold((1, 0), |(low, high), byte| {
        let low = (low + u32::from(*byte)) % MODULUS;
        (low, (high + low) % MODULUS)
    });
    high << 16 | low
}
