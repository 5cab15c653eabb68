//! Linearizability is local (Herlihy & Wing 1990, theorem 1): a history is linearizable iff its
//! restriction to each object is. Operations that touch several keys join them to one object.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;
use tribunal_history::{Code, History, OpIndex, Value};

use super::FromHistory;

/// Operations that share state, directly or through others.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Component {
    /// Its smallest key.
    pub(super) key: Value,
    /// In the order recorded.
    pub(super) operations: Vec<OpIndex>,
}

/// The components of `history`, by key.
pub(super) fn components<M: FromHistory>(model: &M, history: &History) -> Vec<Component> {
    let mut sets = UnionFind::default();
    let mut keys = Vec::new();
    for operation in history.operations() {
        keys.clear();
        model.keys(&operation, &mut keys);
        for key in &keys {
            sets.join(keys[0], *key);
        }
    }
    let mut names: FxHashMap<usize, Value> = FxHashMap::default();
    for (code, node) in sets.node_of.clone() {
        let value = history.value(code);
        let name = names.entry(sets.root(node)).or_insert_with(|| value.clone());
        if value < *name {
            *name = value;
        }
    }
    let mut components: BTreeMap<Value, Vec<OpIndex>> = BTreeMap::new();
    for operation in history.operations() {
        keys.clear();
        model.keys(&operation, &mut keys);
        let Some(first) = keys.first() else { continue };
        let name = &names[&sets.root_of(*first)];
        match components.get_mut(name) {
            Some(operations) => operations.push(operation.index()),
            None => {
                components.insert(name.clone(), vec![operation.index()]);
            }
        }
    }
    let component = |(key, operations)| Component { key, operations };
    components.into_iter().map(component).collect()
}

#[derive(Default)]
struct UnionFind {
    node_of: FxHashMap<Code, usize>,
    parent: Vec<usize>,
}

impl UnionFind {
    fn root_of(&mut self, key: Code) -> usize {
        let next = self.parent.len();
        let node = *self.node_of.entry(key).or_insert(next);
        if node == next {
            self.parent.push(node);
        }
        self.root(node)
    }

    fn root(&mut self, mut node: usize) -> usize {
        while self.parent[node] != node {
            self.parent[node] = self.parent[self.parent[node]];
            node = self.parent[node];
        }
        node
    }

    fn join(&mut self, one: Code, other: Code) {
        let (one, other) = (self.root_of(one), self.root_of(other));
        self.parent[one] = other;
    }
}
