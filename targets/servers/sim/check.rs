//! The simulator's oracle: is there an order of each register's operations that explains it?
//!
//! Wing and Gong's search with remembered states. At most 128 operations that count per register.

use std::collections::{BTreeMap, HashSet};

use super::clients::{Ask, Outcome, Record};

/// States looked at per register before giving up.
const BUDGET: usize = 50_000;

/// What the oracle says of a history.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Judgement {
    /// Every register has an order.
    Linearizable,
    /// These registers have none.
    Violated(Vec<String>),
    /// No violation was found, and these registers were not decided.
    Undecided(Vec<String>),
}

/// Judges every register. With `strict`, a failed compare-and-set asserts that the register held
/// another value; without, it asserts nothing.
pub fn judge(records: &[Record], strict: bool) -> Judgement {
    let mut keys: BTreeMap<&str, Vec<&Record>> = BTreeMap::new();
    for record in records {
        let counts = match record.outcome {
            Outcome::Ok => true,
            Outcome::Mismatch => strict,
            Outcome::Fail => false,
            Outcome::Info => !matches!(record.ask, Ask::Get(_)),
        };
        if counts {
            keys.entry(&record.key).or_default().push(record);
        }
    }
    let (mut violated, mut undecided) = (Vec::new(), Vec::new());
    for (key, mut ops) in keys {
        ops.sort_by_key(|op| (op.start, op.end));
        match search(&ops) {
            Some(true) => {}
            Some(false) => violated.push(key.to_owned()),
            None => undecided.push(key.to_owned()),
        }
    }
    match (violated.is_empty(), undecided.is_empty()) {
        (false, _) => Judgement::Violated(violated),
        (true, false) => Judgement::Undecided(undecided),
        (true, true) => Judgement::Linearizable,
    }
}

fn search(ops: &[&Record]) -> Option<bool> {
    if ops.len() > 128 {
        return None;
    }
    let bit = |i: usize| 1u128 << i;
    let must = (0..ops.len()).filter(|i| ops[*i].outcome != Outcome::Info);
    let must: u128 = must.fold(0, |set, i| set | bit(i));
    let mut seen = HashSet::from([(0u128, None)]);
    let mut stack = vec![(0u128, None::<i64>)];
    while let Some((done, value)) = stack.pop() {
        if done & must == must {
            return Some(true);
        }
        if seen.len() > BUDGET {
            return None;
        }
        let open = (0..ops.len()).filter(|i| done & bit(*i) == 0);
        let first_end = open.clone().map(|i| ops[i].end).min().unwrap_or(u64::MAX);
        for i in open.take_while(|i| ops[*i].start <= first_end) {
            if let Some(value) = step(ops[i], value)
                && seen.insert((done | bit(i), value))
            {
                stack.push((done | bit(i), value));
            }
        }
    }
    Some(false)
}

/// The value after `op`, if it can have happened on `value`.
fn step(op: &Record, value: Option<i64>) -> Option<Option<i64>> {
    match (op.ask, op.outcome) {
        (Ask::Get(seen), _) => (seen == value).then_some(value),
        (Ask::Put(new), _) => Some(Some(new)),
        (Ask::Cas(from, _), Outcome::Mismatch) => (value != Some(from)).then_some(value),
        (Ask::Cas(from, to), _) => (value == Some(from)).then_some(Some(to)),
    }
}

#[cfg(test)]
mod tests {
    use super::{Ask, Judgement, Outcome, Record, judge};

    fn op(ask: Ask, start: u64, end: u64, outcome: Outcome) -> Record {
        Record { node: 0, key: "k".into(), ask, start, end, outcome }
    }

    #[test]
    fn a_lost_write_is_seen_and_an_unknown_one_is_not() {
        let lost = |outcome, end| {
            judge(
                &[
                    op(Ask::Put(1), 0, 1, Outcome::Ok),
                    op(Ask::Put(2), 2, end, outcome),
                    op(Ask::Get(Some(1)), 4, 5, Outcome::Ok),
                ],
                true,
            )
        };
        assert_eq!(lost(Outcome::Ok, 3), Judgement::Violated(vec!["k".into()]));
        assert_eq!(lost(Outcome::Ok, 4), Judgement::Linearizable, "they overlap");
        assert_eq!(lost(Outcome::Info, u64::MAX), Judgement::Linearizable);
    }

    #[test]
    fn a_mismatch_counts_only_when_strict() {
        let ops = [op(Ask::Put(1), 0, 1, Outcome::Ok), op(Ask::Cas(1, 2), 2, 3, Outcome::Mismatch)];
        assert_eq!(judge(&ops, false), Judgement::Linearizable);
        assert_eq!(judge(&ops, true), Judgement::Violated(vec!["k".into()]));
    }
}
