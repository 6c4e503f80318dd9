//! Just enough of X.509 to tell how long a certificate lives and whether it belongs to an authority.
//! Whether it is to be trusted is not asked here.

use std::time::{Duration, SystemTime};

use base64::{Engine as _, engine::general_purpose::STANDARD};

/// Validity and role of a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CertificateFacts {
    /// From when it is good.
    pub not_before: SystemTime,
    /// Until when it is good.
    pub not_after: SystemTime,
    /// Whether it may sign others.
    pub is_authority: bool,
}

/// One block of a PEM text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PemBlock {
    /// What the block says it is, such as `CERTIFICATE`.
    pub label: String,
    /// The block itself, from its first to its last line, with one line break at its end.
    pub text: String,
    /// What it holds.
    pub der: Vec<u8>,
}

/// The blocks of a PEM text; what cannot be read is left out.
#[must_use]
pub fn pem_blocks(text: &str) -> Vec<PemBlock> {
    let mut blocks = Vec::new();
    let mut open: Option<(String, String, String)> = None;
    for line in text.lines() {
        let line = line.trim();
        if let Some(label) = line
            .strip_prefix("-----BEGIN ")
            .and_then(|rest| rest.strip_suffix("-----"))
        {
            open = Some((label.to_owned(), format!("{line}\n"), String::new()));
        } else if let Some((label, mut whole, body)) = open.take() {
            whole.push_str(line);
            whole.push('\n');
            if line
                .strip_prefix("-----END ")
                .and_then(|rest| rest.strip_suffix("-----"))
                == Some(label.as_str())
            {
                if let Ok(der) = STANDARD.decode(&body) {
                    blocks.push(PemBlock {
                        label,
                        text: whole,
                        der,
                    });
                }
            } else {
                open = Some((label, whole, body + line));
            }
        }
    }
    blocks
}

/// Reads a certificate; `None` when it is none.
#[must_use]
pub fn facts(der: &[u8]) -> Option<CertificateFacts> {
    let (certificate, _) = element(der, SEQUENCE)?;
    let (signed, _) = element(certificate, SEQUENCE)?;
    let mut rest = signed;
    if let Some((_, after)) = element(rest, VERSION) {
        rest = after;
    }
    // Serial number, signature algorithm, issuer.
    for tag in [INTEGER, SEQUENCE, SEQUENCE] {
        rest = element(rest, tag)?.1;
    }
    let (validity, mut rest) = element(rest, SEQUENCE)?;
    let (not_before, validity) = time(validity)?;
    let (not_after, _) = time(validity)?;
    // Subject and key.
    for tag in [SEQUENCE, SEQUENCE] {
        rest = element(rest, tag)?.1;
    }
    Some(CertificateFacts {
        not_before,
        not_after,
        is_authority: is_authority(rest),
    })
}

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const BOOLEAN: u8 = 0x01;
const OCTETS: u8 = 0x04;
const OBJECT: u8 = 0x06;
const UTC_TIME: u8 = 0x17;
const GENERAL_TIME: u8 = 0x18;
const VERSION: u8 = 0xa0;
const EXTENSIONS: u8 = 0xa3;
/// 2.5.29.19
const BASIC_CONSTRAINTS: [u8; 3] = [0x55, 0x1d, 0x13];

/// Takes one element of this tag off the front: its content, and what follows.
fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&found, rest) = der.split_first()?;
    if found != tag {
        return None;
    }
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
        if bytes.is_empty() || bytes.len() > 4 {
            return None;
        }
        (
            bytes
                .iter()
                .fold(0, |length, &byte| length << 8 | usize::from(byte)),
            rest,
        )
    };
    rest.split_at_checked(length)
}

fn time(der: &[u8]) -> Option<(SystemTime, &[u8])> {
    let (text, rest, century_known) = match element(der, UTC_TIME) {
        Some((text, rest)) => (text, rest, false),
        None => {
            let (text, rest) = element(der, GENERAL_TIME)?;
            (text, rest, true)
        }
    };
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    let (year, text) = if century_known {
        (text.get(..4)?.parse::<u64>().ok()?, text.get(4..)?)
    } else {
        let year = text.get(..2)?.parse::<u64>().ok()?;
        (
            if year < 50 { 2000 + year } else { 1900 + year },
            text.get(2..)?,
        )
    };
    let part = |place: usize| text.get(place..place + 2)?.parse::<u64>().ok();
    let (month, day) = (part(0)?, part(2)?);
    let seconds = part(4)? * 3600 + part(6)? * 60 + part(8)?;
    let days = days_since_1970(year, month, day)?;
    let since = Duration::from_secs(days.checked_mul(86_400)?.checked_add(seconds)?);
    Some((SystemTime::UNIX_EPOCH.checked_add(since)?, rest))
}

