//! The definitions, by enumeration: no dependency, no graph, nothing of what is tested.
//!
//! Serializability: some order of the transactions explains every read. Snapshot isolation
//! (Berenson et al., SIGMOD 1995): some interleaving of begins and commits does, where a
//! transaction reads what was committed when it began and itself wrote, and none commits over a
//! write that was committed since it began. Exponential: a handful of transactions.

use std::collections::{BTreeMap, BTreeSet};

use tribunal_history::{History, Mop, Observed, Op, Outcome, Value};

/// Which orders between transactions must be kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Keep {
    Nothing,
    Sessions,
    RealTime,
}

type Store = BTreeMap<Value, Vec<Value>>;

/// One transaction of the oracle.
struct Txn {
    mops: Vec<Mop>,
    committed: bool,
    /// Bit set of those that must come before.
    after: u32,
    writes: BTreeSet<Value>,
}

fn transactions(history: &History, keep: Keep) -> Vec<Txn> {
    let all: Vec<_> =
        history.operations().filter(|operation| operation.outcome() != Outcome::Fail).collect();
    let before = |a: usize, b: usize| match keep {
        Keep::Nothing => false,
        Keep::Sessions => a < b && all[a].session() == all[b].session(),
        Keep::RealTime => {
            let done = all[a].outcome() == Outcome::Ok;
            let session = a < b && all[a].session() == all[b].session();
            session || done && all[a].ret().is_some_and(|ret| ret < all[b].call())
        }
    };
    let one = |b: usize| {
        let Op::Txn(op) = all[b].op() else { panic!("transactions only") };
        let writes = op.mops.iter().filter_map(|mop| match mop {
            Mop::Append { key, .. } => Some(key.clone()),
            _ => None,
        });
        Txn {
            writes: writes.collect(),
            committed: all[b].outcome() == Outcome::Ok,
            after: (0..all.len()).filter(|a| before(*a, b)).map(|a| 1 << a).sum(),
            mops: op.mops,
        }
    };
    (0..all.len()).map(one).collect()
}

/// Runs a transaction on `store`; `None` if it reads something else.
fn run(txn: &Txn, mut store: Store) -> Option<Store> {
    for mop in &txn.mops {
        match mop {
            Mop::Append { key, element } => {
                store.entry(key.clone()).or_default().push(element.clone());
            }
            Mop::ReadList { key, elements } if txn.committed => {
                let holds = store.get(key).cloned().unwrap_or_default();
                match elements {
                    Observed::Pending => {}
                    Observed::Absent => (!holds.is_empty()).then_some(()).xor(Some(()))?,
                    Observed::Present(seen) => (*seen == holds).then_some(())?,
                }
            }
            Mop::ReadList { .. } => {}
            _ => panic!("lists only"),
        }
    }
    Some(store)
}

/// Every choice of which transactions of unknown outcome happened, as a bit set of those that did.
fn choices(txns: &[Txn]) -> impl Iterator<Item = u32> + '_ {
    let known: u32 = bits(txns, |txn| txn.committed);
    let unknown = bits(txns, |txn| !txn.committed);
    (0..1_u32 << txns.len())
        .filter(move |set| set & known == known && set & !(known | unknown) == 0)
}

fn bits(txns: &[Txn], wanted: impl Fn(&Txn) -> bool) -> u32 {
    txns.iter().enumerate().filter(|(_, txn)| wanted(txn)).map(|(at, _)| 1 << at).sum()
}

/// Whether some order explains the history.
pub(super) fn serializable(history: &History, keep: Keep) -> bool {
    let txns = transactions(history, keep);
    choices(&txns).any(|there| serial(&txns, there, 0, &Store::new()))
}

fn serial(txns: &[Txn], there: u32, done: u32, store: &Store) -> bool {
    done == there
        || (0..txns.len()).filter(|at| (there & !done) >> at & 1 == 1).any(|at| {
            txns[at].after & there & !done == 0
                && run(&txns[at], store.clone())
                    .is_some_and(|store| serial(txns, there, done | 1 << at, &store))
        })
}

/// Whether some interleaving of begins and commits explains the history.
pub(super) fn snapshot_isolated(history: &History, keep: Keep) -> bool {
    let txns = transactions(history, keep);
    choices(&txns).any(|there| commits(&txns, there, 0, &mut vec![Store::new()], &mut Vec::new()))
}

