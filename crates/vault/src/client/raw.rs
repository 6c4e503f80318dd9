//! An answer as it came, of any status, and the words of a refusal in it.

use serde::Deserialize;
use zeroize::{Zeroize, Zeroizing};

use crate::error::{Refusal, RefusalForm};

/// How much of an answer that is not Vault's is shown, in bytes.
const RAW_TEXT_LIMIT: usize = 4096;

/// An answer of any status, as it came.
pub struct RawAnswer {
    /// The HTTP status.
    pub status: u16,
    /// The headers in their order, names in small letters.
    pub headers: Vec<(String, String)>,
    /// The body, wiped when dropped.
    pub body: Zeroizing<Vec<u8>>,
    /// The address that answered, after a redirect.
    pub url: String,
}

#[derive(Deserialize)]
struct ErrorForm {
    errors: Vec<String>,
}

impl RawAnswer {
    /// A header's value; the name in small letters.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(found, _)| found == name)
            .map(|(_, value)| value.as_str())
    }
}

impl Refusal {
    pub(super) fn of(answer: &RawAnswer) -> Self {
        match serde_json::from_slice::<ErrorForm>(&answer.body) {
            Ok(form) => Self {
                status: answer.status,
                errors: form.errors.into(),
                form: RefusalForm::Vault,
            },
            Err(_) => {
                let end = answer.body.len().min(RAW_TEXT_LIMIT);
                let text = String::from_utf8_lossy(answer.body.get(..end).unwrap_or_default());
                Self {
                    status: answer.status,
                    errors: Box::new([text.into_owned()]),
                    form: RefusalForm::Raw,
                }
            }
        }
    }
}

impl std::fmt::Debug for RawAnswer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RawAnswer({}, {} bytes)", self.status, self.body.len())
    }
}

/// Appends without leaving unwiped copies behind when the buffer has to move.
pub(super) fn append_wiping(body: &mut Zeroizing<Vec<u8>>, chunk: &[u8]) {
    let needed = body.len() + chunk.len();
    if needed > body.capacity() {
        let mut larger = Vec::with_capacity(needed.max(body.capacity() * 2));
        larger.extend_from_slice(body);
        let mut old = std::mem::replace(&mut **body, larger);
        old.zeroize();
    }
    body.extend_from_slice(chunk);
}
