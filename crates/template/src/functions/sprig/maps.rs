//! Map functions of sprig. `set`, `unset` and `merge` change the map they are given, for all who hold it.

use crate::{
    functions::merge::{self, Conflict},
    go::{Arguments, Context, Failure, Function, Key, List, Map, MapType, Type, Value},
};

use super::text;

pub(in crate::functions) const FUNCTIONS: &[Function] = &[
    Function::variadic("sprig_dict", &[], Type::Any, |context, args| {
        context.reserve(args.len().saturating_mul(48))?;
        let pairs = args.all().chunks(2).map(|pair| {
            let key = match pair.first() {
                Some(Value::Text(key)) => key.clone(),
                other => other.map(text::text_of).transpose()?.unwrap_or_default(),
            };
            let value = pair.get(1).cloned().unwrap_or_else(|| "".into());
            Ok((Key::Text(key), value))
        });
        let pairs = pairs.collect::<Result<_, Failure>>()?;
        Ok(Value::Map(Map::new(MapType::TextToAny, pairs)))
    }),
    Function::fixed("sprig_get", &[Type::Map, Type::Text], |_, args| {
        let value = args
            .map(0)
            .and_then(|map| map.get(&Key::Text(args.shared_text(1))));
        Ok(value.unwrap_or_else(|| "".into()))
    }),
    Function::fixed(
        "sprig_set",
        &[Type::Map, Type::Text, Type::Any],
        |context, args| {
            context.reserve(64)?;
            match args.map(0) {
                Some(map) => map.insert(Key::Text(args.shared_text(1)), args.value(2).clone())?,
                None => return Err(Failure::new("assignment to entry in nil map")),
            }
            Ok(args.value(0).clone())
        },
    ),
    Function::fixed("sprig_unset", &[Type::Map, Type::Text], |_, args| {
        if let Some(map) = args.map(0) {
            map.remove(&Key::Text(args.shared_text(1)));
        }
        Ok(args.value(0).clone())
    }),
    Function::fixed("sprig_hasKey", &[Type::Map, Type::Text], |_, args| {
        Ok(args
            .map(0)
            .is_some_and(|map| map.contains(&Key::Text(args.shared_text(1))))
            .into())
    }),
    Function::variadic("sprig_pluck", &[Type::Text], Type::Map, |_, args| {
        let key = Key::Text(args.shared_text(0));
        Ok(Value::list(
            maps(args.rest(1)).filter_map(|map| map.get(&key)).collect(),
        ))
    }),
    Function::variadic("sprig_keys", &[], Type::Map, |context, args| {
        let keys: Vec<Value> = maps(args.all())
            .flat_map(Map::keys)
            .map(|key| key.value())
            .collect();
        context.reserve(keys.len() * 32)?;
        Ok(Value::List(List::new(Type::Text, keys)))
    }),
    Function::fixed("sprig_values", &[Type::Map], |context, args| {
        let entries = args.map(0).map(Map::entries).unwrap_or_default();
        context.reserve(entries.len() * 32)?;
        Ok(Value::list(entries.values().cloned().collect()))
    }),
    Function::variadic("sprig_pick", &[Type::Map], Type::Text, |_, args| {
        let picked = Map::new(MapType::TextToAny, Default::default());
        for key in args.rest(1).iter().filter_map(Key::of) {
            if let Some(value) = args.map(0).and_then(|map| map.get(&key)) {
                picked.insert(key, value)?;
            }
        }
        Ok(Value::Map(picked))
    }),
    Function::variadic("sprig_omit", &[Type::Map], Type::Text, |context, args| {
        let omitted: Vec<Key> = args.rest(1).iter().filter_map(Key::of).collect();
        let entries = args.map(0).map(Map::entries).unwrap_or_default();
        context.reserve(entries.len() * 48)?;
        let kept = entries
            .iter()
            .filter(|(key, _)| !omitted.contains(key))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        Ok(Value::Map(Map::new(MapType::TextToAny, kept)))
    }),
    Function::variadic("sprig_dig", &[], Type::Any, |_, args| dig(args.all())),
    Function::variadic("sprig_merge", &[Type::Map], Type::Map, |context, args| {
        merge_all(context, args, Conflict::Keep)
    }),
    Function::variadic(
        "sprig_mustMerge",
        &[Type::Map],
        Type::Map,
        |context, args| merge_all(context, args, Conflict::Keep),
    ),
    Function::variadic(
        "sprig_mergeOverwrite",
        &[Type::Map],
        Type::Map,
        |context, args| merge_all(context, args, Conflict::Overwrite),
    ),
    Function::variadic(
        "sprig_mustMergeOverwrite",
        &[Type::Map],
        Type::Map,
        |context, args| merge_all(context, args, Conflict::Overwrite),
    ),
    Function::fixed("sprig_deepCopy", &[Type::Any], |context, args| {
        copy(context, args.value(0))
    }),
    Function::fixed("sprig_mustDeepCopy", &[Type::Any], |context, args| {
        copy(context, args.value(0))
    }),
];

