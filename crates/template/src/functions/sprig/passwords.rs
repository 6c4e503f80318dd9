//! Passwords and symmetric encryption, of sprig.

use aes::Aes256;
use cbc::cipher::{
    BlockDecryptMut as _, BlockEncryptMut as _, KeyIvInit as _, block_padding::NoPadding,
};
use hmac::{Hmac, Mac as _};
use sha2::Sha256;

use crate::{
    base64::{self, Alphabet},
    functions::strings,
    go::{Context, Failure, Function, Type, UintType, Value},
};

const TWO: &[Type] = &[Type::Text, Type::Text];
/// What bcrypt and scrypt count in steps, so that a template cannot keep a processor busy with them.
const HASH_STEPS: u64 = 1_000_000;
/// AES works on blocks of so many bytes.
const BLOCK: usize = 16;

pub(in crate::functions) const FUNCTIONS: &[Function] = &[
    Function::fixed("sprig_bcrypt", &[Type::Text], |context, args| {
        Ok(bcrypt(context, args.bytes(0))?.into())
    }),
    Function::fixed("sprig_htpasswd", TWO, |context, args| {
        let user = args.text(0);
        if user.contains(':') {
            return Ok(format!("invalid username: {user}").into());
        }
        Ok(format!("{user}:{}", bcrypt(context, args.bytes(1))?).into())
    }),
    Function::fixed(
        "sprig_derivePassword",
        &[
            Type::Uint(UintType::Uint32),
            Type::Text,
            Type::Text,
            Type::Text,
            Type::Text,
        ],
        |context, args| {
            let counter = match args.value(0) {
                Value::Uint(_, counter) => *counter as u32,
                _ => 0,
            };
            let Some(templates) = templates(args.bytes(1)) else {
                return Ok(format!("cannot find password template {}", args.text(1)).into());
            };
            context.spend(HASH_STEPS)?;
            derive_password(
                counter,
                templates,
                args.bytes(2),
                args.bytes(3),
                args.bytes(4),
            )
        },
    ),
    Function::fixed("sprig_encryptAES", TWO, |context, args| {
        encrypt(context, args.bytes(0), args.bytes(1))
    }),
    Function::fixed("sprig_decryptAES", TWO, |_, args| {
        decrypt(args.bytes(0), args.bytes(1))
    }),
];

fn bcrypt(context: &mut Context<'_>, password: &[u8]) -> Result<String, Failure> {
    const COST: u32 = 10;
    const LONGEST: usize = 72;
    if password.len() > LONGEST {
        return Ok(
            "failed to encrypt string with bcrypt: bcrypt: password length exceeds 72 bytes"
                .to_owned(),
        );
    }
    context.spend(HASH_STEPS)?;
    let mut salt = [0; 16];
    context
        .host()
        .fill_random(&mut salt)
        .map_err(Failure::from)?;
    let hashed = bcrypt::hash_with_salt(password, COST, salt)
        .map_err(|error| Failure::from(error.to_string()))?;
    Ok(hashed.format_for_version(bcrypt::Version::TwoA))
}

type Templates = &'static [&'static [u8]];

/// The forms of passwords of a kind, a letter for each character.
fn templates(kind: &[u8]) -> Option<Templates> {
    Some(match kind {
        b"maximum" => &[b"anoxxxxxxxxxxxxxxxxx", b"axxxxxxxxxxxxxxxxxno"],
        b"long" => &[
            b"CvcvnoCvcvCvcv",
            b"CvcvCvcvnoCvcv",
            b"CvcvCvcvCvcvno",
            b"CvccnoCvcvCvcv",
            b"CvccCvcvnoCvcv",
            b"CvccCvcvCvcvno",
            b"CvcvnoCvccCvcv",
            b"CvcvCvccnoCvcv",
            b"CvcvCvccCvcvno",
            b"CvcvnoCvcvCvcc",
            b"CvcvCvcvnoCvcc",
            b"CvcvCvcvCvccno",
            b"CvccnoCvccCvcv",
            b"CvccCvccnoCvcv",
            b"CvccCvccCvcvno",
            b"CvcvnoCvccCvcc",
            b"CvcvCvccnoCvcc",
            b"CvcvCvccCvccno",
            b"CvccnoCvcvCvcc",
            b"CvccCvcvnoCvcc",
            b"CvccCvcvCvccno",
        ],
        b"medium" => &[b"CvcnoCvc", b"CvcCvcno"],
        b"short" => &[b"Cvcn"],
        b"basic" => &[b"aaanaaan", b"aannaaan", b"aaannaaa"],
        b"pin" => &[b"nnnn"],
        _ => return None,
    })
}

