//! An IPv4 subnet for the bridge, where LXD finds none by itself: it pings its candidates, and on
//! networks whose gateway answers for every address all of them look taken.

use std::fs;
use std::net::Ipv4Addr;

/// How long the subnet's prefix is: room for 253 runners.
const PREFIX: u32 = 24;

/// A subnet that no route of this host leads to, as the bridge's own address in it.
pub(super) fn unused() -> Option<String> {
    let routes = fs::read_to_string("/proc/net/route").unwrap_or_default();
    outside(&parse(&routes))
}

fn outside(routes: &[(u32, u32)]) -> Option<String> {
    (80..=250_u8)
        .map(|third| Ipv4Addr::new(10, 77, third, 1))
        .find(|address| !routes.iter().any(|route| overlap(u32::from(*address), *route)))
        .map(|address| format!("{address}/{PREFIX}"))
}

fn overlap(address: u32, (destination, mask): (u32, u32)) -> bool {
    let common = mask & (u32::MAX << (32 - PREFIX));
    address & common == destination & common
}

/// Destinations and masks of all routes but the default one (proc(5), `/proc/net/route`: in
/// hexadecimal, the bytes in the host's order).
fn parse(text: &str) -> Vec<(u32, u32)> {
    let number = |field: &str| u32::from_str_radix(field, 16).ok().map(u32::to_be);
    text.lines()
        .filter_map(|line| {
            let fields: Vec<&str> = line.split_ascii_whitespace().collect();
            Some((number(fields.get(1)?)?, number(fields.get(7)?)?))
        })
        .filter(|(_, mask)| *mask != 0)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUTES: &str = "\
Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0
lxdbr0\t00504D0A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
";

    #[test]
    fn a_subnet_that_is_routed_is_not_taken() {
        let routes = parse(ROUTES);
        assert_eq!(routes.first(), Some(&(0x0a4d_5000, 0xffff_ff00)));
        assert_eq!(outside(&routes).unwrap(), "10.77.81.1/24");
        assert_eq!(outside(&[]).unwrap(), "10.77.80.1/24");
        assert_eq!(outside(&[(0x0a00_0000, 0xff00_0000)]), None);
        assert_eq!(outside(&[(0x0a4d_5040, 0xffff_ffc0)]).unwrap(), "10.77.81.1/24");
    }
}
