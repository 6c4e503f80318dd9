//! `math`: addresses so many further, within their network or beyond, and networks made larger.

use crate::{functions::print, host::Interface};

use super::addresses;

/// An address after an operation such as `address` `+5`.
pub(super) fn moved(one: &Interface, operation: &str, value: &str) -> Result<Interface, String> {
    match operation.to_lowercase().as_str() {
        "address" => {
            let distance = distance(one, operation, value)?;
            let number = addresses::number(one.address).wrapping_add_signed(distance.into());
            Ok(at(one, number))
        }
        "network" => {
            let distance = distance(one, operation, value)?;
            let host = addresses::host_mask(one);
            let network = addresses::number(one.address) & !host;
            // Counted from the end when negative; at 0 the larger kind counts from its end too.
            let from_end = distance < 0 || distance == 0 && one.address.is_ipv6();
            let steps = if from_end {
                host.wrapping_sub(u128::from(distance.unsigned_abs()).wrapping_sub(1) & host)
            } else {
                u128::from(distance.unsigned_abs()) & host
            };
            Ok(at(one, network.wrapping_add(steps & host)))
        }
        "mask" => {
            let bits = number(value, "ParseUint", operation, u64::from(u32::MAX))?;
            let most = addresses::bits(one.address);
            let Some(bits) = u8::try_from(bits).ok().filter(|bits| *bits <= most) else {
                let (kind, named) = if most == 32 {
                    ("ipv4", 32)
                } else {
                    ("ipv6", 64)
                };
                return Err(format!(
                    "parameter for operation {} on {kind} addresses must be between 0 and {named}",
                    print::quote(operation.as_bytes())
                ));
            };
            let masked = Interface {
                prefix_length: bits,
                ..one.clone()
            };
            let number = addresses::number(one.address) & !addresses::host_mask(&masked);
            Ok(Interface {
                prefix_length: bits.min(one.prefix_length),
                ..at(one, number)
            })
        }
        _ => Err(format!(
            "unsupported math operation: {}",
            print::quote(operation.as_bytes())
        )),
    }
}

fn at(one: &Interface, number: u128) -> Interface {
    Interface {
        address: addresses::with_bits(one.address, number),
        ..one.clone()
    }
}

/// A number with a sign; of 33 bits, the sign's among them, for the smaller kind of address.
fn distance(one: &Interface, operation: &str, value: &str) -> Result<i64, String> {
    if !value.starts_with(['+', '-']) {
        return Err(format!(
            "sign (+/-) is required for operation {}",
            print::quote(operation.as_bytes())
        ));
    }
    let most = if one.address.is_ipv4() {
        u64::from(u32::MAX)
    } else {
        i64::MAX as u64
    };
    let magnitude = number(value, "ParseInt", operation, most)?;
    let magnitude = magnitude as i64;
    Ok(if value.starts_with('-') {
        -magnitude
    } else {
        magnitude
    })
}

fn number(value: &str, function: &str, operation: &str, most: u64) -> Result<u64, String> {
    let digits = match function {
        "ParseInt" => value.strip_prefix(['+', '-']).unwrap_or(value),
        _ => value,
    };
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let reason = match digits.parse::<u64>() {
        Ok(number) if is_number && number <= most => return Ok(number),
        _ if is_number => "value out of range",
        _ => "invalid syntax",
    };
    let (value, operation) = (
        print::quote(value.as_bytes()),
        print::quote(operation.as_bytes()),
    );
    Err(format!(
        "unable to convert {value} to int for operation {operation}: strconv.{function}: parsing {value}: {reason}"
    ))
}