/// The characters that a letter of a form stands for.
fn characters(letter: u8) -> &'static [u8] {
    match letter {
        b'V' => b"AEIOU",
        b'C' => b"BCDFGHJKLMNPQRSTVWXYZ",
        b'v' => b"aeiou",
        b'c' => b"bcdfghjklmnpqrstvwxyz",
        b'A' => b"AEIOUBCDFGHJKLMNPQRSTVWXYZ",
        b'a' => b"AEIOUaeiouBCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz",
        b'n' => b"0123456789",
        b'o' => b"@&%?,=[]_:-+*$#!'^~;()/.",
        _ => b"AEIOUaeiouBCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz0123456789!@#$%^&*()",
    }
}

/// The password of the Master Password algorithm for a site.
fn derive_password(
    counter: u32,
    templates: Templates,
    password: &[u8],
    user: &[u8],
    site: &[u8],
) -> Result<Value, Failure> {
    const SEED: &[u8] = b"com.lyndir.masterpassword";
    let failed = |error: String| Failure::from(format!("failed to derive password: {error}"));
    let length = |text: &[u8]| (text.len() as u32).to_be_bytes();
    let salt = [SEED, &length(user), user].concat();
    let parameters =
        scrypt::Params::new(15, 8, 2, 64).map_err(|error| failed(error.to_string()))?;
    let mut key = zeroize::Zeroizing::new([0u8; 64]);
    scrypt::scrypt(password, &salt, &parameters, key.as_mut())
        .map_err(|error| failed(error.to_string()))?;
    let mut mac =
        Hmac::<Sha256>::new_from_slice(key.as_ref()).map_err(|error| failed(error.to_string()))?;
    mac.update(&[SEED, &length(site), site, &counter.to_be_bytes()].concat());
    let seed = mac.finalize().into_bytes();
    let mut bytes = seed.iter().map(|byte| usize::from(*byte));
    let choose = |byte: Option<usize>, count: usize| byte.unwrap_or(0) % count.max(1);
    let template = templates
        .get(choose(bytes.next(), templates.len()))
        .copied()
        .unwrap_or_default();
    let derived: Vec<u8> = template
        .iter()
        .filter_map(|letter| {
            let characters = characters(*letter);
            characters
                .get(choose(bytes.next(), characters.len()))
                .copied()
        })
        .collect();
    Ok(derived.into())
}

/// The first 32 bytes of the password, or as many zeros as are missing.
fn key_of(password: &[u8]) -> [u8; 32] {
    let mut key = [0; 32];
    let length = password.len().min(key.len());
    key[..length].copy_from_slice(&password[..length]);
    key
}

fn encrypt(context: &mut Context<'_>, password: &[u8], text: &[u8]) -> Result<Value, Failure> {
    if text.is_empty() {
        return Ok("".into());
    }
    context.reserve(text.len() * 3)?;
    let mut iv = [0; BLOCK];
    context.host().fill_random(&mut iv).map_err(Failure::from)?;
    let padding = BLOCK - text.len() % BLOCK;
    let mut padded = zeroize::Zeroizing::new(text.to_vec());
    padded.resize(text.len() + padding, padding as u8);
    let cipher = cbc::Encryptor::<Aes256>::new(&key_of(password).into(), &iv.into());
    let encrypted = cipher.encrypt_padded_vec_mut::<NoPadding>(&padded);
    Ok(base64::encode(&[iv.as_slice(), &encrypted].concat(), Alphabet::Standard).into())
}

fn decrypt(password: &[u8], text: &[u8]) -> Result<Value, Failure> {
    if text.is_empty() {
        return Ok("".into());
    }
    let bytes = base64::decode(text, Alphabet::Standard).map_err(|error| error.to_string())?;
    let Some((iv, encrypted)) = bytes.split_at_checked(BLOCK) else {
        // The buffer is as long as the text without padding could be.
        let length = text.len() / 4 * 3;
        return Err(format!(
            "runtime error: slice bounds out of range [:{BLOCK}] with capacity {length}"
        )
        .into());
    };
    if encrypted.len() % BLOCK != 0 {
        return Err(Failure::new("crypto/cipher: input not full blocks"));
    }
    let Ok(iv) = <[u8; BLOCK]>::try_from(iv) else {
        return Err(Failure::new("runtime error: index out of range"));
    };
    let cipher = cbc::Decryptor::<Aes256>::new(&key_of(password).into(), &iv.into());
    let decrypted = cipher
        .decrypt_padded_vec_mut::<NoPadding>(encrypted)
        .map_err(|error| error.to_string())?;
    let Some(padding) = decrypted.last() else {
        return Err(Failure::new("runtime error: index out of range [-1]"));
    };
    // Padding from a wrong key may reach beyond the text.
    match decrypted
        .len()
        .checked_sub(usize::from(*padding))
        .and_then(|end| decrypted.get(..end))
    {
        Some(text) => Ok(strings::IntoValue::into_value(text)),
        None => {
            let end = decrypted.len() as i64 - i64::from(*padding);
            Err(format!("runtime error: slice bounds out of range [:{end}]").into())
        }
    }
}
