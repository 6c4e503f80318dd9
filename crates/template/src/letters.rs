//! Upper, lower and title case by Go's rules: one character becomes one character, so `ß` stays as it is. Only
//! `toTitle` knows the mappings to several characters and the Unicode rules for where a word begins.

pub(crate) mod category;
pub(crate) mod words;

use std::borrow::Cow;

use crate::go::decode;

/// Every character in lower case.
pub(crate) fn lower(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    text.chars().map(lower_letter).collect()
}

/// Every character in upper case.
pub(crate) fn upper(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_uppercase();
    }
    text.chars().map(upper_letter).collect()
}

/// The first letter of each word in title case, the others as they are. Digits, apostrophes and dots within a word do
/// not end it, a digit in front does not count as its first letter.
pub(crate) fn title_words(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let (mut within, mut after_joint) = (false, false);
    for letter in text.chars() {
        let joint = is_joint(letter);
        if after_joint && joint {
            within = false;
        }
        if is_cased(letter) {
            if within {
                out.push(letter);
            } else {
                out.push_str(&full_title(letter));
                within = true;
            }
        } else {
            out.push(letter);
            if !joint && ends_word(letter) {
                within = false;
            }
        }
        after_joint = joint;
    }
    out
}

/// The letter behind each character that is no letter, digit or underscore in title case; an apostrophe separates.
pub(crate) fn title_after_separators(text: &str) -> String {
    let mut previous = ' ';
    text.chars()
        .map(|letter| {
            let begins = is_separator(previous);
            previous = letter;
            if begins { title_letter(letter) } else { letter }
        })
        .collect()
}

/// Simple lower case.
pub(crate) fn lower_letter(letter: char) -> char {
    match letter {
        'İ' => 'i',
        _ => letter.to_lowercase().next().unwrap_or(letter),
    }
}

/// Simple upper case.
pub(crate) fn upper_letter(letter: char) -> char {
    let mut mapped = letter.to_uppercase();
    match (mapped.next(), mapped.next()) {
        (Some(single), None) => single,
        _ => iota_title(letter).unwrap_or(letter),
    }
}

/// Simple title case.
pub(crate) fn title_letter(letter: char) -> char {
    match letter {
        'Ǆ'..='ǆ' => 'ǅ',
        'Ǉ'..='ǉ' => 'ǈ',
        'Ǌ'..='ǌ' => 'ǋ',
        'Ǳ'..='ǳ' => 'ǲ',
        '\u{10D0}'..='\u{10FF}' => letter,
        _ => upper_letter(letter),
    }
}

/// Whether the character is one of those with upper case first and lower case behind, such as `ǅ`.
pub(crate) fn is_title(letter: char) -> bool {
    matches!(letter, 'ǅ' | 'ǈ' | 'ǋ' | 'ǲ' | '\u{1F88}'..='\u{1F8F}' | '\u{1F98}'..='\u{1F9F}'
        | '\u{1FA8}'..='\u{1FAF}' | '\u{1FBC}' | '\u{1FCC}' | '\u{1FFC}')
}

/// Whether Go takes the character for white space.
pub(crate) fn is_space(letter: char) -> bool {
    letter.is_whitespace()
}

/// Text without white space at both ends. What is not UTF-8 is no white space.
pub(crate) fn trim_space(text: &[u8]) -> &[u8] {
    let mut inner = text;
    while let Some((_, rest)) = first_letter(inner).filter(|(letter, _)| is_space(*letter)) {
        inner = rest;
    }
    while let Some((_, rest)) = last_letter(inner).filter(|(letter, _)| is_space(*letter)) {
        inner = rest;
    }
    inner
}

fn first_letter(text: &[u8]) -> Option<(char, &[u8])> {
    let (first, rest) = text.split_first()?;
    if first.is_ascii() {
        return Some((char::from(*first), rest));
    }
    let (letter, length) = decode(text)?;
    Some((letter, text.get(length..)?))
}

fn last_letter(text: &[u8]) -> Option<(char, &[u8])> {
    let (last, rest) = text.split_last()?;
    if last.is_ascii() {
        return Some((char::from(*last), rest));
    }
    (2..=4).find_map(|length| {
        let (rest, letter) = text.split_at_checked(text.len().checked_sub(length)?)?;
        let mut letters = std::str::from_utf8(letter).ok()?.chars();
        let (Some(letter), None) = (letters.next(), letters.next()) else {
            return None;
        };
        Some((letter, rest))
    })
}

/// UTF-8, with U+FFFD for what is not.
pub(crate) fn valid(text: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(text)
}

