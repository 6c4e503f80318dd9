//! `add`, `subtract` and their like, whose operands come in reverse, and `loop`.

use crate::{
    functions::print,
    go::{Channel, Failure, Function, Type, Value},
};

pub(super) const FUNCTIONS: &[Function] = &[
    Function::fixed("add", TWO, |_, args| {
        calculate(
            "add",
            args.value(1),
            args.value(0),
            |a, b| a.wrapping_add(b),
            |a, b| a.wrapping_add(b),
            |a, b| a + b,
        )
    }),
    Function::fixed("subtract", TWO, |_, args| {
        calculate(
            "subtract",
            args.value(1),
            args.value(0),
            |a, b| a.wrapping_sub(b),
            |a, b| a.wrapping_sub(b),
            |a, b| a - b,
        )
    }),
    Function::fixed("multiply", TWO, |_, args| {
        calculate(
            "multiply",
            args.value(1),
            args.value(0),
            |a, b| a.wrapping_mul(b),
            |a, b| a.wrapping_mul(b),
            |a, b| a * b,
        )
    }),
    Function::fixed("divide", TWO, |_, args| {
        match pair("divide", args.value(1), args.value(0))? {
            Pair::Signed(_, 0) | Pair::Unsigned(_, 0) => Err(division_by_zero()),
            Pair::Signed(a, b) => Ok(Value::int64(a.wrapping_div(b))),
            Pair::Unsigned(a, b) => Ok(Value::uint64(a / b)),
            Pair::Float(a, b) => Ok(Value::Float(a / b)),
        }
    }),
    Function::fixed("modulo", TWO, |_, args| {
        let (a, b) = (args.value(1), args.value(0));
        if matches!(a, Value::Float(_)) {
            return Err(unknown("modulo", a));
        }
        match pair("modulo", a, b)? {
            Pair::Signed(_, 0) | Pair::Unsigned(_, 0) => Err(division_by_zero()),
            Pair::Signed(a, b) => Ok(Value::int64(a.wrapping_rem(b))),
            Pair::Unsigned(a, b) => Ok(Value::uint64(a % b)),
            Pair::Float(..) => Err(unknown(
                "modulo",
                if matches!(a, Value::Float(_)) { a } else { b },
            )),
        }
    }),
    Function::fixed("minimum", TWO, |_, args| {
        choose(
            "minimum",
            args.value(1),
            args.value(0),
            |a, b| a < b,
            |a, b| a < b,
            |a, b| a < b,
        )
    }),
    Function::fixed("maximum", TWO, |_, args| {
        choose(
            "maximum",
            args.value(1),
            args.value(0),
            |a, b| a > b,
            |a, b| a > b,
            |a, b| a > b,
        )
    }),
    Function::variadic("loop", &[], Type::Any, |_, args| match args.all() {
        [end] => Ok(Value::Channel(Channel::new(0, bound(end)?))),
        [first, end] => Ok(Value::Channel(Channel::new(bound(first)?, bound(end)?))),
        others => {
            let count = others.len();
            Err(format!("loop: wrong number of arguments, expected 1 or 2, but got {count}").into())
        }
    }),
];

const TWO: &[Type] = &[Type::Any, Type::Any];

/// Go's words for what its integer division does.
pub(super) fn division_by_zero() -> Failure {
    Failure::new("runtime error: integer divide by zero")
}

/// Two operands brought to one type: unsigned only when both are, float when one is.
enum Pair {
    Signed(i64, i64),
    Unsigned(u64, u64),
    Float(f64, f64),
}

fn pair(name: &str, a: &Value, b: &Value) -> Result<Pair, Failure> {
    Ok(match (a, b) {
        (Value::Int(_, a), Value::Int(_, b)) => Pair::Signed(*a, *b),
        (Value::Int(_, a), Value::Uint(_, b)) => Pair::Signed(*a, *b as i64),
        (Value::Uint(_, a), Value::Int(_, b)) => Pair::Signed(*a as i64, *b),
        (Value::Uint(_, a), Value::Uint(_, b)) => Pair::Unsigned(*a, *b),
        (Value::Int(_, a), Value::Float(b)) => Pair::Float(*a as f64, *b),
        (Value::Uint(_, a), Value::Float(b)) => Pair::Float(*a as f64, *b),
        (Value::Float(a), Value::Int(_, b)) => Pair::Float(*a, *b as f64),
        (Value::Float(a), Value::Uint(_, b)) => Pair::Float(*a, *b as f64),
        (Value::Float(a), Value::Float(b)) => Pair::Float(*a, *b),
        (Value::Int(..) | Value::Uint(..) | Value::Float(_), other) | (other, _) => {
            return Err(unknown(name, other));
        }
    })
}

fn unknown(name: &str, value: &Value) -> Failure {
    // A nil that is no value at all prints in its own way.
    let shown = match value {
        Value::Nil => "<invalid reflect.Value>".to_owned(),
        _ => print::quoted_verb(value),
    };
    format!("{name}: unknown type for {shown} ({})", value.type_name()).into()
}

fn calculate(
    name: &str,
    a: &Value,
    b: &Value,
    signed: fn(i64, i64) -> i64,
    unsigned: fn(u64, u64) -> u64,
    float: fn(f64, f64) -> f64,
) -> Result<Value, Failure> {
    Ok(match pair(name, a, b)? {
        Pair::Signed(a, b) => Value::int64(signed(a, b)),
        Pair::Unsigned(a, b) => Value::uint64(unsigned(a, b)),
        Pair::Float(a, b) => Value::Float(float(a, b)),
    })
}

/// The operand that wins keeps its own kind.
fn choose(
    name: &str,
    a: &Value,
    b: &Value,
    signed: fn(i64, i64) -> bool,
    unsigned: fn(u64, u64) -> bool,
    float: fn(f64, f64) -> bool,
) -> Result<Value, Failure> {
    let first = match pair(name, a, b)? {
        Pair::Signed(a, b) => signed(a, b),
        Pair::Unsigned(a, b) => unsigned(a, b),
        Pair::Float(a, b) => float(a, b),
    };
    Ok(match if first { a } else { b } {
        Value::Int(_, number) => Value::int64(*number),
        Value::Uint(_, number) => Value::uint64(*number),
        other => other.clone(),
    })
}

fn bound(value: &Value) -> Result<i64, Failure> {
    match value {
        Value::Int(_, number) => Ok(*number),
        Value::Uint(_, number) => Ok(*number as i64),
        Value::Text(text) | Value::Number(text) => super::parse::int(text),
        other => Err(format!("loop: bad argument type: {}", other.type_name()).into()),
    }
}
