//! `sockaddr`: expressions that choose among the addresses of the machine's network interfaces, such as
//! `GetAllInterfaces | include "name" "^eth" | attr "address"`. They are templates of their own, with the functions of
//! this module; the addresses come from the host.

mod addresses;
mod arithmetic;
mod choice;
mod order;

use std::any::Any;

use crate::{
    functions::print,
    go::{self, Context, Failure, Function, Functions, List, Object, Text, Type, UintType, Value},
    host::Interface,
    options::{Limits, Options},
    snapshot::Snapshot,
};
use addresses::Reach;
use choice::Kept;

pub(super) const FUNCTIONS: &[Function] = &[Function::variadic(
    "sockaddr",
    &[],
    Type::Text,
    |context, args| {
        let parts: Vec<_> = (0..args.len()).map(|index| args.text(index)).collect();
        evaluate(context, &parts.join(" ")).map(Value::text)
    },
)];

/// What one expression may spend: all of it is charged to the template around.
const STEPS: u64 = 20_000;
const BYTES: usize = 64 << 10;

/// As deep as an expression can be nested, so that it ends before the stack does.
const LEVELS: usize = 160;

fn evaluate(context: &mut Context<'_>, expression: &str) -> Result<Vec<u8>, Failure> {
    let source = format!("{{{{ {expression} }}}}");
    let quoted = print::quote_ascii(source.as_bytes());
    context.spend(STEPS)?;
    context.reserve(BYTES)?;
    let trees = go::parse(source.as_bytes(), "", "", &Expressions).map_err(|error| {
        Failure::from(format!(
            "unable to parse template {quoted}: template: sockaddr.Parse:{}: {}",
            error.line, error.message
        ))
    })?;
    let options = Options {
        error_on_missing_key: true,
        limits: Limits {
            steps: STEPS,
            depth: 0,
            output: BYTES,
            memory: BYTES as u64,
            ..Limits::default()
        },
        ..Options::default()
    };
    for _ in 0..LEVELS {
        context.descend()?;
    }
    let all = interfaces(context.host().interfaces());
    let snapshot = Snapshot::new();
    let mut inner = Context::new(&options, &Expressions, &trees, &snapshot, context.host());
    let mut output = Vec::new();
    let result = match trees.get("") {
        Some(tree) => go::execute(&mut inner, &trees, tree, all, &mut output),
        None => Ok(()),
    };
    for _ in 0..LEVELS {
        context.ascend();
    }
    match result {
        Ok(()) => Ok(output),
        Err(error) => {
            // This template has a name, unlike the one around it.
            let text = error
                .text
                .replacen("template: :", "template: sockaddr.Parse:", 1);
            let text = text.replacen("executing \"\"", "executing \"sockaddr.Parse\"", 1);
            Err(format!("unable to execute sockaddr input {quoted}: {text}").into())
        }
    }
}

/// The functions of expressions. There are no others in them.
struct Expressions;

impl Functions for Expressions {
    fn function(&self, name: &str) -> Option<&'static Function> {
        TABLE.iter().find(|function| function.name == name)
    }

    fn names(&self) -> Vec<&'static str> {
        TABLE.iter().map(|function| function.name).collect()
    }
}

const NAME_AND_LIST: &[Type] = &[Type::Text, Type::Any];
const TWO_AND_LIST: &[Type] = &[Type::Text, Type::Text, Type::Any];

