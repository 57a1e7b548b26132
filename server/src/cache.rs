//! A bounded map of what was loaded. What is loaded while it is cleared is not kept.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};

#[derive(Debug)]
pub struct Cache<K, V> {
    entries: RwLock<HashMap<K, V>>,
    generation: AtomicU64,
    capacity: usize,
}

impl<K: Hash + Eq, V: Clone> Cache<K, V> {
    pub fn new(capacity: usize) -> Self {
        Self {
            entries: RwLock::default(),
            generation: AtomicU64::new(0),
            capacity,
        }
    }

    pub fn get(&self, key: &K) -> Option<V> {
        self.entries
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(key)
            .cloned()
    }

    /// To be read before a load, and given back with what was loaded.
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    pub fn insert(&self, generation: u64, key: K, value: V) {
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        if generation != self.generation() {
            return;
        }
        if entries.len() >= self.capacity {
            entries.clear();
        }
        entries.insert(key, value);
    }

    pub fn clear(&self) {
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        self.generation.fetch_add(1, Ordering::AcqRel);
        entries.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::Cache;

    #[test]
    fn keeps_nothing_that_was_loaded_before_a_clear() {
        let cache = Cache::new(10);
        let before = cache.generation();
        cache.clear();
        cache.insert(before, "key", 1);
        assert_eq!(cache.get(&"key"), None);
        cache.insert(cache.generation(), "key", 2);
        assert_eq!(cache.get(&"key"), Some(2));
    }

    #[test]
    fn stays_within_its_capacity() {
        let cache = Cache::new(10);
        for key in 0..100 {
            cache.insert(0, key, key);
        }
        assert!((0..100).filter(|key| cache.get(key).is_some()).count() <= 10);
        assert_eq!(cache.get(&99), Some(99));
    }
}
