//! Reads by predicate, told as reads of every key that the predicate may match.
//!
//! Adya (1999), section 4.3: who reads by a predicate sees a version of everything that it may
//! match. What was found is then read, item by item. Nothing is ever deleted here, so that what
//! was not found was seen as nobody had written it. Whoever writes it later is an anti-dependency
//! by the predicate, and nothing else: PL-2.99 does not count it, every other level does.
//!
//! What one read saw, it saw at one instant: the order in which it is told here means nothing.

use std::collections::{BTreeMap, BTreeSet};

use tribunal_history::{
    Code, F, History, KeyRange, Mop, MopView, Observed, Op, OpIndex, Operation, TxnOp, Value,
};

use super::direct::event;
use super::explain::Words;
use super::planted::{Bug, Planted};
use super::table::each;
use crate::{Anomaly, AnomalyKind, CheckError, Evidence, Step};

/// Bytes that a read of one key takes: its row, and what the table makes of it.
const EACH: u64 = 40;

/// Matches that do not match, of which is told.
const STRAYS: usize = 16;

/// A history of which no read is by a predicate.
#[derive(Debug)]
pub(super) struct Spelled {
    /// What was found and what was not.
    pub(super) whole: History,
    /// What was found alone.
    pub(super) found: History,
    /// Matches that do not match.
    pub(super) strays: Vec<Anomaly>,
    pub(super) bytes: u64,
}

/// What came of a history's predicates.
pub(super) enum Spelling {
    /// It has none.
    Needless,
    Done(Box<Spelled>),
    /// It takes more bytes than there are.
    Spent,
}

/// Spells the predicates of `history` out within `bytes`. O(keys that they may match, each time).
///
/// # Errors
/// A predicate that is not understood.
pub(super) fn spell(
    history: &History,
    bytes: u64,
    checker: &str,
    planted: Planted,
) -> Result<Spelling, CheckError> {
    let ranges = ranges(history, checker)?;
    if ranges.is_empty() {
        return Ok(Spelling::Needless);
    }
    let written = Written::of(history);
    let size: u64 = reads(history).map(|(_, predicate)| written.count(ranges[&predicate])).sum();
    let size = 2 * (size + history.operations().map(|it| it.mops().len() as u64).sum::<u64>());
    if size.saturating_mul(EACH) > bytes {
        return Ok(Spelling::Spent);
    }
    let mut strays = Vec::new();
    let whole = history.with_transactions(|operation| {
        let txn = transaction(operation)?;
        stray(history, operation.index(), &txn, &mut strays);
        Some(told(&txn, Some(&written), planted))
    });
    let counted = planted.has(Bug::PhantomsAreItems).then_some(&written);
    let found = history
        .with_transactions(|operation| Some(told(&transaction(operation)?, counted, planted)));
    Ok(Spelling::Done(Box::new(Spelled { whole, found, strays, bytes: size * EACH })))
}

/// Every read by a predicate, with the code of that.
fn reads(history: &History) -> impl Iterator<Item = (Operation<'_>, Code)> {
    let transactions = history.operations().filter(|operation| operation.f() == F::Txn);
    transactions.flat_map(|operation| {
        operation.mops().filter_map(move |mop| match mop {
            MopView::ReadPredicate { predicate, .. } => Some((operation, predicate)),
            _ => None,
        })
    })
}

/// What each predicate of the history may match.
fn ranges(history: &History, checker: &str) -> Result<BTreeMap<Code, KeyRange>, CheckError> {
    let mut ranges = BTreeMap::new();
    for (operation, predicate) in reads(history) {
        if ranges.contains_key(&predicate) {
            continue;
        }
        let text = history.text(predicate).unwrap_or_default();
        let range = text.parse().map_err(|_| CheckError::Unsupported {
            checker: checker.into(),
            what: format!("the predicate {text:?}, which is none like \"keys 0..8\" or \"keys\","),
            event: format!("event {}", operation.call().0),
        })?;
        ranges.insert(predicate, range);
    }
    Ok(ranges)
}

