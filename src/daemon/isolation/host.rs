//! The host's own addresses.

use std::fs;
use std::io;
use std::net::Ipv4Addr;

/// The IPv4 addresses of this host, in order.
///
/// # Errors
/// Where the kernel does not tell, or tells of no 127.0.0.1: then it has not told of all.
pub fn host_addresses() -> io::Result<Vec<Ipv4Addr>> {
    all_of(&fs::read_to_string("/proc/net/fib_trie")?)
}

fn all_of(text: &str) -> io::Result<Vec<Ipv4Addr>> {
    let addresses = parse(text);
    if addresses.contains(&Ipv4Addr::LOCALHOST) {
        return Ok(addresses);
    }
    Err(io::Error::new(io::ErrorKind::InvalidData, "127.0.0.1 is not among them"))
}

/// Reads the kernel's tree of routes: a local address is a `/32 host LOCAL` below its own line.
fn parse(text: &str) -> Vec<Ipv4Addr> {
    let mut addresses = Vec::new();
    let mut leaf: Option<Ipv4Addr> = None;
    for line in text.lines().map(str::trim) {
        if let Some(address) = line.strip_prefix("|-- ") {
            leaf = address.parse().ok();
        } else if line == "/32 host LOCAL" {
            addresses.extend(leaf);
        }
    }
    addresses.sort_unstable();
    addresses.dedup();
    addresses
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_local_addresses_are_the_hosts_own() {
        let text = "\
Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
     |-- 192.0.2.0
        /24 link UNICAST
Local:
  +-- 0.0.0.0/0 3 0 5
     +-- 127.0.0.0/8 2 0 2
           |-- 127.0.0.0
              /8 host LOCAL
           |-- 127.0.0.1
              /32 host LOCAL
     +-- 192.0.2.0/24 2 0 2
        |-- 192.0.2.2
           /32 host LOCAL
        |-- 192.0.2.255
           /32 link BROADCAST
     |-- 192.0.2.2
        /32 host LOCAL
";
        let wanted: [Ipv4Addr; 2] = [[127, 0, 0, 1].into(), [192, 0, 2, 2].into()];
        assert_eq!(all_of(text).unwrap(), wanted);
    }

    /// With no address known the base ACL would allow all of the host's public ones.
    #[test]
    fn a_list_that_lacks_the_hosts_own_loopback_is_none() {
        for text in ["", "|-- 192.0.2.2\n/32 host LOCAL\n"] {
            assert_eq!(all_of(text).unwrap_err().kind(), io::ErrorKind::InvalidData);
        }
        assert!(host_addresses().unwrap().contains(&Ipv4Addr::LOCALHOST));
    }
}
