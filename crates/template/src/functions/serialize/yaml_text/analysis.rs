//! Which styles a text can be written in, and which of its characters have to be escaped.

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    Plain,
    Single,
    Double,
    Literal,
}

/// Which styles a text can be written in.
pub(super) struct Analysis {
    pub(super) line_breaks: bool,
    pub(super) plain_allowed: bool,
    pub(super) single_allowed: bool,
    pub(super) block_allowed: bool,
}

impl Analysis {
    pub(super) fn of(text: &str) -> Self {
        let is_harmless = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        if !text.is_empty() && text.bytes().all(is_harmless) {
            return Self {
                line_breaks: false,
                plain_allowed: true,
                single_allowed: true,
                block_allowed: true,
            };
        }
        let mut indicators = text.starts_with("---") || text.starts_with("...");
        let (mut line_breaks, mut special) = (false, false);
        let (mut break_space, mut space_break) = (false, false);
        let mut previous: Option<char> = None;
        let mut letters = text.chars().peekable();
        while let Some(letter) = letters.next() {
            let blank_follows = letters
                .peek()
                .is_none_or(|next| matches!(next, ' ' | '\t') || is_break(*next));
            let blank_before =
                previous.is_none_or(|before| matches!(before, ' ' | '\t') || is_break(before));
            indicators |= match letter {
                '#' | ',' | '[' | ']' | '{' | '}' | '&' | '*' | '!' | '|' | '>' | '\'' | '"'
                | '%' | '@' | '`'
                    if previous.is_none() =>
                {
                    true
                }
                '?' | '-' if previous.is_none() => blank_follows,
                ':' => blank_follows,
                '#' => blank_before,
                _ => false,
            };
            special |= !is_printable(letter);
            if letter == ' ' {
                break_space |= previous.is_some_and(is_break);
            } else if is_break(letter) {
                line_breaks = true;
                space_break |= previous == Some(' ');
            }
            previous = Some(letter);
        }
        let outer =
            |letter: Option<char>| letter.is_some_and(|letter| letter == ' ' || is_break(letter));
        let (first, last) = (text.chars().next(), text.chars().next_back());
        let broken = space_break || special;
        Self {
            line_breaks,
            plain_allowed: !(indicators
                || line_breaks
                || break_space
                || broken
                || outer(first)
                || outer(last)),
            single_allowed: !(break_space || broken),
            block_allowed: !(text.is_empty() || last == Some(' ') || broken),
        }
    }
}

pub(super) fn is_break(letter: char) -> bool {
    matches!(letter, '\r' | '\n' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

pub(super) fn is_printable(letter: char) -> bool {
    matches!(letter, '\n' | ' '..='~' | '\u{A0}'..='\u{FEFE}' | '\u{FF00}'..='\u{FFFD}')
}

pub(super) fn escape(letter: char) -> String {
    let code = u32::from(letter);
    match letter {
        '\0' => "\\0".to_owned(),
        '\x07' => "\\a".to_owned(),
        '\x08' => "\\b".to_owned(),
        '\t' => "\\t".to_owned(),
        '\n' => "\\n".to_owned(),
        '\x0b' => "\\v".to_owned(),
        '\x0c' => "\\f".to_owned(),
        '\r' => "\\r".to_owned(),
        '\x1b' => "\\e".to_owned(),
        '"' => "\\\"".to_owned(),
        '\\' => "\\\\".to_owned(),
        '\u{85}' => "\\N".to_owned(),
        '\u{A0}' => "\\_".to_owned(),
        '\u{2028}' => "\\L".to_owned(),
        '\u{2029}' => "\\P".to_owned(),
        _ if code <= 0xFF => format!("\\x{code:02X}"),
        _ if code <= 0xFFFF => format!("\\u{code:04X}"),
        _ => format!("\\U{code:08X}"),
    }
}
