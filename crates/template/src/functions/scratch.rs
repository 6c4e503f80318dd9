//! `scratch`: a place to keep values during one rendering, shared by all templates in it.

use std::any::Any;

use crate::{
    functions::print,
    go::{Function, Key, List, Map, MapType, Object, Type, Value},
};

pub(super) const FUNCTIONS: &[Function] = &[Function::fixed("scratch", &[], |context, _| {
    Ok(context
        .memory::<super::Memory>()
        .scratch
        .get_or_insert_with(|| Value::object(Scratch::new()))
        .clone())
})];

struct Scratch {
    values: Map,
}

impl Scratch {
    fn new() -> Self {
        Self {
            values: Map::new(MapType::TextToAny, Default::default()),
        }
    }
}

/// Whether an entry that is there is replaced.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Existing {
    Replace,
    Keep,
}

const METHODS: [Function; 7] = [
    Function::fixed("Key", &[Type::Text], |_, args| {
        Ok(values(args.receiver())
            .contains(&Key::Text(args.shared_text(0)))
            .into())
    }),
    Function::fixed("Get", &[Type::Text], |_, args| {
        Ok(values(args.receiver())
            .get(&Key::Text(args.shared_text(0)))
            .unwrap_or_default())
    }),
    Function::fixed("Set", &[Type::Text, Type::Any], |_, args| {
        values(args.receiver()).insert(Key::Text(args.shared_text(0)), args.value(1).clone())?;
        Ok(Value::text(""))
    }),
    Function::fixed("SetX", &[Type::Text, Type::Any], |_, args| {
        let (values, key) = (values(args.receiver()), Key::Text(args.shared_text(0)));
        if !values.contains(&key) {
            values.insert(key, args.value(1).clone())?;
        }
        Ok(Value::text(""))
    }),
    Function::fixed("MapSet", &[Type::Text, Type::Text, Type::Any], |_, args| {
        set_in_map(args, Existing::Replace)
    }),
    Function::fixed(
        "MapSetX",
        &[Type::Text, Type::Text, Type::Any],
        |_, args| set_in_map(args, Existing::Keep),
    ),
    Function::fixed("MapValues", &[Type::Text], |_, args| {
        match values(args.receiver()).get(&Key::Text(args.shared_text(0))) {
            Some(Value::Map(map)) if map.kind() == MapType::TextToAny => {
                Ok(Value::list(map.entries().values().cloned().collect()))
            }
            _ => Ok(Value::List(List::nil(Type::Any))),
        }
    }),
];

static METHOD_TABLE: [Function; 7] = METHODS;

fn values(receiver: &Value) -> Map {
    match receiver.downcast::<Scratch>() {
        Some(scratch) => scratch.values.clone(),
        None => Map::nil(MapType::TextToAny),
    }
}

fn set_in_map(
    args: crate::go::Arguments<'_>,
    existing: Existing,
) -> Result<Value, crate::go::Failure> {
    let (values, key) = (values(args.receiver()), Key::Text(args.shared_text(0)));
    if !values.contains(&key) {
        values.insert(
            key.clone(),
            Value::Map(Map::new(MapType::TextToAny, Default::default())),
        )?;
    }
    let Some(Value::Map(map)) = values.get(&key).filter(|value| value.is_of(Type::Map)) else {
        return Err(format!("{} is not a map", print::quote(args.bytes(0))).into());
    };
    let inner = Key::Text(args.shared_text(1));
    if existing == Existing::Replace || !map.contains(&inner) {
        map.insert(inner, args.value(2).clone())?;
    }
    Ok(Value::text(""))
}

impl Object for Scratch {
    fn type_name(&self) -> &'static str {
        "*template.Scratch"
    }

    fn field(&self, _name: &str) -> Option<Value> {
        None
    }

    fn fields(&self) -> Vec<(&'static str, Value)> {
        Vec::new()
    }

    fn method(&self, name: &str) -> Option<&'static Function> {
        METHOD_TABLE.iter().find(|method| method.name == name)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
