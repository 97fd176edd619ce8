//! The few things that were used last.

/// At most so many values by key; the one that was used longest ago makes room. Small enough to be searched from end to end.
pub(super) struct Recent<K, V> {
    most: usize,
    /// The one that was used last is the last.
    entries: Vec<(K, V)>,
}

impl<K: PartialEq, V> Recent<K, V> {
    pub(super) fn new(most: usize) -> Self {
        Self { most, entries: Vec::new() }
    }

    pub(super) fn get(&mut self, key: &K) -> Option<&V> {
        let at = self.entries.iter().position(|(known, _)| known == key)?;
        let entry = self.entries.remove(at);
        self.entries.push(entry);
        self.entries.last().map(|(_, value)| value)
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &V> {
        self.entries.iter().map(|(_, value)| value)
    }

    pub(super) fn put(&mut self, key: K, value: V) {
        self.remove(&key);
        if self.entries.len() >= self.most {
            self.entries.remove(0);
        }
        self.entries.push((key, value));
    }

    pub(super) fn remove(&mut self, key: &K) {
        self.entries.retain(|(known, _)| known != key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_one_used_longest_ago_makes_room() {
        let mut recent = Recent::new(2);
        recent.put("a", 1);
        recent.put("b", 2);
        assert_eq!(recent.get(&"a"), Some(&1));
        recent.put("c", 3);
        let mut found = |key: &'static str| recent.get(&key).copied();
        assert_eq!((found("a"), found("b"), found("c")), (Some(1), None, Some(3)));
        recent.put("c", 4);
        recent.remove(&"a");
        let mut found = |key: &'static str| recent.get(&key).copied();
        assert_eq!((found("a"), found("c")), (None, Some(4)));
    }
}
