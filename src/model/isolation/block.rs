//! Ranges of IPv4 addresses.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

use serde::{Serialize, Serializer};

/// A range of IPv4 addresses, never empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Block {
    first: u32,
    last: u32,
}

/// What is no range of addresses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "\"{0}\" is no IPv4 address, subnet or range: write \"10.1.2.3\", \"10.5.0.0/16\", \
     \"10.1.0.1-10.1.0.9\""
)]
pub struct BlockError(pub String);

impl Block {
    /// All addresses.
    pub const ALL: Self = Self { first: 0, last: u32::MAX };

    /// The range from one address to another, both included; `None` if it would be empty.
    pub fn range(first: Ipv4Addr, last: Ipv4Addr) -> Option<Self> {
        let (first, last) = (u32::from(first), u32::from(last));
        (first <= last).then_some(Self { first, last })
    }

    /// The subnet that an address is in; `None` if there is no prefix of that length.
    pub fn subnet(address: Ipv4Addr, length: u8) -> Option<Self> {
        let host = u32::MAX.checked_shr(u32::from(length)).unwrap_or(0);
        let first = u32::from(address) & !host;
        (length <= 32).then_some(Self { first, last: first | host })
    }

    /// Whether an address is in it.
    pub fn contains(self, address: Ipv4Addr) -> bool {
        (self.first..=self.last).contains(&u32::from(address))
    }

    /// What is left of it without others, as subnets in order.
    pub fn without(self, others: &[Self]) -> Vec<Self> {
        let mut others = others.to_vec();
        others.sort_unstable();
        let mut left = Vec::new();
        // The first address that is not decided yet; none once all are.
        let mut next = Some(self.first);
        for other in others {
            let Some(first) = next.filter(|first| *first <= self.last) else { break };
            if other.last < first || other.first > self.last {
                continue;
            }
            if let Some(last) = other.first.checked_sub(1).filter(|last| *last >= first) {
                left.push(Self { first, last });
            }
            next = other.last.checked_add(1);
        }
        if let Some(first) = next.filter(|first| *first <= self.last) {
            left.push(Self { first, last: self.last });
        }
        left.into_iter().flat_map(Self::subnets).collect()
    }

    /// The same addresses as subnets, in order: every firewall knows those.
    pub fn subnets(self) -> Vec<Self> {
        let mut subnets = Vec::new();
        let mut next = Some(self.first);
        while let Some(first) = next.filter(|first| *first <= self.last) {
            // As large as its first address is even, and no larger than what is left.
            let by_place = if first == 0 { 32 } else { first.trailing_zeros() };
            let left = u64::from(self.last - first) + 1;
            let host = by_place.min(left.ilog2());
            let size = u32::MAX.checked_shr(32 - host).unwrap_or(0);
            let last = first | size;
            subnets.push(Self { first, last });
            next = last.checked_add(1);
        }
        subnets
    }
}

impl From<Ipv4Addr> for Block {
    fn from(address: Ipv4Addr) -> Self {
        Self { first: address.into(), last: address.into() }
    }
}

impl fmt::Display for Block {
    /// As LXD takes it: an address, a subnet, or a range.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, last) = (Ipv4Addr::from(self.first), Ipv4Addr::from(self.last));
        if first == last {
            return write!(f, "{first}");
        }
        let length = (self.first ^ self.last).leading_zeros();
        match u8::try_from(length).ok().and_then(|length| Self::subnet(first, length)) {
            Some(subnet) if subnet == *self => write!(f, "{first}/{length}"),
            Some(_) | None => write!(f, "{first}-{last}"),
        }
    }
}

impl FromStr for Block {
    type Err = BlockError;

    fn from_str(text: &str) -> Result<Self, BlockError> {
        let address = |text: &str| text.parse::<Ipv4Addr>().ok();
        let parsed = if let Some((net, length)) = text.split_once('/') {
            let digits = length.bytes().all(|byte| byte.is_ascii_digit());
            let length = length.parse().ok().filter(|_| digits);
            length.and_then(|length| Self::subnet(address(net)?, length))
        } else if let Some((first, last)) = text.split_once('-') {
            address(first).zip(address(last)).and_then(|(first, last)| Self::range(first, last))
        } else {
            address(text).map(Self::from)
        };
        parsed.ok_or_else(|| BlockError(text.to_owned()))
    }
}

impl Serialize for Block {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
