//! Defaults, choices and questions about types, of sprig.

use super::equality::deep_equals;
use crate::go::{Arguments, Context, Failure, Function, Type, Value};

pub(in crate::functions) const FUNCTIONS: &[Function] = &[
    Function::variadic("sprig_default", &[Type::Any], Type::Any, |_, args| {
        let given = args.rest(1).first().filter(|given| !is_empty(given));
        Ok(given.unwrap_or_else(|| args.value(0)).clone())
    }),
    Function::fixed("sprig_empty", &[Type::Any], |_, args| {
        Ok(is_empty(args.value(0)).into())
    }),
    Function::variadic("sprig_coalesce", &[], Type::Any, |_, args| {
        Ok(args
            .all()
            .iter()
            .find(|value| !is_empty(value))
            .cloned()
            .unwrap_or_default())
    }),
    Function::variadic("sprig_all", &[], Type::Any, |_, args| {
        Ok((!args.all().iter().any(is_empty)).into())
    }),
    Function::variadic("sprig_any", &[], Type::Any, |_, args| {
        Ok(args.all().iter().any(|value| !is_empty(value)).into())
    }),
    Function::fixed(
        "sprig_ternary",
        &[Type::Any, Type::Any, Type::Bool],
        |_, args| Ok(args.value(if args.bool(2) { 0 } else { 1 }).clone()),
    ),
    Function::fixed("sprig_fail", &[Type::Text], |_, args| {
        Err(args.text(0).into_owned().into())
    }),
    Function::fixed("sprig_typeOf", &[Type::Any], |_, args| {
        Ok(args.value(0).type_name().into())
    }),
    Function::fixed("sprig_typeIs", &[Type::Text, Type::Any], |_, args| {
        Ok((args.bytes(0) == args.value(1).type_name().as_bytes()).into())
    }),
    Function::fixed("sprig_typeIsLike", &[Type::Text, Type::Any], |_, args| {
        let name = args.value(1).type_name();
        let pointed = name.strip_prefix('*').unwrap_or(name);
        Ok((args.bytes(0) == name.as_bytes() || args.bytes(0) == pointed.as_bytes()).into())
    }),
    Function::fixed("sprig_kindOf", &[Type::Any], |_, args| {
        Ok(args.value(0).kind().name().into())
    }),
    Function::fixed("sprig_kindIs", &[Type::Text, Type::Any], |_, args| {
        Ok((args.bytes(0) == args.value(1).kind().name().as_bytes()).into())
    }),
    Function::fixed("sprig_deepEqual", &[Type::Any, Type::Any], deep_equal),
];

/// Whether sprig takes a value for empty: nil, false, 0, and what has no length.
pub(in crate::functions) fn is_empty(value: &Value) -> bool {
    !value.is_true()
}

fn deep_equal(context: &mut Context<'_>, args: Arguments<'_>) -> Result<Value, Failure> {
    deep_equals(context, args.value(0), args.value(1)).map(Value::from)
}
