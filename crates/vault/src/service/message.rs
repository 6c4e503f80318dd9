//! A question for SRV records and its answer, in the bytes of RFC 1035 and RFC 2782. What comes may be anything.

/// The type SRV and the class of the internet.
const KIND: [u8; 4] = [0, 33, 0, 1];
/// The longest name, in bytes.
const LONGEST_NAME: usize = 255;

/// A record that tells where a service is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) priority: u16,
    pub(super) weight: u16,
    pub(super) port: u16,
    /// A host's name, without a dot at its end.
    pub(super) target: String,
}

/// What a nameserver answers.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// All it knows, which may be nothing.
    Records(Vec<Record>),
    /// That the answer does not fit here.
    TooMuch,
    /// That it cannot tell, or nothing that makes sense.
    Failure,
}

/// A question for this name; none where a name cannot be so.
pub(super) fn question(id: u16, name: &str) -> Option<Vec<u8>> {
    // With the wish that the server asks others, and one question.
    let mut bytes: Vec<u8> = [id, 0x0100, 1, 0, 0, 0]
        .into_iter()
        .flat_map(u16::to_be_bytes)
        .collect();
    let head = bytes.len();
    for label in name.trim_end_matches('.').split('.') {
        let length = u8::try_from(label.len()).ok();
        bytes.push(length.filter(|length| (1..64).contains(length))?);
        bytes.extend_from_slice(label.as_bytes());
    }
    bytes.push(0);
    let fits = bytes.len() - head <= LONGEST_NAME;
    bytes.extend_from_slice(&KIND);
    fits.then_some(bytes)
}

/// Reads an answer; none where it is not one to this question.
pub(super) fn answer(question: &[u8], bytes: &[u8]) -> Option<Said> {
    let (id, asked) = (question.get(..2)?, question.get(12..)?);
    let mut reader = Reader { bytes, place: 2 };
    let [flags, questions, answers, _, _] = [(); 5].map(|()| reader.number());
    let (flags, questions, answers) = (flags?, questions?, answers?);
    let is_answer = bytes.starts_with(id) && flags & 0x8000 != 0;
    let failed = !matches!(flags & 0xf, 0 | 3);
    if is_answer && questions == 0 && failed {
        return Some(Said::Failure);
    }
    let repeated = reader.take(asked.len())?;
    if !is_answer || questions != 1 || !repeated.eq_ignore_ascii_case(asked) {
        return None;
    }
    Some(match flags {
        _ if flags & 0x0200 != 0 => Said::TooMuch,
        _ if failed => Said::Failure,
        _ => reader.records(answers).map_or(Said::Failure, Said::Records),
    })
}

