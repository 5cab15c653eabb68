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

#[cfg(test)]
mod tests {
    use crate::{Builder, Mop, Nanos, Observed, Op, OpIndex, Outcome, Process, TxnOp, Value};

    #[test]
    fn only_micro_operations_change_and_only_answers_are_observed() {
        let write = Mop::Write { key: Value::Int(1), value: Value::Int(2) };
        let op = Op::Txn(TxnOp { mops: vec![write] });
        let mut builder = Builder::as_given();
        for (process, outcome) in [(0, Outcome::Ok), (1, Outcome::Info), (2, Outcome::Ok)] {
            let (process, time) = (Process(process), Nanos(u64::from(process)));
            builder.invoke(time, process, None, None, &op).expect("asks");
            builder.complete(time, process, outcome, Some(&op), None).expect("ends");
        }
        let history = builder.finish();
        let read = |value| Mop::Read { key: Value::Int(9), value };
        let seen = TxnOp { mops: vec![read(Observed::Present(Value::Int(4))); 2] };
        let told = history.with_transactions(|it| (it.index().0 < 2).then(|| seen.clone()));
        let (one, other) = (told.operation(OpIndex(0)), told.operation(OpIndex(1)));
        assert_eq!(one.op(), Op::Txn(seen.clone()));
        assert_eq!(other.op(), Op::Txn(seen.pending()), "nobody knows what came of it");
        assert_eq!(told.operation(OpIndex(2)).op(), op);
        for (before, now) in history.operations().zip(told.operations()) {
            let of = |it: &crate::Operation<'_>| (it.call(), it.ret(), it.process(), it.outcome());
            assert_eq!(of(&before), of(&now));
        }
        assert_eq!(history.operation(OpIndex(0)).op(), op, "the other one is as it was");
    }
}
