//! What can be asked of one address: attributes, networks, address blocks of the standards.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::{functions::print, go::Failure, host::Interface};

/// Blocks by the number of the RFC that sets them apart.
const BLOCKS: [(&str, &[&str]); 27] = [
    ("919", &["255.255.255.255/32"]),
    ("1112", &["224.0.0.0/4"]),
    ("1122", &["0.0.0.0/8", "127.0.0.0/8"]),
    ("1918", &["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"]),
    ("2544", &["198.18.0.0/15"]),
    ("2765", &["::ffff:0:0/96"]),
    ("2928", &["2001::/16"]),
    ("3056", &["2002::/16"]),
    ("3068", &["192.88.99.0/24", "2002:c058:6301::/120"]),
    ("3171", &["224.0.0.0/4"]),
    (
        "3330",
        &[
            "0.0.0.0/8",
            "10.0.0.0/8",
            "127.0.0.0/8",
            "169.254.0.0/16",
            "172.16.0.0/12",
            "192.0.2.0/24",
            "192.88.99.0/24",
            "192.168.0.0/16",
            "198.18.0.0/15",
            "224.0.0.0/4",
            "240.0.0.0/4",
        ],
    ),
    ("3849", &["2001:db8::/32"]),
    ("3927", &["169.254.0.0/16"]),
    ("4038", &["0:0:0:0:0:ffff::/96"]),
    ("4193", &["fc00::/7"]),
    (
        "4291",
        &[
            "::/128",
            "::1/128",
            "::/96",
            "::ffff:0:0/96",
            "fe80::/10",
            "fec0::/10",
            "ff00::/8",
        ],
    ),
    ("4380", &["2001::/32"]),
    ("4773", &["2001::/23"]),
    ("4843", &["2001:10::/28"]),
    ("5180", &["2001:200::/48"]),
    (
        "5735",
        &[
            "192.0.2.0/24",
            "198.51.100.0/24",
            "203.0.113.0/24",
            "198.18.0.0/15",
        ],
    ),
    (
        "5737",
        &["192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24"],
    ),
    ("6052", &["64:ff9b::/96"]),
    ("6333", &["192.0.0.0/29"]),
    ("6598", &["100.64.0.0/10"]),
    ("6666", &["100::/64"]),
    ("7335", &["192.0.0.0/29"]),
];

/// Blocks that are for special use (RFC 6890).
const SPECIAL: &[&str] = &[
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
    "::ffff:0:0/96",
    "100::/64",
    "2001::/16",
    "2002::/16",
    "fc00::/7",
    "fe80::/10",
];

/// Blocks from which nothing is forwarded.
const NOT_FORWARDED: &[&str] = &[
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

/// Whether addresses are those that are routed within an organisation, or all over.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    Private,
    Public,
}

/// A network such as `10.0.0.0/8`.
pub(super) struct Block {
    start: IpAddr,
    length: u8,
}

impl Block {
    /// Reads a network, or an address alone.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (start, length) = text
            .split_once('/')
            .map_or((text, None), |(start, length)| (start, Some(length)));
        let start: IpAddr = start.parse().ok()?;
        let most = bits(start);
        let length = match length {
            Some(length) => length.parse::<u8>().ok().filter(|length| *length <= most)?,
            None => most,
        };
        Some(Self { start, length })
    }

    /// Whether the whole network of an address is in this one.
    pub(super) fn holds(&self, one: &Interface) -> bool {
        let host = host_mask_of(self.length, bits(self.start));
        self.start.is_ipv4() == one.address.is_ipv4()
            && self.length <= one.prefix_length
            && number(self.start) & !host == number(one.address) & !host
    }
}

/// Addresses with blanks between them.
pub(super) fn joined(interfaces: &[Interface]) -> String {
    let texts = interfaces.iter().map(|one| one.address.to_string());
    texts.collect::<Vec<_>>().join(" ")
}

/// The first address, if there is one.
pub(super) fn first(interfaces: &[Interface]) -> String {
    let first = interfaces.first();
    first.map(|one| one.address.to_string()).unwrap_or_default()
}

