//! What stands in front of nodes and documents: anchors, aliases, tags and directives.

use super::{Scanner, TokenKind, is_blank, is_blank_or_end, is_break, is_name_letter};
use crate::yaml::YamlError;

impl Scanner<'_> {
    pub(super) fn fetch_anchor(&mut self) -> Result<(), YamlError> {
        self.save_possible_key()?;
        self.key_allowed = false;
        let mark = self.mark;
        let alias = self.at(0) == '*';
        self.skip();
        let name = self.take_while(is_name_letter);
        let next = self.at(0);
        if name.is_empty() || !(is_blank_or_end(next) || "?:,]}%@`".contains(next)) {
            return self.refuse("did not find expected alphabetic or numeric character");
        }
        self.push(
            if alias {
                TokenKind::Alias(name)
            } else {
                TokenKind::Anchor(name)
            },
            mark,
        );
        Ok(())
    }

    fn take_while(&mut self, accept: fn(char) -> bool) -> String {
        let mut taken = String::new();
        while !self.is_end() && accept(self.at(0)) {
            taken.push(self.at(0));
            self.skip();
        }
        taken
    }

    pub(super) fn fetch_tag(&mut self) -> Result<(), YamlError> {
        self.save_possible_key()?;
        self.key_allowed = false;
        let mark = self.mark;
        let (handle, suffix) = if self.at(1) == '<' {
            self.skip();
            self.skip();
            let uri = self.scan_uri("")?;
            if self.at(0) != '>' {
                return self.refuse("did not find the expected '>'");
            }
            self.skip();
            (String::new(), uri)
        } else {
            let handle = self.scan_tag_handle()?;
            if handle.len() > 1 && handle.ends_with('!') {
                let suffix = self.scan_uri("")?;
                (handle, suffix)
            } else {
                let suffix = self.scan_uri(&handle)?;
                if suffix.is_empty() {
                    (String::new(), "!".to_owned())
                } else {
                    ("!".to_owned(), suffix)
                }
            }
        };
        if !is_blank_or_end(self.at(0)) {
            return self.refuse("did not find expected whitespace or line break");
        }
        self.push(TokenKind::Tag { handle, suffix }, mark);
        Ok(())
    }

    fn scan_tag_handle(&mut self) -> Result<String, YamlError> {
        if self.at(0) != '!' {
            return self.refuse("did not find expected '!'");
        }
        self.skip();
        let mut handle = "!".to_owned() + &self.take_while(is_name_letter);
        if self.at(0) == '!' {
            handle.push('!');
            self.skip();
        }
        Ok(handle)
    }

    /// A tag behind its handle, of which the letters after `!` belong to the tag.
    fn scan_uri(&mut self, head: &str) -> Result<String, YamlError> {
        let mut bytes = head.get(1..).unwrap_or_default().as_bytes().to_vec();
        let mut found = !head.is_empty();
        loop {
            let letter = self.at(0);
            if letter == '%' {
                let hex = |letter: char| letter.to_digit(16);
                let (Some(high), Some(low)) = (hex(self.at(1)), hex(self.at(2))) else {
                    return self.refuse("did not find URI escaped octet");
                };
                bytes.push((high * 16 + low) as u8);
                (0..3).for_each(|_| self.skip());
            } else if is_name_letter(letter) || ";/?:@&=+$,.!~*'()[]".contains(letter) {
                bytes.push(letter as u8);
                self.skip();
            } else {
                break;
            }
            found = true;
        }
        if !found {
            return self.refuse("did not find expected tag URI");
        }
        match String::from_utf8(bytes) {
            Ok(uri) => Ok(uri),
            Err(_) => self.refuse("found an incorrect leading UTF-8 octet"),
        }
    }

    pub(super) fn fetch_directive(&mut self) -> Result<(), YamlError> {
        self.unroll_indent(-1);
        self.remove_possible_key()?;
        self.key_allowed = false;
        let mark = self.mark;
        self.skip();
        let name = self.take_while(is_name_letter);
        if name.is_empty() {
            return self.refuse("could not find expected directive name");
        }
        if !is_blank_or_end(self.at(0)) {
            return self.refuse("found unexpected non-alphabetical character");
        }
        self.skip_blanks();
        let kind = match name.as_str() {
            "YAML" => {
                let major = self.version_number()?;
                if self.at(0) != '.' {
                    return self.refuse("did not find expected digit or '.' character");
                }
                self.skip();
                TokenKind::Version {
                    major,
                    minor: self.version_number()?,
                }
            }
            "TAG" => {
                let handle = self.scan_tag_handle()?;
                if handle != "!" && !handle.ends_with('!') {
                    return self.refuse("did not find expected '!'");
                }
                if !is_blank(self.at(0)) {
                    return self.refuse("did not find expected whitespace");
                }
                self.skip_blanks();
                let prefix = self.scan_uri("")?;
                if !is_blank_or_end(self.at(0)) {
                    return self.refuse("did not find expected whitespace or line break");
                }
                TokenKind::TagDirective { handle, prefix }
            }
            _ => return self.refuse("found unknown directive name"),
        };
        self.skip_blanks();
        self.skip_comment();
        if !is_break(self.at(0)) && !self.is_end() {
            return self.refuse("did not find expected comment or line break");
        }
        if is_break(self.at(0)) {
            self.skip_line();
        }
        self.push(kind, mark);
        Ok(())
    }

    fn version_number(&mut self) -> Result<u32, YamlError> {
        let digits = self.take_while(|letter| letter.is_ascii_digit());
        match digits.parse() {
            Ok(number) if digits.len() <= 9 => Ok(number),
            _ if digits.is_empty() => self.refuse("did not find expected version number"),
            _ => self.refuse("found extremely long version number"),
        }
    }
}
