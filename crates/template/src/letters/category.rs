//! Unicode's general categories, as Go's `unicode` package asks for them. They are narrower than the properties of
//! `char`: a circled letter, a Roman numeral and a combining mark are alphabetic, and no letters.

use std::sync::OnceLock;

use regex::bytes::Regex;

/// One category, with the expression that finds it once it was needed.
struct Category {
    expression: &'static str,
    compiled: OnceLock<Option<Regex>>,
}

impl Category {
    const fn new(expression: &'static str) -> Self {
        Self {
            expression,
            compiled: OnceLock::new(),
        }
    }

    fn holds(&self, letter: char) -> bool {
        let mut buffer = [0; 4];
        self.compiled
            .get_or_init(|| Regex::new(self.expression).ok())
            .as_ref()
            .is_some_and(|class| class.is_match(letter.encode_utf8(&mut buffer).as_bytes()))
    }
}

static LETTER: Category = Category::new(r"^\pL");
static UPPER: Category = Category::new(r"^\p{Lu}");
static LOWER: Category = Category::new(r"^\p{Ll}");
static DIGIT: Category = Category::new(r"^\p{Nd}");
static PUNCTUATION: Category = Category::new(r"^\pP");

/// Whether the character is a letter.
pub(crate) fn is_letter(letter: char) -> bool {
    letter.is_ascii_alphabetic() || !letter.is_ascii() && LETTER.holds(letter)
}

/// Whether the character is an upper case letter.
pub(crate) fn is_upper(letter: char) -> bool {
    letter.is_ascii_uppercase() || !letter.is_ascii() && UPPER.holds(letter)
}

/// Whether the character is a lower case letter.
pub(crate) fn is_lower(letter: char) -> bool {
    letter.is_ascii_lowercase() || !letter.is_ascii() && LOWER.holds(letter)
}

/// Whether the character is a decimal digit of any script.
pub(crate) fn is_digit(letter: char) -> bool {
    letter.is_ascii_digit() || !letter.is_ascii() && DIGIT.holds(letter)
}

/// Whether the character is a punctuation mark.
pub(crate) fn is_punctuation(letter: char) -> bool {
    if letter.is_ascii() {
        return letter.is_ascii_punctuation() && !"$+<=>^`|~".contains(letter);
    }
    PUNCTUATION.holds(letter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_looks_like_a_letter_is_none() {
        for (letter, expected) in [
            ('a', (true, false, true)),
            ('Ä', (true, true, false)),
            ('ª', (true, false, false)),
            ('ⅷ', (false, false, false)),
            ('Ⓐ', (false, false, false)),
            ('\u{301}', (false, false, false)),
            ('日', (true, false, false)),
            ('_', (false, false, false)),
        ] {
            let found = (is_letter(letter), is_upper(letter), is_lower(letter));
            assert_eq!(found, expected, "{letter}");
        }
        assert!(is_digit('１') && is_digit('٣') && !is_digit('²') && !is_digit('ⅷ'));
        assert!(is_punctuation('«') && is_punctuation('!') && !is_punctuation('€'));
    }
}