/// Tries every order of commits; given one, each transaction chooses its snapshot for itself.
fn commits(
    txns: &[Txn],
    there: u32,
    done: u32,
    stores: &mut Vec<Store>,
    order: &mut Vec<usize>,
) -> bool {
    if done == there {
        return true;
    }
    for (at, txn) in txns.iter().enumerate().filter(|(at, _)| (there & !done) >> at & 1 == 1) {
        // Those before it were committed when it began.
        let earliest = order.iter().rposition(|other| txn.after >> other & 1 == 1);
        let earliest = earliest.map_or(0, |place| place + 1);
        let meets = |other: &usize| !txns[*other].writes.is_disjoint(&txn.writes);
        let began = (earliest..=order.len()).any(|snapshot| {
            !order[snapshot..].iter().any(meets) && run(txn, stores[snapshot].clone()).is_some()
        });
        if txn.after & there & !done != 0 || !began {
            continue;
        }
        let mut store = stores[order.len()].clone();
        for mop in &txn.mops {
            if let Mop::Append { key, element } = mop {
                store.entry(key.clone()).or_default().push(element.clone());
            }
        }
        stores.push(store);
        order.push(at);
        if commits(txns, there, done | 1 << at, stores, order) {
            return true;
        }
        stores.pop();
        order.pop();
    }
    false
}

/// What Adya's definitions say for the best choice of version orders.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Phenomena {
    /// Some choice has no G0.
    pub(super) pl1: bool,
    /// Some choice has neither G1a, G1b nor G1c.
    pub(super) pl2: bool,
    /// Some choice has no G-single either.
    pub(super) pl2_plus: bool,
    /// Some choice has no cycle of any kind.
    pub(super) pl299: bool,
    /// Some order of every key's versions is what all reads are prefixes of.
    pub(super) ordered: bool,
}

/// Tries every order of every key's versions, and every choice of what happened.
pub(super) fn phenomena(history: &History, keep: Keep) -> Phenomena {
    let txns = transactions(history, keep);
    let mut best = Phenomena::default();
    for there in choices(&txns) {
        let mut written: Store = Store::new();
        let mut readings: BTreeMap<Value, Vec<Vec<Value>>> = BTreeMap::new();
        let happened = txns.iter().enumerate().filter(|(at, _)| there >> at & 1 == 1);
        for (_, txn) in happened {
            for mop in &txn.mops {
                match mop {
                    Mop::Append { key, element } => {
                        written.entry(key.clone()).or_default().push(element.clone());
                    }
                    Mop::ReadList { key, elements: Observed::Present(list) } if txn.committed => {
                        readings.entry(key.clone()).or_default().push(list.clone());
                    }
                    _ => {}
                }
            }
        }
        let orders: Vec<(Value, Vec<Vec<Value>>)> = written
            .iter()
            .map(|(key, values)| {
                let prefixes = readings.get(key).map_or(&[][..], Vec::as_slice);
                let longest = prefixes.iter().max_by_key(|list| list.len());
                let longest = longest.map_or(&[][..], Vec::as_slice);
                let rest: Vec<Value> =
                    values.iter().filter(|value| !longest.contains(value)).cloned().collect();
                let whole = |rest: Vec<Value>| [longest, &rest].concat();
                let fits = |order: &Vec<Value>| {
                    let distinct: BTreeSet<&Value> = order.iter().collect();
                    let place = |value: &Value| order.iter().position(|other| other == value);
                    // What one transaction appends stays in its order.
                    let own = txns.iter().all(|txn| {
                        let places = txn.mops.iter().filter_map(|mop| match mop {
                            Mop::Append { key: k, element } if k == key => place(element),
                            _ => None,
                        });
                        places.is_sorted()
                    });
                    let fits = prefixes.iter().all(|prefix| order.starts_with(prefix));
                    own && fits && distinct.len() == order.len()
                };
                (key.clone(), permutations(&rest).into_iter().map(whole).filter(fits).collect())
            })
            .collect();
        let foreign = readings.iter().any(|(key, lists)| {
            let values = written.get(key);
            let known = |v: &Value| values.is_some_and(|values| values.contains(v));
            lists.iter().flatten().any(|value| !known(value))
        });
        if !foreign {
            every_order(&txns, there, &orders, &mut Store::new(), &mut best);
        }
    }
    best
}

