//! A sorted map as a treap (Seidel & Aragon 1996) whose priorities are the keys' hashes: its shape
//! depends on its keys alone, so that equal maps are compared by walking where they differ.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use super::sequence::digest;

type Link<K, V> = Option<Arc<Node<K, V>>>;

/// A sorted map. Reading and changing take O(log n), cloning O(1).
pub(crate) struct Map<K, V> {
    root: Link<K, V>,
}

struct Node<K, V> {
    key: K,
    value: V,
    priority: u64,
    /// Sum over the subtree of what its pairs hash to.
    digest: u64,
    len: u32,
    left: Link<K, V>,
    right: Link<K, V>,
}

impl<K: Ord + Clone + Hash, V: Clone + Hash> Map<K, V> {
    /// Bytes that one change adds beside what is shared.
    pub(crate) fn change_bytes(&self) -> u64 {
        let depth = 2 * u64::from(u32::BITS - (self.len() as u32).leading_zeros());
        depth.max(1) * Self::NODE_BYTES
    }

    /// Bytes of everything in it.
    pub(crate) fn all_bytes(&self) -> u64 {
        self.len() as u64 * Self::NODE_BYTES
    }

    /// A node, and what counts who holds it.
    const NODE_BYTES: u64 = size_of::<Node<K, V>>() as u64 + 16;

    pub(crate) fn len(&self) -> usize {
        self.root.as_ref().map_or(0, |root| root.len as usize)
    }

    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        let mut link = &self.root;
        while let Some(node) = link {
            link = match key.cmp(&node.key) {
                Ordering::Less => &node.left,
                Ordering::Greater => &node.right,
                Ordering::Equal => return Some(&node.value),
            };
        }
        None
    }

    /// This map with `key` at `value`.
    pub(crate) fn with(&self, key: K, value: V) -> Map<K, V> {
        let without = self.without(&key);
        let (left, right) = split(&without.root, &key);
        let priority = digest(&key);
        let alone = node(key, value, priority, None, None);
        Map { root: merge(&merge(&left, &Some(alone)), &right) }
    }

    /// This map without `key`.
    pub(crate) fn without(&self, key: &K) -> Map<K, V> {
        if self.get(key).is_none() {
            return self.clone();
        }
        Map { root: removed(&self.root, key) }
    }

    pub(crate) fn first(&self) -> Option<(&K, &V)> {
        self.end(|node| &node.left)
    }

    pub(crate) fn last(&self) -> Option<(&K, &V)> {
        self.end(|node| &node.right)
    }

    fn end(&self, towards: impl Fn(&Node<K, V>) -> &Link<K, V>) -> Option<(&K, &V)> {
        let mut node = self.root.as_deref()?;
        while let Some(next) = towards(node) {
            node = next;
        }
        Some((&node.key, &node.value))
    }
}

impl<K, V> Map<K, V> {
    /// In order of the keys.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        let mut path: Vec<&Node<K, V>> = Vec::new();
        let mut link = &self.root;
        std::iter::from_fn(move || {
            while let Some(node) = link {
                path.push(node);
                link = &node.left;
            }
            let node = path.pop()?;
            link = &node.right;
            Some((&node.key, &node.value))
        })
    }
}

fn node<K: Hash, V: Hash>(
    key: K,
    value: V,
    priority: u64,
    left: Link<K, V>,
    right: Link<K, V>,
) -> Arc<Node<K, V>> {
    let below = |link: &Link<K, V>| link.as_ref().map_or((0, 0), |node| (node.digest, node.len));
    let (one, other) = (below(&left), below(&right));
    let digest = digest(&(&key, &value)).wrapping_add(one.0).wrapping_add(other.0);
    Arc::new(Node { key, value, priority, digest, len: 1 + one.1 + other.1, left, right })
}

fn with_links<K: Clone + Hash, V: Clone + Hash>(
    old: &Node<K, V>,
    left: Link<K, V>,
    right: Link<K, V>,
) -> Link<K, V> {
    Some(node(old.key.clone(), old.value.clone(), old.priority, left, right))
}

