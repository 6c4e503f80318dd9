//! `include` and `exclude`: which of the addresses stay.

use crate::{functions::print, go::Failure, host::Interface, regexp::Regexp};

use super::addresses;

/// Which of the addresses stay.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kept {
    Matching,
    Others,
}

/// The addresses that a selector such as `name` fits, or the others.
pub(super) fn select(
    interfaces: &[Interface],
    selector: &str,
    value: &str,
    kept: Kept,
) -> Result<Vec<Interface>, Failure> {
    let wanted = kept == Kept::Matching;
    let by = |test: &dyn Fn(&Interface) -> bool| {
        let all = interfaces.iter();
        all.filter(|one| test(one) == wanted).cloned().collect()
    };
    let alternatives: Vec<&str> = value.split('|').collect();
    Ok(match selector.to_lowercase().as_str() {
        "name" => {
            let regexp = compiled("name", value)?;
            by(&|one| regexp.is_match(one.name.as_bytes()))
        }
        "address" => {
            let regexp = compiled("address", value)?;
            by(&|one| regexp.is_match(addresses::shown(one).as_bytes()))
        }
        "port" => {
            let regexp = compiled("port", value)?;
            by(&|_| regexp.is_match(b"0"))
        }
        "flag" | "flags" => {
            let flags = addresses::flags(value)?;
            by(&|one| addresses::has_flags(one, &flags))
        }
        "size" => {
            let size = mask_size(value, interfaces)?;
            by(&|one| one.prefix_length == size)
        }
        "type" => {
            let lower = value.to_lowercase();
            let types: Vec<&str> = lower.split('|').collect();
            let known = ["ip", "ipv4", "ipv6", "unix"];
            if let Some(other) = types.iter().find(|name| !known.contains(name)) {
                let (other, value) = (
                    print::quote(other.as_bytes()),
                    print::quote(value.as_bytes()),
                );
                return Err(format!("unsupported type {other} {value}").into());
            }
            // Once for each alternative that fits, or does not, as recorded.
            let each = interfaces.iter().flat_map(|one| {
                let fitting = types
                    .iter()
                    .filter(move |name| addresses::is_of_type(one, name) == wanted);
                fitting.map(move |_| one.clone())
            });
            each.collect()
        }
        "network" => {
            let mut found = Vec::new();
            for network in alternatives {
                let block = addresses::Block::parse(network).ok_or_else(|| {
                    let quoted = print::quote_ascii(network.as_bytes());
                    Failure::from(format!(
                        "unable to create an IP address from {quoted}: invalid IPAddr {network}"
                    ))
                })?;
                let all = interfaces.iter();
                found.extend(all.filter(|one| block.holds(one) == wanted).cloned());
            }
            found
        }
        "rfc" | "rfcs" => {
            let mut found = Vec::new();
            for rfc in alternatives {
                let blocks = addresses::blocks(rfc)?;
                let all = interfaces.iter();
                let fitting = all.filter(|one| addresses::is_in_any(one, blocks) == wanted);
                found.extend(fitting.cloned());
            }
            found
        }
        _ => {
            let deed = if wanted { "include" } else { "exclude" };
            let selector = print::quote(selector.as_bytes());
            return Err(format!("invalid {deed} selector {selector}").into());
        }
    })
}

fn compiled(what: &str, expression: &str) -> Result<Regexp, Failure> {
    Regexp::new(expression.as_bytes()).map_err(|error| {
        let expression = print::quote_ascii(expression.as_bytes());
        format!("Unable to compile {what} regexp {expression}: {error}").into()
    })
}

fn mask_size(value: &str, interfaces: &[Interface]) -> Result<u8, Failure> {
    let size = value.parse::<u64>().map_err(|_| {
        let value = print::quote(value.as_bytes());
        format!("invalid exclude size argument ({value}): strconv.ParseUint: parsing {value}: invalid syntax")
    })?;
    for one in interfaces {
        if size > addresses::bits(one.address).into() {
            let kind = addresses::kind(one);
            return Err(format!("mask size out of bounds for {kind} address: {size}").into());
        }
    }
    Ok(u8::try_from(size).unwrap_or(u8::MAX))
}
