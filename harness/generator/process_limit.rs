//! `process_limit`: no more than so many clients.

use std::collections::BTreeSet;

use tribunal_history::Process;

use super::wrap::plain;
use super::{Context, Gen, Generator, Next, Observation, SlotSet};
use crate::seed::Stream;

#[derive(Clone)]
struct ProcessLimit {
    limit: usize,
    seen: BTreeSet<Process>,
    /// The context counted last: most contexts are equal to it.
    usable: SlotSet,
    processes: Vec<Process>,
    done: bool,
    child: Gen,
}

/// Ends before the union of the processes ever offered to `child` exceeds `n`: all at once, with
/// no trickle of the processes that are left.
pub fn process_limit(n: usize, child: Gen) -> Gen {
    Box::new(ProcessLimit {
        limit: n,
        seen: BTreeSet::new(),
        usable: SlotSet::default(),
        processes: Vec::new(),
        done: false,
        child,
    })
}

impl ProcessLimit {
    fn count(&mut self, cx: &Context<'_>) {
        if self.processes == cx.processes && self.usable == *cx.usable {
            return;
        }
        self.seen.extend(cx.usable.iter().map(|slot| cx.processes[slot as usize]));
        self.processes = cx.processes.to_vec();
        self.usable = cx.usable.clone();
        self.done |= self.seen.len() > self.limit;
    }
}

impl Generator for ProcessLimit {
    fn bind(&mut self, stream: &Stream) {
        self.child.bind(&stream.child("process_limit"));
    }

    fn next(&mut self, cx: &Context<'_>) -> Next {
        self.count(cx);
        if self.done { Next::Done } else { self.child.next(cx) }
    }

    fn commit(&mut self) {
        self.child.commit();
    }

    fn observe(&mut self, cx: &Context<'_>, event: &Observation<'_>) {
        self.child.observe(cx, event);
    }

    plain!("process_limit", child);
}
