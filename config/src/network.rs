//! Networks in CIDR notation.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use thiserror::Error;

/// A network: an address and the number of its bits that count. A bare address is a network of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

/// What is wrong with the text of a [`Network`].
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum NetworkError {
    /// The part before the slash.
    #[error("an IPv4 or IPv6 address is expected, with or without `/PREFIX`")]
    Address,
    /// The part behind the slash.
    #[error("the prefix must be a number from 0 to {0}")]
    Prefix(u8),
    /// The part behind the slash of `::ffff:10.0.0.0/8`.
    #[error("of an IPv4 address written as `::ffff:A.B.C.D`, the prefix is from 96 to 128")]
    Mapped,
    /// `10.0.0.1/8`: probably a slip in one of the two.
    #[error("bits are set behind the prefix; the network is {0}")]
    HostBits(Network),
}

impl Network {
    /// Whether an address lies within. An IPv4 address mapped into IPv6 counts as the IPv4 address it is.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                mask_v4(network, self.prefix) == mask_v4(address, self.prefix)
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                mask_v6(network, self.prefix) == mask_v6(address, self.prefix)
            }
            _ => false,
        }
    }

    /// The network that an address belongs to.
    fn around(address: IpAddr, prefix: u8) -> Self {
        let address = match address {
            IpAddr::V4(address) => IpAddr::V4(mask_v4(address, prefix)),
            IpAddr::V6(address) => IpAddr::V6(mask_v6(address, prefix)),
        };
        Self { address, prefix }
    }
}

fn mask_v4(address: Ipv4Addr, prefix: u8) -> Ipv4Addr {
    // A shift by all bits overflows: a prefix of 0 leaves none.
    address & Ipv4Addr::from_bits(u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0))
}

fn mask_v6(address: Ipv6Addr, prefix: u8) -> Ipv6Addr {
    address & Ipv6Addr::from_bits(u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0))
}

fn bits(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let (address, prefix) =
            text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
        let address: IpAddr = address.parse().map_err(|_| NetworkError::Address)?;
        // An IPv4 address mapped into IPv6 has 96 bits more, and only a prefix behind them means IPv4.
        if let (IpAddr::V6(_), IpAddr::V4(mapped)) = (address, address.to_canonical()) {
            let prefix = prefix.map_or(Some(128), |prefix| prefix.parse::<u8>().ok());
            let prefix = prefix.filter(|prefix| (96..=128).contains(prefix)).ok_or(NetworkError::Mapped)?;
            return format!("{mapped}/{}", prefix - 96).parse();
        }
        let longest = bits(address);
        let prefix = match prefix {
            None => longest,
            Some(prefix) => {
                let prefix = prefix.parse().ok().filter(|prefix| *prefix <= longest);
                prefix.ok_or(NetworkError::Prefix(longest))?
            }
        };
        let network = Self::around(address, prefix);
        if network.address != address {
            return Err(NetworkError::HostBits(network));
        }
        Ok(network)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.address)?;
        if self.prefix == bits(self.address) { Ok(()) } else { write!(f, "/{}", self.prefix) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn within(network: &str, address: &str) -> bool {
        network.parse::<Network>().unwrap().contains(address.parse().unwrap())
    }

    #[test]
    fn a_network_contains_its_addresses() {
        assert!(within("10.0.0.0/8", "10.255.0.1") && !within("10.0.0.0/8", "11.0.0.0"));
        assert!(within("0.0.0.0/0", "255.1.2.3") && !within("0.0.0.0/0", "::1"));
        assert!(within("127.0.0.1", "127.0.0.1") && !within("127.0.0.1", "127.0.0.2"));
        assert!(within("fd00::/9", "fd7f::1") && !within("fd00::/9", "fd80::1"));
        assert!(within("::/0", "fe80::1"));
        assert!(within("192.168.0.0/25", "192.168.0.127") && !within("192.168.0.0/25", "192.168.0.128"));
    }

    #[test]
    fn a_mapped_address_is_the_address_it_maps() {
        assert!(within("10.0.0.0/8", "::ffff:10.1.2.3"));
        assert!(within("::ffff:10.0.0.0/104", "10.1.2.3") && !within("::ffff:10.0.0.0/104", "11.0.0.0"));
        assert!(within("::ffff:10.0.0.1", "10.0.0.1") && !within("::ffff:10.0.0.1", "10.0.0.2"));
        assert_eq!("::ffff:10.0.0.0/8".parse::<Network>().unwrap_err(), NetworkError::Mapped);
    }

    #[test]
    fn wrong_texts_say_what_is_wrong() {
        let error = |text: &str| text.parse::<Network>().unwrap_err();
        assert_eq!(error("localhost"), NetworkError::Address);
        assert_eq!(error("10.0.0.0/33"), NetworkError::Prefix(32));
        assert_eq!(error("::/129"), NetworkError::Prefix(128));
        assert_eq!(error("::/-1"), NetworkError::Prefix(128));
        assert_eq!(
            error("10.0.0.1/8").to_string(),
            "bits are set behind the prefix; the network is 10.0.0.0/8"
        );
    }
}