/// The day's number, counted from 1970; earlier ones are taken for that day.
fn days_since_1970(year: u64, month: u64, day: u64) -> Option<u64> {
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let year = if month <= 2 {
        year.checked_sub(1)?
    } else {
        year
    };
    let era = year / 400;
    let year_of_era = year % 400;
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    Some((era * 146_097 + day_of_era).saturating_sub(719_468))
}

fn is_authority(rest: &[u8]) -> bool {
    let Some(mut list) = find(rest, EXTENSIONS).and_then(|outer| element(outer, SEQUENCE)) else {
        return false;
    };
    while let Some((extension, after)) = element(list.0, SEQUENCE) {
        list.0 = after;
        let Some((name, value)) = element(extension, OBJECT) else {
            continue;
        };
        if name != BASIC_CONSTRAINTS {
            continue;
        }
        let value = element(value, BOOLEAN).map_or(value, |(_, rest)| rest);
        let constraints = element(value, OCTETS).and_then(|(octets, _)| element(octets, SEQUENCE));
        let flag = constraints.and_then(|(constraints, _)| element(constraints, BOOLEAN));
        return flag.is_some_and(|(flag, _)| flag.first().is_some_and(|&byte| byte != 0));
    }
    false
}

/// The content of the first element of this tag in a row of elements.
fn find(mut row: &[u8], tag: u8) -> Option<&[u8]> {
    loop {
        let found = *row.first()?;
        let (content, rest) = element(row, found)?;
        if found == tag {
            return Some(content);
        }
        row = rest;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reckons_days_as_the_calendar_does() {
        for ((year, month, day), expected) in [
            ((1970, 1, 1), 0),
            ((2000, 2, 29), 11_016),
            ((2026, 1, 1), 20_454),
            ((2100, 3, 1), 47_541),
        ] {
            assert_eq!(days_since_1970(year, month, day), Some(expected));
        }
        assert_eq!(days_since_1970(2026, 13, 1), None);
    }

    #[test]
    fn finds_blocks_between_other_text() {
        let text = "key: |\n  -----BEGIN X-----\n  aGk=\n  -----END X-----\nrest\n-----BEGIN Y-----\nbroken";
        let blocks = pem_blocks(text);
        assert_eq!(blocks.len(), 1);
        assert_eq!(blocks[0].label, "X");
        assert_eq!(blocks[0].der, b"hi");
        assert_eq!(blocks[0].text, "-----BEGIN X-----\naGk=\n-----END X-----\n");
    }

    #[test]
    fn reads_validity_and_role_of_a_certificate() {
        let mut params = rcgen::CertificateParams::new(vec!["web".to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(2026, 1, 1);
        params.not_after = rcgen::date_time_ymd(2051, 12, 31);
        let key = rcgen::KeyPair::generate().unwrap();
        let leaf = facts(params.self_signed(&key).unwrap().der()).unwrap();
        let day = |days: u64| SystemTime::UNIX_EPOCH + Duration::from_secs(days * 86_400);
        assert_eq!(leaf.not_before, day(20_454));
        assert_eq!(leaf.not_after, day(days_since_1970(2051, 12, 31).unwrap()));
        assert!(!leaf.is_authority);
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        assert!(
            facts(params.self_signed(&key).unwrap().der())
                .unwrap()
                .is_authority
        );
    }

    #[test]
    fn what_is_no_certificate_is_told_apart_without_a_panic() {
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(vec!["web".to_owned()]).unwrap();
        let der = params.self_signed(&key).unwrap().der().to_vec();
        for length in 0..der.len() {
            let _ = facts(&der[..length]);
        }
        assert_eq!(facts(&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff]), None);
        assert_eq!(facts(b""), None);
    }
}
