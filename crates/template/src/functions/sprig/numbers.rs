//! Number functions of sprig. Operands are cast; the order is the natural one.

use crate::{
    decimal::{Decimal, DecimalError},
    functions::maths,
    go::{Arguments, Context, Failure, Function, Type, Value},
};

use super::cast;

const ONE: &[Type] = &[Type::Any];
const TWO: &[Type] = &[Type::Any, Type::Any];

pub(in crate::functions) const FUNCTIONS: &[Function] = &[
    Function::variadic("sprig_add", &[], Type::Any, |_, args| {
        Ok(Value::int64(
            args.all()
                .iter()
                .map(cast::to_int)
                .fold(0, i64::wrapping_add),
        ))
    }),
    Function::fixed("sprig_add1", ONE, |_, args| {
        Ok(Value::int64(cast::to_int(args.value(0)).wrapping_add(1)))
    }),
    Function::fixed("sprig_sub", TWO, |_, args| {
        Ok(Value::int64(
            cast::to_int(args.value(0)).wrapping_sub(cast::to_int(args.value(1))),
        ))
    }),
    Function::variadic("sprig_mul", ONE, Type::Any, |_, args| {
        Ok(Value::int64(
            args.all()
                .iter()
                .map(cast::to_int)
                .fold(1, i64::wrapping_mul),
        ))
    }),
    Function::fixed("sprig_div", TWO, |_, args| divide(args, i64::wrapping_div)),
    Function::fixed("sprig_mod", TWO, |_, args| divide(args, i64::wrapping_rem)),
    Function::variadic("sprig_max", ONE, Type::Any, maximum),
    Function::variadic("sprig_biggest", ONE, Type::Any, maximum),
    Function::variadic("sprig_min", ONE, Type::Any, |_, args| {
        Ok(Value::int64(
            args.all().iter().map(cast::to_int).min().unwrap_or(0),
        ))
    }),
    Function::variadic("sprig_maxf", ONE, Type::Any, |_, args| {
        Ok(extreme(args, |best, next| {
            next > best || (next == best && best.is_sign_negative())
        }))
    }),
    Function::variadic("sprig_minf", ONE, Type::Any, |_, args| {
        Ok(extreme(args, |best, next| {
            next < best || (next == best && next.is_sign_negative())
        }))
    }),
    Function::variadic("sprig_addf", &[], Type::Any, |context, args| {
        calculate(context, &Value::Float(0.0), args.all(), Decimal::plus)
    }),
    Function::fixed("sprig_add1f", ONE, |context, args| {
        calculate(context, args.value(0), &[Value::int(1)], Decimal::plus)
    }),
    Function::variadic("sprig_subf", ONE, Type::Any, |context, args| {
        calculate(context, args.value(0), args.rest(1), Decimal::minus)
    }),
    Function::variadic("sprig_mulf", ONE, Type::Any, |context, args| {
        calculate(context, args.value(0), args.rest(1), Decimal::times)
    }),
    Function::variadic("sprig_divf", ONE, Type::Any, |context, args| {
        calculate(context, args.value(0), args.rest(1), Decimal::divided_by)
    }),
    Function::fixed("sprig_ceil", ONE, |_, args| {
        Ok(Value::Float(cast::to_float(args.value(0)).ceil()))
    }),
    Function::fixed("sprig_floor", ONE, |_, args| {
        Ok(Value::Float(cast::to_float(args.value(0)).floor()))
    }),
    Function::variadic(
        "sprig_round",
        &[Type::Any, Type::INT],
        Type::Float,
        |_, args| {
            let threshold = if args.len() > 2 { args.float(2) } else { 0.5 };
            Ok(Value::Float(round(
                cast::to_float(args.value(0)),
                args.int(1),
                threshold,
            )))
        },
    ),
    Function::fixed("sprig_int", ONE, |_, args| {
        Ok(Value::int(cast::to_int(args.value(0))))
    }),
    Function::fixed("sprig_int64", ONE, |_, args| {
        Ok(Value::int64(cast::to_int(args.value(0))))
    }),
    Function::fixed("sprig_float64", ONE, |_, args| {
        Ok(Value::Float(cast::to_float(args.value(0))))
    }),
    Function::fixed("sprig_atoi", &[Type::Text], |_, args| {
        let text = args.text(0);
        let digits = text.strip_prefix(['-', '+']).unwrap_or(&text);
        let decimal = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
        // A number that does not fit is the largest of its sign, since the error alone is dropped.
        let limit = if text.starts_with('-') {
            i64::MIN
        } else {
            i64::MAX
        };
        Ok(Value::int(if decimal {
            text.parse().unwrap_or(limit)
        } else {
            0
        }))
    }),
    Function::fixed("sprig_toDecimal", ONE, |_, args| {
        let shown = crate::functions::print::display(args.value(0))?;
        let number = std::str::from_utf8(&shown)
            .ok()
            .and_then(|text| i64::from_str_radix(text, 8).ok());
        Ok(Value::int64(number.unwrap_or(0)))
    }),
    Function::fixed("sprig_randInt", &[Type::INT, Type::INT], |context, args| {
        let (low, high) = (args.int(0), args.int(1));
        match high
            .checked_sub(low)
            .and_then(|range| u64::try_from(range).ok())
            .filter(|range| *range > 0)
        {
            Some(range) => Ok(Value::int(
                low.wrapping_add(random_below(context, range)? as i64),
            )),
            None => Err(Failure::new("invalid argument to Intn")),
        }
    }),
];

