//! Whether an SPDX licence expression can be met with a list of licences.

/// Evaluates the expression: `OR` needs one side, `AND` both, `WITH` belongs to its licence.
/// The old spelling `MIT/Apache-2.0` is an `OR`.
pub(super) fn accepted(expression: &str, allowed: &[&str]) -> Result<bool, String> {
    let spaced = expression
        .replace('(', " ( ")
        .replace(')', " ) ")
        .replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut reader = Reader {
        words: &words,
        allowed,
    };
    let met = reader.any()?;
    match reader.words.first() {
        None => Ok(met),
        Some(word) => Err(format!("`{word}` stands where the end was expected")),
    }
}

struct Reader<'a> {
    words: &'a [&'a str],
    allowed: &'a [&'a str],
}

impl Reader<'_> {
    fn any(&mut self) -> Result<bool, String> {
        let mut met = self.all()?;
        while self.eat("OR") {
            met |= self.all()?;
        }
        Ok(met)
    }

    fn all(&mut self) -> Result<bool, String> {
        let mut met = self.one()?;
        while self.eat("AND") {
            met &= self.one()?;
        }
        Ok(met)
    }

    fn one(&mut self) -> Result<bool, String> {
        if self.eat("(") {
            let met = self.any()?;
            return if self.eat(")") {
                Ok(met)
            } else {
                Err("a `)` is missing".to_owned())
            };
        }
        let Some((name, rest)) = self.words.split_first() else {
            return Err("it ends where a licence was expected".to_owned());
        };
        self.words = rest;
        let mut licence = (*name).to_owned();
        if self.eat("WITH") {
            let Some((exception, rest)) = self.words.split_first() else {
                return Err("it ends where an exception was expected".to_owned());
            };
            self.words = rest;
            licence = format!("{name} WITH {exception}");
        }
        Ok(self.allowed.contains(&licence.as_str()))
    }

    fn eat(&mut self, word: &str) -> bool {
        match self.words.split_first() {
            Some((first, rest)) if *first == word => {
                self.words = rest;
                true
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_met_as_spdx_says() {
        let allowed = ["MIT", "ISC", "Apache-2.0 WITH LLVM-exception"];
        for (expression, expected) in [
            ("MIT", Ok(true)),
            ("MIT OR GPL-3.0", Ok(true)),
            ("MIT AND GPL-3.0", Ok(false)),
            ("MIT/GPL-3.0", Ok(true)),
            ("(MIT OR GPL-3.0) AND ISC", Ok(true)),
            ("GPL-3.0 OR MIT AND ISC", Ok(true)),
            ("Apache-2.0 WITH LLVM-exception OR GPL-3.0", Ok(true)),
            ("Apache-2.0", Ok(false)),
        ] {
            assert_eq!(accepted(expression, &allowed), expected, "{expression}");
        }
        for expression in ["", "MIT OR", "(MIT", "MIT ISC", "MIT WITH"] {
            assert!(accepted(expression, &allowed).is_err(), "{expression}");
        }
    }
}
