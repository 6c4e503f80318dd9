//! List functions of sprig. Each has a `must` form whose refusals read the same.

use crate::go::{Arguments, Context, Failure, Function, List, Type, Value};

use super::{cast, equality::deep_equals, values};

const ONE: &[Type] = &[Type::Any];
const TWO: &[Type] = &[Type::Any, Type::Any];

pub(in crate::functions) const FUNCTIONS: &[Function] = &[
    Function::variadic("sprig_list", &[], Type::Any, list),
    Function::variadic("sprig_tuple", &[], Type::Any, list),
    Function::fixed("sprig_first", ONE, first),
    Function::fixed("sprig_mustFirst", ONE, first),
    Function::fixed("sprig_last", ONE, last),
    Function::fixed("sprig_mustLast", ONE, last),
    Function::fixed("sprig_rest", ONE, rest),
    Function::fixed("sprig_mustRest", ONE, rest),
    Function::fixed("sprig_initial", ONE, initial),
    Function::fixed("sprig_mustInitial", ONE, initial),
    Function::fixed("sprig_append", TWO, append),
    Function::fixed("sprig_mustAppend", TWO, append),
    Function::fixed("sprig_push", TWO, append),
    Function::fixed("sprig_mustPush", TWO, append),
    Function::fixed("sprig_prepend", TWO, prepend),
    Function::fixed("sprig_mustPrepend", TWO, prepend),
    Function::variadic("sprig_concat", &[], Type::Any, concat),
    Function::fixed("sprig_reverse", ONE, reverse),
    Function::fixed("sprig_mustReverse", ONE, reverse),
    Function::fixed("sprig_uniq", ONE, uniq),
    Function::fixed("sprig_mustUniq", ONE, uniq),
    Function::variadic("sprig_without", ONE, Type::Any, without),
    Function::variadic("sprig_mustWithout", ONE, Type::Any, without),
    Function::fixed("sprig_has", TWO, has),
    Function::fixed("sprig_mustHas", TWO, has),
    Function::fixed("sprig_compact", ONE, compact),
    Function::fixed("sprig_mustCompact", ONE, compact),
    Function::variadic("sprig_slice", ONE, Type::Any, slice),
    Function::variadic("sprig_mustSlice", ONE, Type::Any, slice),
    Function::fixed("sprig_chunk", &[Type::INT, Type::Any], chunk),
    Function::fixed("sprig_mustChunk", &[Type::INT, Type::Any], chunk),
    Function::fixed("sprig_until", &[Type::INT], |context, args| {
        let end = args.int(0);
        ints(context, &steps(0, end, if end < 0 { -1 } else { 1 }))
    }),
    Function::fixed(
        "sprig_untilStep",
        &[Type::INT, Type::INT, Type::INT],
        |context, args| ints(context, &steps(args.int(0), args.int(1), args.int(2))),
    ),
    Function::variadic("sprig_seq", &[], Type::INT, seq),
];

/// What a step of a list function counts in memory.
const ITEM: usize = 32;

fn items<'a>(value: &'a Value, deed: &str) -> Result<&'a [Value], Failure> {
    match value {
        Value::List(list) => Ok(list.items()),
        Value::Nil => Err(Failure::new(
            "runtime error: invalid memory address or nil pointer dereference",
        )),
        other => Err(format!("Cannot {deed} type {}", kind(other)).into()),
    }
}

fn kind(value: &Value) -> &'static str {
    value.kind().name()
}

fn made(context: &mut Context<'_>, items: Vec<Value>) -> Result<Value, Failure> {
    context.reserve(items.len().saturating_mul(ITEM))?;
    Ok(Value::list(items))
}

fn nil_list() -> Value {
    Value::List(List::nil(Type::Any))
}

fn list(context: &mut Context<'_>, args: Arguments<'_>) -> Result<Value, Failure> {
    made(context, args.all().to_vec())
}

fn first(_: &mut Context<'_>, args: Arguments<'_>) -> Result<Value, Failure> {
    Ok(items(args.value(0), "find first on")?
        .first()
        .cloned()
        .unwrap_or_default())
}