struct Reader<'a> {
    bytes: &'a [u8],
    place: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let end = self.place.checked_add(count)?;
        let taken = self.bytes.get(self.place..end)?;
        self.place = end;
        Some(taken)
    }

    fn number(&mut self) -> Option<u16> {
        let bytes = self.take(2)?.try_into().ok()?;
        Some(u16::from_be_bytes(bytes))
    }

    fn records(&mut self, count: u16) -> Option<Vec<Record>> {
        let mut records = Vec::new();
        for _ in 0..count {
            self.name()?;
            let is_ours = self.take(4)? == KIND;
            let _how_long_it_holds = self.take(4)?;
            let length = usize::from(self.number()?);
            let end = self.place + length;
            if is_ours {
                let (priority, weight, port) = (self.number()?, self.number()?, self.number()?);
                let target = self.name()?;
                let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
                // A target without a name says that there is no such service.
                if !target.is_empty() && target.bytes().all(is_name) && port != 0 {
                    records.push(Record {
                        priority,
                        weight,
                        port,
                        target,
                    });
                }
            }
            // Of other records only the length matters.
            self.place = end;
        }
        Some(records)
    }

    /// A name, whose end may be the end of a name further ahead.
    fn name(&mut self) -> Option<String> {
        let mut name = String::new();
        let mut lowest = self.place;
        let mut after = None;
        loop {
            let length = *self.take(1)?.first()?;
            match length {
                0 => break,
                1..64 => {
                    if !name.is_empty() {
                        name.push('.');
                    }
                    let label = self.take(usize::from(length))?;
                    name.extend(label.iter().copied().map(char::from));
                    if name.len() > 2 * LONGEST_NAME {
                        return None;
                    }
                }
                192.. => {
                    let low = *self.take(1)?.first()?;
                    after.get_or_insert(self.place);
                    let to = usize::from(u16::from_be_bytes([length & 0x3f, low]));
                    // Always further ahead, so that it ends.
                    if to >= lowest {
                        return None;
                    }
                    lowest = to;
                    self.place = to;
                }
                _ => return None,
            }
        }
        self.place = after.unwrap_or(self.place);
        Some(name)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn asked() -> Vec<u8> {
        question(7, "_http._tcp.vault.test").unwrap()
    }

    /// An answer to it, with these flags and this section of so many records.
    fn answer_with(flags: u16, count: u8, section: &[u8]) -> Vec<u8> {
        let mut bytes = asked();
        bytes[2..4].copy_from_slice(&flags.to_be_bytes());
        bytes[7] = count;
        bytes.extend_from_slice(section);
        bytes
    }

    /// A record for the name that was asked for, whose target begins as this says and ends as that name does.
    fn record(kind: [u8; 4], numbers: [u16; 3], target: &[u8]) -> Vec<u8> {
        // The name at 12; the end of it, after its first two labels, at 12 + 6 + 5.
        let rest: Vec<u8> = [target, &[0xc0, 23]].concat();
        let length = u16::try_from(6 + rest.len()).unwrap().to_be_bytes();
        let numbers = numbers.map(u16::to_be_bytes).concat();
        [
            &[0xc0, 12],
            &kind[..],
            &[0, 0, 0, 60],
            &length,
            &numbers,
            &rest,
        ]
        .concat()
    }

    fn found(target: &str) -> Record {
        Record {
            priority: 1,
            weight: 2,
            port: 8200,
            target: target.to_owned(),
        }
    }

    #[test]
    fn records_are_read_and_others_passed_over() {
        let section = [
            record([0, 16, 0, 1], [1, 2, 3], b""),
            record(KIND, [1, 2, 8200], b"\x01a"),
            record(KIND, [1, 2, 8200], b"\x01/"),
            record(KIND, [1, 2, 8200], b"\x02bc\x01d"),
        ];
        let bytes = answer_with(0x8180, 4, &section.concat());
        let expected = vec![found("a.vault.test"), found("bc.d.vault.test")];
        assert_eq!(answer(&asked(), &bytes), Some(Said::Records(expected)));
    }

    #[test]
    fn answers_to_other_questions_are_none_and_broken_ones_failures() {
        let records = record(KIND, [1, 2, 8200], b"\x01a");
        let good = answer_with(0x8180, 1, &records);
        for place in [0, 1, 2, 5, 13, good.len() - records.len() - 1] {
            let mut bytes = good.clone();
            bytes[place] ^= 0x81;
            assert_eq!(answer(&asked(), &bytes), None, "byte {place}");
        }
        for (flags, count, section, expected) in [
            (0x8380, 0, &[][..], Said::TooMuch),
            (0x8182, 0, &[], Said::Failure),
            (0x8183, 0, &[], Said::Records(Vec::new())),
            (0x8180, 2, &records, Said::Failure),
            // A name that leads to itself, and one that leads on.
            (0x8180, 1, &[0xc0, 39], Said::Failure),
            (0x8180, 1, &[0xc1, 0], Said::Failure),
        ] {
            let bytes = answer_with(flags, count, section);
            assert_eq!(answer(&asked(), &bytes), Some(expected), "{flags:x}");
        }
        let silent = [0, 7, 0x81, 0x85, 0, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(answer(&asked(), &silent), Some(Said::Failure));
    }

    #[test]
    fn names_that_cannot_be_are_not_asked_for() {
        for name in ["", "a..b", &"x".repeat(64), &"x.".repeat(128)] {
            assert_eq!(question(1, name), None, "{name}");
        }
        assert_eq!(question(1, "a.b."), question(1, "a.b"));
    }

    proptest! {
        #[test]
        fn nothing_that_comes_breaks_the_reader(
            section in proptest::collection::vec(any::<u8>(), 0..400),
            count: u8,
            cut in 0_usize..400,
        ) {
            let mut bytes = answer_with(0x8180, count, &section);
            bytes.truncate(cut);
            if let Some(Said::Records(records)) = answer(&asked(), &bytes) {
                prop_assert!(records.iter().all(|record| !record.target.is_empty()));
            }
        }

        #[test]
        fn what_is_said_is_read_whatever_it_is(
            numbers in (any::<u16>(), any::<u16>(), 1_u16..),
            label in "[a-zA-Z0-9_-]{1,63}",
        ) {
            let (priority, weight, port) = numbers;
            let length = u8::try_from(label.len()).unwrap();
            let target = [&[length], label.as_bytes()].concat();
            let bytes = answer_with(0x8180, 1, &record(KIND, [priority, weight, port], &target));
            let target = format!("{label}.vault.test");
            let expected = Record { priority, weight, port, target };
            prop_assert_eq!(answer(&asked(), &bytes), Some(Said::Records(vec![expected])));
        }
    }
}
