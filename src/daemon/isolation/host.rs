//! The host's own addresses.

use std::fs;
use std::net::Ipv4Addr;

/// The IPv4 addresses of this host, in order; none where the kernel does not tell.
pub fn host_addresses() -> Vec<Ipv4Addr> {
    parse(&fs::read_to_string("/proc/net/fib_trie").unwrap_or_default())
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
        assert_eq!(parse(text), wanted);
    }
}
