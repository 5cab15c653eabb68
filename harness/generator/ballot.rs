//! Choosing among branches: in proportion to their weights (law G8), and by time.

use tribunal_history::Nanos;

use super::Next;
use super::wrap::earlier;
use crate::seed::Draw;

/// Branches not drawn yet. Asking in the order drawn and taking the first that offers at once is
/// the same as asking all and breaking the tie by weight, without asking all: a weighted draw
/// without replacement, restricted to those that offer, is a weighted draw among those.
#[derive(Clone, Default)]
pub(super) struct Ballot {
    weights: Vec<u64>,
    total: u64,
}

impl Ballot {
    pub(super) fn load(&mut self, weights: impl Iterator<Item = u64>) {
        self.weights.clear();
        self.weights.extend(weights);
        self.total = self.weights.iter().sum();
    }

    pub(super) fn pick(&mut self, draw: &mut Draw) -> Option<usize> {
        if self.total == 0 {
            return None;
        }
        let mut rest = draw.below(self.total);
        let at = self.weights.iter().position(|&weight| match rest.checked_sub(weight) {
            Some(less) => {
                rest = less;
                false
            }
            None => true,
        })?;
        self.total -= std::mem::take(&mut self.weights[at]);
        Some(at)
    }
}

/// The earliest of several offers. The first of equals stays, so ask in drawn order.
pub(super) struct Race {
    now: Nanos,
    best: Option<(Nanos, usize, Next)>,
    wait: Option<Nanos>,
    waiting: bool,
}

impl Race {
    pub(super) fn new(now: Nanos) -> Race {
        Race { now, best: None, wait: None, waiting: false }
    }

    /// Enters the answer of branch `at`. An answer that is due now wins at once: `true`.
    pub(super) fn enter(&mut self, at: usize, next: Next) -> bool {
        match next {
            Next::Done => false,
            Next::Pending { until } => {
                self.waiting = true;
                self.wait = earlier(self.wait, until);
                false
            }
            offer @ (Next::Invoke { .. } | Next::Note { .. } | Next::Mark { .. }) => {
                let due = offer.due().map_or(self.now, |due| due.max(self.now));
                if self.best.as_ref().is_none_or(|(best, _, _)| due < *best) {
                    self.best = Some((due, at, offer));
                }
                due == self.now
            }
        }
    }

    /// The winner and its branch. When a pending branch wants to be asked before the winner is due
    /// nobody has won yet.
    pub(super) fn finish(self) -> (usize, Next) {
        match self.best {
            Some((due, _, _)) if self.wait.is_some_and(|wait| wait < due) => {
                (0, Next::Pending { until: self.wait })
            }
            Some((_, at, offer)) => (at, offer),
            None if self.waiting => (0, Next::Pending { until: self.wait }),
            None => (0, Next::Done),
        }
    }
}
