//! Changes of letter case by word: snake case, camel case and their like, as sprig's helpers make them.

use super::category::{self, is_lower, is_punctuation, is_upper};
use super::{is_space, is_title, lower_letter, title_letter, upper_letter};

/// The first character in lower case, and each one behind white space.
pub(crate) fn untitle(text: &str) -> String {
    let mut begins = true;
    text.chars()
        .map(|letter| {
            if is_space(letter) {
                begins = true;
                letter
            } else if std::mem::take(&mut begins) {
                lower_letter(letter)
            } else {
                letter
            }
        })
        .collect()
}

/// Upper case becomes lower and the other way round; a word's first letter becomes title case.
pub(crate) fn swap_case(text: &str) -> String {
    let mut after_space = true;
    text.chars()
        .map(|letter| {
            if is_upper(letter) || is_title(letter) {
                after_space = false;
                lower_letter(letter)
            } else if is_lower(letter) {
                if std::mem::take(&mut after_space) {
                    title_letter(letter)
                } else {
                    upper_letter(letter)
                }
            } else {
                after_space = is_space(letter);
                letter
            }
        })
        .collect()
}

/// `http_server-name` as `HttpServerName`. Connectors at the start stay, and one of several within.
pub(crate) fn pascal_case(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars();
    let mut current = None;
    let mut lowering = false;
    for letter in rest.by_ref() {
        if !is_connector(letter) {
            lowering = is_upper(letter);
            current = Some(upper_letter(letter));
            break;
        }
        out.push(letter);
    }
    let Some(mut current) = current else {
        // Of a text of nothing but connectors, the last one comes twice.
        out.extend(text.chars().next_back());
        return out;
    };
    for letter in rest {
        let previous = std::mem::replace(&mut current, letter);
        if is_connector(letter) && is_connector(previous) {
            out.push(previous);
            continue;
        }
        if is_connector(previous) {
            lowering = is_upper(letter);
            current = upper_letter(letter);
            continue;
        }
        if lowering {
            if is_upper(letter) {
                current = lower_letter(letter);
            } else {
                lowering = false;
            }
        }
        out.push(previous);
    }
    out.push(current);
    out
}

/// `HTTPServer x2Y` as `http_server_x2_y`, with any connector.
pub(crate) fn separated(text: &str, connector: char) -> String {
    Separating {
        rest: text,
        out: String::with_capacity(text.len() + 8),
        connector,
    }
    .run()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// There is no word left.
    None,
    Number,
    Upper,
    Letters,
    Connector,
    Punctuation,
    Other,
}

struct Separating<'t> {
    rest: &'t str,
    out: String,
    connector: char,
}

impl<'t> Separating<'t> {
    fn run(mut self) -> String {
        let (mut kind, mut word) = self.next();
        while !self.rest.is_empty() {
            if kind != Kind::Connector {
                self.write(kind, word);
            }
            let (before, last) = (kind, word);
            (kind, word) = self.next();
            match before {
                Kind::Number => {
                    (kind, word) = self.write_alphanumeric(kind, word);
                    if !matches!(kind, Kind::None | Kind::Punctuation | Kind::Connector) {
                        self.out.push(self.connector);
                    }
                }
                Kind::Connector => self.write(before, last),
                Kind::Punctuation => {}
                _ if kind != Kind::Number => {
                    if !matches!(kind, Kind::Connector | Kind::Punctuation) {
                        self.out.push(self.connector);
                    }
                }
                _ if self.rest.is_empty() => {}
                _ => (kind, word) = self.number_behind_letters(word),
            }
        }
        self.write(kind, word);
        self.out
    }

    /// A number belongs to the word before it, save where lower case letters follow it.
    fn number_behind_letters(&mut self, number: &'t str) -> (Kind, &'t str) {
        let (mut kind, mut word) = self.next();
        if kind != Kind::Letters {
            self.write(Kind::Number, number);
            if !matches!(kind, Kind::Connector | Kind::Punctuation) {
                self.out.push(self.connector);
            }
            return (kind, word);
        }
        self.out.push(self.connector);
        self.write(Kind::Number, number);
        (kind, word) = self.write_alphanumeric(kind, word);
        if !matches!(kind, Kind::None | Kind::Punctuation | Kind::Connector) {
            self.out.push(self.connector);
        }
        (kind, word)
    }