/// An unpredictable number from 0 to before `end`, each as likely as the others.
pub(in crate::functions) fn random_below(
    context: &mut Context<'_>,
    end: u64,
) -> Result<u64, Failure> {
    // Numbers from the last, incomplete round of `end` would favour the small ones.
    let fair = u64::MAX - u64::MAX % end.max(1);
    loop {
        context.spend(1)?;
        let mut bytes = [0; 8];
        context
            .host()
            .fill_random(&mut bytes)
            .map_err(Failure::from)?;
        let number = u64::from_le_bytes(bytes);
        if number < fair {
            return Ok(number % end.max(1));
        }
    }
}

fn divide(args: Arguments<'_>, operation: fn(i64, i64) -> i64) -> Result<Value, Failure> {
    match cast::to_int(args.value(1)) {
        0 => Err(maths::division_by_zero()),
        divisor => Ok(Value::int64(operation(
            cast::to_int(args.value(0)),
            divisor,
        ))),
    }
}

fn maximum(_: &mut Context<'_>, args: Arguments<'_>) -> Result<Value, Failure> {
    Ok(Value::int64(
        args.all().iter().map(cast::to_int).max().unwrap_or(0),
    ))
}

fn extreme(args: Arguments<'_>, wins: fn(f64, f64) -> bool) -> Value {
    let best = args.all().iter().map(cast::to_float).reduce(|best, next| {
        if best.is_nan() || next.is_nan() {
            f64::NAN
        } else if wins(best, next) {
            next
        } else {
            best
        }
    });
    Value::Float(best.unwrap_or(0.0))
}

type Operation = fn(&Decimal, &Decimal) -> Result<Decimal, DecimalError>;

fn calculate(
    context: &mut Context<'_>,
    first: &Value,
    others: &[Value],
    operation: Operation,
) -> Result<Value, Failure> {
    let refuse = |error: DecimalError| Failure::from(error.to_string());
    let mut result = Decimal::from_float(cast::to_float(first)).map_err(refuse)?;
    for other in others {
        context.spend(100)?;
        let other = Decimal::from_float(cast::to_float(other)).map_err(refuse)?;
        result = operation(&result, &other).map_err(refuse)?;
    }
    Ok(Value::Float(result.to_float()))
}

/// Rounds up from `threshold` on. The fraction of a negative number is negative, so below a positive threshold it
/// rounds down.
fn round(number: f64, places: i64, threshold: f64) -> f64 {
    let scale = 10f64.powi(places.clamp(-400, 400) as i32);
    let scaled = scale * number;
    let rounded = if scaled.fract() >= threshold {
        scaled.ceil()
    } else {
        scaled.floor()
    };
    rounded / scale
}
