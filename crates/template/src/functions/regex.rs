//! Regular expressions, of consul-template and of sprig. Compiled ones are kept for the length of a rendering.

use std::{collections::BTreeMap, rc::Rc};

use crate::{
    functions::print,
    go::{Arguments, Context, Failure, Function, List, Type, Value},
    regexp::{self, Regexp, SyntaxError},
};

/// Compiled expressions of one rendering.
#[derive(Default)]
pub(super) struct Compiled(BTreeMap<Vec<u8>, Rc<Regexp>>);

/// So many compiled expressions are kept; a template that makes more of them compiles again.
const KEPT: usize = 64;
/// What compiling one character counts in steps.
const STEPS_PER_BYTE: u64 = 100;

const TWO: &[Type] = &[Type::Text, Type::Text];
const THREE: &[Type] = &[Type::Text, Type::Text, Type::Text];
const TEXTS_AND_LIMIT: &[Type] = &[Type::Text, Type::Text, Type::INT];

pub(super) const FUNCTIONS: &[Function] = &[
    Function::fixed("regexMatch", TWO, matches),
    Function::fixed("regexReplaceAll", THREE, |context, args| {
        let regexp = compile(context, args.bytes(0))?.map_err(|error| plain(&error))?;
        replaced(context, regexp.replace_all(args.bytes(2), args.bytes(1)))
    }),
    Function::fixed("sprig_regexMatch", TWO, |context, args| {
        let regexp = compile(context, args.bytes(0))?;
        Ok(regexp
            .is_ok_and(|regexp| regexp.is_match(args.bytes(1)))
            .into())
    }),
    Function::fixed("sprig_mustRegexMatch", TWO, |context, args| {
        matches(context, args)
    }),
    Function::fixed("sprig_regexFind", TWO, |context, args| {
        find(context, args, panicking)
    }),
    Function::fixed("sprig_mustRegexFind", TWO, |context, args| {
        find(context, args, must)
    }),
    Function::fixed("sprig_regexFindAll", TEXTS_AND_LIMIT, |context, args| {
        find_all(context, args, panicking)
    }),
    Function::fixed(
        "sprig_mustRegexFindAll",
        TEXTS_AND_LIMIT,
        |context, args| find_all(context, args, must),
    ),
    Function::fixed("sprig_regexReplaceAll", THREE, |context, args| {
        replace(context, args, panicking)
    }),
    Function::fixed("sprig_mustRegexReplaceAll", THREE, |context, args| {
        replace(context, args, must)
    }),
    Function::fixed("sprig_regexReplaceAllLiteral", THREE, |context, args| {
        replace_literal(context, args, panicking)
    }),
    Function::fixed(
        "sprig_mustRegexReplaceAllLiteral",
        THREE,
        |context, args| replace_literal(context, args, must),
    ),
    Function::fixed("sprig_regexSplit", TEXTS_AND_LIMIT, |context, args| {
        split(context, args, panicking)
    }),
    Function::fixed("sprig_mustRegexSplit", TEXTS_AND_LIMIT, |context, args| {
        split(context, args, must)
    }),
    Function::fixed("sprig_regexQuoteMeta", &[Type::Text], |_, args| {
        Ok(regexp::quote_meta(args.bytes(0)).into())
    }),
];

/// How a refused expression is reported.
type Report = fn(&[u8], &SyntaxError) -> Failure;

fn plain(error: &SyntaxError) -> Failure {
    error.to_string().into()
}

fn must(_expression: &[u8], error: &SyntaxError) -> Failure {
    plain(error)
}

/// As Go's `MustCompile` panics.
fn panicking(expression: &[u8], error: &SyntaxError) -> Failure {
    format!("regexp: Compile({}): {error}", print::quote_raw(expression)).into()
}

fn compile(
    context: &mut Context<'_>,
    expression: &[u8],
) -> Result<Result<Rc<Regexp>, SyntaxError>, Failure> {
    if let Some(known) = context
        .memory::<super::Memory>()
        .expressions
        .0
        .get(expression)
    {
        return Ok(Ok(Rc::clone(known)));
    }
    context.spend(STEPS_PER_BYTE * expression.len() as u64)?;
    let regexp = match Regexp::new(expression) {
        Ok(regexp) => Rc::new(regexp),
        Err(error) => return Ok(Err(error)),
    };
    let kept = &mut context.memory::<super::Memory>().expressions.0;
    if kept.len() >= KEPT {
        kept.clear();
    }
    kept.insert(expression.to_vec(), Rc::clone(&regexp));
    Ok(Ok(regexp))
}

fn compiled(
    context: &mut Context<'_>,
    args: Arguments<'_>,
    report: Report,
) -> Result<Rc<Regexp>, Failure> {
    context.spend(args.bytes(1).len() as u64)?;
    compile(context, args.bytes(0))?.map_err(|error| report(args.bytes(0), &error))
}

fn matches(context: &mut Context<'_>, args: Arguments<'_>) -> Result<Value, Failure> {
    Ok(compiled(context, args, must)?
        .is_match(args.bytes(1))
        .into())
}

fn find(context: &mut Context<'_>, args: Arguments<'_>, report: Report) -> Result<Value, Failure> {
    Ok(Value::text(
        compiled(context, args, report)?
            .find(args.bytes(1))
            .unwrap_or_default(),
    ))
}

fn find_all(
    context: &mut Context<'_>,
    args: Arguments<'_>,
    report: Report,
) -> Result<Value, Failure> {
    let regexp = compiled(context, args, report)?;
    let found = regexp.find_all(args.bytes(1), usize::try_from(args.int(2)).ok());
    if found.is_empty() {
        return Ok(Value::List(List::nil(Type::Text)));
    }
    context.reserve(found.len() * 32)?;
    Ok(Value::texts(found))
}

fn replace(
    context: &mut Context<'_>,
    args: Arguments<'_>,
    report: Report,
) -> Result<Value, Failure> {
    let regexp = compiled(context, args, report)?;
    replaced(context, regexp.replace_all(args.bytes(1), args.bytes(2)))
}

fn replace_literal(
    context: &mut Context<'_>,
    args: Arguments<'_>,
    report: Report,
) -> Result<Value, Failure> {
    let regexp = compiled(context, args, report)?;
    replaced(
        context,
        regexp.replace_all_literal(args.bytes(1), args.bytes(2)),
    )
}

fn replaced(
    context: &mut Context<'_>,
    text: Result<Vec<u8>, regexp::TooLong>,
) -> Result<Value, Failure> {
    let text = text.map_err(|error| Failure::from(error.to_string()))?;
    context.reserve(text.len())?;
    Ok(text.into())
}

fn split(context: &mut Context<'_>, args: Arguments<'_>, report: Report) -> Result<Value, Failure> {
    let regexp = compiled(context, args, report)?;
    let limit = usize::try_from(args.int(2)).ok();
    if limit == Some(0) {
        return Ok(Value::List(List::nil(Type::Text)));
    }
    let parts = regexp.split(args.bytes(1), limit);
    context.reserve(parts.len() * 32)?;
    Ok(Value::texts(parts))
}
