//! Bytes that grow, and are wiped before their memory is given back: outputs and texts in the making.

use std::{
    fmt,
    ops::{Deref, DerefMut},
};

/// A buffer whose whole memory is overwritten when it is dropped, what lies behind its end included.
#[derive(Default)]
pub struct Wiped(Vec<u8>);

impl Wiped {
    /// An empty buffer without memory.
    pub(crate) const fn new() -> Self {
        Self(Vec::new())
    }

    /// An empty buffer with room for so many bytes.
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        Self(Vec::with_capacity(capacity))
    }

    /// Overwrites what is in it, and keeps the memory for what comes next.
    pub(super) fn reset(&mut self) {
        wipe(&mut self.0);
        self.0.clear();
    }
}

/// Overwrites bytes by one fill, which the barrier keeps the compiler from leaving out. Byte by byte, as
/// `Zeroizing` does it, wiping took as long as making the text.
#[inline]
pub(super) fn wipe(bytes: &mut [u8]) {
    // An empty slice may point to where no memory is, and processors are slow to write nothing there.
    if !bytes.is_empty() {
        bytes.fill(0);
        zeroize::optimization_barrier(bytes);
    }
}

impl Drop for Wiped {
    fn drop(&mut self) {
        const ZEROS: [u8; 256] = [0; 256];
        wipe(&mut self.0);
        // What was cut off at the end may have been longer than what is left.
        while self.0.len() < self.0.capacity() {
            let room = self.0.capacity() - self.0.len();
            let zeros = ZEROS.get(..room.min(ZEROS.len())).unwrap_or_default();
            self.0.extend_from_slice(zeros);
        }
        zeroize::optimization_barrier(self.0.as_slice());
    }
}

impl From<Vec<u8>> for Wiped {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl Deref for Wiped {
    type Target = Vec<u8>;

    fn deref(&self) -> &Vec<u8> {
        &self.0
    }
}

impl DerefMut for Wiped {
    fn deref_mut(&mut self) -> &mut Vec<u8> {
        &mut self.0
    }
}

/// Never the content: it may be a secret.
impl fmt::Debug for Wiped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_reset_is_overwritten_and_keeps_its_memory() {
        let mut bytes = [7; 300];
        wipe(&mut bytes);
        assert_eq!(bytes, [0; 300]);

        let mut buffer = Wiped::with_capacity(300);
        buffer.extend_from_slice(&[7; 300]);
        let before = buffer.as_ptr();
        buffer.reset();
        buffer.push(1);
        assert_eq!(buffer.as_slice(), [1]);
        assert_eq!(buffer.as_ptr(), before);
        assert_eq!(format!("{buffer:?}"), "1 bytes");
    }
}
