//! Decimal numbers of any length, for sprig's `addf` and its like, in which 1.1 + 2.2 is 3.3.

use std::cmp::Ordering;

/// Digits behind the point that a division gives.
const DIVISION_DIGITS: i64 = 16;
/// More digits than any calculation with floats needs; what has more is not calculated.
const MOST_DIGITS: usize = 20_000;

/// A number: its digits, most significant first, times ten to the exponent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Decimal {
    negative: bool,
    digits: Vec<u8>,
    exponent: i64,
}

/// Why there is no result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DecimalError {
    /// The divisor is zero.
    #[error("decimal division by 0")]
    DivisionByZero,
    /// A float that is no number.
    #[error("Cannot create a Decimal from {0}")]
    NotFinite(&'static str),
    /// The result has more digits than are kept.
    #[error("decimal number has more than {MOST_DIGITS} digits")]
    TooLong,
}

impl Decimal {
    /// The shortest decimal number that is this float.
    pub(crate) fn from_float(number: f64) -> Result<Self, DecimalError> {
        if number.is_nan() {
            return Err(DecimalError::NotFinite("NaN"));
        }
        if number.is_infinite() {
            return Err(DecimalError::NotFinite(if number < 0.0 {
                "-Inf"
            } else {
                "+Inf"
            }));
        }
        let text = format!("{:e}", number.abs());
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let behind_point = mantissa
            .split_once('.')
            .map_or(0, |(_, behind)| behind.len() as i64);
        let digits = mantissa
            .bytes()
            .filter(u8::is_ascii_digit)
            .map(|digit| digit - b'0')
            .collect();
        let exponent = exponent.parse::<i64>().unwrap_or(0) - behind_point;
        Ok(Self {
            negative: number < 0.0,
            digits,
            exponent,
        }
        .trimmed())
    }

    /// The nearest float.
    pub(crate) fn to_float(&self) -> f64 {
        let mut text = String::with_capacity(self.digits.len() + 24);
        text.push(if self.negative { '-' } else { '+' });
        text.extend(self.digits.iter().map(|digit| char::from(b'0' + digit)));
        if self.digits.is_empty() {
            return 0.0;
        }
        text.push_str(&format!("e{}", self.exponent));
        text.parse().unwrap_or(f64::NAN)
    }

    /// The sum.
    pub(crate) fn plus(&self, other: &Self) -> Result<Self, DecimalError> {
        let exponent = self.exponent.min(other.exponent);
        let (a, b) = (self.scaled_to(exponent)?, other.scaled_to(exponent)?);
        if self.negative == other.negative {
            return Ok(Self {
                negative: self.negative,
                digits: add(&a, &b),
                exponent,
            }
            .trimmed());
        }
        let (negative, digits) = match compare(&a, &b) {
            Ordering::Equal => (false, Vec::new()),
            Ordering::Greater => (self.negative, subtract(&a, &b)),
            Ordering::Less => (other.negative, subtract(&b, &a)),
        };
        Ok(Self {
            negative,
            digits,
            exponent,
        }
        .trimmed())
    }

    /// The difference.
    pub(crate) fn minus(&self, other: &Self) -> Result<Self, DecimalError> {
        self.plus(&Self {
            negative: !other.negative,
            ..other.clone()
        })
    }

    /// The product.
    pub(crate) fn times(&self, other: &Self) -> Result<Self, DecimalError> {
        if self.digits.len() + other.digits.len() > MOST_DIGITS {
            return Err(DecimalError::TooLong);
        }
        let mut sums = vec![0u32; self.digits.len() + other.digits.len()];
        for (i, a) in self.digits.iter().rev().enumerate() {
            for (j, b) in other.digits.iter().rev().enumerate() {
                sums[i + j] += u32::from(*a) * u32::from(*b);
            }
        }
        let mut carry = 0;
        let mut digits: Vec<u8> = Vec::with_capacity(sums.len());
        for sum in sums {
            let sum = sum + carry;
            digits.push((sum % 10) as u8);
            carry = sum / 10;
        }
        digits.reverse();
        let exponent = self.exponent + other.exponent;
        Ok(Self {
            negative: self.negative != other.negative,
            digits,
            exponent,
        }
        .trimmed())
    }

    /// The quotient, rounded to 16 digits behind the point, a half away from zero.
    pub(crate) fn divided_by(&self, other: &Self) -> Result<Self, DecimalError> {
        if other.digits.is_empty() {
            return Err(DecimalError::DivisionByZero);
        }
        // One digit more than wanted decides the rounding; what is left behind it can only confirm it.
        let shift = self.exponent - other.exponent + DIVISION_DIGITS + 1;
        let mut dividend = self.digits.clone();
        let mut divisor = other.digits.clone();
        let grown = if shift >= 0 {
            &mut dividend
        } else {
            &mut divisor
        };
        let zeros = usize::try_from(shift.unsigned_abs()).unwrap_or(usize::MAX);
        if grown.len().saturating_add(zeros) > MOST_DIGITS {
            return Err(DecimalError::TooLong);
        }
        grown.resize(grown.len() + zeros, 0);
        let mut quotient = divide(&dividend, &divisor);
        let last = quotient.pop().unwrap_or(0);
        if last >= 5 {
            quotient = add(&quotient, &[1]);
        }
        let negative = self.negative != other.negative;
        Ok(Self {
            negative,
            digits: quotient,
            exponent: -DIVISION_DIGITS,
        }
        .trimmed())
    }

