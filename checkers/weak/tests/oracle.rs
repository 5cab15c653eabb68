//! The definitions, by enumeration: no clock, no graph, nothing of what is tested.
//!
//! Biswas & Enea, "On the Complexity of Checking Transactional Consistency" (OOPSLA 2019): a total
//! order of the transactions that keeps reads (and sessions), such that whatever a read is said to
//! see of its key comes before what it returned. The initial transaction is first. Exponential: a
//! handful of transactions.

use std::collections::BTreeMap;

use tribunal_history::{History, KeyRange, Mop, Observed, Op, Outcome, Value};

/// What a read must not miss.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Axiom {
    /// Nothing: transactions must only be readable in some order.
    Nothing,
    /// Whom the same transaction read from before.
    Monotonic,
    /// Whom the same transaction read from, and its session so far.
    Atomic,
    /// Everything that happened before.
    Causal,
    /// Everything up to some transaction that it read from, or that precedes it in its session.
    Prefix,
    /// That, and everything up to one before it that wrote what it writes too.
    Snapshot,
    /// Everything.
    Serial,
    /// Everything, but for what predicates did not find.
    SerialItems,
}

/// Which orders between transactions must be kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Keep {
    Nothing,
    Sessions,
    RealTime,
}

/// A read that no own write of its key precedes.
#[derive(Clone, Debug)]
pub(super) struct Read {
    pub(super) key: Value,
    /// Of whom; `None` of the initial transaction.
    pub(super) from: Option<usize>,
    /// Which step of its transaction read it; a predicate reads many keys in one.
    step: usize,
    /// A predicate did not find it.
    missing: bool,
}

#[derive(Debug)]
pub(super) struct Txn {
    pub(super) committed: bool,
    pub(super) reads: Vec<Read>,
    /// Last value by key.
    pub(super) writes: BTreeMap<Value, Value>,
    /// Bit set of those that must come before.
    pub(super) after: u32,
}

/// A history with a choice of what happened.
pub(super) struct Case {
    pub(super) txns: Vec<Txn>,
    pub(super) there: u32,
    /// Every read was of a last write of somebody who happened, or of the initial version.
    explained: bool,
    /// Reads of writes of what is said not to have happened.
    pub(super) absent: usize,
    /// Every read after an own write saw it.
    own: bool,
}

pub(super) fn cases(history: &History, keep: Keep) -> Vec<Case> {
    let all: Vec<_> = history.operations().collect();
    let committed: u32 =
        (0..all.len()).filter(|at| all[*at].outcome() == Outcome::Ok).map(|at| 1 << at).sum();
    let may: u32 = (0..all.len())
        .filter(|at| matches!(all[*at].outcome(), Outcome::Info | Outcome::Open))
        .map(|at| 1 << at)
        .sum();
    let choices = (0..1_u32 << all.len())
        .filter(|there| there & committed == committed && there & !(committed | may) == 0);
    choices.map(|there| case(history, keep, there)).collect()
}

fn writes_of(op: Op, key: &Value, seen: Option<&Value>) -> bool {
    let wrote =
        |mop| matches!(mop, Mop::Write { key: k, value } if k == *key && Some(&value) == seen);
    mops(op).into_iter().any(wrote)
}

/// Keys of histories with predicates.
pub(super) const KEYS: i64 = 3;

/// Steps with their numbers, and whether each is what a predicate did not find. What a predicate
/// is said to match is a read of each of the keys that there are.
fn steps(op: Op) -> Vec<(usize, Mop, bool)> {
    let Op::Txn(txn) = op else { panic!("{op} is no transaction") };
    let mut steps = Vec::new();
    for (at, mop) in txn.mops.into_iter().enumerate() {
        let Mop::ReadPredicate { predicate, matches: Observed::Present(matches) } = mop else {
            steps.push((at, mop, false));
            continue;
        };
        let range: KeyRange = predicate.parse().expect("a range of keys");
        for key in range.from.unwrap_or(0)..range.to.unwrap_or(KEYS) {
            let key = Value::Int(key);
            let seen = matches.iter().find(|(found, _)| *found == key);
            let value = seen.map_or(Observed::Absent, |it| Observed::Present(it.1.clone()));
            steps.push((at, Mop::Read { key, value }, seen.is_none()));
        }
    }
    steps
}

fn mops(op: Op) -> Vec<Mop> {
    steps(op).into_iter().map(|(_, mop, _)| mop).collect()
}