/// A transaction that reads by a predicate.
fn transaction(operation: Operation<'_>) -> Option<TxnOp> {
    let mut mops = operation.mops();
    if !mops.any(|mop| matches!(mop, MopView::ReadPredicate { .. })) {
        return None;
    }
    match operation.op() {
        Op::Txn(txn) => Some(txn),
        _ => None,
    }
}

/// The same without predicates: what they found, and of `written` what they did not.
fn told(txn: &TxnOp, written: Option<&Written>, planted: Planted) -> TxnOp {
    let mut mops = Vec::new();
    for mop in &txn.mops {
        let Mop::ReadPredicate { predicate, matches } = mop else {
            mops.push(mop.clone());
            continue;
        };
        let found: &[(Value, Value)] = match matches {
            Observed::Pending => continue,
            Observed::Absent => &[],
            Observed::Present(found) => found,
        };
        mops.extend(found.iter().map(|(key, value)| Mop::Read {
            key: key.clone(),
            value: Observed::Present(value.clone()),
        }));
        let (Some(written), Ok(mut range)) = (written, predicate.parse::<KeyRange>()) else {
            continue;
        };
        if planted.has(Bug::NotFoundIgnored) {
            continue;
        }
        if planted.has(Bug::EndIsWithin) {
            range.to = range.to.map(|to| to + 1);
        }
        let found: BTreeSet<&Value> = found.iter().map(|(key, _)| key).collect();
        let missing = written.within(range).filter(|key| !found.contains(key));
        mops.extend(missing.map(|key| Mop::Read { key: key.clone(), value: Observed::Absent }));
    }
    TxnOp { mops }
}

/// Matches that lie outside of what they are said to match.
fn stray(history: &History, index: OpIndex, txn: &TxnOp, strays: &mut Vec<Anomaly>) {
    if strays.len() >= STRAYS {
        return;
    }
    for mop in &txn.mops {
        let Mop::ReadPredicate { predicate, matches: Observed::Present(found) } = mop else {
            continue;
        };
        let Ok(range) = predicate.parse::<KeyRange>() else { continue };
        let Some((key, value)) = found.iter().find(|(key, _)| !range.contains(key)) else {
            continue;
        };
        let who = Words(history).txn(index);
        let summary = format!("{who} found {value} in {key} by {range}, which {key} is not in");
        let step = Step { event: event(history, index), because: summary.clone() };
        strays.push(Anomaly {
            kind: AnomalyKind::THIN_AIR_READ,
            subject: Some(key.to_string()),
            summary,
            evidence: Evidence::Events(vec![step]),
            minimal: true,
        });
    }
}

/// Every key that somebody may have written.
struct Written {
    numbers: Vec<(i64, Value)>,
    others: Vec<Value>,
}

impl Written {
    fn of(history: &History) -> Written {
        let mut codes = BTreeSet::new();
        for operation in history.operations() {
            each(operation, |mop| {
                if let MopView::Write { key, .. } = mop {
                    codes.insert(key);
                }
            });
        }
        let mut written = Written { numbers: Vec::new(), others: Vec::new() };
        for code in codes {
            match history.value(code) {
                key @ Value::Int(number) => written.numbers.push((number, key)),
                key @ (Value::Nil | Value::Text(_) | Value::Unparsed(_)) => {
                    written.others.push(key);
                }
            }
        }
        written.numbers.sort();
        written
    }

    fn numbers(&self, range: KeyRange) -> &[(i64, Value)] {
        let place = |end: i64| self.numbers.partition_point(|(number, _)| *number < end);
        let from = range.from.map_or(0, place);
        let to = range.to.map_or(self.numbers.len(), place);
        &self.numbers[from.min(to)..to]
    }

    fn others(&self, range: KeyRange) -> &[Value] {
        if range.from.is_none() && range.to.is_none() { &self.others } else { &[] }
    }

    fn within(&self, range: KeyRange) -> impl Iterator<Item = &Value> {
        self.numbers(range).iter().map(|(_, key)| key).chain(self.others(range))
    }

    fn count(&self, range: KeyRange) -> u64 {
        (self.numbers(range).len() + self.others(range).len()) as u64
    }
}
