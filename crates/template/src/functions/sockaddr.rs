//! `sockaddr`: expressions that choose among the addresses of the machine's network interfaces, such as
//! `GetAllInterfaces | include "name" "^eth" | attr "address"`. The addresses come from the host.

mod addresses;

use std::cmp::Ordering;

use crate::{
    functions::print,
    go::{Context, Failure, Function, Type},
    host::Interface,
    regexp::Regexp,
};

pub(super) const FUNCTIONS: &[Function] = &[Function::variadic(
    "sockaddr",
    &[],
    Type::Text,
    |context, args| {
        let parts: Vec<_> = (0..args.len()).map(|index| args.text(index)).collect();
        let expression = parts.join(" ");
        evaluate(context, &expression).map(|text| text.into())
    },
)];

/// Functions that this expression language has.
const NAMES: [&str; 18] = [
    "GetAllInterfaces",
    "GetDefaultInterfaces",
    "GetPrivateInterfaces",
    "GetPublicInterfaces",
    "GetPrivateIP",
    "GetPrivateIPs",
    "GetPublicIP",
    "GetPublicIPs",
    "GetInterfaceIP",
    "GetInterfaceIPs",
    "sort",
    "include",
    "exclude",
    "attr",
    "join",
    "limit",
    "offset",
    "unique",
];

/// The result of one step.
enum Outcome {
    Interfaces(Vec<Interface>),
    Text(String),
}

/// One function with its arguments.
struct Call {
    name: String,
    arguments: Vec<String>,
}

fn evaluate(context: &mut Context<'_>, expression: &str) -> Result<String, Failure> {
    let whole = format!("{{{{ {expression} }}}}");
    let quoted = print::quote(whole.as_bytes());
    let calls = parse(expression).map_err(|reason| {
        Failure::from(format!(
            "unable to parse template {quoted}: template: sockaddr.Parse:1: {reason}"
        ))
    })?;
    context.spend(expression.len() as u64)?;
    let all = context.host().interfaces();
    let mut outcome = Outcome::Interfaces(all.clone());
    for call in &calls {
        outcome = apply(call, outcome, &all).map_err(|reason| {
            let name = &call.name;
            Failure::from(format!(
                "unable to execute sockaddr input {quoted}: template: sockaddr.Parse: error calling {name}: {reason}"
            ))
        })?;
    }
    Ok(match outcome {
        Outcome::Text(text) => text,
        Outcome::Interfaces(interfaces) => {
            let shown: Vec<_> = interfaces
                .iter()
                .map(|one| format!("{} {}", addresses::shown(one), one.name))
                .collect();
            format!("[{}]", shown.join(" "))
        }
    })
}

/// Cuts an expression at bars, and each part into words and quoted texts.
fn parse(expression: &str) -> Result<Vec<Call>, String> {
    let mut calls = vec![Vec::new()];
    let mut letters = expression.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            ' ' | '\t' | '\n' | '\r' => {}
            '|' => calls.push(Vec::new()),
            '"' | '`' => {
                let mut word = String::new();
                loop {
                    match letters.next() {
                        None => return Err("unterminated quoted string".to_owned()),
                        Some(end) if end == letter => break,
                        Some('\\') if letter == '"' => match letters.next() {
                            Some('n') => word.push('\n'),
                            Some('t') => word.push('\t'),
                            Some(escaped @ ('"' | '\\')) => word.push(escaped),
                            _ => return Err("invalid syntax".to_owned()),
                        },
                        Some(other) => word.push(other),
                    }
                }
                if let Some(call) = calls.last_mut() {
                    call.push(word);
                }
            }
            _ => {
                let mut word = letter.to_string();
                while let Some(next) = letters.next_if(|next| !" \t\r\n|\"`".contains(*next)) {
                    word.push(next);
                }
                if let Some(call) = calls.last_mut() {
                    call.push(word);
                }
            }
        }
    }
    calls
        .into_iter()
        .map(|mut words| {
            if words.is_empty() {
                return Err("missing value for command".to_owned());
            }
            let name = words.remove(0);
            if name != "." && !NAMES.contains(&name.as_str()) {
                return Err(format!(
                    "function {} not defined",
                    print::quote(name.as_bytes())
                ));
            }
            Ok(Call {
                name,
                arguments: words,
            })
        })
        .collect()
}

