//! The same history told in other micro-operations.

use super::{F, History, Operation, Outcome};
use crate::TxnOp;

impl History {
    /// A copy in which transactions have the micro-operations that `other` gives; `None` leaves one
    /// as it is. Events, processes, outcomes and the numbers of operations stay. What is observed
    /// counts in transactions that ended `ok` only, as everywhere. O(n), and what `other` takes.
    pub fn with_transactions(
        &self,
        mut other: impl FnMut(Operation<'_>) -> Option<TxnOp>,
    ) -> History {
        let mut made = self.clone();
        for operation in self.operations().filter(|operation| operation.f() == F::Txn) {
            let Some(txn) = other(operation) else { continue };
            let row = made.arena.txn_row(&txn, operation.outcome() == Outcome::Ok);
            let at = operation.index().0 as usize;
            (made.key[at], made.a[at], made.b[at]) = (row.key, row.a, row.b);
        }
        made
    }
}
