//! Semantic versions and constraints on them, as the semver library behind sprig reads them: versions may be short
//! (`v1.2`), constraints know `=`, `!=`, `<`, `~`, `^`, wildcards, ranges with a dash, `,` for and, `||` for or.

use std::cmp::Ordering;

use thiserror::Error;

/// Why a text is no version or no constraint, in the words of the library that people know.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum SemverError {
    /// Not a version at all.
    #[error("Invalid Semantic Version")]
    Invalid,
    /// A number with more than 64 bits.
    #[error(
        "Error parsing version segment: strconv.ParseUint: parsing \"{0}\": value out of range"
    )]
    Range(String),
    /// A pre-release number with a leading zero.
    #[error("Version segment starts with 0")]
    LeadingZero,
    /// A pre-release of other characters than letters, digits and dashes.
    #[error("Invalid Prerelease string")]
    Prerelease,
    /// Metadata of other characters.
    #[error("Invalid Metadata string")]
    Metadata,
    /// A constraint that cannot be read.
    #[error("improper constraint: {0}")]
    Constraint(String),
    /// A constraint that looks right and is not.
    #[error("constraint Parser Error")]
    ConstraintParser,
}

/// A version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Version {
    /// The first number.
    pub(crate) major: u64,
    /// The second number.
    pub(crate) minor: u64,
    /// The third number.
    pub(crate) patch: u64,
    /// What follows the dash, or nothing.
    pub(crate) prerelease: String,
    /// What follows the plus sign, or nothing.
    pub(crate) metadata: String,
    /// The text as it was given.
    pub(crate) original: String,
}

impl Version {
    /// Reads a version; a leading `v` and missing numbers are allowed.
    pub(crate) fn parse(text: &str) -> Result<Self, SemverError> {
        let (pieces, rest) = pieces(text, |b| b.is_ascii_digit()).ok_or(SemverError::Invalid)?;
        if !rest.is_empty() {
            return Err(SemverError::Invalid);
        }
        let number = |text: Option<&str>| match text {
            None => Ok(0),
            Some(text) => text
                .parse::<u64>()
                .map_err(|_| SemverError::Range(text.to_owned())),
        };
        if pieces.prerelease.split('.').any(has_leading_zero) {
            return Err(SemverError::LeadingZero);
        }
        Ok(Self {
            major: number(Some(pieces.major))?,
            minor: number(pieces.minor)?,
            patch: number(pieces.patch)?,
            prerelease: pieces.prerelease.to_owned(),
            metadata: pieces.metadata.to_owned(),
            original: text.to_owned(),
        })
    }

    /// Order by precedence; metadata does not count.
    pub(crate) fn compare(&self, other: &Self) -> Ordering {
        let numbers = |version: &Self| (version.major, version.minor, version.patch);
        numbers(self).cmp(&numbers(other)).then_with(|| {
            match (self.prerelease.as_str(), other.prerelease.as_str()) {
                ("", "") => Ordering::Equal,
                ("", _) => Ordering::Greater,
                (_, "") => Ordering::Less,
                (mine, theirs) => compare_prereleases(mine, theirs),
            }
        })
    }

    /// The next version in which the given number is one higher.
    #[must_use]
    pub(crate) fn incremented(&self, part: Part) -> Self {
        let mut next = Self {
            prerelease: String::new(),
            metadata: String::new(),
            ..self.clone()
        };
        match part {
            Part::Major => {
                (next.major, next.minor, next.patch) = (self.major.wrapping_add(1), 0, 0);
            }
            Part::Minor => (next.minor, next.patch) = (self.minor.wrapping_add(1), 0),
            Part::Patch if self.prerelease.is_empty() => next.patch = self.patch.wrapping_add(1),
            Part::Patch => {}
        }
        next.named_like(self)
    }

    /// The version with another pre-release, or none.
    pub(crate) fn with_prerelease(&self, prerelease: &str) -> Result<Self, SemverError> {
        for part in prerelease.split('.') {
            if has_leading_zero(part) {
                return Err(SemverError::LeadingZero);
            }
            if !is_identifier(part) {
                return Err(SemverError::Prerelease);
            }
        }
        let prerelease = prerelease.to_owned();
        Ok(Self {
            prerelease,
            ..self.clone()
        }
        .named_like(self))
    }

    /// The version with other metadata, or none.
    pub(crate) fn with_metadata(&self, metadata: &str) -> Result<Self, SemverError> {
        if !metadata.split('.').all(is_identifier) {
            return Err(SemverError::Metadata);
        }
        let metadata = metadata.to_owned();
        Ok(Self {
            metadata,
            ..self.clone()
        }
        .named_like(self))
    }

