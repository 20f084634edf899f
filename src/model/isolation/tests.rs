//! Arithmetic on addresses, and what becomes of a configuration's wishes.

use proptest::prelude::*;

use super::*;

fn ip(text: &str) -> Ipv4Addr {
    text.parse().unwrap()
}

fn block(text: &str) -> Block {
    text.parse().unwrap()
}

fn needed(endpoint: &str, addresses: &[&str]) -> Resolved {
    let addresses = addresses.iter().map(|text| block(text)).collect();
    Resolved { endpoint: endpoint.parse().unwrap(), addresses }
}

fn is_in(blocks: &[Block], address: &str) -> bool {
    blocks.iter().any(|block| block.contains(ip(address)))
}

#[test]
fn the_public_internet_is_what_is_left() {
    let public = public(&[ip("5.6.7.8")]);
    for inside in ["1.1.1.1", "5.6.7.7", "5.6.7.9", "140.82.121.3", "172.32.0.1", "223.255.255.255"]
    {
        assert!(is_in(&public, inside), "{inside}");
    }
    for outside in [
        "0.0.0.1",
        "10.78.0.1",
        "100.64.0.1",
        "127.0.0.1",
        "169.254.169.254",
        "172.31.255.255",
        "192.0.0.192",
        "192.168.1.1",
        "198.19.0.1",
        "224.0.0.251",
        "255.255.255.255",
        "5.6.7.8",
        "168.63.129.16",
        "203.0.113.9",
    ] {
        assert!(!is_in(&public, outside), "{outside}");
    }
}

#[test]
fn the_public_internet_is_written_as_subnets() {
    let texts: Vec<String> = public(&[]).iter().map(Block::to_string).collect();
    assert_eq!(texts.first().map(String::as_str), Some("1.0.0.0/8"));
    assert!(texts.iter().all(|text| text.contains('/') || text.parse::<Ipv4Addr>().is_ok()));
    assert!(texts.len() < 150, "{}", texts.len());
}

#[test]
fn only_what_is_not_public_needs_a_hole() {
    let github = needed("github.com:443", &["140.82.121.3"]);
    let enterprise = needed("ghes.lan:443", &["10.1.2.3", "140.82.121.4"]);
    let own = needed("5.6.7.8:8080", &["5.6.7.8"]);
    let rules = rules(&[github, enterprise.clone(), own, enterprise], &[], &[ip("5.6.7.8")]);
    let shown = |rule: &Rule| (rule.reason.clone(), rule.destination.clone());
    assert_eq!(
        rules.iter().map(shown).collect::<Vec<_>>(),
        [
            ("5.6.7.8:8080/tcp".to_owned(), vec![block("5.6.7.8")]),
            ("ghes.lan:443/tcp".to_owned(), vec![block("10.1.2.3")]),
        ]
    );
}

#[test]
fn what_is_denied_is_one_rule() {
    let denied = [block("8.8.8.8"), block("1.2.3.0/24"), block("8.8.8.8")];
    let rules = rules(&[], &denied, &[]);
    let [Rule { allow: false, destination, ports: None, .. }] = rules.as_slice() else {
        panic!("{rules:?}")
    };
    assert_eq!(destination, &[block("1.2.3.0/24"), block("8.8.8.8")]);
}

#[test]
fn endpoints_are_read_and_written() {
    for (text, written) in [
        ("10.1.2.3:5000/tcp", "10.1.2.3:5000/tcp"),
        ("10.5.0.0/16", "10.5.0.0/16"),
        ("10.5.0.9/16:443", "10.5.0.0/16:443/tcp"),
        ("Registry.lan:443", "registry.lan:443/tcp"),
        ("10.0.0.1-10.0.0.9:53/udp", "10.0.0.1-10.0.0.9:53/udp"),
        ("cache:8000-8010", "cache:8000-8010/tcp"),
        ("cache", "cache"),
    ] {
        let endpoint: Endpoint = text.parse().unwrap();
        assert_eq!(endpoint.to_string(), written);
    }
    for wrong in [
        "",
        ":80",
        "a b:80",
        "10.1.2.3:0",
        "10.1.2.3:70000",
        "10.1.2.3:+8",
        "a:9-8",
        "10.1.2",
        "10.1.2.300",
        "10.0.0.0/33",
        "10.0.0.9-10.0.0.1",
        "a/tcp",
        "::1",
        "[fd00::1]:80",
        "-a:1",
        "a:80/sctp",
        "a..b:1",
        "1",
    ] {
        assert!(wrong.parse::<Endpoint>().is_err(), "{wrong:?}");
    }
}

fn any_block() -> impl Strategy<Value = Block> {
    // Near each other, so that they overlap and touch; and at the ends of all addresses.
    let near = prop_oneof![0..40_u32, (u32::MAX - 40)..=u32::MAX, any::<u32>()];
    (near, 0..30_u32).prop_map(|(first, more)| {
        let last = first.saturating_add(more);
        Block::range(first.into(), last.into()).unwrap()
    })
}

fn any_address() -> impl Strategy<Value = Ipv4Addr> {
    prop_oneof![0..80_u32, (u32::MAX - 80)..=u32::MAX, any::<u32>()].prop_map(Ipv4Addr::from)
}

proptest! {
    #[test]
    fn without_leaves_exactly_the_rest(
        whole in any_block(),
        others in prop::collection::vec(any_block(), 0..6),
        address in any_address(),
    ) {
        let left = whole.without(&others);
        let wanted = whole.contains(address) && !others.iter().any(|one| one.contains(address));
        prop_assert_eq!(left.iter().filter(|one| one.contains(address)).count(), usize::from(wanted));
    }

    #[test]
    fn all_without_some_is_all_else(
        others in prop::collection::vec(any_block(), 0..6), address in any_address(),
    ) {
        let left = Block::ALL.without(&others);
        let wanted = !others.iter().any(|one| one.contains(address));
        prop_assert_eq!(left.iter().filter(|one| one.contains(address)).count(), usize::from(wanted));
    }

    #[test]
    fn subnets_cover_a_range_and_are_subnets(range in any_block(), address in any_address()) {
        let subnets = range.subnets();
        let found = subnets.iter().filter(|one| one.contains(address)).count();
        prop_assert_eq!(found, usize::from(range.contains(address)));
        for one in &subnets {
            prop_assert!(!one.to_string().contains('-'), "{}", one);
        }
    }

    #[test]
    fn a_block_reads_back(range in any_block()) {
        prop_assert_eq!(range.to_string().parse::<Block>().unwrap(), range);
    }

    #[test]
    fn no_text_breaks_the_readers(text in "[0-9a-z./:-]{0,24}") {
        if let Ok(endpoint) = text.parse::<Endpoint>() {
            prop_assert_eq!(endpoint.to_string().parse::<Endpoint>().unwrap(), endpoint);
        }
        if let Ok(block) = text.parse::<Block>() {
            prop_assert_eq!(block.to_string().parse::<Block>().unwrap(), block);
        }
    }

    #[test]
    fn no_rule_opens_more_than_was_asked_for(
        addresses in prop::collection::vec(any_block(), 0..4), probe in any_address(),
    ) {
        let endpoint: Endpoint = "some.lan:80".parse().unwrap();
        let rules = rules(&[Resolved { endpoint, addresses: addresses.clone() }], &[], &[]);
        let opened = rules.iter().flat_map(|rule| &rule.destination).any(|one| one.contains(probe));
        let asked = addresses.iter().any(|one| one.contains(probe));
        let is_public = public(&[]).iter().any(|one| one.contains(probe));
        prop_assert_eq!(opened, asked && !is_public);
    }
}
