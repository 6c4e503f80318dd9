//! The encoding that keys and certificates are in: a tag, a length, a content.

/// What an element is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tag(u8);

impl Tag {
    pub(super) const BOOLEAN: Self = Self(0x01);
    pub(super) const INTEGER: Self = Self(0x02);
    pub(super) const BIT_STRING: Self = Self(0x03);
    pub(super) const OCTET_STRING: Self = Self(0x04);
    pub(super) const OID: Self = Self(0x06);
    pub(super) const UTF8_STRING: Self = Self(0x0c);
    pub(super) const PRINTABLE_STRING: Self = Self(0x13);
    pub(super) const UTC_TIME: Self = Self(0x17);
    pub(super) const GENERALIZED_TIME: Self = Self(0x18);
    pub(super) const SEQUENCE: Self = Self(0x30);
    pub(super) const SET: Self = Self(0x31);

    /// A numbered element that holds another.
    pub(super) const fn context(number: u8) -> Self {
        Self(0xa0 | number)
    }

    /// A numbered element in place of one with a tag of its own.
    pub(super) const fn implicit(number: u8) -> Self {
        Self(0x80 | number)
    }
}

/// An element with this content.
pub(super) fn tlv(tag: Tag, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag.0];
    match u8::try_from(content.len()) {
        Ok(length) if length < 0x80 => out.push(length),
        _ => {
            let length = content.len().to_be_bytes();
            let significant = length.iter().skip_while(|byte| **byte == 0);
            out.push(0x80 | significant.clone().count() as u8);
            out.extend(significant);
        }
    }
    out.extend_from_slice(content);
    out
}

/// Elements one after the other.
pub(super) fn sequence(elements: &[&[u8]]) -> Vec<u8> {
    tlv(Tag::SEQUENCE, &elements.concat())
}

/// A number that is not negative.
pub(super) fn integer(bytes: &[u8]) -> Vec<u8> {
    let zeros = bytes
        .iter()
        .take_while(|byte| **byte == 0)
        .count()
        .min(bytes.len().saturating_sub(1));
    let significant = &bytes[zeros..];
    let mut content = Vec::with_capacity(significant.len() + 1);
    if significant.first().is_some_and(|byte| *byte >= 0x80) {
        content.push(0);
    }
    content.extend_from_slice(significant);
    tlv(Tag::INTEGER, &content)
}

/// Whole bytes as a string of bits.
pub(super) fn bit_string(bytes: &[u8]) -> Vec<u8> {
    tlv(Tag::BIT_STRING, &[&[0], bytes].concat())
}

/// One element that was read.
pub(super) struct Element<'a> {
    pub(super) tag: Tag,
    pub(super) content: &'a [u8],
    /// Tag and length as well.
    pub(super) whole: &'a [u8],
}

/// Reads elements one after the other.
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The next element; none at the end or when it is damaged.
    pub(super) fn element(&mut self) -> Option<Element<'a>> {
        let whole = self.0;
        let (tag, rest) = whole.split_first()?;
        let (first, rest) = rest.split_first()?;
        let (length, rest) = if *first < 0x80 {
            (usize::from(*first), rest)
        } else {
            let count = usize::from(first & 0x7f);
            let (digits, rest) = rest
                .split_at_checked(count)
                .filter(|_| (1..=4).contains(&count))?;
            (
                digits
                    .iter()
                    .fold(0, |length, digit| length << 8 | usize::from(*digit)),
                rest,
            )
        };
        let (content, after) = rest.split_at_checked(length)?;
        self.0 = after;
        Some(Element {
            tag: Tag(*tag),
            content,
            whole: &whole[..whole.len() - after.len()],
        })
    }

    /// The tag of the next element.
    pub(super) fn peek(&self) -> Option<Tag> {
        self.0.first().map(|tag| Tag(*tag))
    }

    /// The inside of the next element, which must have this tag.
    pub(super) fn enter(&mut self, tag: Tag) -> Option<Self> {
        self.element()
            .filter(|element| element.tag == tag)
            .map(|element| Self(element.content))
    }
}
