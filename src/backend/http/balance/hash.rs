//! Which endpoint a key belongs to: weighted rendezvous hashing.
//!
//! Every endpoint has a score for a key, and the highest wins (Thaler and Ravishankar, "Using name-based mappings to increase
//! hit rates", 1998). So a key moves only when its own endpoint goes, or when a new one outbids it; no table is kept, and
//! workers, and gateways, with the same list agree. A score of `-weight / ln(u)`, `u` being the hash as a number between 0
//! and 1, gives each its share by weight (Schindelhauer and Schomaker, "Weighted distributed hash tables", 2005; also
//! draft-ietf-bess-weighted-hrw).

/// A hash that never changes, neither with the version of the compiler nor with the machine: 64-bit FNV-1a, whose weak
/// upper bits are then mixed.
pub(super) fn bytes(bytes: &[u8]) -> u64 {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    mix(bytes.iter().fold(OFFSET, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(PRIME)))
}

/// The score of an endpoint for a key.
pub(super) fn score(key: u64, endpoint: u64, weight: u32) -> f64 {
    let hash = mix(key ^ endpoint.rotate_left(32)) >> 11;
    #[expect(clippy::cast_precision_loss, reason = "53 bits are left, which is what a double holds")]
    let unit = (hash as f64 + 0.5) / (1_u64 << 53) as f64;
    -f64::from(weight) / unit.ln()
}

/// The finaliser of SplitMix64 (Steele, Lea and Flood, 2014): every bit of the input changes half of the output's.
pub(super) fn mix(mut word: u64) -> u64 {
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(key: u64, endpoints: &[(u64, u32)]) -> u64 {
        let score = |(endpoint, weight): &(u64, u32)| score(key, *endpoint, *weight);
        endpoints.iter().max_by(|a, b| score(a).total_cmp(&score(b))).unwrap().0
    }

    fn keys() -> impl Iterator<Item = u64> {
        (0..10_000_u32).map(|number| bytes(format!("192.0.2.{number}").as_bytes()))
    }

    fn named(name: &str) -> u64 {
        bytes(name.as_bytes())
    }

    #[test]
    fn the_hash_is_always_the_same() {
        assert_eq!(bytes(b""), 0xf52a_15e9_a9b5_e89b);
        assert_eq!(bytes(b"10.0.0.5:8080"), 0x3856_026c_f745_109f);
    }

    #[test]
    fn keys_are_spread_by_weight() {
        let endpoints = [(named("a"), 1), (named("b"), 2), (named("c"), 1)];
        let mut counts = [0_u32; 3];
        for key in keys() {
            let at = endpoints.iter().position(|(id, _)| *id == owner(key, &endpoints)).unwrap();
            counts[at] += 1;
        }
        for (count, expected) in counts.into_iter().zip([2500, 5000, 2500_u32]) {
            assert!(count.abs_diff(expected) < 200, "{counts:?}");
        }
    }

    #[test]
    fn a_key_moves_only_when_its_endpoint_goes() {
        let all: Vec<_> = ["a", "b", "c", "d"].map(|name| (named(name), 1)).into();
        for key in keys() {
            let (before, after) = (owner(key, &all), owner(key, &all[1..]));
            assert!(before == after || before == all[0].0);
        }
    }
}