fn apply(call: &Call, input: Outcome, all: &[Interface]) -> Result<Outcome, String> {
    let wanted = match call.name.as_str() {
        "include" | "exclude" | "join" => 2,
        "GetInterfaceIP" | "GetInterfaceIPs" | "sort" | "attr" | "limit" | "offset" | "unique" => 1,
        _ => 0,
    };
    if call.arguments.len() != wanted {
        let found = call.arguments.len();
        return Err(format!(
            "wrong number of args for {}: want {wanted} got {found}",
            call.name
        ));
    }
    let argument = |index: usize| call.arguments.get(index).map_or("", String::as_str);
    let count = || {
        argument(0)
            .parse::<i64>()
            .map_err(|_| format!("{} wants a number", call.name))
    };
    let list = |interfaces: Vec<Interface>| Ok(Outcome::Interfaces(interfaces));
    let text = |text: String| Ok(Outcome::Text(text));
    match call.name.as_str() {
        "GetAllInterfaces" => return list(all.to_vec()),
        "GetDefaultInterfaces" => {
            return list(
                all.iter()
                    .filter(|one| one.is_default_route)
                    .cloned()
                    .collect(),
            );
        }
        "GetPrivateInterfaces" => return list(of_reach(all, Reach::Private)),
        "GetPublicInterfaces" => return list(of_reach(all, Reach::Public)),
        "GetPrivateIP" => return text(first_address(&of_reach(all, Reach::Private))),
        "GetPublicIP" => return text(first_address(&of_reach(all, Reach::Public))),
        "GetPrivateIPs" => return text(addresses::joined(&by_size(of_reach(all, Reach::Private)))),
        "GetPublicIPs" => return text(addresses::joined(&by_size(of_reach(all, Reach::Public)))),
        "GetInterfaceIP" => {
            let mut found = named(all, argument(0))?;
            found.retain(addresses::is_forwardable);
            return text(first_address(&found));
        }
        "GetInterfaceIPs" => return text(addresses::joined(&named(all, argument(0))?)),
        _ => {}
    }
    let Outcome::Interfaces(mut interfaces) = input else {
        return Err("a list of interfaces is wanted, not a text".to_owned());
    };
    match call.name.as_str() {
        "sort" => {
            let orders: Result<Vec<_>, _> = argument(0).split(',').map(order).collect();
            let orders = orders?;
            interfaces.sort_by(|a, b| {
                orders
                    .iter()
                    .map(|order| order.compare(a, b))
                    .find(|found| found.is_ne())
                    .unwrap_or(Ordering::Equal)
            });
        }
        "include" => interfaces = select(interfaces, argument(0), argument(1), Kept::Matching)?,
        "exclude" => interfaces = select(interfaces, argument(0), argument(1), Kept::Others)?,
        "attr" => {
            return text(
                interfaces
                    .first()
                    .map(|one| addresses::attribute(one, argument(0)))
                    .unwrap_or_default(),
            );
        }
        "join" => {
            let parts: Vec<_> = interfaces
                .iter()
                .map(|one| addresses::attribute(one, argument(0)))
                .collect();
            return text(parts.join(argument(1)));
        }
        "limit" => interfaces.truncate(usize::try_from(count()?).unwrap_or(usize::MAX)),
        "offset" => {
            let offset = count()?;
            let length = interfaces.len();
            let distance = usize::try_from(offset.unsigned_abs()).unwrap_or(usize::MAX);
            if distance > length {
                return Err("unable to seek past the end of the interface array".to_owned());
            }
            interfaces.drain(
                ..if offset < 0 {
                    length - distance
                } else {
                    distance
                },
            );
        }
        "unique" => interfaces.dedup_by_key(|one| addresses::attribute(one, argument(0))),
        _ => {}
    }
    list(interfaces)
}

/// Whether addresses are those that are routed within an organisation, or all over.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reach {
    Private,
    Public,
}

fn of_reach(all: &[Interface], reach: Reach) -> Vec<Interface> {
    let private = |one: &Interface| addresses::is_in_rfc(one, "6890").unwrap_or(false);
    let mut found: Vec<_> = all
        .iter()
        .filter(|one| addresses::is_forwardable(one) && one.flags.iter().any(|flag| flag == "up"))
        .filter(|one| private(one) == (reach == Reach::Private))
        .cloned()
        .collect();
    found.sort_by_key(|one| {
        (
            !one.is_default_route,
            one.address.is_ipv6(),
            one.prefix_length,
        )
    });
    found
}

/// All of them by kind and size of their network, whatever the default route is.
fn by_size(mut interfaces: Vec<Interface>) -> Vec<Interface> {
    interfaces.sort_by_key(|one| (one.address.is_ipv6(), one.prefix_length));
    interfaces
}

