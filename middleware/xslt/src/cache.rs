//! Results that are kept, found by everything that they were made of.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sha2::{Digest as _, Sha256};

use crate::output::Output;

/// What an entry costs beside its bytes: key, order, headers of allocations.
const OVERHEAD: usize = 256;

/// Results of transforms, bounded by their bytes; those that were used longest ago make room. Cheap to clone; clones are one
/// cache, and one cache may serve several layers.
#[derive(Debug, Clone)]
pub struct Cache(Arc<Mutex<Kept>>);

/// What a result was made of, as one number: equal keys have equal results. Nobody can aim at another's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Key([u8; 32]);

impl Key {
    /// Of a sheet with its parameters, and of what the document is known by: no part can pass for another, as each stands
    /// behind its length.
    pub(crate) fn new(fingerprint: u64, params: &[(String, String)], document: &[&[u8]]) -> Self {
        let mut hash = Sha256::new_with_prefix(fingerprint.to_le_bytes());
        let count = params.len() as u64;
        hash.update(count.to_le_bytes());
        let params = params.iter().flat_map(|(name, value)| [name.as_bytes(), value.as_bytes()]);
        for part in params.chain(document.iter().copied()) {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        Self(hash.finalize().into())
    }

    /// A tag of the document for who has none of its own.
    pub(crate) fn tag(&self) -> String {
        let [.., first, second] = self.0.as_chunks::<8>().0 else { return String::new() };
        format!("\"{:016x}{:016x}\"", u64::from_be_bytes(*first), u64::from_be_bytes(*second))
    }
}

#[derive(Debug, Default)]
struct Kept {
    limit: usize,
    bytes: usize,
    /// Counts uses
    clock: u64,
    results: HashMap<Key, (Output, u64)>,
    /// By their last use, the oldest first
    order: BTreeMap<u64, Key>,
}

impl Cache {
    /// Keeps at most so many bytes.
    pub fn new(bytes: usize) -> Self {
        Self(Arc::new(Mutex::new(Kept { limit: bytes, ..Kept::default() })))
    }

    pub(crate) fn get(&self, key: &Key) -> Option<Output> {
        let mut kept = self.lock();
        kept.clock += 1;
        let now = kept.clock;
        let (output, used) = kept.results.get_mut(key)?;
        let (output, before) = (output.clone(), std::mem::replace(used, now));
        kept.order.remove(&before);
        kept.order.insert(now, *key);
        Some(output)
    }

    /// Keeps a result, unless it takes more than an eighth of the room: it would cost all others theirs.
    pub(crate) fn put(&self, key: Key, output: &Output) {
        let mut kept = self.lock();
        let size = size(output);
        if size > kept.limit / 8 {
            return;
        }
        kept.remove(&key);
        while kept.bytes + size > kept.limit
            && let Some(oldest) = kept.order.first_key_value().map(|(_, key)| *key)
        {
            kept.remove(&oldest);
        }
        kept.clock += 1;
        let now = kept.clock;
        kept.order.insert(now, key);
        kept.results.insert(key, (output.clone(), now));
        kept.bytes += size;
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn remove(&mut self, key: &Key) {
        if let Some((output, used)) = self.results.remove(key) {
            self.order.remove(&used);
            self.bytes -= size(&output);
        }
    }
}

fn size(output: &Output) -> usize {
    output.bytes.len() + output.content_type.len() + OVERHEAD
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u64) -> Key {
        Key::new(number, &[], &[])
    }

    fn output(length: usize) -> Output {
        Output { bytes: vec![b'x'; length].into(), content_type: "text/html".into() }
    }

    #[test]
    fn it_stays_within_its_bytes_and_drops_what_was_used_longest_ago() {
        let cache = Cache::new(10_000);
        for number in 0..8 {
            cache.put(key(number), &output(900));
        }
        assert!(cache.get(&key(0)).is_some());
        cache.put(key(8), &output(900));
        assert!(cache.get(&key(0)).is_some() && cache.get(&key(1)).is_none());
        for number in 0..1_000 {
            cache.put(key(number), &output(500));
        }
        let kept = cache.lock();
        assert!(kept.bytes <= 10_000 && kept.results.len() == kept.order.len(), "{kept:?}");
        assert_eq!(kept.bytes, kept.results.values().map(|(output, _)| size(output)).sum::<usize>());
    }

    #[test]
    fn a_result_that_would_empty_it_is_not_kept() {
        let cache = Cache::new(10_000);
        cache.put(key(1), &output(900));
        cache.put(key(2), &output(5_000));
        assert!(cache.get(&key(1)).is_some() && cache.get(&key(2)).is_none());
    }

    #[test]
    fn keys_differ_by_each_of_their_parts() {
        let param = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let keys = [
            Key::new(1, &[], &[b"ab", b"c"]),
            Key::new(1, &[], &[b"a", b"bc"]),
            Key::new(2, &[], &[b"ab", b"c"]),
            Key::new(1, &[param("ab", "c")], &[]),
            Key::new(1, &[param("a", "bc")], &[]),
            Key::new(1, &[param("a", "b"), param("c", "")], &[]),
            Key::new(1, &[param("a", "b")], &[b"c", b""]),
        ];
        let distinct: std::collections::HashSet<_> = keys.iter().collect();
        assert_eq!(distinct.len(), keys.len());
    }
}
