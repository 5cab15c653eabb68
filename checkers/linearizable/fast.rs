//! The seam between near-linear algorithms and the checker.
//!
//! A fast path sees one partition as the columns of its history: nothing is interned first. It
//! decides, or it hands over to the search and says why; it never guesses. What it decides is
//! proved like everything else: by an order, or by a few operations that contradict each other.

use std::cell::Cell;

use tribunal_history::{History, OpIndex};

use super::Dialect;
use super::meter::Ledger;
use crate::Spent;

/// Operations that share state, as a fast path sees them.
#[derive(Clone, Copy, Debug)]
pub struct Partition<'h> {
    /// The whole history.
    pub history: &'h History,
    /// The operations of the partition, in the order recorded.
    pub operations: &'h [OpIndex],
    /// What answers mean.
    pub dialect: Dialect,
}

/// What is left of the budget, for a fast path.
#[derive(Clone, Copy, Debug)]
pub struct Allowance<'a> {
    ledger: &'a Ledger<'a>,
    tally: Option<&'a Tally>,
}

/// How far a fast path came.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Operations that some pass came by.
    passed: Cell<usize>,
    /// Most bytes that were allowed at once.
    bytes: Cell<u64>,
}

impl Tally {
    /// In words, of `all` operations.
    pub(super) fn words(&self, all: usize) -> String {
        let (passed, kib) = (self.passed.get(), self.bytes.get() / 1024);
        format!("{passed} of {all} operations passed, {kib} KiB held")
    }
}

/// What a fast path says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Fast {
    /// The partition is outside the preconditions, named here; the search decides.
    HandOver(&'static str),
    /// Decided.
    Decided(Decided),
    /// A limit was hit.
    Spent(Spent, String),
}

/// A decision of a fast path.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Decided {
    /// The algorithm, as reports name it.
    pub engine: &'static str,
    /// Operations that must take effect, as interpreted under the dialect.
    pub completed: u64,
    /// Operations that may have taken effect.
    pub crashed: u64,
    /// Most bytes held at once, beyond the history.
    pub peak_bytes: u64,
    /// The proof.
    pub proof: Proof,
}

/// Why a pass of a fast path ended early, with what it found to be contradictory.
pub(super) enum Stop<R> {
    HandOver(&'static str),
    Refuted(R),
    Spent(Spent),
}

impl<R> From<Spent> for Stop<R> {
    fn from(spent: Spent) -> Stop<R> {
        Stop::Spent(spent)
    }
}

/// What proves a decision.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Proof {
    /// Linearizable: every completed operation once, crashed ones at most once, in a legal order.
    Order(Vec<OpIndex>),
    /// Not linearizable: no order of these operations is legal, and no operation that is left out
    /// is the reason. Few: evidence is minimised from here.
    Contradiction(Vec<OpIndex>),
}

impl<'a> Allowance<'a> {
    pub(super) fn new(ledger: &'a Ledger<'a>) -> Allowance<'a> {
        Allowance { ledger, tally: None }
    }

    /// The same; `tally` is told how far it goes.
    pub(super) fn telling(self, tally: &'a Tally) -> Allowance<'a> {
        Allowance { tally: Some(tally), ..self }
    }

    /// A pass came by so many operations. For those who ask how far a fast path came.
    pub fn passed(&self, operations: usize) {
        if let Some(Tally { passed, .. }) = self.tally {
            passed.set(passed.get().max(operations));
        }
    }

    /// Whether `bytes` at once are too many, or the caller's time is up. Ask at least every few
    /// milliseconds.
    ///
    /// # Errors
    /// The limit that was hit.
    pub fn allows(&self, bytes: u64) -> Result<(), Spent> {
        self.ledger.allows(bytes)?;
        if let Some(tally) = self.tally {
            tally.bytes.set(tally.bytes.get().max(bytes));
        }
        Ok(())
    }
}
