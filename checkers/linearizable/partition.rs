//! Linearizability is local (Herlihy & Wing 1990, theorem 1): a history is linearizable iff its
//! restriction to each object is. Operations that touch several keys join them to one object.

use tribunal_history::{Code, History, OpIndex, Value};

use super::FromHistory;
use super::codes::{NONE, Numbers, Span};

/// Operations that share state, directly or through others.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Component {
    /// Its smallest key.
    pub(super) key: Value,
    /// In the order recorded.
    pub(super) operations: Vec<OpIndex>,
}

/// The components of `history`, by key. O(n), without hashing where codes of keys are dense; 4
/// bytes per operation, and what numbers the keys.
pub(super) fn components<M: FromHistory>(model: &M, history: &History) -> Vec<Component> {
    only_key(model, history).unwrap_or_else(|| by_key(model, history))
}

/// The one component of a history with one key.
fn only_key<M: FromHistory>(model: &M, history: &History) -> Option<Vec<Component>> {
    let mut operations = Vec::new();
    let mut keys: Vec<Code> = Vec::new();
    let mut only = None;
    for operation in history.operations() {
        keys.clear();
        model.keys(&operation, &mut keys);
        match (keys.as_slice(), only) {
            ([], _) => continue,
            ([key], Some(only)) if *key == only => {}
            ([key], None) => {
                only = Some(*key);
                operations.reserve_exact(history.len());
            }
            _ => return None,
        }
        operations.push(operation.index());
    }
    let key = history.value(only?);
    Some(vec![Component { key, operations }])
}

fn by_key<M: FromHistory>(model: &M, history: &History) -> Vec<Component> {
    let mut span = Span::new();
    each(model, history, |_, keys| keys.iter().for_each(|key| span.add(*key)));
    let mut sets = UnionFind::new(span, history.len());
    each(model, history, |_, keys| sets.take(keys));
    let (of, names) = sets.components(history);
    let mut components: Vec<Component> = names
        .into_iter()
        .map(|(key, size)| Component { key, operations: Vec::with_capacity(size) })
        .collect();
    each(model, history, |index, keys| {
        components[of[sets.numbers.get(keys[0]) as usize]].operations.push(index);
    });
    components
}

/// Every operation that has keys, with them.
fn each<M: FromHistory>(model: &M, history: &History, mut look: impl FnMut(OpIndex, &[Code])) {
    let mut keys = Vec::new();
    for operation in history.operations() {
        keys.clear();
        model.keys(&operation, &mut keys);
        if !keys.is_empty() {
            look(operation.index(), &keys);
        }
    }
}

struct UnionFind {
    numbers: Numbers,
    nodes: Vec<Node>,
}

#[derive(Clone, Copy)]
struct Node {
    code: Code,
    parent: usize,
    operations: usize,
}

impl UnionFind {
    fn new(span: Span, operations: usize) -> UnionFind {
        let numbers = Numbers::new(span, operations);
        UnionFind { numbers, nodes: Vec::new() }
    }

    /// Joins `keys`, and counts one operation.
    fn take(&mut self, keys: &[Code]) {
        let first = self.node(keys[0]);
        self.nodes[first].operations += 1;
        for key in &keys[1..] {
            let other = self.node(*key);
            let (one, other) = (self.root(first), self.root(other));
            self.nodes[one].parent = other;
        }
    }

    fn node(&mut self, code: Code) -> usize {
        let node = self.numbers.number(code) as usize;
        if node == self.nodes.len() {
            self.nodes.push(Node { code, parent: node, operations: 0 });
        }
        node
    }

    fn root(&mut self, mut node: usize) -> usize {
        while self.nodes[node].parent != node {
            self.nodes[node].parent = self.nodes[self.nodes[node].parent].parent;
            node = self.nodes[node].parent;
        }
        node
    }

    /// The component of each node, and the smallest key and size of each component, by key.
    fn components(&mut self, history: &History) -> (Vec<usize>, Vec<(Value, usize)>) {
        let mut named: Vec<(Value, usize, usize)> = Vec::new();
        let mut of = vec![NONE as usize; self.nodes.len()];
        for node in 0..self.nodes.len() {
            let root = self.root(node);
            let Node { code, operations, .. } = self.nodes[node];
            let value = history.value(code);
            if of[root] == NONE as usize {
                of[root] = named.len();
                named.push((value, operations, root));
            } else {
                let known = &mut named[of[root]];
                known.1 += operations;
                if value < known.0 {
                    known.0 = value;
                }
            }
        }
        named.sort();
        for (at, (_, _, root)) in named.iter().enumerate() {
            of[*root] = at;
        }
        for node in 0..self.nodes.len() {
            of[node] = of[self.root(node)];
        }
        (of, named.into_iter().map(|(key, size, _)| (key, size)).collect())
    }
}