fn case(history: &History, keep: Keep, there: u32) -> Case {
    let all: Vec<_> = history.operations().collect();
    let writes: Vec<BTreeMap<Value, Value>> = all
        .iter()
        .map(|operation| {
            let write = |mop| match mop {
                Mop::Write { key, value } => Some((key, value)),
                _ => None,
            };
            mops(operation.op()).into_iter().filter_map(write).collect()
        })
        .collect();
    let before = |a: usize, b: usize| {
        let session = a < b && all[a].session() == all[b].session();
        match keep {
            Keep::Nothing => false,
            Keep::Sessions => session,
            Keep::RealTime => {
                let done = all[a].outcome() == Outcome::Ok;
                session || done && all[a].ret().is_some_and(|ret| ret < all[b].call())
            }
        }
    };
    let mut case = Case { txns: Vec::new(), there, explained: true, absent: 0, own: true };
    for (at, operation) in all.iter().enumerate() {
        let committed = operation.outcome() == Outcome::Ok;
        let (mut own, mut reads) = (BTreeMap::new(), Vec::new());
        for (step, mop, missing) in steps(operation.op()) {
            match mop {
                Mop::Write { key, value } => drop(own.insert(key, value)),
                Mop::Read { key, value } if committed => {
                    let seen = match value {
                        Observed::Pending => continue,
                        Observed::Absent => None,
                        Observed::Present(value) => Some(value),
                    };
                    if let Some(mine) = own.get(&key) {
                        case.own &= seen.as_ref() == Some(mine);
                        // Also who does not see its own write sees what somebody wrote.
                        let wrote = |at: usize| {
                            let failed = all[at].outcome() == Outcome::Fail;
                            !failed && writes_of(all[at].op(), &key, seen.as_ref())
                        };
                        case.explained &= seen.is_none() || (0..all.len()).any(wrote);
                        continue;
                    }
                    let from = seen.as_ref().map(|seen| {
                        let wrote = |from: &usize| writes[*from].get(&key) == Some(seen);
                        (0..all.len()).filter(|from| there >> from & 1 == 1).find(wrote)
                    });
                    match from {
                        None => reads.push(Read { key, from: None, step, missing }),
                        Some(Some(from)) if from != at => {
                            reads.push(Read { key, from: Some(from), step, missing });
                        }
                        other => {
                            case.explained = false;
                            case.absent += usize::from(other == Some(None));
                        }
                    }
                }
                _ => {}
            }
        }
        let after = (0..all.len()).filter(|a| before(*a, at)).map(|a| 1 << a).sum();
        case.txns.push(Txn { committed, reads, writes: writes[at].clone(), after });
    }
    case
}

/// Whether every read of every choice that explains most is of a last write or the initial version,
/// and sees its own transaction's.
pub(super) fn clean(history: &History) -> bool {
    cases(history, Keep::Nothing).iter().any(|case| case.explained && case.own)
}

/// Whether nobody read what nobody ever wrote.
pub(super) fn written(history: &History) -> bool {
    let all: Vec<Vec<Mop>> = history.operations().map(|operation| mops(operation.op())).collect();
    let wrote = |key: &Value, value: &Value| {
        let mut writes = all.iter().flatten();
        writes.any(|mop| matches!(mop, Mop::Write { key: k, value: v } if k == key && v == value))
    };
    all.iter().flatten().all(|mop| match mop {
        Mop::Read { key, value: Observed::Present(value) } => wrote(key, value),
        _ => true,
    })
}

/// Whether some order satisfies the axiom.
pub(super) fn holds(history: &History, keep: Keep, axiom: Axiom) -> bool {
    cases(history, keep).iter().any(|case| {
        let lax = matches!(axiom, Axiom::Nothing | Axiom::Monotonic | Axiom::SerialItems);
        let own = case.own || lax;
        case.explained && own && orders(case).iter().any(|order| case.satisfies(order, axiom))
    })
}

/// Causal consistency without one arbitration: every read by itself has an order.
pub(super) fn weakly_causal(history: &History) -> bool {
    cases(history, Keep::Sessions).iter().any(|case| {
        let orders = orders(case);
        let explains = |t: usize, read: &Read| {
            orders.iter().any(|order| case.explains(order, t, read, 0, Axiom::Causal))
        };
        let txns = case.txns.iter().enumerate().filter(|(_, txn)| txn.committed);
        let mut reads = txns.flat_map(|(t, txn)| txn.reads.iter().map(move |read| (t, read)));
        case.explained && case.own && !orders.is_empty() && reads.all(|(t, r)| explains(t, r))
    })
}