/// The addresses of the interfaces whose name matches, the largest networks first.
fn named(all: &[Interface], expression: &str) -> Result<Vec<Interface>, String> {
    let regexp = Regexp::new(expression.as_bytes()).map_err(|error| error.to_string())?;
    let mut found: Vec<_> = all
        .iter()
        .filter(|one| regexp.is_match(one.name.as_bytes()))
        .cloned()
        .collect();
    found.sort_by_key(|one| (one.address.is_ipv6(), one.prefix_length));
    Ok(found)
}

fn first_address(interfaces: &[Interface]) -> String {
    interfaces
        .first()
        .map(|one| one.address.to_string())
        .unwrap_or_default()
}

/// Which of the interfaces stay.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kept {
    Matching,
    Others,
}

/// A question to one address.
type Test<'a> = Box<dyn Fn(&Interface) -> Result<bool, String> + 'a>;

fn select(
    interfaces: Vec<Interface>,
    selector: &str,
    value: &str,
    kept: Kept,
) -> Result<Vec<Interface>, String> {
    let compiled = || Regexp::new(value.as_bytes()).map_err(|error| error.to_string());
    let test: Test<'_> = match selector.to_lowercase().as_str() {
        "name" => {
            let regexp = compiled()?;
            Box::new(move |one| Ok(regexp.is_match(one.name.as_bytes())))
        }
        "address" => {
            let regexp = compiled()?;
            Box::new(move |one| Ok(regexp.is_match(one.address.to_string().as_bytes())))
        }
        "flag" | "flags" => Box::new(|one| addresses::has_flags(one, value)),
        "type" => Box::new(|one| addresses::is_of_type(one, value)),
        "network" => Box::new(|one| addresses::is_in_network(one, value)),
        "rfc" | "rfcs" => Box::new(|one| {
            let mut rfcs = value.split('|').map(|rfc| addresses::is_in_rfc(one, rfc));
            rfcs.try_fold(false, |found, is_in| Ok(found | is_in?))
        }),
        "size" => {
            let bits = value
                .strip_prefix('/')
                .and_then(|bits| bits.parse::<u8>().ok());
            let bits = bits
                .ok_or_else(|| format!("invalid mask size {}", print::quote(value.as_bytes())))?;
            Box::new(move |one| Ok(one.prefix_length == bits))
        }
        "port" => Box::new(|_| Ok(false)),
        _ => {
            let deed = if kept == Kept::Matching {
                "include"
            } else {
                "exclude"
            };
            return Err(format!(
                "invalid {deed} selector {}",
                print::quote(selector.as_bytes())
            ));
        }
    };
    let mut selected = Vec::new();
    for one in interfaces {
        if test(&one)? == (kept == Kept::Matching) {
            selected.push(one);
        }
    }
    Ok(selected)
}

/// What interfaces are sorted by, and in which direction.
struct Order {
    by: By,
    descending: bool,
}

#[derive(Clone, Copy)]
enum By {
    Address,
    Default,
    Name,
    Private,
    Size,
    Type,
    Nothing,
}

impl Order {
    fn compare(&self, a: &Interface, b: &Interface) -> Ordering {
        let private = |one: &Interface| !addresses::is_in_rfc(one, "6890").unwrap_or(false);
        let order = match self.by {
            By::Address => a.address.cmp(&b.address),
            By::Default => b.is_default_route.cmp(&a.is_default_route),
            By::Name => a.name.cmp(&b.name),
            By::Private => private(a).cmp(&private(b)),
            By::Size => a.prefix_length.cmp(&b.prefix_length),
            By::Type => a.address.is_ipv6().cmp(&b.address.is_ipv6()),
            By::Nothing => Ordering::Equal,
        };
        if self.descending {
            order.reverse()
        } else {
            order
        }
    }
}

fn order(clause: &str) -> Result<Order, String> {
    let clause = clause.trim().to_lowercase();
    let descending = clause.starts_with('-');
    let by = match clause.strip_prefix(['-', '+']).unwrap_or(&clause) {
        "address" => By::Address,
        "default" => By::Default,
        "name" => By::Name,
        "port" => By::Nothing,
        "private" => By::Private,
        "size" => By::Size,
        "type" => By::Type,
        _ => {
            return Err(format!(
                "unknown sort type: {}",
                print::quote(clause.as_bytes())
            ));
        }
    };
    Ok(Order { by, descending })
}