fn permutations(values: &[Value]) -> Vec<Vec<Value>> {
    let Some((first, rest)) = values.split_first() else { return vec![Vec::new()] };
    let mut all = Vec::new();
    for shorter in permutations(rest) {
        for at in 0..=shorter.len() {
            let mut one = shorter.clone();
            one.insert(at, first.clone());
            all.push(one);
        }
    }
    all
}

fn every_order(
    txns: &[Txn],
    there: u32,
    orders: &[(Value, Vec<Vec<Value>>)],
    chosen: &mut Store,
    best: &mut Phenomena,
) {
    let Some(((key, options), rest)) = orders.split_first() else {
        return judge(txns, there, chosen, best);
    };
    for option in options {
        chosen.insert(key.clone(), option.clone());
        every_order(txns, there, rest, chosen, best);
    }
}

/// Relations by bit set: `row[a]` are those that `a` comes before.
type Relation = Vec<u32>;

fn closure(mut relation: Relation) -> Relation {
    for via in 0..relation.len() {
        for from in 0..relation.len() {
            if relation[from] >> via & 1 == 1 {
                relation[from] |= relation[via];
            }
        }
    }
    relation
}

fn cyclic(relation: &Relation) -> bool {
    closure(relation.clone()).iter().enumerate().any(|(at, row)| row >> at & 1 == 1)
}

fn union(one: &Relation, other: &Relation) -> Relation {
    one.iter().zip(other).map(|(one, other)| one | other).collect()
}

fn judge(txns: &[Txn], there: u32, orders: &Store, best: &mut Phenomena) {
    best.ordered = true;
    let n = txns.len();
    let appends = |at: usize, key: &Value, value: &Value| {
        txns[at].mops.iter().any(
            |mop| matches!(mop, Mop::Append { key: k, element } if k == key && element == value),
        )
    };
    let writer = |key: &Value, value: &Value| {
        (0..n).find(|at| there >> at & 1 == 1 && appends(*at, key, value))
    };
    let (mut ww, mut wr, mut rw, mut before) = (vec![0; n], vec![0; n], vec![0; n], vec![0_u32; n]);
    for (b, txn) in txns.iter().enumerate().filter(|(b, _)| there >> b & 1 == 1) {
        (0..n).filter(|a| (txn.after & there) >> a & 1 == 1).for_each(|a| before[a] |= 1 << b);
    }
    for (key, order) in orders {
        let writers: Vec<usize> = order.iter().filter_map(|value| writer(key, value)).collect();
        for (at, a) in writers.iter().enumerate() {
            writers[at..].iter().filter(|b| *b != a).for_each(|b| ww[*a] |= 1 << b);
        }
    }
    let mut intermediate = false;
    for (t, txn) in txns.iter().enumerate().filter(|(t, txn)| txn.committed && there >> t & 1 == 1)
    {
        let mut own = BTreeSet::new();
        for (step, mop) in txn.mops.iter().enumerate() {
            let (key, list) = match mop {
                Mop::Append { key, .. } => {
                    own.insert(key.clone());
                    continue;
                }
                Mop::ReadList { key, elements: Observed::Present(list) } => (key, list.clone()),
                Mop::ReadList { key, elements: Observed::Absent } => (key, Vec::new()),
                _ => continue,
            };
            // What a transaction writes later it cannot have read: circular by itself.
            let later = &txn.mops[step..];
            intermediate |= later.iter().any(|mop| {
                matches!(mop, Mop::Append { key: k, element } if k == key && list.contains(element))
            });
            if own.contains(key) {
                continue;
            }
            if let Some(last) = list.last()
                && let Some(from) = writer(key, last)
                && from != t
            {
                wr[from] |= 1 << t;
                let mut its = txns[from].mops.iter().rev();
                let final_one = its.find_map(|mop| match mop {
                    Mop::Append { key: k, element } if k == key => Some(element.clone()),
                    _ => None,
                });
                intermediate |= final_one.as_ref() != Some(last);
            }
            let order = orders.get(key).map_or(&[][..], Vec::as_slice);
            for later in order.get(list.len()..).unwrap_or_default() {
                if let Some(to) = writer(key, later).filter(|to| *to != t) {
                    rw[t] |= 1 << to;
                }
            }
        }
    }
    let writes = union(&ww, &before);
    let base = union(&writes, &wr);
    best.pl1 |= !cyclic(&writes);
    let pl2 = !cyclic(&base) && !intermediate;
    best.pl2 |= pl2;
    let reach = closure(base.clone());
    let closes = |u: usize| (0..n).any(|v| rw[u] >> v & 1 == 1 && reach[v] >> u & 1 == 1);
    best.pl2_plus |= pl2 && !(0..n).any(closes);
    best.pl299 |= pl2 && !cyclic(&union(&base, &rw));
}

