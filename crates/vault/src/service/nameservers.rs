//! Whom the machine asks for names, and in which order a short name may be meant: `/etc/resolv.conf`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// As many nameservers are asked as the C library asks.
const MOST: usize = 3;

/// The machine's nameservers.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Nameservers {
    pub(super) addresses: Vec<SocketAddr>,
    search: Vec<String>,
    /// A name with so many dots is tried as it stands first.
    dots: usize,
}

impl Nameservers {
    /// Reads the file's text; what nobody knows is passed over. An address may have a port.
    pub(super) fn read(text: &str) -> Self {
        let mut nameservers = Self {
            addresses: Vec::new(),
            search: Vec::new(),
            dots: 1,
        };
        for line in text.lines() {
            let mut words = line.split_whitespace();
            match words.next() {
                Some("nameserver") if nameservers.addresses.len() < MOST => {
                    let address = words.next().and_then(address);
                    nameservers.addresses.extend(address);
                }
                Some("search" | "domain") => {
                    nameservers.search = words
                        .map(|word| word.trim_matches('.').to_owned())
                        .collect();
                }
                Some("options") => {
                    let dots = words.find_map(|word| word.strip_prefix("ndots:")?.parse().ok());
                    nameservers.dots = dots.unwrap_or(nameservers.dots);
                }
                _ => {}
            }
        }
        if nameservers.addresses.is_empty() {
            nameservers.addresses.push((Ipv4Addr::LOCALHOST, 53).into());
        }
        nameservers
    }

    /// What a name may mean, the likeliest first.
    pub(super) fn names(&self, name: &str) -> Vec<String> {
        if let Some(whole) = name.strip_suffix('.') {
            return vec![whole.to_owned()];
        }
        let found = self.search.iter().filter(|domain| !domain.is_empty());
        let mut names: Vec<String> = found.map(|domain| format!("{name}.{domain}")).collect();
        let place = if name.matches('.').count() >= self.dots {
            0
        } else {
            names.len()
        };
        names.insert(place, name.to_owned());
        names
    }
}

fn address(word: &str) -> Option<SocketAddr> {
    let bare = || word.parse::<IpAddr>().map(|address| (address, 53).into());
    word.parse().or_else(|_| bare()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_a_kubelet_writes() {
        let text = "# by hand\nsearch team.svc.cluster.local svc.cluster.local.\n\
                    nameserver 10.0.0.10\nnameserver fd00::a\nnameserver nonsense\noptions ndots:5 edns0\n";
        let read = Nameservers::read(text);
        assert_eq!(
            read.addresses,
            ["10.0.0.10:53", "[fd00::a]:53"].map(|text| text.parse().unwrap())
        );
        assert_eq!(
            read.names("_http._tcp.vault"),
            [
                "_http._tcp.vault.team.svc.cluster.local",
                "_http._tcp.vault.svc.cluster.local",
                "_http._tcp.vault",
            ]
        );
        assert_eq!(read.names("a.b."), ["a.b"]);
    }

    #[test]
    fn a_name_with_enough_dots_is_meant_as_it_stands_first() {
        let read = Nameservers::read("search test\nnameserver 127.0.0.1:5300");
        assert_eq!(read.addresses, ["127.0.0.1:5300".parse().unwrap()]);
        assert_eq!(read.names("a.b"), ["a.b", "a.b.test"]);
        assert_eq!(
            Nameservers::read("").addresses,
            ["127.0.0.1:53".parse().unwrap()]
        );
    }
}