fn maps(values: &[Value]) -> impl Iterator<Item = &Map> {
    values.iter().filter_map(|value| match value {
        Value::Map(map) => Some(map),
        _ => None,
    })
}

fn dig(args: &[Value]) -> Result<Value, Failure> {
    let [keys @ .., default, dict] = args else {
        return Err(Failure::new("dig needs at least three arguments"));
    };
    if keys.is_empty() {
        return Err(Failure::new("dig needs at least three arguments"));
    }
    let not = |value: &Value, wanted: &str| {
        let found = if matches!(value, Value::Nil) {
            "nil"
        } else {
            value.type_name()
        };
        Failure::from(format!(
            "interface conversion: interface {{}} is {found}, not {wanted}"
        ))
    };
    let mut current = dict.clone();
    if !current.is_of(Type::Map) {
        return Err(not(&current, Type::Map.name()));
    }
    if let Some(other) = keys.iter().find(|key| key.as_text().is_none()) {
        return Err(not(other, "string"));
    }
    for key in keys.iter().filter_map(Key::of) {
        let next = match &current {
            Value::Map(map) if map.kind() == MapType::TextToAny => map.get(&key),
            other => return Err(not(other, Type::Map.name())),
        };
        match next {
            Some(value) => current = value,
            None => return Ok(default.clone()),
        }
    }
    Ok(current)
}

fn merge_all(
    context: &mut Context<'_>,
    args: Arguments<'_>,
    conflict: Conflict,
) -> Result<Value, Failure> {
    let Some(target) = args.map(0) else {
        return Ok(args.value(0).clone());
    };
    let mut target = target.clone();
    for source in maps(args.rest(1)) {
        target = merge::merged(context, target, source, conflict)?;
    }
    Ok(Value::Map(target))
}

fn copy(context: &mut Context<'_>, value: &Value) -> Result<Value, Failure> {
    match value {
        Value::Nil => Err(Failure::new(
            "reflect: call of reflect.Value.Type on zero Value",
        )),
        value => deep_copy(context, value, 0),
    }
}

/// Lists and maps are copied, texts and numbers never change.
fn deep_copy(context: &mut Context<'_>, value: &Value, depth: usize) -> Result<Value, Failure> {
    if depth > merge::DEEPEST {
        return Err(Failure::new("value is nested too deeply to be copied"));
    }
    Ok(match value {
        Value::List(list) if !list.is_nil() => {
            context.reserve(list.items().len() * 32)?;
            let copies: Result<_, _> = list
                .items()
                .iter()
                .map(|item| deep_copy(context, item, depth + 1))
                .collect();
            Value::List(List::new(list.element(), copies?))
        }
        Value::Map(map) if !map.is_nil() => {
            context.reserve(map.len() * 48)?;
            let copies: Result<_, Failure> = map
                .entries()
                .iter()
                .map(|(key, value)| Ok((key.clone(), deep_copy(context, value, depth + 1)?)))
                .collect();
            Value::Map(Map::new(map.kind(), copies?))
        }
        other => other.clone(),
    })
}
