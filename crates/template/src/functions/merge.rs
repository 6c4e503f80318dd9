//! `explodeMap`, `mergeMap` and the merging behind sprig's `merge`.

use crate::{
    functions::print,
    go::{Arguments, Context, Failure, Function, Key, Map, MapType, Text, Type, Value},
};

/// Nesting that no configuration has; beyond it a value is taken to hold itself.
pub(super) const DEEPEST: usize = 500;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::fixed("explodeMap", &[Type::Map], |context, args| {
        let result = Map::new(MapType::TextToAny, Default::default());
        for (key, value) in args.map(0).map(Map::entries).unwrap_or_default().iter() {
            if let Key::Text(key) = key {
                explode(context, &result, key, value)?;
            }
        }
        Ok(Value::Map(result))
    }),
    // The further arguments are options of Go code, which no template can make.
    Function::variadic(
        "mergeMap",
        &[Type::Map, Type::Map],
        Type::Object("func(*mergo.Config)"),
        |context, args| both(context, args, Conflict::Keep),
    ),
    Function::fixed(
        "mergeMapWithOverride",
        &[Type::Map, Type::Map],
        |context, args| both(context, args, Conflict::Overwrite),
    ),
];

fn both(
    context: &mut Context<'_>,
    args: Arguments<'_>,
    conflict: Conflict,
) -> Result<Value, Failure> {
    match (args.map(0), args.map(1)) {
        (Some(target), Some(source)) => {
            merged(context, target.clone(), source, conflict).map(Value::Map)
        }
        _ => Ok(args.value(0).clone()),
    }
}

/// Puts the entries of a map into another, and returns that. A nil map is replaced by one that can hold
/// something, as soon as there is something.
pub(super) fn merged(
    context: &mut Context<'_>,
    target: Map,
    source: &Map,
    conflict: Conflict,
) -> Result<Map, Failure> {
    let target = if target.is_nil() && !source.is_empty() {
        Map::new(target.kind(), Default::default())
    } else {
        target
    };
    merge(context, &target, source, conflict)?;
    Ok(target)
}

/// What becomes of a value that both maps have.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Conflict {
    /// The first one stays, unless it is empty.
    Keep,
    /// The second one wins, even when it is empty.
    Overwrite,
}

/// Merges `source` into `target`, nested maps into nested maps. Lists count as one value.
fn merge(
    context: &mut Context<'_>,
    target: &Map,
    source: &Map,
    conflict: Conflict,
) -> Result<(), Failure> {
    merge_within(context, target, source, conflict, 0)
}

fn merge_within(
    context: &mut Context<'_>,
    target: &Map,
    source: &Map,
    conflict: Conflict,
    depth: usize,
) -> Result<(), Failure> {
    if depth > DEEPEST {
        return Err(Failure::new("maps are nested too deeply to be merged"));
    }
    if target.is_same(source) {
        return Ok(());
    }
    context.reserve(source.len().saturating_mul(64))?;
    for (key, value) in source.entries().iter() {
        context.spend(1)?;
        let present = target.get(key);
        if matches!(value, Value::Nil) {
            if conflict == Conflict::Overwrite {
                target.insert(key.clone(), value.clone())?;
            }
            continue;
        }
        if let (Value::Map(source), Some(Value::Map(target))) = (value, &present) {
            if source.kind() == target.kind() && !target.is_nil() {
                merge_within(context, target, source, conflict, depth + 1)?;
            }
            if !target.is_empty() {
                continue;
            }
        }
        let empty = present.as_ref().is_none_or(|present| !present.is_true());
        if empty || conflict == Conflict::Overwrite {
            target.insert(key.clone(), value.clone())?;
        }
    }
    Ok(())
}

/// Puts a value under `a/b/c` as a tree of maps.
fn explode(
    context: &mut Context<'_>,
    root: &Map,
    path: &Text,
    value: &Value,
) -> Result<(), Failure> {
    let mut node = root.clone();
    let mut rest = path.as_bytes();
    // The text in the refusal is what was left of the path one step before.
    let mut before = rest;
    while let Some(slash) = rest.iter().position(|byte| *byte == b'/') {
        context.spend(1)?;
        context.reserve(96)?;
        let top = Key::Text((&rest[..slash]).into());
        if !node.contains(&top) {
            node.insert(
                top.clone(),
                Value::Map(Map::new(MapType::TextToAny, Default::default())),
            )?;
        }
        node = match node.get(&top) {
            Some(Value::Map(inner)) if inner.kind() == MapType::TextToAny => inner,
            other => {
                let shown = other.as_ref().map(print::quoted_verb).unwrap_or_default();
                let (path, top) = (print::quote(before), print::quote(&rest[..slash]));
                return Err(format!(
                    "explodeMap: not a map: {path}: {top} already has value {shown}"
                )
                .into());
            }
        };
        before = rest;
        rest = &rest[slash + 1..];
    }
    if !rest.is_empty() {
        node.insert(Key::Text(rest.into()), value.clone())?;
    }
    Ok(())
}
