//! Events that name no process: each operation is a session of its own.
//!
//! An invocation and its completion find each other by what is asked, the oldest first. Numbers are
//! handed out from 0 as long as no event names a process, else from 2^31.

use std::collections::{HashMap, VecDeque};

use foldhash::fast::FixedState;

use super::jepsen_op::Stop;
use super::tape::Bad;
use crate::{Op, Process};

#[derive(Debug)]
pub(super) struct Anonymous {
    first: u32,
    next: u32,
    events: u64,
    /// Whether some event names its process.
    named: bool,
    open: HashMap<Op, VecDeque<Process>, FixedState>,
    count: usize,
}

impl Anonymous {
    pub(super) fn from(first: u32) -> Anonymous {
        let open = HashMap::default();
        Anonymous { first, next: first, events: 0, named: false, open, count: 0 }
    }

    /// Events without a process so far.
    pub(super) fn events(&self) -> u64 {
        self.events
    }

    /// The event at `at`, which names its process.
    pub(super) fn named(&mut self, process: Process, at: usize) -> Result<Process, Stop> {
        self.named = true;
        match self.first {
            0 if self.events > 0 => Err(Stop::Numbered),
            0 => Ok(process),
            first if process.0 >= first => {
                let message = "processes of 2^31 and more beside events without a process";
                Err(Bad::new(at, message).into())
            }
            _ => Ok(process),
        }
    }

    /// An invocation that asks `question`.
    pub(super) fn invoked(&mut self, question: Option<Op>) -> Result<Process, Stop> {
        let process = self.whole()?;
        if let Some(question) = question {
            self.open.entry(question).or_default().push_back(process);
            self.count += 1;
        }
        Ok(process)
    }

    /// A new operation of its own.
    pub(super) fn whole(&mut self) -> Result<Process, Stop> {
        if self.named && self.first == 0 {
            return Err(Stop::Numbered);
        }
        self.events += 1;
        let process = Process(self.next);
        self.next = self.next.wrapping_add(1);
        Ok(process)
    }

    /// Whose invocation a completion ends: the oldest that asked the same, or, of a completion
    /// that does not repeat the question, the only one.
    pub(super) fn completed(&mut self, question: Option<&Op>) -> Option<Process> {
        let found = match question {
            Some(question) => self.open.get_mut(question)?,
            None if self.count == 1 => {
                self.open.values_mut().find(|processes| !processes.is_empty())?
            }
            None => return None,
        };
        let process = found.pop_front()?;
        self.count -= 1;
        self.events += 1;
        Some(process)
    }
}