    /// Gives the version the text that it would have been read from, with the other's `v` if that has one.
    fn named_like(mut self, other: &Self) -> Self {
        let prefix = if other.original.starts_with('v') {
            "v"
        } else {
            ""
        };
        self.original = format!("{prefix}{self}");
        self
    }
}

fn has_leading_zero(part: &str) -> bool {
    part.len() > 1 && part.starts_with('0') && part.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_identifier(part: &str) -> bool {
    part.bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// One of the three numbers of a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// The first.
    Major,
    /// The second.
    Minor,
    /// The third.
    Patch,
}

impl std::fmt::Display for Version {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}.{}.{}", self.major, self.minor, self.patch)?;
        if !self.prerelease.is_empty() {
            write!(out, "-{}", self.prerelease)?;
        }
        if !self.metadata.is_empty() {
            write!(out, "+{}", self.metadata)?;
        }
        Ok(())
    }
}

/// Alternatives, each of which is a list of conditions that must all hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Constraints(Vec<Vec<Condition>>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    Greater,
    Less,
    GreaterEqual,
    LessEqual,
    Tilde,
    Caret,
}

/// Which numbers of a condition's version are given; the others are wildcards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Given {
    None,
    Major,
    Minor,
    All,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Condition {
    operator: Operator,
    version: Version,
    given: Given,
}

const OPERATORS: [(&str, Operator); 12] = [
    ("!=", Operator::NotEqual),
    (">=", Operator::GreaterEqual),
    ("=>", Operator::GreaterEqual),
    ("<=", Operator::LessEqual),
    ("=<", Operator::LessEqual),
    ("~>", Operator::Tilde),
    ("=", Operator::Equal),
    (">", Operator::Greater),
    ("<", Operator::Less),
    ("~", Operator::Tilde),
    ("^", Operator::Caret),
    ("", Operator::Equal),
];

impl Constraints {
    /// Reads constraints such as `>=1.2.0, <2.0.0 || ^3`.
    pub(crate) fn parse(text: &str) -> Result<Self, SemverError> {
        let text = rewrite_ranges(text);
        text.split("||")
            .map(alternative)
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Whether a version satisfies one of the alternatives.
    pub(crate) fn check(&self, version: &Version) -> bool {
        self.0
            .iter()
            .any(|conditions| conditions.iter().all(|condition| condition.check(version)))
    }
}

impl Condition {
    fn check(&self, version: &Version) -> bool {
        // A pre-release satisfies only conditions that name one themselves.
        let foreign_prerelease =
            !version.prerelease.is_empty() && self.version.prerelease.is_empty();
        let order = version.compare(&self.version);
        let same_major = version.major == self.version.major;
        let same_minor = version.minor == self.version.minor;
        match self.operator {
            Operator::NotEqual => self.differs(version, foreign_prerelease),
            _ if foreign_prerelease => false,
            Operator::Greater => match self.given {
                Given::All => order.is_gt(),
                _ if !same_major => version.major > self.version.major,
                Given::Minor => version.minor > self.version.minor,
                Given::Major => false,
                Given::None => order.is_gt(),
            },
            Operator::Less => order.is_lt(),
            Operator::GreaterEqual => order.is_ge(),
            Operator::LessEqual => match self.given {
                Given::All => order.is_le(),
                Given::Major => version.major <= self.version.major,
                Given::None | Given::Minor => {
                    version.major < self.version.major
                        || (same_major && version.minor <= self.version.minor)
                }
            },
            Operator::Equal if self.given == Given::All => order.is_eq(),
            Operator::Equal | Operator::Tilde => {
                let zero =
                    (self.version.major, self.version.minor, self.version.patch) == (0, 0, 0);
                let any = zero && matches!(self.given, Given::All | Given::None);
                order.is_ge() && (any || (same_major && (same_minor || self.given == Given::Major)))
            }
            Operator::Caret => {
                if order.is_lt() {
                    false
                } else if self.version.major > 0 || self.given == Given::Major {
                    same_major
                } else if version.major > 0 {
                    false
                } else if self.version.minor > 0 || self.given == Given::Minor {
                    same_minor
                } else if version.minor > 0 {
                    false
                } else {
                    self.version.patch == version.patch
                }
            }
        }
    }

