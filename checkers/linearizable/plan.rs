//! What a search needs to know about time, worked out once: layers, slots, crashed classes.

use super::{Model, NEVER, Problem};

/// One return, in rank order. A configuration at layer `i` has consumed every event before it.
#[derive(Clone, Debug)]
pub(super) struct Layer {
    /// The operation that returns.
    pub(super) entry: u32,
    /// Its slot.
    pub(super) slot: u32,
    /// Rank of the return.
    pub(super) rank: u32,
    /// Range of [`Plan::pending`].
    pending: (u32, u32),
    /// Range of [`Plan::fresh`].
    fresh: (u32, u32),
}

/// A completed operation that is pending at some layer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pending {
    pub(super) entry: u32,
    pub(super) class: u32,
    pub(super) slot: u32,
}

/// Crashed operations with the same question: interchangeable, so a configuration counts them.
#[derive(Clone, Debug)]
pub(super) struct Crashed {
    pub(super) class: u32,
    /// Entries by invocation; the k-th use stands for the k-th of them.
    pub(super) entries: Vec<u32>,
    calls: Vec<u32>,
}

/// The layers of one partition.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) layers: Vec<Layer>,
    pub(super) crashed: Vec<Crashed>,
    /// Most completed operations pending at once.
    pub(super) slots: usize,
    pending: Vec<Pending>,
    fresh: Vec<Pending>,
}

impl Plan {
    /// O(returns * concurrency).
    pub(super) fn new<M: Model>(model: &M, problem: &Problem<M::Op>) -> Plan {
        let pure: Vec<bool> = problem.ops.iter().map(|op| model.is_pure(op)).collect();
        let mut plan = Plan {
            layers: Vec::new(),
            crashed: crashed(problem),
            slots: 0,
            pending: Vec::new(),
            fresh: Vec::new(),
        };
        let mut free: Vec<u32> = Vec::new();
        let mut open: Vec<Pending> = Vec::new();
        let mut fresh_from = 0;
        for (rank, entry, is_return) in events(problem) {
            let class = problem.entries[entry as usize].class;
            if !is_return {
                let slot = free.pop().unwrap_or_else(|| {
                    plan.slots += 1;
                    plan.slots as u32 - 1
                });
                let pending = Pending { entry, class, slot };
                open.push(pending);
                if pure[class as usize] {
                    plan.fresh.push(pending);
                }
                continue;
            }
            // Earliest return first: the operation that returns here leads its own list.
            open.sort_by_key(|pending| problem.entries[pending.entry as usize].ret);
            let from = plan.pending.len() as u32;
            plan.pending.extend_from_slice(&open);
            let returned = open.remove(0);
            assert_eq!(returned.entry, entry, "the earliest pending return is this one");
            plan.layers.push(Layer {
                entry,
                slot: returned.slot,
                rank,
                pending: (from, plan.pending.len() as u32),
                fresh: (fresh_from, plan.fresh.len() as u32),
            });
            fresh_from = plan.fresh.len() as u32;
            free.push(returned.slot);
        }
        plan
    }

    /// Completed operations pending when `layer`'s return comes, earliest return first.
    pub(super) fn pending(&self, layer: u32) -> &[Pending] {
        let (from, to) = self.layers[layer as usize].pending;
        &self.pending[from as usize..to as usize]
    }

    /// Pure operations invoked since the return before `layer`'s.
    pub(super) fn fresh(&self, layer: u32) -> &[Pending] {
        let (from, to) = self.layers[layer as usize].fresh;
        &self.fresh[from as usize..to as usize]
    }

    /// How many members of a crashed class were invoked before `layer`'s return.
    pub(super) fn available(&self, crashed: usize, layer: u32) -> u32 {
        let rank = self.layers[layer as usize].rank;
        self.crashed[crashed].calls.partition_point(|call| *call < rank) as u32
    }

    pub(super) fn bytes(&self) -> u64 {
        let pending = (self.pending.len() + self.fresh.len()) * size_of::<Pending>();
        (pending + self.layers.len() * size_of::<Layer>()) as u64
    }
}

/// Calls and returns of completed entries, by rank: (rank, entry, whether it is the return).
fn events<O>(problem: &Problem<O>) -> Vec<(u32, u32, bool)> {
    let mut events = Vec::with_capacity(2 * problem.entries.len());
    for (at, entry) in problem.entries.iter().enumerate() {
        if entry.ret != NEVER {
            events.push((entry.call, at as u32, false));
            events.push((entry.ret, at as u32, true));
        }
    }
    events.sort_unstable();
    events
}

fn crashed<O>(problem: &Problem<O>) -> Vec<Crashed> {
    let mut crashed: Vec<Crashed> = Vec::new();
    let mut position = vec![usize::MAX; problem.ops.len()];
    for (at, entry) in problem.entries.iter().enumerate() {
        if entry.ret != NEVER {
            continue;
        }
        let class = &mut position[entry.class as usize];
        if *class == usize::MAX {
            *class = crashed.len();
            crashed.push(Crashed { class: entry.class, entries: Vec::new(), calls: Vec::new() });
        }
        crashed[*class].entries.push(at as u32);
        crashed[*class].calls.push(entry.call);
    }
    crashed
}
