//! Which of the names that exist was probably meant.

/// No longer list of names helps.
const MOST: usize = 12;

/// What to say about a name that is not there: the near ones, or all when they are few.
pub(crate) fn hint<'a>(
    kind: &str,
    wanted: &str,
    known: impl Iterator<Item = &'a str>,
) -> Vec<String> {
    let mut known: Vec<&str> = known
        .filter(|name| !name.is_empty() && *name != "$")
        .collect();
    known.sort_unstable();
    known.dedup();
    let tolerance = wanted.chars().count().div_ceil(3).clamp(1, 3);
    let mut near: Vec<(usize, &str)> = known
        .iter()
        .map(|name| (distance(wanted, name), *name))
        .filter(|(distance, name)| *distance <= tolerance || is_part(wanted, name))
        .collect();
    near.sort_unstable();
    let mut hints = Vec::new();
    if !near.is_empty() {
        let near: Vec<String> = near
            .iter()
            .take(3)
            .map(|(_, name)| format!("`{name}`"))
            .collect();
        hints.push(format!("did you mean {}?", near.join(" or ")));
    }
    if kind == "key" {
        if known.is_empty() {
            hints.push("there are no keys here".to_owned());
        } else {
            let count = known.len();
            let shown: Vec<String> = known
                .iter()
                .take(MOST)
                .map(|name| format!("`{name}`"))
                .collect();
            let more = if count > MOST {
                format!(", and {} more", count - MOST)
            } else {
                String::new()
            };
            hints.push(format!("keys that are there: {}{more}", shown.join(", ")));
        }
    }
    hints
}

/// `sprig_upper` for `upper`, and the other way round.
fn is_part(wanted: &str, name: &str) -> bool {
    name.strip_prefix("sprig_")
        .is_some_and(|rest| rest == wanted)
        || wanted
            .strip_prefix("sprig_")
            .is_some_and(|rest| rest == name)
}

/// Edits from one to the other, where capital letters count as small ones.
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().flat_map(char::to_lowercase).take(64).collect();
    let b: Vec<char> = b.chars().flat_map(char::to_lowercase).take(64).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.iter().enumerate() {
        let mut next = vec![i + 1];
        for (j, to) in b.iter().enumerate() {
            let replaced = row.get(j).copied().unwrap_or(0) + usize::from(from != to);
            let removed = row.get(j + 1).copied().unwrap_or(0) + 1;
            let added = next.last().copied().unwrap_or(0) + 1;
            next.push(replaced.min(removed).min(added));
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_misspelt_names_and_lists_keys() {
        let known = || ["password", "username", "ttl"].into_iter();
        assert_eq!(
            hint("key", "usernam", known()),
            [
                "did you mean `username`?",
                "keys that are there: `password`, `ttl`, `username`"
            ]
        );
        assert_eq!(
            hint("function", "upper", ["toUpper", "sprig_upper"].into_iter()),
            ["did you mean `toUpper` or `sprig_upper`?"]
        );
        assert!(hint("function", "frobnicate", known()).is_empty());
    }
}