/// The address with the length of its prefix, if that is not all of it.
pub(super) fn shown(one: &Interface) -> String {
    if one.prefix_length == bits(one.address) {
        one.address.to_string()
    } else {
        format!("{}/{}", one.address, one.prefix_length)
    }
}

/// An attribute by name.
pub(super) fn attribute(one: &Interface, name: &str) -> Result<String, Failure> {
    let is_ipv4 = one.address.is_ipv4();
    let network = number(one.address) & !host_mask(one);
    let last = network | host_mask(one);
    // Networks of one or two addresses have neither a name nor a broadcast address of their own.
    let skipped = u128::from(is_ipv4 && one.prefix_length < 31);
    let with_bits = |number: u128| with_bits(one.address, number).to_string();
    let name = name.to_lowercase();
    Ok(match name.as_str() {
        "address" | "host" => one.address.to_string(),
        "binary" if is_ipv4 => format!("{:032b}", number(one.address)),
        "binary" => format!("{:0128b}", number(one.address)),
        "broadcast" if is_ipv4 => with_bits(last),
        "first_usable" => with_bits(network + skipped),
        "flags" if one.flags.is_empty() => "0".to_owned(),
        "flags" => one.flags.join("|"),
        "hex" if is_ipv4 => format!("{:08x}", number(one.address)),
        "hex" => format!("{:032x}", number(one.address)),
        "last_usable" => with_bits(last - skipped),
        "mask_bits" => one.prefix_length.to_string(),
        "name" => one.name.clone(),
        "netmask" => with_bits(!host_mask(one)),
        "network" => with_bits(network),
        "octets" => {
            let octets = match one.address {
                IpAddr::V4(address) => address.octets().to_vec(),
                IpAddr::V6(address) => address.octets().to_vec(),
            };
            let octets: Vec<_> = octets.iter().map(u8::to_string).collect();
            octets.join(" ")
        }
        "port" => "0".to_owned(),
        "size" => match host_mask(one).checked_add(1) {
            Some(size) => size.to_string(),
            // One more than the largest number here.
            None => "340282366920938463463374607431768211456".to_owned(),
        },
        "string" => shown(one),
        "type" => kind(one).to_owned(),
        "uint32" if is_ipv4 => number(one.address).to_string(),
        "uint128" if !is_ipv4 => number(one.address).to_string(),
        other => {
            let other = print::quote(other.as_bytes());
            return Err(format!("unsupported attribute name {other}").into());
        }
    })
}

/// The kind of the address.
pub(super) fn kind(one: &Interface) -> &'static str {
    if one.address.is_ipv4() {
        "IPv4"
    } else {
        "IPv6"
    }
}

/// Whether the address is of a type: `ip`, `ipv4`, `ipv6`; of `unix` there are none.
pub(super) fn is_of_type(one: &Interface, name: &str) -> bool {
    match name {
        "ip" => true,
        "ipv4" => one.address.is_ipv4(),
        "ipv6" => one.address.is_ipv6(),
        _ => false,
    }
}

pub(super) fn is_forwardable(one: &Interface) -> bool {
    !is_in_any(one, NOT_FORWARDED)
}

pub(super) fn is_private(one: &Interface) -> bool {
    is_in_any(one, SPECIAL)
}

/// The blocks that a standard sets apart.
pub(super) fn blocks(rfc: &str) -> Result<&'static [&'static str], Failure> {
    let found = BLOCKS.iter().find(|(number, _)| *number == rfc);
    let found = found.map(|(_, blocks)| *blocks);
    found.or((rfc == "6890").then_some(SPECIAL)).ok_or_else(|| {
        let quoted = print::quote(rfc.as_bytes());
        let reason = match rfc.parse::<u64>() {
            Ok(number) => format!("unsupported RFC {number}"),
            Err(_) => format!(
                "unable to parse RFC number {quoted}: strconv.ParseUint: parsing {quoted}: invalid syntax"
            ),
        };
        format!("unable to lookup RFC number {quoted}: {reason}").into()
    })
}