/// Greek letters with an iota below have a title case of one character, though their upper case takes two.
fn iota_title(letter: char) -> Option<char> {
    let shift = match letter {
        '\u{1F80}'..='\u{1F87}' | '\u{1F90}'..='\u{1F97}' | '\u{1FA0}'..='\u{1FA7}' => 8,
        '\u{1FB3}' | '\u{1FC3}' | '\u{1FF3}' => 9,
        _ => return None,
    };
    char::from_u32(u32::from(letter) + shift)
}

fn full_title(letter: char) -> String {
    let mapped: Vec<char> = letter.to_uppercase().collect();
    let single = title_letter(letter);
    if mapped.len() == 1 || single != letter {
        return single.to_string();
    }
    if is_title(letter) {
        return letter.to_string();
    }
    match letter {
        'ŉ' => "ʼN".to_owned(),
        '\u{1F80}'..='\u{1FFF}' => mapped
            .iter()
            .map(|c| if *c == 'Ι' { '\u{345}' } else { *c })
            .collect(),
        _ => {
            let mut mapped = mapped.into_iter();
            let first = mapped.next().unwrap_or(letter);
            std::iter::once(first)
                .chain(mapped.map(lower_letter))
                .collect()
        }
    }
}

fn is_cased(letter: char) -> bool {
    letter.is_lowercase() || letter.is_uppercase() || is_title(letter)
}

/// Marks that may stand once between the letters of a word.
fn is_joint(letter: char) -> bool {
    matches!(
        letter,
        '.' | ':'
            | '\''
            | '·'
            | '\u{387}'
            | '\u{55F}'
            | '\u{5F4}'
            | '\u{2018}'
            | '\u{2019}'
            | '\u{2024}'
            | '\u{2027}'
            | '\u{FE13}'
            | '\u{FE52}'
            | '\u{FE55}'
            | '\u{FF07}'
            | '\u{FF0E}'
            | '\u{FF1A}'
    )
}

fn ends_word(letter: char) -> bool {
    let ideograph = matches!(letter, '\u{2E80}'..='\u{9FFF}' | '\u{F900}'..='\u{FAFF}' | '\u{20000}'..='\u{3FFFF}');
    let mark = matches!(letter, '\u{AD}' | '\u{300}'..='\u{36F}' | '\u{483}'..='\u{489}' | '\u{591}'..='\u{5BD}'
        | '\u{64B}'..='\u{65F}' | '\u{1AB0}'..='\u{1AFF}' | '\u{1DC0}'..='\u{1DFF}' | '\u{200C}'..='\u{200F}'
        | '\u{202A}'..='\u{202F}' | '\u{203F}' | '\u{2040}' | '\u{2054}' | '\u{2060}'..='\u{2064}'
        | '\u{20D0}'..='\u{20F0}' | '\u{FE00}'..='\u{FE0F}' | '\u{FE20}'..='\u{FE2F}' | '\u{FEFF}');
    ideograph || !(letter == '_' || mark || letter.is_alphanumeric())
}

fn is_separator(letter: char) -> bool {
    if letter.is_ascii() {
        return !(letter.is_ascii_alphanumeric() || letter == '_');
    }
    !letter.is_alphanumeric() && letter.is_whitespace()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_character_stays_one_character() {
        assert_eq!(lower("ÀÉ ΑΣ İ"), "àé ασ i");
        assert_eq!(upper("àé ß ŉ ας ᾳ"), "ÀÉ ß ŉ ΑΣ ᾼ");
    }

    #[test]
    fn white_space_goes_from_both_ends_of_what_need_not_be_utf_8() {
        for (text, trimmed) in [
            (&b" \t\x0b a b \r\n"[..], &b"a b"[..]),
            ("\u{a0}\u{2003}ä\u{3000}\u{85}".as_bytes(), "ä".as_bytes()),
            (b"\xff \xff", b"\xff \xff"),
            (b" \xff\xc2\xa0", b"\xff"),
            (b"\xa0\xa0", b"\xa0\xa0"),
            (b" \n ", b""),
            (b"", b""),
        ] {
            assert_eq!(trim_space(text), trimmed, "{text:?}");
        }
    }

    #[test]
    fn words_begin_where_unicode_says() {
        for (text, title) in [
            ("HELLO wORLD", "HELLO WORLD"),
            ("o'neil mc-donald x_y 3rd", "O'neil Mc-Donald X_y 3Rd"),
            ("ǆungla ﬁsh ijs", "ǅungla Fish Ijs"),
            ("a.b/c:d\te", "A.b/C:d\tE"),
            ("a..b ßx ŉx", "A..B Ssx ʼNx"),
        ] {
            assert_eq!(title_words(text), title);
        }
        assert_eq!(
            title_after_separators("hello wORLD o'neil-x 3rd"),
            "Hello WORLD O'Neil-X 3rd"
        );
    }
}
