//! Who lives in which slot: the one place that decides idleness, retirement and placement.
//!
//! Shared by the simulator and the real dispatcher, so that a simulated history and a recorded one
//! obey the same rule. It knows no clock and no operation.

use tribunal_history::{Kind, Nanos, NodeId, Process};

use super::{Context, SlotSet};

/// The `C` slots of a run, the process in each, and which of them are idle.
///
/// Slot `s` starts with process `s`. An `info` retires the process: its slot gets `p + C`, so
/// `p mod C` is the slot for as long as the run lasts, and `slot mod nodes` the node of every
/// operation that names none.
#[derive(Clone, Debug)]
pub struct Threads {
    nodes: u16,
    processes: Vec<Process>,
    all: SlotSet,
    free: SlotSet,
}

impl Threads {
    /// `concurrency` idle slots spread over `nodes` nodes.
    ///
    /// # Panics
    /// When either is zero.
    pub fn new(concurrency: u32, nodes: u16) -> Threads {
        Threads::after(concurrency, nodes, 0)
    }

    /// The same for a later load of one run: processes start at the first multiple of
    /// `concurrency` that is not below `used`, so that no number is used twice.
    ///
    /// # Panics
    /// When either is zero, or after 2^32 processes.
    pub fn after(concurrency: u32, nodes: u16, used: u32) -> Threads {
        assert!(concurrency > 0 && nodes > 0, "a run has at least one slot and one node");
        let first = used.checked_next_multiple_of(concurrency);
        let range = first.and_then(|first| Some(first..first.checked_add(concurrency)?));
        Threads {
            nodes,
            processes: range.expect("process ids are exhausted").map(Process).collect(),
            all: SlotSet::full(concurrency),
            free: SlotSet::full(concurrency),
        }
    }

    /// What generators may look at.
    pub fn context(&self, time: Nanos) -> Context<'_> {
        let Threads { nodes, ref processes, ref all, ref free } = *self;
        Context { time, usable: all, free, processes, nodes }
    }

    /// Number of slots.
    pub fn concurrency(&self) -> u32 {
        self.processes.len() as u32
    }

    /// Number of slots with an open operation.
    pub fn busy(&self) -> u32 {
        self.concurrency() - self.free.len()
    }

    /// The idle slots.
    pub fn free(&self) -> &SlotSet {
        &self.free
    }

    /// The process that lives in `slot`.
    pub fn process(&self, slot: u32) -> Process {
        self.processes[slot as usize]
    }

    /// No process of this or a later number has lived here.
    pub fn next_process(&self) -> u32 {
        self.processes.iter().map(|process| process.0.saturating_add(1)).max().unwrap_or(0)
    }

    /// The slot a process lives or lived in.
    pub fn slot_of(&self, process: Process) -> u32 {
        process.0 % self.concurrency()
    }

    /// The node `slot` talks to, unless an operation names another.
    pub fn node(&self, slot: u32) -> NodeId {
        NodeId((slot % u32::from(self.nodes)) as u16)
    }

    /// Who is asked by an operation in `slot` that names `node`, or none.
    ///
    /// # Panics
    /// When there is no such node.
    pub fn asked(&self, slot: u32, node: Option<NodeId>) -> NodeId {
        let Some(node) = node else { return self.node(slot) };
        assert!(node.0 < self.nodes, "slot {slot} was sent to {node}, one of {}", self.nodes);
        node
    }

    /// An operation starts in `slot`.
    ///
    /// # Panics
    /// When `slot` is busy: a process is single-threaded.
    pub fn occupy(&mut self, slot: u32) -> Process {
        assert!(self.free.take(slot), "slot {slot} was offered an operation while it was busy");
        self.process(slot)
    }

    /// The operation in `slot` ended. Returns the process that ran it; after `Info` another one
    /// lives there.
    ///
    /// # Panics
    /// When `slot` is idle, or after 2^32 processes.
    pub fn release(&mut self, slot: u32, kind: Kind) -> Process {
        assert!(!self.free.contains(slot), "slot {slot} completed an operation it never started");
        self.free.insert(slot);
        let process = self.process(slot);
        match kind {
            Kind::Ok | Kind::Fail => {}
            Kind::Info => {
                let next = process.0.checked_add(self.concurrency());
                self.processes[slot as usize] = Process(next.expect("process ids are exhausted"));
            }
            Kind::Invoke => panic!("slot {slot}: an invocation completes nothing"),
        }
        process
    }
}

#[cfg(test)]
mod tests {
    use tribunal_history::{Kind, NodeId, Process};

    use super::Threads;

    #[test]
    fn info_retires_and_keeps_slot_and_node() {
        let mut threads = Threads::new(5, 3);
        assert_eq!(threads.occupy(4), Process(4));
        assert_eq!((threads.busy(), threads.free().contains(4)), (1, false));
        assert_eq!(threads.release(4, Kind::Info), Process(4));
        assert_eq!((threads.process(4), threads.slot_of(Process(9))), (Process(9), 4));
        assert_eq!((threads.node(4), threads.node(2)), (NodeId(1), NodeId(2)));
        threads.occupy(4);
        assert_eq!(threads.release(4, Kind::Fail), Process(9));
        assert_eq!(threads.process(4), Process(9));
    }

    #[test]
    fn a_later_load_uses_no_number_twice() {
        let mut first = Threads::new(4, 2);
        first.occupy(1);
        first.release(1, Kind::Info);
        assert_eq!(first.next_process(), 6);
        let later = Threads::after(4, 2, first.next_process());
        assert_eq!((later.process(0), later.slot_of(Process(11))), (Process(8), 3));
    }

    #[test]
    #[should_panic(expected = "slot 0 was offered an operation while it was busy")]
    fn a_slot_runs_one_operation() {
        let mut threads = Threads::new(1, 1);
        threads.occupy(0);
        threads.occupy(0);
    }
}