/// Which transactions a read must not miss writes of, by the axioms of Biswas & Enea (OOPSLA 2019).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Axiom {
    /// Those it read from before, in the same transaction.
    MonotonicAtomicView,
    /// Those it read from, and those before it.
    ReadAtomic,
    /// Everything ordered before something it read from, or before it.
    Prefix,
}

/// Whether some total order of the transactions that happened, and of versions by it, satisfies
/// the axiom. Reads of what a transaction itself wrote are not looked at.
pub(super) fn axiomatic(history: &History, keep: Keep, axiom: Axiom) -> bool {
    let txns = transactions(history, keep);
    choices(&txns).any(|there| {
        let members: Vec<Value> =
            (0..txns.len() as i64).filter(|at| there >> at & 1 == 1).map(Value::Int).collect();
        permutations(&members).iter().any(|order| {
            let order: Vec<usize> = order
                .iter()
                .map(|value| match value {
                    Value::Int(at) => *at as usize,
                    _ => unreachable!("numbers"),
                })
                .collect();
            explains(&txns, there, &order, axiom)
        })
    })
}

fn explains(txns: &[Txn], there: u32, order: &[usize], axiom: Axiom) -> bool {
    let place = |at: usize| order.iter().position(|other| *other == at);
    let before = |a: usize, b: usize| place(a) < place(b);
    let kept = order
        .iter()
        .all(|b| (0..txns.len()).all(|a| (txns[*b].after & there) >> a & 1 == 0 || before(a, *b)));
    // The order of versions is that of their transactions; every read must be a prefix of it.
    let mut lists = Store::new();
    for at in order {
        for mop in &txns[*at].mops {
            if let Mop::Append { key, element } = mop {
                lists.entry(key.clone()).or_default().push(element.clone());
            }
        }
    }
    let writer = |key: &Value, value: &Value| {
        order.iter().copied().find(|at| {
            let wrote = |mop: &Mop| match mop {
                Mop::Append { key: k, element } => k == key && element == value,
                _ => false,
            };
            txns[*at].mops.iter().any(wrote)
        })
    };
    kept && order.iter().filter(|t| txns[**t].committed).all(|t| {
        let mut own = BTreeSet::new();
        let mut sources: Vec<(Value, usize, Option<usize>)> = Vec::new();
        for (step, mop) in txns[*t].mops.iter().enumerate() {
            match mop {
                Mop::Append { key, .. } => {
                    own.insert(key.clone());
                }
                Mop::ReadList { key, elements: Observed::Present(list) } => {
                    let whole = lists.get(key).cloned().unwrap_or_default();
                    if !whole.starts_with(list) {
                        return false;
                    }
                    if !own.contains(key) {
                        let from = list.last().and_then(|last| writer(key, last));
                        sources.push((key.clone(), step, from));
                    }
                }
                _ => {}
            }
        }
        let read_from = |before_step: usize| {
            sources.iter().filter(move |(_, step, _)| *step < before_step).filter_map(|it| it.2)
        };
        if read_from(usize::MAX).any(|from| from != *t && !before(from, *t)) {
            return false;
        }
        sources.iter().all(|(key, step, from)| {
            order.iter().filter(|other| **other != *t && Some(**other) != *from).all(|other| {
                if !txns[*other].writes.contains(key) {
                    return true;
                }
                let direct = |x: usize| {
                    txns[*t].after >> x & 1 == 1 || read_from(usize::MAX).any(|from| from == x)
                };
                let visible = match axiom {
                    Axiom::MonotonicAtomicView => read_from(*step).any(|from| from == *other),
                    Axiom::ReadAtomic => direct(*other),
                    Axiom::Prefix => {
                        order.iter().any(|x| direct(*x) && (x == other || before(*other, *x)))
                    }
                };
                !visible || from.is_some_and(|from| before(*other, from))
            })
        })
    })
}