static TABLE: &[Function] = &[
    Function::fixed("GetAllInterfaces", &[], |context, _| {
        Ok(interfaces(context.host().interfaces()))
    }),
    Function::fixed("GetDefaultInterfaces", &[], |context, _| {
        let mut all = context.host().interfaces();
        all.retain(|one| one.is_default_route);
        Ok(interfaces(all))
    }),
    Function::fixed("GetPrivateInterfaces", &[], |context, _| {
        Ok(interfaces(reaching(context, Reach::Private)))
    }),
    Function::fixed("GetPublicInterfaces", &[], |context, _| {
        Ok(interfaces(reaching(context, Reach::Public)))
    }),
    Function::fixed("GetPrivateIP", &[], |context, _| {
        Ok(addresses::first(&reaching(context, Reach::Private)).into())
    }),
    Function::fixed("GetPublicIP", &[], |context, _| {
        Ok(addresses::first(&reaching(context, Reach::Public)).into())
    }),
    Function::fixed("GetPrivateIPs", &[], |context, _| {
        let mut all = order::by_size(context.host().interfaces());
        all.retain(|one| addresses::is_private(one) && addresses::is_forwardable(one));
        Ok(addresses::joined(&all).into())
    }),
    Function::fixed("GetPublicIPs", &[], |context, _| {
        let mut all = order::by_size(context.host().interfaces());
        all.retain(|one| !addresses::is_private(one));
        Ok(addresses::joined(&all).into())
    }),
    Function::fixed("GetInterfaceIP", &[Type::Text], |context, args| {
        let all = context.host().interfaces();
        let mut named = choice::select(&all, "name", &args.text(0), Kept::Matching)?;
        named.retain(addresses::is_forwardable);
        Ok(addresses::first(&order::by_size(named)).into())
    }),
    Function::fixed("GetInterfaceIPs", &[Type::Text], |context, args| {
        let all = context.host().interfaces();
        let named = choice::select(&all, "name", &args.text(0), Kept::Matching)?;
        Ok(addresses::joined(&order::by_size(named)).into())
    }),
    Function::fixed("sort", NAME_AND_LIST, |_, args| {
        order::sorted(given(args.value(1))?, &args.text(0)).map(interfaces)
    }),
    Function::fixed("include", TWO_AND_LIST, |_, args| {
        let all = given(args.value(2))?;
        choice::select(&all, &args.text(0), &args.text(1), Kept::Matching).map(interfaces)
    }),
    Function::fixed("exclude", TWO_AND_LIST, |_, args| {
        let all = given(args.value(2))?;
        choice::select(&all, &args.text(0), &args.text(1), Kept::Others).map(interfaces)
    }),
    Function::fixed("attr", NAME_AND_LIST, |_, args| {
        let first = match (args.value(1), args.value(1).downcast::<Interface>()) {
            (_, Some(one)) => Some(one.clone()),
            (Value::List(_), _) => given(args.value(1))?.into_iter().next(),
            (other, None) => {
                let mut shown = Vec::new();
                go::print(&mut shown, std::slice::from_ref(other))?;
                return Err(format!(
                    "unable to obtain attribute {} from type {} ({})",
                    args.text(0),
                    other.type_name(),
                    String::from_utf8_lossy(&shown)
                )
                .into());
            }
        };
        match first {
            Some(one) => addresses::attribute(&one, &args.text(0)).map(Value::from),
            None => Ok("".into()),
        }
    }),
    Function::fixed("join", TWO_AND_LIST, |_, args| {
        let all = given(args.value(2))?;
        let name = args.text(0);
        let values = all.iter().map(|one| addresses::attribute(one, &name));
        let values: Vec<String> = values.collect::<Result<_, Failure>>()?;
        Ok(values.join(&args.text(1)).into())
    }),
    Function::fixed(
        "limit",
        &[Type::Uint(UintType::Uint), Type::Any],
        |_, args| {
            let mut all = given(args.value(1))?;
            if let Value::Uint(_, limit) = args.value(0) {
                all.truncate(usize::try_from(*limit).unwrap_or(usize::MAX));
            }
            Ok(interfaces(all))
        },
    ),
    Function::fixed("offset", &[Type::INT, Type::Any], |_, args| {
        let mut all = given(args.value(1))?;
        let (offset, length) = (args.int(0), all.len());
        let distance = usize::try_from(offset.unsigned_abs()).unwrap_or(usize::MAX);
        if distance > length {
            return Err(format!(
                "unable to seek past the end of the interface array: offset ({distance}) exceeds the number of interfaces ({length})"
            )
            .into());
        }
        all.drain(
            ..if offset < 0 {
                length - distance
            } else {
                distance
            },
        );
        Ok(interfaces(all))
    }),
    Function::fixed("unique", NAME_AND_LIST, |_, args| {
        let mut all = given(args.value(1))?;
        match args.text(0).to_lowercase().as_str() {
            "address" => all.dedup_by_key(|one| addresses::shown(one)),
            "name" => all.dedup_by_key(|one| one.name.clone()),
            _ if all.is_empty() => {}
            _ => {
                let name = print::quote_ascii(args.bytes(0));
                return Err(format!("unsupported unique constraint {name}").into());
            }
        }
        Ok(interfaces(all))
    }),
    Function::fixed("math", TWO_AND_LIST, |_, args| {
        let all = given(args.value(2))?;
        let (operation, value) = (args.text(0), args.text(1));
        let moved = all.iter().map(|one| {
            arithmetic::moved(one, &operation, &value).map_err(|reason| {
                let one = described(one);
                format!("unable to perform an IPMath operation on {one}: {reason}").into()
            })
        });
        moved.collect::<Result<_, Failure>>().map(interfaces)
    }),
];

/// What is up, forwarded and of this reach; the default route's first.
fn reaching(context: &mut Context<'_>, reach: Reach) -> Vec<Interface> {
    let mut found = context.host().interfaces();
    found.retain(|one| {
        addresses::is_forwardable(one)
            && one.flags.iter().any(|flag| flag == "up")
            && addresses::is_private(one) == (reach == Reach::Private)
    });
    let mut found = order::by_size(found);
    found.sort_by_key(|one| !one.is_default_route);
    found
}

fn interfaces(all: Vec<Interface>) -> Value {
    let items = all.into_iter().map(Value::object);
    Value::List(List::new(Type::Object("sockaddr.IfAddr"), items.collect()))
}

fn given(value: &Value) -> Result<Vec<Interface>, Failure> {
    let wrong = || {
        let found = value.type_name();
        Failure::from(format!(
            "wrong type for value; expected sockaddr.IfAddrs; got {found}"
        ))
    };
    let Value::List(list) = value else {
        return Err(wrong());
    };
    let all = list.items().iter();
    all.map(|one| one.downcast::<Interface>().cloned().ok_or_else(wrong))
        .collect()
}

/// An address with its interface, as Go prints them.
fn described(one: &Interface) -> String {
    format!(
        "{} {{{} {} {} {} {}}}",
        addresses::shown(one),
        one.index,
        one.mtu,
        one.name,
        one.hardware_address,
        one.flags.join("|")
    )
}

impl Object for Interface {
    fn type_name(&self) -> &'static str {
        "sockaddr.IfAddr"
    }

    fn field(&self, name: &str) -> Option<Value> {
        match name {
            "Name" => Some(self.name.as_str().into()),
            "Index" => Some(Value::int(self.index.into())),
            "MTU" => Some(Value::int(self.mtu.into())),
            _ => None,
        }
    }

    fn fields(&self) -> Vec<(&'static str, Value)> {
        Vec::new()
    }

    fn text(&self) -> Option<Text> {
        Some(described(self).into())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

#[cfg(test)]
mod tests;
