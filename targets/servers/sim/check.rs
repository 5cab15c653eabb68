//! The simulator's oracle: is there an order of the operations on each register, or on each pair of
//! them, that explains it?
//!
//! Wing and Gong's search with remembered states. At most 128 operations that count per register.

use std::collections::{BTreeMap, HashSet};

use super::clients::{Ask, Outcome, Pair, Record};

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
            Outcome::Info => !matches!(record.ask, Ask::Get(_) | Ask::Look(_)),
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
    let mut seen = HashSet::from([(0u128, (None, None))]);
    let mut stack = vec![(0u128, (None, None))];
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

/// What is held after `op`, if it can have happened on `held`. A single register is the first.
fn step(op: &Record, held: Pair) -> Option<Pair> {
    let missed = op.outcome == Outcome::Mismatch;
    match op.ask {
        Ask::Get(seen) => (seen == held.0).then_some(held),
        Ask::Put(new) => Some((Some(new), None)),
        Ask::Cas(from, _) if missed => (held.0 != Some(from)).then_some(held),
        Ask::Cas(from, to) => (held.0 == Some(from)).then_some((Some(to), None)),
        Ask::Look(seen) => (seen == held).then_some(held),
        Ask::Change { seen, .. } if missed => (seen != held).then_some(held),
        Ask::Change { seen, to, .. } => {
            (seen == held).then_some((to.0.or(held.0), to.1.or(held.1)))
        }
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
    fn half_a_change_and_a_change_of_what_was_changed_are_seen() {
        let change = |seen, to| Ask::Change { seen, revisions: (0, 0), to };
        let first = op(change((None, None), (Some(1), Some(1))), 0, 1, Outcome::Ok);
        let judged = |second| judge(&[first.clone(), op(second, 2, 3, Outcome::Ok)], true);
        let violated = Judgement::Violated(vec!["k".into()]);
        assert_eq!(judged(Ask::Look((Some(1), Some(1)))), Judgement::Linearizable);
        assert_eq!(judged(Ask::Look((Some(1), None))), violated);
        let ones = (Some(1), Some(1));
        assert_eq!(judged(change(ones, (None, Some(2)))), Judgement::Linearizable);
        assert_eq!(judged(change((None, Some(1)), (None, Some(2)))), violated);
    }

    #[test]
    fn a_mismatch_counts_only_when_strict() {
        let ops = [op(Ask::Put(1), 0, 1, Outcome::Ok), op(Ask::Cas(1, 2), 2, 3, Outcome::Mismatch)];
        assert_eq!(judge(&ops, false), Judgement::Linearizable);
        assert_eq!(judge(&ops, true), Judgement::Violated(vec!["k".into()]));
    }
}