fn last(_: &mut Context<'_>, args: Arguments<'_>) -> Result<Value, Failure> {
    Ok(items(args.value(0), "find last on")?
        .last()
        .cloned()
        .unwrap_or_default())
}

fn rest(context: &mut Context<'_>, args: Arguments<'_>) -> Result<Value, Failure> {
    match items(args.value(0), "find rest on")? {
        [] => Ok(nil_list()),
        [_, rest @ ..] => made(context, rest.to_vec()),
    }
}

fn initial(context: &mut Context<'_>, args: Arguments<'_>) -> Result<Value, Failure> {
    match items(args.value(0), "find initial on")? {
        [] => Ok(nil_list()),
        [initial @ .., _] => made(context, initial.to_vec()),
    }
}

fn append(context: &mut Context<'_>, args: Arguments<'_>) -> Result<Value, Failure> {
    let mut items = items(args.value(0), "push on")?.to_vec();
    items.push(args.value(1).clone());
    made(context, items)
}

fn prepend(context: &mut Context<'_>, args: Arguments<'_>) -> Result<Value, Failure> {
    let mut all = vec![args.value(1).clone()];
    all.extend_from_slice(items(args.value(0), "prepend on")?);
    made(context, all)
}

fn concat(context: &mut Context<'_>, args: Arguments<'_>) -> Result<Value, Failure> {
    let mut all = Vec::new();
    for list in args.all() {
        match list {
            Value::List(list) => all.extend_from_slice(list.items()),
            Value::Nil => {
                return Err(Failure::new(
                    "runtime error: invalid memory address or nil pointer dereference",
                ));
            }
            other => return Err(format!("Cannot concat type {} as list", kind(other)).into()),
        }
    }
    if all.is_empty() {
        return Ok(nil_list());
    }
    made(context, all)
}

fn reverse(context: &mut Context<'_>, args: Arguments<'_>) -> Result<Value, Failure> {
    let mut items = items(args.value(0), "find reverse on")?.to_vec();
    items.reverse();
    made(context, items)
}

fn uniq(context: &mut Context<'_>, args: Arguments<'_>) -> Result<Value, Failure> {
    let items = items(args.value(0), "find uniq on")?;
    let mut kept: Vec<Value> = Vec::new();
    for item in items {
        context.spend(kept.len() as u64)?;
        if !is_among(context, &kept, item)? {
            kept.push(item.clone());
        }
    }
    made(context, kept)
}

fn without(context: &mut Context<'_>, args: Arguments<'_>) -> Result<Value, Failure> {
    let items = items(args.value(0), "find without on")?;
    context.spend((items.len() * args.rest(1).len()) as u64)?;
    let mut kept = Vec::new();
    for item in items {
        if !is_among(context, args.rest(1), item)? {
            kept.push(item.clone());
        }
    }
    made(context, kept)
}

fn has(context: &mut Context<'_>, args: Arguments<'_>) -> Result<Value, Failure> {
    if matches!(args.value(1), Value::Nil) {
        return Ok(false.into());
    }
    let items = items(args.value(1), "find has on")?;
    context.spend(items.len() as u64)?;
    is_among(context, items, args.value(0)).map(Value::from)
}