    fn differs(&self, version: &Version, foreign_prerelease: bool) -> bool {
        if self.given == Given::All {
            return version.compare(&self.version).is_ne();
        }
        if foreign_prerelease {
            return false;
        }
        if version.major != self.version.major {
            return true;
        }
        match self.given {
            Given::Major => false,
            _ if version.minor != self.version.minor => true,
            Given::Minor => {
                let either = !version.prerelease.is_empty() || !self.version.prerelease.is_empty();
                either && compare_prereleases(&version.prerelease, &self.version.prerelease).is_ne()
            }
            _ => version.patch != self.version.patch || version.compare(&self.version).is_ne(),
        }
    }
}

fn compare_prereleases(mine: &str, theirs: &str) -> Ordering {
    let (mut mine, mut theirs) = (mine.split('.'), theirs.split('.'));
    loop {
        let order = match (mine.next(), theirs.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => Ordering::Less,
            (Some(_), None) => Ordering::Greater,
            (Some(a), Some(b)) => match (a.parse::<u64>(), b.parse::<u64>()) {
                (Ok(a), Ok(b)) => a.cmp(&b),
                (Ok(_), Err(_)) => Ordering::Less,
                (Err(_), Ok(_)) => Ordering::Greater,
                (Err(_), Err(_)) => a.cmp(b),
            },
        };
        if order.is_ne() {
            return order;
        }
    }
}

struct Pieces<'t> {
    major: &'t str,
    minor: Option<&'t str>,
    patch: Option<&'t str>,
    prerelease: &'t str,
    metadata: &'t str,
}

/// A version at the start of a text, and what follows. `number` tells what a number may be made of.
fn pieces(text: &str, number: fn(&u8) -> bool) -> Option<(Pieces<'_>, &str)> {
    fn take(text: &str, accept: impl Fn(&u8) -> bool) -> Option<(&str, &str)> {
        let length = text.bytes().take_while(accept).count();
        (length > 0).then(|| text.split_at(length))
    }
    let behind = |text: &'_ str, mark: char| text.strip_prefix(mark).map(str::len);
    let (major, mut rest) = take(text.strip_prefix('v').unwrap_or(text), number)?;
    let mut more = [None, None];
    for part in &mut more {
        let Some((digits, after)) = rest.strip_prefix('.').and_then(|rest| take(rest, number))
        else {
            break;
        };
        *part = Some(digits);
        rest = after;
    }
    let mut labels = ["", ""];
    for (label, mark) in labels.iter_mut().zip(['-', '+']) {
        let Some(length) = behind(rest, mark) else {
            continue;
        };
        let body = &rest[rest.len() - length..];
        let mut end = 0;
        // Identifiers, with single dots between them.
        while let Some((part, after)) =
            take(&body[end..], |b| b.is_ascii_alphanumeric() || *b == b'-')
        {
            end += part.len();
            let continues = after.strip_prefix('.').is_some_and(|next| {
                next.bytes()
                    .next()
                    .is_some_and(|b| b.is_ascii_alphanumeric() || b == b'-')
            });
            if !continues {
                break;
            }
            end += 1;
        }
        if end > 0 {
            *label = &body[..end];
            rest = &body[end..];
        }
    }
    let [minor, patch] = more;
    let [prerelease, metadata] = labels;
    Some((
        Pieces {
            major,
            minor,
            patch,
            prerelease,
            metadata,
        },
        rest,
    ))
}

fn is_wild_number(byte: &u8) -> bool {
    byte.is_ascii_digit() || b"|xX*".contains(byte)
}

fn trim(text: &str) -> &str {
    text.trim_start_matches(['\t', '\n', '\x0c', '\r', ' '])
}

fn alternative(text: &str) -> Result<Vec<Condition>, SemverError> {
    let improper = || SemverError::Constraint(text.to_owned());
    // All of it has to look right before any of it is read.
    let mut found = Vec::new();
    let mut rest = trim(text);
    loop {
        let (operator, (pieces, after)) = OPERATORS
            .iter()
            .find_map(|(mark, operator)| {
                let version = trim(rest.strip_prefix(mark)?);
                pieces(version, is_wild_number).map(|found| (*operator, found))
            })
            .ok_or_else(improper)?;
        found.push((operator, pieces));
        rest = trim(after);
        let separated = rest.len() < after.len();
        if rest.is_empty() {
            break;
        }
        match rest.strip_prefix(',') {
            Some(next) => rest = trim(next),
            None if separated => {}
            None => return Err(improper()),
        }
    }
    found
        .iter()
        .map(|(operator, pieces)| condition(*operator, pieces))
        .collect()
}

