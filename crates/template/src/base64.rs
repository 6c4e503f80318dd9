//! Base 64 and base 32 as Go's `encoding` packages write and read them, with the positions in their refusals.

use thiserror::Error;

/// Why a text is not in base 64 or 32; the number is the offset of the byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum DecodeError {
    /// Not base 64.
    #[error("illegal base64 data at input byte {0}")]
    Base64(usize),
    /// Not base 32.
    #[error("illegal base32 data at input byte {0}")]
    Base32(usize),
}

/// The characters for the values 0 to 63.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Alphabet {
    /// With `+` and `/`.
    Standard,
    /// With `-` and `_`.
    Url,
}

const LETTERS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

impl Alphabet {
    fn letter(self, value: u8) -> u8 {
        match (value, self) {
            (62, Self::Standard) => b'+',
            (62, Self::Url) => b'-',
            (63, Self::Standard) => b'/',
            (63, Self::Url) => b'_',
            _ => LETTERS.get(usize::from(value)).copied().unwrap_or(b'='),
        }
    }

    fn value(self, letter: u8) -> Option<u8> {
        match (letter, self) {
            (b'A'..=b'Z', _) => Some(letter - b'A'),
            (b'a'..=b'z', _) => Some(letter - b'a' + 26),
            (b'0'..=b'9', _) => Some(letter - b'0' + 52),
            (b'+', Self::Standard) | (b'-', Self::Url) => Some(62),
            (b'/', Self::Standard) | (b'_', Self::Url) => Some(63),
            _ => None,
        }
    }
}

/// Writes base 64 with padding.
pub(crate) fn encode(bytes: &[u8], alphabet: Alphabet) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let mut group = [0; 3];
        group[..chunk.len()].copy_from_slice(chunk);
        let [a, b, c] = group;
        let values = [
            a >> 2,
            (a & 3) << 4 | b >> 4,
            (b & 15) << 2 | c >> 6,
            c & 63,
        ];
        for (index, value) in values.into_iter().enumerate() {
            out.push(if index <= chunk.len() {
                alphabet.letter(value)
            } else {
                b'='
            });
        }
    }
    out
}

/// Reads base 64 with padding; line breaks are skipped.
pub(crate) fn decode(text: &[u8], alphabet: Alphabet) -> Result<Vec<u8>, DecodeError> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    let mut letters = text
        .iter()
        .copied()
        .enumerate()
        .filter(|(_, byte)| !matches!(byte, b'\r' | b'\n'));
    loop {
        let mut values = [0u8; 4];
        let mut count = 0;
        while count < 4 {
            let Some((at, letter)) = letters.next() else {
                if count == 0 {
                    return Ok(out);
                }
                return Err(DecodeError::Base64(text.len() - count));
            };
            if let Some(value) = alphabet.value(letter) {
                values[count] = value;
                count += 1;
                continue;
            }
            if letter != b'=' || count < 2 {
                return Err(DecodeError::Base64(at));
            }
            if count == 2 {
                match letters.next() {
                    Some((_, b'=')) => {}
                    Some((at, _)) => return Err(DecodeError::Base64(at - 1)),
                    None => return Err(DecodeError::Base64(text.len())),
                }
            }
            if let Some((at, _)) = letters.next() {
                return Err(DecodeError::Base64(at));
            }
            out.push(values[0] << 2 | values[1] >> 4);
            if count == 3 {
                out.push(values[1] << 4 | values[2] >> 2);
            }
            return Ok(out);
        }
        out.extend([
            values[0] << 2 | values[1] >> 4,
            values[1] << 4 | values[2] >> 2,
            values[2] << 6 | values[3],
        ]);
    }
}

/// Writes base 32 with padding.
pub(crate) fn encode32(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len().div_ceil(5) * 8);
    for chunk in bytes.chunks(5) {
        let mut group = [0u8; 8];
        group[3..3 + chunk.len()].copy_from_slice(chunk);
        let number = u64::from_be_bytes(group);
        let used = (chunk.len() * 8).div_ceil(5);
        for index in 0..8 {
            let value = (number >> (35 - 5 * index)) & 31;
            out.push(if index < used {
                BASE32[value as usize]
            } else {
                b'='
            });
        }
    }
    out
}

/// Reads base 32 with padding; line breaks are skipped, and so is what stands behind the padding.
pub(crate) fn decode32(text: &[u8]) -> Result<Vec<u8>, DecodeError> {
    let letters: Vec<u8> = text
        .iter()
        .copied()
        .filter(|byte| !matches!(byte, b'\r' | b'\n'))
        .collect();
    let mut out = Vec::with_capacity(letters.len() / 8 * 5);
    for (index, chunk) in letters.chunks(8).enumerate() {
        let start = index * 8;
        let mut number = 0u64;
        let mut count = 0;
        for letter in chunk {
            let Some(value) = BASE32.iter().position(|known| known == letter) else {
                break;
            };
            number |= (value as u64) << (35 - 5 * count);
            count += 1;
        }
        if count < 8 {
            check_padding(&letters, start, chunk, count)?;
        }
        out.extend_from_slice(&number.to_be_bytes()[3..3 + count * 5 / 8]);
        if count < 8 {
            break;
        }
    }
    Ok(out)
}

/// What follows `count` letters of a group that is not full must be padding of the right length.
fn check_padding(
    letters: &[u8],
    start: usize,
    chunk: &[u8],
    count: usize,
) -> Result<(), DecodeError> {
    let Some(mark) = chunk.get(count) else {
        return Err(DecodeError::Base32(start));
    };
    if *mark != b'=' || count < 2 {
        return Err(DecodeError::Base32(start + count));
    }
    if chunk.len() < 8 {
        return Err(DecodeError::Base32(letters.len()));
    }
    if let Some(wrong) = chunk[count..].iter().position(|letter| *letter != b'=') {
        return Err(DecodeError::Base32(start + count + wrong - 1));
    }
    match count {
        2 | 4 | 5 | 7 => Ok(()),
        _ => Err(DecodeError::Base32(start + count)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_and_reads_what_it_wrote() {
        for length in 0..20u8 {
            let bytes: Vec<u8> = (0..length).map(|n| n.wrapping_mul(73) ^ 0xF5).collect();
            for alphabet in [Alphabet::Standard, Alphabet::Url] {
                assert_eq!(
                    decode(&encode(&bytes, alphabet), alphabet),
                    Ok(bytes.clone())
                );
            }
            assert_eq!(decode32(&encode32(&bytes)), Ok(bytes));
        }
    }

    #[test]
    fn refusals_tell_the_offset_as_go_does() {
        for (text, at) in [
            ("aGVs bG8=", 4),
            ("aGVsbG8", 4),
            ("!!!!", 0),
            ("aGVsbG8==", 8),
            ("Pz8_Pz4-", 3),
            ("aGVsbA=", 7),
            ("aGVsbA=x", 6),
            ("=", 0),
        ] {
            assert_eq!(
                decode(text.as_bytes(), Alphabet::Standard),
                Err(DecodeError::Base64(at)),
                "{text}"
            );
        }
        assert_eq!(
            decode(b"aGVs\nbG8=\r\n", Alphabet::Standard),
            Ok(b"hello".to_vec())
        );
        for (text, at) in [
            ("1", 0),
            ("ME", 0),
            ("MEA=====", 3),
            ("ME=A====", 2),
            ("MFRGGZDFME", 8),
            ("MFRGGZDFME=====", 15),
            ("========", 0),
            ("M1", 1),
        ] {
            assert_eq!(
                decode32(text.as_bytes()),
                Err(DecodeError::Base32(at)),
                "{text}"
            );
        }
    }
}
