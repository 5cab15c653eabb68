//! The plainest search: Wing & Gong's list with a bit per operation of the history, no purity, no
//! classes, no dominance. It shares no code with the search whose refutations it re-decides.

use std::hash::{Hash, Hasher};

use fixedbitset::FixedBitSet;
use rustc_hash::{FxHashSet, FxHasher};

use super::aside::aside;
use super::{Entry, Model, NEVER, Steps};
use crate::Spent;

/// Steps between two looks at the caller's flag, and words that these copied and compared: a step
/// of a long transaction takes as long as that is.
const POLL: u64 = 1 << 10;
const POLL_WORDS: u64 = 1 << 16;
/// Configurations that are freed before anybody waits for them.
const FEW: usize = 1 << 10;

/// A configuration that was seen. What it hashes to is kept: a table of gigabytes that grows would
/// have to read them all.
struct Seen<S> {
    hash: u64,
    linearized: FixedBitSet,
    state: S,
}

impl<S: Hash> Seen<S> {
    fn new(linearized: &FixedBitSet, state: S) -> Seen<S> {
        let mut hasher = FxHasher::default();
        linearized.hash(&mut hasher);
        state.hash(&mut hasher);
        Seen { hash: hasher.finish(), linearized: linearized.clone(), state }
    }
}

impl<S> Hash for Seen<S> {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        hasher.write_u64(self.hash);
    }
}

impl<S: PartialEq> PartialEq for Seen<S> {
    fn eq(&self, other: &Seen<S>) -> bool {
        self.hash == other.hash && self.linearized == other.linearized && self.state == other.state
    }
}

impl<S: Eq> Eq for Seen<S> {}

/// What a search holds: configurations, and the way to the one it is at, with how each was left.
struct Held<S> {
    seen: FxHashSet<Seen<S>>,
    stack: Vec<(usize, usize, S)>,
}

/// Whether some order of `entries` is legal, of which `ops` says what they are. Nobody waits until
/// what it held is free.
///
/// # Errors
/// [`Spent::Memory`] after `most_bytes` of remembered configurations, [`Spent::Time`] where told to
/// stop.
pub(super) fn is_linearizable<M: Model>(
    model: &M,
    entries: &[Entry],
    ops: &[M::Op],
    most_bytes: u64,
    stop: &dyn Fn() -> bool,
) -> Result<bool, Spent> {
    let mut held = Held { seen: FxHashSet::default(), stack: Vec::new() };
    let found = search(model, (entries, ops), most_bytes, stop, &mut held);
    if held.seen.len() > FEW {
        aside(held);
    }
    found
}

fn search<M: Model>(
    model: &M,
    (entries, ops): (&[Entry], &[M::Op]),
    most_bytes: u64,
    stop: &dyn Fn() -> bool,
    held: &mut Held<M::State>,
) -> Result<bool, Spent> {
    let Held { seen, stack } = held;
    let mut list = List::new(entries);
    let mut linearized = FixedBitSet::with_capacity(entries.len());
    let mut state = model.initial();
    let (mut node, mut branch) = (list.first(), 0);
    let words = (entries.len() / 64) as u64;
    // A configuration in a table that is half full, and on the way to the one it is at.
    let each = 8 * words + 3 * size_of::<Seen<M::State>>() as u64;
    let long: Vec<u64> = ops.iter().map(|op| model.op_heap_bytes(op) / 8).collect();
    let (mut steps, mut work, mut bytes) = (0_u64, 0, 0);
    loop {
        if list.returns == 0 {
            return Ok(true);
        }
        steps += 1;
        if steps.is_multiple_of(POLL) || work > POLL_WORDS {
            work = 0;
            if stop() {
                return Err(Spent::Time);
            }
        }
        let call = node != HEAD && !list.nodes[node].is_return;
        if call {
            let entry = list.nodes[node].entry;
            let class = entries[entry].class as usize;
            let op = &ops[class];
            work += words + long[class];
            let Some(next) = branch_of(model.step(&state, op), branch) else {
                (node, branch) = (list.nodes[node].next, 0);
                continue;
            };
            linearized.insert(entry);
            if seen.insert(Seen::new(&linearized, next.clone())) {
                let made = model.made_bytes(&next, op);
                (bytes, work) = (bytes + each + made, work + made / 8);
                if bytes > most_bytes {
                    return Err(Spent::Memory);
                }
                stack.push((node, branch, std::mem::replace(&mut state, next)));
                list.lift(node);
                (node, branch) = (list.first(), 0);
            } else {
                linearized.set(entry, false);
                branch += 1;
            }
        } else {
            let Some((last, tried, before)) = stack.pop() else { return Ok(false) };
            linearized.set(list.nodes[last].entry, false);
            list.put_back(last);
            state = before;
            (node, branch) = (last, tried + 1);
        }
    }
}

fn branch_of<S>(steps: Steps<S>, branch: usize) -> Option<S> {
    match steps {
        Steps::None => None,
        Steps::One(next) => (branch == 0).then_some(next),
        Steps::Many(all) => all.into_iter().nth(branch),
    }
}

/// Both ends of the list.
const HEAD: usize = 0;

struct Node {
    entry: usize,
    is_return: bool,
    /// The node of the operation's other event; `HEAD` if it has none.
    other: usize,
    before: usize,
    next: usize,
}

/// Events that are not linearized yet, by rank. A crashed operation has no return.
struct List {
    nodes: Vec<Node>,
    returns: usize,
}

impl List {
    fn new(entries: &[Entry]) -> List {
        let mut events = Vec::new();
        for (at, entry) in entries.iter().enumerate() {
            events.push((entry.call, at, false));
            if entry.ret != NEVER {
                events.push((entry.ret, at, true));
            }
        }
        events.sort_unstable();
        let mut call_of = vec![HEAD; entries.len()];
        let mut nodes =
            vec![Node { entry: 0, is_return: false, other: HEAD, before: HEAD, next: HEAD }];
        let mut returns = 0;
        for (_, entry, is_return) in events {
            let at = nodes.len();
            let other = call_of[entry];
            if is_return {
                nodes[other].other = at;
                returns += 1;
            } else {
                call_of[entry] = at;
            }
            nodes.push(Node { entry, is_return, other, before: at - 1, next: HEAD });
            nodes[at - 1].next = at;
        }
        let last = nodes.len() - 1;
        nodes[HEAD].before = last;
        List { nodes, returns }
    }

    fn first(&self) -> usize {
        self.nodes[HEAD].next
    }

    fn lift(&mut self, call: usize) {
        self.unlink(call);
        let ret = self.nodes[call].other;
        if ret != HEAD {
            self.unlink(ret);
            self.returns -= 1;
        }
    }

    fn put_back(&mut self, call: usize) {
        let ret = self.nodes[call].other;
        if ret != HEAD {
            self.relink(ret);
            self.returns += 1;
        }
        self.relink(call);
    }

    fn unlink(&mut self, node: usize) {
        let Node { before, next, .. } = self.nodes[node];
        self.nodes[before].next = next;
        self.nodes[next].before = before;
    }

    fn relink(&mut self, node: usize) {
        let Node { before, next, .. } = self.nodes[node];
        self.nodes[before].next = node;
        self.nodes[next].before = node;
    }
}
