//! The orders that addresses can be put in.

use std::cmp::Ordering;

use crate::{functions::print, go::Failure, host::Interface};

use super::addresses;

/// The smaller kind of address first, then the larger networks.
pub(super) fn by_size(mut interfaces: Vec<Interface>) -> Vec<Interface> {
    interfaces.sort_by_key(|one| (one.address.is_ipv6(), one.prefix_length));
    interfaces
}

/// In the order of several clauses such as `default,-size`.
pub(super) fn sorted(
    mut interfaces: Vec<Interface>,
    clauses: &str,
) -> Result<Vec<Interface>, Failure> {
    let orders: Result<Vec<Order>, Failure> = clauses.split(',').map(order).collect();
    let orders = orders?;
    let goes_before = |a: &Interface, b: &Interface| {
        let mut compared = orders.iter().map(|order| order.compare(a, b));
        compared.find(|found| found.is_ne()) == Some(Ordering::Less)
    };
    // What cannot be compared makes no order that a library would sort by: each moves up as long as it may.
    for start in 1..interfaces.len() {
        let mut at = start;
        while at > 0 && goes_before(&interfaces[at], &interfaces[at - 1]) {
            interfaces.swap(at, at - 1);
            at -= 1;
        }
    }
    Ok(interfaces)
}

/// What addresses are sorted by, and in which direction.
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
    /// Addresses of interfaces have no ports.
    Port,
}

impl Order {
    fn compare(&self, a: &Interface, b: &Interface) -> Ordering {
        let order = match self.by {
            // Those of different kinds cannot be compared.
            By::Address | By::Size if a.address.is_ipv4() != b.address.is_ipv4() => Ordering::Equal,
            By::Address => a.address.cmp(&b.address),
            By::Default => b.is_default_route.cmp(&a.is_default_route),
            By::Name => a.name.cmp(&b.name),
            By::Private => addresses::is_private(b).cmp(&addresses::is_private(a)),
            By::Size => a.prefix_length.cmp(&b.prefix_length),
            By::Type => a.address.is_ipv6().cmp(&b.address.is_ipv6()),
            By::Port => Ordering::Equal,
        };
        if self.descending {
            order.reverse()
        } else {
            order
        }
    }
}

fn order(clause: &str) -> Result<Order, Failure> {
    let name = clause.trim().to_lowercase();
    let by = match name.strip_prefix(['-', '+']).unwrap_or(&name) {
        "address" => By::Address,
        "default" => By::Default,
        "name" => By::Name,
        "port" => By::Port,
        "private" => By::Private,
        "size" => By::Size,
        "type" => By::Type,
        _ => {
            let clause = print::quote(clause.as_bytes());
            return Err(format!("unknown sort type: {clause}").into());
        }
    };
    Ok(Order {
        by,
        descending: name.starts_with('-'),
    })
}
