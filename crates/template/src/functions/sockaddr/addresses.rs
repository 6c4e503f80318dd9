//! What can be asked of one address: attributes, networks, address blocks of the standards.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::{functions::print, host::Interface};

/// Blocks that are for special use (RFC 6890).
const SPECIAL: [&str; 24] = [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "240.0.0.0/4",
    "255.255.255.255/32",
    "::1/128",
    "::/128",
    "64:ff9b::/96",
    "100::/64",
    "2001::/23",
    "2001:db8::/32",
    "2002::/16",
    "fc00::/7",
    "fe80::/10",
];

/// Blocks from which nothing is forwarded.
const NOT_FORWARDED: [&str; 15] = [
    "0.0.0.0/8",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "240.0.0.0/4",
    "255.255.255.255/32",
    "::/128",
    "::1/128",
    "::ffff:0:0/96",
    "2001:db8::/32",
    "2001:10::/28",
    "fe80::/10",
];

/// Addresses with blanks between them.
pub(super) fn joined(interfaces: &[Interface]) -> String {
    let texts: Vec<_> = interfaces
        .iter()
        .map(|one| one.address.to_string())
        .collect();
    texts.join(" ")
}

/// An address with the length of its prefix, which a single host does not show.
pub(super) fn shown(one: &Interface) -> String {
    if one.prefix_length == bits(one.address) {
        one.address.to_string()
    } else {
        format!("{}/{}", one.address, one.prefix_length)
    }
}

/// An attribute by name; empty when there is none of that name.
pub(super) fn attribute(one: &Interface, name: &str) -> String {
    match name.to_lowercase().as_str() {
        "address" | "host" => one.address.to_string(),
        "broadcast" => match one.address {
            IpAddr::V4(_) => last(one).to_string(),
            IpAddr::V6(_) => String::new(),
        },
        "first_usable" => first_usable(one).to_string(),
        "last_usable" => last_usable(one).to_string(),
        "flags" => one.flags.join("|"),
        "hex" => match one.address {
            IpAddr::V4(address) => format!("{:08x}", address.to_bits()),
            IpAddr::V6(address) => format!("{:032x}", address.to_bits()),
        },
        "mask_bits" => one.prefix_length.to_string(),
        "mtu" => one.mtu.to_string(),
        "name" => one.name.clone(),
        "netmask" => with_bits(one.address, mask(one)).to_string(),
        "network" => with_bits(one.address, number(one.address) & mask(one)).to_string(),
        "size" => 1u128
            .checked_shl((bits(one.address) - one.prefix_length.min(bits(one.address))).into())
            .map_or_else(String::new, |size| size.to_string()),
        "string" => shown(one),
        "type" => if one.address.is_ipv4() {
            "IPv4"
        } else {
            "IPv6"
        }
        .to_owned(),
        "uint32" if one.address.is_ipv4() => number(one.address).to_string(),
        "uint128" if one.address.is_ipv6() => number(one.address).to_string(),
        _ => String::new(),
    }
}

pub(super) fn is_forwardable(one: &Interface) -> bool {
    !NOT_FORWARDED
        .iter()
        .any(|block| holds(block, one.address).unwrap_or(false))
}

/// Whether the address is in a block that a standard sets apart.
pub(super) fn is_in_rfc(one: &Interface, rfc: &str) -> Result<bool, String> {
    let blocks: &[&str] = match rfc.trim() {
        "919" => &["255.255.255.255/32"],
        "1112" => &["224.0.0.0/4"],
        "1122" => &["0.0.0.0/8", "127.0.0.0/8"],
        "1918" => &["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"],
        "2544" => &["198.18.0.0/15"],
        "3849" => &["2001:db8::/32"],
        "3927" => &["169.254.0.0/16"],
        "4193" => &["fc00::/7"],
        "4291" => &["::/128", "::1/128", "fe80::/10", "ff00::/8"],
        "5735" | "6890" => &SPECIAL,
        "5737" => &["192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24"],
        "6598" => &["100.64.0.0/10"],
        other => {
            return Err(format!(
                "unsupported RFC {}",
                print::quote(other.as_bytes())
            ));
        }
    };
    Ok(blocks
        .iter()
        .any(|block| holds(block, one.address).unwrap_or(false)))
}

