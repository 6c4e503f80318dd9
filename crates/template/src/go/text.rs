//! A string as Go has it: bytes that are usually, but need not be, UTF-8. It is wiped when the last
//! holder drops it, since most texts in a template are secrets or made of them.

use std::{
    borrow::{Borrow, Cow},
    cell::Cell,
    cmp::Ordering,
    fmt,
    hash::{Hash, Hasher},
    ops::Deref,
    rc::Rc,
};

use super::wiped::{Wiped, wipe};

/// A shared, unchangeable byte string. Cloning shares the bytes; the last drop wipes them. It stays in the
/// thread that made it, as a rendering does: whoever drops last is then never in doubt.
#[derive(Clone, Default)]
pub struct Text(Option<Rc<[u8]>>);

impl Drop for Text {
    #[inline]
    fn drop(&mut self) {
        if let Some(bytes) = self.0.as_mut().and_then(Rc::get_mut) {
            wipe(bytes);
        }
    }
}

thread_local! {
    /// Where texts grow, so that each allocates only once, at its final length. Empty and wiped between two.
    static DRAFT: Cell<Wiped> = const { Cell::new(Wiped::new()) };
}

/// A draft that grew beyond this is given back.
const KEPT: usize = 16 << 10;

impl Text {
    /// The bytes.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_deref().unwrap_or_default()
    }

    /// The text for places which need UTF-8: what is not UTF-8 becomes U+FFFD.
    pub fn to_str_lossy(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(self.as_bytes())
    }

    /// The text that is written piece by piece.
    pub(crate) fn written(write: impl FnOnce(&mut Vec<u8>)) -> Self {
        let mut draft = DRAFT.take();
        write(&mut draft);
        let text = draft.as_slice().into();
        if draft.capacity() <= KEPT {
            draft.reset();
            DRAFT.set(draft);
        }
        text
    }

    /// The text that is written piece by piece, unless that fails.
    pub(crate) fn try_written<E>(
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<Self, E> {
        let mut result = Ok(());
        let text = Self::written(|out| result = write(out));
        result.map(|()| text)
    }
}

/// Where `needle` begins in `text` for the first time.
pub(crate) fn find(text: &[u8], needle: &[u8]) -> Option<usize> {
    if needle.is_empty() {
        return Some(0);
    }
    let (first, rest) = needle.split_first()?;
    let mut from = 0;
    loop {
        let at = from + text.get(from..)?.iter().position(|byte| byte == first)?;
        if text[at + 1..].starts_with(rest) {
            return Some(at);
        }
        from = at + 1;
    }
}

impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Text {}

impl Ord for Text {
    /// Most texts that are compared, keys of maps, differ in their first byte.
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        let (a, b) = (self.as_bytes(), other.as_bytes());
        match (a.first(), b.first()) {
            (Some(x), Some(y)) if x != y => x.cmp(y),
            _ => a.cmp(b),
        }
    }
}

impl PartialOrd for Text {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Hash for Text {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_bytes().hash(state);
    }
}

impl Deref for Text {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl Borrow<[u8]> for Text {
    fn borrow(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl AsRef<[u8]> for Text {
    fn as_ref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl From<Vec<u8>> for Text {
    fn from(bytes: Vec<u8>) -> Self {
        Wiped::from(bytes).as_slice().into()
    }
}

impl From<&[u8]> for Text {
    fn from(bytes: &[u8]) -> Self {
        Self((!bytes.is_empty()).then(|| bytes.into()))
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        text.into_bytes().into()
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        text.as_bytes().into()
    }
}

/// Never the content: it may be a secret.
impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"…\"")
    }
}