    fn write_alphanumeric(&mut self, mut kind: Kind, mut word: &'t str) -> (Kind, &'t str) {
        while matches!(kind, Kind::Letters | Kind::Number) {
            self.write(kind, word);
            (kind, word) = self.next();
        }
        (kind, word)
    }

    fn write(&mut self, kind: Kind, word: &str) {
        if !matches!(kind, Kind::Upper | Kind::Connector) {
            self.out.push_str(word);
            return;
        }
        let connector = self.connector;
        self.out.extend(word.chars().map(|letter| match letter {
            _ if is_connector(letter) => connector,
            _ if is_upper(letter) => lower_letter(letter),
            _ => letter,
        }));
    }

    fn next(&mut self) -> (Kind, &'t str) {
        let text = self.rest;
        let Some(first) = text.chars().next() else {
            return (Kind::None, "");
        };
        let run = |accept: &dyn Fn(char) -> bool| {
            text.find(|letter| !accept(letter)).unwrap_or(text.len())
        };
        let (kind, length) = if is_connector(first) {
            (Kind::Connector, run(&is_connector))
        } else if is_punctuation(first) {
            (Kind::Punctuation, run(&is_punctuation))
        } else if is_upper(first) {
            (Kind::Upper, upper_word(text))
        } else if is_letter(first) {
            (
                Kind::Letters,
                run(&|letter| is_letter(letter) && !is_upper(letter)),
            )
        } else if first.is_numeric() {
            (Kind::Number, run(&char::is_numeric))
        } else {
            (
                Kind::Other,
                run(&|letter| {
                    !(is_connector(letter)
                        || is_letter(letter)
                        || letter.is_numeric()
                        || is_punctuation(letter))
                }),
            )
        };
        let (word, rest) = text.split_at(length);
        self.rest = rest;
        (kind, word)
    }
}

/// Length of `HTTP` in `HTTPServer`, of `Server` in `ServerName`.
fn upper_word(text: &str) -> usize {
    let uppers = text.find(|letter| !is_upper(letter)).unwrap_or(text.len());
    let single = text.chars().next().map_or(0, char::len_utf8);
    if uppers > single {
        let last = text[..uppers].chars().next_back().map_or(0, char::len_utf8);
        let joins = text[uppers..].chars().next().is_some_and(is_letter);
        return if joins { uppers - last } else { uppers };
    }
    let lowers = text[single..].find(|letter| !is_letter(letter) || is_upper(letter));
    lowers.map_or(text.len(), |length| single + length)
}

fn is_connector(letter: char) -> bool {
    letter == '-' || letter == '_' || is_space(letter)
}

/// A letter of an alphabet, which ideographs are not.
fn is_letter(letter: char) -> bool {
    category::is_letter(letter)
        && !matches!(letter, '\u{4E00}'..='\u{9FCC}' | '\u{3400}'..='\u{4D85}' | '\u{20000}'..='\u{2B81D}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_separated_at_changes_of_case() {
        for (text, snake) in [
            ("FirstName HTTPServer x2Y", "first_name_http_server_x2_y"),
            ("HTTP2Server", "http2_server"),
            ("a.b c-d", "a.b_c_d"),
            ("ABC", "abc"),
            ("x1", "x1"),
            ("http2xx", "http_2xx"),
            ("HTTP20xOK", "http_20x_ok"),
            ("Duration2m3s", "duration_2m3s"),
            ("Bld4Floor3rd", "bld4_floor_3rd"),
            ("", ""),
        ] {
            assert_eq!(separated(text, '_'), snake, "{text}");
        }
    }

    #[test]
    fn pascal_case_keeps_outer_connectors() {
        for (text, pascal) in [
            ("http_server-name foo", "HttpServerNameFoo"),
            ("_leading__two_", "_Leading_Two_"),
            ("already", "Already"),
            ("ID_of_url", "IdOfUrl"),
            ("", ""),
            ("a1_b2", "A1B2"),
            ("a", "A"),
            ("_-", "_--"),
        ] {
            assert_eq!(pascal_case(text), pascal, "{text}");
        }
    }

    #[test]
    fn case_is_swapped_and_taken_back() {
        assert_eq!(swap_case("aBc Ñx"), "AbC ñX");
        assert_eq!(untitle("Hello World"), "hello world");
    }
}
