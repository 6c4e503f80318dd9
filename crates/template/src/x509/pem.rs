//! PEM: base 64 between a line that begins a block and one that ends it.

use crate::{
    base64::{self, Alphabet},
    go::find,
};

/// A block that was read.
pub(super) struct Block {
    pub(super) label: String,
    pub(super) bytes: zeroize::Zeroizing<Vec<u8>>,
}

/// Writes a block with lines of 64.
pub(super) fn encode(label: &str, bytes: &[u8]) -> String {
    let body = zeroize::Zeroizing::new(base64::encode(bytes, Alphabet::Standard));
    let mut out = String::with_capacity(body.len() + body.len() / 64 + 2 * label.len() + 40);
    out.push_str(&format!("-----BEGIN {label}-----\n"));
    for line in body.chunks(64) {
        out.extend(line.iter().map(|byte| char::from(*byte)));
        out.push('\n');
    }
    out.push_str(&format!("-----END {label}-----\n"));
    out
}

/// The first block of a text.
pub(super) fn decode(text: &[u8]) -> Option<Block> {
    const BEGIN: &[u8] = b"-----BEGIN ";
    let start = find(text, BEGIN)?;
    let rest = &text[start + BEGIN.len()..];
    let label_end = find(rest, b"-----")?;
    let label = std::str::from_utf8(&rest[..label_end]).ok()?;
    let body = &rest[label_end + 5..];
    let end = find(body, format!("-----END {label}-----").as_bytes())?;
    let body = &body[..end];
    // Lines with a colon at the start are headers, which a blank line ends.
    let body = match find(body, b"\n\n") {
        Some(blank) if body[..blank].contains(&b':') => &body[blank..],
        _ => body,
    };
    let letters: Vec<u8> = body
        .iter()
        .copied()
        .filter(|byte| !byte.is_ascii_whitespace())
        .collect();
    let bytes = base64::decode(&letters, Alphabet::Standard).ok()?;
    Some(Block {
        label: label.to_owned(),
        bytes: bytes.into(),
    })
}