    fn scaled_to(&self, exponent: i64) -> Result<Vec<u8>, DecimalError> {
        let zeros = usize::try_from(self.exponent - exponent).unwrap_or(0);
        if self.digits.is_empty() {
            return Ok(Vec::new());
        }
        if self.digits.len().saturating_add(zeros) > MOST_DIGITS {
            return Err(DecimalError::TooLong);
        }
        let mut digits = self.digits.clone();
        digits.resize(digits.len() + zeros, 0);
        Ok(digits)
    }

    fn trimmed(mut self) -> Self {
        let leading = self.digits.iter().take_while(|digit| **digit == 0).count();
        self.digits.drain(..leading);
        while self.digits.last() == Some(&0) {
            self.digits.pop();
            self.exponent += 1;
        }
        if self.digits.is_empty() {
            (self.negative, self.exponent) = (false, 0);
        }
        self
    }
}

fn compare(a: &[u8], b: &[u8]) -> Ordering {
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

fn add(a: &[u8], b: &[u8]) -> Vec<u8> {
    let (mut a, mut b) = (a.iter().rev(), b.iter().rev());
    let mut digits = Vec::new();
    let mut carry = 0;
    loop {
        let (x, y) = (a.next(), b.next());
        if x.is_none() && y.is_none() {
            break;
        }
        let sum = x.copied().unwrap_or(0) + y.copied().unwrap_or(0) + carry;
        digits.push(sum % 10);
        carry = sum / 10;
    }
    if carry > 0 {
        digits.push(carry);
    }
    digits.reverse();
    digits
}

/// The difference of two numbers of which the first is not smaller.
fn subtract(a: &[u8], b: &[u8]) -> Vec<u8> {
    let mut b = b.iter().rev();
    let mut borrow = 0;
    let mut digits: Vec<u8> = a
        .iter()
        .rev()
        .map(|x| {
            let y = b.next().copied().unwrap_or(0) + borrow;
            borrow = u8::from(*x < y);
            x + 10 * borrow - y
        })
        .collect();
    while digits.last() == Some(&0) {
        digits.pop();
    }
    digits.reverse();
    digits
}

fn divide(dividend: &[u8], divisor: &[u8]) -> Vec<u8> {
    let mut quotient = Vec::with_capacity(dividend.len());
    let mut rest: Vec<u8> = Vec::new();
    for digit in dividend {
        if !(rest.is_empty() && *digit == 0) {
            rest.push(*digit);
        }
        let mut times = 0;
        while compare(&rest, divisor).is_ge() {
            rest = subtract(&rest, divisor);
            times += 1;
        }
        quotient.push(times);
    }
    quotient
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decimal(number: f64) -> Decimal {
        Decimal::from_float(number).expect("a finite number")
    }

    #[test]
    fn calculates_as_on_paper() {
        let plus = |a, b| decimal(a).plus(&decimal(b)).expect("short").to_float();
        let minus = |a, b| decimal(a).minus(&decimal(b)).expect("short").to_float();
        let times = |a, b| decimal(a).times(&decimal(b)).expect("short").to_float();
        let over = |a, b| {
            decimal(a)
                .divided_by(&decimal(b))
                .expect("short")
                .to_float()
        };
        assert_eq!(
            (plus(1.1, 2.2), plus(0.0, 1.5), plus(-1.0, 1.0)),
            (3.3, 1.5, 0.0)
        );
        assert_eq!(
            (minus(1.0, 0.9), minus(0.1, 0.3), minus(1e20, 1.0)),
            (0.1, -0.2, 1e20)
        );
        assert_eq!(
            (times(1.1, 1.1), times(-2.5, 4.0), times(0.0, 9.0)),
            (1.21, -10.0, 0.0)
        );
        assert_eq!(
            (over(1.0, 3.0), over(10.0, 4.0), over(-1.0, 8.0)),
            (0.333_333_333_333_333_3, 2.5, -0.125)
        );
        assert_eq!(
            (over(2.0, 3.0), over(1e-20, 1.0)),
            (0.666_666_666_666_666_7, 0.0)
        );
    }

    #[test]
    fn refuses_what_has_no_result() {
        assert_eq!(
            decimal(1.0).divided_by(&decimal(0.0)),
            Err(DecimalError::DivisionByZero)
        );
        assert_eq!(
            Decimal::from_float(f64::NAN),
            Err(DecimalError::NotFinite("NaN"))
        );
    }
}