/// Whether the address is in one of the blocks.
pub(super) fn is_in_any(one: &Interface, blocks: &[&str]) -> bool {
    let mut blocks = blocks.iter().filter_map(|block| Block::parse(block));
    blocks.any(|block| block.holds(one))
}

/// The flags that are asked for, of interfaces and of addresses.
pub(super) fn flags(text: &str) -> Result<Vec<String>, Failure> {
    const KNOWN: [&str; 12] = [
        "broadcast",
        "down",
        "forwardable",
        "global unicast",
        "interface-local multicast",
        "link-local multicast",
        "link-local unicast",
        "loopback",
        "multicast",
        "point-to-point",
        "unspecified",
        "up",
    ];
    let flags: Vec<String> = text.to_lowercase().split('|').map(str::to_owned).collect();
    match flags.iter().find(|flag| !KNOWN.contains(&flag.as_str())) {
        Some(flag) => {
            let flag = print::quote_ascii(flag.as_bytes());
            Err(format!("Unknown interface flag: {flag}").into())
        }
        None => Ok(flags),
    }
}

/// Whether the interface has all the flags that are those of interfaces, or the address one of its own.
pub(super) fn has_flags(one: &Interface, flags: &[String]) -> bool {
    let mut of_interface = flags
        .iter()
        .filter_map(|flag| match flag.as_str() {
            "point-to-point" => Some("pointtopoint"),
            flag @ ("broadcast" | "down" | "loopback" | "multicast" | "up") => Some(flag),
            _ => None,
        })
        .peekable();
    let asks_interface = of_interface.peek().is_some();
    // That an interface is down is not looked at.
    let has = |flag: &str| flag == "down" || one.flags.iter().any(|set| set == flag);
    let of_address = |flag: &str| {
        let local = is_link_local(one.address);
        match flag {
            "forwardable" => is_forwardable(one),
            "global unicast" => {
                let broadcast = one.address == IpAddr::V4(Ipv4Addr::BROADCAST);
                let address = one.address;
                let special = address.is_loopback() || address.is_multicast();
                !(broadcast || special || local || address.is_unspecified())
            }
            "link-local unicast" => local,
            "interface-local multicast" => is_multicast_of(one.address, 1),
            "link-local multicast" => match one.address {
                IpAddr::V4(address) => address.octets().starts_with(&[224, 0, 0]),
                IpAddr::V6(_) => is_multicast_of(one.address, 2),
            },
            "loopback" => one.address.is_loopback(),
            "multicast" => one.address.is_multicast(),
            "unspecified" => one.address.is_unspecified(),
            _ => false,
        }
    };
    asks_interface && of_interface.all(has) || flags.iter().any(|flag| of_address(flag))
}

fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.segments()[0] & 0xffc0 == 0xfe80,
    }
}

fn is_multicast_of(address: IpAddr, scope: u16) -> bool {
    match address {
        IpAddr::V4(_) => false,
        IpAddr::V6(address) => address.segments()[0] & 0xff0f == 0xff00 | scope,
    }
}

/// Bits of an address of this kind.
pub(super) fn bits(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// The address as a number.
pub(super) fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_bits().into(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

/// An address of the same kind; what does not fit into it is cut off.
pub(super) fn with_bits(like: IpAddr, number: u128) -> IpAddr {
    match like {
        IpAddr::V4(_) => Ipv4Addr::from_bits(number as u32).into(),
        IpAddr::V6(_) => Ipv6Addr::from_bits(number).into(),
    }
}

/// Ones where the hosts of a network differ.
pub(super) fn host_mask(one: &Interface) -> u128 {
    host_mask_of(one.prefix_length, bits(one.address))
}

fn host_mask_of(length: u8, bits: u8) -> u128 {
    let host = u32::from(bits - length.min(bits));
    u128::MAX.checked_shl(host).map_or(u128::MAX, |ones| !ones)
}