fn condition(operator: Operator, pieces: &Pieces<'_>) -> Result<Condition, SemverError> {
    let is_wild = |text: Option<&str>| matches!(text, None | Some("x" | "X" | "*"));
    let (given, numbers) = if is_wild(Some(pieces.major)) {
        (Given::None, "0.0.0".to_owned())
    } else if is_wild(pieces.minor) {
        (Given::Major, format!("{}.0.0", pieces.major))
    } else if is_wild(pieces.patch) {
        (
            Given::Minor,
            format!("{}.{}.0", pieces.major, pieces.minor.unwrap_or("0")),
        )
    } else {
        let (minor, patch) = (pieces.minor.unwrap_or("0"), pieces.patch.unwrap_or("0"));
        (Given::All, format!("{}.{minor}.{patch}", pieces.major))
    };
    let dash = if pieces.prerelease.is_empty() {
        ""
    } else {
        "-"
    };
    let version = Version::parse(&format!("{numbers}{dash}{}", pieces.prerelease))
        .map_err(|_| SemverError::ConstraintParser)?;
    Ok(Condition {
        operator,
        version,
        given,
    })
}

/// Writes `1.2 - 1.4` as `>= 1.2, <= 1.4`.
fn rewrite_ranges(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    'scan: while let Some(letter) = rest.chars().next() {
        if let Some((low, high, after)) = range_at(rest) {
            out.push_str(&format!(">= {low}, <= {high} "));
            rest = after;
            continue 'scan;
        }
        // Within a version no other one begins.
        let step = pieces(rest, is_wild_number)
            .map_or(letter.len_utf8(), |(_, after)| rest.len() - after.len());
        out.push_str(&rest[..step]);
        rest = &rest[step..];
    }
    out
}

fn range_at(text: &str) -> Option<(&str, &str, &str)> {
    let start = trim(text);
    let (_, after_low) = pieces(start, is_wild_number)?;
    let low = &start[..start.len() - after_low.len()];
    let dash = trim(after_low);
    let behind = dash
        .strip_prefix('-')
        .filter(|_| dash.len() < after_low.len())?;
    let second = trim(behind);
    if second.len() == behind.len() {
        return None;
    }
    let (_, after_high) = pieces(second, is_wild_number)?;
    let high = &second[..second.len() - after_high.len()];
    Some((low, high, trim(after_high)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(constraint: &str, version: &str) -> bool {
        let constraints = Constraints::parse(constraint).expect("a valid constraint");
        constraints.check(&Version::parse(version).expect("a valid version"))
    }

    #[test]
    fn constraints_hold_or_not() {
        for (constraint, version, holds) in [
            (">=1.2.0, <2.0.0", "1.5.0", true),
            ("^1.2.0", "2.0.0", false),
            ("~1.2", "1.2.9", true),
            ("~1.2", "1.3.0", false),
            ("1.x", "1.9.9", true),
            ("*", "1.9.9", true),
            ("^*", "0.3.0", false),
            ("!=1.0.0", "1.0.0", false),
            ("!=1.x", "2.0.0", true),
            ("1.2 - 1.4.5", "1.4.5", true),
            ("1.2 - 1.4.5 || 3", "3.9.0", true),
            ("<1 || >=3", "3.1.0", true),
            (">11", "11.1.0", false),
            (">11.1", "11.2.0", true),
            ("<=11", "11.9.0", true),
            (">=1.2.0", "1.3.0-beta", false),
            (">=1.2.0-0", "1.3.0-beta", true),
            ("^0.2.3", "0.3.0", false),
            ("^0.0.3", "0.0.4", false),
            ("1.2.3 4", "1.2.3", false),
        ] {
            assert_eq!(check(constraint, version), holds, "{constraint} {version}");
        }
    }

    #[test]
    fn refusals_name_the_part() {
        let refusal = |text| {
            Constraints::parse(text)
                .expect_err("not a constraint")
                .to_string()
        };
        assert_eq!(refusal(">=a"), "improper constraint: >=a");
        assert_eq!(refusal("1.2.3.4"), "improper constraint: 1.2.3.4");
        assert_eq!(refusal("1x"), "constraint Parser Error");
        assert_eq!(Version::parse("1.2.3-"), Err(SemverError::Invalid));
    }

    #[test]
    fn versions_print_in_full_and_keep_their_text() {
        let version = Version::parse("v1.2-rc.1+b").expect("a valid version");
        assert_eq!(
            (version.to_string().as_str(), version.original.as_str()),
            ("1.2.0-rc.1+b", "v1.2-rc.1+b")
        );
        assert_eq!(version.incremented(Part::Patch).original, "v1.2.0");
    }
}