/// Causal memory: every session has an order of all that happened that explains what it read.
pub(super) fn has_memory(history: &History) -> bool {
    cases(history, Keep::Sessions).iter().any(|case| {
        let orders = orders(case);
        let explains = |s: usize| {
            let of_it =
                |t: usize| t == s || (case.txns[t].after | case.txns[s].after) >> t.min(s) & 1 == 1;
            orders.iter().any(|order| {
                let mine = order.iter().filter(|t| of_it(**t) && case.txns[**t].committed);
                mine.into_iter().all(|t| {
                    let mut reads = case.txns[*t].reads.iter();
                    reads.all(|read| case.explains(order, *t, read, 0, Axiom::Serial))
                })
            })
        };
        case.explained && case.own && !orders.is_empty() && (0..case.txns.len()).all(explains)
    })
}

/// Every order of what happened in which nobody reads of a later one and what must be kept is.
fn orders(case: &Case) -> Vec<Vec<usize>> {
    let members: Vec<usize> = (0..case.txns.len()).filter(|t| case.there >> t & 1 == 1).collect();
    permutations(&members).into_iter().filter(|order| case.keeps(order)).collect()
}

fn permutations(members: &[usize]) -> Vec<Vec<usize>> {
    let Some((first, rest)) = members.split_first() else { return vec![Vec::new()] };
    let mut all = Vec::new();
    for shorter in permutations(rest) {
        for at in 0..=shorter.len() {
            let mut one = shorter.clone();
            one.insert(at, *first);
            all.push(one);
        }
    }
    all
}

impl Case {
    fn keeps(&self, order: &[usize]) -> bool {
        let place = |t: usize| order.iter().position(|other| *other == t);
        order.iter().all(|t| {
            let txn = &self.txns[*t];
            let sources = txn.reads.iter().filter_map(|read| read.from);
            let earlier = (0..self.txns.len()).filter(|a| (txn.after & self.there) >> a & 1 == 1);
            sources.chain(earlier).all(|before| place(before) < place(*t))
        })
    }

    /// Bit set of those that happened before.
    fn past(&self, t: usize) -> u32 {
        let mut past = self.direct(t);
        loop {
            let members = (0..self.txns.len()).filter(|a| past >> a & 1 == 1);
            let more = members.fold(past, |more, a| more | self.direct(a));
            if more == past {
                return past;
            }
            past = more;
        }
    }

    /// Bit set of those it read from, and of those before it in its session.
    fn direct(&self, t: usize) -> u32 {
        let sources = self.txns[t].reads.iter().filter_map(|read| read.from);
        sources.fold(self.txns[t].after & self.there, |set, from| set | 1 << from)
    }

    fn satisfies(&self, order: &[usize], axiom: Axiom) -> bool {
        order.iter().filter(|t| self.txns[**t].committed).all(|t| {
            let mut reads = self.txns[*t].reads.iter().enumerate();
            // What repeatable read does not count, nothing that it implies does.
            let items = matches!(axiom, Axiom::SerialItems | Axiom::Monotonic);
            let counts = |read: &Read| !(read.missing && items);
            reads.all(|(at, read)| !counts(read) || self.explains(order, *t, read, at, axiom))
        })
    }

    /// Whether everything that read number `at` of `t` must not miss comes before what it returned.
    fn explains(&self, order: &[usize], t: usize, read: &Read, at: usize, axiom: Axiom) -> bool {
        let place = |t: usize| order.iter().position(|other| *other == t);
        let before = self.txns[t].reads[..at].iter().filter(|other| other.step < read.step);
        let earlier = before.filter_map(|read| read.from);
        let visible: u32 = match axiom {
            Axiom::Nothing => 0,
            Axiom::Monotonic => earlier.fold(0, |set, from| set | 1 << from),
            Axiom::Atomic => self.direct(t),
            Axiom::Causal => self.past(t),
            Axiom::Prefix | Axiom::Snapshot => {
                let common = |x: usize| {
                    let mut keys = self.txns[x].writes.keys();
                    keys.any(|key| self.txns[t].writes.contains_key(key))
                };
                let conflicts =
                    |x: usize| axiom == Axiom::Snapshot && place(x) < place(t) && common(x);
                let ends =
                    order.iter().filter(|x| self.direct(t) >> **x & 1 == 1 || conflicts(**x));
                let up_to = ends.filter_map(|x| place(*x)).max();
                order.iter().take(up_to.map_or(0, |at| at + 1)).fold(0, |set, x| set | 1 << x)
            }
            Axiom::Serial | Axiom::SerialItems => {
                let before = order.iter().take_while(|other| **other != t);
                before.fold(0, |set, other| set | 1 << other)
            }
        };
        order.iter().filter(|other| **other != t && Some(**other) != read.from).all(|other| {
            let writes = self.txns[*other].writes.contains_key(&read.key);
            let missed = visible >> other & 1 == 1 && writes;
            !missed || read.from.is_some_and(|from| place(*other) < place(from))
        })
    }
}
