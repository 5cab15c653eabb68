//! The turn of a run: which offer is adopted when, and what generators are told about it.
//!
//! The simulator and the real dispatcher both drive this; only the clock and the workers differ.
//! One turn is: [`Turns::complete`] for every completion at hand in stamp order, then
//! [`Turns::step`] until it says `Wait`, `Stuck` or `Done`.

use tribunal_history::{ErrorClass, Kind, Nanos, NodeId, Op, Process};

use super::{Gen, Next, Observation, Threads, path};

/// What to do now.
#[derive(Clone, PartialEq, Debug)]
pub enum Step {
    /// Run `op`; its slot is busy from here on, and generators have seen the invocation.
    Invoke {
        /// Where.
        slot: u32,
        /// Who.
        process: Process,
        /// Who is asked.
        node: NodeId,
        /// When it was due: now, or earlier if slots or the dispatcher were late.
        due: Nanos,
        /// What.
        op: Op,
    },
    /// Write a note into the record.
    Note(String),
    /// Mark a phase in the record.
    Mark(String),
    /// Nothing before `until`, or before a completion arrives; `None` is a completion only, or a
    /// value delivered from outside (an armed generator).
    Wait {
        /// When to come back in any case; later than now.
        until: Option<Nanos>,
    },
    /// Nothing is running, nothing is due and nothing can wake the generator.
    Stuck {
        /// Where it waits, see [`path`].
        path: String,
    },
    /// Nothing ever again. Operations may still be running.
    Done,
}

/// A bound generator and the slots it plays on.
pub struct Turns {
    generator: Gen,
    threads: Threads,
    committed: u64,
}

impl Turns {
    /// For a generator that is bound to its stream already.
    pub fn new(generator: Gen, threads: Threads) -> Turns {
        Turns { generator, threads, committed: 0 }
    }

    /// Slots and processes.
    pub fn threads(&self) -> &Threads {
        &self.threads
    }

    /// The generator, for its counters.
    pub fn generator(&self) -> &Gen {
        &self.generator
    }

    /// Operations handed out so far.
    pub fn committed(&self) -> u64 {
        self.committed
    }

    /// The operation in `slot` ended: frees the slot, retires the process if nobody knows what
    /// happened, tells the generator. Returns the process that ran it.
    ///
    /// # Panics
    /// When the slot runs nothing.
    pub fn complete(
        &mut self,
        time: Nanos,
        slot: u32,
        kind: Kind,
        op: &Op,
        error: Option<&ErrorClass>,
    ) -> Process {
        let process = self.threads.release(slot, kind);
        let event = Observation { time, slot, process, kind, op, error };
        self.generator.observe(&self.threads.context(time), &event);
        process
    }

    /// Adopts at most one offer. The generator is not asked while every slot is busy.
    ///
    /// # Panics
    /// When the generator offers a busy slot (law G6), or names a node that there is not.
    pub fn step(&mut self, now: Nanos) -> Step {
        if self.threads.free().is_empty() {
            return Step::Wait { until: None };
        }
        match self.generator.next(&self.threads.context(now)) {
            Next::Invoke { at, .. } | Next::Note { at, .. } | Next::Mark { at, .. } if at > now => {
                Step::Wait { until: Some(at) }
            }
            Next::Invoke { slot, at, node, op } => self.invoke(now, (slot, node), at, op),
            Next::Note { text, .. } => {
                self.generator.commit();
                Step::Note(text)
            }
            Next::Mark { name, .. } => {
                self.generator.commit();
                Step::Mark(name)
            }
            Next::Pending { until: Some(until) } => {
                Step::Wait { until: Some(until.max(Nanos(now.0 + 1))) }
            }
            Next::Pending { until: None } if self.is_stuck() => {
                Step::Stuck { path: path(&*self.generator) }
            }
            Next::Pending { until: None } => Step::Wait { until: None },
            Next::Done => Step::Done,
        }
    }

    fn invoke(
        &mut self,
        now: Nanos,
        (slot, node): (u32, Option<NodeId>),
        due: Nanos,
        op: Op,
    ) -> Step {
        self.generator.commit();
        self.committed += 1;
        let process = self.threads.occupy(slot);
        let event =
            Observation { time: now, slot, process, kind: Kind::Invoke, op: &op, error: None };
        self.generator.observe(&self.threads.context(now), &event);
        let node = self.threads.asked(slot, node);
        Step::Invoke { slot, process, node, due, op }
    }

    fn is_stuck(&self) -> bool {
        self.threads.busy() == 0 && !self.generator.armed()
    }
}
