//! Who is where: the slots of a load, their processes, and which of them are idle. Pure.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use tribunal_history::{Nanos, Outcome, Process};

use crate::generator::{Context, SlotSet};

/// Slot bookkeeping, shared by anything that drives a generator.
///
/// The process of slot `s` is always `s` modulo the number of slots: a process whose operation
/// ended `info` is retired and its slot gets that process plus the number of slots.
#[derive(Clone, Debug)]
pub struct Crew {
    usable: SlotSet,
    free: SlotSet,
    processes: Vec<Process>,
    cooling: BinaryHeap<Reverse<(Nanos, u32)>>,
    busy: u32,
    next_process: u32,
}

impl Crew {
    /// `slots` idle slots, whose processes start at the first multiple of `slots` that is not below
    /// `first_process`. `None` when the numbers do not fit.
    pub fn new(slots: u32, first_process: u32) -> Option<Crew> {
        let first = first_process.checked_next_multiple_of(slots)?;
        let next_process = first.checked_add(slots)?;
        Some(Crew {
            usable: SlotSet::full(slots),
            free: SlotSet::full(slots),
            processes: (first..next_process).map(Process).collect(),
            cooling: BinaryHeap::new(),
            busy: 0,
            next_process,
        })
    }

    /// What a generator may look at.
    #[inline]
    pub fn context(&self, time: Nanos) -> Context<'_> {
        Context { time, usable: &self.usable, free: &self.free, processes: &self.processes }
    }

    /// Number of slots.
    pub fn slots(&self) -> u32 {
        self.processes.len() as u32
    }

    /// Operations under way.
    #[inline]
    pub fn busy(&self) -> u32 {
        self.busy
    }

    /// Whether some slot is idle.
    #[inline]
    pub fn any_free(&self) -> bool {
        !self.free.is_empty()
    }

    /// No process of this or a later number has been used.
    pub fn next_process(&self) -> u32 {
        self.next_process
    }

    /// The slot takes an operation; the process that asks. `None` when it is not idle.
    #[inline]
    pub fn take(&mut self, slot: u32) -> Option<Process> {
        if !self.free.contains(slot) {
            return None;
        }
        self.free.remove(slot);
        self.busy += 1;
        Some(self.processes[slot as usize])
    }

    /// The slot's operation ended. With `cool_until` it stays idle but unused until then. False
    /// when its process retired and no number is left for the next one.
    #[inline]
    pub fn give_back(&mut self, slot: u32, outcome: Outcome, cool_until: Option<Nanos>) -> bool {
        self.busy -= 1;
        match cool_until {
            Some(until) => self.cooling.push(Reverse((until, slot))),
            None => self.free.insert(slot),
        }
        match outcome {
            Outcome::Ok | Outcome::Fail => true,
            Outcome::Info | Outcome::Open => self.retire(slot),
        }
    }

    fn retire(&mut self, slot: u32) -> bool {
        let process = &mut self.processes[slot as usize];
        let Some(next) = process.0.checked_add(self.usable.len()) else { return false };
        *process = Process(next);
        self.next_process = self.next_process.max(next.saturating_add(1));
        true
    }

    /// Slots that have cooled down become free; when the next one does.
    #[inline]
    pub fn warm(&mut self, now: Nanos) -> Option<Nanos> {
        while let Some(Reverse((until, slot))) = self.cooling.peek().copied() {
            if until > now {
                return Some(until);
            }
            self.cooling.pop();
            self.free.insert(slot);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn info_retires_and_numbers_are_never_reused() {
        let mut crew = Crew::new(3, 0).unwrap();
        assert_eq!(crew.take(1), Some(Process(1)));
        assert_eq!(crew.take(1), None);
        assert!(crew.give_back(1, Outcome::Fail, None));
        assert_eq!(crew.take(1), Some(Process(1)));
        assert!(crew.give_back(1, Outcome::Info, None));
        assert_eq!(crew.take(1), Some(Process(4)));
        assert_eq!(crew.busy(), 1);
        assert_eq!(crew.next_process(), 5);
        let next = Crew::new(2, crew.next_process()).unwrap();
        assert_eq!(next.context(Nanos(0)).processes, [Process(6), Process(7)]);
    }

    #[test]
    fn a_cooling_slot_is_neither_free_nor_busy() {
        let mut crew = Crew::new(2, 0).unwrap();
        crew.take(0);
        assert!(crew.give_back(0, Outcome::Fail, Some(Nanos(50))));
        assert_eq!(crew.busy(), 0);
        assert_eq!(crew.warm(Nanos(49)), Some(Nanos(50)));
        assert_eq!(crew.take(0), None);
        assert_eq!(crew.warm(Nanos(50)), None);
        assert_eq!(crew.take(0), Some(Process(0)));
    }

    #[test]
    fn processes_run_out_visibly() {
        assert!(Crew::new(4, u32::MAX - 2).is_none());
        let mut crew = Crew::new(2, u32::MAX - 3).unwrap();
        crew.take(0);
        assert!(crew.give_back(0, Outcome::Info, None));
        assert_eq!(crew.take(0), Some(Process(u32::MAX - 1)));
        assert!(!crew.give_back(0, Outcome::Info, None));
    }
}
