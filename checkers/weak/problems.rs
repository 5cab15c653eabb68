//! What contradicts a level without any graph, as the table is built.

use tribunal_history::Code;

/// A read, or a transaction, that contradicts something.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Problem {
    pub(crate) what: What,
    /// By vertex.
    pub(crate) reader: u32,
    pub(crate) key: u32,
    /// What was read; `None`: the initial version.
    pub(crate) seen: Option<Code>,
    /// The vertex it is about: the writer, or the other one who updated.
    pub(crate) other: u32,
}

/// What is wrong.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub(crate) enum What {
    /// A value that nobody wrote.
    ThinAir,
    /// A value of a transaction that failed.
    Aborted,
    /// A value that its transaction overwrote.
    Intermediate,
    /// A value that the reader itself writes only later.
    Future,
    /// Not what the reader itself wrote before.
    Internal,
    /// Another version than at its first read of the key.
    NonRepeatable,
    /// The same version as another read, which both overwrote.
    LostUpdate,
}

/// Problems of one kind that are spelled out.
const EACH: usize = 16;

/// Problems, a bounded number of each kind.
#[derive(Debug, Default)]
pub(crate) struct Problems {
    pub(crate) list: Vec<Problem>,
    counts: [usize; 7],
}

impl Problems {
    pub(super) fn add(&mut self, problem: Problem) {
        let count = &mut self.counts[problem.what as usize];
        *count += 1;
        if *count <= EACH {
            self.list.push(problem);
        }
    }

    /// Whether there is one of this kind.
    pub(crate) fn has(&self, what: What) -> bool {
        self.counts[what as usize] > 0
    }
}