pub(super) fn is_in_network(one: &Interface, network: &str) -> Result<bool, String> {
    holds(network, one.address)
        .ok_or_else(|| format!("invalid network {}", print::quote(network.as_bytes())))
}

pub(super) fn is_of_type(one: &Interface, types: &str) -> Result<bool, String> {
    let mut found = false;
    for name in types.to_lowercase().split('|') {
        found |= match name {
            "ip" => true,
            "ipv4" => one.address.is_ipv4(),
            "ipv6" => one.address.is_ipv6(),
            "unix" => false,
            other => return Err(format!("unknown type {}", print::quote(other.as_bytes()))),
        };
    }
    Ok(found)
}

pub(super) fn has_flags(one: &Interface, flags: &str) -> Result<bool, String> {
    let mut wanted = Vec::new();
    for flag in flags.to_lowercase().split('|') {
        let by_address = match flag {
            "forwardable" => is_forwardable(one),
            "global unicast" => {
                !one.address.is_loopback()
                    && !one.address.is_multicast()
                    && !is_link_local(one.address)
            }
            "link-local unicast" => is_link_local(one.address),
            "loopback" => one.address.is_loopback(),
            "unspecified" => one.address.is_unspecified(),
            "multicast" => one.address.is_multicast(),
            "broadcast"
            | "point-to-point"
            | "up"
            | "down"
            | "interface-local multicast"
            | "link-local multicast" => false,
            _ => {
                return Err(format!(
                    "Unknown interface flag: {}",
                    print::quote(flag.as_bytes())
                ));
            }
        };
        if by_address {
            return Ok(true);
        }
        match flag {
            "broadcast" | "up" | "multicast" | "loopback" => wanted.push(flag.to_owned()),
            "point-to-point" => wanted.push("pointtopoint".to_owned()),
            _ => {}
        }
    }
    Ok(!wanted.is_empty() && wanted.iter().all(|flag| one.flags.contains(flag)))
}

fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.segments()[0] & 0xffc0 == 0xfe80,
    }
}

fn bits(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_bits().into(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

fn with_bits(like: IpAddr, number: u128) -> IpAddr {
    match like {
        IpAddr::V4(_) => Ipv4Addr::from_bits(number as u32).into(),
        IpAddr::V6(_) => Ipv6Addr::from_bits(number).into(),
    }
}

fn mask_of(length: u8, bits: u8) -> u128 {
    let host = u32::from(bits - length.min(bits));
    let all = if bits == 128 {
        u128::MAX
    } else {
        (1 << bits) - 1
    };
    all & u128::MAX.checked_shl(host).unwrap_or(0)
}

fn mask(one: &Interface) -> u128 {
    mask_of(one.prefix_length, bits(one.address))
}

fn last(one: &Interface) -> IpAddr {
    let all = mask_of(bits(one.address), bits(one.address));
    with_bits(one.address, number(one.address) | (all & !mask(one)))
}

fn first_usable(one: &Interface) -> IpAddr {
    let network = number(one.address) & mask(one);
    let skipped = one.address.is_ipv4() && one.prefix_length < 31;
    with_bits(one.address, network + u128::from(skipped))
}

fn last_usable(one: &Interface) -> IpAddr {
    let skipped = one.address.is_ipv4() && one.prefix_length < 31;
    with_bits(one.address, number(last(one)) - u128::from(skipped))
}

/// Whether a block such as `10.0.0.0/8` holds an address; `None` when it is not a block.
fn holds(block: &str, address: IpAddr) -> Option<bool> {
    let (start, length) = block
        .split_once('/')
        .map_or((block, None), |(start, length)| (start, Some(length)));
    let start: IpAddr = start.parse().ok()?;
    let bits = bits(start);
    let length = match length {
        Some(length) => length.parse::<u8>().ok().filter(|length| *length <= bits)?,
        None => bits,
    };
    let mask = mask_of(length, bits);
    Some(start.is_ipv4() == address.is_ipv4() && number(start) & mask == number(address) & mask)
}