fn split<K: Ord + Clone + Hash, V: Clone + Hash>(
    link: &Link<K, V>,
    key: &K,
) -> (Link<K, V>, Link<K, V>) {
    let Some(node) = link else { return (None, None) };
    if *key < node.key {
        let (left, right) = split(&node.left, key);
        (left, with_links(node, right, node.right.clone()))
    } else {
        let (left, right) = split(&node.right, key);
        (with_links(node, node.left.clone(), left), right)
    }
}

/// Every key of `left` is below every key of `right`.
fn merge<K: Ord + Clone + Hash, V: Clone + Hash>(
    left: &Link<K, V>,
    right: &Link<K, V>,
) -> Link<K, V> {
    match (left, right) {
        (None, _) => right.clone(),
        (_, None) => left.clone(),
        (Some(one), Some(other)) => {
            // Equal hashes: the smaller key stands above, whoever came first.
            if one.priority >= other.priority {
                with_links(one, one.left.clone(), merge(&one.right, right))
            } else {
                with_links(other, merge(left, &other.left), other.right.clone())
            }
        }
    }
}

fn removed<K: Ord + Clone + Hash, V: Clone + Hash>(link: &Link<K, V>, key: &K) -> Link<K, V> {
    let node = link.as_ref()?;
    match key.cmp(&node.key) {
        Ordering::Less => with_links(node, removed(&node.left, key), node.right.clone()),
        Ordering::Greater => with_links(node, node.left.clone(), removed(&node.right, key)),
        Ordering::Equal => merge(&node.left, &node.right),
    }
}

fn equal<K: Eq, V: Eq>(one: &Link<K, V>, other: &Link<K, V>) -> bool {
    match (one, other) {
        (None, None) => true,
        (Some(one), Some(other)) => {
            Arc::ptr_eq(one, other)
                || (one.digest == other.digest
                    && one.len == other.len
                    && one.key == other.key
                    && one.value == other.value
                    && equal(&one.left, &other.left)
                    && equal(&one.right, &other.right))
        }
        (Some(_), None) | (None, Some(_)) => false,
    }
}

impl<K, V> Default for Map<K, V> {
    fn default() -> Map<K, V> {
        Map { root: None }
    }
}

impl<K, V> Clone for Map<K, V> {
    fn clone(&self) -> Map<K, V> {
        Map { root: self.root.clone() }
    }
}

impl<K: Eq, V: Eq> PartialEq for Map<K, V> {
    fn eq(&self, other: &Map<K, V>) -> bool {
        equal(&self.root, &other.root)
    }
}

impl<K: Eq, V: Eq> Eq for Map<K, V> {}

impl<K, V> Hash for Map<K, V> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.root.as_ref().map_or(0, |root| root.digest).hash(state);
    }
}

impl<K: fmt::Debug, V: fmt::Debug> fmt::Debug for Map<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::Map;

    proptest! {
        #[test]
        fn it_is_a_map_whose_shape_depends_on_its_contents(
            steps in prop::collection::vec((0u8..24, 0u8..3, any::<bool>()), 0..80),
        ) {
            let (mut map, mut model) = (Map::default(), BTreeMap::new());
            for (key, value, add) in steps {
                if add {
                    map = map.with(key, value);
                    model.insert(key, value);
                } else {
                    map = map.without(&key);
                    model.remove(&key);
                }
                prop_assert!(map.iter().eq(model.iter()));
                prop_assert_eq!(map.len(), model.len());
                prop_assert_eq!(map.first(), model.first_key_value());
                prop_assert_eq!(map.last(), model.last_key_value());
                prop_assert_eq!(map.get(&key), model.get(&key));
            }
            let mut rebuilt = Map::default();
            for (key, value) in model.iter().rev() {
                rebuilt = rebuilt.with(*key, *value);
            }
            prop_assert!(map == rebuilt);
            prop_assert_eq!(super::digest(&map), super::digest(&rebuilt));
            prop_assert!(map != rebuilt.with(99, 0));
        }
    }
}