/// Whether one of the items is equal to a value.
fn is_among(context: &mut Context<'_>, items: &[Value], value: &Value) -> Result<bool, Failure> {
    for item in items {
        if deep_equals(context, item, value)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn compact(context: &mut Context<'_>, args: Arguments<'_>) -> Result<Value, Failure> {
    let items = items(args.value(0), "compact on")?;
    made(
        context,
        items
            .iter()
            .filter(|item| !values::is_empty(item))
            .cloned()
            .collect(),
    )
}

fn slice(context: &mut Context<'_>, args: Arguments<'_>) -> Result<Value, Failure> {
    let list = match args.value(0) {
        Value::List(list) => list,
        Value::Nil => {
            return Err(Failure::new(
                "runtime error: invalid memory address or nil pointer dereference",
            ));
        }
        other => {
            return Err(
                format!("list should be type of slice or array but {}", kind(other)).into(),
            );
        }
    };
    let length = list.items().len();
    if length == 0 {
        return Ok(Value::Nil);
    }
    let bound = |index: usize, default: i64| match args.rest(1).get(index) {
        Some(value) => cast::to_int(value),
        None => default,
    };
    let (start, end) = (bound(0, 0), bound(1, length as i64));
    let range = usize::try_from(start).ok().zip(usize::try_from(end).ok());
    match range.and_then(|(start, end)| list.items().get(start..end)) {
        Some(part) => {
            context.reserve(part.len() * ITEM)?;
            Ok(Value::List(List::new(list.element(), part.to_vec())))
        }
        None => Err(Failure::new(
            "reflect.Value.Slice: slice index out of bounds",
        )),
    }
}

fn chunk(context: &mut Context<'_>, args: Arguments<'_>) -> Result<Value, Failure> {
    let items = items(args.value(1), "chunk")?;
    let chunks: Vec<Value> = match usize::try_from(args.int(0)) {
        Ok(size) if size > 0 => items
            .chunks(size)
            .map(|part| Value::list(part.to_vec()))
            .collect(),
        _ => chunks_of_no_size(items, args.int(0).unsigned_abs())?,
    };
    context.reserve(items.len() * ITEM * 2)?;
    Ok(Value::List(List::new(Type::List, chunks)))
}

/// What the recorded program makes of a size of 0 or below, by which it divides all the same: it panics where that
/// gives less than no chunks, or a chunk of less than nothing.
fn chunks_of_no_size(items: &[Value], below_zero: u64) -> Result<Vec<Value>, Failure> {
    match items {
        [one] if below_zero > 1 => Ok(vec![Value::list(vec![one.clone()])]),
        [_, rest @ ..] if !rest.is_empty() && rest.len() as u64 <= below_zero => Ok(Vec::new()),
        _ => Err(Failure::new("runtime error: makeslice: len out of range")),
    }
}

/// The numbers from `start` to before `end`; a step in the wrong direction gives none.
fn steps(start: i64, end: i64, step: i64) -> Steps {
    let runs = if end < start { step < 0 } else { step > 0 };
    Steps {
        next: start,
        end,
        step,
        runs,
    }
}

struct Steps {
    next: i64,
    end: i64,
    step: i64,
    runs: bool,
}

impl Steps {
    fn count(&self) -> usize {
        if !self.runs {
            return 0;
        }
        let distance = self.next.abs_diff(self.end);
        usize::try_from(distance.div_ceil(self.step.unsigned_abs())).unwrap_or(usize::MAX)
    }

    fn numbers(&self) -> impl Iterator<Item = i64> + '_ {
        (0..self.count()).map(|round| self.next.wrapping_add(self.step.wrapping_mul(round as i64)))
    }
}

fn ints(context: &mut Context<'_>, steps: &Steps) -> Result<Value, Failure> {
    context.reserve(steps.count().saturating_mul(ITEM))?;
    let Type::Int(int) = Type::INT else {
        return Ok(nil_list());
    };
    let numbers = steps
        .numbers()
        .map(|number| Value::Int(int, number))
        .collect();
    Ok(Value::List(List::new(Type::INT, numbers)))
}

fn seq(context: &mut Context<'_>, args: Arguments<'_>) -> Result<Value, Failure> {
    let towards = |start: i64, end: i64| if end < start { -1 } else { 1 };
    let steps = match args.len() {
        1 => {
            let step = towards(1, args.int(0));
            steps(1, args.int(0).wrapping_add(step), step)
        }
        2 => {
            let step = towards(args.int(0), args.int(1));
            steps(args.int(0), args.int(1).wrapping_add(step), step)
        }
        3 => {
            let (start, step, end) = (args.int(0), args.int(1), args.int(2));
            if end < start && step > 0 {
                return Ok("".into());
            }
            steps(start, end.wrapping_add(towards(start, end)), step)
        }
        _ => return Ok("".into()),
    };
    context.reserve(steps.count().saturating_mul(8))?;
    Ok(steps
        .numbers()
        .map(|number| number.to_string())
        .collect::<Vec<_>>()
        .join(" ")
        .into())
}
