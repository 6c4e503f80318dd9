//! The order in which the established writer puts keys of maps.

use std::cmp::Ordering;

use crate::{
    go::Key,
    letters::category::{is_digit, is_letter},
};

/// Numbers and booleans before texts, by value; in texts, runs of digits count as numbers and letters come last.
pub(super) fn natural(a: &Key, b: &Key) -> Ordering {
    let number = |key: &Key| match key {
        Key::Bool(flag) => Some((f64::from(u8::from(*flag)), 0)),
        Key::Int(_, number) => Some((*number as f64, 1)),
        Key::Uint(_, number) => Some((*number as f64, 2)),
        Key::Float(number) => Some((*number, 3)),
        _ => None,
    };
    match (number(a), number(b)) {
        (Some((x, kind)), Some((y, other))) => {
            return x
                .partial_cmp(&y)
                .unwrap_or(Ordering::Equal)
                .then(kind.cmp(&other))
                .then_with(|| a.cmp(b));
        }
        (Some(_), None) => return Ordering::Less,
        (None, Some(_)) => return Ordering::Greater,
        (None, None) => {}
    }
    match (a.as_text(), b.as_text()) {
        (Some(a), Some(b)) => natural_text_order(&a.to_str_lossy(), &b.to_str_lossy()),
        _ => a.cmp(b),
    }
}

fn natural_text_order(a: &str, b: &str) -> Ordering {
    if a.is_ascii() && b.is_ascii() {
        return natural_letter_order(a.as_bytes(), b.as_bytes());
    }
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    natural_letter_order(&a, &b)
}

fn natural_letter_order<L: Copy + Into<char> + PartialEq>(a: &[L], b: &[L]) -> Ordering {
    let Some(at) = a.iter().zip(b).position(|(a, b)| a != b) else {
        return a.len().cmp(&b.len());
    };
    let (x, y): (char, char) = (a[at].into(), b[at].into());
    match (is_letter(x), is_letter(y)) {
        (true, true) => return x.cmp(&y),
        (true, false) => return Ordering::Greater,
        (false, true) => return Ordering::Less,
        (false, false) => {}
    }
    // A zero within a number does not lead it.
    let before = a[..at]
        .iter()
        .rev()
        .map(|letter| (*letter).into())
        .take_while(|letter| is_digit(*letter));
    let within = (x == '0' || y == '0') && before.into_iter().any(|digit| digit != '0');
    let run = |text: &[L]| {
        let digits = text[at..]
            .iter()
            .map(|letter| (*letter).into())
            .take_while(|letter| is_digit(*letter));
        digits.fold((i64::from(within), at), |(number, end), digit| {
            // As if it were an ASCII digit, which those of other scripts are not.
            let digit = i64::from(u32::from(digit)) - i64::from(b'0');
            (number.wrapping_mul(10).wrapping_add(digit), end + 1)
        })
    };
    let ((x_number, x_end), (y_number, y_end)) = (run(a), run(b));
    x_number
        .cmp(&y_number)
        .then(x_end.cmp(&y_end))
        .then(x.cmp(&y))
}
